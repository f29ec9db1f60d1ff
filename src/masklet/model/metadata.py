"""A model's configuration as JSON and back: what our weight files carry in their metadata. What is read is hostile."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from types import UnionType
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from masklet.errors import WeightsError
from masklet.model.config import EfficientNetConfig, HieraConfig, ModelConfig

SCHEMA: Final = "1"
TRUNKS: Final = {"hiera": HieraConfig, "efficientnet-lite0": EfficientNetConfig}
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
}
"""Least and greatest value of every number, so that nobody's metadata makes us build a model of gigabytes."""


def config_to_json(config: ModelConfig) -> str:
    """The whole configuration as one JSON object; ``trunk`` says its ``kind``."""
    kind = next(kind for kind, trunk in TRUNKS.items() if isinstance(config.trunk, trunk))
    return json.dumps({**asdict(config), "trunk": {"kind": kind, **asdict(config.trunk)}})


def config_from_json(text: str) -> ModelConfig:
    """Read what `config_to_json` wrote; a field that has a default may be absent.

    Raises:
        WeightsError: not JSON, an unknown or missing field, a value of another type or out of bounds.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        raise WeightsError("the model configuration in the file's metadata is not JSON") from None
    config: ModelConfig = _read(ModelConfig, values)
    check_config(config)
    return config


def check_config(config: ModelConfig) -> None:
    """Raise `WeightsError` unless the numbers fit each other."""
    check_image_size(config.image_size)
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
    else:
        rules.append((trunk == EfficientNetConfig(), f"EfficientNet-Lite0 has other channels than {trunk.channels}"))
    for holds, problem in rules:
        if not holds:
            raise WeightsError(f"model configuration: {problem}")


def check_image_size(image_size: int) -> None:
    """Raise `WeightsError` unless it can be the side of a model's input."""
    low, high = BOUNDS["image_size"]
    if image_size % 32 or not low <= image_size <= high:
        raise WeightsError(f"image_size must be a multiple of 32 from {low} to {high}, got {image_size}")


def _read(kind: type, values: object) -> Any:
    if not isinstance(values, dict):
        raise _wrong(kind.__name__, "an object", values)
    hints = get_type_hints(kind)
    known = {field.name for field in fields(kind)}
    if unknown := sorted(set(values) - known):
        raise WeightsError(f"model configuration: unknown field {unknown[0][:64]!r}")
    given = {name: _value(name, hints[name], value) for name, value in values.items()}
    try:
        return kind(**given)
    except TypeError:
        raise WeightsError(f"model configuration: a field of {kind.__name__} is missing") from None


def _value(name: str, hint: Any, value: object) -> object:
    if isinstance(hint, UnionType):
        trunk = dict(value) if isinstance(value, dict) else {}
        kind = trunk.pop("kind", None)
        if not isinstance(kind, str) or kind not in TRUNKS:
            raise _wrong(name, f"an object whose kind is one of {', '.join(TRUNKS)}", value)
        return _read(TRUNKS[kind], trunk)
    if get_origin(hint) is tuple:
        return _items(name, get_args(hint), value)
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise _wrong(name, " or ".join(get_args(hint)), value)
        return value
    if hint is bool:
        if not isinstance(value, bool):
            raise _wrong(name, "true or false", value)
        return value
    if hint is str:
        if not (isinstance(value, str) and 0 < len(value) <= 64 and value.isprintable()):
            raise _wrong(name, "a name of up to 64 characters", value)
        return value
    return _number(name, hint, value)


def _items(name: str, hints: tuple[Any, ...], value: object) -> tuple[object, ...]:
    variadic = hints[-1] is Ellipsis
    if not isinstance(value, list) or (len(value) > 512 if variadic else len(value) != len(hints)):
        raise _wrong(name, "a list of numbers" if variadic else f"a list of {len(hints)} numbers", value)
    return tuple(_value(name, hints[0], item) for item in value)


def _number(name: str, hint: type[int] | type[float], value: object) -> float:
    low, high = BOUNDS[name]
    if not isinstance(value, int | hint) or isinstance(value, bool) or not low <= value <= high:
        raise _wrong(name, f"{'a whole' if hint is int else 'a'} number from {low:g} to {high:g}", value)
    return hint(value)


def _wrong(name: str, expected: str, value: object) -> WeightsError:
    came = repr(value)
    return WeightsError(f"model configuration: {name} must be {expected}, got {came[:40] + '…' * (len(came) > 40)}")
