"""What the tests of predictors share: one thread, which is quicker for tiny models."""

from __future__ import annotations

import pytest

from masklet.model.sam2 import Sam2
from masklet.predict.load import load


@pytest.fixture(scope="module", autouse=True)
def on_one_thread(one_thread: None) -> None:
    """Streams and sessions are compared bit for bit."""


@pytest.fixture(scope="session")
def nano() -> Sam2:
    """The embedded model at a size where it is quick and still sees."""
    return load(image_size=160, device="cpu")
