"""A Ray cluster of two workers, one of which is killed: the same masklets as one process finds."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import UInt8
from PIL import Image

pytest.importorskip("sqlalchemy")

from masklet.engine.ingest import add_media
from masklet.engine.proposals import MaskletSearch, propose
from masklet.engine.ray_pool import RayPool
from masklet.engine.records import Media
from masklet.engine.store import Store
from masklet.predict.automatic_masklets import EverythingSettings
from masklet.predict.spec import ModelSpec
from masklet.types import Rle


def workers_of(ancestor: int) -> list[int]:
    """The processes of Ray workers among the descendants of a process."""
    parents, workers = {}, []
    for folder in (path for path in Path("/proc").iterdir() if path.name.isdigit()):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if b"ray::_Actor" in (folder / "cmdline").read_bytes():
                workers.append(int(folder.name))
        except OSError:
            continue  # it has ended in the meantime

    def descends(process: int) -> bool:
        while process > 1:
            if process == ancestor:
                return True
            process = parents.get(process, 0)
        return False

    return [process for process in workers if descends(process)]


def found(store: Store) -> dict[str, list[dict[int, Rle]]]:
    """The masks of each media."""
    return {
        media.name: [
            store.version(task.version).masklet.frames for task in store.tasks(media=media.content) if task.version
        ]
        for media in store.all_media()
    }


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::ResourceWarning", "ignore::DeprecationWarning")
def test_the_same_as_one_process(
    tmp_path: Path, clip: UInt8[np.ndarray, "t h w 3"], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("RAY_worker_niceness", "0")  # workers give way to all others, on a busy machine for ever
    folders = [tmp_path / f"clip-{number}" for number in range(6)]
    for number, folder in enumerate(folders):
        folder.mkdir()
        for index in range(4):
            Image.fromarray(clip[4 * number + index]).save(folder / f"{index}.png")
    search = MaskletSearch(
        model=ModelSpec(device="cpu", image_size=64),
        settings=EverythingSettings(every=2, max_objects=3, min_frames=1),
        key_frames="fast",
    )
    killed: list[int] = []

    def kill_one(media: Media) -> None:
        if not killed:
            killed.append(workers_of(os.getpid())[0])
            os.kill(killed[0], signal.SIGKILL)

    with (
        Store(str(tmp_path / "one"), create=True) as one,
        Store(str(tmp_path / "many"), create=True) as many,
    ):
        for store in (one, many):
            add_media(store, folders)
        alone = propose(one, search, "nano")
        together = propose(many, search, "nano", pool=RayPool(address="local", workers=2), progress=kill_one)
        assert killed
        assert alone.masklets > 0
        assert (together.media, together.masklets, together.failed) == (6, alone.masklets, {})
        assert found(one) == found(many)
        assert propose(many, search, "nano").before == 6
