"""Logs of a run: tables that a resumed run continues, and TensorBoard."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from masklet.errors import MissingExtraError, OutputError
from masklet.train.callbacks import (
    LOSSES,
    SCORES,
    SKIPPED,
    CsvLogger,
    StepAverages,
    StepReport,
    TensorBoard,
    has_tensorboard,
)
from masklet.train.previews import Preview

STEPS = 10


def report(step: int, *, skipped: Sequence[str] = (), **change: Any) -> StepReport:
    values: dict[str, Any] = {
        "steps": STEPS,
        "terms": {"loss": float(step), "mask": step / 2},
        "norm": 1.0,
        "lr_scale": 0.5,
        "images": 4,
        "seconds": 2.0,
        "waited": 0.25,
        "is_image": False,
    }
    return StepReport(step=step, skipped=tuple(skipped), **{**values, **change})


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_averages_are_means_and_sums() -> None:
    averages = StepAverages()
    assert averages.add(report(1), 3) is None
    assert averages.add(report(2, skipped=["gone"]), 3) is None
    line = averages.add(report(3, lr_scale=0.25), 3)
    assert line == {
        "step": 3,
        "loss": 2.0,
        "mask": 1.0,
        "norm": 1.0,
        "rate": 0.25,
        "pictures": 12,
        "seconds": 6.0,
        "waited": 0.75,
        "skipped": 1,
    }
    assert averages.add(report(STEPS), 3) is not None  # the end


def test_lines_of_losses(tmp_path: Path) -> None:
    logger = CsvLogger(tmp_path, every=4)
    for step in range(1, STEPS + 1):
        logger.on_step(report(step))
    logger.close()
    found = rows(tmp_path / LOSSES)
    assert [(row["step"], row["loss"], row["pictures"]) for row in found] == [
        ("4", "2.5", "16"),
        ("8", "6.5", "16"),
        ("10", "9.5", "8"),
    ]


def test_a_resumed_run_continues_the_table(tmp_path: Path) -> None:
    before = CsvLogger(tmp_path, every=2)
    for step in range(1, 8):
        before.on_step(report(step))
    before.on_validation(4, {"J&F": 50})
    before.on_validation(6, {"J&F": 60})
    with (tmp_path / LOSSES).open("a") as file:
        file.write("8,1.2")  # killed in the middle of a line
    after = CsvLogger(tmp_path, every=2)
    for step in range(5, STEPS + 1):  # from the checkpoint of step 4
        after.on_step(report(step, terms={"loss": -1.0, "mask": 0.0}))
    after.on_validation(6, {"J&F": 61, "mIoU": 70.5})
    found = rows(tmp_path / LOSSES)
    assert [row["step"] for row in found] == ["2", "4", "6", "8", "10"]
    assert [row["loss"] for row in found] == ["1.5", "3.5", "-1", "-1", "-1"]
    assert rows(tmp_path / SCORES) == [
        {"step": "4", "J&F": "50", "mIoU": ""},
        {"step": "6", "J&F": "61", "mIoU": "70.5"},
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == [LOSSES, SCORES]


@pytest.mark.parametrize("text", ["", "\n", "not a table\n\x00\xff", "a,b\n1,2\n", "step,loss\nx,y\n"])
def test_a_file_that_is_not_a_table_is_replaced(text: str, tmp_path: Path) -> None:
    (tmp_path / LOSSES).write_text(text)
    logger = CsvLogger(tmp_path, every=1)
    logger.on_step(report(1))
    assert [row["loss"] for row in rows(tmp_path / LOSSES)] == ["1"]


def test_reasons_are_written_once(tmp_path: Path) -> None:
    for _ in range(2):
        logger = CsvLogger(tmp_path)
        logger.on_step(report(1, skipped=["a: gone", "b:\nbroken"]))
        logger.on_step(report(2, skipped=["a: gone"]))
    assert (tmp_path / SKIPPED).read_text().splitlines() == ["a: gone", "b: broken"]


def test_a_missing_folder(tmp_path: Path) -> None:
    logger = CsvLogger(tmp_path / "gone", every=1)
    with pytest.raises(OutputError, match=r"losses\.csv"):
        logger.on_step(report(1))


def test_tensorboard_gets_curves_and_pictures(tmp_path: Path) -> None:
    if not has_tensorboard():
        pytest.skip("TensorBoard is not installed (masklet[train])")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: PLC0415

    frames, masks = np.zeros((2, 32, 32, 3), np.uint8), np.ones((2, 1, 32, 32), bool)
    for start in (1, 3):  # the second is resumed at step 3
        board = TensorBoard(tmp_path / "board", every=1)
        for step in range(start, 5):
            board.on_step(report(step, terms={"loss": float(10 * start + step)}))
        board.on_preview(4, Preview(frames, masks, masks, {}))
        board.on_validation(4, {"J&F mask": 71.5})
        board.close()
    events = EventAccumulator(str(tmp_path / "board"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss/loss")] == [(1, 11), (2, 12), (3, 33), (4, 34)]
    assert [event.value for event in events.Scalars("validation/J&F mask")] == [71.5]
    assert next(event.value for event in events.Scalars("speed/share of waiting")) == 0.125
    assert len(events.Images("prompts, answers, truth")) == 1


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    assert not has_tensorboard()
    with pytest.raises(MissingExtraError, match=r"masklet\[train\]"):
        TensorBoard(tmp_path)


def test_no_file_is_opened_before_the_first_step(tmp_path: Path) -> None:
    CsvLogger(tmp_path).close()
    if has_tensorboard():
        TensorBoard(tmp_path / "board").close()
    assert list(tmp_path.iterdir()) == []
