"""What the user points at: words, files of prompts, and how they add up."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masklet import FormatError, FrameRangeError, PromptError, Prompts
from masklet.cli.prompts import Kind, PromptBook, Said, check, parse, parse_all, read_prompts
from masklet.io import read_mask

LEFT = np.arange(12).reshape(3, 4) % 4 < 2


def masks(path: Path) -> np.ndarray:
    return LEFT


@pytest.mark.parametrize(
    ("kind", "words", "expected"),
    [
        ("click", "210,350", Said(1, None, "click", (210, 350, 1))),
        ("click", "210,350,-", Said(1, None, "click", (210, 350, 0))),
        ("click", "210,350,+", Said(1, None, "click", (210, 350, 1))),
        ("click", "2:1.5, 3", Said(2, None, "click", (1.5, 3, 1))),
        ("click", "2@30:55,80,-", Said(2, 30, "click", (55, 80, 0))),
        ("click", "@30:55,80", Said(1, 30, "click", (55, 80, 1))),
        ("box", "1,2,3,4", Said(1, None, "box", (1, 2, 3, 4))),
        ("box", "7@0:1,2,3,4", Said(7, 0, "box", (1, 2, 3, 4))),
        ("mask", "dog.png", Said(1, None, "mask", path=Path("dog.png"))),
        ("mask", "3@4:in/dog.png", Said(3, 4, "mask", path=Path("in/dog.png"))),
        ("mask", r"C:\dog.png", Said(1, None, "mask", path=Path(r"C:\dog.png"))),
    ],
)
def test_words(kind: Kind, words: str, expected: Said) -> None:
    assert parse(kind, words) == expected


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("click", ""),
        ("click", "1"),
        ("click", "1,2,3"),
        ("click", "1,2,-,-"),
        ("click", "x,y"),
        ("click", "a:1,2"),
        ("click", "1@:1,2"),
        ("click", "1@-1:1,2"),
        ("click", "0:1,2"),
        ("click", "-1:1,2"),
        ("click", "1:"),
        ("box", "1,2,3"),
        ("box", "1,2,3,4,-"),
        ("mask", "1:"),
        ("mask", ""),
    ],
)
def test_words_that_mean_nothing(kind: Kind, words: str) -> None:
    with pytest.raises(PromptError, match=rf"^--{kind} ") as caught:
        parse(kind, words)
    assert "\n" not in str(caught.value)


number = st.floats(-1e5, 1e5, allow_nan=False)


@given(
    st.integers(1, 10**9 - 1), st.none() | st.integers(0, 10**9 - 1), number, number, st.sampled_from(["", ",+", ",-"])
)
def test_words_round_trip(object_id: int, frame: int | None, x: float, y: float, sign: str) -> None:
    place = f"{object_id}" if frame is None else f"{object_id}@{frame}"
    said = parse("click", f"{place}:{x!r},{y!r}{sign}")
    assert said == Said(object_id, frame, "click", (x, y, float(sign != ",-")))


@given(st.text(max_size=20), st.sampled_from(["click", "box", "mask"]))
def test_any_words_parse_or_are_refused(words: str, kind: Kind) -> None:
    with contextlib.suppress(PromptError):
        said = parse(kind, words)
        assert said.object_id >= 1
        assert (said.path is None) == (kind != "mask")


def test_prompts_of_one_object_on_one_frame_add_up() -> None:
    book = parse_all(["1,2", "2@5:3,4", "@5:9,9,-", "5,6,-"], ["@5:0,1,2,3"], [], [])
    prompts = book.at(5, masks)
    assert {frame: list(by_object) for frame, by_object in prompts.items()} == {5: [1, 2]}
    one = prompts[5][1]
    assert one.points.tolist() == [[1, 2], [9, 9], [5, 6]]
    assert one.labels.tolist() == [1, 0, 0]
    assert one.box is not None
    assert one.box.tolist() == [0, 1, 2, 3]


def test_a_frame_that_is_not_named_is_the_first_one() -> None:
    book = parse_all(["1,2", "2@5:3,4"], [], ["3@1:mask.png"], [])
    prompts = book.at(4, masks)
    assert {frame: list(by_object) for frame, by_object in prompts.items()} == {1: [3], 4: [1], 5: [2]}
    mask = prompts[1][3].mask
    assert mask is not None
    assert mask.tolist() == LEFT.tolist()


def test_absent_by_words_and_in_a_file(tmp_path: Path) -> None:
    said = {
        "schema": "masklet/prompts",
        "version": 1,
        "objects": [{"id": 2, "prompts": [{"frame": 7, "absent": True}]}],
    }
    file = tmp_path / "prompts.json"
    file.write_text(json.dumps(said))
    with pytest.raises(PromptError, match="object 2 is only said to be absent"):
        parse_all(["1,2"], [], [], [file]).at(0, masks, (30, 40))
    book = parse_all(["1,2", "2:4,5", "3:5,6"], [], [], [file], absent=["9", "3@5"])
    prompts = book.at(0, masks, (30, 40))
    assert {(frame, i) for frame, each in prompts.items() for i, one in each.items() if one.is_absent} == {
        (7, 2), (9, 1), (5, 3),
    }  # fmt: skip
    assert not prompts[0][1].is_absent
    with pytest.raises(PromptError, match="in a picture"):
        book.at(0, masks)
    with pytest.raises(PromptError, match="object 1 on frame 9: expected either that it is absent or where it is"):
        parse_all(["@9:1,2"], [], [], [], absent=["9"]).at(0, masks, (30, 40))


@pytest.mark.parametrize("words", ["", "x", "1@", "@5", "1@2:3", "0@4", "-1"])
def test_absent_in_other_words(words: str) -> None:
    with pytest.raises(PromptError, match="--absent"):
        parse_all([], [], [], [], absent=[words])


@pytest.mark.parametrize(
    ("clicks", "boxes", "mask_words", "message"),
    [
        ([], [], [], "nothing to segment"),
        (["1,2"], [], ["mask.png"], "object 1 on frame 0: a mask stands alone"),
        ([], ["1,2,3,4", "@0:1,2,3,5"], [], "at most one box, got 2"),
        ([], [], ["a.png", "b.png"], "at most one mask, got 2"),
        ([], ["2@3:5,2,3,4"], [], "object 2 on frame 3: expected a box with x0 < x1"),
        (["nan,2"], [], [], "must be finite"),
        (["1e400,2"], [], [], "must be finite"),
    ],
)
def test_contradictions(clicks: list[str], boxes: list[str], mask_words: list[str], message: str) -> None:
    with pytest.raises(PromptError, match=message):
        parse_all(clicks, boxes, mask_words, []).at(0, masks)


def test_check_against_a_video() -> None:
    prompts = {3: {2: Prompts.click(9, 5)}}
    check(prompts, (6, 10), range(4))
    with pytest.raises(FrameRangeError, match="object 2 is prompted on frame 3, but frames 0 to 2 are tracked"):
        check(prompts, (6, 10), range(3))
    with pytest.raises(PromptError, match=r"object 2 on frame 3: click \(9, 5\) is outside"):
        check(prompts, (6, 8), range(4))


def file_of(tmp_path: Path, content: object) -> Path:
    path = tmp_path / "prompts.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def prompt_file(*prompts: object, **changes: object) -> dict[str, object]:
    return {
        "schema": "masklet/prompts",
        "version": 1,
        "objects": [{"id": 2, "name": "dog", "prompts": list(prompts)}],
        **changes,
    }


def test_prompt_file(tmp_path: Path) -> None:
    path = file_of(
        tmp_path,
        prompt_file({"clicks": [[1, 2], [3, 4.5, 0]], "box": [0, 0, 9, 9]}, {"frame": 7, "mask": "dog-7.png"}),
    )
    assert read_prompts(path) == PromptBook(
        (
            Said(2, None, "click", (1, 2, 1)),
            Said(2, None, "click", (3, 4.5, 0)),
            Said(2, None, "box", (0, 0, 9, 9)),
            Said(2, 7, "mask", path=tmp_path / "dog-7.png"),
        ),
        {2: "dog"},
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not a JSON file"),
        ("[" * 100_000, "not a JSON file"),
        ([], "as an object"),
        ({"schema": "masklet/prompts", "version": 1}, "has no 'objects'"),
        (prompt_file(version=2), "version 1, got 'masklet/prompts' version 2"),
        (prompt_file(version=True), "'version' of the file as int"),
        (prompt_file(objects={}), "'objects' of the file as list"),
        (prompt_file(extra=1), "unknown field 'extra'"),
        (prompt_file(objects=[{"id": 0, "prompts": []}]), "from 1, got 0"),
        (prompt_file(objects=[{"id": 1, "prompts": []}, {"id": 1, "prompts": []}]), "once"),
        (prompt_file({}), "says nothing"),
        (prompt_file({"frame": 1, "point": [1, 2]}), "unknown field 'point'; expected frame, clicks, box, mask"),
        (prompt_file({"frame": -1, "box": [1, 2, 3, 4]}), "from 0, got -1"),
        (prompt_file({"clicks": [[1]]}), "a click"),
        (prompt_file({"clicks": [[1, 2, 2]]}), "end with 1"),
        (prompt_file({"clicks": [[True, 2]]}), "a click"),
        (prompt_file({"clicks": [[10**400, 2]]}), "a position in pixels"),
        (prompt_file({"box": [1, 2, 3]}), "a box"),
        (prompt_file({"box": "1,2,3,4"}), "'box' of a prompt of object 2 as list"),
    ],
)
def test_bad_prompt_files(tmp_path: Path, content: object, message: str) -> None:
    path = file_of(tmp_path, content)
    with pytest.raises(FormatError, match=message) as caught:
        read_prompts(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 400 + len(str(path))


def test_missing_and_large_prompt_files(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="cannot read prompts"):
        read_prompts(tmp_path / "none.json")
    large = tmp_path / "large.json"
    with large.open("wb") as file:
        file.truncate(2**25)
    with pytest.raises(FormatError, match="at most 16777216 bytes"):
        read_prompts(large)


def test_masks_are_read_from_pictures(picture_file: Path) -> None:
    prompts = parse_all([], [], [str(picture_file)], []).at(0, read_mask)
    assert prompts[0][1].mask is not None
