"""Track objects through frames as they come: bounded memory, no look-ahead, any length."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch

from masklet.errors import MediaError, UnknownObjectError
from masklet.model.sam2 import Sam2
from masklet.model.tensors import ChosenMask, ImageFeatures
from masklet.predict.objects import Start, by_object, check_prompts, keep, memory_policy, respond
from masklet.predict.pixels import checked_picture, frame_tensor
from masklet.predict.results import PostProcess, frame_masks
from masklet.tracking.memory import MemoryBank
from masklet.tracking.recall import MemoryPolicy, Recall, choose
from masklet.tracking.step import follow, look
from masklet.types import FrameMasks, ObjectId, Picture, Prompts, Size


class StreamTracker:
    """Masks of every object in every frame of a stream, one `step` a frame.

        tracker = masklet.StreamTracker(model)
        out = tracker.step(frame, {1: Prompts.click(210, 350)})
        out = tracker.step(next_frame)

    What it keeps does not grow with the stream: for each object the memories the next frame can recall. Every frame
    gives the same masks as `VideoSession` gives for the same prompts.

    Args:
        model: from `masklet.load`.
        memory: "plain", the memory of SAM 2, or a `MemoryPolicy`.
        postprocess: what to do to masks; nothing by default.
        with_logits: fill `FrameMasks.logits`.
    """

    def __init__(
        self,
        model: Sam2,
        *,
        memory: Literal["plain"] | MemoryPolicy = "plain",
        postprocess: PostProcess | None = None,
        with_logits: bool = False,
    ) -> None:
        self.model = model
        self.policy = memory_policy(memory, model.config)
        self.postprocess = postprocess or PostProcess()
        self.with_logits = with_logits
        self._banks: dict[ObjectId, MemoryBank] = {}
        self._next = 0
        self._size: Size | None = None

    @property
    def frame_index(self) -> int:
        """Index of the frame the next `step` takes; equal to the number of frames seen."""
        return self._next

    @property
    def object_ids(self) -> tuple[ObjectId, ...]:
        """Objects being tracked, in the order of their first prompts."""
        return tuple(self._banks)

    @property
    def num_memories(self) -> dict[ObjectId, tuple[int, int]]:
        """For each object the numbers of memories and of spatial maps among them that are held now."""
        return {i: (len(bank), len(bank.mapped)) for i, bank in self._banks.items()}

    def forget(self, object_id: ObjectId) -> None:
        """Stop tracking an object and free its memory.

        Raises:
            UnknownObjectError: it is not being tracked.
        """
        if object_id not in self._banks:
            raise UnknownObjectError(
                f"object {object_id} is not being tracked (objects: {', '.join(map(str, self._banks)) or 'none'})"
            )
        del self._banks[object_id]

    @torch.inference_mode()
    def step(self, frame: Picture, prompts: Mapping[ObjectId, Prompts] | None = None) -> FrameMasks:
        """Take the next frame.

        Args:
            frame: (h, w, 3) uint8 RGB, the same size throughout.
            prompts: for this frame, by object. A new object's id starts it; on an object already tracked, clicks and
                boxes correct what tracking gave for this frame, and a mask replaces it.

        Raises:
            MediaError: not a picture, or of another size than the frames before.
            PromptError: prompts that do not fit the frame. The frame has not been taken then.
        """
        size = self._checked_size(frame)
        check_prompts(prompts or {}, size)
        prompts = dict(prompts or {})
        chosen: dict[ObjectId, ChosenMask] = {}
        if prompts or self._banks:
            side = self.model.config.image_size
            features = self.model.encode_image(frame_tensor(frame, side, self.model.device))
            chosen = self._advance(features, prompts, size)
        self._next, self._size = self._next + 1, size
        return frame_masks(
            self._next - 1,
            chosen,
            size,
            postprocess=self.postprocess,
            drawn={i: asked.mask for i, asked in prompts.items() if asked.mask is not None},
            with_logits=self.with_logits,
        )

    def _advance(
        self, features: ImageFeatures, prompts: dict[ObjectId, Prompts], size: Size
    ) -> dict[ObjectId, ChosenMask]:
        """Follow every object, answer the prompts, remember both, and forget what no later frame recalls."""
        seen = [i for i in self._banks if i not in prompts or prompts[i].mask is None]
        tracked: dict[ObjectId, ChosenMask] = {}
        starts: dict[ObjectId, Start] = {}
        if seen:
            looked = look(self.model, features, [(self._banks[i], self._recall(i)) for i in seen], self.policy)
            tracked = by_object(seen, follow(self.model, looked))
            corrected = [(row, i) for row, i in enumerate(seen) if i in prompts]
            starts = {i: Start(looked.embedding[[row]], tracked[i].logits) for row, i in corrected}
        fresh = [i for i, asked in prompts.items() if asked.mask is None and i not in starts]
        if fresh:
            starts |= dict.fromkeys(fresh, Start(self.model.condition(features, None).embedding, None))
        answered = respond(self.model, features, prompts, starts, size)
        for i in answered:
            self._banks.setdefault(i, MemoryBank())
        self._keep(features, {i: mask for i, mask in tracked.items() if i not in answered}, prompted=False)
        self._keep(features, answered, prompted=True)
        self._prune()
        final = tracked | answered
        return {i: final[i] for i in self._banks}

    def _recall(self, object_id: ObjectId, frame_index: int | None = None) -> Recall | None:
        bank = self._banks[object_id]
        index = self._next if frame_index is None else frame_index
        return choose(index, prompted=bank.prompted, recent=bank.recent, policy=self.policy)

    def _keep(self, features: ImageFeatures, chosen: dict[ObjectId, ChosenMask], *, prompted: bool) -> None:
        together = {i: (self._banks[i], mask) for i, mask in chosen.items()}
        keep(self.model, features, self._next, together, prompted=prompted)

    def _prune(self) -> None:
        """Keep what the next frame recalls; what it does not recall, no later frame does."""
        for object_id, bank in self._banks.items():
            recall = self._recall(object_id, self._next + 1)
            assert recall is not None, "an object has at least one prompted memory"
            bank.drop([i for i in (*bank.prompted, *bank.recent) if i not in recall.frames])
            bank.drop_maps(bank.mapped.difference(i for i, _ in recall.maps))

    def _checked_size(self, frame: Picture) -> Size:
        height, width = checked_picture(frame).shape[:2]
        if self._size not in (None, (height, width)):
            expected = f"{self._size[1]}x{self._size[0]}" if self._size else ""
            raise MediaError(f"frame {self._next} is {width}x{height} pixels, the frames before were {expected}")
        return height, width
