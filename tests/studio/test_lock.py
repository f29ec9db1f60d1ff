"""A folder belongs to one studio at a time, for as long as it runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from masklet.errors import OutputError
from masklet.studio.app import create_app
from masklet.studio.lock import FolderLock
from masklet.studio.settings import Settings


def test_a_second_studio_is_refused_and_harms_nothing(studio: Any, tiny: Any) -> None:
    folder = studio.desk.settings.folder
    upload = studio.call("POST", "folders", 201, json={"name": "cells"})["id"]
    with pytest.raises(OutputError, match=f"another studio is using this folder: {folder}"):
        create_app(tiny, Settings(folder=folder))
    assert studio.desk.library.upload_folder(upload).is_dir()


def test_it_is_free_when_its_studio_has_closed(tiny: Any, tmp_path: Path) -> None:
    for _ in range(2):
        create_app(tiny, Settings(folder=tmp_path)).state.desk.close()


def test_a_database_that_is_refused_leaves_no_lock(tiny: Any, tmp_path: Path) -> None:
    (tmp_path / "studio.sqlite").write_bytes(b"something else, long enough to be read as a header of a file" * 9)
    for _ in range(2):
        with pytest.raises(OutputError, match="cannot use"):
            create_app(tiny, Settings(folder=tmp_path))


def test_a_process_that_is_killed_lets_go(tmp_path: Path) -> None:
    script = (
        "import sys, time, pathlib; from masklet.studio.lock import FolderLock\n"
        "lock = FolderLock(pathlib.Path(sys.argv[1])); print('held', flush=True); time.sleep(600)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(OutputError, match="another studio"):
            FolderLock(tmp_path)
        process.kill()
    FolderLock(tmp_path).release()
