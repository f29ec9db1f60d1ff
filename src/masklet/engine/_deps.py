"""Whether the libraries of the data engine are installed."""

from __future__ import annotations

from importlib.util import find_spec

from masklet.errors import MissingExtraError


def require_engine() -> None:
    """Raise `MissingExtraError` unless the libraries of the extra are here."""
    missing = [name for name in ("sqlalchemy", "psycopg") if find_spec(name) is None]
    if missing:
        raise MissingExtraError(f'the data engine needs {" and ".join(missing)}: pip install "masklet[engine]"')


def require_ray() -> None:
    """Raise `MissingExtraError` unless Ray is here."""
    if find_spec("ray") is None:
        raise MissingExtraError('work on a Ray cluster needs ray: pip install "masklet[ray]"')
