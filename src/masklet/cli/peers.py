"""`masklet bench peers`: tracking one object with the same random weights, masklet beside the public `sam2` predictor.

This file is also what both programs run, each by its own Python; so it imports masklet only where masklet runs.
"""

from __future__ import annotations

import contextlib
import json
import os
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
CONFIGS = {
    f"sam{family}-{size}": f"configs/sam{family}/sam{family}_hiera_{letter}.yaml"
    for family in ("2.1", "2")
    for size, letter in (("tiny", "t"), ("small", "s"), ("base-plus", "b+"), ("large", "l"))
}
"""The public names of the released models."""
LONG = 500
"""Frames for which memory is estimated."""


class Watch:
    """Seconds of each frame and of the image encoder in it, of the processor too, and the peak memory after it."""

    def __init__(self) -> None:
        self.frames: list[float] = []
        self.cpu: list[float] = []
        self.encoder: list[float] = []
        self.encoder_cpu: list[float] = []
        self.peaks: list[float] = []
        self._started = time.perf_counter(), time.process_time()

    def frame(self) -> None:
        self.frames.append(time.perf_counter() - self._started[0])
        self.cpu.append(time.process_time() - self._started[1])
        status = Path("/proc/self/status").read_text()
        self.peaks.append(int(next(x for x in status.splitlines() if x.startswith("VmHWM")).split()[1]) / 1e3)
        self._started = time.perf_counter(), time.process_time()

    def timed(self, encode: Any) -> Any:
        def run(*args: Any) -> Any:
            started = time.perf_counter(), time.process_time()
            out = encode(*args)
            self.encoder.append(time.perf_counter() - started[0])
            self.encoder_cpu.append(time.process_time() - started[1])
            return out

        return run

    def report(self) -> dict[str, Any]:
        count = len(self.peaks)
        half = min(max(count // 2, WARM), count - 1)  # until then memories fill up
        growth = (self.peaks[-1] - self.peaks[half]) / max(count - 1 - half, 1)
        return {
            "frame_s": statistics.median(self.frames[WARM:]),
            "frame_cpu_s": statistics.median(self.cpu[WARM:]),
            "encoder_s": statistics.median(self.encoder[WARM:]),
            "encoder_cpu_s": statistics.median(self.encoder_cpu[WARM:]),
            "peak_mb": self.peaks[-1],
            "mb_a_frame": growth,
            "long_mb": self.peaks[-1] + max(LONG - count, 0) * growth,
        }


def run_public(folder: Path, model: str, dtype: str) -> dict[str, Any]:
    with contextlib.suppress(ImportError):
        __import__("tvshim")
    module = __import__("sam2.build_sam", fromlist=["build_sam2_video_predictor"])
    predictor = module.build_sam2_video_predictor(CONFIGS[model], None, device="cpu")
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
        for times in (watch.frames, watch.cpu, watch.peaks):
            times.clear()
        for _ in predictor.propagate_in_video(state):
            watch.frame()
    return watch.report()


def run_masklet(folder: Path, name: str, dtype: str) -> dict[str, Any]:
    from PIL import Image  # noqa: PLC0415 - only in this program

    import masklet  # noqa: PLC0415 - only in this program

    model, watch = masklet.load(name, weights=folder / "weights.pt", device="cpu", dtype=dtype), Watch()
    model.encode_image = watch.timed(model.encode_image)  # type: ignore[method-assign]
    tracker = masklet.StreamTracker(model)
    for index, path in enumerate(sorted((folder / "frames").iterdir())):
        frame = np.asarray(Image.open(path).convert("RGB"))
        tracker.step(frame, None if index else {1: masklet.Prompts.click(300, 200)})
        watch.frame()
    return watch.report()


def make_inputs(folder: Path, model_name: str, frames: int, size: tuple[int, int]) -> None:
    """Random weights in the public form, and frames."""
    from PIL import Image  # noqa: PLC0415 - only in this program

    from masklet.cli.measuring import picture, random_model  # noqa: PLC0415 - only in this program

    model = random_model(model_name, image_size=None, dtype="float32", device="cpu")
    weights = model.state_dict()
    weights["sam_mask_decoder.pred_obj_score_head.layers.2.bias"].fill_(10.0)  # the object is visible throughout
    torch.save({"model": weights}, folder / "weights.pt")
    (folder / "frames").mkdir()
    for index in range(frames):
        Image.fromarray(picture(index, size)).save(folder / "frames" / f"{index:05d}.jpg", quality=95)


def compare(
    peer_python: Path, *, model: str, dtype: str, frames: int, rounds: int, size: tuple[int, int]
) -> list[dict[str, Any]]:
    """A row for each program: medians over the rounds, in each of which both run once.

    Each program runs in a process of its own on the same JPEG frames, with as many threads as torch has here. The
    public one runs under autocast in bfloat16. Frames after the eighth count, when all memories are full. `long_mb` is
    the peak memory that 500 frames would take, from the growth in the second half.

    Args:
        peer_python: interpreter of the environment that has `sam2`.
        model: name of a released model.
        dtype: "float32" or "bfloat16".
        frames: of the clip.
        rounds: how often both run.
        size: (height, width) of the frames.

    Raises:
        UnknownModelError: not a released model.
        DeviceError: a number type or a number of frames that cannot be compared, or a program that fails.
    """
    from masklet.errors import DeviceError, UnknownModelError  # noqa: PLC0415 - the other Python has no masklet

    if model not in CONFIGS:
        raise UnknownModelError(f"peers run released models ({', '.join(CONFIGS)}), not {model[:80]!r}")
    if dtype not in ("float32", "bfloat16"):
        raise DeviceError(f"peers run in float32 or bfloat16, got {dtype[:32]!r}")
    if frames <= WARM + 1:
        raise DeviceError(f"expected more than {WARM + 1} frames, the first {WARM} of which do not count; got {frames}")
    found: dict[str, list[dict[str, Any]]] = {"sam2": [], "masklet": []}
    with tempfile.TemporaryDirectory() as folder:
        make_inputs(Path(folder), model, frames, size)
        for _ in range(rounds):
            for program, reports in found.items():
                python = peer_python if program == "sam2" else Path(sys.executable)
                reports.append(_run(python, (program, folder, model, dtype)))
    return [
        {"program": program} | {key: statistics.median(report[key] for report in reports) for key in reports[0]}
        for program, reports in found.items()
    ]


def _run(python: Path, arguments: tuple[str, ...]) -> dict[str, Any]:
    """What a program reports. It gets this file on its standard input, so that nothing beside it can be imported."""
    from masklet.errors import DeviceError  # noqa: PLC0415 - as above

    threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    try:
        done = subprocess.run(  # noqa: S603 - the Python the user names
            [str(python), "-", *arguments],
            input=Path(__file__).read_text(encoding="utf-8"),
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
        raise DeviceError(f"{arguments[0]} failed under {python}: {said[:300]}") from None
    return report


if __name__ == "__main__":
    run = {"sam2": run_public, "masklet": run_masklet}[sys.argv[1]]
    sys.stdout.write(json.dumps(run(Path(sys.argv[2]), *sys.argv[3:])) + "\n")
