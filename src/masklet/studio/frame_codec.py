"""One object on one frame in its three formats: database row, tracker state, and JSON of the HTTP API."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32

from masklet.backends.protocol import Model
from masklet.predict.propagation import invalidated_frames
from masklet.predict.results import FrameResult, FrameState
from masklet.predict.review import REVIEW_BELOW, estimate_confidence
from masklet.studio.tables import FrameRow
from masklet.types import ObjectId, Prompts, Rle, Size

Presence = Literal["present", "absent", "uncertain"]
Click = dict[str, Any]
"""``x`` and ``y`` in pixels, and whether it is ``positive``."""


def presence_of(area: int, confidence: float, *, prompted: bool) -> Presence:
    """Classify a frame for the timeline: "uncertain" if it is not prompted and its confidence is low."""
    if not prompted and confidence < REVIEW_BELOW:
        return "uncertain"
    return "present" if area else "absent"


# --- prompts ---


def prompt_json(prompts: Prompts, selecting: Sequence[Click] = ()) -> dict[str, Any]:
    """Convert prompts to the JSON of the API and of the database, which `Prompts.from_json` reads.

    Args:
        selecting: clicks that selected a candidate mask; they come first, and ``shown`` counts them.
    """
    pairs = zip(prompts.points.tolist(), prompts.labels.tolist(), strict=True)
    return {
        "clicks": [*selecting, *({"x": x, "y": y, "positive": bool(label)} for (x, y), label in pairs)],
        "box": None if prompts.box is None else prompts.box.tolist(),
        "mask": None if prompts.mask is None else Rle.from_mask(prompts.mask).to_coco(),
        "shown": len(selecting),
    }


def row_prompts(row: FrameRow) -> Prompts | None:
    """Return the prompts of a row."""
    return None if row.prompt is None else Prompts.from_json(row_prompt_json(row))


def row_prompt_json(row: FrameRow) -> dict[str, Any]:
    """Return the prompts of a prompted row as `prompt_json`."""
    assert row.prompt is not None
    document: dict[str, Any] = json.loads(row.prompt)
    document.pop("refines_mask", None)
    return document


def selecting_clicks(row: FrameRow) -> list[Click]:
    """Return the clicks of a row that only selected a candidate mask."""
    if row.prompt is None:
        return []
    document = row_prompt_json(row)
    clicks: list[Click] = document["clicks"][: document["shown"]]
    return clicks


# --- rows ---


def row_of(
    object_id: ObjectId, frame: int, state: FrameState, selecting: Sequence[Click] = (), *, model: str = ""
) -> FrameRow:
    """Convert a tracker state to a row; `masklet.studio.revisions.Edit.put_frames` sets its project and revision.

    Args:
        selecting: clicks that selected a candidate mask.
        model: `model_key` of the model that made the state.
    """
    return FrameRow(
        object_id=object_id,
        frame=frame,
        prompt=None if state.prompts is None else json.dumps(_stored_prompt(state.prompts, selecting, state)),
        mask=state.result.mask.counts,
        area=state.result.mask.area,
        presence=state.result.presence,
        iou=state.result.iou,
        confidence=_confidence(state.result),
        reverse=state.reverse,
        score=state.object_score,
        model=model,
        pointer=_compress(state.pointer),
        logits=_compress(state.logits),
    )


def state_of(row: FrameRow, size: Size, *, model: str = "", stale: bool = False) -> FrameState:
    """Convert a row to a tracker state; without its memory if that is stale or of another model."""
    logits = _decompress(row.logits) if row.model == model else None
    side = 0 if logits is None else round(len(logits) ** 0.5)
    return FrameState(
        result=FrameResult(Rle(size, row.mask), row.presence, row.iou, row.confidence),
        prompts=row_prompts(row),
        reverse=row.reverse,
        object_score=row.score,
        pointer=None if stale or row.model != model else _decompress(row.pointer),
        logits=None if logits is None else logits.reshape(side, side),
        refines_mask=_refines_mask(row),
    )


def _confidence(result: FrameResult) -> float:
    if result.confidence is not None:
        return result.confidence
    visible, *scores = (np.array([value]) for value in (result.mask.area > 0, result.presence, result.iou))
    return float(estimate_confidence(visible, *scores)[0])


def _stored_prompt(prompts: Prompts, selecting: Sequence[Click], state: FrameState) -> dict[str, Any]:
    return prompt_json(prompts, selecting) | ({"refines_mask": True} if state.refines_mask else {})


def _refines_mask(row: FrameRow) -> bool:
    """Whether the clicks of a row refine a mask: a drawn one, or a candidate that was selected before."""
    document = {} if row.prompt is None else json.loads(row.prompt)
    refines_candidate = document.get("mask") is None and bool(document.get("shown"))
    return bool(document.get("refines_mask")) or refines_candidate


def states_of(
    rows: Iterable[FrameRow], size: Size, prompted: Mapping[int, int], *, model: str = ""
) -> dict[int, FrameState]:
    """Convert rows of one object to tracker states.

    A prompt of a later revision invalidates the memory of a tracked frame, as it does in the tracker.

    Args:
        prompted: the revision of every prompted frame of the object.
        model: `model_key` of the model that goes on.
    """
    ordered = sorted(rows, key=lambda row: row.frame)
    visited = {row.frame: row.reverse for row in ordered if row.reverse is not None}
    stale: set[int] = set()
    for frame, revision in prompted.items():
        earlier = [row.frame for row in ordered if row.prompt is None and row.born < revision]
        stale.update(invalidated_frames(frame, earlier, visited))
    return {row.frame: state_of(row, size, model=model, stale=row.frame in stale) for row in ordered}


def model_key(model: Model) -> str:
    """Identify models that can read each other's memories."""
    return f"{model.config.full_name}@{model.config.image_size}"


# --- JSON ---


def row_json(row: FrameRow, size: Size) -> dict[str, Any]:
    """Convert a row to the JSON of one object on one frame."""
    return {
        "mask": Rle(size, row.mask).to_coco(),
        "presence": round(row.presence, 4),
        "iou": round(row.iou, 4),
        "prompted": row.prompt is not None,
        "state": presence_of(row.area, row.confidence, prompted=row.prompt is not None),
    }


def frame_json(frame: int, rows: Iterable[FrameRow], size: Size) -> dict[str, Any]:
    """Convert the rows of a frame to JSON."""
    return {"frame": frame, "objects": {str(row.object_id): row_json(row, size) for row in rows}}


def frames_json(rows: Iterable[FrameRow], size: Size) -> list[dict[str, Any]]:
    """Convert the rows of several frames to JSON, by frame."""
    by_frame: dict[int, list[FrameRow]] = {}
    for row in rows:
        by_frame.setdefault(row.frame, []).append(row)
    return [frame_json(frame, of_frame, size) for frame, of_frame in sorted(by_frame.items())]


def _compress(values: Float32[np.ndarray, "..."] | None) -> bytes | None:
    return None if values is None else zlib.compress(values.astype("<f4").tobytes(), 1)


def _decompress(data: bytes | None) -> Float32[np.ndarray, " n"] | None:
    return None if data is None else np.frombuffer(zlib.decompress(data), "<f4").astype(np.float32)
