"""Which frames and objects count: hand-computed squares under every data set's rules."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.evaluate.conftest import SIZE, Boxes, both, labels_of, moving, write_davis, write_images, write_maps

from masklet.evaluate.scoring import RULES, Rules, SequenceScorer, notices, unscored_objects
from masklet.io.datasets import DATASETS, VideoDataset, VideoSequence, open_dataset
from masklet.types import FrameMasks


def masks_of(index: int, boxes: Boxes) -> FrameMasks:
    labels = labels_of(boxes)
    ids = tuple(boxes)
    ones = np.ones(len(ids), np.float32)
    return FrameMasks(index, ids, np.stack([labels == i for i in ids]), presence=ones, iou=ones)


def scored(sequence: VideoSequence, frames: Mapping[int, Boxes], rules: Rules) -> dict[int, tuple[float, float, int]]:
    scorer = SequenceScorer(sequence, rules)
    for index, boxes in frames.items():
        if boxes:
            scorer.add(masks_of(index, boxes))
    scorer.fill()
    return {row["object"]: (row["J"], row["F"], row["frames"]) for row in scorer.rows()}


SHIFTED: dict[int, Boxes] = {i: {1: (9 + i, 16, 10, 10)} for i in range(6)}
"""The square of "one", a pixel too far to the right: J is 90 / 110; boundaries agree within the pixel that F allows."""

WRONG_ENDS: dict[int, Boxes] = {i: {1: (8 + i if 0 < i < 5 else 40, 16, 10, 10)} for i in range(6)}


@pytest.mark.parametrize(
    ("rules", "frames", "expected"),
    [
        ("davis", SHIFTED, {1: (9 / 11, 1, 4)}),
        ("sav", SHIFTED, {1: (9 / 11, 1, 4)}),
        ("youtube-vos", SHIFTED, {1: (9 / 11, 1, 6)}),
        ("davis", WRONG_ENDS, {1: (1, 1, 4)}),
        ("sav", WRONG_ENDS, {1: (1, 1, 4)}),
        ("youtube-vos", WRONG_ENDS, {1: (4 / 6, 4 / 6, 6)}),
        ("sav", {}, {1: (0, 0, 4)}),
    ],
)
def test_by_hand(
    davis: VideoDataset, rules: Rules, frames: dict[int, Boxes], expected: dict[int, tuple[float, float, int]]
) -> None:
    found = scored(davis["one"], frames, rules)
    assert found == {i: pytest.approx(values) for i, values in expected.items()}


def test_mosev2_counts_in_its_own_way(davis: VideoDataset) -> None:
    scorer = SequenceScorer(davis["two"], "mosev2")
    for index, boxes in SHIFTED.items():
        scorer.add(masks_of(index, boxes))
    one, two = scorer.rows()
    assert one["J"] == pytest.approx(91 / 111)  # a pixel more in intersection and union
    assert one["F_standard"] == 1
    assert one["F"] < 1  # so small an object allows less than a pixel
    assert (one["JF_disappearance"], one["JF_reappearance"]) == (None, None)
    assert two["JF_reappearance"] == pytest.approx((1 / 101 + 0) / 2)  # it shows on frames 2 to 4


PERFECT: dict[int, Boxes] = dict(enumerate(both(moving(6), moving(6, first=2, object_id=2, y=30))))


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("davis", {1: (1, 1, 4)}),  # only what the first frame gives
        ("sav", {1: (1, 1, 4), 2: (1, 1, 3)}),  # from the first counted frame that shows it
        ("youtube-vos", {1: (1, 1, 6), 2: (1, 1, 4)}),
    ],
)
def test_objects_that_come_later(
    davis: VideoDataset, rules: Rules, expected: dict[int, tuple[float, float, int]]
) -> None:
    assert scored(davis["two"], PERFECT, rules) == expected
    rows = list(SequenceScorer(davis["two"], rules).rows())
    assert rows == []  # no frame is scored yet
    found = unscored_objects(davis["two"], [{"object": i} for i in expected], rules)
    assert [notice.detail[:8] for notice in found] == (["object 2"] if rules == "davis" else [])


def test_a_later_answer_replaces_one(davis: VideoDataset) -> None:
    scorer = SequenceScorer(davis["one"], "sav")
    scorer.fill()
    before = next(scorer.rows())["J"]
    scorer.add(masks_of(2, {1: (10, 16, 10, 10)}))
    assert (before, next(scorer.rows())["J"]) == (0, 0.25)


def test_void_counts_for_nothing_but_is_background_for_youtube_vos(tmp_path: Path) -> None:
    """A 4x4 corner of void in a truth of 10x10; the prediction covers all of it."""
    root = tmp_path / "voc-like"
    frames: list[Boxes] = [{1: (8, 16, 10, 10), 255: (8, 16, 4, 4)}] * 4
    write_images(root / "JPEGImages" / "one", frames)
    write_maps(root / "Annotations" / "one", frames)
    dataset = open_dataset("videos", root)
    assert isinstance(dataset, VideoDataset)
    whole: dict[int, Boxes] = {i: {1: (8, 16, 10, 10)} for i in range(4)}
    found = scored(dataset["one"], whole, "youtube-vos")
    assert found[1][0] == pytest.approx(84 / 100)


def test_unknown_frames_are_left_out_object_by_object(tmp_path: Path) -> None:
    """SA-V: object 000 has masks on frames 0, 4, 8 and 12, object 001 on 4, 8 and 12: each has its own ends."""
    root = tmp_path / "sa-v"
    frames = moving(13)
    write_images(root / "JPEGImages_24fps" / "one", frames)
    for name, annotated in (("000", (0, 4, 8, 12)), ("001", (4, 8, 12))):
        folder = root / "Annotations_6fps" / "one" / name
        folder.mkdir(parents=True)
        for index in annotated:
            Image.fromarray(labels_of(frames[index]) > 0).save(folder / f"{index:05d}.png")
    (root / "sav_val.txt").write_text("one\n")
    dataset = open_dataset("sa-v", root)
    assert isinstance(dataset, VideoDataset)
    given = {i: {1: frames[i][1]} for i in (0, 4, 8, 12)}
    assert scored(dataset["one"], given, "sav") == {1: (1, 1, 2), 2: (0, 0, 1)}


def test_the_course_and_presence_of_an_object(davis: VideoDataset) -> None:
    scorer = SequenceScorer(davis["two"], "sav")
    for index in range(6):
        boxes: Boxes = {1: (8 + index, 16, 10, 10)} if index < 3 else {2: (8 + index, 30, 10, 10)}
        scorer.add(masks_of(index, boxes))
    one, two = scorer.rows()
    assert one["course"] == [None, 1, None, 1, None, 0, 0, None, None, None]  # frames 1 to 4 of 6, in tenths
    assert one["presence"] == [2, 2, 0, 0]
    assert (two["presence"], two["first_frame"]) == ([2, 1, 0, 0], 2)


def test_notices_say_what_is_odd(tmp_path: Path) -> None:
    root = write_davis(tmp_path / "davis", {"odd": both(moving(4, object_id=2), moving(4, object_id=7, y=30))})
    (root / "Annotations" / "480p" / "odd" / "00009.png").write_bytes(
        (root / "Annotations" / "480p" / "odd" / "00001.png").read_bytes()
    )
    dataset = open_dataset("davis2017", root)
    assert isinstance(dataset, VideoDataset)
    kinds = {notice.kind for notice in notices(dataset["odd"])}
    assert kinds == {"missing image", "object ids"}
    found = scored(
        dataset["odd"], dict(enumerate([{2: (8 + i, 16, 10, 10), 7: (8 + i, 30, 10, 10)} for i in range(4)])), "sav"
    )
    assert found == {2: (1, 1, 2), 7: (1, 1, 2)}


def test_an_id_that_davis_counts_without_a_pixel_has_a_notice(tmp_path: Path) -> None:
    dataset = open_dataset("davis2017", write_davis(tmp_path / "davis", {"odd": moving(4, object_id=2)}))
    assert isinstance(dataset, VideoDataset)
    scorer = SequenceScorer(dataset["odd"], "davis")
    scorer.fill()
    rows = list(scorer.rows())
    assert [(row["object"], row["J"]) for row in rows] == [(1, 1), (2, 0)]
    assert [n.kind for n in unscored_objects(dataset["odd"], rows, "davis")] == ["object without a pixel"]


def test_every_rule_is_of_a_data_set_in_the_table() -> None:
    assert set(RULES) <= {info.name for info in DATASETS}
    assert SIZE == (48, 64)
