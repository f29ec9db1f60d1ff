"""Prompts of several objects on one frame: checked, then answered together. Shared by streams and sessions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

from masklet.backends.protocol import Model
from masklet.errors import PromptError
from masklet.model.config import ModelConfig
from masklet.model.mask_selection import NO_OBJECT_LOGIT
from masklet.model.sam2 import MEMORY_BIAS
from masklet.model.tensors import ChosenMask, ImageFeatures
from masklet.predict.click_refinement import Start, corrected, told
from masklet.predict.preprocessing import mask_tensor, prompt_tensors
from masklet.tracking.memory import MemoryBank
from masklet.tracking.memory_selection import MemoryPolicy
from masklet.tracking.policies import NAMES, PolicyName, named
from masklet.tracking.step import answers, remember, settle
from masklet.types import ObjectId, Prompts, Size


def memory_policy(memory: PolicyName | MemoryPolicy, config: ModelConfig) -> MemoryPolicy:
    """The policy of a name, checked against what the model was trained for."""
    if isinstance(memory, str) and memory in NAMES:
        return named(memory, config)
    if not isinstance(memory, MemoryPolicy):
        raise ValueError(f"memory must be {', '.join(NAMES)} or a MemoryPolicy, got {memory!r}")
    if not 1 <= memory.memory_frames <= config.memory_frames:
        raise ValueError(
            f"memory_frames must be 1 to {config.memory_frames} (time codes of {config.full_name}), "
            f"got {memory.memory_frames}"
        )
    return memory


def checked_prompts(prompts: Mapping[ObjectId, Prompts], size: Size) -> dict[ObjectId, Prompts]:
    """The same by plain integers; `PromptError` unless these are ids and every prompt fits a frame of ``size``."""
    if not isinstance(prompts, Mapping):
        raise PromptError(
            f"expected prompts by object id, such as {{1: Prompts.click(210, 350)}}, got {type(prompts).__name__}"
        )
    checked = {}
    for object_id, asked in prompts.items():
        checked[checked_id(object_id)] = asked
        if not isinstance(asked, Prompts):
            raise PromptError(f"expected Prompts for object {object_id}, got {type(asked).__name__}")
        asked.check_inside(size)
    return checked


def checked_id(object_id: ObjectId) -> ObjectId:
    """The same as a plain integer; `PromptError` unless it is positive."""
    if isinstance(object_id, bool) or not isinstance(object_id, int | np.integer) or object_id < 1:
        raise PromptError(f"object ids are positive integers, got {object_id!r}")
    return int(object_id)


def respond(
    model: Model,
    features: ImageFeatures,
    prompts: Mapping[ObjectId, Prompts],
    starts: Mapping[ObjectId, Start],
    size: Size,
) -> dict[ObjectId, ChosenMask]:
    """The mask of each prompted object: its own mask prompt, or the model's answer to its clicks and box.

    Args:
        model: the model.
        features: of the frame, unconditioned.
        prompts: by object, already checked.
        starts: for every object without a mask prompt.
        size: (height, width) of the frame.
    """
    image_size, device = features.image_size, model.device
    masked = [i for i, asked in prompts.items() if asked.mask is not None]
    clicked = [i for i, asked in prompts.items() if asked.mask is None]
    chosen: dict[ObjectId, ChosenMask] = {}
    if masked:
        adopted = model.use_mask_as_output(
            features, torch.cat([mask_tensor(prompts[i], image_size, device) for i in masked])
        )
        chosen |= by_object(masked, adopted)
    if clicked:
        looked = features.with_embedding(torch.cat([starts[i].embedding for i in clicked]))
        guided = model.config.guided_corrections
        said = {i: told(prompts[i], starts[i], size) if guided else prompts[i] for i in clicked}
        tensors = [prompt_tensors(said[i], size, image_size, device=device, previous=starts[i].shown) for i in clicked]
        answered = by_object(clicked, settle(model, *answers(model, looked, tensors)))
        for i, answer in answered.items() if guided else ():
            start = starts[i]
            logits = corrected(answer.logits, start.previous, prompts[i], size, apart=start.apart)
            answered[i] = replace(answer, logits=logits)
        chosen |= answered
    return {i: chosen[i] for i in prompts}


def nothing(model: Model) -> ChosenMask:
    """What is shown of an object after a person said that it is absent: an empty mask."""
    side = model.config.image_size // 4
    logits = torch.full((1, 1, side, side), NO_OBJECT_LOGIT, device=model.device)
    pointer = torch.zeros(1, model.config.embed_dim, device=model.device, dtype=model.dtype)
    certain = logits.new_ones(1)
    return ChosenMask(logits, certain, pointer, MEMORY_BIAS * certain)


def by_object(object_ids: list[ObjectId], chosen: ChosenMask) -> dict[ObjectId, ChosenMask]:
    """One row for each object."""
    return {object_id: chosen.rows([row]) for row, object_id in enumerate(object_ids)}


def keep(
    model: Model,
    features: ImageFeatures,
    frame_index: int,
    chosen: Mapping[int, tuple[MemoryBank, ChosenMask]],
    *,
    prompted: bool,
) -> None:
    """Put this frame into each of several memories."""
    if not chosen:
        return
    together = ChosenMask.cat([mask for _, mask in chosen.values()])
    entries = remember(model, features, together, prompted=prompted)
    for (bank, _), entry in zip(chosen.values(), entries, strict=True):
        bank.put(frame_index, entry, prompted=prompted)
