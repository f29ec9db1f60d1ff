"""Tracking: memory banks, which memories a frame reads, the parts of one step, and memory policies."""

from masklet.tracking.memory import MemoryBank, MemoryEntry
from masklet.tracking.memory_policy import MemoryPolicy
from masklet.tracking.memory_selection import FrameContext, MemorySelection, select_memories
from masklet.tracking.step import (
    choose_masks,
    condition_on_memory,
    decode_prompts,
    decode_unprompted,
    encode_memories,
)

__all__ = [
    "FrameContext",
    "MemoryBank",
    "MemoryEntry",
    "MemoryPolicy",
    "MemorySelection",
    "choose_masks",
    "condition_on_memory",
    "decode_prompts",
    "decode_unprompted",
    "encode_memories",
    "select_memories",
]
