"""One studio at a time in a folder: another one would take its uploads for left over, and empty its exports."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from masklet.errors import OutputError
from masklet.io.atomic import output_errors

if sys.platform == "win32":
    import msvcrt

    def _take(file: int) -> None:
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _take(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class FolderLock:
    """Holds a folder until `release`, or until the process ends, however it does.

    Args:
        folder: made where it is missing.

    Raises:
        OutputError: another studio holds it, or it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        with output_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._file = os.open(folder / "studio.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _take(self._file)
        except (BlockingIOError, PermissionError):
            self.release()
            raise OutputError(f"another studio is using this folder: {folder}") from None
        except OSError:  # a file system without locks, as some networks have
            pass

    def release(self) -> None:
        """Let others have it; harmless when it was done before."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
