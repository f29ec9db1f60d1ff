"""Label Studio's brush strokes, bit by bit, and its tasks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from masklet.errors import FormatError
from masklet.io import Provenance, open_writer
from masklet.io.formats.label_studio import decode_brush, encode_brush, read_label_studio

masks = st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(lambda size: arrays.arrays(np.bool_, size))


@given(mask=masks)
def test_strokes_come_back(mask: np.ndarray) -> None:
    np.testing.assert_array_equal(decode_brush(encode_brush(mask).tolist(), mask.shape), mask)


def test_long_runs_are_cut() -> None:
    mask = np.zeros((300, 400), bool)
    mask[100:290, 5:390] = True

    np.testing.assert_array_equal(decode_brush(encode_brush(mask).tolist(), (300, 400)), mask)


def test_bits_of_two_pixels() -> None:
    # 8 numbers (32 bits), of 8 bits (00111), run lengths of 3, 4, 8, 16 bits (0010 0011 0111 1111),
    # then twice: a run (1) with 3 bits (00) of length 4 (011): 00000000 and 11111111
    bits = f"{8:032b}" + "00111" + "0010001101111111" + "10001100000000" + "10001111111111"
    padded = bits.ljust(-(-len(bits) // 8) * 8, "0")
    expected = [int(padded[place : place + 8], 2) for place in range(0, len(padded), 8)]

    assert encode_brush(np.array([[False, True]])).tolist() == expected


def test_numbers_that_do_not_repeat_are_read_too() -> None:
    values = "00000000" * 4 + "11111111" * 4
    bits = f"{8:032b}" + "00111" + "0010001101111111" + "000111" + values
    padded = bits.ljust(-(-len(bits) // 8) * 8, "0")
    code = [int(padded[place : place + 8], 2) for place in range(0, len(padded), 8)]

    assert decode_brush(code, (1, 2)).tolist() == [[False, True]]


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ([], "truncated"),
        ([0, 0, 0, 8], "truncated"),
        ([255] * 40, "2x1"),
        (["a"], "bytes"),
        ("abc", "bytes"),
        ([256], "bytes"),
    ],
)
def test_refused_strokes(code: object, told: str) -> None:
    with pytest.raises(FormatError, match=told):
        decode_brush(code, (1, 2))


def test_tasks_are_predictions_to_correct(masks_at: Any, tmp_path: Path) -> None:
    told = Provenance(names={1: "Köter"}, model="nano")
    with open_writer(tmp_path / "o.label-studio.json", provenance=told) as writer:
        writer.write(None, masks_at(0, ids=(1, 2)))
    (task,) = json.loads((tmp_path / "o.label-studio.json").read_text(encoding="utf-8"))
    (answer,) = task["predictions"]
    region = answer["result"][0]

    assert task["data"]["image"] == "00000.jpg"
    assert answer["model_version"] == "nano"
    assert (region["type"], region["value"]["brushlabels"]) == ("brushlabels", ["Köter"])
    assert (region["original_width"], region["original_height"]) == (128, 96)
    assert region["score"] == pytest.approx(0.6)


def test_corrected_annotations_count_before_predictions(masks_at: Any, tmp_path: Path) -> None:
    path = tmp_path / "o.label-studio.json"
    with open_writer(path) as writer:
        writer.write(None, masks_at(0, ids=(1, 2)))
    (task,) = json.loads(path.read_text(encoding="utf-8"))
    task["annotations"] = [{"result": task["predictions"][0]["result"][1:]}]
    path.write_text(json.dumps([task]))
    result = read_label_studio(path)

    assert list(result.frame(0).object_ids) == [2]
    np.testing.assert_array_equal(result.frame(0)[2], masks_at(0, ids=(1, 2))[2])


@pytest.mark.parametrize(
    "content", ["{}", "[1]", '[{"data": {}, "annotations": [{"result": [{"type": "brushlabels"}]}]}]', "[{]"]
)
def test_refused_tasks(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(FormatError, match=r"a\.json"):
        read_label_studio(tmp_path / "a.json")
