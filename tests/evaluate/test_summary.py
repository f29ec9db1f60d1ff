"""From rows of objects to the numbers of a data set, by hand."""

from __future__ import annotations

from typing import Any

import pytest

from masklet.evaluate.records import Record
from masklet.evaluate.summary import area_under, per_sequence, score_of, summarize


def row(object_id: int, j: float, f: float, **more: Any) -> dict[str, Any]:
    course = [None, j, None, None, None, None, None, None, f, None]
    return {"object": object_id, "J": j, "F": f, "JF": (j + f) / 2, "course": course, "presence": [3, 1, 0, 0]} | more


def test_objects_count_alike_however_they_are_spread() -> None:
    records = [Record(name="a", objects=[row(1, 0.5, 0.7)]), Record(name="b", objects=[row(1, 1, 1), row(2, 0, 0.1)])]
    found = summarize(records, "sav")
    assert (found["main"], found["objects"]) == ("JF", 3)
    assert (found["J"], found["F"], found["JF"]) == pytest.approx((50, 60, 55))
    assert found["presence"] == {"accuracy": 75, "precision": 100, "recall": 75}
    assert found["course"][1] == pytest.approx(50)
    assert [place for place, value in enumerate(found["course"]) if value is not None] == [1, 8]
    assert per_sequence(records[1])["JF"] == pytest.approx(52.5)
    assert [score_of(record) for record in records] == pytest.approx([0.6, 0.525])


def test_g_is_the_mean_of_four() -> None:
    objects = [row(1, 0.8, 0.9, seen=True), row(2, 0.6, 0.7, seen=True), row(3, 0.2, 0.3, seen=False)]
    found = summarize([Record(name="a", objects=objects)], "youtube-vos")
    assert found["main"] == "G"
    sides = [found[key] for key in ("J_seen", "F_seen", "J_unseen", "F_unseen")]
    assert sides == pytest.approx([70, 80, 20, 30])
    assert found["G"] == pytest.approx(50)
    only_seen = summarize([Record(name="a", objects=objects[:2])], "youtube-vos")
    assert (only_seen["G"], only_seen["J_unseen"]) == (pytest.approx(75), None)
    assert summarize([Record(name="a", objects=objects)], "sav")["main"] == "JF"


def test_a_score_that_some_objects_lack_stays_out_of_their_mean() -> None:
    objects = [row(1, 1, 1, JF_reappearance=0.4), row(2, 1, 1, JF_reappearance=None)]
    assert summarize([Record(name="a", objects=objects)], "mosev2")["JF_reappearance"] == 40


def rounds(*points: tuple[float, float]) -> list[dict[str, Any]]:
    return [{"frame": 0, "clicks": [], "seconds": s, "J": jf, "F": jf, "JF": jf} for s, jf in points]


def test_who_is_content_early_keeps_score_and_time() -> None:
    objects = [
        row(1, 1, 1, rounds=rounds((10, 0.5), (20, 0.7), (30, 1))),
        row(2, 0.9, 0.9, rounds=rounds((10, 0.9))),
    ]
    found = summarize([Record(name="a", objects=objects)], "sav")
    assert [(p["interactions"], p["seconds"], p["JF"]) for p in found["curve"]] == [
        (1, 10, pytest.approx(70)),
        (2, 15, pytest.approx(80)),
        (3, 20, pytest.approx(95)),
    ]
    expected = (70 / 2 + 80 + 95 / 2) / 2
    assert found["area"] == {"interactions": pytest.approx(expected), "seconds": pytest.approx(expected)}


@pytest.mark.parametrize(
    ("values", "along", "expected"),
    [([50], [1], 50), ([0, 100], [1, 2], 50), ([0, 100, 100], [0, 1, 3], 250 / 3), ([80, 90], [5, 5], 85)],
)
def test_area_is_the_mean_height(values: list[float], along: list[float], expected: float) -> None:
    assert area_under(values, along) == pytest.approx(expected)


def test_pictures_after_each_answer() -> None:
    objects = [{"object": 1, "iou": [0.5, 0.9]}, {"object": 2, "iou": [0.7, 0.8]}]
    found = summarize([Record(name="p", objects=objects)], "sav")
    assert found["main"] == "mIoU@2"
    assert found["mIoU"] == {"1": pytest.approx(60), "2": pytest.approx(85)}
    assert "NoC@85" not in found  # clicks are counted up to 20


def test_sets_in_folders_count_alike_however_many_masks_they_have() -> None:
    records = [
        Record(name="cells/a", objects=[{"object": i, "iou": [0.2, 0.4]} for i in range(9)]),
        Record(name="cats/b", objects=[{"object": 1, "iou": [0.8, 1.0]}]),
        Record(name="dogs/c", objects=[]),
    ]
    found = summarize(records, "sav")
    assert found["mIoU"] == {"1": pytest.approx(26), "2": pytest.approx(46)}
    assert found["mIoU_folders"] == {"1": pytest.approx(50), "2": pytest.approx(70)}
    assert found["folders"] == {
        "cats": {"1": pytest.approx(80), "2": pytest.approx(100)},
        "cells": {"1": pytest.approx(20), "2": pytest.approx(40)},
    }
    assert "folders" not in summarize(records[:1], "sav")


def test_clicks_needed_are_counted_to_20() -> None:
    curves = [[0.1] * 4 + [0.86] * 16, [0.1] * 9 + [0.95] * 11, [0.1] * 20]
    objects = [{"object": i, "iou": curve} for i, curve in enumerate(curves, start=1)]
    found = summarize([Record(name="p", objects=objects)], "sav")
    assert found["NoC@85"] == pytest.approx((5 + 10 + 20) / 3)
    assert found["NoC@90"] == pytest.approx((20 + 10 + 20) / 3)
    assert (found["failures@85"], found["failures@90"]) == (pytest.approx(100 / 3), pytest.approx(200 / 3))


def test_nothing_scored() -> None:
    found = summarize([Record(name="a")], "sav")
    assert (found["main"], found["JF"], found["objects"]) == (None, None, 0)
    assert per_sequence(Record(name="a")) == {"J": None, "F": None, "JF": None, "objects": {}}
    assert score_of(Record(name="a")) is None
