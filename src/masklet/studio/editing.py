"""Edits of a project (objects, prompts, undo), committed before they are answered, and previews of prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Any

import numpy as np
from jaxtyping import Float32

from masklet.errors import PromptError
from masklet.masks.rle import boxes
from masklet.predict.automatic_masks import AutomaticMasker, Layer, Proposals, settings_for
from masklet.predict.image import ImageSegmenter
from masklet.studio.cleaning import Cleaning
from masklet.studio.errors import ConflictError
from masklet.studio.frame_codec import Click, frame_json, model_key, row_of, row_prompt_json, selecting_clicks
from masklet.studio.jobs import Job, JobSteps
from masklet.studio.revisions import Edit
from masklet.studio.services import Services, object_json, refuse_locked
from masklet.studio.sessions import OpenProject
from masklet.studio.tables import FrameRow
from masklet.types import ObjectId, Prompts, Rle

PREVIEW_OBJECT = 2**30
"""Id of an object that does not exist yet, in previews."""

ABSENT_NEW_OBJECT = "mask is empty: a new object must be visible on its first frame"

PROPOSAL_BATCH = 16
"""Clicks per step of a proposals job: other requests wait for one step at most."""

PROPOSAL_SPECK = 0.0002
"""Components and holes up to this share of the image are removed from proposals."""


# --- objects ---


def add_object(services: Services, project_id: str, name: str | None, color: str | None) -> dict[str, Any]:
    """Add an object without prompts."""
    with services.revisions.edit(project_id) as edit:
        _check_object_limit(services, edit)
        edit.begin("add an object")
        row = edit.add_object(name, color)
    services.publish_change(project_id, edit.revision, "objects")
    return object_json(row)


def change_object(services: Services, project_id: str, object_id: ObjectId, changes: dict[str, Any]) -> dict[str, Any]:
    """Change the name and color of an object, which is an edit, or hide or lock it, which is none."""
    flags = {key: changes[key] for key in ("hidden", "locked") if key in changes}
    values = {key: changes[key] for key in ("name", "color") if key in changes}
    with services.revisions.edit(project_id) as edit:
        row = edit.object(object_id)
        before = {"name": row.name, "color": row.color}
        if before | values != before:
            edit.begin(f"change {row.name}")
            edit.replace_object(row, **(before | values))
    if flags:
        services.revisions.set_view(project_id, object_id, **flags)
    services.publish_change(project_id, edit.revision, "objects")
    return next(entry for entry in services.objects_json(project_id) if entry["id"] == object_id)


def remove_object(services: Services, project: OpenProject, object_id: ObjectId) -> None:
    """Remove an object with all its masks."""
    with services.revisions.edit(project.id) as edit:
        row = edit.object(object_id)
        refuse_locked(row)
        edit.begin(f"delete {row.name}")
        edit.remove_object(object_id)
    if object_id in project.tracker.object_ids:
        project.tracker.forget(object_id)
    services.publish_change(project.id, edit.revision, "objects")


def add_masks(
    services: Services, project: OpenProject, frame: int, masks: Sequence[Prompts], names: Sequence[str]
) -> dict[str, Any]:
    """Add one object for each mask, in one edit; ``names`` may be fewer.

    Raises:
        PromptError: a mask is empty.
        ConflictError: the project has too many objects.
    """
    if any(mask.is_absent for mask in masks):
        raise PromptError(ABSENT_NEW_OBJECT)
    with services.revisions.edit(project.id) as edit:
        _check_object_limit(services, edit, len(masks))
        edit.begin(f"add {len(masks)} objects, frame {frame}")
        objects = [edit.add_object(name) for name, _ in zip_longest(names[: len(masks)], masks)]
        rows = edit.frames(frame)
        prompts = {row.object_id: mask for row, mask in zip(objects, masks, strict=True)}
        project.tracker.prompt_objects(frame, prompts)
        new = [_state_row(project, i, frame) for i in prompts]
        edit.put_frames(new)
    entries = [object_json(row, 1, [frame]) for row in objects]
    return _frame_answer(services, project, edit, frame, [*rows, *new], list(prompts)) | {"objects": entries}


# --- prompts ---


def prompt_object(
    services: Services,
    project: OpenProject,
    frame: int,
    object_id: ObjectId | None,
    prompts: Prompts,
    *,
    replace_earlier: bool = False,
    with_candidates: bool = False,
    selecting: Sequence[Click] | None = None,
) -> dict[str, Any]:
    """Prompt an object and return every mask of the frame.

    Args:
        object_id: None for a new object.
        replace_earlier: discard the earlier prompts of the object on the frame.
        with_candidates: also return the candidate masks of a single click.
        selecting: the clicks whose candidate the mask in ``prompts`` is.

    Raises:
        PromptError: prompts that do not fit the frame.
        NotFoundError, ConflictError: there is no such object, it is locked, or the project has too many.
    """
    is_new = object_id is None
    if prompts.is_absent and is_new:
        raise PromptError(ABSENT_NEW_OBJECT)
    with services.revisions.edit(project.id) as edit:
        if object_id is None:
            _check_object_limit(services, edit)
            object_id = edit.next_object_id
            name = f"Object {object_id}"
        else:
            name = edit.object(object_id).name
            refuse_locked(edit.object(object_id))
        rows = edit.frames(frame)
        replaces = replace_earlier or prompts.mask is not None
        clicks = selecting or ()
        if not replaces:  # clicks may refine a candidate that was selected before
            clicks = next((selecting_clicks(row) for row in rows if row.object_id == object_id), [])
        project.tracker.prompt_objects(frame, {object_id: prompts}, replace=replaces)
        edit.begin(f"{_verb(prompts, selected=selecting is not None)} {name}, frame {frame}")
        if is_new:
            edit.add_object()
        new = _state_row(project, object_id, frame, clicks)
        edit.put_frames([new])
    answer = _frame_answer(
        services, project, edit, frame, [row for row in rows if row.object_id != object_id] + [new], [object_id]
    )
    shown = answer["prompt"] = row_prompt_json(new)
    is_one_click = not shown["mask"] and not shown["box"] and len(shown["clicks"]) - shown["shown"] == 1
    answer["candidates"] = candidates(project, frame, prompts) if with_candidates and is_one_click else []
    if is_new:
        answer["object"] = object_json(edit.object(object_id), 1, [frame])
    return answer


def clear_prompts(services: Services, project: OpenProject, frame: int, object_id: ObjectId) -> dict[str, Any]:
    """Remove the prompts of an object on a frame; with its last prompt the object loses all its masks."""
    with services.revisions.edit(project.id) as edit:
        row = edit.object(object_id)
        refuse_locked(row)
        if object_id not in project.tracker.object_ids:
            raise PromptError(f"{row.name} has no prompts to clear")
        rows = [row for row in edit.frames(frame) if row.object_id != object_id]
        project.tracker.clear(frame, object_id)
        edit.begin(f"clear {row.name}, frame {frame}")
        is_empty = object_id not in project.tracker.object_ids
        edit.remove_frames(object_id, None if is_empty else frame)
    stale = (0, project.media.num_frames - 1) if is_empty else None
    answer = _frame_answer(services, project, edit, frame, rows, [object_id], stale=stale)
    return answer | {"prompt": None, "candidates": []}


def undo_or_redo(services: Services, project: OpenProject, step: int) -> None:
    """Undo (-1) or redo (+1) an edit, also of objects that have been locked since.

    Raises:
        ConflictError: the project is being tracked, or there is nothing to undo or redo.
    """
    if project.busy:
        raise ConflictError("the project is being tracked: cancel that job first")
    changed = services.revisions.move(project.id, step)
    services.device(project.id).restore(project, changed)
    row, _ = services.store.project(project.id)
    services.publish_change(project.id, row.revision, "history")


# --- answers without an edit ---


def preview(
    project: OpenProject, frame: int, object_id: ObjectId, prompts: Prompts, cleaning: Cleaning
) -> dict[str, Any]:
    """Return the mask that prompts would give."""
    out = project.tracker.preview(frame, {object_id or PREVIEW_OBJECT: prompts})
    mask = cleaning.mask(Rle.from_mask(out.masks[0]))
    return {"mask": mask.to_coco(), "presence": round(float(out.presence[0]), 4), "iou": round(float(out.iou[0]), 4)}


def candidates(project: OpenProject, frame: int, prompts: Prompts) -> list[dict[str, Any]]:
    """Return the candidate masks of prompts, without memory; the mask that is chosen by default comes first."""
    segmenter, encoded = ImageSegmenter(project.tracker.model), project.tracker.encoded_frame(frame)
    sets = [segmenter.segment(encoded, prompts, candidates=3)]
    if not segmenter.model.config.ranked_clicks:
        sets.insert(0, segmenter.segment(encoded, prompts))
    entries: list[dict[str, Any]] = []
    for masks in sets:
        rles = [Rle.from_mask(mask) for mask in masks.masks]
        entries += masks_json(rles, masks.iou, masks.iou if masks.stability is None else masks.stability, boxes(rles))
    return entries


def masks_json(
    masks: Sequence[Rle],
    iou: Float32[np.ndarray, " n"],
    stability: Float32[np.ndarray, " n"],
    boxes: Float32[np.ndarray, "n 4"],
) -> list[dict[str, Any]]:
    """Convert candidates or proposals to JSON, without empty ones."""
    rows = zip(masks, iou.tolist(), stability.tolist(), boxes.tolist(), strict=True)
    return [
        {"mask": mask.to_coco(), "iou": round(score, 4), "stability": round(stable, 4), "box": box}
        for mask, score, stable, box in rows
        if mask.area
    ]


def start_proposals(services: Services, project_id: str, frame: int, points_per_side: int, limit: int) -> Job:
    """Queue a job that generates masks of everything on a frame (automatic mask generation).

    Args:
        points_per_side: of the grid of clicks.
        limit: proposals at most.

    Raises:
        ConflictError: such a job is running for the project.
    """
    if services.jobs.active(project_id, "proposals"):
        raise ConflictError(
            "automatic mask generation is running in this project: cancel that job, or wait for its end"
        )
    device = services.device(project_id)

    def steps() -> JobSteps:
        project = device.open(project_id)
        settings = replace(
            settings_for(device.model),
            layers=(Layer(points=points_per_side),),
            min_area=round(PROPOSAL_SPECK * project.size[0] * project.size[1]),
            batch=PROPOSAL_BATCH,
        )
        batches = AutomaticMasker(device.model, settings).steps(project.source[frame])
        while True:
            try:
                job.done, _ = next(batches)
            except StopIteration as end:
                found: Proposals = end.value
                entries = masks_json(found.masks, found.iou, found.stability, found.boxes)
                return {"frame": frame, "proposals": entries[:limit]}
            yield None

    job = Job(project_id=project_id, kind="proposals", total=points_per_side**2)
    return services.jobs.start(job, device.worker, steps)


def _frame_answer(
    services: Services,
    project: OpenProject,
    edit: Edit,
    frame: int,
    rows: Sequence[FrameRow],
    changed: Sequence[ObjectId],
    *,
    stale: tuple[int, int] | None = None,
) -> dict[str, Any]:
    """Publish an edit of prompts and return the frame as it is shown.

    Args:
        edit: committed.
        rows: of the frame after the edit, in any order.
        changed: objects whose prompts changed.
        stale: first and last of the other frames whose masks have changed.
    """
    cleaned = services.cleaned(edit.project, sorted(rows, key=lambda row: row.object_id), project.size)
    shown = frame_json(frame, cleaned, project.size)
    services.publish_change(
        project.id, edit.revision, "prompts", frame=shown, objects=list(changed), stale=stale, undo=edit.label
    )
    return {"revision": edit.revision, "frame": shown, "undo": edit.label}


def _state_row(project: OpenProject, object_id: ObjectId, frame: int, selecting: Sequence[Click] = ()) -> FrameRow:
    state = project.tracker.frame_state(object_id, frame)
    return row_of(object_id, frame, state, selecting, model=model_key(project.tracker.model))


def _check_object_limit(services: Services, edit: Edit, more: int = 1) -> None:
    if len(edit.objects) + more > services.settings.objects:
        raise ConflictError(f"expected at most {services.settings.objects} objects in a project")


def _verb(prompts: Prompts, *, selected: bool) -> str:
    if prompts.is_absent:
        return "not there:"
    if prompts.mask is not None:
        return "choose a candidate for" if selected else "draw"
    return "box" if prompts.box is not None else "click on"
