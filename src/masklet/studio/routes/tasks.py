"""Routes of a data engine's annotation service: the next task, and its outcome."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.responses import JSONResponse

from masklet.engine.records import Verdict
from masklet.studio.annotation import AnnotationService
from masklet.studio.schemas import DeclineIn, NextIn, SubmitIn, VerdictIn
from masklet.studio.team import Person

router = APIRouter(prefix="/api/team", tags=["team"])


def get_annotation(request: Request) -> AnnotationService:
    """Return the annotation service of the app."""
    annotation: AnnotationService = request.app.state.annotation
    return annotation


def get_person(request: Request) -> Person:
    """Return the authenticated person."""
    person: Person = request.state.person
    return person


AnnotationDep = Annotated[AnnotationService, Depends(get_annotation)]
PersonDep = Annotated[Person, Depends(get_person)]
TaskId = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.get("")
def overview(annotation: AnnotationDep, person: PersonDep) -> dict[str, Any]:
    """Return the tasks that you hold, the number of waiting ones, and what you have done."""
    return annotation.overview(person)


@router.post("/next", status_code=201, responses={204: {"description": "There is no task for you"}})
def take(annotation: AnnotationDep, person: PersonDep, body: NextIn) -> Response:
    """Open the next task as a project, or the one that you hold."""
    entry = annotation.take(person, body.role)
    return Response(status_code=204) if entry is None else JSONResponse(entry, 201)


@router.post("/tasks/{task}/renew")
def renew(annotation: AnnotationDep, person: PersonDep, task: TaskId) -> JSONResponse:
    """Extend the lease of a task; without this call the task goes to another person."""
    return JSONResponse(annotation.renew(person, task))


@router.post("/tasks/{task}/submit", status_code=204)
def submit(annotation: AnnotationDep, person: PersonDep, task: TaskId, body: SubmitIn) -> None:
    """Submit the masklet of a task; another person will verify it."""
    with annotation.finishing(person, task) as (lease, project):
        annotation.submit(person, lease, project, body.seconds)


@router.post("/tasks/{task}/decline", status_code=204)
def decline(annotation: AnnotationDep, person: PersonDep, task: TaskId, body: DeclineIn) -> None:
    """Report that a task cannot be annotated."""
    with annotation.finishing(person, task) as (lease, _):
        annotation.queue.decline(lease, key=f"{lease.token}-decline", note=body.note)


@router.post("/tasks/{task}/release", status_code=204)
def release(annotation: AnnotationDep, person: PersonDep, task: TaskId) -> None:
    """Return a task without a result."""
    with annotation.finishing(person, task) as (lease, _):
        annotation.queue.release(lease)


@router.post("/tasks/{task}/verdict", status_code=204)
def judge(annotation: AnnotationDep, person: PersonDep, task: TaskId, body: VerdictIn) -> None:
    """Accept or reject the masklet of a task."""
    with annotation.finishing(person, task) as (lease, _):
        verdict = Verdict(outcome=body.outcome, by=person.name, note=body.note, frames=tuple(body.frames))
        annotation.queue.judge(lease, verdict, key=f"{lease.token}-judge")
