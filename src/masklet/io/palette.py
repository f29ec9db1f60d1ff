"""Colors of objects by their ids, the same in overlays, label maps and charts."""

from __future__ import annotations

import colorsys

import numpy as np
from jaxtyping import UInt8

from masklet.types import ObjectId

Color = tuple[int, int, int]
"""(red, green, blue), 0 to 255."""

# The first eight are distinguishable with most kinds of color blindness (blue against orange and yellow, steps in
# lightness); they are saturated, because they are drawn half transparent over an image.
_FIRST: tuple[Color, ...] = (
    (0, 150, 255),  # azure
    (255, 140, 0),  # orange
    (0, 190, 140),  # teal
    (250, 220, 40),  # yellow
    (215, 70, 200),  # magenta
    (120, 215, 255),  # sky
    (220, 50, 30),  # vermilion
    (85, 70, 220),  # indigo
)
_GOLDEN = 0.6180339887498949  # steps of the golden ratio spread any number of hues evenly


def _palette() -> UInt8[np.ndarray, "256 3"]:
    colors = [(0, 0, 0), *_FIRST]
    for place in range(256 - len(colors)):
        lightness, saturation = (0.55, 0.40, 0.70)[place % 3], (0.9, 0.8)[place % 2]
        red, green, blue = colorsys.hls_to_rgb((0.3 + place * _GOLDEN) % 1, lightness, saturation)
        colors.append((round(red * 255), round(green * 255), round(blue * 255)))
    palette = np.array(colors, np.uint8)
    palette.setflags(write=False)
    return palette


PALETTE = _palette()
"""(256, 3) uint8: the color of each object id, black for the background 0."""


def color_of(object_id: ObjectId) -> Color:
    """Return the color of an object; ids above 255 repeat the colors of 1 to 255."""
    index = object_id if object_id < len(PALETTE) else 1 + (object_id - 1) % (len(PALETTE) - 1)
    red, green, blue = PALETTE[index].tolist()
    return red, green, blue
