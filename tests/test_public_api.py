"""What `import masklet` offers: complete, documented, and nothing by accident."""

from __future__ import annotations

import inspect

import pytest

import masklet

NAMES = sorted(masklet.__all__)


def test_dir_is_the_public_face() -> None:
    assert dir(masklet) == NAMES
    assert len(set(NAMES)) == len(NAMES)


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="no_such_thing"):
        masklet.no_such_thing  # noqa: B018


@pytest.mark.parametrize("name", NAMES)
def test_public_object_is_documented(name: str) -> None:
    value = getattr(masklet, name)
    if not inspect.isclass(value) and not inspect.isroutine(value):
        return  # a constant or an alias, documented where it is defined
    assert undocumented(name, value) == []


def undocumented(name: str, value: object) -> list[str]:
    """The object and those of its public methods and properties that say nothing about themselves."""
    doc = inspect.getdoc(value) or ""
    silent = [name] if not doc or doc.startswith(f"{name}(") else []  # a dataclass without one shows its signature
    if inspect.isclass(value):
        for attribute, member in vars(value).items():
            described = inspect.isroutine(member) or isinstance(member, property | classmethod | staticmethod)
            if described and not attribute.startswith("_"):
                silent += [f"{name}.{attribute}"] if not inspect.getdoc(getattr(value, attribute)) else []
    return silent
