"""Refine masks on crops: run the model again on an enlarged crop around each object for a finer outline."""

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
from masklet.model.mask_decoder import select_masks
from masklet.model.tensors import ChosenMask, ImageFeatures, MemoryTokens, PromptTensors
from masklet.predict.click_refinement import MAX_LOGIT, enforce_clicks
from masklet.predict.preprocessing import check_image, prompt_tensors
from masklet.tracking.step import decode_prompts
from masklet.types import FrameMasks, Prompts, RgbImage, Size

MASK_LOGIT = 1.0
"""Absolute logit of a mask given without logits: low, so that refinement can move its edges."""

FILTER_EPSILON = 1e-3
"""Regularization of the guided filter: edges in regions with a lower variance of gray (0 to 1) are ignored as noise."""

RAMP = 1 / 16
"""Share of a crop's side over which its weight rises from 0 at the border to 1."""

Start = Literal["memory", "mask", "both"]
Logits = Float32[np.ndarray, "n h w"]


@dataclass(frozen=True, kw_only=True)
class Refinement:
    """Settings of refinement on crops. Crops are square and not stretched; the image is mirrored beyond its border.

    Attributes:
        margin: side of a crop as a multiple of the longer side of the object's box.
        start: how the mask is given to the model. "memory": as the memory of a prompted frame; "mask": its logits and
            box as prompts; "both": the mean of both predictions. A mask that answers clicks or a box is always given
            as its logits together with these prompts.
        weight: share of the prediction on the crop in the result, 0 to 1; the rest is the original mask. At 0 the
            model does not run and only ``detail`` applies.
        min_zoom: skip objects whose crop enlarges the image by less than this factor (square root of the image's area
            over the side of the crop). Values below 1 include crops that are not enlarged; averaging helps these too.
        agreement: discard a refined mask whose IoU with the original mask is lower, unless the mask answers clicks or
            a box.
        tiles: split a crop that is larger than the model's input into up to ``tiles`` x ``tiles`` overlapping crops.
        detail: radius of the guided filter that aligns outlines with image edges, in cells of the model's mask (a crop
            has a quarter of the model's input size in a row); 0 disables it.
        batch: maximum number of crops in one batch.
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


def refine(model: Model, image: RgbImage, masks: FrameMasks, refinement: Refinement | None = None) -> FrameMasks:
    """Refine the masks of one frame on crops around the objects; scores stay as they are.

    Args:
        model: from `masklet.load`; not necessarily the model that made the masks.
        image: the frame, (h, w, 3) uint8 RGB.
        masks: masks of that frame from any source; their logits are used if there are any.

    Raises:
        MediaError: not an image, or an image of another size than the masks.
    """
    if check_image(image).shape[:2] != masks.masks.shape[1:]:
        (height, width), (rows, columns) = image.shape[:2], masks.masks.shape[1:]
        raise MediaError(f"expected an image of the masks' size, {columns}x{rows} pixels, got {width}x{height}")
    logits = masks.logits
    if logits is None:
        logits = np.where(masks.masks, np.float32(MASK_LOGIT), np.float32(-MASK_LOGIT))
    refined = refine_logits(model, image, logits, refinement or Refinement())
    return replace(masks, masks=refined > 0, logits=None if masks.logits is None else refined)


@torch.inference_mode()
def refine_logits(
    model: Model, image: RgbImage, logits: Logits, refinement: Refinement, prompts: Sequence[Prompts | None] = ()
) -> Logits:
    """Refine mask logits at the size of the image on crops around the objects; empty masks stay as they are.

    Args:
        prompts: for each mask the clicks and box that it answers, or None; by default None for all. The refined mask
            agrees with these clicks.
    """
    side = model.config.image_size
    prompts = prompts or [None] * len(logits)
    crops = [
        crop
        for row, (mask_logits, prompt) in enumerate(zip(logits, prompts, strict=True))
        for crop in _crops(row, mask_logits > 0, refinement, side, prompt)
    ]
    groups = [crop for crop in crops if crop.prompts], [crop for crop in crops if not crop.prompts]
    batches = [group[i : i + refinement.batch] for group in groups for i in range(0, len(group), refinement.batch)]
    predictions = [
        (crop, prediction)
        for batch in batches
        for crop, prediction in zip(batch, _predict(model, image, logits, batch, refinement.start), strict=True)
    ]
    refined = logits.copy()
    for row in np.flatnonzero((logits > 0).any(axis=(1, 2))).tolist():
        of_object = [(crop, prediction) for crop, prediction in predictions if crop.row == row]
        merged = _merge(logits[row], refinement.weight, of_object)
        if prompts[row] is not None or mask_iou(merged[None] > 0, logits[[row]] > 0)[0, 0] >= refinement.agreement:
            refined[row] = merged
        if refinement.detail:
            cell = (of_object[0][0].side if of_object else math.sqrt(logits[row].size)) / (side // 4)
            refined[row] = _align_to_edges(refined[row], image, max(1, round(refinement.detail * cell)))
        if (prompt := prompts[row]) is not None:
            enforce_clicks(refined[row], prompt)
    return refined


class _Crop(NamedTuple):
    """A square crop around an object or a part of it; it may extend beyond the image.

    Attributes:
        row: index of the object's mask.
        top, left, side: in pixels of the image.
        prompts: the object's clicks and box in pixels of the crop, as far as they lie in it; None if none do.
    """

    row: int
    top: int
    left: int
    side: int
    prompts: Prompts | None = None

    def with_prompts(self, prompts: Prompts | None) -> _Crop:
        """Return the crop with the clicks and the part of the box that lie in it."""
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
        return self._replace(prompts=Prompts(points[inside], prompts.labels[inside], box))

    def cut(self, pixels: Shaped[np.ndarray, "h w *c"]) -> Shaped[np.ndarray, "s s *c"]:
        """Cut the crop out of an array of the image's size, mirrored beyond the border."""
        rows = _mirrored(self.top + np.arange(self.side), pixels.shape[0])
        columns = _mirrored(self.left + np.arange(self.side), pixels.shape[1])
        part: Shaped[np.ndarray, "s s *c"] = pixels[np.ix_(rows, columns)]
        return part

    def inside(self, size: Size) -> tuple[Window, Window]:
        """Return the part of the crop inside an image of ``size``, in coordinates of the image and of the crop."""
        height, width = size
        rows = slice(max(self.top, 0), min(self.top + self.side, height))
        columns = slice(max(self.left, 0), min(self.left + self.side, width))
        return (rows, columns), (
            slice(rows.start - self.top, rows.stop - self.top),
            slice(columns.start - self.left, columns.stop - self.left),
        )

    def ramp(self) -> Float32[np.ndarray, "s s"]:
        """Return the weight of each pixel when crops are merged: 1, falling to 0 towards the border of the crop."""
        center = np.arange(self.side) + 0.5
        line = np.clip(np.minimum(center, self.side - center) / (RAMP * self.side), 0, 1).astype(np.float32)
        return np.asarray(np.minimum.outer(line, line))


def _mirrored(index: Int64[np.ndarray, " n"], length: int) -> Int64[np.ndarray, " n"]:
    index = index % (2 * length)
    return np.asarray(np.minimum(index, 2 * length - 1 - index))


def _crops(
    row: int, mask: Bool[np.ndarray, "h w"], refinement: Refinement, image_size: int, prompts: Prompts | None = None
) -> Iterator[_Crop]:
    """Yield the crop of an object, or overlapping tiles of it if the object is large.

    Yields nothing for an empty mask, for a crop that would be enlarged by less than ``min_zoom``, and for a ``weight``
    of 0. Tiles without any edge of the mask are skipped.
    """
    if not (mask.any() and refinement.weight):
        return
    left, top, right, bottom = _extent(mask, prompts)
    side = max(math.ceil(refinement.margin * max(right - left, bottom - top)), image_size // 8)
    count = max(min(refinement.tiles, round(side / image_size)), 1)
    tile = math.ceil(side / (count - 2 * RAMP * (count - 1)))
    if math.sqrt(mask.size) < refinement.min_zoom * tile:
        return
    top, left = (top + bottom - side) // 2, (left + right - side) // 2
    steps = [0] if count == 1 else [round(i * (side - tile) / (count - 1)) for i in range(count)]
    for down, across in itertools.product(steps, steps):
        crop = _Crop(row, top + down, left + across, tile)
        if 0 < np.count_nonzero(crop.cut(mask)) < tile * tile:
            yield crop.with_prompts(prompts)


def _extent(mask: Bool[np.ndarray, "h w"], prompts: Prompts | None) -> tuple[int, int, int, int]:
    """Return the box (x0, y0, x1, y1) around a mask, its clicks and its box prompt."""
    rows, columns = bounding_window(mask)
    corners = np.array([[columns.start, rows.start], [columns.stop, rows.stop]], np.float32)
    if prompts is not None:
        box = [] if prompts.box is None else [prompts.box.reshape(2, 2)]
        corners = np.concatenate([corners, prompts.points, *box])
    x0, y0 = np.floor(corners.min(axis=0)).astype(int).tolist()
    x1, y1 = np.ceil(corners.max(axis=0)).astype(int).tolist()
    return x0, y0, x1, y1


def _predict(
    model: Model, image: RgbImage, logits: Logits, crops: list[_Crop], start: Start
) -> list[Float32[np.ndarray, "s s"]]:
    """Predict mask logits at the size of each crop; either all crops of the batch have prompts, or none."""
    size = model.config.image_size
    pixels = torch.from_numpy(np.stack([_square(crop.cut(image), size) for crop in crops]))
    features = model.encode_image(pixels.to(model.device).permute(0, 3, 1, 2).float() / 255)
    parts = [torch.from_numpy(crop.cut(logits[crop.row]))[None, None] for crop in crops]
    masks = torch.cat([resize_to_square(part, size // 4) for part in parts]).to(model.device)
    start = "mask" if crops[0].prompts else start
    predictions: list[Float[Tensor, "k 1 s s"]] = []
    if start != "mask":
        no_prompts = [PromptTensors.none(1, model.device)] * len(crops)
        predictions.append(_decode(model, _condition_on_mask(model, features, masks), no_prompts))
    if start != "memory":
        prompts = [_prompt(crop, mask[None], size) for crop, mask in zip(crops, masks, strict=True)]
        predictions.append(_decode(model, model.condition(features, None), prompts))
    mean = torch.stack(predictions).mean(dim=0)
    return [_resize(row[None], crop.side) for row, crop in zip(mean, crops, strict=True)]


def _condition_on_mask(model: Model, features: ImageFeatures, masks: Float[Tensor, "k 1 s s"]) -> ImageFeatures:
    """Condition each crop on a memory of itself with its mask prompted, as if it were the previous frame."""
    count, config = len(masks), model.config
    pointers = masks.new_zeros(count, config.embed_dim)
    chosen = ChosenMask(masks, masks.new_ones(count), pointers, masks.new_ones(count))
    maps = model.encode_memory(features, chosen, prompted=True)
    slots = torch.full((count, 1), config.memory_frames - 1, device=model.device)
    return model.condition(
        features,
        MemoryTokens(maps[:, None], slots, maps.new_zeros(count, 0, config.embed_dim), maps.new_zeros(count, 0)),
    )


def _prompt(crop: _Crop, mask: Float[Tensor, "1 1 s s"], size: int) -> PromptTensors:
    """Return the mask logits with the prompts of the crop, or with the mask's box if there are none."""
    if crop.prompts is not None:
        return prompt_tensors(crop.prompts, (crop.side, crop.side), size, device=mask.device, previous=mask)
    box = boxes_of_masks(mask[0].cpu().numpy() > 0).reshape(1, 2, 2) * 4
    labels = torch.tensor([[2, 3]], device=mask.device)
    return PromptTensors(torch.from_numpy(box).to(mask.device), labels, mask)


def _decode(model: Model, conditioned: ImageFeatures, prompts: list[PromptTensors]) -> Float[Tensor, "k 1 s s"]:
    prediction, ranked = decode_prompts(model, conditioned, prompts)
    return select_masks(prediction, ranked, model.config.min_stability).logits


def _square(crop: RgbImage, size: int) -> UInt8[np.ndarray, "s s 3"]:
    return np.asarray(Image.fromarray(crop).resize((size, size), Image.Resampling.BICUBIC))


def _resize(logits: Float[Tensor, "1 1 s s"], side: int) -> Float32[np.ndarray, "s2 s2"]:
    """Resize logits bicubically, which gives smoother outlines than bilinear."""
    resized = F.interpolate(logits.float(), (side, side), mode="bicubic", align_corners=False, antialias=True)
    return np.asarray(resized[0, 0].cpu().numpy())


def _merge(
    logits: Float32[np.ndarray, "h w"], weight: float, predictions: list[tuple[_Crop, Float32[np.ndarray, "s s"]]]
) -> Float32[np.ndarray, "h w"]:
    """Blend the predictions on crops into the original logits, with less weight towards the borders of the crops."""
    sums, weights = np.zeros_like(logits), np.zeros_like(logits)
    for crop, prediction in predictions:
        inside, part = crop.inside(logits.shape)
        ramp = crop.ramp()
        sums[inside] += (ramp * prediction)[part]
        weights[inside] += ramp[part]
    share = np.float32(weight) * np.minimum(weights, 1)
    mean = np.divide(sums, weights, out=np.zeros_like(sums), where=weights > 0)
    return np.asarray(share * mean + (1 - share) * logits)


def _align_to_edges(logits: Float32[np.ndarray, "h w"], image: RgbImage, radius: int) -> Float32[np.ndarray, "h w"]:
    """Align the outline of a mask with nearby image edges by a guided filter over its probability."""
    if not (logits > 0).any():
        return logits
    window = bounding_window(logits > 0, margin=4 * radius)
    probability = (1 / (1 + np.exp(-np.clip(logits[window], -MAX_LOGIT, MAX_LOGIT)))).astype(np.float32)
    filtered = guided(probability, image[window].mean(axis=2, dtype=np.float32) / 255, radius, epsilon=FILTER_EPSILON)
    low = 1 / (1 + math.exp(MAX_LOGIT))
    filtered = np.clip(filtered, low, 1 - low)
    aligned = logits.copy()
    aligned[window] = np.log(filtered / (1 - filtered))
    return aligned
