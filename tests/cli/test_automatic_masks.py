"""`masklet automatic-masks` from options to files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import SIZE, Run

import masklet
from masklet.io import read_result

SMALL = ("--size", 128, "--preset", "fast")


def test_a_picture(run: Run, picture_file: Path, tmp_path: Path) -> None:
    done = run("automatic-masks", picture_file, *SMALL, "-o", "all.png", "-o", "all.json", "-o", "m/", "--json")
    assert done.code == 0, done.err
    report = json.loads(done.out)
    counts = report["candidates"]
    assert counts.pop("candidates") - sum(counts.values()) == len(report["objects"])
    assert len(report["objects"]) > 0
    assert masklet.read_image(tmp_path / "all.png").shape == (*SIZE, 3)
    stored = json.loads((tmp_path / "all.json").read_text())
    assert len(stored["objects"]) == len(report["objects"]) == len(list((tmp_path / "m").iterdir()))


def test_what_became_of_the_candidates_is_said(run: Run, picture_file: Path, tmp_path: Path) -> None:
    done = run("automatic-masks", picture_file, *SMALL, "--max-objects", 1)
    assert done.code == 0, done.err
    assert "1 masks" in done.out
    assert "768 candidates: " in done.out
    assert "wrote square-automatic.png" in done.out


def test_a_video(run: Run, video_file: Path, tmp_path: Path) -> None:
    chosen = ("--size", 128, "--preset", "fast", "--max-objects", 2, "--every", 4)
    done = run("automatic-masks", video_file, *chosen, "-o", "all.json", "--json")
    assert done.code == 0, done.err
    report = json.loads(done.out)
    result = read_result(tmp_path / "all.json")
    assert [one["id"] for one in report["objects"]] == list(result.masklets)
    assert 1 <= len(result.masklets) <= 2
    assert report["candidates"]["candidates"] == 2 * 768  # of two key frames
    assert all(one.source == "automatic" for one in result.masklets.values())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--preset", "dens"), "'dens'"),
        (("-o", "out.txt"), "out.txt"),
    ],
)
def test_wrong_words(run: Run, picture_file: Path, arguments: tuple[str, ...], message: str) -> None:
    done = run("automatic-masks", picture_file, *arguments)
    assert done.code != 0
    assert message in done.err
