"""One optimizer step: batches through the model, losses summed up, gradients clipped, weights moved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from masklet.model.sam2 import Sam2
from masklet.train.config import LossConfig, TrainConfig
from masklet.train.losses import Terms, compare, coverage
from masklet.train.mixture import Task
from masklet.train.unroll import Answer, Unroll

TERMS = tuple(field.name for field in fields(Terms))


@dataclass(frozen=True, eq=False)
class Scored:
    """The loss of a batch and its terms, each the mean over objects and answers."""

    loss: Tensor
    terms: Mapping[str, float]


def score(model: Sam2, task: Task, config: LossConfig, *, checkpointing: bool = False) -> Scored:
    """Take a batch through the model and compare every answer with the truth.

    Every answer to every object counts the same, whether it is the first look at a frame or comes after a click.
    """
    batch = task.batch.to(model.device)
    truths = [coverage(masks, config.stride) for masks in batch.masks]
    unroll = Unroll(model, batch, task.plan, checkpointing=checkpointing)
    found = [terms for answer in unroll for terms in _answer_terms(answer, truths, config)]
    if not found:  # every object was given as a mask, and there are no other frames
        return Scored(torch.zeros((), device=model.device), dict.fromkeys(TERMS, 0.0))
    terms = Terms(*(torch.cat([getattr(part, name) for part in found]) for name in TERMS))
    means = torch.stack([getattr(terms, name).mean() for name in TERMS]).tolist()
    return Scored(terms.total(config).mean(), dict(zip(TERMS, means, strict=True)))


def _answer_terms(answer: Answer, truths: list[Tensor], config: LossConfig) -> list[Terms]:
    """Candidates 1 to 3 of ambiguous answers, candidate 0 of the others (``every_first``: of all)."""
    truth, parts = truths[answer.frame][answer.rows], []
    ambiguous = answer.ambiguous
    single = torch.ones_like(ambiguous) if config.every_first else ~ambiguous
    for wanted, candidates in ((ambiguous, slice(1, None)), (single, slice(0, 1))):
        rows = wanted.nonzero()[:, 0]
        if len(rows):
            made = answer.prediction if len(rows) == len(truth) else answer.prediction.rows(rows.tolist())
            parts.append(
                compare(made.logits[:, candidates], made.iou[:, candidates], made.object_score, truth[rows], config)
            )
    return parts


def descend(
    model: Sam2,
    tasks: list[Task],
    optimizer: torch.optim.Optimizer,
    config: TrainConfig,
    share: Callable[[], None] = lambda: None,
) -> tuple[dict[str, float], float]:
    """One optimizer step over some batches; their mean gradient counts.

    Args:
        model: in training mode.
        tasks: the batches.
        optimizer: moves the weights.
        config: of losses and optimizer.
        share: called once all gradients are there, to average them with those of other processes.

    Returns:
        the terms, means over the batches with "loss", and the gradient's norm before it was clipped. A gradient that
        is not finite moves nothing.
    """
    optim = config.optim
    optimizer.zero_grad(set_to_none=True)
    sums = dict.fromkeys(("loss", *TERMS), 0.0)
    for task in tasks:
        with torch.autocast(model.device.type, torch.bfloat16, enabled=optim.autocast):
            scored = score(model, task, config.loss, checkpointing=optim.checkpointing)
        if scored.loss.requires_grad:
            (scored.loss / len(tasks)).backward()
        for name, value in {"loss": float(scored.loss.detach()), **scored.terms}.items():
            sums[name] += value / len(tasks)
    share()
    norm = torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.grad is not None], optim.clip)
    if torch.isfinite(norm):
        optimizer.step()
    return sums, float(norm)
