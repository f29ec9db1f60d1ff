"""`masklet bench`: how fast a model is here, how that grows with objects, and how much memory it takes."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from masklet.cli import options
from masklet.cli.app import TOOL_PANEL, app
from masklet.cli.errors import exit_codes
from masklet.cli.options import ModelOptions
from masklet.cli.report import document, print_json, table

HEADER = ("PART", "OBJECTS", "MEDIAN MS", "LOWEST", "HIGHEST", "CPU MS", "A SECOND")


class Measured(StrEnum):
    """What `masklet bench` measures."""

    SPEED = "speed"
    OBJECTS = "objects"
    MEMORY = "memory"
    PEERS = "peers"


What = Annotated[
    Measured,
    typer.Argument(
        help="speed: each part of a step, and whole steps; objects: whole steps with 1, 4 and 16 objects; "
        "memory: peak memory over a stream; peers: beside the public sam2 predictor, with random weights."
    ),
]
Objects = Annotated[int, typer.Option("--objects", min=1, max=256, help="Objects tracked (speed, memory).")]
Repeats = Annotated[
    int | None,
    typer.Option(
        "--repeats", min=1, max=10_000, help="Runs that count.", show_default="10; peers: 1 of each program, in turns"
    ),
]
Frames = Annotated[
    int | None,
    typer.Option("--frames", min=1, max=1_000_000, help="Length of the stream.", show_default="memory: 50; peers: 12"),
]
PeerPython = Annotated[
    Path | None, typer.Option("--peer-python", help="Python of the environment that has the public sam2 (peers).")
]
FrameHeight = Annotated[int, typer.Option("--height", min=16, max=8192, help="Height of the frames in pixels.")]
FrameWidth = Annotated[int, typer.Option("--width", min=16, max=8192, help="Width of the frames in pixels.")]
RandomWeights = Annotated[
    bool, typer.Option("--random-weights", help="Of the model take only the shape: nothing is downloaded.")
]


@app.command(
    epilog="masklet bench speed --size 384\n\n"
    "masklet bench objects --model sam2.1-tiny --random-weights --dtype bfloat16\n\n"
    "masklet bench peers --model sam2.1-tiny --peer-python .peers/bin/python",
    rich_help_panel=TOOL_PANEL,
)
def bench(
    what: What = Measured.SPEED,
    *,
    model: options.ModelName = "nano",
    weights: options.Weights = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "float32",
    backend: options.Backend = "torch",
    speed: options.Speed = "exact",
    size: options.InputSize = None,
    random_weights: RandomWeights = False,
    objects: Objects = 1,
    repeats: Repeats = None,
    frames: Frames = None,
    peer_python: PeerPython = None,
    height: FrameHeight = 480,
    width: FrameWidth = 854,
    as_json: options.AsJson = False,
) -> None:
    """Measure a model on this machine, on frames made up here, in a steady state: all memories are full.

    Medians with the lowest and highest of the repeats, and the processor's time (CPU MS); every result carries the
    machine and the date. Compare results of one run only: what else runs on the machine changes them.
    """
    with exit_codes(as_json=as_json):
        from masklet.cli import measuring  # noqa: PLC0415  torch is slow to import
        from masklet.cli.job import Lazy, model_entry  # noqa: PLC0415
        from masklet.cli.peers import compare  # noqa: PLC0415

        if (what is Measured.PEERS) != (peer_python is not None):
            raise typer.BadParameter("peers and --peer-python go together")
        if peer_python is not None:
            _peers(
                compare(
                    peer_python,
                    model=model,
                    dtype=dtype,
                    frames=frames or 12,
                    rounds=repeats or 1,
                    size=(height, width),
                ),
                {"model": model, "dtype": dtype, "frames": frames or 12, **measuring.machine()},
                as_json=as_json,
            )
            return
        if random_weights and (weights is not None or backend != "torch"):
            raise typer.BadParameter("--random-weights excludes --weights and other backends than torch")
        loaded = (
            measuring.random_model(model, image_size=size, dtype=dtype, device=device, speed=speed)
            if random_weights
            else Lazy(
                ModelOptions(
                    name=model,
                    weights=weights,
                    device=device,
                    dtype=dtype,
                    image_size=size,
                    backend=backend,
                    speed=speed,
                )
            )()
        )
        frame, facts = (height, width), {**measuring.machine(), **model_entry(loaded), "frame": [height, width]}
        content: dict[str, Any] = {}
        if what is Measured.MEMORY:
            curve = measuring.memory_curve(loaded, frame, objects=objects, frames=frames or 50)
            content["peak_mb"] = curve
            shown = table(("FRAME", "PEAK MB"), [(str(index), f"{peak:.1f}") for index, peak in curve.items()])
        else:
            repeats = repeats or 10
            counts = (1, 4, 16) if what is Measured.OBJECTS else (objects,)
            steps = [measuring.whole_steps(loaded, frame, objects=n, repeats=repeats) for n in counts]
            parts = (
                list(measuring.parts(loaded, frame, objects=objects, repeats=repeats)) if what is Measured.SPEED else []
            )
            content["timings_ms"] = measuring.as_entries([*parts, *steps])
            shown = table(
                HEADER, [*(measuring.rows(parts, total=True) if parts else []), *measuring.rows(steps, False)]
            )
        if as_json:
            print_json(document("bench", what=what.value, **facts, **content))
            return
        typer.echo(shown)
        typer.echo("\n" + ", ".join(f"{name} {value}" for name, value in facts.items()))


def _peers(rows: list[dict[str, Any]], facts: dict[str, Any], *, as_json: bool) -> None:
    """The rows of both programs, and how many times faster ours is by the processor's time."""
    public, ours = rows
    ratios = {key: round(public[key] / ours[key], 2) for key in ("frame_cpu_s", "encoder_cpu_s", "peak_mb", "long_mb")}
    if as_json:
        print_json(document("bench", what="peers", **facts, programs=rows, times=ratios))
        return
    keys = ("frame_s", "frame_cpu_s", "encoder_s", "encoder_cpu_s", "peak_mb", "long_mb")
    header = ("PROGRAM", "S A FRAME", "CPU S", "ENCODER S", "CPU S", "PEAK MB", "MB AT 500 FRAMES")
    lines = [
        (row["program"], *(f"{row[key]:.0f}" if "mb" in key else f"{row[key]:.2f}" for key in keys)) for row in rows
    ]
    lines.append(("times", *(f"{ratios[key]:.2f}" if key in ratios else "" for key in keys)))
    typer.echo(table(header, lines))
    typer.echo("\n" + ", ".join(f"{name} {value}" for name, value in facts.items()))
