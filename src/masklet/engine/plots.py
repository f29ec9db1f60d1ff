"""Bars as SVG files that stand alone, for cards and reports; readable on light and on dark pages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from masklet.io.atomic import write_text

WIDTH, HEIGHT = 480, 260
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 34, 46

STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#333}.title{font-size:14px;font-weight:600}.bar{fill:#2a78b8}"
    ".grid{stroke:#8886;stroke-width:1}@media (prefers-color-scheme:dark){text{fill:#ddd}.bar{fill:#6cb2eb}}"
)


@dataclass(frozen=True, kw_only=True)
class Bars:
    """One bar for each of a few things, or for each class of a histogram.

    Attributes:
        title: what is shown.
        x, y: what the axes count; "" for an axis that needs no word.
        bars: (label, value) from left to right; values are 0 or more.
    """

    title: str
    x: str = ""
    y: str = ""
    bars: Sequence[tuple[str, float]]

    def svg(self) -> str:
        """The chart as an SVG document."""
        ticks = _ticks(max((value for _, value in self.bars), default=0))
        step = (WIDTH - LEFT - RIGHT) / max(1, len(self.bars))
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
            f'role="img" aria-label="{escape(self.title)}"><style>{STYLE}</style>',
            f'<text class="title" x="{LEFT}" y="20">{escape(self.title)}</text>',
            *(_grid(tick, ticks[-1]) for tick in ticks),
            *(_bar(place, step, bar, ticks[-1]) for place, bar in enumerate(self.bars)),
            f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(self.x)}</text>',
            f'<text x="14" y="{(TOP + HEIGHT - BOTTOM) / 2}" text-anchor="middle" '
            f'transform="rotate(-90 14 {(TOP + HEIGHT - BOTTOM) / 2})">{escape(self.y)}</text>',
            "</svg>",
        ]
        return "".join(parts)

    def save(self, path: Path) -> None:
        """Write it; `OutputError` if that fails, and nothing is left behind."""
        write_text(path, self.svg() + "\n")


def _ticks(top: float) -> list[float]:
    """Round numbers from 0 to at or above the highest bar, at most six."""
    raw = (top or 1.0) / 5
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * (1 - 1e-9))
    return [round(place * step, 10) for place in range(math.ceil((top or 1.0) / step - 1e-9) + 1)]


def _height(value: float, top: float) -> float:
    return round(value / top * (HEIGHT - TOP - BOTTOM), 1)


def _grid(value: float, top: float) -> str:
    y = HEIGHT - BOTTOM - _height(value, top)
    return (
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
        f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{value:g}</text>'
    )


def _bar(place: int, step: float, bar: tuple[str, float], top: float) -> str:
    label, value = bar
    height, left = _height(value, top), LEFT + step * place
    return (
        f'<rect class="bar" x="{left + step * 0.1:.1f}" y="{HEIGHT - BOTTOM - height}" width="{step * 0.8:.1f}" '
        f'height="{height}"><title>{escape(label)}: {value:g}</title></rect>'
        f'<text x="{left + step / 2:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{escape(label)}</text>'
    )
