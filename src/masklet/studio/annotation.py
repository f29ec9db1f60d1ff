"""Where a team works on the tasks of a data engine: a task becomes a project, and what was made goes back."""

from __future__ import annotations

import json
import logging
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import select

from masklet.engine.records import Lease, MaskletVersion, Phase, TaskState, Verdict, Work
from masklet.engine.tasks import Queue
from masklet.errors import MaskletError, MediaError, TaskError
from masklet.predict.track import FrameState, Result
from masklet.studio.editing import Said, say
from masklet.studio.errors import ConflictError, ForbiddenError, NotFoundError
from masklet.studio.frame_codec import prompts_of, row_of
from masklet.studio.services import Desk, hex_color
from masklet.studio.tables import FrameRow, WorkRow
from masklet.studio.team import Person, Role, Team
from masklet.types import Masklet, Prompts, Rle

STATES: dict[Role, tuple[TaskState, ...]] = {
    "annotate": (TaskState.ANNOTATE, TaskState.SELECT),
    "review": (TaskState.VERIFY,),
}
OBJECT = 1
"""The object of a task in its project."""

CERTAIN = 1e-6

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


def in_turn(
    method: Callable[Concatenate[Workplace, Person, P], T],
) -> Callable[Concatenate[Workplace, Person, P], T]:
    """One call of a person after the other: two at once would take two tasks, or open one twice."""

    @wraps(method)
    def waiting(here: Workplace, person: Person, /, *args: P.args, **options: P.kwargs) -> T:
        with here.turns[person.name]:
            return method(here, person, *args, **options)

    return waiting


class Workplace:
    """The tasks of a data engine in a studio.

    Args:
        queue: gives tasks out and takes them back.
        team: who works here.
        desk: where projects are.

    Attributes:
        turns: of each person.
    """

    def __init__(self, queue: Queue, team: Team, desk: Desk) -> None:
        self.queue, self.team, self.desk = queue, team, desk
        self._broken: set[str] = set()
        self.turns = {name: threading.Lock() for name in team.people}
        with desk.store.session() as session:
            team.owners.update({row.project_id: row.person for row in session.scalars(select(WorkRow))})
        team.media.update({project: desk.store.project(project)[1].id for project in team.owners})
        team.project_of = desk.jobs.project_of

    # --- giving out ---

    @in_turn
    def overview(self, person: Person) -> dict[str, Any]:
        """What a person holds, how much there is to do, and what they have done."""
        tallies = self.queue.store.tallies()
        waiting = tallies.get("task", {})
        mine = tallies.get(f"person:{person.name}", {})
        held = [self._opened(person, lease) for lease in self.queue.held(person.name)]
        return {
            "person": {"name": person.name, "roles": list(person.roles)},
            "held": [entry for entry in held if entry is not None],
            "waiting": {role: round(sum(waiting.get(state, 0) for state in STATES[role])) for role in person.roles},
            "done": {what: round(mine.get(what, 0)) for what in ("annotated", "verified")},
        }

    @in_turn
    def take(self, person: Person, role: Role) -> dict[str, Any] | None:
        """The next task for a person, as a project; None where there is none for them.

        Tasks whose media cannot be opened go back, and are passed over until it can.

        Raises:
            ForbiddenError: it is not their role.
            MediaError: there are only tasks on media that cannot be opened.
        """
        if role not in person.roles:
            raise ForbiddenError(f"{person.name} may {' and '.join(person.roles)} here, not {role}")
        for lease in self.queue.held(person.name):
            entry = self._opened(person, lease) if lease.task.state in STATES[role] else None
            if entry is not None:
                return entry
        without = self._broken = {content for content in self._broken if not self._is_there(content)}
        while (next_one := self.queue.take(person.name, STATES[role], without=without)) is not None:
            entry = self._opened(person, next_one)
            if entry is not None:
                return entry
            without = without | {next_one.task.media}
        lost = [content for content in without if self.queue.upcoming(STATES[role], media=content, limit=1)]
        if lost:
            name = self.queue.store.media(lost[0]).name
            raise MediaError(f"{name} cannot be opened, and no other task is waiting: tell who runs the studio")
        return None

    def _opened(self, person: Person, lease: Lease) -> dict[str, Any] | None:
        """A task as the page takes it; one that cannot be opened goes back, and the log says why."""
        try:
            return self.entry(person, lease)
        except MaskletError as error:
            self.queue.release(lease)
            if not isinstance(error, MediaError):
                raise
            log.warning("task %d is passed over: %s", lease.task.id, error)
            self._broken = self._broken | {lease.task.media}
            return None

    def _is_there(self, content: str) -> bool:
        media = self.queue.store.media(content)
        try:
            self.desk.library.listed(Path(media.path), media.name)
        except MediaError:
            return False
        return True

    def entry(self, person: Person, lease: Lease) -> dict[str, Any]:
        """A task as the page takes it; its project is made where there is none."""
        task = lease.task
        with self.desk.store.session() as session:
            row = session.scalar(select(WorkRow).where(WorkRow.task == task.id, WorkRow.person == person.name))
        if row is not None and row.lease != lease.token:  # it was given back and taken again
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
        row = self.desk.library.listed(Path(media.path), media.name)
        project = self.desk.store.add_project(row, f"Task {task.id} · {media.name}")
        try:
            self._fill(project, lease)
            with self.desk.store.session() as session:
                session.add(WorkRow(project_id=project, task=task.id, person=person.name, lease=lease.token))
        except BaseException:
            self.desk.remove_project(project)
            raise
        self.team.owners[project], self.team.media[project] = person.name, row.id
        return project

    def _fill(self, project: str, lease: Lease) -> None:
        """What is known of a task's object."""
        task = lease.task
        if task.version is None:
            shown = {frame: said for frame, said in task.prompts.items() if not said.is_absent}
            absent = {frame: said for frame, said in task.prompts.items() if said.is_absent and shown}
            for frame, said in [*sorted(shown.items()), *sorted(absent.items())]:  # it is somewhere before it is away
                self._say(project, frame, said)
            return
        with self.desk.store.session() as session:
            edit = self.desk.record.resume(session, project, 0)  # before the first step, which undo cannot take back
            made = edit.add_object(task.name or "Object 1", hex_color(OBJECT), OBJECT)
            made.locked = task.state is TaskState.VERIFY
            edit.put_frames(masklet_rows(self.queue.store.version(task.version)))

    def _say(self, project: str, frame: int, prompts: Prompts) -> None:
        """What whoever picked the object said of it."""
        known = bool(self.desk.record.objects(project))
        pairs = zip(prompts.points.tolist(), prompts.labels.tolist(), strict=True)
        clicks = [(x, y, bool(label)) for (x, y), label in pairs]
        said = Said(
            object_id=OBJECT if known else 0,
            frame=frame,
            clicks=[] if prompts.mask is not None else clicks,
            box=None if prompts.box is None else prompts.box.tolist(),
            mask=None if prompts.mask is None else Rle.from_mask(prompts.mask),
        )
        self.desk.later(project, lambda device, live: say(self.desk, device, live, project, said)).result()

    def _close(self, project: str) -> None:
        self.team.owners.pop(project, None)
        self.team.media.pop(project, None)
        self.desk.remove_project(project)

    # --- taking back ---

    def lease(self, person: Person, task_id: int) -> tuple[Lease, str]:
        """What a person holds of a task, and its project.

        Raises:
            NotFoundError: they never took it.
            TaskError: they hold it no more; what they made is still in the project.
        """
        with self.desk.store.session() as session:
            row = session.scalar(select(WorkRow).where(WorkRow.task == task_id, WorkRow.person == person.name))
        if row is None:
            raise NotFoundError(f"you have not taken task {task_id}")
        held = [lease for lease in self.queue.held(person.name) if lease.task.id == task_id]
        if held and held[0].token == row.lease:
            return held[0], row.project_id
        task = self.queue.store.task(task_id)
        return Lease(task=task, worker=person.name, token=row.lease, until=0.0), row.project_id

    def renew(self, person: Person, task_id: int) -> dict[str, Any]:
        """Keep a task for longer."""
        lease, _ = self.lease(person, task_id)
        return {"seconds_left": max(0, round(self.queue.renew(lease).until - self.queue.store.clock()))}

    @in_turn
    def release(self, person: Person, task_id: int) -> None:
        """Give a task back undone."""
        lease, project = self.lease(person, task_id)
        self.queue.release(lease)
        self._close(project)

    @in_turn
    def decline(self, person: Person, task_id: int, note: str) -> None:
        """There is nothing to annotate."""
        lease, project = self.lease(person, task_id)
        self.queue.decline(lease, key=f"{lease.token}-decline", note=note)
        self._close(project)

    @in_turn
    def judge(self, person: Person, task_id: int, outcome: Any, note: str, frames: Sequence[int]) -> None:
        """A verdict on a masklet."""
        lease, project = self.lease(person, task_id)
        verdict = Verdict(outcome=outcome, by=person.name, note=note, frames=tuple(frames))
        self.queue.judge(lease, verdict, key=f"{lease.token}-judge")
        self._close(project)

    @in_turn
    def submit(self, person: Person, task_id: int, seconds: float | None) -> None:
        """Hand in the masklet of a task's project.

        Raises:
            ConflictError: there is none yet, or several, or tracking goes on.
            TaskError: the task is held no more.
        """
        lease, project = self.lease(person, task_id)
        if self.desk.jobs.active(project, "track"):
            raise ConflictError("it is still being tracked: wait for the end, or stop it")
        masklet, prompts = self._made(project, lease)
        if lease.task.state is TaskState.SELECT:
            self.queue.select(lease, prompts, key=f"{lease.token}-select", name=masklet.name)
            again = self.queue.take(person.name, [TaskState.ANNOTATE], task=task_id)
            if again is None:
                raise TaskError(f"task {task_id} was taken by another just now; what you picked is kept")
            lease = again
            with self.desk.store.session() as session:
                row = session.get(WorkRow, project)
                assert row is not None, "the project was found by it"
                row.lease = lease.token
        work = Work(
            author=person.name,
            phase=phase_of(masklet, prompts),
            model=masklet.model,
            prompts=prompts,
            seconds=seconds,
            clicks=sum(len(said.labels) for said in prompts.values()),
            edited=tuple(sorted(prompts)),
        )
        self.queue.annotate(lease, masklet, work, key=f"{lease.token}-annotate")
        self._close(project)

    def _made(self, project: str, lease: Lease) -> tuple[Masklet, dict[int, Prompts]]:
        """The masklet of a project and what was said for it."""
        entries = [entry for entry in self.desk.object_entries(project) if entry["num_frames"]]
        if not entries:
            raise ConflictError("there is no mask yet: click the object first, then track it")
        if len(entries) > 1:
            raise ConflictError("a task is about one object: delete the others before you hand it in")
        [entry] = entries
        _, media = self.desk.store.project(project)
        rows = self.desk.frames(project, 0, media.num_frames, [entry["id"]])
        if not any(row.area for row in rows):
            raise ConflictError("the object is on no frame: click it where it is, or say why it cannot be annotated")
        size = media.height, media.width
        prompts = {row.frame: prompts_of(json.loads(row.prompt))[0] for row in rows if row.prompt is not None}
        drawn = all(said.mask is not None for said in prompts.values()) and len(prompts) == len(rows)
        masklet = Masklet(
            object_id=lease.task.object_id,
            size=size,
            frames={row.frame: Rle(size, row.mask) for row in rows},
            presence={row.frame: row.presence for row in rows},
            iou={row.frame: row.iou for row in rows},
            prompted=tuple(sorted(prompts)),
            name=entry["name"] if entry["name"] != "Object 1" else lease.task.name,
            source="manual" if drawn else "assisted",
            model="" if drawn else self.desk.device(project).model.config.full_name,
        )
        return masklet, prompts


def phase_of(masklet: Masklet, prompts: Mapping[int, Prompts]) -> Phase:
    """How a masklet was made, by what its annotator did (paper section 5.1).

    "1" where every frame was done by hand, "2" where drawn masks alone were tracked, "3" where clicks or boxes were.
    """
    if len(prompts) == len(masklet.frames):
        return "1"
    return "2" if all(said.mask is not None for said in prompts.values()) else "3"


def masklet_rows(version: MaskletVersion) -> list[FrameRow]:
    """A masklet as the frames of a project; where nobody prompted it, its surest frame is taken as it is."""
    masklet, prompts = version.masklet, dict(version.work.prompts)
    seen = [frame for frame, mask in masklet.frames.items() if mask.area]
    if seen and not any(frame in masklet.frames and not said.is_absent for frame, said in prompts.items()):
        surest = max(seen, key=lambda frame: (masklet.iou.get(frame, 0.0), masklet.frames[frame].area))
        prompts[surest] = Prompts.from_mask(masklet.frames[surest].to_mask())
    rows = []
    for frame, mask in sorted(masklet.frames.items()):
        presence = masklet.presence.get(frame, float(bool(mask.area)))
        certain = min(max(presence, CERTAIN), 1 - CERTAIN)
        state = FrameState(
            result=Result(mask, presence, masklet.iou.get(frame, 1.0)),
            prompts=prompts.get(frame),
            object_score=math.log(certain / (1 - certain)),
        )
        rows.append(row_of(OBJECT, frame, state))
    return rows
