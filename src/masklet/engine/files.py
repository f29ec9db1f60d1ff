"""Small files of a set on disk: each is there whole, or as it was before."""

from __future__ import annotations

import json
from pathlib import Path

from masklet.io.draft import Draft, writing


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8; `OutputError` if that fails, and nothing is left behind."""
    draft = Draft(path)
    try:
        with writing(path):
            draft.path.write_text(text, encoding="utf-8")
        draft.publish()
    finally:
        draft.discard()


def write_json(path: Path, value: object) -> None:
    """Write JSON without blanks, as `write_text`."""
    write_text(path, json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")))
