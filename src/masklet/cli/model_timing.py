"""Time the parts of a tracking step and whole steps, and measure memory over a stream (`masklet bench`)."""

from __future__ import annotations

import datetime
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from masklet.backends.protocol import Model
from masklet.cli.options import ModelOptions
from masklet.errors import DeviceError, UnknownModelError
from masklet.geometry import logits_to_image
from masklet.model.config import PRESETS
from masklet.model.load import DTYPES, FLOAT32_MODULE
from masklet.model.metadata import check_image_size
from masklet.model.sam2 import Sam2
from masklet.model.tensors import ChosenMask, MemoryTokens, PromptTensors
from masklet.predict.load import pick_device
from masklet.predict.postprocess import PostProcess
from masklet.predict.preprocessing import frame_tensor
from masklet.predict.speed import for_speed
from masklet.predict.stream import StreamTracker
from masklet.tracking.memory_policy import named_policy
from masklet.types import Prompts, RgbImage, Size

WARM_FRAMES = 8
"""Number of frames after which a stream reads as many memories as it ever does."""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Times of one part, in milliseconds.

    Attributes:
        part: name.
        objects: number of objects.
        median, lowest, highest: wall time over the repeats.
        processor: median CPU time of all threads, which a busy machine changes least.
        warm_up: untimed runs before the repeats.
        repeats: timed runs.
    """

    part: str
    objects: int
    median: float
    lowest: float
    highest: float
    processor: float
    warm_up: int
    repeats: int

    def row(self) -> tuple[str, ...]:
        """Its cells in a table."""
        values = (self.median, self.lowest, self.highest, self.processor, 1e3 / self.median)
        return self.part, str(self.objects), *(f"{value:.1f}" for value in values)


def machine() -> dict[str, Any]:
    """The machine, torch version and date that belong to every measurement."""
    return {
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def random_model(options: ModelOptions) -> Sam2:
    """Build a model with random weights, as fast as the real one, without a download.

    Raises:
        UnknownModelError: there is no model of that name.
        DeviceError: the device or number type is not available.
    """
    if options.name not in PRESETS:
        raise UnknownModelError(
            f"no model {options.name[:80]!r}; with random weights expected one of {', '.join(PRESETS)}"
        )
    if options.dtype not in DTYPES:
        raise DeviceError(f"dtype must be one of {', '.join(DTYPES)} with random weights, got {options.dtype!r}")
    if options.image_size is not None:
        check_image_size(options.image_size)
    device = pick_device(options.device)
    config, dtype = for_speed(options.speed, PRESETS[options.name], options.dtype, device, options.image_size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Sam2(config).eval().requires_grad_(False)
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.copy_(torch.randn_like(weight) / weight[0].numel() ** 0.5)
    model.to(device, DTYPES[dtype]).get_submodule(FLOAT32_MODULE).float()
    return model


@torch.inference_mode()
def parts(model: Model, size: Size, *, objects: int, repeats: int) -> list[Timing]:
    """Time each part of a tracking step in the steady state: with all spatial memories and object pointers."""
    config, device, dtype = model.config, model.device, model.dtype
    frame, no_prompts = synthetic_frame(0, size), PromptTensors.none(objects, device)
    pixels = frame_tensor(frame, config.image_size, device)
    features = model.encode_image(pixels)
    maps, pointers = named_policy("plain", config).memory_frames, config.max_pointers
    tokens = len(config.memory_layout(features.grid))
    slots = torch.tensor([-1, *range(maps - 2, -1, -1)], device=device).expand(objects, -1)
    memory = MemoryTokens(
        torch.randn(objects, maps, tokens, config.memory_dim, device=device, dtype=dtype),
        slots,
        torch.randn(objects, pointers, config.embed_dim, device=device, dtype=dtype),
        torch.linspace(0, 1, pointers, device=device).expand(objects, -1),
    )
    conditioned = model.condition(features, memory)
    found = model.decode(conditioned, no_prompts)
    chosen = ChosenMask(found.logits[:, :1], found.iou[:, 0], found.pointers[:, 0], found.object_score)

    def post_process() -> None:
        for row in chosen.logits:
            PostProcess().masks(logits_to_image(row[None], size)[0].cpu().numpy())

    runs: dict[str, Callable[[], object]] = {
        "prepare": lambda: frame_tensor(frame, config.image_size, device),
        "encode": lambda: model.encode_image(pixels),
        "condition": lambda: model.condition(features, memory),
        "decode": lambda: model.decode(conditioned, no_prompts),
        "remember": lambda: model.encode_memory(features, chosen, prompted=False),
        "post-process": post_process,
    }
    timings = []
    for part, run in runs.items():
        clock = _Clock(model)
        for _ in range(repeats + 1):
            with clock:
                run()
        timings.append(clock.timing(part, objects, warm_up=1))
    return timings


def whole_steps(model: Model, size: Size, *, objects: int, repeats: int) -> Timing:
    """Time `StreamTracker.step` in the steady state; decoding of a video is not included."""
    tracker, clock = StreamTracker(model), _Clock(model)
    for index in range(WARM_FRAMES + repeats):
        frame = synthetic_frame(index, size)
        with clock:
            tracker.step(frame, None if index else grid_of_boxes(size, objects))
    return clock.timing("step", objects, warm_up=WARM_FRAMES)


def memory_curve(model: Model, size: Size, *, objects: int, frames: int) -> dict[int, float]:
    """Track a stream and return the peak resident memory of this process in MB at ten of its frames."""
    tracker, curve = StreamTracker(model), {}
    for index in range(frames):
        tracker.step(synthetic_frame(index, size), None if index else grid_of_boxes(size, objects))
        if index % max(frames // 10, 1) == 0 or index == frames - 1:
            curve[index] = round(peak_mb(), 1)
    return curve


def peak_mb() -> float:
    """Peak resident memory of this process, in MB."""
    status = Path("/proc/self/status")
    if status.is_file():
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) / 1e3
    if sys.platform == "win32":
        raise DeviceError(
            "masklet bench memory needs a system that reports the peak memory of a process; Windows does not"
        )
    import resource  # not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def synthetic_frame(index: int, size: Size) -> RgbImage:
    """A frame with a moving wave pattern."""
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float32)
    wave = 128 + 100 * np.sin(x / 31 + index / 5) * np.cos(y / 23 - index / 9)
    return np.repeat(wave.astype(np.uint8)[..., None], 3, axis=2)


def grid_of_boxes(size: Size, objects: int) -> dict[int, Prompts]:
    """A box prompt for each object, on a regular grid, not overlapping."""
    height, width = size
    columns = int(np.ceil(objects**0.5))
    cell_y, cell_x = height / columns, width / columns
    corners = [(i % columns * cell_x, i // columns * cell_y) for i in range(objects)]
    return {
        i + 1: Prompts.from_box(x + 0.2 * cell_x, y + 0.2 * cell_y, x + 0.8 * cell_x, y + 0.8 * cell_y)
        for i, (x, y) in enumerate(corners)
    }


class _Clock:
    """Records wall and CPU time of each ``with`` block entered."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._times: list[tuple[float, float]] = []

    def __enter__(self) -> None:
        self._wait()
        self._started = time.perf_counter(), time.process_time()

    def __exit__(self, *raised: object) -> None:
        self._wait()
        wall, processor = self._started
        self._times.append((time.perf_counter() - wall, time.process_time() - processor))

    def timing(self, part: str, objects: int, *, warm_up: int) -> Timing:
        """Statistics of all blocks after the first ``warm_up``."""
        wall, processor = zip(*self._times[warm_up:], strict=True)
        low, median, high = (1e3 * f(wall) for f in (min, statistics.median, max))
        return Timing(
            part=part,
            objects=objects,
            median=median,
            lowest=low,
            highest=high,
            processor=1e3 * statistics.median(processor),
            warm_up=warm_up,
            repeats=len(wall),
        )

    def _wait(self) -> None:
        """Wait for pending work on the device."""
        if self._model.device.type == "cuda":
            torch.cuda.synchronize(self._model.device)
