"""Bounded JSON: typed reading, and one-line errors with the place, the expectation and the value."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Annotated, Any, TypedDict

import msgspec
import pytest

from masklet.bounded_json import dump_json, expecting, read_bounded, read_json
from masklet.errors import FormatError, WeightsError


class Video(msgspec.Struct, forbid_unknown_fields=True):
    size: tuple[int, int]
    fps: float | None = None


class Document(msgspec.Struct):
    video: Video
    ids: list[Annotated[int, msgspec.Meta(ge=1)]] = []
    names: dict[int, str] = {}


class Entry(TypedDict):
    name: str


def test_a_file_becomes_a_typed_value(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"video": {"size": [4, 6], "fps": 25}, "ids": [1, 2], "names": {"3": "dog"}, "other": [{}]}')
    document = read_json(path, Document, what="list")
    assert document == Document(Video((4, 6), 25.0), [1, 2], {3: "dog"})
    assert read_json(str(path), dict[str, Any], what="list")["other"] == [{}]


def test_bytes_and_builtin_types() -> None:
    assert read_json(b"[1, 2]", list[int], what="list") == [1, 2]
    assert read_json(b'{"name": "x", "y": 1}', Entry, what="entry") == {"name": "x"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_encodings_of_python_are_recognized(encoding: str) -> None:
    assert read_json('["ä"]'.encode(encoding), list[str], what="list") == ["ä"]


def test_dialect_of_python() -> None:
    assert read_json(b'{"a": 1, "a": 2}', dict[str, int], what="list") == {"a": 2}
    assert all(map(math.isnan, read_json(b"[NaN]", list[float], what="list")))
    assert read_json(b"[1e400, 1%s]" % (b"0" * 30), list[Any], what="list") == [math.inf, 10**30]


@pytest.mark.parametrize(
    ("data", "facts"),
    [
        (b"", ["not JSON"]),
        (b'{"video": ', ["not JSON", "char 10"]),
        (b"\xff\x00\x00", ["not JSON"]),
        (b'{"video": ' * 100_000, ["nested"]),
        (b"[" * 100_000 + b"]" * 100_000, ["nested"]),
        (b"1" * 5000, ["not JSON"]),
        (b"[1]", ["expected object", "[1]"]),
        (b"{}", ["video"]),
        (b'{"video": {"size": [4, 6], "name": ""}}', ["name", "$.video"]),
        (b'{"video": {"size": [4]}}', ["2", "[4]", "$.video.size"]),
        (b'{"video": {"size": [4, "6"]}}', ["int", "'6'", "$.video.size[1]"]),
        (b'{"video": {"size": [4, 6.0]}}', ["int", "6.0", "$.video.size[1]"]),
        (b'{"video": {"size": [true, 6]}}', ["int", "True", "$.video.size[0]"]),
        (b'{"video": {"size": [4, 6], "fps": 1%s}}' % (b"0" * 400), ["range", "$.video.fps"]),
        (b'{"video": {"size": [4, 6]}, "ids": [5, -17]}', [">= 1", "-17", "$.ids[1]"]),
        (b'{"video": {"size": [4, 6]}, "names": {"1": 2}}', ["str", "$.names"]),
        (b'{"video": {"size": [4, 6]}, "names": {"a\\nb": "c"}}', ["int", "key"]),
        (b'{"video": {"size": [4, 6], "a\\nb": 1}}', ["a b"]),
    ],
)
def test_what_does_not_fit_is_one_line(data: bytes, facts: list[str]) -> None:
    with pytest.raises(FormatError) as caught:
        read_json(data, Document, what="list of videos", name="a.json")
    message = str(caught.value)
    assert message.startswith("invalid list of videos: ")
    assert message.endswith(": a.json")
    assert "\n" not in message
    assert len(message) < 300
    assert [fact for fact in facts if fact not in message] == []


def test_schema_and_version() -> None:
    data = b'{"schema": "masklet/x", "version": 2, "ids": 3}'
    assert read_json(data, dict[str, Any], what="list", schema=("masklet/x", 2))["ids"] == 3
    for schema in (("masklet/x", 1), ("masklet/y", 2)):
        with pytest.raises(FormatError) as caught:
            read_json(data, dict[str, list[int]], what="list", schema=schema)
        assert "'masklet/x' version 2" in str(caught.value)
        assert f"{schema[0]!r} version {schema[1]}" in str(caught.value)
    with pytest.raises(FormatError, match=r"None.*None"):
        read_json(b"{}", dict[str, Any], what="list", schema=("masklet/x", 1))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(FormatError, match=re.escape(str(path))):
            read_json(path, list[int], what="list")
        with pytest.raises(FormatError, match=re.escape(str(path))):
            read_bounded(path, 10)


def test_size_limit(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"[1, 2, 3]")
    assert read_json(path, list[int], what="list", max_bytes=9) == [1, 2, 3]
    assert read_bounded(path, 9) == b"[1, 2, 3]"
    with pytest.raises(FormatError, match="8"):
        read_json(path, list[int], what="list", max_bytes=8)
    with pytest.raises(FormatError, match="8"):
        read_bounded(path, 8)


def test_the_type_of_the_error_can_be_chosen() -> None:
    with pytest.raises(WeightsError, match="'x'"):
        read_json(b'"x"', int, what="configuration", error=WeightsError)


def test_written_compactly(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    dump_json(path, {"a": [1, 0.1, "ä"]})
    assert path.read_bytes() == '{"a":[1,0.1,"ä"]}'.encode()
    with pytest.raises(ValueError, match="nan"):
        dump_json(path, math.nan)


@pytest.mark.parametrize("wrong", [lambda: {}["key"], lambda: int("x"), lambda: len(3), lambda: json.loads("")])  # type: ignore[arg-type, index]
def test_errors_of_malformed_content_become_one_format_error(wrong: Any) -> None:
    with pytest.raises(FormatError) as caught, expecting("a list", "a.json"):
        wrong()
    assert str(caught.value).endswith(": a.json")
    assert "\n" not in str(caught.value)


def test_errors_of_format_get_the_place() -> None:
    with pytest.raises(FormatError, match=r"17: a\.json"), expecting("a list", "a.json"):
        raise FormatError("expected 16, got 17")
