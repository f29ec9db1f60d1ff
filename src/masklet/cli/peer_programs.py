"""What each program of `masklet bench peers` runs and says of itself; see `masklet.cli.peers`.

Each program gets this file on its standard input, by its own Python; so masklet is imported only where masklet runs.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sized
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

WARM = 8
"""Frames that do not count: until then memories fill up."""
CLICK = (300, 200)
CONFIGS = {
    f"sam{family}-{size}": f"configs/sam{family}/sam{family}_hiera_{letter}.yaml"
    for family in ("2.1", "2")
    for size, letter in (("tiny", "t"), ("small", "s"), ("base-plus", "b+"), ("large", "l"))
}
"""The public names of the released models."""


class Watch:
    """Seconds of each step and of the parts in it, of the processor too, and the peak memory after it."""

    def __init__(self) -> None:
        self.steps: list[float] = []
        self.cpu: list[float] = []
        self.peaks: list[float] = []
        self.parts: dict[str, list[tuple[float, float]]] = {}
        self.start()

    def start(self) -> None:
        """From now on a step is done."""
        self._started = time.perf_counter(), time.process_time()

    def step(self) -> None:
        """A step is done, and the next begins."""
        self.steps.append(time.perf_counter() - self._started[0])
        self.cpu.append(time.process_time() - self._started[1])
        status = Path("/proc/self/status").read_text()
        self.peaks.append(int(next(x for x in status.splitlines() if x.startswith("VmHWM")).split()[1]) / 1e3)
        self.start()

    def forget(self) -> None:
        """What was done so far does not count."""
        for times in (self.steps, self.cpu, self.peaks):
            times.clear()
        for calls in self.parts.values():
            calls.clear()
        self.start()

    def timed(self, part: str, run: Callable[..., Any]) -> Callable[..., Any]:
        """The same, each call of it taken down as the part."""
        times = self.parts.setdefault(part, [])

        def clocked(*args: Any, **options: Any) -> Any:
            started = time.perf_counter(), time.process_time()
            out = run(*args, **options)
            times.append((time.perf_counter() - started[0], time.process_time() - started[1]))
            return out

        return clocked

    def tracked(self, frames: int) -> dict[str, float]:
        """Of tracking a clip of ``frames``, of which as many were tracked as there were steps.

        `whole_mb` is the peak memory once all are tracked, from the line that fits the steps that count best.
        """
        count = len(self.peaks)
        growth = float(np.polyfit(range(WARM, count), self.peaks[WARM:], 1)[0])
        wall, cpu = zip(*self.parts["encoder"][WARM:], strict=True)
        return {
            "frame_s": statistics.median(self.steps[WARM:]),
            "frame_cpu_s": statistics.median(self.cpu[WARM:]),
            "encoder_s": statistics.median(wall),
            "encoder_cpu_s": statistics.median(cpu),
            "peak_mb": self.peaks[-1],
            "mb_a_frame": growth,
            "whole_mb": self.peaks[-1] + (frames - count) * growth,
        }

    def looked(self, masks: Callable[[int], Sized], points: int) -> dict[str, float]:
        """Of looking for everything with so many points a side, after a first look with few that does not count."""
        masks(2)
        self.forget()
        found = len(masks(points))
        self.step()
        return self.found(found)

    def found(self, masks: int) -> dict[str, float]:
        """Of the one picture in which everything was looked for."""
        encoder, decoder = (sum(cpu for _, cpu in self.parts[part]) for part in ("encoder", "decoder"))
        return {
            "picture_s": self.steps[-1],
            "picture_cpu_s": self.cpu[-1],
            "encoder_cpu_s": encoder,
            "decoder_cpu_s": decoder,
            "rest_cpu_s": self.cpu[-1] - encoder - decoder,
            "peak_mb": self.peaks[-1],
            "masks": masks,
        }


def decoded(folder: Path) -> list[np.ndarray]:
    """The frames, for those who do not read them themselves."""
    from PIL import Image  # noqa: PLC0415

    return [np.array(Image.open(path).convert("RGB")) for path in sorted((folder / "frames").iterdir())]


def first_steps(watch: Watch, steps: Iterable[object], count: int) -> None:
    """Run the steps, ``count`` of them."""
    for done, _ in enumerate(steps, 1):
        watch.step()
        if done == count:
            return


def sam2(build: str, model: str, folder: Path, dtype: str) -> tuple[Any, Any]:
    """A model of the public package by its own builder, and the context it runs in: autocast for bfloat16."""
    _declare_operators()
    module = __import__("sam2.build_sam", fromlist=[build])
    built = getattr(module, build)(CONFIGS[model], None, device="cpu")
    weights = torch.load(folder / "weights.pt", weights_only=True)["model"]
    built.load_state_dict(weights, strict=False)  # it has one more, unused
    return built, torch.autocast("cpu", torch.bfloat16) if dtype == "bfloat16" else contextlib.nullcontext()


def track_sam2(folder: Path, model: str, dtype: str, job: dict[str, Any]) -> dict[str, float]:
    """All options as they are by default."""
    predictor, context = sam2("build_sam2_video_predictor", model, folder, dtype)
    if dtype == "float32":  # it rounds memories to bfloat16, which only autocast can read
        video: Any = __import__("sam2.sam2_video_predictor", fromlist=["torch"])
        video.torch = SimpleNamespace(**{**vars(torch), "bfloat16": torch.float32})
    watch = Watch()
    predictor.forward_image = watch.timed("encoder", predictor.forward_image)
    with torch.inference_mode(), context:
        state = predictor.init_state(str(folder / "frames"))
        predictor.add_new_points_or_box(state, 0, 1, points=[CLICK], labels=[1])
        watch.forget()
        first_steps(watch, predictor.propagate_in_video(state), job["tracked"])
    return watch.tracked(job["frames"])


def track_transformers(folder: Path, model: str, dtype: str, job: dict[str, Any]) -> dict[str, float]:
    """All options as they are by default; weights and frames are in the number type."""
    library = _transformers()
    kind = getattr(torch, dtype)
    tracker = library.Sam2VideoModel.from_pretrained(folder, dtype=kind).eval()
    processor = library.Sam2VideoProcessor(library.Sam2ImageProcessor(), library.Sam2VideoVideoProcessor())
    watch = Watch()
    tracker.get_image_features = watch.timed("encoder", tracker.get_image_features)
    with torch.inference_mode():
        state = processor.init_video_session(video=decoded(folder), dtype=kind)
        processor.add_inputs_to_inference_session(
            inference_session=state, frame_idx=0, obj_ids=1, input_points=[[[list(CLICK)]]], input_labels=[[[1]]]
        )
        tracker(inference_session=state, frame_idx=0)
        watch.forget()
        first_steps(watch, tracker.propagate_in_video_iterator(state), job["tracked"])
    return watch.tracked(job["frames"])


def track_masklet(folder: Path, model: str, dtype: str, job: dict[str, Any]) -> dict[str, float]:
    """A session on the folder of frames, as its users open it."""
    import masklet  # noqa: PLC0415 - only in this program

    loaded, watch = masklet.load(model, weights=folder / "weights.pt", device="cpu", dtype=dtype), Watch()
    loaded.encode_image = watch.timed("encoder", loaded.encode_image)  # type: ignore[method-assign]
    with masklet.open_video(folder / "frames") as video:
        session = masklet.VideoSession(loaded, video)
        session.prompt(0, object_id=1, prompts=masklet.Prompts.click(*CLICK))
        watch.forget()
        first_steps(watch, session.propagate(), job["tracked"])
    return watch.tracked(job["frames"])


def everything_sam2(folder: Path, model: str, dtype: str, job: dict[str, Any]) -> dict[str, float]:
    """The public generator, masks as run-length codes, which takes less memory and time than arrays."""
    built, context = sam2("build_sam2", model, folder, dtype)
    module: Any = __import__("sam2.automatic_mask_generator", fromlist=["SAM2AutomaticMaskGenerator"])
    watch = Watch()
    built.forward_image = watch.timed("encoder", built.forward_image)
    built.sam_mask_decoder.forward = watch.timed("decoder", built.sam_mask_decoder.forward)

    def masks(points: int) -> Any:
        generator = module.SAM2AutomaticMaskGenerator(
            built,
            points_per_side=points,
            pred_iou_thresh=job["min_iou"],
            stability_score_thresh=job["min_stability"],
            box_nms_thresh=job["max_overlap"],
            output_mode="coco_rle",
        )
        return generator.generate(decoded(folder)[0])

    with torch.inference_mode(), context:
        return watch.looked(masks, job["points"])


def everything_masklet(folder: Path, model: str, dtype: str, job: dict[str, Any]) -> dict[str, float]:
    """Ours with the same settings."""
    import masklet  # noqa: PLC0415 - only in this program
    from masklet.predict.automatic_masks import AutomaticMasker, AutomaticSettings, Layer  # noqa: PLC0415

    loaded, watch = masklet.load(model, weights=folder / "weights.pt", device="cpu", dtype=dtype), Watch()
    loaded.encode_image = watch.timed("encoder", loaded.encode_image)  # type: ignore[method-assign]
    loaded.decode_above_iou = watch.timed("decoder", loaded.decode_above_iou)  # type: ignore[method-assign]

    def masks(points: int) -> Sized:
        settings = {key: job[key] for key in ("min_iou", "min_stability", "max_overlap")}
        masker = AutomaticMasker(loaded, AutomaticSettings(layers=(Layer(points=points),), max_share=1.0, **settings))
        return masker.propose(decoded(folder)[0])

    return watch.looked(masks, job["points"])


def make_transformers(folder: Path, model: str, _dtype: str, _job: dict[str, Any]) -> dict[str, float]:
    """Random weights in the layout of the library, for all programs."""
    library = _transformers()
    revised = model.startswith("sam2.1")
    config = library.Sam2VideoConfig(
        enable_occlusion_spatial_embedding=revised, enable_temporal_pos_encoding_for_object_pointers=revised
    )
    built = library.Sam2VideoModel(config)
    with torch.no_grad():
        for name, weight in built.named_parameters():
            if weight.ndim > 1:
                weight.copy_(torch.randn_like(weight) / weight[0].numel() ** 0.5)
            if name == "mask_decoder.pred_obj_score_head.proj_out.bias":
                weight.fill_(10.0)  # the object is visible throughout
        built.prompt_encoder.shared_embedding.positional_embedding.copy_(
            built.shared_image_embedding.positional_embedding
        )
    built.save_pretrained(folder)
    return {}


def _declare_operators() -> None:
    """Where torchvision was built for another torch, a module on the path may stand in for its operators."""
    with contextlib.suppress(ImportError):
        __import__("tvshim")


def _transformers() -> Any:
    _declare_operators()
    library: Any = __import__("transformers")
    library.logging.set_verbosity_error()
    return library


if __name__ == "__main__":
    place = Path(sys.argv[2])
    given = place / "job.json"
    run: Callable[..., dict[str, float]] = globals()[sys.argv[1]]
    said = run(place, sys.argv[3], sys.argv[4], json.loads(given.read_text()) if given.is_file() else {})
    sys.stdout.write(json.dumps(said) + "\n")
