"""Checks that the libraries of the extra ``studio`` are installed."""

from __future__ import annotations

from importlib.util import find_spec

from masklet.errors import MissingExtraError

LIBRARIES = ("fastapi", "uvicorn", "sqlalchemy", "websockets")


def require_studio() -> None:
    """Raise `MissingExtraError` unless all libraries of the extra are installed."""
    missing = [name for name in LIBRARIES if find_spec(name) is None]
    if missing:
        raise MissingExtraError(f'the studio needs {", ".join(missing)}: pip install "masklet[studio]"')
