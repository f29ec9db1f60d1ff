"""Addresses of a data engine's workplace: the next task, and what a person made of it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.responses import JSONResponse

from masklet.studio.annotation import Workplace
from masklet.studio.routes.access import ready
from masklet.studio.schemas import DeclineIn, NextIn, SubmitIn, VerdictIn
from masklet.studio.team import Person

router = APIRouter(prefix="/api/team", tags=["team"])


def workplace_of(request: Request) -> Workplace:
    """The workplace of the app."""
    workplace: Workplace = request.app.state.workplace
    return workplace


def person_of(request: Request) -> Person:
    """Who calls."""
    person: Person = request.state.person
    return person


Here = Annotated[Workplace, Depends(workplace_of)]
Who = Annotated[Person, Depends(person_of)]
Task = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.get("")
def overview(here: Here, who: Who) -> dict[str, Any]:
    """What you hold, how much there is to do, and what you have done."""
    return here.overview(who)


@router.post("/next", status_code=201, responses={204: {"description": "There is no task for you"}})
def take(here: Here, who: Who, asked: NextIn) -> Response:
    """The next task for you, as a project; the one you hold, if you hold one."""
    entry = here.take(who, asked.role)
    return Response(status_code=204) if entry is None else ready(entry, 201)


@router.post("/tasks/{task}/renew")
def renew(here: Here, who: Who, task: Task) -> JSONResponse:
    """Keep a task: a page that is closed stops doing so, and the task goes to another."""
    return ready(here.renew(who, task))


@router.post("/tasks/{task}/submit", status_code=204)
def submit(here: Here, who: Who, task: Task, asked: SubmitIn) -> None:
    """Hand in the masklet; another person will verify it."""
    here.submit(who, task, asked.seconds)


@router.post("/tasks/{task}/decline", status_code=204)
def decline(here: Here, who: Who, task: Task, asked: DeclineIn) -> None:
    """Say that there is nothing to annotate, and why."""
    here.decline(who, task, asked.note)


@router.post("/tasks/{task}/release", status_code=204)
def release(here: Here, who: Who, task: Task) -> None:
    """Give a task back undone."""
    here.release(who, task)


@router.post("/tasks/{task}/verdict", status_code=204)
def judge(here: Here, who: Who, task: Task, asked: VerdictIn) -> None:
    """Say whether a masklet is good."""
    here.judge(who, task, asked.outcome, asked.note, asked.frames)
