"""A second look: the model sees every object again on a crop around it, where its outline comes out finer."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the customary name
from jaxtyping import Bool, Float, Float32, Int64, Shaped, UInt8
from PIL import Image
from torch import Tensor

from masklet.backends.protocol import Model
from masklet.errors import MediaError
from masklet.geometry import resize_to_square
from masklet.masks.boundary import Window, bounding_window
from masklet.masks.boxes import boxes_of_masks
from masklet.masks.overlap import mask_iou
from masklet.masks.soft import guided
from masklet.model.mask_selection import select_masks
from masklet.model.tensors import ChosenMask, ImageFeatures, MemoryTokens, PromptTensors
from masklet.predict.click_refinement import MAX_LOGIT, enforce_clicks
from masklet.predict.preprocessing import check_image, prompt_tensors
from masklet.tracking.step import decode_prompts
from masklet.types import FrameMasks, Prompts, RgbImage, Size

MASK_LOGIT = 1.0
"""A mask of which no logits are known counts as logits of +- this: little, so that the second look can move edges."""

FLAT = 1e-3
"""Variance of gray (0 to 1) below which the picture counts as flat: noise moves no outline."""

RAMP = 1 / 16
"""Share of a crop's side over which it fades in from its border."""

Start = Literal["memory", "mask", "both"]
Logits = Float32[np.ndarray, "n h w"]


@dataclass(frozen=True, kw_only=True)
class Refinement:
    """How a second look is taken. Crops are square, so nothing is stretched; beyond the border the picture is mirrored.

    Attributes:
        margin: side of a crop as a multiple of the longer side of the object's box.
        start: what the model is told. "memory": the mask as a remembered one, from which the object is followed onto
            the crop; "mask": the mask's logits and box as prompts; "both": the mean of the two answers. Where the
            mask answers clicks or a box, these and the mask's logits are what it is told.
        weight: how much the second look counts, 0 to 1; the rest is the first one's. Their mean errs less than either.
            0 takes no second look, and only ``detail`` is left, which costs next to nothing.
        min_zoom: only objects are seen again whose crop enlarges the picture by at least this factor (the square root
            of the picture's area over the crop's side). Below 1 nothing is enlarged, but a second opinion still helps.
        agreement: where the IoU of the new mask with the old one is below this, the old one stays, unless clicks or a
            box say which object is meant.
        tiles: an object whose crop is larger than the model's input is seen in up to ``tiles`` x ``tiles`` crops that
            overlap, which takes as many times as long.
        detail: how far outlines then follow the edges of the picture (guided filter), in cells of the model's mask, of
            which a crop has a quarter of the model's input in a row; 0 for not at all.
        batch: crops seen at once.
    """

    margin: float = 1.3
    start: Start = "memory"
    weight: float = 0.5
    min_zoom: float = 0.7
    agreement: float = 0.7
    tiles: int = 2
    detail: float = 1.0
    batch: int = 8

    def __post_init__(self) -> None:
        if not (math.isfinite(self.margin) and self.margin >= 1):
            raise ValueError(f"margin must be a number of at least 1, got {self.margin}")
        if self.start not in ("memory", "mask", "both"):
            raise ValueError(f'start must be "memory", "mask" or "both", got {self.start!r}')
        if min(self.tiles, self.batch) < 1:
            raise ValueError(f"tiles and batch must be at least 1, got {self.tiles} and {self.batch}")
        if not (math.isfinite(self.detail) and self.detail >= 0):
            raise ValueError(f"detail must be a number of at least 0, got {self.detail}")
        for name in ("weight", "agreement"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be 0 to 1, got {getattr(self, name)}")


def refine(model: Model, picture: RgbImage, masks: FrameMasks, refinement: Refinement | None = None) -> FrameMasks:
    """Finer masks of the same objects on the same frame; scores stay. It keeps nothing and touches no memory.

    Args:
        model: from `masklet.load`; it need not be the one that made the masks.
        picture: the frame, (h, w, 3) uint8 RGB.
        masks: of that frame, from anywhere; their logits are used where they are known.
        refinement: how.

    Raises:
        MediaError: not a picture, or of another size than the masks.
    """
    if check_image(picture).shape[:2] != masks.masks.shape[1:]:
        (height, width), (rows, columns) = picture.shape[:2], masks.masks.shape[1:]
        raise MediaError(f"expected a picture of the masks' size, {columns}x{rows} pixels, got {width}x{height}")
    known = masks.logits
    logits = np.where(masks.masks, np.float32(MASK_LOGIT), np.float32(-MASK_LOGIT)) if known is None else known
    finer = refine_logits(model, picture, logits, refinement or Refinement())
    return replace(masks, masks=finer > 0, logits=None if known is None else finer)


@torch.inference_mode()
def refine_logits(
    model: Model, picture: RgbImage, logits: Logits, refinement: Refinement, said: Sequence[Prompts | None] = ()
) -> Logits:
    """Mask logits at the size of the picture to finer ones; those without any pixel above 0 stay as they are.

    ``said`` holds the clicks and the box that each mask answers, None where it answers none; empty is None for all.
    """
    side = model.config.image_size
    prompts: Sequence[Prompts | None] = said or [None] * len(logits)
    crops = [
        crop
        for row, (one, told) in enumerate(zip(logits, prompts, strict=True))
        for crop in _crops(row, one > 0, refinement, side, told)
    ]
    alike = [crop for crop in crops if crop.told], [crop for crop in crops if not crop.told]
    crops = [*alike[0], *alike[1]]
    batches = [same[i : i + refinement.batch] for same in alike for i in range(0, len(same), refinement.batch)]
    seen = [answer for batch in batches for answer in _answers(model, picture, logits, batch, refinement.start)]
    finer = logits.copy()
    for row in np.flatnonzero((logits > 0).any(axis=(1, 2))).tolist():
        mine = [pair for pair in zip(crops, seen, strict=True) if pair[0].row == row]
        merged = _merged(logits[row], refinement.weight, mine)
        if prompts[row] is not None or mask_iou(merged[None] > 0, logits[[row]] > 0)[0, 0] >= refinement.agreement:
            finer[row] = merged
        if refinement.detail:
            cells = (mine[0][0].side if mine else math.sqrt(logits[row].size)) / (side // 4)
            finer[row] = _following(finer[row], picture, max(1, round(refinement.detail * cells)))
        if (told := prompts[row]) is not None:
            enforce_clicks(finer[row], told)
    return finer


class _Crop(NamedTuple):
    """A square part of the picture around one object, or around a part of it; it may reach beyond the border.

    Attributes:
        row: of the object.
        top: first row of pixels.
        left: first column of pixels.
        side: in pixels.
        told: what was said about the object, in pixels of the crop, as far as it lies in it; None for nothing.
    """

    row: int
    top: int
    left: int
    side: int
    told: Prompts | None = None

    def hearing(self, prompts: Prompts | None) -> _Crop:
        """The same crop with those of the prompts that lie in it."""
        if prompts is None:
            return self
        corner = np.array([self.left, self.top], np.float32)
        points, box = prompts.points - corner, prompts.box
        inside = ((points >= 0) & (points <= self.side)).all(axis=1)
        if box is not None:
            box = np.clip(box - np.tile(corner, 2), 0, self.side)
            box = box if (box[2:] > box[:2]).all() else None
        if box is None and not inside.any():
            return self
        return self._replace(told=Prompts(points[inside], prompts.labels[inside], box))

    def of(self, pixels: Shaped[np.ndarray, "h w *c"]) -> Shaped[np.ndarray, "s s *c"]:
        """These pixels, mirrored beyond the border."""
        rows = _mirrored(self.top + np.arange(self.side), pixels.shape[0])
        columns = _mirrored(self.left + np.arange(self.side), pixels.shape[1])
        part: Shaped[np.ndarray, "s s *c"] = pixels[np.ix_(rows, columns)]
        return part

    def inside(self, size: Size) -> tuple[Window, Window]:
        """Where the crop lies in a picture of ``size`` (height, width), and the same pixels in the crop."""
        height, width = size
        rows = slice(max(self.top, 0), min(self.top + self.side, height))
        columns = slice(max(self.left, 0), min(self.left + self.side, width))
        return (rows, columns), (
            slice(rows.start - self.top, rows.stop - self.top),
            slice(columns.start - self.left, columns.stop - self.left),
        )

    def ramp(self) -> Float32[np.ndarray, "s s"]:
        """How much the crop counts at each of its pixels: 1, and less towards its border."""
        place = np.arange(self.side) + 0.5
        line = np.clip(np.minimum(place, self.side - place) / (RAMP * self.side), 0, 1).astype(np.float32)
        return np.asarray(np.minimum.outer(line, line))


def _mirrored(index: Int64[np.ndarray, " n"], length: int) -> Int64[np.ndarray, " n"]:
    index = index % (2 * length)
    return np.asarray(np.minimum(index, 2 * length - 1 - index))


def _crops(
    row: int, mask: Bool[np.ndarray, "h w"], refinement: Refinement, image_size: int, told: Prompts | None = None
) -> Iterator[_Crop]:
    """Where an object is looked at again: in one crop, or in overlapping tiles of it where it is large.

    Nowhere if it is absent, would hardly be enlarged, or the second look would not count. A tile that the mask fills or
    does not reach has no edge to be refined and is left out.
    """
    if not (mask.any() and refinement.weight):
        return
    left, top, right, bottom = _extent(mask, told)
    side = max(math.ceil(refinement.margin * max(right - left, bottom - top)), image_size // 8)
    count = max(min(refinement.tiles, round(side / image_size)), 1)
    tile = math.ceil(side / (count - 2 * RAMP * (count - 1)))
    if math.sqrt(mask.size) < refinement.min_zoom * tile:
        return
    top, left = (top + bottom - side) // 2, (left + right - side) // 2
    steps = [0] if count == 1 else [round(i * (side - tile) / (count - 1)) for i in range(count)]
    for down, across in itertools.product(steps, steps):
        crop = _Crop(row, top + down, left + across, tile)
        if 0 < np.count_nonzero(crop.of(mask)) < tile * tile:
            yield crop.hearing(told)


def _extent(mask: Bool[np.ndarray, "h w"], told: Prompts | None) -> tuple[int, int, int, int]:
    """The box (x0, y0, x1, y1) around a mask and the clicks and box it answers."""
    rows, columns = bounding_window(mask)
    corners = np.array([[columns.start, rows.start], [columns.stop, rows.stop]], np.float32)
    if told is not None:
        box = [] if told.box is None else [told.box.reshape(2, 2)]
        corners = np.concatenate([corners, told.points, *box])
    x0, y0 = np.floor(corners.min(axis=0)).astype(int).tolist()
    x1, y1 = np.ceil(corners.max(axis=0)).astype(int).tolist()
    return x0, y0, x1, y1


def _answers(
    model: Model, picture: RgbImage, logits: Logits, crops: list[_Crop], start: Start
) -> list[Float32[np.ndarray, "s s"]]:
    """What the model sees in crops that all hear prompts, or all do not: logits at the size of the crop."""
    size = model.config.image_size
    pixels = torch.from_numpy(np.stack([_square(crop.of(picture), size) for crop in crops]))
    features = model.encode_image(pixels.to(model.device).permute(0, 3, 1, 2).float() / 255)
    parts = [torch.from_numpy(crop.of(logits[crop.row]))[None, None] for crop in crops]
    known = torch.cat([resize_to_square(part, size // 4) for part in parts]).to(model.device)
    start = "mask" if crops[0].told else start
    found: list[Float[Tensor, "k 1 s s"]] = []
    if start != "mask":
        nothing = [PromptTensors.none(1, model.device)] * len(crops)
        found.append(_decoded(model, _remembering(model, features, known), nothing))
    if start != "memory":
        prompts = [_prompt(crop, one[None], size) for crop, one in zip(crops, known, strict=True)]
        found.append(_decoded(model, model.condition(features, None), prompts))
    mean = torch.stack(found).mean(dim=0)
    return [_enlarged(row[None], crop.side) for row, crop in zip(mean, crops, strict=True)]


def _remembering(model: Model, features: ImageFeatures, known: Float[Tensor, "k 1 s s"]) -> ImageFeatures:
    """Each crop as if the frame before it had shown the same, with the known mask prompted there."""
    count, config = len(known), model.config
    nowhere = known.new_zeros(count, config.embed_dim)
    chosen = ChosenMask(known, known.new_ones(count), nowhere, known.new_ones(count))
    maps = model.encode_memory(features, chosen, prompted=True)
    slots = torch.full((count, 1), config.memory_frames - 1, device=model.device)
    return model.condition(
        features,
        MemoryTokens(maps[:, None], slots, maps.new_zeros(count, 0, config.embed_dim), maps.new_zeros(count, 0)),
    )


def _prompt(crop: _Crop, known: Float[Tensor, "1 1 s s"], size: int) -> PromptTensors:
    """The known logits with what was said about the object, or with the box around them."""
    if crop.told is not None:
        return prompt_tensors(crop.told, (crop.side, crop.side), size, device=known.device, previous=known)
    box = boxes_of_masks(known[0].cpu().numpy() > 0).reshape(1, 2, 2) * 4
    labels = torch.tensor([[2, 3]], device=known.device)
    return PromptTensors(torch.from_numpy(box).to(known.device), labels, known)


def _decoded(model: Model, looked: ImageFeatures, prompts: list[PromptTensors]) -> Float[Tensor, "k 1 s s"]:
    prediction, ranked = decode_prompts(model, looked, prompts)
    return select_masks(prediction, ranked, model.config.min_stability).logits


def _square(crop: RgbImage, size: int) -> UInt8[np.ndarray, "s s 3"]:
    return np.asarray(Image.fromarray(crop).resize((size, size), Image.Resampling.BICUBIC))


def _enlarged(logits: Float[Tensor, "1 1 s s"], side: int) -> Float32[np.ndarray, "s2 s2"]:
    """Bicubic: outlines come out smoother than bilinear."""
    enlarged = F.interpolate(logits.float(), (side, side), mode="bicubic", align_corners=False, antialias=True)
    return np.asarray(enlarged[0, 0].cpu().numpy())


def _merged(
    known: Float32[np.ndarray, "h w"], weight: float, seen: list[tuple[_Crop, Float32[np.ndarray, "s s"]]]
) -> Float32[np.ndarray, "h w"]:
    """What is known, and where there are answers their mean with it; an answer fades in from the border of its crop."""
    sums, weights = np.zeros_like(known), np.zeros_like(known)
    for crop, answer in seen:
        inside, part = crop.inside(known.shape)
        ramp = crop.ramp()
        sums[inside] += (ramp * answer)[part]
        weights[inside] += ramp[part]
    share = np.float32(weight) * np.minimum(weights, 1)
    mean = np.divide(sums, weights, out=np.zeros_like(sums), where=weights > 0)
    return np.asarray(share * mean + (1 - share) * known)


def _following(logits: Float32[np.ndarray, "h w"], picture: RgbImage, radius: int) -> Float32[np.ndarray, "h w"]:
    """The same mask with its outline drawn to the edges of the picture near by."""
    if not (logits > 0).any():
        return logits
    window = bounding_window(logits > 0, margin=4 * radius)
    probability = (1 / (1 + np.exp(-np.clip(logits[window], -MAX_LOGIT, MAX_LOGIT)))).astype(np.float32)
    drawn = guided(probability, picture[window].mean(axis=2, dtype=np.float32) / 255, radius, epsilon=FLAT)
    low = 1 / (1 + math.exp(MAX_LOGIT))
    likely = np.clip(drawn, low, 1 - low)
    followed = logits.copy()
    followed[window] = np.log(likely / (1 - likely))
    return followed
