"""Opening data sets: names, splits, choices, and roots that hold something else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from masklet.errors import FormatError, MediaError
from masklet.io.datasets import DATASETS, VideoSequence, open_dataset, open_images, open_videos


def test_choice_of_sequences(miniature: Callable[[str], Path]) -> None:
    root = miniature("davis2017")
    assert open_dataset("davis2017", root, sequences=["b10"]).names == ("b10",)
    assert open_dataset("davis2017", root, sequences=["b10", "b9"]).names == ("b9", "b10")
    assert open_dataset("davis2017", root, limit=1).names == ("b9",)
    assert open_dataset("davis2017", str(root)).split == "val"


def test_kinds(miniature: Callable[[str], Path]) -> None:
    root = miniature("videos")
    assert open_videos("videos", root, limit=1).names == ("b9",)
    with pytest.raises(FormatError, match="expected a data set of pictures, got videos"):
        open_images("videos", root)
    with pytest.raises(FormatError, match="expected a data set of videos, got sa-1b"):
        open_videos("sa-1b", miniature("sa-1b"), split="val")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"name": "davis-2017"}, "no data set is called 'davis-2017'; did you mean 'davis2017'"),
        ({"split": "vla"}, "davis2017 has the splits val, train, test-dev, got 'vla'"),
        ({"sequences": ["b1o"]}, "has no 'b1o'; did you mean 'b10'"),
        ({"sequences": ["zebra"]}, "has no 'zebra'; it has b9, b10"),
        ({"limit": 0}, "a limit of at least 1, got 0"),
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
        with pytest.raises(FormatError, match=r"expected .*, found ") as caught:
            open_dataset(info.name, mini.root, split=split.name)
        message = str(caught.value)
        assert "holiday, readme.txt" in message
        assert info.title in message
        assert "\n" not in message
    with pytest.raises(MediaError, match="found nothing"):
        open_dataset(info.name, mini.root / "nowhere")
    with pytest.raises(MediaError, match="found a file"):
        open_dataset(info.name, mini.root / "readme.txt")


def test_names_with_nothing_below_are_a_wrong_root(mini: Any) -> None:
    mini.text("Annotations/b9/note.txt", "")
    (mini.root / "JPEGImages").mkdir()
    with pytest.raises(FormatError, match="as JPEGImages/NAME/"):
        open_dataset("videos", mini.root)


@pytest.mark.parametrize("line", ["../secret", "a/../../b", "c:\\x", "a\\..\\b"])
def test_lists_cannot_lead_out(line: str, miniature: Callable[[str], Path], mini: Any) -> None:
    root = miniature("davis2017")
    mini.text("ImageSets/2017/val.txt", f"b9\n{line}\n")
    with pytest.raises(FormatError, match="a path inside"):
        open_dataset("davis2017", root)


@pytest.mark.parametrize("name", ["../../secret/00000.jpg", "/etc/passwd.jpg", ""])
def test_json_cannot_lead_out(name: str, miniature: Callable[[str], Path], mini: Any) -> None:
    root = miniature("lv-vis")
    path = root / "Annotations" / "val_instances.json"
    document = json.loads(path.read_text())
    document["videos"][0]["file_names"][3] = name
    path.write_text(json.dumps(document))
    with pytest.raises(FormatError, match="a path inside"):
        open_dataset("lv-vis", root)
    images = mini.coco_images(name or "a//../..")
    mini.json("annotations/instances_val2017.json", images)
    (root / "val2017").mkdir()
    with pytest.raises(FormatError, match="a path inside"):
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
    with pytest.raises(FormatError, match=r"uncompressed tar file .*video\.tar"):
        open_dataset("sa-1b", mini.root)
    (mini.root / "video.tar").unlink()
    assert warned("sa-1b", mini.root) == [("no annotation", "bare3"), ("double name", "b")]
    mini.pictures("images/{}.jpg", [1, 2])
    mini.labels("labels/{}.png", [2])
    assert warned("pictures", mini.root) == [("no annotation", "1")]


def test_coco_leftovers_are_told(miniature: Callable[[str], Path], mini: Any) -> None:
    root = miniature("coco")
    document = mini.coco_images("000000000010.jpg", "lost.jpg", "bare.jpg")
    document["annotations"] = [a for a in document["annotations"] if a["image_id"] < 2]
    mini.json("annotations/instances_val2017.json", document)
    assert warned("coco", root) == [("missing picture", "lost"), ("no annotation", "bare")]
    root = miniature("lv-vis")
    videos = mini.coco_videos("b9", "lost", "bare")
    videos["annotations"] = [a for a in videos["annotations"] if a["video_id"] < 2]
    mini.json("Annotations/val_instances.json", videos)
    assert warned("lv-vis", root) == [("missing sequence", "lost"), ("no annotation", "bare")]


def test_sav_without_its_video_is_told(miniature: Callable[[str], Path], mini: Any) -> None:
    root = miniature("sa-v-train")
    mini.sav("sav_train/sav_000/sav_000002_manual.json")
    assert warned("sa-v-train", root) == [("missing picture", "sav_000002")]
    assert open_videos("sa-v-train", root, split="manual")[0].objects == {1: 0, 2: 4}


def test_nothing_is_opened_before_it_is_asked_for(miniature: Callable[[str], Path]) -> None:
    root = miniature("mose")
    for path in root.rglob("*.*"):
        path.write_bytes(b"")
    sequence = open_dataset("mose", root)["b9"]
    assert isinstance(sequence, VideoSequence)
    assert sequence.annotated == tuple(range(9))
    with pytest.raises(MediaError, match="not a picture"):
        sequence.truth(0)
