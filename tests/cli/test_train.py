"""`masklet train` from the words to the weights."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from tests.cli.conftest import Ran, Run
from tests.evaluate.conftest import SEQUENCES, Boxes, write_davis, write_images, write_maps

from masklet.cli import report as subject
from masklet.cli.train import ConsoleLogger, JsonLogger, print_event
from masklet.model.load import load_model
from masklet.train.callbacks import StepReport
from masklet.train.recipes import RECIPES

QUICK = ("--set", "optim.steps=4", "--set", "run.save_every=2", "--set", "run.log_every=2", "--set", "data.frames=2")

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    return write_davis(tmp_path / "videos", SEQUENCES)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    scenes: list[Boxes] = [{1: (4, 4, 20, 16), 2: (36, 20, 20, 20)}, {1: (10, 10, 30, 30)}]
    write_images(tmp_path / "stills" / "images", scenes)
    write_maps(tmp_path / "stills" / "labels", scenes)
    return tmp_path / "stills"


def events(ran: Ran) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ran.out.splitlines()]


def same(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], two[name]) for name in one)


def losses(out: Path) -> list[str]:
    with (out / "losses.csv").open(newline="") as file:
        return [row["step"] for row in csv.DictReader(file)]


def test_weights_come_out_and_scores_on_the_way(run: Run, videos: Path, tmp_path: Path) -> None:
    words = ("--data", f"davis2017={videos}@val", "--val", videos, "--set", "run.save_every=4", "--out", "run")
    done = run("train", "test_tiny", *QUICK, *words)
    assert done.code == 0, done.err
    assert done.out == "wrote run/weights.safetensors\n"
    assert load_model(tmp_path / "run" / "weights.safetensors").config.name == "test-tiny"
    assert "3 videos (davis2017 val)" in done.err
    assert "step 4: J&F mask " in done.err
    assert "test_tiny: 4/4, loss " in done.err
    assert losses(tmp_path / "run") == ["2", "4"]
    assert (tmp_path / "run" / "scores.csv").read_text().startswith("step,J&F mask,J&F 1-click\n4,")


def test_json_lines_of_a_run_on_pictures(run: Run, pictures: Path) -> None:
    words = ("--data", pictures, "--val", pictures, "--set", "data.image_share=1", "--json")
    done = run("train", "test-tiny", "--out", "run", *words, *QUICK)
    assert done.code == 0, done.err
    assert [(e["schema"], e["version"]) for e in events(done)] == [("masklet/train", 1)] * len(events(done))
    kinds = [event["event"] for event in events(done)]
    assert kinds[0] == "data"
    assert kinds[-1] == "done"
    assert kinds.count("step") == 2
    step = next(event for event in events(done) if event["event"] == "step")
    assert (step["step"], step["steps"], step["pictures"], step["skipped"]) == (2, 4, 4, 0)
    scores = next(event for event in events(done) if event["event"] == "validation")["scores"]
    assert sorted(scores) == ["mIoU 1-click", "mIoU 3-click", "mIoU 5-click"]
    assert all(0 <= value <= 100 for value in scores.values())


def test_a_finished_run_is_kept_and_resumed(run: Run, videos: Path, tmp_path: Path) -> None:
    words = ("train", "test_tiny", "--data", f"{videos}@val", "--out", "run", *QUICK)
    assert run(*words, "--resume").code == 0  # nothing there yet: begins
    (tmp_path / "run" / "state-00000004.pt").unlink()  # as if it had been killed at step 3
    again = run(*words)
    assert (again.code, "state-00000002" in again.err) == (5, True)
    other = run(*words, "--set", "optim.lr=1e-4", "--resume")
    assert (other.code, "other settings (optim.lr: 0.003, now 0.0001)" in other.err) == (5, True)
    weights = load_model(tmp_path / "run" / "weights.safetensors").state_dict()
    assert run(*words, "--resume").code == 0
    assert same(weights, load_model(tmp_path / "run" / "weights.safetensors").state_dict())
    assert losses(tmp_path / "run") == ["2", "4"]


def test_fine_tuning_starts_from_weights(run: Run, videos: Path, tmp_path: Path) -> None:
    data = ("--data", f"{videos}@val")
    assert run("train", "test_tiny", *data, "--out", "one", *QUICK).code == 0
    words = ("train", "test_tiny", *data, "--init", "one/weights.safetensors", "--set", "optim.lr=0")
    still = run(*words, *QUICK, "--set", "optim.trunk_lr=0", "--out", "two")
    assert still.code == 0, still.err
    assert same(*(load_model(tmp_path / name / "weights.safetensors").state_dict() for name in ("one", "two")))
    refused = run(*words, "--out", "three", "--set", "model.memory_frames=3")
    assert (refused.code, "does not go with --init" in refused.err) == (2, True)


def test_check_draws_and_trains_nothing(run: Run, videos: Path, pictures: Path, tmp_path: Path) -> None:
    words = ("train", "test_tiny", "--data", f"{videos}@val", "--data", pictures, "--out", "out", "--check")
    done = run(*words)
    assert done.code == 0, done.err
    assert "davis2017 val: 3 items, 19 frames" in done.out
    assert "images all: 2 items" in done.out
    sheets = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert sheets == ["data-1-davis2017.png", "data-2-images.png", "samples.png"]
    counted = events(run(*words, "--json"))
    assert [event["event"] for event in counted] == ["data", "data", "checked", "checked", "done"]
    assert (counted[2]["masks"], counted[3]["masks"], counted[3]["problems"]) == (23, 3, {})


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("test_tyni", "--data", "videos@val"), 2, "no recipe 'test_tyni'; did you mean test_tiny?"),
        (("test_tiny", "--data", "nothing"), 3, "expected the folder of a data set, found nothing: nothing"),
        (("test_tiny", "--data", "empty"), 2, "SA-V train"),
        (("test_tiny", "--data", "davis=videos"), 2, "did you mean 'davis2017'?"),
        (("test_tiny", "--data", "videos@val", "--val", "empty"), 2, "expected a data set in empty"),
        (("test_tiny", "--data", "videos@val", "--set", "optim.lrr=1"), 2, "did you mean optim.lr?"),
        (("test_tiny", "--data", "videos@val", "--set", "optim.lr=x"), 2, "optim.lr: "),
        (("test_tiny", "--data", "videos@val", "--init", "nothing.pt"), 4, "nothing.pt"),
        (("test_tiny", "--data", "videos@val", "--init", "nanoo"), 4, "no model 'nanoo'"),
        (("test_tiny", "--data", "dark"), 2, "50 samples in a row show no object"),
        (("test_tiny", "--data", "dark", "--set", "run.workers=1"), 2, "50 samples in a row show no object"),
        (("test_tiny", "--data", "dark", "--check"), 2, "expected masks to learn from, got none: dark"),
        (("full", "--data", "videos@val"), 2, "data.image_share is 0.152"),
        (("nano", "--data", "videos@val"), 2, "data.synthetic"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(
    words: tuple[str, ...], code: int, told: str, run: Run, videos: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    for folder, picture in (("images", (64, 48)), ("labels", (64, 48))):
        (tmp_path / "dark" / folder).mkdir(parents=True)
        Image.new("L", picture).save(tmp_path / "dark" / folder / "0.png")
    done = run("train", *words, "--out", "out")
    assert (done.code, done.out) == (code, "")
    assert told in done.err.splitlines()[-1]
    assert done.err.splitlines()[-1].startswith("masklet: error: ")
    found = events(run("train", *words, "--out", "out", "--json"))
    assert (found[-1]["event"], told in found[-1]["message"]) == ("error", True)


def test_samples_that_are_broken_are_told_and_gone_around(run: Run, pictures: Path, tmp_path: Path) -> None:
    (pictures / "images" / "00001.jpg").write_bytes(b"no picture")
    done = run("train", "test_tiny", "--data", pictures, "--set", "data.image_share=1", "--out", "run", *QUICK)
    assert done.code == 0, done.err
    assert "sample skipped: " in done.err
    assert "00001" in (tmp_path / "run" / "skipped.txt").read_text()


@contextmanager
def small_disk(size: int) -> Iterator[None]:
    """No file may grow beyond so many bytes, which is what a full disk looks like to whoever writes."""
    resource = pytest.importorskip("resource", reason="no file size limits on this system")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_loses_nothing(run: Run, videos: Path, tmp_path: Path) -> None:
    words = ("train", "test_tiny", "--data", f"{videos}@val", "--out", "run", *QUICK, "--resume")
    assert run(*words).code == 0
    (tmp_path / "run" / "state-00000004.pt").unlink()
    with small_disk(1_000_000):
        full = run(*words)
    assert full.code == 5
    assert "cannot write the checkpoint of step 4" in full.err
    assert sorted(path.name for path in (tmp_path / "run").glob("state-*")) == ["state-00000002.pt"]
    assert run(*words).code == 0


def test_out_that_cannot_be_made(run: Run, videos: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    for out in ("file", "file/run"):
        done = run("train", "test_tiny", "--data", f"{videos}@val", "--out", out, *QUICK)
        assert (done.code, "cannot write" in done.err) == (5, True)
    assert (tmp_path / "file").read_text() == "no folder"


def test_help_names_every_recipe(run: Run) -> None:
    told = run("train", "--help").out
    assert all(name in told for name in RECIPES)


def report(step: int, **change: Any) -> StepReport:
    values: dict[str, Any] = {
        "steps": 1000,
        "terms": {"loss": 2.0},
        "norm": 1.0,
        "lr_scale": 1.0,
        "images": 12,
        "seconds": 0.5,
        "waited": 0.025,
        "skipped": (),
        "is_image": False,
    }
    return StepReport(step=step, **{**values, **change})


def test_state_shows_speed_waiting_and_time_left() -> None:
    logger = ConsoleLogger("nano", every=1)
    logger.recent.append(report(99, terms={"loss": 1.0}))
    logger.recent.append(report(100))
    assert logger.state() == "100/1000, loss 1.500, 24.0 images/s, waiting for data 5%, 7:30 left"
    for step in range(101, 1001):
        logger.recent.append(report(step, seconds=1.0))
    assert logger.state() == "1000/1000, loss 2.000, 12.0 images/s, waiting for data 2%, 0:00 left"


def test_plain_lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "PLAIN_INTERVAL", 0.0)
    logger = ConsoleLogger("nano", every=2)
    for step in (1, 2, 3, 4, 1000):
        logger.on_step(report(step))
    logger.on_validation(4, {"J&F": 71.26, "mIoU": 60})
    logger.close()
    printed = capsys.readouterr()
    assert printed.out == ""
    shown = [line.partition(",")[0] for line in printed.err.splitlines()]
    assert shown == [
        "masklet: nano: 2/1000",
        "masklet: nano: 4/1000",
        "masklet: nano: 1000/1000",
        "masklet: step 4: J&F 71.3",
    ]


def test_lines_are_some_seconds_apart_but_the_last_step_is_printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "PLAIN_INTERVAL", 1e9)
    logger = ConsoleLogger("nano", every=1)
    for step in (1, 2, 3, 1000):
        logger.on_step(report(step))
    assert [line.split(",")[0] for line in capsys.readouterr().err.splitlines()] == [
        "masklet: nano: 1/1000",
        "masklet: nano: 1000/1000",
    ]


def test_problems_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    logger = ConsoleLogger("nano", every=1000)
    logger.on_step(report(1, skipped=tuple(f"image {i}" for i in range(9)), norm=math.nan))
    logger.close()
    printed = capsys.readouterr().err.splitlines()
    assert printed[:5] == [f"masklet: sample skipped: image {i}" for i in range(5)]
    assert printed[5:] == [
        "masklet: step 1 was not applied: its gradient is not finite",
        "masklet: 9 samples were skipped; skipped.txt lists them",
    ]


def test_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    logger = JsonLogger(every=2)
    for step in (1, 2, 3):
        logger.on_step(report(step, norm=math.inf))
    logger.on_validation(2, {"J&F": math.nan, "mIoU": 60.0})
    print_event("done", weights="w")
    logger.close()
    step, scores, done = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (step["event"], step["step"], step["pictures"], step["norm"]) == ("step", 2, 24, None)
    assert scores["scores"] == {"J&F": None, "mIoU": 60.0}
    assert done == {"schema": "masklet/train", "version": 1, "event": "done", "weights": "w"}
