"""The table of data sets: its page, and a miniature of every row."""

from __future__ import annotations

import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from masklet.io.datasets import (
    DATASETS,
    ImageDataset,
    VideoDataset,
    check,
    open_dataset,
    open_images,
    open_videos,
    render_table,
)

EVERY = tuple(range(9))
STEP = (0, 4, 8)
TWO = {1: 0, 2: 2}
NAMES = ("b9", "b10")

VIDEOS: dict[str, tuple[tuple[str, ...], tuple[int, ...], dict[int, int]]] = {
    # names, annotated frames, object -> first frame
    "davis2016": (("bear",), EVERY, {1: 0}),
    "davis2017": (NAMES, EVERY, TWO),
    "youtube-vos-2018": (NAMES, (0, 2), TWO),
    "youtube-vos-2019": (NAMES, (0, 2), TWO),
    "mose": (NAMES, EVERY, TWO),
    "mosev2": (NAMES, EVERY, TWO),
    "lvos": (NAMES, EVERY, TWO),
    "lvosv2": (NAMES, EVERY, TWO),
    "sa-v": (("sav_000001",), STEP, {1: 0, 2: 4}),
    "sa-v-train": (("sav_000001",), STEP, {1: 0, 2: 4, 3: 0, 4: 4}),
    "ctc": (("01", "02"), EVERY, {300: 0, 700: 2}),
    "ctc-seg": (("01", "02"), EVERY, {300: 0, 700: 2}),
    "videos": (NAMES, EVERY, TWO),
    "endovis2018": (("seq_1",), EVERY, TWO),
    "esd": (NAMES, EVERY, TWO),
    "lv-vis": (NAMES, EVERY, TWO),
    "pumavos": (NAMES, EVERY, TWO),
    "uvo": (NAMES, EVERY, TWO),
    "vipseg": (("7_abc",), EVERY, {41: 0, 6101: 2}),
    "vkitti2": (("Scene01/15-deg-left",), EVERY, {3: 0, 9: 2}),
    "vost": (NAMES, EVERY, TWO),
    "cityscapes-vps": (("0005", "0010"), (0, 5), {1: 0, 2: 5}),
    "drosophila-heart": (("b9",), EVERY, {1: 0}),
    "ego-exo4d": (NAMES, EVERY, TWO),
    "fbms": (NAMES, EVERY, TWO),
    "ht1080wt": (("b9",), EVERY, {300: 0, 700: 2}),
    "lindenthal": (NAMES, EVERY, TWO),
    "wildfires": (("b9",), EVERY, {1: 0}),
    "visor": (NAMES, EVERY, TWO),
}
STILLS = {
    # names, masks of each
    "sa-1b": (("shards/sa_11", "val/sa_9", "val/sa_10"), 2),
    "coco": (("000000000009", "000000000010"), 2),
    "bsds500": (("3",), 6),
    "voc": (("2007_000003",), 1),
    "images": (("3",), 2),
}
OVERLAPPING = {"sa-v", "sa-v-train", "lv-vis", "uvo"}


def test_every_row_has_a_miniature_that_is_tested(makers: dict[str, Any]) -> None:
    names = [info.name for info in DATASETS]
    assert len(set(names)) == len(names)
    assert set(names) == set(makers) == set(VIDEOS) | set(STILLS)
    assert all("miniature" in info.tested for info in DATASETS)
    assert sum(info.zero_shot for info in DATASETS) == 17


def test_page_shows_the_table(repository: Path) -> None:
    page = repository / "docs" / "datasets.md"
    assert page.read_text(encoding="utf-8") == render_table(), "write render_table() to docs/datasets.md"


@pytest.mark.parametrize("name", VIDEOS)
def test_videos(name: str, miniature: Callable[[str], Path], mini: Any) -> None:
    dataset = open_dataset(name, miniature(name))
    names, annotated, objects = VIDEOS[name]
    assert isinstance(dataset, VideoDataset)
    assert (dataset.names, dataset.warnings) == (names, ())
    sequence = pickle.loads(pickle.dumps(dataset))[-1]
    assert (sequence.name, sequence.size, sequence.num_frames) == (names[-1], (24, 32), 9)
    assert (sequence.annotated, sequence.objects) == (annotated, objects)
    assert list(sequence.problems()) == []
    with sequence.open() as video:
        assert (len(video), video.size) == (9, (24, 32))
        red = video[5][..., 0].astype(int)
    inside = mini.scene_masks(5)[0]
    assert red[inside].mean() - red[~inside].mean() > 50  # the frame of that number
    wanted = mini.scene_masks if name in OVERLAPPING or len(objects) == 1 else mini.seen_masks
    for index in annotated:
        truth = sequence.truth(index)
        assert truth.unknown == frozenset()
        for place, object_id in enumerate(objects):
            np.testing.assert_array_equal(truth[object_id], wanted(index)[place % 2])
    report = check(dataset)
    assert (report.items, report.frames, report.annotated) == (len(names), 9 * len(names), len(annotated) * len(names))
    assert report.lines()[1:] == []


@pytest.mark.parametrize("name", STILLS)
def test_stills(name: str, miniature: Callable[[str], Path], mini: Any) -> None:
    dataset = open_dataset(name, miniature(name))
    names, count = STILLS[name]
    assert isinstance(dataset, ImageDataset)
    assert (dataset.names, dataset.warnings) == (names, ())
    sample = pickle.loads(pickle.dumps(dataset))[names[-1]]
    assert sample.pixels().shape == (24, 32, 3)
    assert sample.masks().shape == (count, 24, 32)
    report = check(dataset)
    assert (report.ok, report.items, report.masks) == (True, len(names), count * len(names))


def test_masks_of_stills_are_the_annotated_ones(miniature: Callable[[str], Path], mini: Any) -> None:
    root = miniature("sa-1b")
    for sample in open_images("sa-1b", root):
        np.testing.assert_array_equal(sample.masks(), mini.scene_masks(3))
    assert open_dataset("sa-1b", root, split="val").names == ("sa_9", "sa_10")


def test_coco_gives_categories_crowds_and_filled_polygons(miniature: Callable[[str], Path], mini: Any) -> None:
    sample = open_images("coco", miniature("coco"))[0]
    polygon, code = sample.instances()
    assert (polygon.category, polygon.crowd, code.category, code.crowd) == ("square", False, "square", True)
    np.testing.assert_array_equal(sample.masks()[0], mini.scene_masks(0)[0])
    np.testing.assert_array_equal(sample.masks()[1], mini.scene_masks(0)[0])


def test_void_is_no_object(miniature: Callable[[str], Path], mini: Any) -> None:
    np.testing.assert_array_equal(open_images("voc", miniature("voc"))[0].masks()[0], mini.seen_masks(3)[0])
    mini.labels("Annotations/b9/{:05d}.png", ids=(1, 255))
    mini.pictures("JPEGImages/b9/{:05d}.jpg")
    mini.text("ImageSets/val.txt", "b9")
    truth = open_videos("vost", mini.root)["b9"].truth(5)
    assert truth.object_ids == (1,)
    assert truth.void is not None
    np.testing.assert_array_equal(truth.void, mini.seen_masks(5)[1])


def test_categories_and_seen(miniature: Callable[[str], Path]) -> None:
    dataset = open_videos("youtube-vos-2019", miniature("youtube-vos-2019"))
    assert not dataset.scored
    assert dataset["b9"].categories == {1: "dog", 2: "yak"}
    assert dataset["b9"].seen == {1: True, 2: False}


def test_original_names_of_objects(miniature: Callable[[str], Path]) -> None:
    assert open_videos("sa-v", miniature("sa-v"))[0].original_ids == {1: "000", 2: "001"}


def test_microscope_pictures_are_stretched(miniature: Callable[[str], Path]) -> None:
    with open_videos("ctc", miniature("ctc"))["01"].open() as video:
        assert (video[0].min(), video[0].max()) == (0, 255)  # the files hold 2400 and 4000


def test_real_videos(assets: Path, tmp_path: Path) -> None:
    with tarfile.open(assets / "data" / "videos-val.tar") as tar:
        tar.extractall(tmp_path, [m for m in tar if "/tennis/" in m.name or "/bear/" in m.name], filter="data")
    dataset = open_dataset("davis2016", tmp_path / "videos" / "val")
    assert dataset.names == ("bear", "tennis")
    assert [problem.kind for problem in dataset.warnings] == ["no list"]
    report = check(dataset.only(["bear"]))
    assert (report.frames, report.annotated, report.objects, report.masks) == (82, 82, 1, 82)
    assert list(report.sizes) == [(234, 416)]
    assert set(report.counts) == {"no list"}


def test_real_stills_in_shards(assets: Path) -> None:
    dataset = open_dataset("sa-1b", assets / "data", split="val")
    assert len(dataset) == 772
    report = check(dataset.only(limit=40))
    assert report.items == report.annotated == 40
    assert report.masks == report.objects > 40
    assert set(report.counts) <= {"no annotation"}  # shards of videos lie beside them
