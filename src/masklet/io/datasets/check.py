"""Validate a whole data set before it is used: counts, irregularities, and a contact sheet."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from masklet.errors import FormatError, MaskletError
from masklet.io.datasets.annotated import ImageDataset, ImageSample, Problem, ProblemKind, VideoDataset, VideoSequence
from masklet.io.images import size_text, write_image
from masklet.io.overlay import draw_overlay
from masklet.masks.rle import decode_masks
from masklet.types import FrameMasks, RgbImage, Size

MAX_PROBLEMS = 1000
"""Maximum number of problems stored in a report; all are counted."""

SHEET_MASKS = 16
"""Maximum number of masks per image on the contact sheet, the largest ones."""


@dataclass(kw_only=True)
class CheckReport:
    """The result of `check`.

    Attributes:
        items: number of sequences or images.
        frames, annotated: number of frames or images, and of those with an annotation.
        objects: number of objects in videos, or of masks in images.
        masks: number of masks with at least one pixel.
        sizes: number of items of each (height, width).
        counts: number of problems of each kind.
        problems: the first `MAX_PROBLEMS` problems.
    """

    name: str
    split: str
    items: int = 0
    frames: int = 0
    annotated: int = 0
    objects: int = 0
    masks: int = 0
    sizes: Counter[Size] = field(default_factory=Counter)
    counts: Counter[ProblemKind] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether no problem was found."""
        return not self.counts

    def add(self, problem: Problem) -> None:
        """Count a problem, and store it unless there are too many."""
        self.counts[problem.kind] += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)

    def lines(self) -> list[str]:
        """Format the report: the totals, then the count and the first problem of each kind."""
        low, high = (min(self.sizes), max(self.sizes)) if self.sizes else ((0, 0), (0, 0))
        first = {problem.kind: problem for problem in reversed(self.problems)}
        return [
            f"{self.name} {self.split}: {self.items} items, {self.frames} frames, {self.annotated} annotated, "
            f"{self.objects} objects, {self.masks} masks, {low[1]}x{low[0]} to {high[1]}x{high[0]} pixels",
            *(f"{count} x {kind}, such as {first.get(kind, '')}" for kind, count in self.counts.most_common()),
        ]


def check(dataset: VideoDataset | ImageDataset, *, progress: Callable[[int, int], None] | None = None) -> CheckReport:
    """Decode every annotation of a data set and the frame that goes with it, and count irregularities.

    To check a sample, pass ``dataset.only(limit=...)``. ``progress`` is called after each item with the number of items
    done and the total.
    """
    report = CheckReport(name=dataset.name, split=dataset.split)
    for problem in dataset.warnings:
        report.add(problem)
    items: Iterable[VideoSequence | ImageSample] = dataset
    for done, item in enumerate(items, start=1):
        checked = _check_video(item, report) if isinstance(item, VideoSequence) else _check_image(item, report)
        try:
            for problem in checked:
                report.add(problem)
        except MaskletError as error:
            report.add(Problem("unreadable", item.name, str(error)))
        report.items += 1
        if progress is not None:
            progress(done, len(dataset))
    return report


def _check_video(sequence: VideoSequence, report: CheckReport) -> Iterator[Problem]:
    yield from sequence.problems()
    report.frames += sequence.num_frames
    report.sizes[sequence.size] += 1
    with sequence.open() as video:
        for index in sequence.annotated:
            report.annotated += 1
            try:
                video[index]
                truth = sequence.truth(index)
            except MaskletError as error:
                yield Problem("unreadable", sequence.name, str(error))
                continue
            report.masks += int(truth.masks.any(axis=(1, 2)).sum())
    report.objects += len(sequence.objects)
    if not sequence.objects and sequence.annotated:
        yield Problem("empty mask", sequence.name, "no object has a pixel on any frame")
    yield from sequence.id_problems()


def _check_image(sample: ImageSample, report: CheckReport) -> Iterator[Problem]:
    report.frames += 1
    image = sample.pixels()
    size = image.shape[0], image.shape[1]
    report.sizes[size] += 1
    instances = sample.instances()
    report.annotated += bool(instances)
    report.objects += len(instances)
    report.masks += sum(instance.area > 0 for instance in instances)
    if not instances:
        yield Problem("no annotation", sample.name, "its annotation holds no mask")
    for place, instance in enumerate(instances):
        if instance.rle.size != size:
            detail = f"a mask of {size_text(instance.rle.size)}, an image of {size_text(size)}"
            yield Problem("size mismatch", sample.name, detail)
        elif not instance.area:
            yield Problem("empty mask", sample.name, f"mask {place} has no pixel")


def contact_sheet(
    dataset: VideoDataset | ImageDataset,
    path: str | os.PathLike[str],
    *,
    columns: int = 5,
    rows: int = 4,
    tile: int = 240,
) -> None:
    """Write an image with items spread evenly over the data set, their masks drawn in and their names below.

    A video is shown by the frame on which most objects begin. An item that cannot be read is replaced by the reason.

    Args:
        path: the image to write; its suffix determines the format.
        columns, rows: number of tiles side by side, and maximum number of rows.
        tile: width and height of a tile in pixels, at least 32.

    Raises:
        FormatError: the data set has no items, or a tile is too small.
        OutputError: the image cannot be written.
    """
    if not len(dataset) or min(columns, rows) < 1 or tile < 32:
        raise FormatError(
            f"expected items, and tiles of at least 32 pixels, got {len(dataset)} items, {columns}x{rows} of {tile}"
        )
    count = min(len(dataset), columns * rows)
    caption = 14
    sheet = Image.new("RGB", (columns * tile, -(-count // columns) * (tile + caption)), (24, 24, 24))
    drawing, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for place in range(count):
        item = dataset[place * len(dataset) // count]
        left, top = place % columns * tile, place // columns * (tile + caption)
        try:
            image = Image.fromarray(_drawn(item))
            image.thumbnail((tile - 4, tile - 4))
            sheet.paste(image, (left + (tile - image.width) // 2, top + (tile - image.height) // 2))
        except MaskletError as error:
            drawing.multiline_text((left + 4, top + 4), _wrapped(str(error), tile // 6), (255, 120, 90), font)
        drawing.text((left + 4, top + tile), _last(item.name, tile // 6), (220, 220, 220), font)
    write_image(path, np.array(sheet))


def _drawn(item: VideoSequence | ImageSample) -> RgbImage:
    if isinstance(item, VideoSequence):
        starts = Counter(item.objects.values())
        if not starts:
            raise FormatError("no object")
        index = starts.most_common(1)[0][0]
        with item.open() as video:
            frame, masks = video[index], item.truth(index).as_masks()
    else:
        frame = item.pixels()
        chosen = sorted((i.rle for i in item.instances()), key=lambda rle: -rle.area)[:SHEET_MASKS]
        scores = np.ones(len(chosen), np.float32)
        masks = FrameMasks(0, tuple(range(1, len(chosen) + 1)), decode_masks(chosen), presence=scores, iou=scores)
    if masks.masks.shape[1:] != frame.shape[:2]:
        raise FormatError(f"masks of {size_text(masks.masks.shape[1:])}, an image of {size_text(frame.shape[:2])}")
    return draw_overlay(frame, masks, outline=2)


def _wrapped(text: str, width: int) -> str:
    return "\n".join(text[start : start + width] for start in range(0, min(len(text), 8 * width), width))


def _last(text: str, width: int) -> str:
    return text if len(text) <= width else f"...{text[3 - width :]}"
