"""One step of tracking over any number of objects: look, then follow or answer and settle, then remember.

Streams, recorded videos and training all run these. Objects are batched: those whose recall has the same shape share
one call of the model.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from masklet.backends.protocol import Model
from masklet.model.mask_selection import select_masks, suppress_absent
from masklet.model.tensors import ChosenMask, ImageFeatures, MaskPrediction, MemoryTokens, PromptTensors
from masklet.tracking.appearance import looks
from masklet.tracking.memory import MemoryBank, MemoryEntry
from masklet.tracking.memory_selection import MemoryPolicy, MemorySelection

T = TypeVar("T")


def look(
    model: Model,
    features: ImageFeatures,
    memories: Sequence[tuple[MemoryBank, MemorySelection | None]],
    policy: MemoryPolicy,
) -> ImageFeatures:
    """One picture as seen with the memory of each object: a row for each, in order.

    Args:
        model: the model.
        features: of the picture (batch of 1), or a row for each object where they are in different pictures.
        memories: each object's bank and what to recall from it; None for an object with nothing to remember.
        policy: gives the unit of pointer times.
    """

    def run(rows: list[int]) -> Float[Tensor, "n c h w"]:
        tokens = gather([(bank, recall) for bank, recall in (memories[r] for r in rows) if recall], policy)
        return model.condition(features.rows(rows), tokens).embedding.expand(len(rows), -1, -1, -1)

    shapes = [recall.shape if recall else None for _, recall in memories]
    order, parts = _grouped(shapes, run)
    embedding = torch.cat(parts) if len(parts) > 1 else parts[0]
    return features.with_embedding(embedding if order is None else embedding[order])


def gather(memories: Sequence[tuple[MemoryBank, MemorySelection]], policy: MemoryPolicy) -> MemoryTokens | None:
    """Stack what several objects recall, all recalls of one shape; None for no objects."""
    if not memories:
        return None
    maps = torch.cat([_maps(bank, recall) for bank, recall in memories])
    slots = torch.tensor([[slot for _, slot in recall.maps] for _, recall in memories], device=maps.device)
    pointers = torch.stack(
        [
            torch.cat([bank[i].pointer for i, _ in recall.pointers])
            if recall.pointers
            else maps.new_zeros(0, next(iter(bank.prompted.values())).pointer.shape[-1])
            for bank, recall in memories
        ]
    )
    times = torch.tensor([[t for _, t in recall.pointers] for _, recall in memories], device=maps.device)
    scale = None
    if any(recall.key_scale for _, recall in memories):
        scale = torch.tensor([r.key_scale or (1.0,) * sum(r.shape) for _, r in memories], device=maps.device)
    return MemoryTokens(maps, slots, pointers, times.float() / policy.pointer_reach, scale)


def _maps(bank: MemoryBank, recall: MemorySelection) -> Float[Tensor, "1 m d h w"]:
    maps = []
    for i, _ in recall.maps:
        memory = bank[i].map
        assert memory is not None, f"the map of frame {i} was dropped and not restored"
        maps.append(memory)
    return torch.stack(maps, dim=1)


def follow(model: Model, looked: ImageFeatures) -> ChosenMask:
    """The masks of objects nobody prompted on this frame; empty where an object is absent."""
    nothing = [PromptTensors.none(1, model.device)] * len(looked.embedding)
    return settle(model, *answers(model, looked, nothing))


def answers(
    model: Model, looked: ImageFeatures, prompts: Sequence[PromptTensors]
) -> tuple[MaskPrediction, Bool[Tensor, " b"]]:
    """All candidates for each object, and whether the best of 1 to 3 is the answer or candidate 0 (`ModelConfig`).

    Args:
        model: the model.
        looked: a row for each object, or one for all.
        prompts: a batch of 1 for each object.
    """

    def run(rows: list[int]) -> MaskPrediction:
        return model.decode(looked.rows(rows), PromptTensors.cat([prompts[r] for r in rows]))

    order, parts = _grouped([p.kind for p in prompts], run)
    prediction = MaskPrediction.cat(parts)
    ranks = model.config.ranked_clicks
    ranked = torch.tensor([p.ambiguous and (ranks or not p.points.shape[1]) for p in prompts], device=model.device)
    return prediction if order is None else prediction.rows(order), ranked


def settle(model: Model, prediction: MaskPrediction, ranked: Bool[Tensor, " b"]) -> ChosenMask:
    """The mask to go on with for each object; empty where it is absent."""
    return suppress_absent(select_masks(prediction, ranked, model.config.min_stability))


def remember(model: Model, features: ImageFeatures, chosen: ChosenMask, *, prompted: bool) -> list[MemoryEntry]:
    """What each object keeps of this frame.

    Args:
        model: the model.
        features: of the picture, unconditioned (batch of 1 or a row for each object).
        chosen: a mask for each object.
        prompted: whether a person prompted these masks.
    """
    maps = model.encode_memory(features, chosen, prompted=prompted)
    scores, ious = chosen.object_score.tolist(), chosen.iou.tolist()
    # Copies, not views: an object that is forgotten gives its memory back though others of its batch live on.
    seen = looks(features, chosen.logits > 0)[:, 0]
    return [MemoryEntry(maps[[i]], chosen.pointer[[i]], scores[i], ious[i], seen[i]) for i in range(len(chosen))]


def _grouped(keys: Sequence[Hashable], run: Callable[[list[int]], T]) -> tuple[list[int] | None, list[T]]:
    """Run once for all rows of equal key.

    Returns:
        how to index the concatenated results to get back the order of the rows (None: they are in order), and results.
    """
    groups: dict[Hashable, list[int]] = {}
    for row, key in enumerate(keys):
        groups.setdefault(key, []).append(row)
    results = [run(rows) for rows in groups.values()]
    ran = [row for rows in groups.values() for row in rows]
    order = sorted(range(len(ran)), key=ran.__getitem__)
    return (None if ran == sorted(ran) else order), results
