"""Compare masklet with the public packages sam2 and transformers, with the same random weights: speed and memory.

    python -m benchmarks.peers .peers/bin/python --runs speed transformers automatic memory
    python -m benchmarks.peers .peers/bin/python --dtype bfloat16 --frames 16 --repeats 3

The first form runs the named sets of comparisons, in one or two number types, minutes long on two cores; the second
runs one comparison. The set `memory` opens 500 frames of 1920x1080 and tracks 60 of them; for the whole clip run the
command it prints without --tracked. `scripts/peers` builds the environment with the public packages.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
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
from benchmarks import peer_programs
from benchmarks.peer_programs import CONFIGS, EDGETAM, WARM
from PIL import Image

import masklet
from masklet.cli.model_timing import machine, random_model, synthetic_frame
from masklet.cli.options import ModelOptions
from masklet.cli.report import document, print_json, table
from masklet.errors import DeviceError, MaskletError, UnknownModelError
from masklet.model.checkpoint import read_checkpoint
from masklet.model.mask_decoder import stability_score
from masklet.model.tensors import PromptTensors
from masklet.types import Size

RUNS = {
    "speed": ["--dtype float32", "--dtype bfloat16"],
    "transformers": ["--beside transformers --dtype float32", "--beside transformers --dtype bfloat16"],
    "edgetam": [
        "--model edgetam --beside transformers --dtype float32",
        "--model edgetam --beside transformers --dtype bfloat16",
    ],
    "automatic": [
        "--task automatic --height 1024 --width 1024 --dtype float32",
        "--task automatic --height 1024 --width 1024 --dtype bfloat16",
    ],
    "memory": ["--dtype bfloat16 --height 1080 --width 1920 --frames 500 --tracked 60"],
}
OURS = "masklet"
SAM2, TRANSFORMERS = PEERS = ("sam2", "transformers")
TRACK, AUTOMATIC = TASKS = ("track", "automatic")
DISTINCT_FRAMES = 25
"""A longer clip repeats its frames, to take little disk space."""
SAMPLE = 6
"""Clicks a side of the grid from which the thresholds of mask generation are set."""
COLUMNS = {
    "frame_s": "S A FRAME",
    "image_s": "SECONDS",
    "encoder_s": "ENCODER S",
    "frame_cpu_s": "CPU S",
    "image_cpu_s": "CPU S",
    "encoder_cpu_s": "ENCODER CPU S",
    "decoder_cpu_s": "DECODER CPU S",
    "rest_cpu_s": "REST CPU S",
    "peak_mb": "PEAK MB",
    "whole_mb": "MB AT THE END",
    "masks": "MASKS",
}
"""Measurements in the table, and their headers."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One comparison.

    Attributes:
        model: name of a released model.
        dtype: "float32" or "bfloat16"; `sam2` runs under autocast then, `transformers` with weights of that type.
        task: track one object, or generate all masks of one image.
        beside: public packages; only `sam2` generates masks.
        frames: number of frames of the clip.
        tracked: number of frames tracked, of all that the programs open; None for all.
        points: clicks a side of the grid.
        size: (height, width) of the frames.

    Raises:
        UnknownModelError: the model is not a released one.
        DeviceError: a task, number type, number of frames or package that cannot be compared.
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
        if self.model not in (*CONFIGS, EDGETAM):
            names = ", ".join((*CONFIGS, EDGETAM))
            raise UnknownModelError(f"peers run released models ({names}), not {self.model[:80]!r}")
        if self.dtype not in ("float32", "bfloat16"):
            raise DeviceError(f"peers run in float32 or bfloat16, got {self.dtype[:32]!r}")
        if self.task not in TASKS:
            raise DeviceError(f"--task must be one of {', '.join(TASKS)}, got {self.task[:32]!r}")
        if not 0 < len(self.beside) == len(set(self.beside) & set(PEERS)):
            raise DeviceError(
                f"--beside must be one of {', '.join(PEERS)}, each at most once, got {' '.join(self.beside)[:64]!r}"
            )
        steps = self.frames if self.tracked is None else self.tracked
        if self.task == AUTOMATIC and self.beside != (SAM2,):
            raise DeviceError("only sam2 generates masks for this comparison")
        if self.task == TRACK and not WARM + 1 < steps <= self.frames:
            raise DeviceError(
                f"expected more than {WARM + 1} frames to track, the first {WARM} of which do not count, and at most "
                f"the {self.frames} of the clip; got {steps}"
            )
        if TRANSFORMERS in self.beside and not self.model.endswith(("-tiny", EDGETAM)):
            raise DeviceError(f"beside transformers expected a tiny model or edgetam, got {self.model!r}")
        if SAM2 in self.beside and self.model == EDGETAM:
            raise DeviceError(f"expected edgetam beside transformers, got beside {SAM2}")


def compare(peer_python: Path, comparison: Comparison, rounds: int) -> list[dict[str, Any]]:
    """Run all programs in turns, and return a row for each, ours last, with medians over the rounds.

    Each program runs in a process of its own on the same JPEG frames, with as many threads as torch has here and
    default options.

    Args:
        peer_python: interpreter of the environment that has the public packages.
        rounds: number of runs of each program.

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
    """Ratios of each public package to masklet, by package and column."""
    *public, ours = rows
    keys = [key for key in COLUMNS if key in ours and key != "masks" and not key.startswith("rest")]
    return {row["program"]: {key: round(row[key] / ours[key], 2) for key in keys} for row in public}


def as_table(rows: Sequence[dict[str, Any]]) -> str:
    """Format the rows, and below them the ratios of each public package to masklet."""
    keys = [key for key in COLUMNS if key in rows[0]]
    lines = [
        (row["program"], *(f"{row[key]:.0f}" if key.endswith(("mb", "masks")) else f"{row[key]:.2f}" for key in keys))
        for row in rows
    ]
    for program, ratios in times(rows).items():
        lines.append((f"{program} : {OURS}", *(f"{ratios[key]:.2f}" if key in ratios else "" for key in keys)))
    return table(("PROGRAM", *(COLUMNS[key] for key in keys)), lines)


def facts(comparison: Comparison) -> dict[str, Any]:
    """The settings to report with the results."""
    settings = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(comparison).items()}
    unused = ("frames", "tracked") if comparison.task == AUTOMATIC else ("points",)
    return {key: value for key, value in settings.items() if key not in unused}


def _make_weights(folder: Path, comparison: Comparison, peer_python: Path) -> None:
    """Write random weights in the public format; made by transformers if it is among the programs."""
    if TRANSFORMERS in comparison.beside:
        run_program(peer_python, "make_transformers", folder, comparison)
        weights = read_checkpoint(folder / "model.safetensors").tensors
    else:
        model = random_model(ModelOptions(name=comparison.model, device="cpu"))
        weights = model.state_dict()
        weights["sam_mask_decoder.pred_obj_score_head.layers.2.bias"].fill_(10.0)  # the object is visible throughout
    torch.save({"model": dict(weights)}, folder / "weights.pt")


def make_frames(folder: Path, comparison: Comparison) -> None:
    """Write the clip as JPEG files; repeated frames are hard links."""
    (folder / "frames").mkdir()
    count = comparison.frames if comparison.task == TRACK else 1
    paths = [folder / "frames" / f"{index:05d}.jpg" for index in range(count)]
    for index, path in enumerate(paths):
        if index < DISTINCT_FRAMES:
            Image.fromarray(synthetic_frame(index, comparison.size)).save(path, quality=95)
        else:
            path.hardlink_to(paths[index % DISTINCT_FRAMES])


def _job(folder: Path, comparison: Comparison) -> dict[str, Any]:
    if comparison.task == TRACK:
        return {"frames": comparison.frames, "tracked": comparison.tracked or comparison.frames}
    min_iou, min_stability = _medians(folder, comparison)
    return {"points": comparison.points, "min_iou": min_iou, "min_stability": min_stability, "max_overlap": 1.0}


@torch.inference_mode()
def _medians(folder: Path, comparison: Comparison) -> tuple[float, float]:
    """The median predicted IoU of candidates, and the median stability of those above it.

    With these thresholds random weights keep about a quarter of all candidates, as trained weights do; with the
    default ones they would keep all or none.
    """
    model = masklet.load(comparison.model, weights=folder / "weights.pt", device="cpu")
    with Image.open(folder / "frames" / "00000.jpg") as image:
        encoded = masklet.ImageSegmenter(model).encode(np.array(image.convert("RGB")))
    axis = (torch.arange(SAMPLE) + 0.5) * encoded.features.image_size / SAMPLE
    clicks = torch.cartesian_prod(axis, axis)[:, None]
    found = model.decode(encoded.features, PromptTensors(clicks, torch.ones(SAMPLE**2, 1, dtype=torch.long)))
    iou = found.iou[:, 1:]
    stable = stability_score(found.logits[:, 1:], 1.0)[iou >= iou.median()]
    return float(iou.median()), float(stable.median())


def run_program(python: Path, program: str, folder: Path, comparison: Comparison) -> dict[str, Any]:
    """Run a program of `peer_programs` by an interpreter and return its measurements.

    The program is passed on standard input, so that it can import nothing that lies beside it.

    Raises:
        DeviceError: the program fails.
    """
    threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    try:
        done = subprocess.run(
            [str(python), "-", program, str(folder), comparison.model, comparison.dtype],
            input=Path(peer_programs.__file__).read_text(encoding="utf-8"),
            capture_output=True,
            text=True,
            env={**os.environ, **threads},
            check=False,
        )
        report: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    except OSError as error:
        raise DeviceError(f"{python} cannot be run: {error.strerror}") from None
    except (IndexError, ValueError):
        message = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise DeviceError(f"{program} failed under {python}: {message[:300]}") from None
    return report


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer_python", type=Path, nargs="?", help="Python of the environment with the public packages")
    parser.add_argument("--runs", nargs="+", choices=RUNS, help="run these sets of comparisons, each in a new process")
    parser.add_argument("--model", default="sam2.1-tiny", help="name of a released model")
    parser.add_argument("--dtype", default="float32", help="float32 or bfloat16")
    parser.add_argument("--task", default=TRACK, help="track (one object) or automatic (all masks of an image)")
    parser.add_argument("--beside", nargs="+", default=[SAM2], help="public packages: sam2, transformers")
    parser.add_argument("--frames", type=int, default=12, help="number of frames of the clip")
    parser.add_argument("--tracked", type=int, help="number of frames tracked; default: all")
    parser.add_argument("--points", type=int, default=32, help="clicks a side of the grid (automatic)")
    parser.add_argument("--height", type=int, default=480, help="height of the frames in pixels")
    parser.add_argument("--width", type=int, default=854, help="width of the frames in pixels")
    parser.add_argument("--repeats", type=int, default=1, help="runs of each program, in turns")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    options = arguments().parse_args(argv)
    if options.peer_python is None:
        print(
            "peers: skipped, expected the Python of an environment with the public packages (scripts/peers builds it)"
        )
        return 0
    worst = 0
    for run in (run for name in options.runs or () for run in RUNS[name]):
        command = [sys.executable, "-m", "benchmarks.peers", str(options.peer_python), *shlex.split(run)]
        print(f"\n{shlex.join(command[1:])}", flush=True)
        worst = max(worst, subprocess.run(command, check=False).returncode)
    if options.runs:
        return worst
    try:
        comparison = Comparison(
            model=options.model,
            dtype=options.dtype,
            task=options.task,
            beside=tuple(options.beside),
            frames=options.frames,
            tracked=options.tracked,
            points=options.points,
            size=(options.height, options.width),
        )
        rows = compare(options.peer_python, comparison, options.repeats)
    except MaskletError as error:
        print(f"peers: {error}", file=sys.stderr)
        return 2
    about = {**facts(comparison), "repeats": options.repeats, **machine()}
    if options.json:
        print_json(document("bench", what="peers", **about, programs=rows, times=times(rows)))
    else:
        print(f"{as_table(rows)}\n\n" + ", ".join(f"{name} {value}" for name, value in about.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
