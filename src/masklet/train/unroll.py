"""Unroll the model over a batch: condition on memory, decode prompts, correct by clicks, encode memories."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Bool
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from masklet.model.sam2 import Sam2
from masklet.model.tensors import ChosenMask, ImageFeatures, MaskPrediction, PromptTensors
from masklet.tracking.memory import MemoryBank
from masklet.tracking.memory_policy import MemoryPolicy
from masklet.tracking.memory_selection import FrameContext, select_memories
from masklet.tracking.step import choose_masks, condition_on_memory, decode_prompts, memory_entries
from masklet.train.batch import TrainBatch
from masklet.train.prompts import first_prompts, next_clicks


@dataclass(frozen=True, eq=False)
class Step:
    """One call of the mask decoder: the prediction for some objects of one frame.

    Attributes:
        frame: index of the frame in the clip.
        rows: indices of the objects in the batch.
        prediction: all four candidate masks of each object.
        ranked: whether the mask is the best of candidates 1 to 3, or candidate 0.
        prompts: all prompts of each object on this frame so far.
    """

    frame: int
    rows: list[int]
    prediction: MaskPrediction
    ranked: Bool[Tensor, " n"]
    prompts: list[PromptTensors]

    @property
    def ambiguous(self) -> Bool[Tensor, " n"]:
        """Whether several masks are plausible: after a single click, and on tracked frames."""
        return torch.tensor([prompts.ambiguous for prompts in self.prompts], device=self.ranked.device)


class Unroll:
    """One pass over the frames of a batch.

    Frames with a first prompt are predicted without memory, like the first frame of a video; corrections refine what
    was predicted from memory. A mask prompt is not predicted: it is encoded into memory as it is (paper section 4).
    """

    def __init__(self, model: Sam2, batch: TrainBatch, *, checkpointing: bool = False) -> None:
        self.model, self.batch, self.plan, self.checkpointing = model, batch, batch.plan, checkpointing
        self.banks = [MemoryBank() for _ in self.plan.kinds]
        self.policy = MemoryPolicy(
            memory_frames=model.config.memory_frames, max_pointers=model.config.max_pointers, max_prompted=None
        )

    def __iter__(self) -> Iterator[Step]:
        """Yield the predictions of all frames in order; on one frame, the prediction before the clicks comes first."""
        last = self.batch.num_frames - 1
        for frame, features in enumerate(self._features()):
            yield from self._frame(frame, features, store=frame < last)

    def _features(self) -> Iterator[ImageFeatures]:
        """Encode all images at once; yield the features of each frame, with one row for each object."""
        pixels = rearrange(self.batch.pixels, "t b c h w -> (t b) c h w").float() / 255
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        if self.checkpointing:
            encoded = checkpoint(self.model.encode_image, pixels, use_reentrant=False)
        else:
            encoded = self.model.encode_image(pixels)
        count, owner = self.batch.pixels.shape[1], self.batch.owner
        for frame in range(self.batch.num_frames):
            rows = owner + frame * count
            yield ImageFeatures(*(part.float().index_select(0, rows) for part in encoded.maps))

    def _frame(self, frame: int, features: ImageFeatures, *, store: bool) -> Iterator[Step]:
        present = self.batch.masks[frame].flatten(1).any(1).tolist()
        kinds = self.plan.kinds
        prompted = [row for row in range(len(kinds)) if frame in self.plan.prompted and present[row]]
        given = [row for row in prompted if kinds[row] == "mask"]
        decoded = [row for row in prompted if kinds[row] != "mask"]
        tracked = [row for row in range(len(kinds)) if row not in prompted]
        if given and store:
            mask = self.batch.masks[frame, given][:, None].float()
            unconditioned = features.rows(given)
            self._store(frame, given, unconditioned, self.model.use_mask_as_output(unconditioned, mask), prompted=True)
        if decoded:
            yield from self._prompted(frame, decoded, features.rows(decoded), store)
        if tracked:
            yield from self._tracked(frame, tracked, features.rows(tracked), store)

    def _prompted(self, frame: int, rows: list[int], features: ImageFeatures, store: bool) -> Iterator[Step]:
        """Predict objects from their first prompts, without memory."""
        clicks = ClickRounds(self, frame, rows, self.model.condition(features, None))
        yield clicks.predict(first_prompts(self.batch.masks[frame, rows], self.plan, frame, rows))
        if frame in self.plan.corrected:
            yield from clicks.correct(list(range(len(rows))))
        if store:
            self._store(frame, rows, features, clicks.chosen, prompted=True)

    def _tracked(self, frame: int, rows: list[int], features: ImageFeatures, store: bool) -> Iterator[Step]:
        """Predict objects from memory; objects with a mask prompt get no corrections."""
        selections = [
            (bank, select_memories(FrameContext(frame), prompted=bank.prompted, recent=bank.recent, policy=self.policy))
            for bank in (self.banks[row] for row in rows)
        ]
        clicks = ClickRounds(self, frame, rows, condition_on_memory(self.model, features, selections, self.policy))
        yield clicks.predict([PromptTensors.none(1, self.model.device)] * len(rows))
        correctable = [i for i, row in enumerate(rows) if self.plan.kinds[row] != "mask"]
        corrected = correctable if frame in self.plan.corrected else []
        if corrected:
            yield from clicks.correct(corrected)
        if store:
            others = [i for i in range(len(rows)) if i not in corrected]
            for places, prompted in ((corrected, True), (others, False)):
                if places:
                    objects = [rows[i] for i in places]
                    self._store(frame, objects, features.rows(places), clicks.chosen.rows(places), prompted=prompted)

    def _store(
        self, frame: int, rows: Sequence[int], features: ImageFeatures, chosen: ChosenMask, *, prompted: bool
    ) -> None:
        maps = self.model.encode_memory(features, chosen, prompted=prompted)
        unread = [0.0] * len(rows)  # scores, which only inference reads: a copy from the device would wait for it
        for row, entry in zip(rows, memory_entries(maps, chosen.pointer, unread, unread), strict=True):
            self.banks[row].put(frame, entry, prompted=prompted)


class ClickRounds:
    """Predictions for some objects of one frame, click after click.

    Attributes:
        chosen: the newest mask of each object.
    """

    chosen: ChosenMask

    def __init__(self, unroll: Unroll, frame: int, rows: list[int], conditioned: ImageFeatures) -> None:
        self.unroll, self.frame, self.rows, self.conditioned = unroll, frame, rows, conditioned
        self.prompts: list[PromptTensors] = []

    def predict(self, prompts: list[PromptTensors]) -> Step:
        """Make the first prediction."""
        self.prompts = prompts
        step = self._decode(list(range(len(self.rows))))
        self.chosen = choose_masks(self.unroll.model, step.prediction, step.ranked)
        return step

    def correct(self, places: list[int]) -> Iterator[Step]:
        """Click on some of the objects in rounds, each click on the newest mask."""
        plan, model = self.unroll.plan, self.unroll.model
        rows = [self.rows[i] for i in places]
        truth = self.unroll.batch.masks[self.frame, rows]
        for draws in plan.corrections[:, self.frame, rows]:
            logits = self.chosen.logits[places].detach()
            points, labels = next_clicks(logits, truth, torch.from_numpy(draws).to(model.device), plan.config)
            for i, point, label, own_logits in zip(places, points, labels, logits, strict=True):
                before = self.prompts[i]
                self.prompts[i] = PromptTensors(
                    torch.cat([before.points, point[None, None]], 1),
                    torch.cat([before.labels, label[None, None]], 1),
                    own_logits[None],
                )
            step = self._decode(places)
            self.chosen = replace_rows(self.chosen, places, choose_masks(model, step.prediction, step.ranked))
            yield step

    def _decode(self, places: list[int]) -> Step:
        prompts = [self.prompts[i] for i in places]
        conditioned, model = self.conditioned.rows(places), self.unroll.model
        if self.unroll.checkpointing:
            prediction, ranked = checkpoint(decode_prompts, model, conditioned, prompts, use_reentrant=False)
        else:
            prediction, ranked = decode_prompts(model, conditioned, prompts)
        return Step(self.frame, [self.rows[i] for i in places], prediction, ranked, prompts)


def replace_rows(chosen: ChosenMask, places: list[int], newest: ChosenMask) -> ChosenMask:
    """Return ``chosen`` with the rows at ``places`` replaced."""
    if len(places) == len(chosen):
        return newest
    order = list(range(len(chosen)))
    for new, place in enumerate(places):
        order[place] = len(chosen) + new
    return ChosenMask.cat([chosen, newest]).rows(order)
