"""Track objects through frames as they come: bounded memory, no look-ahead, any length."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import Future
from contextlib import nullcontext
from typing import NamedTuple

import torch

from masklet.backends.protocol import Model
from masklet.errors import MediaError, PromptError, UnknownObjectError
from masklet.model.tensors import ImageFeatures
from masklet.predict.encoder_prefetch import (
    MAX_OBJECTS,
    PREFETCHED,
    EncoderWorker,
    encode_frame,
    prefetch_pays,
    read_frames,
)
from masklet.predict.object_memory import ObjectMemory
from masklet.predict.object_tracker import ObjectTracker, TrackedObject
from masklet.predict.postprocess import DeviceMasks, Frame, PostProcess, frame_masks
from masklet.predict.preprocessing import check_image
from masklet.predict.prompting import check_object_id, check_prompts, resolve_policy
from masklet.tracking.memory_policy import MemoryPolicy, PolicyName
from masklet.tracking.policies import MaskScores
from masklet.types import FrameMasks, ObjectId, Prompts, RgbImage, Size


class TrackedFrame(NamedTuple):
    """A frame with its masks."""

    frame: RgbImage
    masks: FrameMasks


class StreamTracker:
    """Masks of every object in every frame of a stream, one `step` per frame.

        tracker = masklet.StreamTracker(model)
        out = tracker.step(frame, {1: Prompts.click(210, 350)})
        out = tracker.step(next_frame)

    Memory use does not grow with the stream: for each object, only the memories that the next frame can read are kept.
    Every frame gives the same masks as `VideoSession` gives for the same prompts.

    Args:
        model: from `masklet.load`.
        memory: the name of a memory policy ("plain" is SAM 2's), or a `MemoryPolicy`.
        postprocess: postprocessing of masks; nothing by default.
        with_logits: fill `FrameMasks.logits`.

    Attributes:
        scores: of the last frame, what the confidence of every object without prompts was computed from.
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
        self.policy = resolve_policy(memory, model.config)
        self.postprocess = postprocess or PostProcess()
        self.with_logits = with_logits
        self.scores: dict[ObjectId, MaskScores] = {}
        self._tracker = ObjectTracker(model, self.policy)
        self._next = 0
        self._size: Size | None = None

    @property
    def frame_index(self) -> int:
        """Index of the frame that the next `step` takes; equal to the number of frames taken."""
        return self._next

    @property
    def object_ids(self) -> tuple[ObjectId, ...]:
        """Objects being tracked, in the order of their first prompts."""
        return tuple(self._tracker.objects)

    @property
    def num_memories(self) -> dict[ObjectId, tuple[int, int]]:
        """For each object, the numbers of memories and of spatial maps among them that are held now."""
        found = {}
        for i, state in self._tracker.objects.items():
            banks = [hypothesis.bank for hypothesis in state.hypotheses.distinct]
            entries = {id(entry): entry for bank in banks for entry in (*bank.prompted.values(), *bank.recent.values())}
            found[i] = len(entries), sum(entry.map is not None for entry in entries.values())
        return found

    def forget(self, object_id: ObjectId) -> None:
        """Stop tracking an object and free its memory.

        Raises:
            UnknownObjectError: it is not being tracked.
        """
        self._state(object_id)
        del self._tracker.objects[object_id]

    def memory(self, object_id: ObjectId) -> ObjectMemory:
        """The memory of an object now, to be saved or carried elsewhere.

        Raises:
            UnknownObjectError: it is not being tracked.
            PromptError: there is no memory, because the object was only marked as absent.
        """
        best = self._state(object_id).hypotheses.best
        return ObjectMemory.of(self.model, best, self._next, [*best.bank.prompted, *best.bank.recent])

    def resume(self, object_id: ObjectId, memory: ObjectMemory, *, continues: bool = False) -> None:
        """Track an object from the next frame on with a memory from elsewhere.

        Args:
            object_id: a new one.
            memory: from `memory`, or `ObjectMemory.load`.
            continues: whether the next frame follows the last frame of the memory. Else only prompted and lasting
                memories are used, as after a shot cut.

        Raises:
            WeightsError: the memory is of another model, other weights or another input size.
            PromptError: the object is being tracked already, or its id is not a positive integer.
        """
        object_id = check_object_id(object_id)
        if object_id in self._tracker.objects:
            raise PromptError(f"object {object_id} is being tracked already: forget it first, or take another id")
        hypotheses = memory.hypotheses(self.model, self._next, continues=continues)
        self._tracker.objects[object_id] = TrackedObject(hypotheses)

    def step(self, frame: RgbImage, prompts: Mapping[ObjectId, Prompts] | None = None) -> FrameMasks:
        """Track all objects onto the next frame.

        Args:
            frame: (h, w, 3) uint8 RGB, of the same size throughout.
            prompts: for this frame, by object. A new id starts a new object; for an object already tracked, clicks and
                boxes correct what tracking finds on this frame, and a mask replaces it.

        Raises:
            MediaError: not an image, or of another size than the frames before.
            PromptError: prompts that do not fit the frame. The frame has not been taken then.
        """
        return self._step(frame, prompts or {}, lambda: encode_frame(self.model, frame))

    def steps(
        self, frames: Iterable[RgbImage], prompts: Mapping[int, Mapping[ObjectId, Prompts]] | None = None
    ) -> Generator[TrackedFrame]:
        """Call `step` for every frame of a recording; where it pays, the next frames are encoded meanwhile.

        That is on CPUs, for models with a small input and a single object. Some frames are read ahead: with a camera,
        use `step`, which does not wait for later frames.

        Args:
            frames: as `step` takes them.
            prompts: by `frame_index`, for the frames to come.

        Raises:
            MediaError, PromptError: as `step`.
        """
        given = prompts or {}
        if not prefetch_pays(self.model):
            for frame in frames:
                yield TrackedFrame(frame, self.step(frame, given.get(self._next)))
            return
        pending: deque[tuple[Future[RgbImage], Future[ImageFeatures] | None]] = deque()
        tracked = set(self._tracker.objects)
        with EncoderWorker(self.model) as worker:
            for frame_index, future in enumerate(read_frames(frames), start=self._next):
                tracked |= set(given.get(frame_index, ()))
                pending.append((future, worker.encode(future) if 0 < len(tracked) <= MAX_OBJECTS else None))
                if len(pending) > PREFETCHED:
                    yield self._prefetched_step(worker, *pending.popleft(), given)
            while pending:
                yield self._prefetched_step(worker, *pending.popleft(), given)

    def _prefetched_step(
        self,
        worker: EncoderWorker,
        future: Future[RgbImage],
        features: Future[ImageFeatures] | None,
        prompts: Mapping[int, Mapping[ObjectId, Prompts]],
    ) -> TrackedFrame:
        frame = future.result()
        encode = (lambda: encode_frame(self.model, frame)) if features is None else features.result
        with nullcontext() if features is None else worker.sharing_threads():
            return TrackedFrame(frame, self._step(frame, prompts.get(self._next, {}), encode))

    @torch.inference_mode()
    def _step(
        self, frame: RgbImage, prompts: Mapping[ObjectId, Prompts], encode: Callable[[], ImageFeatures]
    ) -> FrameMasks:
        size = self._check_size(frame)
        checked = check_prompts(prompts, size)
        shown = Frame(self._next, size, lambda: frame)
        if not (checked or self._tracker.objects):
            self._next, self._size, self.scores = self._next + 1, size, {}
            return frame_masks(shown, {}, self.model, self.postprocess, given={}, scores={})
        features = encode()
        if self._tracker.shot_cuts is not None:
            self._tracker.shot_cuts.observe(self._next, features)
        context, objects = self._tracker.context(self._next), self.object_ids
        prediction = self._tracker.predict(lambda: features, context, objects=objects, prompts=checked, size=size)
        found = prediction.masks
        masks = DeviceMasks(
            shown,
            {i: found[i] for i in dict.fromkeys([*objects, *checked]) if i in found},
            self.model,
            self.postprocess,
            given=checked,
            with_logits=self.with_logits,
        )
        scores, host = self._tracker.commit(lambda: features, context, prediction, fetch=masks.tensors)
        self._tracker.prune(context.following)
        self._next, self._size, self.scores = self._next + 1, size, scores
        return masks.finish(host, scores)

    def _state(self, object_id: ObjectId) -> TrackedObject:
        if object_id not in self._tracker.objects:
            known = ", ".join(map(str, self._tracker.objects)) or "none"
            raise UnknownObjectError(f"object {object_id} is not being tracked (objects: {known})")
        return self._tracker.objects[object_id]

    def _check_size(self, frame: RgbImage) -> Size:
        height, width = check_image(frame).shape[:2]
        if self._size not in (None, (height, width)):
            expected = f"{self._size[1]}x{self._size[0]}" if self._size else ""
            raise MediaError(
                f"expected a frame of {expected} pixels as before, got {width}x{height} (frame {self._next})"
            )
        return height, width
