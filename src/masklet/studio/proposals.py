"""Everything on a frame: a grid of clicks, answered in batches, the good and different masks kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from masklet.masks.rle import areas, iou
from masklet.predict.image import EncodedImage, ImageSegmenter
from masklet.studio.desk import Desk
from masklet.studio.editing import candidate_entries
from masklet.studio.faults import ConflictError
from masklet.studio.jobs import Job, Steps
from masklet.studio.sessions import Device
from masklet.types import MaskSet, Prompts, Rle, Size

BATCH = 8
"""Clicks of one step: somebody else's click waits no longer than these take."""

SAME = 0.7
"""Of two masks with a higher IoU, the one with the better score stays."""

LARGEST, SMALLEST = 0.9, 0.0005
"""Shares of the picture beyond which a mask is no object."""


def propose(
    segmenter: ImageSegmenter, image: EncodedImage, *, points_per_side: int, limit: int
) -> Iterator[tuple[int, list[tuple[Rle, float, float]]]]:
    """Masks of everything on a picture, found step by step.

    Yields:
        how many clicks were answered, and the best masks so far with predicted IoU and stability, best first.
    """
    clicks = grid(points_per_side, image.size)
    kept: list[tuple[Rle, float, float]] = []
    for first in range(0, len(clicks), BATCH):
        batch = clicks[first : first + BATCH]
        for found in segmenter.segment(image, batch, candidates=3):
            kept += _sensible(found, image.size)
        kept = distinct(kept)[: 4 * limit]
        yield first + len(batch), kept[:limit]


def grid(side: int, size: Size) -> list[Prompts]:
    """Clicks in the middle of ``side`` x ``side`` cells."""
    places = (np.arange(side) + 0.5) / side
    return [Prompts.click(float(x * size[1]), float(y * size[0])) for y in places for x in places]


def distinct(masks: Sequence[tuple[Rle, float, float]]) -> list[tuple[Rle, float, float]]:
    """The masks by score, without those much like a better one."""
    ordered = sorted(masks, key=lambda each: -each[1] * each[2])
    rles = [rle for rle, _, _ in ordered]
    overlap = iou(rles, rles)
    kept: list[int] = []
    for place in range(len(ordered)):
        if not kept or overlap[place, kept].max() <= SAME:
            kept.append(place)
    return [ordered[place] for place in kept]


def _sensible(found: MaskSet, size: Size) -> list[tuple[Rle, float, float]]:
    rles = [Rle.from_mask(mask) for mask in found.masks]
    shares = areas(rles) / (size[0] * size[1])
    stability = found.stability if found.stability is not None else found.iou
    rows = zip(rles, shares, found.iou, stability, strict=True)
    return [(rle, float(score), float(stable)) for rle, share, score, stable in rows if SMALLEST <= share <= LARGEST]


def start_proposing(desk: Desk, device: Device, project_id: str, frame: int, options: tuple[int, int]) -> Job:
    """Put the search in line; ``options`` are clicks per side and proposals at most."""
    points_per_side, limit = options
    if desk.jobs.active(project_id, "proposals"):
        raise ConflictError("this project is being searched already: cancel that first, or wait")
    job = Job(project_id=project_id, kind="proposals", total=points_per_side**2)
    return desk.jobs.start(job, device.worker, lambda: _steps(device, job, frame, (points_per_side, limit)))


def _steps(device: Device, job: Job, frame: int, options: tuple[int, int]) -> Steps:
    image = device.live(job.project_id).tracker.look_at(frame)
    best: list[tuple[Rle, float, float]] = []
    for done, kept in propose(device.segmenter, image, points_per_side=options[0], limit=options[1]):
        job.done, best = done, kept
        yield None
    masks = np.stack([rle.to_mask() for rle, _, _ in best]) if best else np.zeros((0, *image.size), bool)
    scores = np.array([score for _, score, _ in best], np.float32), np.array([s for _, _, s in best], np.float32)
    return {"frame": frame, "proposals": candidate_entries(MaskSet(masks, scores[0], scores[1]))}
