"""What is believed of an object: one story, or several side by side; and how it changes with a frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from masklet.backends.protocol import Model
from masklet.model.mask_selection import NO_OBJECT_LOGIT, gather_masks
from masklet.model.tensors import ChosenMask, ImageFeatures, MaskPrediction, PromptTensors
from masklet.tracking.appearance import alike, looks
from masklet.tracking.memory_selection import MemoryPolicy
from masklet.tracking.policies.appearance_gate import is_there, known
from masklet.tracking.policies.candidates import Evidence, settled, weigh
from masklet.tracking.policies.motion import trimmed
from masklet.tracking.policies.non_overlap import compete
from masklet.tracking.policies.policy import Choice, decide, on_result
from masklet.tracking.policies.state import FrameContext, Hypothesis
from masklet.tracking.policies.tree import grow
from masklet.tracking.step import answers, remember, settle

LEFT_OUT = -1.0
"""Mask logit of parts that evidence leaves out."""


@dataclass(eq=False)
class HypothesisSet:
    """The stories of an object, the likeliest first. Equal stories are one object, listed as often as it counts.

    Attributes:
        stories: at least one.
        last: the frame they have come to.
    """

    stories: list[Hypothesis] = field(default_factory=lambda: [Hypothesis()])
    last: int | None = None

    @property
    def best(self) -> Hypothesis:
        """The likeliest story."""
        return self.stories[0]

    @property
    def distinct(self) -> list[Hypothesis]:
        """Every story once."""
        return list(dict.fromkeys(self.stories))

    def settle(self) -> Hypothesis:
        """Believe the likeliest story alone from here on."""
        self.best.score = 0.0
        self.stories = [self.best]
        return self.best

    def arrive(self, at: FrameContext) -> None:
        """Come to a frame. Not straight from the one before, stories and courses of another time mean nothing."""
        if self.last is not None and at.back(self.last) != 1:
            self.settle().state.course = None
        for story in self.distinct:  # a cut ends every course
            course = story.state.course
            if course is not None and not at.follows(course.seen):
                story.state.course = None
        self.last = at.frame_index


class Branch(NamedTuple):
    """One way a story may go on.

    Attributes:
        parent: the story.
        chosen: the mask it goes on with, a batch of 1; empty where the object is absent.
        signs: what the mask itself says of its quality: its stability, its agreement with the other candidates, and its
            likeness to what is known of the object.
        evidence: what it was chosen from, or None where no rule asks.
        choice: the choice.
        score: of the story with it.
    """

    parent: Hypothesis
    chosen: ChosenMask
    signs: Float[Tensor, "3"]
    evidence: Evidence | None = None
    choice: Choice = Choice(0, True)
    score: float = 0.0


def branch(
    model: Model,
    features: ImageFeatures,
    looked: ImageFeatures,
    beliefs: Sequence[HypothesisSet],
    at: FrameContext,
    policy: MemoryPolicy,
) -> list[list[Branch]]:
    """How the stories of objects nobody prompted on this frame may go on, the likeliest first, as often as each counts.

    Args:
        model: the model.
        features: of the picture, unconditioned.
        looked: the picture as each distinct story sees it, a row each, in order.
        beliefs: of the objects.
        at: the frame.
        policy: what decides.
    """
    rows = [(n, story) for n, belief in enumerate(beliefs) for story in belief.distinct]
    prediction, ranked = answers(model, looked, [PromptTensors.none(1, model.device)] * len(rows))
    own = [known(story, at, policy) for _, story in rows]
    if not policy.rules:
        chosen = settle(model, prediction, ranked)
        seen = looks(features, chosen.logits > 0).cpu().numpy()
        signs = _signs(prediction, chosen, [float(alike(*pair)[0]) for pair in zip(seen, own, strict=True)])
        plain = [[Branch(story, chosen.rows([row]), signs[row])] for row, (_, story) in enumerate(rows)]
        return _competing(plain) if policy.compete else plain
    evidence = weigh(prediction, features, own)
    if policy.motion is not None:
        courses = [story.state.course for _, story in rows]
        evidence = [trimmed(c, e, at.frame_index, policy.motion) for c, e in zip(courses, evidence, strict=True)]
    picked: list[list[tuple[int, Choice, float]]] = []
    for n, belief in enumerate(beliefs):
        places = {id(story): row for row, (m, story) in enumerate(rows) if m == n}
        picked.append(_pick(belief, [places[id(story)] for story in belief.stories], evidence, at, policy))
    distinct = list(dict.fromkeys((row, choice) for ways in picked for row, choice, _ in ways))
    chosen = _chosen(prediction, distinct, evidence)
    likeness = [float(evidence[row].alike[choice.candidate]) for row, choice in distinct]
    signs = _signs(prediction.rows([row for row, _ in distinct]), chosen, likeness)
    place = {way: k for k, way in enumerate(distinct)}
    made = {
        (row, choice): (rows[row][1], chosen.rows([k]), signs[k], evidence[row], choice)
        for (row, choice), k in place.items()
    }
    branches = [[Branch(*made[row, choice], score) for row, choice, score in ways] for ways in picked]
    return _competing(branches) if policy.compete else branches


def _competing(branches: list[list[Branch]]) -> list[list[Branch]]:
    """The likeliest stories of all objects share the frame among them; other stories stay as they are."""
    settled_masks = {
        id(ways[0].chosen): mask
        for ways, mask in zip(branches, compete([ways[0].chosen for ways in branches]), strict=True)
    }
    return [[way._replace(chosen=settled_masks.get(id(way.chosen), way.chosen)) for way in ways] for ways in branches]


def _pick(
    belief: HypothesisSet, rows: list[int], evidence: list[Evidence], at: FrameContext, policy: MemoryPolicy
) -> list[tuple[int, Choice, float]]:
    """(row, choice, score) of each way to go on."""
    if policy.tree is None:
        return [(rows[0], decide(belief.best, evidence[rows[0]], at, policy), 0.0)]
    rows = (rows * policy.tree.paths)[: policy.tree.paths] if len(set(rows)) == 1 else rows
    stories = (belief.stories * policy.tree.paths)[: policy.tree.paths] if len(belief.stories) == 1 else belief.stories
    children = grow([(story.score, evidence[row]) for story, row in zip(stories, rows, strict=True)], policy.tree)
    return [
        (
            rows[path],
            Choice(candidate, is_there(stories[path].state, evidence[rows[path]], candidate, at, policy)),
            score,
        )
        for path, candidate, score in children
    ]


def _chosen(prediction: MaskPrediction, ways: list[tuple[int, Choice]], evidence: list[Evidence]) -> ChosenMask:
    """The masks of several ways as their evidence has them, empty where the object counts as absent."""
    device = prediction.logits.device
    index = torch.tensor([1 + choice.candidate for _, choice in ways], device=device)
    chosen = gather_masks(prediction.rows([row for row, _ in ways]), index, index)
    visible = torch.tensor([choice.visible for _, choice in ways], device=device)
    masks = torch.from_numpy(np.stack([evidence[row].masks[choice.candidate] for row, choice in ways])).to(device)
    left_out = (chosen.logits > 0) & ~masks[:, None]
    logits = torch.where(left_out, LEFT_OUT, chosen.logits)
    logits = torch.where(visible[:, None, None, None], logits, NO_OBJECT_LOGIT)
    score = torch.where(visible, chosen.object_score, -chosen.object_score.abs())
    return ChosenMask(logits, chosen.iou, chosen.pointer, score)


def _signs(prediction: MaskPrediction, chosen: ChosenMask, likeness: list[float]) -> Float[Tensor, "b 3"]:
    """Stability of the chosen masks at a wide margin, their mean IoU with the decoder's candidates 1 to 3, likeness."""
    inner, outer = (chosen.logits > 1).sum((-3, -2, -1)), (chosen.logits > -1).sum((-3, -2, -1))
    mask, others = chosen.logits > 0, prediction.logits[:, 1:] > 0
    shared, either = (mask & others).sum((-2, -1)), (mask | others).sum((-2, -1))
    agreement = torch.where(either > 0, shared / either.clamp(min=1), 1.0).mean(dim=1)
    stability = torch.where(outer > 0, inner / outer.clamp(min=1), 1.0)
    return torch.stack([stability, agreement, stability.new_tensor(likeness)], dim=1)


def commit(
    model: Model,
    features: ImageFeatures,
    branches: Sequence[tuple[HypothesisSet, list[Branch]]],
    at: FrameContext,
    policy: MemoryPolicy,
) -> None:
    """Remember a tracked frame: every story goes on with its mask, and stories without one end."""
    distinct = {(n, id(b.chosen)): b for n, (_, ways) in enumerate(branches) for b in ways}
    if not distinct:
        return
    together = ChosenMask.cat([way.chosen for way in distinct.values()])
    entries = dict(zip(distinct, remember(model, features, together, prompted=False), strict=True))
    for n, (belief, ways) in enumerate(branches):
        each = {id(way.chosen): way for way in ways}
        heirs = Counter(id(way.parent) for way in each.values())
        grown: dict[int, Hypothesis] = {}
        for key, way in each.items():  # the last heir takes its parent's place, those before it fork off
            heirs[id(way.parent)] -= 1
            grown[key] = story = way.parent.fork() if heirs[id(way.parent)] else way.parent
            story.score = way.score
            story.bank.put(at.frame_index, entries[n, key], prompted=False)
            if way.evidence is not None:
                on_result(story, way.evidence, way.choice, at, policy)
        belief.stories = [grown[id(way.chosen)] for way in ways]


def prompted(belief: HypothesisSet, chosen: ChosenMask, at: FrameContext, policy: MemoryPolicy) -> None:
    """Learn from a frame that a person prompted; its memory is already there. No other story outlives it."""
    story = belief.settle()
    if policy.rules:
        on_result(story, settled(chosen)[0], Choice(0, visible=bool(chosen.object_score[0] > 0)), at, policy)
