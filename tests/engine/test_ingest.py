"""Media by their content: broken, doubled, half copied and renamed ones among whole ones."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import UInt8
from PIL import Image

pytest.importorskip("sqlalchemy")

from masklet.engine.ingest import (
    IngestSettings,
    add_gold,
    add_media,
    add_object_tasks,
    find_media,
    fingerprint,
    open_media,
    split_of,
)
from masklet.engine.records import Split, TaskKind, TaskState
from masklet.engine.store import Store
from masklet.errors import FormatError, MediaError
from masklet.io import OverlayWriter
from masklet.types import FrameMasks, Masklet, Prompts, Rle


@pytest.fixture
def films(tmp_path: Path, clip: UInt8[np.ndarray, "t h w 3"]) -> Path:
    """Two videos and a folder of pictures; a copy, a broken file and half of a video beside them."""
    folder = tmp_path / "films"
    (folder / "pictures").mkdir(parents=True)
    for name, frames in (("one", clip), ("two", clip[::-1])):
        with OverlayWriter(folder / f"{name}.mp4", fps=24) as sink:
            nothing = np.zeros(0, np.float32)
            for index, frame in enumerate(frames):
                sink.write(frame, FrameMasks(index, (), np.zeros((0, 48, 72), bool), nothing, nothing))
    for index, frame in enumerate(clip[:3]):
        Image.fromarray(frame).convert("RGBA").save(folder / "pictures" / f"{index}.png")
    shutil.copy(folder / "one.mp4", folder / "three.mp4")
    (folder / "broken.mp4").write_bytes(b"no video")
    (folder / "empty.mp4").touch()
    (folder / "notes.txt").write_text("not looked at")
    whole = (folder / "two.mp4").read_bytes()
    (folder / "two-half.mp4").write_bytes(whole[: len(whole) // 2])
    return folder


def test_a_name_that_is_no_text_harms_no_other(store: Store, films: Path) -> None:
    folder = films.parent / "mixed"
    folder.mkdir()
    shutil.copy(films / "one.mp4", folder / "one.mp4")
    try:
        shutil.copy(films / "two.mp4", os.fsdecode(os.fsencode(folder) + b"/caf\xe9.mp4"))
    except OSError:
        pytest.skip("this file system takes only names in UTF-8")
    report = add_media(store, find_media([folder]))
    assert [media.name for media in report.added] == ["one"]
    [(path, reason)] = report.failed.items()
    assert path.endswith("caf\\xe9.mp4")
    assert path in reason


def test_links_that_lead_back_are_not_followed(films: Path) -> None:
    found = find_media([films])
    (films / "again").symlink_to(films)
    (films / "pictures" / "up").symlink_to(films)
    (films / "itself").symlink_to("itself")
    assert find_media([films]) == found


def test_one_bad_file_harms_no_other(store: Store, films: Path) -> None:
    paths = find_media([films])
    names = ["broken.mp4", "empty.mp4", "one.mp4", "three.mp4", "two-half.mp4", "two.mp4", "pictures"]
    assert [path.name for path in paths] == names
    seen: list[Path] = []
    report = add_media(store, paths, IngestSettings(license="CC0", objects=2), progress=seen.append)
    assert seen == paths
    assert [(media.name, media.num_frames, media.size) for media in report.added] == [
        ("one", 40, (48, 72)),
        ("two", 40, (48, 72)),
        ("pictures", 3, (48, 72)),
    ]
    assert report.known == {str(films / "three.mp4"): "one"}
    assert sorted(Path(path).name for path in report.failed) == ["broken.mp4", "empty.mp4", "two-half.mp4"]
    assert report.tasks == 6
    assert store.all_media() == report.added
    assert {media.license for media in report.added} == {"CC0"}
    assert [task.state for task in store.tasks()] == [TaskState.SELECT] * 6
    assert [task.object_id for task in store.tasks()] == [1, 2] * 3
    again = add_media(store, paths, IngestSettings(objects=2))
    assert (again.added, len(again.known), again.tasks) == ([], 4, 0)
    assert store.tallies() == {"store": {"media": 3.0}, "task": {"select": 6.0}}


def test_half_copied_then_whole(store: Store, films: Path, tmp_path: Path) -> None:
    path = tmp_path / "copy.mp4"
    shutil.copy(films / "two-half.mp4", path)
    assert list(add_media(store, [path]).failed) == [str(path)]
    shutil.copy(films / "two.mp4", path)
    assert [media.name for media in add_media(store, [path]).added] == ["copy"]


def test_equal_names(store: Store, films: Path, tmp_path: Path) -> None:
    shutil.copy(films / "two.mp4", tmp_path / "one.mp4")
    report = add_media(store, [films / "one.mp4", tmp_path / "one.mp4"])
    first, second = report.added
    assert (first.name, second.name) == ("one", f"one-{second.content[:8]}")
    assert store.media(second.content) == second


def test_media_that_changed(store: Store, films: Path) -> None:
    media = add_media(store, [films / "one.mp4"]).added[0]
    with open_media(media) as video:
        assert len(video) == 40
    shutil.copytree(films / "pictures", films / "other")
    (films / "one.mp4").unlink()
    with pytest.raises(MediaError, match=r"one\.mp4"):
        open_media(media)
    (films / "other").rename(films / "one.mp4")
    with pytest.raises(MediaError, match="one"):
        open_media(media)


def test_splits(films: Path, store: Store) -> None:
    assert {m.split for m in add_media(store, find_media([films]), IngestSettings(val_share=1.0)).added} == {"val"}


@pytest.mark.parametrize(
    ("settings", "split"),
    [
        (IngestSettings(val_share=0), "train"),
        (IngestSettings(split="test"), "test"),
        (IngestSettings(val_share=0, test_share=1), "test"),
    ],
)
def test_split(films: Path, store: Store, settings: IngestSettings, split: str) -> None:
    assert [media.split for media in add_media(store, [films / "one.mp4"], settings).added] == [split]


@pytest.mark.parametrize(
    ("content", "split"), [("00000000", "val"), ("19999999", "val"), ("1a000000", "train"), ("f0000000", "test")]
)
def test_the_split_is_in_the_content(content: str, split: Split) -> None:
    assert split_of(content * 4, val=0.1, test=0.1) == split


@pytest.mark.parametrize(("val", "test"), [(0.8, 0.3), (-0.1, 0.0), (0.0, 1.5)])
def test_wrong_shares(val: float, test: float) -> None:
    with pytest.raises(FormatError, match=f"{val:g}"):
        IngestSettings(val_share=val, test_share=test)


def test_content_counts_not_names(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.bin").write_bytes(b"xy" if name == "c" else b"x")
        (tmp_path / name / "2.bin").write_bytes(b"" if name == "c" else b"y")
        (tmp_path / name / ".hidden").write_text(name)
    prints = [fingerprint(tmp_path / name) for name in ("a", "b", "c")]
    assert prints[0] == prints[1] != prints[2]
    assert [size for _, size in prints] == [2, 2, 2]
    with pytest.raises(MediaError, match="nowhere"):
        fingerprint(tmp_path / "nowhere")


def test_paths_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="nowhere"):
        find_media([Path("nowhere")])
    assert find_media([tmp_path]) == []


def test_more_objects_and_known_answers(store: Store, films: Path) -> None:
    media = add_media(store, [films / "one.mp4"], IngestSettings(objects=1)).added[0]
    add_object_tasks(store, media.content, 2, priority=3)
    assert [(task.object_id, task.priority) for task in store.tasks()] == [(1, 0), (2, 3), (3, 3)]
    mask = Rle.from_mask(np.eye(48, 72, dtype=bool))
    gold = add_gold(store, media.content, Masklet(1, (48, 72), {0: mask}, name="line"), {0: Prompts.click(5, 5)})
    assert store.task(gold).kind is TaskKind.GOLD
    assert len(store.tasks()) == 3  # annotators see no known answers
    with pytest.raises(MediaError, match="ff" * 16):
        add_object_tasks(store, "ff" * 16, 1)
    with pytest.raises(FormatError, match="72x48"):
        add_gold(store, media.content, Masklet(1, (4, 4), {0: Rle((4, 4), b"`0")}), {})
