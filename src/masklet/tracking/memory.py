"""What is remembered of one object, as plain data."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import cached_property

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, eq=False)
class MemoryEntry:
    """One frame of one object.

    Attributes:
        map: spatial memory at stride 16; large, so a bank may drop it, or None where it was.
        pointer: object pointer; small.
        object_score: logit of the presence head; the object was visible where it is above 0.
        iou: predicted IoU of the mask, 0 to 1.
        look: what was under the mask looks like (`tracking.look`), or None where it is not known.
    """

    map: Float[Tensor, "1 d h w"] | None
    pointer: Float[Tensor, "1 c"]
    object_score: float
    iou: float
    look: Float[Tensor, " f"] | None = None

    @cached_property
    def quality(self) -> float:
        """(2 presence - 1) * IoU: 1 for a sure and exact mask, 0 or less where the object is hardly there."""
        return math.tanh(self.object_score / 2) * self.iou


@dataclass(eq=False)
class MemoryBank:
    """All memories of one object by frame index. Maps and pointers age apart: an entry may have lost its map.

    Attributes:
        prompted: frames a person prompted; tracking never overwrites them.
        recent: frames the model tracked.
        mapped: the frames whose entry still holds its map.
    """

    prompted: dict[int, MemoryEntry] = field(default_factory=dict)
    recent: dict[int, MemoryEntry] = field(default_factory=dict)
    mapped: set[int] = field(default_factory=set)

    def __getitem__(self, frame_index: int) -> MemoryEntry:
        entry = self.prompted.get(frame_index)
        return self.recent[frame_index] if entry is None else entry

    def __contains__(self, frame_index: int) -> bool:
        return frame_index in self.prompted or frame_index in self.recent

    def __len__(self) -> int:
        return len(self.prompted) + len(self.recent)

    def put(self, frame_index: int, entry: MemoryEntry, *, prompted: bool) -> None:
        """Remember a frame; a prompted one takes the place of a tracked one, never the other way round."""
        if prompted:
            self.recent.pop(frame_index, None)
            self.prompted[frame_index] = entry
        elif frame_index not in self.prompted:
            self.recent[frame_index] = entry
        if self[frame_index].map is not None:
            self.mapped.add(frame_index)

    def drop(self, frames: Collection[int]) -> None:
        """Forget these frames."""
        for i in frames:
            self.prompted.pop(i, None)
            self.recent.pop(i, None)
        self.mapped.difference_update(frames)

    def drop_maps(self, frames: Collection[int]) -> None:
        """Forget the maps of these frames; pointers stay."""
        for i in self.mapped.intersection(frames):
            entries = self.prompted if i in self.prompted else self.recent
            entry = entries[i]
            entries[i] = replace(entry, map=None)
        self.mapped.difference_update(frames)
