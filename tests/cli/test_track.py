"""`masklet track` from the words to the files."""

from __future__ import annotations

import http.server
import json
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from tests.cli.conftest import NUM_FRAMES, SIZE, Run, interrupted, moving_square, write_clip

import masklet
from masklet import FrameMasks, Prompts
from masklet.backends.protocol import Model
from masklet.cli.options import ModelOptions, PromptOptions
from masklet.cli.track import ObjectTally, TrackingJob, VideoReport
from masklet.io import RleWriter, read_label_map, read_rle, write_image
from masklet.predict.propagation import Direction

SMALL = ("--size", 64)
CLICK = ("--click", "18,24")


def names(folder: Path) -> list[str]:
    """Everything in a folder, hidden files too."""
    return sorted(path.name for path in folder.iterdir())


def test_default_output(run: Run, video_file: Path, tmp_path: Path) -> None:
    done = run("track", video_file, *CLICK, *SMALL)
    assert done.code == 0, done.err
    assert "wrote square-masklet.mp4" in done.out
    assert names(tmp_path) == ["square-masklet.mp4"]
    with masklet.open_video(tmp_path / "square-masklet.mp4") as video:
        assert (len(video), video.size, video.fps) == (NUM_FRAMES, SIZE, 10)


def test_every_form_in_one_run(run: Run, video_file: Path, tmp_path: Path) -> None:
    outputs = ("-o", "out.mp4", "-o", "out.webm", "-o", "out.json", "-o", "masks/", "-o", "more")
    done = run(
        "track", video_file, "--box", "2:9,15,27,33", "--click", "2@4:22,24", "--click", "5@3:2,2", *SMALL, *outputs
    )
    assert done.code == 0
    assert names(tmp_path) == ["masks", "more", "out.json", "out.mp4", "out.webm"]
    masklets = read_rle(tmp_path / "out.json")
    assert {i: (one.prompted, min(one.frames), max(one.frames)) for i, one in masklets.items()} == {
        2: ((0, 4), 0, 7),
        5: ((3,), 3, 7),
    }
    assert {one.model for one in masklets.values()} == {"nano"}
    assert names(tmp_path / "masks") == [f"{index:05d}.png" for index in range(NUM_FRAMES)]
    labels = read_label_map(tmp_path / "masks" / "00000.png")
    assert (labels == 2).tolist() == masklets[2].frames[0].to_mask().tolist()


def test_json(run: Run, video_file: Path) -> None:
    done = run("track", video_file, *CLICK, *SMALL, "-o", "out.json", "--json")
    told = json.loads(done.out)
    assert (told["schema"], told["version"], told["interrupted"]) == ("masklet/track", 1, False)
    assert (told["model"], told["device"], told["dtype"], told["input_size"]) == ("nano", "cpu", "float32", 64)
    (video,) = told["videos"]
    assert (video["video"], video["size"], video["frames"]) == (str(video_file), list(SIZE), NUM_FRAMES)
    assert video["outputs"] == ["out.json"]
    assert video["seconds"] > 0
    (one,) = video["objects"]
    assert (one["id"], one["frames"]) == (1, NUM_FRAMES)
    assert 0 <= one["presence"] <= 1


def test_quiet(run: Run, video_file: Path) -> None:
    assert run("track", video_file, *CLICK, *SMALL, "-q") == (0, "", "")


def tracked(folder: Path) -> list[list[int]]:
    """The object ids on each frame of out.json's video."""
    masklets = read_rle(folder / "out.json")
    return [[i for i, one in masklets.items() if index in one.frames] for index in range(NUM_FRAMES)]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--click", "@3:20,24"], [[], [], [], [1], [1], [1], [1], [1]]),
        (["--click", "@3:20,24", "--reverse"], [[1], [1], [1], [1], [], [], [], []]),
        (["--click", "20,24", "--reverse"], [[1]] * 8),
        (["--click", "@3:20,24", "--both"], [[1]] * 8),
        (["--click", "@2:20,24", "--click", "2@5:20,24", "--both"], [[1, 2]] * 8),
        (["--click", "20,24", "--start", "2", "--end", "5"], [[], [], [1], [1], [1], [], [], []]),
        (["--click", "@3:20,24", "--both", "--start", "2", "--end", "5"], [[], [], [1], [1], [1], [], [], []]),
    ],
)
def test_directions(
    run: Run, video_file: Path, tmp_path: Path, arguments: list[str], expected: list[list[int]]
) -> None:
    done = run("track", video_file, *arguments, *SMALL, "-o", "out.json", "-o", "out.mp4", "--json")
    assert done.code == 0
    assert tracked(tmp_path) == expected
    start = int(arguments[arguments.index("--start") + 1]) if "--start" in arguments else 0
    end = int(arguments[arguments.index("--end") + 1]) if "--end" in arguments else NUM_FRAMES
    with masklet.open_video(tmp_path / "out.mp4") as video:  # frames without a result are shown too
        assert len(video) == end - start
    assert json.loads(done.out)["videos"][0]["frames"] == end - start


def test_a_mask_prompt_is_the_truth(run: Run, video_file: Path, tmp_path: Path) -> None:
    mask = np.zeros(SIZE, bool)
    mask[16:32, 10:26] = True
    write_image(tmp_path / "mask.png", mask)
    assert run("track", video_file, "--mask", "3:mask.png", *SMALL, "-o", "out.json").code == 0
    assert read_rle(tmp_path / "out.json")[3].frames[0].to_mask().tolist() == mask.tolist()


def test_post_processing_is_passed_on(run: Run, video_file: Path, tmp_path: Path) -> None:
    everything = SIZE[0] * SIZE[1]
    assert run("track", video_file, *CLICK, *SMALL, "--remove-specks", everything, "-o", "out.json").code == 0
    assert {rle.area for rle in read_rle(tmp_path / "out.json")[1].frames.values()} == {0}


def test_folder_of_pictures(run: Run, tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    for index, frame in enumerate(moving_square(3)):
        write_image(tmp_path / "frames" / f"{index}.png", frame)
    assert run("track", "frames", *CLICK, *SMALL, "-o", "out/").code == 0
    assert len(names(tmp_path / "out")) == 3


def test_several_videos_with_a_prompt_file(run: Run, video_file: Path, tmp_path: Path) -> None:
    write_clip(tmp_path / "other.mp4", moving_square(4))
    prompts = {"clicks": [[18, 24, 1], [50, 10, 0]], "box": [9, 15, 27, 33]}
    content = {"schema": "masklet/prompts", "version": 1, "objects": [{"id": 4, "name": "it", "prompts": [prompts]}]}
    (tmp_path / "prompts.json").write_text(json.dumps(content))
    done = run("track", video_file, "other.mp4", "--prompts", "prompts.json", *SMALL, "-o", "r/{name}.json", "-o", "m/")
    assert done.code == 0
    assert names(tmp_path / "r") == ["other.json", "square.json"]
    assert names(tmp_path / "m") == ["other", "square"]
    assert len(names(tmp_path / "m" / "other")) == 4
    assert read_rle(tmp_path / "r" / "square.json")[4].name == "it"


def test_one_bad_video_does_not_stop_the_others(run: Run, video_file: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    done = run("track", "bad.mp4", video_file, *CLICK, *SMALL, "--json")
    assert done.code == 3
    told = json.loads(done.out)
    assert told["error"]["type"] == "MediaError"
    assert [sorted(video)[:2] for video in told["videos"]] == [["error", "video"], ["fps", "frames"]]
    assert done.err.startswith("masklet: error: ")
    assert names(tmp_path) == ["bad.mp4", "square-masklet.mp4"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "nothing to segment"),
        (["--click", "x"], 2, "expected [OBJ@FRAME:] and x,y"),
        (["--click", "64.5,3"], 2, "object 1 on frame 0: click (64.5, 3)"),
        (["--box", "9,9,3,3"], 2, "x0 < x1"),
        (["--click", "nan,3"], 2, "nan"),
        (["--click", "3,3", "--mask", "wrong.png"], 2, "object 1 on frame 0"),
        (["--mask", "wrong.png"], 2, "64x48 pixels"),
        (["--mask", "empty.png"], 2, "mask"),
        (["--mask", "none.png"], 3, "none.png"),
        (["--click", "@8:3,3"], 2, "0 to 7"),
        (["--click", "@2:3,3", "--start", "3"], 2, "3 to 7"),
        (["--click", "3,3", "--end", "9"], 2, "8"),
        (["--click", "3,3", "--start", "5", "--end", "5"], 2, "--start"),
        (["--prompts", "none.json"], 2, "none.json"),
        (["--prompts", "empty.png"], 2, "empty.png"),
        (["--click", "3,3", "--model", "sam9"], 4, "'sam9'"),
        (["--click", "3,3", "--weights", "empty.png"], 4, "empty.png"),
        (["--click", "3,3", "--size", "50"], 4, "32"),
        (["--click", "3,3", "-o", "out.avi"], 5, "'.avi'"),
        (["--click", "3,3", "-o", "no/such/out.mp4"], 5, "no/such"),
        (["--click", "3,3", "--device", "tpu"], 6, "'tpu'"),
        (["--click", "3,3", "--dtype", "int8"], 6, "'int8'"),
    ],
)
@pytest.mark.filterwarnings("default")
def test_errors(run: Run, video_file: Path, tmp_path: Path, arguments: list[str], code: int, message: str) -> None:
    write_image(tmp_path / "wrong.png", np.ones((3, 3), bool))
    write_image(tmp_path / "empty.png", np.zeros(SIZE, bool))
    done = run("track", video_file, *arguments, "--json")
    assert done.code == code
    assert message in done.err
    (line,) = done.err.splitlines()
    assert line.startswith("masklet: error: ")
    error = json.loads(done.out)["error"]
    assert error["message"] in line
    assert getattr(masklet, error["type"])
    assert names(tmp_path) == ["empty.png", "wrong.png"]


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "none.mp4"), (b"", "empty"), (b"\0" * 999, "clip.mp4")],
    ids=["none", "empty", "junk"],
)
def test_bad_videos(run: Run, tmp_path: Path, content: bytes | None, message: str) -> None:
    name = "none.mp4" if content is None else "clip.mp4"
    if content is not None:
        (tmp_path / name).write_bytes(content)
    done = run("track", name, *CLICK)
    assert (done.code, done.out) == (3, "")
    assert message in done.err
    assert names(tmp_path) == ([] if content is None else ["clip.mp4"])


def test_a_video_is_not_overwritten_by_its_own_overlay(run: Run, video_file: Path) -> None:
    before = video_file.read_bytes()
    done = run("track", video_file, *CLICK, *SMALL, "-o", video_file)
    assert done.code == 5
    assert video_file.read_bytes() == before


class Silent(http.server.SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def live(tmp_path: Path) -> Iterator[str]:
    """An address that sends 20 frames."""
    folder = tmp_path / "served"
    folder.mkdir()
    write_clip(folder / "live.mp4", moving_square(20))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/live.mp4"
        server.shutdown()
        thread.join()


def test_live(run: Run, live: str, tmp_path: Path) -> None:
    done = run("track", live, "--click", "@2:20,24", *SMALL, "--end", 5, "-o", "masks/", "-o", "out.json", "--json")
    assert done.code == 0
    assert names(tmp_path / "masks") == [f"{index:05d}.png" for index in range(5)]
    assert sorted(read_rle(tmp_path / "out.json")[1].frames) == [2, 3, 4]


def test_live_goes_forward_only(run: Run, live: str) -> None:
    done = run("track", live, *CLICK, "--both")
    assert done.code == 3
    assert "is live" in done.err


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one process on Windows")
@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_ctrl_c_keeps_what_is_done(tmp_path: Path, direction: str) -> None:
    write_clip(tmp_path / "long.mp4", moving_square(200))
    arguments = ["track", "long.mp4", "--click", "20,24", "--size", "64", "-o", "masks/", "-o", "out.json", "--json"]
    arguments += ["--reverse"] if direction == "reverse" else []
    done = interrupted(tmp_path, *arguments, at="3/200 frames")
    assert done.code == 130
    assert "Ctrl-C again" in done.err
    assert "interrupted: kept the" in done.err
    told = json.loads(done.out)
    assert told["interrupted"] is True
    frames = told["videos"][0]["frames"]
    assert 3 <= frames < 200
    kept = range(frames) if direction == "forward" else range(200 - frames, 200)
    assert names(tmp_path) == ["long.mp4", "masks", "out.json"]
    assert names(tmp_path / "masks") == [f"{index:05d}.png" for index in kept]
    assert sorted(read_rle(tmp_path / "out.json")[1].frames) == list(kept)


PROMPT = Prompts.click(1, 1)


@pytest.fixture(scope="module")
def small_model() -> Model:
    return ModelOptions(device="cpu", image_size=64).load()


def corrected(video_file: Path, model: Model, tmp_path: Path, direction: Direction) -> dict[int, np.ndarray]:
    """Masks of object 1 with a correction on frame 4."""
    prompts = PromptOptions(click=["@1:18,24", "@4:20,20", "@4:60,40,-"]).parse()
    with masklet.open_video(video_file) as video, RleWriter(tmp_path / f"{direction}.json", like=video) as sink:
        job = TrackingJob(source="square", video=video, prompt_list=prompts, direction=direction)
        report = job.run(model, [sink], interrupt=Event(), quiet=True)
    assert report.frames == 8
    return {i: rle.to_mask() for i, rle in read_rle(tmp_path / f"{direction}.json")[1].frames.items()}


def test_streamed_equals_passes(video_file: Path, small_model: Model, tmp_path: Path) -> None:
    forward = corrected(video_file, small_model, tmp_path, "forward")
    both = corrected(video_file, small_model, tmp_path, "both")
    assert sorted(both) == list(range(8))
    for index in range(1, 8):
        union = (forward[index] | both[index]).sum()
        assert union == 0 or (forward[index] & both[index]).sum() / union > 0.999
    assert any(forward[index].any() for index in range(1, 8))


def test_interrupted_before_the_first_frame(video_file: Path, small_model: Model, tmp_path: Path) -> None:
    prompts, interrupt = PromptOptions(click=["18,24"]).parse(), Event()
    interrupt.set()
    with masklet.open_video(video_file) as video:
        job = TrackingJob(source="square", video=video, prompt_list=prompts)
        with pytest.raises(KeyboardInterrupt), RleWriter(tmp_path / "out.json", like=video) as sink:
            job.run(small_model, [sink], interrupt=interrupt, quiet=True)
    assert list(tmp_path.iterdir()) == []


def test_interrupted_while_the_model_loads(
    run: Run, video_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(_options: ModelOptions) -> Model:
        raise KeyboardInterrupt

    monkeypatch.setattr(ModelOptions, "load", load)
    done = run("track", video_file, *CLICK, "--json", "-o", "a.mp4")
    assert (done.code, done.err) == (130, f"masklet: interrupted at {video_file}\n")
    assert json.loads(done.out) == {"schema": "masklet/track", "version": 1, "interrupted": True, "videos": []}
    assert list(tmp_path.iterdir()) == []


def result(frame_index: int, *, visible: bool, presence: float, iou: float) -> FrameMasks:
    """Object 2 on a frame, with a mask or without."""
    masks = np.full((1, 2, 2), visible)
    return FrameMasks(frame_index, (2,), masks, np.array([presence], np.float32), np.array([iou], np.float32))


def test_frames_are_tallied_by_object() -> None:
    report = VideoReport("dog.mp4", (2, 2), names={2: "dog"})
    report.add(result(3, visible=True, presence=0.9, iou=0.8))
    report.add(result(4, visible=False, presence=0.1, iou=0.2))
    report.add(result(5, visible=True, presence=0.8, iou=0.6))
    assert report.frames == 3
    assert report.entry()["objects"] == [
        {
            "id": 2,
            "name": "dog",
            "frames": 3,
            "visible": 2,
            "first_visible": 3,
            "last_visible": 5,
            "presence": 0.6,
            "iou": 0.7,
        }
    ]


def test_tally_of_an_object_never_visible() -> None:
    report = VideoReport("dog.mp4", (2, 2))
    report.add(result(0, visible=False, presence=0.25, iou=0.5))
    (entry,) = report.entry()["objects"]
    assert (entry["first_visible"], entry["last_visible"], entry["presence"], entry["iou"]) == (None, None, 0.25, None)


def test_report_lines() -> None:
    report = VideoReport("dog.mp4", (4, 6), frames=10, seconds=2.0, outputs=["out.mp4"], names={1: "dog"})
    report.tallies[1] = ObjectTally(frames=10, visible=10, presence=9.0, iou=8.0)
    assert report.lines() == [
        "dog.mp4: 10 frames at 5.0 frames/s",
        "  object 1 (dog): visible in 10 of 10 frames, predicted IoU 0.80",
        "  wrote out.mp4",
    ]
