"""Results to take away: every form can be made, and what is read back is what was there."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from masklet.io import open_video
from masklet.io.outputs import read_result
from masklet.studio.exports import EXPORT_FORMATS
from masklet.studio.jobs import Job, JobSteps
from masklet.types import Rle

NEEDS_A_MAP = {name for name, form in EXPORT_FORMATS.items() if form.kind == "map"}
NEEDS_LIBRARIES = {"parquet.parquet", "exr"}


@pytest.fixture(scope="module")
def project(studio: Any) -> str:
    """Two objects on frames 2 to 5."""
    name: str = studio.project()
    studio.say(name, 3, box=[8, 8, 30, 30])
    studio.say(name, 3, box=[30, 10, 60, 40])
    studio.track(name, direction="both", start=2, end=6)
    studio.call("PATCH", f"projects/{name}/objects/1", json={"name": "little square"})
    studio.call("PATCH", f"projects/{name}", json={"in": 2, "out": 6})
    return name


def export(studio: Any, project: str, form: str, **order: Any) -> Any:
    """The job of an export, once it has ended."""
    return studio.finished(studio.call("POST", f"projects/{project}/exports", 202, json={"format": form, **order}))


def fetched(studio: Any, job: Any) -> bytes:
    """The file of an export."""
    assert job["error"] is None
    answer = studio.client.get(job["result"]["url"])
    assert "attachment" in answer.headers["content-disposition"]
    assert len(answer.content) == job["result"]["bytes"] > 0
    return bytes(answer.content)


@contextmanager
def held_up(studio: Any) -> Iterator[None]:
    """Inside, exports are in line."""
    gate = threading.Event()
    studio.services.exporter.call("", gate.wait)
    try:
        yield
    finally:
        gate.set()


@pytest.mark.parametrize("form", sorted(set(EXPORT_FORMATS) - NEEDS_A_MAP - NEEDS_LIBRARIES))
def test_every_form_is_made(studio: Any, project: str, form: str) -> None:
    job = export(studio, project, form)
    assert (job["state"], job["error"]) == ("done", None)
    assert job["done"] == job["total"] == 4
    assert fetched(studio, job)


@pytest.mark.parametrize("form", sorted(NEEDS_A_MAP))
def test_a_form_that_does_not_fit_says_so(studio: Any, project: str, form: str) -> None:
    job = export(studio, project, form)
    assert job["state"] == "failed"
    assert job["error"]["type"] in ("OutputError", "MissingExtraError", "MediaError", "FormatError")
    assert "\n" not in job["error"]["message"]


def test_masks_are_read_back_equal(studio: Any, project: str, tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    file.write_bytes(fetched(studio, export(studio, project, "rle.json")))
    masklets = read_result(file).masklets
    assert [(i, masklet.name) for i, masklet in masklets.items()] == [(1, "little square"), (2, "Object 2")]
    assert masklets[1].prompted == (3,)
    shown = studio.masks(project)
    assert {f: {i: m.frames[f].counts.decode() for i, m in masklets.items()} for f in range(2, 6)} == shown


@pytest.fixture
def drawn(studio: Any) -> str:
    """An object that was prompted on frame 3, then on frame 5."""
    name: str = studio.project()
    studio.say(name, 3, box=[8, 8, 30, 30])
    studio.say(name, 5, box=[8, 8, 30, 30], object_id=1)
    return name


def test_an_export_is_of_what_was_ordered(studio: Any, drawn: str, tmp_path: Path) -> None:
    shown = studio.masks(drawn)
    with held_up(studio):
        job = studio.call("POST", f"projects/{drawn}/exports", 202, json={"format": "rle.json"})
        studio.call("PATCH", f"projects/{drawn}", json={"specks": 1000, "name": "other"})
        studio.call("POST", f"projects/{drawn}/undo")
        studio.call("POST", f"projects/{drawn}/undo")
    job = studio.finished(job)
    assert job["result"]["name"] == "wandering square.rle.json"
    file = tmp_path / "result.json"
    file.write_bytes(fetched(studio, job))
    [masklet] = read_result(file).masklets.values()
    assert masklet.prompted == (3, 5)
    assert {f: {1: masklet.frames[f].counts.decode()} for f in (3, 5)} == shown


def test_an_export_of_what_is_gone_fails(studio: Any, drawn: str) -> None:
    """An edit after undo takes the number of the revision that was ordered."""
    with held_up(studio):
        job = studio.call("POST", f"projects/{drawn}/exports", 202, json={"format": "rle.json"})
        studio.call("POST", f"projects/{drawn}/undo")
        studio.say(drawn, 6, box=[30, 10, 60, 40], object_id=1)
    job = studio.finished(job)
    assert (job["state"], job["error"]["type"]) == ("failed", "ConflictError")


def nothing() -> JobSteps:
    """A job without work."""
    yield None
    return None


def test_what_is_being_tracked_is_not_exported(studio: Any, drawn: str) -> None:
    with held_up(studio):
        studio.services.jobs.start(Job(project_id=drawn, kind="track"), studio.services.exporter, nothing)
        status, kind, words = studio.refused("POST", f"projects/{drawn}/exports", json={"format": "rle.json"})
    assert (status, kind) == (409, "ConflictError")
    assert "being tracked" in words


def test_label_maps_are_zipped(studio: Any, project: str) -> None:
    with zipfile.ZipFile(io.BytesIO(fetched(studio, export(studio, project, "davis", objects=[2])))) as archive:
        names = archive.namelist()
        labels = np.asarray(Image.open(io.BytesIO(archive.read(names[1]))))
    assert [name.split("/")[-1] for name in names] == [f"0000{i}.png" for i in range(2, 6)]
    mask = Rle.from_coco({"size": [48, 72], "counts": studio.masks(project)[3][2]}).to_mask()
    assert np.array_equal(labels == 2, mask)
    assert set(np.unique(labels)) <= {0, 2}


def test_video_and_preview_show_the_same(studio: Any, project: str, tmp_path: Path) -> None:
    effects = {"background": "erase", "object": "original", "color": "#00ff00"}
    file = tmp_path / "out.mp4"
    file.write_bytes(fetched(studio, export(studio, project, "overlay.mp4", effects=effects, start=2, end=4)))
    path = f"/api/projects/{project}/frames/3/rendered"
    answer = studio.client.get(path, params={**effects, "quality": 100})
    shown = np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGB")).astype(int)
    with open_video(file) as video:
        assert len(video) == 2
        assert np.abs(video[1].astype(int) - shown).mean() < 12
    known = {"If-None-Match": answer.headers["etag"]}
    assert studio.client.get(path, params={**effects, "quality": 100}, headers=known).status_code == 304
    assert studio.client.get(path, params=effects, headers=known).status_code == 200


def test_one_picture_is_no_archive(studio: Any, project: str) -> None:
    job = export(studio, project, "overlay.png", start=3, end=4)
    assert job["result"]["name"].endswith(".png")
    assert Image.open(io.BytesIO(fetched(studio, job))).size == (72, 48)


@pytest.mark.parametrize(
    ("order", "status"),
    [
        ({"format": "psd"}, 404),
        ({"format": "davis", "objects": [9]}, 404),
        ({"format": "davis", "start": 5, "end": 5}, 404),
        ({"format": "davis", "end": 13}, 404),
        ({"format": "overlay.mp4", "effects": {"background": "melt"}}, 422),
        ({"format": "overlay.mp4", "effects": {"color": "red"}}, 422),
        ({}, 422),
    ],
)
def test_bad_orders(studio: Any, project: str, order: dict[str, Any], status: int) -> None:
    assert studio.refused("POST", f"projects/{project}/exports", json=order)[0] == status


def test_only_finished_exports_can_be_fetched(studio: Any, project: str) -> None:
    job = export(studio, project, "rle.json")
    name = job["result"]["name"]
    for path in (f"{'0' * 12}/{name}", f"{job['id']}/other.json", f"{job['id']}/..%2f..%2fstudio.sqlite"):
        assert studio.client.get(f"/api/exports/{path}").status_code == 404
    assert json.loads(studio.client.get(job["result"]["url"]).content)["schema"] == "masklet/rle"
    (studio.services.settings.exports / job["id"] / name).unlink()
    assert studio.refused("GET", job["result"]["url"].removeprefix("/api/"))[:2] == (404, "NotFoundError")
