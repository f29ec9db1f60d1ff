"""Looking a data set through: everything odd is counted, nothing stops it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from masklet.errors import FormatError, OutputError
from masklet.io import read_image, write_image, write_label_map
from masklet.io.datasets import ImageDataset, check, contact_sheet, open_dataset

TALL = np.zeros((32, 24), np.uint8)
TALL[4:9, 4:9] = 1


def rotten(path: Path) -> None:
    path.write_bytes(b"rotten")


def label(values: np.ndarray) -> Callable[[Path], None]:
    return lambda path: write_label_map(path, values)


def colored(path: Path) -> None:
    Image.new("RGB", (32, 24), (200, 0, 0)).save(path)


def taller(path: Path) -> None:
    write_image(path, np.zeros((32, 24, 3), np.uint8))


@pytest.mark.parametrize(
    ("file", "change", "counts"),
    [
        ("Annotations/b9/00003.png", rotten, {"unreadable": 2}),  # its header, then itself
        ("Annotations/b9/00003.png", label(TALL), {"size mismatch": 1, "unreadable": 1}),
        ("Annotations/b9/00003.png", colored, {"unreadable": 1}),
        ("Annotations/b9/00003.png", label(np.full((24, 32), 5, np.uint8)), {"object ids": 1}),
        ("Annotations/b9/00003.png", Path.unlink, {}),
        ("JPEGImages/b9/00003.jpg", taller, {"size mismatch": 1, "unreadable": 1}),
        ("JPEGImages/b9/00003.jpg", Path.unlink, {"missing image": 1}),
        ("JPEGImages/b9/00003.jpg", rotten, {"unreadable": 2}),
    ],
)
def test_odd_videos(
    file: str, change: Callable[[Path], None], counts: dict[str, int], miniature: Callable[[str], Path]
) -> None:
    root = miniature("videos")
    change(root / file)
    calls: list[tuple[int, int]] = []
    report = check(open_dataset("videos", root), progress=lambda done, total: calls.append((done, total)))
    if counts.get("unreadable"):
        assert "b9" in next(problem.where for problem in report.problems if problem.kind == "unreadable")
        counts = {**counts, **({"object ids": 0} if report.counts["object ids"] == 0 else {})}
    found = {kind: count for kind, count in report.counts.items() if kind != "unreadable"}
    assert found == {kind: count for kind, count in counts.items() if kind != "unreadable" and count}
    assert bool(report.counts["unreadable"]) == bool(counts.get("unreadable"))
    assert report.ok == (not counts)
    assert calls == [(1, 2), (2, 2)]
    assert len(report.lines()) == 1 + len(report.counts)


def test_empty_masks_and_metadata(miniature: Callable[[str], Path], mini: Any) -> None:
    root = miniature("videos")
    for index in range(9):
        write_label_map(root / f"Annotations/b9/{index:05d}.png", np.zeros((24, 32), np.uint8))
    assert check(open_dataset("videos", root)).counts == {"empty mask": 1}
    root = miniature("youtube-vos-2019")
    objects = {str(i): {"category": "dog", "frames": []} for i in (1, 2, 3)}
    mini.json("valid/meta.json", {"videos": {"b9": {"objects": objects}}})
    report = check(open_dataset("youtube-vos-2019", root))
    assert [str(problem) for problem in report.problems] == [
        "b9: object ids: the metadata name objects [1, 2, 3], the masks contain [1, 2]"
    ]


def test_short_video_with_long_annotation(mini: Any) -> None:
    mini.video("sav_000001.mp4", count=6)
    mini.sav("sav_000001_manual.json")
    counts = check(open_dataset("sa-v-train", mini.root)).counts
    assert counts["missing image"] == 1
    assert counts["unreadable"] == 1  # frame 8


def test_odd_pictures(mini: Any) -> None:
    mini.sa1b("a")
    mini.sa1b("b")
    mini.sa1b("c")
    write_image(mini.root / "a.jpg", np.zeros((32, 24, 3), np.uint8))
    (mini.root / "b.json").write_text('{"image": {"height": 24, "width": 32}, "annotations": []}')
    rotten(mini.root / "c.json")
    report = check(open_dataset("sa-1b", mini.root))
    assert report.counts == {"size mismatch": 2, "no annotation": 1, "unreadable": 1}
    assert (report.items, report.frames) == (3, 3)


def test_contact_sheet_draws_masks_and_reasons(miniature: Callable[[str], Path], tmp_path: Path) -> None:
    root = miniature("videos")
    dataset = open_dataset("videos", root)
    rotten(root / "JPEGImages/b10/00000.jpg")
    contact_sheet(dataset, tmp_path / "sheet.png", columns=2, rows=3, tile=64)
    sheet = read_image(tmp_path / "sheet.png")
    assert sheet.shape == (64 + 14, 128, 3)
    drawn, told = sheet[:64, :64], sheet[:64, 64:]
    assert (drawn[..., 2] > drawn[..., 0].astype(int) + 60).any()  # the first color of the palette is blue
    assert (told[..., 0] > told[..., 2].astype(int) + 60).any()  # the reason is red


def test_contact_sheet_of_pictures(miniature: Callable[[str], Path], tmp_path: Path) -> None:
    contact_sheet(open_dataset("sa-1b", miniature("sa-1b")), tmp_path / "sheet.jpg")
    assert read_image(tmp_path / "sheet.jpg").shape == (254, 1200, 3)


def test_contact_sheet_refuses(miniature: Callable[[str], Path], tmp_path: Path) -> None:
    dataset = open_dataset("videos", miniature("videos"))
    with pytest.raises(OutputError):
        contact_sheet(dataset, tmp_path / "sheet.xyz")
    with pytest.raises(FormatError, match="8"):
        contact_sheet(dataset, tmp_path / "sheet.png", tile=8)
    with pytest.raises(FormatError, match="0"):
        contact_sheet(ImageDataset(name="a", split="b", items=()), tmp_path / "sheet.png")
