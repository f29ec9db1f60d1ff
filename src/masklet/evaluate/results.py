"""Results of an evaluation: a JSON document, CSV rows, and an HTML report."""

from __future__ import annotations

import csv
import io
import json
import os
import platform
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from masklet.bounded_json import expecting, read_json
from masklet.errors import FormatError
from masklet.evaluate.records import Record, RecordStore
from masklet.evaluate.report import Film, render_report
from masklet.evaluate.scoring import Notice
from masklet.evaluate.summary import Row, object_entry, per_sequence, score_of, summarize
from masklet.io.atomic import write_text
from masklet.io.datasets import ImageDataset, VideoDataset

SCHEMA, VERSION = "masklet/evaluation", 1

VOLATILE = ("frames_per_second", "timing", "machine")
"""Keys of the document that differ between two runs of the same evaluation."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Results of an evaluation.

    Attributes:
        document: all numbers in percent, with everything needed to reproduce them; see docs/guides/evaluate.md.
        rows: a row for each object, with the name of its sequence.
    """

    document: dict[str, Any]
    rows: list[Row]

    @classmethod
    def gather(
        cls, dataset: VideoDataset | ImageDataset, setup: dict[str, Any], store: RecordStore, out: Path | None
    ) -> Evaluation:
        """Summarize the records of all items of a data set, and write the result files to ``out`` unless it is None."""
        found = [store.get(name) for name in dataset.names]
        records = [record for record in found if record is not None]
        assert len(records) == len(dataset), "every item has a record"
        problems = [Notice(p.kind, p.where, p.detail) for p in dataset.warnings]
        document = _document(setup, records, problems)
        rows = [{"sequence": record.name} | row for record in records for row in record.objects]
        result = cls(document, rows)
        if out is not None:
            write_json(out / "results.json", document)
            write_text(out / "objects.csv", result.csv())
            write_text(out / "report.html", render_report(document, _films(records, store)))
        return result

    def csv(self) -> str:
        """Return CSV with a line for each object, scores in percent."""
        lines = [_flat(row) for row in self.rows]
        columns = dict.fromkeys(key for line in lines for key in line)
        text = io.StringIO()
        writer = csv.DictWriter(text, list(columns), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
        return text.getvalue()


def write_json(path: str | os.PathLike[str], document: dict[str, Any]) -> None:
    """Write a JSON document atomically.

    Raises:
        OutputError: the file cannot be written.
    """
    write_text(Path(path), json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2) + "\n")


def read_results(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a document that `evaluate` wrote.

    Raises:
        FormatError: the file is missing, or holds something else.
    """
    document = read_json(path, dict[str, Any], what="evaluation result")
    with expecting("results of masklet evaluate", str(path)):
        if (document["schema"], document["version"]) != (SCHEMA, VERSION):
            raise FormatError(f"expected {SCHEMA} version {VERSION}, got {document['schema']} {document['version']}")
    return document


def _document(setup: dict[str, Any], records: list[Record], problems: list[Notice]) -> dict[str, Any]:
    notices = [*problems, *(notice for record in records for notice in record.notices)]
    frames, seconds = sum(record.frames for record in records), sum(record.seconds for record in records)
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "dataset": setup["dataset"]["name"],
        "protocol": setup["protocol"]["name"],
        "model": setup["model"]["name"] if setup["model"] else None,
        **summarize(records, setup["rules"]),
        "frames_per_second": frames / seconds if seconds else None,
        "per_sequence": {record.name: per_sequence(record) for record in records},
        "counted_notices": dict(Counter(notice.kind for notice in notices).most_common()),
        "notices": [asdict(notice) for notice in notices],
        "setup": setup,
        "timing": {"frames": frames, "seconds": seconds, "per_sequence": {r.name: r.seconds for r in records}},
        "machine": _machine(),
    }


def _machine() -> dict[str, Any]:
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "platform": platform.platform(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": device,
    }


def _films(records: list[Record], store: RecordStore) -> list[Film]:
    """Return the film strips of the worst items, the worst first."""
    scored = sorted((score, r.name, r) for r in records if (score := score_of(r)) is not None)
    films = []
    for score, name, record in scored:
        path = store.film_path(name)
        if record.film is not None and path is not None and path.is_file():
            films.append(Film(name=name, score=100 * score, shows=record.film, png=path.read_bytes()))
    return films


def _flat(row: Row) -> dict[str, Any]:
    """Flatten a row to one value for each column."""
    flat: dict[str, Any] = {"sequence": row["sequence"], "object": row["object"]}
    for key, value in object_entry(row).items():
        if key == "iou":
            flat |= {f"iou_{k}": 100 * iou for k, iou in enumerate(value, start=1)}
        elif key == "rounds":
            flat |= {f"JF_{k}": r["JF"] for k, r in enumerate(value, start=1)}
        elif key != "sequence":
            flat[key] = value
    return flat
