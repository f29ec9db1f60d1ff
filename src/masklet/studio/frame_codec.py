"""One object on one frame in its three formats: database row, tracker state, and JSON of the HTTP API."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32

from masklet.backends.protocol import Model
from masklet.errors import FormatError, PromptError
from masklet.predict.results import FrameResult, FrameState
from masklet.predict.review import REVIEW_BELOW, estimate_confidence
from masklet.studio.tables import FrameRow
from masklet.types import ObjectId, Prompts, Rle, Size

Presence = Literal["present", "absent", "uncertain"]
Click = tuple[float, float, bool]
"""x and y in pixels, and whether it is positive."""


def presence_of(area: int, presence: float, iou: float, *, prompted: bool) -> Presence:
    """Classify a frame for the timeline: "uncertain" if it is not prompted and its confidence is low."""
    confidence = estimate_confidence(np.array([area > 0]), np.array([presence]), np.array([iou]))[0]
    if not prompted and confidence < REVIEW_BELOW:
        return "uncertain"
    return "present" if area else "absent"


# --- prompts ---


def read_mask(value: dict[str, Any], size: Size) -> Rle:
    """Read a mask from a request.

    Raises:
        PromptError: the mask has another size than the media, or its run-length encoding is invalid.
    """
    if list(value.get("size", ())) != list(size):  # before anything is decoded: a few bytes may describe a huge mask
        raise PromptError(f"expected a mask of size {list(size)} (height, width), got {value.get('size')}")
    try:
        return Rle.from_coco(value)
    except FormatError as error:
        raise PromptError(str(error)) from None


def prompt_json(prompts: Prompts, selecting: Sequence[Click] = ()) -> dict[str, Any]:
    """Convert prompts to the JSON of the API and of the database, which `Prompts.from_json` reads.

    Args:
        selecting: clicks that selected a candidate mask; they come first, and ``shown`` counts them.
    """
    pairs = zip(prompts.points.tolist(), prompts.labels.tolist(), strict=True)
    clicks = [*selecting, *((x, y, bool(label)) for (x, y), label in pairs)]
    return {
        "clicks": [{"x": x, "y": y, "positive": positive} for x, y, positive in clicks],
        "box": None if prompts.box is None else prompts.box.tolist(),
        "mask": None if prompts.mask is None else Rle.from_mask(prompts.mask).to_coco(),
        "shown": len(selecting),
    }


def row_prompts(row: FrameRow) -> Prompts | None:
    """Return the prompts of a row."""
    document = row_prompt_json(row)
    return None if document is None else Prompts.from_json(document)


def row_prompt_json(row: FrameRow) -> dict[str, Any] | None:
    """Return the prompts of a row as `prompt_json`."""
    document: dict[str, Any] | None = None if row.prompt is None else json.loads(row.prompt)
    if document is not None:
        document.pop("refines_mask", None)
    return document


def selecting_clicks(row: FrameRow) -> list[Click]:
    """Return the clicks of a row that only selected a candidate mask."""
    document = row_prompt_json(row)
    return (
        [] if document is None else [(c["x"], c["y"], c["positive"]) for c in document["clicks"][: document["shown"]]]
    )


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
        result=FrameResult(Rle(size, row.mask), row.presence, row.iou),
        prompts=row_prompts(row),
        reverse=row.reverse,
        object_score=row.score,
        pointer=None if stale or row.model != model else _decompress(row.pointer),
        logits=None if logits is None else logits.reshape(side, side),
        refines_mask=_refines_mask(row),
    )


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

    The memory of a tracked frame is stale if a frame upstream in its pass was prompted at a later revision.

    Args:
        prompted: the revision of every prompted frame of the object.
        model: `model_key` of the model that goes on.
    """
    ordered = sorted(rows, key=lambda row: row.frame)
    stale: set[int] = set()
    for reverse in (False, True):
        latest, upstream = -1, sorted(prompted.items(), reverse=not reverse)  # the next one is the last
        for row in reversed(ordered) if reverse else ordered:
            while upstream and (upstream[-1][0] > row.frame if reverse else upstream[-1][0] < row.frame):
                latest = max(latest, upstream.pop()[1])
            if row.prompt is None and row.reverse is reverse and row.born < latest:
                stale.add(row.frame)
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
        "state": presence_of(row.area, row.presence, row.iou, prompted=row.prompt is not None),
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
