"""`masklet automatic-masks` on three real clips: masklets, recall of annotated objects, time and memory.

    python benchmarks/automatic_masklets.py [--clip FILE] [--data DIR] [--videos bear motorbike] [--preset NAME]
        [--frames 48]

The clip has no annotation and shows how much is found; the two videos are val sequences of the shared data
(`unpack.py DIR` writes DIR/videos/val), each with one annotated object. Masklets go to SA-V files, and what is scored
is what the evaluation's reader gives back. An object is recalled on an annotated frame where any masklet has an IoU
above 0.5 with it; the best masklet's mean IoU over these frames is given too. Every video runs in a process of its own,
whose peak memory is given.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

import masklet
from masklet.io import ArrayVideo, Provenance, RecordedSource, Result, open_writer, write_image
from masklet.io.datasets import open_videos
from masklet.masks.rle import encode_masks, iou
from masklet.predict.automatic_masklets import EverythingSettings, track_everything, visible
from masklet.predict.automatic_masks import settings_for
from masklet.types import Masklet, Rle

ROOT = Path(__file__).parents[2] / "shared" / "data"


@dataclass(frozen=True)
class Row:
    """One video."""

    name: str
    frames: int
    size: str
    masklets: int
    longest: int
    recall: float | None
    best: float | None
    seconds: float
    peak_mb: float


def beginning(video: RecordedSource, frames: int) -> ArrayVideo:
    """The first frames of a video."""
    return ArrayVideo(np.stack([video[index] for index in range(min(frames, len(video)))]), fps=video.fps)


def opened(name: str, arguments: argparse.Namespace) -> tuple[ArrayVideo, dict[int, Rle]]:
    """A video, and its one object where it has an annotated one."""
    if name == arguments.clip.stem:
        with masklet.open_video(arguments.clip) as video:
            assert isinstance(video, RecordedSource)
            return beginning(video, arguments.frames), {}
    (sequence,) = open_videos("davis2016", arguments.data / "videos" / "val", split="all", sequences=[name])
    with sequence.open() as video:
        pictures = beginning(video, arguments.frames)
    (object_id,) = sequence.objects
    return pictures, {index: Rle.from_mask(sequence.truth(index)[object_id]) for index in range(len(pictures))}


def scored(folder: Path, truth: dict[int, Rle]) -> tuple[float, float] | None:
    """Share of annotated frames that some masklet matches, and the best mean IoU of one masklet, from SA-V files."""
    (sequence,) = open_videos("sa-v-train", folder)
    if not truth:
        return None
    table = []
    for index in (index for index in sequence.annotated if truth[index].area):
        masks = sequence.truth(index).masks
        table.append(iou([truth[index]], encode_masks(masks))[0] if len(masks) else np.zeros(1))
    found = np.stack(table)
    return float((found.max(axis=1) > 0.5).mean()), float(found.mean(axis=0).max())


def save(folder: Path, name: str, found: dict[int, Masklet], pictures: ArrayVideo) -> None:
    """An SA-V file, and the pictures beside it."""
    (folder / name).mkdir()
    for index in range(len(pictures)):
        write_image(folder / name / f"{index:05d}.jpg", pictures[index])
    result = Result(masklets=found, size=pictures.size, num_frames=len(pictures), fps=24.0, video=f"{name}.mp4")
    told = Provenance(source="automatic")
    with open_writer(folder / f"{name}_auto.json", format="sav", like=result, provenance=told) as writer:
        for masks in result:
            writer.write(None, masks)


def run(name: str, arguments: argparse.Namespace) -> Row:
    """Find everything in one video, and score what an SA-V file holds of it."""
    pictures, truth = opened(name, arguments)
    model = masklet.load(arguments.model)
    settings = EverythingSettings(every=arguments.every, max_objects=arguments.max_objects)
    started = time.perf_counter()
    found = track_everything(model, pictures, settings, proposals=settings_for(model, arguments.preset))
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    scores = None
    if found:
        with tempfile.TemporaryDirectory() as place:
            save(Path(place), name, found, pictures)
            scores = scored(Path(place), truth)
    recall, best = scores or ((None, None) if not truth else (0.0, 0.0))
    longest = max((len(visible(one)) for one in found.values()), default=0)
    size = f"{pictures.size[1]}x{pictures.size[0]}"
    return Row(name, len(pictures), size, len(found), longest, recall, best, seconds, peak)


def main() -> None:
    parser = argparse.ArgumentParser(description="Everything in three real clips")
    parser.add_argument("--clip", type=Path, default=ROOT / "clips" / "dog.mp4")
    parser.add_argument("--data", type=Path, default=Path("data"), help="where unpack.py wrote")
    parser.add_argument("--videos", nargs="*", default=["bear", "motorbike"])
    parser.add_argument("--preset", default="default")
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--every", type=int, default=24)
    parser.add_argument("--max-objects", type=int, default=24)
    parser.add_argument("--model", default="nano")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        print(json.dumps(asdict(run(arguments.only, arguments))))
        return
    machine = f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    print(f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}; {machine}; model {arguments.model}; ", end="")
    print(f"preset {arguments.preset}, a key frame every {arguments.every} frames, one run each")
    print()
    head = ("video", "frames", "size", "masklets", "longest", "frame recall", "best mean IoU", "seconds", "peak MB")
    print(f"| {' | '.join(head)} |\n|{' --- |' * len(head)}", flush=True)
    for name in [arguments.clip.stem, *arguments.videos]:
        command = [sys.executable, __file__, *sys.argv[1:], "--only", name]
        row = Row(**json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout))
        scores = ["-" if score is None else f"{score:.2f}" for score in (row.recall, row.best)]
        cells = [row.name, row.frames, row.size, row.masklets, row.longest, *scores]
        print(f"| {' | '.join(map(str, cells))} | {row.seconds:.1f} | {row.peak_mb:.0f} |", flush=True)


if __name__ == "__main__":
    main()
