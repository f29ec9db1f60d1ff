"""LabelMe files: what LabelMe wrote itself is read, and hostile files are refused."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from masklet.errors import FormatError, MaskletError
from masklet.io import FolderVideo, Provenance, open_writer, write_image
from masklet.io.formats.labelme import read_labelme


def _png(mask: list[list[int]]) -> str:
    buffer = io.BytesIO()
    Image.fromarray(np.array(mask, bool)).save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def _file(folder: Path, name: str, *shapes: dict[str, Any]) -> None:
    told = {"version": "5.5.0", "imagePath": "a.jpg", "imageHeight": 4, "imageWidth": 6, "shapes": list(shapes)}
    (folder / name).write_text(json.dumps(told))


MASK = {
    "label": "dog",
    "group_id": None,
    "shape_type": "mask",
    "points": [[1, 1], [2, 2]],
    "mask": _png([[1, 0], [1, 1]]),
}


def test_files_of_labelme_are_frames_and_labels_objects(tmp_path: Path) -> None:
    polygon = {"label": "cat", "group_id": 7, "shape_type": "polygon", "points": [[0, 0], [3, 0], [3, 2], [0, 2]]}
    _file(tmp_path, "img10.json", MASK, polygon)
    _file(tmp_path, "img9.json", MASK, {**MASK, "points": [[4, 2], [5, 3]]}, {**polygon, "shape_type": "point"})
    result = read_labelme(tmp_path)

    assert {i: one.name for i, one in result.masklets.items()} == {1: "dog", 7: "cat"}
    assert result.frame(0)[1].sum() == 6  # two shapes of one label are one object
    assert result.frame(1)[7].sum() == 6
    assert result.frame(1)[1].astype(int)[1:3, 1:3].tolist() == [[1, 0], [1, 1]]


def test_files_lie_beside_the_pictures_they_name(masks_at: Any, tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    for name in ("b.png", "ä c.png"):
        write_image(tmp_path / "frames" / name, np.zeros((96, 128, 3), np.uint8))
    with FolderVideo(tmp_path / "frames") as video:
        told = Provenance(names={1: "犬"})
        with open_writer(tmp_path / "o.labelme/", like=video, provenance=told) as writer:
            for index in range(2):
                writer.write(None, masks_at(index, ids=(1,)))

    assert sorted(path.name for path in (tmp_path / "o.labelme").iterdir()) == ["b.json", "ä c.json"]
    document = json.loads((tmp_path / "o.labelme" / "ä c.json").read_text(encoding="utf-8"))
    assert document["imagePath"] == "ä c.png"
    assert document["shapes"][0]["label"] == "犬"


@pytest.mark.parametrize(
    ("shape", "told"),
    [
        ({**MASK, "points": [[5, 3], [6, 4]]}, "2x2"),
        ({**MASK, "points": [[-1, 0], [0, 1]]}, "-1"),
        ({**MASK, "mask": "no base 64!"}, "base64"),
        ({**MASK, "mask": base64.b64encode(b"no picture").decode()}, r"a\.json"),
        ({**MASK, "points": [[1, "x"]]}, "x"),
        ({**MASK, "points": [[1, None]]}, "points as numbers"),
        ({**MASK, "group_id": -2}, "-2"),
        ({"label": "a"}, "points"),
    ],
)
def test_refused_shapes(tmp_path: Path, shape: dict[str, Any], told: str) -> None:
    _file(tmp_path, "a.json", shape)
    with pytest.raises(MaskletError, match=told):
        read_labelme(tmp_path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError):
        read_labelme(tmp_path)
