"""The commands and Python snippets of README and guides run, page by page, as a reader would paste them.

Each page runs in a folder of its own with small inputs under the names that the page uses, and with the embedded model
at a small image size. What cannot run in a test is in one table with the reason; `test_docs.py` checks the rest.
"""

from __future__ import annotations

import functools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.test_docs import DOCS, ROOT, blocks

import masklet
from masklet.cli import main
from masklet.cli.options import ModelOptions
from masklet.io import write_image

CANNOT_RUN = {
    r"^pip install": "installs packages",
    r"sam2\.1|models pull|edgetam|efficienttam": "needs a released checkpoint",
    r"^masklet studio|^masklet engine serve|uvicorn|httpx": "serves until it is stopped",
    r"camera:|rtsp:|http:|^ffmpeg": "needs a camera or a server",
    r"^masklet evaluate (?!--list)|open_dataset|open_training_data": "needs a data set",
    r"masklet train|run/weights": "needs a data set and hours",
    r"^masklet convert|--backend|backend=": "writes graphs of the embedded model for minutes",
    r"^masklet engine (propose|export|retrain)|Store\(": "needs what people annotated",
    r"^masklet bench|benchmarks": "measures for minutes",
    r"^python examples": "is run by test_examples.py",
}
"""Commands and snippets that are not run, and why."""

VIDEOS = {
    "clip.mp4": (4, 360, 480),
    "dog.mp4": (72, 576, 768),
    "night.mp4": (130, 200, 160),
    "hours.mp4": (4, 360, 480),
    "shot.mp4": (4, 360, 480),
}
VIDEOS |= {"drive.mp4": (4, 360, 480), "videos/a.mp4": (4, 360, 480)}
"""Number of frames, height and width of the videos that pages name: their prompts lie inside."""

PAGES = [ROOT / "README.md", *sorted((DOCS / "guides").glob("*.md"))]


def frames_of(num_frames: int, height: int, width: int) -> np.ndarray:
    """A bright square that moves to the right over noise."""
    noise = np.random.default_rng(0).integers(70, 110, (height, width, 3), np.uint8)
    frames = np.repeat(noise[None], num_frames, axis=0)
    for index, frame in enumerate(frames):
        frame[height // 3 : height // 3 * 2, width // 4 + index : width // 2 + index] = (220, 40, 30)
    return frames


def write_inputs(page: Path, text: str) -> None:
    """The files that a page reads, under its names."""
    for name, size in VIDEOS.items():
        if Path(name).parts[0] in text:
            Path(name).parent.mkdir(exist_ok=True)
            none = np.zeros(0, np.float32)
            with masklet.OverlayWriter(name, fps=10) as sink:
                for index, frame in enumerate(frames_of(*size)):
                    sink.write(frame, masklet.FrameMasks(index, (), np.zeros((0, *size[1:]), bool), none, none))
    if "cat.jpg" in text:
        write_image(Path("cat.jpg"), frames_of(1, 480, 640)[0])
    if page.stem == "cells":
        import tifffile  # noqa: PLC0415 - an extra

        stack = frames_of(5, 120, 240)[..., 0].astype(np.uint16) * 100
        tifffile.imwrite("cells.ome.tif", stack, metadata={"axes": "TYX", "PhysicalSizeX": 0.65, "PhysicalSizeY": 0.65})
    if page.stem == "land-cover":
        import rasterio  # noqa: PLC0415 - an extra

        Path("scenes").mkdir()
        place = rasterio.Affine(10, 0, 500_000, 0, -10, 5_200_000)
        for index, frame in enumerate(frames_of(3, 200, 320)):
            profile = {"driver": "GTiff", "height": 200, "width": 320, "count": 3, "dtype": "uint8"}
            with rasterio.open(f"scenes/{index}.tif", "w", **profile, crs="EPSG:32632", transform=place) as file:
                file.write(frame.transpose(2, 0, 1))


def lines(page: Path) -> Iterator[tuple[str, str, str]]:
    """Place, language and text of every command and of every snippet of a page."""
    for where, language, text in blocks(page):
        if language == "python":
            yield where, language, text
        elif language == "console":
            for line in filter(None, text.replace("\\\n", " ").splitlines()):
                yield where, language, line


def reason_not_to_run(text: str) -> str | None:
    return next((reason for pattern, reason in CANNOT_RUN.items() if re.search(pattern, text)), None)


def run(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = shlex.split(re.sub(r"\s#.*", "", line))
    assert words[0] == "masklet", f"not a command that a test can run: {line}"
    if words[1] in {"track", "image"} and "--size" not in words:
        words += ["--size", "128"]
    with pytest.raises(SystemExit) as ended:
        main(words[1:])
    assert ended.value.code in {0, None}, f"{line}: {capsys.readouterr().err}"


@pytest.fixture(scope="module")
def nano() -> Any:
    """The embedded model at a size where a frame takes little time."""
    return masklet.load(image_size=128, device="cpu")


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_page_runs(
    page: Path, nano: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(masklet, "load", lambda *_names, **_options: nano)
    monkeypatch.setattr(ModelOptions, "load", functools.cache(ModelOptions.load))
    monkeypatch.chdir(tmp_path)
    write_inputs(page, page.read_text(encoding="utf-8"))
    frames = frames_of(44, 360, 480)
    square = masklet.types.Rle.from_mask(frames[0, ..., 0] > 200)
    found = SimpleNamespace(
        boxes=np.array([[120, 120, 240, 240]], np.float32), scores=np.ones(1, np.float32), names=("square",)
    )
    names = {
        "masklet": masklet,
        "model": nano,
        "video": masklet.ArrayVideo(frames),
        "next_video": masklet.ArrayVideo(frames[:4]),
        "frames": frames[:4],
        "truth": {0: square, 1: square},
        "my_model": lambda _image: found,
    }
    for where, language, text in lines(page):
        if reason_not_to_run(text) is None:
            if language == "python":
                exec(compile(text, where, "exec"), names)
            else:
                run(text, capsys)


def test_every_reason_is_needed() -> None:
    texts = [text for page in PAGES for _, _, text in lines(page)]
    unused = [pattern for pattern in CANNOT_RUN if not any(re.search(pattern, text) for text in texts)]
    assert unused == []
    assert sum(reason_not_to_run(text) is None for text in texts) > 25
