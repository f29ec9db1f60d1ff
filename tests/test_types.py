"""The public values: what they hold, what they refuse, how they are picked apart."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco

from masklet.errors import FormatError, PromptError, UnknownObjectError
from masklet.types import MAX_MASK_PIXELS, FrameMasks, FrameSource, Masklet, MaskSet, Prompts, Rle

MASK = np.array([[0, 1, 1], [0, 0, 1]], bool)
DIAMOND = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0], [0, 0, 0]], bool)
DIAMOND_RUNS = [1, 1, 2, 3, 2, 1, 2]  # down the columns


@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=8)))
def test_rle_round_trip(mask: np.ndarray) -> None:
    code = Rle.from_mask(mask)
    assert code.size == mask.shape
    assert code.area == mask.sum()
    np.testing.assert_array_equal(code.to_mask(), mask)
    assert code.to_mask().dtype == bool


def test_equal_masks_have_equal_codes() -> None:
    assert Rle.from_mask(MASK) == Rle.from_mask(np.asfortranarray(MASK))
    assert Rle.from_mask(MASK) != Rle.from_mask(MASK.T)
    assert len({Rle.from_mask(MASK), Rle.from_mask(MASK.copy())}) == 1


@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)))
def test_runs_round_trip(mask: np.ndarray) -> None:
    code = Rle.from_mask(mask)
    runs = code.runs()
    assert Rle.from_runs(code.size, runs) == code
    flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    np.testing.assert_array_equal(flat, mask.ravel(order="F"))


@given(st.integers(0, MAX_MASK_PIXELS), st.integers(0, 2**14), st.integers(0, 2**14))
def test_long_runs_round_trip(first: int, second: int, third: int) -> None:
    second = min(second, MAX_MASK_PIXELS - first)
    third = min(third, MAX_MASK_PIXELS - first - second)
    runs = [first, second, third, MAX_MASK_PIXELS - first - second - third]
    code = Rle.from_runs((2**14, 2**14), runs)
    assert code.area == runs[1] + runs[3]
    assert code.runs().sum() == MAX_MASK_PIXELS


EQUAL_RUNS = [
    DIAMOND_RUNS,
    [1, 1, 2, 3, 2, 1, 2, 0],
    [1, 1, 2, 1, 0, 2, 2, 1, 2],
    [0, 0, 1, 1, 2, 3, 2, 1, 2],
    [1, 1, 2, 3, 2, 1, 1, 0, 1],
]


@pytest.mark.parametrize("runs", EQUAL_RUNS)
def test_equal_masks_encode_equally_whatever_their_runs(runs: list[int]) -> None:
    code = Rle.from_mask(DIAMOND)
    compressed = coco.frPyObjects({"size": [4, 3], "counts": runs}, 4, 3)["counts"]
    assert Rle.from_coco({"size": [4, 3], "counts": runs}) == code
    assert Rle.from_coco({"size": [4, 3], "counts": compressed}) == code
    assert Rle.from_coco({"size": [4, 3], "counts": compressed.decode()}) == code
    assert Rle((4, 3), compressed).validated() == code


def test_runs_go_down_the_columns() -> None:
    assert Rle.from_mask(DIAMOND).runs().tolist() == DIAMOND_RUNS


def test_coco_format_is_json() -> None:
    code = Rle.from_mask(DIAMOND)
    assert Rle.from_coco(json.loads(json.dumps(code.to_coco()))) == code


CORRUPT: list[tuple[object, str]] = [  # what is read, and the value that the error shows
    (None, "None"),
    ([4, 3], "[4, 3]"),
    ({}, "None"),
    ({"size": [4], "counts": "0"}, "[4]"),
    ({"size": [4, 3.0], "counts": "0"}, "[4, 3.0]"),
    ({"size": "43", "counts": "0"}, "'43'"),
    ({"size": [0, 3], "counts": [0]}, "3x0"),
    ({"size": [-4, -3], "counts": [12]}, "-3x-4"),
    ({"size": [2**20, 2**20], "counts": [2**40]}, "1048576x1048576"),
    ({"size": [4, 3]}, "None"),
    ({"size": [4, 3], "counts": [12.0]}, "[12.0]"),
    ({"size": [4, 3], "counts": [[12], 0]}, "[[12], 0]"),
    ({"size": [4, 3], "counts": [True, 11]}, "[True, 11]"),
    ({"size": [4, 3], "counts": []}, "[]"),
    ({"size": [4, 3], "counts": [11]}, "[11]"),
    ({"size": [4, 3], "counts": [13, -1]}, "[13, -1]"),
    ({"size": [4, 3], "counts": [2**63, 2**63]}, "[9223372036854775808, 9223372036854775808]"),
    ({"size": [4, 3], "counts": [2**64, -(2**64), 12]}, "[18446744073709551616"),
    ({"size": [4, 3], "counts": ""}, "b''"),
    ({"size": [4, 3], "counts": "<\n"}, "b'<\\n'"),
    ({"size": [4, 3], "counts": "ünï"}, "b'\\xc3\\xbcn\\xc3\\xaf'"),
    ({"size": [4, 3], "counts": "<z"}, "b'<z'"),
    ({"size": [4, 3], "counts": "<P"}, "b'<P'"),  # truncated
    ({"size": [4, 3], "counts": "PPPPPPPP0<"}, "b'PPPPPPPP0<'"),  # a number that is too long
    ({"size": [4, 3], "counts": "?0000"}, "[15, 0, 0, 0, 0]"),
    ({"size": [4, 3], "counts": ";"}, "[11]"),
    ({"size": [4, 3], "counts": "\x00" * 100_000}, "b'\\x00"),
]


@pytest.mark.parametrize(("value", "shown"), CORRUPT)
def test_corrupt_encoding_is_rejected(value: object, shown: str) -> None:
    with pytest.raises(FormatError) as caught:
        Rle.from_coco(value)
    assert shown in str(caught.value)
    assert len(str(caught.value)) < 200
    assert "\n" not in str(caught.value)


def test_clicks_and_box_add_up() -> None:
    prompts = Prompts.click(3, 4).and_click(5, 6.5, positive=False)
    np.testing.assert_array_equal(prompts.points, [[3, 4], [5, 6.5]])
    np.testing.assert_array_equal(prompts.labels, [1, 0])
    assert prompts.points.dtype == np.float32
    assert prompts.labels.dtype == np.int64
    assert prompts.box is None
    boxed = Prompts.from_box(1, 2, 3, 4).and_click(2, 3)
    assert boxed.box is not None
    assert boxed.box.tolist() == [1, 2, 3, 4]
    assert boxed.labels.tolist() == [1]


def test_prompts_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        Prompts.click(1, 1).box = None  # type: ignore[misc]


@pytest.mark.usefixtures("untyped_caller")
def test_prompts_take_what_people_have() -> None:
    prompts = Prompts(points=[[3, 4]], labels=[True], box=(1, 2, 3, 4))  # type: ignore[arg-type]
    assert prompts.points.dtype == np.float32
    assert prompts.labels.dtype == np.int64
    assert prompts.box is not None
    assert prompts.box.dtype == np.float32
    for values in (MASK.astype(np.uint8) * 255, MASK.astype(np.float64), MASK.tolist()):
        mask = Prompts.from_mask(values).mask
        assert mask is not None
        np.testing.assert_array_equal(mask, MASK)
        assert mask.dtype == bool


@pytest.mark.usefixtures("untyped_caller")
def test_one_point_needs_no_list() -> None:
    prompts = Prompts(points=[3, 4], labels=1)  # type: ignore[arg-type]
    assert (prompts.points.tolist(), prompts.labels.tolist()) == ([[3, 4]], [1])


def test_prompts_do_not_change_with_the_callers_arrays() -> None:
    points, labels, box, mask = (
        np.ones((1, 2), np.float32),
        np.ones(1, int),
        np.arange(4, dtype=np.float32),
        MASK.copy(),
    )
    clicked, drawn = Prompts(points, labels, box), Prompts.from_mask(mask)
    points[:], labels[:], box[:], mask[:] = 9, 0, 9, False
    assert (clicked.points.tolist(), clicked.labels.tolist()) == ([[1, 1]], [1])
    assert clicked.box is not None
    assert clicked.box.tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(drawn.mask, MASK)


REFUSED: list[tuple[Callable[[], object], str]] = [  # what is built, and the value that the error shows
    (Prompts, ""),
    (lambda: Prompts.click(float("nan"), 1), "[[nan, 1.0]]"),
    (lambda: Prompts.click(1, float("inf")), "[[1.0, inf]]"),
    (lambda: Prompts(points=np.array([["a", "b"]]), labels=np.array([1])), "'a'"),
    (lambda: Prompts(points=np.zeros((2, 2), np.float32), labels=np.array([1])), "2 points and 1 labels"),
    (lambda: Prompts(points=np.zeros((1, 2), np.float32), labels=np.array([2])), "[2]"),
    (lambda: Prompts.from_box(5, 1, 3, 4), "(5, 1, 3, 4)"),
    (lambda: Prompts.from_box(1, 4, 3, 4), "(1, 4, 3, 4)"),
    (lambda: Prompts.from_box(1, float("nan"), 3, 4), "nan"),
    (lambda: Prompts(box=np.zeros(3, np.float32)), "(3,)"),
    (lambda: Prompts.from_mask(np.zeros((3, 3), bool)), ""),
    (lambda: Prompts.from_mask(np.ones((1, 3, 3), bool)), "(1, 3, 3)"),
    (lambda: Prompts.from_mask(np.full((3, 3), np.nan)), "NaN"),
    (lambda: Prompts.from_mask(MASK.astype(str)), "<U5"),
    (lambda: Prompts.from_mask([[1, 0], [1]]), ""),  # type: ignore[arg-type]
    (lambda: Prompts.from_mask(MASK).and_click(1, 1), ""),
    (lambda: Prompts(np.zeros((2, 3), np.float32), np.ones(3, int)), "(2, 3)"),
    (lambda: Prompts(np.array([1, 2, 3], np.float32), np.array([1])), "(3,)"),
    (lambda: Prompts(np.zeros((1, 1, 2), np.float32), np.array([1])), "(1, 1, 2)"),
    (lambda: Prompts([[1, 2], [3]], [1, 1]), "[[1, 2], [3]]"),  # type: ignore[arg-type]
    (lambda: Prompts([1, 2], "left"), "'left'"),  # type: ignore[arg-type]
    (lambda: Prompts([1, 2], [0.5]), "[0.5]"),  # type: ignore[arg-type]
    (lambda: Prompts.absent((-1, 5)), "(-1, 5)"),
    (lambda: Prompts.absent((4.0, 5.0)), "(4.0, 5.0)"),  # type: ignore[arg-type]
    (lambda: Prompts.absent(4), "got 4"),  # type: ignore[arg-type]
    (lambda: Prompts.absent((4, 5, 3)), "(4, 5, 3)"),  # type: ignore[arg-type]
    (lambda: Prompts(box=np.array([0, 0, 1, 1], np.float32), mask=MASK), ""),
]


@pytest.mark.usefixtures("untyped_caller")
@pytest.mark.parametrize(("build", "shown"), REFUSED)
def test_prompts_are_validated(build: Callable[[], object], shown: str) -> None:
    with pytest.raises(PromptError, match=re.escape(shown) or None) as caught:
        build()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("prompts", "shown"),
    [
        (Prompts.click(0, 0), None),
        (Prompts.click(3, 2), None),  # the far corner of the last pixel
        (Prompts.click(3.5, 1), "(3.5, 1)"),
        (Prompts.click(1, -1), "(1, -1)"),
        (Prompts.click(1, 1).and_click(1, 9), "(1, 9)"),
        (Prompts.from_box(0, 0, 3, 2), None),
        (Prompts.from_box(0, 0, 4, 2), "(0, 0, 4, 2)"),
        (Prompts.from_box(-1, 0, 2, 2), "(-1, 0, 2, 2)"),
        (Prompts.from_mask(MASK), None),
        (Prompts.from_mask(MASK.T), "2x3"),
    ],
)
def test_check_inside(prompts: Prompts, shown: str | None) -> None:
    if shown is None:
        prompts.check_inside((2, 3))
    else:
        with pytest.raises(PromptError, match=re.escape(shown)) as caught:
            prompts.check_inside((2, 3))
        assert "3x2" in str(caught.value)


def as_lists(prompts: Prompts) -> tuple[object, ...]:
    box, mask = prompts.box, prompts.mask
    return (
        prompts.points.tolist(),
        prompts.labels.tolist(),
        None if box is None else box.tolist(),
        None if mask is None else mask.tolist(),
    )


@pytest.mark.parametrize(
    "prompts",
    [
        Prompts.click(3.25, 0.1).and_click(5, 6, positive=False),
        Prompts.from_box(1, 2, 3.5, 4),
        Prompts.from_box(1, 2, 3.5, 4).and_click(2, 3),
        Prompts.from_mask(MASK),
        Prompts.absent((4, 5)),
    ],
)
def test_prompts_round_trip_through_json(prompts: Prompts) -> None:
    assert as_lists(Prompts.from_json(json.loads(json.dumps(prompts.to_json())))) == as_lists(prompts)


def test_json_of_prompts_holds_only_what_is_given() -> None:
    assert Prompts.click(3, 4, positive=False).to_json() == {"clicks": [[3, 4, 0]]}
    assert Prompts.from_box(1, 2, 3, 4).to_json() == {"box": [1, 2, 3, 4]}
    assert Prompts.from_mask(MASK).to_json() == {"mask": Rle.from_mask(MASK).to_coco()}


CODE = Rle.from_mask(MASK).to_coco()
CLICKS = Prompts.click(1, 2).and_click(2, 1, positive=False)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        # prompt files
        ({"clicks": [[1, 2], [2, 1, 0]]}, CLICKS),
        ({"clicks": [[1, 2, 1.0], [2, 1, 0]], "absent": False}, CLICKS),
        ({"clicks": [[2, 3, 1]], "box": [1, 2, 3, 4]}, Prompts.from_box(1, 2, 3, 4).and_click(2, 3)),
        ({"mask": "dog.png"}, Prompts.from_mask(MASK)),
        ({"absent": True}, Prompts.absent((2, 3))),
        # the data engine's database
        ({"points": [[1, 2], [2, 1]], "labels": [1, 0], "box": None, "mask": None}, CLICKS),
        ({"points": [], "labels": [], "box": [1, 2, 3, 4], "mask": None}, Prompts.from_box(1, 2, 3, 4)),
        ({"points": [], "labels": [], "box": None, "mask": CODE}, Prompts.from_mask(MASK)),
        # the studio's database
        (
            {
                "clicks": [{"x": 1, "y": 2, "positive": True}, {"x": 2.0, "y": 1.0, "positive": False}],
                "box": None,
                "mask": None,
                "shown": 0,
            },
            CLICKS,
        ),
        (
            {"clicks": [{"x": 1, "y": 2, "positive": True}], "box": None, "mask": CODE, "shown": 1},
            Prompts.from_mask(MASK),
        ),
        (
            {"clicks": [{"x": 9, "y": 9}, {"x": 1, "y": 2}, {"x": 2, "y": 1, "positive": False}], "shown": 1},
            CLICKS,
        ),
    ],
)
def test_json_of_files_and_databases(value: object, expected: Prompts) -> None:
    assert as_lists(Prompts.from_json(value, size=(2, 3), read_mask=lambda _: MASK)) == as_lists(expected)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "None"),
        ([[1, 2]], "[[1, 2]]"),
        ({}, "none of them"),
        ({"click": [[1, 2]]}, "'click'"),
        ({"clicks": {"x": 1, "y": 2}}, "{'x': 1, 'y': 2}"),
        ({"clicks": [[1]]}, "[1]"),
        ({"clicks": [[1, 2, 1, 1]]}, "[1, 2, 1, 1]"),
        ({"clicks": [7]}, "7"),
        ({"clicks": [["1", "2"]]}, "['1', '2']"),
        ({"clicks": [[1, True]]}, "[1, True]"),
        ({"clicks": [[1, 2, 3]]}, "got 3"),
        ({"clicks": [[1, 2, "+"]]}, "'+'"),
        ({"clicks": [[1, 2, None]]}, "None"),
        ({"clicks": [{"x": 1}]}, "[1, None]"),
        ({"clicks": [[1, 10**400]]}, "[1, 1000"),
        ({"clicks": [[1, 1e300]]}, "[1, 1e+300]"),
        ({"clicks": [[1, float("nan")]]}, "[1, nan]"),
        ({"points": [[1, 2]], "labels": []}, "[]"),
        ({"points": [[1, 2]]}, "[[1, 2]]"),
        ({"points": "12", "labels": [1, 1]}, "'12'"),
        ({"clicks": [[1, 2]], "shown": 2}, "got 2"),
        ({"clicks": [[1, 2]], "shown": -1}, "-1"),
        ({"clicks": [[1, 2]], "shown": 1}, "none of them"),
        ({"box": [1, 2, 3]}, "[1, 2, 3]"),
        ({"box": "1,2,3,4"}, "'1,2,3,4'"),
        ({"box": [3, 2, 1, 4]}, "(3, 2, 1, 4)"),
        ({"mask": "dog.png"}, "'dog.png'"),
        ({"mask": [[1]]}, "[[1]]"),
        ({"mask": {"size": [2, 3], "counts": [7]}}, "[7]"),
        ({"mask": {"size": [2**20, 2**20], "counts": "0"}}, "1048576x1048576"),
        ({"mask": CODE, "clicks": [[1, 2]]}, "mask"),
        ({"absent": 1}, "got 1"),
        ({"absent": True}, "absent"),
        ({"absent": True, "clicks": [[1, 2]]}, "absent"),
    ],
)
def test_json_that_is_not_prompts(value: object, shown: str) -> None:
    with pytest.raises(PromptError) as caught:
        Prompts.from_json(value)
    assert shown in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_json_mask_of_another_size_is_not_decoded() -> None:
    with pytest.raises(PromptError) as caught:
        Prompts.from_json({"mask": {"size": [2**13, 2**13], "counts": "corrupt"}}, size=(2, 3))
    assert "[8192, 8192]" in str(caught.value)


def mask_set() -> MaskSet:
    return MaskSet(
        masks=np.stack([MASK, ~MASK, MASK]),
        iou=np.array([0.2, 0.9, 0.5], np.float32),
        boxes=np.arange(12, dtype=np.float32).reshape(3, 4),
    )


@pytest.mark.parametrize(
    ("index", "left"),
    [
        (1, [0.9]),
        (-1, [0.5]),
        (slice(1, None), [0.9, 0.5]),
        ([2, 0], [0.5, 0.2]),
        ([], []),
        (np.array([True, False, True]), [0.2, 0.5]),
        (np.int64(0), [0.2]),
    ],
)
@pytest.mark.usefixtures("untyped_caller")
def test_mask_set_filters_as_one(index: int | slice | list[int] | np.ndarray, left: list[float]) -> None:
    chosen = mask_set()[index]
    assert len(chosen) == len(left)
    np.testing.assert_allclose(chosen.iou, left)
    assert chosen.boxes is not None
    assert chosen.boxes.shape == (len(left), 4)
    assert chosen.masks.shape == (len(left), 2, 3)
    assert chosen.stability is None


def test_best_mask() -> None:
    best = mask_set().best
    np.testing.assert_array_equal(best.masks, [~MASK])
    assert best.iou.tolist() == pytest.approx([0.9])


def frame(*object_ids: int) -> FrameMasks:
    masks = np.stack([MASK, np.roll(MASK, 1, axis=1)])[: len(object_ids)]
    ones = np.ones(len(object_ids), np.float32)
    return FrameMasks(frame_index=4, object_ids=object_ids, masks=masks, presence=ones, iou=ones)


def test_frame_masks_by_object() -> None:
    masks = frame(7, 3)
    assert len(masks) == 2
    assert masks.position(3) == 1
    np.testing.assert_array_equal(masks[7], MASK)
    assert masks.rles() == {7: Rle.from_mask(MASK), 3: Rle.from_mask(masks[3])}
    with pytest.raises(UnknownObjectError, match=r"4.*5.*7, 3"):
        masks[5]


@pytest.mark.parametrize(
    ("object_ids", "labels", "dtype"),
    [
        ((1, 2), [[2, 1, 2], [2, 0, 1]], np.uint8),
        ((255,), [[0, 255, 255], [0, 0, 255]], np.uint8),
        ((256,), [[0, 256, 256], [0, 0, 256]], np.uint16),
        ((), [], np.uint8),
    ],
)
def test_label_map(object_ids: tuple[int, ...], labels: list[list[int]], dtype: type) -> None:
    found = frame(*object_ids).label_map()
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, np.array(labels).reshape(-1, 3) if labels else np.zeros((2, 3)))


def test_a_label_map_does_not_hold_every_id() -> None:
    assert frame(65535).label_map().max() == 65535
    with pytest.raises(FormatError, match=r"65535.*65536"):
        frame(65536, 1).label_map()


def test_masklet_starts_empty() -> None:
    one, other = Masklet(1, (2, 3)), Masklet(2, (2, 3))
    one.frames[0] = Rle.from_mask(MASK)
    assert other.frames == {}
    assert (one.source, one.name, one.prompted) == ("assisted", "", ())


def test_frame_source_is_what_it_can_do() -> None:
    class Frames(list[np.ndarray]):
        size, fps, timestamps = (2, 3), None, ()

    assert isinstance(Frames(), FrameSource)
    assert not isinstance([], FrameSource)
