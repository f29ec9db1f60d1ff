"""Data sets that nobody named: told from their folders, and one clear error where nothing fits."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from masklet.errors import FormatError, MediaError
from masklet.io.datasets import recognize
from masklet.io.datasets.recognize import RECOGNIZED

Mini = Any


@pytest.mark.parametrize(
    ("made", "split", "read_as"),
    [
        ("davis2016", "val", "davis2016"),
        ("davis2017", "val", "davis2017"),
        ("mose", "train", "mose"),
        ("mosev2", "train", "mose"),
        ("lvos", "valid", "mose"),
        ("youtube-vos-2019", "valid", "mose"),
        ("sa-v", "val", "sa-v"),
        ("sa-v-train", "train", "sa-v-train"),
        ("sa-v-train", "auto", "sa-v-train"),
        ("videos", "all", "videos"),
        ("pictures", "all", "pictures"),
        ("voc", "val", "voc"),
        ("coco", "val2017", "coco"),
        ("sa-1b", "val", "sa-1b"),
    ],
)
def test_layouts_are_recognized(made: str, split: str, read_as: str, miniature: Callable[[str], Path]) -> None:
    found = recognize(miniature(made), split=split)
    assert (found.name, found.split) == (read_as, split)
    assert len(found) > 0


@pytest.mark.parametrize(
    ("made", "read_as", "split"),
    [("mose", "mose", "train"), ("sa-v-train", "sa-v-train", "train"), ("videos", "videos", "all")],
)
def test_without_a_split_the_training_split_is_meant(
    made: str, read_as: str, split: str, miniature: Callable[[str], Path]
) -> None:
    found = recognize(miniature(made))
    assert (found.name, found.split) == (read_as, split)


def test_a_folder_of_the_splits_name(mini: Mini) -> None:
    for place in ("train", "val"):
        mini.pictures(f"{place}/JPEGImages/480p/{place}-b/{{:05d}}.jpg")
        mini.labels(f"{place}/Annotations/480p/{place}-b/{{:05d}}.png")
    assert recognize(mini.root).names == ("train-b",)
    assert recognize(mini.root, split="val").names == ("val-b",)
    assert recognize(mini.root, prefer=("val", "train")).names == ("val-b",)


def test_pictures_for_validation_are_never_taken_along(miniature: Callable[[str], Path], mini: Mini) -> None:
    root = miniature("sa-1b")
    with pytest.raises(FormatError, match="expected a data set in"):
        recognize(root)  # val/ lies beside the shards
    assert len(recognize(root, split="all")) == 3
    assert len(recognize(root / "shards")) == 1
    mini.sa1b("train/sa_12")
    assert recognize(root).names == ("sa_12",)


def test_coco_as_other_programs_write_it(mini: Mini) -> None:
    mini.pictures("train/{:03d}.jpg", [4])
    mini.json("train/_annotations.coco.json", mini.coco_images("004.jpg"))
    found = recognize(mini.root)
    assert (found.name, found.names) == ("coco", ("004",))


def test_what_cannot_be_read_is_not_that_layout(miniature: Callable[[str], Path]) -> None:
    root = miniature("videos")
    shutil.rmtree(root / "Annotations")
    (root / "Annotations").mkdir()
    with pytest.raises(FormatError, match=r"found Annotations, JPEGImages; looked for .*DAVIS \(JPEG"):
        recognize(root)


def test_one_error_lists_what_was_looked_for(mini: Mini) -> None:
    mini.text("holiday/beach.txt", "no data set")
    with pytest.raises(FormatError) as caught:
        recognize(mini.root)
    message = str(caught.value)
    for part in (
        "found holiday;",
        "SA-V train",
        "DAVIS",
        "YouTube-VOS, MOSE or LVOS",
        "COCO",
        "SA-1B",
        "your own videos",
    ):
        assert part in message
    assert "\n" not in message
    with pytest.raises(FormatError, match="expected split 'dev' of a data set in"):
        recognize(mini.root, split="dev")
    with pytest.raises(MediaError, match="found nothing"):
        recognize(mini.root / "gone")
    with pytest.raises(MediaError, match="found a file"):
        recognize(mini.root / "holiday" / "beach.txt")


def test_every_recognized_row_has_a_miniature(makers: dict[str, object]) -> None:
    assert set(RECOGNIZED) <= set(makers)
