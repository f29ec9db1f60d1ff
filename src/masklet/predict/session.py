"""Track objects through a recorded video: prompt any frame, run passes in both directions, correct, run again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from masklet.backends.protocol import Model
from masklet.errors import FrameRangeError, PromptError, UnknownObjectError
from masklet.model.tensors import ChosenMask, ImageFeatures, to_host
from masklet.predict.click_refinement import PromptStart
from masklet.predict.encoder_prefetch import FeatureCache, FrameFeatures, prefetching, sharing_threads
from masklet.predict.image import EncodedImage
from masklet.predict.object_memory import ObjectMemory
from masklet.predict.object_state import ObjectState
from masklet.predict.object_tracker import FramePrediction, MapsToRestore, ObjectTracker, TrackedObject
from masklet.predict.postprocess import Frame, PostProcess, frame_logits, frame_masks
from masklet.predict.preprocessing import mask_logits
from masklet.predict.prompting import (
    absent_mask,
    answer_prompts,
    check_object_id,
    check_prompts,
    merge_prompts,
    resolve_policy,
)
from masklet.predict.propagation import Direction, Pass, invalidated_frames, plan_passes, recorded_length
from masklet.predict.results import FrameResult, FrameState, InMemoryResults, ResultStore, frame_results
from masklet.tracking.memory import MemoryBank, MemoryEntry
from masklet.tracking.memory_policy import MemoryPolicy, PolicyName
from masklet.tracking.memory_selection import FrameContext, MemorySelection
from masklet.tracking.policies import Hypothesis, MaskScores, select
from masklet.types import FrameMasks, FrameSource, Masklet, ObjectId, Prompts, Region, Size


class VideoSession:
    """Masks of every object in every frame of a recorded video.

        session = masklet.VideoSession(model, video)
        session.prompt(0, object_id=1, prompts=Prompts.click(210, 350))
        for out in session.propagate():
            ...
        session.prompt(42, object_id=1, prompts=Prompts.click(200, 300, positive=False))

    A prompt is answered at once. If no pass has reached its frame yet, the first pass that arrives there answers it
    again, as a correction of what tracking finds; so the order in which frames are prompted does not matter, and a
    session gives the same masks as a `StreamTracker` with the same prompts. After that the answer stays: no pass
    overwrites it, and every later pass reads it from memory. A correction changes what follows in the direction in
    which the frame was tracked; run `propagate` again to see it.

    All results are kept (as run-length codes), one pointer for each frame, and the low-resolution logits (in a
    temporary file beyond 256 MB); spatial memories and image features are bounded, and are computed again where a
    correction needs them.

    Args:
        model: from `masklet.load`.
        video: from `masklet.open_video`, or anything of known length with frames by index.
        memory: the name of a memory policy ("plain" is SAM 2's), or a `MemoryPolicy`.
        postprocess: postprocessing of masks; nothing by default.
        with_logits: fill `FrameMasks.logits`.
        results: keeps results and logits; `InMemoryResults` by default.

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
        results: ResultStore | None = None,
    ) -> None:
        self.model = model
        self.video = video
        self.policy = resolve_policy(memory, model.config)
        self.postprocess = postprocess or PostProcess()
        self.with_logits = with_logits
        self.features: FrameFeatures = FeatureCache(model, video)
        self.num_frames = recorded_length(video)
        self._objects: dict[ObjectId, ObjectState] = {}
        self._results: ResultStore = InMemoryResults() if results is None else results
        self._tracker = ObjectTracker(model, self.policy, restore_maps=self._restore_maps)

    @property
    def size(self) -> Size:
        """(height, width) of the video in pixels."""
        return self.video.size

    @property
    def object_ids(self) -> tuple[ObjectId, ...]:
        """Objects in the order of their first prompts."""
        return tuple(self._objects)

    def prompt(self, frame_index: int, *, object_id: ObjectId, prompts: Prompts, name: str | None = None) -> FrameMasks:
        """Prompt one object on one frame; see `prompt_objects`. A name labels the object in the results."""
        out = self.prompt_objects(frame_index, {object_id: prompts})
        if name is not None:
            self._objects[object_id].name = name
        return out

    @torch.inference_mode()
    def prompt_objects(
        self, frame_index: int, prompts: Mapping[ObjectId, Prompts], *, replace: bool = False
    ) -> FrameMasks:
        """Prompt several objects on one frame and return the masks of this frame.

        Prompts of one frame add up: clicks join earlier clicks and refine the current mask (the tracked one, if there
        is one), a new box replaces the old one, a mask replaces everything.

        Args:
            frame_index: the frame.
            prompts: by object.
            replace: discard the earlier prompts of these objects on this frame.

        Raises:
            FrameRangeError: no such frame.
            PromptError: prompts that do not fit the frame. Nothing has changed then.
        """
        answer = self._answer(frame_index, prompts, replace=replace)
        self._keep_answer(answer)
        return self._collect(answer.frame_index, answer.masks)

    @torch.inference_mode()
    def preview(self, frame_index: int, prompts: Mapping[ObjectId, Prompts]) -> FrameMasks:
        """Return the masks that `prompt_objects` would return for these objects, without changing anything."""
        answer = self._answer(frame_index, prompts)
        frame = Frame.of(self.video, answer.frame_index)
        return frame_masks(frame, answer.masks, self.model, self.postprocess, given=answer.prompts)

    @torch.inference_mode()
    def encoded_frame(self, frame_index: int) -> EncodedImage:
        """A frame encoded for `ImageSegmenter.segment`, independent of what is tracked."""
        frame_index = self._check_frame(frame_index)
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
        """Track the prompted objects and yield the masks of each frame as it is done.

        Args:
            direction: "forward" runs from the first prompted frame to the end; "reverse" from the last prompted frame
                to the beginning; "both" runs forward and then back over the frames before each object's first prompt,
                so that these come twice, the second time complete.
            start: the lowest frame to track.
            end: one more than the highest frame to track; both mean the same in every direction.
            objects: which to track and to yield, None for all; read before each frame, so that the caller of a
                running pass may add or remove one.
            progress: called with (frames done, frames in all) after each frame.
            cancel: called before each frame; True ends the pass. Finished frames are kept.

        Raises:
            FrameRangeError: the range is empty or outside the video.
            PromptError: there are no prompts.
        """
        return self.track({}, direction, start=start, end=end, objects=objects, progress=progress, cancel=cancel)

    def track(
        self,
        prompts: Mapping[int, Mapping[ObjectId, Prompts]],
        direction: Direction = "forward",
        *,
        start: int | None = None,
        end: int | None = None,
        objects: Collection[ObjectId] | None = None,
        progress: Callable[[int, int], None] | None = None,
        cancel: Callable[[], bool] | None = None,
    ) -> Iterator[FrameMasks]:
        """Track objects with prompts of many frames given in advance; otherwise as `propagate`.

        Each frame's prompts are answered when a pass arrives there, as corrections of what tracking finds. Prompts on
        frames that no pass visits are answered before the first frame.

        Args:
            prompts: by frame and object; they add to earlier prompts.
            direction, start, end, objects, progress, cancel: as in `propagate`.

        Raises:
            FrameRangeError: no such frame, or the range is empty or outside the video.
            PromptError: prompts that do not fit the video, or none at all. Nothing has changed then.
        """
        checked = {self._check_frame(i): check_prompts(each, self.size) for i, each in prompts.items()}
        starts = {i: set(state.starts) for i, state in self._objects.items()}
        for frame_index, each in checked.items():
            for i in each:
                self._check_first_frame(i, frame_index)
                starts.setdefault(i, set()).add(frame_index)
        passes = plan_passes(
            direction,
            start,
            end,
            num_frames=self.num_frames,
            prompted={i: frames for i, frames in starts.items() if frames and (objects is None or i in objects)},
            look_ahead=self.policy.look_ahead,
        )
        for frame_index in sorted(checked, reverse=direction == "reverse"):
            visits = [p for p in passes if frame_index in p.frames]
            for i, prompt in checked[frame_index].items():
                state = self._objects.get(i, ObjectState())
                is_tracked = objects is None or i in objects
                visited = is_tracked and any(p.tracks(frame_index, starts[i]) for p in visits)
                if self.policy.look_ahead or not visited or state.builds_on_mask(frame_index):
                    self.prompt_objects(frame_index, {i: prompt})
                else:
                    self._objects[i] = state
                    state.prompts[frame_index] = merge_prompts(state.prompts.get(frame_index), prompt)
                    state.pending.add(frame_index)
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
                for frame_index in prefetching(self.features, current.frames, len(self._objects)):
                    if cancel is not None and cancel():
                        return
                    with sharing_threads(self.features):
                        out = self._visit(frame_index, current, objects)
                    done += 1
                    if progress is not None:
                        progress(done, total)
                    yield out
            finally:  # also where the caller stops early
                self._keep_best_hypotheses()

    def masks(self, frame_index: int) -> FrameMasks:
        """The results so far on one frame."""
        frame_index = self._check_frame(frame_index)
        self._load_near(frame_index)
        return self._stored_masks(frame_index, self._objects)

    def masklets(self) -> dict[ObjectId, Masklet]:
        """The results so far by object."""
        found = {}
        for object_id, state in self._objects.items():
            frames = {i: self._result(object_id, i) for i in sorted(self._results.frames(object_id))}
            found[object_id] = Masklet(
                object_id=object_id,
                size=self.size,
                frames={i: result.mask for i, result in frames.items()},
                presence={i: result.presence for i, result in frames.items()},
                iou={i: result.iou for i, result in frames.items()},
                confidence={i: r.confidence for i, r in frames.items() if r.confidence is not None},
                prompted=tuple(sorted(state.prompts.keys() - state.pending)),
                name=state.name,
                model=self.model.config.full_name,
            )
        return found

    def clear(self, frame_index: int, object_id: ObjectId) -> None:
        """Remove the prompts of an object on a frame; an object without any prompt left is forgotten.

        Raises:
            UnknownObjectError: no such object.
            PromptError: the object has no prompts on this frame.
        """
        state = self._state(object_id)
        if frame_index not in state.prompts:
            frames = ", ".join(map(str, sorted(state.prompts)))
            raise PromptError(f"frame {frame_index} has no prompts to clear (prompted frames: {frames})")
        state.remove_prompts(frame_index)
        self._results.drop(object_id, frame_index)
        tracked = self._tracker.objects.get(object_id)
        if tracked is not None:
            tracked.hypotheses.keep_best()  # no other hypothesis may remember the frame
            tracked.absence.pop(frame_index, None)
            tracked.bank.drop([frame_index])
            tracked.bank.drop(invalidated_frames(frame_index, tracked.bank.recent, state.visited))
        if not state.starts:
            self.forget(object_id)

    def forget(self, object_id: ObjectId) -> None:
        """Remove an object and everything known of it.

        Raises:
            UnknownObjectError: no such object.
        """
        self._state(object_id)
        for frame_index in list(self._results.frames(object_id)):
            self._results.drop(object_id, frame_index)
        del self._objects[object_id]
        self._tracker.objects.pop(object_id, None)

    @torch.inference_mode()
    def memory(self, object_id: ObjectId) -> ObjectMemory:
        """The memory of an object after the last tracked frame, to be saved or carried to another video.

        Raises:
            UnknownObjectError: no such object.
            PromptError: there is no memory, because the object was only marked as absent.
        """
        state = self._state(object_id)
        tracked = self._tracker.objects.get(object_id, TrackedObject())
        last = tracked.hypotheses.last_frame
        last = max(state.prompts) if last is None else last
        reverse, best = state.visited.get(last, False), tracked.hypotheses.best
        following = self._tracker.context(last, reverse=reverse).following
        frames, maps = self._tracker.readable(best, following)
        self._restore_maps([(object_id, best.bank, MemorySelection(tuple((i, 0) for i in sorted(maps)), ()))])
        memory = ObjectMemory.of(self.model, best, following.frame_index, frames)
        return memory.time_reversed() if reverse else memory

    def resume(self, frame_index: int, *, object_id: ObjectId, memory: ObjectMemory, continues: bool = False) -> None:
        """Track an object from a frame on with a memory from elsewhere; see `StreamTracker.resume`.

        Raises:
            FrameRangeError: no such frame.
            WeightsError: the memory is of another model, other weights or another input size.
            PromptError: the session has this object already.
        """
        frame_index, object_id = self._check_frame(frame_index), check_object_id(object_id)
        if object_id in self._objects:
            raise PromptError(f"object {object_id} exists already: forget it first, or take another id")
        hypotheses = memory.hypotheses(self.model, frame_index, continues=continues)
        self._tracker.objects[object_id] = TrackedObject(hypotheses)
        self._objects[object_id] = ObjectState(resumed=frame_index)

    def frame_state(self, object_id: ObjectId, frame_index: int) -> FrameState:
        """Everything known of an object on a frame, to be saved and given to `restore` later.

        Raises:
            UnknownObjectError: no such object.
            FrameRangeError: the object was neither prompted nor tracked on this frame.
        """
        state, result = self._state(object_id), self._results.get(object_id, frame_index)
        if result is None:
            raise FrameRangeError(f"object {object_id} was neither prompted nor tracked on frame {frame_index}")
        prompted, bank = frame_index in state.prompts, self._tracker.objects[object_id].bank
        entry = bank.prompted.get(frame_index) or bank.recent.get(frame_index)
        logits = self._logits(object_id, frame_index)[0, 0].float().cpu().numpy() if prompted else None
        return FrameState(
            result=result,
            prompts=state.prompts.get(frame_index),
            reverse=state.visited.get(frame_index),
            object_score=entry.object_score if entry else 0.0,
            pointer=entry.pointer[0].float().cpu().numpy() if entry else None,
            logits=logits,
            refines_mask=frame_index in state.refines_mask,
        )

    def restore(self, object_id: ObjectId, frames: Mapping[int, FrameState], *, name: str = "") -> None:
        """Restore an object from saved frame states, in place of what is known of it. Nothing is computed.

        Memories of prompted frames are restored exactly. Of tracked frames only the mask is known: their memories are
        encoded from it again, and corrections start from it.

        Raises:
            FrameRangeError: a frame that the video does not have.
            PromptError: no frame is prompted, or masks, logits and pointers do not fit the video and the model.
        """
        object_id = check_object_id(object_id)
        frames = self._checked_states(frames)
        if all(state.prompts is None for state in frames.values()):
            raise PromptError("an object without any prompt cannot be restored")
        self._put_state_logits(object_id, frames)  # first, because it fails where there is no room
        for i in list(self._results.frames(object_id)):
            if i not in frames or frames[i].logits is None:
                self._results.drop(object_id, i)
        self._objects[object_id] = ObjectState(name=name)
        self._tracker.objects[object_id] = TrackedObject()
        self._join(object_id, frames)

    def _checked_states(self, frames: Mapping[int, FrameState]) -> dict[int, FrameState]:
        checked = {self._check_frame(frame_index): state for frame_index, state in frames.items()}
        for state in checked.values():
            state.check(self.size, self.model.config)
        return checked

    def _put_state_logits(self, object_id: ObjectId, frames: Mapping[int, FrameState]) -> None:
        self._results.put_logits({(object_id, i): s.logits for i, s in frames.items() if s.logits is not None})

    def _join(self, object_id: ObjectId, frames: Mapping[int, FrameState]) -> None:
        """Add saved states to what is known of an object."""
        state, tracked = self._objects[object_id], self._tracker.objects[object_id]
        like = torch.empty(1, dtype=self.model.dtype, device=self.model.device)
        for i, saved in sorted(frames.items()):
            self._results.put(object_id, i, saved.result)
            if saved.prompts is not None:
                state.prompts[i] = saved.prompts
                tracked.absence[i] = saved.prompts.is_absent
                (state.refines_mask.add if saved.refines_mask else state.refines_mask.discard)(i)
            if saved.reverse is not None:
                state.visited[i] = saved.reverse
            if saved.pointer is not None and (saved.prompts is not None or saved.reverse is not None):
                pointer = torch.from_numpy(saved.pointer.copy()).to(like)[None]
                entry = MemoryEntry(None, pointer, saved.object_score, saved.result.iou)
                tracked.bank.put(i, entry, prompted=saved.prompts is not None)

    def _load_near(self, frame_index: int) -> None:
        """Take over the states around a frame that the result store holds from elsewhere."""
        for object_id, frames in self._results.load_near(frame_index, self.object_ids).items():
            known = self._results.frames(object_id)
            states = {i: state for i, state in self._checked_states(frames).items() if i not in known}
            self._put_state_logits(object_id, states)
            self._join(object_id, states)

    # --- prompts -----------------------------------------------------------------------------------------------------

    def _answer(self, frame_index: int, prompts: Mapping[ObjectId, Prompts], *, replace: bool = False) -> _Answer:
        """Answer prompts on a frame from what is known now. Nothing changes."""
        frame_index = self._check_frame(frame_index)
        self._load_near(frame_index)
        prompts = check_prompts(prompts, self.size)
        merged: dict[ObjectId, Prompts] = {}
        restart: set[ObjectId] = set()
        refines_mask: set[ObjectId] = set()
        for i, prompt in prompts.items():
            self._check_first_frame(i, frame_index)
            before = self._objects[i].prompts.get(frame_index) if i in self._objects else None
            replaced = replace and before is not None
            if before is not None and not replaced and prompt.mask is None:
                refines_mask |= {i} if self._objects[i].builds_on_mask(frame_index) else set()
            merged[i] = prompt if replaced else merge_prompts(before, prompt)
            if replaced or (prompt.box is not None and self.model.config.guided_corrections):
                restart.add(i)
        features = self.features[frame_index]
        starts = self._starts(features, frame_index, [i for i in merged if merged[i].mask is None])
        starts = {i: PromptStart(start.embedding) if i in restart else start for i, start in starts.items()}
        masks, corrected = answer_prompts(self.model, features, merged, starts, self.size)
        return _Answer(frame_index, features, merged, masks, corrected, refines_mask)

    def _starts(
        self, features: ImageFeatures, frame_index: int, object_ids: list[ObjectId]
    ) -> dict[ObjectId, PromptStart]:
        """What answers start from: memory and the last logits where the frame was tracked."""
        starts = {
            i: PromptStart(None, *self._previous_logits(i, frame_index)) for i in object_ids if i in self._objects
        }
        rows: list[tuple[ObjectId, Hypothesis, MemorySelection]] = []
        for i in () if self.model.config.guided_corrections else starts:  # guided answers read no memory
            visited = self._objects[i].visited
            if frame_index in visited:
                best = self._tracker.objects[i].hypotheses.best
                context = self._tracker.context(frame_index, reverse=visited[frame_index])
                selection = select(best, context, self.policy)
                if selection is not None:
                    rows.append((i, best, selection))
        if rows:
            conditioned = self._tracker.condition(features, rows)
            for row, (i, _, _) in enumerate(rows):
                starts[i] = starts[i]._replace(embedding=conditioned.embedding[[row]])
        return starts

    def _previous_logits(self, object_id: ObjectId, frame_index: int) -> tuple[Float[Tensor, "1 1 s s"] | None, bool]:
        """The logits that clicks correct, or None where there is no mask to correct; and whether it was tracked."""
        state, frames = self._objects[object_id], self._results.frames(object_id)
        prompts = state.prompts.get(frame_index)
        if frame_index not in frames or (prompts is not None and prompts.is_absent):
            return None, False
        logits = self._logits(object_id, frame_index)
        if prompts is None:
            context = FrameContext(frame_index, state.visited.get(frame_index, False))
            if self._tracker.objects[object_id].is_absent(context) and not (logits > 0).any():
                return None, False
        return logits, state.was_tracked(frame_index, frames)

    def _keep_answer(self, answer: _Answer) -> None:
        """Make an answer the result of its frame, invalidate what was tracked from it before, and remember it."""
        frame_index = answer.frame_index
        self._put_logits(frame_index, answer.masks)
        for i, prompts in answer.prompts.items():
            state = self._objects.setdefault(i, ObjectState())
            refines_mask = i in answer.refines_mask
            state.set_answered(frame_index, prompts, corrects=i in answer.corrected, refines_mask=refines_mask)
            tracked = self._tracker.objects.setdefault(i, TrackedObject())
            tracked.hypotheses.keep_best()
            if not self.policy.keep_memories:
                tracked.bank.drop(invalidated_frames(frame_index, tracked.bank.recent, state.visited))
        self._tracker.remember_answers(answer.features, frame_index, answer.prompts, answer.masks)
        for i in answer.prompts:
            visited = self._objects[i].visited
            if frame_index in visited:  # the rules' state of this frame is out of date
                self._tracker.objects[i].hypotheses.best.state.motion = None
                self._pass_prompted(i, self._tracker.context(frame_index, reverse=visited[frame_index]))

    # --- passes ------------------------------------------------------------------------------------------------------

    @torch.inference_mode()
    def _visit(self, frame_index: int, current: Pass, objects: Collection[ObjectId] | None) -> FrameMasks:
        """Track every object that a pass tracks on this frame, and answer its prompts."""
        self._load_near(frame_index)
        due = [
            i
            for i, state in self._objects.items()
            if (objects is None or i in objects)
            and state.first_frame <= frame_index
            and current.tracks(frame_index, state.starts)
        ]
        if self._tracker.shot_cuts is not None and due:
            self._tracker.shot_cuts.observe(frame_index, self.features[frame_index])
        context = self._tracker.context(frame_index, reverse=current.reverse)
        tracked: list[ObjectId] = []
        prompts: dict[ObjectId, Prompts] = {}
        for i in due:
            state = self._objects[i]
            if frame_index not in state.prompts:
                if i in self._tracker.objects and not self._other_pass_decides(i, context):
                    tracked.append(i)
            elif frame_index in state.pending or self._is_provisional(i, context):
                prompts[i] = state.prompts[frame_index]
            else:
                state.visited[frame_index] = current.reverse
                self._pass_prompted(i, context)
        known = [*tracked, *(i for i in prompts if i in self._tracker.objects)]
        prediction = self._tracker.predict(
            lambda: self.features[frame_index], context, objects=known, prompts=prompts, size=self.size
        )
        masks = prediction.masks
        self._put_logits(frame_index, masks)
        scores, _ = self._tracker.commit(lambda: self.features[frame_index], context, prediction)
        for i in masks:
            self._objects[i].visited[frame_index] = current.reverse
        for i in prediction.answers:
            self._objects[i].set_answered(frame_index, prompts[i], corrects=i in prediction.corrected)
        out = self._collect(frame_index, masks, objects, scores)
        if self.policy.tree is not None:
            self._record_hypotheses(frame_index, prediction)
        if not self.policy.keep_memories:
            self._tracker.prune_maps(context.following, lambda i: self._objects[i].first_frame)
        return out

    def _is_provisional(self, object_id: ObjectId, context: FrameContext) -> bool:
        """Whether clicks and a box were answered before any pass reached their frame, and tracking can help now."""
        is_provisional = self._objects[object_id].is_provisional(context.frame_index)
        return is_provisional and not self.policy.look_ahead and self._tracker.can_track(object_id, context)

    def _other_pass_decides(self, object_id: ObjectId, context: FrameContext) -> bool:
        """Whether an object that a person marked as absent was found here by a pass in the other direction."""
        state, frame_index = self._objects[object_id], context.frame_index
        return (
            self._tracker.objects[object_id].is_absent(context)
            and frame_index in self._results.frames(object_id)
            and state.visited.get(frame_index, context.reverse) != context.reverse
        )

    def _pass_prompted(self, object_id: ObjectId, context: FrameContext) -> None:
        """Let the rules take in a prompted frame whose answer stays as it is."""
        if self.policy.rules:
            frame_index = context.frame_index
            is_absent = self._objects[object_id].prompts[frame_index].is_absent
            mask = absent_mask(self.model) if is_absent else self._remembered_mask(object_id, frame_index)
            self._tracker.pass_prompted(object_id, mask, context)

    def _record_hypotheses(self, frame_index: int, prediction: FramePrediction) -> None:
        """Record the result of every hypothesis: the most likely one may be another at the end of the pass."""
        for i, candidates in prediction.candidates.items():
            results = {id(candidates[0].chosen): self._result(i, frame_index)}
            for candidate in candidates[1:]:
                if id(candidate.chosen) not in results:
                    masks = frame_masks(
                        Frame.of(self.video, frame_index), {i: candidate.chosen}, self.model, self.postprocess, given={}
                    )
                    results[id(candidate.chosen)] = frame_results(masks)[i]
            hypotheses = self._tracker.objects[i].hypotheses.hypotheses
            for hypothesis, candidate in dict(zip(hypotheses, candidates, strict=True)).items():
                hypothesis.results = _PathResult(frame_index, results[id(candidate.chosen)], hypothesis.results)

    def _keep_best_hypotheses(self) -> None:
        """At the end of a pass, make the results of the most likely hypothesis those of the object."""
        for i, tracked in self._tracker.objects.items():
            path: _PathResult | None = tracked.hypotheses.best.results
            for hypothesis in tracked.hypotheses.distinct:
                hypothesis.results = None
            while path is not None:
                frame_index, result = path.frame_index, path.result
                if frame_index not in self._objects[i].prompts and self._results.get(i, frame_index) != result:
                    self._results.put(i, frame_index, result)
                    self._results.drop_logits(i, frame_index)
                path = path.before

    # --- memories and results ----------------------------------------------------------------------------------------

    def _restore_maps(self, selections: MapsToRestore) -> None:
        """Encode spatial memories again that were dropped and are about to be read, frame by frame."""
        dropped: dict[tuple[int, bool], list[tuple[MemoryBank, ChosenMask]]] = {}
        for i, bank, selection in selections:
            for frame_index, _ in selection.maps:
                if frame_index not in bank.mapped:
                    key = frame_index, frame_index in self._objects[i].prompts
                    dropped.setdefault(key, []).append((bank, self._remembered_mask(i, frame_index)))
        for (frame_index, prompted), masks in sorted(dropped.items(), key=lambda item: item[0]):
            self._tracker.encode(self.features[frame_index], frame_index, masks, prompted=prompted)

    def _remembered_mask(self, object_id: ObjectId, frame_index: int) -> ChosenMask:
        """The mask that a memory was encoded from."""
        entry = self._tracker.objects[object_id].bank[frame_index]
        logits = self._logits(object_id, frame_index)
        iou, score = logits.new_tensor([[entry.iou], [entry.object_score]])
        return ChosenMask(logits, iou, entry.pointer, score)

    def _logits(self, object_id: ObjectId, frame_index: int) -> Float[Tensor, "1 1 s s"]:
        """The logits of a result; where only its mask is known, logits that stand for the mask."""
        logits = self._results.get_logits(object_id, frame_index)
        if logits is not None:
            return torch.from_numpy(logits).to(self.model.device)[None, None]
        mask = self._result(object_id, frame_index).mask.to_mask()
        return mask_logits(mask, self.model.config.image_size, self.model.device)

    def _put_logits(self, frame_index: int, masks: Mapping[ObjectId, ChosenMask]) -> None:
        """Store logits; done before anything else changes, because it fails where there is no room."""
        host = to_host(*(mask.logits for mask in masks.values()))
        self._results.put_logits({(i, frame_index): t[0, 0].numpy() for i, t in zip(masks, host, strict=True)})

    def _collect(
        self,
        frame_index: int,
        masks: Mapping[ObjectId, ChosenMask],
        objects: Collection[ObjectId] | None = None,
        scores: Mapping[ObjectId, MaskScores] | None = None,
    ) -> FrameMasks:
        """Turn the masks of a frame into results, and return them with those known from before."""
        shown = [i for i in self._objects if objects is None or i in objects]
        new = {i: masks[i] for i in shown if i in masks}
        given: dict[ObjectId, Region | Prompts] = {}
        earlier: dict[ObjectId, FrameResult] = {}
        if new and self.postprocess.non_overlap:  # the masks of other objects may change
            for i in shown:
                result = None if i in masks else self._results.get(i, frame_index)
                if result is not None:
                    earlier[i] = result
                    logits = self._logits(i, frame_index)
                    score = logits.new_zeros(1)
                    new[i] = ChosenMask(logits, score, score.new_zeros(1, self.model.config.embed_dim), score)
                    if self._results.get_logits(i, frame_index) is None:
                        given[i] = result.mask.to_mask()
            new = {i: new[i] for i in shown if i in new}
        for i in new:
            prompts = self._objects[i].prompts.get(frame_index)
            if prompts is not None and (i not in given or prompts.mask is not None):
                given[i] = prompts
        computed = frame_masks(
            Frame.of(self.video, frame_index),
            new,
            self.model,
            self.postprocess,
            given=given,
            scores=scores or {},
            with_logits=self.with_logits,
        )
        for i, result in frame_results(computed).items():
            self._results.put(i, frame_index, replace(earlier[i], mask=result.mask) if i in earlier else result)
        complete = len(computed) == sum(self._results.get(i, frame_index) is not None for i in shown)
        if complete and not earlier:
            return computed
        return self._stored_masks(frame_index, shown)

    def _stored_masks(self, frame_index: int, object_ids: Collection[ObjectId]) -> FrameMasks:
        """The results of a frame, read from the store."""
        found = {i: result for i in object_ids if (result := self._results.get(i, frame_index)) is not None}
        logits = None
        if self.with_logits:
            low_res = [self._logits(i, frame_index) for i in found]
            prompts = [self._objects[i].prompts.get(frame_index) for i in found]
            logits = frame_logits(
                Frame.of(self.video, frame_index),
                torch.cat(low_res) if low_res else torch.zeros(0, 1, 1, 1),
                [None if one is None or one.mask is not None else one for one in prompts],
                self.model,
                self.postprocess,
            )
        return FrameMasks(
            frame_index=frame_index,
            object_ids=tuple(found),
            masks=np.stack([r.mask.to_mask() for r in found.values()]) if found else np.zeros((0, *self.size), bool),
            presence=np.array([r.presence for r in found.values()], np.float32),
            iou=np.array([r.iou for r in found.values()], np.float32),
            logits=logits,
            confidence=np.array([r.iou if r.confidence is None else r.confidence for r in found.values()], np.float32),
        )

    def _result(self, object_id: ObjectId, frame_index: int) -> FrameResult:
        result = self._results.get(object_id, frame_index)
        assert result is not None, f"no result of object {object_id} on frame {frame_index}"
        return result

    def _state(self, object_id: ObjectId) -> ObjectState:
        if object_id not in self._objects:
            known = ", ".join(map(str, self._objects)) or "none"
            raise UnknownObjectError(f"unknown object {object_id} (objects: {known})")
        return self._objects[object_id]

    def _check_first_frame(self, object_id: ObjectId, frame_index: int) -> None:
        first = self._objects[object_id].first_frame if object_id in self._objects else 0
        if frame_index < first:
            raise PromptError(
                f"object {object_id} was resumed on frame {first} and cannot be prompted before it, got {frame_index}"
            )

    def _check_frame(self, frame_index: int) -> int:
        if not isinstance(frame_index, int | np.integer) or not 0 <= frame_index < self.num_frames:
            raise FrameRangeError(f"expected a frame from 0 to {self.num_frames - 1}, got {frame_index!r}")
        return int(frame_index)


class _Answer(NamedTuple):
    """Prompts of one frame with their answers, before they become results."""

    frame_index: int
    features: ImageFeatures
    prompts: dict[ObjectId, Prompts]
    masks: dict[ObjectId, ChosenMask]
    corrected: Collection[ObjectId]
    refines_mask: Collection[ObjectId]


class _PathResult(NamedTuple):
    """The result of one hypothesis on a frame, and of the frames before it."""

    frame_index: int
    result: FrameResult
    before: _PathResult | None
