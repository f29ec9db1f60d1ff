"""Bars as SVG: heights, scales, and text that is no markup."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from masklet.engine.plots import BOTTOM, HEIGHT, TOP, Bars

SPACE = HEIGHT - TOP - BOTTOM


def heights(svg: str) -> list[float]:
    return [float(found) for found in re.findall(r'<rect class="bar"[^>]* height="([\d.]+)"', svg)]


def test_bars_are_as_high_as_their_values() -> None:
    drawn = Bars(title="Clicks", bars=[("1", 10.0), ("2", 5.0), ("3", 0.0)]).svg()
    assert heights(drawn) == [SPACE, SPACE / 2, 0.0]
    assert len(ET.fromstring(drawn)) > 3


@pytest.mark.parametrize(
    ("top", "ticks"),
    [(4.8, ["0", "1", "2", "3", "4", "5"]), (37.8, ["0", "10", "20", "30", "40"]), (0.0, ["0"])],
)
def test_scales_have_round_numbers(top: float, ticks: list[str]) -> None:
    drawn = Bars(title="t", bars=[("a", top)]).svg()
    found = re.findall(r'text-anchor="end">([\d.]+)<', drawn)
    assert found[: len(ticks)] == ticks
    assert float(found[-1]) >= top


def test_text_is_no_markup_and_files_are_whole(tmp_path: Path) -> None:
    Bars(title="<b>", x="a & b", y="c", bars=[("<i>", 1.0)]).save(tmp_path / "chart.svg")
    text = (tmp_path / "chart.svg").read_text()
    assert "<b>" not in text
    assert "<i>" not in text
    assert "a &amp; b" in text
    assert [path.name for path in tmp_path.iterdir()] == ["chart.svg"]
    assert heights(Bars(title="empty", bars=[]).svg()) == []
