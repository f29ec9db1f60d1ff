"""Outputs appear whole or not at all: a draft beside its place, moved there at the end."""

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
    """What the system or an encoder refuses inside becomes one `OutputError` about ``path``."""
    try:
        yield
    except OutputError:
        raise
    except (OSError, av.error.FFmpegError) as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error


class AtomicOutput:
    """A file or folder under a temporary name in the target's folder.

    Attributes:
        path: where to write; exists from the start.
        target: where `publish` moves it.

    Raises:
        OutputError: the target's folder is missing or cannot be written, or a file stands where a folder should.
    """

    def __init__(self, target: Path, *, folder: bool = False) -> None:
        self.target = target
        self.path = target.parent / f".{target.name}.{secrets.token_hex(4)}.part"
        self._is_folder = folder
        with output_errors(target):
            if not target.parent.is_dir():
                raise OutputError(f"cannot write {target}: there is no folder {target.parent}")
            if target.exists() and target.is_dir() != folder:
                kinds = ("a file", "a folder") if folder else ("a folder", "a file")
                raise OutputError(f"cannot write {target}: it is {kinds[0]}, expected {kinds[1]} or nothing")
            if folder:
                self.path.mkdir()
            else:
                self.path.touch(exist_ok=False)

    def commit(self) -> None:
        """Move the draft into place: a file replaces one of that name, a folder's files join those already there."""
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
        """Remove what is left of the draft; harmless after `publish`."""
        if self._is_folder:
            shutil.rmtree(self.path, ignore_errors=True)
        else:
            self.path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8 with the line ends it has, whole or not at all.

    Raises:
        OutputError: it cannot be written; nothing is left behind.
    """
    draft = AtomicOutput(path)
    try:
        with output_errors(path):
            draft.path.write_text(text, encoding="utf-8", newline="")
        draft.commit()
    finally:
        draft.discard()
