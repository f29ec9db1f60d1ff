"""The tree of errors: each is what a caller would catch, and prints as the line it carries."""

from __future__ import annotations

import inspect

import pytest

from masklet import errors
from masklet.errors import MaskletError

BUILTIN = {
    "PromptError": ValueError,
    "UnknownObjectError": KeyError,
    "FrameRangeError": IndexError,
    "MediaError": OSError,
    "WeightsError": ValueError,
    "UnknownModelError": LookupError,
    "OutputError": OSError,
    "FormatError": ValueError,
    "TaskError": RuntimeError,
    "DeviceError": RuntimeError,
    "MissingExtraError": ImportError,
}


def test_the_table_is_complete() -> None:
    classes = {name: value for name, value in vars(errors).items() if inspect.isclass(value)}
    defined = {name for name, value in classes.items() if value.__module__ == errors.__name__}
    assert defined == {"MaskletError", *BUILTIN}


@pytest.mark.parametrize(("name", "builtin"), BUILTIN.items())
def test_error(name: str, builtin: type[Exception]) -> None:
    error = getattr(errors, name)
    assert issubclass(error, MaskletError)
    assert issubclass(error, builtin)
    assert str(error("expected 3 frames, got 2")) == "expected 3 frames, got 2"
    assert str(error()) == ""
    assert name in (errors.__doc__ or "")
