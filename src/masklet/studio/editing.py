"""What a person does to a project: objects, prompts, undo. Every edit is in the database before it is answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32
from sqlalchemy.orm import Session

from masklet.errors import PromptError
from masklet.masks.rle import boxes
from masklet.studio.cleaning import Cleaning
from masklet.studio.errors import ConflictError
from masklet.studio.frame_codec import Click, frame_json, model_key, prompt_json, read_prompts, row_of, shown_clicks
from masklet.studio.revisions import Edit
from masklet.studio.services import Desk, hex_color, object_entry, refuse_locked
from masklet.studio.sessions import Device, Live
from masklet.studio.tables import ObjectRow
from masklet.types import MaskSet, ObjectId, Prompts, Rle


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a request says about one object on one frame.

    Attributes:
        object_id: the object, or 0 for a new one.
        frame: the frame.
        clicks, box, mask: the prompts.
        replace: forget what was said on the frame before.
        candidates: whether other readings of an ambiguous click are wanted.
        candidate: the mask is one of these readings; the clicks chose it and are shown.
    """

    object_id: ObjectId
    frame: int
    clicks: Sequence[Click] = ()
    box: Sequence[float] | None = None
    mask: Rle | None = None
    replace: bool = False
    candidates: bool = False
    candidate: bool = False

    def prompts(self) -> Prompts:
        """The same for the tracker; `PromptError` for a contradiction."""
        if self.mask is not None and self.clicks and not self.candidate:
            raise PromptError("a mask stands alone: prompt the frame with the mask first, then with clicks")
        return read_prompts(self.clicks, self.box, self.mask)


def add_object(desk: Desk, project_id: str, name: str | None, color: str | None) -> dict[str, Any]:
    """A new object, empty until it is prompted."""
    _refuse_too_many(desk, project_id)
    with desk.store.session() as session:
        edit = desk.record.begin(session, project_id, "add an object")
        entry = object_entry(_new_object(desk, edit, name, color), 0, [])
    desk.changed(project_id, edit.revision, "objects")
    return entry


def change_object(desk: Desk, project_id: str, object_id: ObjectId, changes: dict[str, Any]) -> dict[str, Any]:
    """Name and color (an edit), and whether the object is hidden or locked (none)."""
    flags = {key: changes[key] for key in ("hidden", "locked") if key in changes}
    edits = {key: changes[key] for key in ("name", "color") if key in changes}
    with desk.store.session() as session:
        project = desk.record.resume(session, project_id, 0)
        row = project.object(object_id)
        revision = project.project.revision
        if edits and {key: getattr(row, key) for key in edits} != edits:
            edit = desk.record.begin(session, project_id, f"change {row.name}")
            edit.replace_object(edit.object(object_id), **({"name": row.name, "color": row.color} | edits))
            revision = edit.revision
    if flags:
        desk.record.set_view(project_id, object_id, **flags)
    desk.changed(project_id, revision, "objects")
    return next(entry for entry in desk.object_entries(project_id) if entry["id"] == object_id)


def remove_object(desk: Desk, live: Live, project_id: str, object_id: ObjectId) -> None:
    """Delete an object with all its masks."""
    with desk.store.session() as session:
        row = desk.record.resume(session, project_id, 0).object(object_id)
        refuse_locked(row)
        edit = desk.record.begin(session, project_id, f"delete {row.name}")
        edit.remove_object(object_id)
    if object_id in live.tracker.object_ids:
        live.tracker.forget(object_id)
    desk.changed(project_id, edit.revision, "objects")


def say(desk: Desk, device: Device, live: Live, project_id: str, said: Said) -> dict[str, Any]:
    """Prompt an object, and answer with every mask of the frame."""
    prompts = said.prompts()
    if prompts.is_absent and not said.object_id:
        raise PromptError("mask is empty: a new object must be somewhere on its first frame")
    with desk.store.session() as session:
        row = _prompted_object(desk, session, project_id, said)
        replace = said.replace or said.mask is not None
        live.tracker.prompt_objects(said.frame, {row.object_id: prompts}, replace=replace)
        shown = _shown(desk, project_id, said, row.object_id)
        edit = desk.record.begin(session, project_id, f"{_called(said)} {row.name}, frame {said.frame}")
        if said.object_id == 0:
            row = edit.add_object(row.name, row.color, row.object_id)
        state = live.tracker.frame_state(row.object_id, said.frame)
        edit.put_frames([row_of(row.object_id, said.frame, state, shown, model=model_key(device.model))])
    assert state.prompts is not None
    desk.changed(project_id, edit.revision, "prompts", said.frame)
    answer = frame_answer(desk, live, project_id, said.frame, edit.revision)
    answer["prompt"] = prompt_json(state.prompts, shown)
    answer["candidates"] = (
        readings(device, live, said.frame, prompts) if said.candidates and _lone(state.prompts) else []
    )
    if said.object_id == 0:
        answer["object"] = object_entry(row, 1, [said.frame])
    return answer


def unsay(desk: Desk, live: Live, project_id: str, frame: int, object_id: ObjectId) -> dict[str, Any]:
    """Take back everything said about an object on a frame."""
    with desk.store.session() as session:
        row = desk.record.resume(session, project_id, 0).object(object_id)
        refuse_locked(row)
        if object_id not in live.tracker.object_ids:
            raise PromptError(f"{row.name} has no prompts to clear")
        live.tracker.clear(frame, object_id)
        edit = desk.record.begin(session, project_id, f"clear {row.name}, frame {frame}")
        edit.remove_frames(object_id, frame if object_id in live.tracker.object_ids else None)
    desk.changed(project_id, edit.revision, "prompts", frame)
    return frame_answer(desk, live, project_id, frame, edit.revision) | {"prompt": None, "candidates": []}


def add_masks(
    desk: Desk, live: Live, project_id: str, frame: int, masks: Sequence[tuple[Rle, str | None]]
) -> dict[str, Any]:
    """New objects from masks, in one edit."""
    _refuse_too_many(desk, project_id, more=len(masks))
    with desk.store.session() as session:
        edit = desk.record.begin(session, project_id, f"add {len(masks)} objects, frame {frame}")
        rows = [_new_object(desk, edit, name, None) for _, name in masks]
        prompts = {row.object_id: Prompts.from_mask(mask.to_mask()) for row, (mask, _) in zip(rows, masks, strict=True)}
        live.tracker.prompt_objects(frame, prompts)
        model = model_key(live.tracker.model)
        edit.put_frames([row_of(i, frame, live.tracker.frame_state(i, frame), model=model) for i in prompts])
    desk.changed(project_id, edit.revision, "prompts", frame)
    entries = [object_entry(row, 1, [frame]) for row in rows]
    return frame_answer(desk, live, project_id, frame, edit.revision) | {"objects": entries}


def move(desk: Desk, device: Device, live: Live, project_id: str, step: int) -> None:
    """Undo or redo an edit; nothing of the project may be running.

    Locks do not hold it up: they keep new edits from an object, not an earlier one from being taken back.
    """
    if live.busy:
        raise ConflictError("the project is being tracked: cancel that first")
    device.renew(live, project_id, desk.record.move(project_id, step))
    project, _ = desk.store.project(project_id)
    desk.changed(project_id, project.revision, "history")


def preview(live: Live, frame: int, object_id: ObjectId, prompts: Prompts, cleaning: Cleaning) -> dict[str, Any]:
    """What prompts would give; nothing changes."""
    out = live.tracker.preview(frame, {object_id or 2**30: prompts})
    mask = cleaning.mask(Rle.from_mask(out.masks[0]))
    return {"mask": mask.to_coco(), "presence": round(float(out.presence[0]), 4), "iou": round(float(out.iou[0]), 4)}


def readings(device: Device, live: Live, frame: int, prompts: Prompts) -> list[dict[str, Any]]:
    """The sensible answers to prompts on a frame as it is, the one that is shown first."""
    segmenter, looked = device.segmenter, live.tracker.look_at(frame)
    entries = candidate_entries(segmenter.segment(looked, prompts, candidates=3))
    if segmenter.model.config.ranked_clicks:
        return entries
    return [*candidate_entries(segmenter.segment(looked, prompts)), *entries]


def candidate_entries(found: MaskSet) -> list[dict[str, Any]]:
    """Masks with their scores, as the page takes them; empty ones are left out."""
    rles = [Rle.from_mask(mask) for mask in found.masks]
    stability: Float32[np.ndarray, " n"] = found.iou if found.stability is None else found.stability
    return [
        {"mask": rle.to_coco(), "iou": round(float(iou), 4), "stability": round(float(stable), 4), "box": box}
        for rle, iou, stable, box in zip(rles, found.iou, stability, boxes(rles).tolist(), strict=True)
        if rle.area
    ]


def frame_answer(desk: Desk, live: Live, project_id: str, frame: int, revision: int) -> dict[str, Any]:
    """Every mask of a frame."""
    rows = desk.frames(project_id, frame, frame + 1)
    return {"revision": revision, "frame": frame_json(frame, rows, live.size)}


def _new_object(desk: Desk, edit: Edit, name: str | None, color: str | None) -> ObjectRow:
    object_id = desk.record.highest_id(edit.session, edit.project.id) + 1
    return edit.add_object(name or f"Object {object_id}", color or hex_color(object_id), object_id)


def _prompted_object(desk: Desk, session: Session, project_id: str, said: Said) -> ObjectRow:
    """The object of a request; a new one is only sketched, because the prompts may still be refused."""
    if said.object_id:
        row = desk.record.resume(session, project_id, 0).object(said.object_id)
        refuse_locked(row)
        return row
    _refuse_too_many(desk, project_id)
    object_id = desk.record.highest_id(session, project_id) + 1
    return ObjectRow(object_id=object_id, name=f"Object {object_id}", color=hex_color(object_id), locked=False)


def _refuse_too_many(desk: Desk, project_id: str, *, more: int = 1) -> None:
    if len(desk.record.objects(project_id)) + more > desk.settings.objects:
        raise ConflictError(f"a project holds at most {desk.settings.objects} objects")


def _shown(desk: Desk, project_id: str, said: Said, object_id: ObjectId) -> Sequence[Click]:
    """The clicks that chose a candidate, also while later clicks refine it."""
    if said.candidate:
        return said.clicks
    if said.replace or said.mask is not None or not said.object_id:
        return ()
    rows = desk.record.frames(project_id, said.frame, said.frame + 1, [object_id])
    return shown_clicks(rows[0]) if rows else ()


def _called(said: Said) -> str:
    if said.mask is not None and not said.mask.area:
        return "not there:"
    if said.mask is not None:
        return "choose a candidate for" if said.candidate else "draw"
    return "box" if said.box is not None else "click on"


def _lone(prompts: Prompts) -> bool:
    """Whether there is nothing but one click."""
    return prompts.mask is None and prompts.box is None and len(prompts.labels) == 1
