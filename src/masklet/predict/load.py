"""Load a model by name, file or Hub id, for a device, dtype and inference backend."""

from __future__ import annotations

import importlib.util
import logging
import os
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Required, TypedDict, Unpack, overload

import torch

from masklet.backends.bundle import is_bundle
from masklet.backends.onnx_runtime import Provider
from masklet.backends.protocol import Model
from masklet.errors import DeviceError, UnknownModelError, WeightsError
from masklet.model.catalog import EMBEDDED, best_local_model, embedded_weights
from masklet.model.checkpoint import Checkpoint, read_checkpoint
from masklet.model.config import PRESETS, ModelConfig
from masklet.model.load import DTYPES, build_model
from masklet.model.metadata import check_config, check_image_size
from masklet.model.sam2 import Sam2
from masklet.predict.hub import download
from masklet.predict.runtime import RuntimeOptions, check_runtime, open_folder, open_weights
from masklet.predict.speed import Speed, for_speed
from masklet.types import RgbImage

AUTO = "auto"
"""Name that stands for the best model on this machine."""
LOGGER = logging.getLogger(__name__)
WEIGHT_SUFFIXES = (".pt", ".pth", ".safetensors")


class TorchBuild(TypedDict, total=False):
    """Arguments of `load` for the backend torch.

    Keys:
        compile: compile the encoders, the memory attention and the decoder at their first call; worthwhile for long
            runs. Needs a C++ compiler.
        speed: "exact", or "fast" for settings that change masks a little: bfloat16 if the device supports it, four
            spatial memories in place of seven, 896 pixels in place of 1024. Other arguments take precedence.
    """

    backend: Literal["torch"]
    compile: bool
    speed: Speed


class GraphBuild(TypedDict, total=False):
    """Arguments of `load` for the backends onnx and openvino.

    Keys:
        backend: "onnx" (ONNX Runtime) or "openvino". The first load exports graphs to the cache, which takes seconds
            for small models and minutes for large ones.
        providers: execution providers of ONNX Runtime ("cuda", "tensorrt", "coreml", "directml", or their full names,
            alone or with options), or the device of OpenVINO ("CPU").
        calibration: frames of a representative clip (an open video), for ``dtype="int8"``.
    """

    backend: Required[Literal["onnx", "openvino"]]
    providers: Sequence[Provider]
    calibration: Iterable[RgbImage]


@overload
def load(
    name: str | Path = "nano",
    *,
    weights: str | Path | None = None,
    device: str = "auto",
    dtype: str = "float32",
    image_size: int | None = None,
    **build: Unpack[TorchBuild],
) -> Sam2: ...


@overload
def load(
    name: str | Path = "nano",
    *,
    weights: str | Path | None = None,
    device: str = "auto",
    dtype: str = "float32",
    image_size: int | None = None,
    **build: Unpack[GraphBuild],
) -> Model: ...


def load(
    name: str | Path = "nano",
    *,
    weights: str | Path | None = None,
    device: str = "auto",
    dtype: str = "float32",
    image_size: int | None = None,
    **build: Any,
) -> Model:
    """Load a model for inference: in eval mode, without gradients.

    Args:
        name: a model name ("nano" comes with the package; others, such as "edgetam" and "sam2.1-tiny", are downloaded
            once), "auto" for the best one that is already on this machine (`best_local_model`), a weight file, a
            repository on the Hugging Face Hub ("facebook/sam2.1-hiera-large"), or, with ``backend``, a folder written
            by `masklet convert`.
        weights: a file with the weights of the named model.
        device: "cpu", "cuda", "cuda:1", "mps", or "auto" for the first available of cuda, mps and cpu.
        dtype: type of weights and activations: "float32", "bfloat16" or "float16"; with OpenVINO "float32", "bfloat16"
            or "int8".
        image_size: side of the model's square input in pixels, a multiple of 32; smaller is faster and less precise.
        build: arguments of the backend: ``compile`` and ``speed`` (`TorchBuild`), or ``backend``, ``providers`` and
            ``calibration`` (`GraphBuild`).

    Raises:
        UnknownModelError: no model of that name.
        WeightsError: weights that are unavailable, unreadable or of another model; an invalid ``image_size``.
        DeviceError: a backend, device, dtype or compiler that is not available.
        MissingExtraError: the packages of a backend are not installed.
    """
    if unknown := sorted(set(build) - {*TorchBuild.__annotations__, *GraphBuild.__annotations__}):
        raise TypeError(f"load() got an unexpected keyword argument {unknown[0]!r}")
    if image_size is not None:
        check_image_size(image_size)
    if str(name) == AUTO:
        if weights is not None:
            raise WeightsError("weights need the name of their model, not auto")
        name, reason = best_local_model(has_gpu=pick_device(device).type != "cpu")
        LOGGER.info("model %s: %s", name, reason)
    if build.get("backend", "torch") == "torch":
        return _load_torch(
            name,
            weights,
            pick_device(device),
            dtype,
            image_size,
            speed=build.get("speed", "exact"),
            compiled=build.get("compile", False),
        )
    if build.pop("compile", False):
        raise DeviceError("compile=True is only for the backend torch; other backends compile their graphs themselves")
    if build.pop("speed", "exact") != "exact":
        raise DeviceError('speed="fast" is only for the backend torch; for others pass dtype and image_size')
    options = RuntimeOptions(dtype=dtype, device=device, image_size=image_size, **build)
    check_runtime(options)
    if weights is None and is_bundle(Path(name)):
        return open_folder(Path(name), options)
    path = find_weights(name) if weights is None else Path(weights)
    config = read_checkpoint(path).config if weights is None else _named_config(str(name), read_checkpoint(path))
    return open_weights(path, options, config)


def _load_torch(
    name: str | Path,
    weights: str | Path | None,
    device: torch.device,
    dtype: str,
    image_size: int | None,
    *,
    speed: str,
    compiled: bool,
) -> Sam2:
    if dtype not in DTYPES:
        raise DeviceError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
    if compiled:
        _check_compiler(device)
    if weights is None and is_bundle(Path(name)):
        raise WeightsError(f'{name} is a folder of graphs: load it with backend="onnx" or backend="openvino"')
    checkpoint = read_checkpoint(find_weights(name) if weights is None else Path(weights))
    config = checkpoint.config if weights is None else _named_config(str(name), checkpoint)
    config, dtype = for_speed(speed, config, dtype, device, image_size)
    check_config(config)
    try:
        model = build_model(config, checkpoint, device=device, dtype=DTYPES[dtype])
    except torch.OutOfMemoryError:
        raise DeviceError(f"not enough memory on {device} for {config.full_name}") from None
    model.requires_grad_(False)
    return compile_model(model) if compiled else model


def find_weights(name: str | Path) -> Path:
    """Return the weight file of a model name, a path or a Hub id, downloading it if necessary.

    Raises:
        UnknownModelError: no such model or Hub repository.
        WeightsError: the download failed.
    """
    name = str(name)
    if name in PRESETS:
        return embedded_weights() if name == EMBEDDED else download(name)
    if name.endswith(WEIGHT_SUFFIXES) or Path(name).is_file():
        return Path(name)
    if re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        return download(name)
    raise _unknown_model(name)


def pick_device(device: str) -> torch.device:
    """Return the device of that name; "auto" is the first available of cuda, mps and cpu.

    Raises:
        DeviceError: no such device, or it is not available.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return torch.device(next(kind for kind, present in available.items() if present))
    matched = re.fullmatch(r"(cpu|mps|cuda(?::(\d{1,3}))?)", device)
    if not matched:
        raise DeviceError(f"device must be auto, cpu, cuda, cuda:N or mps, got {device!r}")
    if not available[device.partition(":")[0]] or (matched[2] and int(matched[2]) >= torch.cuda.device_count()):
        present = ", ".join(kind for kind, is_present in available.items() if is_present)
        raise DeviceError(f"device {device} is not available (available: {present})")
    return torch.device(device)


def compile_model(model: Sam2) -> Sam2:
    """Compile the encoders, the memory attention and the decoder in place; names of weights do not change."""
    for part in (model.image_encoder, model.memory_attention, model.memory_encoder, model.sam_mask_decoder):
        part.compile()
    return model


def _check_compiler(device: torch.device) -> None:
    names = [os.environ["CXX"]] if "CXX" in os.environ else ["c++", "g++", "clang++", "cl"]
    if not any(map(shutil.which, names)):
        raise DeviceError(f"compile=True needs a C++ compiler, found none ({', '.join(names)})")
    if device.type == "cuda" and importlib.util.find_spec("triton") is None:
        raise DeviceError("compile=True on cuda needs the package triton, which is not installed")


def _named_config(name: str, checkpoint: Checkpoint) -> ModelConfig:
    """Return the configuration of a file with the weights of the named model, apart from its name and input size.

    Some models have the same tensors (EfficientTAM); if the file does not store its configuration, it is any of them.
    """
    if name not in PRESETS:
        raise _unknown_model(name)
    config, preset = checkpoint.config, PRESETS[name]
    same = replace(config, name=preset.name, image_size=preset.image_size)
    if checkpoint.stored_config is None and replace(same, cross_attention=preset.cross_attention) == preset:
        return preset
    if same != preset:
        raise WeightsError(
            f"{checkpoint.source} holds {config.full_name}, not {name}: name that model, or load the file by its path"
        )
    return config


def _unknown_model(name: str) -> UnknownModelError:
    near = get_close_matches(name, PRESETS, cutoff=0.5) or list(PRESETS)
    return UnknownModelError(f"no model {name[:80]!r}; expected a file, a Hub id, or a name such as {', '.join(near)}")
