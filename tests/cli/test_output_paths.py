"""Names of outputs, for one input and for many."""

from __future__ import annotations

from pathlib import Path

import pytest

from masklet import OutputError
from masklet.cli.output_paths import input_name, is_folder, make_parent, output_paths

DEFAULT = "{name}-masklet.mp4"


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("clips/dog.mp4", "dog"),
        ("a.b.mp4", "a.b"),
        ("camera:0", "camera-0"),
        ("rtsp://user:secret@host.example:554/live", "host.example-554-live"),
    ],
)
def test_input_name(source: str, name: str) -> None:
    assert input_name(source) == name


def test_input_name_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "frames.v2").mkdir()
    monkeypatch.chdir(tmp_path / "frames.v2")
    assert input_name(".") == "frames.v2"
    assert input_name(str(tmp_path / "frames.v2")) == "frames.v2"


@pytest.mark.parametrize(
    ("output", "folder"), [("out.mp4", False), ("out", True), ("out/", True), ("out.v2/", True), ("a.b/out", True)]
)
def test_is_folder(output: str, folder: bool) -> None:
    assert is_folder(output) is folder


@pytest.mark.parametrize(
    ("sources", "outputs", "expected"),
    [
        (["x/dog.mp4"], [], [["dog-masklet.mp4"]]),
        (["dog.mp4"], ["out.mp4", "masks/"], [["out.mp4", "masks/"]]),
        (["dog.mp4"], ["r/{name}.json"], [["r/dog.json"]]),
        (["a.mp4", "b.mp4"], [], [["a-masklet.mp4"], ["b-masklet.mp4"]]),
        (["a.mp4", "b.mp4"], ["r/{name}.mp4"], [["r/a.mp4"], ["r/b.mp4"]]),
        (["a.mp4", "b.mp4"], ["r"], [["r/a/"], ["r/b/"]]),
        (["a.mp4", "b.mp4"], ["r/{name}/"], [["r/a/"], ["r/b/"]]),
    ],
)
def test_output_paths(sources: list[str], outputs: list[str], expected: list[list[str]]) -> None:
    assert output_paths(sources, outputs, default=DEFAULT) == expected


def test_images_share_a_folder() -> None:
    placed = output_paths(["a.png", "b.png"], ["masks/"], default="{name}-masklet.png", shared_folder=True)
    assert placed == [["masks/"], ["masks/"]]


@pytest.mark.parametrize(
    ("sources", "outputs", "value"),
    [
        (["a.mp4", "b.mp4"], ["out.mp4"], r"'\{name\}-out.mp4'"),
        (["x/a.mp4", "y/a.mp4"], [], "'a'"),
        (["a.mp4"], ["out.mp4", "./out.mp4"], "out.mp4"),
        (["a.mp4"], ["{name}.json", "a.json"], "a.json"),
    ],
)
def test_colliding_output_paths(sources: list[str], outputs: list[str], value: str) -> None:
    with pytest.raises(OutputError, match=value):
        output_paths(sources, outputs, default=DEFAULT)


def test_make_parent(tmp_path: Path) -> None:
    make_parent(str(tmp_path / "results" / "a.mp4"))
    make_parent(str(tmp_path / "results" / "b.mp4"))
    assert (tmp_path / "results").is_dir()
    with pytest.raises(OutputError, match="such"):
        make_parent(str(tmp_path / "no" / "such" / "a.mp4"))
