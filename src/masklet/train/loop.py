"""Training loop: optimizer steps on numbered batches, in one process or several; checkpoints and final weights."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
import torch.distributed as dist
from torch import nn

from masklet.errors import OutputError
from masklet.io.atomic import output_errors
from masklet.model.convert import save_model
from masklet.model.load import load_model
from masklet.model.sam2 import Sam2
from masklet.predict.load import compile_model
from masklet.train.batch import TrainBatch
from masklet.train.callbacks import Callback, StepReport
from masklet.train.checkpoints import list_checkpoints, read_newest, restore, save_checkpoint
from masklet.train.config import TrainConfig
from masklet.train.lora import add_lora, merge_lora
from masklet.train.losses import TERMS, batch_loss
from masklet.train.mixture import Mixture, TrainData, load_batches
from masklet.train.optimizer import EMA, build_optimizer, freeze, lr_at, set_lr, set_train_mode
from masklet.train.overrides import config_from_json, config_to_json, differences
from masklet.train.previews import make_preview

WEIGHTS = "weights.safetensors"
Validate = Callable[[Sam2], Mapping[str, float]]
CPU = torch.device("cpu")


def train(
    config: TrainConfig,
    data: TrainData,
    out: Path,
    *,
    start: Path | Literal["newest"] | None = None,
    validate: Validate | None = None,
    callbacks: Sequence[Callback] = (),
) -> Path:
    """Train a model; under `torchrun` every process calls this function.

    A batch is a function of the seed and its number, so a run that was killed and resumed ends with the same weights as
    an uninterrupted one (bit for bit on the CPU with the same number of threads).

    Args:
        config: all settings of the run.
        data: annotated images and videos.
        out: folder for checkpoints and the final weights.
        start: a file of weights to start from, with their own model configuration; "newest" resumes from the newest
            checkpoint in ``out``, if there is one; None starts from random weights.
        validate: called with the model in eval mode every `RunConfig.validate_every` steps and at the end.
        callbacks: called in the first process.

    Returns:
        the file of the final weights (their EMA, if it is on).

    Raises:
        WeightsError: the weights or the checkpoint cannot be used.
        OutputError: ``out`` holds another run, or cannot be written.
        FormatError: there is nothing to train on.
    """
    with init_distributed() as world:
        run = Run(config, data, out, world, start, validate, callbacks if world.is_first else ())
        try:
            for batches, waited in run.batches():
                run.step(batches, waited)
            return run.finish()
        finally:
            for callback in run.callbacks:
                callback.close()


class Run:
    """State of a training run: model, optimizer, EMA and the number of finished steps."""

    def __init__(
        self,
        config: TrainConfig,
        data: TrainData,
        out: Path,
        world: World,
        start: Path | Literal["newest"] | None,
        validate: Validate | None,
        callbacks: Sequence[Callback],
    ) -> None:
        self.out, self.world, self.validate, self.callbacks = out, world, validate, callbacks
        self.mixture = Mixture(config, data)
        checkpoints = list_checkpoints(out)
        if checkpoints and start != "newest":
            raise OutputError(
                f"{out} holds the checkpoint {checkpoints[-1].stem} of another run: resume it, or choose another folder"
            )
        with output_errors(out):
            out.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(config.run.seed)
        checkpoint = read_newest(checkpoints) if checkpoints else None
        if checkpoint is not None:
            stored = config_from_json(checkpoint["config"])
            changed = differences(replace(stored, run=config.run, model=config.model), config)
            if changed:
                others = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
                raise OutputError(
                    f"{out} holds a run with other settings ({changed[0]}{others}); change only run.* when you resume"
                )
            config = replace(config, model=stored.model)
        if checkpoint is None and isinstance(start, Path):
            self.model = load_model(start)
            config = replace(config, model=self.model.config)
        else:
            self.model = init_model(config)
        self.config, optim = config, config.optim
        self.model.to(world.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        freeze(self.model, optim.freeze)
        if optim.lora:
            add_lora(self.model, optim.lora)
            self.model.to(world.device)
        set_train_mode(self.model)
        if optim.compile:
            compile_model(self.model)
        self.optimizer = build_optimizer(self.model, optim)
        self.ema = EMA(self.model, optim.ema)
        self.done = 0 if checkpoint is None else restore(checkpoint, self.model, self.optimizer, self.ema)

    def batches(self) -> Iterator[tuple[list[TrainBatch], float]]:
        """Yield the batches of this process for each remaining step, and the seconds spent waiting for them."""
        optim = self.config.optim
        numbers = [
            (step * self.world.size + self.world.rank) * optim.accumulate + i
            for step in range(self.done, optim.steps)
            for i in range(optim.accumulate)
        ]
        stream = load_batches(self.mixture, numbers, self.config.run.workers)
        for _ in range(self.done, optim.steps):
            started = time.perf_counter()
            batches = [next(stream) for _ in range(optim.accumulate)]
            yield batches, time.perf_counter() - started

    def step(self, batches: list[TrainBatch], waited: float) -> None:
        """Take one optimizer step, then run callbacks, validate and save a checkpoint where they are due."""
        config, started = self.config, time.perf_counter()
        lr_scale = lr_at(self.done, config.optim)
        set_lr(self.optimizer, lr_scale)
        terms, norm = train_step(self.model, batches, self.optimizer, config, self.world)
        self.ema.update(self.model)
        self.done += 1
        report = StepReport(
            step=self.done,
            steps=config.optim.steps,
            terms=terms,
            norm=norm,
            lr_scale=lr_scale,
            images=self.world.size * sum(batch.pixels.shape[0] * batch.pixels.shape[1] for batch in batches),
            seconds=waited + time.perf_counter() - started,
            waited=waited,
            skipped=tuple(line for batch in batches for line in batch.skipped),
            is_image=batches[-1].num_frames == 1,
        )
        for callback in self.callbacks:
            callback.on_step(report)
        every = config.run
        if every.picture_every and self.done % every.picture_every == 0 and self.callbacks:
            preview = make_preview(self.model, batches[-1])
            for callback in self.callbacks:
                callback.on_preview(self.done, preview)
        if every.validate_every and self.done % every.validate_every == 0:
            self._validate()
        if self.done % every.save_every == 0 or self.done == config.optim.steps:
            self._save()

    def _save(self) -> None:
        if self.world.is_first:
            settings, keep = config_to_json(self.config), self.config.run.keep
            save_checkpoint(self.out, self.done, settings, self.model, self.optimizer, self.ema, keep=keep)
        barrier(self.world)

    def _validate(self) -> None:
        if self.validate is None or not self.world.is_first:
            return
        self.ema.swap(self.model)
        self.model.eval()
        with torch.inference_mode():
            scores = self.validate(self.model)
        self.ema.swap(self.model)
        set_train_mode(self.model)
        for callback in self.callbacks:
            callback.on_validation(self.done, scores)

    def finish(self) -> Path:
        """Validate, unless the last step did, and write the final weights."""
        every = self.config.run.validate_every
        if not every or self.done % every:
            self._validate()
        target = self.out / WEIGHTS
        if self.world.is_first:
            self.ema.swap(self.model)
            merge_lora(self.model)
            save_model(self.model, target)
        barrier(self.world)
        return target


def train_step(
    model: Sam2,
    batches: Sequence[TrainBatch],
    optimizer: torch.optim.Optimizer,
    config: TrainConfig,
    world: World | None = None,
) -> tuple[dict[str, float], float]:
    """Take one optimizer step on the mean gradient of some batches, averaged over all processes.

    Returns:
        "loss" and its terms, means over the batches; and the norm of the gradient before clipping. If it is not finite,
        the weights are unchanged.
    """
    optim = config.optim
    optimizer.zero_grad(set_to_none=True)
    sums = dict.fromkeys(("loss", *TERMS), 0.0)
    for batch in batches:
        with torch.autocast(model.device.type, torch.bfloat16, enabled=optim.autocast):
            loss, terms = batch_loss(model, batch, config.loss, checkpointing=optim.checkpointing)
        if loss.requires_grad:
            (loss / len(batches)).backward()
        for name, value in {"loss": float(loss.detach()), **terms}.items():
            sums[name] += value / len(batches)
    average_gradients(model, world or World())
    norm = torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.grad is not None], optim.clip)
    if torch.isfinite(norm):
        optimizer.step()
    return sums, float(norm)


def init_model(config: TrainConfig) -> Sam2:
    """Build a model with random weights; embeddings that are zero by default get small random values."""
    model = Sam2(config.model)
    for parameter in model.parameters():
        if parameter.ndim > 1 and not parameter.any():
            torch.nn.init.trunc_normal_(parameter, std=0.02)
    return model


@dataclass(frozen=True)
class World:
    """Place of this process among the ``size`` processes of a run."""

    rank: int = 0
    size: int = 1
    device: torch.device = CPU

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and calls callbacks."""
        return self.rank == 0


@contextmanager
def init_distributed() -> Iterator[World]:
    """Join the process group of `torchrun` for the duration of the block; without torchrun a world of one process.

    The device is the CUDA device of the local rank if CUDA is available, else the CPU.
    """
    local = int(os.environ.get("LOCAL_RANK", "0"))
    cuda = torch.cuda.is_available()
    device = torch.device("cuda", local) if cuda else CPU
    if "WORLD_SIZE" not in os.environ:
        yield World(device=device)
        return
    if cuda:
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if cuda else "gloo")
    try:
        yield World(dist.get_rank(), dist.get_world_size(), device)
    finally:
        dist.destroy_process_group()


def average_gradients(model: nn.Module, world: World) -> None:
    """Replace every gradient by its mean over all processes; a missing gradient counts as zero.

    One all-reduce at the end of a step instead of hooks during the backward pass: which weights a batch uses differs
    between batches and processes (no clicks, no memories), and the result must not depend on it.
    """
    if world.size == 1:
        return
    trained = [p for p in model.parameters() if p.requires_grad]
    used = torch.tensor([p.grad is not None for p in trained], dtype=torch.int32, device=trained[0].device)
    dist.all_reduce(used, dist.ReduceOp.MAX)
    reduced = [p for p, used_anywhere in zip(trained, used.tolist(), strict=True) if used_anywhere]
    for p in reduced:
        if p.grad is None:
            p.grad = torch.zeros_like(p)
    flat = torch.cat([p.grad.flatten() for p in reduced if p.grad is not None])
    dist.all_reduce(flat)
    flat /= world.size
    for p, part in zip(reduced, flat.split([p.numel() for p in reduced]), strict=True):
        assert p.grad is not None
        p.grad.copy_(part.view_as(p))


def barrier(world: World) -> None:
    """Wait until all processes arrive."""
    if world.size > 1:
        dist.barrier()
