"""`masklet image`: segment objects in images."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

import masklet
from masklet.cli import options
from masklet.cli.app import SEGMENT_PANEL, command
from masklet.cli.options import (
    InputOptions,
    MaskOptions,
    ModelOptions,
    PromptOptions,
    ReportOptions,
    Without,
    input_name,
    is_folder,
    make_parent,
    output_paths,
)
from masklet.cli.report import document, score
from masklet.errors import OutputError, PromptError

if TYPE_CHECKING:
    from masklet.types import MaskSet, ObjectId, Prompts, RgbImage

GAP = 8
"""White pixels between the overlays of several candidates."""

EXAMPLES = """
masklet image cat.jpg --click 320,240

masklet image cat.jpg --box 1:20,30,200,220 --box 2:220,40,400,220 -o cat.json -o masks/

masklet image cat.jpg --click 320,240 --candidates 3 -o candidates.png
"""


@command(examples=EXAMPLES, panel=SEGMENT_PANEL)
def image(
    images: Annotated[list[str], Argument(metavar="IMAGE", help="Images; all get the same prompts.")],
    *,
    prompts: Annotated[PromptOptions, Without("absent")],
    output: options.Outputs = [],  # noqa: B006  typer copies it
    candidates: Annotated[int, Option(help="Masks for each object: 1, or 3 alternatives, best first.")] = 1,
    model: ModelOptions,
    inputs: Annotated[InputOptions, Without("fps", "raw")],
    masks: MaskOptions,
    overwrite: options.Overwrite = False,
    report: ReportOptions,
) -> None:
    """Segment objects in images from clicks, boxes and masks.

    A prompt names its object, as in --click 2:55,80; by default it is for object 1.

    The output format is inferred from the path given with -o: .png, .jpg or .webp is the image with the masks drawn in,
    .json COCO run-length codes with scores, a folder one black and white PNG for each mask. The default is
    NAME-masklet.png in the current folder. Several images need a folder or {name} in the path.
    """
    from masklet.predict.image import ImageSegmenter

    if candidates not in (1, 3):
        raise typer.BadParameter("--candidates must be 1 or 3")
    paths = output_paths(images, output, default="{name}-masklet.png", shared_folder=True)
    prompt_list = prompts.parse()
    by_frame = prompt_list.by_frame(0, masklet.read_mask)
    if later := [frame_index for frame_index in by_frame if frame_index]:
        raise PromptError(f"an image has only frame 0, got a prompt on frame {later[0]}")
    for outputs in paths:
        check_outputs(outputs, overwrite=overwrite)
    segmenter = ImageSegmenter(model.load(), postprocess=masks.post_process())
    arguments = inputs.image_arguments()
    entries = []
    for source, outputs in zip(images, paths, strict=True):
        started = time.perf_counter()
        pixels = masklet.read_image(source, **arguments)
        segmented = SegmentedImage(
            source=source,
            pixels=pixels,
            masks=segment(segmenter, source, pixels, by_frame[0], candidates=candidates),
            names=prompt_list.names,
            model=segmenter.model.config.full_name,
        )
        seconds = time.perf_counter() - started
        if len(images) > 1:
            for path in outputs:
                make_parent(path)
        files = segmented.write(outputs, overwrite=overwrite)
        entries.append(
            {
                "image": source,
                "size": list(pixels.shape[:2]),
                "seconds": round(seconds, 3),
                "outputs": files,
                "objects": segmented.entries(with_masks=False),
            }
        )
        if not report.as_json:
            lines = [f"{source}: {seconds:.2f} s", *segmented.lines(), *(f"  wrote {file}" for file in files)]
            report.show("images", lines)
    if report.as_json:
        report.show("images", (), **options.model_entry(segmenter.model), images=entries)


def segment(
    segmenter: masklet.ImageSegmenter,
    source: str,
    pixels: RgbImage,
    prompts: dict[ObjectId, Prompts],
    *,
    candidates: int,
) -> dict[ObjectId, MaskSet]:
    """Segment the objects of an image; `PromptError` names the object and the image of a prompt outside it."""
    for object_id, prompt in prompts.items():
        try:
            prompt.check_inside((pixels.shape[0], pixels.shape[1]))
        except PromptError as error:
            raise PromptError(f"object {object_id}: {error}: {source}") from None
    encoded = segmenter.encode(pixels)
    found = segmenter.segment(encoded, list(prompts.values()), candidates=3 if candidates == 3 else 1)
    return dict(zip(prompts, found, strict=True))


@dataclass(frozen=True, kw_only=True)
class SegmentedImage:
    """An image with the masks of its objects.

    Attributes:
        source: as given on the command line.
        pixels: of the image.
        masks: by object, best first.
        names: of objects.
        model: name of the model that made the masks.
    """

    source: str
    pixels: RgbImage
    masks: dict[ObjectId, MaskSet]
    names: dict[ObjectId, str]
    model: str

    def entries(self, *, with_masks: bool) -> list[dict[str, Any]]:
        """The objects in JSON; masks as COCO run-length codes, or only their area, box and scores."""
        return [
            {
                "id": object_id,
                "name": self.names.get(object_id, ""),
                "masks": [_mask_entry(masks[row], with_masks=with_masks) for row in range(len(masks))],
            }
            for object_id, masks in self.masks.items()
        ]

    def lines(self) -> list[str]:
        """The objects as text."""
        return [
            f"  object {object_id}: predicted IoU "
            + ", ".join(f"{iou:.2f} ({area} pixels)" for iou, area in zip(m.iou, m.masks.sum(axis=(1, 2)), strict=True))
            for object_id, m in self.masks.items()
        ]

    def write(self, outputs: Sequence[str], *, overwrite: bool) -> list[str]:
        """Write all outputs, each in the format of its path, and return the paths of the files.

        Raises:
            OutputError: a file cannot be written.
        """
        from masklet.io.images import write_image

        written: list[str] = []
        for output in outputs:
            path = Path(output)
            if is_folder(output):
                written += self._write_masks(path, overwrite=overwrite)
                continue
            if path.suffix.lower() == ".json":
                self._write_json(path)
            elif path.exists() and path.samefile(self.source):
                raise OutputError(f"cannot write {path}: it is the input image")
            else:
                write_image(path, self.overlay())
            written.append(str(path))
        return written

    def overlay(self) -> RgbImage:
        """The image with its masks drawn in; several candidates side by side, best first."""
        import numpy as np

        from masklet.io import draw_overlay
        from masklet.types import FrameMasks

        if not self.masks:
            return self.pixels
        panels = []
        for rank in range(max(len(masks) for masks in self.masks.values())):
            drawn = FrameMasks(
                0,
                tuple(self.masks),
                np.stack([masks.masks[rank] for masks in self.masks.values()]),
                np.ones(len(self.masks), np.float32),
                np.array([masks.iou[rank] for masks in self.masks.values()], np.float32),
            )
            panels += [draw_overlay(self.pixels, drawn), np.full((len(self.pixels), GAP, 3), 255, np.uint8)]
        return np.concatenate(panels[:-1], axis=1)

    def _write_masks(self, folder: Path, *, overwrite: bool) -> list[str]:
        """Write ``cat-1.png`` for object 1 of ``cat.jpg``, ``cat-1-2.png`` for its second candidate."""
        from masklet.io.atomic import AtomicOutput, output_errors
        from masklet.io.images import write_image
        from masklet.io.outputs import check_overwrite

        name = input_name(self.source)
        draft = AtomicOutput(folder, folder=True)
        written = []
        try:
            with output_errors(folder):
                for object_id, masks in self.masks.items():
                    for rank, mask in enumerate(masks.masks, start=1):
                        file = f"{name}-{object_id}{f'-{rank}' if len(masks) > 1 else ''}.png"
                        check_overwrite(folder / file, overwrite=overwrite)
                        write_image(draft.path / file, mask)
                        written.append(str(folder / file))
            draft.commit()
        finally:
            draft.discard()
        return written

    def _write_json(self, path: Path) -> None:
        from masklet.io.atomic import write_text

        height, width, _ = self.pixels.shape
        content = document(
            "image",
            image={"file": Path(self.source).name, "size": [height, width]},
            model=self.model,
            objects=self.entries(with_masks=True),
        )
        write_text(path, json.dumps(content, ensure_ascii=False, allow_nan=False))


def check_outputs(outputs: Sequence[str], *, overwrite: bool) -> None:
    """Raise `OutputError` for a path without a format for segmented images, or of a file that exists."""
    from masklet.io.images import WRITE_FORMATS
    from masklet.io.outputs import check_overwrite

    for output in outputs:
        suffix = Path(output).suffix.lower()
        if is_folder(output):
            continue
        if suffix != ".json" and suffix not in WRITE_FORMATS:
            raise OutputError(
                f"cannot write {output}: expected a path with {', '.join([*WRITE_FORMATS, '.json'])}, "
                f"or a folder (no suffix, or a slash at the end), got {suffix!r}"
            )
        check_overwrite(Path(output), overwrite=overwrite)


def _mask_entry(mask: MaskSet, *, with_masks: bool) -> dict[str, Any]:
    """One mask in JSON; its box is (x0, y0, x1, y1), null for an empty mask."""
    from masklet.masks.boxes import boxes_of_masks
    from masklet.types import Rle

    rle = Rle.from_mask(mask.masks[0])
    box = [round(float(edge), 1) for edge in boxes_of_masks(mask.masks)[0]]
    return {
        **({"segmentation": rle.to_coco()} if with_masks else {}),
        "area": rle.area,
        "box": box if rle.area else None,
        "iou": score(float(mask.iou[0])),
        "stability": None if mask.stability is None else score(float(mask.stability[0])),
    }
