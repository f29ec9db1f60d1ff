"""Memory over time: what an object's past is, which of it a frame looks at, and one step of tracking."""

from masklet.tracking.memory import MemoryBank, MemoryEntry
from masklet.tracking.memory_selection import MemoryPolicy, MemorySelection, choose
from masklet.tracking.step import answers, follow, look, remember, settle

__all__ = [
    "MemoryBank",
    "MemoryEntry",
    "MemoryPolicy",
    "MemorySelection",
    "answers",
    "choose",
    "follow",
    "look",
    "remember",
    "settle",
]
