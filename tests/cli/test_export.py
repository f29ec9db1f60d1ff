"""`masklet export`: results into other forms, one line for what cannot be."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from tests.cli.conftest import interrupted

from masklet import FrameMasks
from masklet.io import FORMATS, MediaWarning, OverlayWriter, Provenance, open_video, open_writer, read_result

SIZE, NUM_FRAMES = (48, 64), 8
Run = Callable[..., Any]


@pytest.fixture
def square(tmp_path: Path) -> str:
    """The name of a result for the clip: objects 1 (named) and 4 on frames 2 to 6."""
    with open_writer(tmp_path / "square.json", provenance=Provenance(names={1: "Köter"})) as writer:
        for index in range(2, 7):
            masks = np.zeros((2, *SIZE), bool)
            masks[0, 16:32, 10 + index : 26 + index] = True
            masks[1, 40:44, 40:44] = index != 4
            scores = np.array([0.9, 0.5], np.float32)
            writer.write(None, FrameMasks(index, (1, 4), masks, presence=scores, iou=scores))
    return "square.json"


def test_forms_by_name(run: Run, square: str, tmp_path: Path) -> None:
    done = run("export", square, "--to", "coco", "--to", "davis", "--to", "cvat")

    assert done.code == 0
    assert done.out == "wrote square.coco.json\nwrote square.davis\nwrote square.cvat.xml\n"
    assert "davis does not preserve everything: names" in done.err
    back = read_result(tmp_path / "square.coco.json")
    assert {i: one.name for i, one in back.masklets.items()} == {1: "Köter", 4: ""}
    np.testing.assert_array_equal(back.frame(3)[1], read_result(tmp_path / square).frame(3)[1])
    names = sorted(path.name for path in (tmp_path / "square.davis").iterdir())
    assert names == [f"{index:05d}.png" for index in range(2, 7)]


def test_outputs_by_their_names_and_there_and_back(run: Run, square: str, tmp_path: Path) -> None:
    assert run("export", square, "-o", "a.yolo/", "-o", "b.npz", "-q").code == 0
    assert run("export", "a.yolo", "-o", "back.json", "--from", "yolo", "-q").code == 0
    one, other = read_result(tmp_path / square), read_result(tmp_path / "back.json")
    for index in range(2, 7):
        for object_id in (1, 4):
            np.testing.assert_array_equal(
                one.frame(index)[object_id].any() and one.frame(index)[object_id],
                object_id in other.frame(index).object_ids and other.frame(index)[object_id],
            )


def test_with_the_video(run: Run, square: str, video_file: Path, tmp_path: Path) -> None:
    done = run(
        *("export", square, "--video", video_file, "-o", "o.mp4", "-o", "o.alpha.mov", "-o", "o.csv"),
        *("--style", "cutout", "--color", "#00ff00", "--soften", 2, "--json"),
    )
    told = json.loads(done.out)

    assert done.code == 0
    assert told["outputs"][1] == {"path": "o.alpha.mov", "format": "alpha"}
    with av.open(str(tmp_path / "o.mp4")) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == 5
    assert np.abs(frames[0][5, 5].astype(int) - (0, 255, 0)).max() < 12
    assert "mean_red" in (tmp_path / "o.csv").read_text().splitlines()[0]


def test_some_objects_alone(run: Run, square: str, tmp_path: Path) -> None:
    assert run("export", square, "--objects", "4", "-o", "o.json").code == 0
    assert list(read_result(tmp_path / "o.json").masklets) == [4]


@pytest.mark.usefixtures("untyped_caller")
@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ([], 5, "--to"),
        (["--to", "gif"], 5, "overlay, alpha"),
        (["-o", "o.avi"], 5, "'.avi'"),
        (["-o", "o.mp4"], 5, "--video"),
        (["--to", "coco", "--to", "sav", "-o", "o.json"], 5, "-o"),
        (["--to", "coco", "--objects", "9"], 5, "no object 9"),
        (["--to", "coco", "--objects", "x"], 5, "whole numbers"),
        (["--to", "csv", "--pixel-size", "big"], 5, "a number and a unit"),
        (["--to", "csv", "--frame-interval", "0"], 5, "more than 0"),
        (["--to", "csv", "--color", "red"], 5, "#RRGGBB"),
        (["--to", "csv", "--style", "glow"], 5, "fill"),
        (["--to", "csv", "--from", "davis"], 2, "davis"),
        (["--to", "geojson"], 5, "georeference"),
        (["-o", "square.json"], 5, "--overwrite"),
        (["-o", "no/such/o.csv"], 5, "no/such"),
    ],
)
def test_one_line_says_what_is_wrong(
    run: Run, square: str, tmp_path: Path, arguments: list[str], code: int, told: str
) -> None:
    done = run("export", square, *arguments)

    assert (done.code, done.err.count("\n")) == (code, 1), done.err
    assert told in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["square.json"]


def test_a_video_that_does_not_fit(run: Run, video_file: Path, tmp_path: Path) -> None:
    scores = np.ones(1, np.float32)
    for name, index, size in (("size.json", 0, (4, 5)), ("late.json", 20, SIZE)):
        with open_writer(tmp_path / name) as writer:
            writer.write(None, FrameMasks(index, (1,), np.ones((1, *size), bool), presence=scores, iou=scores))

    assert "64x48 as the video, got 5x4" in run("export", "size.json", "--video", video_file, "--to", "csv").err
    assert "masks on frame 20" in run("export", "late.json", "--video", video_file, "--to", "csv").err


def test_nothing_is_replaced_unasked(run: Run, square: str, tmp_path: Path) -> None:
    assert run("export", square, "-o", "o.csv").code == 0
    before = (tmp_path / "o.csv").read_bytes()
    assert run("export", square, "-o", "o.csv", "--objects", "1").code == 5
    assert (tmp_path / "o.csv").read_bytes() == before
    assert run("export", square, "-o", "o.csv", "--objects", "1", "--overwrite").code == 0
    assert (tmp_path / "o.csv").read_bytes() != before


def test_the_list_of_formats(run: Run) -> None:
    done = run("export", "--formats")

    assert done.code == 0
    assert [line.split()[0] for line in done.out.splitlines()[1:]] == list(FORMATS)


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one process on Windows")
def test_ctrl_c_keeps_what_is_done(tmp_path: Path) -> None:
    count = 600
    score, frame = np.ones(1, np.float32), np.full((*SIZE, 3), 90, np.uint8)
    with open_writer(tmp_path / "long.json") as writer, OverlayWriter(tmp_path / "long.mp4", fps=10) as clip:
        for index in range(count):
            masks = np.zeros((1, *SIZE), bool)
            masks[0, 16:32, 10 + index % 30 : 26 + index % 30] = True
            found = FrameMasks(index, (1,), masks, presence=score, iou=score)
            writer.write(None, found)
            clip.write(frame, found)
    outputs = ["o.alpha.mov", "o.csv", "o.png/", "o.coco.json", "o.mp4"]
    arguments = ["export", "long.json", "--video", "long.mp4", "--json", *(w for o in outputs for w in ("-o", o))]
    stopped = interrupted(tmp_path, *arguments, at="3/600 frames")

    assert stopped.code == 130
    assert "Ctrl-C again" in stopped.err
    assert json.loads(stopped.out)["interrupted"] is True
    names = ["long.json", "long.mp4", "o.alpha.mov", "o.coco.json", "o.csv", "o.mp4", "o.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    done = len(list((tmp_path / "o.png" / "1").iterdir()))
    assert 3 <= done < count
    assert len((tmp_path / "o.csv").read_text().splitlines()) == done + 1
    assert read_result(tmp_path / "o.coco.json").frame_indices == list(range(done))
    for name in ("o.alpha.mov", "o.mp4"):
        with warnings.catch_warnings(action="ignore", category=MediaWarning), open_video(tmp_path / name) as video:
            assert len(list(video)) == done  # the warning: transparency is dropped
