"""YOLO labels: what trainers read, and how close polygons stay."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from masklet.errors import FormatError, OutputError
from masklet.io import OutputOptions, Provenance, Result, open_writer, read_result
from masklet.io.formats.yolo import read_yolo
from masklet.types import FrameMasks


def blob(seed: int) -> FrameMasks:
    noise = np.random.default_rng(seed).standard_normal((120, 160))
    score = np.ones(1, np.float32)
    return FrameMasks(0, (4,), (ndimage.gaussian_filter(noise, 9) > 0)[None], presence=score, iou=score)


def test_lines_are_classes_and_shares_of_the_picture(masks_at: Any, tmp_path: Path) -> None:
    told = Provenance(names={1: "dog", 2: "犬", 3: "dog"})
    with open_writer(tmp_path / "o.yolo/", provenance=told) as writer:
        writer.write(None, masks_at(0, ids=(1, 2, 3)))
        writer.write(None, masks_at(1, ids=()))
    first = (tmp_path / "o.yolo" / "labels" / "00000.txt").read_text().splitlines()

    assert [line.split()[0] for line in first] == ["0", "1", "0"]
    corners = np.array(first[0].split()[1:], float).reshape(-1, 2) * (128, 96)
    assert sorted(corners.round(3).tolist()) == [[5, 5], [5, 25], [35, 5], [35, 25]]
    assert (tmp_path / "o.yolo" / "labels" / "00001.txt").read_text() == ""
    assert '1: "\\u72ac"' in (tmp_path / "o.yolo" / "data.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(("tolerance", "least"), [(0.0, 1.0), (0.5, 0.99), (1.0, 0.97), (2.0, 0.93)])
def test_polygons_are_exact_or_as_close_as_asked(tmp_path: Path, tolerance: float, least: float) -> None:
    masks = blob(0)
    with open_writer(tmp_path / "o.yolo/", options=OutputOptions(tolerance=tolerance)) as writer:
        writer.write(None, masks)
    back = read_yolo(tmp_path / "o.yolo").frame(0)[4]

    assert (back & masks[4]).sum() / (back | masks[4]).sum() >= least


@pytest.mark.parametrize(
    ("change", "line", "told"),
    [
        ({"schema": "other"}, "", "other"),
        ({"size": [0, 5]}, "", "0 at .*size"),
        ({"num_frames": 2**40}, "", str(2**40)),
        ({"frames": [{"frame": 0, "file": "../00000", "objects": [1]}]}, "", r"\.\./00000"),
        ({}, "0 0.1 0.1 0.9 0.9", "0 0.1 0.1 0.9 0.9"),
        ({}, "0 0.1 0.1 0.9 0.9 0.5", "0 0.1 0.1 0.9 0.9 0.5"),
        ({}, "0 0.1 0.1 0.9 0.9 0.5 nan", "0 0.1 0.1 0.9 0.9 0.5"),
        ({}, "0 0.1 0.1 0.9 0.9 0.5 50", "0 0.1 0.1 0.9 0.9 0.5"),
        ({}, "0 a b c d e f", "0 a b c"),
        ({}, "", "got something else"),
    ],
)
def test_refused_folders(masks_at: Any, tmp_path: Path, change: dict[str, Any], line: str, told: str) -> None:
    with open_writer(tmp_path / "o.yolo/") as writer:
        writer.write(None, masks_at(0, ids=(1,)))
    note = tmp_path / "o.yolo" / "masklet.json"
    note.write_text(json.dumps(json.loads(note.read_text()) | change))
    (tmp_path / "o.yolo" / "labels" / "00000.txt").write_text(line)
    with pytest.raises(FormatError, match=told):
        read_yolo(tmp_path / "o.yolo")


def test_two_frames_of_one_name_are_refused(masks_at: Any, tmp_path: Path) -> None:
    named = Result(masklets={}, size=None, num_frames=2, frame_names=("a.png", "a.jpg"))
    writer = open_writer(tmp_path / "o.yolo/", like=named)
    writer.write(None, masks_at(0))
    with pytest.raises(OutputError, match=r"labels/a\.txt"):
        writer.write(None, masks_at(1))


SQUARE = "0.25 0.25 0.75 0.25 0.75 0.75 0.25 0.75"
CORNER = "0 0 0.5 0 0.5 0.5 0 0.5"
SIZE = (16, 24)


def put(root: Path, pictures: dict[str, str | None], **files: str) -> Path:
    """Pictures with the content of their label file (None: there is none), and other files."""
    for name, labels in pictures.items():
        picture = root / name
        picture.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", SIZE[::-1]).save(picture)
        if labels is not None:
            parts = ["labels" if part == "images" else part for part in Path(name).with_suffix(".txt").parts]
            path = root.joinpath(*parts)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(labels)
    for name, content in files.items():
        (root / name.replace("_", ".")).write_text(content, encoding="utf-8")
    return root


TREES: dict[str, tuple[dict[str, str | None], dict[str, str]]] = {
    "Ultralytics": (
        {
            "images/train/9.jpg": f"1 {SQUARE}\n",
            "images/train/10.jpg": f"0 {CORNER}\n1 {SQUARE}",
            "images/val/1.jpg": None,
        },
        {"data_yaml": "path: ../cats  # elsewhere\ntrain: images/train\nnames:\n  0: Köter\n  1: 'cat: big'\n"},
    ),
    "Roboflow": (
        {
            "train/images/9.jpg": f"1 {SQUARE}\r\n",
            "train/images/10.jpg": f"0 {CORNER}\r\n1 {SQUARE}",
            "valid/images/1.jpg": "",
        },
        {"data_yaml": "train: ../train/images\nnc: 2\nnames: ['Köter', 'cat: big']\nroboflow:\n  license: none\n"},
    ),
    "Darknet": (
        {"9.jpg": f"1 {SQUARE}", "10.jpg": f"\n0 {CORNER}\n1 {SQUARE}\n\n", "11.jpg": None},
        {"classes_txt": "Köter\ncat: big\n"},
    ),
}


@pytest.mark.parametrize("tree", TREES)
def test_folders_as_other_tools_lay_them_out(tmp_path: Path, tree: str) -> None:
    pictures, files = TREES[tree]
    root = put(tmp_path / "a folder", pictures, **files)
    result = read_result(root, format="yolo")

    assert (result.num_frames, result.size, len(result.masklets)) == (3, SIZE, 3)
    assert [Path(name).name for name in result.frame_names][:2] == ["9.jpg", "10.jpg"]
    assert [one.name for one in result.masklets.values()] == ["cat: big", "Köter", "cat: big"]
    assert [list(one.frames) for one in result.masklets.values()] == [[0], [1], [1]]
    square, corner = np.zeros(SIZE, bool), np.zeros(SIZE, bool)
    square[4:12, 6:18] = corner[:8, :12] = True
    np.testing.assert_array_equal(result.frame(0)[1], square)
    np.testing.assert_array_equal(result.frame(1).masks, [corner, square])
    if tree != "Darknet":  # label files beside pictures could be anything
        assert read_result(root).frame_names == result.frame_names


def test_classes_without_a_list_are_numbered(tmp_path: Path) -> None:
    root = put(tmp_path, {"images/a.png": f"7 {SQUARE}"})
    assert read_result(root).masklets[1].name == "class 7"


@pytest.mark.parametrize(
    ("pictures", "files", "told"),
    [
        ({}, {}, r"masklet\.json"),
        ({"images/a.png": None}, {}, r"masklet\.json"),
        ({"images/a.png": "0 0.5 0.5 0.2 0.2"}, {}, "0 0.5 0.5 0.2 0.2"),
        ({"images/a.png": "cat 0.5 0.5 0.2 0.2 0 0"}, {}, "cat 0.5"),
        ({"images/a.png": f"0 {SQUARE}"}, {"data_yaml": "names: [a\n"}, r"data\.yaml"),
        ({"images/a.png": f"0 {SQUARE}"}, {"data_yaml": "names: {cat: 0}"}, "cat"),
        ({"images/a.png": f"0 {SQUARE}"}, {"data_yaml": "names: !!python/object/apply:os.getcwd []"}, r"data\.yaml"),
    ],
)
def test_what_cannot_be_read_is_one_line(
    tmp_path: Path, pictures: dict[str, str | None], files: dict[str, str], told: str
) -> None:
    with pytest.raises(FormatError, match=told) as caught:
        read_result(put(tmp_path, pictures, **files), format="yolo")
    assert "\n" not in str(caught.value)


def test_pictures_of_different_sizes_are_no_video(tmp_path: Path) -> None:
    put(tmp_path, {"images/a.png": f"0 {SQUARE}", "images/b.png": f"0 {SQUARE}"})
    Image.new("RGB", (5, 5)).save(tmp_path / "images" / "b.png")
    with pytest.raises(FormatError, match=r"a\.png.*24x16.*b\.png.*5x5"):
        read_result(tmp_path)


@pytest.mark.filterwarnings("ignore:OpenCV:UserWarning")
def test_supervision_writes_what_masklet_reads_and_reads_what_it_writes(tmp_path: Path) -> None:
    supervision = pytest.importorskip("supervision")
    masks = np.zeros((2, *SIZE), bool)
    masks[0, 4:12, 6:18] = masks[1, 1:9, 12:23] = True
    scores = np.ones(2, np.float32)
    with open_writer(f"{tmp_path}/ours.yolo/") as writer:
        writer.write(None, FrameMasks(0, (1, 2), masks, presence=scores, iou=scores))
    (tmp_path / "ours.yolo" / "images").mkdir()
    Image.new("RGB", SIZE[::-1]).save(tmp_path / "ours.yolo" / "images" / "00000.png")
    ours = tmp_path / "ours.yolo"
    theirs = supervision.DetectionDataset.from_yolo(
        str(ours / "images"), str(ours / "labels"), str(ours / "data.yaml"), force_masks=True
    )
    found = next(iter(theirs))[2].mask
    assert found is not None
    for ours_mask, their_mask in zip(masks, found, strict=True):  # theirs rounds corners to pixels and fills them
        assert (ours_mask & their_mask).sum() / (ours_mask | their_mask).sum() > 0.75

    back = tmp_path / "theirs"
    theirs.as_yolo(str(back / "images"), str(back / "labels"), str(back / "data.yaml"))
    result = read_result(back)
    assert [one.name for one in result.masklets.values()] == ["object", "object"]
    for their_mask, read in zip(found, result.frame(0).masks, strict=True):
        assert (their_mask & read).sum() / (their_mask | read).sum() > 0.75
