"""The memory bank: prompted frames stay, maps and pointers are dropped separately."""

from __future__ import annotations

import pytest
import torch

from masklet.tracking.memory import MemoryBank, MemoryEntry


def entry(value: int) -> MemoryEntry:
    return MemoryEntry(torch.full((1, 1, 2), float(value)), torch.full((1, 3), float(value)), float(value), 0.5)


def bank() -> MemoryBank:
    filled = MemoryBank()
    filled.put(0, entry(0), prompted=True)
    filled.put(1, entry(1), prompted=False)
    filled.put(2, entry(2), prompted=False)
    return filled


def test_prompted_and_recent() -> None:
    memory = bank()
    assert (set(memory.prompted), set(memory.recent), memory.mapped) == ({0}, {1, 2}, {0, 1, 2})
    assert (len(memory), 1 in memory, 3 in memory) == (3, True, False)
    assert memory[2].object_score == 2
    with pytest.raises(KeyError):
        memory[3]


def test_tracking_never_replaces_a_prompted_frame() -> None:
    memory = bank()
    memory.put(0, entry(9), prompted=False)
    assert memory[0].object_score == 0
    assert 0 not in memory.recent


def test_a_prompt_replaces_a_tracked_frame() -> None:
    memory = bank()
    memory.put(2, entry(9), prompted=True)
    assert memory[2].object_score == 9
    assert (set(memory.prompted), set(memory.recent)) == ({0, 2}, {1})


def test_tracking_again_replaces_a_tracked_frame() -> None:
    memory = bank()
    memory.put(2, entry(9), prompted=False)
    assert memory[2].object_score == 9
    assert len(memory) == 3


def test_maps_go_and_pointers_stay() -> None:
    memory = bank()
    memory.drop_maps([0, 2, 7])
    assert memory.mapped == {1}
    assert memory[0].map is None
    assert memory[2].map is None
    assert memory[1].map is not None
    assert memory[2].pointer.tolist() == [[2, 2, 2]]
    assert (memory[2].object_score, memory[2].iou) == (2, 0.5)
    assert (set(memory.prompted), set(memory.recent)) == ({0}, {1, 2})


def test_a_map_comes_back() -> None:
    memory = bank()
    memory.drop_maps([0])
    memory.put(0, entry(0), prompted=True)
    assert memory.mapped == {0, 1, 2}


def test_drop() -> None:
    memory = bank()
    memory.drop([0, 1, 5])
    assert (set(memory.prompted), set(memory.recent), memory.mapped) == (set(), {2}, {2})
