"""Error messages for invalid input: the one table of types and sentences, and that errors have no side effects."""

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
from masklet.cli import main
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


class Setup(NamedTuple):
    """Arguments of the calls in the table: a folder of bad files, and a session, tracker and segmenter in use."""

    files: Path
    model: Sam2
    clip: Clip
    session: masklet.VideoSession
    tracker: masklet.StreamTracker
    segmenter: masklet.ImageSegmenter
    image: masklet.EncodedImage


class Row(NamedTuple):
    """Invalid call, the type of its error, and a part of its message."""

    call: Callable[[Setup], object]
    error: type[MaskletError]
    message: str


def prompt(prompts: Callable[[], Any], frame_index: int = 1) -> Callable[[Setup], object]:
    return lambda ctx: ctx.session.prompt(frame_index, object_id=1, prompts=prompts())


def step(prompts: Callable[[], Any]) -> Callable[[Setup], object]:
    return lambda ctx: ctx.tracker.step(ctx.clip[2], prompts())


def track(name: str) -> Callable[[Setup], object]:
    """Open a file and decode every frame."""

    def call(ctx: Setup) -> object:
        with masklet.open_video(ctx.files / name) as video:
            return [frame.shape for frame in video]

    return call


def write(name: str) -> Callable[[Setup], object]:
    def call(ctx: Setup) -> object:
        with masklet.open_writer(ctx.files / name) as writer:
            writer.write(ctx.clip[0], ctx.session.masks(0))
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
    "video: folder without images": Row(track("folder"), MediaError, "folder"),
    "video: folder of images of two sizes": Row(track("sizes"), MediaError, "sizes"),
    "video: folder with a broken image": Row(track("broken"), MediaError, "broken"),
    "video: no frames in an array": Row(
        lambda _: masklet.ArrayVideo(np.zeros((0, 4, 4, 3), np.uint8)), MediaError, "got none"
    ),
    "video: array of numbers between 0 and 1": Row(
        lambda _: masklet.ArrayVideo(np.zeros((2, 4, 4, 3))), MediaError, "expected frames of (h, w, 3) uint8"
    ),
    "image: missing": Row(lambda ctx: masklet.read_image(ctx.files / "none.png"), MediaError, "none.png"),
    "image: text": Row(lambda ctx: masklet.read_image(ctx.files / "text.png"), MediaError, "text.png"),
    "image: broken off": Row(lambda ctx: masklet.read_image(ctx.files / "broken" / "1.png"), MediaError, "1.png"),
    "mask file: missing": Row(lambda ctx: masklet.read_mask(ctx.files / "none.png"), MediaError, "none.png"),
    "image: gray": Row(lambda ctx: ctx.segmenter.encode(ctx.clip[0, :, :, 0]), MediaError, "got (48, 72) uint8"),
    "image: floating point": Row(lambda ctx: ctx.segmenter.encode(ctx.clip[0] / 255.0), MediaError, "float64"),
    "image: a path": Row(lambda ctx: ctx.segmenter.encode("dog.jpg"), MediaError, "got str"),  # type: ignore[arg-type]
    "frame of another size": Row(
        lambda ctx: ctx.tracker.step(ctx.clip[0, :40]), MediaError, "of 72x48 pixels as before, got 72x40"
    ),
    # prompts
    "click left of the image": Row(prompt(lambda: Prompts.click(-1, 5)), PromptError, "click (-1, 5) is outside"),
    "click below the image": Row(step(lambda: {1: Prompts.click(5, 49)}), PromptError, "of 72x48 pixels"),
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
    "box beyond the image": Row(prompt(lambda: Prompts.from_box(0, 0, 73, 48)), PromptError, "is not inside"),
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
    "mask and click": Row(prompt(lambda: Prompts.from_mask(SQUARE).and_click(9, 9)), PromptError, "cannot be combined"),
    "mask and box": Row(
        prompt(lambda: Prompts(mask=SQUARE, box=np.array([1, 1, 9, 9], np.float32))), PromptError, "cannot be combined"
    ),
    "mask and refine": Row(
        lambda ctx: ctx.segmenter.segment(
            ctx.image, Prompts.from_mask(SQUARE), refine=ctx.segmenter.segment(ctx.image, CLICK)
        ),
        PromptError,
        "got both",
    ),
    "no prompts": Row(prompt(Prompts), PromptError, "got none of them"),
    "numbers for prompts": Row(prompt(lambda: (15, 15)), PromptError, "expected Prompts for object 1, got tuple"),
    "prompts without an object": Row(step(lambda: CLICK), PromptError, "expected prompts by object id"),
    "one good prompt and one bad": Row(step(lambda: {1: CLICK, 2: Prompts.click(99, 9)}), PromptError, "(99, 9)"),
    "four candidates": Row(
        lambda ctx: ctx.segmenter.segment(ctx.image, CLICK, candidates=4),  # type: ignore[call-overload]
        PromptError,
        "candidates must be 1 or 3, got 4",
    ),
    "object 0": Row(step(lambda: {0: CLICK}), PromptError, "positive integers, got 0"),
    "object by name": Row(step(lambda: {"dog": CLICK}), PromptError, "positive integers, got 'dog'"),
    "object 1.5": Row(step(lambda: {1.5: CLICK}), PromptError, "positive integers, got 1.5"),
    # frames and objects
    "frame beyond the end": Row(prompt(lambda: CLICK, 6), FrameRangeError, "expected a frame from 0 to 5, got 6"),
    "frame before the start": Row(prompt(lambda: CLICK, -1), FrameRangeError, "expected a frame from 0 to 5, got -1"),
    "results of no frame": Row(lambda ctx: ctx.session.masks(60), FrameRangeError, "got 60"),
    "empty range": Row(lambda ctx: ctx.session.propagate(start=4, end=4), FrameRangeError, "got start 4 and end 4"),
    "range beyond the end": Row(lambda ctx: ctx.session.propagate(end=7), FrameRangeError, "and end 7"),
    "range without prompts": Row(
        lambda ctx: ctx.session.propagate("reverse", start=3), FrameRangeError, "nothing to track reverse"
    ),
    "unknown object, session": Row(lambda ctx: ctx.session.forget(9), UnknownObjectError, "object 9 (objects: 1)"),
    "unknown object, stream": Row(lambda ctx: ctx.tracker.forget(9), UnknownObjectError, "object 9 is not being"),
    "unknown object, result": Row(lambda ctx: ctx.session.masks(0)[9], UnknownObjectError, "no object 9"),
    "nothing to clear": Row(lambda ctx: ctx.session.clear(3, 1), PromptError, "frame 3 has no prompts to clear"),
    "nothing to track": Row(
        lambda ctx: masklet.VideoSession(ctx.model, ctx.session.video).propagate(), PromptError, "no object to track"
    ),
    # models
    "unknown model": Row(lambda _: masklet.load("sam2.1-tinny"), UnknownModelError, "sam2.1-tiny"),
    "weights: missing": Row(lambda ctx: masklet.load(ctx.files / "none.pt"), WeightsError, "none.pt"),
    "weights: text": Row(lambda ctx: masklet.load(ctx.files / "text.pt"), WeightsError, "text.pt"),
    "weights: empty": Row(
        lambda ctx: masklet.load(ctx.files / "empty.safetensors"), WeightsError, "empty.safetensors"
    ),
    "weights: of something else": Row(
        lambda ctx: masklet.load(ctx.files / "other.safetensors"), WeightsError, "other.safetensors"
    ),
    "weights: of another model": Row(
        lambda ctx: masklet.load("nano", weights=ctx.files / "other.pt"), WeightsError, "other.pt"
    ),
    "input size": Row(lambda _: masklet.load(image_size=100), WeightsError, "multiple of 32"),
    "device": Row(lambda _: masklet.load(device="tpu"), DeviceError, "got 'tpu'"),
    "dtype": Row(lambda _: masklet.load(dtype="int8"), DeviceError, "got 'int8'"),
    # outputs
    "output: unknown format": Row(write("out.xyz"), OutputError, "got '.xyz'"),
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
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8))
    for name in ("sizes/0.png", "broken/0.png", "broken/1.png"):
        image.save(folder / name)
    image.resize((20, 20)).save(folder / "sizes" / "1.png")
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


def set_up(bad_files: Path, tiny: Sam2, clip: Clip) -> Setup:
    segmenter = masklet.ImageSegmenter(tiny)
    session = masklet.VideoSession(tiny, masklet.ArrayVideo(clip[:6]))
    tracker = masklet.StreamTracker(tiny)
    session.prompt(0, object_id=1, prompts=CLICK)
    list(session.propagate(end=3))
    tracker.step(clip[0], {1: CLICK})
    tracker.step(clip[1])
    return Setup(bad_files, tiny, clip, session, tracker, segmenter, segmenter.encode(clip[0]))


@pytest.fixture(scope="module")
def ctx(bad_files: Path, tiny: Sam2, clip: Clip) -> Setup:
    return set_up(bad_files, tiny, clip)


def state(ctx: Setup) -> list[object]:
    """State that an error must not change."""
    return [
        sorted((path.relative_to(ctx.files), path.stat().st_mtime_ns) for path in ctx.files.rglob("*")),
        {i: (one.frames, one.presence, one.iou, one.prompted) for i, one in ctx.session.masklets().items()},
        ctx.session.object_ids,
        [contents(ctx.session.masks(index)) for index in range(6)],
        ctx.tracker.frame_index,
        ctx.tracker.object_ids,
        ctx.tracker.num_memories,
    ]


def contents(out: FrameMasks) -> tuple[object, ...]:
    return out.frame_index, out.object_ids, out.rles(), out.presence.tolist(), out.iou.tolist()


@pytest.mark.usefixtures("untyped_caller")
@pytest.mark.parametrize("name", TABLE)
def test_invalid_input(ctx: Setup, name: str) -> None:
    row = TABLE[name]
    before = state(ctx)
    with pytest.raises(MaskletError) as caught:
        row.call(ctx)
    message = str(caught.value)
    assert type(caught.value) is row.error
    assert row.message in message
    assert "\n" not in message
    assert 10 < len(message) < 400
    assert not re.search(r"object at 0x|Traceback|Errno", message)
    assert state(ctx) == before


@pytest.mark.usefixtures("untyped_caller")
def test_errors_do_not_change_later_results(bad_files: Path, tiny: Sam2, clip: Clip) -> None:
    ctx = set_up(bad_files, tiny, clip)
    undisturbed = masklet.VideoSession(ctx.model, masklet.ArrayVideo(ctx.clip[:6]))
    undisturbed.prompt(0, object_id=1, prompts=CLICK)
    list(undisturbed.propagate(end=3))
    for row in TABLE.values():
        if row.error in (PromptError, FrameRangeError, UnknownObjectError):
            with pytest.raises(row.error):
                row.call(ctx)
    expected = [contents(out) for out in undisturbed.propagate()]
    assert [contents(out) for out in ctx.session.propagate()] == expected
    assert [contents(ctx.tracker.step(frame)) for frame in ctx.clip[2:6]] == expected[2:]


COMMANDS: dict[str, tuple[int, str]] = {
    "track none.mp4 --click 1,2": (3, "cannot open 'none.mp4': No such file or directory"),
    "track empty.mp4 --click 1,2": (3, "the file is empty: empty.mp4"),
    "track empty.mp4 --click 1;2": (2, "--click '1;2': expected [OBJ@FRAME:] and x,y or x,y,- (numbers, in pixels)"),
    "track empty.mp4 --prompts none.json": (
        2,
        "invalid prompt file: cannot read the file (No such file or directory): none.json",
    ),
    "image none.jpg --click 1,2": (3, "expected an image file, found nothing: none.jpg"),
    "export none.json": (5, "expected --to FORMAT or -o PATH"),
    "export none.json --to coco": (2, "expected a result, found nothing: none.json"),
    "convert none.pt -o a.safetensors": (4, "cannot read weights none.pt: No such file or directory"),
    "evaluate davis2018 x --out o": (2, "no data set is called 'davis2018'; did you mean 'davis2017'?"),
    "evaluate davis2017 nowhere --out o": (3, "expected the folder of DAVIS 2017, val, found nothing: nowhere"),
    "train nanno --data x --out o": (2, "no recipe 'nanno'; did you mean nano?"),
    "studio none.mp4 --no-browser": (3, "cannot open 'none.mp4': no such file or folder"),
    "engine status nowhere": (5, "there is no data engine at nowhere: masklet engine init nowhere"),
    "engine status team --task 7": (2, "there is no task 7"),
    "engine add team gone.mp4": (3, "cannot open gone.mp4: no such file or folder"),
    "engine review team --as bob": (2, "there is no task for bob to verify"),
}
"""Commands that fail, with exit code and message."""


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an empty file and a project of the data engine."""
    folder = tmp_path_factory.mktemp("commands")
    (folder / "empty.mp4").touch()
    with pytest.raises(SystemExit) as ended:
        main(["engine", "init", str(folder / "team")])
    assert not ended.value.code
    return folder


@pytest.mark.parametrize("line", COMMANDS)
def test_commands(
    line: str, started: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, message = COMMANDS[line]
    monkeypatch.chdir(started)
    before = sorted(started.iterdir())
    with pytest.raises(SystemExit) as ended:
        main(line.split())
    assert ended.value.code == code
    assert capsys.readouterr() == ("", f"masklet: error: {message}\n")
    assert sorted(started.iterdir()) == before


@contextmanager
def small_disk() -> Iterator[None]:
    """Limit files to 200 bytes, which simulates a full disk; only around the writing itself, as pytest writes too."""
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
    with pytest.raises(OutputError, match=name) as caught, small_disk():
        write_all(tmp_path / name, clip, outputs)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["old.json"]


def test_no_space_left_for_tracking_state(tiny: Sam2, clip: Clip) -> None:
    """Logits of a long video go to a temporary folder; if it is full, prompts are unchanged."""
    session = masklet.VideoSession(tiny, masklet.ArrayVideo(clip[:6]))
    session._results = InMemoryResults(memory_limit=0)
    session.prompt(0, object_id=1, prompts=CLICK)
    before = contents(session.masks(0))
    with pytest.raises(OutputError, match="tracking state"), small_disk():
        session.prompt(1, object_id=2, prompts=CLICK)
    with pytest.raises(OutputError, match="tracking state"), small_disk():
        list(session.propagate())
    assert session.object_ids == (1,)
    assert contents(session.masks(0)) == before
