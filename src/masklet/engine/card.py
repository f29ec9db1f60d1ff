"""The card of a data set: what is in it, from where, how it was annotated, in numbers, words and charts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from masklet.engine.files import write_json
from masklet.engine.plots import Bars
from masklet.engine.set_record import ObjectRecord, VideoRecord
from masklet.io.atomic import output_errors, write_text

AREAS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
"""Where the classes of relative mask sizes end."""

SCHEMA, VERSION = "masklet/set-card", 1
FORMS = {"sav": "SA-V", "davis": "DAVIS label maps", "coco": "COCO", "yolo": "YOLO segmentation"}


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """A set, or a part of it, in numbers.

    Attributes:
        videos: how many.
        frames: pictures of them.
        seconds: how long they are together, as far as they have a clock.
        masklets: objects.
        manual, automatic: of these with and without a person.
        masks: frames of masklets on which the object is seen.
        disappearance: share of masklets with a person whose object goes out of sight and comes back; None without any.
        edited: share of the annotated frames of these masklets that a person touched.
        sizes: masklets by the mean share of the picture that they cover, classes ending at `AREAS` and 1.
    """

    videos: int
    frames: int
    seconds: float
    masklets: int
    manual: int
    automatic: int
    masks: int
    disappearance: float | None
    edited: float | None
    sizes: tuple[int, ...]


def numbers(records: Iterable[VideoRecord]) -> Numbers:
    """Counts over the videos of a set."""
    videos = list(records)
    objects = [one for video in videos for one in video.objects]
    people = [one for one in objects if one.source != "automatic"]
    frames = sum(one.frames for one in people)
    return Numbers(
        videos=len(videos),
        frames=sum(video.num_frames for video in videos),
        seconds=round(sum(video.seconds or 0.0 for video in videos), 3),
        masklets=len(objects),
        manual=len(people),
        automatic=len(objects) - len(people),
        masks=sum(one.masks for one in objects),
        disappearance=sum(one.returns for one in people) / len(people) if people else None,
        edited=sum(one.edited for one in people) / frames if frames else None,
        sizes=_sizes(objects),
    )


def _sizes(objects: Sequence[ObjectRecord]) -> tuple[int, ...]:
    counts = Counter(sum(one.area >= end for end in AREAS) for one in objects if one.masks)
    return tuple(counts[place] for place in range(len(AREAS) + 1))


def write_card(root: Path, records: Sequence[VideoRecord], *, title: str = "") -> None:
    """Write ``README.md``, ``card.json`` and the charts of a set.

    Args:
        root: folder of the set.
        records: of its videos.
        title: of the set; the folder's name by default.

    Raises:
        OutputError: they cannot be written.
    """
    figures = root / "figures"
    with output_errors(figures):
        figures.mkdir(exist_ok=True)
    for name, chart in charts(records).items():
        chart.save(figures / f"{name}.svg")
    write_text(root / "README.md", card(records, title=title or root.resolve().name))
    write_json(root / "card.json", document(records))


def document(records: Sequence[VideoRecord]) -> dict[str, Any]:
    """The numbers of the card as JSON."""
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "all": asdict(numbers(records)),
        "splits": {split: asdict(numbers(part)) for split, part in _by_split(records).items()},
        "licenses": dict(_licenses(records).most_common()),
        "phases": dict(_phases(records).most_common()),
        "area_classes": [*AREAS, 1.0],
    }


def card(records: Sequence[VideoRecord], *, title: str) -> str:
    """The card as Markdown."""
    whole = numbers(records)
    form = FORMS.get(records[0].form, records[0].form) if records else "no"
    lines = [
        f"# {title}",
        "",
        f"{whole.masklets} masklets in {whole.videos} videos, in the form {form}: {_duration(whole.seconds)}, "
        f"{whole.frames} frames, {whole.masks} masks.",
        "",
        "## Splits",
        "",
        "Videos are split by the hash of their content: one video is in one part only, whatever it is called.",
        "",
        "| part | videos | frames | duration | masklets | with a person | automatic | masks | disappearance |",
        f"|{' --- |' * 9}",
        *(_line(split, numbers(part)) for split, part in {**_by_split(records), "all": list(records)}.items()),
        "",
        "Disappearance is the share of masklets with a person whose object goes out of sight and comes back.",
        "",
        "## How it was annotated",
        "",
        *_how(records, whole),
        "",
        "## Sizes",
        "",
        "![Masklets by mean size](figures/sizes.svg) ![Masklets in a video](figures/masklets.svg) "
        "![Videos by duration](figures/durations.svg)",
        "",
        "## Licenses",
        "",
        *(f"- {name or 'not stated'}: {count} videos" for name, count in _licenses(records).most_common()),
        "",
        "Masklets are no better than their verification, and numbers of other sets are made by other rules. Every "
        "video has a file in `records/` with these facts for each of its masklets; `card.json` holds the numbers of "
        "this page.",
    ]
    return "\n".join(lines) + "\n"


def charts(records: Sequence[VideoRecord]) -> dict[str, Bars]:
    """The distributions that the card shows, by name."""
    ends = ["0", *(f"{100 * end:g}" for end in AREAS), "100"]
    classes = [f"{low}-{high}" for low, high in pairwise(ends)]
    sizes = list(zip(classes, numbers(records).sizes, strict=True))
    return {
        "sizes": Bars(title="Masklets by mean size", x="% of the picture", y="masklets", bars=sizes),
        "masklets": Bars(
            title="Masklets in a video",
            x="masklets, up to",
            y="videos",
            bars=_counted([len(video.objects) for video in records], (1, 2, 3, 5, 10, 20, 50)),
        ),
        "durations": Bars(
            title="Videos by duration",
            x="seconds, up to",
            y="videos",
            bars=_counted([video.seconds for video in records if video.seconds], (2, 5, 10, 20, 60, 300, 3600)),
        ),
    }


def _counted(values: Sequence[float], ends: Sequence[int]) -> list[tuple[str, float]]:
    """How many values are at most each end and above the one before; the last class is open."""
    places = Counter(sum(value > end for end in ends) for value in values)
    return [*((f"{end}", places[place]) for place, end in enumerate(ends)), ("more", places[len(ends)])]


def _how(records: Sequence[VideoRecord], whole: Numbers) -> list[str]:
    words = {
        "1": "picture by picture",
        "2": "a mask tracked, frames corrected from scratch",
        "3": "interactive: clicks on any frame, tracked both ways",
        "auto": "found and tracked by a model",
    }
    lines = [f"- {words.get(phase, phase)}: {count} masklets" for phase, count in _phases(records).most_common()]
    if whole.edited is not None:
        lines.append(f"- a person touched {100 * whole.edited:.1f} % of the annotated frames of masklets with a person")
    timed = [one for video in records for one in video.objects if one.seconds is not None and one.frames]
    if timed:
        spent = sum(one.seconds or 0.0 for one in timed) / sum(one.frames for one in timed)
        lines.append(f"- {spent:.1f} s of work a frame, where it was measured ({len(timed)} masklets)")
    return [*lines, "- each masklet was found satisfactory by a person who had not made it"]


def _by_split(records: Sequence[VideoRecord]) -> dict[str, list[VideoRecord]]:
    parts = {split: [one for one in records if one.split == split] for split in ("train", "val", "test")}
    return {split: part for split, part in parts.items() if part}


def _licenses(records: Sequence[VideoRecord]) -> Counter[str]:
    return Counter(video.license for video in records)


def _phases(records: Sequence[VideoRecord]) -> Counter[str]:
    return Counter(one.phase for video in records for one in video.objects)


def _line(split: str, part: Numbers) -> str:
    rate = "-" if part.disappearance is None else f"{100 * part.disappearance:.1f} %"
    counts = [part.videos, part.frames, _duration(part.seconds), part.masklets, part.manual, part.automatic, part.masks]
    return f"| {' | '.join([split, *map(str, counts), rate])} |"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"
