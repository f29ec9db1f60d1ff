"""Base classes of result writers: write frame by frame, then finish or discard."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, TypeVar

from masklet.errors import FormatError, OutputError
from masklet.io.atomic import AtomicOutput, output_errors
from masklet.io.result_builder import Provenance, Result, ResultBuilder, VideoLike, image_name, video_metadata
from masklet.types import FrameMasks, RgbImage

S = TypeVar("S", bound="Writer")


class Writer(ABC):
    """A result on its way to disk, under a temporary name until it is finished.

    Use it in a ``with`` block: leaving it normally finishes the result; leaving it by Ctrl-C finishes what is done;
    any other exception leaves nothing behind. Without a block, call `finish` or `discard`.

    Frames may come in any order, and again, as those that `propagate("both")` goes through twice: the last masks of a
    frame replace all that was written of it. Videos, tables, GeoJSON, GeoPackage and the Cell Tracking Challenge's form
    are written as the frames come, and refuse a frame that comes again.

    Args:
        path: the file or folder to write.
        folder: whether it is a folder.
        like: the source of the frames; gives names, times, frame rate and frame count.
        provenance: names, prompted frames and model, where the form can hold them.

    Attributes:
        path: where the result will be.
        num_frames: how many frames were written, each counted once.
        provenance: may be set until the first frame is written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        folder: bool = False,
        like: VideoLike | None = None,
        provenance: Provenance | None = None,
    ) -> None:
        self.path = Path(path)
        source = getattr(like, "path", None)
        with output_errors(self.path):
            if source is not None and self.path.exists() and self.path.samefile(source):
                raise OutputError(f"cannot write {self.path}: it is the source of the frames")
        self.num_frames = 0
        self._frames = FrameRuns()
        self._replaces = False
        self.provenance = provenance or Provenance()
        self._like = like
        self._facts: dict[str, Any] | None = None
        self._output = AtomicOutput(self.path, folder=folder)
        self._open = True

    def write(self, frame: RgbImage | None, masks: FrameMasks) -> None:
        """Add one frame with its masks; the picture may be None where only masks are written.

        Raises:
            OutputError: it cannot be written, or comes again where the form refuses that (nothing is left behind), or
                the writer is finished.
        """
        if not self._open:
            raise OutputError(f"cannot write {self.path}: it is already finished")
        try:
            with output_errors(self.path):
                self._replaces = masks.frame_index in self._frames
                if self._replaces:
                    self._drop_frame(masks.frame_index)
                self._write(frame, masks)
        except BaseException as error:
            if not isinstance(error, KeyboardInterrupt):
                self.discard()
            raise
        self.num_frames += not self._replaces
        self._frames.add(masks.frame_index)

    def finish(self) -> None:
        """Complete the result and move it into place; finishing twice is harmless.

        Raises:
            OutputError: it cannot be completed, or no frame was written; nothing is left behind.
        """
        if not self._open:
            return
        try:
            with output_errors(self.path):
                if not self.num_frames:
                    raise OutputError(f"cannot write {self.path}: there was no frame to write")
                self._complete()
            self._output.commit()
        finally:
            self.discard()

    def discard(self) -> None:
        """Give the result up and leave nothing behind; harmless after `finish`."""
        if self._open:
            self._open = False
            self._close_output()
            self._output.discard()

    @abstractmethod
    def _write(self, frame: RgbImage | None, masks: FrameMasks) -> None:
        """Write one frame to the draft."""

    def _drop_frame(self, frame_index: int) -> None:
        """Take back what was written of a frame that comes again; `OutputError` where that is on its way already."""
        raise OutputError(
            f"cannot write {self.path}: frame {frame_index} comes again, and this form is written as the frames come "
            "(after a pass both ways, write VideoSession.masks of each frame)"
        )

    def _complete(self) -> None:  # noqa: B027  many forms need nothing
        """Write what comes after the last frame."""

    def _close_output(self) -> None:  # noqa: B027  many forms keep nothing open
        """Let go of what is open."""

    def _image_name(self, index: int) -> str:
        """What the picture of a frame is called; see `Result.image_name`."""
        if self._facts is None:
            self._facts = video_metadata(self._like, 0)
        return image_name(self._facts.get("video", ""), self._facts.get("frame_names", ()), index)

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


class FrameRuns:
    """Frame numbers as runs: those of a pass take no room, however long it is.

    Attributes:
        starts: of the runs, in order.
        stops: one more than the last number of each.
    """

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.stops: list[int] = []

    def __contains__(self, index: int) -> bool:
        place = bisect_right(self.starts, index) - 1
        return place >= 0 and index < self.stops[place]

    def add(self, index: int) -> None:
        """Take in a number; harmless where it is in already."""
        if index in self:
            return
        place = bisect_right(self.starts, index)
        after = place < len(self.starts) and self.starts[place] == index + 1
        if place and self.stops[place - 1] == index:
            self.stops[place - 1] = self.stops.pop(place) if after else index + 1
            if after:
                del self.starts[place]
        elif after:
            self.starts[place] = index
        else:
            self.starts.insert(place, index)
            self.stops.insert(place, index + 1)


class DeferredWriter(Writer):
    """A result that is written when all of it is known; until then run-length codes are kept in memory.

    Args:
        path: the file to write.
        like: the source of the frames; gives names, frame rate and frame count.
        provenance: may be set until the writer is finished.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        folder: bool = False,
        like: VideoLike | None = None,
        provenance: Provenance | None = None,
    ) -> None:
        super().__init__(path, folder=folder, like=like, provenance=provenance)
        self._builder = ResultBuilder()

    def _write(self, frame: RgbImage | None, masks: FrameMasks) -> None:
        try:
            self._builder.add_frame(masks)
        except FormatError as error:
            raise OutputError(f"cannot write {self.path}: {error}") from None

    def _drop_frame(self, frame_index: int) -> None:
        self._builder.drop_frame(frame_index)

    def _complete(self) -> None:
        self._save(self._builder.build(self.provenance, **video_metadata(self._like, self._builder.stop)))

    @abstractmethod
    def _save(self, result: Result) -> None:
        """Write all of it to the draft."""


class FolderWriter(Writer):
    """A folder with a file for each frame. Of a former result the files are replaced, all of them or none.

    Args:
        path: the folder to write.
        like: as in `Writer`.
        provenance: as in `Writer`.
        overwrite: write into a folder that holds other files too; those stay.

    Attributes:
        FILE_PATTERN: what the paths of files of this form look like, relative to the folder.

    Raises:
        OutputError: the folder holds other files, its parent is missing, or it cannot be written.
    """

    FILE_PATTERN: ClassVar[re.Pattern[str]]

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        like: VideoLike | None = None,
        provenance: Provenance | None = None,
        overwrite: bool = False,
    ) -> None:
        folder = Path(path)
        with output_errors(folder):
            there = _files_below(folder) if folder.is_dir() and not overwrite else ()
            foreign = next((name for name in there if not self.FILE_PATTERN.fullmatch(name)), None)
            if foreign is not None:
                raise OutputError(
                    f"cannot write {folder}: it holds other files ({foreign}); "
                    "choose another folder, or pass overwrite=True to write among them"
                )
        super().__init__(folder, folder=True, like=like, provenance=provenance)

    def _drop_frame(self, frame_index: int) -> None:
        """Nothing by itself: the frame's file is written over."""

    def _complete(self) -> None:
        for old in _files_below(self.path) if self.path.is_dir() else ():
            if self.FILE_PATTERN.fullmatch(old):
                (self.path / old).unlink()

    def _new_file(self, name: str) -> Path:
        """Where in the draft a file goes; `OutputError` where one of that name is already, of another frame."""
        place = self._output.path / name
        if place.exists() and not self._replaces:
            raise OutputError(f"cannot write {self.path}: two frames would be called {name}")
        return place


def _files_below(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()]


BEHIND = 3
"""Frames that may wait to be written."""


class AsyncWriter:
    """Several writers fed by one thread, in the order of the frames, to be used in a ``with`` block.

    Frames are written when the block is left, also by an error or Ctrl-C; the caller finishes or discards the writers
    after that. An error of a writer is raised by a later `write` or by leaving the block.

    Args:
        writers: each gets every frame.
    """

    def __init__(self, writers: Sequence[Writer]) -> None:
        self._writers = writers
        self._pool = ThreadPoolExecutor(1, "masklet-writer")
        self._waiting: deque[Future[None]] = deque()

    def write(self, frame: RgbImage, masks: FrameMasks) -> None:
        """Add one frame with its masks; waits where the writers are too far behind.

        Raises:
            OutputError: an earlier frame could not be written.
        """
        while len(self._waiting) >= BEHIND:
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(self._write, frame, masks))

    def _write(self, frame: RgbImage, masks: FrameMasks) -> None:
        for writer in self._writers:
            writer.write(frame, masks)

    def __enter__(self) -> AsyncWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()
        for written in self._waiting if kind is None else ():
            written.result()
