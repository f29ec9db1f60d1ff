"""The appearance gate: a mask that does not look like the object is something else, whatever the presence head says."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from masklet.tracking.memory_policy import AppearanceGate, MemoryPolicy
from masklet.tracking.memory_selection import FrameContext
from masklet.tracking.policies.candidates import DecoderCandidates
from masklet.tracking.policies.gating import readable_memories
from masklet.tracking.policies.state import Hypothesis, PolicyState


def appearance_references(
    hypothesis: Hypothesis, context: FrameContext, policy: MemoryPolicy
) -> Float[Tensor, "n f"] | None:
    """Appearance embeddings of an object: of its prompted masks, and of tracked ones that stayed reliable."""
    bank, rule = hypothesis.bank, policy.appearance
    entries = [entry for entry in bank.prompted.values() if entry.object_score > 0]
    if rule is not None and policy.gate is not None:
        reliable = readable_memories(hypothesis, context, policy, policy.gate).reliable
        entries += [bank[i] for i in reliable[rule.delay : policy.pointer_reach]]
    embeddings = [entry.appearance for entry in entries if entry.appearance is not None]
    return torch.stack(embeddings) if embeddings else None


def is_visible(
    state: PolicyState, candidates: DecoderCandidates, index: int, context: FrameContext, policy: MemoryPolicy
) -> bool:
    """Whether a candidate shows the object: it is present and looks like it, or has not looked different for long."""
    rule = policy.appearance
    if candidates.object_score <= (policy.motion.presence_logit if policy.motion else 0.0):
        return False
    if rule is None:
        return True
    similarity = float(candidates.similarity[index])
    return similarity >= rule.reliable_similarity or _run(state, similarity, context, rule) <= rule.patience


def record_similarity(state: PolicyState, similarity: float, context: FrameContext, rule: AppearanceGate) -> None:
    """Record whether the mask of a frame looks like the object."""
    state.dissimilar.pop(context.frame_index, None)
    if similarity < rule.reliable_similarity:
        state.dissimilar[context.frame_index] = _run(state, similarity, context, rule)


def _run(state: PolicyState, similarity: float, context: FrameContext, rule: AppearanceGate) -> int:
    """Length of the run of dissimilar frames up to this one; beyond the patience once one was very different."""
    before = state.dissimilar.get(context.back(1), 0)
    return max(before, 0 if similarity >= rule.min_similarity else rule.patience) + 1
