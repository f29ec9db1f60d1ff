"""Summarize records to the scores of a data set, in percent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from masklet.evaluate.metrics.cells import seg
from masklet.evaluate.metrics.click_curves import MAX_CLICKS, clicks_needed, failure_rate
from masklet.evaluate.metrics.presence import PresenceCounts
from masklet.evaluate.records import Record
from masklet.evaluate.scoring import Rules

Row = dict[str, Any]

TARGETS = (0.85, 0.9)
"""IoU targets of the number of clicks (NoC)."""


def score_of(record: Record) -> float | None:
    """Return the score of an item, 0 to 1: J&F or the IoU after the last click, mean over its objects."""
    values = [row["iou"][-1] if "iou" in row else row["JF"] for row in record.objects]
    return float(np.mean(values)) if values else None


def summarize(records: Sequence[Record], rules: Rules) -> dict[str, Any]:
    """Compute the scores of a data set as means over all objects, whatever the length of their sequences.

    ``main`` names the main score: J&F, G (YouTube-VOS), SEG (cells), or the mean IoU after the last prompt.
    """
    rows = [row for record in records for row in record.objects]
    summary: dict[str, Any] = {"main": None, "J": None, "F": None, "JF": None, "objects": len(rows)}
    if not rows:
        return summary
    if "iou" in rows[0]:
        return summary | _of_images(rows) | _of_folders(records)
    summary |= {"main": "JF", **_means(rows), "presence": _presence(rows), "course": _segments(rows)}
    if any("seen" in row for row in rows):
        summary |= _seen_unseen(rows) | ({"main": "G"} if rules == "youtube-vos" else {})
    if cells := [np.array(record.cells) for record in records if record.cells]:
        summary |= {"main": "SEG", "SEG": _percent(seg(cells))}
    if "rounds" in rows[0]:
        summary |= _interactive(rows)
    return summary


def per_sequence(record: Record) -> dict[str, Any]:
    """Return the scores of one item."""
    rows = record.objects
    if rows and "iou" in rows[0]:
        curve = np.mean([row["iou"] for row in rows], axis=0)
        return {"mIoU": {str(k): _percent(value) for k, value in enumerate(curve, start=1)}, "objects": len(rows)}
    numbers: dict[str, Any] = _means(rows) if rows else {"J": None, "F": None, "JF": None}
    return numbers | {"objects": {str(row["object"]): object_entry(row) for row in rows}}


def object_entry(row: Row) -> dict[str, Any]:
    """Return the row of an object in percent, without what is only used for charts."""
    entry: dict[str, Any] = {}
    for key, value in row.items():
        if key in ("course", "presence", "object"):
            continue
        if key == "rounds":
            entry[key] = [r | {name: _percent(r[name]) for name in ("J", "F", "JF")} for r in value]
        else:
            entry[key] = _percent(value) if _is_score(key) and value is not None else value
    return entry


def _is_score(key: str) -> bool:
    return key.partition("_")[0] in ("J", "F", "JF") and key != "first_frame"


def _percent(value: float) -> float:
    return float(100 * value)


def _means(rows: Iterable[Row]) -> dict[str, float]:
    """Return the mean of each score over the objects that have it."""
    values: dict[str, list[float]] = {}
    for row in rows:
        for key, value in row.items():
            if _is_score(key) and value is not None:
                values.setdefault(key, []).append(value)
    return {key: _percent(float(np.mean(some))) for key, some in values.items()}


def _presence(rows: Iterable[Row]) -> dict[str, float | None]:
    """Return how often the masks are right about the presence of an object, by frame."""
    total = sum((PresenceCounts(*row["presence"]) for row in rows), PresenceCounts())
    shares = {"accuracy": total.accuracy, "precision": total.precision, "recall": total.recall}
    return {key: None if value is None else _percent(value) for key, value in shares.items()}


def _segments(rows: Sequence[Row]) -> list[float | None]:
    """Return the mean J&F over each tenth of the sequences."""
    columns = [
        [value for value in column if value is not None] for column in zip(*(r["course"] for r in rows), strict=True)
    ]
    return [_percent(float(np.mean(column))) if column else None for column in columns]


def _seen_unseen(rows: Sequence[Row]) -> dict[str, Any]:
    """Return YouTube-VOS's J and F over objects of seen and of unseen categories; G is the mean of the four."""
    numbers: dict[str, Any] = {}
    for name, wanted in (("seen", True), ("unseen", False)):
        some = [row for row in rows if row.get("seen") is wanted]
        for key in ("J", "F"):
            numbers[f"{key}_{name}"] = _percent(float(np.mean([row[key] for row in some]))) if some else None
    present = [value for value in numbers.values() if value is not None]
    return numbers | {"G": float(np.mean(present))}


def _interactive(rows: Sequence[Row]) -> dict[str, Any]:
    """Return mean scores and seconds after 1, 2, ... corrected frames; finished objects keep their last."""
    clicked = [row["rounds"] for row in rows if row["rounds"]]
    most = max((len(rounds) for rounds in clicked), default=0)
    curve = []
    for place in range(most):
        now = [rounds[min(place, len(rounds) - 1)] for rounds in clicked]
        point: dict[str, Any] = {"interactions": place + 1}
        point |= {key: _percent(float(np.mean([r[key] for r in now]))) for key in ("J", "F", "JF")}
        point["seconds"] = float(np.mean([r["seconds"] for r in now]))
        curve.append(point)
    values = [point["JF"] for point in curve]
    return {
        "curve": curve,
        "area": {
            axis: area_under(values, [point[axis] for point in curve]) if curve else None
            for axis in ("interactions", "seconds")
        },
    }


def area_under(values: Sequence[float], along: Sequence[float]) -> float:
    """Compute the area under a curve divided by its span, the mean height; for a single point its height."""
    span = along[-1] - along[0]
    if span <= 0:
        return float(np.mean(values))
    steps = np.diff(along)
    return float((steps * (np.asarray(values)[1:] + np.asarray(values)[:-1]) / 2).sum() / span)


def _of_images(rows: Sequence[Row]) -> dict[str, Any]:
    curves = np.array([row["iou"] for row in rows])
    last = curves.shape[1]
    numbers: dict[str, Any] = {
        "main": f"mIoU@{last}",
        "mIoU": {str(k): _percent(float(curves[:, k - 1].mean())) for k in range(1, last + 1)},
    }
    if last >= MAX_CLICKS:
        for target in TARGETS:
            numbers[f"NoC@{target * 100:.0f}"] = float(clicks_needed(curves, target).mean())
            numbers[f"failures@{target * 100:.0f}"] = _percent(failure_rate(curves, target))
    return numbers | {f"mIoU@{last}": numbers["mIoU"][str(last)]}


def _of_folders(records: Sequence[Record]) -> dict[str, Any]:
    """Return the scores of each of several sets in folders side by side, and the mean over the sets.

    SAM 2 reports its 23 image sets this way (paper section 6.2); a set with many small masks does not dominate.
    """
    curves: dict[str, list[list[float]]] = {}
    for record in records:
        folder, slash, _ = record.name.partition("/")
        curves.setdefault(folder if slash else "", []).extend(row["iou"] for row in record.objects)
    filled = {folder: np.mean(rows, axis=0) for folder, rows in curves.items() if rows}
    if len(filled) < 2:
        return {}

    def by_clicks(curve: Iterable[float]) -> dict[str, float]:
        return {str(k): _percent(value) for k, value in enumerate(curve, start=1)}

    return {
        "mIoU_folders": by_clicks(np.mean(list(filled.values()), axis=0)),
        "folders": {folder: by_clicks(curve) for folder, curve in sorted(filled.items())},
    }
