"""The pre-flight: data sets looked through, and samples as the model will see them, before hours are spent on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from masklet.errors import FormatError
from masklet.io.atomic import output_errors
from masklet.io.datasets import CheckReport, check, contact_sheet
from masklet.io.images import write_image
from masklet.train.callbacks import Ask
from masklet.train.clip_sheets import draw_frames, draw_sheet
from masklet.train.config import TrainConfig
from masklet.train.loop import TrainData
from masklet.train.mixture import Mixture, Task
from masklet.train.sources import Source, as_training_data
from masklet.train.unroll import first_prompts
from masklet.types import RgbImage

SAMPLES = "samples.png"
TILE, STILLS, CLIPS = 144, 12, 4


@dataclass(frozen=True)
class Checked:
    """What the pre-flight found.

    Attributes:
        reports: what is in each source.
        sheets: pictures of it, for people to look at.
        skipped: why samples were passed over while the last sheet was made, one line each.
    """

    reports: tuple[CheckReport, ...]
    sheets: tuple[Path, ...]
    skipped: tuple[str, ...]


def preflight(
    config: TrainConfig,
    sources: Sequence[Source],
    out: Path,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Checked:
    """Read everything once and draw what will be trained on.

    Args:
        config: the run.
        sources: the data.
        out: folder for the sheets: one of each source, and one of training samples with their first prompts.
        progress: called after each picture or video with how many are done, and of how many.

    Raises:
        FormatError: there is no mask to learn from: nothing but background, or nothing that can be read.
        OutputError: a sheet cannot be written.
    """
    with output_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    total, done = sum(len(source.dataset) for source in sources), 0
    reports, sheets = [], []
    for number, source in enumerate(sources, start=1):

        def tell(count: int, _of: int, before: int = done) -> None:
            if progress is not None:
                progress(before + count, total)

        report = check(source.dataset, progress=tell)
        done += len(source.dataset)
        if not report.masks:
            raise FormatError(f"expected masks to learn from, got none: {source.given}: {'; '.join(report.lines())}")
        sheet = out / f"data-{number}-{report.name}.png"
        contact_sheet(source.dataset, sheet)
        reports.append(report)
        sheets.append(sheet)
    skipped = sample_sheet(config, as_training_data(sources), out / SAMPLES)
    return Checked(tuple(reports), (*sheets, out / SAMPLES), skipped)


def sample_sheet(config: TrainConfig, data: TrainData, path: Path) -> tuple[str, ...]:
    """Draw a few training samples of each kind as the model will see them, with masks and first prompts.

    Args:
        config: the run.
        data: pictures and videos.
        path: the picture to write.

    Returns:
        why samples were passed over, one line each.

    Raises:
        FormatError: the data show nothing to train on.
        OutputError: it cannot be written.
    """
    rows: list[tuple[str, Sequence[RgbImage]]] = []
    skipped: list[str] = []
    for what, share, mixture in _kinds(config, data):
        tasks = [mixture[number] for number in range(STILLS if what == "stills" else CLIPS)]
        skipped += [line for task in tasks for line in task.skipped]
        if what == "stills":
            tiles = [_drawn(task)[0] for task in tasks]
            wide = max(config.data.frames, 6)
            parts = [tiles[start : start + wide] for start in range(0, len(tiles), wide)]
            rows += [(f"stills, {share:.0%} of all batches" if not i else "", part) for i, part in enumerate(parts)]
        else:
            rows += [(f"{what}, {share:.0%} of all batches: {_told(task)}", _drawn(task)) for task in tasks]
    write_image(path, draw_sheet(rows))
    return tuple(skipped)


def _kinds(config: TrainConfig, data: TrainData) -> Iterator[tuple[str, float, Mixture]]:
    """Every kind of sample that will be drawn, with its share of batches and a mixture of nothing else."""
    whole = Mixture(config, data.stills, data.videos)
    synthetic = config.data.synthetic if data.videos else 1.0
    for what, share, still, made in (
        ("stills", whole.image_share, 1.0, 0.0),
        ("clips of videos", (1 - whole.image_share) * (1 - synthetic), 0.0, 0.0),
        ("clips made of stills", (1 - whole.image_share) * synthetic, 0.0, 1.0),
    ):
        if share > 0:
            only = replace(config.data, image_share=still, synthetic=made, image_batch=1, clip_batch=1)
            yield what, share, Mixture(replace(config, data=only), data.stills, data.videos)


def _drawn(task: Task) -> list[RgbImage]:
    frames = np.ascontiguousarray(task.batch.pixels[:, 0].permute(0, 2, 3, 1).numpy())
    return draw_frames(frames, task.batch.masks.numpy(), list(_asks(task)), tile=TILE)


def _asks(task: Task) -> Iterator[Ask]:
    """The first click or box on each object of a batch of one clip; a prompted mask shows no mark."""
    for frame in task.plan.prompted:
        present = task.batch.masks[frame].flatten(1).any(1).tolist()
        rows = [row for row, kind in enumerate(task.plan.kinds) if kind != "mask" and present[row]]
        if rows:
            prompts = first_prompts(task.batch.masks[frame, rows], task.plan, frame, rows)
            for row, prompt in zip(rows, prompts, strict=True):
                yield Ask(frame, row, prompt.points[0].numpy(), tuple(prompt.labels[0].tolist()))


def _told(task: Task) -> str:
    plan = task.plan
    return (
        f"{', '.join(plan.kinds)} on frame {' and '.join(map(str, plan.prompted))}; "
        f"{plan.rounds} corrections on frame {' and '.join(map(str, plan.corrected))}"
    )
