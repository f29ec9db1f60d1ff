"""Folders of graphs: they appear whole, and whatever is wrong with one is said in a line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from masklet.backends.bundle import MANIFEST, Bundle, check_target, read_bundle, write_bundle
from masklet.errors import OutputError, WeightsError
from masklet.model.config import NANO


def plan(folder: Path) -> Bundle:
    return Bundle(
        folder=folder, format="onnx", precision="float32", config=NANO, weights="00", versions={"torch": "1"}, files={}
    )


def fill(folder: Path) -> None:
    (folder / "decode.onnx").write_bytes(b"graph")


def test_written_is_read(tmp_path: Path) -> None:
    written = write_bundle(plan(tmp_path / "new"), fill)
    assert written == read_bundle(tmp_path / "new")
    assert (written.config, written.versions) == (NANO, {"torch": "1"})
    assert written.content("decode") == [b"graph"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new"]


def test_nothing_is_half_written(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        fill(folder)
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="new"):
        write_bundle(plan(tmp_path / "new"), fail)
    assert list(tmp_path.iterdir()) == []


def test_overwriting_is_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "graphs"
    folder.mkdir()
    write_bundle(plan(folder), fill)  # an empty folder is no loss
    with pytest.raises(OutputError, match="graphs"):
        write_bundle(plan(folder), fill)
    write_bundle(plan(folder), lambda inside: (inside / "other.onnx").touch(), overwrite=True)
    assert sorted(path.name for path in folder.iterdir()) == [MANIFEST, "other.onnx"]


def test_other_folders_are_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(OutputError, match=tmp_path.name):
        check_target(tmp_path, overwrite=True)


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("schema", "3", "'3'"),
        ("format", "tflite", "tflite"),
        ("precision", 8, "8"),
        ("model", {"name": "x"}, "ModelConfig"),
        ("files", ["decode.onnx"], "decode.onnx"),
    ],
)
def test_manifests_of_others(tmp_path: Path, key: str, value: object, shown: str) -> None:
    folder = write_bundle(plan(tmp_path / "graphs"), fill).folder
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**manifest, key: value}))
    with pytest.raises(WeightsError, match=shown) as error:
        read_bundle(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"[1]", b"{", b"[" * 100_000, b" " * 2**21])
def test_damaged_manifests(tmp_path: Path, content: bytes) -> None:
    (tmp_path / MANIFEST).write_bytes(content)
    with pytest.raises(WeightsError):
        read_bundle(tmp_path)


def test_changed_files(tmp_path: Path) -> None:
    bundle = write_bundle(plan(tmp_path / "graphs"), fill)
    (bundle.folder / "decode.onnx").write_bytes(b"grape")
    with pytest.raises(WeightsError, match=r"decode\.onnx"):
        bundle.check()
    (bundle.folder / "decode.onnx").unlink()
    for graph in ("decode", "condition"):
        with pytest.raises(WeightsError, match=graph):
            bundle.content(graph)
