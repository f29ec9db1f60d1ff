"""Named tensors that travel between the model's verbs. Batch first; a batch of 1 serves any number of objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

B = TypeVar("B", bound="_Batch")


@dataclass(frozen=True, eq=False)
class _Batch:
    """Tensors that all have one row for each object."""

    def rows(self: B, index: slice | list[int]) -> B:
        """Some of the objects."""
        return type(self)(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    @classmethod
    def cat(cls: type[B], parts: Sequence[B]) -> B:
        """Several batches as one."""
        if len(parts) == 1:
            return parts[0]
        return cls(**{f.name: torch.cat([getattr(part, f.name) for part in parts]) for f in fields(cls)})

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))


@dataclass(frozen=True, eq=False)
class ImageFeatures:
    """What the image encoder sees in one or several pictures.

    Attributes:
        embedding: stride 16, the model's width; conditioned on memory once it went through `condition`.
        stride8: skip features for the mask decoder.
        stride4: skip features for the mask decoder.
    """

    embedding: Float[Tensor, "b c h w"]
    stride8: Float[Tensor, "p c8 h8 w8"]
    stride4: Float[Tensor, "p c4 h4 w4"]

    @property
    def grid(self) -> tuple[int, int]:
        """(h, w) of the embedding."""
        return self.embedding.shape[-2], self.embedding.shape[-1]

    @property
    def image_size(self) -> int:
        """Side of the square input these came from, in pixels."""
        return 16 * self.embedding.shape[-1]

    def rows(self, index: list[int]) -> ImageFeatures:
        """For some of the objects, as they come; maps that serve all objects stay as they are."""
        maps = (self.embedding, self.stride8, self.stride4)
        counts = [len(m) for m in maps]
        if index == list(range(max(counts))):
            return self
        place = torch.tensor(index, device=self.embedding.device)
        return ImageFeatures(*(m.index_select(0, place) if n > 1 else m for m, n in zip(maps, counts, strict=True)))

    def with_embedding(self, embedding: Float[Tensor, "n c h w"]) -> ImageFeatures:
        """The same skip features with another embedding."""
        return replace(self, embedding=embedding)


@dataclass(frozen=True, eq=False)
class PromptTensors:
    """Prompts of ``b`` objects, all with the same number of points.

    Attributes:
        points: (x, y) in pixels of the model's square frame.
        labels: 1 positive click, 0 negative click, 2 and 3 a box's corners (top-left, bottom-right).
        mask_logits: a previous answer at stride 4, or None.
    """

    points: Float[Tensor, "b n 2"]
    labels: Int[Tensor, "b n"]
    mask_logits: Float[Tensor, "b 1 s s"] | None = None

    @property
    def kind(self) -> tuple[int, bool]:
        """Number of points and whether there is a mask; prompts of one kind run as one batch."""
        return self.points.shape[1], self.mask_logits is not None

    @staticmethod
    def cat(parts: Sequence[PromptTensors]) -> PromptTensors:
        """Prompts of one kind as one batch."""
        masks = [p.mask_logits for p in parts if p.mask_logits is not None]
        return PromptTensors(
            torch.cat([p.points for p in parts]),
            torch.cat([p.labels for p in parts]),
            torch.cat(masks) if masks else None,
        )

    @property
    def ambiguous(self) -> bool:
        """Whether several answers are sensible: a single click, or nothing at all (a tracked frame)."""
        count = self.points.shape[1]
        return count == 1 or (count == 0 and self.mask_logits is None)

    @staticmethod
    def none(count: int, device: torch.device) -> PromptTensors:
        """No prompts at all for ``count`` objects, as on a tracked frame."""
        return PromptTensors(
            torch.zeros(count, 0, 2, device=device), torch.zeros(count, 0, dtype=torch.long, device=device)
        )


@dataclass(frozen=True, eq=False)
class MaskPrediction(_Batch):
    """All four candidates of the mask decoder. Candidate 0 is for unambiguous prompts, 1 to 3 for ambiguous ones.

    Attributes:
        logits: mask logits at stride 4, float32.
        iou: predicted IoU in [0, 1], float32.
        pointers: object pointers; that of "no object" where the object is absent.
        object_score: logit of the presence head, float32; the object is visible where it is above 0.
    """

    logits: Float[Tensor, "b 4 s s"]
    iou: Float[Tensor, "b 4"]
    pointers: Float[Tensor, "b 4 c"]
    object_score: Float[Tensor, " b"]


@dataclass(frozen=True, eq=False)
class ChosenMask(_Batch):
    """One mask for each object, with what its memory needs.

    Attributes:
        logits: mask logits at stride 4, float32.
        iou: predicted IoU in [0, 1], float32.
        pointer: object pointer.
        object_score: logit of the presence head, float32.
    """

    logits: Float[Tensor, "b 1 s s"]
    iou: Float[Tensor, " b"]
    pointer: Float[Tensor, "b c"]
    object_score: Float[Tensor, " b"]


@dataclass(frozen=True, eq=False)
class MemoryTokens:
    """What ``b`` objects remember, all with the same numbers of maps and pointers.

    Attributes:
        maps: spatial memories.
        map_slots: which learned time code each map carries: frames back minus 1 for a recent memory,
            -1, the last one, for a prompted memory. A fraction lies between two codes.
        pointers: object pointers.
        pointer_times: their distance in time as a fraction of the longest, signed (paper section 4).
        key_scale: a factor for how strongly each map, then each pointer, answers a look (its keys, not its values);
            None for 1.
    """

    maps: Float[Tensor, "b m d h w"]
    map_slots: Int[Tensor, "b m"] | Float[Tensor, "b m"]
    pointers: Float[Tensor, "b p c"]
    pointer_times: Float[Tensor, "b p"]
    key_scale: Float[Tensor, "b m+p"] | None = None
