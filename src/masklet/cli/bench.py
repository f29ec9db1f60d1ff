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
        "memory: peak memory over a stream; peers: beside the public packages, with random weights."
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
    Path | None, typer.Option("--peer-python", help="Python of the environment that has the public packages (peers).")
]
Task = Annotated[
    str, typer.Option("--task", help="peers: track one object, or everything: masks of all there is in a picture.")
]
Beside = Annotated[
    list[str] | None,
    typer.Option(
        "--beside", help="peers: a public package, sam2 or transformers; may be repeated.", show_default="sam2"
    ),
]
Tracked = Annotated[
    int | None,
    typer.Option(
        "--tracked", min=1, max=1_000_000, help="peers: track so many frames of the stream.", show_default="all"
    ),
]
Points = Annotated[int, typer.Option("--points", min=1, max=256, help="peers, everything: clicks a side of the grid.")]
FrameHeight = Annotated[int, typer.Option("--height", min=16, max=8192, help="Height of the frames in pixels.")]
FrameWidth = Annotated[int, typer.Option("--width", min=16, max=8192, help="Width of the frames in pixels.")]
RandomWeights = Annotated[
    bool, typer.Option("--random-weights", help="Of the model take only the shape: nothing is downloaded.")
]


@app.command(
    epilog="masklet bench speed --size 384\n\n"
    "masklet bench objects --model sam2.1-tiny --random-weights --dtype bfloat16\n\n"
    "masklet bench peers --model sam2.1-tiny --peer-python .peers/bin/python\n\n"
    "masklet bench peers --task everything --model sam2.1-tiny --peer-python .peers/bin/python --height 1024 "
    "--width 1024",
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
    task: Task = "track",
    beside: Beside = None,
    tracked: Tracked = None,
    points: Points = 32,
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

        if (what is Measured.PEERS) != (peer_python is not None):
            raise typer.BadParameter("peers and --peer-python go together")
        if peer_python is not None:
            from masklet.cli import peers  # noqa: PLC0415

            comparison = peers.Comparison(
                model=model,
                dtype=dtype,
                task=task,
                beside=tuple(beside or ["sam2"]),
                frames=frames or 12,
                tracked=tracked,
                points=points,
                size=(height, width),
            )
            compared = peers.compare(peer_python, comparison, repeats or 1)
            told = {**peers.facts(comparison), "repeats": repeats or 1, **measuring.machine()}
            if as_json:
                print_json(document("bench", what="peers", **told, programs=compared, times=peers.times(compared)))
                return
            typer.echo(peers.as_table(compared))
            typer.echo("\n" + ", ".join(f"{name} {value}" for name, value in told.items()))
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
