"""The packages that backends need and that are not always there: asked for when needed, named when missing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from masklet.errors import MissingExtraError


@contextmanager
def needs(extra: str, what: str) -> Iterator[None]:
    """Imports inside that fail become one line that says what to install.

    Raises:
        MissingExtraError: an import inside failed.
    """
    try:
        yield
    except ImportError as error:
        raise MissingExtraError(f'{what} needs an extra: pip install "masklet[{extra}]"') from error


@contextmanager
def without_telemetry() -> Iterator[None]:
    """NNCF, imported inside, does not report its use over the network, as it otherwise does without asking."""
    modules: dict[str, object] = sys.modules  # type: ignore[assignment]
    name = "openvino_telemetry"
    before = modules.get(name)
    modules[name] = None  # as if it were not installed: the importer then goes without
    try:
        yield
    finally:
        if before is None:
            del modules[name]
        else:
            modules[name] = before
