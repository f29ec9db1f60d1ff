"""The annotation service of a data engine: opens tasks as projects and hands the results back."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import select

from masklet.engine.records import Lease, MaskletVersion, Phase, TaskState, Work
from masklet.engine.tasks import Queue
from masklet.errors import MaskletError, MediaError, TaskError
from masklet.predict.results import FrameResult, FrameState
from masklet.studio.editing import prompt_object
from masklet.studio.errors import ConflictError, ForbiddenError, NotFoundError
from masklet.studio.frame_codec import row_of, row_prompts
from masklet.studio.services import Services
from masklet.studio.tables import FrameRow, WorkRow
from masklet.studio.team import Person, Role, Team
from masklet.types import Masklet, Prompts, Rle

STATES: dict[Role, tuple[TaskState, ...]] = {
    "annotate": (TaskState.ANNOTATE, TaskState.SELECT),
    "review": (TaskState.VERIFY,),
}
OBJECT = 1
"""Id of the object of a task in its project."""

MIN_PRESENCE = 1e-6
"""Keeps logits of presence finite."""

log = logging.getLogger(__name__)


class AnnotationService:
    """Assigns the tasks of a data engine to people and submits their work.

    The calls of each person are serialized: two at once would take two tasks, or open one twice.
    """

    def __init__(self, queue: Queue, team: Team, services: Services) -> None:
        self.queue, self.team, self.services = queue, team, services
        self._unreadable: set[str] = set()
        self._locks = {name: threading.Lock() for name in team.people}
        with services.store.session() as session:
            team.owners.update({row.project_id: row.person for row in session.scalars(select(WorkRow))})
        team.media.update({project: services.store.project(project)[1].id for project in team.owners})
        team.project_of = services.jobs.project_of

    # --- assignment ---

    def overview(self, person: Person) -> dict[str, Any]:
        """Return the tasks that a person holds, the number of waiting ones, and what they have done."""
        tallies = self.queue.store.tallies()
        waiting = tallies.get("task", {})
        mine = tallies.get(f"person:{person.name}", {})
        with self._locks[person.name]:
            held = [self._opened(person, lease) for lease in self.queue.held(person.name)]
        return {
            "person": {"name": person.name, "roles": list(person.roles)},
            "held": [entry for entry in held if entry is not None],
            "waiting": {role: round(sum(waiting.get(state, 0) for state in STATES[role])) for role in person.roles},
            "done": {what: round(mine.get(what, 0)) for what in ("annotated", "verified")},
        }

    def take(self, person: Person, role: Role) -> dict[str, Any] | None:
        """Open the next task for a person as a project; None if there is none.

        Tasks whose media cannot be opened are released and skipped until it can.

        Raises:
            ForbiddenError: the person does not have the role.
            MediaError: only tasks on media that cannot be opened are left.
        """
        if role not in person.roles:
            raise ForbiddenError(f"expected role {' or '.join(person.roles)} for {person.name}, got {role}")
        with self._locks[person.name]:
            for lease in self.queue.held(person.name):
                entry = self._opened(person, lease) if lease.task.state in STATES[role] else None
                if entry is not None:
                    return entry
            without = self._unreadable = {content for content in self._unreadable if not self._can_open(content)}
            while (next_one := self.queue.take(person.name, STATES[role], without=without)) is not None:
                entry = self._opened(person, next_one)
                if entry is not None:
                    return entry
                without = without | {next_one.task.media}
        lost = [content for content in without if self.queue.upcoming(STATES[role], media=content, limit=1)]
        if lost:
            name = self.queue.store.media(lost[0]).name
            raise MediaError(
                f"{name} cannot be opened, and no other task is waiting: tell the administrator of this studio"
            )
        return None

    def _opened(self, person: Person, lease: Lease) -> dict[str, Any] | None:
        """Return a task as the API shows it; release one that cannot be opened, and log why."""
        try:
            return self.entry(person, lease)
        except MaskletError as error:
            self.queue.release(lease)
            if not isinstance(error, MediaError):
                raise
            log.warning("task %d is skipped: %s", lease.task.id, error)
            self._unreadable = self._unreadable | {lease.task.media}
            return None

    def _can_open(self, content: str) -> bool:
        media = self.queue.store.media(content)
        try:
            self.services.library.listed(Path(media.path), media.name)
        except MediaError:
            return False
        return True

    def entry(self, person: Person, lease: Lease) -> dict[str, Any]:
        """Return a task as the API shows it; create its project if there is none."""
        task = lease.task
        with self.services.store.session() as session:
            row = session.scalar(select(WorkRow).where(WorkRow.task == task.id, WorkRow.person == person.name))
        if row is not None and row.lease != lease.token:  # it was released and taken again
            self._close(row.project_id)
            row = None
        project = self._open(person, lease) if row is None else row.project_id
        notes = [event.note for event in self.queue.store.history(task.id) if event.note]
        return {
            "task": task.id,
            "role": "review" if task.state is TaskState.VERIFY else "annotate",
            "state": str(task.state),
            "name": task.name,
            "project": project,
            "frames": list(task.frames),
            "note": notes[-1] if notes else "",
            "seconds_left": max(0, round(lease.until - self.queue.store.clock())),
        }

    def _open(self, person: Person, lease: Lease) -> str:
        task = lease.task
        media = self.queue.store.media(task.media)
        row = self.services.library.listed(Path(media.path), media.name)
        project = self.services.store.add_project(row, f"Task {task.id} · {media.name}")
        try:
            self._fill(project, lease)
            with self.services.store.session() as session:
                session.add(WorkRow(project_id=project, task=task.id, person=person.name, lease=lease.token))
        except BaseException:
            self.services.remove_project(project)
            raise
        self.team.owners[project], self.team.media[project] = person.name, row.id
        return project

    def _fill(self, project: str, lease: Lease) -> None:
        """Write the earlier masklet of a task into its project, or its prompts."""
        task = lease.task
        if task.version is None:
            visible = {frame: prompts for frame, prompts in task.prompts.items() if not prompts.is_absent}
            absent = {frame: prompts for frame, prompts in task.prompts.items() if prompts.is_absent and visible}
            for frame, prompts in [*sorted(visible.items()), *sorted(absent.items())]:  # a new object must be visible
                self._prompt(project, frame, prompts)
            return
        with self.services.revisions.edit(project) as edit:  # without a new revision: undo cannot remove it
            row = edit.add_object(task.name, object_id=OBJECT)
            row.locked = task.state is TaskState.VERIFY
            edit.put_frames(masklet_rows(self.queue.store.version(task.version)))

    def _prompt(self, project: str, frame: int, prompts: Prompts) -> None:
        is_known = bool(self.services.revisions.objects(project))
        object_id = OBJECT if is_known else None
        call = self.services.submit(
            project, lambda opened: prompt_object(self.services, opened, frame, object_id, prompts)
        )
        call.result()

    def _close(self, project: str) -> None:
        self.team.owners.pop(project, None)
        self.team.media.pop(project, None)
        self.services.remove_project(project)

    # --- results ---

    def _lease(self, person: Person, task_id: int) -> tuple[Lease, str]:
        """Return the lease of a person on a task, expired or not, and its project."""
        with self.services.store.session() as session:
            row = session.scalar(select(WorkRow).where(WorkRow.task == task_id, WorkRow.person == person.name))
        if row is None:
            raise NotFoundError(f"you have not taken task {task_id}")
        held = [lease for lease in self.queue.held(person.name) if lease.task.id == task_id]
        if held and held[0].token == row.lease:
            return held[0], row.project_id
        task = self.queue.store.task(task_id)
        return Lease(task=task, worker=person.name, token=row.lease, until=0.0), row.project_id

    def renew(self, person: Person, task_id: int) -> dict[str, Any]:
        """Extend the lease of a task."""
        lease, _ = self._lease(person, task_id)
        return {"seconds_left": max(0, round(self.queue.renew(lease).until - self.queue.store.clock()))}

    @contextmanager
    def finishing(self, person: Person, task_id: int) -> Iterator[tuple[Lease, str]]:
        """Give the lease of a person on a task and its project; at the end the project is removed.

        Raises:
            NotFoundError: they never took the task.
        """
        with self._locks[person.name]:
            lease, project = self._lease(person, task_id)
            yield lease, project
            self._close(project)

    def submit(self, person: Person, lease: Lease, project: str, seconds: float | None) -> None:
        """Submit the masklet of a task's project.

        Raises:
            ConflictError: there is no masklet yet, there are several, or a tracking job is running.
            TaskError: the lease has expired.
        """
        if self.services.jobs.active(project, "track"):
            raise ConflictError("the object is being tracked: wait for the end of the job, or cancel it")
        masklet, prompts = self._masklet(project, lease)
        if lease.task.state is TaskState.SELECT:
            self.queue.select(lease, prompts, key=f"{lease.token}-select", name=masklet.name)
            again = self.queue.take(person.name, [TaskState.ANNOTATE], task=lease.task.id)
            if again is None:
                raise TaskError(f"task {lease.task.id} was taken by another person; your selection is stored")
            lease = again
            with self.services.store.session() as session:
                row = session.get(WorkRow, project)
                assert row is not None, "the project was found by it"
                row.lease = lease.token
        work = Work(
            author=person.name,
            phase=phase_of(masklet, prompts),
            model=masklet.model,
            prompts=prompts,
            seconds=seconds,
            clicks=sum(len(one.labels) for one in prompts.values()),
            edited=tuple(sorted(prompts)),
        )
        self.queue.annotate(lease, masklet, work, key=f"{lease.token}-annotate")

    def _masklet(self, project: str, lease: Lease) -> tuple[Masklet, dict[int, Prompts]]:
        """Return the masklet of a project and its prompts."""
        entries = [entry for entry in self.services.objects_json(project) if entry["num_frames"]]
        if not entries:
            raise ConflictError("there is no mask: click on the object, then track it")
        if len(entries) > 1:
            raise ConflictError(f"expected one object, got {len(entries)}: delete the others before you submit")
        [entry] = entries
        _, media = self.services.store.project(project)
        rows = self.services.frames(project, 0, media.num_frames, [entry["id"]])
        if not any(row.area for row in rows):
            raise ConflictError("the object is visible on no frame: click on it where it is, or decline the task")
        size = media.height, media.width
        found = {row.frame: row_prompts(row) for row in rows}
        prompts = {frame: one for frame, one in found.items() if one is not None}
        drawn = all(one.mask is not None for one in prompts.values()) and len(prompts) == len(rows)
        masklet = Masklet(
            object_id=lease.task.object_id,
            size=size,
            frames={row.frame: Rle(size, row.mask) for row in rows},
            presence={row.frame: row.presence for row in rows},
            iou={row.frame: row.iou for row in rows},
            prompted=tuple(sorted(prompts)),
            name=entry["name"] if entry["name"] != "Object 1" else lease.task.name,
            source="manual" if drawn else "assisted",
            model="" if drawn else self.services.device(project).model.config.full_name,
        )
        return masklet, prompts


def phase_of(masklet: Masklet, prompts: Mapping[int, Prompts]) -> Phase:
    """Return the data engine phase that made a masklet (paper section 5.1).

    "1" if every frame was annotated by hand, "2" if only drawn masks were tracked, "3" with clicks or boxes.
    """
    if len(prompts) == len(masklet.frames):
        return "1"
    return "2" if all(one.mask is not None for one in prompts.values()) else "3"


def masklet_rows(version: MaskletVersion) -> list[FrameRow]:
    """Convert a masklet to rows; without a visible prompted frame, its best frame counts as drawn."""
    masklet, prompts = version.masklet, dict(version.work.prompts)
    visible = [frame for frame, mask in masklet.frames.items() if mask.area]
    if visible and not any(i in masklet.frames and not one.is_absent for i, one in prompts.items()):
        best = max(visible, key=lambda frame: (masklet.iou.get(frame, 0.0), masklet.frames[frame].area))
        prompts[best] = Prompts.from_mask(masklet.frames[best].to_mask())
    rows = []
    for frame, mask in sorted(masklet.frames.items()):
        presence = masklet.presence.get(frame, float(bool(mask.area)))
        bounded = min(max(presence, MIN_PRESENCE), 1 - MIN_PRESENCE)
        state = FrameState(
            result=FrameResult(mask, presence, masklet.iou.get(frame, 1.0), masklet.confidence.get(frame)),
            prompts=prompts.get(frame),
            object_score=math.log(bounded / (1 - bounded)),
        )
        rows.append(row_of(OBJECT, frame, state))
    return rows
