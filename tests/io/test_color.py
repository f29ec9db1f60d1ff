"""Stored colors to RGB: matrix, range, high dynamic range, transparency, fields."""

from __future__ import annotations

import av
import numpy as np
import pytest
from av.video.codeccontext import VideoCodecContext

from masklet.errors import MediaError
from masklet.io.color import HLG, PQ, ColorConverter, tone_map

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


def _code(nits: float) -> int:
    """The 16-bit PQ value (SMPTE ST 2084)."""
    power = float(nits / 10000) ** (2610 / 16384)
    signal: float = ((3424 / 4096 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375
    return round(65535 * signal)


def _gray(value: int, transfer: int) -> int:
    pixel = tone_map(np.full((1, 1, 3), value, np.uint16), transfer)[0, 0]
    assert int(np.ptp(pixel)) <= 1
    return int(pixel[0])


def test_pq_below_the_knee_keeps_its_light() -> None:
    for nits in (0, 5, 20, 50, 85):
        assert abs(203 * (_gray(_code(nits), PQ) / 255) ** 2.4 - nits) < 1.5


def test_pq_highlights_are_rolled_off_and_not_clipped_early() -> None:
    shown = [_gray(_code(nits), PQ) for nits in (100, 203, 300, 450, 1000, 4000)]

    assert shown == sorted(shown)
    assert len(set(shown[:4])) == 4
    assert shown[-2:] == [255, 255]
    assert 220 < shown[1] < 240


def test_hlg_is_as_bright_as_pq_of_the_same_light() -> None:
    """Half the signal is a twelfth of the peak's scene light; with the gamma of 1.2 that is 50.7 nits."""
    assert _gray(0, HLG) == 0
    assert abs(_gray(32768, HLG) - _gray(_code(1000 * (1 / 12) ** 1.2), PQ)) <= 1
    assert _gray(65535, HLG) == 255


def test_colors_of_bt2020_keep_their_hue_inside_bt709() -> None:
    """BT.709's red, written in BT.2020 (ITU-R BT.2087), comes back as it was."""
    light = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]) @ [50, 10, 5]
    pixel = tone_map(np.array([[[_code(nits) for nits in light]]], np.uint16), PQ)[0, 0]

    np.testing.assert_allclose(203 * (pixel / 255) ** 2.4, [50, 10, 5], atol=0.8)
