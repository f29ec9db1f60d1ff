"""Looking a data set through before hours are spent on it: counts, everything odd, and one sheet of pictures."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool
from PIL import Image, ImageDraw, ImageFont

from masklet.errors import FormatError, MaskletError
from masklet.io.datasets.annotated import ImageDataset, ImageSample, Problem, ProblemKind, VideoDataset, VideoSequence
from masklet.io.images import write_image
from masklet.io.overlay import draw_overlay
from masklet.masks.rle import decode_masks
from masklet.types import FrameMasks, RgbImage, Size

MAX_PROBLEMS = 1000
"""How many are kept to be shown; all are counted."""

SHEET_MASKS = 16
"""How many masks of a picture the contact sheet draws, the largest ones."""


@dataclass(kw_only=True)
class CheckReport:
    """What `check` found.

    Attributes:
        name, split: the data set.
        items: sequences or pictures.
        frames: pictures, of videos and stills alike.
        annotated: pictures that have an annotation.
        objects: objects of videos, masks of stills.
        masks: masks with at least one pixel.
        sizes: (height, width) -> how many items have it.
        counts: how many problems of each kind.
        problems: the first of them.
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
        """Whether there is nothing to complain about."""
        return not self.counts

    def add(self, problem: Problem) -> None:
        """Count a problem, and keep it if there are not too many."""
        self.counts[problem.kind] += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)

    def lines(self) -> list[str]:
        """The report for people: the counts, then the first problem of each kind with how many there are."""
        low, high = (min(self.sizes), max(self.sizes)) if self.sizes else ((0, 0), (0, 0))
        first = {problem.kind: problem for problem in reversed(self.problems)}
        return [
            f"{self.name} {self.split}: {self.items} items, {self.frames} frames, {self.annotated} annotated, "
            f"{self.objects} objects, {self.masks} masks, {low[1]}x{low[0]} to {high[1]}x{high[0]} pixels",
            *(f"{count} x {kind}, such as {first.get(kind, '')}" for kind, count in self.counts.most_common()),
        ]


def check(dataset: VideoDataset | ImageDataset, *, progress: Callable[[int, int], None] | None = None) -> CheckReport:
    """Read a whole data set: every annotation is decoded, and the picture that goes with it.

    What is odd is counted in the report and stops nothing; take ``dataset.only(limit=...)`` for a sample.

    Args:
        dataset: the sequences or pictures.
        progress: called after each item with how many are done, and of how many.
    """
    report = CheckReport(name=dataset.name, split=dataset.split)
    for problem in dataset.warnings:
        report.add(problem)
    items: Iterable[VideoSequence | ImageSample] = dataset
    for done, item in enumerate(items, start=1):
        for problem in _looked_at(item, report):
            report.add(problem)
        report.items += 1
        if progress is not None:
            progress(done, len(dataset))
    return report


def _looked_at(item: VideoSequence | ImageSample, report: CheckReport) -> Iterator[Problem]:
    try:
        yield from _look_at_video(item, report) if isinstance(item, VideoSequence) else _look_at_picture(item, report)
    except MaskletError as error:
        yield Problem("unreadable", item.name, str(error))


def _look_at_video(sequence: VideoSequence, report: CheckReport) -> Iterator[Problem]:
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
        yield Problem("empty mask", sequence.name, "no frame has a pixel of an object")
    yield from sequence.id_problems()


def _look_at_picture(sample: ImageSample, report: CheckReport) -> Iterator[Problem]:
    report.frames += 1
    picture = sample.picture()
    size = picture.shape[0], picture.shape[1]
    report.sizes[size] += 1
    instances = sample.instances()
    report.annotated += bool(instances)
    report.objects += len(instances)
    report.masks += sum(instance.area > 0 for instance in instances)
    if not instances:
        yield Problem("no annotation", sample.name, "its annotation holds no mask")
    for place, instance in enumerate(instances):
        if instance.rle.size != size:
            told = f"a mask of {instance.rle.size[1]}x{instance.rle.size[0]}, a picture of {size[1]}x{size[0]}"
            yield Problem("size mismatch", sample.name, told)
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
    """One picture of items spread evenly over the data set, with their masks drawn in and their names below.

    Of a video it is the frame on which most objects begin. An item that cannot be read has its reason in place of it.

    Args:
        dataset: the sequences or pictures.
        path: the picture to write; its suffix chooses the form.
        columns: tiles side by side.
        rows: tiles one below the other, at most.
        tile: width and height of a tile in pixels, at least 32.

    Raises:
        FormatError: a data set without items, or no room for a tile.
        OutputError: it cannot be written.
    """
    if not len(dataset) or min(columns, rows) < 1 or tile < 32:
        raise FormatError(f"expected items and room for them, got {len(dataset)} items, {columns}x{rows} of {tile}")
    count = min(len(dataset), columns * rows)
    caption = 14
    sheet = Image.new("RGB", (columns * tile, -(-count // columns) * (tile + caption)), (24, 24, 24))
    drawing, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for place in range(count):
        item = dataset[place * len(dataset) // count]
        left, top = place % columns * tile, place // columns * (tile + caption)
        try:
            picture = Image.fromarray(_drawn(item))
            picture.thumbnail((tile - 4, tile - 4))
            sheet.paste(picture, (left + (tile - picture.width) // 2, top + (tile - picture.height) // 2))
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
        frame = item.picture()
        chosen = sorted((i.rle for i in item.instances()), key=lambda rle: -rle.area)[:SHEET_MASKS]
        masks = _numbered(decode_masks(chosen))
    if masks.masks.shape[1:] != frame.shape[:2]:
        raise FormatError(f"masks of {masks.masks.shape[1:]}, a picture of {frame.shape[:2]}")
    return draw_overlay(frame, masks, outline=2)


def _numbered(masks: Bool[np.ndarray, "n h w"]) -> FrameMasks:
    scores = np.ones(len(masks), np.float32)
    return FrameMasks(0, tuple(range(1, len(masks) + 1)), masks, presence=scores, iou=scores)


def _wrapped(text: str, width: int) -> str:
    return "\n".join(text[start : start + width] for start in range(0, min(len(text), 8 * width), width))


def _last(text: str, width: int) -> str:
    return text if len(text) <= width else f"...{text[3 - width :]}"
