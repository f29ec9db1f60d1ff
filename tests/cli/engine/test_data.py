"""`masklet engine` import and stats from options to files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.cli.conftest import Run

from masklet.io import write_image, write_label_map

pytest.importorskip("sqlalchemy")


@pytest.fixture
def davis(tmp_path: Path) -> Path:
    """A set of another program: two videos of 3 frames, one of them without its last label map's picture."""
    root = tmp_path / "davis"
    rng = np.random.default_rng(0)
    for name, frames in (("dog", 3), ("cat", 2)):
        for folder in ("JPEGImages", "Annotations"):
            (root / folder / "480p" / name).mkdir(parents=True)
        for index in range(3):
            labels = np.zeros((24, 32), np.uint8)
            labels[4:12, 6 + index : 16] = 1
            write_label_map(root / "Annotations" / "480p" / name / f"{index:05d}.png", labels)
            if index < frames:
                picture = rng.integers(0, 255, (24, 32, 3), dtype=np.uint8)
                write_image(root / "JPEGImages" / "480p" / name / f"{index:05d}.jpg", picture)
    (root / "ImageSets" / "2017").mkdir(parents=True)
    (root / "ImageSets" / "2017" / "train.txt").write_text("dog\ncat\n")
    return root


def test_a_set_comes_in_and_the_broken_video_is_named(run: Run, davis: Path, tmp_path: Path) -> None:
    assert run("engine", "init", "p").code == 0
    done = run("engine", "import", "p", davis, "--format", "davis", "--json")
    told = json.loads(done.out)
    assert (told["media"], told["masklets"], list(told["failed"])) == (1, 1, ["cat"])
    assert done.code != 0
    assert "cat: " in done.err
    again = run("engine", "import", "p", davis, "--format", "davis")
    assert "0 masklets in 0 videos (1 videos imported before, 1 failed)" in again.out


def test_statistics_are_a_table_and_charts(run: Run, davis: Path, tmp_path: Path) -> None:
    run("engine", "init", "p")
    assert run("engine", "stats", "p").code != 0  # there is nothing yet
    run("engine", "import", "p", davis, "--format", "davis", "--accepted")
    done = run("engine", "stats", "p", "-o", "told")
    assert done.code == 0, done.err
    assert "| auto | 1 | - | 0.0 % | - | 0.0 % | - | - | - | - |" in done.out
    assert sorted(path.name for path in (tmp_path / "told").iterdir()) == ["README.md", "edited.svg"]
    quick = json.loads(run("engine", "stats", "p", "--quick", "--json").out)
    assert [(phase["phase"], phase["masklets"], phase["frames"]) for phase in quick["phases"]] == [("auto", 1, 3)]


def test_wrong_words(run: Run, tmp_path: Path) -> None:
    run("engine", "init", "p")
    assert "nowhere" in run("engine", "import", "p", "nowhere").err
    (tmp_path / "empty").mkdir()
    assert "sav or davis" in run("engine", "import", "p", "empty").err
