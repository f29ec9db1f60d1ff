"""Check types and shapes of the package's calls at run time, each kind of call once.

A check by jaxtyping and beartype takes 0.1 ms, and a frame of a small model makes a thousand calls. Most of them repeat
an earlier one: the same function with arguments of the same types, data types and shapes. Only the first is checked.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from types import CodeType, NoneType
from typing import Any

import jaxtyping

BEARTYPE = "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"  # 1 is a float
MAX_ITEMS = 8

Function = Callable[..., Any]
SEEN: dict[CodeType, set[object]] = {}  # by code: a function inside another is a new one in every call


def install() -> None:
    """Check all modules of masklet that are imported from now on."""
    jaxtyping.install_import_hook("masklet", BEARTYPE)
    check = jaxtyping.jaxtyped

    def jaxtyped(*, typechecker: Any) -> Function:
        """The decorator that the import hook adds to every function and class."""
        return functools.partial(_check_once, functools.partial(check, typechecker=typechecker))

    jaxtyping.jaxtyped = jaxtyped  # type: ignore[assignment]


def _check_once(check: Function, target: Any) -> Any:
    if inspect.isfunction(target):
        return _checked(check, target)
    init = vars(target).get("__init__")
    if dataclasses.is_dataclass(target) and inspect.isfunction(init) and not hasattr(init, "__wrapped__"):
        setattr(target, "__init__", _checked(check, init))  # noqa: B010 - mypy refuses to assign to a method
    return target


def _checked(check: Function, function: Function) -> Function:
    seen = SEEN.setdefault(function.__code__, set())

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if jaxtyping.config.jaxtyping_disable:
            return function(*args, **kwargs)
        kinds = (*map(kind_of, args), *[(name, kind_of(value)) for name, value in kwargs.items()])
        if kinds in seen:
            return function(*args, **kwargs)
        result = checked()(*args, **kwargs)
        seen.add(kinds)
        return result

    @functools.cache
    def checked() -> Any:
        return check(function)  # takes milliseconds: not for functions that are never called

    return call


def kind_of(value: object) -> object:
    """The properties of a value that its check depends on."""
    kind = type(value)
    kinds = KINDS.get(kind)
    if kinds is None:
        kinds = KINDS[kind] = _of_array if hasattr(kind, "dtype") and hasattr(kind, "shape") else type
    return kinds(value)


def _of_array(value: Any) -> tuple[object, ...]:
    return type(value), value.dtype, value.shape


def _of_sequence(value: Any) -> tuple[object, ...]:
    return type(value), len(value), *map(kind_of, value[:MAX_ITEMS])


def _of_dict(value: Any) -> tuple[object, ...]:
    return dict, *[(kind_of(key), kind_of(item)) for key, item in list(value.items())[:MAX_ITEMS]]


KINDS: dict[type, Function] = {
    NoneType: lambda _: None,
    bool: lambda value: value,
    str: lambda value: value,
    tuple: _of_sequence,
    list: _of_sequence,
    dict: _of_dict,
}
