"""Track objects through a recorded video: prompt any frame, run passes in both directions, correct, run again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from masklet.errors import FrameRangeError, MediaError, PromptError, UnknownObjectError
from masklet.model.sam2 import Sam2
from masklet.model.tensors import ChosenMask, ImageFeatures
from masklet.predict.logit_store import LogitStore
from masklet.predict.objects import Start, by_object, check_prompts, keep, memory_policy, respond
from masklet.predict.pixels import frame_tensor
from masklet.predict.results import PostProcess, frame_masks
from masklet.predict.track import Result, Track
from masklet.tracking.recall import MemoryPolicy, Recall, choose
from masklet.tracking.step import follow, look
from masklet.types import FrameMasks, FrameSource, Masklet, ObjectId, Prompts, Rle, Size

Direction = Literal["forward", "reverse", "both"]

_CACHED_FRAMES = 4


class Pass(NamedTuple):
    """One run through some frames.

    Attributes:
        frames: the frames in the order of the run.
        reverse: it runs from later frames to earlier ones.
        fill: only objects that were not prompted yet at a frame are tracked there.
    """

    frames: range
    reverse: bool
    fill: bool = False


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
    ) -> None:
        self.model = model
        self.video = video
        self.policy = memory_policy(memory, model.config)
        self.postprocess = postprocess or PostProcess()
        self.with_logits = with_logits
        self._tracks: dict[ObjectId, Track] = {}
        self._logits = LogitStore()
        self._features: OrderedDict[int, ImageFeatures] = OrderedDict()
        try:
            self.num_frames = len(video)
        except TypeError:
            raise MediaError("a live source has no length and cannot be revisited: use StreamTracker") from None
        if not self.num_frames:
            raise MediaError("the video has no frames")

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
    def prompt_objects(self, frame_index: int, prompts: Mapping[ObjectId, Prompts]) -> FrameMasks:
        """Say something about several objects on one frame and see the masks of this frame.

        Prompts of one frame add up: clicks join earlier clicks and refine what is there (the tracked mask, if there is
        one), a new box replaces the old one, a mask replaces everything.

        Raises:
            FrameRangeError: no such frame.
            PromptError: prompts that do not fit the frame. Nothing has changed then.
        """
        self._check_frame(frame_index)
        check_prompts(prompts, self.size)
        tracks = {i: self._tracks.get(i) or Track() for i in prompts}
        merged = {i: tracks[i].merged(frame_index, asked) for i, asked in prompts.items()}
        features = self._encode(frame_index)
        starts = self._starts({i: tracks[i] for i in merged if merged[i].mask is None}, features, frame_index)
        answered = respond(self.model, features, merged, starts, self.size)
        self._store(frame_index, answered)
        for i, track in tracks.items():
            self._tracks.setdefault(i, track)
            track.prompts[frame_index] = merged[i]
            if not self.policy.keep_memories:
                track.doubt(frame_index)
        self._keep(features, frame_index, answered, prompted=True)
        return self._collect(frame_index, answered)

    def propagate(
        self,
        direction: Direction = "forward",
        *,
        start: int | None = None,
        end: int | None = None,
        progress: Callable[[int, int], None] | None = None,
        cancel: Callable[[], bool] | None = None,
    ) -> Iterator[FrameMasks]:
        """Track all objects and yield the masks of each frame as it is done.

        Args:
            direction: "forward" runs from the first prompted frame to the end; "reverse" from the last prompted frame
                to the beginning; "both" runs forward and then back over the frames before each object's first prompt.
            start: the lowest frame to track.
            end: one more than the highest frame to track; both mean the same in every direction.
            progress: called with (frames done, frames in all) after each frame.
            cancel: asked before each frame; True ends the pass. What is done is kept.

        Raises:
            FrameRangeError: the range is empty or outside the video.
            PromptError: nothing was prompted yet.
        """
        passes = self._passes(direction, start, end)
        return self._run(passes, progress, cancel)

    def _run(
        self,
        passes: list[Pass],
        progress: Callable[[int, int], None] | None,
        cancel: Callable[[], bool] | None,
    ) -> Iterator[FrameMasks]:
        total, done = sum(len(p.frames) for p in passes), 0
        for current in passes:
            for frame_index in current.frames:
                if cancel is not None and cancel():
                    return
                out = self._visit(frame_index, current)
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
        model = self.model.config.full_name
        return {i: track.masklet(i, self.size, model) for i, track in self._tracks.items()}

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

    @torch.inference_mode()
    def _visit(self, frame_index: int, current: Pass) -> FrameMasks:
        """Track every object that is due on this frame."""
        recalls: dict[ObjectId, Recall] = {}
        for i, track in self._tracks.items():
            if current.fill and frame_index >= min(track.prompts):
                continue
            recall = self._recall(track, frame_index, current.reverse)
            if frame_index in track.prompts:
                track.visited[frame_index] = current.reverse
            elif recall is not None:
                recalls[i] = recall
        chosen: dict[ObjectId, ChosenMask] = {}
        if recalls:
            self._restore(recalls)
            features = self._encode(frame_index)
            memories = [(self._tracks[i].bank, recall) for i, recall in recalls.items()]
            chosen = by_object(list(recalls), follow(self.model, look(self.model, features, memories, self.policy)))
            self._store(frame_index, chosen)
            for i in chosen:
                self._tracks[i].visited[frame_index] = current.reverse
            self._keep(features, frame_index, chosen, prompted=False)
        out = self._collect(frame_index, chosen)
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
        keys = [(i, frame_index) for i in tracks]
        previous = [self._stored_logits(key) if key in self._logits else None for key in keys]
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
            self._keep(self._encode(frame_index), frame_index, masks, prompted=prompted)

    def _remembered(self, object_id: ObjectId, frame_index: int) -> ChosenMask:
        """The mask of which a memory was made."""
        entry = self._tracks[object_id].bank[frame_index]
        logits = self._stored_logits((object_id, frame_index))
        return ChosenMask(
            logits, logits.new_tensor([entry.iou]), entry.pointer, logits.new_tensor([entry.object_score])
        )

    def _stored_logits(self, key: tuple[ObjectId, int]) -> Tensor:
        logits = self._logits.get(key, self.model.config.image_size // 4)
        return torch.from_numpy(logits).to(self.model.device)[None, None]

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

    def _collect(self, frame_index: int, fresh: Mapping[ObjectId, ChosenMask]) -> FrameMasks:
        """The masks of a frame: fresh ones, and those known from before. Fresh ones become results."""
        chosen: dict[ObjectId, ChosenMask] = {}
        drawn = {}
        for i, track in self._tracks.items():
            if i in fresh:
                chosen[i] = fresh[i]
            elif (i, frame_index) in self._logits:
                chosen[i] = self._known(i, frame_index)
            asked = track.prompts.get(frame_index)
            if asked is not None and asked.mask is not None:
                drawn[i] = asked.mask
        out = frame_masks(
            frame_index, chosen, self.size, postprocess=self.postprocess, drawn=drawn, with_logits=self.with_logits
        )
        for row, i in enumerate(out.object_ids):
            if i not in fresh:  # exactly as before: a probability turned into a logit and back is not
                out.presence[row] = self._tracks[i].results[frame_index].presence
            result = Result(Rle.from_mask(out.masks[row]), float(out.presence[row]), float(out.iou[row]))
            self._tracks[i].results[frame_index] = result
        return out

    def _known(self, object_id: ObjectId, frame_index: int) -> ChosenMask:
        result = self._tracks[object_id].results[frame_index]
        score = torch.tensor([result.presence], device=self.model.device).logit()
        pointer = score.new_zeros(1, self.model.config.embed_dim)
        return ChosenMask(self._stored_logits((object_id, frame_index)), score.new_tensor([result.iou]), pointer, score)

    def _encode(self, frame_index: int) -> ImageFeatures:
        """Features of a frame; the last few are kept for the next click on the same frame."""
        if frame_index not in self._features:
            pixels = frame_tensor(self.video[frame_index], self.model.config.image_size, self.model.device)
            self._features[frame_index] = self.model.encode_image(pixels)
            if len(self._features) > _CACHED_FRAMES:
                self._features.popitem(last=False)
        self._features.move_to_end(frame_index)
        return self._features[frame_index]

    def _passes(self, direction: Direction, start: int | None, end: int | None) -> list[Pass]:
        if direction not in ("forward", "reverse", "both"):
            raise ValueError(f'direction must be "forward", "reverse" or "both", got {direction!r}')
        low, high = 0 if start is None else start, self.num_frames if end is None else end
        if not 0 <= low < high <= self.num_frames:
            raise FrameRangeError(f"expected 0 <= start < end <= {self.num_frames}, got start {low} and end {high}")
        if not self._tracks:
            raise PromptError("nothing to track: prompt an object first")
        first = {i: min(track.prompts) for i, track in self._tracks.items()}
        last = max(max(track.prompts) for track in self._tracks.values())
        everything = self.policy.look_ahead
        forward = range(low if everything or start is not None else max(low, min(first.values())), high)
        reverse = range((high if everything or end is not None else min(high, last + 1)) - 1, low - 1, -1)
        back = range(min(high, max(first.values())) - 1, low - 1, -1)
        passes = {
            "forward": [Pass(forward, reverse=False)],
            "reverse": [Pass(reverse, reverse=True)],
            "both": [Pass(forward, reverse=False), Pass(back, reverse=True, fill=True)],
        }[direction]
        if not any(len(p.frames) for p in passes):
            prompted = f"prompts are on frames {min(first.values())} to {last}"
            raise FrameRangeError(f"nothing to track {direction} in frames {low} to {high - 1}: {prompted}")
        return [p for p in passes if len(p.frames)]

    def _track(self, object_id: ObjectId) -> Track:
        if object_id not in self._tracks:
            known = ", ".join(map(str, self._tracks)) or "none"
            raise UnknownObjectError(f"there is no object {object_id} (objects: {known})")
        return self._tracks[object_id]

    def _check_frame(self, frame_index: int) -> None:
        if not 0 <= frame_index < self.num_frames:
            raise FrameRangeError(f"the video has frames 0 to {self.num_frames - 1}, got frame {frame_index}")
