"""From logits to masks: threshold, holes, specks, overlap, drawn masks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from masklet.model.sam2 import Sam2
from masklet.model.tensors import ChosenMask
from masklet.predict.postprocess import Frame, PostProcess, frame_masks, full_size

HOLED = np.array(
    [
        [-1, -1, -1, -1, -1, -1, -1],
        [-1, 2, 2, 2, -1, -1, -1],
        [-1, 2, -1, 2, -1, 9, -1],
        [-1, 2, 2, 2, -1, -1, -1],
        [-1, -1, -1, -1, -1, -1, -1],
    ],
    np.float32,
)


@pytest.mark.parametrize(
    ("postprocess", "area"),
    [
        (PostProcess(), 9),
        (PostProcess(threshold=2), 1),
        (PostProcess(threshold=-2), 35),
        (PostProcess(fill_holes=1), 10),
        (PostProcess(remove_specks=1), 8),
        (PostProcess(fill_holes=1, remove_specks=1), 9),
        (PostProcess(remove_specks=8), 0),
        (PostProcess(non_overlap=True), 9),
    ],
)
def test_masks(postprocess: PostProcess, area: int) -> None:
    masks = postprocess.masks(HOLED[None])
    assert masks.dtype == bool
    assert masks.sum() == area


def test_non_overlap() -> None:
    logits = np.array([[[1, 5, -1]], [[2, 3, -2]]], np.float32)
    masks = PostProcess(non_overlap=True).masks(logits)
    assert masks.tolist() == [[[False, True, False]], [[True, False, False]]]
    both = PostProcess(non_overlap=True).masks(logits, same_object=True)
    assert both.tolist() == PostProcess().masks(logits).tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": float("nan")}, "nan"),
        ({"fill_holes": -1}, "-1"),
        ({"remove_specks": -3}, "-3"),
    ],
)
def test_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PostProcess(**options)  # type: ignore[arg-type]


def test_full_size() -> None:
    logits = torch.tensor([[-1.0, 1.0], [-1.0, 1.0]]).expand(3, 1, 2, 2)
    full = full_size(logits, (4, 8))
    assert full.shape == (3, 4, 8)
    assert full.dtype == np.float32
    np.testing.assert_allclose(full[0, 0], [-1, -1, -0.75, -0.25, 0.25, 0.75, 1, 1])


def chosen(value: float, score: float) -> ChosenMask:
    logits = torch.full((1, 1, 4, 4), value)
    return ChosenMask(logits, torch.tensor([0.5]), torch.zeros(1, 3), torch.tensor([score]))


def frame(index: int, size: tuple[int, int]) -> Frame:
    return Frame(index, size, lambda: np.zeros((*size, 3), np.uint8))


def test_frame_masks(tiny: Sam2) -> None:
    drawn = np.eye(6, dtype=bool)
    rows = {7: chosen(1.0, 0.0), 3: chosen(-1024.0, -2.0), 5: chosen(10.0, 10.0)}
    out = frame_masks(frame(4, (6, 6)), rows, tiny, PostProcess(), given={5: drawn, 9: ~drawn})
    assert (out.frame_index, out.object_ids, out.logits) == (4, (7, 3, 5), None)
    assert out[7].all()
    assert not out[3].any()
    np.testing.assert_array_equal(out[5], drawn)
    np.testing.assert_allclose(out.presence, [0.5, 1 / (1 + np.e**2), 1], atol=1e-4)
    assert out.iou.tolist() == [0.5, 0.5, 0.5]


@pytest.mark.parametrize("options", [{}, {"threshold": 3.0}, {"threshold": -2000.0}, {"fill_holes": 40}])
def test_masks_are_those_of_the_logits(tiny: Sam2, options: dict[str, Any]) -> None:
    """One by one or all together; those of absent objects are not even drawn."""
    waves = torch.sin(torch.arange(3 * 16 * 16).float().reshape(3, 1, 16, 16) * 0.37) * 9
    rows = {
        i + 1: ChosenMask(part, torch.tensor([0.5]), torch.zeros(1, 3), torch.tensor([1.0]))
        for i, part in enumerate(waves.split(1))
    } | {9: chosen(-1024.0, -2.0)}
    rows[9] = replace(rows[9], logits=rows[9].logits[:, :, :1, :1].expand(1, 1, 16, 16))
    shown = frame(0, (45, 61))
    alone = frame_masks(shown, rows, tiny, PostProcess(**options), given={})
    together = frame_masks(shown, rows, tiny, PostProcess(**options), given={}, with_logits=True)
    assert alone.logits is None
    assert together.logits is not None
    np.testing.assert_array_equal(alone.masks, together.masks)
    assert alone.masks[:3].any(axis=(1, 2)).all()
    assert alone[9].any() == (options.get("threshold") == -2000)


def test_drawn_masks_win_where_masks_must_not_overlap(tiny: Sam2) -> None:
    drawn = np.eye(6, dtype=bool)
    rows = {1: chosen(99.0, 1.0), 2: chosen(10.0, 10.0)}
    out = frame_masks(frame(0, (6, 6)), rows, tiny, PostProcess(non_overlap=True), given={2: drawn})
    np.testing.assert_array_equal(out[2], drawn)
    np.testing.assert_array_equal(out[1], ~drawn)


def test_no_objects(tiny: Sam2) -> None:
    out = frame_masks(frame(2, (3, 5)), {}, tiny, PostProcess(fill_holes=3), given={})
    assert len(out) == 0
    assert out.masks.shape == (0, 3, 5)
    assert out.label_map().tolist() == [[0] * 5] * 3
