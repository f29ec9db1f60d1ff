"""Memory policies beyond SAM 2: which past to trust, what to keep for good, which candidate or story to follow.

| file | holds |
| --- | --- |
| `evidence` | what the decoder says of each candidate: scores, boxes, areas |
| `state` | what is known of one object, as data; a frame as a pass comes to it |
| `policy` | the three verbs: `select`, `on_result`, `prune` |
| `trust` | which past a gate lets through |
| `anchors`, `motion`, `tree`, `cuts`, `likeness`, `compete` | one rule each |
| `belief` | the stories of an object, and how they go on |
| `named` | the policies that have a name |
"""

from masklet.tracking.policies.hypotheses import Branch, HypothesisSet, branch, commit, prompted
from masklet.tracking.policies.policy import Kept, on_result, prune, select
from masklet.tracking.policies.presets import NAMES, PolicyName, named
from masklet.tracking.policies.shot_cuts import CutDetector
from masklet.tracking.policies.state import FrameContext, Hypothesis, State

__all__ = [
    "NAMES",
    "Branch",
    "CutDetector",
    "FrameContext",
    "Hypothesis",
    "HypothesisSet",
    "Kept",
    "PolicyName",
    "State",
    "branch",
    "commit",
    "named",
    "on_result",
    "prompted",
    "prune",
    "select",
]
