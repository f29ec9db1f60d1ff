"""Stores to work on: a folder, and a PostgreSQL server that a test starts as an ordinary user."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pytest

pytest.importorskip("sqlalchemy")

if TYPE_CHECKING:
    from masklet.engine.records import Media
    from masklet.engine.store import Store
    from masklet.types import Masklet


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class MakeMasklet(Protocol):
    """Makes a masklet of a media: a square on some frames, with the predicted IoU of each."""

    def __call__(self, media: Media, scores: dict[int, float], *, left: int = 2) -> Masklet: ...


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    from masklet.engine.store import Store  # noqa: PLC0415  after the import hook

    with Store(str(tmp_path / "project"), create=True, clock=clock) as opened:
        yield opened


@pytest.fixture
def masklet_of() -> MakeMasklet:
    from masklet.types import Masklet, Rle  # noqa: PLC0415

    def make(media: Media, scores: dict[int, float], *, left: int = 2) -> Masklet:
        mask = np.zeros(media.size, bool)
        mask[2:6, left : left + 4] = True
        frames = dict.fromkeys(scores, Rle.from_mask(mask))
        return Masklet(1, media.size, frames, dict.fromkeys(scores, 1.0), dict(scores))

    return make


@pytest.fixture
def media(store: Store) -> Media:
    """A media of 8 frames of 12 x 16 pixels; its file is not there."""
    return add_row(store, "00" * 16)


def add_row(store: Store, content: str, *, num_frames: int = 8) -> Media:
    """A media that nobody has to read."""
    from masklet.engine.ingest import IngestReport, IngestSettings, insert_media  # noqa: PLC0415
    from masklet.engine.records import Media  # noqa: PLC0415

    name = f"clip-{content[:4]}"
    made = Media(
        content=content, name=name, path=f"{name}.mp4", num_bytes=1, num_frames=num_frames, fps=24.0, size=(12, 16)
    )
    with store.change() as change:
        insert_media(change, made, IngestSettings(), IngestReport())
    return made


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a server's fresh database; it listens on a socket in its own folder only."""
    programs = shutil.which("initdb") or next(map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb")), None)
    if programs is None:
        pytest.skip("no PostgreSQL server on this machine")
    control = Path(programs).resolve().with_name("pg_ctl")
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())  # the server refuses root
    folder = Path(tempfile.mkdtemp(prefix="masklet-"))  # its path must be short and open to the user
    os.chown(folder, user.pw_uid, user.pw_gid)

    def run(*arguments: str) -> None:
        done = subprocess.run(
            [str(control), "-D", str(folder / "data"), "-w", *arguments],
            cwd=folder,
            user=user.pw_uid if os.geteuid() == 0 else None,
            stdout=subprocess.DEVNULL,  # a pipe would stay open as long as the server runs
            stderr=subprocess.DEVNULL,
            check=False,
        )
        assert done.returncode == 0, (folder / "log").read_text() if (folder / "log").exists() else arguments

    try:
        run("initdb", "-o", "-A trust -U masklet -E UTF8 --no-sync")
        run("start", "-l", str(folder / "log"), "-o", f"-k {folder} -c listen_addresses= -c fsync=off")
        try:
            yield f"postgresql://masklet@/postgres?host={folder}"
        finally:
            run("stop", "-m", "immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
