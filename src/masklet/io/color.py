"""Decoded video frames to 8-bit RGB: color matrix, range, alpha, and tone mapping of high dynamic range."""

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
SUPPORTED_MATRICES = frozenset(
    {0, 1, 2, 3, 4, 5, 6, 7, 9}
)  # RGB, BT.709, unspecified, reserved, FCC, BT.601 twice, 240M, 2020

DOLBY_VISION = frozenset({"dvh1", "dvhe", "dva1", "dvav", "dav1"})
"""Codec tags of Dolby Vision without a backward-compatible layer (streams with one are tagged as HEVC or AV1)."""

INTERLACED = "is interlaced: both fields of a frame are kept as they are, so moving edges look like combs"
TRANSPARENT = "has transparency, which is dropped: the color under it is seen"

HD_WIDTH, HD_HEIGHT = 1280, 576
"""From this width on, or above this height, a frame without a stated matrix is taken as BT.709, as players do."""

WHITE_NITS = 203.0  # reference white of high dynamic range, ITU-R BT.2408
PEAK_NITS = 1000.0  # assumed peak of the grading, and HLG's nominal peak
BT2020_TO_BT709 = np.array(  # linear light, ITU-R BT.2087
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)


class ColorConverter:
    """Converts the frames of one stream to RGB, with the matrix and range that each frame states.

    Args:
        context: of the decoder, after it has decoded a frame.
        first: that frame.
        name: of the stream, for messages.

    Attributes:
        notes: remarks on the conversion for the user.

    Raises:
        MediaError: FFmpeg cannot convert the stream's colors.
    """

    def __init__(self, context: VideoCodecContext, first: VideoFrame, name: str) -> None:
        if context.codec_tag in DOLBY_VISION:
            raise MediaError(
                f"{name} is Dolby Vision without a compatible layer, which masklet cannot convert; convert the video "
                "to BT.709 first"
            )
        if int(first.colorspace) not in SUPPORTED_MATRICES:
            raise MediaError(
                f"the colors of {name} use matrix {int(first.colorspace)} of ITU-T H.273, which masklet cannot "
                "convert; convert the video to BT.709 first"
            )
        self._transfer = int(context.color_trc or 0)
        self._reformatter = VideoReformatter()
        self.notes: list[str] = []
        if first.interlaced_frame:
            self.notes.append(INTERLACED)
        if any(component.is_alpha for component in first.format.components):
            self.notes.append(TRANSPARENT)

    def rgb(self, frame: VideoFrame) -> RgbImage:
        """Convert a frame to RGB pixels in stored orientation."""
        large = frame.width >= HD_WIDTH or frame.height > HD_HEIGHT
        # None: the matrix that the frame states, else FFmpeg's default, BT.601
        matrix = Colorspace.ITU709 if large and int(frame.colorspace) == UNSPECIFIED_MATRIX else None
        hdr = self._transfer in (PQ, HLG)
        rgb = self._reformatter.reformat(frame, format="rgb48le" if hdr else "rgb24", src_colorspace=matrix)
        return tone_map(rgb.to_ndarray(), self._transfer) if hdr else rgb.to_ndarray()


def tone_map(pixels: UInt16[np.ndarray, "h w 3"], transfer: int) -> RgbImage:
    """Convert PQ or HLG pixels with BT.2020 primaries to BT.709 for a screen (8 bits, gamma 2.4).

    The largest of a pixel's three values goes through the curve of ITU-R BT.2390, section 5.4, from 1000 to 203 nits;
    the others keep their ratio to it. Up to some 90 nits only the encoding changes.
    """
    nits = _pq_nits()[pixels] if transfer == PQ else _hlg_nits(pixels)
    peak = nits.max(axis=2)
    gain = _gain()[np.minimum(peak, PEAK_NITS).astype(np.int32)]
    linear = np.clip((nits * (gain / WHITE_NITS)[..., None]) @ BT2020_TO_BT709.T, 0, 1)
    return np.asarray(_gamma()[(linear * 65535 + 0.5).astype(np.uint16)])


@cache
def _pq_nits() -> Float32[np.ndarray, " n"]:
    """Return the nits of each 16-bit value, SMPTE ST 2084."""
    return _from_pq(np.arange(65536) / 65535).astype(np.float32)


def _from_pq(signal: np.ndarray) -> np.ndarray:
    power = signal ** (1 / 78.84375)
    return 10000 * (np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)) ** (1 / 0.1593017578125)


def _to_pq(nits: np.ndarray) -> np.ndarray:
    power = (nits / 10000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def _hlg_nits(pixels: np.ndarray) -> Float32[np.ndarray, "h w 3"]:
    """Return nits on a display of 1000 nits, by ARIB STD-B67 and the system gamma of ITU-R BT.2100."""
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
    """Return the factor on the light of a pixel whose largest value is 0, 1, ... 1000 nits."""
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
