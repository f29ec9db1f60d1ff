"""Records: atomic files, separated by setup, and damaged files."""

from __future__ import annotations

from pathlib import Path

import pytest

from masklet.evaluate.records import Record, RecordStore, key_of
from masklet.evaluate.scoring import Notice

RECORD = Record(
    name="a/b c",
    frames=3,
    seconds=0.5,
    objects=[{"object": 1, "J": 1 / 3}],
    notices=[Notice("empty mask", "a", "detail")],
    film={"frames": [0], "J": [1.0]},
    source="x",
)


@pytest.mark.parametrize("on_disk", [True, False])
@pytest.mark.parametrize("name", ["one", "a/b c", "../../x", "ü" * 300, ".", "a%2Fb"])
def test_put_and_get(tmp_path: Path, on_disk: bool, name: str) -> None:
    store = RecordStore(tmp_path / "out" if on_disk else None, "key")
    record = Record(**{**vars(RECORD), "name": name})
    assert store.get(name) is None
    store.put(record)
    assert store.get(name) == record
    outside = [path for path in tmp_path.rglob("*") if path.is_file() and "items/key" not in path.as_posix()]
    assert outside == []


def test_names_do_not_collide(tmp_path: Path) -> None:
    store = RecordStore(tmp_path, "key")
    names = ["a/b", "a%2Fb", "a b", "x" * 250 + "1", "x" * 250 + "2"]
    for place, name in enumerate(names):
        store.put(Record(name=name, frames=place))
    assert [found.frames for name in names if (found := store.get(name))] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"version": 2, "name": "x"}', '{"version": 1, "x": 1}'])
def test_a_damaged_record_is_ignored(tmp_path: Path, text: str) -> None:
    store = RecordStore(tmp_path, "key")
    store.put(RECORD)
    (path,) = tmp_path.glob("items/key/*.json")
    path.write_text(text)
    assert store.get(RECORD.name) is None


def test_keys_depend_on_values_but_not_on_order() -> None:
    assert key_of({"a": 1, "b": {"c": 2}}) == key_of({"b": {"c": 2}, "a": 1})
    assert key_of({"a": 1}) != key_of({"a": 2})
