"""What a person does to a project: prompts, objects, undo; and what the tracker and the database make of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import event

from masklet.masks.rle import boxes
from masklet.studio.editing import masks_json
from masklet.studio.settings import Settings
from masklet.types import Rle

SQUARE = np.pad(np.ones((14, 14), bool), ((8, 26), (8, 50)))
MASK = Rle.from_mask(SQUARE).to_coco()


def test_a_click_makes_an_object(studio: Any) -> None:
    project = studio.project()
    answer = studio.click(project, 3, 15, 16)
    assert answer["revision"] == 1
    assert answer["object"] | {"color": ""} == {
        "id": 1, "name": "Object 1", "color": "", "hidden": False, "locked": False, "prompted": [3], "num_frames": 1,
    }  # fmt: skip
    shown = answer["frame"]["objects"]["1"]
    assert shown["prompted"] is True
    assert Rle.from_coco(shown["mask"]).size == (48, 72)
    assert answer["prompt"] == {"clicks": [{"x": 15, "y": 16, "positive": True}], "box": None, "mask": None, "shown": 0}
    read = studio.call("GET", f"projects/{project}/frames/3")
    assert read["frame"] == answer["frame"]
    assert read["prompts"] == {"1": answer["prompt"]}


def test_clicks_add_up_and_can_be_replaced(studio: Any) -> None:
    project = studio.project()
    first = studio.click(project, 0, 15, 16)
    second = studio.click(project, 0, 40, 20, positive=False, object_id=1)
    assert len(second["prompt"]["clicks"]) == 2
    again = studio.say(project, 0, object_id=1, clicks=first["prompt"]["clicks"], replace=True)
    assert again["prompt"] == first["prompt"]
    assert again["frame"] == first["frame"]


def test_a_drawn_mask_is_shown_exactly(studio: Any) -> None:
    project = studio.project()
    runs = [0] if SQUARE[0, 0] else []
    flat = SQUARE.T.ravel().astype(int)
    runs += np.diff(np.flatnonzero(np.diff(flat)), prepend=-1, append=len(flat) - 1).tolist()
    answer = studio.say(project, 2, mask={"size": [48, 72], "counts": runs})
    assert answer["frame"]["objects"]["1"]["mask"] == MASK
    assert answer["prompt"]["mask"] == MASK


def test_an_object_that_is_not_on_a_frame(studio: Any) -> None:
    """It stays away from there on until it is prompted again, also after the tracker was made anew."""
    project = studio.project()
    studio.say(project, 0, mask=MASK)
    studio.track(project)
    nothing = Rle.from_mask(np.zeros((48, 72), bool)).to_coco()
    answer = studio.say(project, 4, object_id=1, mask=nothing)
    assert answer["frame"]["objects"]["1"]["mask"] == nothing
    assert answer["prompt"]["mask"] == nothing
    for way in ("undo", "redo"):
        studio.call("POST", f"projects/{project}/{way}")
    studio.say(project, 7, object_id=1, mask=MASK, replace=True)
    studio.track(project)
    frames = [studio.call("GET", f"projects/{project}/frames/{t}")["frame"]["objects"]["1"]["mask"] for t in range(8)]
    assert [Rle.from_coco(mask).area > 0 for mask in frames[4:]] == [False, False, False, True]
    assert frames[0] == frames[7] == MASK
    assert "not there: Object 1, frame 4" in str(studio.call("GET", f"projects/{project}/history"))


def test_a_click_takes_six_statements_in_one_transaction(studio: Any) -> None:
    project = studio.project()
    studio.click(project, 0, 15, 16)
    statements: list[str] = []
    transactions: list[object] = []
    engine = studio.services.store._engine
    with (
        listening(engine, "before_cursor_execute", lambda *args: statements.append(args[2])),
        listening(engine, "begin", transactions.append),
    ):
        for frame, object_id in ((0, 1), (3, 1), (3, 1), (0, 0)):
            studio.click(project, frame, 15, 16, object_id=object_id, candidates=True)
            assert len(statements) <= 6, statements
            assert len(transactions) == 1
            statements.clear()
            transactions.clear()


class CountedDecoder:
    """A model that counts the calls of its decoder."""

    def __init__(self, model: Any) -> None:
        self.model, self.calls = model, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def decode(self, features: Any, prompts: Any) -> Any:
        self.calls += 1
        return self.model.decode(features, prompts)


def test_a_click_with_candidates_calls_the_decoder_once(
    start: Any, tiny: Any, tmp_path: Path, video_file: Path
) -> None:
    model = CountedDecoder(tiny)
    studio = start(Settings(folder=tmp_path, offered=(video_file,)), model=model)
    studio.media = studio.call("POST", "local", 201, json={"path": str(video_file)})["id"]
    project, click = studio.project(), {"x": 15, "y": 16, "positive": True}
    for frame, object_id in ((0, 0), (3, 1), (0, 0)):
        model.calls = 0
        if frame:  # what the pointer showed is what the click gives
            studio.call("POST", f"projects/{project}/frames/{frame}/preview", json={"object_id": 1, "clicks": [click]})
        answer = studio.say(project, frame, object_id=object_id, clicks=[click], candidates=True)
        assert answer["candidates"]
        assert model.calls == 1
        alone = studio.call("POST", f"projects/{project}/frames/{frame}/candidates", json={"clicks": [click]})
        assert alone["candidates"] == answer["candidates"]
        studio.click(project, frame, 40, 20, object_id=1, positive=False)


@contextmanager
def listening(engine: Any, name: str, listener: Any) -> Iterator[None]:
    """Inside, call a function on an event of the database."""
    event.listen(engine, name, listener)
    try:
        yield
    finally:
        event.remove(engine, name, listener)


def test_candidates_of_a_click_and_choosing_one(studio: Any) -> None:
    project = studio.project()
    click = {"x": 15, "y": 16, "positive": True}
    answer = studio.say(project, 0, clicks=[click], candidates=True)
    assert 1 <= len(answer["candidates"]) <= 3
    scores = [candidate["iou"] for candidate in answer["candidates"]]
    assert scores == sorted(scores, reverse=True)
    chosen = answer["candidates"][-1]
    taken = studio.say(
        project, 0, object_id=1, mask=chosen["mask"], clicks=[click], replace=True, candidate=True, candidates=True
    )
    assert taken["frame"]["objects"]["1"]["mask"] == chosen["mask"]
    assert taken["prompt"] | {"mask": None} == {"clicks": [click], "box": None, "mask": None, "shown": 1}
    assert taken["candidates"] == []
    later = studio.click(project, 0, 20, 20, object_id=1)
    assert [c["x"] for c in later["prompt"]["clicks"]] == [15, 20]
    same = studio.call("POST", f"projects/{project}/frames/0/candidates", json={"clicks": [click]})
    assert same["candidates"] == answer["candidates"]


def test_the_first_candidate_is_what_is_shown(studio: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with a model that answers a click with none of the ranked candidates."""
    model = studio.services.devices[0].model
    monkeypatch.setattr(model, "config", replace(model.config, ranked_clicks=False, min_stability=0.0))
    project = studio.project()
    answer = studio.say(project, 0, clicks=[{"x": 15, "y": 16, "positive": True}], candidates=True)
    assert answer["candidates"][0]["mask"] == answer["frame"]["objects"]["1"]["mask"]
    assert 1 <= len(answer["candidates"]) <= 4


def test_preview_is_what_the_prompt_gives(studio: Any) -> None:
    project = studio.project()
    body = {"object_id": 0, "clicks": [{"x": 15, "y": 16}]}
    preview = studio.call("POST", f"projects/{project}/frames/0/preview", json=body)
    answer = studio.click(project, 0, 15, 16)["frame"]["objects"]["1"]
    assert preview == {key: answer[key] for key in ("mask", "presence", "iou")}
    assert studio.call("GET", f"projects/{project}")["revision"] == 1


def test_objects_are_named_colored_hidden_locked_and_deleted(studio: Any) -> None:
    project = studio.project()
    path = f"projects/{project}/objects"
    assert studio.call("POST", path, 201, json={"name": "bird", "color": "#102030"})["id"] == 1
    studio.click(project, 0, 15, 16, object_id=1)
    changed = studio.call("PATCH", f"{path}/1", json={"name": "wren", "hidden": True})
    assert (changed["name"], changed["color"], changed["hidden"]) == ("wren", "#102030", True)
    studio.call("PATCH", f"{path}/1", json={"locked": True})
    for method, where, body in (
        ("POST", f"projects/{project}/frames/0/prompts", {"object_id": 1, "clicks": [{"x": 1, "y": 1}]}),
        ("DELETE", f"{path}/1", None),
        ("DELETE", f"projects/{project}/frames/0/prompts/1", None),
        ("POST", f"projects/{project}/track", {"objects": [1]}),
    ):
        status, kind, message = studio.refused(method, where, json=body)
        assert (status, kind) == (409, "ConflictError")
        assert "wren is locked" in message
    assert studio.refused("POST", f"projects/{project}/track", json={})[:2] == (409, "ConflictError")
    studio.call("PATCH", f"{path}/1", json={"locked": False})
    studio.call("DELETE", f"{path}/1", 204)
    assert studio.call("GET", f"projects/{project}")["objects"] == []
    assert studio.masks(project) == {}


def test_undo_and_redo_bring_every_state_back(studio: Any) -> None:
    project = studio.project()
    states: list[Any] = []

    def state() -> Any:
        entry = studio.call("GET", f"projects/{project}")
        return entry["objects"], studio.masks(project), studio.call("GET", f"projects/{project}/timeline")["lanes"]

    def note(answer: object) -> None:
        states.append(state())

    note(None)
    note(studio.click(project, 4, 15, 16))
    note(studio.track(project, direction="forward", end=9))
    note(studio.say(project, 4, box=[30, 10, 60, 40]))
    note(studio.click(project, 6, 40, 20, object_id=1, positive=False))
    note(studio.track(project, direction="both", frame=6, objects=[1], until_agree=True))
    note(studio.call("PATCH", f"projects/{project}/objects/2", json={"name": "second"}))
    note(studio.call("DELETE", f"projects/{project}/frames/6/prompts/1"))
    note(studio.call("DELETE", f"projects/{project}/objects/1", 204))
    for expected in reversed(states[:-1]):
        studio.call("POST", f"projects/{project}/undo")
        assert state() == expected
    assert studio.refused("POST", f"projects/{project}/undo")[:2] == (409, "ConflictError")
    for expected in states[1:]:
        studio.call("POST", f"projects/{project}/redo")
        assert state() == expected
    assert studio.refused("POST", f"projects/{project}/redo")[:2] == (409, "ConflictError")
    steps = studio.call("GET", f"projects/{project}/history")["steps"]
    assert [step["undone"] for step in steps] == [False] * 8


def test_after_undo_the_tracker_goes_on_from_there(studio: Any) -> None:
    project, other = studio.project(), studio.project()
    studio.click(project, 0, 15, 16)
    studio.click(project, 0, 40, 20, object_id=1)
    studio.call("POST", f"projects/{project}/undo")
    studio.click(other, 0, 15, 16)
    for each in (project, other):
        studio.track(each, end=4)
    assert studio.masks(project) == studio.masks(other)
    assert studio.call("GET", f"projects/{project}")["redo"] is None


def test_clearing_the_last_prompt_keeps_an_empty_object(studio: Any) -> None:
    project = studio.project()
    studio.click(project, 0, 15, 16)
    studio.track(project, end=5)
    answer = studio.call("DELETE", f"projects/{project}/frames/0/prompts/1")
    assert (answer["prompt"], answer["frame"]["objects"]) == (None, {})
    assert studio.masks(project) == {}
    assert [o["num_frames"] for o in studio.call("GET", f"projects/{project}")["objects"]] == [0]
    assert studio.click(project, 1, 15, 16, object_id=1)["frame"]["objects"]["1"]["prompted"]


def test_masks_become_objects_in_one_step(studio: Any) -> None:
    project = studio.project()
    other = Rle.from_mask(~SQUARE).to_coco()
    body = {"masks": [MASK, other], "names": ["square"]}
    answer = studio.call("POST", f"projects/{project}/frames/5/objects", json=body)
    assert [entry["name"] for entry in answer["objects"]] == ["square", "Object 2"]
    assert [one["mask"] for one in answer["frame"]["objects"].values()] == [MASK, other]
    studio.call("POST", f"projects/{project}/undo")
    assert studio.call("GET", f"projects/{project}")["objects"] == []


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        ({}, "PromptError", "expected a click, a box or a mask"),
        ({"clicks": [{"x": 72.5, "y": 3}]}, "PromptError", "72x48"),
        ({"box": [5, 5, 4, 9]}, "PromptError", "x0 < x1"),
        ({"box": [5, 5, 4]}, "RequestError", "box"),
        ({"box": [0, 0, 100, 20]}, "PromptError", "100"),
        ({"mask": {"size": [40, 72], "counts": "0"}}, "PromptError", r"size \[48, 72\]"),
        ({"mask": {"size": [48, 72], "counts": "0"}}, "PromptError", "add up"),
        ({"mask": {"size": [48, 72], "counts": [3456]}}, "PromptError", "empty"),
        ({"mask": MASK, "clicks": [{"x": 1, "y": 1}]}, "PromptError", "clicks or a box"),
        ({"mask": MASK, "box": [1, 1, 5, 5]}, "PromptError", "clicks or a box"),
        ({"clicks": [{"x": "a", "y": 1}]}, "RequestError", "clicks.0.x"),
        ({"clicks": [{"x": 1, "y": 1}] * 201}, "RequestError", "200"),
        ({"clicks": [{"x": 1, "y": 1}], "color": "red"}, "RequestError", "color"),
        ({"object_id": 7, "clicks": [{"x": 1, "y": 1}]}, "NotFoundError", "no object 7"),
        ({"object_id": -1, "clicks": [{"x": 1, "y": 1}]}, "RequestError", "object_id"),
    ],
)  # fmt: skip
def test_bad_prompts_change_nothing(studio: Any, said: dict[str, Any], kind: str, words: str) -> None:
    project = studio.project()
    status, name, message = studio.refused("POST", f"projects/{project}/frames/0/prompts", json={"object_id": 0} | said)
    assert (status, name) == ({"PromptError": 400, "NotFoundError": 404, "RequestError": 422}[kind], kind)
    assert re.search(words, message)
    entry = studio.call("GET", f"projects/{project}")
    assert (entry["objects"], entry["revision"]) == ([], 0)


def test_more_objects_than_a_project_holds(start: Any, tmp_path: Path, video_file: Path) -> None:
    small = start(Settings(folder=tmp_path, offered=(video_file,), objects=2))
    small.media = small.call("POST", "local", 201, json={"path": str(video_file)})["id"]
    project = small.project()
    small.click(project, 0, 15, 16)
    small.call("POST", f"projects/{project}/objects", 201, json={})
    for path, body in (
        ("objects", {}),
        ("frames/0/prompts", {"object_id": 0, "clicks": [{"x": 1, "y": 1}]}),
        ("frames/0/objects", {"masks": [MASK]}),
    ):
        assert small.refused("POST", f"projects/{project}/{path}", json=body)[0] == 409


def test_masks_as_json_without_empty_ones() -> None:
    mask = np.zeros((20, 40), bool)
    mask[:10, 5:15] = True
    found = [Rle.from_mask(each) for each in (mask, np.zeros_like(mask))]
    score = np.array([0.75, 0.5], np.float32)
    [entry] = masks_json(found, score, score, boxes(found))
    assert Rle.from_coco(entry.pop("mask")).area == 100
    assert entry == {"iou": 0.75, "stability": 0.75, "box": [5, 0, 15, 10]}


def test_proposals_come_as_a_job(studio: Any) -> None:
    project = studio.project()
    path = f"projects/{project}/frames/2/proposals"
    job = studio.finished(studio.call("POST", path, 202, json={"points_per_side": 6, "limit": 5}))
    assert (job["state"], job["error"], job["done"], job["result"]["frame"]) == ("done", None, 36, 2)
    found = job["result"]["proposals"]
    assert len(found) <= 5
    assert all(Rle.from_coco(one["mask"]).area for one in found)
    scores = [one["iou"] for one in found]
    assert scores == sorted(scores, reverse=True)
    assert studio.refused("POST", path, json={"points_per_side": 100})[0] == 422
    assert studio.refused("POST", f"projects/{project}/frames/99/proposals", json={})[0] == 404
