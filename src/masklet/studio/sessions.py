"""Projects in memory: a tracker and an open video for each project somebody works on, made from the database."""

from __future__ import annotations

import time
import zlib
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field

from masklet.backends.protocol import Model
from masklet.model.malloc import release_freed_memory
from masklet.predict.image import ImageSegmenter
from masklet.predict.logit_store import LogitStore
from masklet.predict.session import VideoSession
from masklet.predict.track import FrameState
from masklet.studio.features import MediaFeatures, shared_features
from masklet.studio.frame_codec import model_key, states_of
from masklet.studio.frame_server import MediaFrames, Viewers
from masklet.studio.revisions import Record
from masklet.studio.settings import Settings
from masklet.studio.tables import MediaRow
from masklet.studio.worker import Worker
from masklet.types import ObjectId, Prompts, Rle, Size

LOGIT_BYTES = 16 * 2**20
"""Low-resolution logits that one project keeps in memory; older ones go to a temporary file."""

BLOCK = 128
"""Frames that are brought back together."""

REACH = 32
"""The memory of a frame reaches no farther than this, but for prompted frames."""


@dataclass(eq=False)
class Live:
    """One project in memory; only its device's thread touches it.

    Attributes:
        tracker: knows every prompt and result.
        source: the media it reads.
        media: the media as listed.
        blocks: the parts of the media whose frames the tracker was given back.
        busy: how many jobs are using it; it is not closed while any is.
        used: when it was last asked for.
    """

    tracker: VideoSession
    source: MediaFrames
    media: MediaRow
    blocks: set[int] = field(default_factory=set)
    busy: int = 0
    used: float = field(default_factory=time.monotonic)

    @property
    def size(self) -> Size:
        """(height, width) of the media."""
        return self.media.height, self.media.width


class Device:
    """A model on its device, its thread, and the projects that are open there.

    All methods but the constructor and `close` are for calls on the worker's thread.

    Args:
        model: from `masklet.load`.
        record: what projects hold.
        viewers: where frames come from.
        settings: how many projects may be open, and for how long.
        name: of the thread.

    Attributes:
        features: what the encoder has seen, shared by all projects.
    """

    def __init__(self, model: Model, record: Record, viewers: Viewers, settings: Settings, name: str) -> None:
        self.model = model
        self.segmenter = ImageSegmenter(model)
        self.worker = Worker(name, waiting_calls=settings.waiting_calls)
        self._record = record
        self._viewers = viewers
        self._settings = settings
        self._live: OrderedDict[str, Live] = OrderedDict()
        self.features = shared_features()

    def live(self, project_id: str) -> Live:
        """A project in memory, as the database knows it.

        Raises:
            NotFoundError: there is no such project.
            MediaError: its media cannot be read any more.
        """
        live = self._live.get(project_id)
        if live is None:
            self._drop_frame()
            live = self._live[project_id] = self._opened(project_id)
        live.used = time.monotonic()
        self._live.move_to_end(project_id)
        return live

    def _opened(self, project_id: str) -> Live:
        _, media = self._record.store.project(project_id)
        source = MediaFrames(media, self._viewers)
        live = Live(VideoSession(self.model, source, logits=LogitStore(LOGIT_BYTES)), source, media)
        live.tracker.features = MediaFeatures(self.model, media.id, source, self.features)
        live.tracker.remind = lambda frame: self._remind(live, project_id, frame)
        self.renew(live, project_id, {row.object_id for row in self._record.objects(project_id)})
        return live

    def renew(self, live: Live, project_id: str, objects: Collection[ObjectId]) -> None:
        """Bring objects of a project in memory to what the database says of them.

        The tracker gets the frames that somebody prompted; the others when it comes near them, so that what it costs
        does not depend on the length of the video. Prompts that another model has answered are taken by their masks.
        """
        live.blocks.clear()
        strange: list[tuple[int, ObjectId, Rle]] = []
        for object_id in objects:
            rows = self._record.prompted(project_id, object_id)
            frames = states_of(rows, live.size, (), model=model_key(self.model))
            ours = {i: one for i, one in frames.items() if one.pointer is not None or _is_absent(one)}
            if ours:
                live.tracker.restore(object_id, ours)
            elif object_id in live.tracker.object_ids:
                live.tracker.forget(object_id)
            masks = ((index, state.result.mask) for index, state in frames.items() if index not in ours)
            strange += [(index, object_id, mask) for index, mask in masks if mask.area]
        for index, object_id, mask in strange:
            live.tracker.prompt_objects(index, {object_id: Prompts.from_mask(mask.to_mask())}, replace=True)

    def _remind(self, live: Live, project_id: str, frame: int) -> None:
        """Give the tracker back what is known of a frame and of those that its memory may reach."""
        for block in range(max(0, frame - REACH) // BLOCK, (frame + REACH) // BLOCK + 1):
            if block in live.blocks:
                continue
            live.blocks.add(block)
            rows = self._record.frames(project_id, block * BLOCK, (block + 1) * BLOCK, live.tracker.object_ids)
            rows = [row for row in rows if row.prompt is None]  # what was prompted is there from the start
            for object_id in {row.object_id for row in rows}:
                these, said = [r for r in rows if r.object_id == object_id], self._record.said(project_id, object_id)
                frames = states_of(these, live.size, said, model=model_key(self.model))
                live.tracker.restore(object_id, frames, join=True)

    def reload(self, project_id: str) -> None:
        """Bring a whole project in memory to what the database says of it: something could not be written down."""
        live = self._live.get(project_id)
        if live is None:
            return
        rows = {row.object_id for row in self._record.objects(project_id)}
        self.renew(live, project_id, rows.union(live.tracker.object_ids))

    def drop(self, project_id: str) -> None:
        """Give back a project's memory; the next call makes it again."""
        self._live.pop(project_id, None)

    def expire(self, before: float, *, trim: bool = False) -> None:
        """Give back what nobody has asked for since a time (`time.monotonic`), to the system as well.

        Args:
            before: the time.
            trim: whether others have given back something too.
        """
        unused = [name for name, live in self._live.items() if not live.busy and live.used < before]
        for project_id in unused:
            self.drop(project_id)
        if self.features.expire(before) or unused or trim:
            release_freed_memory()

    def _drop_frame(self) -> None:
        idle = [project_id for project_id, live in self._live.items() if not live.busy]
        for project_id in idle[: max(0, len(self._live) + 1 - self._settings.live_sessions)]:
            self.drop(project_id)

    def close(self) -> None:
        """End the thread and give back all memory."""
        self.worker.close()
        for project_id in list(self._live):
            self.drop(project_id)


def _is_absent(state: FrameState) -> bool:
    """Whether a person said that the object is not there; that is remembered by no pointer."""
    return state.prompts is not None and state.prompts.is_absent


def device_of(devices: list[Device], project_id: str) -> Device:
    """The device a project belongs to; always the same."""
    return devices[zlib.crc32(project_id.encode()) % len(devices)]
