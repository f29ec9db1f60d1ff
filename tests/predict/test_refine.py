"""Refinement on crops: which masks are refined, what changes, and what stays."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from jaxtyping import UInt8
from PIL import Image

from masklet.errors import MediaError, PromptError
from masklet.io import ArrayVideo
from masklet.masks.overlap import mask_iou
from masklet.model.sam2 import Sam2
from masklet.model.tensors import ImageFeatures
from masklet.predict import refine as module
from masklet.predict.image import ImageSegmenter
from masklet.predict.postprocess import PostProcess
from masklet.predict.refine import Refinement, refine, refine_logits
from masklet.predict.session import VideoSession
from masklet.predict.stream import StreamTracker
from masklet.types import FrameMasks, Prompts

Clip = UInt8[np.ndarray, "t h w 3"]


def disc(height: int = 96, width: int = 128, x: float = 60, y: float = 50, radius: float = 16) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return np.asarray(np.hypot(columns - x, rows - y) < radius)


def scene(*masks: np.ndarray) -> np.ndarray:
    """Bright shapes over a dark and slightly noisy ground."""
    image = np.random.default_rng(0).integers(40, 60, (*masks[0].shape, 3), dtype=np.uint8)
    for mask in masks:
        image[mask] = (230, 200, 60)
    return image


def found(*masks: np.ndarray) -> FrameMasks:
    ones = np.ones(len(masks), np.float32)
    return FrameMasks(3, tuple(range(1, len(masks) + 1)), np.stack(masks), ones, ones)


def test_a_rough_mask_comes_nearer_to_the_truth(nano: Sam2) -> None:
    truth = disc()
    rough = np.zeros_like(truth)
    rough[34:66, 44:76] = True  # the box around it
    out = refine(nano, scene(truth), found(rough))
    before, after = (float(mask_iou(m, truth[None])[0, 0]) for m in (rough[None], out.masks))
    assert before < 0.8
    assert after > 0.9
    assert (out.frame_index, out.object_ids, out.logits) == (3, (1,), None)
    assert out.presence.tolist() == out.iou.tolist() == [1]


def test_objects_are_refined_together_as_one_by_one(nano: Sam2) -> None:
    one, two, gone = disc(x=30), disc(x=90, y=60, radius=12), np.zeros((96, 128), bool)
    image = scene(one, two)
    together = refine(nano, image, found(one, gone, two))
    assert not together[2].any()
    for row, mask in ((0, one), (2, two)):
        alone = refine(nano, image, found(mask))
        assert np.count_nonzero(together.masks[row] ^ alone.masks[0]) <= 2  # rounding


@pytest.mark.parametrize(("batch", "calls"), [(8, 1), (2, 2), (1, 3)])
def test_crops_are_batched(nano: Sam2, monkeypatch: pytest.MonkeyPatch, batch: int, calls: int) -> None:
    masks = [disc(x=x, radius=8) for x in (20, 60, 100)]
    seen: list[int] = []
    encode = nano.encode_image

    def counted(pixels: torch.Tensor) -> ImageFeatures:
        seen.append(len(pixels))
        return encode(pixels)

    monkeypatch.setattr(nano, "encode_image", counted)
    refine(nano, scene(*masks), found(*masks), Refinement(batch=batch))
    assert len(seen) == calls
    assert sum(seen) == 3


@pytest.mark.parametrize("start", ["memory", "mask", "both"])
def test_every_start_keeps_a_good_mask_good(nano: Sam2, start: module.Start) -> None:
    truth = disc(x=4, y=90)  # cut off by two borders
    out = refine(nano, scene(truth), found(truth), Refinement(start=start))
    assert mask_iou(out.masks, truth[None])[0, 0] > 0.85


def test_logits_outside_the_crop_stay(nano: Sam2) -> None:
    logits = np.full((1, 96, 128), -3, np.float32)
    logits[0][disc(radius=10)] = 4
    finer = refine_logits(nano, scene(disc(radius=10)), logits, Refinement(detail=0))
    reach = 0.5 * 1.3 * 20 + 1
    y, x = np.mgrid[:96, :128]
    outside = np.maximum(abs(x - 60), abs(y - 50)) > reach
    assert (finer[0][outside] == -3).all()
    assert (finer[0][~outside] != logits[0][~outside]).any()


def test_the_model_does_not_run_without_need(nano: Sam2, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(pixels: object) -> None:
        raise AssertionError("the model was run")

    monkeypatch.setattr(nano, "encode_image", refused)
    small, large = disc(radius=10), disc(radius=47)
    image = scene(small)
    same = Refinement(detail=0, min_zoom=1)
    for masks, refinement in (
        (found(small), Refinement(weight=0, detail=0)),
        (found(large), same),  # fills the image
        (found(np.zeros_like(small)), same),
        (found(np.zeros_like(small), large), same),
    ):
        np.testing.assert_array_equal(refine(nano, image, masks, refinement).masks, masks.masks)


def test_outlines_follow_image_edges_without_the_model(nano: Sam2) -> None:
    truth = disc(radius=20)
    wide = disc(radius=22)
    out = refine(nano, scene(truth), found(wide), Refinement(weight=0, detail=2))
    assert np.count_nonzero(out.masks[0] ^ truth) < 0.5 * np.count_nonzero(wide ^ truth)


def test_a_prediction_of_another_object_is_discarded(nano: Sam2) -> None:
    stripe = np.zeros((96, 128), bool)
    stripe[48:50, 30:90] = True  # through the disc, which the model sees instead
    out = refine(nano, scene(disc()), found(stripe), Refinement(weight=1, detail=0, agreement=0.7))
    np.testing.assert_array_equal(out.masks[0], stripe)


@pytest.mark.parametrize(
    ("radius", "tiles", "crops"),
    [(20, 2, 1), (120, 1, 1), (120, 2, 4), (120, 3, 4)],
)
def test_large_objects_are_tiled(radius: int, tiles: int, crops: int) -> None:
    mask = disc(400, 600, 300, 200, radius)
    made = list(module._crops(0, mask, Refinement(tiles=tiles), 160))
    assert len(made) == crops
    assert {crop.side for crop in made} == {made[0].side}
    covered = np.zeros(mask.shape, int)
    for crop in made:
        inside, part = crop.inside(mask.shape)
        assert covered[inside].shape == crop.ramp()[part].shape
        covered[inside] += 1
    assert covered[mask].min() >= 1


def test_tiles_meet_without_a_seam(nano: Sam2) -> None:
    truth = disc(400, 600, 300, 200, 120)
    out = refine(nano, scene(truth), found(truth), Refinement(min_zoom=0.1, tiles=2, weight=1))
    assert mask_iou(out.masks, truth[None])[0, 0] > 0.88


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"margin": 0.5}, "margin.*0.5"),
        ({"margin": float("nan")}, "margin.*nan"),
        ({"start": "click"}, "start.*click"),
        ({"weight": 1.5}, "weight.*1.5"),
        ({"agreement": -0.1}, "agreement.*-0.1"),
        ({"tiles": 0}, "tiles.*0"),
        ({"detail": -1.0}, "detail.*-1.0"),
    ],
)
@pytest.mark.usefixtures("untyped_caller")
def test_invalid_settings(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Refinement(**options)  # type: ignore[arg-type]


def test_image_of_another_size(nano: Sam2) -> None:
    with pytest.raises(MediaError, match=r"128x96.*10x20"):
        refine(nano, np.zeros((20, 10, 3), np.uint8), found(disc()))


CLICK = Prompts.click(15, 15)
ALL = PostProcess(refine=Refinement(), fill_holes=40, remove_specks=40, non_overlap=True)


def test_streams_and_sessions_refine_equally_without_effect_on_tracking(nano: Sam2, clip: Clip) -> None:
    prompts = {1: CLICK, 2: Prompts.from_box(30, 10, 60, 40)}
    plain, fine = StreamTracker(nano), StreamTracker(nano, postprocess=ALL)
    session = VideoSession(nano, ArrayVideo(clip[:3]), postprocess=ALL)
    session.prompt_objects(0, prompts)
    recorded = list(session.propagate())
    changed = 0
    for index, frame in enumerate(clip[:3]):
        asked = {} if index else prompts
        one, two = plain.step(frame, asked), fine.step(frame, asked)
        np.testing.assert_array_equal(one.presence, two.presence)  # memories are the same
        np.testing.assert_array_equal(two.masks, recorded[index].masks)
        np.testing.assert_array_equal(session.masks(index).masks, recorded[index].masks)
        assert not (two.masks[0] & two.masks[1]).any()
        changed += int((one.masks != two.masks).sum())
    assert changed > 0


def test_refined_logits_are_given_and_drawn_masks_stay(nano: Sam2, clip: Clip) -> None:
    drawn = np.zeros(clip.shape[1:3], bool)
    drawn[8:22, 8:22] = True
    tracker = StreamTracker(nano, postprocess=PostProcess(refine=Refinement()), with_logits=True)
    first = tracker.step(clip[0], {1: Prompts.from_mask(drawn)})
    np.testing.assert_array_equal(first[1], drawn)
    out = tracker.step(clip[1])
    assert out.logits is not None
    np.testing.assert_array_equal(out.masks, out.logits > 0)


def test_still_images(nano: Sam2) -> None:
    truth = disc()
    box = Prompts.from_box(44, 34, 77, 67)
    fine = ImageSegmenter(nano, postprocess=PostProcess(refine=Refinement()))
    image = fine.encode(scene(truth))
    masks = fine.segment(image, box, candidates=3)
    assert masks.masks.shape == (3, 96, 128)
    best = fine.segment(image, box)
    assert mask_iou(best.masks, truth[None])[0, 0] > 0.9
    other = ImageSegmenter(nano).encode(scene(truth))
    assert other.pixels is None
    with pytest.raises(PromptError):
        fine.segment(other, box)


def test_clicks_are_repeated_on_the_crop(nano: Sam2) -> None:
    """Two discs: the click that takes one of them out of the mask does so on the crop as well."""
    left, right = disc(x=44, radius=14), disc(x=84, radius=14)
    image, only = scene(left, right), Prompts.click(44, 50).and_click(84, 50, positive=False)
    wide = np.where(left | right, np.float32(2), np.float32(-2))[None]
    prompted, unprompted = (refine_logits(nano, image, wide, Refinement(), prompts) for prompts in ([only], []))
    assert np.count_nonzero(prompted[0][right] > 0) < np.count_nonzero(unprompted[0][right] > 0)


@pytest.mark.parametrize("label", [True, False])
def test_refined_masks_agree_with_clicks(nano: Sam2, label: bool) -> None:
    """Whatever the model thinks: the mask agrees with every click, and is as before far from it."""
    truth, click = disc(96, 128, 60, 50, 30), Prompts.click(60, 50)
    x, y = (110, 20) if label else (66, 54)
    logits = np.where(truth, 4.0, -4.0).astype(np.float32)
    prompts = click.and_click(x, y, positive=label)
    settings = Refinement(weight=0, detail=0)
    (mask,) = module.refine_logits(nano, scene(truth), logits[None], settings, [prompts]) > 0
    rows, columns = np.mgrid[:96, :128]
    far = (rows - y) ** 2 + (columns - x) ** 2 > 12**2
    assert mask[y, x] == label
    assert mask[50, 60]
    np.testing.assert_array_equal(mask[far], truth[far])
    (unprompted,) = module.refine_logits(nano, scene(truth), logits[None], settings, [None]) > 0
    np.testing.assert_array_equal(unprompted, truth)


def test_the_next_click_corrects_what_was_shown(nano: Sam2) -> None:
    truth = disc()
    fine = ImageSegmenter(nano, postprocess=PostProcess(refine=Refinement()))
    image, click = fine.encode(scene(truth)), Prompts.click(60, 50)
    first = fine.segment(image, click)
    assert first.low_res is not None
    kept = np.asarray(Image.fromarray(first.low_res[0]).resize((128, 96))) > 0
    unrefined = ImageSegmenter(nano).segment(image, click)
    assert mask_iou(kept[None], first.masks)[0, 0] > 0.9
    assert not np.array_equal(first.low_res, np.asarray(unrefined.low_res))
    again = fine.segment(image, click.and_click(60, 40), refine=first)
    assert mask_iou(again.masks, truth[None])[0, 0] > 0.85


def test_a_crop_gets_the_prompts_that_lie_in_it() -> None:
    mask = disc(100, 200, 50, 50, 10)
    far, near = (150.0, 50.0), (52.0, 48.0)
    (crop,) = module._crops(0, mask, Refinement(margin=1), 64, Prompts.click(*near))
    assert crop.prompts is not None
    np.testing.assert_allclose(crop.prompts.points + np.array([crop.left, crop.top]), [near])
    (wide,) = module._crops(
        0, mask, Refinement(margin=1, tiles=1), 64, Prompts.click(*near).and_click(*far, positive=False)
    )
    assert wide.left + wide.side >= far[0]  # the crop includes clicks beside the mask
    assert wide.prompts is not None
    assert wide.prompts.labels.tolist() == [1, 0]
    (boxed,) = module._crops(0, mask, Refinement(margin=1), 64, Prompts.from_box(30, 35, 72, 66))
    assert boxed.prompts is not None
    assert boxed.prompts.box is not None
    np.testing.assert_allclose(boxed.prompts.box + np.tile([boxed.left, boxed.top], 2), [30, 35, 72, 66])


def test_tiles_without_a_click_go_by_the_mask() -> None:
    tiles = list(module._crops(0, disc(400, 600, 300, 200, 120), Refinement(), 160, Prompts.click(200, 120)))
    assert sorted(crop.prompts is None for crop in tiles) == [False, True, True, True]


def test_prompted_and_followed_objects_of_one_frame(nano: Sam2, clip: Clip) -> None:
    """A click on one object leaves the refinement of the others as it was."""
    tracker, other = (StreamTracker(nano, postprocess=PostProcess(refine=Refinement())) for _ in range(2))
    for one in (tracker, other):
        one.step(clip[0], {1: CLICK, 2: Prompts.from_box(30, 10, 60, 40)})
    followed, clicked = other.step(clip[1]), tracker.step(clip[1], {1: CLICK})
    assert np.count_nonzero(followed[2] ^ clicked[2]) <= 2  # rounding
    assert clicked[1].any()
