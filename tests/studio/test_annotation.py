"""A data engine's studio: people with roles, tasks that become projects, and what goes back."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn
from PIL import Image

from masklet.engine.ingest import IngestSettings, add_media
from masklet.engine.records import MaskletVersion, TaskState, Work
from masklet.engine.store import Store
from masklet.engine.tasks import Queue, QueueSettings
from masklet.errors import FormatError
from masklet.model.sam2 import Sam2
from masklet.studio.annotation import masklet_rows, phase_of
from masklet.studio.app import create_app
from masklet.studio.errors import ForbiddenError, NotFoundError, TokenError
from masklet.studio.settings import Settings
from masklet.studio.team import Person, Team
from masklet.types import Masklet, Prompts, Rle


class Clock:
    """A clock that stands until it is moved."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Office:
    """A studio on a data engine, and its people.

    Args:
        app: the application.
        url: where it is served.
    """

    def __init__(self, app: Any, url: str, queue: Queue, clock: Clock) -> None:
        self.app, self.url, self.queue, self.clock = app, url, queue, clock

    def call(self, name: str, method: str, path: str, status: int = 200, **options: Any) -> Any:
        """What a call of somebody answers."""
        headers = {"X-Masklet": "1", "Authorization": f"Bearer {self.app.state.team.people[name].token}"}
        answer = httpx.request(method, f"{self.url}/api/{path}", headers=headers, timeout=60, **options)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    def take(self, name: str, role: str = "annotate") -> Any:
        """The next task."""
        return self.call(name, "POST", "team/next", 201, json={"role": role})

    def mask(self, name: str, project: str, frames: int = 4) -> None:
        """Box the square and track it."""
        said = {"object_id": 0, "box": [8, 8, 30, 30]}
        self.call(name, "POST", f"projects/{project}/frames/0/prompts", json=said)
        job = self.call(name, "POST", f"projects/{project}/track", 202, json={"end": frames})
        assert self.app.state.services.jobs.job(job["id"]).ended.wait(60)


@pytest.fixture
def office(tiny: Sam2, one_thread: None, tmp_path: Path, video_file: Path) -> Iterator[Office]:
    """Two tasks to pick an object; Ana does everything, Ben reviews, Cem annotates."""
    clock = Clock()
    with Store(str(tmp_path / "engine"), create=True, clock=clock) as store:
        add_media(store, [video_file], IngestSettings(objects=2))
        queue = Queue(store, QueueSettings(gold_every=0))
        people = [Person.parse(said) for said in ("ana", "ben:review", "cem:annotate")]
        app = create_app(tiny, Settings(folder=tmp_path / "studio"), queue=queue, people=people)
        with serving(app) as url:
            yield Office(app, url, queue, clock)


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """An app on a port of its own."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


def test_from_selection_to_a_verdict(office: Office) -> None:
    before = office.call("ana", "GET", "team")
    assert before["waiting"] == {"annotate": 2, "review": 0}
    task = office.take("ana")
    assert (task["role"], task["state"], task["seconds_left"]) == ("annotate", "select", 600)
    assert office.take("ana") == task  # the same until it is done
    office.mask("ana", task["project"])
    office.call("ana", "POST", f"team/tasks/{task['task']}/submit", 204, json={"seconds": 12.5})
    office.call("ana", "GET", f"projects/{task['project']}", 404)
    [version] = office.queue.store.versions(task["task"])
    assert (version.work.author, version.work.seconds, version.work.edited) == ("ana", 12.5, (0,))
    assert sorted(version.masklet.frames) == [0, 1, 2, 3]
    assert version.masklet.source == "assisted"
    review(office, task["task"], version)


def review(office: Office, task: int, version: Any) -> None:
    """Ben sends it back with a note, Cem corrects it, Ana worked on it and must not verify, Ben is content."""
    assert office.call("ana", "POST", "team/next", 204, json={"role": "review"}) is None
    given = office.take("ben", "review")
    assert (given["task"], given["role"]) == (task, "review")
    frames = office.call("ben", "GET", f"projects/{given['project']}/masks")["frames"]
    codes = [frame["objects"]["1"]["mask"]["counts"] for frame in frames]
    assert codes == [version.masklet.frames[frame].counts.decode() for frame in range(4)]
    said = {"object_id": 1, "clicks": [{"x": 3, "y": 3}]}
    office.call("ben", "POST", f"projects/{given['project']}/frames/0/prompts", 409, json=said)  # locked
    no = {"outcome": "unsatisfactory", "note": "the corner", "frames": [2]}
    office.call("ben", "POST", f"team/tasks/{task}/verdict", 204, json=no)
    again = next(one for one in (office.take("cem"),) if one["task"] == task)
    assert (again["note"], again["frames"][0]) == ("the corner", 2)
    said = {"object_id": 1, "clicks": [{"x": 28, "y": 20}]}
    answer = office.call("cem", "POST", f"projects/{again['project']}/frames/2/prompts", json=said)
    office.call("cem", "POST", f"projects/{again['project']}/undo")
    office.call("cem", "POST", f"projects/{again['project']}/undo", 409)  # what came with the task stays
    office.call("cem", "POST", f"projects/{again['project']}/redo")
    office.call("cem", "POST", f"team/tasks/{task}/submit", 204, json={})
    newest = office.queue.store.versions(task)[-1]
    assert newest.masklet.frames[2].counts.decode() == answer["frame"]["objects"]["1"]["mask"]["counts"]
    assert newest.masklet.frames[3] == version.masklet.frames[3]
    given = office.take("ben", "review")
    office.call("ben", "POST", f"team/tasks/{task}/verdict", 204, json={"outcome": "satisfactory"})
    assert office.queue.store.task(task).state is TaskState.DONE
    assert office.call("ben", "GET", "team")["done"] == {"annotated": 0, "verified": 2}


@pytest.mark.parametrize(
    ("frames", "prompts", "phase"),
    [
        (2, {0: Prompts.click(1, 1), 1: Prompts.from_mask(np.eye(4, dtype=bool))}, "1"),
        (3, {0: Prompts.from_mask(np.eye(4, dtype=bool))}, "2"),
        (3, {0: Prompts.from_mask(np.eye(4, dtype=bool)), 2: Prompts.click(1, 1)}, "3"),
    ],
)
def test_the_phase_is_what_the_annotator_did(frames: int, prompts: dict[int, Prompts], phase: str) -> None:
    mask = Rle.from_mask(np.eye(4, dtype=bool))
    assert phase_of(Masklet(1, (4, 4), dict.fromkeys(range(frames), mask)), prompts) == phase


def test_a_task_that_is_not_ready_says_why(office: Office) -> None:
    task = office.take("ana")
    path = f"team/tasks/{task['task']}/submit"
    assert "no mask" in office.call("ana", "POST", path, 409, json={})["error"]["message"]
    office.mask("ana", task["project"])
    office.mask("ana", task["project"])
    assert "one object" in office.call("ana", "POST", path, 409, json={})["error"]["message"]
    office.call("ana", "DELETE", f"projects/{task['project']}/objects/2", 204)
    office.call("ana", "POST", path, 204, json={})


def test_what_was_picked_is_there_for_the_next(office: Office) -> None:
    lease = office.queue.take("dee", [TaskState.SELECT])
    assert lease is not None
    picked = {2: Prompts.from_box(8, 8, 30, 30), 1: Prompts.click(15, 16)}
    office.queue.select(lease, picked, key="k", name="square")
    task = office.take("cem")
    assert (task["task"], task["state"], task["name"]) == (lease.task.id, "annotate", "square")
    [entry] = office.call("cem", "GET", f"projects/{task['project']}")["objects"]
    assert entry["prompted"] == [1, 2]
    office.call("cem", "POST", f"team/tasks/{task['task']}/submit", 204, json={})
    assert office.queue.store.versions(lease.task.id)[0].work.edited == (1, 2)


def test_giving_back_and_declining(office: Office) -> None:
    task = office.take("cem")
    office.call("cem", "POST", f"team/tasks/{task['task']}/release", 204)
    assert office.queue.store.task(task["task"]).state is TaskState.SELECT
    again = office.take("cem")
    assert (again["task"], again["project"] != task["project"]) == (task["task"], True)
    office.call("cem", "POST", f"team/tasks/{task['task']}/decline", 204, json={"note": "nothing moves"})
    assert office.queue.store.task(task["task"]).state is TaskState.REJECTED
    office.call("cem", "POST", f"team/tasks/{task['task']}/release", 404)


def test_a_closed_tab_gives_the_task_to_another(office: Office) -> None:
    task = office.take("cem")
    assert office.call("cem", "POST", f"team/tasks/{task['task']}/renew")["seconds_left"] == 600
    office.clock.now += 601
    assert office.take("ana")["task"] == task["task"]
    office.mask("cem", task["project"])  # nothing is lost while they look
    lost = office.call("cem", "POST", f"team/tasks/{task['task']}/submit", 409, json={})
    assert "no longer held by cem: ana holds it" in lost["error"]["message"]
    office.call("cem", "POST", f"team/tasks/{task['task']}/release", 204)
    office.call("cem", "GET", f"projects/{task['project']}", 404)


def test_a_restart_finds_everybody_at_work(office: Office, tiny: Sam2) -> None:
    task = office.take("cem")
    office.mask("cem", task["project"])
    services, people = office.app.state.services, office.app.state.team.people
    services.close()
    app = create_app(tiny, services.settings, queue=office.queue, people=[Person.parse("cem"), Person.parse("dee")])
    assert app.state.team.people["cem"].token == people["cem"].token
    with serving(app) as url:
        later = Office(app, url, office.queue, office.clock)
        assert later.call("cem", "GET", "team")["held"] == [task]
        later.call("cem", "POST", f"team/tasks/{task['task']}/submit", 204, json={})
    assert len(office.queue.store.versions(task["task"])) == 1


def pictures(folder: Path) -> Path:
    """A folder of two pictures."""
    folder.mkdir()
    for index in range(2):
        Image.new("RGB", (72, 48), (index * 90, 50, 50)).save(folder / f"{index}.png")
    return folder


def test_media_that_are_gone_hold_nobody_up(office: Office, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = pictures(tmp_path / "leaf")
    add_media(office.queue.store, [folder], IngestSettings(objects=1, priority=5))
    folder.rename(tmp_path / "away")
    task = office.take("cem")
    assert (task["task"], task["frames"]) == (1, [])
    assert [revisions.getMessage()[:25] for revisions in caplog.records] == ["task 3 is skipped: cannot"]
    assert [event.what for event in office.queue.store.history(3)] == ["created", "taken", "released"]
    assert [one["task"] for one in office.call("cem", "GET", "team")["held"]] == [1]
    for _ in range(2):
        office.call("cem", "POST", f"team/tasks/{office.take('cem')['task']}/decline", 204, json={"note": "no"})
    error = office.call("cem", "POST", "team/next", 415, json={"role": "annotate"})["error"]
    assert error["message"].startswith("leaf cannot be opened")
    assert str(tmp_path) not in error["message"]
    (tmp_path / "away").rename(folder)
    assert office.take("cem")["task"] == 3


def test_a_lease_whose_media_is_gone_is_given_back(office: Office, tmp_path: Path) -> None:
    folder = pictures(tmp_path / "leaf")
    add_media(office.queue.store, [folder], IngestSettings(objects=1, priority=5))
    lease = office.queue.take("cem")  # the studio was stopped before it made a project of it
    assert lease is not None
    folder.rename(tmp_path / "away")
    assert office.call("cem", "GET", "team")["held"] == []
    assert office.queue.held() == []


def test_where_the_object_is_absent_is_said_last(office: Office) -> None:
    lease = office.queue.take("dee", [TaskState.SELECT])
    assert lease is not None
    said = {0: Prompts.absent((48, 72)), 2: Prompts.from_box(8, 8, 30, 30)}
    office.queue.select(lease, said, key="k")
    task = office.take("cem")
    [entry] = office.call("cem", "GET", f"projects/{task['project']}")["objects"]
    assert entry["prompted"] == [0, 2]


def test_a_task_that_cannot_be_opened_leaves_nothing(office: Office) -> None:
    lease = office.queue.take("dee", [TaskState.SELECT])
    assert lease is not None
    office.queue.select(lease, {99: Prompts.click(1, 1)}, key="k")
    assert office.call("cem", "POST", "team/next", 404, json={"role": "annotate"})
    assert office.queue.held() == []
    assert office.app.state.services.store.projects() == []


def test_an_object_that_is_nowhere_is_not_handed_in(office: Office) -> None:
    task = office.take("ana")
    path = f"projects/{task['project']}/frames/0/prompts"
    office.call("ana", "POST", path, json={"object_id": 0, "box": [8, 8, 30, 30]})
    nothing = {"size": [48, 72], "counts": [48 * 72]}
    office.call("ana", "POST", path, json={"object_id": 1, "mask": nothing})
    error = office.call("ana", "POST", f"team/tasks/{task['task']}/submit", 409, json={})["error"]
    assert "on no frame" in error["message"]


def test_a_masklet_whose_only_prompts_are_absent_ones_can_be_tracked_on() -> None:
    mask, nothing = Rle.from_mask(np.eye(4, dtype=bool)), Rle.from_mask(np.zeros((4, 4), bool))
    masklet = Masklet(1, (4, 4), {0: nothing, 1: mask})
    work = Work(author="ana", phase="3", prompts={0: Prompts.absent((4, 4))})
    rows = masklet_rows(MaskletVersion(id=1, task=1, media="", masklet=masklet, work=work))
    assert [row.prompt is not None for row in rows] == [True, True]


def test_calls_at_once_give_one_task(office: Office) -> None:
    here, ana = office.app.state.annotation, office.app.state.team.people["ana"]
    start, given = threading.Barrier(6), []

    def take() -> None:
        start.wait()
        given.append(here.take(ana, "annotate"))

    threads = [threading.Thread(target=take) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({entry["project"] for entry in given}) == len(office.queue.held("ana")) == 1
    assert len(office.app.state.services.store.projects()) == 1


def test_jobs_results_and_media_are_their_owners(office: Office) -> None:
    task = office.take("cem")
    office.mask("cem", task["project"])
    media = office.call("cem", "GET", f"projects/{task['project']}")["media"]["id"]
    job = office.call("cem", "POST", f"projects/{task['project']}/exports", 202, json={"format": "csv.csv"})["id"]
    assert office.app.state.services.jobs.job(job).ended.wait(60)
    name = office.call("cem", "GET", f"jobs/{job}")["result"]["name"]
    assert office.call("cem", "GET", f"media/{media}")["num_frames"] == 12
    for method, path in (
        ("GET", f"jobs/{job}"),
        ("DELETE", f"jobs/{job}"),
        ("GET", f"exports/{job}/{name}"),
        ("GET", f"media/{media}"),
        ("GET", f"media/{media}/frames/0"),
    ):
        office.call("ana", method, path, 404)


def test_people_see_their_tasks_and_nothing_else(office: Office) -> None:
    task = office.take("cem")
    project = f"projects/{task['project']}"
    assert office.call("cem", "GET", project)["name"].startswith("Task ")
    assert office.call("cem", "GET", "about")["team"]
    for method, path, status in (
        ("GET", project, 404),
        ("POST", f"{project}/track", 404),
        ("POST", f"team/tasks/{task['task']}/submit", 404),
        ("GET", "projects", 403),
        ("POST", "projects", 403),
        ("GET", "local", 403),
        ("POST", "media", 403),
    ):
        office.call("ana", method, path, status, json={})
    office.call("cem", "DELETE", project, 403)
    office.call("cem", "POST", "team/next", 403, json={"role": "review"})
    assert httpx.get(f"{office.url}/api/team", headers={"Authorization": "Bearer nobody"}).status_code == 401
    answer = httpx.post(f"{office.url}/api/login", json={"token": "x"}, headers={"X-Masklet": "1"})
    assert answer.status_code == 401


def test_teams(tmp_path: Path) -> None:
    team = Team.load(tmp_path, [Person.parse("ana"), Person.parse(" ben:review")])
    assert team.people["ben"].roles == ("review",)
    assert (tmp_path / "team.json").stat().st_mode & 0o77 == 0
    assert team.authenticate(team.people["ana"].token).name == "ana"
    with pytest.raises(TokenError):
        team.authenticate("")
    team.owners["0" * 12] = "ana"
    team.authorize(team.people["ana"].token, "POST", f"/api/projects/{'0' * 12}/undo")
    with pytest.raises(NotFoundError):
        team.authorize(team.people["ben"].token, "GET", f"/api/projects/{'0' * 12}")
    with pytest.raises(ForbiddenError):
        team.authorize(team.people["ben"].token, "DELETE", "/api/media/abc")
    later = Team.load(tmp_path, [Person.parse("ben")])
    assert (later.people["ben"].token, later.people["ben"].roles) == (team.people["ben"].token, ("annotate", "review"))
    with pytest.raises(TokenError):
        later.authenticate(team.people["ana"].token)


@pytest.mark.parametrize("said", ["", ":review", "ana:boss", "a\nb"])
def test_people_who_are_none(said: str) -> None:
    with pytest.raises(FormatError):
        Person.parse(said)


@pytest.mark.parametrize("text", ["{", "[]", json.dumps({"ana": "short"})])
def test_a_damaged_team(tmp_path: Path, text: str) -> None:
    (tmp_path / "team.json").write_text(text)
    with pytest.raises(FormatError):
        Team.load(tmp_path, [Person.parse("ana")])
