"""Hypotheses of an object: one, or several side by side; how a frame extends them, and which memories they keep."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from masklet.backends.protocol import Model
from masklet.model.mask_decoder import NO_OBJECT_LOGIT, gather_masks
from masklet.model.tensors import ChosenMask, ImageFeatures, MaskPrediction, PromptTensors, to_host
from masklet.tracking.appearance import appearance_embeddings, max_similarity
from masklet.tracking.memory_policy import MemoryPolicy, Tree
from masklet.tracking.memory_selection import FrameContext
from masklet.tracking.policies.appearance_gate import appearance_references, is_visible
from masklet.tracking.policies.candidates import DecoderCandidates, decoder_candidates, final_candidates
from masklet.tracking.policies.motion import without_distant_components
from masklet.tracking.policies.non_overlap import resolve_overlaps
from masklet.tracking.policies.policy import Choice, choose_candidate, update_state
from masklet.tracking.policies.state import Hypothesis
from masklet.tracking.step import choose_masks, decode_prompts, memory_entries

REMOVED_LOGIT = -1.0
"""Mask logit of components that motion removed."""


class MaskScores(NamedTuple):
    """What the model predicts about a mask.

    Attributes:
        presence: logit of the presence head.
        iou: predicted IoU, 0 to 1.
        stability: IoU of the mask at a stricter and at a looser threshold, 0 to 1.
        agreement: mean IoU with the decoder's other candidates, and with the other hypotheses, the lower of the two.
        similarity: appearance similarity of the mask to the object's references (`appearance_gate`), -1 to 1.
        visible: whether the object is present and the mask is not empty.
    """

    presence: float
    iou: float
    stability: float
    agreement: float
    similarity: float
    visible: bool


@dataclass(eq=False)
class HypothesisSet:
    """The hypotheses of an object, the most likely first. Equal ones are one object, listed as often as it counts.

    Attributes:
        hypotheses: at least one.
        last_frame: the frame up to which they were tracked.
    """

    hypotheses: list[Hypothesis] = field(default_factory=lambda: [Hypothesis()])
    last_frame: int | None = None

    @property
    def best(self) -> Hypothesis:
        """The most likely hypothesis."""
        return self.hypotheses[0]

    @property
    def distinct(self) -> list[Hypothesis]:
        """Every hypothesis once."""
        return list(dict.fromkeys(self.hypotheses))

    def keep_best(self) -> Hypothesis:
        """Drop all hypotheses but the most likely one."""
        self.best.score = 0.0
        self.hypotheses = [self.best]
        return self.best

    def advance_to(self, context: FrameContext) -> None:
        """Move to a frame. If it does not follow the last one, other hypotheses and motion states are dropped."""
        if self.last_frame is not None and context.age(self.last_frame) != 1:
            self.keep_best().state.motion = None
        for hypothesis in self.distinct:  # motion ends at a shot cut
            motion = hypothesis.state.motion
            if motion is not None and not context.same_shot(motion.last_seen):
                hypothesis.state.motion = None
        self.last_frame = context.frame_index


class Candidate(NamedTuple):
    """One way to extend a hypothesis by a frame.

    Attributes:
        parent: the hypothesis.
        chosen: the mask, a batch of 1; empty where the object is absent.
        quality: stability of the mask, its agreement with the decoder's other candidates, and its appearance
            similarity (1 where appearance is not computed).
        decoded: the decoder's candidates it was chosen from, or None without rules.
        choice: which of these.
        score: of the extended hypothesis.
        appearance: embedding of the mask, or None where it was not computed or the mask was changed since.
    """

    parent: Hypothesis
    chosen: ChosenMask
    quality: Float[Tensor, "3"]
    decoded: DecoderCandidates | None = None
    choice: Choice = Choice(0, True)
    score: float = 0.0
    appearance: Float[Tensor, " f"] | None = None


def expand(
    model: Model,
    features: ImageFeatures,
    conditioned: ImageFeatures,
    sets: Sequence[HypothesisSet],
    context: FrameContext,
    policy: MemoryPolicy,
    *,
    with_appearance: bool,
) -> list[list[Candidate]]:
    """Extend the hypotheses of objects by a frame without prompts.

    Args:
        features: of the image, unconditioned.
        conditioned: a row for each distinct hypothesis, in order.
        sets: the hypotheses of each object.
        with_appearance: compute appearance embeddings.

    Returns:
        For each object its candidates, the most likely first, each as often as it counts.
    """
    rows = [(n, hypothesis) for n, one in enumerate(sets) for hypothesis in one.distinct]
    prediction, ranked = decode_prompts(model, conditioned, [PromptTensors.none(1, model.device)] * len(rows))
    references = [appearance_references(h, context, policy) for _, h in rows] if with_appearance else None
    if not policy.rules:
        chosen = choose_masks(model, prediction, ranked)
        similarity = chosen.iou.new_ones(len(rows))
        embeddings: Sequence[Tensor | None] = [None] * len(rows)
        if references is not None:
            found = list(appearance_embeddings(features, chosen.logits > 0))
            embeddings, similarity = found, torch.cat(list(map(max_similarity, found, references)))
        quality = _quality(prediction, chosen, similarity)
        plain = [
            [Candidate(hypothesis, chosen.rows([row]), quality[row], appearance=None if seen is None else seen[0])]
            for row, ((_, hypothesis), seen) in enumerate(zip(rows, embeddings, strict=True))
        ]
        return _without_overlaps(plain) if policy.non_overlap else plain
    decoded = decoder_candidates(prediction, features, references)
    if policy.motion is not None:
        motions = [hypothesis.state.motion for _, hypothesis in rows]
        decoded = [
            without_distant_components(motion, one, context.frame_index, policy.motion)
            for motion, one in zip(motions, decoded, strict=True)
        ]
    picked: list[list[tuple[int, Choice, float]]] = []
    for n, one in enumerate(sets):
        row_of = {id(hypothesis): row for row, (m, hypothesis) in enumerate(rows) if m == n}
        picked.append(_pick(one, [row_of[id(hypothesis)] for hypothesis in one.hypotheses], decoded, context, policy))
    distinct = list(dict.fromkeys((row, choice) for each in picked for row, choice, _ in each))
    trimmed = policy.motion is not None and policy.motion.margin is not None
    chosen = _chosen_masks(prediction, distinct, decoded if trimmed else None)
    similarity = chosen.iou.new_tensor([decoded[row].similarity[choice.candidate] for row, choice in distinct])
    quality = _quality(prediction.rows([row for row, _ in distinct]), chosen, similarity)
    made: dict[tuple[int, Choice], Candidate] = {}
    for k, (row, choice) in enumerate(distinct):
        appearance, all_seen = None, decoded[row].appearance
        if all_seen is not None and not trimmed:
            appearance = all_seen[choice.candidate] if choice.visible else torch.zeros_like(all_seen[0])
        made[row, choice] = Candidate(
            rows[row][1], chosen.rows([k]), quality[k], decoded[row], choice, appearance=appearance
        )
    expanded = [[made[row, choice]._replace(score=score) for row, choice, score in each] for each in picked]
    return _without_overlaps(expanded) if policy.non_overlap else expanded


def _without_overlaps(expanded: list[list[Candidate]]) -> list[list[Candidate]]:
    """Resolve overlaps between the most likely candidates of all objects; other candidates stay as they are."""
    resolved = resolve_overlaps([each[0].chosen for each in expanded])
    masks = {id(each[0].chosen): mask for each, mask in zip(expanded, resolved, strict=True)}
    return [
        [
            candidate._replace(chosen=masks[id(candidate.chosen)], appearance=None)
            if id(candidate.chosen) in masks
            else candidate
            for candidate in each
        ]
        for each in expanded
    ]


def _pick(
    hypotheses: HypothesisSet,
    rows: list[int],
    decoded: list[DecoderCandidates],
    context: FrameContext,
    policy: MemoryPolicy,
) -> list[tuple[int, Choice, float]]:
    """(row, choice, score) of each candidate to continue with."""
    if policy.tree is None:
        return [(rows[0], choose_candidate(hypotheses.best, decoded[rows[0]], context, policy), 0.0)]
    paths = policy.tree.paths
    rows = (rows * paths)[:paths] if len(set(rows)) == 1 else rows
    parents = hypotheses.hypotheses
    parents = (parents * paths)[:paths] if len(parents) == 1 else parents
    children = best_children(
        [(parent.score, decoded[row]) for parent, row in zip(parents, rows, strict=True)], policy.tree
    )
    return [
        (
            rows[path],
            Choice(index, is_visible(parents[path].state, decoded[rows[path]], index, context, policy)),
            score,
        )
        for path, index, score in children
    ]


def _chosen_masks(
    prediction: MaskPrediction, choices: list[tuple[int, Choice]], trimmed: list[DecoderCandidates] | None
) -> ChosenMask:
    """The masks of several choices, empty where the object counts as absent.

    Args:
        choices: (row of the prediction, choice) of each.
        trimmed: candidates of which components were removed, or None.
    """
    device = prediction.logits.device
    index = torch.tensor([1 + choice.candidate for _, choice in choices], device=device)
    chosen = gather_masks(prediction.rows([row for row, _ in choices]), index, index)
    visible = torch.tensor([choice.visible for _, choice in choices], device=device)
    logits = chosen.logits
    if trimmed is not None:
        masks = np.stack([trimmed[row].masks[choice.candidate] for row, choice in choices])
        removed = (logits > 0) & ~torch.from_numpy(masks).to(device)[:, None]
        logits = torch.where(removed, REMOVED_LOGIT, logits)
    logits = torch.where(visible[:, None, None, None], logits, NO_OBJECT_LOGIT)
    score = torch.where(visible, chosen.object_score, -chosen.object_score.abs())
    return ChosenMask(logits, chosen.iou, chosen.pointer, score)


def _quality(prediction: MaskPrediction, chosen: ChosenMask, similarity: Float[Tensor, " b"]) -> Float[Tensor, "b 3"]:
    """Stability of the chosen masks at a wide margin, their mean IoU with candidates 1 to 3, and similarity."""
    inner, outer = (chosen.logits > 1).sum((-3, -2, -1)), (chosen.logits > -1).sum((-3, -2, -1))
    mask, others = chosen.logits > 0, prediction.logits[:, 1:] > 0
    shared, either = (mask & others).sum((-2, -1)), (mask | others).sum((-2, -1))
    agreement = torch.where(either > 0, shared / either.clamp(min=1), 1.0).mean(dim=1)
    stability = torch.where(outer > 0, inner / outer.clamp(min=1), 1.0)
    return torch.stack([stability, agreement, similarity], dim=1)


def commit(
    model: Model,
    features: ImageFeatures,
    expanded: Sequence[tuple[HypothesisSet, list[Candidate]]],
    context: FrameContext,
    policy: MemoryPolicy,
    *,
    with_appearance: bool,
    fetch: Sequence[Tensor] = (),
) -> tuple[list[MaskScores], list[Tensor]]:
    """Encode the memories of a tracked frame and extend every hypothesis; those without a candidate are dropped.

    Args:
        features: of the image, unconditioned.
        expanded: hypotheses and candidates of each object, at least one.
        with_appearance: remember appearance embeddings.
        fetch: further tensors to copy to the host with the scores, in one transfer after everything was launched.

    Returns:
        The scores of each object's most likely mask, and the host copies of ``fetch``.
    """
    distinct = {(n, id(c.chosen)): c for n, (_, candidates) in enumerate(expanded) for c in candidates}
    together = ChosenMask.cat([candidate.chosen for candidate in distinct.values()])
    appearance = None
    if with_appearance:
        known = [c.appearance for c in distinct.values() if c.appearance is not None]
        complete = len(known) == len(distinct)
        appearance = torch.stack(known) if complete else appearance_embeddings(features, together.logits > 0)[:, 0]
    maps = model.encode_memory(features, together, prompted=False)
    table, *fetched = to_host(_score_table(together, distinct, expanded), *fetch)
    rows = [MaskScores._make([*row[:-1], row[-1] > 0]) for row in table.tolist()]
    scores = dict(zip(distinct, rows, strict=True))
    made = memory_entries(maps, together.pointer, [row.presence for row in rows], [row.iou for row in rows], appearance)
    entries = dict(zip(distinct, made, strict=True))
    for n, (hypotheses, candidates) in enumerate(expanded):
        each = {id(candidate.chosen): candidate for candidate in candidates}
        children = Counter(id(candidate.parent) for candidate in each.values())
        extended: dict[int, Hypothesis] = {}
        for key, candidate in each.items():  # the last child replaces its parent, those before it are forks
            children[id(candidate.parent)] -= 1
            hypothesis = candidate.parent.fork() if children[id(candidate.parent)] else candidate.parent
            extended[key] = hypothesis
            hypothesis.score = candidate.score
            hypothesis.bank.put(context.frame_index, entries[n, key], prompted=False)
            if candidate.decoded is not None:
                update_state(hypothesis, candidate.decoded, candidate.choice, context, policy)
        hypotheses.hypotheses = [extended[id(candidate.chosen)] for candidate in candidates]
    return [scores[n, id(candidates[0].chosen)] for n, (_, candidates) in enumerate(expanded)], fetched


def _score_table(
    chosen: ChosenMask,
    distinct: Mapping[tuple[int, int], Candidate],
    expanded: Sequence[tuple[HypothesisSet, list[Candidate]]],
) -> Float[Tensor, "b 6"]:
    """The `MaskScores` of each candidate as rows, on the device."""
    quality = torch.stack([candidate.quality for candidate in distinct.values()])
    row_of = {key: row for row, key in enumerate(distinct)}
    masks = chosen.logits > 0
    for n, (_, candidates) in enumerate(expanded):
        rows = list(dict.fromkeys(row_of[n, id(candidate.chosen)] for candidate in candidates))
        if len(rows) > 1:  # the most likely mask also has to agree with those of the other hypotheses
            best, others = masks[rows[0]], masks[rows[1:]]
            shared, either = (best & others).sum((-3, -2, -1)), (best | others).sum((-3, -2, -1))
            agreement = torch.where(either > 0, shared / either.clamp(min=1), 1.0).amin()
            quality[rows[0], 1] = torch.minimum(quality[rows[0], 1], agreement)
    visible = (chosen.object_score > 0) & masks.flatten(1).any(dim=1)
    return torch.cat([torch.stack([chosen.object_score, chosen.iou], 1), quality, visible[:, None].float()], 1)


def update_prompted(hypotheses: HypothesisSet, chosen: ChosenMask, context: FrameContext, policy: MemoryPolicy) -> None:
    """Update the rules' state with a prompted frame, whose memory is there already; other hypotheses are dropped."""
    hypothesis = hypotheses.keep_best()
    if policy.rules:
        (candidates,) = final_candidates(chosen)
        update_state(hypothesis, candidates, Choice(0, visible=candidates.object_score > 0), context, policy)


class Child(NamedTuple):
    """One candidate mask of one hypothesis.

    Attributes:
        path: index of the hypothesis.
        candidate: index of the mask.
        score: of the hypothesis extended by it.
    """

    path: int
    candidate: int
    score: float


def best_children(paths: Sequence[tuple[float, DecoderCandidates]], rule: Tree) -> list[Child]:
    """Select the hypotheses of the next frame, at most ``rule.paths``, the most likely first.

    Args:
        paths: score and candidates of each hypothesis. Equal hypotheses are listed as often as they count: they
            diverge only where the object's presence is uncertain.
    """
    children = [
        Child(p, j, score + math.log(float(iou) + 1e-5))
        for p, (score, candidates) in enumerate(paths)
        for j, iou in enumerate(candidates.iou)
    ]
    children.sort(key=lambda child: -child.score)
    if max(abs(candidates.object_score) for _, candidates in paths) > rule.certain_logit:
        return children[: rule.paths]
    predictions: set[float] = set()
    selected: list[Child] = []
    for child in children:
        candidates = paths[child.path][1]
        sign = 1 if candidates.object_score > 0 else -1
        prediction = round(sign * float(candidates.iou[child.candidate]), 2)
        if prediction not in predictions and len(selected) < rule.paths:
            predictions.add(prediction)
            selected.append(child)
    covered = {child.path for child in selected}
    for child in children:  # the best child of every hypothesis that has none yet
        if child.path not in covered and len(selected) < rule.paths:
            covered.add(child.path)
            selected.append(child)
    return sorted(selected, key=lambda child: -child.score)
