"""Two opinions of one model: of the picture, and of the picture as a mirror shows it. Their mean errs less."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from masklet.backends.protocol import Model
from masklet.model.config import ModelConfig
from masklet.model.tensors import ChosenMask, ImageFeatures, MaskPrediction, MemoryTokens, PromptTensors


class FlipAugmented:
    """A model that looks at every picture twice, the second time mirrored left to right, and answers with the mean.

    It satisfies `masklet.backends.protocol.Model`, takes twice the time of the model within, and keeps twice as much of
    a frame: features, memories and pointers hold both opinions side by side in their channels, each where it lies in
    the picture.

    Attributes:
        model: the model within.
        config: its configuration, with channels for two.
    """

    def __init__(self, model: Model) -> None:
        config = model.config
        self.model = model
        self.config: ModelConfig = replace(
            config,
            name=f"{config.name}-mirrored",
            embed_dim=2 * config.embed_dim,
            memory_dim=2 * config.memory_dim,
        )

    @property
    def device(self) -> torch.device:
        """Where the tensors it takes and gives are."""
        return self.model.device

    @property
    def dtype(self) -> torch.dtype:
        """Number type of the features, memories and pointers it gives."""
        return self.model.dtype

    def encode_image(self, pixels: Float[Tensor, "b 3 s s"]) -> ImageFeatures:
        """See a picture."""
        return _joined(self.model.encode_image(pixels), self.model.encode_image(pixels.flip(-1)))

    def condition(self, features: ImageFeatures, memory: MemoryTokens | None) -> ImageFeatures:
        """Look at a picture with the memory of ``b`` objects, or with none."""
        memories = (None, None) if memory is None else _remembered(memory)
        seen = zip(_parted(features), memories, strict=True)
        plain, mirrored = (self.model.condition(*one) for one in seen)
        return features.with_embedding(torch.cat([plain.embedding, mirrored.embedding.flip(-1)], dim=1))

    def decode(self, features: ImageFeatures, prompts: PromptTensors) -> MaskPrediction:
        """Answer the prompts of ``b`` objects with four candidates each."""
        seen, mirror = _parted(features)
        plain = self.model.decode(seen, prompts)
        mirrored = self.model.decode(mirror, _mirrored(prompts, features.image_size))
        return MaskPrediction(
            (plain.logits + mirrored.logits.flip(-1)) / 2,
            (plain.iou + mirrored.iou) / 2,
            torch.cat([plain.pointers, mirrored.pointers], dim=-1),
            (plain.object_score + mirrored.object_score) / 2,
        )

    def decode_above_iou(
        self, features: ImageFeatures, prompts: PromptTensors, min_iou: float
    ) -> tuple[Int[Tensor, " k"], Float[Tensor, "k 4 s s"], Float[Tensor, "b 4"]]:
        """As `decode`, with masks only where one of candidates 1 to 3 promises ``min_iou``: rows, logits, all IoU."""
        both = self.decode(features, prompts)
        rows = (both.iou[:, 1:] >= min_iou).any(dim=1).nonzero()[:, 0]
        return rows, both.logits[rows], both.iou

    def use_mask_as_output(self, features: ImageFeatures, mask: Float[Tensor, "b 1 s s"]) -> ChosenMask:
        """Take the user's mask as the answer."""
        seen, mirror = _parted(features)
        plain, mirrored = (
            self.model.use_mask_as_output(seen, mask),
            self.model.use_mask_as_output(mirror, mask.flip(-1)),
        )
        return replace(plain, pointer=torch.cat([plain.pointer, mirrored.pointer], dim=-1))

    def encode_memory(self, features: ImageFeatures, chosen: ChosenMask, *, prompted: bool) -> Float[Tensor, "b d h w"]:
        """Remember ``b`` masks on a picture."""
        seen, mirror = _parted(features)
        plain, mirrored = _halves(chosen.pointer, dim=-1)
        mine = self.model.encode_memory(seen, replace(chosen, pointer=plain), prompted=prompted)
        flipped = replace(chosen, pointer=mirrored, logits=chosen.logits.flip(-1))
        other = self.model.encode_memory(mirror, flipped, prompted=prompted)
        return torch.cat([mine, other.flip(-1)], dim=1)


def base_model(model: Model) -> Model:
    """The model that holds the weights, whether it looks once or twice."""
    return model.model if isinstance(model, FlipAugmented) else model


def _joined(plain: ImageFeatures, mirrored: ImageFeatures) -> ImageFeatures:
    """Both side by side in the channels, the mirrored one turned back."""
    pairs = [(getattr(plain, name), getattr(mirrored, name)) for name in ("embedding", "stride8", "stride4")]
    return ImageFeatures(*(torch.cat([one, other.flip(-1)], dim=1) for one, other in pairs))


def _parted(features: ImageFeatures) -> tuple[ImageFeatures, ImageFeatures]:
    """The features of the picture, and those of its mirror image as the model within saw it."""
    maps = [_halves(one, dim=1) for one in (features.embedding, features.stride8, features.stride4)]
    return ImageFeatures(*(one for one, _ in maps)), ImageFeatures(*(other.flip(-1) for _, other in maps))


def _remembered(memory: MemoryTokens) -> tuple[MemoryTokens, MemoryTokens]:
    (maps, mirrored), (pointers, others) = _halves(memory.maps, dim=2), _halves(memory.pointers, dim=-1)
    return replace(memory, maps=maps, pointers=pointers), replace(memory, maps=mirrored.flip(-1), pointers=others)


def _mirrored(prompts: PromptTensors, side: int) -> PromptTensors:
    """Prompts as the mirror shows them: clicks are centers of pixels, a box's corners lie between pixels."""
    x, corner = prompts.points[..., 0], prompts.labels >= 2
    other = (x * corner).sum(dim=1, keepdim=True) - x
    points = torch.stack([torch.where(corner, side - other, side - 1 - x), prompts.points[..., 1]], dim=-1)
    mask = prompts.mask_logits
    return replace(prompts, points=points, mask_logits=None if mask is None else mask.flip(-1))


def _halves(both: Shaped[Tensor, "..."], *, dim: int) -> tuple[Shaped[Tensor, "..."], Shaped[Tensor, "..."]]:
    first, second = both.chunk(2, dim=dim)
    return first, second
