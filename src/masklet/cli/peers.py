"""`masklet bench peers`: tracking, or masks of everything, beside the public packages with the same random weights."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import masklet
from masklet.cli import peer_programs
from masklet.cli.measuring import picture, random_model
from masklet.cli.peer_programs import CONFIGS, WARM
from masklet.cli.report import table
from masklet.errors import DeviceError, UnknownModelError
from masklet.model.checkpoint import read_checkpoint
from masklet.model.mask_selection import stability_score
from masklet.model.tensors import PromptTensors
from masklet.types import Size

OURS = "masklet"
SAM2, TRANSFORMERS = PEERS = ("sam2", "transformers")
TRACK, EVERYTHING = TASKS = ("track", "everything")
PICTURES = 25
"""Frames that differ; a longer clip shows them again and again, so that it takes little disk."""
SAMPLE = 6
"""Clicks a side from which the filters of a search are set."""
COLUMNS = {
    "frame_s": "S A FRAME",
    "picture_s": "SECONDS",
    "encoder_s": "ENCODER S",
    "frame_cpu_s": "CPU S",
    "picture_cpu_s": "CPU S",
    "encoder_cpu_s": "ENCODER CPU S",
    "decoder_cpu_s": "DECODER CPU S",
    "rest_cpu_s": "REST CPU S",
    "peak_mb": "PEAK MB",
    "whole_mb": "MB AT THE END",
    "masks": "MASKS",
}
"""What is shown of a row."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What is compared.

    Attributes:
        model: name of a released model.
        dtype: "float32" or "bfloat16"; `sam2` runs under autocast then, `transformers` with weights of that type.
        task: tracking one object, or masks of everything in one picture.
        beside: the public packages; only `sam2` looks for everything.
        frames: of the clip.
        tracked: frames tracked, of all that the programs open; None for all.
        points: clicks a side of the grid.
        size: (height, width) of the frames.

    Raises:
        UnknownModelError: not a released model.
        DeviceError: a number type, a number of frames or a package that cannot be compared.
    """

    model: str = "sam2.1-tiny"
    dtype: str = "float32"
    task: str = TRACK
    beside: tuple[str, ...] = (SAM2,)
    frames: int = 12
    tracked: int | None = None
    points: int = 32
    size: Size = (480, 854)

    def __post_init__(self) -> None:
        if self.model not in CONFIGS:
            raise UnknownModelError(f"peers run released models ({', '.join(CONFIGS)}), not {self.model[:80]!r}")
        if self.dtype not in ("float32", "bfloat16"):
            raise DeviceError(f"peers run in float32 or bfloat16, got {self.dtype[:32]!r}")
        if self.task not in TASKS:
            raise DeviceError(f"--task must be one of {', '.join(TASKS)}, got {self.task[:32]!r}")
        if not 0 < len(self.beside) == len(set(self.beside) & set(PEERS)):
            raise DeviceError(
                f"--beside must be one of {', '.join(PEERS)}, each at most once, got {' '.join(self.beside)[:64]!r}"
            )
        steps = self.frames if self.tracked is None else self.tracked
        if self.task == EVERYTHING and self.beside != (SAM2,):
            raise DeviceError("only sam2 has a generator of all masks that runs beside ours")
        if self.task == TRACK and not WARM + 1 < steps <= self.frames:
            raise DeviceError(
                f"expected more than {WARM + 1} frames to track, the first {WARM} of which do not count, and at most "
                f"the {self.frames} of the clip; got {steps}"
            )
        if TRANSFORMERS in self.beside and not self.model.endswith("-tiny"):
            raise DeviceError(f"beside transformers expected a tiny model, got {self.model!r}")


def compare(peer_python: Path, comparison: Comparison, rounds: int) -> list[dict[str, Any]]:
    """A row for each program, ours last: medians over the rounds, in each of which all run once, in turns.

    Each program runs in a process of its own on the same JPEG frames, with as many threads as torch has here and all
    other options as they are by default.

    Args:
        peer_python: interpreter of the environment that has the public packages.
        comparison: what is compared.
        rounds: how often all run.

    Raises:
        DeviceError: a program fails.
    """
    programs = [*comparison.beside, OURS]
    found: dict[str, list[dict[str, Any]]] = {program: [] for program in programs}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_frames(folder, comparison)
        _make_weights(folder, comparison, peer_python)
        (folder / "job.json").write_text(json.dumps(_job(folder, comparison)), encoding="utf-8")
        for _ in range(rounds):
            for program, reports in found.items():
                python = Path(sys.executable) if program == OURS else peer_python
                reports.append(run_program(python, f"{comparison.task}_{program}", folder, comparison))
    return [
        {"program": program} | {key: statistics.median(report[key] for report in reports) for key in reports[0]}
        for program, reports in found.items()
    ]


def times(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """How many times as much each public package takes, by package and column."""
    *public, ours = rows
    keys = [key for key in COLUMNS if key in ours and key != "masks" and not key.startswith("rest")]
    return {row["program"]: {key: round(row[key] / ours[key], 2) for key in keys} for row in public}


def as_table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows, and below them how many times as much each public package takes."""
    keys = [key for key in COLUMNS if key in rows[0]]
    lines = [
        (row["program"], *(f"{row[key]:.0f}" if key.endswith(("mb", "masks")) else f"{row[key]:.2f}" for key in keys))
        for row in rows
    ]
    for program, ratios in times(rows).items():
        lines.append((f"{program} : {OURS}", *(f"{ratios[key]:.2f}" if key in ratios else "" for key in keys)))
    return table(("PROGRAM", *(COLUMNS[key] for key in keys)), lines)


def facts(comparison: Comparison) -> dict[str, Any]:
    """What the numbers must be read with."""
    told = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(comparison).items()}
    unused = ("frames", "tracked") if comparison.task == EVERYTHING else ("points",)
    return {key: value for key, value in told.items() if key not in unused}


def _make_weights(folder: Path, comparison: Comparison, peer_python: Path) -> None:
    """Random weights in the public form; if transformers is among them, it makes them, and we read its layout."""
    if TRANSFORMERS in comparison.beside:
        run_program(peer_python, "make_transformers", folder, comparison)
        weights = read_checkpoint(folder / "model.safetensors").tensors
    else:
        model = random_model(comparison.model, image_size=None, dtype="float32", device="cpu")
        weights = model.state_dict()
        weights["sam_mask_decoder.pred_obj_score_head.layers.2.bias"].fill_(10.0)  # the object is visible throughout
    torch.save({"model": dict(weights)}, folder / "weights.pt")


def make_frames(folder: Path, comparison: Comparison) -> None:
    """The clip as JPEG files; of a long one each picture is a file but once."""
    (folder / "frames").mkdir()
    count = comparison.frames if comparison.task == TRACK else 1
    paths = [folder / "frames" / f"{index:05d}.jpg" for index in range(count)]
    for index, path in enumerate(paths):
        if index < PICTURES:
            Image.fromarray(picture(index, comparison.size)).save(path, quality=95)
        else:
            path.hardlink_to(paths[index % PICTURES])


def _job(folder: Path, comparison: Comparison) -> dict[str, Any]:
    if comparison.task == TRACK:
        return {"frames": comparison.frames, "tracked": comparison.tracked or comparison.frames}
    iou, steady = _medians(folder, comparison)
    return {"points": comparison.points, "min_iou": iou, "min_stability": steady, "max_overlap": 1.0}


@torch.inference_mode()
def _medians(folder: Path, comparison: Comparison) -> tuple[float, float]:
    """The median predicted IoU of candidates, and the median stability of those that reach it.

    With them as filters random weights keep about a quarter of all candidates, as trained ones do; without, they keep
    all or nothing.
    """
    model = masklet.load(comparison.model, weights=folder / "weights.pt", device="cpu")
    with Image.open(folder / "frames" / "00000.jpg") as image:
        encoded = masklet.ImageSegmenter(model).encode(np.array(image.convert("RGB")))
    axis = (torch.arange(SAMPLE) + 0.5) * encoded.features.image_size / SAMPLE
    clicks = torch.cartesian_prod(axis, axis)[:, None]
    answers = model.decode(encoded.features, PromptTensors(clicks, torch.ones(SAMPLE**2, 1, dtype=torch.long)))
    iou = answers.iou[:, 1:]
    steady = stability_score(answers.logits[:, 1:], 1.0)[iou >= iou.median()]
    return float(iou.median()), float(steady.median())


def run_program(python: Path, program: str, folder: Path, comparison: Comparison) -> dict[str, Any]:
    """What a program of `peer_programs` reports, run by an interpreter.

    It gets that file on its standard input, so that nothing beside the file can be imported.

    Raises:
        DeviceError: it fails.
    """
    threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    try:
        done = subprocess.run(  # noqa: S603 - the Python the user names
            [str(python), "-", program, str(folder), comparison.model, comparison.dtype],
            input=Path(peer_programs.__file__).read_text(encoding="utf-8"),
            capture_output=True,
            text=True,
            env={**os.environ, **threads},
            check=False,
        )
        report: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    except OSError as error:
        raise DeviceError(f"--peer-python {python} cannot be run: {error.strerror}") from None
    except (IndexError, ValueError):
        said = (done.stderr.strip().splitlines() or ["nothing said"])[-1]
        raise DeviceError(f"{program} failed under {python}: {said[:300]}") from None
    return report
