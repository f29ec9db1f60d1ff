"""Decoded video pictures to 8-bit RGB: color matrix, range, alpha, and high dynamic range brought to a screen's."""

from __future__ import annotations

from functools import cache

import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, VideoReformatter
from jaxtyping import Float32, UInt16

from masklet.errors import MediaError
from masklet.types import RgbImage

# Numbers of ITU-T H.273, tables 3 and 4
PQ, HLG = 16, 18
UNSPECIFIED_MATRIX = 2
READ_MATRICES = frozenset(
    {0, 1, 2, 3, 4, 5, 6, 7, 9}
)  # RGB, BT.709, unspecified, reserved, FCC, BT.601 twice, 240M, 2020

DOLBY_VISION = frozenset({"dvh1", "dvhe", "dva1", "dvav", "dav1"})
"""Tags of streams whose colors only Dolby Vision explains (its backward compatible ones are tagged as HEVC or AV1)."""

INTERLACED = "is interlaced: both fields of a picture are kept as they are, so edges in motion are combs"
TRANSPARENT = "has transparency, which is dropped: the color under it is seen"

HD_WIDTH, HD_HEIGHT = 1280, 576
"""From this width on, or above this height, a picture that does not name its matrix is BT.709, as players have it."""

WHITE_NITS = 203.0  # reference white of high dynamic range, ITU-R BT.2408
PEAK_NITS = 1000.0  # what the content is taken to be graded for, and HLG's nominal peak
BT2020_TO_BT709 = np.array(  # linear light, ITU-R BT.2087
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)


class ColorConverter:
    """Converts the pictures of one stream; FFmpeg does the matrix and the range that the pictures state.

    Args:
        context: of the decoder, which has decoded a picture.
        first: that picture.
        name: how errors call the stream.

    Attributes:
        notes: what a viewer should know about the conversion, in words.

    Raises:
        MediaError: colors are stored in a form that FFmpeg cannot convert.
    """

    def __init__(self, context: VideoCodecContext, first: VideoFrame, name: str) -> None:
        if context.codec_tag in DOLBY_VISION:
            raise MediaError(
                f"{name} is Dolby Vision without a picture for other screens, which masklet cannot convert; convert "
                "the video to BT.709 first"
            )
        if int(first.colorspace) not in READ_MATRICES:
            raise MediaError(
                f"the colors of {name} are stored by matrix {int(first.colorspace)} of ITU-T H.273, which masklet "
                "cannot convert; convert the video to BT.709 first"
            )
        self._transfer = int(context.color_trc or 0)
        self._reformatter = VideoReformatter()
        self.notes: list[str] = []
        if first.interlaced_frame:
            self.notes.append(INTERLACED)
        if any(component.is_alpha for component in first.format.components):
            self.notes.append(TRANSPARENT)

    def rgb(self, frame: VideoFrame) -> RgbImage:
        """A picture as (h, w, 3) uint8 RGB, as stored (not yet upright)."""
        hdr = self._transfer in (PQ, HLG)
        form = "rgb48le" if hdr else "rgb24"
        pixels = self._reformatter.reformat(frame, format=form, src_colorspace=_matrix(frame)).to_ndarray()
        return to_standard_range(pixels, self._transfer) if hdr else pixels


def _matrix(frame: VideoFrame) -> Colorspace | None:
    """What the picture leaves unsaid: BT.709 where it is large; None for what it states, or FFmpeg's BT.601."""
    large = frame.width >= HD_WIDTH or frame.height > HD_HEIGHT
    return Colorspace.ITU709 if large and int(frame.colorspace) == UNSPECIFIED_MATRIX else None


def to_standard_range(pixels: UInt16[np.ndarray, "h w 3"], transfer: int) -> RgbImage:
    """PQ or HLG pixels with BT.2020 primaries as BT.709 ones for a screen (8 bits, gamma 2.4).

    The brightest of a pixel's three values goes through the curve of ITU-R BT.2390, section 5.4, from 1000 to 203 nits;
    the others keep their ratio to it. Up to some 90 nits nothing changes but the coding.
    """
    nits = _pq_nits()[pixels] if transfer == PQ else _hlg_nits(pixels)
    peak = nits.max(axis=2)
    gain = _gain()[np.minimum(peak, PEAK_NITS).astype(np.int32)]
    linear = np.clip((nits * (gain / WHITE_NITS)[..., None]) @ BT2020_TO_BT709.T, 0, 1)
    return np.asarray(_gamma()[(linear * 65535 + 0.5).astype(np.uint16)])


@cache
def _pq_nits() -> Float32[np.ndarray, " n"]:
    """Nits for each 16-bit value, SMPTE ST 2084."""
    return _from_pq(np.arange(65536) / 65535).astype(np.float32)


def _from_pq(signal: np.ndarray) -> np.ndarray:
    power = signal ** (1 / 78.84375)
    return 10000 * (np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)) ** (1 / 0.1593017578125)


def _to_pq(nits: np.ndarray) -> np.ndarray:
    power = (nits / 10000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def _hlg_nits(pixels: np.ndarray) -> Float32[np.ndarray, "h w 3"]:
    """Nits on a display of 1000, ARIB STD-B67 and the system gamma of ITU-R BT.2100."""
    scene = _hlg_scene()[pixels]
    luminance = scene @ np.array([0.2627, 0.6780, 0.0593], np.float32)
    system_gamma = np.maximum(luminance, 1e-6) ** 0.2
    return np.asarray(PEAK_NITS * scene * system_gamma[..., None])


@cache
def _hlg_scene() -> Float32[np.ndarray, " n"]:
    signal = np.arange(65536) / 65535
    high = (np.exp((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12
    return np.where(signal <= 0.5, signal**2 / 3, high).astype(np.float32)


@cache
def _gain() -> Float32[np.ndarray, " n"]:
    """By what the light of a pixel whose brightest value is 0, 1, ... 1000 nits is multiplied."""
    nits = np.arange(int(PEAK_NITS) + 1, dtype=np.float64)
    white, peak = _to_pq(np.array([WHITE_NITS, PEAK_NITS]))
    signal, highest = _to_pq(nits) / peak, white / peak
    knee = 1.5 * highest - 0.5
    t = (signal - knee) / (1 - knee)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * highest
    mapped = _from_pq(np.where(signal > knee, spline, signal) * peak)
    return np.where(nits > 0, mapped / np.maximum(nits, 1), 1).astype(np.float32)


@cache
def _gamma() -> np.ndarray:
    curve: np.ndarray = np.round(255 * np.linspace(0, 1, 65536) ** (1 / 2.4)).astype(np.uint8)
    return curve
