"""Two results, object by object."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from masklet.errors import FormatError
from masklet.evaluate import compare


def document(scores: dict[str, dict[str, float]], **setup: Any) -> dict[str, Any]:
    """Results of J&F by sequence and object."""
    return {
        "dataset": "davis2017",
        "per_sequence": {
            name: {"objects": {i: {"J": jf - 1, "F": jf + 1, "JF": jf} for i, jf in objects.items()}}
            for name, objects in scores.items()
        },
        "setup": {"protocol": {"name": "mask"}, "model": {"name": "a"}, **setup},
    }


def test_differences_by_hand() -> None:
    a = document({"x": {"1": 50, "2": 70}, "y": {"1": 60}, "only a": {"1": 10}})
    b = document({"x": {"1": 55, "2": 70}, "y": {"1": 64, "2": 1}}, model={"name": "b"})
    found = compare(a, b)
    assert (found.sequences, found.objects, found.only_a, found.only_b) == (2, 3, 1, 1)
    assert found.setup == {"model.name": ("a", "b")}
    jf, j, f = found.differences
    assert [d.measure for d in (jf, j, f)] == ["JF", "J", "F"]
    assert (jf.a, jf.b, jf.difference) == (60, 63, 3)
    assert (jf.better, jf.worse) == (2, 0)
    # sequences drawn again: x alone gives 2.5, both 3, y alone 4
    assert (jf.low, jf.high) == (2.5, 4)
    assert jf.is_significant


def test_intervals_are_the_same_again_and_narrow_with_more_sequences() -> None:
    noise = np.random.default_rng(1).normal(1, 5, 100)

    def pair(count: int) -> tuple[dict[str, Any], dict[str, Any]]:
        return (
            document({f"s{i}": {"1": 50} for i in range(count)}),
            document({f"s{i}": {"1": 50 + noise[i]} for i in range(count)}),
        )

    few, many = compare(*pair(10)).differences[0], compare(*pair(100)).differences[0]
    assert compare(*pair(10)).differences[0] == few
    assert many.high - many.low < few.high - few.low
    # the interval of a mean of 100: about 2 * 1.96 * 5 / 10
    assert many.high - many.low == pytest.approx(2 * 1.96 * noise.std() / 10, rel=0.1)


def test_equal_results_do_not_differ() -> None:
    a = document({"x": {"1": 50}, "y": {"1": 60}})
    (jf, *_) = compare(a, a).differences
    assert (jf.difference, jf.low, jf.high, jf.is_significant) == (0, 0, 0, False)


def test_images() -> None:
    a: dict[str, Any] = {"dataset": "coco", "per_sequence": {"p": {"mIoU": {"1": 50.0, "2": 60.0}}}, "setup": {}}
    b: dict[str, Any] = {"dataset": "coco", "per_sequence": {"p": {"mIoU": {"1": 55.0}}}, "setup": {}}
    (only,) = compare(a, b).differences
    assert (only.measure, only.difference) == ("mIoU@1", 5)


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ({"dataset": "mose"}, "mose"),
        ({"per_sequence": {}}, ""),
    ],
)
def test_results_that_cannot_be_compared(change: dict[str, Any], value: str) -> None:
    a = document({"x": {"1": 50}})
    with pytest.raises(FormatError) as caught:
        compare(a, a | change)
    assert value in str(caught.value)
