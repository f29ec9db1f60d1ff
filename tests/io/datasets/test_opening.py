"""Opening data sets: names, splits, choices, and roots that hold something else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from masklet.errors import FormatError, MediaError
from masklet.io.datasets import DATASETS, VideoSequence, open_dataset, open_images, open_videos, recognize
from masklet.io.datasets.opening import RECOGNIZED


def test_choice_of_sequences(miniature: Callable[[str], Path]) -> None:
    root = miniature("davis2017")
    assert open_dataset("davis2017", root, sequences=["b10"]).names == ("b10",)
    assert open_dataset("davis2017", root, sequences=["b10", "b9"]).names == ("b9", "b10")
    assert open_dataset("davis2017", root, limit=1).names == ("b9",)
    assert open_dataset("davis2017", str(root)).split == "val"


def test_kinds(miniature: Callable[[str], Path]) -> None:
    root = miniature("videos")
    assert open_videos("videos", root, limit=1).names == ("b9",)
    with pytest.raises(FormatError, match="videos"):
        open_images("videos", root)
    with pytest.raises(FormatError, match="sa-1b"):
        open_videos("sa-1b", miniature("sa-1b"), split="val")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"name": "davis-2017"}, "'davis-2017'.*'davis2017'"),
        ({"split": "vla"}, "val, train, test-dev.*'vla'"),
        ({"sequences": ["b1o"]}, "'b1o'.*'b10'"),
        ({"sequences": ["zebra"]}, "'zebra'.*b9, b10"),
        ({"limit": 0}, "0"),
    ],
)
def test_wrong_wishes(arguments: dict[str, Any], told: str, miniature: Callable[[str], Path]) -> None:
    root = miniature("davis2017")
    with pytest.raises(FormatError, match=told) as caught:
        open_dataset(**{"name": "davis2017", "root": root, **arguments})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("info", DATASETS, ids=lambda info: info.name)
def test_wrong_roots_say_what_was_expected_and_found(info: Any, mini: Any) -> None:
    mini.text("holiday/beach.txt", "no data set")
    mini.text("readme.txt", "")
    for split in info.splits:
        with pytest.raises(FormatError, match=r"holiday, readme\.txt") as caught:
            open_dataset(info.name, mini.root, split=split.name)
        message = str(caught.value)
        assert info.title in message
        assert "\n" not in message
    with pytest.raises(MediaError, match="nowhere"):
        open_dataset(info.name, mini.root / "nowhere")
    with pytest.raises(MediaError, match=r"readme\.txt"):
        open_dataset(info.name, mini.root / "readme.txt")


def test_names_with_nothing_below_are_a_wrong_root(mini: Any) -> None:
    mini.text("Annotations/b9/note.txt", "")
    (mini.root / "JPEGImages").mkdir()
    with pytest.raises(FormatError, match="JPEGImages/NAME/"):
        open_dataset("videos", mini.root)


@pytest.mark.parametrize("line", ["../secret", "a/../../b", "c:\\x", "a\\..\\b"])
def test_lists_cannot_lead_out(line: str, miniature: Callable[[str], Path], mini: Any) -> None:
    root = miniature("davis2017")
    mini.text("ImageSets/2017/val.txt", f"b9\n{line}\n")
    with pytest.raises(FormatError):
        open_dataset("davis2017", root)


@pytest.mark.parametrize("name", ["../../secret/00000.jpg", "/etc/passwd.jpg", ""])
def test_json_cannot_lead_out(name: str, miniature: Callable[[str], Path], mini: Any) -> None:
    root = miniature("lv-vis")
    path = root / "Annotations" / "val_instances.json"
    document = json.loads(path.read_text())
    document["videos"][0]["file_names"][3] = name
    path.write_text(json.dumps(document))
    with pytest.raises(FormatError):
        open_dataset("lv-vis", root)
    images = mini.coco_images(name or "a//../..")
    mini.json("annotations/instances_val2017.json", images)
    (root / "val2017").mkdir()
    with pytest.raises(FormatError):
        open_dataset("coco", root)


def warned(name: str, root: Path) -> list[tuple[str, str]]:
    return [(problem.kind, problem.where) for problem in open_dataset(name, root).warnings]


def test_what_is_left_out_is_told(miniature: Callable[[str], Path], mini: Any) -> None:
    root = miniature("davis2017")
    mini.text("ImageSets/2017/val.txt", "b9\nlost\nbare\n")
    mini.pictures("JPEGImages/480p/bare/{:05d}.jpg")
    assert open_dataset("davis2017", root).names == ("b9",)
    assert warned("davis2017", root) == [("no annotation", "bare"), ("missing sequence", "lost")]
    (root / "ImageSets/2017/val.txt").unlink()
    assert warned("davis2017", root)[0] == ("no list", "ImageSets/2017/val.txt")


def test_pictures_left_out_are_told(mini: Any) -> None:
    mini.sa1b("a")
    mini.pictures("bare{}.jpg", [3])
    mini.sa1b("b")
    mini.tar("b.tar", "b.jpg", "b.json")
    mini.sa1b("b")
    mini.text("video.tar", "this is no tar file")
    with pytest.raises(FormatError, match=r"video\.tar"):
        open_dataset("sa-1b", mini.root)
    (mini.root / "video.tar").unlink()
    assert warned("sa-1b", mini.root) == [("no annotation", "bare3"), ("double name", "b")]
    mini.pictures("images/{}.jpg", [1, 2])
    mini.labels("labels/{}.png", [2])
    assert warned("images", mini.root) == [("no annotation", "1")]


def test_coco_leftovers_are_told(miniature: Callable[[str], Path], mini: Any) -> None:
    root = miniature("coco")
    document = mini.coco_images("000000000010.jpg", "lost.jpg", "bare.jpg")
    document["annotations"] = [a for a in document["annotations"] if a["image_id"] < 2]
    mini.json("annotations/instances_val2017.json", document)
    assert warned("coco", root) == [("missing image", "lost"), ("no annotation", "bare")]
    root = miniature("lv-vis")
    videos = mini.coco_videos("b9", "lost", "bare")
    videos["annotations"] = [a for a in videos["annotations"] if a["video_id"] < 2]
    mini.json("Annotations/val_instances.json", videos)
    assert warned("lv-vis", root) == [("missing sequence", "lost"), ("no annotation", "bare")]


def test_sav_without_its_video_is_told(miniature: Callable[[str], Path], mini: Any) -> None:
    root = miniature("sa-v-train")
    mini.sav("sav_train/sav_000/sav_000002_manual.json")
    assert warned("sa-v-train", root) == [("missing image", "sav_000002")]
    assert open_videos("sa-v-train", root, split="manual")[0].objects == {1: 0, 2: 4}


def test_nothing_is_opened_before_it_is_asked_for(miniature: Callable[[str], Path]) -> None:
    root = miniature("mose")
    for path in root.rglob("*.*"):
        path.write_bytes(b"")
    sequence = open_dataset("mose", root)["b9"]
    assert isinstance(sequence, VideoSequence)
    assert sequence.annotated == tuple(range(9))
    with pytest.raises(MediaError):
        sequence.truth(0)


Mini = Any


@pytest.mark.parametrize(
    ("made", "split", "read_as"),
    [
        ("davis2016", "val", "davis2016"),
        ("davis2017", "val", "davis2017"),
        ("mose", "train", "mose"),
        ("mosev2", "train", "mose"),
        ("lvos", "valid", "mose"),
        ("youtube-vos-2019", "valid", "mose"),
        ("sa-v", "val", "sa-v"),
        ("sa-v-train", "train", "sa-v-train"),
        ("sa-v-train", "auto", "sa-v-train"),
        ("videos", "all", "videos"),
        ("images", "all", "images"),
        ("voc", "val", "voc"),
        ("coco", "val2017", "coco"),
        ("sa-1b", "val", "sa-1b"),
    ],
)
def test_layouts_are_recognized(made: str, split: str, read_as: str, miniature: Callable[[str], Path]) -> None:
    found = recognize(miniature(made), split=split)
    assert (found.name, found.split) == (read_as, split)
    assert len(found) > 0


@pytest.mark.parametrize(
    ("made", "read_as", "split"),
    [("mose", "mose", "train"), ("sa-v-train", "sa-v-train", "train"), ("videos", "videos", "all")],
)
def test_without_a_split_the_training_split_is_meant(
    made: str, read_as: str, split: str, miniature: Callable[[str], Path]
) -> None:
    found = recognize(miniature(made))
    assert (found.name, found.split) == (read_as, split)


def test_a_folder_of_the_splits_name(mini: Mini) -> None:
    for place in ("train", "val"):
        mini.pictures(f"{place}/JPEGImages/480p/{place}-b/{{:05d}}.jpg")
        mini.labels(f"{place}/Annotations/480p/{place}-b/{{:05d}}.png")
    assert recognize(mini.root).names == ("train-b",)
    assert recognize(mini.root, split="val").names == ("val-b",)
    assert recognize(mini.root, prefer=("val", "train")).names == ("val-b",)


def test_pictures_for_validation_are_never_taken_along(miniature: Callable[[str], Path], mini: Mini) -> None:
    root = miniature("sa-1b")
    with pytest.raises(FormatError):
        recognize(root)  # val/ lies beside the shards
    assert len(recognize(root, split="all")) == 3
    assert len(recognize(root / "shards")) == 1
    mini.sa1b("train/sa_12")
    assert recognize(root).names == ("sa_12",)


def test_coco_as_other_programs_write_it(mini: Mini) -> None:
    mini.pictures("train/{:03d}.jpg", [4])
    mini.json("train/_annotations.coco.json", mini.coco_images("004.jpg"))
    found = recognize(mini.root)
    assert (found.name, found.names) == ("coco", ("004",))


def test_what_cannot_be_read_is_not_that_layout(miniature: Callable[[str], Path]) -> None:
    root = miniature("videos")
    shutil.rmtree(root / "Annotations")
    (root / "Annotations").mkdir()
    with pytest.raises(FormatError, match=r"Annotations, JPEGImages; .*DAVIS \(JPEG"):
        recognize(root)


def test_one_error_lists_what_was_looked_for(mini: Mini) -> None:
    mini.text("holiday/beach.txt", "no data set")
    with pytest.raises(FormatError) as caught:
        recognize(mini.root)
    message = str(caught.value)
    for part in (
        "holiday",
        "SA-V train",
        "DAVIS",
        "YouTube-VOS, MOSE or LVOS",
        "COCO",
        "SA-1B",
        "your own videos",
    ):
        assert part in message
    assert "\n" not in message
    with pytest.raises(FormatError, match="'dev'"):
        recognize(mini.root, split="dev")
    with pytest.raises(MediaError, match="gone"):
        recognize(mini.root / "gone")
    with pytest.raises(MediaError, match=r"beach\.txt"):
        recognize(mini.root / "holiday" / "beach.txt")


def test_every_recognized_row_has_a_miniature(makers: dict[str, object]) -> None:
    assert set(RECOGNIZED) <= set(makers)
