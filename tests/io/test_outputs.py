"""What all writers have in common: chosen by name, whole or not at all."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masklet.errors import FormatError, OutputError
from masklet.io import (
    FORMATS,
    ArrayVideo,
    CutoutWriter,
    Format,
    GeoReference,
    LabelMapWriter,
    OverlayWriter,
    RleWriter,
    Writer,
    open_writer,
    read_result,
)
from masklet.io.formats.coco import CocoPolygonsWriter, CocoWriter
from masklet.io.formats.cvat import CvatWriter
from masklet.io.formats.mattes import CutoutFolderWriter, PngMatteWriter
from masklet.io.formats.tables import CsvWriter
from masklet.io.formats.yolo import YoloWriter
from masklet.io.writer import FrameSet
from masklet.types import FrameMasks, RgbImage

NAMES = [
    *(form.file_name("o") for form in FORMATS.values()),
    *("o.mp4", "o.webm", "o.json", "o", "o.alpha.webm", "o.txt"),
]
"""Every form under its own name, and some as people name them."""


class Placed(ArrayVideo):
    """Frames with a place on a map, for the forms that ask for one."""

    georeference = GeoReference(crs="EPSG:32633", transform=(10.0, 0.0, 500000.0, 0.0, -10.0, 5600000.0))


def open_any(path: str, *, overwrite: bool = False) -> Writer:
    return open_writer(path, like=Placed(np.zeros((12, 96, 128, 3), np.uint8)), overwrite=overwrite)


def _stumble(path: str, frame: RgbImage, masks: FrameMasks, error: type[BaseException]) -> None:
    with open_any(path, overwrite=True) as writer:
        writer.write(frame, masks)
        raise error


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("o.mp4", OverlayWriter),
        ("o.mov", OverlayWriter),
        ("o.mkv", OverlayWriter),
        ("o.WEBM", OverlayWriter),
        ("o.json", RleWriter),
        ("o", LabelMapWriter),
        ("o.v2/", LabelMapWriter),
        ("o.coco.json", CocoWriter),
        ("o.coco-polygons.json", CocoPolygonsWriter),
        ("o.COCO.json", CocoWriter),
        ("my.dog.json", RleWriter),
        ("o.coco.mp4", OverlayWriter),
        ("o.alpha.mov", CutoutWriter),
        ("o.alpha/", CutoutFolderWriter),
        ("o.png/", PngMatteWriter),
        ("o.yolo", YoloWriter),
        ("o.yolo/", YoloWriter),
        ("o.csv", CsvWriter),
        ("o.cvat.xml", CvatWriter),
        ("o.xml", CvatWriter),
    ],
)
def test_the_name_chooses_the_form(tmp_path: Path, name: str, kind: type) -> None:
    writer = open_writer(f"{tmp_path}/{name}")

    assert type(writer) is kind
    writer.discard()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("o.png", r"got '\.png'"),
        ("o.avi", r"\.mp4.*\.json.*'\.avi'"),
        ("no/folder/o.mp4", "no/folder"),
        ("no/folder/o.json", "no/folder"),
        ("no/folder/o", "no/folder"),
        ("folder.mp4", "folder.mp4"),
        ("file", "file"),
    ],
)
def test_what_cannot_be_written_is_refused_at_once(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "file").touch()

    with pytest.raises(OutputError, match=message) as caught:
        open_writer(f"{tmp_path}/{name}")

    assert "\n" not in str(caught.value)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "folder.mp4"]


STREAMED = ("o.overlay.mp4", "o.alpha.mov", "o.csv", "o.parquet", "o.ctc/", "o.geojson", "o.gpkg")
"""Forms that are written as the frames come."""


FOLDERS = ["o.alpha/", *(form.file_name("o") for form in FORMATS.values() if form.is_folder and form.name != "ctc")]


def contents(path: Path) -> dict[str, bytes]:
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in files}


@pytest.mark.parametrize("name", FOLDERS)
def test_the_last_masks_of_a_frame_replace_its_file(clips: Any, masks_at: Any, tmp_path: Path, name: str) -> None:
    writings = {
        "again": [masks_at(4), masks_at(5), masks_at(4, ids=(2,))],
        "once": [masks_at(4, ids=(2,)), masks_at(5)],
    }
    for place, written in writings.items():
        (tmp_path / place).mkdir()
        with open_any(f"{tmp_path}/{place}/{name}") as writer:
            for masks in written:
                writer.write(clips.numbered(masks.frame_index), masks)
            assert writer.num_frames == 2

    assert contents(tmp_path / "again") == contents(tmp_path / "once")


@pytest.mark.parametrize("form", [form for form in FORMATS.values() if form.read and not form.is_folder])
def test_the_last_masks_of_a_frame_replace_those_before(masks_at: Any, tmp_path: Path, form: Format) -> None:
    first, last, other = masks_at(4), replace(masks_at(5, ids=(2,)), frame_index=4), masks_at(8)
    results = []
    for place, written in {"again": [first, other, last], "once": [last, other]}.items():
        path = tmp_path / form.file_name(place)
        with open_writer(path) as writer:
            for masks in written:
                writer.write(None, masks)
            assert writer.num_frames == 2
        results.append({i: (one.frames, one.presence, one.iou) for i, one in read_result(path).masklets.items()})

    assert results[0] == results[1]
    assert any(frames.get(4) == last.rles()[2] for frames, _, _ in results[0].values())


@pytest.mark.parametrize("name", STREAMED)
def test_what_is_written_as_it_comes_refuses_a_frame_again(
    clips: Any, masks_at: Any, tmp_path: Path, name: str
) -> None:
    with open_any(f"{tmp_path}/{name}") as writer:
        for index in (4, 5):
            writer.write(clips.numbered(index), masks_at(index))
        with pytest.raises(OutputError, match="4") as caught:
            writer.write(clips.numbered(4), masks_at(4))

    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@given(st.lists(st.integers(-1, 9)))
def test_frames_are_remembered_in_any_order(indices: list[int]) -> None:
    frames = FrameSet()
    for index in indices:
        frames.add(index)

    assert [index for index in range(-2, 11) if index in frames] == sorted(set(indices))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_seen_before_the_end(clips: Any, masks_at: Any, tmp_path: Path, name: str) -> None:
    with open_any(f"{tmp_path}/{name}") as writer:
        writer.write(clips.numbered(0), masks_at(0))
        assert not (tmp_path / name).exists()

    assert [file.name for file in tmp_path.iterdir()] == [name.rstrip("/")]
    with pytest.raises(OutputError):
        writer.write(clips.numbered(1), masks_at(1))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("error", [ValueError, SystemExit])
def test_an_exception_leaves_nothing_and_what_was_there_stays(
    clips: Any, masks_at: Any, tmp_path: Path, name: str, error: type[BaseException]
) -> None:
    with open_any(f"{tmp_path}/{name}") as writer:
        writer.write(clips.numbered(0), masks_at(0))
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}

    with pytest.raises(error):
        _stumble(f"{tmp_path}/{name}", clips.numbered(1), masks_at(1), error)

    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


@pytest.mark.parametrize("name", NAMES)
def test_an_interrupt_keeps_what_is_done(clips: Any, masks_at: Any, tmp_path: Path, name: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        _stumble(f"{tmp_path}/{name}", clips.numbered(0), masks_at(0), KeyboardInterrupt)

    assert [file.name for file in tmp_path.iterdir()] == [name.rstrip("/")]


@pytest.mark.parametrize("name", NAMES)
def test_an_interrupt_before_the_first_frame_leaves_nothing(tmp_path: Path, name: str) -> None:
    with pytest.raises(KeyboardInterrupt), open_any(f"{tmp_path}/{name}"):
        raise KeyboardInterrupt

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", NAMES)
def test_no_frames_are_no_result(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError), open_any(f"{tmp_path}/{name}"):
        pass

    assert list(tmp_path.iterdir()) == []


NOWHERE_TO_WRITE = """
import os, resource, signal, sys
import numpy as np
from masklet.errors import OutputError
from masklet.io import ArrayVideo, GeoReference, open_writer
from masklet.types import FrameMasks

class Placed(ArrayVideo):
    georeference = GeoReference(crs="EPSG:32633", transform=(10.0, 0.0, 500000.0, 0.0, -10.0, 5600000.0))

like = Placed(np.zeros((12, 96, 128, 3), np.uint8))
noise = np.random.default_rng(0)

def write_all():
    for path in sys.argv[1:]:
        try:
            with open_writer(path, like=like) as writer:
                for index in range(12):
                    masks = noise.random((1, 96, 128)) < 0.5
                    scores = np.ones(1, np.float32)
                    frame = noise.integers(0, 255, (96, 128, 3), dtype=np.uint8)
                    writer.write(frame, FrameMasks(index, (1,), masks, presence=scores, iou=scores))
        except OutputError as error:
            print(error)
        else:
            print("wrote", path)

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
write_all()
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
os.chmod(".", 0o555)
if os.geteuid() == 0:
    os.setuid(65534)  # who may do everything finds no folder locked
write_all()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are a thing of Unix")
def test_a_full_disk_and_a_locked_folder_are_output_errors_that_leave_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", NOWHERE_TO_WRITE, *NAMES]
    try:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    finally:
        tmp_path.chmod(0o755)
    told = done.stdout.splitlines()

    names = [f"cannot write {Path(name)}" for name in NAMES]
    assert [line.partition(": ")[0] for line in told] == names + names, done.stderr
    assert [line for line in told[: len(names)] if "too large" not in line.casefold()] == []
    assert [line for line in told[len(names) :] if "Permission denied" not in line] == []
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, signal, sys
import numpy as np
from masklet.io import open_writer
from masklet.types import FrameMasks

writers = [open_writer(path, overwrite=True) for path in sys.argv[1:]]
for writer in writers:
    scores = np.ones(1, np.float32)
    writer.write(np.zeros((96, 128, 3), np.uint8), FrameMasks(0, (1,), np.ones((1, 96, 128), bool), scores, scores))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL on Windows")
def test_killed_at_work_what_was_there_stays_and_the_next_run_works(clips: Any, masks_at: Any, tmp_path: Path) -> None:
    names = ["o.json", "o.mp4", "o.csv", "o"]
    for name in names:
        with open_writer(tmp_path / name) as writer:
            writer.write(clips.numbered(0), masks_at(0))
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    done = subprocess.run([sys.executable, "-c", KILLED, *names], cwd=tmp_path, check=False, capture_output=True)

    assert done.returncode == -9, done.stderr
    assert {file: file.read_bytes() for file in before} == before
    left = [file.name for file in tmp_path.iterdir() if file.name not in names]
    assert len(left) == len(names)
    assert all(name.startswith(".o") and name.endswith(".part") for name in left)
    with open_writer(tmp_path / "o.json", overwrite=True) as writer:
        writer.write(None, masks_at(1))
    assert read_result(tmp_path / "o.json").frame_indices == [1]


@pytest.mark.parametrize("suffix", [".mp4", ".json", ""])
def test_what_the_system_refuses_is_an_output_error(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(OutputError, match="File name too long"):
        open_writer(tmp_path / ("x" * 300 + suffix))


def test_importing_io_does_not_import_torch() -> None:
    code = "import sys, masklet.io; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"


def test_rare_masks_pass_every_writer(clips: Any, masks_at: Any, tmp_path: Path) -> None:
    for name in NAMES:
        with open_any(f"{tmp_path}/{name}") as writer:
            writer.write(clips.numbered(0), masks_at(0, ids=()))
            writer.write(clips.numbered(1), masks_at(1, ids=(3,)))
            empty = masks_at(2, ids=(3,))
            empty.masks[:] = np.False_
            writer.write(clips.numbered(2), empty)

    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(name.rstrip("/") for name in NAMES)


@pytest.mark.parametrize("name", ["o.mp4", "o.json", "o", "o.yolo/"])
def test_what_is_there_is_replaced_only_on_request(clips: Any, masks_at: Any, tmp_path: Path, name: str) -> None:
    for overwrite in (False, True):
        with open_writer(f"{tmp_path}/{name}", overwrite=overwrite) as writer:
            writer.write(clips.numbered(0), masks_at(0))
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}

    with pytest.raises(OutputError, match="--overwrite"):
        open_writer(f"{tmp_path}/{name}")
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


def test_a_file_with_the_suffix_of_another_format_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "o.txt").write_bytes(b"notes")
    with pytest.raises(OutputError, match="--overwrite"):
        open_writer(tmp_path / "o.txt", format="rle")
    assert (tmp_path / "o.txt").read_bytes() == b"notes"


def test_an_empty_folder_is_free(masks_at: Any, tmp_path: Path) -> None:
    (tmp_path / "o").mkdir()
    with open_writer(tmp_path / "o") as writer:
        writer.write(None, masks_at(0))

    assert [path.name for path in (tmp_path / "o").iterdir()] == ["00000.png"]


@pytest.mark.usefixtures("untyped_caller")
@pytest.mark.parametrize(
    ("path", "form", "error", "told"),
    [
        ("nowhere.json", None, FormatError, "nowhere.json"),
        ("a.mp4", None, FormatError, "overlay"),
        ("a.json", None, FormatError, "--from"),
        ("a.bin", None, FormatError, "--from"),
        ("folder", None, FormatError, "--from"),
        ("a.json", "gif", OutputError, "overlay, alpha.*'gif'"),
        ("a.json", "yolo", FormatError, "yolo"),
        ("folder", "coco", FormatError, "coco"),
        ("bad.json", None, FormatError, "bad.json"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, path: str, form: str | None, error: type[Exception], told: str) -> None:
    (tmp_path / "folder").mkdir()
    for name in ("a.mp4", "a.bin", "bad.json"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(error, match=told):
        read_result(tmp_path / path, format=form)
