"""Frames for people to look at: media kept open, pictures encoded for the page and kept."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Literal

from PIL import Image

from masklet.errors import MediaError
from masklet.io import RecordedSource
from masklet.studio.library import open_media
from masklet.studio.tables import MediaRow
from masklet.types import Picture, Size

Form = Literal["jpeg", "webp"]

TRACKER_CACHE_BYTES = 8 * 2**20
"""Decoded frames that the source of a tracker keeps; it reads onward."""


class FrameCache:
    """Decoded frames that somebody has looked at, the least lately seen dropped first.

    Args:
        limit: bytes kept.
    """

    def __init__(self, limit: int = 128 * 2**20) -> None:
        self._limit = limit
        self._used = 0
        self._kept: OrderedDict[tuple[str, int], Picture] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, media_id: str, index: int) -> Picture | None:
        """A frame, if it is kept."""
        with self._lock:
            if (media_id, index) in self._kept:
                self._kept.move_to_end((media_id, index))
            return self._kept.get((media_id, index))

    def put(self, media_id: str, index: int, frame: Picture) -> None:
        """Keep a frame."""
        with self._lock:
            old = self._kept.pop((media_id, index), None)
            self._used += frame.nbytes - (0 if old is None else old.nbytes)
            self._kept[media_id, index] = frame
            while self._used > self._limit:
                self._used -= self._kept.popitem(last=False)[1].nbytes


class MediaFrames:
    """A media as a `masklet.types.FrameSource` for one tracker.

    What a person has just looked at is not decoded again for the click that follows. The file is opened when another
    frame is wanted, so that a project where nothing is tracked keeps no decoder.

    Args:
        media: as listed.
        seen: frames that were looked at.
    """

    def __init__(self, media: MediaRow, seen: FrameCache) -> None:
        self.size: Size = (media.height, media.width)
        self.fps = media.fps
        self._media = media
        self._seen = seen
        self._source: RecordedSource | None = None

    @property
    def timestamps(self) -> Sequence[float]:
        """As `RecordedSource.timestamps`; empty until the file had to be opened, because trackers need no times."""
        return () if self._source is None else self._source.timestamps

    def __len__(self) -> int:
        return self._media.num_frames

    def __iter__(self) -> Iterator[Picture]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Picture:
        seen = self._seen.get(self._media.id, index)
        return self._opened()[index] if seen is None else seen

    def _opened(self) -> RecordedSource:
        if self._source is None:
            self._source = open_media(self._media.path, cache_bytes=TRACKER_CACHE_BYTES)
        return self._source

    def close(self) -> None:
        """Close the file, if it is open."""
        if self._source is not None:
            self._source.close()


class Viewers:
    """Open media for looking at, apart from those that are tracked: few, the least lately used closed first.

    Args:
        seen: gets every frame.
        most: so many stay open.
    """

    def __init__(self, seen: FrameCache, *, most: int = 8) -> None:
        self._seen = seen
        self._most = most
        self._open: OrderedDict[str, RecordedSource] = OrderedDict()
        self._lock = threading.Lock()

    def source(self, media: MediaRow) -> RecordedSource:
        """The media, open; only for immediate use."""
        with self._lock:
            source = self._open.get(media.id)
            if source is not None:
                self._open.move_to_end(media.id)
                return source
        opened = open_media(media.path)
        with self._lock:
            source = self._open.setdefault(media.id, opened)
            extra = [self._open.popitem(last=False)[1]] if len(self._open) > self._most else []
        for unused in [*extra, *([opened] if source is not opened else [])]:
            unused.close()
        return source

    def frame(self, media: MediaRow, index: int) -> Picture:
        """One frame.

        Raises:
            FrameRangeError: there is no such frame.
            MediaError: it cannot be read.
        """
        frame = self._seen.get(media.id, index)
        if frame is None:
            frame = self._read(media, index)
            self._seen.put(media.id, index, frame)
        return frame

    def _read(self, media: MediaRow, index: int) -> Picture:
        source = self.source(media)
        try:
            return source[index]
        except MediaError:
            with self._lock:
                closed = self._open.get(media.id) is not source
            if not closed:
                raise
        return self.source(media)[index]  # somebody else's call has closed it in between

    def forget(self, media_id: str) -> None:
        """Close a media."""
        with self._lock:
            source = self._open.pop(media_id, None)
        if source is not None:
            source.close()

    def close(self) -> None:
        """Close all."""
        for media_id in list(self._open):
            self.forget(media_id)


def encoded(picture: Picture, *, width: int | None, quality: int, form: Form) -> bytes:
    """A picture as the bytes of a file, shrunk to ``width`` pixels where it is wider."""
    image = Image.fromarray(picture)
    if width is not None and width < image.width:
        image = image.resize((width, max(1, round(image.height * width / image.width))), Image.Resampling.BILINEAR)
    data = io.BytesIO()
    if form == "webp":
        image.save(data, "WEBP", quality=quality, method=0)
    else:
        image.save(data, "JPEG", quality=quality)
    return data.getvalue()


class PictureCache:
    """Encoded pictures, the least lately used dropped first.

    Args:
        limit: bytes kept.
    """

    def __init__(self, limit: int = 64 * 2**20) -> None:
        self._limit = limit
        self._used = 0
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> bytes | None:
        """The picture of a key, if it is kept."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: str, data: bytes) -> None:
        """Keep a picture."""
        with self._lock:
            self._used += len(data) - len(self._kept.pop(key, b""))
            self._kept[key] = data
            while self._used > self._limit:
                self._used -= len(self._kept.popitem(last=False)[1])
