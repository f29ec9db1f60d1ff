"""Tables, progress and Ctrl-C."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from masklet.cli import report as subject
from masklet.cli.report import Progress, describe, document, interruptible, score, table


def test_score() -> None:
    assert score(0.123456) == 0.1235
    assert score(float("nan")) is None


def test_table() -> None:
    assert table(("A", "B"), [("long", "1"), ("x", "")]) == "A     B\nlong  1\nx"


def test_document() -> None:
    assert document("track", videos=[]) == {"schema": "masklet/track", "version": 1, "videos": []}


@pytest.mark.parametrize(
    ("done", "total", "seconds", "expected"),
    [
        (0, 10, 0.0, "0/10 frames"),
        (1, 10, 0.0, "1/10 frames"),
        (1, None, 0.0, "1 frames"),
        (41, 82, 8.0, "41/82 frames, 5.0 frames/s, 0:08 left"),
        (11, 1000, 10.0, "11/1000 frames, 1.0 frames/s, 16:29 left"),
        (11, 10011, 10.0, "11/10011 frames, 1.0 frames/s, 2:46:40 left"),
        (11, None, 2.0, "11 frames, 5.0 frames/s"),
        (12, 10, 1.0, "12/10 frames, 11.0 frames/s, 0:00 left"),
    ],
)
def test_describe(done: int, total: int | None, seconds: float, expected: str) -> None:
    assert describe(done, total, seconds) == expected


def test_plain_lines_where_stderr_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "PLAIN_INTERVAL", 0.0)
    with Progress("dog.mp4", 3) as progress:
        progress.advance()
        progress.advance()
    told = capsys.readouterr()
    assert told.out == ""
    assert [line.partition(" frames")[0] for line in told.err.splitlines()] == [
        "masklet: dog.mp4: 1/3",
        "masklet: dog.mp4: 2/3",
    ]


def test_a_bar_on_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with Progress("dog.mp4") as progress:
        progress.update(1, 2)
        progress.update(2, 2)
    told = capsys.readouterr()
    assert told.out == ""
    assert "2/2 frames" in told.err


def test_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("dog.mp4", 2, quiet=True) as progress:
        progress.advance()
    assert capsys.readouterr() == ("", "")


def test_ctrl_c_sets_the_event_once(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGINT)
    with interruptible() as interrupt:
        assert not interrupt.is_set()
        signal.raise_signal(signal.SIGINT)
        assert interrupt.is_set()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
    assert capsys.readouterr().err.count("Ctrl-C again") == 1


def test_other_threads_leave_signals_alone() -> None:
    def enter() -> bool:
        with interruptible() as interrupt:
            return interrupt.is_set()

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(enter).result() is False
