"""Prompts of several objects on one frame: checked, then answered as one batch (paper section 4)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np
import torch

from masklet.backends.protocol import Model
from masklet.errors import PromptError
from masklet.model.config import ModelConfig
from masklet.model.mask_decoder import NO_OBJECT_LOGIT
from masklet.model.sam2 import MEMORY_BIAS
from masklet.model.tensors import ChosenMask, ImageFeatures
from masklet.predict.click_refinement import PromptStart, combine_with_previous, guide_starts, with_tracked_box
from masklet.predict.preprocessing import mask_tensor, prompt_tensors
from masklet.tracking.memory_policy import NAMES, MemoryPolicy, PolicyName, named_policy
from masklet.tracking.step import choose_masks, decode_prompts
from masklet.types import ObjectId, Prompts, Size


def resolve_policy(memory: PolicyName | MemoryPolicy, config: ModelConfig) -> MemoryPolicy:
    """The policy of a name, or a policy checked against the numbers that the model was trained for."""
    if isinstance(memory, str) and memory in NAMES:
        return named_policy(memory, config)
    if not isinstance(memory, MemoryPolicy):
        raise ValueError(f"memory must be {', '.join(NAMES)} or a MemoryPolicy, got {memory!r}")
    if not 1 <= memory.memory_frames <= config.memory_frames:
        raise ValueError(
            f"memory_frames must be 1 to {config.memory_frames} (temporal codes of {config.full_name}), "
            f"got {memory.memory_frames}"
        )
    return memory


def check_prompts(prompts: Mapping[ObjectId, Prompts], size: Size) -> dict[ObjectId, Prompts]:
    """Check that every prompt fits a frame of ``size`` and return them by plain integers.

    Raises:
        PromptError: not a mapping of positive integers to `Prompts`, or a prompt outside the frame.
    """
    if not isinstance(prompts, Mapping):
        raise PromptError(
            f"expected prompts by object id, such as {{1: Prompts.click(210, 350)}}, got {type(prompts).__name__}"
        )
    checked = {}
    for object_id, prompt in prompts.items():
        checked[check_object_id(object_id)] = prompt
        if not isinstance(prompt, Prompts):
            raise PromptError(f"expected Prompts for object {object_id}, got {type(prompt).__name__}")
        prompt.check_inside(size)
    return checked


def check_object_id(object_id: ObjectId) -> ObjectId:
    """Check that an id is a positive integer, else raise `PromptError`, and return it as a plain one."""
    if isinstance(object_id, bool) or not isinstance(object_id, int | np.integer) or object_id < 1:
        raise PromptError(f"object ids are positive integers, got {object_id!r}")
    return int(object_id)


def merge_prompts(before: Prompts | None, prompts: Prompts) -> Prompts:
    """Combine new prompts with the earlier ones of the same frame.

    Clicks add up, a new box replaces the old one, a mask replaces everything, and clicks after a mask stand alone
    (they refine the mask).
    """
    if before is None or prompts.mask is not None or before.mask is not None:
        return prompts
    return Prompts(
        points=np.concatenate([before.points, prompts.points]),
        labels=np.concatenate([before.labels, prompts.labels]),
        box=before.box if prompts.box is None else prompts.box,
    )


def answer_prompts(
    model: Model,
    features: ImageFeatures,
    prompts: Mapping[ObjectId, Prompts],
    starts: Mapping[ObjectId, PromptStart],
    size: Size,
) -> tuple[dict[ObjectId, ChosenMask], set[ObjectId]]:
    """Answer the prompts of each object: its own mask prompt, or the decoder's mask for its clicks and box.

    Args:
        features: of the frame, unconditioned.
        prompts: by object, already checked.
        starts: of objects that have something to start from; others start without memory.
        size: (height, width) of the frame.

    Returns:
        The masks, and the objects whose answer corrects a tracked mask.
    """
    image_size, device = features.image_size, model.device
    masked = [i for i, prompt in prompts.items() if prompt.mask is not None]
    clicked = [i for i, prompt in prompts.items() if prompt.mask is None]
    answers: dict[ObjectId, ChosenMask] = {}
    corrected: set[ObjectId] = set()
    if masked:
        masks = torch.cat([mask_tensor(prompts[i], image_size, device) for i in masked])
        answers |= split_rows(masked, model.use_mask_as_output(features, masks))
    if clicked:
        guided = model.config.guided_corrections
        starts = {i: starts.get(i, PromptStart()) for i in clicked}
        starts = guide_starts(prompts, starts, size) if guided else starts
        embeddings = [start.embedding for start in starts.values()]
        if any(embedding is None for embedding in embeddings):
            alone = model.condition(features, None).embedding
            embeddings = [alone if embedding is None else embedding for embedding in embeddings]
        conditioned = features.with_embedding(torch.cat([one for one in embeddings if one is not None]))
        given = {i: with_tracked_box(prompts[i], starts[i], size) if guided else prompts[i] for i in clicked}
        tensors = [
            prompt_tensors(given[i], size, image_size, device=device, previous=starts[i].mask_prompt) for i in clicked
        ]
        decoded = split_rows(clicked, choose_masks(model, *decode_prompts(model, conditioned, tensors)))
        for i, answer in decoded.items() if guided else ():
            start = starts[i]
            logits = combine_with_previous(answer.logits, start.previous, prompts[i], size, separate=start.separate)
            decoded[i] = replace(answer, logits=logits)
        answers |= decoded
        corrected = {i for i in clicked if starts[i].tracked}
    return {i: answers[i] for i in prompts}, corrected


def absent_mask(model: Model) -> ChosenMask:
    """The empty mask of an object that a person marked as absent."""
    side = model.config.image_size // 4
    logits = torch.full((1, 1, side, side), NO_OBJECT_LOGIT, device=model.device)
    pointer = torch.zeros(1, model.config.embed_dim, device=model.device, dtype=model.dtype)
    one = logits.new_ones(1)
    return ChosenMask(logits, one, pointer, MEMORY_BIAS * one)


def split_rows(object_ids: Collection[ObjectId], chosen: ChosenMask) -> dict[ObjectId, ChosenMask]:
    """One row of a batch for each object."""
    return {object_id: chosen.rows([row]) for row, object_id in enumerate(object_ids)}
