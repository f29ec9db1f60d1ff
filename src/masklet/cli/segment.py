"""Segmenting one picture: prompts in, overlay, masks and scores out."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from masklet.cli.outputs import is_folder, name_of
from masklet.cli.prompts import PromptBook
from masklet.cli.report import document, score
from masklet.errors import OutputError, PromptError
from masklet.io import draw_overlay, read_image, read_mask
from masklet.io.atomic import AtomicOutput, output_errors, write_text
from masklet.io.images import WRITE_FORMATS, write_image
from masklet.io.outputs import check_overwrite
from masklet.masks.boxes import boxes_of_masks
from masklet.predict.image import ImageSegmenter
from masklet.types import FrameMasks, MaskSet, ObjectId, Prompts, RgbImage, Rle

GAP = 8
"""Pixels between the pictures of several candidates."""


@dataclass(frozen=True, kw_only=True)
class Segmented:
    """A picture with the masks of its objects, best first.

    Attributes:
        source: the picture as the user named it.
        picture: its pixels.
        masks: by object.
        names: of objects.
        model: that made the masks.
        seconds: for reading, encoding and answering.
    """

    source: str
    picture: RgbImage
    masks: dict[ObjectId, MaskSet]
    names: dict[ObjectId, str]
    model: str
    seconds: float

    def entries(self, *, with_masks: bool) -> list[dict[str, Any]]:
        """The objects as they stand in JSON, with their masks as COCO run-length codes or only what describes them."""
        return [
            {
                "id": object_id,
                "name": self.names.get(object_id, ""),
                "masks": [_mask_entry(masks[row], with_masks=with_masks) for row in range(len(masks))],
            }
            for object_id, masks in self.masks.items()
        ]

    def lines(self) -> list[str]:
        """The objects for people."""
        return [
            f"  object {object_id}: predicted IoU "
            + ", ".join(f"{iou:.2f} ({area} pixels)" for iou, area in zip(m.iou, m.masks.sum(axis=(1, 2)), strict=True))
            for object_id, m in self.masks.items()
        ]


def segment(source: str, book: PromptBook, segmenter: ImageSegmenter, *, candidates: int, **reading: Any) -> Segmented:
    """Read a picture (``reading``: as in `masklet.read_image`) and answer its prompts.

    Raises:
        MediaError: the picture cannot be read.
        PromptError: prompts that do not fit it.
    """
    started = time.perf_counter()
    picture = read_image(source, **reading)
    prompts = picture_prompts(book)
    size = (picture.shape[0], picture.shape[1])
    for object_id, asked in prompts.items():
        try:
            asked.check_inside(size)
        except PromptError as error:
            raise PromptError(f"object {object_id}: {error}: {source}") from None
    image = segmenter.encode(picture)
    answers = segmenter.segment(image, list(prompts.values()), candidates=3 if candidates == 3 else 1)
    return Segmented(
        source=source,
        picture=picture,
        masks=dict(zip(prompts, answers, strict=True)),
        names=book.names,
        model=segmenter.model.config.full_name,
        seconds=time.perf_counter() - started,
    )


def picture_prompts(book: PromptBook) -> dict[ObjectId, Prompts]:
    """The prompts of a picture, which is frame 0.

    Raises:
        PromptError: impossible prompts, or one on another frame.
    """
    prompts = book.at(0, read_mask)
    if later := [frame_index for frame_index in prompts if frame_index]:
        raise PromptError(f"a picture has only frame 0, got a prompt on frame {later[0]}")
    return prompts[0]


def check_output(output: str, *, overwrite: bool = False) -> None:
    """Raise `OutputError` unless the name is of a form that pictures can be segmented to, and free."""
    suffix = Path(output).suffix.lower()
    if not (is_folder(output) or suffix == ".json" or suffix in WRITE_FORMATS):
        raise OutputError(
            f"cannot write {output}: expected a name with {', '.join([*WRITE_FORMATS, '.json'])}, "
            f"or a folder (no suffix, or a slash at the end), got {suffix!r}"
        )
    if not is_folder(output):
        check_overwrite(Path(output), overwrite=overwrite)


def write(output: str, segmented: Segmented, *, overwrite: bool = False) -> list[Path]:
    """Write the form that the name asks for: an overlay picture, JSON, or a folder of black and white masks.

    Raises:
        OutputError: it cannot be written; nothing is left behind.
    """
    path = Path(output)
    if is_folder(output):
        return _write_masks(path, segmented, overwrite=overwrite)
    if path.suffix.lower() == ".json":
        _write_json(path, segmented)
    else:
        if path.exists() and path.samefile(segmented.source):
            raise OutputError(f"cannot write {path}: it is the picture itself")
        write_image(path, overlay(segmented))
    return [path]


def overlay(segmented: Segmented) -> RgbImage:
    """The picture with its masks; several candidates side by side, best first."""
    if not segmented.masks:
        return segmented.picture
    count = max(len(masks) for masks in segmented.masks.values())
    panels = []
    for rank in range(count):
        rows = FrameMasks(
            0,
            tuple(segmented.masks),
            np.stack([masks.masks[rank] for masks in segmented.masks.values()]),
            np.ones(len(segmented.masks), np.float32),
            np.array([masks.iou[rank] for masks in segmented.masks.values()], np.float32),
        )
        panels += [draw_overlay(segmented.picture, rows), np.full((len(segmented.picture), GAP, 3), 255, np.uint8)]
    return np.concatenate(panels[:-1], axis=1)


def _write_masks(folder: Path, segmented: Segmented, *, overwrite: bool) -> list[Path]:
    """``cat-1.png`` for object 1 of ``cat.jpg``, ``cat-1-2.png`` for its second candidate."""
    name = name_of(segmented.source)
    draft = AtomicOutput(folder, folder=True)
    written = []
    try:
        with output_errors(folder):
            for object_id, masks in segmented.masks.items():
                for rank, mask in enumerate(masks.masks, start=1):
                    file = f"{name}-{object_id}{f'-{rank}' if len(masks) > 1 else ''}.png"
                    check_overwrite(folder / file, overwrite=overwrite)
                    write_image(draft.path / file, mask)
                    written.append(folder / file)
        draft.commit()
    finally:
        draft.discard()
    return written


def _write_json(path: Path, segmented: Segmented) -> None:
    height, width, _ = segmented.picture.shape
    content = document(
        "image",
        image={"file": Path(segmented.source).name, "size": [height, width]},
        model=segmented.model,
        objects=segmented.entries(with_masks=True),
    )
    write_text(path, json.dumps(content, ensure_ascii=False, allow_nan=False))


def _mask_entry(mask: MaskSet, *, with_masks: bool) -> dict[str, Any]:
    """One mask; its box is (x0, y0, x1, y1), null for an empty mask."""
    rle = Rle.from_mask(mask.masks[0])
    box = [round(float(edge), 1) for edge in boxes_of_masks(mask.masks)[0]]
    return {
        **({"segmentation": rle.to_coco()} if with_masks else {}),
        "area": rle.area,
        "box": box if rle.area else None,
        "iou": score(float(mask.iou[0])),
        "stability": None if mask.stability is None else score(float(mask.stability[0])),
    }
