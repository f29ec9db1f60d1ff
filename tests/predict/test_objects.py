"""Which policy a name means, and which prompts are taken."""

from __future__ import annotations

import numpy as np
import pytest

from masklet.errors import PromptError
from masklet.model.presets import TEST_TINY
from masklet.predict.objects import check_prompts, memory_policy
from masklet.tracking.recall import MemoryPolicy
from masklet.types import Prompts


def test_plain_is_what_the_model_was_trained_for() -> None:
    assert memory_policy("plain", TEST_TINY) == MemoryPolicy(memory_frames=7, max_pointers=16)
    own = MemoryPolicy(memory_frames=3)
    assert memory_policy(own, TEST_TINY) is own


@pytest.mark.usefixtures("untyped_caller")
@pytest.mark.parametrize(
    ("memory", "message"),
    [
        ("elephant", "memory must be plain, gated, .* or a MemoryPolicy, got 'elephant'"),
        (None, "memory must be plain, gated, .* or a MemoryPolicy"),
        (MemoryPolicy(memory_frames=8), "memory_frames must be 1 to 7 .*, got 8"),
    ],
)
def test_refused_policies(memory: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        memory_policy(memory, TEST_TINY)  # type: ignore[arg-type]


@pytest.mark.usefixtures("untyped_caller")
def test_prompts_that_are_taken() -> None:
    check_prompts({}, (4, 6))
    check_prompts({1: Prompts.click(6, 4)}, (4, 6))
    check_prompts({np.int64(2): Prompts.from_box(0, 0, 6, 4)}, (4, 6))  # type: ignore[dict-item]


@pytest.mark.usefixtures("untyped_caller")
@pytest.mark.parametrize("object_id", [0, -1, 1.0, "1", None, True])
def test_object_ids_that_are_not(object_id: object) -> None:
    with pytest.raises(PromptError, match="object ids are positive integers"):
        check_prompts({object_id: Prompts.click(1, 1)}, (4, 6))  # type: ignore[dict-item]
