"""Annotation files in JSON, read with a bound: whatever is not of the expected kind becomes one `FormatError`."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from masklet.errors import FormatError

MAX_JSON_BYTES = 2**31
"""Larger files are refused unread; the annotations of COCO have 0.5 GB."""


def load_json(path: Path, *, max_bytes: int = MAX_JSON_BYTES) -> dict[str, Any]:
    """The content of a JSON file that holds an object.

    Raises:
        FormatError: missing, too large, not JSON, or something else than an object.
    """
    return parse_json(read_bounded(path, max_bytes), str(path))


def load_json_list(path: Path, *, max_bytes: int = MAX_JSON_BYTES) -> list[Any]:
    """As `load_json`, of a file that holds a list."""
    value = parse_json_any(read_bounded(path, max_bytes), str(path))
    if not isinstance(value, list):
        raise FormatError(f"expected a JSON list, got a {type(value).__name__}: {path}")
    return value


def parse_json(data: bytes, name: str) -> dict[str, Any]:
    """`load_json` of bytes; ``name`` is for messages."""
    value = parse_json_any(data, name)
    if not isinstance(value, dict):
        raise FormatError(f"expected a JSON object, got a {type(value).__name__}: {name}")
    return value


def parse_json_any(data: bytes, name: str) -> object:
    """The content of a JSON file, whatever it holds; ``name`` is for messages."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise FormatError(f"not a JSON file: {name}") from None


def read_bounded(path: Path, max_bytes: int) -> bytes:
    """The bytes of a file; `FormatError` if it is missing, unreadable or too large."""
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror}") from error
    if len(data) > max_bytes:
        raise FormatError(f"expected at most {max_bytes} bytes, got more: {path}")
    return data


def dump_json(path: Path, value: object) -> None:
    """Write a draft as JSON: UTF-8, no blanks, numbers that every reader knows."""
    with path.open("w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


@contextmanager
def expecting(form: str, where: str) -> Generator[None]:
    """Whatever an unexpected structure trips over inside becomes one `FormatError` about ``where``."""
    try:
        yield
    except FormatError as error:
        raise FormatError(f"{error}: {where}") from None
    except (KeyError, IndexError) as error:
        raise FormatError(f"expected {form}, found nothing for {error.args[0]!r}: {where}") from None
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise FormatError(f"expected {form}, got something else ({error}): {where}") from None
