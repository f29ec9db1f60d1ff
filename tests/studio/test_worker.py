"""One thread for each device: turns, fairness, closing."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from masklet.studio.errors import BusyError
from masklet.studio.worker import CALLS_BEFORE_A_STEP, FairQueue, Worker


@pytest.fixture
def worker() -> Iterator[Worker]:
    """A worker that ends with the test."""
    worker = Worker("test", waiting_calls=20)
    yield worker
    worker.close()


def held(worker: Worker) -> threading.Event:
    """Keeps the worker busy until the event is set."""
    gate, inside = threading.Event(), threading.Event()

    def hold() -> None:
        inside.set()
        gate.wait(10)

    worker.call("holder", hold)
    inside.wait(10)
    return gate


def test_owners_take_turns() -> None:
    turns: FairQueue[str] = FairQueue()
    for owner, thing in (("a", "a1"), ("a", "a2"), ("a", "a3"), ("b", "b1"), ("c", "c1"), ("b", "b2")):
        turns.put(owner, thing)
    assert (len(turns), turns.waiting("a"), turns.waiting("z")) == (6, 3, 0)
    assert [turns.take()[1] for _ in range(6)] == ["a1", "b1", "c1", "a2", "b2", "a3"]
    assert len(turns) == 0


def test_calls_are_answered(worker: Worker) -> None:
    assert worker.call("a", lambda: 7).result(10) == 7

    def fail() -> None:
        raise ZeroDivisionError("no")

    with pytest.raises(ZeroDivisionError) as caught:
        worker.call("a", fail).result(10)
    assert caught.value.args == ("no",)
    assert worker.call("a", threading.current_thread).result(10).name == "test"


def test_a_click_waits_for_one_step_and_long_work_goes_on(worker: Worker) -> None:
    order: list[str] = []

    def work(name: str, count: int) -> Iterator[None]:
        for place in range(count):
            order.append(f"{name}{place}")
            yield

    gate = held(worker)
    worker.start("long", work("long", 3))
    worker.start("other", work("other", 3))
    calls = [worker.call("clicks", lambda place=place: order.append(f"click{place}")) for place in range(10)]  # type: ignore[misc]
    gate.set()
    for call in calls:
        call.result(10)
    worker.call("last", lambda: None).result(10)
    while len(order) < 16:
        worker.call("last", lambda: None).result(10)
    steps = [name for name in order if not name.startswith("click")]
    assert steps == ["long0", "other0", "long1", "other1", "long2", "other2"]
    first = order.index("long0")
    assert first <= CALLS_BEFORE_A_STEP  # clicks do not starve long work
    assert order.index("click9") < order.index("long2")  # and long work does not hold up clicks


def test_previews_wait_for_clicks_and_take_turns_with_long_work(worker: Worker) -> None:
    order: list[str] = []

    def work() -> Iterator[None]:
        for place in range(3):
            order.append(f"step{place}")
            yield

    gate = held(worker)
    worker.start("long", work())
    previews = [worker.preview("pointer", lambda place=place: order.append(f"preview{place}")) for place in range(3)]  # type: ignore[misc]
    worker.call("click", lambda: order.append("click"))
    gate.set()
    for preview in previews:
        preview.result(10)
    assert order[0] == "click"
    assert order[1:7] == ["step0", "preview0", "step1", "preview1", "step2", "preview2"]


def test_too_many_calls_of_one_owner(worker: Worker) -> None:
    gate = held(worker)
    for _ in range(20):
        worker.call("greedy", lambda: None)
    with pytest.raises(BusyError):
        worker.call("greedy", lambda: None)
    assert not worker.call("modest", lambda: None).done()
    gate.set()


def test_closing_cancels_what_waits() -> None:
    worker = Worker("closing")
    closed: list[bool] = []

    def work() -> Iterator[None]:
        try:
            while True:
                yield
        finally:
            closed.append(True)

    gate = held(worker)
    waiting = worker.call("a", lambda: None)
    worker.start("b", work())
    threading.Timer(0.05, gate.set).start()
    worker.close()
    assert waiting.cancelled() or waiting.done()
    with pytest.raises(BusyError):
        worker.call("a", lambda: None)


def test_a_bug_in_one_job_leaves_the_thread_alive(worker: Worker, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> Iterator[None]:
        yield
        raise RuntimeError("bug")

    worker.start("a", broken())
    for _ in range(20):
        worker.call("b", lambda: None).result(10)
    assert "did not handle" in caplog.text
