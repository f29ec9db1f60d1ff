"""Named tensors that the methods of the model take and return, batch first; a batch of 1 is shared by all objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TypeVar

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

B = TypeVar("B", bound="_Batch")


@dataclass(frozen=True, eq=False)
class _Batch:
    """Tensors with one row per object."""

    def rows(self: B, index: slice | list[int]) -> B:
        """Select objects."""
        return type(self)(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    @classmethod
    def cat(cls: type[B], parts: Sequence[B]) -> B:
        """Concatenate batches."""
        if len(parts) == 1:
            return parts[0]
        return cls(**{f.name: torch.cat([getattr(part, f.name) for part in parts]) for f in fields(cls)})

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))


@dataclass(frozen=True, eq=False)
class ImageFeatures:
    """Features of one or several images from the image encoder (paper section 4).

    Attributes:
        embedding: features at stride 16 with ``embed_dim`` channels; conditioned on memory after `Sam2.condition`.
        stride8: skip features of the mask decoder at stride 8; None for a model without skip features.
        stride4: skip features of the mask decoder at stride 4; None for a model without skip features.
    """

    embedding: Float[Tensor, "b c h w"]
    stride8: Float[Tensor, "p c8 h8 w8"] | None = None
    stride4: Float[Tensor, "p c4 h4 w4"] | None = None

    @property
    def grid(self) -> tuple[int, int]:
        """(h, w) of the embedding."""
        return self.embedding.shape[-2], self.embedding.shape[-1]

    @property
    def image_size(self) -> int:
        """Side of the square input image in pixels."""
        return 16 * self.embedding.shape[-1]

    @property
    def maps(self) -> tuple[Tensor, ...]:
        """The feature maps that the model has, the embedding first."""
        return tuple(m for m in (self.embedding, self.stride8, self.stride4) if m is not None)

    @property
    def skips(self) -> tuple[Float[Tensor, "p c8 h8 w8"], Float[Tensor, "p c4 h4 w4"]] | None:
        """Skip features of the mask decoder at strides 8 and 4, or None."""
        return None if self.stride8 is None or self.stride4 is None else (self.stride8, self.stride4)

    def rows(self, index: list[int]) -> ImageFeatures:
        """Select the features of some objects; maps that are shared by all objects are unchanged."""
        if index == list(range(max(len(m) for m in self.maps))):
            return self
        place = torch.tensor(index, device=self.embedding.device)
        return ImageFeatures(*(m.index_select(0, place) if len(m) > 1 else m for m in self.maps))

    def with_embedding(self, embedding: Float[Tensor, "n c h w"]) -> ImageFeatures:
        """Replace the embedding."""
        return replace(self, embedding=embedding)


@dataclass(frozen=True, eq=False)
class PromptTensors:
    """Prompts of ``b`` objects, all with the same number of points.

    Attributes:
        points: (x, y) in pixels of the model's square input.
        labels: 1 positive click, 0 negative click, 2 and 3 the top-left and bottom-right corners of a box.
        mask_logits: logits of a previous prediction at stride 4, or None.
    """

    points: Float[Tensor, "b n 2"]
    labels: Int[Tensor, "b n"]
    mask_logits: Float[Tensor, "b 1 s s"] | None = None

    @property
    def kind(self) -> tuple[int, bool]:
        """Number of points and whether there is a mask; prompts of the same kind can be batched."""
        return self.points.shape[1], self.mask_logits is not None

    @staticmethod
    def cat(parts: Sequence[PromptTensors]) -> PromptTensors:
        """Concatenate prompts of the same kind."""
        masks = [p.mask_logits for p in parts if p.mask_logits is not None]
        return PromptTensors(
            torch.cat([p.points for p in parts]),
            torch.cat([p.labels for p in parts]),
            torch.cat(masks) if masks else None,
        )

    @property
    def ambiguous(self) -> bool:
        """Whether several masks are plausible: a single click, or no prompts (a tracked frame); paper section 4."""
        count = self.points.shape[1]
        return count == 1 or (count == 0 and self.mask_logits is None)

    @staticmethod
    def none(count: int, device: torch.device) -> PromptTensors:
        """Create empty prompts for ``count`` objects, as on a tracked frame."""
        return PromptTensors(
            torch.zeros(count, 0, 2, device=device), torch.zeros(count, 0, dtype=torch.long, device=device)
        )


@dataclass(frozen=True, eq=False)
class MaskPrediction(_Batch):
    """The four candidate masks of the mask decoder: candidate 0 for unambiguous prompts, 1 to 3 for ambiguous ones.

    Attributes:
        logits: mask logits at stride 4, float32.
        iou: predicted IoU in [0, 1], float32.
        pointers: object pointers; the learned "no object" pointer where the object is absent.
        object_score: logit of the presence head, float32; the object is visible if it is above 0.
    """

    logits: Float[Tensor, "b 4 s s"]
    iou: Float[Tensor, "b 4"]
    pointers: Float[Tensor, "b 4 c"]
    object_score: Float[Tensor, " b"]


@dataclass(frozen=True, eq=False)
class ChosenMask(_Batch):
    """The selected mask of each object, with the inputs of the memory encoder.

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
    """Memories of ``b`` objects, all with the same numbers of spatial memories and object pointers.

    Attributes:
        maps: spatial memories of ``n`` tokens each; how many, and where they lie, depends on the model
            (`ModelConfig.memory_layout`).
        map_slots: index of the learned temporal encoding of each map: frames back minus 1 for a recent memory,
            -1 (the last one) for a prompted memory. A fractional index interpolates between two encodings.
        pointers: object pointers.
        pointer_times: signed distance in time as a fraction of the largest distance (paper section 4).
        key_scale: factor on the keys (not the values) of each map, then of each pointer, in memory attention;
            None for 1.
    """

    maps: Float[Tensor, "b m n d"]
    map_slots: Int[Tensor, "b m"] | Float[Tensor, "b m"]
    pointers: Float[Tensor, "b p c"]
    pointer_times: Float[Tensor, "b p"]
    key_scale: Float[Tensor, "b m+p"] | None = None


def to_host(*tensors: Tensor) -> list[Tensor]:
    """Copy tensors of one device to the host in one transfer; tensors of a CPU are returned as they are."""
    if not tensors or tensors[0].device.type == "cpu":
        return list(tensors)
    parts = [t.contiguous().flatten().view(torch.uint8) for t in tensors]
    host = torch.cat(parts).cpu().split([len(part) for part in parts])
    # A clone begins at an address that suits every dtype.
    return [part.clone().view(t.dtype).reshape(t.shape) for part, t in zip(host, tensors, strict=True)]


def pack_bits(mask: Bool[Tensor, "h w"]) -> UInt8[Tensor, " bytes"]:
    """Pack a mask to bits on its device; `numpy.unpackbits` reverses it. The last byte is padded with zeros."""
    bits = F.pad(mask.flatten(), (0, -mask.numel() % 8)).view(-1, 8)
    weights = 2 ** torch.arange(7, -1, -1, device=mask.device)
    return (bits * weights).sum(dim=1).to(torch.uint8)
