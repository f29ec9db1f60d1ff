"""Frames of media: open sources, decoded and encoded frames, all cached within bounds."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

from PIL import Image

from masklet.errors import MediaError
from masklet.io import RecordedSource
from masklet.lru_cache import LruCache
from masklet.studio.library import hide_path, open_listed
from masklet.studio.tables import MediaRow
from masklet.types import RgbImage, Size

ImageFormat = Literal["jpeg", "webp"]

MAX_SIDE: dict[ImageFormat, int] = {"jpeg": 65_500, "webp": 16_383}
"""The longest side in pixels that a format can store."""

FRAME_BYTES = 128 * 2**20
"""Decoded frames in memory."""

TRACKER_CACHE_BYTES = 8 * 2**20
"""Decoded frames that the source of a tracker keeps; it reads in order."""


class FrameServer:
    """Opens media and decodes their frames for people to look at.

    The least recently used media are closed first. Tracking passes read with sources of their own.

    Args:
        frame_bytes: decoded frames that are cached; one is, whatever its size.
        max_open: media that stay open.

    Attributes:
        cache: decoded frames by media and frame index.
    """

    def __init__(self, frame_bytes: int = FRAME_BYTES, *, max_open: int = 8) -> None:
        self.cache: LruCache[tuple[str, int], RgbImage] = LruCache(
            frame_bytes, lambda frame: frame.nbytes, min_values=1
        )
        self._open: LruCache[str, RecordedSource] = LruCache(
            max_open, lambda _: 1, on_drop=lambda source: source.close()
        )

    def source(self, media: MediaRow) -> RecordedSource:
        """Return the open source of a media; for immediate use, because another call may close it."""
        source = self._open.get(media.id)
        if source is None:
            source = open_listed(media)
            self._open.put(media.id, source)
        return source

    def frame(self, media: MediaRow, index: int) -> RgbImage:
        """Return one frame.

        Raises:
            FrameRangeError: there is no such frame.
            MediaError: it cannot be read.
        """
        frame = self.cache.get((media.id, index))
        if frame is None:
            with hide_path(media):
                frame = self._read(media, index)
            self.cache.put((media.id, index), frame)
        return frame

    def _read(self, media: MediaRow, index: int) -> RgbImage:
        source = self.source(media)
        try:
            return source[index]
        except MediaError:
            if self._open.get(media.id) is source:
                raise
        return self.source(media)[index]  # another call has closed it in between

    def close_media(self, media_id: str) -> None:
        """Close a media, if it is open."""
        self._open.drop(media_id)

    def expire(self, before: float) -> bool:
        """Close media and drop frames last used before a time (`time.monotonic`); whether there were any."""
        expired = self._open.expire(before), self.cache.expire(before)
        return any(expired)

    def close(self) -> None:
        """Close all media."""
        self._open.clear()


class MediaFrames:
    """A media as the `masklet.types.FrameSource` of one tracker.

    Single frames come from the frame server, so that a click does not decode the frame on the screen again. A tracking
    pass reads with a decoder of its own (`sequential`).
    """

    def __init__(self, media: MediaRow, server: FrameServer) -> None:
        self.size: Size = (media.height, media.width)
        self.fps = media.fps
        self.timestamps: Sequence[float] = ()  # trackers need no times
        self._media = media
        self._server = server
        self._sequential: RecordedSource | None = None

    def __len__(self) -> int:
        return self._media.num_frames

    def __iter__(self) -> Iterator[RgbImage]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> RgbImage:
        if self._sequential is None:
            return self._server.frame(self._media, index)
        cached = self._server.cache.get((self._media.id, index))
        if cached is not None:
            return cached
        with hide_path(self._media):
            return self._sequential[index]

    @contextmanager
    def sequential(self) -> Iterator[None]:
        """Inside, read frames with a decoder of its own and without filling the cache of the server."""
        with open_listed(self._media, cache_bytes=TRACKER_CACHE_BYTES) as source:
            self._sequential = source
            try:
                yield
            finally:
                self._sequential = None


def encode_image(pixels: RgbImage, *, width: int | None, quality: int, image_format: ImageFormat) -> bytes:
    """Encode an image, reduced to at most ``width`` pixels across and to what the format can store."""
    image = Image.fromarray(pixels)
    scale = min(MAX_SIDE[image_format] / max(image.size), 1.0 if width is None else width / image.width)
    if scale < 1:
        size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
        image = image.resize(size, Image.Resampling.BILINEAR)
    data = io.BytesIO()
    if image_format == "webp":
        image.save(data, "WEBP", quality=quality, method=0)
    else:
        image.save(data, "JPEG", quality=quality)
    return data.getvalue()
