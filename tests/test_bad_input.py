"""Everything that people get wrong: one typed error of one line, and nothing changed or half-written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import pytest
import torch
from jaxtyping import UInt8
from PIL import Image
from safetensors.torch import save_file

import masklet
from masklet.errors import (
    DeviceError,
    FrameRangeError,
    MaskletError,
    MediaError,
    OutputError,
    PromptError,
    UnknownModelError,
    UnknownObjectError,
    WeightsError,
)
from masklet.model.sam2 import Sam2
from masklet.predict.results import InMemoryResults
from masklet.types import FrameMasks, Prompts

Clip = UInt8[np.ndarray, "t h w 3"]

CLICK = Prompts.click(15, 15)
SQUARE = np.pad(np.ones((14, 14), bool), ((8, 26), (8, 50)))


class Desk(NamedTuple):
    """What a call of the table has at hand: a folder of bad files, and three things in use."""

    files: Path
    model: Sam2
    clip: Clip
    session: masklet.VideoSession
    tracker: masklet.StreamTracker
    segmenter: masklet.ImageSegmenter
    image: masklet.EncodedImage


class Row(NamedTuple):
    """A mistake, and what is said about it."""

    call: Callable[[Desk], object]
    error: type[MaskletError]
    says: str


def prompt(prompts: Callable[[], Any], frame_index: int = 1) -> Callable[[Desk], object]:
    return lambda desk: desk.session.prompt(frame_index, object_id=1, prompts=prompts())


def step(prompts: Callable[[], Any]) -> Callable[[Desk], object]:
    return lambda desk: desk.tracker.step(desk.clip[2], prompts())


def track(name: str) -> Callable[[Desk], object]:
    """Open a file and look at every frame."""

    def call(desk: Desk) -> object:
        with masklet.open_video(desk.files / name) as video:
            return [frame.shape for frame in video]

    return call


def write(name: str) -> Callable[[Desk], object]:
    def call(desk: Desk) -> object:
        with masklet.open_writer(desk.files / name) as writer:
            writer.write(desk.clip[0], desk.session.masks(0))
        return None

    return call


NAN, INF = float("nan"), float("inf")

TABLE: dict[str, Row] = {
    # media
    "video: missing": Row(track("none.mp4"), MediaError, "none.mp4"),
    "video: empty file": Row(track("empty.mp4"), MediaError, "empty.mp4"),
    "video: text": Row(track("text.mp4"), MediaError, "text.mp4"),
    "video: only sound": Row(track("sound.mp4"), MediaError, "sound.mp4"),
    "video: no frames": Row(track("header.mp4"), MediaError, "header.mp4"),
    "video: folder without pictures": Row(track("folder"), MediaError, "folder"),
    "video: folder of pictures of two sizes": Row(track("sizes"), MediaError, "sizes"),
    "video: folder with a broken picture": Row(track("broken"), MediaError, "broken"),
    "video: no frames in an array": Row(
        lambda _: masklet.ArrayVideo(np.zeros((0, 4, 4, 3), np.uint8)), MediaError, "got none"
    ),
    "video: array of numbers between 0 and 1": Row(
        lambda _: masklet.ArrayVideo(np.zeros((2, 4, 4, 3))), MediaError, "expected frames of (h, w, 3) uint8"
    ),
    "picture: missing": Row(lambda desk: masklet.read_image(desk.files / "none.png"), MediaError, "none.png"),
    "picture: text": Row(lambda desk: masklet.read_image(desk.files / "text.png"), MediaError, "text.png"),
    "picture: broken off": Row(lambda desk: masklet.read_image(desk.files / "broken" / "1.png"), MediaError, "1.png"),
    "mask file: missing": Row(lambda desk: masklet.read_mask(desk.files / "none.png"), MediaError, "none.png"),
    "picture: gray": Row(lambda desk: desk.segmenter.encode(desk.clip[0, :, :, 0]), MediaError, "got (48, 72) uint8"),
    "picture: floating point": Row(lambda desk: desk.segmenter.encode(desk.clip[0] / 255.0), MediaError, "float64"),
    "picture: a path": Row(lambda desk: desk.segmenter.encode("dog.jpg"), MediaError, "got str"),  # type: ignore[arg-type]
    "frame of another size": Row(
        lambda desk: desk.tracker.step(desk.clip[0, :40]), MediaError, "is 72x40 pixels, the frames before were 72x48"
    ),
    # prompts
    "click left of the picture": Row(prompt(lambda: Prompts.click(-1, 5)), PromptError, "click (-1, 5) is outside"),
    "click below the picture": Row(step(lambda: {1: Prompts.click(5, 49)}), PromptError, "of 72x48 pixels"),
    "click with x and y swapped": Row(prompt(lambda: Prompts.click(5, 70)), PromptError, "of 72x48 pixels"),
    "click on NaN": Row(prompt(lambda: Prompts.click(NAN, 5)), PromptError, "finite numbers"),
    "click on infinity": Row(prompt(lambda: Prompts.click(5, INF)), PromptError, "finite numbers"),
    "click of words": Row(prompt(lambda: Prompts.click("left", "top")), PromptError, "points must be numbers"),  # type: ignore[arg-type]
    "label 2": Row(prompt(lambda: Prompts(np.ones((1, 2), np.float32), np.array([2]))), PromptError, "got [2]"),
    "more points than labels": Row(
        prompt(lambda: Prompts(np.ones((3, 2), np.float32), np.array([1]))), PromptError, "got 3 points and 1 labels"
    ),
    "box inverted": Row(prompt(lambda: Prompts.from_box(40, 9, 20, 19)), PromptError, "got (40, 9, 20, 19)"),
    "box without area": Row(prompt(lambda: Prompts.from_box(9, 9, 9, 19)), PromptError, "got (9, 9, 9, 19)"),
    "box as x, y, width, height": Row(prompt(lambda: Prompts.from_box(40, 20, 30, 10)), PromptError, "x0 < x1"),
    "box with NaN": Row(step(lambda: {1: Prompts.from_box(0, NAN, 5, 5)}), PromptError, "finite numbers"),
    "box beyond the picture": Row(prompt(lambda: Prompts.from_box(0, 0, 73, 48)), PromptError, "is not inside"),
    "box of 3 numbers": Row(prompt(lambda: Prompts(box=np.zeros(3, np.float32))), PromptError, "got shape (3,)"),
    "mask empty": Row(prompt(lambda: Prompts.from_mask(np.zeros((48, 72), bool))), PromptError, "mask is empty"),
    "mask of another size": Row(
        prompt(lambda: Prompts.from_mask(SQUARE[:40])), PromptError, "expected a mask of 72x48 pixels"
    ),
    "mask turned": Row(step(lambda: {1: Prompts.from_mask(SQUARE.T)}), PromptError, "got 48x72"),
    "mask with channels": Row(
        prompt(lambda: Prompts.from_mask(np.ones((48, 72, 3)))), PromptError, "got (48, 72, 3)"
    ),
    "mask of NaN": Row(prompt(lambda: Prompts.from_mask(np.full((48, 72), NAN))), PromptError, "NaN"),
    "mask and click": Row(prompt(lambda: Prompts.from_mask(SQUARE).and_click(9, 9)), PromptError, "stands alone"),
    "mask and box": Row(
        prompt(lambda: Prompts(mask=SQUARE, box=np.array([1, 1, 9, 9], np.float32))), PromptError, "stands alone"
    ),
    "mask and refine": Row(
        lambda desk: desk.segmenter.segment(
            desk.image, Prompts.from_mask(SQUARE), refine=desk.segmenter.segment(desk.image, CLICK)
        ),
        PromptError,
        "got both",
    ),
    "nothing said": Row(prompt(Prompts), PromptError, "got none of them"),
    "numbers for prompts": Row(prompt(lambda: (15, 15)), PromptError, "expected Prompts for object 1, got tuple"),
    "prompts without an object": Row(step(lambda: CLICK), PromptError, "expected prompts by object id"),
    "one good prompt and one bad": Row(step(lambda: {1: CLICK, 2: Prompts.click(99, 9)}), PromptError, "(99, 9)"),
    "four candidates": Row(
        lambda desk: desk.segmenter.segment(desk.image, CLICK, candidates=4),  # type: ignore[call-overload]
        PromptError,
        "candidates must be 1 or 3, got 4",
    ),
    "object 0": Row(step(lambda: {0: CLICK}), PromptError, "positive integers, got 0"),
    "object by name": Row(step(lambda: {"dog": CLICK}), PromptError, "positive integers, got 'dog'"),
    "object 1.5": Row(step(lambda: {1.5: CLICK}), PromptError, "positive integers, got 1.5"),
    # frames and objects
    "frame beyond the end": Row(prompt(lambda: CLICK, 6), FrameRangeError, "frames 0 to 5, got frame 6"),
    "frame before the start": Row(prompt(lambda: CLICK, -1), FrameRangeError, "frames 0 to 5, got frame -1"),
    "results of no frame": Row(lambda desk: desk.session.masks(60), FrameRangeError, "got frame 60"),
    "empty range": Row(lambda desk: desk.session.propagate(start=4, end=4), FrameRangeError, "got start 4 and end 4"),
    "range beyond the end": Row(lambda desk: desk.session.propagate(end=7), FrameRangeError, "and end 7"),
    "range without prompts": Row(
        lambda desk: desk.session.propagate("reverse", start=3), FrameRangeError, "nothing to track reverse"
    ),
    "unknown object, session": Row(lambda desk: desk.session.forget(9), UnknownObjectError, "no object 9 (objects: 1)"),
    "unknown object, stream": Row(lambda desk: desk.tracker.forget(9), UnknownObjectError, "object 9 is not being"),
    "unknown object, result": Row(lambda desk: desk.session.masks(0)[9], UnknownObjectError, "no object 9"),
    "nothing to clear": Row(lambda desk: desk.session.clear(3, 1), PromptError, "frame 3 has no prompts to clear"),
    "nothing to track": Row(
        lambda desk: masklet.VideoSession(desk.model, desk.session.video).propagate(), PromptError, "nothing to track"
    ),
    # models
    "unknown model": Row(lambda _: masklet.load("sam2.1-tinny"), UnknownModelError, "sam2.1-tiny"),
    "weights: missing": Row(lambda desk: masklet.load(desk.files / "none.pt"), WeightsError, "none.pt"),
    "weights: text": Row(lambda desk: masklet.load(desk.files / "text.pt"), WeightsError, "text.pt"),
    "weights: empty": Row(
        lambda desk: masklet.load(desk.files / "empty.safetensors"), WeightsError, "empty.safetensors"
    ),
    "weights: of something else": Row(
        lambda desk: masklet.load(desk.files / "other.safetensors"), WeightsError, "other.safetensors"
    ),
    "weights: of another model": Row(
        lambda desk: masklet.load("nano", weights=desk.files / "other.pt"), WeightsError, "other.pt"
    ),
    "input size": Row(lambda _: masklet.load(image_size=100), WeightsError, "multiple of 32"),
    "device": Row(lambda _: masklet.load(device="tpu"), DeviceError, "got 'tpu'"),
    "number type": Row(lambda _: masklet.load(dtype="int8"), DeviceError, "got 'int8'"),
    # outputs
    "output: unknown form": Row(write("out.xyz"), OutputError, "got '.xyz'"),
    "output: no such folder": Row(write("nowhere/out.json"), OutputError, "there is no folder"),
    "output: a folder where a file should be": Row(write("folder.json"), OutputError, "it is a folder"),
    "output: a file where a folder should be": Row(write("text"), OutputError, "it is a file"),
}  # fmt: skip


def write_bad_files(folder: Path) -> None:
    for name in ("text.mp4", "text.png", "text.pt", "text"):
        (folder / name).write_text("this is a letter, not what the name says\n" * 9)
    for name in ("empty.mp4", "empty.safetensors"):
        (folder / name).touch()
    for name in ("folder", "folder.json", "sizes", "broken"):
        (folder / name).mkdir()
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8))
    for name in ("sizes/0.png", "broken/0.png", "broken/1.png"):
        picture.save(folder / name)
    picture.resize((20, 20)).save(folder / "sizes" / "1.png")
    content = (folder / "broken" / "1.png").read_bytes()
    (folder / "broken" / "1.png").write_bytes(content[: len(content) // 2])
    save_file({"weight": torch.zeros(3)}, folder / "other.safetensors")
    torch.save({"model": {"weight": torch.zeros(3)}}, folder / "other.pt")
    with av.open(str(folder / "sound.mp4"), "w", format="wav") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        samples.sample_rate = 8000
        container.mux([*stream.encode(samples), *stream.encode(None)])
    with av.open(str(folder / "header.mp4"), "w") as container:
        video = container.add_stream("mpeg4", rate=10)
        video.width = video.height = 32
        container.start_encoding()


@pytest.fixture(scope="module")
def bad_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bad")
    write_bad_files(folder)
    return folder


def set_up(bad_files: Path, tiny: Sam2, clip: Clip) -> Desk:
    segmenter = masklet.ImageSegmenter(tiny)
    session = masklet.VideoSession(tiny, masklet.ArrayVideo(clip[:6]))
    tracker = masklet.StreamTracker(tiny)
    session.prompt(0, object_id=1, prompts=CLICK)
    list(session.propagate(end=3))
    tracker.step(clip[0], {1: CLICK})
    tracker.step(clip[1])
    return Desk(bad_files, tiny, clip, session, tracker, segmenter, segmenter.encode(clip[0]))


@pytest.fixture(scope="module")
def desk(bad_files: Path, tiny: Sam2, clip: Clip) -> Desk:
    return set_up(bad_files, tiny, clip)


def state(desk: Desk) -> list[object]:
    """All that a mistake must leave as it was."""
    return [
        sorted((path.relative_to(desk.files), path.stat().st_mtime_ns) for path in desk.files.rglob("*")),
        {i: (kept.frames, kept.presence, kept.iou, kept.prompted) for i, kept in desk.session.masklets().items()},
        desk.session.object_ids,
        [contents(desk.session.masks(index)) for index in range(6)],
        desk.tracker.frame_index,
        desk.tracker.object_ids,
        desk.tracker.num_memories,
    ]


def contents(out: FrameMasks) -> tuple[object, ...]:
    return out.frame_index, out.object_ids, out.rles(), out.presence.tolist(), out.iou.tolist()


@pytest.mark.usefixtures("untyped_caller")
@pytest.mark.parametrize("mistake", TABLE)
def test_mistake(desk: Desk, mistake: str) -> None:
    row = TABLE[mistake]
    before = state(desk)
    with pytest.raises(MaskletError) as caught:
        row.call(desk)
    message = str(caught.value)
    assert type(caught.value) is row.error
    assert row.says in message
    assert "\n" not in message
    assert 10 < len(message) < 400
    assert not re.search(r"object at 0x|Traceback|Errno", message)
    assert state(desk) == before


@pytest.mark.usefixtures("untyped_caller")
def test_all_goes_on_as_if_nothing_had_been_wrong(bad_files: Path, tiny: Sam2, clip: Clip) -> None:
    desk = set_up(bad_files, tiny, clip)
    calm = masklet.VideoSession(desk.model, masklet.ArrayVideo(desk.clip[:6]))
    calm.prompt(0, object_id=1, prompts=CLICK)
    list(calm.propagate(end=3))
    for row in TABLE.values():
        if row.error in (PromptError, FrameRangeError, UnknownObjectError):
            with pytest.raises(row.error):
                row.call(desk)
    expected = [contents(out) for out in calm.propagate()]
    assert [contents(out) for out in desk.session.propagate()] == expected
    assert [contents(desk.tracker.step(frame)) for frame in desk.clip[2:6]] == expected[2:]


@contextmanager
def small_disk() -> Iterator[None]:
    """No file may grow beyond 200 bytes, which is what a full disk looks like to whoever writes.

    Only around the writing itself: pytest's own report may go to a file too.
    """
    resource = pytest.importorskip("resource", reason="no file size limits on this system")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def write_all(path: Path, clip: Clip, outputs: list[FrameMasks]) -> None:
    with masklet.open_writer(path) as writer:
        for out in outputs:
            writer.write(clip[out.frame_index], out)


@pytest.mark.parametrize("name", ["out.mp4", "out.json", "labels"])
def test_no_space_left(clip: Clip, tmp_path: Path, name: str) -> None:
    masks = np.random.default_rng(0).random((6, 1, 48, 72)) > 0.5
    ones = np.ones(1, np.float32)
    outputs = [FrameMasks(index, (1,), mask, ones, ones) for index, mask in enumerate(masks)]
    (tmp_path / "old.json").write_text("an older result")
    with pytest.raises(OutputError, match="cannot write") as caught, small_disk():
        write_all(tmp_path / name, clip, outputs)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["old.json"]


def test_no_space_left_for_tracking_state(tiny: Sam2, clip: Clip) -> None:
    """A long video's logits go to the temporary folder; when that is full, the prompts are still as they were."""
    session = masklet.VideoSession(tiny, masklet.ArrayVideo(clip[:6]))
    session._results = InMemoryResults(memory_limit=0)
    session.prompt(0, object_id=1, prompts=CLICK)
    before = contents(session.masks(0))
    with pytest.raises(OutputError, match="no room for tracking state"), small_disk():
        session.prompt(1, object_id=2, prompts=CLICK)
    with pytest.raises(OutputError, match="no room for tracking state"), small_disk():
        list(session.propagate())
    assert session.object_ids == (1,)
    assert contents(session.masks(0)) == before
