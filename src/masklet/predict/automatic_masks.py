"""Everything in a picture: a grid of clicks on the picture and on crops of it, and the best of what they find."""

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
from masklet.model.mask_selection import stability_score
from masklet.model.tensors import ImageFeatures, PromptTensors
from masklet.predict.preprocessing import check_image, image_tensor
from masklet.types import RgbImage, Rle, Size

CACHED = 2**24
"""Bytes of image embedding, once for each prompt, that a processor is given at a time."""

EDGE = 20.0
"""A mask that comes so near to the edge of a crop, in pixels, is taken for cut off there."""

Preset = Literal["fast", "default", "dense", "small"]


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One pass over the picture: cut into ``crops`` x ``crops``, with ``points`` x ``points`` clicks on each."""

    crops: int = 1
    points: int = 32


@dataclass(frozen=True, kw_only=True)
class AutomaticSettings:
    """How everything is looked for, and what is kept.

    Attributes:
        layers: the passes.
        overlap: of neighboring crops, as a share of the picture's shorter side (halved with each halving of the crops).
        min_iou: a mask's predicted IoU must be at least this.
        min_stability: the IoU of a mask at the logits +1 and -1 must be at least this.
        max_overlap: of two masks whose boxes overlap by a larger IoU, the worse goes.
        min_area: separate pieces and holes of at most so many pixels are cleaned away.
        max_share: a mask that covers more of the picture is taken for background.
        batch: clicks answered at once.
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
            raise ValueError("expected at least one layer with at least 1 crop and 1 point a side")
        if self.batch < 1:
            raise ValueError(f"batch must be at least 1, got {self.batch}")


LAYERS: dict[Preset, tuple[Layer, ...]] = {
    "fast": (Layer(points=16),),
    "default": (Layer(points=32),),
    "dense": (Layer(points=32), Layer(crops=2, points=16)),
    "small": (Layer(points=32), Layer(crops=2, points=16), Layer(crops=4, points=4)),
}
"""Passes by name; "small" is what the data engine of the paper looks for masklets with (appendix E.1)."""


def settings_for(model: Model, preset: Preset = "default") -> AutomaticSettings:
    """The settings of a preset, with thresholds that fit the model: masks of the embedded model are soft."""
    if model.config.min_stability:
        return AutomaticSettings(layers=LAYERS[preset])
    return AutomaticSettings(layers=LAYERS[preset], min_iou=0.5, min_stability=0.2)


@dataclass(frozen=True)
class Filtered:
    """How many candidates there were, and how many each filter took.

    Attributes:
        candidates: three for each click.
        low_iou, unstable: below `AutomaticSettings.min_iou` and ``min_stability``.
        background: empty, or larger than ``max_share``.
        cut_off: at the edge of a crop.
        double: another mask shows the same better.
        small: nothing was left of them once specks were gone.
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
        """What is left."""
        first, *taken = asdict(self).values()
        return int(first - sum(taken))


@dataclass(frozen=True, eq=False)
class Proposals:
    """Masks of everything in a picture, best first.

    Attributes:
        masks: as run-length codes, so that hundreds take little memory.
        iou: predicted, 0 to 1.
        stability: IoU at the logits +1 and -1, 0 to 1.
        boxes: (x0, y0, x1, y1) of each mask, half-open.
        points: (x, y) of the click that found it.
        crops: (x0, y0, x1, y1) of the crop it was found in.
        filtered: what became of the others.
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
        """Some of them, in that order."""
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
    """Finds everything in pictures.

        proposals = AutomaticMasker(model).propose(pixels)

    Args:
        model: from `masklet.load`.
        settings: by default the "default" preset for the model.

    Attributes:
        filtered: what became of the candidates of all pictures so far.
    """

    def __init__(self, model: Model, settings: AutomaticSettings | None = None) -> None:
        self.model, self.settings = model, settings or settings_for(model)
        self.filtered = Filtered()

    def propose(self, picture: RgbImage) -> Proposals:
        """Masks of everything in a picture, (h, w, 3) uint8 RGB, best first; they may overlap (a wheel and its car).

        Raises:
            MediaError: an array of another shape or type.
        """
        steps = self.steps(picture)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                found: Proposals = end.value
                return found

    def steps(self, picture: RgbImage) -> Generator[tuple[int, int], None, Proposals]:
        """`propose`, one batch of clicks at a time, for those who have other things to do in between.

        Yields:
            how many clicks are answered, and how many there are.
        """
        pixels = check_image(picture)
        size = (pixels.shape[0], pixels.shape[1])
        crops = [
            (crop, layer)
            for layer in self.settings.layers
            for crop in crops_of(size, layer.crops, self.settings.overlap)
        ]
        total, done, parts = sum(layer.points**2 for _, layer in crops), 0, []
        for crop, layer in crops:
            features, answers = self._seen(pixels, crop), []
            for shares in batches_of(_grid(layer.points), self.settings.batch):
                answers.append(self._answered(features, shares, pixels, crop))
                done += len(shares)
                yield done, total
            part = joined(answers)
            parts.append(self._without_doubles(part, part.iou))
        found = joined(parts)
        if len(self.settings.layers) > 1:  # what a smaller crop shows is finer
            areas = (found.crops[:, 2] - found.crops[:, 0]) * (found.crops[:, 3] - found.crops[:, 1])
            found = self._without_doubles(found, 1 / areas)
        if self.settings.min_area:
            found = self._cleaned(found)
        self.filtered += found.filtered
        return found[np.argsort(-found.iou, kind="stable").tolist()]

    @torch.inference_mode()
    def _seen(self, pixels: RgbImage, crop: tuple[int, int, int, int]) -> ImageFeatures:
        x0, y0, x1, y1 = crop
        tensor = image_tensor(pixels[y0:y1, x0:x1], self.model.config.image_size, self.model.device)
        return self.model.condition(self.model.encode_image(tensor), None)

    @torch.inference_mode()
    def _answered(
        self,
        features: ImageFeatures,
        shares: Float32[np.ndarray, "n 2"],
        pixels: RgbImage,
        crop: tuple[int, int, int, int],
    ) -> Proposals:
        """What some clicks find. Only what is good enough is ever brought to the size of the picture."""
        points = torch.from_numpy(shares * features.image_size - 0.5).to(self.model.device)[:, None]
        labels = torch.ones(len(shares), 1, dtype=torch.long, device=self.model.device)
        rows, drawn, iou = _likely(self.model, features, PromptTensors(points, labels), self.settings.min_iou)
        counts = Filtered(candidates=iou[:, 1:].numel())
        place, candidate = (iou[rows, 1:] >= self.settings.min_iou).nonzero(as_tuple=True)
        logits, asked = drawn[place, candidate + 1], rows[place]
        scores = iou[asked, candidate + 1]
        counts = replace(counts, low_iou=counts.candidates - len(asked))
        steady = stability_score(logits, 1.0)
        firm = steady >= self.settings.min_stability
        counts = replace(counts, unstable=int((~firm).sum()))
        logits, asked, scores, steady = logits[firm], asked[firm], scores[firm], steady[firm]
        best = nms(boxes_of_masks((logits > 0).cpu().numpy()), scores.cpu().numpy(), self.settings.max_overlap)
        counts = replace(counts, double=len(asked) - len(best))
        kept = torch.from_numpy(best).to(asked.device)
        clicks = shares * np.array([crop[2] - crop[0], crop[3] - crop[1]]) + np.array(crop[:2])
        found = Proposals(
            [],
            scores[kept].cpu().numpy(),
            steady[kept].cpu().numpy(),
            np.zeros((len(best), 4), np.float32),
            clicks[asked[kept].cpu().numpy()].astype(np.float32),
            np.tile(np.array(crop, np.float32), (len(best), 1)),
            counts,
        )
        return self._placed(found, logits[kept], (pixels.shape[0], pixels.shape[1]), crop)

    def _placed(
        self, found: Proposals, logits: Float[Tensor, "n s s"], size: Size, crop: tuple[int, int, int, int]
    ) -> Proposals:
        """Masks at their place in the picture, without those that are cut off or no things."""
        x0, y0, x1, y1 = crop
        masks, kept, counts = [], [], found.filtered
        for row, low in enumerate(logits):
            part = (logits_to_image(low[None, None], (y1 - y0, x1 - x0))[0, 0] > 0).cpu().numpy()
            area = np.count_nonzero(part)
            if not 0 < area <= self.settings.max_share * size[0] * size[1]:
                counts += Filtered(background=1)
            elif cut_off(part, crop, size):
                counts += Filtered(cut_off=1)
            else:
                whole = np.zeros(size, bool)
                whole[y0:y1, x0:x1] = part
                found.boxes[row] = boxes_of_masks(whole[None])[0]
                masks.append(Rle.from_mask(whole))
                kept.append(row)
        rows = replace(found, masks=[Rle(size, b"")] * len(found.iou))[kept]
        return replace(rows, masks=masks, filtered=counts)

    def _without_doubles(self, found: Proposals, scores: Float32[np.ndarray, " n"]) -> Proposals:
        kept = nms(found.boxes, np.asarray(scores, np.float32), self.settings.max_overlap).tolist()
        return replace(found[kept], filtered=found.filtered + Filtered(double=len(found) - len(kept)))

    def _cleaned(self, found: Proposals) -> Proposals:
        """Without specks and holes; what then shows the same as another that needed no cleaning goes."""
        masks, scores, gone = [], [], 0
        for rle in found.masks:
            mask = rle.to_mask()
            clean = fill_holes(remove_specks(mask, self.settings.min_area), self.settings.min_area)
            masks.append(clean)
            scores.append(float(np.array_equal(clean, mask)))
        kept = [i for i, mask in enumerate(masks) if mask.any()]
        gone = len(masks) - len(kept)
        boxes = boxes_of_masks(np.stack([masks[i] for i in kept])) if kept else np.zeros((0, 4), np.float32)
        clean_found = replace(
            found[kept],
            masks=[Rle.from_mask(masks[i]) for i in kept],
            boxes=boxes,
            filtered=found.filtered + Filtered(small=gone),
        )
        return self._without_doubles(clean_found, np.array([scores[i] for i in kept], np.float32))


def crops_of(size: Size, crops: int, overlap: float) -> Iterator[tuple[int, int, int, int]]:
    """(x0, y0, x1, y1) of ``crops`` x ``crops`` overlapping crops that cover a picture of ``size`` (height, width)."""
    shared = int(overlap * min(size) * 2 / crops) if crops > 1 else 0

    def starts(length: int) -> tuple[list[int], int]:
        side = -(-(shared * (crops - 1) + length) // crops)
        return [i * (side - shared) for i in range(crops)], side

    (rows, height), (columns, width) = starts(size[0]), starts(size[1])
    for y in (y for y in rows if y < size[0]):
        for x in (x for x in columns if x < size[1]):
            yield x, y, min(x + width, size[1]), min(y + height, size[0])


def cut_off(mask: Bool[np.ndarray, "h w"], crop: tuple[int, int, int, int], size: Size) -> bool:
    """Whether a mask in a crop comes near to an edge of it that is not an edge of the picture."""
    x0, y0, x1, y1 = boxes_of_masks(mask[None])[0]
    gaps = (
        (x0, crop[0] > 0),
        (y0, crop[1] > 0),
        (mask.shape[1] - x1, crop[2] < size[1]),
        (mask.shape[0] - y1, crop[3] < size[0]),
    )
    return any(inner and gap < EDGE for gap, inner in gaps)


def _grid(points: int) -> Float32[np.ndarray, "n 2"]:
    """The middles of ``points`` x ``points`` cells, as shares of the sides."""
    shares = (np.arange(points, dtype=np.float32) + 0.5) / points
    return np.stack(np.meshgrid(shares, shares), axis=-1).reshape(-1, 2)


def batches_of(rows: Float32[np.ndarray, "n 2"], count: int) -> Iterator[Float32[np.ndarray, "m 2"]]:
    """At most ``count`` rows at a time."""
    for start in range(0, len(rows), count):
        yield rows[start : start + count]


def joined(parts: list[Proposals]) -> Proposals:
    """Several finds as one."""
    return Proposals(
        masks=[mask for part in parts for mask in part.masks],
        iou=np.concatenate([part.iou for part in parts]),
        stability=np.concatenate([part.stability for part in parts]),
        boxes=np.concatenate([part.boxes for part in parts]),
        points=np.concatenate([part.points for part in parts]),
        crops=np.concatenate([part.crops for part in parts]),
        filtered=sum((part.filtered for part in parts), Filtered()),
    )


def _likely(
    model: Model, features: ImageFeatures, prompts: PromptTensors, min_iou: float
) -> tuple[Int[Tensor, " k"], Float[Tensor, "k 4 s s"], Float[Tensor, "b 4"]]:
    """`Model.decode_above_iou`, for as many prompts at a time as fit in the caches of a processor."""
    count = len(prompts.points)
    fit = count
    if model.device.type == "cpu":
        fit = max(1, CACHED // (features.embedding[0].numel() * features.embedding.element_size()))
    rows, logits, iou = [], [], []
    for start in range(0, count, fit):
        part = PromptTensors(prompts.points[start : start + fit], prompts.labels[start : start + fit])
        found, drawn, promised = model.decode_above_iou(features, part, min_iou)
        rows.append(found + start)
        logits.append(drawn)
        iou.append(promised)
    return torch.cat(rows), torch.cat(logits), torch.cat(iou)
