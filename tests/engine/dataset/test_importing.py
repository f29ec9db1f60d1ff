"""A set on disk becomes media and tasks of a project: once, and with what is broken named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from jaxtyping import UInt8

from masklet.engine.dataset.export import AcceptedVideo, accepted_videos, export_videos
from masklet.engine.dataset.importing import import_dataset, read_dataset
from masklet.engine.ingest import IngestSettings, read_media
from masklet.engine.records import MaskletVersion, TaskState, Work
from masklet.engine.store import Store
from masklet.io import write_image
from masklet.types import Masklet, Rle


@pytest.fixture
def root(tmp_path: Path, clip: UInt8[np.ndarray, "t h w 3"]) -> Path:
    """A set of two videos with a masklet each."""
    videos = []
    for number, (name, start) in enumerate((("dog", 0), ("walk", 20)), start=1):
        folder = tmp_path / "media" / name
        folder.mkdir(parents=True)
        for index in range(5):
            write_image(folder / f"{index:05d}.png", clip[start + index])
        media = read_media(folder, IngestSettings(license="CC0", split="train"))
        mask = np.zeros(media.size, bool)
        mask[4:12, 6:20] = True
        masklet = Masklet(1, media.size, {index: Rle.from_mask(mask) for index in range(5)}, name=name)
        version = MaskletVersion(
            id=number, task=number, media=media.content, masklet=masklet, work=Work(author="ann", phase="3")
        )
        videos.append(AcceptedVideo(media=media, versions=(version,)))
    assert export_videos(videos, tmp_path / "set", "coco").written == ["dog", "walk"]
    return tmp_path / "set"


def test_masklets_wait_for_a_person_or_are_taken_as_they_are(root: Path, store: Store, tmp_path: Path) -> None:
    report = import_dataset(store, read_dataset(root), "set 1")
    assert (report.media, report.masklets, report.known, report.failed) == (2, 2, [], {})
    assert [task.state for task in store.tasks()] == [TaskState.VERIFY] * 2
    assert [task.name for task in store.tasks()] == ["dog", "walk"]
    assert [media.license for media in store.all_media()] == ["CC0"] * 2
    assert store.version(1).masklet.frames[4].area == 8 * 14
    with Store(str(tmp_path / "other"), create=True) as other:
        import_dataset(other, read_dataset(root), "set 1", accepted=True)
        assert [len(one.versions) for one in accepted_videos(other)] == [1, 1]
        assert [one.result().video for one in accepted_videos(other)] == ["dog.mp4", "walk.mp4"]


def test_a_set_is_taken_once(root: Path, store: Store) -> None:
    import_dataset(store, read_dataset(root), "set 1")
    again = import_dataset(store, read_dataset(root), "set 1")
    assert (again.media, again.masklets, again.known) == (0, 0, ["dog", "walk"])
    assert len(store.tasks()) == 2


def test_what_is_half_copied_is_named(root: Path, store: Store) -> None:
    (root / "train" / "dog" / "00002.jpg").unlink()
    (root / "train" / "walk" / "00001.jpg").write_bytes(b"\xff\xd8" + b"0" * 9)
    done: list[str] = []
    report = import_dataset(store, read_dataset(root), "set 1", progress=done.append)
    assert sorted(report.failed) == ["dog", "walk"]
    assert (report.media, done, store.all_media()) == (0, [], [])
