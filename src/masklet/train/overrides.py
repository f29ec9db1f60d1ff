"""A run's settings as text: JSON in checkpoints, `section.field=value` on the command line. What is read is hostile."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields, replace
from types import NoneType, UnionType
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from masklet.errors import FormatError
from masklet.model.metadata import config_from_json as model_from_json
from masklet.model.metadata import config_to_json as model_to_json
from masklet.model.presets import PRESETS
from masklet.train.config import (
    AugmentConfig,
    DataConfig,
    LossConfig,
    OptimConfig,
    PromptConfig,
    RunConfig,
    TrainConfig,
)

MAX_TEXT: Final = 2**16
MAX_ITEMS, MAX_NAME = 64, 128
MANY: Final = 10**9

SECTIONS: Final[Mapping[str, type]] = {
    "prompts": PromptConfig,
    "loss": LossConfig,
    "augment": AugmentConfig,
    "data": DataConfig,
    "optim": OptimConfig,
    "run": RunConfig,
}

BOUNDS: Final[Mapping[str, tuple[float, float]]] = {
    "prompts.prompted_frames": (1, 256),
    "prompts.corrected_frames": (1, 256),
    "prompts.corrections": (0, 100),
    "loss.mask": (0, 1000),
    "loss.dice": (0, 1000),
    "loss.iou": (0, 1000),
    "loss.presence": (0, 1000),
    "loss.chunk": (1, 65536),
    "augment.degrees": (0, 180),
    "augment.shear": (0, 60),
    "augment.zoom": (0.05, 1),
    "data.image_size": (32, 4096),
    "data.image_batch": (1, 4096),
    "data.clip_batch": (1, 4096),
    "data.image_masks": (1, 1024),
    "data.clip_masks": (1, 256),
    "data.frames": (1, 256),
    "data.strides": (1, 1000),
    "data.min_area": (1, MANY),
    "optim.steps": (1, MANY),
    "optim.accumulate": (1, 65536),
    "optim.lr": (0, 10),
    "optim.trunk_lr": (0, 10),
    "optim.betas": (0, 0.999999),
    "optim.weight_decay": (0, 10),
    "optim.layer_decay": (0.01, 1),
    "optim.warmup": (0, MANY),
    "optim.cooldown": (0, MANY),
    "optim.clip": (1e-6, 1e6),
    "optim.ema": (0, 0.999999),
    "optim.lora": (0, 1024),
    "run.seed": (0, 2**63 - 1),
    "run.workers": (0, 256),
    "run.save_every": (1, MANY),
    "run.keep": (1, 1000),
    "run.validate_every": (0, MANY),
    "run.picture_every": (0, MANY),
    "run.log_every": (1, MANY),
}
"""Least and greatest value of every number that is no share; shares and probabilities are from 0 to 1."""


def config_to_json(config: TrainConfig) -> str:
    """All settings of a run as one JSON object."""
    return json.dumps({**asdict(config), "model": json.loads(model_to_json(config.model))})


def config_from_json(text: str) -> TrainConfig:
    """Read what `config_to_json` wrote; settings that are absent have their defaults.

    Raises:
        FormatError: not JSON, too long, an unknown setting, a value of another type or out of bounds.
        WeightsError: the same of the model's part.
    """
    if len(text) > MAX_TEXT:
        raise FormatError(f"expected settings of at most {MAX_TEXT} characters, got {len(text)}")
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        raise FormatError("expected the settings of a training run as JSON, got something else") from None
    if not isinstance(values, dict) or not {"name", "model"} <= set(values):
        raise FormatError("expected an object with name, model and sections of settings")
    sections = {}
    for section, given in values.items():
        if section in ("name", "model"):
            continue
        if not isinstance(given, dict):
            raise _wrong(_known(section, SECTIONS), "an object", given)
        hints = _hints(_known(section, SECTIONS))
        read = {
            field: _read(f"{section}.{_known(field, hints, section)}", hints[field], v) for field, v in given.items()
        }
        sections[section] = SECTIONS[section](**read)
    model = model_from_json(json.dumps(values["model"]))
    return _checked(TrainConfig(name=_read("name", str, values["name"]), model=model, **sections))


def override(config: TrainConfig, settings: Iterable[str]) -> TrainConfig:
    """The configuration with some settings changed.

    Args:
        config: a recipe's.
        settings: ``section.field=value`` each, such as ``optim.lr=1e-5``, ``data.strides=1,8``, ``optim.ema=0``,
            ``data.image_share=none``; ``model=NAME`` for a model of that name, ``model.field=value`` for a part of it.

    Raises:
        FormatError: no such setting (the nearest is named), or a value of another type or out of bounds.
        WeightsError: the same of a part of the model.
    """
    for setting in settings:
        path, equals, text = (part.strip() for part in setting.partition("="))
        if not equals:
            raise FormatError(f"expected section.field=value, got {setting[:MAX_NAME]!r}")
        section, _, field = path.partition(".")
        if section == "model":
            config = replace(config, model=_changed_model(config, field, text))
            continue
        if section not in SECTIONS or field not in _hints(section):
            everything = [f"{name}.{item}" for name in SECTIONS for item in _hints(name)]
            raise FormatError(_unknown(path, ["model", *everything]))
        hint = _hints(section)[field]
        value = _read(path, hint, _parsed(hint, text))
        config = replace(config, **{section: replace(getattr(config, section), **{field: value})})
    return _checked(config)


def differences(before: TrainConfig, after: TrainConfig) -> list[str]:
    """What changed from one configuration to another: ``optim.lr: 1e-05, now 2e-05`` for each setting."""
    told = []
    for section in ("model", *SECTIONS):
        old, new = getattr(before, section), getattr(after, section)
        for item in fields(old):
            values = getattr(old, item.name), getattr(new, item.name, None)
            if values[0] != values[1]:
                told.append(f"{section}.{item.name}: {values[0]}, now {values[1]}")
    return told


def _changed_model(config: TrainConfig, field: str, text: str) -> Any:
    if not field:
        return PRESETS[_known(text, PRESETS, "model")]
    known = {item.name: get_type_hints(type(config.model))[item.name] for item in fields(config.model)}
    values = json.loads(model_to_json(config.model))
    return model_from_json(json.dumps(values | {_known(field, known, "model"): _parsed(known[field], text)}))


def _checked(config: TrainConfig) -> TrainConfig:
    """The same, or an error where numbers do not fit each other."""
    rules: list[tuple[bool, str, str, object]] = [
        (not config.data.image_size % 32, "data.image_size", "a multiple of 32", config.data.image_size)
    ]
    for name in ("prompts.corrections", "augment.zoom", "data.strides"):
        low, high = getattr(getattr(config, name.partition(".")[0]), name.partition(".")[2])
        rules.append((low <= high, name, "least, greatest", (low, high)))
    for name, shares in (("prompts.video", config.prompts.video), ("prompts.image", config.prompts.image)):
        rules.append((sum(shares) > 0, name, "shares that are not all 0", shares))
    for holds, name, expected, value in rules:
        if not holds:
            raise _wrong(name, expected, value)
    return config


def _hints(section: str) -> dict[str, Any]:
    return get_type_hints(SECTIONS[section])


def _parsed(hint: Any, text: str) -> object:
    """Text as what JSON would have; text that cannot be that stays text, and `_read` complains."""
    if get_origin(hint) is UnionType:
        if text.lower() == "none":
            return None
        hint = next(kind for kind in get_args(hint) if kind is not NoneType)
    if get_origin(hint) is tuple:
        return [_parsed(get_args(hint)[0], part.strip()) for part in text.strip("()[]").split(",") if part.strip()]
    if get_origin(hint) is Literal:
        return next((choice for choice in get_args(hint) if str(choice) == text), text)
    if hint is bool:
        return {
            "true": True,
            "yes": True,
            "on": True,
            "1": True,
            "false": False,
            "no": False,
            "off": False,
            "0": False,
        }.get(text.lower(), text)
    try:
        return hint(text)
    except (ValueError, TypeError):
        return text


def _read(name: str, hint: Any, value: object) -> Any:
    if get_origin(hint) is UnionType:
        if value is None:
            return None
        hint = next(kind for kind in get_args(hint) if kind is not NoneType)
    if get_origin(hint) is tuple:
        return _items(name, get_args(hint), value)
    if get_origin(hint) is Literal:
        choices = get_args(hint)
        if isinstance(value, bool) or value not in choices:
            raise _wrong(name, " or ".join(map(str, choices)), value)
        return value
    if hint is bool:
        if not isinstance(value, bool):
            raise _wrong(name, "true or false", value)
        return value
    if hint is str:
        if not (isinstance(value, str) and 0 < len(value) <= MAX_NAME and value.isprintable()):
            raise _wrong(name, f"a name of up to {MAX_NAME} characters", value)
        return value
    return _number(name, hint, value)


def _items(name: str, hints: tuple[Any, ...], value: object) -> tuple[object, ...]:
    many = hints[-1] is Ellipsis
    if not isinstance(value, list) or (len(value) > MAX_ITEMS if many else len(value) != len(hints)):
        expected = f"at most {MAX_ITEMS} values" if many else f"{len(hints)} numbers"
        raise _wrong(name, f"{expected} with commas between", value)
    return tuple(_read(name, hints[0], item) for item in value)


def _number(name: str, hint: type[int] | type[float], value: object) -> float:
    low, high = BOUNDS.get(name, (0, 1))
    fits = isinstance(value, int | hint) and not isinstance(value, bool)
    if not (fits and isinstance(value, int | float) and math.isfinite(value) and low <= value <= high):
        raise _wrong(name, f"{'a whole' if hint is int else 'a'} number from {low:g} to {high:g}", value)
    return hint(value)


def _known(name: str, names: Iterable[str], where: str = "") -> str:
    if name not in names:
        raise FormatError(_unknown(name, list(names), where))
    return name


def _unknown(name: str, names: list[str], where: str = "") -> str:
    near = difflib.get_close_matches(name, names, 1, cutoff=0.4)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names[:12])}{' ...' * (len(names) > 12)}"
    return f"no setting {name[:MAX_NAME]!r}{f' in {where}' * bool(where)}; {hint}"


def _wrong(name: str, expected: str, value: object) -> FormatError:
    came = repr(value)
    return FormatError(f"{name}: expected {expected}, got {came[:60] + '…' * (len(came) > 60)}")
