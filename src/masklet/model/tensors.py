"""Named tensors that travel between the model's verbs. Batch first; a batch of 1 serves any number of objects."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor


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

    def with_embedding(self, embedding: Float[Tensor, "n c h w"]) -> ImageFeatures:
        """The same skip features with another embedding."""
        return replace(self, embedding=embedding)

    def picture(self, index: int) -> ImageFeatures:
        """One picture of the batch, as a batch of 1."""
        one = slice(index, index + 1)
        return ImageFeatures(self.embedding[one], self.stride8[one], self.stride4[one])


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

    @staticmethod
    def none(count: int, device: torch.device) -> PromptTensors:
        """No prompts at all for ``count`` objects, as on a tracked frame."""
        return PromptTensors(
            torch.zeros(count, 0, 2, device=device), torch.zeros(count, 0, dtype=torch.long, device=device)
        )


@dataclass(frozen=True, eq=False)
class MaskPrediction:
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
class ChosenMask:
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

    def __len__(self) -> int:
        return len(self.logits)

    def row(self, index: int) -> ChosenMask:
        """One object, as a batch of 1."""
        one = slice(index, index + 1)
        return ChosenMask(self.logits[one], self.iou[one], self.pointer[one], self.object_score[one])


@dataclass(frozen=True, eq=False)
class MemoryTokens:
    """What ``b`` objects remember, all with the same numbers of maps and pointers.

    Attributes:
        maps: spatial memories.
        map_slots: which learned time code each map carries: frames back minus 1 for a recent memory,
            ``memory_frames - 1`` for a prompted one.
        pointers: object pointers.
        pointer_times: their distance in time as a fraction of the longest, signed (paper section 4).
    """

    maps: Float[Tensor, "b m d h w"]
    map_slots: Int[Tensor, "b m"]
    pointers: Float[Tensor, "b p c"]
    pointer_times: Float[Tensor, "b p"]
