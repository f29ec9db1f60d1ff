"""Track objects through frames as they come: bounded memory, no look-ahead, any length."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Mapping
from concurrent.futures import Future
from contextlib import nullcontext
from typing import NamedTuple

import torch

from masklet.backends.protocol import Model
from masklet.errors import MediaError, PromptError, UnknownObjectError
from masklet.model.tensors import ChosenMask, ImageFeatures
from masklet.predict.click_refinement import Start, guided
from masklet.predict.confidence import Signs, with_confidence
from masklet.predict.encoder_prefetch import AHEAD, FEW, SideEncoder, pays, pulled
from masklet.predict.object_memory import ObjectMemory
from masklet.predict.preprocessing import checked_picture, frame_tensor
from masklet.predict.prompting import checked_id, checked_prompts, keep, memory_policy, nothing, respond
from masklet.predict.results import Frame, PostProcess, frame_masks
from masklet.tracking.memory_selection import MemoryPolicy
from masklet.tracking.policies import (
    Branch,
    CutDetector,
    FrameContext,
    HypothesisSet,
    PolicyName,
    branch,
    commit,
    prompted,
    prune,
    select,
)
from masklet.tracking.step import look
from masklet.types import FrameMasks, ObjectId, Prompts, RgbImage, Size


class Tracked(NamedTuple):
    """A frame with its masks."""

    frame: RgbImage
    masks: FrameMasks


class StreamTracker:
    """Masks of every object in every frame of a stream, one `step` a frame.

        tracker = masklet.StreamTracker(model)
        out = tracker.step(frame, {1: Prompts.click(210, 350)})
        out = tracker.step(next_frame)

    What it keeps does not grow with the stream: for each object the memories the next frame can recall. Every frame
    gives the same masks as `VideoSession` gives for the same prompts.

    Args:
        model: from `masklet.load`.
        memory: the name of a policy ("plain" is the memory of SAM 2), or a `MemoryPolicy`.
        postprocess: what to do to masks; nothing by default.
        with_logits: fill `FrameMasks.logits`.

    Attributes:
        signs: of the last frame, what the confidence of every tracked object was made of.
    """

    def __init__(
        self,
        model: Model,
        *,
        memory: PolicyName | MemoryPolicy = "plain",
        postprocess: PostProcess | None = None,
        with_logits: bool = False,
    ) -> None:
        self.model = model
        self.policy = memory_policy(memory, model.config)
        self.postprocess = postprocess or PostProcess()
        self.with_logits = with_logits
        self.signs: dict[ObjectId, Signs] = {}
        self._beliefs: dict[ObjectId, HypothesisSet] = {}
        self._cuts = CutDetector(self.policy.cuts) if self.policy.cuts else None
        self._gone: set[ObjectId] = set()
        self._next = 0
        self._size: Size | None = None

    @property
    def frame_index(self) -> int:
        """Index of the frame the next `step` takes; equal to the number of frames seen."""
        return self._next

    @property
    def object_ids(self) -> tuple[ObjectId, ...]:
        """Objects being tracked, in the order of their first prompts."""
        return tuple(self._beliefs)

    @property
    def num_memories(self) -> dict[ObjectId, tuple[int, int]]:
        """For each object the numbers of memories and of spatial maps among them that are held now."""
        found = {}
        for i, belief in self._beliefs.items():
            banks = [story.bank for story in belief.distinct]
            entries = {id(entry): entry for bank in banks for entry in (*bank.prompted.values(), *bank.recent.values())}
            found[i] = len(entries), sum(entry.map is not None for entry in entries.values())
        return found

    def forget(self, object_id: ObjectId) -> None:
        """Stop tracking an object and free its memory.

        Raises:
            UnknownObjectError: it is not being tracked.
        """
        self._belief(object_id)
        self._gone.discard(object_id)
        del self._beliefs[object_id]

    def memory(self, object_id: ObjectId) -> ObjectMemory:
        """What is remembered of an object now, to be saved or carried elsewhere.

        Raises:
            UnknownObjectError: it is not being tracked.
        """
        story = self._belief(object_id).best
        return ObjectMemory.of(self.model, story, self._next, [*story.bank.prompted, *story.bank.recent])

    def resume(self, object_id: ObjectId, memory: ObjectMemory, *, continues: bool = False) -> None:
        """Track an object from the next frame on as it is remembered.

        Args:
            object_id: a new one.
            memory: from `memory`, or `ObjectMemory.load`.
            continues: the next frame is the one that followed where the memory was made. Else only prompted and lasting
                memories count, as after a cut.

        Raises:
            WeightsError: the memory is of another model, other weights or another input size.
            PromptError: the object is being tracked already, or its id is no positive integer.
        """
        object_id = checked_id(object_id)
        if object_id in self._beliefs:
            raise PromptError(f"object {object_id} is being tracked already: forget it first, or take another id")
        self._beliefs[object_id] = memory.belief(self.model, self._next, continues=continues)

    def step(self, frame: RgbImage, prompts: Mapping[ObjectId, Prompts] | None = None) -> FrameMasks:
        """Take the next frame.

        Args:
            frame: (h, w, 3) uint8 RGB, the same size throughout.
            prompts: for this frame, by object. A new object's id starts it; on an object already tracked, clicks and
                boxes correct what tracking gave for this frame, and a mask replaces it.

        Raises:
            MediaError: not a picture, or of another size than the frames before.
            PromptError: prompts that do not fit the frame. The frame has not been taken then.
        """
        return self._step(frame, prompts or {})

    def steps(
        self, frames: Iterable[RgbImage], prompts: Mapping[int, Mapping[ObjectId, Prompts]] | None = None
    ) -> Generator[Tracked]:
        """`step` for every frame of something recorded; where it pays, the next frames are encoded meanwhile.

        That is on processors, for models with a small input and a single object. A few frames are taken before their
        turn: from a camera, take `step`, which waits for nothing.

        Args:
            frames: as `step` takes them.
            prompts: by `frame_index`, for the frames to come.

        Raises:
            MediaError, PromptError: as `step`.
        """
        said = prompts or {}
        if not pays(self.model):
            for frame in frames:
                yield Tracked(frame, self.step(frame, said.get(self._next)))
            return
        coming: deque[tuple[Future[RgbImage], Future[ImageFeatures] | None]] = deque()
        followed = set(self._beliefs)
        with SideEncoder(self.model) as encoder:
            for place, later in enumerate(pulled(frames), start=self._next):
                followed |= set(said.get(place, ()))
                coming.append((later, encoder.encode(later) if 0 < len(followed) <= FEW else None))
                if len(coming) > AHEAD:
                    yield self._turn(encoder, *coming.popleft(), said)
            while coming:
                yield self._turn(encoder, *coming.popleft(), said)

    def _turn(
        self,
        encoder: SideEncoder,
        later: Future[RgbImage],
        features: Future[ImageFeatures] | None,
        said: Mapping[int, Mapping[ObjectId, Prompts]],
    ) -> Tracked:
        """The step of a frame whose turn it is."""
        frame, asked = later.result(), said.get(self._next, {})
        with nullcontext() if features is None else encoder.sharing():
            return Tracked(frame, self._step(frame, asked, features))

    @torch.inference_mode()
    def _step(
        self, frame: RgbImage, asked: Mapping[ObjectId, Prompts], features: Future[ImageFeatures] | None = None
    ) -> FrameMasks:
        """As `step`; ``features`` are those of the frame where a worker makes them."""
        size = self._checked_size(frame)
        prompts = checked_prompts(asked, size)
        chosen: dict[ObjectId, ChosenMask] = {}
        self.signs = {}
        if prompts or self._beliefs:
            seen = self._encoded(frame) if features is None else features.result()
            chosen = self._advance(seen, prompts, size)
        self._next, self._size = self._next + 1, size
        out = frame_masks(
            Frame(self._next - 1, size, lambda: frame),
            chosen,
            self.model,
            self.postprocess,
            given=prompts,
            with_logits=self.with_logits,
        )
        return with_confidence(out, self.signs, self.model.config.name)

    def _encoded(self, frame: RgbImage) -> ImageFeatures:
        return self.model.encode_image(frame_tensor(frame, self.model.config.image_size, self.model.device))

    def _advance(
        self, features: ImageFeatures, prompts: dict[ObjectId, Prompts], size: Size
    ) -> dict[ObjectId, ChosenMask]:
        """Follow every object, answer the prompts, remember both, and forget what no later frame recalls."""
        at = self._moment(features)
        gone = {i for i in self._gone - set(prompts) if not self._looks_out(self._beliefs[i], at)}
        drawn = {i for i, asked in prompts.items() if asked.mask is not None}
        seen = {i: b for i, b in self._beliefs.items() if i not in gone | drawn}
        for belief in self._beliefs.values():
            belief.arrive(at)
        ways: dict[ObjectId, list[Branch]] = {}
        starts: dict[ObjectId, Start] = {}
        if seen:
            stories = [(i, story) for i, belief in seen.items() for story in belief.distinct]
            memories = [(story.bank, select(story, at, self.policy)) for _, story in stories]
            looked = look(self.model, features, memories, self.policy)
            branches = branch(self.model, features, looked, list(seen.values()), at, self.policy)
            ways = dict(zip(seen, branches, strict=True))
            best = [row for row, (i, story) in enumerate(stories) if i in prompts and story is seen[i].best]
            for row in best:
                i = stories[row][0]
                hidden = i in self._gone and not (self.policy.likeness and (ways[i][0].chosen.logits > 0).any())
                starts[i] = Start(looked.embedding[[row]], None if hidden else ways[i][0].chosen.logits, tracked=True)
        fresh = [i for i, asked in prompts.items() if asked.mask is None and i not in starts]
        if fresh:
            starts |= dict.fromkeys(fresh, Start(self.model.condition(features, None).embedding))
        starts = guided(self.model, features, prompts, starts, size)
        answered = respond(self.model, features, prompts, starts, size)
        absent = {i for i, asked in prompts.items() if asked.is_absent}
        self._gone = (self._gone - set(prompts)) | absent
        followed = [(seen[i], each) for i, each in ways.items() if i not in answered]
        commit(self.model, features, followed, at, self.policy)
        self._adopt(features, answered, absent, at)
        self._prune(at.next)
        self.signs = {i: Signs.of(each) for i, each in ways.items() if i not in answered}
        final = {i: each[0].chosen for i, each in ways.items()} | answered | {i: nothing(self.model) for i in gone}
        return {i: final[i] for i in self._beliefs}

    def _belief(self, object_id: ObjectId) -> HypothesisSet:
        if object_id not in self._beliefs:
            known = ", ".join(map(str, self._beliefs)) or "none"
            raise UnknownObjectError(f"object {object_id} is not being tracked (objects: {known})")
        return self._beliefs[object_id]

    def _looks_out(self, belief: HypothesisSet, at: FrameContext) -> bool:
        """Whether an object that was said to be absent is looked for, and anything is known of it."""
        return self.policy.likeness is not None and select(belief.best, at, self.policy) is not None

    def _moment(self, features: ImageFeatures) -> FrameContext:
        if self._cuts is None:
            return FrameContext(self._next)
        self._cuts.see(self._next, features)
        self._cuts.forget(self._next)
        return self._cuts.moment(self._next)

    def _adopt(
        self, features: ImageFeatures, answered: dict[ObjectId, ChosenMask], absent: set[ObjectId], at: FrameContext
    ) -> None:
        """Remember what a person prompted; that an object is absent tells nothing of how it looks."""
        for i in answered:
            self._beliefs.setdefault(i, HypothesisSet(last=self._next)).settle()
        together = {i: (self._beliefs[i].best.bank, mask) for i, mask in answered.items() if i not in absent}
        keep(self.model, features, self._next, together, prompted=True)
        for i, mask in answered.items():
            prompted(self._beliefs[i], mask, at, self.policy)

    def _prune(self, following: FrameContext) -> None:
        """Keep what a later frame recalls."""
        for belief in self._beliefs.values():
            for story in belief.distinct:
                kept, bank = prune(story, following, self.policy), story.bank
                bank.drop([i for i in (*bank.prompted, *bank.recent) if i not in kept.frames])
                bank.drop_maps(bank.mapped - kept.maps)

    def _checked_size(self, frame: RgbImage) -> Size:
        height, width = checked_picture(frame).shape[:2]
        if self._size not in (None, (height, width)):
            expected = f"{self._size[1]}x{self._size[0]}" if self._size else ""
            raise MediaError(f"frame {self._next} is {width}x{height} pixels, the frames before were {expected}")
        return height, width
