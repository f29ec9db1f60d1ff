"""AppearanceGate: what does not look like the object is something else, whatever the presence head says."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float32

from masklet.tracking.memory_selection import MemoryPolicy
from masklet.tracking.policies.candidates import Evidence
from masklet.tracking.policies.gating import look_back
from masklet.tracking.policies.state import FrameContext, Hypothesis, State
from masklet.tracking.rules import AppearanceGate


def known(hypothesis: Hypothesis, at: FrameContext, policy: MemoryPolicy) -> Float32[np.ndarray, "n f"]:
    """The looks of an object: of its prompted frames, and of tracked ones trusted for a while (`AppearanceGate`)."""
    bank, rule = hypothesis.bank, policy.likeness
    entries = [entry for entry in bank.prompted.values() if entry.object_score > 0]
    if rule is not None and policy.gate is not None:
        trusted = look_back(hypothesis, at, policy, policy.gate).trusted
        entries += [bank[i] for i in trusted[rule.delay : policy.pointer_reach]]
    looks = [entry.look for entry in entries if entry.look is not None]
    return torch.stack(looks).cpu().numpy() if looks else np.zeros((0, 0), np.float32)


def is_there(state: State, evidence: Evidence, candidate: int, at: FrameContext, policy: MemoryPolicy) -> bool:
    """Whether a candidate is the object: it was seen and looks like it, or has not looked otherwise for long."""
    rule = policy.likeness
    if evidence.object_score <= (policy.motion.presence_logit if policy.motion else 0.0):
        return False
    if rule is None:
        return True
    alike = float(evidence.alike[candidate])
    return alike >= rule.trusted or _doubt(state, alike, at, rule) <= rule.patience


def mark(state: State, alike: float, at: FrameContext, rule: AppearanceGate) -> None:
    """Note whether a frame can be trusted."""
    state.unlike.pop(at.frame_index, None)
    if alike < rule.trusted:
        state.unlike[at.frame_index] = _doubt(state, alike, at, rule)


def _doubt(state: State, alike: float, at: FrameContext, rule: AppearanceGate) -> int:
    """How many frames in a row are unlike the object, with this one; beyond patience once one is something else."""
    before = state.unlike.get(at.frame_index + (1 if at.reverse else -1), 0)
    return max(before, 0 if alike >= rule.least else rule.patience) + 1
