"""Track objects through a recorded video: prompt any frame, run passes in both directions, correct, run again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

import numpy as np
import torch

from masklet.backends.protocol import Model
from masklet.errors import FrameRangeError, PromptError, UnknownObjectError
from masklet.model.tensors import ChosenMask, ImageFeatures
from masklet.predict.click_refinement import Start, guided
from masklet.predict.confidence import Signs, with_confidence
from masklet.predict.feature_cache import FeatureCache, FrameFeatures, sharing, visiting
from masklet.predict.image import EncodedImage
from masklet.predict.logit_store import LogitStore
from masklet.predict.object_memory import ObjectMemory
from masklet.predict.past import Past
from masklet.predict.prompting import checked_id, checked_prompts, keep, memory_policy, respond
from masklet.predict.propagation import Direction, Pass, plan_passes, recorded_length
from masklet.predict.pursuit import Pursuit, settle, tell
from masklet.predict.results import Frame, PostProcess, frame_masks
from masklet.predict.track import FrameState, Track, results_of
from masklet.tracking.memory_selection import MemoryPolicy
from masklet.tracking.policies import PolicyName
from masklet.types import FrameMasks, FrameSource, Masklet, ObjectId, Prompts, Region, Size


class VideoSession:
    """Masks of every object in every frame of a recorded video.

        session = masklet.VideoSession(model, video)
        session.prompt(0, object_id=1, prompts=Prompts.click(210, 350))
        for out in session.propagate():
            ...
        session.prompt(42, object_id=1, prompts=Prompts.click(200, 300, positive=False))

    A prompted frame stays as prompted: no pass overwrites it, and every later pass recalls it. A correction changes
    what follows in the direction in which the frame was tracked; run `propagate` again to see it.

    It keeps all results (as run-length codes), one pointer a frame, and the low-resolution logits (in a temporary file
    beyond 256 MB); spatial memories and image features are bounded and made again where a correction needs them.

    Args:
        model: from `masklet.load`.
        video: from `masklet.open_video`, or anything of known length that gives frames by index.
        memory: the name of a policy ("plain" is the memory of SAM 2), or a `MemoryPolicy`.
        postprocess: what to do to masks; nothing by default.
        with_logits: fill `FrameMasks.logits`.
        logits: where the low-resolution logits are kept, if not as above.

    Raises:
        MediaError: a live source, which has no length (use `StreamTracker`), or one without frames.
    """

    def __init__(
        self,
        model: Model,
        video: FrameSource,
        *,
        memory: PolicyName | MemoryPolicy = "plain",
        postprocess: PostProcess | None = None,
        with_logits: bool = False,
        logits: LogitStore | None = None,
    ) -> None:
        self.model = model
        self.video = video
        self.policy = memory_policy(memory, model.config)
        self.postprocess = postprocess or PostProcess()
        self.with_logits = with_logits
        self._tracks: dict[ObjectId, Track] = {}
        self._logits = LogitStore() if logits is None else logits
        self._pursuit = Pursuit(self.policy)
        self.features: FrameFeatures = FeatureCache(model, video)
        self.remind: Callable[[int], None] = lambda _: None  # told of a frame before it is looked at; may `restore`
        self.num_frames = recorded_length(video)

    @property
    def size(self) -> Size:
        """(height, width) of the video in pixels."""
        return self.video.size

    @property
    def object_ids(self) -> tuple[ObjectId, ...]:
        """Objects in the order of their first prompts."""
        return tuple(self._tracks)

    def prompt(self, frame_index: int, *, object_id: ObjectId, prompts: Prompts, name: str | None = None) -> FrameMasks:
        """Say something about one object on one frame; see `prompt_objects`. A name labels it in the results."""
        out = self.prompt_objects(frame_index, {object_id: prompts})
        if name is not None:
            self._tracks[object_id].name = name
        return out

    @torch.inference_mode()
    def prompt_objects(
        self, frame_index: int, prompts: Mapping[ObjectId, Prompts], *, replace: bool = False
    ) -> FrameMasks:
        """Say something about several objects on one frame and see the masks of this frame.

        Prompts of one frame add up: clicks join earlier clicks and refine what is there (the tracked mask, if there is
        one), a new box replaces the old one, a mask replaces everything.

        Args:
            frame_index: the frame.
            prompts: by object.
            replace: forget what was said about these objects on this frame before.

        Raises:
            FrameRangeError: no such frame.
            PromptError: prompts that do not fit the frame. Nothing has changed then.
        """
        frame_index = self._checked_frame(frame_index)
        features, merged, starts, answered = self._answer(frame_index, prompts, replace)
        self._past.store(frame_index, answered)
        for i, asked in merged.items():
            track = self._tracks.setdefault(i, Track())
            track.say(frame_index, asked, corrects=i in starts and starts[i].tracked)
            track.belief.settle()
            if not self.policy.keep_memories:
                track.doubt(frame_index)
            track.bank.drop([frame_index] if asked.is_absent else [])
        banks = {i: (self._tracks[i].bank, answered[i]) for i, asked in merged.items() if not asked.is_absent}
        keep(self.model, features, frame_index, banks, prompted=True)
        self._pursuit.learn(self._past, frame_index, merged)
        return self._collect(frame_index, answered)

    @torch.inference_mode()
    def preview(self, frame_index: int, prompts: Mapping[ObjectId, Prompts]) -> FrameMasks:
        """The masks that `prompt_objects` would answer with, of these objects alone; nothing changes."""
        frame_index = self._checked_frame(frame_index)
        _, merged, _, answered = self._answer(frame_index, prompts)
        return frame_masks(Frame.of(self.video, frame_index), answered, self.model, self.postprocess, given=merged)

    @torch.inference_mode()
    def look_at(self, frame_index: int) -> EncodedImage:
        """A frame for `ImageSegmenter.segment`: what could be prompted there, whatever is tracked."""
        frame_index = self._checked_frame(frame_index)
        return EncodedImage(self.model.condition(self.features[frame_index], None), self.size)

    def propagate(
        self,
        direction: Direction = "forward",
        *,
        start: int | None = None,
        end: int | None = None,
        objects: Collection[ObjectId] | None = None,
        progress: Callable[[int, int], None] | None = None,
        cancel: Callable[[], bool] | None = None,
    ) -> Iterator[FrameMasks]:
        """Track objects and yield the masks of each frame as it is done.

        Args:
            direction: "forward" runs from the first prompted frame to the end; "reverse" from the last prompted frame
                to the beginning; "both" runs forward and then back over the frames before each object's first prompt,
                so that these come twice, the second time complete.
            start: the lowest frame to track.
            end: one more than the highest frame to track; both mean the same in every direction.
            objects: which to track and to yield, None for all; looked at before each frame, so that the caller of a
                running pass may take one out or put one in.
            progress: called with (frames done, frames in all) after each frame.
            cancel: asked before each frame; True ends the pass. What is done is kept.

        Raises:
            FrameRangeError: the range is empty or outside the video.
            PromptError: nothing was prompted yet.
        """
        passes = plan_passes(
            direction,
            start,
            end,
            num_frames=self.num_frames,
            prompted={i: t.starts for i, t in self._tracks.items() if objects is None or i in objects},
            look_ahead=self.policy.look_ahead,
        )
        return self._run(passes, objects, progress, cancel)

    def _run(
        self,
        passes: list[Pass],
        objects: Collection[ObjectId] | None,
        progress: Callable[[int, int], None] | None,
        cancel: Callable[[], bool] | None,
    ) -> Iterator[FrameMasks]:
        total, done = sum(len(p.frames) for p in passes), 0
        for current in passes:
            try:
                for frame_index in visiting(self.features, current.frames, len(self._tracks)):
                    if cancel is not None and cancel():
                        return
                    with sharing(self.features):
                        out = self._visit(frame_index, current, objects)
                    done += 1
                    if progress is not None:
                        progress(done, total)
                    yield out
            finally:  # a pass that is broken off has told what it has told
                for i, track in self._tracks.items():
                    for frame_index in settle(track):
                        self._logits.drop((i, frame_index))

    def masks(self, frame_index: int) -> FrameMasks:
        """The results so far on one frame."""
        frame_index = self._checked_frame(frame_index)
        self.remind(frame_index)
        return self._collect(frame_index, {})

    def masklets(self) -> dict[ObjectId, Masklet]:
        """The results so far by object."""
        return {i: track.masklet(i, self.size, self.model.config.full_name) for i, track in self._tracks.items()}

    def clear(self, frame_index: int, object_id: ObjectId) -> None:
        """Take back what was said about an object on a frame; without any prompt left, the object is forgotten.

        Raises:
            UnknownObjectError: no such object.
            PromptError: nothing was said about it on this frame.
        """
        track = self._track(object_id)
        track.unprompt(frame_index)
        self._logits.drop((object_id, frame_index))
        if not track.starts:
            self.forget(object_id)

    def forget(self, object_id: ObjectId) -> None:
        """Remove an object and everything known of it.

        Raises:
            UnknownObjectError: no such object.
        """
        for frame_index in self._track(object_id).results:
            self._logits.drop((object_id, frame_index))
        del self._tracks[object_id]

    @torch.inference_mode()
    def memory(self, object_id: ObjectId) -> ObjectMemory:
        """What is remembered of an object after the last frame tracked, to be saved or carried to another video.

        Raises:
            UnknownObjectError: no such object.
        """
        self._track(object_id)
        return self._pursuit.memory(self._past, object_id)

    def resume(self, frame_index: int, *, object_id: ObjectId, memory: ObjectMemory, continues: bool = False) -> None:
        """Let `propagate` follow an object from a frame on as it is remembered; see `StreamTracker.resume`.

        Raises:
            FrameRangeError: no such frame.
            WeightsError: the memory is of another model, other weights or another input size.
            PromptError: the object is there already.
        """
        frame_index, object_id = self._checked_frame(frame_index), checked_id(object_id)
        if object_id in self._tracks:
            raise PromptError(f"object {object_id} is there already: forget it first, or take another id")
        belief = memory.belief(self.model, frame_index, continues=continues)
        self._tracks[object_id] = Track(belief=belief, resumed=frame_index)

    def frame_state(self, object_id: ObjectId, frame_index: int) -> FrameState:
        """What is known of an object on a frame, to be written down and given to `restore` later.

        Raises:
            UnknownObjectError: no such object.
            FrameRangeError: nothing is known of it on this frame.
        """
        track = self._track(object_id)
        if frame_index not in track.results:
            raise FrameRangeError(f"object {object_id} was neither prompted nor tracked on frame {frame_index}")
        prompted = frame_index in track.prompts
        return track.state(frame_index, self._past.stored_logits(object_id, frame_index) if prompted else None)

    def restore(
        self, object_id: ObjectId, frames: Mapping[int, FrameState], *, name: str = "", join: bool = False
    ) -> None:
        """Take an object back as it was written down, in place of what is known of it now. Nothing is computed.

        Prompted frames are recalled exactly as before. Of tracked frames only the mask is known, which their memories
        are made of again and corrections start from. With ``join`` they come beside what is known, which stays.

        Raises:
            FrameRangeError: a frame that the video does not have.
            PromptError: no frame is prompted, or masks, logits and pointers do not fit the video and the model.
            UnknownObjectError: there is no such object to join.
        """
        object_id = checked_id(object_id)
        frames = {self._checked_frame(frame_index): state for frame_index, state in frames.items()}
        for state in frames.values():
            state.check(self.size, self.model.config)
        if not join and all(state.prompts is None for state in frames.values()):
            raise PromptError("an object without any prompt cannot be restored")
        track = self._track(object_id) if join else Track(name=name)
        frames = {i: state for i, state in frames.items() if i not in track.results}
        written = {(object_id, i): state.logits for i, state in frames.items() if state.logits is not None}
        self._logits.put(written)  # first, because it fails where there is no room
        if not join and object_id in self._tracks:
            for i in self._tracks[object_id].results:
                if (object_id, i) not in written:
                    self._logits.drop((object_id, i))
        track.restore(frames, like=torch.empty(1, dtype=self.model.dtype, device=self.model.device))
        self._tracks[object_id] = track

    def _answer(
        self, frame_index: int, prompts: Mapping[ObjectId, Prompts], replace: bool = False
    ) -> tuple[ImageFeatures, dict[ObjectId, Prompts], dict[ObjectId, Start], dict[ObjectId, ChosenMask]]:
        """The frame, everything said about it with these prompts, the model's answer and its start. Nothing changes."""
        self.remind(frame_index)
        prompts = checked_prompts(prompts, self.size)
        tracks = {i: self._tracks.get(i) or Track() for i in prompts}
        for i, track in tracks.items():
            if frame_index < track.begins:
                raise PromptError(f"object {i} was resumed on frame {track.begins} and cannot be prompted before it")
        again = {i for i in tracks if replace and frame_index in tracks[i].prompts}
        merged = {i: p if i in again else tracks[i].merged(frame_index, p) for i, p in prompts.items()}
        features = self.features[frame_index]
        starts = self._pursuit.starts(self._past, {i: tracks[i] for i in merged if merged[i].mask is None}, frame_index)
        boxed = {i for i, p in prompts.items() if p.box is not None and self.model.config.guided_corrections}
        starts = {i: start.afresh if i in again | boxed else start for i, start in starts.items()}
        starts = guided(self.model, features, merged, starts, self.size)
        return features, merged, starts, respond(self.model, features, merged, starts, self.size)

    @torch.inference_mode()
    def _visit(self, frame_index: int, current: Pass, objects: Collection[ObjectId] | None) -> FrameMasks:
        """Track every object that is due on this frame."""
        self.remind(frame_index)
        due = [
            i
            for i, track in self._tracks.items()
            if (objects is None or i in objects)
            and track.begins <= frame_index
            and current.asks(frame_index, track.starts)
        ]
        ways = self._pursuit.visit(self._past, frame_index, current.reverse, due)
        signs = {i: Signs.of(each) for i, each in ways.items()}
        out = self._collect(frame_index, {i: each[0].chosen for i, each in ways.items()}, objects, signs)
        if self.policy.tree is not None:
            for i, each in ways.items():
                others = {id(way.chosen): self._masks(frame_index, {i: way.chosen}, {}) for way in each[1:]}
                tell(self._tracks[i], frame_index, each, others)
        self._pursuit.prune(self._past, frame_index, reverse=current.reverse)
        return out

    @property
    def _past(self) -> Past:
        return Past(self.model, self._tracks, self._logits, self.features)

    def _collect(
        self,
        frame_index: int,
        fresh: Mapping[ObjectId, ChosenMask],
        objects: Collection[ObjectId] | None = None,
        signs: Mapping[ObjectId, Signs] | None = None,
    ) -> FrameMasks:
        """The masks of a frame: fresh ones, and those known from before. Fresh ones become results."""
        chosen: dict[ObjectId, ChosenMask] = {}
        given: dict[ObjectId, Region | Prompts] = {}
        by_logits = self.with_logits or self.postprocess.non_overlap
        for i, track in self._tracks.items():
            if objects is not None and i not in objects:
                continue
            if i in fresh:
                chosen[i] = fresh[i]
            elif frame_index in track.results:
                chosen[i] = self._past.shown(i, frame_index)
                if not (by_logits and (i, frame_index) in self._logits):
                    given[i] = track.results[frame_index].mask.to_mask()
            asked = track.prompts.get(frame_index)
            if asked is not None and (i not in given or asked.mask is not None):
                given[i] = asked
        out = with_confidence(self._masks(frame_index, chosen, given), signs or {}, self.model.config.name)
        for row, i in enumerate(out.object_ids):
            if i not in fresh:  # exactly as before: a probability turned into a logit and back is not
                known = self._tracks[i].results[frame_index]
                out.presence[row] = known.presence
                if out.confidence is not None and known.confidence is not None:
                    out.confidence[row] = known.confidence
        for i, result in results_of(out).items():
            if i in fresh or by_logits:
                self._tracks[i].results[frame_index] = result
        return out

    def _masks(
        self,
        frame_index: int,
        chosen: Mapping[ObjectId, ChosenMask],
        given: Mapping[ObjectId, Region | Prompts],
    ) -> FrameMasks:
        frame = Frame.of(self.video, frame_index)
        return frame_masks(frame, chosen, self.model, self.postprocess, given=given, with_logits=self.with_logits)

    def _track(self, object_id: ObjectId) -> Track:
        if object_id not in self._tracks:
            known = ", ".join(map(str, self._tracks)) or "none"
            raise UnknownObjectError(f"there is no object {object_id} (objects: {known})")
        return self._tracks[object_id]

    def _checked_frame(self, frame_index: int) -> int:
        if not isinstance(frame_index, int | np.integer) or not 0 <= frame_index < self.num_frames:
            raise FrameRangeError(f"the video has frames 0 to {self.num_frames - 1}, got frame {frame_index!r}")
        return int(frame_index)
