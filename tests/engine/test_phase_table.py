"""The paper's table of literal efforts."""

from __future__ import annotations

import math

import numpy as np

from masklet.engine.phase_table import render, row_of
from masklet.engine.simulation import Annotator, Effort
from masklet.types import Rle


def bar(width: int) -> Rle:
    mask = np.zeros((40, 40), bool)
    mask[:, :width] = True
    return Rle.from_mask(mask)


TRUTH = {0: bar(20), 4: bar(40), 8: bar(40)}
FIRST = Effort(masks=TRUTH, clicks={0: 5, 4: 3, 8: 4}, edited=frozenset({0, 4, 8}))
THIRD = Effort(masks={0: bar(20), 4: bar(20), 8: bar(40)}, clicks={0: 3}, brushed=frozenset({0}), edited=frozenset({0}))


def test_rows_count_clicks_edits_and_agreement() -> None:
    row = row_of("3", [THIRD], [TRUTH], [FIRST])
    assert (row.objects, row.frames, row.edited, row.brushed) == (1, 3, 1 / 3, 1 / 3)
    assert (row.clicks, row.clicks_per_frame) == (3, 3.0)
    assert row.truth == (1 + 0.5 + 1) / 3
    assert row.aligned["small"] == 1.0
    assert row.aligned["medium"] == 0.5
    assert math.isnan(row.aligned["large"])
    assert row_of("1", [FIRST], [TRUTH]).clicks_per_frame == 4.0


def test_the_table_says_that_people_were_simulated() -> None:
    text = render([row_of("1", [FIRST], [TRUTH], [FIRST]), row_of("3", [THIRD], [TRUTH], [FIRST])], Annotator())
    assert text.startswith("**Simulated** people: IoU 0.75 is good enough, at most 8 clicks a frame")
    assert "Nobody was timed." in text
    assert "| 1 | 1 | 3 | 100.0 % | 0.0 % | 12 | 4.00 | 1.000 | 100.0 % | 100.0 % | 100.0 % | - |" in text
    assert "| 3 | 1 | 3 | 33.3 % | 33.3 % | 3 | 3.00 | 0.833 | 66.7 % | 100.0 % | 50.0 % | - |" in text
