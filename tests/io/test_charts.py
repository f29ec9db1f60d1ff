"""Charts as SVG: places of the data, round scales, legends, and text that is not markup."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from masklet.io.charts import BOTTOM, HEIGHT, TOP, BarChart, Chart, Line, LineChart, ticks

PLOT_HEIGHT = HEIGHT - TOP - BOTTOM


def heights(svg: str) -> list[float]:
    return [float(found) for found in re.findall(r'<rect class="bar"[^>]* height="([\d.]+)"', svg)]


def test_bars_are_as_high_as_their_values() -> None:
    drawn = BarChart(title="Clicks", bars=[("1", 10.0), ("2", 5.0), ("3", 0.0)]).svg()
    assert heights(drawn) == [PLOT_HEIGHT, PLOT_HEIGHT / 2, 0.0]
    assert len(ET.fromstring(drawn)) > 0


def test_a_chart_without_bars_is_empty() -> None:
    assert heights(BarChart(title="empty", bars=[]).svg()) == []


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 4.8, [0, 1, 2, 3, 4, 5]),
        (0, 37.8, [0, 10, 20, 30, 40]),
        (80, 90, [80, 82, 84, 86, 88, 90]),
        (50, 50, [50, 60]),
        (61.2, 64.9, [61, 62, 63, 64, 65]),
        (0, 0, [0, 0.2]),
        (3, 3, [3, 4]),
        (-1, 1, [-1, -0.5, 0, 0.5, 1]),
    ],
)
def test_scales_have_round_numbers(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == expected


def test_lines_span_the_plot() -> None:
    drawn = LineChart(title="J&F", lines=[Line("", [(0, 0), (5, 100)])]).svg()
    assert f'points="50.0,{HEIGHT - BOTTOM:.1f} 446.0,{TOP:.1f}"' in drawn
    assert drawn.count("<circle") == 2
    assert LineChart(title="", lines=[Line("", [(0, 0), (5, 100)], dots=False)]).svg().count("<circle") == 0


def test_named_lines_have_a_legend() -> None:
    points = [(0.0, 1.0), (1.0, 2.0)]
    named = LineChart(title="t", lines=[Line("J", points, dots=False), Line("F", points, dots=False)]).svg()
    assert [text.text for text in ET.fromstring(named).iter("text")][:2] == ["J", "F"]
    assert named.count("<circle") == 2


CHARTS = (
    BarChart(title="<b>", x="a & b", y="c", bars=[("<i>", 1.0)]),
    LineChart(title="<b>", x="a & b", y="c", lines=[Line("<i>", [(1, 2)])]),
)


@pytest.mark.parametrize("chart", CHARTS)
def test_a_file_is_a_whole_document_and_text_is_not_markup(chart: Chart, tmp_path: Path) -> None:
    chart.save(tmp_path / "chart.svg")
    text = (tmp_path / "chart.svg").read_text()
    assert "<b>" not in text
    assert "<i>" not in text
    assert ET.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
    texts = [element.text for element in ET.fromstring(text).iter("{http://www.w3.org/2000/svg}text")]
    assert {"<b>", "<i>", "a & b", "c"} <= set(texts)
    assert "prefers-color-scheme:dark" in text
    assert [path.name for path in tmp_path.iterdir()] == ["chart.svg"]


@pytest.mark.parametrize("chart", CHARTS)
def test_inline_charts_take_their_style_from_the_page(chart: Chart) -> None:
    assert "<style>" not in chart.svg()
    assert "xmlns" not in chart.svg()
    assert chart.figure().startswith("<figure><figcaption>&lt;b&gt;</figcaption><svg ")
