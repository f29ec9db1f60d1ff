"""The training loop learns, is deterministic, resumes after a kill, and gives the same with several processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from masklet.errors import OutputError, WeightsError
from masklet.evaluate.metrics.frames import FrameMetric
from masklet.io import ArrayVideo
from masklet.model.load import load_model
from masklet.model.sam2 import Sam2
from masklet.predict.session import VideoSession
from masklet.train.callbacks import StepReport
from masklet.train.checkpoints import list_checkpoints, read_checkpoint
from masklet.train.config import TrainConfig
from masklet.train.loop import init_model, train, train_step
from masklet.train.mixture import Mixture, TrainData
from masklet.train.optimizer import build_optimizer, set_train_mode
from masklet.train.overrides import config_to_json
from masklet.train.previews import Preview
from masklet.types import Prompts

CURVE = Path(__file__).with_name("loss-curve.json")
CHILD = """
import sys
from pathlib import Path
from masklet.io.datasets import open_videos
from masklet.train.loop import train
from masklet.train.mixture import TrainData
from masklet.train.overrides import config_from_json
import torch
torch.set_num_threads(1)
settings, videos, out, resume = sys.argv[1:]
data = TrainData((), open_videos("davis2016", videos, split="all").items)
train(config_from_json(settings), data, Path(out), start="newest" if int(resume) else None)
"""


class Recorder:
    """A callback that records all events."""

    def __init__(self) -> None:
        self.reports: list[StepReport] = []
        self.previews: list[tuple[int, Preview]] = []
        self.scores: list[tuple[int, Mapping[str, float]]] = []
        self.closed = False

    def on_step(self, report: StepReport) -> None:
        self.reports.append(report)

    def on_preview(self, step: int, preview: Preview) -> None:
        self.previews.append((step, preview))

    def on_validation(self, step: int, scores: Mapping[str, float]) -> None:
        self.scores.append((step, scores))

    def close(self) -> None:
        self.closed = True


def with_steps(config: TrainConfig, steps: int, **run: int) -> TrainConfig:
    return replace(config, optim=replace(config.optim, steps=steps), run=replace(config.run, **run))


def same_weights(one: Path, two: Path) -> bool:
    first, second = (load_model(path).state_dict() for path in (one, two))
    return all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.slow
@pytest.mark.parametrize("prompt", ["mask", "click"])
def test_the_tiny_recipe_learns_a_clip_by_heart(
    prompt: str, learned: Path, square: tuple[np.ndarray, np.ndarray]
) -> None:
    frames, masks = square
    session = VideoSession(load_model(learned), ArrayVideo(frames))
    session.prompt(0, object_id=1, prompts=Prompts.from_mask(masks[0]) if prompt == "mask" else Prompts.click(19, 19))
    found = {out.frame_index: out.masks for out in session.propagate()}
    assert sorted(found) == list(range(8))
    scores = [FrameMetric().score_masks(found[i], masks[i][None]) for i in range(1, 8)]
    j = np.mean([s.intersection / (s.prediction + s.truth - s.intersection) for s in scores])
    assert (j + np.mean([s.f for s in scores])) / 2 > 0.95


@pytest.fixture(scope="module")
def learned(data: TrainData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from masklet.train.recipes import test_tiny  # noqa: PLC0415

    return train(test_tiny(), data, tmp_path_factory.mktemp("learned"))


def test_twenty_steps_have_the_recorded_losses(
    config: TrainConfig, data: TrainData, tmp_path: Path, one_thread: None
) -> None:
    recorder = Recorder()
    train(with_steps(config, 20), data, tmp_path, callbacks=[recorder])
    losses = [report.terms["loss"] for report in recorder.reports]
    if os.environ.get("MASKLET_NEW_CURVE"):
        CURVE.write_text(json.dumps([round(loss, 7) for loss in losses]) + "\n")
    assert losses == pytest.approx(json.loads(CURVE.read_text()), rel=1e-4)
    assert losses[-1] < losses[0]


def test_callbacks_get_steps_previews_and_scores(config: TrainConfig, data: TrainData, tmp_path: Path) -> None:
    recorder = Recorder()
    seen: list[bool] = []

    def validate(model: Sam2) -> dict[str, float]:
        seen.append(model.training)
        return {"j_and_f": 0.5}

    mixed = with_steps(config, 4, picture_every=2, validate_every=2)
    mixed = replace(mixed, data=replace(mixed.data, image_share=0.5))
    train(mixed, data, tmp_path, validate=validate, callbacks=[recorder])
    assert [report.step for report in recorder.reports] == [1, 2, 3, 4]
    assert set(recorder.reports[0].terms) == {"loss", "mask", "dice", "iou", "presence"}
    assert recorder.reports[0].lr_scale < recorder.reports[3].lr_scale  # still warming up
    assert [step for step, _ in recorder.previews] == [2, 4]
    assert recorder.previews[0][1].predicted.shape == recorder.previews[0][1].truth.shape
    assert seen == [False, False]
    assert [step for step, _ in recorder.scores] == [2, 4]
    assert recorder.closed


def test_resumed_runs_end_where_uninterrupted_ones_do(
    config: TrainConfig, data: TrainData, tmp_path: Path, one_thread: None
) -> None:
    smooth = replace(config, optim=replace(config.optim, ema=0.9))
    whole = train(with_steps(smooth, 6, save_every=3), data, tmp_path / "whole")
    cut = tmp_path / "cut"
    train(with_steps(smooth, 6, save_every=3), data, cut)
    (cut / "state-00000006.pt").unlink()
    (cut / "weights.safetensors").unlink()
    again = train(with_steps(smooth, 6, save_every=2), data, cut, start="newest")
    assert same_weights(whole, again)


@pytest.mark.slow
def test_a_killed_run_resumes_exactly(config: TrainConfig, davis_folder: Path, tmp_path: Path) -> None:
    settings = config_to_json(with_steps(config, 12, save_every=4, keep=9))

    def child(out: Path, *, resume: bool) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", CHILD, settings, davis_folder, out, str(int(resume))])

    assert child(tmp_path / "whole", resume=False).wait() == 0
    running = child(tmp_path / "cut", resume=False)
    while not list_checkpoints(tmp_path / "cut"):
        assert running.poll() is None
    running.send_signal(signal.SIGKILL)  # it is in one of the steps after its first checkpoint
    assert running.wait() == -signal.SIGKILL
    assert child(tmp_path / "cut", resume=True).wait() == 0
    assert same_weights(tmp_path / "whole" / "weights.safetensors", tmp_path / "cut" / "weights.safetensors")


@pytest.mark.slow
def test_two_processes_equal_one_that_accumulates(config: TrainConfig, davis_folder: Path, tmp_path: Path) -> None:
    moments = []
    for processes, accumulate in ((1, 2), (2, 1)):
        once = with_steps(replace(config, optim=replace(config.optim, accumulate=accumulate)), 1)
        out = tmp_path / str(processes)
        script = tmp_path / "child.py"
        script.write_text(CHILD)
        launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        arguments = [config_to_json(once), str(davis_folder), str(out), "0"]
        subprocess.run(
            [*launch, str(script), *arguments],
            check=True,
            capture_output=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        state = read_checkpoint(list_checkpoints(out)[-1])["optimizer"]["state"]
        moments.append({place: entry["exp_avg"] for place, entry in state.items()})  # (1 - beta) times the gradient
    assert moments[0].keys() == moments[1].keys()
    largest = max(gradient.abs().max() for gradient in moments[0].values())
    assert largest > 0
    for place, gradient in moments[0].items():
        assert torch.allclose(gradient, moments[1][place], rtol=1e-5, atol=1e-5 * float(largest))


def test_a_folder_with_another_run_is_left_alone(config: TrainConfig, data: TrainData, tmp_path: Path) -> None:
    train(with_steps(config, 1), data, tmp_path)
    with pytest.raises(OutputError, match="state-00000001"):
        train(with_steps(config, 1), data, tmp_path)
    changed = with_steps(replace(config, loss=replace(config.loss, dice=3.0)), 1)
    with pytest.raises(OutputError, match=r"loss\.dice"):
        train(changed, data, tmp_path, start="newest")


def test_a_damaged_checkpoint_gives_way_to_the_one_before(
    config: TrainConfig, data: TrainData, tmp_path: Path, one_thread: None
) -> None:
    whole = train(with_steps(config, 4, save_every=2), data, tmp_path / "whole")
    cut = tmp_path / "cut"
    train(with_steps(config, 4, save_every=2), data, cut)
    newest = cut / "state-00000004.pt"
    newest.write_bytes(newest.read_bytes()[:1000])
    assert same_weights(whole, train(with_steps(config, 4, save_every=2), data, cut, start="newest"))
    for path in list_checkpoints(cut):
        path.write_bytes(b"nothing")
    with pytest.raises(WeightsError, match=r"state-0"):
        train(with_steps(config, 4, save_every=2), data, cut, start="newest")


def test_the_newest_few_checkpoints_are_kept(config: TrainConfig, data: TrainData, tmp_path: Path) -> None:
    train(with_steps(config, 5, save_every=1, keep=2), data, tmp_path)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["state-00000004.pt", "state-00000005.pt"]


def test_training_starts_from_given_weights(config: TrainConfig, data: TrainData, tmp_path: Path) -> None:
    first = train(with_steps(config, 2), data, tmp_path / "first")
    frozen = replace(config.optim, freeze=("image_encoder", "memory", "sam_prompt", "obj_", "mask", "no_"))
    second = train(with_steps(replace(config, optim=frozen), 2), data, tmp_path / "second", start=first)
    before, after = (load_model(path).state_dict() for path in (first, second))
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert all(name.startswith("sam_mask_decoder") for name in moved)


def test_a_step_moves_weights_and_returns_its_terms(config: TrainConfig, data: TrainData) -> None:
    model = init_model(config)
    set_train_mode(model)
    before = {name: p.clone() for name, p in model.named_parameters()}
    optimizer = build_optimizer(model, config.optim)
    terms, norm = train_step(model, [Mixture(config, data)[0]], optimizer, config)
    loss = config.loss
    weighted = loss.mask * terms["mask"] + loss.dice * terms["dice"] + loss.iou * terms["iou"] + terms["presence"]
    assert terms["loss"] == pytest.approx(weighted, rel=1e-4)
    assert norm > 0
    assert any(not torch.equal(p, before[name]) for name, p in model.named_parameters())


def test_a_gradient_that_is_not_finite_moves_nothing(config: TrainConfig, data: TrainData) -> None:
    model = init_model(config)
    set_train_mode(model)
    with torch.no_grad():
        model.sam_mask_decoder.iou_token.weight.fill_(float("inf"))
    before = {name: p.clone() for name, p in model.named_parameters()}
    optimizer = build_optimizer(model, config.optim)
    _, norm = train_step(model, [Mixture(config, data)[0]], optimizer, config)
    assert not torch.isfinite(torch.tensor(norm))
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())
