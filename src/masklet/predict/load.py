"""`load`: a model by name, file or Hub id, on a device, in a number type, on any run time."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, NamedTuple, Required, TypedDict, Unpack, overload

import torch

from masklet.backends.bundle import is_bundle
from masklet.backends.onnx_runtime import Provider
from masklet.backends.protocol import Model
from masklet.errors import DeviceError, UnknownModelError, WeightsError
from masklet.model.catalog import embedded_weights, hub_id
from masklet.model.checkpoint import read_checkpoint
from masklet.model.config import ModelConfig
from masklet.model.load import DTYPES, build_model
from masklet.model.metadata import check_image_size
from masklet.model.presets import PRESETS
from masklet.model.sam2 import Sam2
from masklet.predict.hub import download
from masklet.predict.runtime import RuntimeOptions, check_runtime, open_folder, open_weights
from masklet.predict.speed import Speed, for_speed
from masklet.types import RgbImage

WEIGHT_SUFFIXES = (".pt", ".pth", ".safetensors")


class TorchBuild(TypedDict, total=False):
    """How a torch model is built.

    Keys:
        compile: compile the heavy parts at their first call, for long runs; needs a compiler on this machine.
        speed: "exact", or "fast" for savings that change masks a little: bfloat16 where the device has it, four spatial
            memories in place of seven, 896 pixels in place of 1024. What else is asked for stays.
    """

    backend: Literal["torch"]
    compile: bool
    speed: Speed


class GraphBuild(TypedDict, total=False):
    """How a model on another run time is built.

    Keys:
        backend: "onnx" (ONNX Runtime) or "openvino". The first time, graphs are written into the cache, which takes
            seconds for small models and minutes for large ones.
        providers: ONNX Runtime's execution providers ("cuda", "tensorrt", "coreml", "directml", or as ONNX Runtime
            calls them, alone or with options), or OpenVINO's device ("CPU").
        calibration: frames of a clip like those the model will see (an open video), for ``dtype="int8"``.
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
    """A model ready to segment: in eval mode, without gradients.

    Args:
        name: a model by name ("nano" comes with the package; "sam2.1-tiny" and the like are downloaded once), a weight
            file, a repository on the Hugging Face Hub ("facebook/sam2.1-hiera-large"), or, with ``backend``, a folder
            that `masklet convert` wrote.
        weights: the file that holds the weights of the named model.
        device: "cpu", "cuda", "cuda:1", "mps", or "auto" for the best one here.
        dtype: number type of weights and activations: "float32", "bfloat16" or "float16"; on OpenVINO "float32",
            "bfloat16" or "int8".
        image_size: side of the model's square input in pixels, a multiple of 32; smaller is faster and coarser.
        build: ``compile=True``, ``speed="fast"`` (`TorchBuild`), or ``backend="onnx"`` and the like (`GraphBuild`).

    Raises:
        UnknownModelError: no model of that name.
        WeightsError: weights that cannot be had, are unreadable, or do not fit; an impossible ``image_size``.
        DeviceError: a backend, device, number type or compiler that this machine does not have.
        MissingExtraError: the packages of a backend are not installed.
    """
    if unknown := sorted(set(build) - {*TorchBuild.__annotations__, *GraphBuild.__annotations__}):
        raise TypeError(f"load() got an unexpected keyword argument {unknown[0]!r}")
    if image_size is not None:
        check_image_size(image_size)
    if build.get("backend", "torch") == "torch":
        where = _Place(pick_device(device), dtype, image_size, build.get("speed", "exact"))
        return _on_torch(name, weights, where, compiled=build.get("compile", False))
    if build.pop("compile", False):
        raise DeviceError("compile=True is for the backend torch; others compile their graphs themselves")
    if build.pop("speed", "exact") != "exact":
        raise DeviceError('speed="fast" is for the backend torch; others take dtype= and image_size=')
    wanted = RuntimeOptions(dtype=dtype, device=device, image_size=image_size, **build)
    check_runtime(wanted)
    if weights is None and is_bundle(Path(name)):
        return open_folder(Path(name), wanted)
    path = find_weights(name) if weights is None else Path(weights)
    if weights is not None:
        checkpoint = read_checkpoint(path)
        _agreed(str(name), checkpoint.source, checkpoint.config)
    return open_weights(path, wanted)


class _Place(NamedTuple):
    """Where and how a torch model runs, as asked for."""

    device: torch.device
    dtype: str
    image_size: int | None
    speed: str


def _on_torch(name: str | Path, weights: str | Path | None, place: _Place, *, compiled: bool) -> Sam2:
    device = place.device
    if place.dtype not in DTYPES:
        raise DeviceError(f"dtype must be one of {', '.join(DTYPES)}, got {place.dtype!r}")
    if compiled:
        _require_compiler(device)
    if weights is None and is_bundle(Path(name)):
        raise WeightsError(f'{name} is a folder of graphs: load it with backend="onnx" or "openvino"')
    checkpoint = read_checkpoint(find_weights(name) if weights is None else Path(weights))
    config = checkpoint.config if weights is None else _agreed(str(name), checkpoint.source, checkpoint.config)
    config, dtype = for_speed(place.speed, config, place.dtype, device, place.image_size)
    try:
        model = build_model(config, checkpoint, device=device, dtype=DTYPES[dtype])
    except torch.OutOfMemoryError:
        raise DeviceError(f"not enough memory on {device} for {config.full_name}") from None
    model.requires_grad_(False)
    return compile_model(model) if compiled else model


def find_weights(name: str | Path) -> Path:
    """The local file behind a name, a path or a Hub id; downloads it where that is needed.

    Raises:
        UnknownModelError: none of these.
        WeightsError: weights that cannot be had.
    """
    name = str(name)
    if name in PRESETS:
        repository = hub_id(name)
        return embedded_weights() if repository is None else download(repository)
    if name.endswith(WEIGHT_SUFFIXES) or Path(name).is_file():
        return Path(name)
    if re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        return download(name)
    raise _unknown(name)


def pick_device(device: str) -> torch.device:
    """The device of that name; "auto" is CUDA, else an Apple GPU, else the processor.

    Raises:
        DeviceError: it is not here.
    """
    here = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return torch.device(next(kind for kind, available in here.items() if available))
    matched = re.fullmatch(r"(cpu|mps|cuda(?::(\d{1,3}))?)", device)
    if not matched:
        raise DeviceError(f"device must be auto, cpu, cuda, cuda:N or mps, got {device!r}")
    if not here[device.partition(":")[0]] or (matched[2] and int(matched[2]) >= torch.cuda.device_count()):
        raise DeviceError(f"device {device} is not available here (there is {', '.join(k for k in here if here[k])})")
    return torch.device(device)


def compile_model(model: Sam2) -> Sam2:
    """Compile the heavy parts of a model in place; names of its weights do not change."""
    for part in (model.image_encoder, model.memory_attention, model.memory_encoder, model.sam_mask_decoder):
        part.compile()
    return model


def _require_compiler(device: torch.device) -> None:
    names = [os.environ["CXX"]] if "CXX" in os.environ else ["c++", "g++", "clang++", "cl"]
    if not any(map(shutil.which, names)):
        raise DeviceError(f"compile=True needs a C++ compiler, found none ({', '.join(names)})")
    if device.type == "cuda" and importlib.util.find_spec("triton") is None:
        raise DeviceError("compile=True on cuda needs the package triton, which is not installed")


def _agreed(name: str, source: str, config: ModelConfig) -> ModelConfig:
    """The file's configuration, where it is the named model's apart from name and input size."""
    if name not in PRESETS:
        raise _unknown(name)
    preset = PRESETS[name]
    if replace(config, name=preset.name, image_size=preset.image_size) != preset:
        raise WeightsError(
            f"{source} holds {config.full_name}, not {name}: name that model, or load the file by its path"
        )
    return config


def _unknown(name: str) -> UnknownModelError:
    near = get_close_matches(name, PRESETS, cutoff=0.5) or list(PRESETS)
    return UnknownModelError(f"no model {name[:80]!r}; expected a file, a Hub id, or a name such as {', '.join(near)}")
