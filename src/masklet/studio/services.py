"""The studio without HTTP: one object that holds everything, and the entries of media, objects and projects as JSON."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from sqlalchemy.exc import DBAPIError

from masklet.backends.protocol import Model
from masklet.io import color_of
from masklet.studio.cleaning import Cleaning, clean_masks
from masklet.studio.errors import ConflictError
from masklet.studio.events import Hub
from masklet.studio.frame_server import Viewers, frame_cache, picture_cache
from masklet.studio.jobs import Jobs
from masklet.studio.library import Library
from masklet.studio.lock import FolderLock
from masklet.studio.revisions import Record
from masklet.studio.sessions import Device, Live, device_of
from masklet.studio.settings import Settings
from masklet.studio.store import Store
from masklet.studio.tables import FrameRow, MediaRow, ObjectRow
from masklet.studio.worker import Worker
from masklet.types import ObjectId

T = TypeVar("T")


class Desk:
    """Everything one studio holds.

    Args:
        models: one for each device.
        settings: folders and limits.

    Raises:
        OutputError: the folder cannot be used, or another studio is using it.

    Attributes:
        store, record: the database, and what projects hold.
        library, viewers, pictures, clean: media, open for looking at, encoded frames, and masks without specks.
        devices: where models run.
        exporter: the thread that writes results.
        hub, jobs: events and long work.
    """

    def __init__(self, models: Sequence[Model], settings: Settings) -> None:
        self.settings = settings
        self._lock = FolderLock(settings.folder)
        try:
            self.store = Store(settings)
        except BaseException:
            self._lock.release()
            raise
        self.record = Record(self.store, settings.undo_steps)
        self.library = Library(self.store, settings)
        self.viewers = Viewers(frame_cache())
        self.pictures = picture_cache()
        self.clean = clean_masks()
        self.hub = Hub()
        self.jobs = Jobs(self.hub)
        self.devices = [
            Device(model, self.record, self.viewers, settings, f"device-{i}") for i, model in enumerate(models)
        ]
        self.exporter = Worker("exporter")
        shutil.rmtree(settings.exports, ignore_errors=True)
        settings.exports.mkdir(parents=True)

    def device(self, project_id: str) -> Device:
        """Where a project's model runs."""
        return device_of(self.devices, project_id)

    def later(self, project_id: str, function: Callable[[Device, Live], T], *, urgent: bool = True) -> Future[T]:
        """Call a function with a project in memory, when it is the project's turn on its device.

        What the function changes in the tracker and fails to write down is forgotten again. What is not urgent, and
        changes nothing, comes after what is.
        """
        device = self.device(project_id)

        def run() -> T:
            live = device.live(project_id)
            try:
                return function(device, live)
            except (OSError, DBAPIError):
                device.reload(project_id)
                raise

        return (device.worker.call if urgent else device.worker.preview)(project_id, run)

    def frames(
        self, project_id: str, start: int, end: int, objects: Collection[ObjectId] | None = None
    ) -> Sequence[FrameRow]:
        """What is known of frames ``start`` to ``end - 1`` as it is shown, by frame and object."""
        project, media = self.store.project(project_id)
        rows = self.record.frames(project_id, start, end, objects)
        return Cleaning.of(project).rows(rows, (media.height, media.width), self.clean)

    async def ask(self, project_id: str, function: Callable[[Device, Live], T], *, urgent: bool = True) -> T:
        """The same, waited for."""
        return await asyncio.wrap_future(self.later(project_id, function, urgent=urgent))

    def changed(self, project_id: str, revision: int, what: str, frame: int | None = None) -> None:
        """Tell every page of a project that something has changed."""
        self.hub.send(project_id, {"type": "changed", "revision": revision, "what": what, "frame": frame})

    def expire(self, now: float) -> None:
        """Give back what nobody has used lately, here and on every device."""
        before = now - self.settings.idle_seconds
        old = [
            kept.expire(before)
            for kept in (self.viewers, self.viewers.seen, self.pictures, self.clean, self.record.lanes.kept)
        ]
        for device in self.devices:
            device.worker.call("", lambda device=device: device.expire(before, trim=any(old)))  # type: ignore[misc]

    def remove_project(self, project_id: str) -> None:
        """Delete a project; its jobs are cancelled."""
        self.store.project(project_id)
        for job in self.jobs.active(project_id):
            self.jobs.cancel(job)
        self.store.remove_project(project_id)
        self.changed(project_id, 0, "project")  # pages that show it find that it is gone
        device = self.device(project_id)
        device.worker.call(project_id, lambda: device.drop(project_id))

    def close(self) -> None:
        """End all work and close everything; what was done is in the database."""
        self.exporter.close()
        for device in self.devices:
            device.close()
        self.viewers.close()
        self.store.close()
        self._lock.release()

    # --- entries ---

    def project_entry(self, project_id: str) -> dict[str, Any]:
        """A project as the page takes it."""
        project, media = self.store.project(project_id)
        undo, redo = self.record.labels(project_id)
        return {
            "id": project.id,
            "name": project.name,
            "media": media_entry(media),
            "revision": project.revision,
            "in": project.start,
            "out": project.end,
            "specks": project.specks,
            "holes": project.holes,
            "objects": self.object_entries(project_id),
            "undo": undo,
            "redo": redo,
            "jobs": [job.entry() for job in self.jobs.active(project_id)],
            "created": project.created,
            "changed": project.changed,
        }

    def object_entries(self, project_id: str) -> list[dict[str, Any]]:
        """The objects of a project as the page takes them."""
        frames = self.record.object_frames(project_id)
        return [object_entry(row, *frames.get(row.object_id, (0, []))) for row in self.record.objects(project_id)]


def media_entry(row: MediaRow) -> dict[str, Any]:
    """A media as the page takes it; where it lies is nobody's business."""
    names = ("id", "name", "kind", "width", "height", "num_frames", "fps", "version", "uploaded", "created")
    return {name: getattr(row, name) for name in names}


def object_entry(row: ObjectRow, num_frames: int, prompted: list[int]) -> dict[str, Any]:
    """An object as the page takes it."""
    return {
        "id": row.object_id,
        "name": row.name,
        "color": row.color,
        "hidden": row.hidden,
        "locked": row.locked,
        "prompted": prompted,
        "num_frames": num_frames,
    }


def hex_color(object_id: ObjectId) -> str:
    """The color of an object that was given none."""
    red, green, blue = color_of(object_id)
    return f"#{red:02x}{green:02x}{blue:02x}"


def refuse_locked(row: ObjectRow) -> None:
    """Raise `ConflictError` for an object that is locked."""
    if row.locked:
        raise ConflictError(f"{row.name} is locked: unlock it to change it")
