"""`masklet bench`."""

from __future__ import annotations

import json

import pytest
import torch
from tests.cli.conftest import Run

from masklet.predict.speed import has_bfloat16

SMALL = ("--size", "64", "--repeats", "2", "--height", "48", "--width", "64")


def test_speed(run: Run) -> None:
    done = run("bench", *SMALL, "--json")
    found = json.loads(done.out)
    assert (done.code, found["schema"], found["input_size"]) == (0, "masklet/bench", 64)
    parts = [timing["part"] for timing in found["timings_ms"]]
    assert parts == ["prepare", "encode", "condition", "decode", "remember", "post-process", "step"]
    for timing in found["timings_ms"]:
        assert 0 < timing["lowest"] <= timing["median"] <= timing["highest"]
        assert (timing["repeats"], timing["warm_up"]) == (2, 8 if timing["part"] == "step" else 1)
    assert found["machine"]
    assert found["date"]


def test_fast(run: Run) -> None:
    found = json.loads(run("bench", *SMALL, "--speed", "fast", "--json").out)
    assert found["dtype"] == ("bfloat16" if has_bfloat16(torch.device("cpu")) else "float32")
    assert all(timing["processor"] > 0 for timing in found["timings_ms"])


def test_memory_as_a_table(run: Run) -> None:
    done = run("bench", "memory", *SMALL, "--frames", "3", "--objects", "2")
    assert done.code == 0
    header, *rows = done.out.split("\n\n")[0].splitlines()
    assert header.split() == ["FRAME", "PEAK", "MB"]
    assert [row.split()[0] for row in rows] == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--random-weights", "--dtype", "int4"), "dtype must be one of"),
        (("--random-weights", "--model", "sam9"), "no model 'sam9'"),
        (("--random-weights", "--size", "65"), "multiple of 32"),
        (("--random-weights", "--weights", "x.pt"), "excludes"),
        (("--speed", "warp"), "speed must be exact or fast"),
    ],
)
def test_impossible(run: Run, arguments: tuple[str, ...], said: str) -> None:
    done = run("bench", *arguments)
    assert done.code != 0
    assert said in " ".join((done.out + done.err).split())
