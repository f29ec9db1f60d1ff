"""Masks and prompts come back from the store as they went in."""

from __future__ import annotations

import math
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masklet.engine import serialization
from masklet.engine.serialization import dump_prompts, load_prompts, pack, unpack
from masklet.errors import FormatError
from masklet.types import Masklet, Prompts, Rle

SIZE = (4, 5)
CODES = st.binary(max_size=40).map(lambda code: Rle(SIZE, code))
SCORES = st.floats(0, 1) | st.floats(allow_nan=False, allow_infinity=False)


@given(st.dictionaries(st.integers(0, 2**32 - 1), st.tuples(CODES, st.none() | SCORES, st.none() | SCORES)))
def test_masks_come_back(frames: dict[int, tuple[Rle, float | None, float | None]]) -> None:
    masklet = Masklet(
        1,
        SIZE,
        {i: rle for i, (rle, _, _) in frames.items()},
        {i: presence for i, (_, presence, _) in frames.items() if presence is not None},
        {i: iou for i, (_, _, iou) in frames.items() if iou is not None},
    )
    assert unpack(pack(masklet), SIZE) == (masklet.frames, masklet.presence, masklet.iou)


def test_parts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serialization, "PART_BYTES", 100)
    masklet = Masklet(1, SIZE, {i: Rle(SIZE, bytes([i]) * 30) for i in range(7)})
    parts = pack(masklet)
    assert [len(zlib.decompress(part)) for part in parts] == [108, 108, 108, 54][: len(parts)]
    assert unpack(parts, SIZE)[0] == masklet.frames


def test_one_mask_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serialization, "MAX_CODE_BYTES", 10)
    with pytest.raises(FormatError, match=r"11 .*frame 3"):
        pack(Masklet(1, SIZE, {3: Rle(SIZE, b"0" * 11)}))


@pytest.mark.parametrize(
    "damage", [b"", b"nothing", zlib.compress(b"short"), zlib.compress(b"\1\0\0\0" * 6), zlib.compress(b"")[:-1]]
)
def test_damaged_parts(damage: bytes) -> None:
    with pytest.raises(FormatError):
        unpack([damage], SIZE)


def test_missing_scores_stay_missing() -> None:
    frames, presence, iou = unpack(pack(Masklet(1, SIZE, {2: Rle(SIZE, b"d0")}, {2: 0.5})), SIZE)
    assert (list(frames), presence, iou) == ([2], {2: 0.5}, {})
    assert not math.isnan(presence[2])


def test_prompts_come_back() -> None:
    mask = np.zeros(SIZE, bool)
    mask[1:3, 2] = True
    said = {
        0: Prompts.click(1.5, 2).and_click(3, 3, positive=False),
        7: Prompts.from_box(0, 1, 3, 4),
        9: Prompts.from_mask(mask),
    }
    again = load_prompts(dump_prompts(said))
    assert list(again) == [0, 7, 9]
    assert again[0].points.tolist() == [[1.5, 2], [3, 3]]
    assert again[0].labels.tolist() == [1, 0]
    assert again[7].box is not None
    assert again[7].box.tolist() == [0, 1, 3, 4]
    assert again[9].mask is not None
    assert np.array_equal(again[9].mask, mask)
    assert load_prompts(dump_prompts({})) == {}


def test_prompts_of_earlier_versions_are_read() -> None:
    text = '{"3": {"points": [[1, 2]], "labels": [0], "box": null, "mask": null}}'
    (given,) = load_prompts(text).values()
    assert (given.points.tolist(), given.labels.tolist(), given.box, given.mask) == ([[1, 2]], [0], None, None)
