"""Outputs are there whole, or as they were before."""

from __future__ import annotations

from pathlib import Path

import pytest

from masklet.errors import OutputError
from masklet.io.atomic import write_text


def test_text_keeps_its_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    write_text(path, "naïve\r\n1\n")
    assert path.read_bytes() == b"na\xc3\xafve\r\n1\n"
    write_text(path, "2\n")
    assert path.read_bytes() == b"2\n"


def test_text_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("before")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "\ud800")
    assert [file.name for file in tmp_path.iterdir()] == ["table.csv"]
    assert path.read_text() == "before"
    with pytest.raises(OutputError):
        write_text(tmp_path / "missing" / "table.csv", "")
