"""The training loop: batches by number, one optimizer step after the other, checkpoints, validation, and the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from masklet.errors import OutputError, WeightsError
from masklet.io.datasets import ImageSample, VideoSequence
from masklet.model.convert import save_model
from masklet.model.load import load_model
from masklet.model.sam2 import Sam2
from masklet.predict.load import compile_model
from masklet.train.callbacks import StepReport, Watcher
from masklet.train.config import TrainConfig
from masklet.train.distributed import World, average_gradients, joined, wait_for_all
from masklet.train.lora import add_lora, merge_lora
from masklet.train.mixture import Mixture, Task, tasks
from masklet.train.optimizer import Average, build_optimizer, freeze, rate_at, set_rates, train_mode
from masklet.train.overrides import config_from_json, config_to_json, differences
from masklet.train.preview import preview
from masklet.train.state import list_states, read_state, restore, save_state
from masklet.train.step import descend

WEIGHTS = "weights.safetensors"
Validate = Callable[[Sam2], Mapping[str, float]]


@dataclass(frozen=True)
class TrainData:
    """What there is to learn from."""

    stills: Sequence[ImageSample]
    videos: Sequence[VideoSequence]


def train(
    config: TrainConfig,
    data: TrainData,
    out: Path,
    *,
    start: Path | Literal["newest"] | None = None,
    validate: Validate | None = None,
    watchers: Sequence[Watcher] = (),
) -> Path:
    """Train a model; under `torchrun` every process calls this.

    A batch is a function of the seed and its number, so a run that was killed at any moment and resumed ends with the
    weights of one that was not (bit for bit on the CPU with as many threads).

    Args:
        config: everything about the run.
        data: pictures and videos with masks.
        out: folder for checkpoints and the final weights.
        start: weights to start from, with their own model configuration; "newest" to go on from the newest checkpoint
            in ``out``, or begin where there is none; at random by default.
        validate: called with the model, in eval mode, every `RunConfig.validate_every` steps and at the end.
        watchers: told by the first process.

    Returns:
        the file of the final weights (the moving average, if there is one).

    Raises:
        WeightsError: the weights or the checkpoint cannot be used.
        OutputError: ``out`` holds another run, or cannot be written.
        FormatError: the data show nothing to train on.
    """
    with joined() as world:
        run = Run(config, data, out, world, validate, watchers if world.first else ())
        run.start(start)
        try:
            for step, batches, waited in run.batches():
                run.step(step, batches, waited)
            return run.finish()
        finally:
            for watcher in run.watchers:
                watcher.close()


class Run:
    """A run under way: the model and what moves it."""

    model: Sam2
    optimizer: torch.optim.Optimizer
    average: Average

    def __init__(
        self,
        config: TrainConfig,
        data: TrainData,
        out: Path,
        world: World,
        validate: Validate | None,
        watchers: Sequence[Watcher],
    ) -> None:
        self.config, self.out, self.world = config, out, world
        self.validate, self.watchers = validate, watchers
        self.mixture = Mixture(config, data.stills, data.videos)
        self.done = 0

    def start(self, start: Path | Literal["newest"] | None) -> None:
        """Build the model or read it, and find the place to go on from."""
        states = list_states(self.out) if self.out.is_dir() else []
        if states and start != "newest":
            raise OutputError(f"{self.out} holds a run of {states[-1].stem}: resume it, or choose another folder")
        try:
            self.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot make the folder {self.out}: {error.strerror}") from None
        torch.manual_seed(self.config.run.seed)
        state = newest_state(states) if states else None
        if state is not None:
            stored = config_from_json(state["config"])
            changed = differences(replace(stored, run=self.config.run, model=self.config.model), self.config)
            if changed:
                told = f"{changed[0]}{f' and {len(changed) - 1} more' * (len(changed) > 1)}"
                raise OutputError(
                    f"{self.out} holds a run with other settings ({told}); change only run.* when you resume"
                )
            self.config = replace(self.config, model=stored.model)
            self.model = fresh_model(self.config)
        elif isinstance(start, Path):
            self.model = load_model(start)
            self.config = replace(self.config, model=self.model.config)
        else:
            self.model = fresh_model(self.config)
        self._prepare()
        if state is not None:
            self.done = restore(state, self._parts)

    def _prepare(self) -> None:
        optim = self.config.optim
        self.model.to(self.world.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        freeze(self.model, optim.freeze)
        if optim.lora:
            add_lora(self.model, optim.lora)
            self.model.to(self.world.device)
        train_mode(self.model)
        if optim.compile:
            compile_model(self.model)
        self.optimizer = build_optimizer(self.model, optim)
        self.average = Average(self.model, optim.ema)

    @property
    def _parts(self) -> tuple[Sam2, torch.optim.Optimizer, Average]:
        return self.model, self.optimizer, self.average

    def batches(self) -> Iterator[tuple[int, list[Task], float]]:
        """What this process does in each step that is left, and the seconds it waited for the batches."""
        each, optim = self.config.optim.accumulate, self.config.optim
        numbers = [
            (step * self.world.size + self.world.rank) * each + place
            for step in range(self.done, optim.steps)
            for place in range(each)
        ]
        stream = tasks(self.mixture, numbers, self.config.run.workers)
        for step in range(self.done, optim.steps):
            asked = time.perf_counter()
            batches = [next(stream) for _ in range(each)]
            yield step, batches, time.perf_counter() - asked

    def step(self, step: int, batches: list[Task], waited: float) -> None:
        """One optimizer step, and what is due after it."""
        config, began = self.config, time.perf_counter()
        rate = rate_at(step, config.optim)
        set_rates(self.optimizer, rate)
        terms, norm = descend(
            self.model, batches, self.optimizer, config, lambda: average_gradients(self.model, self.world)
        )
        self.average.update(self.model)
        self.done = step + 1
        report = StepReport(
            step=self.done,
            steps=config.optim.steps,
            terms=terms,
            norm=norm,
            rate=rate,
            pictures=self.world.size * sum(task.batch.pixels.shape[0] * task.batch.pixels.shape[1] for task in batches),
            seconds=waited + time.perf_counter() - began,
            waited=waited,
            skipped=tuple(line for task in batches for line in task.skipped),
            still=batches[-1].batch.num_frames == 1,
        )
        for watcher in self.watchers:
            watcher.step(report)
        self._after(batches[-1])

    def _after(self, task: Task) -> None:
        run = self.config.run
        if run.picture_every and self.done % run.picture_every == 0 and self.watchers:
            shown = preview(self.model, task)
            for watcher in self.watchers:
                watcher.shown(self.done, shown)
        if run.validate_every and self.done % run.validate_every == 0:
            self._validate()
        if self.done % run.save_every == 0 or self.done == self.config.optim.steps:
            self._save()

    def _save(self) -> None:
        if self.world.first:
            save_state(self.out, self.done, config_to_json(self.config), self._parts, keep=self.config.run.keep)
        wait_for_all(self.world)

    def _validate(self) -> None:
        if self.validate is None or not self.world.first:
            return
        self.average.swap(self.model)
        self.model.eval()
        with torch.inference_mode():
            scores = self.validate(self.model)
        self.average.swap(self.model)
        train_mode(self.model)
        for watcher in self.watchers:
            watcher.validated(self.done, scores)

    def finish(self) -> Path:
        """Validate, if that was not just done, and write the weights."""
        every = self.config.run.validate_every
        if not every or self.done % every:
            self._validate()
        target = self.out / WEIGHTS
        if self.world.first:
            self.average.swap(self.model)
            merge_lora(self.model)
            save_model(self.model, target)
        wait_for_all(self.world)
        return target


def newest_state(states: Sequence[Path]) -> dict[str, Any]:
    """The newest checkpoint that can be read; a damaged one gives way to the one before it."""
    for path in reversed(states[1:]):
        try:
            return read_state(path)
        except WeightsError:
            continue
    return read_state(states[0])


def fresh_model(config: TrainConfig) -> Sam2:
    """A model at random; learned codes, which are zero until weights come, get small numbers."""
    model = Sam2(config.model)
    for parameter in model.parameters():
        if parameter.ndim > 1 and not parameter.any():
            torch.nn.init.trunc_normal_(parameter, std=0.02)
    return model
