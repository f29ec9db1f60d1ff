"""Frames for people to look at: media kept open, pictures encoded for the page and kept."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from typing import Literal

from PIL import Image

from masklet.errors import MediaError
from masklet.io import RecordedSource
from masklet.studio.library import open_media
from masklet.studio.tables import MediaRow
from masklet.types import Picture

Form = Literal["jpeg", "webp"]


class Viewers:
    """Open media for looking at, apart from those that are tracked: few, the least lately used closed first."""

    def __init__(self, *, most: int = 8) -> None:
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
