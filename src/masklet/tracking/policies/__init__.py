"""The rules of `MemoryPolicy` at work: which memories to read and keep, which candidate or hypothesis to follow.

| file | holds |
| --- | --- |
| `state` | one hypothesis of an object as data |
| `candidates` | the decoder's candidate masks of a frame: scores, boxes, areas, appearance |
| `policy` | a policy at work: `select`, `choose_candidate`, `update_state`, `prune` |
| `hypotheses` | the hypotheses of an object, and how a frame extends them (SAM2Long) |
| `gating`, `anchors`, `motion`, `shot_cuts`, `appearance_gate`, `non_overlap` | one rule each |
"""

from masklet.tracking.policies.hypotheses import Candidate, HypothesisSet, MaskScores, commit, expand, update_prompted
from masklet.tracking.policies.policy import Readable, prune, select, update_state
from masklet.tracking.policies.shot_cuts import ShotCutDetector
from masklet.tracking.policies.state import Hypothesis, PolicyState

__all__ = [
    "Candidate",
    "Hypothesis",
    "HypothesisSet",
    "MaskScores",
    "PolicyState",
    "Readable",
    "ShotCutDetector",
    "commit",
    "expand",
    "prune",
    "select",
    "update_prompted",
    "update_state",
]
