"""The programs that `benchmarks/peers.py` compares: each tracks or generates masks, and prints its times as JSON.

Each program receives this file on its standard input, by its own Python, so that masklet is imported only in its own.
"""

from __future__ import annotations

import contextlib
import importlib.util
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
"""Frames that are not counted, because memories are not yet full."""
CLICK = (300, 200)
CONFIGS = {
    f"sam{family}-{size}": f"configs/sam{family}/sam{family}_hiera_{letter}.yaml"
    for family in ("2.1", "2")
    for size, letter in (("tiny", "t"), ("small", "s"), ("base-plus", "b+"), ("large", "l"))
}
"""Configuration files of the released models in the public package."""

EDGETAM = "edgetam"
"""A model that only transformers has."""

KEPT_LIBRARIES: list[torch.library.Library] = []
"""Operators are defined as long as their library object exists."""


class Stopwatch:
    """Wall and CPU seconds of each step and of the parts in it, and the peak memory after it."""

    def __init__(self) -> None:
        self.steps: list[float] = []
        self.cpu: list[float] = []
        self.peaks: list[float] = []
        self.parts: dict[str, list[tuple[float, float]]] = {}
        self.start()

    def start(self) -> None:
        """Begin a step."""
        self._started = time.perf_counter(), time.process_time()

    def step(self) -> None:
        """End a step and begin the next."""
        self.steps.append(time.perf_counter() - self._started[0])
        self.cpu.append(time.process_time() - self._started[1])
        status = Path("/proc/self/status").read_text()
        self.peaks.append(int(next(x for x in status.splitlines() if x.startswith("VmHWM")).split()[1]) / 1e3)
        self.start()

    def reset(self) -> None:
        """Drop all measurements so far."""
        for times in (self.steps, self.cpu, self.peaks):
            times.clear()
        for calls in self.parts.values():
            calls.clear()
        self.start()

    def timed(self, part: str, run: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a function so that each call is recorded under the name of a part."""
        times = self.parts.setdefault(part, [])

        def clocked(*args: Any, **options: Any) -> Any:
            started = time.perf_counter(), time.process_time()
            out = run(*args, **options)
            times.append((time.perf_counter() - started[0], time.process_time() - started[1]))
            return out

        return clocked

    def tracked(self, frames: int) -> dict[str, float]:
        """Summarize tracking a clip of ``frames`` frames, of which one was tracked in each step.

        ``whole_mb`` is the peak memory after all frames, extrapolated by a line through the counted steps.
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

    def generated(self, masks: Callable[[int], Sized], points: int) -> dict[str, float]:
        """Time generating masks with a grid of ``points`` a side, after an untimed run with a small grid."""
        masks(2)
        self.reset()
        found = len(masks(points))
        self.step()
        return self.found(found)

    def found(self, masks: int) -> dict[str, float]:
        """Summarize generating the masks of one image."""
        encoder, decoder = (sum(cpu for _, cpu in self.parts[part]) for part in ("encoder", "decoder"))
        return {
            "image_s": self.steps[-1],
            "image_cpu_s": self.cpu[-1],
            "encoder_cpu_s": encoder,
            "decoder_cpu_s": decoder,
            "rest_cpu_s": self.cpu[-1] - encoder - decoder,
            "peak_mb": self.peaks[-1],
            "masks": masks,
        }


def decoded(folder: Path) -> list[np.ndarray]:
    """The frames, for programs that do not read them themselves."""
    from PIL import Image  # noqa: PLC0415

    return [np.array(Image.open(path).convert("RGB")) for path in sorted((folder / "frames").iterdir())]


def first_steps(stopwatch: Stopwatch, steps: Iterable[object], count: int) -> None:
    """Run ``count`` steps and record each."""
    for done, _ in enumerate(steps, 1):
        stopwatch.step()
        if done == count:
            return


def sam2(build: str, model: str, folder: Path, dtype: str) -> tuple[Any, Any]:
    """Build a model of the public package, with the context it runs in: autocast for bfloat16."""
    _declare_operators()
    module = __import__("sam2.build_sam", fromlist=[build])
    built = getattr(module, build)(CONFIGS[model], None, device="cpu")
    weights = torch.load(folder / "weights.pt", weights_only=True)["model"]
    built.load_state_dict(weights, strict=False)  # it has one more parameter, unused
    return built, torch.autocast("cpu", torch.bfloat16) if dtype == "bfloat16" else contextlib.nullcontext()


def track_sam2(folder: Path, model: str, dtype: str, job: dict[str, Any]) -> dict[str, float]:
    """Track with the public sam2 package, with default options."""
    predictor, context = sam2("build_sam2_video_predictor", model, folder, dtype)
    if dtype == "float32":  # it rounds memories to bfloat16, which only autocast can read
        video: Any = __import__("sam2.sam2_video_predictor", fromlist=["torch"])
        video.torch = SimpleNamespace(**{**vars(torch), "bfloat16": torch.float32})
    stopwatch = Stopwatch()
    predictor.forward_image = stopwatch.timed("encoder", predictor.forward_image)
    with torch.inference_mode(), context:
        state = predictor.init_state(str(folder / "frames"))
        predictor.add_new_points_or_box(state, 0, 1, points=[CLICK], labels=[1])
        stopwatch.reset()
        first_steps(stopwatch, predictor.propagate_in_video(state), job["tracked"])
    return stopwatch.tracked(job["frames"])


def track_transformers(folder: Path, model: str, dtype: str, job: dict[str, Any]) -> dict[str, float]:
    """Track with transformers, with default options; weights and frames have the number type."""
    library = _transformers()
    kind = getattr(torch, dtype)
    model_class = library.EdgeTamVideoModel if model == EDGETAM else library.Sam2VideoModel
    tracker = model_class.from_pretrained(folder, dtype=kind).eval()
    processor = library.Sam2VideoProcessor(library.Sam2ImageProcessor(), library.Sam2VideoVideoProcessor())
    stopwatch = Stopwatch()
    tracker.get_image_features = stopwatch.timed("encoder", tracker.get_image_features)
    with torch.inference_mode():
        state = processor.init_video_session(video=decoded(folder), dtype=kind)
        processor.add_inputs_to_inference_session(
            inference_session=state, frame_idx=0, obj_ids=1, input_points=[[[list(CLICK)]]], input_labels=[[[1]]]
        )
        tracker(inference_session=state, frame_idx=0)
        stopwatch.reset()
        first_steps(stopwatch, tracker.propagate_in_video_iterator(state), job["tracked"])
    return stopwatch.tracked(job["frames"])


def track_masklet(folder: Path, model: str, dtype: str, job: dict[str, Any]) -> dict[str, float]:
    """Track with a session of masklet on the folder of frames."""
    import masklet  # noqa: PLC0415  only this program has it

    loaded, stopwatch = masklet.load(model, weights=folder / "weights.pt", device="cpu", dtype=dtype), Stopwatch()
    loaded.encode_image = stopwatch.timed("encoder", loaded.encode_image)  # type: ignore[method-assign]
    with masklet.open_video(folder / "frames") as video:
        session = masklet.VideoSession(loaded, video)
        session.prompt(0, object_id=1, prompts=masklet.Prompts.click(*CLICK))
        stopwatch.reset()
        first_steps(stopwatch, session.propagate(), job["tracked"])
    return stopwatch.tracked(job["frames"])


def automatic_sam2(folder: Path, model: str, dtype: str, job: dict[str, Any]) -> dict[str, float]:
    """Generate masks with the public sam2 package, as run-length codes, which take less memory and time than arrays."""
    built, context = sam2("build_sam2", model, folder, dtype)
    module: Any = __import__("sam2.automatic_mask_generator", fromlist=["SAM2AutomaticMaskGenerator"])
    stopwatch = Stopwatch()
    built.forward_image = stopwatch.timed("encoder", built.forward_image)
    built.sam_mask_decoder.forward = stopwatch.timed("decoder", built.sam_mask_decoder.forward)

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
        return stopwatch.generated(masks, job["points"])


def automatic_masklet(folder: Path, model: str, dtype: str, job: dict[str, Any]) -> dict[str, float]:
    """Generate masks with masklet, with the same settings."""
    import masklet  # noqa: PLC0415  only this program has it
    from masklet.predict.automatic_masks import AutomaticMasker, AutomaticSettings, Layer  # noqa: PLC0415

    loaded, stopwatch = masklet.load(model, weights=folder / "weights.pt", device="cpu", dtype=dtype), Stopwatch()
    loaded.encode_image = stopwatch.timed("encoder", loaded.encode_image)  # type: ignore[method-assign]
    loaded.decode_above_iou = stopwatch.timed("decoder", loaded.decode_above_iou)  # type: ignore[method-assign]

    def masks(points: int) -> Sized:
        settings = {key: job[key] for key in ("min_iou", "min_stability", "max_overlap")}
        masker = AutomaticMasker(loaded, AutomaticSettings(layers=(Layer(points=points),), max_share=1.0, **settings))
        return masker.propose(decoded(folder)[0])

    return stopwatch.generated(masks, job["points"])


def make_transformers(folder: Path, model: str, _dtype: str, _job: dict[str, Any]) -> dict[str, float]:
    """Write random weights in the layout of transformers, for all programs."""
    library = _transformers()
    if model == EDGETAM:
        built = library.EdgeTamVideoModel(edgetam_config(library))
    else:
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


def edgetam_config(library: Any) -> Any:
    """The configuration of the released EdgeTAM, which lacks two features of SAM 2.1 that are on by default."""
    features = {"in_chans": 3, "features_only": True, "out_indices": [0, 1, 2, 3]}
    backbone = library.TimmWrapperConfig(architecture="repvit_m1", model_args=features)
    return library.EdgeTamVideoConfig(
        vision_config=library.EdgeTamVisionConfig(backbone_config=backbone),
        enable_occlusion_spatial_embedding=False,
        enable_temporal_pos_encoding_for_object_pointers=False,
    )


def _declare_operators() -> None:
    """Define torchvision's operators in Python if its compiled ones cannot be loaded (built for another torch)."""
    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None:
        return
    for library in Path(found.origin).parent.glob("_C*.so"):
        with contextlib.suppress(OSError):
            torch.ops.load_library(str(library))
            return
    definitions = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        definitions.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    implementations = torch.library.Library("torchvision", "IMPL", "CPU")
    implementations.impl("nms", non_maximum_suppression)
    KEPT_LIBRARIES.extend((definitions, implementations))
    boxes: Any = importlib.import_module("torchvision.ops.boxes")
    boxes._assert_has_ops = lambda: None


def non_maximum_suppression(boxes: torch.Tensor, scores: torch.Tensor, max_iou: float) -> torch.Tensor:
    """Indices of boxes (n, 4; x0, y0, x1, y1) that overlap no box of a higher score by more than ``max_iou``."""
    order = scores.argsort(descending=True, stable=True)
    ranked = boxes[order]
    corners = (
        torch.maximum(ranked[:, None, :2], ranked[None, :, :2]),
        torch.minimum(ranked[:, None, 2:], ranked[None, :, 2:]),
    )
    overlap = (corners[1] - corners[0]).clamp(min=0).prod(dim=2)
    area = (ranked[:, 2:] - ranked[:, :2]).prod(dim=1)
    too_close = overlap > max_iou * (area[:, None] + area[None] - overlap)
    selected: list[int] = []
    suppressed = torch.zeros(len(ranked), dtype=torch.bool)
    for index in range(len(ranked)):
        if not suppressed[index]:
            selected.append(index)
            suppressed |= too_close[index]
    return order[selected]


def _transformers() -> Any:
    _declare_operators()
    library: Any = __import__("transformers")
    library.logging.set_verbosity_error()
    return library


if __name__ == "__main__":
    folder = Path(sys.argv[2])
    job_file = folder / "job.json"
    run: Callable[..., dict[str, float]] = globals()[sys.argv[1]]
    job = json.loads(job_file.read_text()) if job_file.is_file() else {}
    sys.stdout.write(json.dumps(run(folder, sys.argv[3], sys.argv[4], job)) + "\n")
