"""What is kept of every finished sequence or picture, so that a run that was killed continues."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from masklet.bounded_json import expecting, read_json
from masklet.errors import FormatError
from masklet.evaluate.scoring import Notice
from masklet.io.atomic import output_errors, write_text

RECORD_VERSION = 1


@dataclass(kw_only=True)
class Record:
    """One sequence or picture.

    Attributes:
        name: of the item.
        frames: that were worked through, in all runs over it.
        seconds: the model's work took, from decoding to masks.
        objects: a row for each object.
        cells: of cell tracking, the overlap of every true cell of every frame.
        notices: what a reader of the numbers must know.
        film: what its film strip shows, where it has one: see `films.Film`.
        source: a fingerprint of what was read: where it lies, and which predictions were scored.
    """

    name: str
    frames: int = 0
    seconds: float = 0.0
    objects: list[dict[str, Any]] = field(default_factory=list)
    cells: list[float] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    film: dict[str, Any] | None = None
    source: str = ""

    def to_json(self) -> dict[str, Any]:
        """For a file."""
        return {"version": RECORD_VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any], where: str) -> Record:
        """What `to_json` gave; `FormatError` if it is something else."""
        with expecting("a record of an evaluation", where):
            fields = {key: part for key, part in value.items() if key != "version"}
            if value["version"] != RECORD_VERSION:
                raise FormatError(f"expected version {RECORD_VERSION}, got {value['version']}")
            return cls(**{**fields, "notices": [Notice(**notice) for notice in fields["notices"]]})


def key_of(setup: Mapping[str, Any]) -> str:
    """A short hash of all that a result depends on."""
    return hashlib.sha256(json.dumps(setup, sort_keys=True).encode()).hexdigest()[:16]


class RecordStore:
    """Records as small files in ``OUT/items/KEY``: another setup has another key, so that results never mix.

    Args:
        folder: of the output, or None to keep records in memory.
        key: from `key_of`.
    """

    def __init__(self, folder: Path | None, key: str) -> None:
        self.folder = None if folder is None else folder / "items" / key
        self._kept: dict[str, Record] = {}
        if self.folder is not None:
            with output_errors(self.folder):
                self.folder.mkdir(parents=True, exist_ok=True)

    def get(self, name: str) -> Record | None:
        """The record of an item, or None where it is not done; a file that cannot be read counts as not done."""
        if self.folder is None:
            return self._kept.get(name)
        path = self._path(name, ".json")
        if not path.is_file():
            return None
        try:
            return Record.from_json(read_json(path, dict[str, Any], what="evaluation record"), str(path))
        except FormatError:
            return None

    def put(self, record: Record) -> None:
        """Keep a record; it is there whole or not at all."""
        if self.folder is None:
            self._kept[record.name] = record
        else:
            write_text(self._path(record.name, ".json"), json.dumps(record.to_json(), allow_nan=False))

    def keep(self, record: Record) -> None:
        """Take over what another process has put into a store like this one."""
        if self.folder is None:
            self.put(record)

    def film_path(self, name: str) -> Path | None:
        """Where the film strip of an item is or would be."""
        return None if self.folder is None else self._path(name, ".png")

    def _path(self, name: str, suffix: str) -> Path:
        assert self.folder is not None
        plain = quote(name, safe=" ")
        if len(plain) > 200:
            plain = f"{plain[:150]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
        return self.folder / f"{plain}{suffix}"
