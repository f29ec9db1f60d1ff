"""JSON documents from files and bytes: read within a size limit and validated against a type; text files likewise."""

from __future__ import annotations

import json
import os
import re
import reprlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import GenericAlias
from typing import Any, TypeVar

import msgspec

from masklet.errors import FormatError, MaskletError

T = TypeVar("T")

MAX_JSON_BYTES = 2**31
"""Default limit of `read_json`; the largest annotation file of COCO has 0.5 GB."""

_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")


def read_json(
    source: str | os.PathLike[str] | bytes,
    kind: type[T] | GenericAlias,
    *,
    what: str,
    schema: tuple[str, int] | None = None,
    max_bytes: int = MAX_JSON_BYTES,
    name: str = "",
    error: type[MaskletError] = FormatError,
) -> T:
    """Read a JSON document and validate it against a type.

    The dialect is that of Python's `json`: NaN and infinities are numbers, the last of equal keys wins, and UTF-8 (with
    or without a byte order mark), UTF-16 and UTF-32 are recognized. No value is converted except integers to floats:
    a string, a boolean or 3.0 is not an `int`.

    Args:
        source: the path of a file, or the bytes of a document.
        kind: what the document must hold: a `msgspec.Struct`, a dataclass, a `TypedDict`, or a type such as
            ``dict[str, int]`` or ``list[Any]``. Give bounds as ``Annotated[int, msgspec.Meta(ge=0)]``. Fields that it
            does not name are ignored, unless a struct is declared with ``forbid_unknown_fields=True``.
        what: names the kind of document in errors, such as "SA-V annotation".
        schema: the values of the fields ``schema`` and ``version`` that the document must have; checked first.
        max_bytes: a larger file is refused unread.
        name: names the document in errors; the path by default.
        error: the type of error to raise instead of `FormatError`.

    Raises:
        FormatError: the file is missing or too large, the document is not JSON or nested too deeply, or it does not fit
            the type. The one-line message names the place in the document, what was expected there, and the value.
    """
    try:
        if isinstance(source, bytes):
            return _validated(source, kind, schema)
        name = name or os.fspath(source)
        return _validated(_bytes_of(Path(source), max_bytes), kind, schema)
    except _InvalidError as problem:
        raise error(f"invalid {what}: {problem}" + (f": {name}" if name else "")) from None


def read_bounded(path: Path, max_bytes: int) -> bytes:
    """Read a file of at most ``max_bytes`` bytes.

    Raises:
        FormatError: the file is missing, unreadable or larger.
    """
    try:
        return _bytes_of(path, max_bytes)
    except _InvalidError as problem:
        raise FormatError(f"{problem}: {path}") from None


def dump_json(path: Path, value: object) -> None:
    """Write compact JSON in UTF-8; `ValueError` for NaN and infinities, which not every reader accepts."""
    with path.open("w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


@contextmanager
def expecting(what: str, where: str) -> Generator[None]:
    """Turn the errors that malformed content causes in the block into one `FormatError` that names ``where``."""
    try:
        yield
    except FormatError as error:
        if str(error).endswith(where):
            raise
        raise FormatError(f"{error}: {where}") from None
    except (KeyError, IndexError) as error:
        raise FormatError(f"expected {what}, found nothing for {error.args[0]!r}: {where}") from None
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise FormatError(f"expected {what}, got something else ({error}): {where}") from None


class _InvalidError(Exception):
    """Why a document was refused, without its name."""


def _bytes_of(path: Path, max_bytes: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise _InvalidError(f"cannot read the file ({error.strerror})") from None
    if len(data) > max_bytes:
        raise _InvalidError(f"expected at most {max_bytes} bytes, got more")
    return data


def _validated(data: bytes, kind: type[T] | GenericAlias, schema: tuple[str, int] | None) -> T:
    try:
        document = json.loads(data)
    except RecursionError:
        raise _InvalidError("the JSON is nested too deeply") from None
    except ValueError as error:
        raise _InvalidError(f"not JSON ({error})") from None
    if schema is not None and isinstance(document, dict):
        found = document.get("schema"), document.get("version")
        if found != schema:
            expected, got = (" version ".join(map(reprlib.repr, pair)) for pair in (schema, found))
            raise _InvalidError(f"expected schema {expected}, got {got}")
    try:
        return msgspec.convert(document, kind, str_keys=True)
    except (msgspec.ValidationError, RecursionError) as error:
        raise _InvalidError(_explained(str(error), document)) from None


def _explained(message: str, document: Any) -> str:
    """Rewrite a message of msgspec ("Expected `int`, got `str` - at `$.a[0]`") so that it shows the value."""
    problem, _, path = " ".join(message.replace("`", "").split()).partition(" - at ")
    problem = problem[:1].lower() + problem[1:]
    value = document
    for field, index in _STEP.findall(path):
        if index == "...":  # msgspec does not name the key of a mapping
            return f"{problem} at {path}"
        value = value[field] if field else value[int(index)]
    if problem.startswith("expected ") and not path.startswith("key"):
        problem = f"{problem.partition(', got ')[0]}, got {reprlib.repr(value)}"
    return f"{problem} at {path}" if path else problem
