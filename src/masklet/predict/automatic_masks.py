"""Automatic mask generation: prompt a grid of points on the image and on crops of it, and filter the masks."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int
from torch import Tensor

from masklet.backends.protocol import Model
from masklet.geometry import logits_to_image
from masklet.masks.boxes import boxes_of_masks, nms
from masklet.masks.regions import fill_holes, remove_specks
from masklet.model.mask_decoder import stability_score
from masklet.model.tensors import ImageFeatures, PromptTensors
from masklet.predict.preprocessing import check_image, image_tensor
from masklet.types import RgbImage, Rle, Size

MAX_EMBEDDING_BYTES = 2**24
"""On a CPU, bytes of image embeddings (one copy for each prompt) decoded in one batch, so that they fit its caches."""

CROP_EDGE = 20.0
"""A mask nearer than this to the edge of a crop, in pixels, is considered cut off there."""

Preset = Literal["fast", "default", "dense", "small"]


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One pass over the image: ``crops`` x ``crops`` crops with a grid of ``points`` x ``points`` clicks on each."""

    crops: int = 1
    points: int = 32


@dataclass(frozen=True, kw_only=True)
class AutomaticSettings:
    """Settings of automatic mask generation.

    Attributes:
        layers: the passes over the image.
        overlap: overlap of neighboring crops as a share of the image's shorter side (halved as crops are halved).
        min_iou: minimum predicted IoU of a mask.
        min_stability: minimum IoU of a mask at the logits +1 and -1.
        max_overlap: of two masks whose boxes have a larger IoU, the one with the lower score is removed.
        min_area: remove separate pieces and fill holes of at most this many pixels.
        max_share: a mask that covers a larger share of the image is removed as background.
        batch: number of clicks in one batch.
    """

    layers: tuple[Layer, ...] = (Layer(),)
    overlap: float = 512 / 1500
    min_iou: float = 0.8
    min_stability: float = 0.95
    max_overlap: float = 0.7
    min_area: int = 0
    max_share: float = 0.95
    batch: int = 64

    def __post_init__(self) -> None:
        if not self.layers or any(layer.crops < 1 or layer.points < 1 for layer in self.layers):
            raise ValueError(f"expected layers with at least 1 crop and 1 point a side, got {self.layers}")
        if self.batch < 1:
            raise ValueError(f"batch must be at least 1, got {self.batch}")


LAYERS: dict[Preset, tuple[Layer, ...]] = {
    "fast": (Layer(points=16),),
    "default": (Layer(points=32),),
    "dense": (Layer(points=32), Layer(crops=2, points=16)),
    "small": (Layer(points=32), Layer(crops=2, points=16), Layer(crops=4, points=4)),
}
"""Passes by preset; "small" is the setting of the paper's data engine (appendix E.1)."""


def settings_for(model: Model, preset: Preset = "default") -> AutomaticSettings:
    """Return the settings of a preset; models without `min_stability`, as the embedded one, get lower thresholds."""
    if model.config.min_stability:
        return AutomaticSettings(layers=LAYERS[preset])
    return AutomaticSettings(layers=LAYERS[preset], min_iou=0.5, min_stability=0.2)


@dataclass(frozen=True)
class Filtered:
    """Number of candidates, and how many each filter removed.

    Attributes:
        candidates: three for each click.
        low_iou, unstable: below `AutomaticSettings.min_iou` and ``min_stability``.
        background: empty, or larger than ``max_share``.
        cut_off: at the edge of a crop.
        double: duplicates of a better mask.
        small: empty after small pieces were removed.
    """

    candidates: int = 0
    low_iou: int = 0
    unstable: int = 0
    background: int = 0
    cut_off: int = 0
    double: int = 0
    small: int = 0

    def __add__(self, other: Filtered) -> Filtered:
        return Filtered(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def kept(self) -> int:
        """Number of candidates that no filter removed."""
        candidates, *removed = asdict(self).values()
        return int(candidates - sum(removed))


@dataclass(frozen=True, eq=False)
class Proposals:
    """Masks found in an image, best first.

    Attributes:
        masks: run-length encoded, at the size of the image.
        iou: predicted, 0 to 1.
        stability: IoU at the logits +1 and -1, 0 to 1.
        boxes: (x0, y0, x1, y1) of each mask, half-open.
        points: (x, y) of the click that produced the mask.
        crops: (x0, y0, x1, y1) of the crop that was prompted.
        filtered: the candidates that were removed.
    """

    masks: list[Rle]
    iou: Float32[np.ndarray, " n"]
    stability: Float32[np.ndarray, " n"]
    boxes: Float32[np.ndarray, "n 4"]
    points: Float32[np.ndarray, "n 2"]
    crops: Float32[np.ndarray, "n 4"]
    filtered: Filtered = field(default_factory=Filtered)

    def __len__(self) -> int:
        return len(self.masks)

    def __getitem__(self, index: list[int]) -> Proposals:
        """Return the masks of these indices, in this order."""
        rows = np.array(index, np.int64)
        return Proposals(
            masks=[self.masks[i] for i in index],
            iou=self.iou[rows],
            stability=self.stability[rows],
            boxes=self.boxes[rows],
            points=self.points[rows],
            crops=self.crops[rows],
            filtered=self.filtered,
        )


class AutomaticMasker:
    """Generates masks of all objects in images.

        proposals = AutomaticMasker(model).propose(pixels)

    Args:
        model: from `masklet.load`.
        settings: by default those of the preset "default" for the model.

    Attributes:
        filtered: the candidates of all images so far.
    """

    def __init__(self, model: Model, settings: AutomaticSettings | None = None) -> None:
        self.model, self.settings = model, settings or settings_for(model)
        self.filtered = Filtered()

    def propose(self, image: RgbImage) -> Proposals:
        """Segment all objects in an image, (h, w, 3) uint8 RGB; masks may overlap (a wheel and its car).

        Raises:
            MediaError: an array of another shape or type.
        """
        steps = self.steps(image)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                proposals: Proposals = end.value
                return proposals

    def steps(self, image: RgbImage) -> Generator[tuple[int, int], None, Proposals]:
        """Run `propose` one batch of clicks at a time, so that the caller can do other work in between.

        Yields:
            The number of clicks done, and the number of all clicks.
        """
        size = (check_image(image).shape[0], image.shape[1])
        crops = [
            (crop, layer)
            for layer in self.settings.layers
            for crop in crop_boxes(size, layer.crops, self.settings.overlap)
        ]
        total, done, of_crops = sum(layer.points**2 for _, layer in crops), 0, []
        for crop, layer in crops:
            features, batches, points = self._encode(image, crop), [], _grid(layer.points)
            for start in range(0, len(points), self.settings.batch):
                batch = points[start : start + self.settings.batch]
                batches.append(self._propose_batch(features, batch, size, crop))
                done += len(batch)
                yield done, total
            of_crop = concatenate(batches)
            of_crops.append(self._remove_duplicates(of_crop, of_crop.iou))
        found = concatenate(of_crops)
        if len(self.settings.layers) > 1:  # masks of smaller crops are finer
            areas = (found.crops[:, 2] - found.crops[:, 0]) * (found.crops[:, 3] - found.crops[:, 1])
            found = self._remove_duplicates(found, 1 / areas)
        if self.settings.min_area:
            found = self._remove_small_regions(found)
        self.filtered += found.filtered
        return found[np.argsort(-found.iou, kind="stable").tolist()]

    @torch.inference_mode()
    def _encode(self, image: RgbImage, crop: tuple[int, int, int, int]) -> ImageFeatures:
        x0, y0, x1, y1 = crop
        tensor = image_tensor(image[y0:y1, x0:x1], self.model.config.image_size, self.model.device)
        return self.model.condition(self.model.encode_image(tensor), None)

    @torch.inference_mode()
    def _propose_batch(
        self,
        features: ImageFeatures,
        points: Float32[np.ndarray, "n 2"],
        size: Size,
        crop: tuple[int, int, int, int],
    ) -> Proposals:
        """Decode clicks (shares of the crop's sides) and filter the masks before they are resized to the image."""
        clicks = torch.from_numpy(points * features.image_size - 0.5).to(self.model.device)[:, None]
        labels = torch.ones(len(points), 1, dtype=torch.long, device=self.model.device)
        decoded, decoded_logits, iou = _decode(
            self.model, features, PromptTensors(clicks, labels), self.settings.min_iou
        )
        counts = Filtered(candidates=iou[:, 1:].numel())
        row, candidate = (iou[decoded, 1:] >= self.settings.min_iou).nonzero(as_tuple=True)
        logits, click = decoded_logits[row, candidate + 1], decoded[row]
        scores = iou[click, candidate + 1]
        counts = replace(counts, low_iou=counts.candidates - len(click))
        stability = stability_score(logits, 1.0)
        stable = stability >= self.settings.min_stability
        counts = replace(counts, unstable=int((~stable).sum()))
        logits, click, scores, stability = logits[stable], click[stable], scores[stable], stability[stable]
        best = nms(boxes_of_masks((logits > 0).cpu().numpy()), scores.cpu().numpy(), self.settings.max_overlap)
        counts = replace(counts, double=len(click) - len(best))
        kept = torch.from_numpy(best).to(click.device)
        pixels = points * np.array([crop[2] - crop[0], crop[3] - crop[1]]) + np.array(crop[:2])
        found = Proposals(
            [],
            scores[kept].cpu().numpy(),
            stability[kept].cpu().numpy(),
            np.zeros((len(best), 4), np.float32),
            pixels[click[kept].cpu().numpy()].astype(np.float32),
            np.tile(np.array(crop, np.float32), (len(best), 1)),
            counts,
        )
        return self._place_in_image(found, logits[kept], size, crop)

    def _place_in_image(
        self, found: Proposals, logits: Float[Tensor, "n s s"], size: Size, crop: tuple[int, int, int, int]
    ) -> Proposals:
        """Resize masks to their crop of the image; remove empty, cut-off and background masks."""
        x0, y0, x1, y1 = crop
        masks, kept, counts = [], [], found.filtered
        for row, low in enumerate(logits):
            part = (logits_to_image(low[None, None], (y1 - y0, x1 - x0))[0, 0] > 0).cpu().numpy()
            area = np.count_nonzero(part)
            if not 0 < area <= self.settings.max_share * size[0] * size[1]:
                counts += Filtered(background=1)
            elif is_cut_off(part, crop, size):
                counts += Filtered(cut_off=1)
            else:
                whole = np.zeros(size, bool)
                whole[y0:y1, x0:x1] = part
                found.boxes[row] = boxes_of_masks(whole[None])[0]
                masks.append(Rle.from_mask(whole))
                kept.append(row)
        rows = replace(found, masks=[Rle(size, b"")] * len(found.iou))[kept]
        return replace(rows, masks=masks, filtered=counts)

    def _remove_duplicates(self, found: Proposals, scores: Float32[np.ndarray, " n"]) -> Proposals:
        kept = nms(found.boxes, np.asarray(scores, np.float32), self.settings.max_overlap).tolist()
        return replace(found[kept], filtered=found.filtered + Filtered(double=len(found) - len(kept)))

    def _remove_small_regions(self, found: Proposals) -> Proposals:
        """Remove small pieces and holes; of masks that then are duplicates, prefer one that was not changed."""
        masks, scores = [], []
        for rle in found.masks:
            mask = rle.to_mask()
            clean = fill_holes(remove_specks(mask, self.settings.min_area), self.settings.min_area)
            masks.append(clean)
            scores.append(float(np.array_equal(clean, mask)))
        kept = [i for i, mask in enumerate(masks) if mask.any()]
        boxes = boxes_of_masks(np.stack([masks[i] for i in kept])) if kept else np.zeros((0, 4), np.float32)
        cleaned = replace(
            found[kept],
            masks=[Rle.from_mask(masks[i]) for i in kept],
            boxes=boxes,
            filtered=found.filtered + Filtered(small=len(masks) - len(kept)),
        )
        return self._remove_duplicates(cleaned, np.array([scores[i] for i in kept], np.float32))


def crop_boxes(size: Size, crops: int, overlap: float) -> Iterator[tuple[int, int, int, int]]:
    """Yield (x0, y0, x1, y1) of ``crops`` x ``crops`` overlapping crops that cover an image of ``size``."""
    shared = int(overlap * min(size) * 2 / crops) if crops > 1 else 0

    def starts(length: int) -> tuple[list[int], int]:
        side = -(-(shared * (crops - 1) + length) // crops)
        return [i * (side - shared) for i in range(crops)], side

    (rows, height), (columns, width) = starts(size[0]), starts(size[1])
    for y in (y for y in rows if y < size[0]):
        for x in (x for x in columns if x < size[1]):
            yield x, y, min(x + width, size[1]), min(y + height, size[0])


def is_cut_off(mask: Bool[np.ndarray, "h w"], crop: tuple[int, int, int, int], size: Size) -> bool:
    """Whether a mask is close to an edge of its crop that is not an edge of the image."""
    x0, y0, x1, y1 = boxes_of_masks(mask[None])[0]
    distances = (
        (x0, crop[0] > 0),
        (y0, crop[1] > 0),
        (mask.shape[1] - x1, crop[2] < size[1]),
        (mask.shape[0] - y1, crop[3] < size[0]),
    )
    return any(inner and distance < CROP_EDGE for distance, inner in distances)


def _grid(points: int) -> Float32[np.ndarray, "n 2"]:
    """Return the centers of ``points`` x ``points`` cells, as shares of the sides."""
    shares = (np.arange(points, dtype=np.float32) + 0.5) / points
    return np.stack(np.meshgrid(shares, shares), axis=-1).reshape(-1, 2)


def concatenate(parts: list[Proposals]) -> Proposals:
    """Concatenate proposals."""
    return Proposals(
        masks=[mask for part in parts for mask in part.masks],
        iou=np.concatenate([part.iou for part in parts]),
        stability=np.concatenate([part.stability for part in parts]),
        boxes=np.concatenate([part.boxes for part in parts]),
        points=np.concatenate([part.points for part in parts]),
        crops=np.concatenate([part.crops for part in parts]),
        filtered=sum((part.filtered for part in parts), Filtered()),
    )


def _decode(
    model: Model, features: ImageFeatures, prompts: PromptTensors, min_iou: float
) -> tuple[Int[Tensor, " k"], Float[Tensor, "k 4 s s"], Float[Tensor, "b 4"]]:
    """Run `Model.decode_above_iou` on as many prompts at a time as `MAX_EMBEDDING_BYTES` allows."""
    count = len(prompts.points)
    batch = count
    if model.device.type == "cpu":
        batch = max(1, MAX_EMBEDDING_BYTES // (features.embedding[0].numel() * features.embedding.element_size()))
    rows, logits, iou = [], [], []
    for start in range(0, count, batch):
        part = PromptTensors(prompts.points[start : start + batch], prompts.labels[start : start + batch])
        part_rows, part_logits, part_iou = model.decode_above_iou(features, part, min_iou)
        rows.append(part_rows + start)
        logits.append(part_logits)
        iou.append(part_iou)
    return torch.cat(rows), torch.cat(logits), torch.cat(iou)
