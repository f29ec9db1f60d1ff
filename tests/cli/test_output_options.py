"""Options of written results."""

from __future__ import annotations

import re

import pytest

from masklet import OutputError
from masklet.cli.output_options import WriterOptions, parse_calibration, parse_color
from masklet.io.source import Calibration


@pytest.mark.parametrize(
    ("words", "color"),
    [("#ff8800", (None, (255, 136, 0))), ("12:#0000FF", (12, (0, 0, 255))), ("00ff00", (None, (0, 255, 0)))],
)
def test_colors(words: str, color: object) -> None:
    assert parse_color(words) == color


@pytest.mark.parametrize("words", ["red", "#fff", "a:#ffffff", "1:", ""])
def test_bad_colors(words: str) -> None:
    with pytest.raises(OutputError, match=re.escape(repr(words))):
        parse_color(words)


@pytest.mark.parametrize(
    ("words", "interval", "found"),
    [
        (None, None, None),
        ("0.65 um", None, Calibration(pixel_size=(0.65, 0.65), unit="um")),
        ("0.65µm", 30.0, Calibration(pixel_size=(0.65, 0.65), unit="µm", frame_interval=30.0)),
        ("1e-3 x 2e-3 mm", None, Calibration(pixel_size=(0.001, 0.002), unit="mm")),
        (None, 0.5, Calibration(frame_interval=0.5)),
    ],
)
def test_calibration(words: str | None, interval: float | None, found: Calibration | None) -> None:
    assert parse_calibration(words, interval) == found


@pytest.mark.parametrize(
    ("words", "interval"), [("0 um", None), ("um", None), ("1", None), (None, -1.0), (None, float("inf"))]
)
def test_bad_calibration(words: str | None, interval: float | None) -> None:
    with pytest.raises(OutputError):
        parse_calibration(words, interval)


def test_options_of_the_library() -> None:
    options = WriterOptions(
        style="blur", region="background", color=["#000001", "3:#000002"], soften=1.5
    ).output_options()

    assert (options.style.name, options.style.region) == ("blur", "background")
    assert (options.style.color, options.style.colors) == ((0, 0, 1), {3: (0, 0, 2)})
    assert options.style.edge.soften == options.edge.soften == 1.5
    assert options.calibration is None
