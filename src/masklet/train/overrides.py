"""Settings of a run as text: JSON in checkpoints, `section.field=value` on the command line. Input is not trusted."""

from __future__ import annotations

import difflib
import json
import reprlib
from collections.abc import Iterable
from dataclasses import asdict, fields, is_dataclass, replace
from types import NoneType
from typing import Annotated, Any, Final, get_args, get_origin, get_type_hints

import msgspec

from masklet.bounded_json import read_json
from masklet.errors import FormatError
from masklet.model.config import PRESETS
from masklet.model.metadata import config_from_json as model_from_json
from masklet.model.metadata import config_to_json as model_to_json
from masklet.train.config import Name, TrainConfig

MAX_TEXT: Final = 2**16

SECTIONS: Final[dict[str, Any]] = {
    name: kind for name, kind in get_type_hints(TrainConfig).items() if is_dataclass(kind) and name != "model"
}

_BOOLEANS: Final = {"yes": "true", "on": "true", "no": "false", "off": "false"}


def config_to_json(config: TrainConfig) -> str:
    """Encode all settings of a run as one JSON object."""
    return json.dumps({**asdict(config), "model": json.loads(model_to_json(config.model))})


def config_from_json(text: str) -> TrainConfig:
    """Decode what `config_to_json` encoded; missing settings have their defaults.

    Raises:
        FormatError: not JSON, too long, an unknown setting, or a value of the wrong type or out of bounds.
        WeightsError: the same in the settings of the model.
    """
    if len(text) > MAX_TEXT:
        raise FormatError(f"expected settings of at most {MAX_TEXT} characters, got {len(text)}")
    values: dict[str, Any] = read_json(text.encode(errors="replace"), dict[str, Any], what="training settings")
    if not {"name", "model"} <= set(values):
        raise FormatError(f"expected training settings with a name and a model, got {reprlib.repr(list(values))}")
    sections = {}
    for section, given in values.items():
        if section not in ("name", "model"):
            hints = _hints(_known(section, SECTIONS))
            for field in given if isinstance(given, dict) else ():
                _known(field, hints, section)
            sections[section] = _convert(given, SECTIONS[section], section)
    name = _convert(values["name"], Name, "name")
    model = model_from_json(json.dumps(values["model"]))
    return _checked(TrainConfig(name=name, model=model, **sections))


def override(config: TrainConfig, settings: Iterable[str]) -> TrainConfig:
    """Change some settings of a run.

    Args:
        config: the settings of a recipe.
        settings: ``section.field=value`` each, such as ``optim.lr=1e-5``, ``data.strides=1,8``, ``optim.ema=0``,
            ``data.image_share=none``; ``model=NAME`` for another model, ``model.field=value`` for a setting of it.

    Raises:
        FormatError: an unknown setting (the closest name is suggested), or a value of the wrong type or out of bounds.
        WeightsError: the same in the settings of the model.
    """
    for setting in settings:
        path, equals, text = (part.strip() for part in setting.partition("="))
        if not equals:
            raise FormatError(f"expected section.field=value, got {reprlib.repr(setting)}")
        section, _, field = path.partition(".")
        if section == "model":
            config = replace(config, model=_override_model(config, field, text))
            continue
        if section not in SECTIONS or field not in _hints(section):
            known = [f"{name}.{item}" for name in SECTIONS for item in _hints(name)]
            raise FormatError(_unknown(path, ["model", *known]))
        hint = _hints(section)[field]
        value = _convert(_parsed(hint, text), hint, path, strict=False)
        config = replace(config, **{section: replace(getattr(config, section), **{field: value})})
    return _checked(config)


def differences(before: TrainConfig, after: TrainConfig) -> list[str]:
    """Describe each setting that differs, such as ``optim.lr: 1e-05, now 2e-05``."""
    changes = []
    for section in ("model", *SECTIONS):
        old, new = getattr(before, section), getattr(after, section)
        for item in fields(old):
            values = getattr(old, item.name), getattr(new, item.name, None)
            if values[0] != values[1]:
                changes.append(f"{section}.{item.name}: {values[0]}, now {values[1]}")
    return changes


def _override_model(config: TrainConfig, field: str, text: str) -> Any:
    if not field:
        return PRESETS[_known(text, PRESETS, "model")]
    hints = get_type_hints(type(config.model))
    _known(field, [item.name for item in fields(config.model)], "model")
    try:
        value = msgspec.convert(_parsed(hints[field], text), hints[field], strict=False)
    except (msgspec.ValidationError, TypeError):
        value = text  # the reader of model configurations reports the error
    return model_from_json(json.dumps(json.loads(model_to_json(config.model)) | {field: value}))


def _checked(config: TrainConfig) -> TrainConfig:
    """Check the settings that depend on each other."""
    for name in ("prompts.corrections", "augment.zoom", "data.strides"):
        section, field = name.split(".")
        low, high = getattr(getattr(config, section), field)
        if low > high:
            raise FormatError(f"{name}: expected minimum, maximum, got {low}, {high}")
    for name, shares in (("prompts.video", config.prompts.video), ("prompts.image", config.prompts.image)):
        if not sum(shares):
            raise FormatError(f"{name}: expected shares that are not all 0, got {shares}")
    return config


def _hints(section: str) -> dict[str, Any]:
    return get_type_hints(SECTIONS[section], include_extras=True)


def _parsed(hint: Any, text: str) -> Any:
    """Split and normalize the text of a value so that `msgspec` converts it to the type of a field."""
    while get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    if NoneType in get_args(hint) and text.lower() == "none":
        return None
    if get_origin(hint) is tuple:
        return [part.strip() for part in text.strip("()[]").split(",") if part.strip()]
    return _BOOLEANS.get(text.lower(), text) if hint is bool else text


def _convert(value: Any, hint: Any, path: str, *, strict: bool = True) -> Any:
    try:
        return msgspec.convert(value, hint, strict=strict)
    except msgspec.ValidationError as error:
        problem, _, place = str(error).replace("`", "").partition(" - at $")
        expected = problem[:1].lower() + problem[1:].partition(", got ")[0]
        raise FormatError(f"{path}{place}: {expected}, got {reprlib.repr(value)}") from None


def _known(name: str, names: Iterable[str], where: str = "") -> str:
    if name not in names:
        raise FormatError(_unknown(name, list(names), where))
    return name


def _unknown(name: str, names: list[str], where: str = "") -> str:
    near = difflib.get_close_matches(name, names, 1, cutoff=0.4)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names[:12])}{' ...' * (len(names) > 12)}"
    return f"no setting {reprlib.repr(name)}{f' in {where}' * bool(where)}; {hint}"
