"""Frames for people to look at: media kept open, pictures encoded for the page and kept."""

from __future__ import annotations

import io
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

from PIL import Image

from masklet.errors import MediaError
from masklet.io import RecordedSource
from masklet.lru_cache import LruCache
from masklet.studio.library import by_name, open_listed
from masklet.studio.tables import MediaRow
from masklet.types import RgbImage, Size

Form = Literal["jpeg", "webp"]

LONGEST: dict[Form, int] = {"jpeg": 65_500, "webp": 16_383}
"""Pixels of a side that a form can hold."""

TRACKER_CACHE_BYTES = 8 * 2**20
"""Decoded frames that the source of a tracker keeps; it reads onward."""

FrameCache = LruCache[tuple[str, int], RgbImage]
"""Decoded frames that somebody has looked at, by media and frame."""

PictureCache = LruCache[str, bytes]
"""Encoded pictures."""


def frame_cache(limit: int = 128 * 2**20) -> FrameCache:
    """Room for decoded frames; one is kept however large it is."""
    return LruCache(limit, lambda frame: frame.nbytes, min_values=1)


def picture_cache(limit: int = 64 * 2**20) -> PictureCache:
    """Room for encoded pictures."""
    return LruCache(limit, len)


class Viewers:
    """Open media for looking at, apart from those that are tracked: few, the least lately used closed first.

    Args:
        seen: gets every frame.
        most: so many stay open.
    """

    def __init__(self, seen: FrameCache, *, most: int = 8) -> None:
        self.seen = seen
        self._most = most
        self._open: OrderedDict[str, tuple[RecordedSource, float]] = OrderedDict()
        self._lock = threading.Lock()

    def source(self, media: MediaRow) -> RecordedSource:
        """The media, open; only for immediate use."""
        with self._lock:
            known = self._open.pop(media.id, None)
            if known is not None:
                self._open[media.id] = known[0], time.monotonic()
                return known[0]
        opened = open_listed(media)
        with self._lock:
            source, _ = self._open.setdefault(media.id, (opened, time.monotonic()))
            extra = [self._open.popitem(last=False)[1][0]] if len(self._open) > self._most else []
        for unused in [*extra, *([opened] if source is not opened else [])]:
            unused.close()
        return source

    def frame(self, media: MediaRow, index: int) -> RgbImage:
        """One frame.

        Raises:
            FrameRangeError: there is no such frame.
            MediaError: it cannot be read.
        """
        frame = self.seen.get((media.id, index))
        if frame is None:
            with by_name(media):
                frame = self._read(media, index)
            self.seen.put((media.id, index), frame)
        return frame

    def _read(self, media: MediaRow, index: int) -> RgbImage:
        source = self.source(media)
        try:
            return source[index]
        except MediaError:
            with self._lock:
                closed = self._open.get(media.id, (None,))[0] is not source
            if not closed:
                raise
        return self.source(media)[index]  # somebody else's call has closed it in between

    def forget(self, media_id: str) -> None:
        """Close a media."""
        with self._lock:
            known = self._open.pop(media_id, None)
        if known is not None:
            known[0].close()

    def expire(self, before: float) -> bool:
        """Close the media that were last looked at before a time (`time.monotonic`); whether there were any."""
        with self._lock:
            old = [media_id for media_id, (_, used) in self._open.items() if used < before]
        for media_id in old:
            self.forget(media_id)
        return bool(old)

    def close(self) -> None:
        """Close all."""
        for media_id in list(self._open):
            self.forget(media_id)


class MediaFrames:
    """A media as a `masklet.types.FrameSource` for one tracker.

    Frames come from where people look at them: what somebody has just seen is not decoded again for the click that
    follows, and a project where nothing is tracked keeps no decoder. A propagation reads onward with one of its own.

    Args:
        media: as listed.
        viewers: where people look at it.
    """

    def __init__(self, media: MediaRow, viewers: Viewers) -> None:
        self.size: Size = (media.height, media.width)
        self.fps = media.fps
        self.timestamps: Sequence[float] = ()  # trackers need no times
        self._media = media
        self._viewers = viewers
        self._onward: RecordedSource | None = None

    def __len__(self) -> int:
        return self._media.num_frames

    def __iter__(self) -> Iterator[RgbImage]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> RgbImage:
        if self._onward is None:
            return self._viewers.frame(self._media, index)
        seen = self._viewers.seen.get((self._media.id, index))
        if seen is not None:
            return seen
        with by_name(self._media):
            return self._onward[index]

    @contextmanager
    def onward(self) -> Iterator[None]:
        """Inside, frames are read in order by a decoder of its own, and not kept for others."""
        with open_listed(self._media, cache_bytes=TRACKER_CACHE_BYTES) as source:
            self._onward = source
            try:
                yield
            finally:
                self._onward = None


def encoded(picture: RgbImage, *, width: int | None, quality: int, form: Form) -> bytes:
    """A picture as the bytes of a file, shrunk to ``width`` pixels where it is wider, and to what the form can hold."""
    image = Image.fromarray(picture)
    scale = min(LONGEST[form] / max(image.size), 1.0 if width is None else width / image.width)
    if scale < 1:
        size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
        image = image.resize(size, Image.Resampling.BILINEAR)
    data = io.BytesIO()
    if form == "webp":
        image.save(data, "WEBP", quality=quality, method=0)
    else:
        image.save(data, "JPEG", quality=quality)
    return data.getvalue()
