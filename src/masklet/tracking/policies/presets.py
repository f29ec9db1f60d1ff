"""Named memory policies, with the settings of their papers; "auto" is our own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from masklet.model.config import ModelConfig
from masklet.tracking.memory_selection import MemoryPolicy
from masklet.tracking.rules import Anchors, AppearanceGate, Gate, Motion, Tree

PolicyName = Literal["plain", "gated", "distractor", "motion", "tree", "auto"]
NAMES: tuple[PolicyName, ...] = get_args(PolicyName)

DISTRACTOR_GATE = Gate(min_quality=0.0, newest=False, stride=5, shared=True)

RULES: Mapping[PolicyName, Mapping[str, Any]] = {
    "plain": {},  # SAM 2
    "gated": {"gate": Gate()},  # the memory selection of SAM 3
    "distractor": {"gate": DISTRACTOR_GATE, "anchors": Anchors()},  # DAM4SAM
    "motion": {"gate": Gate(min_iou=0.5, min_quality=0.0), "motion": Motion()},  # SAMURAI
    "tree": {"gate": Gate(min_iou=0.1, min_quality=0.0, emphasis=0.05), "tree": Tree()},  # SAM2Long
    "auto": {"gate": Gate(min_quality=0.0, newest=False), "appearance": AppearanceGate()},
}


def named_policy(name: PolicyName, config: ModelConfig) -> MemoryPolicy:
    """The policy of a name, with the numbers of memories that a model was trained for."""
    frames = min(config.memory_frames, config.max_maps)
    return MemoryPolicy(memory_frames=frames, max_pointers=config.max_pointers, **RULES[name])
