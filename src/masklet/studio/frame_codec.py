"""One frame of one object in its three forms: a row of the database, a value of the tracker, JSON for the page."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32

from masklet.backends.protocol import Model
from masklet.errors import FormatError, PromptError
from masklet.predict.track import FrameState, Result
from masklet.studio.tables import FrameRow
from masklet.types import ObjectId, Prompts, Rle, Size

Presence = Literal["present", "absent", "uncertain"]
Click = tuple[float, float, bool]

UNSURE_PRESENCE = (0.25, 0.75)
"""An object that is seen with less than the upper probability, or not seen with more than the lower, is uncertain."""

LOW_IOU = 0.5
"""A tracked mask whose predicted IoU is lower is uncertain."""


def presence_of(area: int, presence: float, iou: float, *, prompted: bool) -> Presence:
    """What the timeline says of a frame."""
    low, high = UNSURE_PRESENCE
    if not prompted and (presence < high or iou < LOW_IOU if area else presence > low):
        return "uncertain"
    return "present" if area else "absent"


# --- prompts and JSON ---


def read_mask(value: dict[str, Any], size: Size) -> Rle:
    """A mask in a request.

    Raises:
        PromptError: it is not of the media's size, or no sound run-length code.
    """
    if list(value.get("size", ())) != list(size):  # before anything is decoded: a few bytes may describe a huge mask
        raise PromptError(f"expected a mask of size {list(size)} (height, width), got {value.get('size')}")
    try:
        return Rle.from_coco(value)
    except FormatError as error:
        raise PromptError(str(error)) from None


def read_prompts(clicks: Sequence[Click], box: Sequence[float] | None, mask: Rle | None) -> Prompts:
    """What a request says about an object; a mask leaves the clicks to be shown only."""
    if mask is not None:
        if box is not None:
            raise PromptError("a mask stands alone: prompt the frame with the mask first, then with clicks or a box")
        return Prompts(mask=mask.to_mask())  # an empty one says that the object is absent
    points = np.array([click[:2] for click in clicks], np.float32).reshape(-1, 2)
    labels = np.array([int(click[2]) for click in clicks], np.int64)
    return Prompts(points, labels, None if box is None else np.asarray(box, np.float32))


def prompt_json(prompts: Prompts, shown: Sequence[Click] = ()) -> dict[str, Any]:
    """Prompts as the page takes them; ``shown`` are clicks that chose a candidate's mask."""
    pairs = zip(prompts.points.tolist(), prompts.labels.tolist(), strict=True)
    clicks = [*shown, *((x, y, bool(label)) for (x, y), label in pairs)]
    return {
        "clicks": [{"x": x, "y": y, "positive": positive} for x, y, positive in clicks],
        "box": None if prompts.box is None else prompts.box.tolist(),
        "mask": None if prompts.mask is None else Rle.from_mask(prompts.mask).to_coco(),
        "shown": len(shown),
    }


def prompts_of(document: dict[str, Any]) -> tuple[Prompts, list[Click]]:
    """`prompt_json` read back: the prompts, and the clicks that are only shown."""
    clicks: list[Click] = [(c["x"], c["y"], c["positive"]) for c in document["clicks"]]
    shown = document["shown"]
    mask = None if document["mask"] is None else Rle.from_coco(document["mask"])
    return read_prompts([] if mask else clicks[shown:], document["box"], mask), clicks[:shown]


def prompt_entry(row: FrameRow) -> dict[str, Any] | None:
    """What was said, as the page takes it."""
    document: dict[str, Any] | None = None if row.prompt is None else json.loads(row.prompt)
    return document


def is_drawn(row: FrameRow) -> bool:
    """Whether somebody gave the mask of a row, rather than the model."""
    return row.prompt is not None and json.loads(row.prompt)["mask"] is not None


def shown_clicks(row: FrameRow) -> list[Click]:
    """The clicks of a row that are only shown."""
    return [] if row.prompt is None else prompts_of(json.loads(row.prompt))[1]


# --- rows ---


def row_of(
    object_id: ObjectId, frame: int, state: FrameState, shown: Sequence[Click] = (), *, model: str = ""
) -> FrameRow:
    """A row that `state_of` reads back; the edit that takes it says of which project and revision it is.

    Args:
        object_id: the object.
        frame: the frame.
        state: what the tracker knows.
        shown: clicks that chose a candidate's mask.
        model: `model_key` of the model that made the state.
    """
    return FrameRow(
        object_id=object_id,
        frame=frame,
        prompt=None if state.prompts is None else json.dumps(prompt_json(state.prompts, shown)),
        mask=state.result.mask.counts,
        area=state.result.mask.area,
        presence=state.result.presence,
        iou=state.result.iou,
        reverse=state.reverse,
        score=state.object_score,
        model=model,
        pointer=_packed(state.pointer),
        logits=_packed(state.logits),
    )


def state_of(row: FrameRow, size: Size, *, model: str = "", doubtful: bool = False) -> FrameState:
    """What the tracker can be given back; without memory where it is doubtful or another model's."""
    logits = _unpacked(row.logits) if row.model == model else None
    side = 0 if logits is None else round(len(logits) ** 0.5)
    return FrameState(
        result=Result(Rle(size, row.mask), row.presence, row.iou),
        prompts=None if row.prompt is None else prompts_of(json.loads(row.prompt))[0],
        reverse=row.reverse,
        object_score=row.score,
        pointer=None if doubtful or row.model != model else _unpacked(row.pointer),
        logits=None if logits is None else logits.reshape(side, side),
    )


def states_of(
    rows: Iterable[FrameRow], size: Size, said: Iterable[tuple[int, int]], *, model: str = ""
) -> dict[int, FrameState]:
    """Frames of one object.

    A tracked frame is doubtful where a frame upstream of it was prompted at a later revision.

    Args:
        rows: of these frames.
        size: of the media.
        said: (frame, revision) of all its prompts, wherever they are.
        model: `model_key` of the model that is to go on.
    """
    ordered = sorted(rows, key=lambda row: row.frame)
    doubtful: set[int] = set()
    for reverse in (False, True):
        latest, upstream = -1, sorted(said, reverse=not reverse)  # the next one is the last
        for row in reversed(ordered) if reverse else ordered:
            while upstream and (upstream[-1][0] > row.frame if reverse else upstream[-1][0] < row.frame):
                latest = max(latest, upstream.pop()[1])
            if row.prompt is None and row.reverse is reverse and row.born < latest:
                doubtful.add(row.frame)
    return {row.frame: state_of(row, size, model=model, doubtful=row.frame in doubtful) for row in ordered}


def model_key(model: Model) -> str:
    """Tells models apart whose memories do not fit each other."""
    return f"{model.config.full_name}@{model.config.image_size}"


def row_json(row: FrameRow, size: Size) -> dict[str, Any]:
    """One object on one frame, as the page takes it."""
    return {
        "mask": Rle(size, row.mask).to_coco(),
        "presence": round(row.presence, 4),
        "iou": round(row.iou, 4),
        "prompted": row.prompt is not None,
        "state": presence_of(row.area, row.presence, row.iou, prompted=row.prompt is not None),
    }


def frame_json(frame: int, rows: Iterable[FrameRow], size: Size) -> dict[str, Any]:
    """All objects on one frame, as the page takes them."""
    return {"frame": frame, "objects": {str(row.object_id): row_json(row, size) for row in rows}}


def frames_json(rows: Iterable[FrameRow], size: Size) -> list[dict[str, Any]]:
    """Frames in order; those without results are left out."""
    by_frame: dict[int, list[FrameRow]] = {}
    for row in rows:
        by_frame.setdefault(row.frame, []).append(row)
    return [frame_json(frame, these, size) for frame, these in sorted(by_frame.items())]


def _packed(values: Float32[np.ndarray, "..."] | None) -> bytes | None:
    return None if values is None else zlib.compress(values.astype("<f4").tobytes(), 1)


def _unpacked(data: bytes | None) -> Float32[np.ndarray, " n"] | None:
    return None if data is None else np.frombuffer(zlib.decompress(data), "<f4").astype(np.float32)
