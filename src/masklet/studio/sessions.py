"""Open projects: a tracker for each project that somebody works on, restored from the database on its device."""

from __future__ import annotations

import time
import zlib
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from jaxtyping import Shaped
from torch import Tensor

from masklet.backends.protocol import Model
from masklet.lru_cache import LruCache
from masklet.model.malloc import release_freed_memory
from masklet.model.tensors import ImageFeatures, MaskPrediction, PromptTensors
from masklet.predict.encoder_prefetch import encode_frame
from masklet.predict.results import FrameState, InMemoryResults
from masklet.predict.session import VideoSession
from masklet.studio.frame_codec import model_key, states_of
from masklet.studio.frame_server import FrameServer, MediaFrames
from masklet.studio.revisions import Revisions
from masklet.studio.settings import Settings
from masklet.studio.tables import FrameRow, MediaRow
from masklet.studio.worker import Worker
from masklet.types import FrameSource, ObjectId, Prompts, Size

LOGIT_BYTES = 16 * 2**20
"""Low-resolution logits that one project keeps in memory; older ones go to a temporary file."""

FEATURE_BYTES = 128 * 2**20
MIN_FEATURES = 16
"""Frames whose features are cached whatever their size: several people work between the steps of a tracking job."""

BLOCK = 128
"""Frames that are read from the database together."""

REACH = 32
"""Frames on each side of a frame that its memory selection may read, apart from prompted frames."""

FeatureCache = LruCache[tuple[str, int], ImageFeatures]
"""Image features by media and frame index."""


class DecoderMemo:
    """A `Model` that keeps the last prediction of its decoder for prompts and returns it for equal inputs.

    A preview, the click that follows it, and the candidates of the click are predictions for the same prompts on the
    same frame: they take one call of the decoder.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._last: tuple[ImageFeatures, PromptTensors, MaskPrediction] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def decode(self, features: ImageFeatures, prompts: PromptTensors) -> MaskPrediction:
        """Decode as the model does; see `masklet.backends.protocol.Model.decode`."""
        if len(features.embedding) > 1 or not prompts.points.shape[1]:  # a tracked frame is not decoded twice
            return self._model.decode(features, prompts)
        if self._last is not None:
            last_features, last_prompts, prediction = self._last
            if (
                features.stride8 is last_features.stride8  # the same cached frame, before anything is compared
                and _equal(prompts.points, last_prompts.points)
                and _equal(prompts.labels, last_prompts.labels)
                and _equal(prompts.mask_logits, last_prompts.mask_logits)
                and _equal(features.embedding, last_features.embedding)
            ):
                return prediction
        prediction = self._model.decode(features, prompts)
        self._last = features, prompts, prediction
        return prediction


def _equal(one: Shaped[Tensor, "..."] | None, other: Shaped[Tensor, "..."] | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.shape == other.shape and torch.equal(one, other)


class MediaFeatures:
    """The image features of one media, from a cache that all projects of a device share."""

    def __init__(self, model: Model, media_id: str, frames: FrameSource, cache: FeatureCache) -> None:
        self._model, self._media_id, self._frames, self._cache = model, media_id, frames, cache

    def __getitem__(self, frame_index: int) -> ImageFeatures:
        features = self._cache.get((self._media_id, frame_index))
        if features is None:
            features = encode_frame(self._model, self._frames[frame_index])
            self._cache.put((self._media_id, frame_index), features)
        return features


class ProjectResults(InMemoryResults):
    """The results of a project: tracked frames are read from the database when the tracker comes near them.

    Args:
        size: (height, width) of the media.
        model: `model_key` of the model that tracks.
    """

    def __init__(self, revisions: Revisions, project_id: str, size: Size, model: str) -> None:
        super().__init__(LOGIT_BYTES)
        self._revisions, self._project_id, self._size, self._model = revisions, project_id, size, model
        self._loaded: set[int] = set()

    def reset(self) -> None:
        """Read all frames again when they are needed."""
        self._loaded.clear()

    def load_near(
        self, frame_index: int, object_ids: Collection[ObjectId]
    ) -> Mapping[ObjectId, Mapping[int, FrameState]]:
        """The tracked frames that memory selection may read from a frame; prompted ones are restored already."""
        loaded: dict[ObjectId, dict[int, FrameState]] = {}
        for block in range(max(0, frame_index - REACH) // BLOCK, (frame_index + REACH) // BLOCK + 1):
            if block in self._loaded:
                continue
            self._loaded.add(block)
            rows = self._revisions.frames(self._project_id, block * BLOCK, (block + 1) * BLOCK, object_ids)
            tracked: dict[ObjectId, list[FrameRow]] = {}
            for row in rows:
                if row.prompt is None:
                    tracked.setdefault(row.object_id, []).append(row)
            prompted = self._revisions.prompted_frames(self._project_id) if tracked else {}
            for object_id, own in tracked.items():
                states = states_of(own, self._size, prompted.get(object_id, {}), model=self._model)
                loaded.setdefault(object_id, {}).update(states)
        return loaded


@dataclass(eq=False)
class OpenProject:
    """One project in memory; only the thread of its device uses it.

    Attributes:
        source, results: of the tracker.
        busy: number of jobs that use it; it is not closed while there is one.
        used: when it was last used (`time.monotonic`).
    """

    id: str
    tracker: VideoSession
    source: MediaFrames
    media: MediaRow
    results: ProjectResults
    busy: int = 0
    used: float = field(default_factory=time.monotonic)

    @property
    def size(self) -> Size:
        """(height, width) of the media."""
        return self.media.height, self.media.width


class Device:
    """A model on its device, the thread that runs it, and the projects that are open there.

    All methods but `close` are called on the worker's thread.

    Attributes:
        features: image features, shared by all projects.
    """

    def __init__(
        self, model: Model, revisions: Revisions, frame_server: FrameServer, settings: Settings, name: str
    ) -> None:
        self.model = cast("Model", DecoderMemo(model))
        self.worker = Worker(name, waiting_calls=settings.waiting_calls)
        self.features: FeatureCache = LruCache(FEATURE_BYTES, _feature_bytes, min_values=MIN_FEATURES)
        self._revisions = revisions
        self._frame_server = frame_server
        self._settings = settings
        self._open: OrderedDict[str, OpenProject] = OrderedDict()

    def open(self, project_id: str) -> OpenProject:
        """Return a project in memory; open it if it is not.

        Raises:
            NotFoundError: there is no such project.
            MediaError: its media cannot be read.
        """
        project = self._open.get(project_id)
        if project is None:
            idle = [other for other, known in self._open.items() if not known.busy]
            for other in idle[: max(0, len(self._open) + 1 - self._settings.live_sessions)]:
                self.drop(other)
            project = self._open[project_id] = self._restored(project_id)
        project.used = time.monotonic()
        self._open.move_to_end(project_id)
        return project

    def _restored(self, project_id: str) -> OpenProject:
        _, media = self._revisions.store.project(project_id)
        source = MediaFrames(media, self._frame_server)
        results = ProjectResults(self._revisions, project_id, (media.height, media.width), model_key(self.model))
        tracker = VideoSession(self.model, source, results=results)
        tracker.features = MediaFeatures(self.model, media.id, source, self.features)
        project = OpenProject(project_id, tracker, source, media, results)
        self.restore(project)
        return project

    def restore(self, project: OpenProject, objects: Collection[ObjectId] | None = None) -> None:
        """Bring objects of an open project, or all, to their state in the database.

        Only prompted frames are restored at once; tracked ones when the tracker comes near them, so that the cost does
        not depend on the length of the video. Prompts that another model has answered are restored by their masks.
        """
        project.results.reset()
        rows: dict[ObjectId, list[FrameRow]] = {}
        for row in self._revisions.prompted_rows(project.id):
            rows.setdefault(row.object_id, []).append(row)
        tracker, foreign = project.tracker, []
        for object_id in rows.keys() | tracker.object_ids if objects is None else objects:
            states = states_of(rows.get(object_id, []), project.size, {}, model=model_key(self.model))
            own = {  # a frame from which the object is absent has no pointer
                frame: state
                for frame, state in states.items()
                if state.pointer is not None or (state.prompts is not None and state.prompts.is_absent)
            }
            if own:
                tracker.restore(object_id, own)
            elif object_id in tracker.object_ids:
                tracker.forget(object_id)
            foreign += [(f, object_id, state.result.mask) for f, state in states.items() if f not in own]
        for frame, object_id, mask in foreign:
            if mask.area:
                tracker.prompt_objects(frame, {object_id: Prompts.from_mask(mask.to_mask())}, replace=True)

    def reload(self, project_id: str) -> None:
        """Bring an open project back to its state in the database, after a change that could not be written."""
        project = self._open.get(project_id)
        if project is not None:
            self.restore(project)

    def drop(self, project_id: str) -> None:
        """Free the memory of a project; the next call opens it again."""
        self._open.pop(project_id, None)

    def expire(self, before: float, *, trim: bool = False) -> None:
        """Free what was last used before a time (`time.monotonic`), and return memory to the system.

        Args:
            before: the time.
            trim: whether to return memory even if nothing was freed here.
        """
        unused = [name for name, project in self._open.items() if not project.busy and project.used < before]
        for project_id in unused:
            self.drop(project_id)
        if self.features.expire(before) or unused or trim:
            release_freed_memory()

    def close(self) -> None:
        """Stop the thread and free all memory."""
        self.worker.close()
        self._open.clear()


def device_of(devices: Sequence[Device], project_id: str) -> Device:
    """Return the device of a project; always the same one."""
    return devices[zlib.crc32(project_id.encode()) % len(devices)]


def _feature_bytes(features: ImageFeatures) -> int:
    return sum(part.nbytes for part in features.maps)
