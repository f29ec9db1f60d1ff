"""`masklet image` from the words to the files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.cli.conftest import SIZE, Run, moving_square

import masklet
from masklet.io import write_image
from masklet.types import Rle

SMALL = ("--size", 64)
CLICK = ("--click", "18,24")


def names(folder: Path) -> list[str]:
    """Everything in a folder, hidden files too."""
    return sorted(path.name for path in folder.iterdir())


def test_default_output(run: Run, picture_file: Path, tmp_path: Path) -> None:
    done = run("image", picture_file, *CLICK, *SMALL)
    assert done.code == 0, done.err
    assert "wrote square-masklet.png" in done.out
    assert names(tmp_path) == ["square-masklet.png"]
    assert masklet.read_image(tmp_path / "square-masklet.png").shape == (*SIZE, 3)


def test_every_form_in_one_run(run: Run, picture_file: Path, tmp_path: Path) -> None:
    arguments = (
        "--box",
        "9,15,27,33",
        "--click",
        "18,24",
        "--click",
        "7:2,2",
        "-o",
        "out.jpg",
        "-o",
        "out.json",
        "-o",
        "m/",
    )
    done = run("image", picture_file, *arguments, *SMALL, "--json")
    assert done.code == 0, done.err
    assert names(tmp_path) == ["m", "out.jpg", "out.json"]
    assert names(tmp_path / "m") == ["square-1.png", "square-7.png"]
    stored = json.loads((tmp_path / "out.json").read_text())
    assert (stored["schema"], stored["image"]) == ("masklet/image", {"file": "square.png", "size": list(SIZE)})
    assert [one["id"] for one in stored["objects"]] == [1, 7]
    (told,) = json.loads(done.out)["images"]
    assert [Path(path).as_posix() for path in told["outputs"]] == [
        "out.jpg",
        "out.json",
        "m/square-1.png",
        "m/square-7.png",
    ]
    for one in stored["objects"]:
        (entry,) = one["masks"]
        mask = Rle.from_coco(entry["segmentation"]).to_mask()
        assert mask.sum() == entry["area"]
        assert masklet.read_mask(tmp_path / "m" / f"square-{one['id']}.png").tolist() == mask.tolist()


def test_candidates_are_shown_side_by_side(run: Run, picture_file: Path, tmp_path: Path) -> None:
    done = run("image", picture_file, *CLICK, *SMALL, "--candidates", 3, "-o", "out.png", "-o", "masks", "--json")
    assert done.code == 0
    height, width = SIZE
    assert masklet.read_image(tmp_path / "out.png").shape == (height, 3 * width + 2 * 8, 3)
    assert names(tmp_path / "masks") == ["square-1-1.png", "square-1-2.png", "square-1-3.png"]
    scores = [mask["iou"] for mask in json.loads(done.out)["images"][0]["objects"][0]["masks"]]
    assert scores == sorted(scores, reverse=True)


def test_several_pictures(run: Run, picture_file: Path, tmp_path: Path) -> None:
    write_image(tmp_path / "other.png", moving_square(5)[4])
    done = run("image", picture_file, "other.png", *CLICK, *SMALL, "-o", "masks/", "-o", "seen/{name}.png")
    assert done.code == 0
    assert names(tmp_path / "masks") == ["other-1.png", "square-1.png"]
    assert names(tmp_path / "seen") == ["other.png", "square.png"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "nothing to segment"),
        (["--click", "@3:1,1"], 2, "frame 3"),
        (["--click", "1,99"], 2, "(1, 99)"),
        (["--click", "1,1", "-o", "out.mp4"], 5, "'.mp4'"),
        (["--click", "1,1", "-o", "no/such/out.png"], 5, "no/such"),
        (["--click", "1,1", "--model", "nanoo"], 4, "nano"),
        (["--click", "1,1", "--dtype", "int8"], 6, "dtype"),
    ],
)
def test_errors(run: Run, picture_file: Path, tmp_path: Path, arguments: list[str], code: int, message: str) -> None:
    done = run("image", picture_file, *arguments, "--json")
    assert done.code == code
    (line,) = done.err.splitlines()
    assert line.startswith("masklet: error: ")
    assert message in line
    assert json.loads(done.out)["error"]["message"] in line
    assert names(tmp_path) == []


def test_what_is_no_picture(run: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.jpg").write_text("no picture")
    done = run("image", "notes.jpg", *CLICK, *SMALL)
    assert done.code == 3
    assert "notes.jpg" in done.err


def test_a_picture_is_not_overwritten_by_its_own_overlay(run: Run, picture_file: Path) -> None:
    before = picture_file.read_bytes()
    assert run("image", picture_file, *CLICK, *SMALL, "-o", picture_file).code == 5
    assert picture_file.read_bytes() == before


def test_a_mask_can_be_improved(run: Run, picture_file: Path, tmp_path: Path) -> None:
    mask = np.zeros(SIZE, bool)
    mask[18:30, 12:24] = True
    write_image(tmp_path / "rough.png", mask)
    assert run("image", picture_file, "--mask", "rough.png", *SMALL, "-o", "out.json").code == 0
    assert json.loads((tmp_path / "out.json").read_text())["objects"][0]["id"] == 1
