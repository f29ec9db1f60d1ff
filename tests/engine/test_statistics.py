"""The paper's table from masklets, from running sums, and from simulated annotation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from masklet.engine.records import MaskletVersion, Phase, Work
from masklet.engine.simulation import Effort, PhaseNumber, SimulationSettings
from masklet.engine.statistics import (
    PhaseStatistics,
    charts,
    from_efforts,
    from_tallies,
    from_versions,
    reappears,
    render,
    render_simulated,
    size_class,
)
from masklet.types import Masklet, Prompts, Rle


def bar(width: int) -> Rle:
    mask = np.zeros((40, 40), bool)
    mask[:, :width] = True
    return Rle.from_mask(mask)


def version(
    number: int, phase: Phase, widths: Mapping[int, int], *, seconds: float | None = None, clicks: int = 0
) -> MaskletVersion:
    frames = {index: bar(width) for index, width in widths.items()}
    said = Prompts.click(1, 1) if clicks else Prompts.from_box(0, 0, 5, 5)
    work = Work(author="ann", phase=phase, prompts={0: said}, seconds=seconds, clicks=clicks, edited=(0,))
    return MaskletVersion(id=number, task=number, media="m", masklet=Masklet(1, (40, 40), frames), work=work)


FIRST = version(1, "1", {0: 10, 4: 20, 8: 30, 12: 0}, seconds=80.0, clicks=6)
LATER = version(2, "3", {0: 10, 4: 10, 8: 30, 12: 0}, seconds=10.0, clicks=2)
LAST = version(3, "3", {0: 9, 4: 20, 8: 10, 12: 5}, clicks=3)


def test_phases_by_masklets() -> None:
    first, third = from_versions([LAST, FIRST, LATER])
    assert (first.phase, first.masklets, first.seconds_per_frame, first.alignment()) == ("1", 1, 20.0, None)
    assert (third.masklets, third.frames, third.edited_share) == (2, 8, 0.25)
    assert (third.clicks_per_frame, third.seconds_per_frame) == (2.5, 2.5)  # only one of the two was timed
    assert third.agreed == {"all": (2, 3), "small": (2, 2), "medium": (0, 1), "large": (0, 0)}  # the last one counts
    assert third.alignment("large") is None
    assert third.disappearance == 0.0


def test_objects_that_return_are_counted() -> None:
    (row,) = from_versions([version(1, "2", {0: 5, 4: 0, 8: 5}), version(2, "2", {0: 5, 4: 5})])
    assert row.disappearance == 0.5


def test_phases_by_sums() -> None:
    sums = {
        "masklets": 4.0,
        "frames": 40.0,
        "edited": 8.0,
        "clicks": 30.0,
        "clicked": 10.0,
        "seconds": 90.0,
        "timed": 20,
    }
    (row,) = from_tallies({"phase:3": sums, "phase:1": {"masklets": 0.0}, "store": {"media": 3.0}})
    assert row == PhaseStatistics(
        phase="3", masklets=4, frames=40, edited=8, clicks=30, clicked=10, seconds=90.0, timed=20
    )
    assert (row.seconds_per_frame, row.edited_share, row.clicks_per_frame, row.disappearance) == (4.5, 0.2, 3.0, None)
    assert from_tallies({}) == []


def test_the_table_has_a_dash_where_nothing_was_measured() -> None:
    lines = render(from_versions([FIRST, LATER, version(4, "auto", {})])).splitlines()
    assert lines[2] == "| 1 | 1 | 20.0 | 25.0 % | 6.00 | 0.0 % | - | - | - | - |"
    assert lines[3].startswith("| 3 | 1 | 2.5 | 25.0 % | 2.00 | 0.0 % | 66.7 % |")
    assert lines[4] == "| auto | 1 | - | - | - | 0.0 % | - | - | - | - |"


def test_charts_show_what_was_measured() -> None:
    drawn = charts(from_versions([FIRST, LATER]))
    assert drawn["seconds"].bars == [("1", 20.0), ("3", 2.5)]
    assert list(charts(from_versions([version(4, "2", {0: 4})]))) == ["edited"]
    assert charts([]) == {}


@pytest.mark.parametrize("phase", ["1", "2", "3", "auto"])
def test_a_phase_alone(phase: Phase) -> None:
    assert [row.phase for row in from_versions([version(1, phase, {0: 3})])] == [phase]


def test_size_classes_of_coco() -> None:
    sizes = [Rle.from_mask(np.ones(shape, bool)) for shape in ((31, 33), (32, 32), (96, 95), (96, 96))]
    assert [size_class(rle) for rle in sizes] == ["small", "medium", "medium", "large"]


@pytest.mark.parametrize(
    ("widths", "comes_back"),
    [
        ([0, 0, 1, 1], False),
        ([1, 0, 1], True),
        ([1, 1, 0], False),
        ([0, 1, 0, 0, 2], True),
        ([0, 0], False),
        ([], False),
    ],
)
def test_an_object_reappears_once_it_has_been_seen(widths: list[int], comes_back: bool) -> None:
    assert reappears({index: bar(width) for index, width in enumerate(widths)}) is comes_back


TRUTH = {0: bar(20), 4: bar(40), 8: bar(40)}
SIMULATED_1 = Effort(masks=TRUTH, clicks={0: 5, 4: 3, 8: 4}, edited={0, 4, 8})
SIMULATED_3 = Effort(masks={0: bar(20), 4: bar(20), 8: bar(40)}, clicks={0: 3}, brushed={0}, edited={0})

SIMULATED: dict[PhaseNumber, Effort] = {"1": SIMULATED_1, "3": SIMULATED_3}


def test_simulated_phases_count_clicks_edits_and_agreement() -> None:
    row = from_efforts("3", [SIMULATED_3], [TRUTH], [SIMULATED_1])
    assert (row.masklets, row.frames, row.edited_share, row.brushed) == (1, 3, 1 / 3, 1)
    assert (row.clicks, row.clicks_per_frame) == (3, 3.0)
    assert row.true_iou == (1 + 0.5 + 1) / 3
    assert [row.alignment(size) for size in ("small", "medium", "large")] == [1.0, 0.5, None]
    assert from_efforts("1", [SIMULATED_1], [TRUTH]).clicks_per_frame == 4.0


def test_the_table_says_that_people_were_simulated() -> None:
    rows = [from_efforts(phase, [effort], [TRUTH], [SIMULATED_1]) for phase, effort in SIMULATED.items()]
    text = render_simulated(rows, SimulationSettings())
    assert text.startswith("**Simulated** annotators: target IoU 0.75, at most 8 clicks per frame")
    assert "| 1 | 1 | 3 | 100.0 % | 0.0 % | 12 | 4.00 | 1.000 | 100.0 % | 100.0 % | 100.0 % | - |" in text
    assert "| 3 | 1 | 3 | 33.3 % | 33.3 % | 3 | 3.00 | 0.833 | 66.7 % | 100.0 % | 50.0 % | - |" in text
