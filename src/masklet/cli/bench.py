"""`masklet bench`: measure the speed and memory of a model on this machine."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Any

import typer
from typer import Argument, Option

from masklet.cli import options
from masklet.cli.app import TOOL_PANEL, command
from masklet.cli.options import ModelOptions, ReportOptions, Without
from masklet.cli.report import table

HEADER = ("PART", "OBJECTS", "MEDIAN MS", "LOWEST", "HIGHEST", "CPU MS", "PER SECOND")
EXAMPLES = """
masklet bench speed --size 384

masklet bench objects --model sam2.1-tiny --random-weights --dtype bfloat16
"""


class Quantity(StrEnum):
    """What `masklet bench` measures."""

    SPEED = "speed"
    OBJECTS = "objects"
    MEMORY = "memory"


@command(examples=EXAMPLES, panel=TOOL_PANEL)
def bench(
    quantity: Annotated[
        Quantity,
        Argument(
            help="speed: each part of a step, and whole steps; objects: whole steps with 1, 4 and 16 objects; "
            "memory: peak memory over a stream."
        ),
    ] = Quantity.SPEED,
    *,
    model: Annotated[ModelOptions, Without("tta")],
    random_weights: Annotated[
        bool, Option("--random-weights", help="Build the named model with random weights: downloads nothing.")
    ] = False,
    objects: Annotated[int, Option(min=1, max=256, help="Number of objects tracked (speed, memory).")] = 1,
    repeats: Annotated[int, Option(min=1, max=10_000, help="Number of timed runs (speed, objects).")] = 10,
    frames: Annotated[int, Option(min=1, max=1_000_000, help="Number of frames (memory).")] = 50,
    height: Annotated[int, Option(min=16, max=8192, help="Height of the frames in pixels.")] = 480,
    width: Annotated[int, Option(min=16, max=8192, help="Width of the frames in pixels.")] = 854,
    report: Annotated[ReportOptions, Without("quiet")],
) -> None:
    """Measure a model on synthetic frames in the steady state, with all memories filled.

    Prints medians with the lowest and highest of the repeats, and the CPU time (CPU MS), with the machine and the date.
    Compare results of one session only: other programs on the machine change them.
    """
    from masklet.cli import model_timing

    if random_weights and (model.weights is not None or model.backend != "torch"):
        raise typer.BadParameter("--random-weights excludes --weights and other backends than torch")
    loaded = model_timing.random_model(model) if random_weights else model.load()
    facts = {**model_timing.machine(), **options.model_entry(loaded), "frame": [height, width]}
    content: dict[str, Any] = {}
    if quantity is Quantity.MEMORY:
        curve = model_timing.memory_curve(loaded, (height, width), objects=objects, frames=frames)
        content["peak_mb"] = curve
        text = table(("FRAME", "PEAK MB"), [(str(index), f"{peak:.1f}") for index, peak in curve.items()])
    else:
        counts = (1, 4, 16) if quantity is Quantity.OBJECTS else (objects,)
        size = height, width
        steps = [model_timing.whole_steps(loaded, size, objects=n, repeats=repeats) for n in counts]
        parts: list[model_timing.Timing] = []
        if quantity is Quantity.SPEED:
            parts = model_timing.parts(loaded, size, objects=objects, repeats=repeats)
        content["timings_ms"] = [asdict(timing) for timing in (*parts, *steps)]
        rows = [timing.row() for timing in parts]
        if parts:
            total, cpu = sum(timing.median for timing in parts), sum(timing.processor for timing in parts)
            rows.append(("all parts", str(objects), f"{total:.1f}", "", "", f"{cpu:.1f}", f"{1e3 / total:.1f}"))
        text = table(HEADER, [*rows, *(timing.row() for timing in steps)])
    lines = [text, "", ", ".join(f"{name} {value}" for name, value in facts.items())]
    report.show("bench", lines, what=quantity.value, **facts, **content)
