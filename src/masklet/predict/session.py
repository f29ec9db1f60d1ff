"""Track objects through a recorded video: prompt any frame, run passes in both directions, correct, run again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Literal

import torch
from torch import Tensor

from masklet.errors import FrameRangeError, UnknownObjectError
from masklet.model.sam2 import Sam2
from masklet.model.tensors import ChosenMask, ImageFeatures
from masklet.predict.feature_cache import FeatureCache
from masklet.predict.image import EncodedImage
from masklet.predict.logit_store import LogitStore
from masklet.predict.objects import Start, by_object, check_prompts, keep, memory_policy, respond
from masklet.predict.passes import Direction, Pass, plan_passes, recorded_length
from masklet.predict.pixels import mask_logits
from masklet.predict.results import PostProcess, frame_masks
from masklet.predict.track import FrameState, Result, Track
from masklet.tracking.recall import MemoryPolicy, Recall, choose
from masklet.tracking.step import follow, look
from masklet.types import FrameMasks, FrameSource, Masklet, ObjectId, Prompts, Rle, Size


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
        memory: "plain", the memory of SAM 2, or a `MemoryPolicy`.
        postprocess: what to do to masks; nothing by default.
        with_logits: fill `FrameMasks.logits`.
        logits: where the low-resolution logits are kept, if not as above.

    Raises:
        MediaError: a live source, which has no length (use `StreamTracker`), or one without frames.
    """

    def __init__(
        self,
        model: Sam2,
        video: FrameSource,
        *,
        memory: Literal["plain"] | MemoryPolicy = "plain",
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
        self._features = FeatureCache(model, video)
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
        features, merged, answered = self._answer(frame_index, prompts, replace)
        self._store(frame_index, answered)
        for i, asked in merged.items():
            track = self._tracks.setdefault(i, Track())
            track.prompts[frame_index] = asked
            if not self.policy.keep_memories:
                track.doubt(frame_index)
        self._keep(features, frame_index, answered, prompted=True)
        return self._collect(frame_index, answered)

    @torch.inference_mode()
    def preview(self, frame_index: int, prompts: Mapping[ObjectId, Prompts]) -> FrameMasks:
        """The masks that `prompt_objects` would answer with, of these objects alone; nothing changes."""
        _, merged, answered = self._answer(frame_index, prompts)
        drawn = {i: asked.mask for i, asked in merged.items() if asked.mask is not None}
        return frame_masks(frame_index, answered, self.size, postprocess=self.postprocess, drawn=drawn)

    @torch.inference_mode()
    def look_at(self, frame_index: int) -> EncodedImage:
        """A frame for `ImageSegmenter.segment`: what could be prompted there, whatever is tracked."""
        self._check_frame(frame_index)
        return EncodedImage(self.model.condition(self._features[frame_index], None), self.size)

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
                to the beginning; "both" runs forward and then back over the frames before each object's first prompt.
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
            prompted={i: t.prompts for i, t in self._tracks.items() if objects is None or i in objects},
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
            for frame_index in current.frames:
                if cancel is not None and cancel():
                    return
                out = self._visit(frame_index, current, objects)
                done += 1
                if progress is not None:
                    progress(done, total)
                yield out

    def masks(self, frame_index: int) -> FrameMasks:
        """The results so far on one frame."""
        self._check_frame(frame_index)
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
        if not track.prompts:
            self.forget(object_id)

    def forget(self, object_id: ObjectId) -> None:
        """Remove an object and everything known of it.

        Raises:
            UnknownObjectError: no such object.
        """
        for frame_index in self._track(object_id).results:
            self._logits.drop((object_id, frame_index))
        del self._tracks[object_id]

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
        return track.state(frame_index, self._stored_logits(object_id, frame_index) if prompted else None)

    def restore(self, object_id: ObjectId, frames: Mapping[int, FrameState], *, name: str = "") -> None:
        """Take an object back as it was written down, in place of what is known of it now. Nothing is computed.

        Prompted frames are recalled exactly as before. Of tracked frames only the mask is known, which their memories
        are made of again and corrections start from.

        Raises:
            FrameRangeError: a frame that the video does not have.
            PromptError: no frame is prompted, or masks and logits do not fit the video and the model.
        """
        for frame_index, state in frames.items():
            self._check_frame(frame_index)
            state.check(self.size, self.model.config.image_size // 4)
        track = Track.restored(frames, name, like=self.model.no_obj_ptr)
        logits = {(object_id, i): state.logits for i, state in frames.items() if state.logits is not None}
        if object_id in self._tracks:
            self.forget(object_id)
        self._logits.put(logits)
        self._tracks[object_id] = track

    def _answer(
        self, frame_index: int, prompts: Mapping[ObjectId, Prompts], replace: bool = False
    ) -> tuple[ImageFeatures, dict[ObjectId, Prompts], dict[ObjectId, ChosenMask]]:
        """The frame, everything said about it with these prompts, and the model's answer. Nothing changes."""
        self._check_frame(frame_index)
        check_prompts(prompts, self.size)
        tracks = {i: self._tracks.get(i) or Track() for i in prompts}
        again = {i for i in tracks if replace and frame_index in tracks[i].prompts}
        merged = {i: p if i in again else tracks[i].merged(frame_index, p) for i, p in prompts.items()}
        features = self._features[frame_index]
        starts = self._starts({i: tracks[i] for i in merged if merged[i].mask is None}, features, frame_index)
        starts = {i: start._replace(previous=None) if i in again else start for i, start in starts.items()}
        return features, merged, respond(self.model, features, merged, starts, self.size)

    @torch.inference_mode()
    def _visit(self, frame_index: int, current: Pass, objects: Collection[ObjectId] | None) -> FrameMasks:
        """Track every object that is due on this frame."""
        recalls: dict[ObjectId, Recall] = {}
        for i, track in self._tracks.items():
            if (objects is not None and i not in objects) or (current.fill and frame_index >= min(track.prompts)):
                continue
            recall = self._recall(track, frame_index, current.reverse)
            if frame_index in track.prompts:
                track.visited[frame_index] = current.reverse
            elif recall is not None:
                recalls[i] = recall
        chosen: dict[ObjectId, ChosenMask] = {}
        if recalls:
            self._restore(recalls)
            features = self._features[frame_index]
            memories = [(self._tracks[i].bank, recall) for i, recall in recalls.items()]
            chosen = by_object(list(recalls), follow(self.model, look(self.model, features, memories, self.policy)))
            self._store(frame_index, chosen)
            for i in chosen:
                self._tracks[i].visited[frame_index] = current.reverse
            self._keep(features, frame_index, chosen, prompted=False)
        out = self._collect(frame_index, chosen, objects)
        self._prune(frame_index, current.reverse)
        return out

    def _recall(self, track: Track, frame_index: int, reverse: bool) -> Recall | None:
        bank = track.bank
        return choose(frame_index, prompted=bank.prompted, recent=bank.recent, policy=self.policy, reverse=reverse)

    def _starts(
        self, tracks: Mapping[ObjectId, Track], features: ImageFeatures, frame_index: int
    ) -> dict[ObjectId, Start]:
        """What answers start from: with memory and the last logits where the frame was tracked, else afresh."""
        if not tracks:
            return {}
        recalls = {
            i: self._recall(track, frame_index, track.visited[frame_index]) if frame_index in track.visited else None
            for i, track in tracks.items()
        }
        self._restore({i: recall for i, recall in recalls.items() if recall})
        looked = look(self.model, features, [(tracks[i].bank, recall) for i, recall in recalls.items()], self.policy)
        previous = [self._stored_logits(i, frame_index) if frame_index in tracks[i].results else None for i in tracks]
        return {i: Start(looked.embedding[[row]], previous[row]) for row, i in enumerate(tracks)}

    def _restore(self, recalls: Mapping[ObjectId, Recall]) -> None:
        """Make the spatial memories again that were dropped and are recalled now, frame by frame."""
        dropped: dict[tuple[int, bool], dict[ObjectId, ChosenMask]] = {}
        for i, recall in recalls.items():
            track = self._tracks[i]
            for frame_index, _ in recall.maps:
                if frame_index not in track.bank.mapped:
                    masks = dropped.setdefault((frame_index, frame_index in track.prompts), {})
                    masks[i] = self._remembered(i, frame_index)
        for (frame_index, prompted), masks in sorted(dropped.items()):
            self._keep(self._features[frame_index], frame_index, masks, prompted=prompted)

    def _remembered(self, object_id: ObjectId, frame_index: int) -> ChosenMask:
        """The mask of which a memory was made."""
        entry = self._tracks[object_id].bank[frame_index]
        logits = self._stored_logits(object_id, frame_index)
        iou, score = logits.new_tensor([[entry.iou], [entry.object_score]])
        return ChosenMask(logits, iou, entry.pointer, score)

    def _stored_logits(self, object_id: ObjectId, frame_index: int) -> Tensor:
        """The logits of a result; of one that was restored without them, those of its mask."""
        key, side, device = (object_id, frame_index), self.model.config.image_size, self.model.device
        if key in self._logits:
            return torch.from_numpy(self._logits.get(key, side // 4)).to(device)[None, None]
        return mask_logits(self._tracks[object_id].results[frame_index].mask.to_mask(), side, device)

    def _store(self, frame_index: int, chosen: Mapping[ObjectId, ChosenMask]) -> None:
        """Keep the logits; done first of all, because it fails where there is no room."""
        self._logits.put({(i, frame_index): mask.logits[0, 0].cpu().numpy() for i, mask in chosen.items()})

    def _keep(
        self, features: ImageFeatures, frame_index: int, chosen: dict[ObjectId, ChosenMask], *, prompted: bool
    ) -> None:
        banks = {i: (self._tracks[i].bank, mask) for i, mask in chosen.items()}
        keep(self.model, features, frame_index, banks, prompted=prompted)

    def _prune(self, frame_index: int, reverse: bool) -> None:
        """Drop the spatial memories which the next frame of the pass does not recall."""
        if self.policy.keep_memories:
            return
        following = frame_index - 1 if reverse else frame_index + 1
        for track in self._tracks.values():
            recall = self._recall(track, following, reverse)
            wanted = {i for i, _ in recall.maps} if recall else set()
            track.bank.drop_maps(track.bank.mapped - wanted)

    def _collect(
        self, frame_index: int, fresh: Mapping[ObjectId, ChosenMask], objects: Collection[ObjectId] | None = None
    ) -> FrameMasks:
        """The masks of a frame: fresh ones, and those known from before. Fresh ones become results."""
        chosen: dict[ObjectId, ChosenMask] = {}
        drawn = {}
        by_logits = self.with_logits or self.postprocess.non_overlap
        for i, track in self._tracks.items():
            if objects is not None and i not in objects:
                continue
            if i in fresh:
                chosen[i] = fresh[i]
            elif frame_index in track.results:
                chosen[i] = self._known(i, frame_index)
                if not (by_logits and (i, frame_index) in self._logits):
                    drawn[i] = track.results[frame_index].mask.to_mask()
            asked = track.prompts.get(frame_index)
            if asked is not None and asked.mask is not None:
                drawn[i] = asked.mask
        out = frame_masks(
            frame_index, chosen, self.size, postprocess=self.postprocess, drawn=drawn, with_logits=self.with_logits
        )
        for row, i in enumerate(out.object_ids):
            if i not in fresh:  # exactly as before: a probability turned into a logit and back is not
                out.presence[row] = self._tracks[i].results[frame_index].presence
            if i in fresh or by_logits:
                result = Result(Rle.from_mask(out.masks[row]), float(out.presence[row]), float(out.iou[row]))
                self._tracks[i].results[frame_index] = result
        return out

    def _known(self, object_id: ObjectId, frame_index: int) -> ChosenMask:
        result = self._tracks[object_id].results[frame_index]
        score = torch.tensor([result.presence], device=self.model.device).logit()
        iou, pointer = score.new_tensor([result.iou]), score.new_zeros(1, self.model.config.embed_dim)
        return ChosenMask(self._stored_logits(object_id, frame_index), iou, pointer, score)

    def _track(self, object_id: ObjectId) -> Track:
        if object_id not in self._tracks:
            known = ", ".join(map(str, self._tracks)) or "none"
            raise UnknownObjectError(f"there is no object {object_id} (objects: {known})")
        return self._tracks[object_id]

    def _check_frame(self, frame_index: int) -> None:
        if not 0 <= frame_index < self.num_frames:
            raise FrameRangeError(f"the video has frames 0 to {self.num_frames - 1}, got frame {frame_index}")
