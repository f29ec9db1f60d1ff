"""The read-ahead thread: order, exceptions, bounds, and that it always ends."""

from __future__ import annotations

import threading
from collections.abc import Generator

import pytest

from masklet.io.source import read_ahead


def test_items_come_in_order_and_the_thread_ends() -> None:
    before = threading.active_count()

    assert list(read_ahead(lambda: (n * n for n in range(100)), 4)) == [n * n for n in range(100)]
    assert threading.active_count() == before


def test_with_newest_only_what_nobody_has_taken_is_dropped() -> None:
    first_is_taken, last_is_made = threading.Event(), threading.Event()

    def items() -> Generator[int]:
        yield 0
        first_is_taken.wait()
        yield from range(1, 50)
        last_is_made.set()

    ahead = read_ahead(items, 1, newest=True)
    assert next(ahead) == 0
    first_is_taken.set()
    last_is_made.wait()

    assert list(ahead) == [49]


def test_an_exception_is_raised_at_its_place() -> None:
    def items() -> Generator[int]:
        yield 1
        yield 2
        raise LookupError("third")

    ahead = read_ahead(items, 8)

    assert [next(ahead), next(ahead)] == [1, 2]
    with pytest.raises(LookupError, match="third"):
        next(ahead)


@pytest.mark.parametrize("depth", [1, 3])
def test_the_thread_is_never_more_than_the_depth_ahead(depth: int) -> None:
    made = 0

    def items() -> Generator[int]:
        nonlocal made
        for n in range(50):
            made = n + 1
            yield n

    for taken, _ in enumerate(read_ahead(items, depth), start=1):
        assert made <= taken + depth + 1  # one more is on its way into the queue


def test_leaving_early_closes_the_source_and_ends_the_thread() -> None:
    before, closed = threading.active_count(), []

    def items() -> Generator[int]:
        try:
            yield from range(1000)
        finally:
            closed.append(True)

    for item in read_ahead(items, 2):
        if item == 3:
            break

    assert closed == [True]
    assert threading.active_count() == before


def test_an_iterator_that_was_never_used_starts_nothing() -> None:
    before = threading.active_count()

    read_ahead(lambda: (n for n in range(3)), 2).close()

    assert threading.active_count() == before
