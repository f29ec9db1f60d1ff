"""Media elsewhere: found, fetched once, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy")

import fsspec

from masklet.engine.remote import fetch, find_remote, is_url
from masklet.errors import MediaError


@pytest.fixture
def bucket() -> Iterator[str]:
    """A store in memory."""
    system = fsspec.filesystem("memory")
    for name, data in (("one.mp4", b"11"), ("two.MOV", b"2"), ("notes.txt", b"-"), ("deep/three.mkv", b"333")):
        system.pipe_file(f"/clips/{name}", data)
    yield "memory://clips"
    system.rm("/clips", recursive=True)


def test_what_is_an_address() -> None:
    assert [is_url(place) for place in ("s3://bucket/a.mp4", "clips/a.mp4", "C:\\clips")] == [True, False, False]


@pytest.mark.parametrize(
    ("below", "names"),
    [
        ("", ["deep/three.mkv", "one.mp4", "two.MOV"]),
        ("/*", ["one.mp4", "two.MOV"]),
        ("/**", ["deep/three.mkv", "one.mp4", "two.MOV"]),
        ("/one.mp4", ["one.mp4"]),
        ("/notes.txt", ["notes.txt"]),
    ],
)
def test_videos_at_and_below(bucket: str, below: str, names: list[str]) -> None:
    found = find_remote([bucket + below, bucket + below])
    assert [url.removeprefix("memory://").removeprefix("/") for url in found] == [f"clips/{name}" for name in names]


def test_fetched_once_and_what_fails_is_named(bucket: str, tmp_path: Path) -> None:
    seen: list[str] = []
    urls = [*find_remote([bucket]), "memory://clips/gone.mp4"]
    told = fetch(urls, tmp_path / "media", progress=seen.append)
    assert seen == urls
    assert [path.relative_to(tmp_path / "media").as_posix() for path in told.paths] == [
        "memory/clips/deep/three.mkv",
        "memory/clips/one.mp4",
        "memory/clips/two.MOV",
    ]
    assert [path.read_bytes() for path in told.paths] == [b"333", b"11", b"2"]
    assert list(told.failed) == ["memory://clips/gone.mp4"]
    assert told.failed["memory://clips/gone.mp4"].startswith("cannot open memory://clips/gone.mp4: ")
    times = [path.stat().st_mtime_ns for path in told.paths]
    told.paths[0].write_bytes(b"3")  # broken off
    again = fetch(urls[:3], tmp_path / "media")
    assert again.paths == told.paths
    assert again.paths[0].read_bytes() == b"333"
    assert [path.stat().st_mtime_ns for path in again.paths[1:]] == times[1:]
    assert sorted(path.name for path in (tmp_path / "media").rglob("*.part")) == []


def test_nothing_leaves_the_folder(tmp_path: Path) -> None:
    fsspec.filesystem("memory").pipe_file("/a/b.mp4", b"1")
    (path,) = fetch(["memory://a/../../a/b.mp4"], tmp_path / "media").paths or [tmp_path / "media" / "none"]
    assert path.is_relative_to(tmp_path / "media")


@pytest.mark.parametrize("url", ["nonsense://a/b.mp4", "memory://nothing/*.mp4"])
def test_addresses_that_lead_nowhere(url: str) -> None:
    with pytest.raises(MediaError, match=r"nonsense|memory"):
        find_remote([url])
