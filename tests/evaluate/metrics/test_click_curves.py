"""Number of clicks needed to reach an IoU."""

from __future__ import annotations

import numpy as np
import pytest

from masklet.errors import FormatError
from masklet.evaluate.metrics.click_curves import clicks_needed, failure_rate

CURVES = np.array([[0.5, 0.84, 0.85, 0.95, 0.9], [0.9, 0.2, 0.2, 0.2, 0.2], [0.1, 0.2, 0.3, 0.4, 0.5]])


@pytest.mark.parametrize(
    ("target", "needed", "failed"), [(0.85, [3, 1, 5], 1 / 3), (0.9, [4, 1, 5], 1 / 3), (0, [1] * 3, 0)]
)
def test_clicks_needed(target: float, needed: list[int], failed: float) -> None:
    assert clicks_needed(CURVES, target, max_clicks=5).tolist() == needed
    assert failure_rate(CURVES, target, max_clicks=5) == pytest.approx(failed)


def test_curves_may_stop_where_all_reached_the_target() -> None:
    assert clicks_needed(CURVES[:2], 0.85).tolist() == [3, 1]
    with pytest.raises(FormatError, match="20"):
        clicks_needed(CURVES, 0.85)
    assert clicks_needed(CURVES, 0.85, max_clicks=2).tolist() == [2, 1, 2]
