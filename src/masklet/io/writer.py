"""The one interface of everything that writes results: write frame by frame, then finish or discard."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from masklet.errors import OutputError
from masklet.io.draft import Draft, writing
from masklet.types import FrameMasks, Picture

S = TypeVar("S", bound="Writer")


class Writer(ABC):
    """A result on its way to disk, under a temporary name until it is finished.

    Use it in a ``with`` block: leaving it normally finishes the result; leaving it by Ctrl-C finishes what is done;
    any other exception leaves nothing behind. Without a block, call `finish` or `discard`.

    Attributes:
        path: where the result will be.
        num_frames: how many frames were written.
    """

    def __init__(self, path: str | os.PathLike[str], *, folder: bool = False) -> None:
        self.path = Path(path)
        self.num_frames = 0
        self._draft = Draft(self.path, folder=folder)
        self._open = True

    def write(self, frame: Picture | None, masks: FrameMasks) -> None:
        """Add one frame with its masks; the picture may be None where only masks are written.

        Raises:
            OutputError: it cannot be written (nothing is left behind), or the writer is finished.
        """
        if not self._open:
            raise OutputError(f"cannot write {self.path}: it is already finished")
        try:
            with writing(self.path):
                self._write(frame, masks)
        except BaseException as error:
            if not isinstance(error, KeyboardInterrupt):
                self.discard()
            raise
        self.num_frames += 1

    def finish(self) -> None:
        """Complete the result and move it into place; finishing twice is harmless.

        Raises:
            OutputError: it cannot be completed, or no frame was written; nothing is left behind.
        """
        if not self._open:
            return
        try:
            with writing(self.path):
                if not self.num_frames:
                    raise OutputError(f"cannot write {self.path}: there was no frame to write")
                self._complete()
            self._draft.publish()
        finally:
            self.discard()

    def discard(self) -> None:
        """Give the result up and leave nothing behind; harmless after `finish`."""
        if self._open:
            self._open = False
            self._abandon()
            self._draft.discard()

    @abstractmethod
    def _write(self, frame: Picture | None, masks: FrameMasks) -> None:
        """Write one frame to the draft."""

    def _complete(self) -> None:  # noqa: B027  many forms need nothing
        """Write what comes after the last frame."""

    def _abandon(self) -> None:  # noqa: B027  many forms keep nothing open
        """Let go of what is open."""

    def __enter__(self: S) -> S:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        interrupted = kind is not None and issubclass(kind, KeyboardInterrupt)
        if kind is None or (interrupted and self.num_frames):
            self.finish()
        else:
            self.discard()
