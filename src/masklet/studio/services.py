"""Everything a running studio holds, independent of HTTP; media, objects and projects as JSON."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from sqlalchemy.exc import DBAPIError

from masklet.backends.protocol import Model
from masklet.lru_cache import LruCache
from masklet.studio.cleaning import CleanedMasks, Cleaning
from masklet.studio.errors import ConflictError
from masklet.studio.events import EventBus
from masklet.studio.frame_server import FrameServer
from masklet.studio.frame_stats import prompted_frames
from masklet.studio.jobs import Jobs
from masklet.studio.library import Library
from masklet.studio.revisions import Revisions
from masklet.studio.sessions import Device, OpenProject, device_of
from masklet.studio.settings import Settings
from masklet.studio.store import Store
from masklet.studio.tables import FrameRow, ObjectRow, ProjectRow
from masklet.studio.worker import Worker
from masklet.types import ObjectId, Size

T = TypeVar("T")

IMAGE_BYTES = 64 * 2**20
"""Encoded frames in memory."""

CLEANED_BYTES = 16 * 2**20
"""Cleaned masks in memory, so that playing a range again is quick."""


class Services:
    """The service container of a studio.

    Args:
        models: one for each device.

    Raises:
        OutputError: the folder cannot be used, or another studio is running in it.

    Attributes:
        store, revisions: the database, and the content of projects in it.
        library, frame_server: the media, and their decoded frames.
        images, cleaned_masks: caches of encoded frames and of cleaned masks.
        exporter: the thread that writes exports.
    """

    def __init__(self, models: Sequence[Model], settings: Settings) -> None:
        self.settings = settings
        self.store = Store(settings)
        self.revisions = Revisions(self.store, settings.undo_steps)
        self.library = Library(self.store, settings)
        self.frame_server = FrameServer()
        self.images: LruCache[str, bytes] = LruCache(IMAGE_BYTES, len)
        self.cleaned_masks: CleanedMasks = LruCache(CLEANED_BYTES, lambda mask: 200 + len(mask.counts))
        self.events = EventBus()
        self.jobs = Jobs(self.events)
        self.devices = [
            Device(model, self.revisions, self.frame_server, settings, f"device-{i}") for i, model in enumerate(models)
        ]
        self.exporter = Worker("exporter")
        shutil.rmtree(settings.exports, ignore_errors=True)
        settings.exports.mkdir(parents=True)

    def device(self, project_id: str) -> Device:
        """Return the device of a project."""
        return device_of(self.devices, project_id)

    def submit(self, project_id: str, function: Callable[[OpenProject], T], *, urgent: bool = True) -> Future[T]:
        """Call a function with an open project on the thread of its device.

        If the function cannot write to the database, what it changed in the tracker is undone.

        Args:
            urgent: False for a function that changes nothing and may wait for others.
        """
        device = self.device(project_id)

        def run() -> T:
            try:
                return function(device.open(project_id))
            except (OSError, DBAPIError):
                device.reload(project_id)
                raise

        return (device.worker.call if urgent else device.worker.preview)(project_id, run)

    async def run(self, project_id: str, function: Callable[[OpenProject], T], *, urgent: bool = True) -> T:
        """Call a function as `submit` and wait for its result."""
        return await asyncio.wrap_future(self.submit(project_id, function, urgent=urgent))

    def frames(
        self, project_id: str, start: int, end: int, objects: Collection[ObjectId] | None = None
    ) -> Sequence[FrameRow]:
        """Return the rows of frames ``start`` to ``end - 1`` with cleaned masks, by frame and object."""
        project, media = self.store.project(project_id)
        rows = self.revisions.frames(project_id, start, end, objects)
        return self.cleaned(project, rows, (media.height, media.width))

    def cleaned(self, project: ProjectRow, rows: Sequence[FrameRow], size: Size) -> Sequence[FrameRow]:
        """Clean the masks of rows in place as the project sets it; ``size`` is (height, width) of the media."""
        if not (project.specks or project.holes):
            return rows
        return Cleaning(project.specks, project.holes).rows(rows, size, self.cleaned_masks)

    def publish_change(self, project_id: str, revision: int, what: str, **details: Any) -> None:
        """Publish that a project has changed: "project", "objects", "prompts" or "history"."""
        self.events.publish(project_id, {"type": "changed", "what": what, "revision": revision, **details})

    def expire(self, now: float) -> None:
        """Free what was not used within the idle time, here and on every device."""
        before = now - self.settings.idle_seconds
        caches = self.frame_server, self.images, self.cleaned_masks, self.revisions.stats
        freed = [cache.expire(before) for cache in caches]
        for device in self.devices:
            device.worker.call("", lambda device=device: device.expire(before, trim=any(freed)))  # type: ignore[misc]

    def remove_project(self, project_id: str) -> None:
        """Delete a project and cancel its jobs."""
        self.store.project(project_id)
        for job in self.jobs.active(project_id):
            self.jobs.cancel(job)
        self.store.remove_project(project_id)
        self.publish_change(project_id, 0, "project")  # pages that show it find that it does not exist
        device = self.device(project_id)
        device.worker.call(project_id, lambda: device.drop(project_id))

    def close(self) -> None:
        """Stop all threads and close everything; finished work is in the database."""
        self.exporter.close()
        for device in self.devices:
            device.close()
        self.frame_server.close()
        self.store.close()

    # --- JSON ---

    def project_json(self, project_id: str) -> dict[str, Any]:
        """Return a project as `masklet.studio.schemas.ProjectOut` shows it."""
        project, media = self.store.project(project_id)
        undo, redo = self.revisions.labels(project_id)
        return {
            "id": project.id,
            "name": project.name,
            "media": media,
            "revision": project.revision,
            "in": project.start,
            "out": project.end,
            "specks": project.specks,
            "holes": project.holes,
            "objects": self.objects_json(project_id),
            "undo": undo,
            "redo": redo,
            "jobs": self.jobs.active(project_id),
            "created": project.created,
            "changed": project.changed,
        }

    def objects_json(self, project_id: str) -> list[dict[str, Any]]:
        """Return the objects of a project as the API shows them."""
        stats = self.revisions.stats.get(project_id)
        return [
            object_json(row, len(stats[row.object_id]), prompted_frames(stats[row.object_id]))
            if row.object_id in stats
            else object_json(row)
            for row in self.revisions.objects(project_id)
        ]


def object_json(row: ObjectRow, num_frames: int = 0, prompted: Sequence[int] = ()) -> dict[str, Any]:
    """Return an object as the API shows it, with the number of frames that have a result and the prompted frames."""
    return {
        "id": row.object_id,
        "name": row.name,
        "color": row.color,
        "hidden": row.hidden,
        "locked": row.locked,
        "prompted": list(prompted),
        "num_frames": num_frames,
    }


def refuse_locked(row: ObjectRow) -> None:
    """Raise `ConflictError` for a locked object."""
    if row.locked:
        raise ConflictError(f"{row.name} is locked: unlock it to change it")
