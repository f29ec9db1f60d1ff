"""The work of `masklet train`: options to calls, validation, and what is said before and after."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import torch
import typer

from masklet.cli.errors import INTERRUPTED, error_entry
from masklet.cli.progress import progress
from masklet.cli.report import note
from masklet.cli.training_progress import JsonLines, Lines, say
from masklet.errors import DeviceError, FormatError, MaskletError
from masklet.evaluate import evaluate, protocol_named
from masklet.io.datasets import CheckReport
from masklet.model.sam2 import Sam2
from masklet.predict.load import find_weights
from masklet.train.callbacks import Callback, CsvLogger, TensorBoard, has_tensorboard
from masklet.train.check import preflight
from masklet.train.checkpoints import list_checkpoints
from masklet.train.config import TrainConfig
from masklet.train.loop import train
from masklet.train.overrides import override
from masklet.train.recipes import recipe_named
from masklet.train.sources import VALIDATION, Source, as_training_data, open_source

MAX_VAL_VIDEOS, MAX_VAL_PICTURES = 8, 50
"""Validation during training takes so many, spread evenly; `masklet evaluate` measures all."""

LESS_MEMORY = (
    "try --set optim.checkpointing=on, fewer data.frames, data.clip_masks or data.image_masks, a smaller "
    "data.image_size, or optim.freeze=image_encoder"
)


@dataclass(frozen=True, kw_only=True)
class TrainingRun:
    """A run as the command line describes it.

    Attributes:
        recipe: its name.
        data, val: ``[NAME=]PATH[@SPLIT]`` each.
        out: the run's folder.
        init: the model to start from, by name or file.
        settings: ``section.field=value`` each.
        as_json: print JSON lines on stdout and nothing for people.
    """

    recipe: str
    data: Sequence[str]
    out: Path
    init: str | None = None
    settings: Sequence[str] = ()
    val: Sequence[str] = ()
    as_json: bool = False

    def run(self, *, resume: bool, only_check: bool) -> None:
        """Train, or only look at the data."""
        try:
            config = self._config()
            sources = [open_source(path) for path in self.data]
            judges = [open_source(path, prefer=VALIDATION) for path in self.val]
            self._tell_sources(sources)
            if only_check:
                self._check(config, sources)
            else:
                self._train(config, sources, judges, resume=resume)
        except torch.OutOfMemoryError:
            self._tell_error(DeviceError(f"the device has not enough memory: {LESS_MEMORY}"))
        except MaskletError as error:
            self._tell_error(error)

    def _tell_error(self, error: MaskletError) -> NoReturn:
        if self.as_json and self._first:
            say("error", **error_entry(error))
        raise error from None

    @property
    def _first(self) -> bool:
        """Whether this is the one process that speaks."""
        return os.environ.get("RANK", "0") == "0"

    def _config(self) -> TrainConfig:
        if self.init is not None and any(setting.strip().startswith("model") for setting in self.settings):
            raise FormatError("--set model... does not go with --init, whose file says what the model is")
        config = override(recipe_named(self.recipe), self.settings)
        if self.val and not config.run.validate_every:
            config = replace(config, run=replace(config.run, validate_every=config.run.save_every))
        return config

    def _tell_sources(self, sources: Sequence[Source]) -> None:
        if not self._first:
            return
        for source in sources:
            found, kind = source.dataset, "videos" if source.is_video else "pictures"
            if self.as_json:
                said = {"name": found.name, "split": found.split, kind: len(found), "warnings": len(found.warnings)}
                say("data", source=source.given, **said)
            else:
                told = f"; {len(found.warnings)} warnings, such as {found.warnings[0]}" if found.warnings else ""
                note(f"{source.given}: {len(found)} {kind} ({found.name} {found.split}){told}")

    def _check(self, config: TrainConfig, sources: Sequence[Source]) -> None:
        total = sum(len(source.dataset) for source in sources)
        with progress("check", total, quiet=self.as_json) as advance:
            found = preflight(config, sources, self.out, progress=lambda _done, _total: advance())
        if self.as_json:
            for source, report in zip(sources, found.reports, strict=True):
                say("checked", source=source.given, **_entry(report))
            say("done", sheets=[str(sheet) for sheet in found.sheets], skipped=len(found.skipped))
            return
        for report in found.reports:
            typer.echo("\n".join(report.lines()))
        for line in sorted(set(found.skipped)):
            typer.echo(f"sample passed over: {line}")
        typer.echo(f"look at {', '.join(str(sheet) for sheet in found.sheets)}")

    def _train(self, config: TrainConfig, sources: Sequence[Source], judges: Sequence[Source], *, resume: bool) -> None:
        states = list_checkpoints(self.out)
        if resume and not states and self._first:
            note(f"no checkpoint in {self.out}: starting at the beginning")
        try:
            weights = train(
                config,
                as_training_data(sources),
                self.out,
                start="newest" if resume and states else None if self.init is None else find_weights(self.init),
                validate=validator(judges) if judges else None,
                callbacks=self._callbacks(config) if self._first else (),
            )
        except KeyboardInterrupt:
            states = list_checkpoints(self.out)
            kept = f"{states[-1].name} is kept; add --resume to go on" if states else "no checkpoint was due yet"
            note(f"interrupted: {kept}", quiet=not self._first)
            raise typer.Exit(INTERRUPTED) from None
        if self.as_json and self._first:
            say("done", weights=str(weights))
        elif self._first:
            typer.echo(f"wrote {weights}")

    def _callbacks(self, config: TrainConfig) -> list[Callback]:
        every = config.run.log_every
        callbacks: list[Callback] = [CsvLogger(self.out, every=every)]
        if has_tensorboard():
            callbacks.append(TensorBoard(self.out / "tensorboard", every=every))
        else:
            note('no curves and pictures for TensorBoard: pip install "masklet[train]"', quiet=self.as_json)
        callbacks.append(JsonLines(every=every) if self.as_json else Lines(config.name, every=every))
        return callbacks


def validator(judges: Sequence[Source]) -> Callable[[Sam2], Mapping[str, float]]:
    """What scores a model on a few items of each source: J&F of videos (from the first mask, from one click), mIoU of
    pictures after one, three and five clicks; in percent.
    """

    def validate(model: Sam2) -> dict[str, float]:
        scores: dict[str, float] = {}
        for source in judges:
            of = f" {source.dataset.name}" if len(judges) > 1 else ""
            dataset: Any = spread(source)
            if source.is_video:
                for name in ("mask", "1-click"):
                    document = _document(evaluate(dataset, model, protocol_named(name)))
                    scores[f"J&F {name}{of}"] = document["JF"]
            else:
                document = _document(evaluate(dataset, model, protocol_named("image-clicks", clicks=5)))
                scores |= {f"mIoU {clicks}-click{of}": document["mIoU"][clicks] for clicks in ("1", "3", "5")}
        return scores

    return validate


def spread(source: Source) -> Any:
    """At most a few items of a source, from its first to its last."""
    found = source.dataset
    count = min(len(found), MAX_VAL_VIDEOS if source.is_video else MAX_VAL_PICTURES)
    return found.only([found.names[place * len(found) // count] for place in range(count)])


def _document(result: Any) -> dict[str, Any]:
    assert result is not None, "there is one rank"
    document: dict[str, Any] = result.document
    return document


def _entry(report: CheckReport) -> dict[str, Any]:
    names = ("name", "split", "items", "frames", "annotated", "objects", "masks")
    problems = {str(kind): count for kind, count in report.counts.items()}
    return {**{name: getattr(report, name) for name in names}, "problems": problems}
