"""Base classes of result writers: write frame by frame, then finish or discard."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar, TypedDict, TypeVar, Unpack

import numpy as np
from jaxtyping import UInt8, UInt16

from masklet.errors import FormatError, OutputError
from masklet.io.atomic import AtomicOutput, output_errors
from masklet.io.result_builder import Provenance, Result, ResultBuilder, VideoLike, image_name, video_metadata
from masklet.types import FrameMasks, RgbImage

MAX_PENDING = 3
"""Frames that may wait in an `AsyncWriter`."""

StrPath = str | os.PathLike[str]


class WriterOptions(TypedDict, total=False):
    """Arguments of every writer; see `Writer`."""

    like: VideoLike | None
    provenance: Provenance | None


class FolderOptions(WriterOptions, total=False):
    """Arguments of every writer of a folder; see `FolderWriter`."""

    overwrite: bool


W = TypeVar("W", bound="Writer")


class Writer(ABC):
    """Writes a result, under a temporary name until it is finished.

    Use it in a ``with`` block: leaving it normally, or by Ctrl-C, finishes the result; after any other exception
    nothing is left behind. Without a block, call `finish` or `discard`.

    Frames may come in any order, and repeatedly, as from `propagate("both")`: the last masks of a frame replace the
    earlier ones. Videos, tables, GeoJSON, GeoPackage and the format of the Cell Tracking Challenge are written
    immediately, and refuse a repeated frame.

    Args:
        path: the file or folder to write.
        folder: whether it is a folder.
        like: the source of the frames; supplies names, times, frame rate and frame count.
        provenance: names, prompted frames and model, for formats that can store them.

    Attributes:
        path: where the result will be.
        num_frames: number of distinct frames written so far.
        provenance: may be set until the first frame is written.
        OPTIONS: the fields of `masklet.io.OutputOptions` that the constructor accepts.
    """

    OPTIONS: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        path: StrPath,
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
        self._frames = FrameSet()
        self._replaces = False
        self.provenance = provenance or Provenance()
        self._like = like
        self._metadata: dict[str, Any] | None = None
        self._output = AtomicOutput(self.path, folder=folder)
        self._open = True

    def write(self, frame: RgbImage | None, masks: FrameMasks) -> None:
        """Add one frame with its masks; the frame may be None where only masks are written.

        Raises:
            OutputError: it cannot be written, a frame is repeated where the format does not allow it (nothing is left
                behind), or the writer is finished.
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
        """Delete what was written so far; harmless after `finish`."""
        if self._open:
            self._open = False
            self._close_output()
            self._output.discard()

    @abstractmethod
    def _write(self, frame: RgbImage | None, masks: FrameMasks) -> None:
        """Write one frame to the temporary output."""

    def _drop_frame(self, frame_index: int) -> None:
        """Remove what was written of a repeated frame; `OutputError` where the format does not allow it."""
        raise OutputError(
            f"cannot write {self.path}: frame {frame_index} is repeated, and this format is written immediately "
            "(after propagating in both directions, write VideoSession.masks of each frame)"
        )

    def _complete(self) -> None:  # noqa: B027  many formats need nothing
        """Write what follows the last frame."""

    def _close_output(self) -> None:  # noqa: B027  many formats keep nothing open
        """Close open files."""

    def _label_map(self, masks: FrameMasks) -> UInt8[np.ndarray, "h w"] | UInt16[np.ndarray, "h w"]:
        """Return the label map of a frame; `OutputError` where an object id is too high for one."""
        try:
            return masks.label_map()
        except FormatError as error:
            raise OutputError(f"cannot write {self.path}: {error}") from None

    def _needed(self, frame: RgbImage | None, frame_index: int) -> RgbImage:
        """Return the image of a frame; `OutputError` if it was not given."""
        if frame is None:
            raise OutputError(f"cannot write {self.path}: it needs the image of frame {frame_index}")
        return frame

    def _image_name(self, index: int) -> str:
        """Return the file name of a frame; see `Result.image_name`."""
        if self._metadata is None:
            self._metadata = video_metadata(self._like, 0)
        return image_name(self._metadata.get("video", ""), self._metadata.get("frame_names", ()), index)

    def __enter__(self: W) -> W:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        interrupted = kind is not None and issubclass(kind, KeyboardInterrupt)
        if kind is None or (interrupted and self.num_frames):
            self.finish()
        else:
            self.discard()


class FrameSet:
    """A set of frame indices in little memory, for streams of any length: one bit for each frame, in blocks."""

    def __init__(self) -> None:
        self._blocks: dict[int, int] = {}

    def __contains__(self, index: int) -> bool:
        block, place = divmod(index, 1024)
        return bool(self._blocks.get(block, 0) >> place & 1)

    def add(self, index: int) -> None:
        """Add an index."""
        block, place = divmod(index, 1024)
        self._blocks[block] = self._blocks.get(block, 0) | 1 << place


class DeferredWriter(Writer):
    """Base of formats that are written when the result is complete; run-length codes are kept in memory until then."""

    def __init__(self, path: StrPath, **options: Unpack[WriterOptions]) -> None:
        super().__init__(path, **options)
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
        """Write the whole result to the temporary output."""


class FolderWriter(Writer):
    """Base of formats with a file for each frame. The files of an earlier result are replaced, all or none.

    Args:
        path: the folder to write.
        overwrite: write into a folder that holds other files too; those stay.
        options: as in `Writer`.

    Attributes:
        FILE_PATTERN: matches the paths of files of this format, relative to the folder.

    Raises:
        OutputError: the folder holds other files, its parent is missing, or it cannot be written.
    """

    FILE_PATTERN: ClassVar[re.Pattern[str]]

    def __init__(self, path: StrPath, *, overwrite: bool = False, **options: Unpack[WriterOptions]) -> None:
        folder = Path(path)
        with output_errors(folder):
            existing = _files_below(folder) if folder.is_dir() and not overwrite else ()
            foreign = next((name for name in existing if not self.FILE_PATTERN.fullmatch(name)), None)
            if foreign is not None:
                raise OutputError(
                    f"cannot write {folder}: it holds other files ({foreign}); "
                    "choose another folder, or pass overwrite=True to write among them"
                )
        super().__init__(folder, folder=True, **options)

    def _drop_frame(self, frame_index: int) -> None:
        """Do nothing: the frame's file is overwritten."""

    def _complete(self) -> None:
        for old in _files_below(self.path) if self.path.is_dir() else ():
            if self.FILE_PATTERN.fullmatch(old):
                (self.path / old).unlink()

    def _new_file(self, name: str) -> Path:
        """Return the temporary path of a file; `OutputError` if another frame has a file of that name."""
        path = self._output.path / name
        if path.exists() and not self._replaces:
            raise OutputError(f"cannot write {self.path}: two frames would be called {name}")
        return path


def _files_below(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()]


class AsyncWriter:
    """Feeds several writers from one background thread, in the order of the frames; for use in a ``with`` block.

    All frames are written when the block is left, also after an exception or Ctrl-C; the caller then finishes or
    discards the writers. An error of a writer is raised by a later `write` or on leaving the block.

    Args:
        writers: each receives every frame.
    """

    def __init__(self, writers: Sequence[Writer]) -> None:
        self._writers = writers
        self._pool = ThreadPoolExecutor(1, "masklet-writer")
        self._pending: deque[Future[None]] = deque()

    def write(self, frame: RgbImage, masks: FrameMasks) -> None:
        """Queue one frame with its masks; waits while `MAX_PENDING` are queued. Raises errors of earlier frames."""
        while len(self._pending) >= MAX_PENDING:
            self._pending.popleft().result()
        self._pending.append(self._pool.submit(self._write, frame, masks))

    def _write(self, frame: RgbImage, masks: FrameMasks) -> None:
        for writer in self._writers:
            writer.write(frame, masks)

    def __enter__(self) -> AsyncWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._pool.shutdown()
        for written in self._pending if kind is None else ():
            written.result()
