"""One batch through the model as a person would take it through: look, answer or follow, correct, remember."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from masklet.model.sam2 import Sam2
from masklet.model.tensors import ChosenMask, ImageFeatures, MaskPrediction, PromptTensors
from masklet.tracking.memory import MemoryBank
from masklet.tracking.memory_selection import MemoryPolicy, choose
from masklet.tracking.step import answers, look, remember, settle
from masklet.train.batch import Batch
from masklet.train.prompts import PromptPlan, noisy_boxes, pick_correction, pick_pixels

CELL = 4
"""Clicks fall into the middle of cells of so many pixels: those of the mask logits."""

POSITIVE, NEGATIVE, TOP_LEFT, BOTTOM_RIGHT = 1, 0, 2, 3


@dataclass(frozen=True, eq=False)
class Answer:
    """What the model said about some objects of one frame.

    Attributes:
        frame: its index in the clip.
        rows: the objects, by their place in the batch.
        prediction: all four candidates.
        ranked: whether the model goes on with the best of candidates 1 to 3 or with candidate 0.
        prompts: what was asked about each object.
    """

    frame: int
    rows: list[int]
    prediction: MaskPrediction
    ranked: Bool[Tensor, " n"]
    prompts: list[PromptTensors]

    @property
    def ambiguous(self) -> Bool[Tensor, " n"]:
        """Whether several answers are sensible: to a single click, on a tracked frame."""
        return torch.tensor([prompts.ambiguous for prompts in self.prompts], device=self.ranked.device)


class Unroll:
    """One pass over the frames of a batch.

    Frames with a first prompt are answered without memory, as on the first frame of a video; corrections come on top of
    what was tracked. A prompted mask is the answer and is remembered as it is (paper section 4).
    """

    def __init__(self, model: Sam2, batch: Batch, plan: PromptPlan, *, checkpointing: bool = False) -> None:
        self.model, self.batch, self.plan, self.checkpointing = model, batch, plan, checkpointing
        self.banks = [MemoryBank() for _ in plan.kinds]
        self.policy = MemoryPolicy(
            memory_frames=model.config.memory_frames, max_pointers=model.config.max_pointers, max_prompted=None
        )

    def __iter__(self) -> Iterator[Answer]:
        """The answers of all frames, in order; those of one frame begin with the first look at it."""
        last = self.batch.num_frames - 1
        for frame, features in enumerate(self._features()):
            yield from self._frame(frame, features, keep=frame < last)

    def _features(self) -> Iterator[ImageFeatures]:
        """A row for each object, frame by frame; all pictures go through the encoder together."""
        pixels = rearrange(self.batch.pixels, "t b c h w -> (t b) c h w").float() / 255
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        if self.checkpointing:
            seen = checkpoint(self.model.encode_image, pixels, use_reentrant=False)
        else:
            seen = self.model.encode_image(pixels)
        count, owner = self.batch.pixels.shape[1], self.batch.owner
        for frame in range(self.batch.num_frames):
            rows = owner + frame * count
            yield ImageFeatures(
                *(part.float().index_select(0, rows) for part in (seen.embedding, seen.stride8, seen.stride4))
            )

    def _frame(self, frame: int, features: ImageFeatures, *, keep: bool) -> Iterator[Answer]:
        present = self.batch.masks[frame].flatten(1).any(1).tolist()
        kinds = dict(enumerate(self.plan.kinds))
        prompted = {row for row in kinds if frame in self.plan.prompted and present[row]}
        given = [row for row in kinds if row in prompted and kinds[row] == "mask"]
        asked = [row for row in kinds if row in prompted and kinds[row] != "mask"]
        followed = [row for row in kinds if row not in prompted]
        if given and keep:
            seen = features.rows(given)
            mask = self.batch.masks[frame, given][:, None].float()
            self._keep(frame, given, seen, self.model.use_mask_as_output(seen, mask), prompted=True)
        if asked:
            yield from self._asked(frame, asked, features.rows(asked), keep)
        if followed:
            yield from self._followed(frame, followed, features.rows(followed), keep)

    def _asked(self, frame: int, rows: list[int], features: ImageFeatures, keep: bool) -> Iterator[Answer]:
        looked = self.model.condition(features, None)
        dialog = Dialog(self, frame, rows, looked)
        yield dialog.ask(first_prompts(self.batch.masks[frame, rows], self.plan, frame, rows))
        if frame in self.plan.corrected:
            yield from dialog.correct(list(range(len(rows))))
        if keep:
            self._keep(frame, rows, features, dialog.chosen, prompted=True)

    def _followed(self, frame: int, rows: list[int], features: ImageFeatures, keep: bool) -> Iterator[Answer]:
        recalls = [
            (bank, choose(frame, prompted=bank.prompted, recent=bank.recent, policy=self.policy))
            for bank in (self.banks[row] for row in rows)
        ]
        looked = look(self.model, features, recalls, self.policy)
        dialog = Dialog(self, frame, rows, looked)
        yield dialog.ask([PromptTensors.none(1, self.model.device)] * len(rows))
        corrected = [i for i, row in enumerate(rows) if self.plan.kinds[row] != "mask"]
        if frame not in self.plan.corrected:
            corrected = []
        if corrected:
            yield from dialog.correct(corrected)
        if keep:
            for places, was in ((corrected, True), ([i for i in range(len(rows)) if i not in set(corrected)], False)):
                if places:
                    seen, chosen = features.rows(places), dialog.chosen.rows(places)
                    self._keep(frame, [rows[i] for i in places], seen, chosen, prompted=was)

    def _keep(
        self, frame: int, rows: Sequence[int], features: ImageFeatures, chosen: ChosenMask, *, prompted: bool
    ) -> None:
        entries = remember(self.model, features, chosen, prompted=prompted)
        for row, entry in zip(rows, entries, strict=True):
            self.banks[row].put(frame, entry, prompted=prompted)


class Dialog:
    """The answers to some objects of one frame, click after click."""

    def __init__(self, unroll: Unroll, frame: int, rows: list[int], looked: ImageFeatures) -> None:
        self.unroll, self.frame, self.rows, self.looked = unroll, frame, rows, looked
        self.asked: list[PromptTensors] = []
        self.chosen: ChosenMask

    def ask(self, prompts: list[PromptTensors]) -> Answer:
        """The first answer."""
        self.asked = prompts
        answer = self._answer(list(range(len(self.rows))))
        self.chosen = settle(self.unroll.model, answer.prediction, answer.ranked)
        return answer

    def correct(self, places: list[int]) -> Iterator[Answer]:
        """Click after click on some of the objects, each on the answer to the one before."""
        plan, model = self.unroll.plan, self.unroll.model
        truth = self.unroll.batch.masks[self.frame, [self.rows[i] for i in places]]
        for draws in plan.corrections[:, self.frame, [self.rows[i] for i in places]]:
            before = self.chosen.logits[places].detach()
            clicks, labels = next_clicks(before, truth, torch.from_numpy(draws).to(model.device), plan)
            for i, click, label, logits in zip(places, clicks, labels, before, strict=True):
                told = self.asked[i]
                self.asked[i] = PromptTensors(
                    torch.cat([told.points, click[None, None]], 1),
                    torch.cat([told.labels, label[None, None]], 1),
                    logits[None],
                )
            answer = self._answer(places)
            newest = settle(model, answer.prediction, answer.ranked)
            self.chosen = merged(self.chosen, places, newest)
            yield answer

    def _answer(self, places: list[int]) -> Answer:
        prompts = [self.asked[i] for i in places]
        looked, model = self.looked.rows(places), self.unroll.model
        if self.unroll.checkpointing:
            prediction, ranked = checkpoint(answers, model, looked, prompts, use_reentrant=False)
        else:
            prediction, ranked = answers(model, looked, prompts)
        return Answer(self.frame, [self.rows[i] for i in places], prediction, ranked, prompts)


def merged(chosen: ChosenMask, places: list[int], newest: ChosenMask) -> ChosenMask:
    """``chosen`` with some rows replaced by the newest answers."""
    if len(places) == len(chosen):
        return newest
    order = list(range(len(chosen)))
    for new, place in enumerate(places):
        order[place] = len(chosen) + new
    return ChosenMask.cat([chosen, newest]).rows(order)


def first_prompts(
    masks: Bool[Tensor, "n s s"], plan: PromptPlan, frame: int, rows: Sequence[int]
) -> list[PromptTensors]:
    """The first click or box on each object."""
    draws = torch.from_numpy(plan.first[frame, rows]).to(masks.device)
    cells = torch.nn.functional.max_pool2d(masks[:, None].float(), CELL)[:, 0] > 0
    clicks = middle_of(pick_pixels(cells, draws[:, 0], draws[:, 1] < plan.config.centered_clicks))
    noise = torch.from_numpy(plan.boxes[frame, rows]).to(masks.device)
    boxes = noisy_boxes(masks, noise, plan.config.box_noise)
    kinds = {
        "click": (clicks[:, None], torch.tensor([[POSITIVE]], device=masks.device)),
        "box": (boxes, torch.tensor([[TOP_LEFT, BOTTOM_RIGHT]], device=masks.device)),
    }
    prompts = []
    for i, row in enumerate(rows):
        points, labels = kinds[plan.kinds[row]]
        prompts.append(PromptTensors(points[[i]], labels))
    return prompts


@torch.no_grad()
def next_clicks(
    before: Float[Tensor, "n 1 s4 s4"], truth: Bool[Tensor, "n s s"], draws: Float[Tensor, "n 3"], plan: PromptPlan
) -> tuple[Float[Tensor, "n 2"], Tensor]:
    """The next click on each object, in pixels of the model's frame, and its label (1 positive, 0 negative).

    Errors are looked for in cells of 4 x 4 pixels; the click is at the middle of its cell. Where nothing is wrong, or
    the plan says so, it falls on the true mask, or on the outside of an object that is absent.
    """
    cells = torch.nn.functional.avg_pool2d(truth[:, None].float(), CELL)[:, 0]
    wanted, found = cells > 0.5, before[:, 0] > 0
    missing, surplus = wanted & ~found, found & ~wanted
    perfect = ~(missing | surplus).flatten(1).any(1)
    from_truth = (draws[:, 2] < plan.config.truth_clicks) | perfect
    filled = cells > 0
    visible = filled.flatten(1).any(1)
    missing = torch.where((from_truth & visible)[:, None, None], filled, missing)
    surplus = torch.where((from_truth & visible)[:, None, None], torch.zeros_like(surplus), surplus)
    surplus = torch.where((from_truth & ~visible)[:, None, None], torch.ones_like(surplus), surplus)
    places, positive = pick_correction(missing, surplus, draws, plan.config)
    return middle_of(places), positive.long()


def middle_of(cells: Float[Tensor, "n 2"]) -> Float[Tensor, "n 2"]:
    """(x, y) in pixels of the model's frame in the middle of cells."""
    return cells * CELL + (CELL - 1) / 2
