"""What `masklet bench` measures: the parts of a step, whole steps over objects, memory over frames."""

from __future__ import annotations

import datetime
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from masklet.backends.protocol import Model
from masklet.errors import DeviceError, UnknownModelError
from masklet.geometry import logits_to_image
from masklet.model.load import DTYPES, FLOAT32_MODULE
from masklet.model.metadata import check_image_size
from masklet.model.presets import PRESETS
from masklet.model.sam2 import Sam2
from masklet.model.tensors import ChosenMask, ImageFeatures, MemoryTokens, PromptTensors
from masklet.predict.load import pick_device
from masklet.predict.preprocessing import frame_tensor
from masklet.predict.results import PostProcess
from masklet.predict.speed import for_speed
from masklet.predict.stream import StreamTracker
from masklet.tracking.policies import named
from masklet.types import Prompts, RgbImage, Size

WARM_FRAMES = 8
"""After so many frames a stream recalls as many maps as it ever does."""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """One measured part, in milliseconds.

    Attributes:
        part: what ran.
        objects: how many objects it ran for.
        median, lowest, highest: of the repeats.
        processor: median time of the processor, all threads together: what a busy machine changes least.
        warm_up: runs before the repeats.
        repeats: runs that count.
    """

    part: str
    objects: int
    median: float
    lowest: float
    highest: float
    processor: float
    warm_up: int
    repeats: int


def machine() -> dict[str, Any]:
    """What every result must be read with."""
    return {
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def random_model(name: str, *, image_size: int | None, dtype: str, device: str, speed: str = "exact") -> Sam2:
    """A model of a known shape with random weights: as fast as the real one, and nothing to download.

    Raises:
        UnknownModelError: no model of that name.
        DeviceError: a device or number type that is not here.
    """
    if name not in PRESETS:
        raise UnknownModelError(f"no model {name[:80]!r}; with random weights expected one of {', '.join(PRESETS)}")
    if dtype not in DTYPES:
        raise DeviceError(f"dtype must be one of {', '.join(DTYPES)} with random weights, got {dtype!r}")
    if image_size is not None:
        check_image_size(image_size)
    config, dtype = for_speed(speed, PRESETS[name], dtype, pick_device(device), image_size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Sam2(config).eval().requires_grad_(False)
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.copy_(torch.randn_like(weight) / weight[0].numel() ** 0.5)
    model.to(pick_device(device), DTYPES[dtype]).get_submodule(FLOAT32_MODULE).float()
    return model


def parts(model: Model, size: Size, *, objects: int, repeats: int) -> Iterator[Timing]:
    """Each part of one step of tracking in a steady state: all maps and pointers that a stream ever recalls."""
    state = _State(model, size, objects)
    runs: dict[str, Callable[[], object]] = {
        "prepare": state.prepare,
        "encode": state.encode,
        "condition": state.condition,
        "decode": state.decode,
        "remember": state.remember,
        "post-process": state.post_process,
    }
    for part, run in runs.items():
        yield _timed(part, run, model, objects, repeats)


class _State:
    """The inputs of every part, of the shapes they have in a stream."""

    @torch.inference_mode()
    def __init__(self, model: Model, size: Size, objects: int) -> None:
        config, device, dtype = model.config, model.device, model.dtype
        self.model, self.size, self.frame = model, size, picture(0, size)
        self.pixels = frame_tensor(self.frame, config.image_size, device)
        self.features = model.encode_image(self.pixels)
        grid, maps, pointers = self.features.grid, named("plain", config).memory_frames, config.max_pointers
        slots = torch.tensor([-1, *range(maps - 2, -1, -1)], device=device).expand(objects, -1)
        self.memory = MemoryTokens(
            torch.randn(objects, maps, config.memory_dim, *grid, device=device, dtype=dtype),
            slots,
            torch.randn(objects, pointers, config.embed_dim, device=device, dtype=dtype),
            torch.linspace(0, 1, pointers, device=device).expand(objects, -1),
        )
        self.nothing = PromptTensors.none(objects, device)
        self.looked: ImageFeatures = self.condition()
        prediction = self.decode()
        self.chosen = ChosenMask(
            prediction.logits[:, :1], prediction.iou[:, 0], prediction.pointers[:, 0], prediction.object_score
        )

    def prepare(self) -> torch.Tensor:
        return frame_tensor(self.frame, self.model.config.image_size, self.model.device)

    def encode(self) -> ImageFeatures:
        return self.model.encode_image(self.pixels)

    def condition(self) -> ImageFeatures:
        return self.model.condition(self.features, self.memory)

    def decode(self) -> Any:
        return self.model.decode(self.looked, self.nothing)

    def remember(self) -> torch.Tensor:
        return self.model.encode_memory(self.features, self.chosen, prompted=False)

    def post_process(self) -> object:
        return [
            PostProcess().masks(logits_to_image(row[None], self.size)[0].cpu().numpy()) for row in self.chosen.logits
        ]


@torch.inference_mode()
def _timed(part: str, run: Callable[[], object], model: Model, objects: int, repeats: int) -> Timing:
    clock = _Clock(model)
    for _ in range(repeats + 1):
        with clock:
            run()
    return clock.timing(part, objects, warm_up=1)


def whole_steps(model: Model, size: Size, *, objects: int, repeats: int) -> Timing:
    """`StreamTracker.step` in a steady state, everything included but decoding the video."""
    tracker, clock = StreamTracker(model), _Clock(model)
    for index in range(WARM_FRAMES + repeats):
        frame = picture(index, size)
        with clock:
            tracker.step(frame, None if index else boxes(size, objects))
    return clock.timing("step", objects, warm_up=WARM_FRAMES)


def memory_curve(model: Model, size: Size, *, objects: int, frames: int) -> dict[int, float]:
    """Frame -> peak resident memory of this process so far, in MB, at ten places of a stream."""
    tracker, curve = StreamTracker(model), {}
    for index in range(frames):
        tracker.step(picture(index, size), None if index else boxes(size, objects))
        if index % max(frames // 10, 1) == 0 or index == frames - 1:
            curve[index] = round(peak_mb(), 1)
    return curve


def peak_mb() -> float:
    """Peak resident memory of this process in MB."""
    status = Path("/proc/self/status")
    if status.is_file():
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) / 1e3
    if sys.platform == "win32":
        raise DeviceError(
            "masklet bench memory needs a system that tells the peak memory of a process; this is Windows"
        )
    import resource  # noqa: PLC0415 - not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def picture(index: int, size: Size) -> RgbImage:
    """A frame of waves that move."""
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float32)
    wave = 128 + 100 * np.sin(x / 31 + index / 5) * np.cos(y / 23 - index / 9)
    return np.repeat(wave.astype(np.uint8)[..., None], 3, axis=2)


def boxes(size: Size, objects: int) -> dict[int, Prompts]:
    """A box for each object, side by side in rows."""
    height, width = size
    columns = int(np.ceil(objects**0.5))
    cell_y, cell_x = height / columns, width / columns
    corners = [(i % columns * cell_x, i // columns * cell_y) for i in range(objects)]
    return {
        i + 1: Prompts.from_box(x + 0.2 * cell_x, y + 0.2 * cell_y, x + 0.8 * cell_x, y + 0.8 * cell_y)
        for i, (x, y) in enumerate(corners)
    }


def rows(timings: Sequence[Timing], total: bool) -> list[tuple[str, ...]]:
    """Timings as a table; with ``total``, their sum as a last row."""
    lines: list[tuple[str, ...]] = [
        (t.part, str(t.objects), *(f"{v:.1f}" for v in (t.median, t.lowest, t.highest, t.processor, 1e3 / t.median)))
        for t in timings
    ]
    if total:
        median = sum(t.median for t in timings)
        processor = f"{sum(t.processor for t in timings):.1f}"
        lines.append(("all parts", str(timings[0].objects), f"{median:.1f}", "", "", processor, f"{1e3 / median:.1f}"))
    return lines


def as_entries(timings: Sequence[Timing]) -> list[dict[str, Any]]:
    """Timings as they stand in JSON."""
    return [asdict(t) for t in timings]


class _Clock:
    """Times what is done within it, as often as it is entered: by the wall and by the processor."""

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
        """What was timed after the first ``warm_up`` times."""
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
        """Until the device has done what it was asked."""
        if self._model.device.type == "cuda":
            torch.cuda.synchronize(self._model.device)
