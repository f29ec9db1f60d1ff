"""Data card of a data set: size, splits, annotation process and licenses, as Markdown, JSON and charts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from masklet.engine.dataset.record import ObjectRecord, VideoRecord
from masklet.engine.statistics import markdown_table, percent
from masklet.io.atomic import output_errors, write_text
from masklet.io.charts import BarChart

AREAS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
"""Upper limits of the classes of relative mask size; the last class ends at 1."""

SCHEMA, VERSION = "masklet/set-card", 1
FORMAT_NAMES = {"sav": "SA-V", "davis": "DAVIS label maps", "coco": "COCO", "yolo": "YOLO segmentation"}


def count(records: Iterable[VideoRecord]) -> dict[str, Any]:
    """Count videos, masklets and masks.

    Returns:
        numbers of "videos", "frames", "masklets" ("manual": those that a person made or corrected, "automatic": the
        others) and non-empty "masks"; "seconds", the total duration of the videos that have a frame rate;
        "disappearance", the share of manual masklets whose object disappears and reappears, and "edited", the share of
        their annotated frames that a person changed, None without any; "sizes", numbers of masklets by mean share of
        the image, in classes that end at `AREAS` and 1.
    """
    videos = list(records)
    objects = [one for video in videos for one in video.objects]
    people = [one for one in objects if one.source != "automatic"]
    frames = sum(one.frames for one in people)
    return {
        "videos": len(videos),
        "frames": sum(video.num_frames for video in videos),
        "seconds": round(sum(video.seconds or 0.0 for video in videos), 3),
        "masklets": len(objects),
        "manual": len(people),
        "automatic": len(objects) - len(people),
        "masks": sum(one.masks for one in objects),
        "disappearance": sum(one.returns for one in people) / len(people) if people else None,
        "edited": sum(one.edited for one in people) / frames if frames else None,
        "sizes": _sizes(objects),
    }


def _sizes(objects: Sequence[ObjectRecord]) -> tuple[int, ...]:
    counts = Counter(sum(one.area >= end for end in AREAS) for one in objects if one.masks)
    return tuple(counts[place] for place in range(len(AREAS) + 1))


def write_card(root: Path, records: Sequence[VideoRecord], *, title: str = "") -> None:
    """Write ``README.md``, ``card.json`` and the charts of a data set.

    Args:
        root: folder of the data set.
        records: records of its videos.
        title: title of the card; the folder's name by default.

    Raises:
        OutputError: a file cannot be written.
    """
    figures = root / "figures"
    with output_errors(figures):
        figures.mkdir(exist_ok=True)
    for name, chart in charts(records).items():
        chart.save(figures / f"{name}.svg")
    write_text(root / "README.md", card(records, title=title or root.resolve().name))
    write_text(root / "card.json", json.dumps(document(records), ensure_ascii=False, separators=(",", ":")))


def document(records: Sequence[VideoRecord]) -> dict[str, Any]:
    """Return the counts of the card as a JSON-able dict."""
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "all": count(records),
        "splits": {split: count(part) for split, part in _by_split(records).items()},
        "licenses": dict(_licenses(records).most_common()),
        "phases": dict(_phases(records).most_common()),
        "area_classes": [*AREAS, 1.0],
    }


def card(records: Sequence[VideoRecord], *, title: str) -> str:
    """Return the card as Markdown."""
    whole = count(records)
    name = FORMAT_NAMES.get(records[0].format, records[0].format) if records else "no"
    lines = [
        f"# {title}",
        "",
        f"{whole['masklets']} masklets in {whole['videos']} videos, in {name} format: {_duration(whole['seconds'])}, "
        f"{whole['frames']} frames, {whole['masks']} masks.",
        "",
        "## Splits",
        "",
        "Videos are assigned to splits by the hash of their content: copies of a video are in the same split.",
        "",
        _splits({split: count(part) for split, part in _by_split(records).items()} | {"all": whole}),
        "Disappearance is the share of manual masklets whose object disappears and reappears.",
        "",
        "## How it was annotated",
        "",
        *_how(records, whole["edited"]),
        "",
        "## Sizes",
        "",
        "![Masklets by mean size](figures/sizes.svg) ![Masklets per video](figures/masklets.svg) "
        "![Videos by duration](figures/durations.svg)",
        "",
        "## Licenses",
        "",
        *(f"- {name or 'not stated'}: {count} videos" for name, count in _licenses(records).most_common()),
        "",
        "Masklets are as reliable as their verification, and other data sets count by other rules. Every video has a "
        "file in `records/` with the properties of each of its masklets; `card.json` holds the numbers of this page.",
    ]
    return "\n".join(lines) + "\n"


def charts(records: Sequence[VideoRecord]) -> dict[str, BarChart]:
    """Return the charts of the card by name."""
    ends = ["0", *(f"{100 * end:g}" for end in AREAS), "100"]
    classes = [f"{low}-{high}" for low, high in pairwise(ends)]
    sizes = list(zip(classes, count(records)["sizes"], strict=True))
    return {
        "sizes": BarChart(title="Masklets by mean size", x="% of the image", y="masklets", bars=sizes),
        "masklets": BarChart(
            title="Masklets per video",
            x="masklets, up to",
            y="videos",
            bars=_counted([len(video.objects) for video in records], (1, 2, 3, 5, 10, 20, 50)),
        ),
        "durations": BarChart(
            title="Videos by duration",
            x="seconds, up to",
            y="videos",
            bars=_counted([video.seconds for video in records if video.seconds], (2, 5, 10, 20, 60, 300, 3600)),
        ),
    }


def _counted(values: Sequence[float], ends: Sequence[int]) -> list[tuple[str, float]]:
    """Histogram: count the values up to each end and above the one before; the last class is open."""
    places = Counter(sum(value > end for end in ends) for value in values)
    return [*((f"{end}", places[place]) for place, end in enumerate(ends)), ("more", places[len(ends)])]


def _how(records: Sequence[VideoRecord], edited: float | None) -> list[str]:
    names = {
        "1": "every frame annotated separately",
        "2": "mask propagation; wrong frames annotated again from scratch",
        "3": "interactive: clicks on any frame, tracked in both directions",
        "auto": "found and tracked by a model",
    }
    lines = [f"- {names.get(phase, phase)}: {count} masklets" for phase, count in _phases(records).most_common()]
    if edited is not None:
        lines.append(f"- a person changed {percent(edited)} of the annotated frames of manual masklets")
    timed = [one for video in records for one in video.objects if one.seconds is not None and one.frames]
    if timed:
        spent = sum(one.seconds or 0.0 for one in timed) / sum(one.frames for one in timed)
        lines.append(f"- {spent:.1f} s of work per frame, where it was measured ({len(timed)} masklets)")
    return [*lines, "- each masklet was accepted by a person who had not made it"]


def _by_split(records: Sequence[VideoRecord]) -> dict[str, list[VideoRecord]]:
    parts = {split: [one for one in records if one.split == split] for split in ("train", "val", "test")}
    return {split: part for split, part in parts.items() if part}


def _licenses(records: Sequence[VideoRecord]) -> Counter[str]:
    return Counter(video.license for video in records)


def _phases(records: Sequence[VideoRecord]) -> Counter[str]:
    return Counter(one.phase for video in records for one in video.objects)


def _splits(counts: Mapping[str, Mapping[str, Any]]) -> str:
    columns = ("videos", "frames", "duration", "masklets", "manual", "automatic", "masks", "disappearance")
    rows = []
    for split, numbers in counts.items():
        cells = {**numbers, "duration": _duration(numbers["seconds"])}
        cells["disappearance"] = percent(numbers["disappearance"])
        rows.append([split, *(str(cells[column]) for column in columns)])
    return markdown_table(("split", *columns), rows)


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"
