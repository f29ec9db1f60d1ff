"""Tracking one object with the same random weights: masklet beside the public `sam2` predictor, in turns, in one run.

    python benchmarks/peers.py --peer-python .peers/bin/python [--frames 12] [--rounds 1] [--threads 2] [--json]
    python benchmarks/peers.py --peer-python .peers/bin/python --memory --frames 40

Each program runs in a process of its own, one after the other, in float32 and in bfloat16 (the public one under
autocast), on the same JPEG frames; counted are frames after the eighth, when all memories are full. The image encoder
is timed alone as well. With ``--memory`` the frames are 1920x1080, and the peaks of resident memory at half and at the
end give the growth of each frame, from which 500 frames are estimated. `scripts/peers` builds the other environment;
where torchvision there has no operators, MASKLET_ASSETS/peers holds a stand-in.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

WARM = 8
CONFIG = "configs/sam2.1/sam2.1_hiera_t.yaml"
LONG = 500
"""Frames for which memory is estimated."""


class Watch:
    """Seconds of each frame and of the image encoder in it, and the peak memory after it."""

    def __init__(self) -> None:
        self.frames: list[float] = []
        self.encoder: list[float] = []
        self.peaks: list[float] = []
        self._started = time.perf_counter()

    def frame(self) -> None:
        self.frames.append(time.perf_counter() - self._started)
        status = Path("/proc/self/status").read_text()
        self.peaks.append(int(next(x for x in status.splitlines() if x.startswith("VmHWM")).split()[1]) / 1e3)
        self._started = time.perf_counter()

    def timed(self, encode: Any) -> Any:
        def run(*args: Any) -> Any:
            started = time.perf_counter()
            out = encode(*args)
            self.encoder.append(time.perf_counter() - started)
            return out

        return run

    def report(self) -> dict[str, Any]:
        count = len(self.peaks)
        half = min(max(count // 2, WARM), count - 1)  # until then memories fill up
        growth = (self.peaks[-1] - self.peaks[half]) / max(count - 1 - half, 1)
        return {
            "frame_s": statistics.median(self.frames[WARM:]),
            "encoder_s": statistics.median(self.encoder[WARM:]),
            "peak_mb": self.peaks[-1],
            "mb_a_frame": growth,
            "long_mb": self.peaks[-1] + max(LONG - count, 0) * growth,
        }


def run_public(folder: Path, dtype: str) -> dict[str, Any]:
    with contextlib.suppress(ImportError):
        __import__("tvshim")
    module = __import__("sam2.build_sam", fromlist=["build_sam2_video_predictor"])
    predictor = module.build_sam2_video_predictor(CONFIG, None, device="cpu")
    predictor.load_state_dict(
        torch.load(folder / "weights.pt", weights_only=True)["model"], strict=False
    )  # it has one more, unused
    context: Any = torch.autocast("cpu", torch.bfloat16)
    if dtype == "float32":  # it rounds memories to bfloat16, which only autocast can read
        video: Any = __import__("sam2.sam2_video_predictor", fromlist=["torch"])
        video.torch = SimpleNamespace(**{**vars(torch), "bfloat16": torch.float32})
        context = contextlib.nullcontext()
    watch = Watch()
    predictor.forward_image = watch.timed(predictor.forward_image)
    with torch.inference_mode(), context:
        state = predictor.init_state(str(folder / "frames"))
        predictor.add_new_points_or_box(state, 0, 1, points=[[300, 200]], labels=[1])
        watch.frame()
        watch.frames.clear()
        watch.peaks.clear()
        for _ in predictor.propagate_in_video(state):
            watch.frame()
    return watch.report()


def run_masklet(folder: Path, dtype: str) -> dict[str, Any]:
    from PIL import Image  # noqa: PLC0415 - only in this program

    import masklet  # noqa: PLC0415 - only in this program

    model, watch = masklet.load(folder / "weights.pt", device="cpu", dtype=dtype), Watch()
    model.encode_image = watch.timed(model.encode_image)  # type: ignore[method-assign]
    tracker = masklet.StreamTracker(model)
    for index, path in enumerate(sorted((folder / "frames").iterdir())):
        frame = np.asarray(Image.open(path).convert("RGB"))
        tracker.step(frame, None if index else {1: masklet.Prompts.click(300, 200)})
        watch.frame()
    return watch.report()


def make_inputs(folder: Path, frames: int, size: tuple[int, int]) -> None:
    """Random weights in the public form, and frames."""
    from PIL import Image  # noqa: PLC0415 - only in this program

    from masklet.cli.measuring import picture, random_model  # noqa: PLC0415 - only in this program

    model = random_model("sam2.1-tiny", image_size=None, dtype="float32", device="cpu")
    weights = model.state_dict()
    weights["sam_mask_decoder.pred_obj_score_head.layers.2.bias"].fill_(10.0)  # the object is visible throughout
    torch.save({"model": weights}, folder / "weights.pt")
    (folder / "frames").mkdir()
    for index in range(frames):
        Image.fromarray(picture(index, size)).save(folder / "frames" / f"{index:05d}.jpg", quality=95)


def child(python: str, program: str, folder: Path, dtype: str, threads: int) -> dict[str, Any]:
    assets = Path(os.environ.get("MASKLET_ASSETS", Path(__file__).parents[2] / "shared"))
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(assets / "peers")}
    command = [python, str(Path(__file__).resolve()), "--child", program, "--folder", str(folder), "--dtype", dtype]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        sys.exit(f"{program} in {dtype} failed: {done.stderr.strip().splitlines()[-1]}")
    report: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return report


def measure(options: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """Medians over the rounds, in each of which all programs run once."""
    cases = [(program, dtype) for dtype in options.dtypes for program in ("sam2", "masklet")]
    found: dict[tuple[str, str], list[dict[str, Any]]] = {case: [] for case in cases}
    for _ in range(options.rounds):
        for program, dtype in cases:
            python = options.peer_python if program == "sam2" else sys.executable
            found[program, dtype].append(child(python, program, folder, dtype, options.threads))
    return [
        {"program": program, "dtype": dtype}
        | {key: statistics.median(report[key] for report in reports) for key in reports[0]}
        for (program, dtype), reports in found.items()
    ]


def show(rows: list[dict[str, Any]], options: argparse.Namespace) -> None:
    base = rows[0]
    print(
        f"{'program':8} {'dtype':9} {'s/frame':>8} {'times':>6} {'encoder s':>10} {'times':>6} {'peak MB':>8}"
        f" {'500 MB':>8}"
    )
    for row in rows:
        print(
            f"{row['program']:8} {row['dtype']:9} {row['frame_s']:8.2f} {base['frame_s'] / row['frame_s']:6.2f}"
            f" {row['encoder_s']:10.2f} {base['encoder_s'] / row['encoder_s']:6.2f} {row['peak_mb']:8.0f}"
            f" {row['long_mb']:8.0f}"
        )
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    print(
        f"times: against the first row. sam2.1-tiny, 1024 px, 1 object, {options.frames} frames ({WARM} to warm up), ",
        end="",
    )
    print(
        f"{options.rounds} round(s), {options.threads} thread(s); {platform.machine()}, {os.cpu_count()} cores; {today}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="masklet beside the public sam2 predictor.")
    parser.add_argument("--peer-python", help="interpreter of the environment that has sam2")
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16"], choices=["float32", "bfloat16"])
    parser.add_argument("--memory", action="store_true", help="1920x1080 frames, bfloat16 only")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", choices=["sam2", "masklet"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--dtype", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        run = run_public if options.child == "sam2" else run_masklet
        print(json.dumps(run(options.folder, options.dtype)))
        return
    if options.peer_python is None:
        print("peers: skipped, pass --peer-python (scripts/peers builds .peers/bin/python)")
        return
    if options.frames <= WARM + 1:
        parser.error(f"expected more than {WARM + 1} frames, got {options.frames}")
    options.dtypes = ["bfloat16"] if options.memory else options.dtypes
    with tempfile.TemporaryDirectory() as folder:
        make_inputs(Path(folder), options.frames, (1080, 1920) if options.memory else (480, 854))
        rows = measure(options, Path(folder))
    if options.json:
        print(json.dumps(rows, indent=2))
    else:
        show(rows, options)


if __name__ == "__main__":
    main()
