"""Run commands as users do, on clips and images of a few pixels."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from masklet import FrameMasks
from masklet.cli import main
from masklet.cli.options import ModelOptions
from masklet.io import OverlayWriter, write_image

SIZE = (48, 64)
NUM_FRAMES = 8


class Ran(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture(autouse=True, scope="session")
def load_each_model_once() -> Iterator[None]:
    """Commands with the same model options share one model, which keeps nothing between runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ModelOptions, "load", functools.cache(ModelOptions.load))
        yield


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run masklet with arguments in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")  # the terminal that help is wrapped for

    def ran(*arguments: object) -> Ran:
        with pytest.raises(SystemExit) as left:
            main([os.fspath(a) if isinstance(a, Path) else str(a) for a in arguments])
        told = capsys.readouterr()
        code = left.value.code
        return Ran(code if isinstance(code, int) else 0, told.out, told.err)

    return ran


def moving_square(num_frames: int = NUM_FRAMES) -> list[np.ndarray]:
    """A red square that moves to the right over gray, a pixel a frame."""
    frames = []
    for index in range(num_frames):
        frame = np.full((*SIZE, 3), 90, np.uint8)
        left = 10 + index % 30
        frame[16:32, left : left + 16] = (220, 40, 30)
        frames.append(frame)
    return frames


def write_clip(path: Path, frames: list[np.ndarray]) -> Path:
    """A video of the frames, ten a second."""
    nothing = np.zeros(0, np.float32)
    with OverlayWriter(path, fps=10) as sink:
        for index, frame in enumerate(frames):
            sink.write(frame, FrameMasks(index, (), np.zeros((0, *SIZE), bool), nothing, nothing))
    return path


@pytest.fixture(scope="session")
def video_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of 8 frames, 64x48 pixels."""
    return write_clip(tmp_path_factory.mktemp("clips") / "square.mp4", moving_square())


@pytest.fixture(scope="session")
def picture_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clip's first frame."""
    path = tmp_path_factory.mktemp("pictures") / "square.png"
    write_image(path, moving_square(1)[0])
    return path


def interrupted(folder: Path, *arguments: str, at: str) -> Ran:
    """Run masklet in a process of its own and press Ctrl-C when its progress says ``at``."""
    script = f"from masklet.cli import main, report; report.PLAIN_INTERVAL = 0; main({list(arguments)!r})"
    with subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if at in line:
                process.send_signal(signal.SIGINT)
                break
        out, err = process.communicate()
    return Ran(process.returncode, out, err)
