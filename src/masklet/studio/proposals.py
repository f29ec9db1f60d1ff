"""Everything on a frame, as a job: `masklet.predict.automatic_masks` one batch of clicks at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from masklet.predict.automatic_masks import AutomaticMasker, Layer, Proposals, settings_for
from masklet.studio.errors import ConflictError
from masklet.studio.jobs import Job, Steps
from masklet.studio.services import Desk
from masklet.studio.sessions import Device

BATCH = 16
"""Clicks of one step: somebody else's click waits no longer than these take."""

SPECK = 0.0002
"""Pieces and holes up to this share of the picture are no part of a proposal."""


def start_proposing(desk: Desk, device: Device, project_id: str, frame: int, options: tuple[int, int]) -> Job:
    """Put the search in line; ``options`` are clicks per side and proposals at most."""
    points_per_side, limit = options
    if desk.jobs.active(project_id, "proposals"):
        raise ConflictError("this project is being searched already: cancel that first, or wait")
    job = Job(project_id=project_id, kind="proposals", total=points_per_side**2)
    return desk.jobs.start(job, device.worker, lambda: _steps(device, job, frame, (points_per_side, limit)))


def _steps(device: Device, job: Job, frame: int, options: tuple[int, int]) -> Steps:
    points_per_side, limit = options
    live = device.live(job.project_id)
    settings = replace(
        settings_for(device.model),
        layers=(Layer(points=points_per_side),),
        min_area=round(SPECK * live.size[0] * live.size[1]),
        batch=BATCH,
    )
    steps = AutomaticMasker(device.model, settings).steps(live.source[frame])
    while True:
        try:
            job.done, _ = next(steps)
        except StopIteration as end:
            return {"frame": frame, "proposals": proposal_entries(end.value)[:limit]}
        yield None


def proposal_entries(found: Proposals) -> list[dict[str, Any]]:
    """Proposals as the page takes them."""
    rows = zip(found.masks, found.iou.tolist(), found.stability.tolist(), found.boxes.tolist(), strict=True)
    return [
        {"mask": rle.to_coco(), "iou": round(iou, 4), "stability": round(stability, 4), "box": box}
        for rle, iou, stability, box in rows
    ]
