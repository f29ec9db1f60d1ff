"""The report is complete, self-contained, and safe with any name."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.evaluate.conftest import moving, write_davis

from masklet.evaluate import ImageClicks, Predictions, SemiSupervised, evaluate, protocol_named
from masklet.evaluate.film_strips import film_strip, spread
from masklet.evaluate.report import headline, render_report
from masklet.io import read_label_map
from masklet.io.datasets import ImageDataset, VideoDataset, open_dataset
from masklet.model.sam2 import Sam2

VOID = {"meta", "img", "line", "circle", "polyline"}


class Page(HTMLParser):
    """Checks that tags nest, and gathers what refers to elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.counts: dict[str, int] = {}
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def page(folder: Path) -> Page:
    text = (folder / "report.html").read_text(encoding="utf-8")
    found = Page(text)
    assert all(link.startswith("data:image/png;base64,") for link in found.links)
    assert not re.search(r"https?://|@import|url\(", text)
    assert "prefers-color-scheme:dark" in text
    return found


def test_videos(davis: VideoDataset, small: Sam2, tmp_path: Path) -> None:
    evaluate(davis, small, SemiSupervised(), out=tmp_path)
    found = page(tmp_path)
    assert found.counts["img"] == 3  # every sequence is among the worst six
    assert found.counts["svg"] == 1 + 1  # along the videos, from worst to best
    with Image.open(next(tmp_path.glob("items/*/two.png"))) as strip:
        assert strip.size == (6 * 208 + 5 * 4, 2 * 156 + 4)


def test_interactive_and_image_protocols_have_curves(
    davis: VideoDataset, stills: ImageDataset, small: Sam2, tmp_path: Path
) -> None:
    evaluate(davis.only(["three"]), small, protocol_named("online"), out=tmp_path / "a")
    evaluate(stills, small, ImageClicks(clicks=3), out=tmp_path / "b")
    assert page(tmp_path / "a").counts["svg"] == 3
    assert page(tmp_path / "b").counts["svg"] == 1
    assert page(tmp_path / "b").counts["img"] == 2


def test_names_are_escaped(tmp_path: Path, small: Sam2) -> None:
    name = "<img src=x onerror=alert(1)>"
    dataset = open_dataset("davis2017", write_davis(tmp_path / "davis", {name: moving(4)}))
    evaluate(dataset, small, SemiSupervised(), out=tmp_path / "out")
    text = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "<img src=x" not in text
    assert "&lt;img src=x onerror=alert(1)&gt;" in text


def test_only_the_worst_have_strips(tmp_path: Path) -> None:
    frames = moving(4)
    root = write_davis(tmp_path / "davis", {f"s{i}": frames for i in range(8)})
    for i in range(8):
        folder = tmp_path / "masks" / f"s{i}"
        folder.mkdir(parents=True)
        for path in (root / "Annotations" / "480p" / f"s{i}").iterdir():
            labels = np.roll(read_label_map(path), i, axis=1)
            Image.fromarray(labels).save(folder / path.name)
    evaluate(open_dataset("davis2017", root), Predictions(tmp_path / "masks"), out=tmp_path / "out")
    assert sorted(path.stem for path in (tmp_path / "out").glob("items/*/*.png")) == [
        "s2",
        "s3",
        "s4",
        "s5",
        "s6",
        "s7",
    ]
    assert page(tmp_path / "out").counts["img"] == 6


def test_an_empty_result_has_a_page() -> None:
    document: dict[str, Any] = {
        "main": None,
        "objects": 0,
        "dataset": "mose",
        "protocol": "mask",
        "per_sequence": {},
        "frames_per_second": None,
        "notices": [],
        "setup": {"dataset": {"split": "val"}, "model": None, "versions": {"masklet": "1"}},
        "machine": {},
        "timing": {},
    }
    assert "<h2>Notices</h2><p>None.</p>" in render_report(document, [])
    assert headline(document) == [("objects", "0"), ("items", "0")]


@pytest.mark.parametrize(
    ("frames", "worst", "expected"),
    [
        (range(11), None, [0, 2, 4, 6, 8, 10]),
        (range(11), 7, [0, 2, 4, 7, 8, 10]),
        (range(0, 100, 10), 90, [0, 20, 40, 50, 70, 90]),
        (range(3), 1, [0, 1, 2]),
    ],
)
def test_frames_of_a_strip_are_spread_and_hold_the_worst(frames: range, worst: int | None, expected: list[int]) -> None:
    assert spread(frames, worst) == expected


def test_a_strip_keeps_its_tiles() -> None:
    red, blue = np.full((10, 20, 3), (200, 0, 0), np.uint8), np.full((10, 20, 3), (0, 0, 200), np.uint8)
    image = Image.open(io.BytesIO(film_strip([[red, blue], [blue, red]]))).convert("RGB")
    assert image.size == (44, 24)
    assert [image.getpixel(place) for place in ((5, 5), (30, 5), (5, 20), (30, 20))] == [
        (200, 0, 0), (0, 0, 200), (0, 0, 200), (200, 0, 0)
    ]  # fmt: skip
