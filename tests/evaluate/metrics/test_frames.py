"""One frame: areas, J and F of label maps and masks, equal to the stored numbers of vos-benchmark and of MOSE's kit."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from masklet.errors import FormatError
from masklet.evaluate.metrics.frames import FrameMetric, adaptive_radius, object_ids_in
from masklet.evaluate.metrics.sequences import SequenceScores

LABELS = hnp.arrays(
    np.uint8, st.tuples(st.just(2), st.integers(1, 8), st.integers(1, 8)), elements=st.sampled_from([0, 1, 3, 255])
)


@pytest.fixture(scope="module")
def parity(repository: Path) -> dict[str, Any]:
    """The benchmark that draws the pairs and compares with the public programs."""
    return runpy.run_path(str(repository / "benchmarks" / "metrics_parity.py"))


@pytest.fixture(scope="module")
def stored(repository: Path) -> dict[str, Any]:
    """J and F of each object of these pairs by the public programs."""
    numbers: dict[str, Any] = json.loads((repository / "tests/evaluate/data/vos_benchmark.json").read_text("utf-8"))
    return numbers


def test_equals_vos_benchmark(parity: dict[str, Any], stored: dict[str, Any]) -> None:
    pairs = list(parity["mask_pairs"]())
    assert [name for name, _, _ in pairs] == list(stored["pairs"])
    assert len(pairs) == 200
    for name, prediction, truth in pairs:
        ours = parity["our_pair"](prediction, truth)
        assert parity["difference"](ours, stored["pairs"][name]) < 1e-6, name  # points of 100


def test_sequences_equal_vos_benchmark(parity: dict[str, Any], stored: dict[str, Any]) -> None:
    for name, predictions, truths in parity["sequences"]():
        ours = parity["our_sequence"](predictions, truths, object_ids_in(truths))
        assert parity["difference"](ours, stored["sequences"][name]) < 1e-6, name


def test_equals_the_kit_of_mose(parity: dict[str, Any], stored: dict[str, Any]) -> None:
    pairs = {name: (prediction, truth) for name, prediction, truth in parity["mask_pairs"]()}
    assert len(stored["mose"]) == 80
    for name, expected in stored["mose"].items():
        assert parity["difference"](parity["our_mose"](*pairs[name]), expected) < 1e-6, name


def test_shifted_square_by_hand() -> None:
    truth = np.zeros((40, 40), np.uint8)
    truth[10:20, 10:20] = 7
    scores = FrameMetric().score_labels(np.roll(truth, 2, axis=1), truth, [7, 8])
    assert scores.intersection.tolist() == [80, 0]
    assert scores.prediction.tolist() == scores.truth.tolist() == [100, 0]
    assert scores.f == pytest.approx([22 / 40, 1])
    assert SequenceScores.from_frames([7, 8], [scores]).j[0] == pytest.approx([80 / 120, 1])
    looser = FrameMetric(tolerance=2).score_labels(np.roll(truth, 2, axis=1), truth, [7])
    assert looser.f.tolist() == [1]


def test_void_pixels_count_for_nothing() -> None:
    truth = np.array([[1, 1, 255, 255, 0, 0]] * 3, np.uint8)
    prediction = np.array([[1, 1, 1, 1, 0, 0]] * 3, np.uint8)
    metric = FrameMetric()
    excluded = metric.score_labels(prediction, truth, [1], void=255)
    assert [*excluded.intersection, *excluded.prediction, *excluded.truth, *excluded.f] == [6, 6, 6, 1]
    background = metric.score_labels(prediction, truth, [1])
    assert [*background.intersection, *background.prediction, *background.truth, *background.f] == [6, 12, 6, 0]
    as_object = metric.score_labels(prediction, truth, [255])
    assert [*as_object.intersection, *as_object.prediction, *as_object.truth] == [0, 0, 6]


@given(LABELS, st.booleans())
def test_masks_and_labels_agree(maps: np.ndarray, adaptive: bool) -> None:
    prediction, truth = maps
    metric, ids = FrameMetric(adaptive=adaptive), [1, 2, 3]
    for void in (None, 255):
        scores = metric.score_labels(prediction, truth, ids, void=void)
        ours, theirs = (np.stack([labels == i for i in ids]) for labels in maps)
        masks = metric.score_masks(ours, theirs, None if void is None else truth == void)
        for name in ("intersection", "prediction", "truth", "f", "adaptive_f"):
            np.testing.assert_array_equal(getattr(scores, name), getattr(masks, name))
    assert (scores.adaptive_f is not None) == adaptive


@given(LABELS)
def test_object_ids(maps: np.ndarray) -> None:
    assert object_ids_in(maps) == tuple(sorted(set(maps.ravel().tolist()) - {0}))


@pytest.mark.parametrize(
    ("size", "area", "radius"),
    [((300, 400), 0, 4), ((300, 400), 1, 1), ((300, 400), 100, 1), ((300, 400), 101, 2), ((300, 400), 10**5, 4)],
)
def test_adaptive_radius(size: tuple[int, int], area: int, radius: float) -> None:
    assert adaptive_radius(size, area) == radius


def test_sixteen_bit_labels() -> None:
    truth = np.array([[300, 300, 0]], np.uint16)
    scores = FrameMetric().score_labels(truth, truth, object_ids_in([truth]))
    assert (scores.intersection.tolist(), scores.f.tolist()) == ([2], [1.0])


def test_no_objects() -> None:
    scores = FrameMetric().score_labels(np.zeros((3, 3), np.uint8), np.zeros((3, 3), np.uint8), [])
    assert scores.f.shape == scores.truth.shape == (0,)


@pytest.mark.usefixtures("untyped_caller")
def test_sizes_have_to_agree() -> None:
    with pytest.raises(FormatError, match=r"\(4, 4\).*\(4, 5\)"):
        FrameMetric().score_labels(np.zeros((4, 5), np.uint8), np.zeros((4, 4), np.uint8), [1])
    with pytest.raises(FormatError, match=r"\(2, 4, 4\).*\(1, 4, 4\)"):
        FrameMetric().score_masks(np.zeros((1, 4, 4), bool), np.zeros((2, 4, 4), bool))


@pytest.mark.parametrize("tolerance", [-0.1, float("nan"), float("inf")])
def test_tolerance_has_to_be_a_distance(tolerance: float) -> None:
    with pytest.raises(FormatError, match=str(tolerance)):
        FrameMetric(tolerance=tolerance)
