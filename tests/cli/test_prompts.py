"""Prompts of the command line and of prompt files, and how they are combined."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masklet import FormatError, FrameRangeError, PromptError, Prompts
from masklet.cli.options import PromptOptions
from masklet.cli.prompts import Kind, PromptList, PromptSpec, parse_prompt, read_prompts
from masklet.io import read_mask

LEFT = np.arange(12).reshape(3, 4) % 4 < 2


def masks(path: str) -> np.ndarray:
    return LEFT


@pytest.mark.parametrize(
    ("kind", "words", "expected"),
    [
        ("click", "210,350", PromptSpec(1, None, {"clicks": [[210, 350, 1]]})),
        ("click", "210,350,-", PromptSpec(1, None, {"clicks": [[210, 350, 0]]})),
        ("click", "210,350,+", PromptSpec(1, None, {"clicks": [[210, 350, 1]]})),
        ("click", "2:1.5, 3", PromptSpec(2, None, {"clicks": [[1.5, 3, 1]]})),
        ("click", "2@30:55,80,-", PromptSpec(2, 30, {"clicks": [[55, 80, 0]]})),
        ("click", "@30:55,80", PromptSpec(1, 30, {"clicks": [[55, 80, 1]]})),
        ("box", "1,2,3,4", PromptSpec(1, None, {"box": [1, 2, 3, 4]})),
        ("box", "7@0:1,2,3,4", PromptSpec(7, 0, {"box": [1, 2, 3, 4]})),
        ("mask", "dog.png", PromptSpec(1, None, {"mask": "dog.png"})),
        ("mask", "3@4:in/dog.png", PromptSpec(3, 4, {"mask": "in/dog.png"})),
        ("mask", r"C:\dog.png", PromptSpec(1, None, {"mask": r"C:\dog.png"})),
    ],
)
def test_words(kind: Kind, words: str, expected: PromptSpec) -> None:
    assert parse_prompt(kind, words) == expected


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
        parse_prompt(kind, words)
    assert "\n" not in str(caught.value)


number = st.floats(-1e5, 1e5, allow_nan=False)


@given(
    st.integers(1, 10**9 - 1), st.none() | st.integers(0, 10**9 - 1), number, number, st.sampled_from(["", ",+", ",-"])
)
def test_words_round_trip(object_id: int, frame: int | None, x: float, y: float, sign: str) -> None:
    place = f"{object_id}" if frame is None else f"{object_id}@{frame}"
    spec = parse_prompt("click", f"{place}:{x!r},{y!r}{sign}")
    assert spec == PromptSpec(object_id, frame, {"clicks": [[x, y, int(sign != ",-")]]})


@given(st.text(max_size=20), st.sampled_from(["click", "box", "mask"]))
def test_any_words_parse_or_are_refused(words: str, kind: Kind) -> None:
    with contextlib.suppress(PromptError):
        spec = parse_prompt(kind, words)
        assert spec.object_id >= 1
        assert set(spec.value) == {"clicks" if kind == "click" else kind}


def test_prompts_of_one_object_on_one_frame_add_up() -> None:
    prompt_list = PromptOptions(click=["1,2", "2@5:3,4", "@5:9,9,-", "5,6,-"], box=["@5:0,1,2,3"]).parse()
    prompts = prompt_list.by_frame(5, masks)
    assert {frame: list(by_object) for frame, by_object in prompts.items()} == {5: [1, 2]}
    one = prompts[5][1]
    assert one.points.tolist() == [[1, 2], [9, 9], [5, 6]]
    assert one.labels.tolist() == [1, 0, 0]
    assert one.box is not None
    assert one.box.tolist() == [0, 1, 2, 3]


def test_a_frame_that_is_not_named_is_the_first_one() -> None:
    prompt_list = PromptOptions(click=["1,2", "2@5:3,4"], mask=["3@1:mask.png"]).parse()
    prompts = prompt_list.by_frame(4, masks)
    assert {frame: list(by_object) for frame, by_object in prompts.items()} == {1: [3], 4: [1], 5: [2]}
    mask = prompts[1][3].mask
    assert mask is not None
    assert mask.tolist() == LEFT.tolist()


def test_absent_by_words_and_in_a_file(tmp_path: Path) -> None:
    spec = {
        "schema": "masklet/prompts",
        "version": 1,
        "objects": [{"id": 2, "prompts": [{"frame": 7, "absent": True}]}],
    }
    file = tmp_path / "prompts.json"
    file.write_text(json.dumps(spec))
    with pytest.raises(PromptError, match="object 2"):
        PromptOptions(click=["1,2"], prompts=[file]).parse().by_frame(0, masks, (30, 40))
    prompt_list = PromptOptions(click=["1,2", "2:4,5", "3:5,6"], prompts=[file], absent=["9", "3@5"]).parse()
    prompts = prompt_list.by_frame(0, masks, (30, 40))
    assert {(frame, i) for frame, each in prompts.items() for i, one in each.items() if one.is_absent} == {
        (7, 2), (9, 1), (5, 3),
    }  # fmt: skip
    assert not prompts[0][1].is_absent
    with pytest.raises(PromptError):
        prompt_list.by_frame(0, masks)
    with pytest.raises(PromptError, match="object 1 on frame 9"):
        PromptOptions(click=["@9:1,2"], absent=["9"]).parse().by_frame(0, masks, (30, 40))


@pytest.mark.parametrize("words", ["", "x", "1@", "@5", "1@2:3", "0@4", "-1"])
def test_absent_in_other_words(words: str) -> None:
    with pytest.raises(PromptError, match="--absent"):
        PromptOptions(absent=[words]).parse()


@pytest.mark.parametrize(
    ("clicks", "boxes", "mask_words", "value"),
    [
        ([], [], [], "nothing to segment"),
        (["1,2"], [], ["mask.png"], "object 1 on frame 0"),
        ([], ["1,2,3,4", "@0:1,2,3,5"], [], "one box"),
        ([], [], ["a.png", "b.png"], "one mask"),
        ([], ["2@3:5,2,3,4"], [], "object 2 on frame 3"),
        (["nan,2"], [], [], "nan"),
        (["1e400,2"], [], [], "inf"),
    ],
)
def test_contradictions(clicks: list[str], boxes: list[str], mask_words: list[str], value: str) -> None:
    with pytest.raises(PromptError, match=value):
        PromptOptions(click=clicks, box=boxes, mask=mask_words).parse().by_frame(0, masks)


def test_check_against_a_video() -> None:
    prompts = PromptOptions(click=["2@3:9,5"]).parse()
    assert list(prompts.by_frame(0, masks, (6, 10), range(4))[3]) == [2]
    with pytest.raises(FrameRangeError, match=r"object 2 .* frame 3"):
        prompts.by_frame(0, masks, (6, 10), range(3))
    with pytest.raises(PromptError, match=r"object 2 on frame 3.*\(9, 5\)"):
        prompts.by_frame(0, masks, (6, 8), range(4))


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
    assert read_prompts(path) == PromptList(
        (
            PromptSpec(2, None, {"clicks": [[1, 2], [3, 4.5, 0]], "box": [0, 0, 9, 9]}),
            PromptSpec(2, 7, {"mask": str(tmp_path / "dog-7.png")}),
        ),
        {2: "dog"},
    )


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ("{", ""),
        ("[" * 100_000, ""),
        ([], "[]"),
        ({"schema": "masklet/prompts", "version": 1}, "objects"),
        (prompt_file(schema="masklet/rle"), "masklet/rle"),
        (prompt_file(version=2), "got 2"),
        (prompt_file(version=True), "got True"),
        (prompt_file(objects={}), "got {}"),
        (prompt_file(extra=1), "extra"),
        (prompt_file(objects=[{"id": 0, "prompts": []}]), "got 0"),
        (prompt_file(objects=[{"id": 1, "prompts": []}, {"id": 1, "prompts": []}]), "once"),
        (prompt_file({}), "prompts[0]"),
        (prompt_file({"frame": 1, "point": [1, 2]}), "point"),
        (prompt_file({"frame": -1, "box": [1, 2, 3, 4]}), "got -1"),
        (prompt_file({"clicks": [[1]]}), "got [1]"),
        (prompt_file({"clicks": [[1, 2, 2]]}), "got {'clicks': [[1, 2, 2]]}"),
        (prompt_file({"clicks": [[True, 2]]}), "got True"),
        (prompt_file({"clicks": [[10**400, 2]]}), "clicks[0][0]"),
        (prompt_file({"box": [1, 2, 3]}), "got [1, 2, 3]"),
        (prompt_file({"box": "1,2,3,4"}), "got '1,2,3,4'"),
    ],
)
def test_bad_prompt_files(tmp_path: Path, content: object, value: str) -> None:
    path = file_of(tmp_path, content)
    with pytest.raises(FormatError) as caught:
        read_prompts(path)
    assert value in str(caught.value)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 400 + len(str(path))


def test_missing_and_large_prompt_files(tmp_path: Path) -> None:
    with pytest.raises(FormatError):
        read_prompts(tmp_path / "none.json")
    large = tmp_path / "large.json"
    with large.open("wb") as file:
        file.truncate(2**25)
    with pytest.raises(FormatError, match="16777216"):
        read_prompts(large)


def test_masks_in_prompt_files_may_be_run_length_codes(tmp_path: Path) -> None:
    path = file_of(tmp_path, prompt_file(Prompts.from_mask(LEFT).to_json()))
    mask = read_prompts(path).by_frame(0, masks, LEFT.shape)[0][2].mask
    assert mask is not None
    assert mask.tolist() == LEFT.tolist()


def test_masks_are_read_from_pictures(picture_file: Path) -> None:
    prompts = PromptOptions(mask=[str(picture_file)]).parse().by_frame(0, read_mask)
    assert prompts[0][1].mask is not None
