"""Projects in memory: a tracker and an open video for each project somebody works on, made from the database."""

from __future__ import annotations

import ctypes
import gc
import sys
import time
import zlib
from collections import OrderedDict
from dataclasses import dataclass, field

from masklet.model.sam2 import Sam2
from masklet.predict.image import ImageSegmenter
from masklet.predict.logit_store import LogitStore
from masklet.predict.session import VideoSession
from masklet.studio.features import MediaFeatures, shared_features
from masklet.studio.record import Record
from masklet.studio.settings import Settings
from masklet.studio.states import model_key, states_of
from masklet.studio.tables import MediaRow
from masklet.studio.viewing import MediaFrames, Viewers
from masklet.studio.worker import Worker
from masklet.types import ObjectId, Prompts, Size

LOGIT_BYTES = 16 * 2**20
"""Low-resolution logits that one project keeps in memory; older ones go to a temporary file."""


@dataclass(eq=False)
class Live:
    """One project in memory; only its device's thread touches it.

    Attributes:
        tracker: knows every prompt and result.
        source: the media it reads.
        media: the media as listed.
        busy: how many jobs are using it; it is not closed while any is.
        used: when it was last asked for.
    """

    tracker: VideoSession
    source: MediaFrames
    media: MediaRow
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

    def __init__(self, model: Sam2, record: Record, viewers: Viewers, settings: Settings, name: str) -> None:
        self.model = model
        self.segmenter = ImageSegmenter(model)
        self.worker = Worker(name, waiting_calls=settings.waiting_calls)
        self._record = record
        self._viewers = viewers
        self._settings = settings
        self._live: OrderedDict[str, Live] = OrderedDict()
        self.features = shared_features()

    @property
    def num_live(self) -> int:
        """How many projects are in memory."""
        return len(self._live)

    def live(self, project_id: str) -> Live:
        """A project in memory, as the database knows it.

        Raises:
            NotFoundError: there is no such project.
            MediaError: its media cannot be read any more.
        """
        live = self._live.get(project_id)
        if live is None:
            self._make_room()
            live = self._live[project_id] = self._opened(project_id)
        live.used = time.monotonic()
        self._live.move_to_end(project_id)
        return live

    def _opened(self, project_id: str) -> Live:
        _, media = self._record.store.project(project_id)
        source = MediaFrames(media, self._viewers)
        live = Live(VideoSession(self.model, source, logits=LogitStore(LOGIT_BYTES)), source, media)
        live.tracker.features = MediaFeatures(self.model, media.id, source, self.features)
        for row in self._record.objects(project_id):
            self.renew(live, project_id, row.object_id)
        return live

    def renew(self, live: Live, project_id: str, object_id: ObjectId) -> None:
        """Bring one object of a project in memory to what the database says of it.

        Prompts that another model has answered are taken by their masks.
        """
        frames = states_of(self._record.frames_of(project_id, object_id), live.size, model=model_key(self.model))
        if any(state.prompts is not None for state in frames.values()):
            live.tracker.restore(object_id, frames)
            for index, state in frames.items():
                if state.prompts is not None and state.pointer is None and state.result.mask.area:
                    mask = Prompts.from_mask(state.result.mask.to_mask())
                    live.tracker.prompt_objects(index, {object_id: mask}, replace=True)
        elif object_id in live.tracker.object_ids:
            live.tracker.forget(object_id)

    def reload(self, project_id: str) -> None:
        """Bring a whole project in memory to what the database says of it: something could not be written down."""
        live = self._live.get(project_id)
        if live is None:
            return
        rows = {row.object_id for row in self._record.objects(project_id)}
        for object_id in rows.union(live.tracker.object_ids):
            self.renew(live, project_id, object_id)

    def if_live(self, project_id: str) -> Live | None:
        """A project, if it is in memory."""
        return self._live.get(project_id)

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
            return_memory()

    def _make_room(self) -> None:
        idle = [project_id for project_id, live in self._live.items() if not live.busy]
        for project_id in idle[: max(0, len(self._live) + 1 - self._settings.live_sessions)]:
            self.drop(project_id)

    def close(self) -> None:
        """End the thread and give back all memory."""
        self.worker.close()
        for project_id in list(self._live):
            self.drop(project_id)


def return_memory() -> None:
    """Give freed memory back to the system, where its allocator keeps it otherwise (glibc)."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def device_of(devices: list[Device], project_id: str) -> Device:
    """The device a project belongs to; always the same."""
    return devices[zlib.crc32(project_id.encode()) % len(devices)]
