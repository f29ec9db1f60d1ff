"""A verified set on disk: every form is read back equal, by the evaluation's reader where it has one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import UInt8

from masklet.engine.dataset.export import AcceptedVideo, dataset_name, export_videos, write_lists
from masklet.engine.dataset.importing import read_dataset
from masklet.engine.dataset.record import DatasetFormat, VideoRecord, read_record, read_records
from masklet.engine.records import MaskletVersion, Media, Work
from masklet.errors import FormatError
from masklet.io import ArrayVideo, OverlayWriter, write_image
from masklet.io.datasets import open_images, open_videos
from masklet.types import FrameMasks, Masklet, Rle, Source

FRAMES = 9
SIZE = (24, 36)


def square(left: int, top: int = 4, side: int = 8) -> Rle:
    mask = np.zeros(SIZE, bool)
    mask[top : top + side, left : left + side] = True
    return Rle.from_mask(mask)


NOTHING = Rle.from_mask(np.zeros(SIZE, bool))


def version(
    number: int, object_id: int, frames: dict[int, Rle], *, name: str = "", source: Source = "assisted"
) -> MaskletVersion:
    masklet = Masklet(object_id, SIZE, frames, name=name, source=source)
    work = Work(author="ann", phase="auto" if masklet.source == "automatic" else "3", clicks=3, edited=(0, 4))
    return MaskletVersion(id=number, task=number, media="", masklet=masklet, work=work)


@pytest.fixture
def videos(tmp_path: Path, clip: UInt8[np.ndarray, "t h w 3"]) -> list[AcceptedVideo]:
    """A video file for training with three masklets, and a folder of pictures for validation with one."""
    frames = np.ascontiguousarray(clip[:FRAMES, : SIZE[0], : SIZE[1]])
    source = tmp_path / "media"
    (source / "walk").mkdir(parents=True)
    nothing = FrameMasks(0, (), np.zeros((0, *SIZE), bool), np.zeros(0, np.float32), np.zeros(0, np.float32))
    with OverlayWriter(source / "dog.mp4", like=ArrayVideo(frames, fps=24.0)) as writer:
        for index, frame in enumerate(frames):
            writer.write(frame, replace(nothing, frame_index=index))
    for index, frame in enumerate(frames):
        write_image(source / "walk" / f"{index:03d}.png", frame)
    dog = Media(
        content="a" * 32, name="dog", path=str(source / "dog.mp4"), num_bytes=1, num_frames=FRAMES, fps=24.0, size=SIZE
    )
    walk = replace(dog, content="b" * 32, name="walk", path=str(source / "walk"), split="val", license="CC0")
    moving = {index: square(index) for index in range(FRAMES)}
    returns = {0: square(20), 1: square(20), **dict.fromkeys(range(2, 8), NOTHING), 8: square(20, side=3)}
    automatic = {index: square(2, top=14, side=6) for index in range(FRAMES)}
    return [
        AcceptedVideo(
            media=dog,
            versions=(
                version(1, 1, automatic, source="automatic"),
                version(2, 2, moving, name="dog"),
                version(3, 5, returns, name="ball"),
            ),
        ),
        AcceptedVideo(media=walk, versions=(version(4, 1, {0: NOTHING, **{i: square(9) for i in range(1, 9)}}),)),
    ]


def exported(videos: list[AcceptedVideo], root: Path, form: DatasetFormat) -> None:
    done = export_videos(videos, root, form)
    assert (done.failed, done.written) == ({}, ["dog", "walk"])
    records = [one for _, one in read_records(root) if isinstance(one, VideoRecord)]
    write_lists(root, records)


@pytest.mark.parametrize("form", ["sav", "davis", "coco", "yolo"])
def test_what_is_written_comes_back(videos: list[AcceptedVideo], tmp_path: Path, form: DatasetFormat) -> None:
    root = tmp_path / "set"
    exported(videos, root, form)
    found = read_dataset(root)
    assert found.failed == {}
    assert [(one.name, one.split) for one in found.videos] == [("dog", "train"), ("walk", "val")]
    every = 4 if form == "sav" else 1
    for video, back in zip(videos, found.videos, strict=True):
        assert back.media.exists()
        assert set(back.masklets) == {one.masklet.object_id for one in video.versions}
        for one in video.versions:
            masklet = back.masklets[one.masklet.object_id]
            assert (masklet.name, masklet.source) == (one.masklet.name, one.masklet.source)
            for index in range(0, FRAMES, every):
                assert masklet.frames.get(index, NOTHING) == one.masklet.frames[index], (form, index)


def test_the_evaluation_reads_it(videos: list[AcceptedVideo], tmp_path: Path) -> None:
    for form in ("sav", "davis", "coco"):
        exported(videos, tmp_path / form, form)
    train = open_videos("sa-v-train", tmp_path / "sav" / "train")["dog"]
    assert list(train.objects) == [1, 2, 3]
    assert np.array_equal(train.truth(4)[1], square(4).to_mask())  # those with a person come first
    assert np.array_equal(train.truth(4)[3], square(2, top=14, side=6).to_mask())
    with train.open() as frames:
        assert (len(frames), frames.size) == (FRAMES, SIZE)
    val = open_videos("sa-v", tmp_path / "sav", split="val")["walk"]
    assert (val.num_frames, val.annotated, dict(val.objects)) == (FRAMES, (0, 4, 8), {1: 4})
    assert list(val.problems()) == []
    davis = open_videos("davis2017", tmp_path / "davis", split="train")
    assert davis.names == ("dog",)
    assert np.array_equal(davis["dog"].truth(8)[2], square(8).to_mask() & ~square(20, side=3).to_mask())
    pictures = open_images("coco", tmp_path / "coco", split="train2017")
    assert len(pictures) == FRAMES
    assert {one.category for one in pictures["dog/00000"].instances()} == {"dog", "ball", "object"}


def test_an_export_goes_on_where_it_stopped(videos: list[AcceptedVideo], tmp_path: Path) -> None:
    root = tmp_path / "set"
    assert export_videos(videos[:1], root).written == ["dog"]
    again = export_videos(videos, root)
    assert (again.kept, again.written) == (["dog"], ["walk"])
    corrected = replace(videos[0], versions=(version(9, 2, {0: square(0)}),))
    assert export_videos([corrected, videos[1]], root).written == ["dog"]
    assert not (root / "train" / "dog_auto.json").exists()  # what no longer belongs to it has gone
    (root / "train" / "dog_manual.json").write_text("{")
    assert export_videos([corrected], root).written == ["dog"]
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_a_video_that_has_changed_or_gone_is_named(videos: list[AcceptedVideo], tmp_path: Path) -> None:
    gone = replace(videos[0], media=replace(videos[0].media, path=str(tmp_path / "gone.mp4")))
    other = replace(videos[1], media=replace(videos[1].media, num_frames=77))
    odd = replace(videos[1], media=replace(videos[1].media, name="x y"))
    done = export_videos([gone, other, odd], tmp_path / "set")
    assert list(done.failed) == ["dog", "walk"]
    assert "77 frames of 36x24" in done.failed["walk"]
    assert done.written == [dataset_name(odd)] == ["x_y-bbbbbbbb"]


def test_what_is_broken_or_half_copied_is_named_and_the_rest_is_there(
    videos: list[AcceptedVideo], tmp_path: Path
) -> None:
    root = tmp_path / "set"
    exported(videos, root, "sav")
    (root / "train" / "dog.mp4").write_bytes((root / "train" / "dog.mp4").read_bytes()[:100])
    (root / "records" / "late.json").write_text('{"schema": "mask')
    found = read_dataset(root)
    assert [one.name for one in found.videos] == ["walk"]
    assert "got 100: train/dog.mp4" in found.failed["dog"]
    assert len(found.failed) == 2
    (root / "sav_val" / "JPEGImages_24fps" / "walk" / "00003.jpg").unlink()
    assert "00003.jpg" in read_dataset(root).failed["walk"]


def test_sets_of_other_programs(videos: list[AcceptedVideo], tmp_path: Path) -> None:
    for form in ("sav", "davis"):
        root = tmp_path / form
        exported(videos, root, form)
        for path in (root / "records").iterdir():
            path.unlink()
        (root / "records").rmdir()
        found = read_dataset(root, form)
        assert {(one.name, one.split) for one in found.videos} == {("dog", "train"), ("walk", "val")}
        assert found.failed == {}
    with pytest.raises(FormatError, match="None"):
        read_dataset(tmp_path / "sav")
    with pytest.raises(FormatError, match="davis"):
        read_dataset(tmp_path / "media", "davis")


def test_coco_files_of_several_videos_are_one(videos: list[AcceptedVideo], tmp_path: Path) -> None:
    both = [replace(one, media=replace(one.media, split="train")) for one in videos]
    exported(both, tmp_path / "set", "coco")
    merged = json.loads((tmp_path / "set" / "annotations" / "instances_train.json").read_text())
    assert [one["id"] for one in merged["images"]] == list(range(1, 2 * FRAMES + 1))
    assert [one["id"] for one in merged["annotations"]] == list(range(1, len(merged["annotations"]) + 1))
    assert [one["name"] for one in merged["categories"]] == ["ball", "dog", "object"]
    assert [one["video_id"] for one in merged["tracks"]] == [1, 1, 1, 2]
    assert {one["track_id"] for one in merged["annotations"]} == {1, 2, 3, 4}


def test_yolo_numbers_classes_alike_in_all_videos(videos: list[AcceptedVideo], tmp_path: Path) -> None:
    root = tmp_path / "set"
    exported(videos, root, "yolo")
    assert json.loads((root / "classes.json").read_text()) == ["ball", "dog", "object"]
    assert (root / "val" / "walk" / "labels" / "00004.txt").read_text().startswith("2 ")
    assert '  - "train/dog/images"' in (root / "data.yaml").read_text()


def test_records_say_what_a_masklet_is(videos: list[AcceptedVideo], tmp_path: Path) -> None:
    exported(videos, tmp_path / "set", "sav")
    record = read_record(tmp_path / "set" / "records" / "dog.json")
    assert [(one.id, one.masks, one.returns) for one in record.objects] == [(1, 3, False), (2, 3, False), (5, 2, True)]
    assert record.objects[1].area == pytest.approx(64 / (24 * 36))
    walk = read_record(tmp_path / "set" / "records" / "walk.json")
    assert (walk.license, walk.objects[0].returns) == ("CC0", False)  # it came late, and only once
    assert "ann" not in (tmp_path / "set" / "records" / "dog.json").read_text()
