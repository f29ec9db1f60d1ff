"""Propagation as a job: directions, ranges, cancelling, and work that goes on beside it."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection

from masklet.masks.rle import iou
from masklet.predict.load import load
from masklet.studio.editing import change_object
from masklet.studio.jobs import Job
from masklet.studio.schemas import TrackIn
from masklet.studio.sessions import OpenProject
from masklet.studio.settings import Settings
from masklet.studio.tracking import track_steps
from masklet.types import Rle


def receive(socket: ClientConnection, kind: str, **wanted: Any) -> Any:
    """The next event of a kind; others are passed over."""
    while True:
        event = json.loads(socket.recv(timeout=60))
        if event["type"] == kind and all(event.get(key) == value for key, value in wanted.items()):
            return event


@pytest.fixture
def project(studio: Any) -> str:
    """One object, prompted on frame 4 of 12."""
    name: str = studio.project()
    studio.click(name, 4, 20, 20)
    return name


@pytest.mark.parametrize(
    ("course", "frames"),
    [
        ({"direction": "forward"}, range(4, 12)),
        ({"direction": "backward"}, range(5)),
        ({"direction": "both"}, range(12)),
        ({"direction": "forward", "end": 7}, range(4, 7)),
        ({"direction": "forward", "frame": 9}, range(9, 12)),
        ({"direction": "backward", "frame": 6, "start": 2}, range(2, 4)),  # nothing is known of the object behind 4
        ({"direction": "both", "frame": 4, "start": 3, "end": 6}, range(3, 6)),
        ({"direction": "both", "start": 2, "end": 6}, range(2, 6)),
    ],
)
def test_directions_and_ranges(studio: Any, project: str, course: dict[str, Any], frames: range) -> None:
    job = studio.track(project, **course)
    assert (job["state"], job["error"], job["result"]["stopped"]) == ("done", None, "end")
    assert job["done"] == job["total"] > 0
    assert sorted(studio.masks(project)) == sorted({4, *frames})


def test_markers_bound_what_is_tracked(studio: Any, project: str) -> None:
    changed = studio.call("PATCH", f"projects/{project}", json={"in": 3, "out": 7})
    assert (changed["in"], changed["out"]) == (3, 7)
    studio.track(project, direction="both")
    assert sorted(studio.masks(project)) == list(range(3, 7))
    assert studio.refused("PATCH", f"projects/{project}", json={"in": 7})[0] == 404


def test_prompted_frames_are_never_overwritten(studio: Any, project: str) -> None:
    studio.track(project, end=10)
    fixed = studio.click(project, 7, 40, 20, object_id=1, positive=False)["frame"]["objects"]["1"]
    studio.track(project, direction="both", frame=5, end=10)
    assert studio.call("GET", f"projects/{project}/frames/7")["frame"]["objects"]["1"] == fixed


def test_only_chosen_and_unlocked_objects_are_tracked(studio: Any, project: str) -> None:
    studio.say(project, 4, box=[30, 10, 60, 40])
    studio.say(project, 4, box=[5, 5, 20, 40])
    studio.call("PATCH", f"projects/{project}/objects/3", json={"locked": True})
    studio.track(project, end=6, objects=[2])
    assert studio.masks(project)[5].keys() == {2}
    studio.track(project, end=6)
    assert studio.masks(project)[5].keys() == {1, 2}


@pytest.mark.parametrize("course", [TrackIn(direction="forward"), TrackIn(frame=4, until_agree=True)])
def test_what_is_locked_while_it_is_tracked_stays_as_it_is(studio: Any, project: str, course: TrackIn) -> None:
    studio.say(project, 4, box=[30, 10, 60, 40])
    studio.track(project)
    for object_id, box in ((1, [5, 5, 20, 40]), (2, [10, 30, 40, 45])):
        studio.say(project, 4, object_id=object_id, box=box, replace=True)
    services, job = studio.services, Job(project_id=project, kind="track")

    def lock_after_two_frames(opened: OpenProject) -> int:
        steps = track_steps(services, job, course, range(12), {1, 2})
        next(steps)
        next(steps)
        change_object(services, project, 1, {"locked": True})
        return sum(1 for _ in steps)

    assert services.submit(project, lock_after_two_frames).result() >= 5
    new = {(r.object_id, r.frame) for r in services.revisions.frames(project, 0, 12) if r.born == job.revision}
    stopped = 6 if course.frame is None else 7  # a corrected frame is passed over
    assert {frame for object_id, frame in new if object_id == 1} == set(range(5, stopped))
    assert {frame for object_id, frame in new if object_id == 2} == set(range(5, 12))


def test_a_job_ends_when_all_it_tracks_is_locked(studio: Any, project: str) -> None:
    services = studio.services

    def lock_after_a_frame(opened: OpenProject) -> int:
        steps = track_steps(services, Job(project_id=project, kind="track"), TrackIn(), range(12), {1})
        next(steps)
        change_object(services, project, 1, {"locked": True})
        return sum(1 for _ in steps)

    assert services.submit(project, lock_after_a_frame).result() == 0
    assert sorted(studio.masks(project)) == [4]


def test_only_what_changed_is_tracked_again(studio: Any, project: str) -> None:
    studio.say(project, 4, box=[30, 10, 60, 40])
    studio.track(project)
    before = studio.masks(project)
    job = studio.track(project, direction="both", frame=4, objects=[1], until_agree=True)
    assert job["result"] == {"frames": 7, "stopped": "agreed"}  # nothing is known of the frames before
    assert studio.masks(project) == before
    assert studio.refused("POST", f"projects/{project}/track", json={"until_agree": True})[:2] == (400, "PromptError")


def test_cancelling_keeps_what_is_done(studio: Any, project: str) -> None:
    with studio.events(project) as socket:
        job = studio.call("POST", f"projects/{project}/track", 202, json={"direction": "both"})
        for _ in range(3):
            receive(socket, "frame", job=job["id"])
        studio.call("DELETE", f"jobs/{job['id']}")
        ended = studio.finished(job)
    assert (ended["state"], ended["result"]["stopped"]) == ("cancelled", "cancelled")
    assert len(studio.masks(project)) == ended["result"]["frames"] >= 3
    assert studio.call("DELETE", f"jobs/{job['id']}") == ended  # harmless
    assert studio.call("GET", f"projects/{project}")["undo"] == "track both"


def test_one_propagation_at_a_time_and_clicks_beside_it(studio: Any, project: str) -> None:
    job = studio.call("POST", f"projects/{project}/track", 202, json={"direction": "both"})
    assert studio.refused("POST", f"projects/{project}/track", json={})[:2] == (409, "ConflictError")
    second = studio.say(project, 0, box=[30, 10, 60, 40])["object"]["id"]
    ended = studio.finished(job)
    assert (ended["state"], ended["error"]) == ("done", None)
    masks = studio.masks(project)
    assert all(1 in masks[frame] for frame in range(12))
    assert second in masks[0]
    entry = studio.call("POST", f"projects/{project}/undo")  # the second object, though the job wrote after it
    assert [entry["id"] for entry in entry["objects"]] == [1]
    assert sorted(studio.masks(project)) == list(range(12))


def test_undo_cancels_the_running_job_first(studio: Any, project: str) -> None:
    job = studio.call("POST", f"projects/{project}/track", 202, json={"direction": "both"})
    studio.call("POST", f"projects/{project}/undo")
    assert studio.call("GET", f"jobs/{job['id']}")["state"] == "cancelled"
    assert sorted(studio.masks(project)) in ([4], [])  # the job may not have begun: then it was no step


def test_an_object_deleted_while_it_is_tracked(studio: Any, project: str) -> None:
    job = studio.call("POST", f"projects/{project}/track", 202, json={"direction": "both", "frame": 4})
    studio.call("DELETE", f"projects/{project}/objects/1", 204)
    ended = studio.finished(job)
    assert (ended["state"], ended["error"]) == ("done", None)
    assert studio.masks(project) == {}


@pytest.mark.parametrize(
    ("course", "status"),
    [
        ({"start": 5, "end": 5}, 404),
        ({"end": 13}, 404),
        ({"frame": 9, "end": 7}, 404),
        ({"direction": "forward", "end": 3}, 404),
        ({"objects": [5]}, 404),
        ({"objects": []}, 422),
        ({"direction": "up"}, 422),
        ({"frame": 2**40}, 422),
    ],
)
def test_courses_that_lead_nowhere(studio: Any, project: str, course: dict[str, Any], status: int) -> None:
    assert studio.refused("POST", f"projects/{project}/track", json=course)[0] == status
    assert studio.call("GET", f"projects/{project}/jobs")["jobs"] == []


def test_nothing_prompted(studio: Any) -> None:
    empty = studio.project()
    studio.call("POST", f"projects/{empty}/objects", 201, json={})
    assert studio.refused("POST", f"projects/{empty}/track", json={})[:2] == (409, "ConflictError")


def test_the_embedded_model_follows_a_dog(start: Any, assets: Path, tmp_path: Path) -> None:
    clip = assets / "data" / "clips" / "dog.mp4"
    studio = start(Settings(folder=tmp_path, offered=(clip,)), model=load(image_size=160, device="cpu"))
    studio.media = studio.call("POST", "local", 201, json={"path": str(clip.resolve())})["id"]
    project = studio.project()
    shown = studio.say(project, 0, box=[460, 378, 702, 546])["frame"]["objects"]["1"]
    assert shown["state"] == "present"
    studio.track(project, end=4)
    lanes = studio.call("GET", f"projects/{project}/timeline")["lanes"]
    assert (lanes[0]["runs"][0][0], lanes[0]["runs"][-1][1]) == (0, 4)
    assert "absent" not in {state for _, _, state in lanes[0]["runs"]}
    codes = [Rle.from_coco({"size": [720, 1280], "counts": of[1]}) for _, of in sorted(studio.masks(project).items())]
    assert all(iou([one], [other])[0, 0] > 0.5 for one, other in pairwise(codes))
