"""Models on other run times: from a folder of graphs, or from weights by way of the cache."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np

from masklet.backends.bundle import Bundle, read_bundle
from masklet.backends.cache import cached_path, file_hash, read_intact_bundle
from masklet.backends.convert import Examples, plan_bundle, write_graphs
from masklet.backends.graph_model import GraphModel
from masklet.backends.onnx_runtime import Provider, open_onnx
from masklet.backends.openvino_runtime import DTYPES, open_openvino
from masklet.errors import DeviceError, WeightsError
from masklet.model.checkpoint import read_checkpoint
from masklet.model.load import build_model
from masklet.model.metadata import check_image_size
from masklet.predict.stream import StreamTracker
from masklet.types import Prompts, RgbImage

BACKENDS: Final = ("torch", "onnx", "openvino")
CALIBRATION_FRAMES, CALIBRATION_STEP = 24, 3
"""So many frames of a clip are looked at for int8, one in so many."""


@dataclass(frozen=True, kw_only=True)
class RuntimeOptions:
    """What computes a model, other than torch.

    Attributes:
        backend: "onnx" or "openvino".
        dtype: "float32"; OpenVINO also "bfloat16" and "int8".
        device: where tensors are: "auto" or "cpu".
        image_size: side of the square input in pixels; None for the model's own.
        providers: ONNX Runtime's execution providers, or OpenVINO's device, in the order of preference.
        calibration: frames of a clip like those the model will see, for int8.
    """

    backend: str
    dtype: str = "float32"
    device: str = "auto"
    image_size: int | None = None
    providers: Sequence[Provider] = ()
    calibration: Iterable[RgbImage] | None = field(default=None, repr=False)

    @property
    def precision(self) -> str:
        """Number type of the graphs' weights."""
        return "int8" if self.dtype == "int8" else "float32"


def check_runtime(wanted: RuntimeOptions) -> None:
    """Raise `DeviceError` unless backend, number type and device go together, `WeightsError` for a size of no model."""
    if wanted.backend not in BACKENDS[1:]:
        raise DeviceError(f"backend must be one of {', '.join(BACKENDS)}, got {wanted.backend[:32]!r}")
    known = ["float32"] if wanted.backend == "onnx" else list(DTYPES)
    if wanted.dtype not in known:
        more = " (openvino has bfloat16 and int8)" if wanted.backend == "onnx" else ""
        raise DeviceError(f"backend {wanted.backend} has dtype {', '.join(known)}{more}, got {wanted.dtype[:32]!r}")
    if wanted.image_size is not None:
        check_image_size(wanted.image_size)
    if wanted.device not in ("auto", "cpu"):
        raise DeviceError(
            f"backend {wanted.backend} takes providers= in place of a device, got device={wanted.device[:32]!r}"
        )


def open_folder(folder: Path, wanted: RuntimeOptions) -> GraphModel:
    """A model from a folder that `masklet convert` wrote.

    Raises:
        WeightsError: no such folder, files that were changed, or graphs of another kind than wanted.
        DeviceError: something this machine does not have.
        MissingExtraError: the run time is not installed.
    """
    bundle = read_bundle(folder)
    if bundle.precision == "int8" and wanted.dtype == "float32":
        wanted = replace(wanted, dtype="int8")  # what the folder is, where nothing else was asked for
    for name, asked, there in (
        ("backend", wanted.backend, bundle.format),
        ("dtype", wanted.precision, bundle.precision),
        ("image_size", wanted.image_size or bundle.config.image_size, bundle.config.image_size),
    ):
        if asked != there:
            raise WeightsError(f"{folder} has graphs of {name} {there}, not {asked}: convert the weights again")
    return _opened(bundle, wanted)


def open_weights(weights: Path, wanted: RuntimeOptions) -> GraphModel:
    """A model from a weight file; its graphs are written into the cache when they are not there or damaged.

    Raises:
        WeightsError: the weights cannot be read.
        DeviceError: something this machine does not have, or int8 without a clip to calibrate it.
        MissingExtraError: a package is not installed.
        OutputError: the cache cannot be written.
    """
    check_runtime(wanted)
    clip = _calibration(wanted.calibration) if wanted.precision == "int8" else []
    plan = _plan(weights, wanted)
    plan = replace(plan, folder=cached_path(plan, *(hashlib.sha256(frame.tobytes()).hexdigest() for frame in clip)))
    return _opened(read_intact_bundle(plan.folder) or _written(weights, plan, clip, overwrite=True), wanted)


def convert_to_graphs(weights: Path, folder: Path, wanted: RuntimeOptions, *, overwrite: bool = False) -> Bundle:
    """Write a weight file as a folder of graphs, for `masklet.load` or for programs without masklet.

    Raises:
        As `open_weights`; OutputError also where the folder is there already.
    """
    check_runtime(wanted)
    clip = _calibration(wanted.calibration) if wanted.precision == "int8" else []
    return _written(weights, replace(_plan(weights, wanted), folder=folder), clip, overwrite=overwrite)


def _plan(weights: Path, wanted: RuntimeOptions) -> Bundle:
    config = read_checkpoint(weights).config
    config = replace(config, image_size=wanted.image_size or config.image_size)
    return plan_bundle(Path(), wanted.backend, wanted.precision, config, file_hash(weights))


def _written(weights: Path, plan: Bundle, clip: list[RgbImage], *, overwrite: bool) -> Bundle:
    model = build_model(plan.config, read_checkpoint(weights)).requires_grad_(False)
    return write_graphs(model, plan, examples=lambda exact: seen(exact, clip), overwrite=overwrite)


def _opened(bundle: Bundle, wanted: RuntimeOptions) -> GraphModel:
    if bundle.format == "onnx":
        return open_onnx(bundle, wanted.providers)
    devices = [provider for provider in wanted.providers if isinstance(provider, str)]
    return open_openvino(bundle, wanted.dtype, *(device.upper() for device in devices[:1]))


def _calibration(frames: Iterable[RgbImage] | None) -> list[RgbImage]:
    if frames is None:
        raise DeviceError('dtype="int8" needs calibration=, frames of a clip like those the model will see')
    clip = [np.asarray(frame) for frame in islice(frames, 0, CALIBRATION_FRAMES * CALIBRATION_STEP, CALIBRATION_STEP)]
    if not clip:
        raise DeviceError("calibration= has no frames")
    return clip


def seen(exact: Bundle, clip: Sequence[RgbImage]) -> Examples:
    """What each graph gets to see while four objects are tracked, one clicked in each quarter of the first frame."""
    inputs: defaultdict[str, list[dict[str, np.ndarray]]] = defaultdict(list)
    model = open_openvino(exact)
    run = model.run

    def noted(graph: str, given: dict[str, np.ndarray]) -> list[np.ndarray]:
        inputs[graph].append(given)
        return run(graph, given)

    tracker = StreamTracker(GraphModel(exact.config, noted, backend=model.backend))
    height, width = clip[0].shape[:2]
    corners = [(x * width / 4, y * height / 4) for y in (1, 3) for x in (1, 3)]
    prompts = {index + 1: Prompts.click(x, y) for index, (x, y) in enumerate(corners)}
    for frame in clip:
        tracker.step(frame, prompts)
        prompts = {}
    return inputs
