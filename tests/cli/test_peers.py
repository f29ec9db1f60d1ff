"""What `masklet bench peers` compares, what it tells, and what is said where a program cannot run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from masklet.cli.peers import PICTURES, Comparison, as_table, compare, facts, make_frames, run_program, times
from masklet.errors import DeviceError, UnknownModelError

ROWS = [
    {"program": "sam2", "picture_s": 9.0, "picture_cpu_s": 8.0, "rest_cpu_s": 1.0, "peak_mb": 300.0, "masks": 5},
    {"program": "masklet", "picture_s": 3.0, "picture_cpu_s": 2.0, "rest_cpu_s": 0.0, "peak_mb": 100.0, "masks": 5},
]


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"model": "nano"}, UnknownModelError, "peers run released models"),
        ({"dtype": "int8"}, DeviceError, "float32 or bfloat16, got 'int8'"),
        ({"task": "train"}, DeviceError, "must be one of track, everything, got 'train'"),
        ({"beside": ("sam9",)}, DeviceError, "must be one of sam2, transformers"),
        ({"beside": ("sam2", "sam2")}, DeviceError, "each at most once"),
        ({"beside": ()}, DeviceError, "must be one of sam2, transformers"),
        ({"task": "everything", "beside": ("transformers",)}, DeviceError, "only sam2 has a generator"),
        ({"frames": 9}, DeviceError, "expected more than 9 frames to track"),
        ({"frames": 20, "tracked": 21}, DeviceError, "at most the 20 of the clip; got 21"),
        ({"model": "sam2.1-small", "beside": ("transformers",)}, DeviceError, "expected a tiny model"),
    ],
)
def test_what_cannot_be_compared(given: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        Comparison(**given)


def test_ratios_and_table() -> None:
    assert times(ROWS) == {"sam2": {"picture_s": 3.0, "picture_cpu_s": 4.0, "peak_mb": 3.0}}
    header, *lines = (line.split("  ") for line in as_table(ROWS).splitlines())
    assert [cell.strip() for cell in header if cell] == [
        "PROGRAM",
        "SECONDS",
        "CPU S",
        "REST CPU S",
        "PEAK MB",
        "MASKS",
    ]
    assert [line[0].strip() for line in lines] == ["sam2", "masklet", "sam2 : masklet"]


def test_facts_are_those_of_the_task() -> None:
    assert facts(Comparison(frames=30, tracked=12)) | {"model": "", "dtype": ""} == {
        "model": "",
        "dtype": "",
        "task": "track",
        "beside": ["sam2"],
        "frames": 30,
        "tracked": 12,
        "size": [480, 854],
    }
    assert facts(Comparison(task="everything"))["points"] == 32


def test_long_clips_take_little_disk(tmp_path: Path) -> None:
    make_frames(tmp_path, Comparison(frames=PICTURES + 2, size=(16, 16)))
    frames = sorted((tmp_path / "frames").iterdir())
    assert len(frames) == PICTURES + 2
    assert frames[PICTURES].samefile(frames[0])
    assert frames[0].read_bytes() != frames[1].read_bytes()


@pytest.mark.parametrize(
    ("python", "said"),
    [(Path("nowhere", "python"), "cannot be run: No such file"), (Path(sys.executable), "track_sam2 failed under")],
)
def test_a_program_that_cannot_run(python: Path, said: str, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=said):
        run_program(python, "track_sam2", tmp_path, Comparison())


def test_without_the_package_nothing_is_measured() -> None:
    with pytest.raises(DeviceError, match="make_transformers failed under"):
        compare(Path(sys.executable), Comparison(beside=("transformers",), size=(16, 16)), 1)
