"""Masks without specks and holes: exact, on their way out only, and never what somebody drew."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from jaxtyping import Bool

from masklet.masks.regions import fill_holes, remove_specks
from masklet.studio.cleaning import Cleaning
from masklet.studio.settings import Settings
from masklet.studio.store import Store
from masklet.types import Rle


@given(arrays(bool, (9, 12), elements=st.booleans()), st.integers(0, 8), st.integers(0, 8))
def test_a_cut_out_is_cleaned_as_the_whole(mask: Bool[np.ndarray, "h w"], specks: int, holes: int) -> None:
    found = Cleaning(specks, holes).mask(Rle.from_mask(mask)).to_mask()
    assert np.array_equal(found, remove_specks(fill_holes(mask, holes), specks))


def rough() -> Bool[np.ndarray, "h w"]:
    """A square with a hole of 4 pixels and a speck of 6."""
    mask = np.zeros((48, 72), bool)
    mask[10:30, 10:30] = True
    mask[15:17, 15:17] = False
    mask[40:42, 60:63] = True
    return mask


def area(answer: Any) -> int:
    """The area of the first object on a frame."""
    return Rle.from_coco(answer["frame"]["objects"]["1"]["mask"]).area


@pytest.fixture
def project(studio: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """A project whose only mask is rough, as if the model had made it."""
    project: str = studio.project()
    mask = Rle.from_mask(rough())
    drawn = {"size": [48, 72], "counts": mask.counts.decode()}
    studio.say(project, 3, mask=drawn)
    path = studio.services.store.path
    said = '{"clicks": [], "box": null, "mask": null, "shown": 0}'
    with sqlite3.connect(path) as database:
        database.execute("UPDATE frame SET prompt = ? WHERE project_id = ?", (said, project))
    return project


def test_masks_are_shown_and_exported_clean(studio: Any, project: str) -> None:
    frame = f"projects/{project}/frames/3"
    before = studio.client.get(f"/api/{frame}")
    assert area(before.json()) == 402
    changed = studio.call("PATCH", f"projects/{project}", json={"specks": 6, "holes": 4})
    assert (changed["specks"], changed["holes"], changed["undo"]) == (6, 4, "draw Object 1, frame 3")
    after = studio.client.get(f"/api/{frame}", headers={"If-None-Match": before.headers["etag"]})
    assert (after.status_code, area(after.json())) == (200, 400)
    frames = studio.call("GET", f"projects/{project}/masks")["frames"]
    assert Rle.from_coco(frames[0]["objects"]["1"]["mask"]).area == 400
    job = studio.finished(studio.call("POST", f"projects/{project}/exports", 202, json={"format": "csv.csv"}))
    assert ",400," in studio.client.get(job["result"]["url"]).text
    studio.call("PATCH", f"projects/{project}", json={"specks": 0, "holes": 0})
    assert area(studio.call("GET", frame)) == 402


def test_what_is_drawn_stays(studio: Any) -> None:
    project = studio.project()
    studio.call("PATCH", f"projects/{project}", json={"specks": 500})
    mask = Rle.from_mask(rough())
    assert area(studio.say(project, 3, mask={"size": [48, 72], "counts": mask.counts.decode()})) == 402


def test_what_was_undone_is_not_shown_again(studio: Any) -> None:
    """The number of a row is given to another one when the row is gone."""
    project = studio.project()
    studio.call("PATCH", f"projects/{project}", json={"specks": 3})
    studio.say(project, 0, box=[8, 8, 30, 30])
    studio.track(project)
    studio.masks(project)  # every mask was shown once
    for _ in range(2):
        studio.call("POST", f"projects/{project}/undo")
    studio.say(project, 0, box=[40, 10, 60, 40])
    studio.track(project)
    shown = studio.masks(project)
    studio.services.cleaned_masks.expire(time.monotonic() + 1)
    assert studio.masks(project) == shown


def test_what_is_smaller_than_a_speck_is_not_seen(studio: Any, project: str) -> None:
    with sqlite3.connect(studio.services.store.path) as database:
        database.execute("UPDATE frame SET prompt = NULL WHERE project_id = ?", (project,))
    studio.services.revisions.stats.expire(time.monotonic() + 1)
    studio.call("PATCH", f"projects/{project}", json={"specks": 1000})
    assert studio.call("GET", f"projects/{project}/frames/3")["frame"]["objects"]["1"]["state"] != "present"
    assert studio.call("GET", f"projects/{project}/timeline")["lanes"][0]["runs"][0][2] != "present"


def test_an_older_database_is_brought_up(tmp_path: Path) -> None:
    settings = Settings(folder=tmp_path)
    Store(settings).close()
    with sqlite3.connect(settings.database) as database:
        for name in ("specks", "holes"):
            database.execute(f"ALTER TABLE project DROP COLUMN {name}")
        database.execute("DROP INDEX frame_scores")
        database.execute("ALTER TABLE frame DROP COLUMN confidence")
        columns = "project_id, object_id, frame, born, mask, area, presence, iou, score, model"
        for row in ("'p', 1, 0, 1, x'', 4, 0.5, 0.5, 0, ''", "'p', 1, 1, 1, x'', 0, 0.25, 0.5, 0, ''"):
            database.execute(f"INSERT INTO frame ({columns}) VALUES ({row})")
        database.execute("CREATE INDEX frame_of_object ON frame (project_id, object_id, frame)")
        database.execute("PRAGMA user_version = 1")
    store = Store(settings)
    assert store.projects() == []
    store.close()
    with sqlite3.connect(settings.database) as database:
        confidence = [value for (value,) in database.execute("SELECT confidence FROM frame ORDER BY frame")]
        indices = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
    assert confidence == [0.25, 0.75]
    assert "frame_scores" in indices
    assert "frame_of_object" not in indices
