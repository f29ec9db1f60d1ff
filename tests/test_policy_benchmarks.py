"""`benchmarks/policies.py`, `clicks.py` and `corrections.py` from a folder of videos to their tables."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
COUNT, HEIGHT, WIDTH = 6, 96, 128


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two videos in the form of DAVIS 2016: a bright disk on gray goes to the right, at other heights."""
    root = tmp_path_factory.mktemp("videos")
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    for name, height in {"above": 36, "below": 60}.items():
        pictures, labels = (root / part / "480p" / name for part in ("JPEGImages", "Annotations"))
        pictures.mkdir(parents=True)
        labels.mkdir(parents=True)
        for t in range(COUNT):
            disk = (y - height) ** 2 + (x - 40 - 4 * t) ** 2 < 18**2
            picture = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
            picture[disk] = (240, 60, 40)
            Image.fromarray(picture).save(pictures / f"{t:05d}.jpg", quality=95)
            Image.fromarray(disk.astype(np.uint8) * 255).save(labels / f"{t:05d}.png")
    return root


def run(program: str, *argv: str | Path) -> str:
    command = [sys.executable, str(BENCHMARKS / program), *map(str, argv)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
def test_policies_side_by_side(videos: Path, tmp_path: Path) -> None:
    small = ("--size", "96", "--frames", "6", "--policies", "plain,auto", "--groups", "as is,two")
    first = run("policies.py", "run", videos, "--out", tmp_path, *small)
    assert len(first.splitlines()) == 4
    assert run("policies.py", "run", videos, "--out", tmp_path, *small) == ""  # nothing is missing
    told = json.loads(run("policies.py", "show", tmp_path, "--json"))
    assert set(told["groups"]) == {"as is", "two"}
    for group in told["groups"].values():
        assert set(group) == {"plain", "auto"}
        assert all(0 <= each["J&F"] <= 100 for each in group.values())
    assert told["groups"]["as is"]["plain"]["J&F"] > 70  # nothing is in its way
    assert all(rate > 0 for rate in told["frames_per_second"].values())
    assert "auto - plain: worst" in run("policies.py", "show", tmp_path)


@pytest.mark.slow
def test_clicks_until_the_goal_or_the_limit(videos: Path) -> None:
    small = ("--size", "96", "--frames", "6", "--groups", "as is")
    out = run("clicks.py", videos, *small, "--goal", "1", "--policies", "plain")
    assert re.search(r"as is +plain +1\.00 +2/2", out)  # the first click is enough
    out = run("clicks.py", videos, *small, "--goal", "100.5", "--most", "2", "--policies", "plain,auto")
    courses = re.findall(r"^as is +(?:above|below) +(?:plain|auto) +(.+)$", out, re.MULTILINE)
    assert [len(course.split()) for course in courses] == [2] * 4
    assert len(re.findall(r"as is +(?:plain|auto) +2\.00 +0/2", out)) == 2


@pytest.mark.slow
def test_what_corrections_bring(videos: Path) -> None:
    out = run("corrections.py", videos, "--size", "96", "--frames", "6", "--clicks", "2")
    courses = [list(map(float, row.split())) for row in re.findall(r"^(?:above|below) +(.+)$", out, re.MULTILINE)]
    assert courses
    assert {len(course) for course in courses} == {3}
    assert all(course[0] < 95 for course in courses)
    mean = re.search(r"^mean +(.+)$", out, re.MULTILINE)
    assert mean is not None
    assert list(map(float, mean[1].split())) == pytest.approx(np.mean(courses, axis=0), abs=0.06)
