"""Memory policies side by side on annotated videos and on stress clips made of them (`benchmarks/stress.py`).

    python benchmarks/policies.py run VIDEOS --out FOLDER [--frames 30] [--size 256] [--groups two,cuts] [--minutes 10]
    python benchmarks/policies.py show FOLDER [--json]

VIDEOS is a folder in the form of DAVIS 2016. Every object is prompted with its mask on its first frame. `run` adds what
is missing in FOLDER, clip by clip, and may be stopped and started at will; `show` prints the table of what is there.
``--frames 0`` takes whole videos. All policies see a picture through the same features, which are computed once;
frames/s are of a separate run of each policy.

| column | is |
| --- | --- |
| J&F | mean over frames after the first, then over clips, in percent |
| presence | share of frames where "is it there" was answered as the truth says |
| switches | times a clip's mask went over to a look-alike, per clip |
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import sys
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

import masklet
from masklet.backends.protocol import Model
from masklet.evaluate.metrics.frames import FrameMetric
from masklet.evaluate.runner import fingerprint
from masklet.model.tensors import ImageFeatures
from masklet.predict.spec import ModelSpec
from masklet.tracking.memory_policy import NAMES, MemoryPolicy, PolicyName
from masklet.types import FrameMasks, Prompts
from stress import GROUPS, Clip, load_clips, stress_clips

METRIC = FrameMetric()


class SharedEncoder:
    """A model that encodes a picture once, for all trackers that see it one after the other."""

    def __init__(self, model: Model) -> None:
        self._encode = model.encode_image
        self._last: tuple[Tensor, ImageFeatures] | None = None

    def __call__(self, pixels: Tensor) -> ImageFeatures:
        """The features of a picture."""
        if self._last is None or not torch.equal(self._last[0], pixels):
            self._last = pixels, self._encode(pixels)
        return self._last[1]


def load(options: argparse.Namespace) -> Model:
    """The model asked for."""
    return ModelSpec(name=options.model, image_size=options.size, tta=options.tta).load()


def shared(model: Model) -> Model:
    """The same model, which now encodes a picture once for all trackers."""
    model.encode_image = SharedEncoder(model)  # type: ignore[method-assign]
    return model


def track(
    model: Model, clip: Clip, policies: Mapping[str, PolicyName | MemoryPolicy]
) -> dict[str, dict[str, list[float]]]:
    """Policy -> what each frame after the first scores."""
    trackers = {name: masklet.StreamTracker(model, memory=policy) for name, policy in policies.items()}
    found: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in policies}
    for t, frame in enumerate(clip.frames):
        prompts = {1: Prompts.from_mask(clip.truth[0])} if t == 0 else None
        for name, tracker in trackers.items():
            out = tracker.step(frame, prompts)
            if t:
                numbers = score(out, clip, t) | tracker.scores[1]._asdict()
                for key, value in numbers.items():
                    found[name][key].append(round(float(value), 5))
    return found


def score(out: FrameMasks, clip: Clip, t: int) -> dict[str, float]:
    """One frame's numbers."""
    truth, mask = clip.truth[t], out.masks[0]
    scores = METRIC.score_masks(mask[None], truth[None])
    j = float(scores.j[0])
    numbers = {"j": j, "f": float(scores.f[0]), "there": float(truth.any()), "said": float(mask.any())}
    numbers["lost"] = float(any(overlap(mask, other[t]) > max(j, 0.1) for other in clip.others))
    assert out.confidence is not None
    return numbers | {"confidence": float(out.confidence[0])}


def overlap(mask: Bool[np.ndarray, "h w"], other: Bool[np.ndarray, "h w"]) -> float:
    return float((mask & other).sum() / max((mask | other).sum(), 1))


def summary(frames: dict[str, list[float]]) -> dict[str, float]:
    """Of one clip."""
    j, f, lost = (np.array(frames[key]) for key in ("j", "f", "lost"))
    right = np.equal(frames["there"], frames["said"])
    return {
        "J&F": 50 * float((j + f).mean()),
        "presence": 100 * float(right.mean()),
        "switches": float(np.count_nonzero(np.diff(lost, prepend=0) > 0)),
    }


def run(options: argparse.Namespace) -> int:
    model = shared(load(options))
    weights = fingerprint(model)[:8] + "-mirrored" * options.tta
    clips = load_clips(options.videos, options.frames or None)
    until = time.monotonic() + 60 * options.minutes
    policies: dict[str, PolicyName] = {name: name for name in NAMES if name in options.policies.split(",")}
    for group, clip in stress_clips(clips, options.groups.split(",")):
        path = (
            options.out / f"{group.replace(' ', '-')}--{clip.name}--{options.size}--{len(clip.frames)}--{weights}.json"
        )
        known = json.loads(path.read_text()) if path.exists() else {}
        missing = {name: policy for name, policy in policies.items() if name not in known}
        if not missing:
            continue
        if time.monotonic() > until:
            print("time is up; run again to go on")
            return 1
        known |= track(model, clip, missing)
        options.out.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".part").write_text(json.dumps(known))
        path.with_suffix(".part").replace(path)
        numbers = "  ".join(f"{name} {summary(known[name])['J&F']:.1f}" for name in policies)
        print(f"{group:6} {clip.name:16} {len(clip.frames):5} frames  {numbers}", flush=True)
    return speed(options, clips[0], policies)


def speed(options: argparse.Namespace, clip: Clip, policies: Mapping[str, PolicyName]) -> int:
    """Frames/s of each policy, in turn, the median of three rounds; written beside the scores."""
    model = load(options)
    seconds: dict[str, list[float]] = {name: [] for name in policies}
    for _ in range(3):
        for name, policy in policies.items():
            tracker = masklet.StreamTracker(model, memory=policy)
            tracker.step(clip.frames[0], {1: Prompts.from_mask(clip.truth[0])})
            began = time.perf_counter()
            for frame in clip.frames[1:]:
                tracker.step(frame)
            seconds[name].append((time.perf_counter() - began) / (len(clip.frames) - 1))
    rates = {name: 1 / float(np.median(each)) for name, each in seconds.items()}
    (options.out / "speed.json").write_text(json.dumps(rates))
    return 0


def show(options: argparse.Namespace) -> int:
    """Print the table; 1 where "auto" does not hold what it promises."""
    found: dict[str, dict[str, list[dict[str, float]]]] = defaultdict(lambda: defaultdict(list))
    for path in sorted(options.out.glob("*--*.json")):
        for name, frames in json.loads(path.read_text()).items():
            found[path.name.split("--")[0].replace("-", " ")][name].append(summary(frames))
    table = {
        group: {
            name: {key: float(np.mean([c[key] for c in clips])) for key in clips[0]} for name, clips in each.items()
        }
        for group, each in found.items()
    }
    rates = json.loads(path.read_text()) if (path := options.out / "speed.json").exists() else {}
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}"
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    if options.json:
        print(json.dumps({"groups": table, "frames_per_second": rates, "machine": machine, "date": today}))
        return 0
    names = [name for name in NAMES if any(name in each for each in table.values())]
    for key in ("J&F", "presence", "switches"):
        print(f"{key:10}" + "".join(f"{name:>12}" for name in names) + "   clips")
        for group in (g for g in GROUPS if g in table):
            each = table[group]
            row = "".join(f"{each[name][key]:12.1f}" if name in each else " " * 12 for name in names)
            print(f"{group:10}{row}   {len(next(iter(found[group].values())))}")
        print()
    if rates:
        print(f"{'frames/s':10}" + "".join(f"{rates.get(name, float('nan')):12.1f}" for name in names))
    gains = {
        g: each["auto"]["J&F"] - each["plain"]["J&F"] for g, each in table.items() if {"auto", "plain"} <= set(each)
    }
    stress = [gain for group, gain in gains.items() if group != "as is"]
    if stress:
        print(
            f"auto - plain: worst {min(gains.values()):+.1f} J&F (allowed -0.3), stress {np.mean(stress):+.1f} (aim +3)"
        )
    print(f"{machine}; {today}")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Memory policies side by side.")
    commands = parser.add_subparsers(required=True)
    running = commands.add_parser("run", help="track and score what is missing")
    running.add_argument("videos", type=Path)
    running.add_argument("--out", type=Path, required=True)
    running.add_argument("--frames", type=int, default=30, help="of each video; 0 for all")
    running.add_argument("--size", type=int, default=256, help="side of the model's input in pixels")
    running.add_argument("--groups", default=",".join(GROUPS))
    running.add_argument("--policies", default=",".join(NAMES))
    running.add_argument("--minutes", type=float, default=10.0)
    running.add_argument("--model", default="nano")
    running.add_argument("--tta", action="store_true", help="look twice (masklet.FlipAugmented)")
    running.set_defaults(do=run)
    showing = commands.add_parser("show", help="print the table")
    showing.add_argument("out", type=Path)
    showing.add_argument("--json", action="store_true")
    showing.set_defaults(do=show)
    options = parser.parse_args()
    return int(options.do(options))


if __name__ == "__main__":
    sys.exit(main())
