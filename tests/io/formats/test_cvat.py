"""CVAT XML: what CVAT wrote itself is read, and hostile files are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import numpy as np
import pytest

from masklet.errors import FormatError
from masklet.io import Provenance, open_writer
from masklet.io.formats.cvat import read_cvat

HEAD = '<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version>'
IMAGE = '<image id="{}" name="frame_000000" width="6" height="4">{}</image>'


def _file(folder: Path, *images: str) -> Path:
    path = folder / "annotations.xml"
    path.write_text(HEAD + "".join(images) + "</annotations>", encoding="utf-8")
    return path


def test_masks_are_cut_to_their_box_and_begin_outside(tmp_path: Path) -> None:
    shape = '<mask label="dog" source="manual" occluded="0" rle="1, 2, 1, 2" left="1" top="1" width="3" height="2"/>'
    result = read_cvat(_file(tmp_path, IMAGE.format(0, shape)))

    assert result.frame(0)[1].astype(int).tolist() == [
        [0, 0, 0, 0, 0, 0],
        [0, 0, 1, 1, 0, 0],
        [0, 0, 1, 1, 0, 0],
        [0, 0, 0, 0, 0, 0],
    ]
    assert result.masklets[1].name == "dog"


def test_polygons_are_filled_and_boxes_passed_over(tmp_path: Path) -> None:
    shapes = '<polygon label="cat" points="1,1;5,1;5,3;1,3"/><box label="cat" xtl="0" ytl="0" xbr="1" ybr="1"/>'
    result = read_cvat(_file(tmp_path, IMAGE.format(3, shapes)))

    assert (result.num_frames, list(result.masklets)) == (4, [1])
    assert result.frame(3)[1].sum() == 8


def test_the_file_is_as_cvat_describes(masks_at: Any, tmp_path: Path) -> None:
    with open_writer(tmp_path / "o.xml", provenance=Provenance(names={1: 'a "b" & <c>\x07'})) as writer:
        writer.write(None, masks_at(0, ids=(1,)))
    root = Xml.parse(tmp_path / "o.xml").getroot()
    mask = root.find("image/mask")

    assert root.findtext("version") == "1.1"
    assert root.findtext("meta/task/labels/label/name") == 'a "b" & <c>'
    assert mask is not None
    assert {k: mask.get(k) for k in ("left", "top", "width", "height")} == {
        "left": "5",
        "top": "5",
        "width": "30",
        "height": "20",
    }
    assert mask.get("rle") == "0, 600"
    assert mask.findtext("attribute") == "1"


def mask(**words: str) -> str:
    told = {"label": "a", "rle": "0, 4", "left": "0", "top": "0", "width": "2", "height": "2"} | words
    return "<mask " + " ".join(f'{name}="{value}"' for name, value in told.items()) + "/>"


@pytest.mark.parametrize(
    ("images", "told"),
    [
        (IMAGE.format(0, mask(left="5")), r"2x2 at \(5, 0\)"),
        (IMAGE.format(0, mask(rle="0, 5")), "4 pixels, got 5"),
        (IMAGE.format(0, mask(rle="-1, 5")), "to 4 pixels"),
        (IMAGE.format(0, mask(rle="x")), "'x'"),
        (IMAGE.format(0, '<polygon points="1,1;2,2"/>'), "got 2"),
        (IMAGE.format(0, '<polygon points="1,1;2,nan;3,3"/>'), "got 3"),
        (IMAGE.format(-1, ""), "got -1"),
        ("<image/>", "'id'"),
        ("<image", "not an XML file"),
    ],
)
def test_refused_content(tmp_path: Path, images: str, told: str) -> None:
    with pytest.raises(FormatError, match=told):
        read_cvat(_file(tmp_path, images))


def test_definitions_are_refused_unread(tmp_path: Path) -> None:
    bomb = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]><annotations>&c;</annotations>'
    (tmp_path / "bomb.xml").write_text(bomb)
    with pytest.raises(FormatError):
        read_cvat(tmp_path / "bomb.xml")


def test_masks_of_two_sizes_are_refused(tmp_path: Path) -> None:
    other = IMAGE.replace('width="6"', 'width="7"')
    with pytest.raises(FormatError, match=r"6x4 .* 7x4"):
        read_cvat(_file(tmp_path, IMAGE.format(0, mask()), other.format(1, mask())))
    assert np.array_equal(read_cvat(_file(tmp_path, IMAGE.format(0, mask()))).frame(0)[1][:2, :2], np.ones((2, 2)))
