"""Libraries that only some forms need: imported where they are used, and named with their extra when missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from masklet.errors import MissingExtraError


@contextmanager
def needs(extra: str, what: object) -> Iterator[None]:
    """Imports inside that fail become one line that says what to install.

    Args:
        extra: the extra of masklet that brings the library.
        what: that needs it, such as the file that was to be read.

    Raises:
        MissingExtraError: an import inside failed.
    """
    try:
        yield
    except ImportError as error:
        raise MissingExtraError(f'{what} needs an extra: pip install "masklet[{extra}]"') from error
