"""Still images: candidates, batches, refinement, rough masks, and errors."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from jaxtyping import Bool, UInt8

from masklet.errors import MediaError, PromptError
from masklet.masks.clicks import center_click
from masklet.masks.overlap import mask_iou
from masklet.model.sam2 import Sam2
from masklet.predict.image import EncodedImage, ImageSegmenter
from masklet.predict.postprocess import PostProcess
from masklet.types import MaskSet, Prompts

Clip = UInt8[np.ndarray, "t h w 3"]

CLICK = Prompts.click(15, 15)
BOX = Prompts.from_box(30, 10, 60, 40)
MASK = Prompts.from_mask(np.pad(np.ones((14, 14), bool), ((8, 26), (8, 50))))
KINDS = [CLICK, CLICK.and_click(40, 20, positive=False), BOX, BOX.and_click(44, 22), MASK]


@pytest.fixture(scope="module")
def segmenter(tiny: Sam2) -> ImageSegmenter:
    return ImageSegmenter(tiny)


@pytest.fixture(scope="module")
def image(segmenter: ImageSegmenter, clip: Clip) -> EncodedImage:
    return segmenter.encode(clip[0])


def low_res(masks: MaskSet) -> np.ndarray:
    assert masks.low_res is not None
    return masks.low_res


def same(found: MaskSet, expected: MaskSet) -> bool:
    fields = ("masks", "iou", "stability", "low_res")
    return all(np.array_equal(getattr(found, field), getattr(expected, field)) for field in fields)


@pytest.mark.parametrize("prompts", KINDS)
def test_single_mask(segmenter: ImageSegmenter, image: EncodedImage, prompts: Prompts) -> None:
    masks = segmenter.segment(image, prompts)
    assert masks.masks.shape == (1, 48, 72)
    assert low_res(masks).shape == (1, 16, 16)
    assert masks.stability is not None
    assert 0 <= masks.iou[0] <= 1
    assert 0 <= masks.stability[0] <= 1
    assert same(segmenter.segment(image, prompts), masks)  # encoded images do not change


@pytest.mark.parametrize("prompts", KINDS)
def test_three_candidates_best_first(segmenter: ImageSegmenter, image: EncodedImage, prompts: Prompts) -> None:
    masks = segmenter.segment(image, prompts, candidates=3)
    assert masks.masks.shape == (3, 48, 72)
    assert masks.iou.tolist() == sorted(masks.iou.tolist(), reverse=True)
    ambiguous = segmenter.segment(image, prompts, ambiguous=True)
    assert same(ambiguous, masks[0])
    assert same(masks.best, masks[0])


def test_only_a_single_click_is_ambiguous(segmenter: ImageSegmenter, image: EncodedImage) -> None:
    for prompts in KINDS:
        unsure = same(segmenter.segment(image, prompts), segmenter.segment(image, prompts, ambiguous=True))
        sure = same(segmenter.segment(image, prompts), segmenter.segment(image, prompts, ambiguous=False))
        assert unsure or sure
        assert unsure if prompts is CLICK else sure


def test_many_objects_in_one_call(segmenter: ImageSegmenter, image: EncodedImage) -> None:
    both: tuple[Literal[1, 3], ...] = (1, 3)
    for candidates in both:
        together = segmenter.segment(image, KINDS, candidates=candidates)
        assert len(together) == len(KINDS)
        for masks, prompts in zip(together, KINDS, strict=True):
            alone = segmenter.segment(image, prompts, candidates=candidates)
            scale = np.abs(low_res(alone)).max()
            np.testing.assert_allclose(low_res(masks), low_res(alone), rtol=0, atol=1e-5 * scale)
            np.testing.assert_allclose(masks.iou, alone.iou, rtol=1e-5)
    assert segmenter.segment(image, []) == []
    assert [len(masks) for masks in segmenter.segment(image, [CLICK])] == [1]


def test_refine_starts_from_an_earlier_result(segmenter: ImageSegmenter, image: EncodedImage) -> None:
    both = CLICK.and_click(40, 20, positive=False)
    first = segmenter.segment(image, CLICK, candidates=3).best
    refined = segmenter.segment(image, both, refine=first)
    assert not np.array_equal(low_res(refined), low_res(segmenter.segment(image, both)))
    once_more = segmenter.segment(
        image,
        [both, BOX],
        refine=MaskSet(
            masks=np.concatenate([first.masks, refined.masks]),
            iou=np.concatenate([first.iou, refined.iou]),
            low_res=np.concatenate([low_res(first), low_res(refined)]),
        ),
    )
    np.testing.assert_allclose(low_res(once_more[0]), low_res(refined), atol=1e-4)


def test_postprocess(tiny: Sam2, segmenter: ImageSegmenter, image: EncodedImage) -> None:
    plain = segmenter.segment(image, CLICK, candidates=3)
    strict = ImageSegmenter(tiny, postprocess=PostProcess(threshold=2.0, non_overlap=True))
    masks = strict.segment(image, CLICK, candidates=3)
    np.testing.assert_array_equal(low_res(masks), low_res(plain))
    assert (masks.masks <= plain.masks).all()
    assert masks.masks.sum() < plain.masks.sum()
    assert (masks.masks.sum(axis=0) > 1).any()  # candidates are of one object and may overlap


def test_read_only_and_strided_arrays(segmenter: ImageSegmenter, clip: Clip) -> None:
    frozen = clip[0].copy()
    frozen.flags.writeable = False
    for view in (frozen, clip[0][::-1, ::-1], clip[0].transpose(1, 0, 2)):
        found = segmenter.segment(segmenter.encode(view), CLICK)
        assert same(found, segmenter.segment(segmenter.encode(view.copy(order="C")), CLICK))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 50), (3, 2), (300, 30)])
def test_odd_sizes(segmenter: ImageSegmenter, height: int, width: int) -> None:
    image = segmenter.encode(np.full((height, width, 3), 99, np.uint8))
    assert segmenter.segment(image, Prompts.click(0, 0)).masks.shape == (1, height, width)
    assert segmenter.segment(image, Prompts.from_mask(np.ones((height, width), bool))).masks.shape == (1, height, width)


@pytest.mark.usefixtures("untyped_caller")
@pytest.mark.parametrize(
    ("image_array", "message"),
    [
        (
            np.zeros((4, 4), np.uint8),
            "got (4, 4) uint8",
        ),
        (np.zeros((4, 4, 4), np.uint8), "got (4, 4, 4) uint8"),
        (np.zeros((3, 4, 4), np.uint8), "got (3, 4, 4) uint8"),
        (np.zeros((4, 4, 3), np.float64), "got (4, 4, 3) float64"),
        (np.zeros((0, 4, 3), np.uint8), "got (0, 4, 3) uint8"),
        ("dog.jpg", "got str"),
        ([[0, 0, 0]], "got list"),
    ],
)
def test_invalid_images(segmenter: ImageSegmenter, image_array: object, message: str) -> None:
    with pytest.raises(MediaError) as caught:
        segmenter.encode(image_array)  # type: ignore[arg-type]
    assert message in str(caught.value)


ANSWER = MaskSet(np.zeros((1, 4, 4), bool), np.ones(1, np.float32), low_res=np.zeros((1, 16, 16), np.float32))
TWO = MaskSet(np.zeros((2, 4, 4), bool), np.ones(2, np.float32), low_res=np.zeros((2, 16, 16), np.float32))
OTHER_SIZE = MaskSet(np.zeros((1, 4, 4), bool), np.ones(1, np.float32), low_res=np.zeros((1, 64, 64), np.float32))
BARE = MaskSet(np.zeros((1, 4, 4), bool), np.ones(1, np.float32))


@pytest.mark.usefixtures("untyped_caller")
@pytest.mark.parametrize(
    ("prompts", "options", "message"),
    [
        (Prompts.click(80, 3), {}, "click (80, 3)"),
        (Prompts.from_box(0, 0, 72, 49), {}, "box (0, 0, 72, 49)"),
        (
            Prompts.from_mask(np.ones((72, 48), bool)),
            {},
            "48x72",
        ),
        ([CLICK, Prompts.click(1, 99)], {}, "click (1, 99)"),
        (CLICK, {"candidates": 4}, "got 4"),
        (CLICK, {"refine": TWO}, "(2, 16, 16)"),
        (CLICK, {"refine": OTHER_SIZE}, "(1, 64, 64)"),
        (CLICK, {"refine": BARE}, "no low_res"),
        (MASK, {"refine": ANSWER}, "refine"),
        ((15, 15), {}, "int"),
    ],
)
def test_invalid_prompts(
    segmenter: ImageSegmenter, image: EncodedImage, prompts: Prompts, options: dict[str, object], message: str
) -> None:
    with pytest.raises(PromptError) as caught:
        segmenter.segment(image, prompts, **options)  # type: ignore[call-overload]
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


# --- quality of the embedded model -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def squares() -> tuple[UInt8[np.ndarray, "h w 3"], Bool[np.ndarray, "2 h w"]]:
    """A red and a blue square on a soft background, and where they are."""
    y, x = np.mgrid[:120, :160]
    image_array = np.stack([90 + x / 2, 120 + y / 3, np.full_like(x, 100)], axis=-1).astype(np.uint8)
    masks = np.zeros((2, 120, 160), bool)
    masks[0, 30:66, 20:56] = True
    masks[1, 50:90, 95:135] = True
    image_array[masks[0]], image_array[masks[1]] = (220, 50, 40), (30, 60, 210)
    return image_array, masks


def test_the_embedded_model_segments_the_prompted_object(
    nano: Sam2, squares: tuple[UInt8[np.ndarray, "h w 3"], Bool[np.ndarray, "2 h w"]]
) -> None:
    image_array, truths = squares
    segmenter = ImageSegmenter(nano)
    image = segmenter.encode(image_array)
    boxed = segmenter.segment(image, [Prompts.from_box(20, 30, 56, 66), Prompts.from_box(95, 50, 135, 90)])
    overlap = mask_iou(np.concatenate([masks.masks for masks in boxed]), truths)
    assert (np.diag(overlap) > 0.75).all()
    assert overlap[0, 1] == overlap[1, 0] == 0
    clicked = segmenter.segment(image, [Prompts.click(*center_click(truth)) for truth in truths])
    overlap = mask_iou(np.concatenate([masks.masks for masks in clicked]), truths)
    assert (np.diag(overlap) > 0.3).all()
    assert (np.diag(overlap[:, ::-1]) < 0.1).all()


def test_clicks_extend_and_reduce_the_mask(
    nano: Sam2, squares: tuple[UInt8[np.ndarray, "h w 3"], Bool[np.ndarray, "2 h w"]]
) -> None:
    image_array, (_, blue) = squares
    segmenter = ImageSegmenter(nano)
    image = segmenter.encode(image_array)
    first = segmenter.segment(image, Prompts.click(38, 48))
    more = segmenter.segment(image, Prompts.click(38, 48).and_click(115, 70), refine=first)
    less = segmenter.segment(image, Prompts.click(38, 48).and_click(115, 70, positive=False), refine=first)
    assert first.masks[0][blue].mean() < 0.1
    assert more.masks[0][blue].mean() > first.masks[0][blue].mean() + 0.3
    assert more.masks[0, 70, 115]
    assert not less.masks[0][blue].any()


def test_rough_mask_is_improved(
    nano: Sam2, squares: tuple[UInt8[np.ndarray, "h w 3"], Bool[np.ndarray, "2 h w"]]
) -> None:
    image_array, (red, _) = squares
    rough = np.roll(red, (4, 5), axis=(0, 1))
    segmenter = ImageSegmenter(nano)
    (masks,) = segmenter.segment(segmenter.encode(image_array), [Prompts.from_mask(rough)])
    assert mask_iou(masks.masks, red[None])[0, 0] > mask_iou(rough[None], red[None])[0, 0]
