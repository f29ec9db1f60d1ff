"""What concerns all videos of a set on disk: lists of names, one COCO file a split, the classes of YOLO."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from masklet.bounded_json import read_json
from masklet.engine.files import write_json
from masklet.engine.set_record import VideoRecord
from masklet.io.atomic import output_errors, write_text

CLASSES = "classes.json"
"""The classes of a YOLO set; the list only grows, so that labels which were written stay right."""


def write_lists(root: Path, records: Sequence[VideoRecord]) -> None:
    """Write them anew from the records of complete videos, all of one form.

    Raises:
        OutputError: they cannot be written.
        FormatError: a file of a video, which they are made of, is broken.
    """
    by_split: dict[str, list[VideoRecord]] = {}
    for record in records:
        by_split.setdefault(record.split, []).append(record)
    for split, videos in by_split.items():
        _LISTS[videos[0].form](root, split, videos)
    if records and records[0].form == "yolo":
        write_text(root / "data.yaml", _yolo(root, by_split))


def _sav(root: Path, split: str, records: Sequence[VideoRecord]) -> None:
    if split != "train":
        write_text(root / f"sav_{split}" / f"sav_{split}.txt", _names(records))


def _davis(root: Path, split: str, records: Sequence[VideoRecord]) -> None:
    folder = root / "ImageSets" / "2017"
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / f"{split}.txt", _names(records))


def _coco(root: Path, split: str, records: Sequence[VideoRecord]) -> None:
    documents = [
        read_json(root / "annotations" / "videos" / f"{record.name}.json", dict[str, Any], what="COCO annotation file")
        for record in records
    ]
    write_json(root / "annotations" / f"instances_{split}.json", merged_coco(documents))


def merged_coco(documents: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The files of several videos as one: numbers count on, and categories are those of all, by name."""
    names = sorted({str(category["name"]) for document in documents for category in document["categories"]})
    numbers = {name: place for place, name in enumerate(names, start=1)}
    merged: dict[str, Any] = {"info": {"description": "masklet"}}
    merged |= {key: [] for key in ("videos", "images", "tracks", "annotations")}
    merged["categories"] = [{"id": number, "name": name} for name, number in numbers.items()]
    for place, document in enumerate(documents, start=1):
        images, tracks = len(merged["images"]), len(merged["tracks"])
        kinds = {category["id"]: numbers[category["name"]] for category in document["categories"]}
        order = {track["id"]: tracks + row for row, track in enumerate(document["tracks"], start=1)}
        merged["videos"] += [{**video, "id": place} for video in document["videos"]]
        merged["images"] += [{**one, "id": images + one["id"], "video_id": place} for one in document["images"]]
        for track in document["tracks"]:
            merged["tracks"].append(
                {"id": order[track["id"]], "video_id": place, "category_id": kinds[track["category_id"]]}
            )
        for one in document["annotations"]:
            of_all = {"id": len(merged["annotations"]) + 1, "image_id": images + one["image_id"]}
            of_all |= {"category_id": kinds[one["category_id"]], "track_id": order[one["track_id"]]}
            merged["annotations"].append({**one, **of_all})
    return merged


def _yolo(root: Path, by_split: Mapping[str, Sequence[VideoRecord]]) -> str:
    """Where the pictures of each split are; labels lie beside them, in folders called labels."""
    lines = ["path: ."]
    for split in ("train", "val", "test"):
        folders = [f"{split}/{record.name}/images" for record in by_split.get(split, ())]
        if folders or split != "test":
            lines += [f"{split}:", *(f"  - {json.dumps(folder)}" for folder in folders)]
    names = class_list(root, ())
    return "\n".join([*lines, "names:", *(f"  {place}: {json.dumps(name)}" for place, name in enumerate(names))]) + "\n"


def class_list(root: Path, names: Sequence[str]) -> list[str]:
    """The classes of a set, with these names among them from now on.

    Raises:
        FormatError: the list on disk is broken.
    """
    path = root / CLASSES
    known = [str(name) for name in read_json(path, list[Any], what="list of classes")] if path.is_file() else []
    new = sorted(set(names) - set(known))
    if new:
        write_text(path, json.dumps([*known, *new], ensure_ascii=False) + "\n")
    return [*known, *new]


def _names(records: Sequence[VideoRecord]) -> str:
    return "".join(f"{record.name}\n" for record in records)


_LISTS: dict[str, Callable[[Path, str, Sequence[VideoRecord]], None]] = {
    "sav": _sav,
    "davis": _davis,
    "coco": _coco,
    "yolo": lambda _root, _split, _records: None,
}
