"""Preflight check of training data: count what is in the data sets, and draw samples as the model will see them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from masklet.errors import FormatError
from masklet.io.atomic import output_errors
from masklet.io.datasets import CheckReport, check, contact_sheet
from masklet.io.images import write_image
from masklet.train.batch import TrainBatch
from masklet.train.config import TrainConfig
from masklet.train.mixture import Mixture, TrainData
from masklet.train.previews import ObjectPrompts, as_prompts, draw_frames, draw_sheet
from masklet.train.prompts import first_prompts
from masklet.train.sources import Source, as_training_data
from masklet.types import Prompts, RgbImage

SAMPLES = "samples.png"
TILE, NUM_IMAGES, NUM_CLIPS = 144, 12, 4


@dataclass(frozen=True)
class Preflight:
    """Results of the check.

    Attributes:
        reports: contents of each source.
        sheets: image files to look at.
        skipped: why samples were skipped in the sheet of training samples, one line each.
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
) -> Preflight:
    """Read all data once, count masks, and draw one sheet for each source and one of training samples into ``out``.

    ``progress`` is called after each image or video with the number done and the total.

    Raises:
        FormatError: a source has no mask to learn from.
        OutputError: a sheet cannot be written.
    """
    with output_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    total, done = sum(len(source.dataset) for source in sources), 0
    reports, sheets = [], []
    for number, source in enumerate(sources, start=1):

        def advance(count: int, _of: int, before: int = done) -> None:
            if progress is not None:
                progress(before + count, total)

        report = check(source.dataset, progress=advance)
        done += len(source.dataset)
        if not report.masks:
            raise FormatError(f"expected masks to learn from, got none: {source.given}: {'; '.join(report.lines())}")
        sheet = out / f"data-{number}-{report.name}.png"
        contact_sheet(source.dataset, sheet)
        reports.append(report)
        sheets.append(sheet)
    skipped = sample_sheet(config, as_training_data(sources), out / SAMPLES)
    return Preflight(tuple(reports), (*sheets, out / SAMPLES), skipped)


def sample_sheet(config: TrainConfig, data: TrainData, path: Path) -> tuple[str, ...]:
    """Draw a few training samples of each kind, with masks and first prompts, into an image file.

    Returns:
        why samples were skipped, one line each.

    Raises:
        FormatError: no sample shows an object.
        OutputError: the file cannot be written.
    """
    rows: list[tuple[str, Sequence[RgbImage]]] = []
    skipped: list[str] = []
    for kind, share, mixture in _sample_kinds(config, data):
        batches = [mixture[number] for number in range(NUM_IMAGES if kind == "images" else NUM_CLIPS)]
        skipped += [line for batch in batches for line in batch.skipped]
        if kind == "images":
            tiles = [_draw(batch)[0] for batch in batches]
            columns = max(config.data.frames, 6)
            parts = [tiles[start : start + columns] for start in range(0, len(tiles), columns)]
            rows += [(f"images, {share:.0%} of all batches" if not i else "", part) for i, part in enumerate(parts)]
        else:
            rows += [(f"{kind}, {share:.0%} of all batches: {_caption(batch)}", _draw(batch)) for batch in batches]
    write_image(path, draw_sheet(rows))
    return tuple(skipped)


def _sample_kinds(config: TrainConfig, data: TrainData) -> Iterator[tuple[str, float, Mixture]]:
    """Yield each kind of sample in the run, its share of the batches, and a mixture of this kind only."""
    image_share = Mixture(config, data).image_share
    synthetic = config.data.synthetic if data.videos else 1.0
    for kind, share, image, made in (
        ("images", image_share, 1.0, 0.0),
        ("clips of videos", (1 - image_share) * (1 - synthetic), 0.0, 0.0),
        ("clips made of images", (1 - image_share) * synthetic, 0.0, 1.0),
    ):
        if share > 0:
            only = replace(config.data, image_share=image, synthetic=made, image_batch=1, clip_batch=1)
            yield kind, share, Mixture(replace(config, data=only), data)


def _draw(batch: TrainBatch) -> list[RgbImage]:
    frames = np.ascontiguousarray(batch.pixels[:, 0].permute(0, 2, 3, 1).numpy())
    return draw_frames(frames, batch.masks.numpy(), _first_prompts(batch), tile=TILE)


def _first_prompts(batch: TrainBatch) -> ObjectPrompts:
    """Return the first click or box on each object of a batch of one clip; a mask prompt is not drawn."""
    found: dict[tuple[int, int], Prompts] = {}
    for frame in batch.plan.prompted:
        present = batch.masks[frame].flatten(1).any(1).tolist()
        rows = [row for row, kind in enumerate(batch.plan.kinds) if kind != "mask" and present[row]]
        if rows:
            prompts = map(as_prompts, first_prompts(batch.masks[frame, rows], batch.plan, frame, rows))
            found |= {(frame, row): given for row, given in zip(rows, prompts, strict=True) if given is not None}
    return found


def _caption(batch: TrainBatch) -> str:
    plan = batch.plan
    return (
        f"{', '.join(plan.kinds)} on frame {' and '.join(map(str, plan.prompted))}; "
        f"{plan.rounds} corrections on frame {' and '.join(map(str, plan.corrected))}"
    )
