"""Several videos in one command: what an interruption leaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from masklet.cli.batch import Batch
from masklet.cli.job import Lazy, Span
from masklet.cli.options import MaskOptions, ModelOptions
from masklet.cli.prompts import parse_all
from masklet.model.sam2 import Sam2


class Interrupted(Lazy):
    """Ctrl-C, pressed twice, while the model loads."""

    def __call__(self) -> Sam2:
        raise KeyboardInterrupt


def test_interrupted_while_the_model_loads(
    video_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    batch = Batch(
        videos=[(str(video_file), [str(tmp_path / "a.mp4")]), (str(video_file), [str(tmp_path / "b.mp4")])],
        book=parse_all(["18,24"], [], [], []),
        span=Span(),
        masks=MaskOptions(),
        load=Interrupted(ModelOptions()),
        as_json=True,
    )
    assert batch.run() == 130
    told = capsys.readouterr()
    assert told.err == f"masklet: interrupted at {video_file}\n"
    assert json.loads(told.out) == {"schema": "masklet/track", "version": 1, "interrupted": True, "videos": []}
    assert list(tmp_path.iterdir()) == []
