"""Line and bar charts as SVG, inline in HTML reports or as files; colors follow the light or dark color scheme."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from masklet.io.atomic import write_text

WIDTH, HEIGHT = 460, 250
LEFT, RIGHT, TOP, BOTTOM = 50, 14, 12, 42
LINE = 20
"""Height of the title and of the legend, which are above the plot."""

Theme = tuple[str, str, tuple[str, str, str, str]]
LIGHT: Theme = ("#626a73", "#e3e6ea", ("#0a6fd1", "#d06a00", "#0b8f6b", "#b0399f"))
DARK: Theme = ("#9aa3ad", "#2c3238", ("#5aaeff", "#ffa94d", "#4fd1ab", "#e68ad8"))
"""Colors of the text, the grid and up to four series."""


def _colors(theme: Theme) -> str:
    text, grid, series = theme
    rules = [f".chart text{{fill:{text}}}.chart .grid{{stroke:{grid}}}.chart .bar{{fill:{series[0]}}}"]
    for i, color in enumerate(series):
        rules.append(f".chart .line{i}{{stroke:{color}}}.chart .dot{i}{{fill:{color}}}")
    return "".join(rules)


STYLE = (
    ".chart text{font:11px system-ui,sans-serif}.chart .title{font-size:14px;font-weight:600}"
    ".chart .line{fill:none;stroke-width:2;stroke-linejoin:round}"
    f"{_colors(LIGHT)}@media (prefers-color-scheme:dark){{{_colors(DARK)}}}"
)
"""CSS of all charts: a page that contains inline charts includes it once; a file contains its own copy."""


@dataclass(frozen=True, kw_only=True)
class Chart(ABC):
    """Base of the charts.

    Attributes:
        title: title of the chart.
        x, y: labels of the axes; empty for none.
    """

    title: str
    x: str = ""
    y: str = ""

    def svg(self) -> str:
        """Return an inline SVG element without the title; the page has to include `STYLE`."""
        return self._draw(standalone=False)

    def figure(self) -> str:
        """Return an HTML figure: the title and the inline chart."""
        return f"<figure><figcaption>{escape(self.title)}</figcaption>{self.svg()}</figure>"

    def save(self, path: Path) -> None:
        """Write an SVG file with title and style; `OutputError` if that fails, and an existing file is unchanged."""
        write_text(path, self._draw(standalone=True) + "\n")

    def _draw(self, *, standalone: bool) -> str:
        frame = self._frame()
        head, y = [], 14.0
        if standalone:
            head.append(f'<text class="title" x="{LEFT}" y="{y}">{escape(self.title)}</text>')
            y += LINE
        if legend := "".join(self._legend(y)):
            head.append(legend)
            y += LINE
        above = y - 14
        middle_x, middle_y = (LEFT + WIDTH - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2
        size = f'viewBox="0 0 {WIDTH} {HEIGHT + above:g}"'
        size += f' xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT + above:g}"' if standalone else ""
        parts = [
            f'<svg class="chart" {size} role="img" aria-label="{escape(self.title)}">',
            f"<style>{STYLE}</style>" if standalone else "",
            *head,
            f'<g transform="translate(0 {above:g})">' if above else "<g>",
            *(_grid_line(frame, tick) for tick in frame.ticks),
            *self._series(frame),
            f'<text x="{middle_x}" y="{HEIGHT - 6}" text-anchor="middle">{escape(self.x)}</text>',
            f'<text x="12" y="{middle_y}" text-anchor="middle" transform="rotate(-90 12 {middle_y})">'
            f"{escape(self.y)}</text>",
            "</g></svg>",
        ]
        return "".join(parts)

    @abstractmethod
    def _frame(self) -> Frame:
        """Choose the ranges of both axes."""

    @abstractmethod
    def _series(self, frame: Frame) -> Iterator[str]:
        """Draw the data and the labels of the x axis."""

    def _legend(self, _y: float) -> Iterator[str]:
        """Draw the names of the series; none by default."""
        return iter(())


@dataclass(frozen=True)
class Line:
    """One series of a line chart.

    Attributes:
        name: text in the legend; empty for a single series.
        points: (x, y), in order of x.
        dots: mark every point.
    """

    name: str
    points: Sequence[tuple[float, float]]
    dots: bool = True


@dataclass(frozen=True, kw_only=True)
class LineChart(Chart):
    """Lines over common axes.

    Attributes:
        lines: 1 to 4 series with at least one point in all.
        y_range: lowest and highest y; None fits the points.
    """

    lines: Sequence[Line]
    y_range: tuple[float, float] | None = None

    def _frame(self) -> Frame:
        xs, ys = zip(*(point for line in self.lines for point in line.points), strict=True)
        x_ticks = ticks(min(xs), max(xs))
        return Frame(x_ticks[0], x_ticks[-1], ticks(*(self.y_range or (min(ys), max(ys)))))

    def _series(self, frame: Frame) -> Iterator[str]:
        yield from (_x_label(frame.x(tick), f"{tick:g}") for tick in ticks(frame.x0, frame.x1))
        for i, line in enumerate(self.lines):
            spots = [(frame.x(x), frame.y(y)) for x, y in line.points]
            path = " ".join(f"{x},{y}" for x, y in spots)
            yield f'<polyline class="line line{i}" points="{path}"/>'
            for (x, y), (x_value, y_value) in zip(spots if line.dots else [], line.points, strict=False):
                title = f"<title>{x_value:g}: {y_value:.1f}</title>"
                yield f'<circle class="dot{i}" cx="{x}" cy="{y}" r="3">{title}</circle>'

    def _legend(self, y: float) -> Iterator[str]:
        x = LEFT
        for i, line in enumerate(self.lines):
            if line.name:
                yield f'<circle class="dot{i}" cx="{x + 4}" cy="{y - 4:g}" r="4"/>'
                yield f'<text x="{x + 12}" y="{y:g}">{escape(line.name)}</text>'
                x += 28 + 7 * len(line.name)


@dataclass(frozen=True, kw_only=True)
class BarChart(Chart):
    """Bars from zero: one for each category, or for each class of a histogram.

    Attributes:
        bars: (label, value) from left to right; values are 0 or more.
    """

    bars: Sequence[tuple[str, float]]

    def _frame(self) -> Frame:
        return Frame(0, max(1, len(self.bars)), ticks(0, max((value for _, value in self.bars), default=0)))

    def _series(self, frame: Frame) -> Iterator[str]:
        for i, (label, value) in enumerate(self.bars):
            left, right, top = frame.x(i + 0.1), frame.x(i + 0.9), frame.y(value)
            yield (
                f'<rect class="bar" x="{left}" y="{top}" width="{right - left:.1f}" height="{frame.y(0) - top:.1f}">'
                f"<title>{escape(label)}: {value:g}</title></rect>"
            )
            yield _x_label(frame.x(i + 0.5), label)


@dataclass(frozen=True)
class Frame:
    """Maps values to places in the chart.

    Attributes:
        x0, x1: values at the left and the right end of the x axis.
        ticks: values of the grid lines, from the bottom to the top.
    """

    x0: float
    x1: float
    ticks: Sequence[float]

    def x(self, value: float) -> float:
        """Return the horizontal place of a value."""
        return round(LEFT + (value - self.x0) / ((self.x1 - self.x0) or 1) * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        """Return the vertical place of a value."""
        low, high = self.ticks[0], self.ticks[-1]
        return round(HEIGHT - BOTTOM - (value - low) / ((high - low) or 1) * (HEIGHT - TOP - BOTTOM), 1)


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return round numbers from at or below ``low`` to at or above ``high``, in some ``count`` steps."""
    span = high - low or abs(high) or 1
    raw = span / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(place * step, 10) for place in range(first, max(last, first + 1) + 1)]


def _grid_line(frame: Frame, value: float) -> str:
    y = frame.y(value)
    return (
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
        f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{value:g}</text>'
    )


def _x_label(x: float, text: str) -> str:
    return f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{escape(text)}</text>'
