"""A run as people and programs watch it."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from masklet.cli import training_progress as subject
from masklet.cli.training_progress import JsonLines, Lines, Pace, say
from masklet.train.callbacks import StepReport


def report(step: int, **change: Any) -> StepReport:
    values: dict[str, Any] = {
        "steps": 1000,
        "terms": {"loss": 2.0},
        "norm": 1.0,
        "lr_scale": 1.0,
        "images": 12,
        "seconds": 0.5,
        "waited": 0.025,
        "skipped": (),
        "is_image": False,
    }
    return StepReport(step=step, **{**values, **change})


def test_pace_tells_speed_waiting_and_time_left() -> None:
    pace = Pace()
    pace.recent.append(report(99, terms={"loss": 1.0}))
    pace.recent.append(report(100))
    assert pace.state() == "100/1000, loss 1.500, 24.0 images/s, waiting for data 5%, 7:30 left"
    for step in range(101, 1001):
        pace.recent.append(report(step, seconds=1.0))
    assert pace.state() == "1000/1000, loss 2.000, 12.0 images/s, waiting for data 2%, 0:00 left"


def test_plain_lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "PLAIN_INTERVAL", 0.0)
    lines = Lines("nano", every=2)
    for step in (1, 2, 3, 4, 1000):
        lines.on_step(report(step))
    lines.on_validation(4, {"J&F": 71.26, "mIoU": 60})
    lines.close()
    told = capsys.readouterr()
    assert told.out == ""
    shown = [line.partition(",")[0] for line in told.err.splitlines()]
    assert shown == [
        "masklet: nano: 2/1000",
        "masklet: nano: 4/1000",
        "masklet: nano: 1000/1000",
        "masklet: step 4: J&F 71.3",
    ]


def test_lines_are_some_seconds_apart_but_the_end_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "PLAIN_INTERVAL", 1e9)
    lines = Lines("nano", every=1)
    for step in (1, 2, 3, 1000):
        lines.on_step(report(step))
    assert [line.split(",")[0] for line in capsys.readouterr().err.splitlines()] == [
        "masklet: nano: 1/1000",
        "masklet: nano: 1000/1000",
    ]


def test_what_goes_wrong_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines("nano", every=1000)
    lines.on_step(report(1, skipped=tuple(f"picture {i}" for i in range(9)), norm=math.nan))
    lines.close()
    told = capsys.readouterr().err.splitlines()
    assert told[:5] == [f"masklet: sample passed over: picture {i}" for i in range(5)]
    assert told[5:] == [
        "masklet: step 1 was left out: its gradient is not finite",
        "masklet: 9 samples were passed over; skipped.txt says why",
    ]


def test_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    lines = JsonLines(every=2)
    for step in (1, 2, 3):
        lines.on_step(report(step, norm=math.inf))
    lines.on_validation(2, {"J&F": math.nan, "mIoU": 60.0})
    say("done", weights="w")
    lines.close()
    step, scores, done = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (step["event"], step["step"], step["pictures"], step["norm"]) == ("step", 2, 24, None)
    assert scores["scores"] == {"J&F": None, "mIoU": 60.0}
    assert done == {"schema": "masklet/train", "version": 1, "event": "done", "weights": "w"}
