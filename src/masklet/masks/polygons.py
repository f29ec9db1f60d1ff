"""Conversion between masks and polygons: exact along pixel edges, or simplified within a tolerance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64
from scipy import ndimage

from masklet.errors import FormatError
from masklet.types import Size

MAX_CROSSINGS = 2**24
"""Maximum number of row crossings of polygons in total: a few bytes must not cost minutes."""

Ring = Float64[np.ndarray, "_ 2"]
"""Corners (x, y) of a closed line, each once; the image extends from (0, 0) to (width, height)."""


@dataclass(frozen=True, eq=False)
class Polygon:
    """A region: its outer ring and the rings of its holes.

    Attributes:
        outer: ring of at least 3 corners.
        holes: rings inside the outer one.
    """

    outer: Ring
    holes: tuple[Ring, ...] = ()

    @property
    def rings(self) -> tuple[Ring, ...]:
        """The outer ring, then the holes."""
        return (self.outer, *self.holes)


def polygons_of_mask(mask: Bool[np.ndarray, "h w"], *, tolerance: float = 0.0) -> list[Polygon]:
    """Trace the 4-connected regions of a mask along pixel edges.

    Args:
        mask: the mask.
        tolerance: maximum deviation of simplified lines in pixels. With 0, `fill_polygons` restores the mask exactly;
            otherwise, regions that would vanish are not simplified.
    """
    corners, following = _outline(mask)
    labels: Int64[np.ndarray, "h w"] = np.empty(mask.shape, np.int64)
    count = ndimage.label(mask, output=labels)
    outer: dict[int, Ring] = {}
    holes: dict[int, list[Ring]] = {number: [] for number in range(1, count + 1)}
    for ring in _rings(corners, following):
        (x0, y0), (x1, _) = ring[0], ring[1]  # the first edge is horizontal, the mask on its right hand
        inside = (y0, x0) if x1 > x0 else (y0 - 1, x1)
        number = int(labels[inside])
        points = simplified(ring.astype(np.float64), tolerance)
        if signed_area(ring) > 0:
            outer[number] = points
        else:
            holes[number].append(points)
    return [Polygon(outer[number], tuple(holes[number])) for number in sorted(outer)]


def fill_polygons(polygons: Sequence[Polygon], size: Size) -> Bool[np.ndarray, "h w"]:
    """Rasterize polygons to a mask of ``size`` (height, width): the pixels whose centers are inside any polygon.

    Rings are filled by the even-odd rule, so holes are further rings.

    Raises:
        FormatError: the polygons have more than `MAX_CROSSINGS` row crossings.
    """
    mask = np.zeros(size, bool)
    for polygon in polygons:
        window = _window(polygon.outer, size)
        mask[window] |= _filled(polygon.rings, window)
    return mask


def joined(polygons: Sequence[Polygon]) -> Ring:
    """Join all rings to one ring by zero-width bridges, for formats that store a single ring.

    If the polygons do not overlap, `fill_polygons` gives the same mask; no polygons give shape (0, 2).
    """
    rings = [ring for polygon in polygons for ring in polygon.rings]
    if not rings:
        return np.zeros((0, 2))
    chain = rings[0]
    for ring in rings[1:]:
        here, there = _nearest(chain, ring)
        bridge = np.concatenate([ring[there:], ring[: there + 1]])
        chain = np.concatenate([chain[: here + 1], bridge, chain[here:]])
    return chain


def simplified(ring: Ring, tolerance: float) -> Ring:
    """Simplify a ring to within ``tolerance`` pixels (Douglas-Peucker); a ring that would collapse is unchanged."""
    if tolerance <= 0 or len(ring) < 4:
        return ring
    far = int(np.argmax(((ring - ring[0]) ** 2).sum(axis=1)))
    closed = np.concatenate([ring, ring[:1]])
    keep = np.zeros(len(closed), bool)
    keep[[0, far, -1]] = True
    open_spans = [(0, far), (far, len(ring))]
    while open_spans:
        first, last = open_spans.pop()
        if last - first < 2:
            continue
        distance = _distances(closed[first + 1 : last], closed[first], closed[last])
        place = int(distance.argmax())
        if distance[place] > tolerance:
            middle = first + 1 + place
            keep[middle] = True
            open_spans += [(first, middle), (middle, last)]
    kept = closed[:-1][keep[:-1]]
    return kept if len(kept) > 2 and abs(signed_area(kept)) > 0 else ring


def _outline(mask: Bool[np.ndarray, "h w"]) -> tuple[Int64[np.ndarray, "n 2"], Int64[np.ndarray, " n"]]:
    """Find all corners (x, y) of the outline and, for each, the index of the next one, with the mask on the right.

    Lines alternate between horizontal and vertical: sorted by row, corners 2k and 2k + 1 are the ends of a horizontal
    line; sorted by column, those of a vertical one. Where two pixels touch only at a corner, that corner occurs twice,
    and the order of the two separates the pixels.
    """
    padded = np.pad(mask, 1)
    top_left, top_right = padded[:-1, :-1], padded[:-1, 1:]
    bottom_left, bottom_right = padded[1:, :-1], padded[1:, 1:]
    odd = top_left ^ top_right ^ bottom_left ^ bottom_right
    saddle = (top_left == bottom_right) & (top_right == bottom_left) & (top_left != top_right)
    y, x = np.nonzero(odd | saddle)
    twice = saddle[y, x]
    y, x = np.repeat(y, 1 + twice), np.repeat(x, 1 + twice)
    second = np.zeros(len(y), np.int64)
    second[1:] = (y[1:] == y[:-1]) & (x[1:] == x[:-1])
    rising = saddle[y, x] & top_right[y, x]  # the pixels inside are at the top right and the bottom left
    upper = np.where(rising, 1 - second, second)  # whether the duplicate ends the line above or starts the one below
    by_row = np.lexsort((second, x, y))
    by_column = np.lexsort((upper, y, x))
    across, along = np.empty(len(y), np.int64), np.empty(len(y), np.int64)
    across[by_row] = by_row.reshape(-1, 2)[:, ::-1].ravel()
    along[by_column] = by_column.reshape(-1, 2)[:, ::-1].ravel()
    # A horizontal line with the mask below runs to the right; the left of its ends is then where it starts.
    left, right = by_row[0::2], by_row[1::2]
    below = bottom_right[y[left], x[left]]
    following = along.copy()
    starts = np.where(below, left, right)
    following[starts] = across[starts]
    return np.stack([x, y], axis=1), following


def _rings(corners: Int64[np.ndarray, "n 2"], following: Int64[np.ndarray, " n"]) -> Iterator[Int64[np.ndarray, "k 2"]]:
    """Yield every closed line, starting with a horizontal edge."""
    steps = following.tolist()
    waiting = [True] * len(steps)
    horizontal = (corners[:, 1] == corners[following, 1]).tolist()
    for start in range(len(steps)):
        if waiting[start] and horizontal[start]:
            ring, place = [], start
            while waiting[place]:
                waiting[place] = False
                ring.append(place)
                place = steps[place]
            yield corners[ring]


def signed_area(ring: Float64[np.ndarray, "n 2"] | Int64[np.ndarray, "n 2"]) -> float:
    """Compute the signed area of a ring: positive if its inside is on the right where y points down, else the left."""
    x, y = (ring - ring[0]).astype(np.float64).T  # relative to its first corner, for precision
    return float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2)


def _distances(
    points: Ring, start: Float64[np.ndarray, "2"], end: Float64[np.ndarray, "2"]
) -> Float64[np.ndarray, " n"]:
    """Compute the distances of points from the line between two others."""
    along = end - start
    length = float(np.hypot(*along))
    offset = points - start
    if not length:
        return np.asarray(np.hypot(offset[:, 0], offset[:, 1]))
    return np.asarray(np.abs(offset[:, 0] * along[1] - offset[:, 1] * along[0]) / length)


def _nearest(chain: Ring, ring: Ring) -> tuple[int, int]:
    """Return the index of the chain's corner nearest to the ring's first one, and of the ring's nearest to that."""
    here = int(((chain - ring[0]) ** 2).sum(axis=1).argmin())
    return here, int(((ring - chain[here]) ** 2).sum(axis=1).argmin())


def _window(ring: Ring, size: Size) -> tuple[slice, slice]:
    """Return the rows and columns of the image that a ring covers."""
    low = np.clip(np.floor(ring.min(axis=0)), 0, size[::-1]).astype(int).tolist()
    high = np.clip(np.ceil(ring.max(axis=0)), 0, size[::-1]).astype(int).tolist()
    return slice(low[1], high[1]), slice(low[0], high[0])


def _filled(rings: Sequence[Ring], window: tuple[slice, slice]) -> Bool[np.ndarray, "h w"]:
    """Fill rings by the even-odd rule along the center line of each row."""
    rows, columns = window
    height, width = rows.stop - rows.start, columns.stop - columns.start
    shift = np.array([columns.start, rows.start]) + 0.5
    starts = np.concatenate(rings) - shift
    ends = np.concatenate([np.roll(ring, -1, axis=0) for ring in rings]) - shift
    falling = (starts[:, 1] <= ends[:, 1])[:, None]
    upper, lower = np.where(falling, starts, ends), np.where(falling, ends, starts)
    first = np.clip(np.ceil(upper[:, 1]), 0, height).astype(np.int64)
    crossed = np.maximum(np.clip(np.ceil(lower[:, 1]), 0, height).astype(np.int64) - first, 0)
    total = int(crossed.sum())
    if total > MAX_CROSSINGS:
        raise FormatError(f"expected polygons with at most {MAX_CROSSINGS} row crossings, got {total}")
    edge = np.repeat(np.arange(len(crossed)), crossed)
    row = np.arange(total) - np.repeat(np.cumsum(crossed) - crossed, crossed) + first[edge]
    slope = (lower[edge, 0] - upper[edge, 0]) / (lower[edge, 1] - upper[edge, 1])
    meeting = upper[edge, 0] + (row - upper[edge, 1]) * slope
    column = np.clip(np.ceil(meeting), 0, width).astype(np.int64)
    turns = np.bincount(row * (width + 1) + column, minlength=height * (width + 1)).reshape(height, width + 1)
    return np.asarray(np.cumsum(turns[:, :width], axis=1) % 2 == 1)
