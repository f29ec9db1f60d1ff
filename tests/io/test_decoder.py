"""Stored colors to RGB: matrix, range, transparency, fields."""

from __future__ import annotations

import av
import numpy as np
import pytest
from av.video.codeccontext import VideoCodecContext

from masklet.errors import MediaError
from masklet.io.decoder import ColorConverter

BT709, UNSPECIFIED, BT601, YCGCO, BT2020 = 1, 2, 6, 8, 9
LUMA = {BT709: (0.2126, 0.0722), BT601: (0.299, 0.114), BT2020: (0.2627, 0.0593)}
Y, CB, CR = 120, 100, 170


def _rgb(matrix: int, *, full: bool) -> list[float]:
    """The definition of the matrix (ITU-T H.273), for one pixel."""
    red, blue = LUMA[matrix]
    low, spread, chroma = (0, 255, 255) if full else (16, 219, 224)
    y, cb, cr = (Y - low) / spread, (CB - 128) / chroma, (CR - 128) / chroma
    r, b = y + 2 * (1 - red) * cr, y + 2 * (1 - blue) * cb
    return [255 * value for value in (r, (y - red * r - blue * b) / (1 - red - blue), b)]


def _context(transfer: int = UNSPECIFIED) -> VideoCodecContext:
    context = av.CodecContext.create("h264", "r")
    assert isinstance(context, VideoCodecContext)
    context.color_trc = transfer
    return context


def _frame(width: int = 64, height: int = 32, matrix: int = UNSPECIFIED, form: str = "yuv444p") -> av.VideoFrame:
    frame = av.VideoFrame(width, height, form)
    for plane, value in zip(frame.planes, (Y, CB, CR, 255), strict=False):
        plane.update(bytes([value]) * plane.buffer_size)
    frame.colorspace = matrix
    return frame


@pytest.mark.parametrize(
    ("size", "stated", "taken"),
    [
        ((720, 576), UNSPECIFIED, BT601),
        ((1280, 720), UNSPECIFIED, BT709),
        ((720, 1280), UNSPECIFIED, BT709),
        ((1920, 1080), BT601, BT601),
        ((64, 32), BT709, BT709),
        ((64, 32), BT2020, BT2020),
    ],
)
@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
def test_the_matrix_is_the_stated_one_or_goes_by_size(
    size: tuple[int, int], stated: int, taken: int, full: bool
) -> None:
    frame = _frame(*size, stated)
    frame.color_range = 2 if full else 1
    pixel = ColorConverter(_context(), frame, "it").rgb(frame)[3, 3]

    assert np.abs(pixel - np.array(_rgb(taken, full=full))).max() < 3.5  # FFmpeg's fast conversion is that exact


def test_a_matrix_that_cannot_be_converted_is_refused() -> None:
    with pytest.raises(MediaError, match=r"8.*BT\.709"):
        ColorConverter(_context(), _frame(matrix=YCGCO), "it")


def test_what_a_viewer_should_know_is_noted() -> None:
    assert ColorConverter(_context(), _frame(), "it").notes == []
    (note,) = ColorConverter(_context(), _frame(form="yuva444p"), "it").notes
    assert "transparency, which is dropped" in note
