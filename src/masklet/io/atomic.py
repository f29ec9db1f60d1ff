"""Atomic outputs: written under a temporary name next to the target, and renamed when they are complete."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av.error

from masklet.errors import OutputError


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Convert errors of the operating system and of encoders inside to one `OutputError` about ``path``."""
    try:
        yield
    except OutputError:
        raise
    except (OSError, av.error.FFmpegError) as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error


class AtomicOutput:
    """A file or folder under a temporary name in the target's folder, until `commit` or `discard`.

    Attributes:
        path: where to write; exists from the start.
        target: where `commit` moves it.

    Raises:
        OutputError: the target's folder is missing or not writable, or the target is a file where a folder is
            expected, or the other way round.
    """

    def __init__(self, target: Path, *, folder: bool = False) -> None:
        self.target = target
        self.path = target.parent / f".{target.name}.{secrets.token_hex(4)}.part"
        self._is_folder = folder
        with output_errors(target):
            if not target.parent.is_dir():
                raise OutputError(f"cannot write {target}: there is no folder {target.parent}")
            if target.exists() and target.is_dir() != folder:
                found, expected = ("a file", "a folder") if folder else ("a folder", "a file")
                raise OutputError(f"cannot write {target}: it is {found}, expected {expected} or nothing")
            if folder:
                self.path.mkdir()
            else:
                self.path.touch(exist_ok=False)

    def commit(self) -> None:
        """Move the output into place: a file replaces one of that name; a folder's files are added to those there."""
        with output_errors(self.target):
            if self._is_folder and self.target.exists():
                for file in sorted(path for path in self.path.rglob("*") if not path.is_dir()):
                    place = self.target / file.relative_to(self.path)
                    place.parent.mkdir(parents=True, exist_ok=True)
                    file.replace(place)
                shutil.rmtree(self.path)
            else:
                self.path.replace(self.target)

    def discard(self) -> None:
        """Delete the temporary file or folder; harmless after `commit`."""
        if self._is_folder:
            shutil.rmtree(self.path, ignore_errors=True)
        else:
            self.path.unlink(missing_ok=True)


@contextmanager
def atomic_write(path: Path, *, folder: bool = False) -> Iterator[Path]:
    """Yield a temporary path to write to; move it to ``path`` at the end, delete it after an exception.

    Raises:
        OutputError: it cannot be written; nothing is left behind.
    """
    output = AtomicOutput(path, folder=folder)
    try:
        with output_errors(path):
            yield output.path
        output.commit()
    finally:
        output.discard()


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, with its line ends unchanged, atomically; `OutputError` if that fails."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")
