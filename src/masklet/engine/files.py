"""JSON files of a set on disk: each is there whole, or as it was before."""

from __future__ import annotations

import json
from pathlib import Path

from masklet.io.atomic import write_text


def write_json(path: Path, value: object) -> None:
    """Write JSON without blanks; `OutputError` if that fails, and nothing is left behind."""
    write_text(path, json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")))
