"""The parts of one tracking step over any number of objects: condition on memory, decode, choose, encode memories.

Streams, recorded videos and training all run these. Objects are batched: those whose memory selection has the same
shape share one call of the model.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from masklet.backends.protocol import Model
from masklet.model.mask_decoder import select_masks, suppress_absent
from masklet.model.tensors import ChosenMask, ImageFeatures, MaskPrediction, MemoryTokens, PromptTensors, to_host
from masklet.tracking.memory import MemoryBank, MemoryEntry
from masklet.tracking.memory_policy import MemoryPolicy
from masklet.tracking.memory_selection import MemorySelection

T = TypeVar("T")


def condition_on_memory(
    model: Model,
    features: ImageFeatures,
    memories: Sequence[tuple[MemoryBank, MemorySelection | None]],
    policy: MemoryPolicy,
) -> ImageFeatures:
    """Apply memory attention to a frame: one conditioned row for each object, in order.

    Args:
        features: of the image (batch of 1), or a row for each object where they are in different images.
        memories: each object's bank and what to read from it; None for an object without memory.
        policy: gives the unit of pointer times.
    """

    def run(rows: list[int]) -> Float[Tensor, "n c h w"]:
        tokens = gather_memory_tokens(
            [(bank, chosen) for bank, chosen in (memories[r] for r in rows) if chosen], policy
        )
        return model.condition(features.rows(rows), tokens).embedding.expand(len(rows), -1, -1, -1)

    shapes = [selection.shape if selection else None for _, selection in memories]
    order, parts = _grouped(shapes, run)
    embedding = torch.cat(parts) if len(parts) > 1 else parts[0]
    return features.with_embedding(embedding if order is None else embedding[order])


def gather_memory_tokens(
    memories: Sequence[tuple[MemoryBank, MemorySelection]], policy: MemoryPolicy
) -> MemoryTokens | None:
    """Stack the selected memories of several objects, all selections of one shape; None for no objects."""
    if not memories:
        return None
    maps = torch.cat([_maps(bank, selection) for bank, selection in memories])
    slots = torch.tensor([[slot for _, slot in selection.maps] for _, selection in memories], device=maps.device)
    pointers = torch.stack(
        [
            torch.cat([bank[i].pointer for i, _ in selection.pointers])
            if selection.pointers
            else maps.new_zeros(0, next(iter(bank.prompted.values())).pointer.shape[-1])
            for bank, selection in memories
        ]
    )
    times = torch.tensor([[t for _, t in selection.pointers] for _, selection in memories], device=maps.device)
    scale = None
    if any(selection.key_scale for _, selection in memories):
        scales = [selection.key_scale or (1.0,) * sum(selection.shape) for _, selection in memories]
        scale = torch.tensor(scales, device=maps.device)
    return MemoryTokens(maps, slots, pointers, times.float() / policy.pointer_reach, scale)


def _maps(bank: MemoryBank, selection: MemorySelection) -> Float[Tensor, "1 m n d"]:
    maps = []
    for i, _ in selection.maps:
        memory = bank[i].map
        assert memory is not None, f"the map of frame {i} was dropped and not restored"
        maps.append(memory)
    return torch.stack(maps, dim=1)


def decode_unprompted(model: Model, conditioned: ImageFeatures) -> ChosenMask:
    """Decode the masks of objects without prompts on this frame; empty where an object is absent."""
    none = [PromptTensors.none(1, model.device)] * len(conditioned.embedding)
    return choose_masks(model, *decode_prompts(model, conditioned, none))


def decode_prompts(
    model: Model, conditioned: ImageFeatures, prompts: Sequence[PromptTensors]
) -> tuple[MaskPrediction, Bool[Tensor, " b"]]:
    """Decode all four candidates for each object.

    Args:
        conditioned: a row for each object, or one for all.
        prompts: a batch of 1 for each object.

    Returns:
        The candidates, and for each object whether the best of candidates 1 to 3 is the output or candidate 0.
    """

    def run(rows: list[int]) -> MaskPrediction:
        return model.decode(conditioned.rows(rows), PromptTensors.cat([prompts[r] for r in rows]))

    order, parts = _grouped([p.kind for p in prompts], run)
    prediction = MaskPrediction.cat(parts)
    ranks = model.config.ranked_clicks
    ranked = torch.tensor([p.ambiguous and (ranks or not p.points.shape[1]) for p in prompts], device=model.device)
    return prediction if order is None else prediction.rows(order), ranked


def choose_masks(model: Model, prediction: MaskPrediction, ranked: Bool[Tensor, " b"]) -> ChosenMask:
    """Choose one of the candidates for each object; empty where the object is absent."""
    return suppress_absent(select_masks(prediction, ranked, model.config.min_stability))


def encode_memories(
    model: Model,
    features: ImageFeatures,
    chosen: ChosenMask,
    *,
    prompted: bool,
    appearance: Float[Tensor, "b f"] | None = None,
) -> list[MemoryEntry]:
    """Encode the memory of each object on a frame.

    Args:
        features: of the image, unconditioned (batch of 1 or a row for each object).
        chosen: a mask for each object.
        prompted: whether a person prompted these masks.
        appearance: `appearance_embeddings` of the masks, where something reads them.
    """
    maps = model.encode_memory(features, chosen, prompted=prompted)
    scores, iou = to_host(chosen.object_score, chosen.iou)
    return memory_entries(maps, chosen.pointer, scores.tolist(), iou.tolist(), appearance)


def memory_entries(
    maps: Float[Tensor, "b n d"],
    pointers: Float[Tensor, "b c"],
    object_scores: Sequence[float],
    ious: Sequence[float],
    appearance: Float[Tensor, "b f"] | None = None,
) -> list[MemoryEntry]:
    """Build the memory of each object from a batch."""
    # Rows are copied: a view would keep the whole batch alive after an object is forgotten.
    return [
        MemoryEntry(maps[[i]], pointers[[i]], score, iou, None if appearance is None else appearance[i].clone())
        for i, (score, iou) in enumerate(zip(object_scores, ious, strict=True))
    ]


def _grouped(keys: Sequence[Hashable], run: Callable[[list[int]], T]) -> tuple[list[int] | None, list[T]]:
    """Run once for all rows of equal key.

    Returns:
        How to index the concatenated results to restore the order of the rows (None: they are in order), and results.
    """
    groups: dict[Hashable, list[int]] = {}
    for row, key in enumerate(keys):
        groups.setdefault(key, []).append(row)
    results = [run(rows) for rows in groups.values()]
    ran = [row for rows in groups.values() for row in rows]
    order = sorted(range(len(ran)), key=ran.__getitem__)
    return (None if ran == sorted(ran) else order), results
