"""Projects in memory and out of it: they expire, make room, and come back as they were."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from masklet.model.config import TEST_TINY
from masklet.model.sam2 import Sam2
from masklet.studio.sessions import Device, device_of
from masklet.studio.settings import Settings


@pytest.fixture
def settings(tmp_path: Path, video_file: Path) -> Settings:
    """A folder of its own."""
    return Settings(folder=tmp_path / "studio", offered=(video_file,), live_sessions=2)


@pytest.fixture
def small(start: Any, settings: Settings, video_file: Path) -> Any:
    """A studio with room for two projects."""
    served = start(settings)
    served.media = served.call("POST", "local", 201, json={"path": str(video_file)})["id"]
    return served


def in_memory(studio: Any) -> int:
    """How many projects are."""
    device = studio.services.devices[0]
    return int(device.worker.call("", lambda: len(device._open)).result(10))


def test_memory_is_given_back_and_nothing_is_lost(small: Any) -> None:
    projects = [small.project() for _ in range(3)]
    for project in projects:
        small.click(project, 0, 15, 16)
    assert in_memory(small) == 2
    device = small.services.devices[0]
    device.worker.call("", lambda: device.expire(time.monotonic() - 900)).result(10)
    assert in_memory(small) == 2  # asked for just now
    device.worker.call("", lambda: device.expire(time.monotonic() + 100)).result(10)
    assert in_memory(small) == 0
    answer = small.click(projects[0], 0, 40, 20, object_id=1)
    assert len(answer["prompt"]["clicks"]) == 2
    assert in_memory(small) == 1


def test_everything_kept_is_given_back(small: Any) -> None:
    services, project = small.services, small.project()
    small.client.get(f"/api/media/{small.media}/frames/0")
    small.click(project, 0, 15, 16)
    kept = (services.frame_server.cache, services.images, services.devices[0].features)
    assert min(map(len, kept)) > 0
    services.expire(time.monotonic())
    assert min(map(len, kept)) > 0  # asked for within the time that counts as idle
    services.expire(time.monotonic() + 10_000)
    assert in_memory(small) == 0
    assert [(len(one), one.num_bytes) for one in kept] == [(0, 0)] * 3


def test_projects_on_one_media_share_what_the_encoder_sees(small: Any) -> None:
    features = small.services.devices[0].features
    features.expire(time.monotonic() + 100)
    first, second = small.project(), small.project()
    answers = [small.click(project, 3, 15, 16)["frame"] for project in (first, second)]
    assert answers[0] == answers[1]
    assert len(features) == 1
    small.track(first, start=3, end=6)
    assert len(features) == 3
    small.click(second, 5, 15, 16)
    assert len(features) == 3


def left_behind(settings: Settings, folder: Path) -> Settings:
    """What a studio has written down until now, in another folder."""
    with (
        closing(sqlite3.connect(settings.database)) as here,
        closing(sqlite3.connect(folder / "studio.sqlite")) as there,
    ):
        here.backup(there)
    return replace(settings, folder=folder)


def test_a_restart_goes_on_where_it_was(start: Any, small: Any, settings: Settings, tmp_path: Path) -> None:
    project, other = small.project(), small.project()
    for each in (project, other):
        small.click(each, 2, 15, 16)
        small.track(each, start=2, end=5)
        small.click(each, 4, 40, 20, object_id=1, positive=False)
    before = small.call("GET", f"projects/{project}"), small.masks(project)
    again = start(left_behind(settings, tmp_path))
    assert (again.call("GET", f"projects/{project}"), again.masks(project)) == before
    for served, each in ((small, other), (again, project)):
        served.track(each, start=4, end=7, frame=4)
    assert sorted(again.masks(project)) == [2, 3, 4, 5, 6]
    assert again.masks(project)[4] == small.masks(other)[4]
    again.call("POST", f"projects/{project}/undo")
    again.call("POST", f"projects/{project}/undo")
    assert again.call("GET", f"projects/{project}")["undo"] == "track forward"


def test_another_model_takes_the_prompts_by_their_masks(
    start: Any, small: Any, settings: Settings, tmp_path: Path
) -> None:
    project = small.project()
    small.say(project, 2, box=[8, 8, 30, 30])
    small.track(project, end=5)
    before = small.masks(project)
    other = Sam2(replace(TEST_TINY, image_size=96, name="another")).eval().requires_grad_(False)
    again = start(left_behind(settings, tmp_path), model=other)
    assert again.masks(project) == before
    assert again.track(project, start=2, end=7)["error"] is None
    after = again.masks(project)
    assert after[2] == before[2]
    assert sorted(after) == [2, 3, 4, 5, 6]
    assert again.click(project, 2, 15, 16, object_id=1)["frame"]["objects"]["1"]["prompted"]


def test_a_project_comes_back_where_it_is_needed(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a long video, the tracker gets the frames near those that somebody works on."""
    for module in ("sessions", "tracking"):
        monkeypatch.setattr(f"masklet.studio.{module}.BLOCK", 2)
    monkeypatch.setattr("masklet.studio.sessions.REACH", 1)
    project, device = small.project(), small.services.devices[0]
    small.click(project, 0, 15, 16)
    small.track(project)
    before = small.masks(project)
    device.worker.call("", lambda: device.drop(project)).result(10)
    small.click(project, 8, 40, 20, object_id=1, positive=False)
    known = device.worker.call("", lambda: sorted(device.open(project).tracker.masklets()[1].frames)).result(10)
    assert known == [0, 6, 7, 8, 9]
    job = small.track(project, frame=8, until_agree=True)
    assert (job["state"], job["result"]["stopped"]) == ("done", "agreed")
    assert sorted(small.masks(project)) == list(range(12))
    device.worker.call("", lambda: device.drop(project)).result(10)
    for _ in range(2):
        small.call("POST", f"projects/{project}/undo")
    assert small.masks(project) == before


def test_two_projects_share_nothing(small: Any) -> None:
    first, second = small.project(), small.project()
    small.click(first, 0, 15, 16)
    assert small.call("GET", f"projects/{second}")["objects"] == []
    assert small.click(second, 0, 15, 16)["object"]["id"] == 1


def test_what_is_busy_is_not_dropped(small: Any) -> None:
    project = small.project()
    small.click(project, 0, 15, 16)
    device = small.services.devices[0]

    def busy() -> bool:
        live = device.open(project)
        live.busy += 1
        device.expire(time.monotonic() + 100)
        kept = device.open(project) is live
        live.busy -= 1
        return kept

    assert device.worker.call("", busy).result(10)


def test_a_project_keeps_to_its_device(small: Any, tiny: Sam2) -> None:
    devices = [
        small.services.devices[0],
        Device(tiny, small.services.revisions, small.services.frame_server, small.services.settings, "second"),
    ]
    chosen = [device_of(devices, f"{index:012x}") for index in range(50)]
    assert set(map(id, chosen)) == set(map(id, devices))
    assert [device_of(devices, f"{index:012x}") for index in range(50)] == chosen
    devices[1].close()


def test_a_deleted_project_is_gone_everywhere(small: Any) -> None:
    project = small.project()
    small.click(project, 0, 15, 16)
    small.call("DELETE", f"projects/{project}", 204)
    assert small.refused("GET", f"projects/{project}")[:2] == (404, "NotFoundError")
    assert small.refused("POST", f"projects/{project}/undo")[0] == 404
    assert in_memory(small) == 0
