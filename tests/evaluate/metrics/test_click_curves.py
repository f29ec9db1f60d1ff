"""Curves of IoU over clicks: their means, clicks needed, tables."""

from __future__ import annotations

import numpy as np
import pytest

from masklet.errors import FormatError
from masklet.evaluate.metrics.click_curves import ClickTable, clicks_needed, failure_rate, mean_iou

CURVES = np.array([[0.5, 0.84, 0.85, 0.95, 0.9], [0.9, 0.2, 0.2, 0.2, 0.2], [0.1, 0.2, 0.3, 0.4, 0.5]])


def test_mean_iou() -> None:
    assert mean_iou(CURVES, 1) == pytest.approx(0.5)
    assert mean_iou(CURVES, 5) == pytest.approx(1.6 / 3)
    with pytest.raises(FormatError, match="IoU after 6 clicks, got 3 with 5"):
        mean_iou(CURVES, 6)
    with pytest.raises(FormatError, match="got 0"):
        mean_iou(CURVES[:0], 1)


@pytest.mark.parametrize(
    ("target", "needed", "failed"), [(0.85, [3, 1, 5], 1 / 3), (0.9, [4, 1, 5], 1 / 3), (0, [1] * 3, 0)]
)
def test_clicks_needed(target: float, needed: list[int], failed: float) -> None:
    assert clicks_needed(CURVES, target, max_clicks=5).tolist() == needed
    assert failure_rate(CURVES, target, max_clicks=5) == pytest.approx(failed)


def test_curves_may_stop_where_all_reached_the_target() -> None:
    assert clicks_needed(CURVES[:2], 0.85).tolist() == [3, 1]
    with pytest.raises(FormatError, match=r"after 20 clicks or of at least 0.85, got 3 with 5 clicks"):
        clicks_needed(CURVES, 0.85)
    assert clicks_needed(CURVES, 0.85, max_clicks=2).tolist() == [2, 1, 2]


def test_table() -> None:
    table = ClickTable((1, 5)).with_dataset("cells", CURVES).with_dataset("ships", CURVES[2:])
    assert table.rows["ships"] == pytest.approx((0.1, 0.5))
    assert table.average == pytest.approx((0.3, (1.6 / 3 + 0.5) / 2))
    assert str(table).splitlines() == [
        "| data set | 1 click | 5 clicks |",
        "| --- | ---: | ---: |",
        "| cells | 50.0 | 53.3 |",
        "| ships | 10.0 | 50.0 |",
        "| average | 30.0 | 51.7 |",
    ]
    with pytest.raises(FormatError, match="already has a row for ships"):
        table.with_dataset("ships", CURVES)
    with pytest.raises(FormatError, match="at least one data set"):
        _ = ClickTable().average
    assert str(ClickTable()).splitlines()[0] == "| data set | 1 click | 3 clicks | 5 clicks |"
