"""JSON of a model configuration, as in the metadata of weight files, which is untrusted input."""

from __future__ import annotations

import json
import math
import reprlib
from dataclasses import asdict, fields
from typing import Any, Final, get_type_hints

import msgspec

from masklet.errors import WeightsError
from masklet.model.config import EfficientNetConfig, HieraConfig, ModelConfig, PerceiverConfig, RepVitConfig, VitConfig

SCHEMA: Final = "1"
MAX_ITEMS: Final = 512
TRUNKS: Final = {
    "hiera": HieraConfig,
    "efficientnet-lite0": EfficientNetConfig,
    "repvit": RepVitConfig,
    "vit": VitConfig,
}
BOUNDS: Final[dict[str, tuple[float, float]]] = {
    "image_size": (32, 4096),
    "embed_dim": (1, 2048),
    "memory_dim": (4, 2048),
    "memory_layers": (1, 32),
    "memory_ffn": (1, 65536),
    "memory_frames": (1, 256),
    "max_pointers": (0, 1024),
    "max_maps": (1, 256),
    "min_stability": (0, 1),
    "refine_limit": (0, 1e6),
    "pixel_mean": (0, 1),
    "pixel_std": (1e-3, 10),
    "num_heads": (1, 64),
    "stages": (1, 128),
    "global_blocks": (0, 511),
    "window_sizes": (1, 128),
    "position_size": (1, 256),
    "channels": (1, 4096),
    "depths": (1, 128),
    "depth": (1, 128),
    "window_size": (1, 128),
    "num_global": (0, 4096),
    "grid_size": (1, 64),
    "num_layers": (1, 32),
}
"""Minimum and maximum of every number, so that metadata cannot demand a model of gigabytes."""


def config_to_json(config: ModelConfig) -> str:
    """Serialize a configuration to a JSON object; ``trunk`` has a ``kind``."""
    kind = next(kind for kind, trunk in TRUNKS.items() if isinstance(config.trunk, trunk))
    return json.dumps({**asdict(config), "trunk": {"kind": kind, **asdict(config.trunk)}})


def config_from_json(text: str) -> ModelConfig:
    """Parse the output of `config_to_json`; fields with a default may be absent.

    Raises:
        WeightsError: not JSON, an unknown or missing field, or a value of another type or out of bounds.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        raise WeightsError("the model configuration in the file's metadata is not JSON") from None
    config: ModelConfig = _read(ModelConfig, values)
    check_config(config)
    return config


def check_config(config: ModelConfig) -> None:
    """Raise `WeightsError` unless the numbers are consistent with each other."""
    check_image_size(config.image_size, config.size_multiple)
    rules = [
        (config.embed_dim % 16 == 0, f"embed_dim must be a multiple of 16, got {config.embed_dim}"),
        (config.memory_dim % 4 == 0, f"memory_dim must be a multiple of 4, got {config.memory_dim}"),
        (config.embed_dim % config.memory_dim == 0, f"memory_dim {config.memory_dim} must divide {config.embed_dim}"),
    ]
    trunk = config.trunk
    if isinstance(trunk, HieraConfig):
        rules += [
            (trunk.embed_dim % trunk.num_heads == 0, f"{trunk.num_heads} heads must divide {trunk.embed_dim} channels"),
            (8 % trunk.window_sizes[0] == 0, f"the first window size must divide 8, got {trunk.window_sizes[0]}"),
            (all(b < sum(trunk.stages) for b in trunk.global_blocks), f"no such global blocks: {trunk.global_blocks}"),
        ]
    elif isinstance(trunk, VitConfig):
        rules += [
            (trunk.embed_dim % trunk.num_heads == 0, f"{trunk.num_heads} heads must divide {trunk.embed_dim} channels"),
            (
                all(block < trunk.depth for block in trunk.global_blocks),
                f"no such global blocks: {trunk.global_blocks}",
            ),
        ]
    elif isinstance(trunk, RepVitConfig):
        rules.append((trunk.channels[0] % 2 == 0, f"RepViT needs an even number of channels, got {trunk.channels[0]}"))
    else:
        rules.append((trunk == EfficientNetConfig(), f"EfficientNet-Lite0 has other channels than {trunk.channels}"))
    pooled_perceiver = config.perceiver is not None and config.cross_attention != "full"
    rules.append((not pooled_perceiver, "tokens of a perceiver cannot be pooled"))
    for holds, problem in rules:
        if not holds:
            raise WeightsError(f"model configuration: {problem}")


def check_image_size(image_size: int, multiple: int = 32) -> None:
    """Raise `WeightsError` unless the side of the model's input is a multiple of ``multiple`` within bounds."""
    low, high = BOUNDS["image_size"]
    if image_size % multiple or not low <= image_size <= high:
        raise WeightsError(f"image_size must be a multiple of {multiple} from {low} to {high}, got {image_size}")


def _read(kind: type, values: object) -> Any:
    if not isinstance(values, dict):
        raise _invalid(kind.__name__, "an object", values)
    hints = get_type_hints(kind)
    if unknown := sorted(set(values) - {field.name for field in fields(kind)}):
        raise WeightsError(f"model configuration: unknown field {unknown[0][:64]!r}")
    given = {name: _value(name, hints[name], value) for name, value in values.items()}
    try:
        return kind(**given)
    except TypeError:
        raise WeightsError(f"model configuration: a field of {kind.__name__} is missing") from None


def _value(name: str, hint: Any, value: object) -> object:
    if name == "trunk":
        trunk = dict(value) if isinstance(value, dict) else {}
        kind = trunk.pop("kind", None)
        if not isinstance(kind, str) or kind not in TRUNKS:
            raise _invalid(name, f"an object whose kind is one of {', '.join(TRUNKS)}", value)
        return _read(TRUNKS[kind], trunk)
    if name == "perceiver":
        return None if value is None else _read(PerceiverConfig, value)
    try:
        read = msgspec.convert(value, hint)
    except msgspec.ValidationError as error:
        raise _invalid(name, str(error).partition(",")[0].removeprefix("Expected ").replace("`", ""), value) from None
    low, high = BOUNDS.get(name, (-math.inf, math.inf))
    items = read if isinstance(read, tuple) else (read,)
    if len(items) > MAX_ITEMS or any(type(item) in (int, float) and not low <= item <= high for item in items):
        raise _invalid(name, f"from {low:g} to {high:g}", value)
    if isinstance(read, str) and not (0 < len(read) <= 64 and read.isprintable()):
        raise _invalid(name, "a name of up to 64 characters", value)
    return read


def _invalid(name: str, expected: str, value: object) -> WeightsError:
    return WeightsError(f"model configuration: {name} must be {expected}, got {reprlib.repr(value)}")
