"""`benchmarks/peers.py`: which comparisons are possible, their tables, and programs that fail."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from benchmarks.peer_programs import WARM, Stopwatch, first_steps, non_maximum_suppression
from benchmarks.peers import DISTINCT_FRAMES, Comparison, as_table, compare, facts, make_frames, run_program, times

from masklet.errors import DeviceError, UnknownModelError

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")

ROWS = [
    {"program": "sam2", "image_s": 9.0, "image_cpu_s": 8.0, "rest_cpu_s": 1.0, "peak_mb": 300.0, "masks": 5},
    {"program": "masklet", "image_s": 3.0, "image_cpu_s": 2.0, "rest_cpu_s": 0.0, "peak_mb": 100.0, "masks": 5},
]


@pytest.mark.parametrize(
    ("given", "error", "value"),
    [
        ({"model": "nano"}, UnknownModelError, "peers run released models"),
        ({"dtype": "int8"}, DeviceError, "float32 or bfloat16, got 'int8'"),
        ({"task": "train"}, DeviceError, "must be one of track, automatic, got 'train'"),
        ({"beside": ("sam9",)}, DeviceError, "must be one of sam2, transformers"),
        ({"beside": ("sam2", "sam2")}, DeviceError, "each at most once"),
        ({"beside": ()}, DeviceError, "must be one of sam2, transformers"),
        ({"task": "automatic", "beside": ("transformers",)}, DeviceError, "only sam2"),
        ({"frames": 9}, DeviceError, "expected more than 9 frames to track"),
        ({"frames": 20, "tracked": 21}, DeviceError, "at most the 20 of the clip; got 21"),
        ({"model": "sam2.1-small", "beside": ("transformers",)}, DeviceError, "sam2.1-small"),
        ({"model": "edgetam"}, DeviceError, "sam2"),
    ],
)
def test_what_cannot_be_compared(given: dict[str, Any], error: type[Exception], value: str) -> None:
    with pytest.raises(error, match=value):
        Comparison(**given)


def test_ratios_and_table() -> None:
    assert times(ROWS) == {"sam2": {"image_s": 3.0, "image_cpu_s": 4.0, "peak_mb": 3.0}}
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
    assert facts(Comparison(task="automatic"))["points"] == 32


def test_long_clips_take_little_disk(tmp_path: Path) -> None:
    make_frames(tmp_path, Comparison(frames=DISTINCT_FRAMES + 2, size=(16, 16)))
    frames = sorted((tmp_path / "frames").iterdir())
    assert len(frames) == DISTINCT_FRAMES + 2
    assert frames[DISTINCT_FRAMES].samefile(frames[0])
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


@needs_proc
def test_warm_up_does_not_count() -> None:
    stopwatch = Stopwatch()
    encode = stopwatch.timed("encoder", lambda x, *, y=1: x + y)
    for index in range(WARM + 2):
        assert encode(index, y=2) == index + 2
        stopwatch.step()
    stopwatch.steps = stopwatch.cpu = [100.0] * WARM + [2.0, 4.0]
    stopwatch.peaks = [50.0] * (WARM + 1) + [52.0]
    found = stopwatch.tracked(WARM + 2)
    assert (found["frame_s"], found["frame_cpu_s"], found["peak_mb"], found["whole_mb"]) == (3.0, 3.0, 52.0, 52.0)
    assert found["mb_a_frame"] == pytest.approx(2.0)
    assert stopwatch.tracked(500)["whole_mb"] == pytest.approx(52.0 + 2.0 * (500 - WARM - 2))


@needs_proc
def test_reset_drops_measurements() -> None:
    stopwatch = Stopwatch()
    decode = stopwatch.timed("decoder", lambda: None)
    stopwatch.timed("encoder", lambda: None)()
    decode()
    stopwatch.step()
    stopwatch.reset()
    assert (stopwatch.steps, stopwatch.cpu, stopwatch.peaks, stopwatch.parts) == (
        [],
        [],
        [],
        {"encoder": [], "decoder": []},
    )
    decode()
    stopwatch.step()
    found = stopwatch.found(7)
    assert (found["masks"], found["encoder_cpu_s"]) == (7, 0)
    assert found["rest_cpu_s"] == found["image_cpu_s"] - found["decoder_cpu_s"]
    assert found["peak_mb"] > 0


@needs_proc
def test_only_so_many_steps_are_run() -> None:
    stopwatch, steps = Stopwatch(), iter(range(10))
    first_steps(stopwatch, steps, 3)
    assert (len(stopwatch.steps), next(steps)) == (3, 3)


def test_overlapping_boxes_are_suppressed() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 0, 10, 10], [20, 20, 30, 30], [0, 0, 10, 4]])
    scores = torch.tensor([0.8, 0.9, 0.1, 0.5])
    assert non_maximum_suppression(boxes, scores, 0.5).tolist() == [1, 3, 2]
    assert non_maximum_suppression(boxes, scores, 0.95).tolist() == [1, 0, 3, 2]
    assert non_maximum_suppression(boxes[:0], scores[:0], 0.5).tolist() == []
