"""Inference backends other than torch: open exported graphs, or export a weight file to graphs in the cache."""

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
from masklet.model.config import ModelConfig
from masklet.model.load import build_model
from masklet.model.metadata import check_config, check_image_size
from masklet.predict.stream import StreamTracker
from masklet.types import Prompts, RgbImage

BACKENDS: Final = ("torch", "onnx", "openvino")
CALIBRATION_FRAMES, CALIBRATION_STEP = 24, 3
"""Number of frames for int8 calibration, and the step between them in the clip."""


@dataclass(frozen=True, kw_only=True)
class RuntimeOptions:
    """Options of an inference backend other than torch.

    Attributes:
        backend: "onnx" or "openvino".
        dtype: "float32"; with OpenVINO also "bfloat16" and "int8".
        device: device of the tensors: "auto" or "cpu".
        image_size: side of the square input in pixels, by default the model's.
        providers: execution providers of ONNX Runtime, or the device of OpenVINO, in order of preference.
        calibration: frames of a representative clip, for int8.
    """

    backend: str
    dtype: str = "float32"
    device: str = "auto"
    image_size: int | None = None
    providers: Sequence[Provider] = ()
    calibration: Iterable[RgbImage] | None = field(default=None, repr=False)

    @property
    def precision(self) -> str:
        """Type of the weights in the graphs."""
        return "int8" if self.dtype == "int8" else "float32"


def check_runtime(options: RuntimeOptions) -> None:
    """Raise `DeviceError` if backend, dtype and device do not fit, `WeightsError` for an invalid image size."""
    if options.backend not in BACKENDS[1:]:
        raise DeviceError(f"backend must be one of {', '.join(BACKENDS)}, got {options.backend[:32]!r}")
    dtypes = ["float32"] if options.backend == "onnx" else list(DTYPES)
    if options.dtype not in dtypes:
        more = " (openvino also supports bfloat16 and int8)" if options.backend == "onnx" else ""
        raise DeviceError(
            f"backend {options.backend} supports dtype {', '.join(dtypes)}{more}, got {options.dtype[:32]!r}"
        )
    if options.image_size is not None:
        check_image_size(options.image_size)
    if options.device not in ("auto", "cpu"):
        raise DeviceError(
            f"backend {options.backend} takes providers instead of a device, got device={options.device[:32]!r}"
        )


def open_folder(folder: Path, options: RuntimeOptions) -> GraphModel:
    """Open a folder of graphs written by `masklet convert`.

    Raises:
        WeightsError: no such folder, modified files, or graphs of another backend, dtype or image size.
        DeviceError: a device or provider that is not available.
        MissingExtraError: the package of the backend is not installed.
    """
    bundle = read_bundle(folder)
    if bundle.precision == "int8" and options.dtype == "float32":
        options = replace(options, dtype="int8")  # float32 is the default, so the folder decides
    for name, expected, actual in (
        ("backend", options.backend, bundle.format),
        ("dtype", options.precision, bundle.precision),
        ("image_size", options.image_size or bundle.config.image_size, bundle.config.image_size),
    ):
        if expected != actual:
            raise WeightsError(f"{folder} has graphs of {name} {actual}, not {expected}: convert the weights again")
    return _open(bundle, options)


def open_weights(weights: Path, options: RuntimeOptions, config: ModelConfig) -> GraphModel:
    """Open a weight file on a backend, exporting its graphs to the cache if they are missing or damaged.

    Raises:
        WeightsError: the weights cannot be read.
        DeviceError: a device or provider that is not available, or int8 without frames for calibration.
        MissingExtraError: a package is not installed.
        OutputError: the cache cannot be written.
    """
    check_runtime(options)
    clip = _calibration(options.calibration) if options.precision == "int8" else []
    plan = _plan(weights, options, config)
    plan = replace(plan, folder=cached_path(plan, *(hashlib.sha256(frame.tobytes()).hexdigest() for frame in clip)))
    return _open(read_intact_bundle(plan.folder) or _export(weights, plan, clip, overwrite=True), options)


def convert_to_graphs(weights: Path, folder: Path, options: RuntimeOptions, *, overwrite: bool = False) -> Bundle:
    """Export a weight file to a folder of graphs, for `masklet.load` or for other programs.

    Raises:
        As `open_weights`, and OutputError if the folder exists and ``overwrite`` is not set.
    """
    check_runtime(options)
    clip = _calibration(options.calibration) if options.precision == "int8" else []
    return _export(
        weights,
        replace(_plan(weights, options, read_checkpoint(weights).config), folder=folder),
        clip,
        overwrite=overwrite,
    )


def _plan(weights: Path, options: RuntimeOptions, config: ModelConfig) -> Bundle:
    config = replace(config, image_size=options.image_size or config.image_size)
    check_config(config)
    return plan_bundle(Path(), options.backend, options.precision, config, file_hash(weights))


def _export(weights: Path, plan: Bundle, clip: list[RgbImage], *, overwrite: bool) -> Bundle:
    model = build_model(plan.config, read_checkpoint(weights)).requires_grad_(False)
    return write_graphs(model, plan, examples=lambda bundle: calibration_inputs(bundle, clip), overwrite=overwrite)


def _open(bundle: Bundle, options: RuntimeOptions) -> GraphModel:
    if bundle.format == "onnx":
        return open_onnx(bundle, options.providers)
    devices = [provider for provider in options.providers if isinstance(provider, str)]
    return open_openvino(bundle, options.dtype, *(device.upper() for device in devices[:1]))


def _calibration(frames: Iterable[RgbImage] | None) -> list[RgbImage]:
    if frames is None:
        raise DeviceError('dtype="int8" needs calibration: pass frames of a representative clip')
    clip = [np.asarray(frame) for frame in islice(frames, 0, CALIBRATION_FRAMES * CALIBRATION_STEP, CALIBRATION_STEP)]
    if not clip:
        raise DeviceError("calibration has no frames")
    return clip


def calibration_inputs(float_bundle: Bundle, clip: Sequence[RgbImage]) -> Examples:
    """Record the inputs of each graph while four objects are tracked, one clicked in each quadrant of frame 0."""
    inputs: defaultdict[str, list[dict[str, np.ndarray]]] = defaultdict(list)
    model = open_openvino(float_bundle)
    run = model.run

    def record(graph: str, graph_inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        inputs[graph].append(graph_inputs)
        return run(graph, graph_inputs)

    tracker = StreamTracker(GraphModel(float_bundle.config, record, backend=model.backend))
    height, width = clip[0].shape[:2]
    centers = [(x * width / 4, y * height / 4) for y in (1, 3) for x in (1, 3)]
    prompts = {index + 1: Prompts.click(x, y) for index, (x, y) in enumerate(centers)}
    for frame in clip:
        tracker.step(frame, prompts)
        prompts = {}
    return inputs
