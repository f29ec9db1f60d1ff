"""Likeness: what does not look like what was prompted is not the object, whatever the presence head says."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float32

from masklet.tracking.memory import MemoryBank
from masklet.tracking.policies.evidence import Evidence
from masklet.tracking.policies.state import Hypothesis, Moment, State
from masklet.tracking.recall import MemoryPolicy
from masklet.tracking.rules import Likeness


def likeness(bank: MemoryBank, look: Float32[np.ndarray, " f"]) -> float:
    """Cosine similarity of a look and the prompted one that is most like it; 1 where none is known."""
    known = [e.look for e in bank.prompted.values() if e.look is not None and e.object_score > 0]
    return float((torch.stack(known).cpu().numpy() @ look).max()) if known else 1.0


def is_there(hypothesis: Hypothesis, evidence: Evidence, candidate: int, at: Moment, policy: MemoryPolicy) -> bool:
    """Whether a candidate is the object: it was seen and looks like it, or has not looked otherwise for long."""
    rule = policy.likeness
    if evidence.object_score <= (policy.motion.presence_logit if policy.motion else 0.0):
        return False
    if rule is None:
        return True
    alike = likeness(hypothesis.bank, evidence.looks[candidate])
    return alike >= rule.least and (alike >= rule.trusted or _in_a_row(hypothesis.state, at) <= rule.patience)


def mark(
    hypothesis: Hypothesis, look: Float32[np.ndarray, " f"], at: Moment, rule: Likeness, *, prompted: bool
) -> None:
    """Note whether a frame can be trusted; a prompted one always can."""
    state = hypothesis.state
    state.unlike.pop(at.frame_index, None)
    if not prompted and likeness(hypothesis.bank, look) < rule.trusted:
        state.unlike[at.frame_index] = _in_a_row(state, at)


def _in_a_row(state: State, at: Moment) -> int:
    """How many frames in a row are unlike the prompted ones, if this one is."""
    return state.unlike.get(at.frame_index + (1 if at.reverse else -1), 0) + 1
