"""Records of finished sequences and images, from which a killed run resumes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from masklet.bounded_json import read_json
from masklet.errors import FormatError
from masklet.evaluate.scoring import Notice
from masklet.io.atomic import output_errors, write_text

RECORD_VERSION: Literal[1] = 1


@dataclass(kw_only=True)
class Record:
    """Results of one sequence or image.

    Attributes:
        name: name of the item.
        frames: number of processed frames, in all passes.
        seconds: processing time, from decoding to masks.
        objects: a row for each object.
        cells: of cell tracking, the overlap of every true cell of every frame.
        notices: remarks that readers of the numbers must know.
        film: description of its film strip, if it has one; see `report.Film`.
        source: fingerprint of the input files and of the scored predictions.
    """

    name: str
    frames: int = 0
    seconds: float = 0.0
    objects: list[dict[str, Any]] = field(default_factory=list)
    cells: list[float] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    film: dict[str, Any] | None = None
    source: str = ""


@dataclass(kw_only=True)
class _StoredRecord(Record):
    """A record as its file holds it."""

    version: Literal[1]


def key_of(setup: Mapping[str, Any]) -> str:
    """Hash everything that a result depends on."""
    return hashlib.sha256(json.dumps(setup, sort_keys=True).encode()).hexdigest()[:16]


class RecordStore:
    """Stores records as files in ``FOLDER/items/KEY``, or in memory if the folder is None.

    Each setup has its own key (`key_of`), so that results of different setups never mix.
    """

    def __init__(self, folder: Path | None, key: str) -> None:
        self.folder = None if folder is None else folder / "items" / key
        self._records: dict[str, Record] = {}
        if self.folder is not None:
            with output_errors(self.folder):
                self.folder.mkdir(parents=True, exist_ok=True)

    def get(self, name: str) -> Record | None:
        """Return the record of an item; None if it is not finished or its file is damaged."""
        if self.folder is None:
            return self._records.get(name)
        path = self._path(name, ".json")
        if not path.is_file():
            return None
        try:
            fields = vars(read_json(path, _StoredRecord, what="evaluation record"))
        except FormatError:
            return None
        return Record(**{name: value for name, value in fields.items() if name != "version"})

    def put(self, record: Record) -> None:
        """Store a record; files are written atomically."""
        if self.folder is None:
            self._records[record.name] = record
        else:
            stored = _StoredRecord(**vars(record), version=RECORD_VERSION)
            write_text(self._path(record.name, ".json"), json.dumps(asdict(stored), allow_nan=False))

    def add_remote(self, record: Record) -> None:
        """Add a record that another process has stored with the same folder and key."""
        if self.folder is None:
            self.put(record)

    def film_path(self, name: str) -> Path | None:
        """Return the path for the film strip of an item; None in memory."""
        return None if self.folder is None else self._path(name, ".png")

    def _path(self, name: str, suffix: str) -> Path:
        assert self.folder is not None
        plain = quote(name, safe=" ")
        if len(plain) > 200:
            plain = f"{plain[:150]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
        return self.folder / f"{plain}{suffix}"
