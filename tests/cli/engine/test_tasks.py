"""`masklet engine` from the words to the data set."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.cli.conftest import Run, moving_square, write_clip

pytest.importorskip("sqlalchemy")

from masklet.engine.records import TaskState, Verdict, Work
from masklet.engine.store import FILE, Store
from masklet.engine.tasks import Queue, QueueSettings
from masklet.io.datasets import open_dataset
from masklet.types import Masklet, Prompts, Rle


@pytest.fixture
def videos(tmp_path: Path, video_file: Path) -> Path:
    """Two videos, a copy of one, and half of one."""
    folder = tmp_path / "videos"
    folder.mkdir()
    shutil.copy(video_file, folder / "square.mp4")
    shutil.copy(video_file, folder / "twin.mp4")
    write_clip(folder / "long.mp4", moving_square(12))
    whole = video_file.read_bytes()
    (folder / "half.mp4").write_bytes(whole[: len(whole) // 2])
    return folder


def annotate(project: str, worker: str) -> None:
    """All there is to pick and annotate, with the red square that is there."""
    with Store(project) as store:
        queue = Queue(store, QueueSettings(gold_every=0))
        while (lease := queue.take(worker, [TaskState.ANNOTATE, TaskState.SELECT])) is not None:
            prompts = {0: Prompts.click(18, 24)}
            if lease.task.state is TaskState.SELECT:
                queue.select(lease, prompts, key=lease.token, name="square")
                continue
            media = store.media(lease.task.media)
            masks = [frame[..., 0] > 200 for frame in moving_square(media.num_frames)]
            frames = {i: Rle.from_mask(np.ascontiguousarray(mask)) for i, mask in enumerate(masks)}
            scores = dict.fromkeys(frames, 0.95)
            masklet = Masklet(lease.task.object_id, media.size, frames, scores, scores, (0,), "square")
            work = Work(author=worker, phase="3", prompts=prompts, seconds=12.0, clicks=1, edited=(0,))
            queue.annotate(lease, masklet, work, key=lease.token)


def verify(project: str, worker: str) -> None:
    """Everything is satisfactory."""
    with Store(project) as store:
        queue = Queue(store)
        while (lease := queue.take(worker, [TaskState.VERIFY])) is not None:
            queue.judge(lease, Verdict(outcome="satisfactory", by=worker), key=lease.token)


def told(run: Run, *arguments: object, code: int = 0) -> dict[str, Any]:
    """What a command prints with --json."""
    done = run("engine", *arguments, "--json")
    assert done.code == code, done.err
    document: dict[str, Any] = json.loads(done.out)
    return document


def test_from_videos_to_a_data_set(run: Run, videos: Path, tmp_path: Path) -> None:
    assert run("engine", "init", "team").code == 0
    added = told(run, "add", "team", videos, "--objects", 1, "--license", "CC0", "--split", "train", code=3)
    assert [one["name"] for one in added["added"]] == ["long", "square"]
    assert list(added["known"].values()) == ["square"]
    assert [Path(path).name for path in added["failed"]] == ["half.mp4"]
    annotate("team", "ann")
    assert told(run, "status", "team")["tasks"] == {"select": 0, "annotate": 0, "verify": 2, "done": 0, "rejected": 0}
    judged = told(run, "review", "team", "--as", "bob", "--task", 1, "--verdict", "satisfactory")
    assert judged["verdicts"] == [{"task": 1, "outcome": "satisfactory"}]
    verify("team", "cid")
    done = run("engine", "status", "team")
    assert done.code == 0
    for words in ("team: 2 media, 2 masklet versions", "3 interactive", "1.20", "ann", "bob"):
        assert words in done.out
    assert told(run, "status", "team")["phases"]["3"]["seconds"] == 24.0
    exported = told(run, "export", "team", "set")
    assert (exported["masklets"], exported["written"]) == (2, ["long", "square"])
    learned = open_dataset("sa-v-train", tmp_path / "set" / "train")
    assert list(learned.names) == ["long", "square"]
    assert told(run, "export", "team", "set")["kept"] == ["long", "square"]
    assert told(run, "gold", "team", 1)["tasks"] == [1]
    with Store("team") as store:
        lease = Queue(store, QueueSettings(gold_every=1)).take("dan", [TaskState.ANNOTATE])
        assert lease is not None
        assert (lease.task.name, list(lease.task.prompts)) == ("square", [0])
    assert told(run, "export", "team", "set")["masklets"] == 2  # they are no part of the data set
    history = told(run, "status", "team", "--task", 1)
    assert [event["what"] for event in history["events"]][-1] == "satisfactory"
    assert "bob -> done" in run("engine", "status", "team", "--task", 1).out


def test_what_comes_next(run: Run, videos: Path) -> None:
    run("engine", "init", "team")
    run("engine", "add", "team", videos / "long.mp4", videos / "square.mp4", "--objects", 2)
    assert [task["id"] for task in told(run, "tasks", "team")["tasks"]] == [1, 2, 3, 4]
    assert told(run, "prioritize", "team", "--video", "square", "--to", 2)["tasks"] == [3, 4]
    done = run("engine", "prioritize", "team", 4, "--to", 5, "--frame", 3, "--frame", 1, "--note", "it turns")
    assert (done.code, done.out) == (0, "1 tasks: priority 5; frames to annotate next: 1, 3\n")
    lines = run("engine", "tasks", "team", "--state", "select", "--limit", 3).out.splitlines()
    assert [line.split()[0] for line in lines] == ["task", "4", "3", "1"]
    assert lines[1].split()[2:] == ["square", "2", "5", "1.00", "1,", "3"]
    with Store("team") as store:
        lease = Queue(store).take("ann")
        assert lease is not None
        assert (lease.task.id, lease.task.frames, store.history(4)[-2].note) == (4, (1, 3), "it turns")
    assert told(run, "status", "team")["held"] == [{"task": 4, "worker": "ann", "seconds": pytest.approx(600, abs=5)}]
    assert "task 4 (select) is assigned to ann for 10 more min" in run("engine", "status", "team").out
    assert [task["id"] for task in told(run, "tasks", "team", "--video", "square")["tasks"]] == [3]


def test_media_from_elsewhere(run: Run, videos: Path) -> None:
    run("engine", "init", "team")
    half = f"file://{videos.as_posix()}/half.mp4"
    added = told(run, "add", "team", f"file://{videos.as_posix()}/long.mp4", half, "--into", "kept", code=3)
    assert [one["name"] for one in added["added"]] == ["long"]
    assert [Path(path).name for path in added["failed"]] == ["half.mp4"]
    with Store("team") as store:
        (media,) = store.all_media()
        assert Path(media.path).is_relative_to(Path("kept").resolve() / "file")
    nowhere = run("engine", "add", "team", "nonsense://bucket/a.mp4")
    assert (nowhere.code, nowhere.out) == (3, "")
    assert "nonsense://bucket/a.mp4" in nowhere.err


def test_splits_by_content(run: Run, videos: Path) -> None:
    run("engine", "init", "team")
    added = run(
        "engine", "add", "team", videos / "long.mp4", videos / "square.mp4", "--val-share", 0, "--test-share", 1
    )
    assert (added.code, added.out) == (0, "2 media: 2 added, 0 added before, 0 failed\n2 to test\n")


def test_proposals(run: Run, video_file: Path, tmp_path: Path) -> None:
    run("engine", "init", "team")
    run("engine", "add", "team", video_file)
    look = ("--size", 128, "--preset", "fast", "--max-objects", 2, "--every", 4, "--device", "cpu")
    found = told(run, "propose", "team", *look)
    assert (found["media"], found["failed"]) == (1, {})
    assert 1 <= found["masklets"] <= 2
    assert told(run, "status", "team")["tasks"]["verify"] == found["masklets"]
    again = run("engine", "propose", "team", *look)
    assert again.code == 0
    assert "nano: 0 masklets in 0 media, 0 failed, 1 processed before" in again.out


def test_a_video_that_is_gone(run: Run, videos: Path) -> None:
    run("engine", "init", "team")
    run("engine", "add", "team", videos / "long.mp4", videos / "square.mp4")
    (videos / "long.mp4").unlink()
    look = ("--size", 128, "--preset", "fast", "--max-objects", 1, "--every", 8, "--device", "cpu")
    found = told(run, "propose", "team", *look, code=3)
    assert found["media"] == 1
    assert "long.mp4" in found["failed"]["long"]


def test_judged_in_the_terminal(run: Run, video_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("engine", "init", "team")
    run("engine", "add", "team", video_file, "--objects", 3)
    annotate("team", "ann")
    answers = iter(["what", "u", "too large", "satisfactory", "q"])
    monkeypatch.setattr("typer.prompt", lambda *_words, **_options: next(answers))
    done = run("engine", "review", "team", "--as", "bob", "-o", tmp_path)
    assert done.code == 0, done.err
    assert done.out == "task 1: unsatisfactory\ntask 2: satisfactory\n"
    assert "expected a verdict of satisfactory, unsatisfactory, reject, got 'what'" in done.err
    assert (tmp_path / "task-1.png").stat().st_size > 1000
    with Store("team") as store:
        assert store.history(1)[-1].note == "too large"
        assert Queue(store).held("bob") == []


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("status", "nowhere"), 5, "nowhere"),
        (("add", "team", "gone.mp4"), 3, "gone.mp4"),
        (("add", "team", ".", "--split", "half"), 2, "'half'"),
        (("review", "team", "--as", "bob"), 2, "bob"),
        (
            ("review", "team", "--as", "bob", "--verdict", "fine"),
            2,
            "'fine'",
        ),
        (("status", "team", "--task", "7"), 2, "7"),
        (("gold", "team", "7"), 2, "7"),
        (
            ("add", "team", ".", "--test-share", "0.95"),
            2,
            "got 0.1 for val and 0.95",
        ),
        (("prioritize", "team", "7"), 2, "expected --to N, or --frame I, or both"),
        (("prioritize", "team", "--to", "1"), 2, "expected task numbers, or --video NAME"),
        (("prioritize", "team", "7", "--to", "1"), 2, "7"),
        (("tasks", "team", "--state", "done"), 2, "'done'"),
        (("tasks", "team", "--video", "dog"), 3, "dog"),
        (("propose", "team", "--preset", "dens"), 2, "expected --preset fast"),
        (("export", "team", "set", "--format", "vhs"), 2, "'vhs'"),
        (("retrain", "team", "out"), 2, "expected verified masklets to learn from, got no video of split train in 0"),
        (("serve", "team", "--person", "ann:sing"), 2, "'ann:sing'"),
        (
            ("serve", "postgresql://a@b/c", "--person", "ann"),
            5,
            "a project in a database has no folder: expected --studio",
        ),
    ],
)
def test_wrong_words(run: Run, arguments: tuple[str, ...], code: int, message: str) -> None:
    run("engine", "init", "team")
    done = run("engine", *arguments)
    assert (done.code, done.out) == (code, "")
    assert message in done.err
    assert len([line for line in done.err.splitlines() if "error" in line]) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("prioritize", "team", "7", "--to", "9" * 20),
        ("prioritize", "team", "9" * 20, "--to", "1"),
        ("propose", "team", "--priority", "9" * 20),
        ("add", "team", "x", "--priority", "9" * 20),
        ("status", "team", "--task", "9" * 20),
        ("gold", "team", "9" * 20),
        ("review", "team", "--as", "ann", "--task", "9" * 20),
    ],
)
def test_numbers_that_no_database_takes(run: Run, arguments: tuple[str, ...]) -> None:
    run("engine", "init", "team")
    done = run("engine", *arguments)
    assert (done.code, done.out) == (2, "")
    assert "Invalid value for" in done.err


def test_newer_project(run: Run, tmp_path: Path) -> None:
    run("engine", "init", "team")
    connection = sqlite3.connect(tmp_path / "team" / FILE)
    connection.execute("UPDATE meta SET value = '12'")
    connection.commit()
    connection.close()
    done = run("engine", "status", "team")
    assert done.code == 5
    assert "schema 12" in done.err


@pytest.mark.slow
def test_retrain(run: Run, videos: Path) -> None:
    run("engine", "init", "team")
    run("engine", "add", "team", videos / "long.mp4", "--split", "val", "--objects", 1)
    run("engine", "add", "team", videos / "square.mp4", "--split", "train", "--objects", 1)
    annotate("team", "ann")
    verify("team", "bob")
    small = ("data.image_size=64", "data.frames=2", "optim.steps=1", "optim.checkpointing=off", "run.workers=0")
    settings = [word for setting in small for word in ("--set", setting)]
    made = told(run, "retrain", "team", "out", "--device", "cpu", "--size", 64, *settings)
    assert made["held_out"] == 1
    assert set(made["before"]) == set(made["after"]) == {"mask", "3-click"}
    assert Path(made["weights"]).is_file()
