"""Charts as inline SVG, colored by the page's own style so that they suit light and dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 440, 250
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 14, 40

Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """One curve.

    Attributes:
        name: for the legend; "" where there is only one.
        points: (x, y), in order of x.
        dots: mark every point.
    """

    name: str
    points: Sequence[Point]
    dots: bool = True


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Curves over common axes.

    Attributes:
        title: what is shown.
        x, y: what the axes count.
        lines: the curves, at most four.
        y_range: lowest and highest y; None fits the points.
    """

    title: str
    x: str
    y: str
    lines: Sequence[Line]
    y_range: tuple[float, float] | None = None

    def svg(self) -> str:
        """The chart as an SVG element."""
        points = [point for line in self.lines for point in line.points]
        if not points:
            return ""
        xs = _ticks(min(x for x, _ in points), max(x for x, _ in points))
        ys = _ticks(*(self.y_range or (min(y for _, y in points), max(y for _, y in points))))
        frame = _Frame(xs[0], xs[-1], ys[0], ys[-1])
        parts = [
            f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(self.title)}">',
            *(_grid_line(frame, y) for y in ys),
            *(_x_tick(frame, x) for x in xs),
            f'<text class="axis" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 4}" text-anchor="middle">'
            f"{escape(self.x)}</text>",
            f'<text class="axis" x="12" y="{(TOP + HEIGHT - BOTTOM) / 2}" text-anchor="middle" '
            f'transform="rotate(-90 12 {(TOP + HEIGHT - BOTTOM) / 2})">{escape(self.y)}</text>',
            *(_curve(frame, line, place) for place, line in enumerate(self.lines)),
            "</svg>",
        ]
        return "".join(parts)

    def legend(self) -> str:
        """Names of the curves, where there are several."""
        named = [(place, line.name) for place, line in enumerate(self.lines) if line.name]
        spans = (f'<span class="key key{place}">{escape(name)}</span>' for place, name in named)
        return f'<p class="legend">{"".join(spans)}</p>' if named else ""

    def figure(self) -> str:
        """The chart with its title and legend."""
        svg = self.svg()
        return f"<figure><figcaption>{escape(self.title)}</figcaption>{svg}{self.legend()}</figure>" if svg else ""


@dataclass(frozen=True)
class _Frame:
    """Where values lie on the picture."""

    x0: float
    x1: float
    y0: float
    y1: float

    def x(self, value: float) -> float:
        return round(LEFT + (value - self.x0) / ((self.x1 - self.x0) or 1) * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        return round(HEIGHT - BOTTOM - (value - self.y0) / ((self.y1 - self.y0) or 1) * (HEIGHT - TOP - BOTTOM), 1)


def _ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers from at or below ``low`` to at or above ``high``."""
    span = high - low or abs(high) or 1
    raw = span / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(place * step, 10) for place in range(first, max(last, first + 1) + 1)]


def _grid_line(frame: _Frame, value: float) -> str:
    y = frame.y(value)
    return (
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
        f'<text class="tick" x="{LEFT - 6}" y="{y + 3.5}" text-anchor="end">{value:g}</text>'
    )


def _x_tick(frame: _Frame, value: float) -> str:
    return f'<text class="tick" x="{frame.x(value)}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{value:g}</text>'


def _curve(frame: _Frame, line: Line, place: int) -> str:
    spots = [(frame.x(x), frame.y(y)) for x, y in line.points]
    path = " ".join(f"{x},{y}" for x, y in spots)
    drawn = f'<polyline class="line line{place}" points="{path}"/>'
    if line.dots:
        drawn += "".join(
            f'<circle class="dot dot{place}" cx="{x}" cy="{y}" r="3"><title>{px:g}: {py:.1f}</title></circle>'
            for (x, y), (px, py) in zip(spots, line.points, strict=True)
        )
    return drawn
