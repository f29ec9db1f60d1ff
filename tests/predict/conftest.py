"""Fixtures of the tests of predictors; tiny models run faster on one thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
import torch

from masklet.model.sam2 import Sam2
from masklet.predict.load import load


@pytest.fixture(scope="module", autouse=True)
def on_one_thread(one_thread: None) -> None:
    """Streams and sessions are compared bit for bit."""


@pytest.fixture(scope="session")
def nano() -> Sam2:
    """The embedded model at a size where it is quick and still sees."""
    return load(image_size=160, device="cpu")


@pytest.fixture
def two_threads() -> Iterator[None]:
    """One for the worker that encodes ahead and one for the tracker."""
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


@pytest.fixture
def workers() -> Callable[[], int]:
    """Counts the workers that encode now."""
    return lambda: sum(thread.name.startswith("masklet-encoder") for thread in threading.enumerate())
