"""What the tests of predictors share: one thread, which is quicker for tiny models."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from masklet.model.sam2 import Sam2
from masklet.predict.load import load


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def nano() -> Sam2:
    """The embedded model at a size where it is quick and still sees."""
    return load(image_size=160, device="cpu")
