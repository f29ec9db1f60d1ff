"""The memory bank of one object, as plain data (paper section 4, "Memory bank")."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import cached_property

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, eq=False)
class MemoryEntry:
    """The memory of one object on one frame.

    Attributes:
        map: spatial memory, as many tokens as the model has; None once a bank has dropped it to save space.
        pointer: object pointer.
        object_score: logit of the presence head; the object was visible where it is above 0.
        iou: predicted IoU of the mask, 0 to 1.
        appearance: unit vector of `appearance_embeddings`, or None where it was not computed.
    """

    map: Float[Tensor, "1 n d"] | None
    pointer: Float[Tensor, "1 c"]
    object_score: float
    iou: float
    appearance: Float[Tensor, " f"] | None = None

    @cached_property
    def quality(self) -> float:
        """(2 * presence - 1) * IoU: 1 for a certain and exact mask, 0 or less where the object is hardly visible."""
        return math.tanh(self.object_score / 2) * self.iou


@dataclass(eq=False)
class MemoryBank:
    """All memories of one object by frame index. Spatial maps and pointers have different lifetimes.

    Attributes:
        prompted: frames that a person prompted; tracking never overwrites them.
        recent: frames that were tracked.
        mapped: frames whose entry still holds its spatial map.
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

    def copy(self) -> MemoryBank:
        """A bank that changes independently and shares its entries."""
        return MemoryBank(dict(self.prompted), dict(self.recent), set(self.mapped))

    def put(self, frame_index: int, entry: MemoryEntry, *, prompted: bool) -> None:
        """Add a frame. A prompted entry replaces a tracked one, never the other way round."""
        if prompted:
            self.recent.pop(frame_index, None)
            self.prompted[frame_index] = entry
        elif frame_index not in self.prompted:
            self.recent[frame_index] = entry
        if self[frame_index].map is not None:
            self.mapped.add(frame_index)

    def drop(self, frames: Collection[int]) -> None:
        """Remove the entries of these frames."""
        for i in frames:
            self.prompted.pop(i, None)
            self.recent.pop(i, None)
        self.mapped.difference_update(frames)

    def drop_maps(self, frames: Collection[int]) -> None:
        """Remove the spatial maps of these frames; pointers stay."""
        for i in self.mapped.intersection(frames):
            entries = self.prompted if i in self.prompted else self.recent
            entries[i] = replace(entries[i], map=None)
        self.mapped.difference_update(frames)
