"""`masklet train`: train or fine-tune a model, or check training data."""

from __future__ import annotations

import json
import math
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from masklet.cli.app import INTERRUPTED, TOOL_PANEL, command, error_entry
from masklet.cli.options import OUTPUT_PANEL
from masklet.cli.report import Progress, clock, document, note
from masklet.errors import DeviceError, FormatError, MaskletError

if TYPE_CHECKING:
    from masklet.model.sam2 import Sam2
    from masklet.train.callbacks import Callback, StepReport
    from masklet.train.config import TrainConfig
    from masklet.train.previews import Preview
    from masklet.train.sources import Source

MAX_VAL_VIDEOS, MAX_VAL_IMAGES = 8, 50
"""Items per validation source, evenly spaced; `masklet evaluate` uses all."""

SPEED_WINDOW = 50
"""Steps over which speed and time left are averaged."""

MAX_SKIPS = 5
"""Skipped samples reported one by one; further ones are counted."""

OUT_OF_MEMORY = (
    "out of device memory: try --set optim.checkpointing=on, fewer data.frames, data.clip_masks or data.image_masks, "
    "a smaller data.image_size, or optim.freeze=image_encoder"
)

EXAMPLES = """
masklet train finetune_vos --data MOSE --init sam2.1_hiera_tiny.pt --out run --check

masklet train finetune_vos --data MOSE --val DAVIS --init sam2.1_hiera_tiny.pt --out run --set optim.steps=2000

masklet train finetune_vos --data MOSE --val DAVIS --out run --set optim.steps=2000 --resume

masklet train nano --data stills --data davis2016=DAVIS@train --out run --set data.image_size=320 --set optim.lr=3e-4

torchrun --nproc-per-node 8 --no-python masklet train full --data SA-1B --data SA-V --init pre.pt --out run

Recipes: finetune_vos (a released model on your videos), full and pretrain_images (the stages of the paper), nano
(the embedded model), test_tiny (seconds). Settings and data formats: docs/guides/train.md.
"""


@command(examples=EXAMPLES, panel=TOOL_PANEL)
def train(
    recipe: Annotated[str, Argument(help="finetune_vos, full, pretrain_images, nano or test_tiny.")],
    *,
    data: Annotated[
        list[str],
        Option(
            metavar="[NAME=]PATH[@SPLIT]",
            help="Images or videos with masks; may be repeated. NAME is one of masklet evaluate --list.",
        ),
    ],
    out: Annotated[
        Path,
        Option(metavar="DIR", help="Folder for weights, checkpoints and losses.csv.", rich_help_panel=OUTPUT_PANEL),
    ],
    init: Annotated[
        str | None, Option(metavar="MODEL", help="Initial weights: a model name (see masklet models) or a weight file.")
    ] = None,
    settings: Annotated[
        list[str], Option("--set", metavar="SECTION.FIELD=VALUE", help="Override a setting of the recipe.")
    ] = [],  # noqa: B006  typer copies it
    val: Annotated[
        list[str],
        Option(
            metavar="[NAME=]PATH[@SPLIT]",
            help="Data to validate on during training, every run.validate_every steps.",
            show_default=False,
        ),
    ] = [],  # noqa: B006
    resume: Annotated[bool, Option("--resume", help="Continue from the newest checkpoint in --out.")] = False,
    check: Annotated[
        bool, Option("--check", help="Check the data and draw samples into --out, without training.")
    ] = False,
    json_lines: Annotated[
        bool, Option("--json", help="Print one JSON object a line on stdout.", rich_help_panel=OUTPUT_PANEL)
    ] = False,
) -> int:
    """Train or fine-tune a model with the recipe of the SAM 2 paper.

    Writes DIR/weights.safetensors, which every command takes as --model. An interrupted run continues with the same
    command and --resume, to the same weights. Under torchrun the processes share the work.
    """
    from masklet.predict.load import find_weights
    from masklet.train.checkpoints import list_checkpoints
    from masklet.train.loop import train as train_model
    from masklet.train.overrides import override
    from masklet.train.recipes import recipe_named
    from masklet.train.sources import VALIDATION, as_training_data, open_source

    first = _is_first_rank()
    with _error_events(json_lines=json_lines and first):
        if init is not None and any(setting.strip().startswith("model") for setting in settings):
            raise FormatError("--set model... does not go with --init, whose file holds the model's configuration")
        config = override(recipe_named(recipe), settings)
        if val and not config.run.validate_every:
            config = replace(config, run=replace(config.run, validate_every=config.run.save_every))
        sources = [open_source(path) for path in data]
        validation = [open_source(path, prefer=VALIDATION) for path in val]
        if first:
            _report_sources(sources, json_lines=json_lines)
        if check:
            _check_data(config, sources, out, json_lines=json_lines)
            return 0
        checkpoints = list_checkpoints(out)
        if resume and not checkpoints:
            note(f"no checkpoint in {out}: starting from step 0", quiet=not first)
        try:
            weights = train_model(
                config,
                as_training_data(sources),
                out,
                start="newest" if resume and checkpoints else None if init is None else find_weights(init),
                validate=validator(validation) if validation else None,
                callbacks=_callbacks(config, out, json_lines=json_lines) if first else (),
            )
        except KeyboardInterrupt:
            checkpoints = list_checkpoints(out)
            saved = (
                f"continue from {checkpoints[-1].name} with --resume" if checkpoints else "no checkpoint was saved yet"
            )
            note(f"interrupted: {saved}", quiet=not first)
            return INTERRUPTED
        if json_lines and first:
            print_event("done", weights=str(weights))
        elif first:
            typer.echo(f"wrote {weights}")
        return 0


@contextmanager
def _error_events(*, json_lines: bool) -> Iterator[None]:
    """Print an error as an event too; one of device memory gets advice."""
    import torch

    try:
        yield
    except (torch.OutOfMemoryError, MaskletError) as raised:
        error = raised if isinstance(raised, MaskletError) else DeviceError(OUT_OF_MEMORY)
        if json_lines:
            print_event("error", **error_entry(error))
        raise error from None


def _check_data(config: TrainConfig, sources: Sequence[Source], out: Path, *, json_lines: bool) -> None:
    """Read all training data, draw samples into ``out`` and report problems."""
    from masklet.train.check import preflight

    total = sum(len(source.dataset) for source in sources)
    with Progress("check", total, quiet=json_lines) as progress:
        found = preflight(config, sources, out, progress=progress.advance)
    if json_lines:
        fields = ("name", "split", "items", "frames", "annotated", "objects", "masks")
        for source, report in zip(sources, found.reports, strict=True):
            problems = {str(kind): count for kind, count in report.counts.items()}
            entry = {name: getattr(report, name) for name in fields}
            print_event("checked", source=source.given, **entry, problems=problems)
        print_event("done", sheets=[str(sheet) for sheet in found.sheets], skipped=len(found.skipped))
        return
    for report in found.reports:
        typer.echo("\n".join(report.lines()))
    for line in sorted(set(found.skipped)):
        typer.echo(f"sample skipped: {line}")
    typer.echo(f"samples drawn into {', '.join(str(sheet) for sheet in found.sheets)}")


def _is_first_rank() -> bool:
    """Whether this is the process that prints."""
    return os.environ.get("RANK", "0") == "0"


def _report_sources(sources: Sequence[Source], *, json_lines: bool) -> None:
    for source in sources:
        found = source.dataset
        if json_lines:
            kind = "videos" if source.is_video else "pictures"
            entry = {"name": found.name, "split": found.split, kind: len(found), "warnings": len(found.warnings)}
            print_event("data", source=source.given, **entry)
        else:
            kind = "videos" if source.is_video else "images"
            warnings = f"; {len(found.warnings)} warnings, such as {found.warnings[0]}" if found.warnings else ""
            note(f"{source.given}: {len(found)} {kind} ({found.name} {found.split}){warnings}")


def _callbacks(config: TrainConfig, out: Path, *, json_lines: bool) -> list[Callback]:
    from masklet.train.callbacks import CsvLogger, TensorBoard, has_tensorboard

    every = config.run.log_every
    callbacks: list[Callback] = [CsvLogger(out, every=every)]
    if has_tensorboard():
        callbacks.append(TensorBoard(out / "tensorboard", every=every))
    else:
        note('without TensorBoard logs: pip install "masklet[train]" adds them', quiet=json_lines)
    callbacks.append(JsonLogger(every=every) if json_lines else ConsoleLogger(config.name, every=every))
    return callbacks


def validator(sources: Sequence[Source]) -> Callable[[Sam2], Mapping[str, float]]:
    """A function that scores a model on a few items of each source, in percent.

    Scores are the J&F of videos, from the mask of the first frame and from one click, and the mIoU of images after one,
    three and five clicks.
    """
    from masklet.evaluate import evaluate, protocol_named

    def scores_of(dataset: Any, model: Sam2, protocol: str, clicks: int | None = None) -> dict[str, Any]:
        result = evaluate(dataset, model, protocol_named(protocol, clicks=clicks))
        assert result is not None, "there is one rank"
        scores: dict[str, Any] = result.document
        return scores

    def validate(model: Sam2) -> dict[str, float]:
        scores: dict[str, float] = {}
        for source in sources:
            suffix = f" {source.dataset.name}" if len(sources) > 1 else ""
            dataset = validation_subset(source)
            if source.is_video:
                for name in ("mask", "1-click"):
                    scores[f"J&F {name}{suffix}"] = scores_of(dataset, model, name)["JF"]
            else:
                by_clicks = scores_of(dataset, model, "image-clicks", clicks=5)["mIoU"]
                scores |= {f"mIoU {clicks}-click{suffix}": by_clicks[clicks] for clicks in ("1", "3", "5")}
        return scores

    return validate


def validation_subset(source: Source) -> Any:
    """At most `MAX_VAL_VIDEOS` or `MAX_VAL_IMAGES` items of a source, evenly spaced."""
    found = source.dataset
    count = min(len(found), MAX_VAL_VIDEOS if source.is_video else MAX_VAL_IMAGES)
    return found.only([found.names[place * len(found) // count] for place in range(count)])


class ConsoleLogger:
    """Training callback that shows progress on stderr, and scores and problems as lines of their own.

    Args:
        label: name of the run.
        every: steps between two lines where stderr is no terminal; lines are also some seconds apart.
    """

    def __init__(self, label: str, *, every: int) -> None:
        self.every = every
        self.progress = Progress(label, unit="steps")
        self.recent: deque[StepReport] = deque(maxlen=SPEED_WINDOW)
        self.num_skipped = 0
        self._has_shown = False

    def on_step(self, report: StepReport) -> None:
        """Show the progress of the run."""
        self.recent.append(report)
        for reason in report.skipped:
            self.num_skipped += 1
            if self.num_skipped <= MAX_SKIPS:
                note(f"sample skipped: {reason}")
        if not math.isfinite(report.norm):
            note(f"step {report.step} was not applied: its gradient is not finite")
        is_last = report.step == report.steps
        if is_last or self.progress.has_bar or report.step % self.every == 0:
            self.progress.done, self.progress.total = report.step, report.steps
            self.progress.show(self.state(), now=is_last or not self._has_shown)
            self._has_shown = True

    def state(self) -> str:
        """Step, loss, speed and time left: "120/4000, loss 1.03, 35.1 images/s, waiting for data 2%, 41:20 left"."""
        last = self.recent[-1]
        seconds = max(sum(report.seconds for report in self.recent), 1e-9)
        speed = sum(report.images for report in self.recent) / seconds
        waited = sum(report.waited for report in self.recent) / seconds
        loss = sum(report.terms["loss"] for report in self.recent) / len(self.recent)
        left = clock(round((last.steps - last.step) * seconds / len(self.recent)))
        return (
            f"{last.step}/{last.steps}, loss {loss:.3f}, {speed:.1f} images/s, "
            f"waiting for data {waited:.0%}, {left} left"
        )

    def on_preview(self, step: int, preview: Preview) -> None:
        """Ignore previews."""

    def on_validation(self, step: int, scores: Mapping[str, float]) -> None:
        """Print validation scores."""
        note(f"step {step}: {', '.join(f'{name} {value:.1f}' for name, value in scores.items())}")

    def close(self) -> None:
        """Remove the progress bar and print the number of skipped samples."""
        self.progress.__exit__()
        if self.num_skipped > MAX_SKIPS:
            note(f"{self.num_skipped} samples were skipped; skipped.txt lists them")


class JsonLogger:
    """Training callback that prints one JSON object a line on stdout.

    Args:
        every: steps between lines, whose numbers are means or sums over them.
    """

    def __init__(self, *, every: int) -> None:
        from masklet.train.callbacks import StepAverages

        self.every, self.averages = every, StepAverages()

    def on_step(self, report: StepReport) -> None:
        """Print a line every ``every`` steps."""
        line = self.averages.add(report, self.every)
        if line is not None:
            print_event("step", steps=report.steps, **line)

    def on_preview(self, step: int, preview: Preview) -> None:
        """Ignore previews."""

    def on_validation(self, step: int, scores: Mapping[str, float]) -> None:
        """Print validation scores."""
        print_event("validation", step=step, scores=dict(scores))

    def close(self) -> None:
        """Do nothing: all lines have been printed."""


def print_event(event: str, **content: Any) -> None:
    """Print one event as a line of JSON; numbers that are not finite become null."""
    typer.echo(json.dumps(_finite(document("train", event=event, **content)), ensure_ascii=False, allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
