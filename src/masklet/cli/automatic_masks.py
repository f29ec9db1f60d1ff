"""`masklet automatic-masks`: segment everything in an image or a video, without prompts."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

import masklet
from masklet.cli import options
from masklet.cli.app import SEGMENT_PANEL, command
from masklet.cli.image import SegmentedImage, check_outputs
from masklet.cli.options import ModelOptions, ReportOptions, Without, output_paths
from masklet.cli.report import Progress, interruptible, score
from masklet.errors import MediaError

if TYPE_CHECKING:
    from masklet.io import RecordedSource, Writer
    from masklet.predict.automatic_masklets import EverythingSettings
    from masklet.predict.automatic_masks import AutomaticMasker, Filtered
    from masklet.types import Masklet

MAX_OBJECTS = 64
"""In a video, where each object takes time on every frame."""

EXAMPLES = """
masklet automatic-masks street.jpg

masklet automatic-masks cells.png --preset small --min-area 20 -o cells.json -o masks/

masklet automatic-masks dog.mp4 --max-objects 20 -o dog.sav.json
"""


@command(examples=EXAMPLES, panel=SEGMENT_PANEL)
def automatic_masks(
    source: Annotated[str, Argument(metavar="IMAGE|VIDEO", help="Image, video or image folder.")],
    *,
    output: options.Outputs = [],  # noqa: B006  typer copies it
    preset: options.PresetName = "default",
    max_objects: Annotated[
        int | None, Option(min=1, help="Largest number of objects, best first.", show_default="all; 64 in a video")
    ] = None,
    min_area: Annotated[
        int, Option(min=0, metavar="PIXELS", help="Remove separate regions and fill holes up to this area.")
    ] = 0,
    every: Annotated[int, Option(min=1, metavar="FRAMES", help="Frames between two key frames of a video.")] = 30,
    model: Annotated[ModelOptions, Without("tta")],
    overwrite: options.Overwrite = False,
    report: ReportOptions,
) -> None:
    """Generate masks of everything in an image, or masklets of everything in a video (automatic mask generation).

    An image is prompted with a grid of clicks (--preset fast: 16 x 16, default: 32 x 32; dense and small add crops) and
    the masks are filtered by predicted IoU, stability and overlap; the output counts what each filter removed. In a
    video this is done on key frames; objects that are new there are tracked forward to the end and backward to where
    they first appear.

    The output format is inferred from the path given with -o, as in masklet image and masklet track. The default is
    NAME-automatic.png or NAME-automatic.mp4 in the current folder.
    """
    from masklet.io import LiveVideo
    from masklet.io.images import IMAGE_SUFFIXES
    from masklet.predict.automatic_masklets import EverythingSettings
    from masklet.predict.automatic_masks import AutomaticMasker, settings_for

    preset_name = options.preset_named(preset)
    is_image = Path(source).suffix.lower() in IMAGE_SUFFIXES and not Path(source).is_dir()
    default = "{name}-automatic" + (".png" if is_image else ".mp4")
    (outputs,) = output_paths([source], output, default=default)

    def load_masker() -> AutomaticMasker:
        loaded = model.load()
        return AutomaticMasker(loaded, replace(settings_for(loaded, preset_name), min_area=min_area))

    if is_image:
        check_outputs(outputs, overwrite=overwrite)
        masker = load_masker()
        (line, *more), content = _segment_image(source, outputs, masker, max_objects, overwrite=overwrite)
    else:
        with masklet.open_video(source) as video, ExitStack() as stack:
            if isinstance(video, LiveVideo):
                raise MediaError(f"{video.name} is live: automatic masks need a recorded video")
            writers = [
                stack.enter_context(masklet.open_writer(path, like=video, overwrite=overwrite)) for path in outputs
            ]
            settings = EverythingSettings(every=every, max_objects=max_objects or MAX_OBJECTS)
            masker = load_masker()
            (line, *more), content = _track_video(source, video, writers, masker, settings, quiet=report.prints_no_text)
            content["outputs"] = outputs
    wrote = [f"  wrote {path}" for path in content["outputs"]]
    lines = [line, f"  {filter_summary(masker.filtered)}", *more, *wrote]
    about = {**options.model_entry(masker.model), "candidates": asdict(masker.filtered)}
    report.show("automatic-masks", lines, **about, **content)


def _segment_image(
    source: str, outputs: list[str], masker: AutomaticMasker, max_objects: int | None, *, overwrite: bool
) -> tuple[list[str], dict[str, Any]]:
    """Generate and write the masks of an image; return the report as text and as JSON."""
    import numpy as np

    from masklet.masks.rle import decode_masks
    from masklet.types import MaskSet

    started = time.perf_counter()
    pixels = masklet.read_image(source)
    proposals = masker.propose(pixels)
    found = proposals[list(range(len(proposals)))[:max_objects]]
    masks = decode_masks(found.masks) if found.masks else np.zeros((0, *pixels.shape[:2]), bool)
    segmented = SegmentedImage(
        source=source,
        pixels=pixels,
        masks={
            row + 1: MaskSet(masks=masks[[row]], iou=found.iou[[row]], stability=found.stability[[row]])
            for row in range(len(found))
        },
        names={},
        model=masker.model.config.full_name,
    )
    seconds = time.perf_counter() - started
    return [f"{source}: {len(found)} masks, {seconds:.1f} s"], {
        "image": source,
        "size": list(pixels.shape[:2]),
        "seconds": round(seconds, 3),
        "outputs": segmented.write(outputs, overwrite=overwrite),
        "objects": segmented.entries(with_masks=False),
    }


def _track_video(
    source: str,
    video: RecordedSource,
    writers: list[Writer],
    masker: AutomaticMasker,
    settings: EverythingSettings,
    *,
    quiet: bool,
) -> tuple[list[str], dict[str, Any]]:
    """Generate and write the masklets of a video; return the report as text and as JSON."""
    from masklet.io import Provenance, Result
    from masklet.predict.automatic_masklets import track_everything

    started = time.perf_counter()
    for writer in writers:
        writer.provenance = Provenance(source="automatic", model=masker.model.config.full_name)
    with interruptible() as interrupt, ExitStack() as stack:
        shown: dict[str, Progress] = {}

        def update(step: str, done: int, total: int) -> None:
            if step not in shown:
                shown[step] = stack.enter_context(Progress(f"{source} ({step})", total, quiet=quiet))
            shown[step].update(done)

        masklets = track_everything(
            masker.model, video, settings, proposals=masker, progress=update, cancel=interrupt.is_set
        )
    for result in Result(masklets=masklets, size=video.size, num_frames=len(video)):
        image = video[result.frame_index]
        for writer in writers:
            writer.write(image, result)
    seconds = time.perf_counter() - started
    objects = [_entry(one) for one in masklets.values()]
    lines = [
        f"{source}: {len(masklets)} masklets, {len(video)} frames, {seconds:.1f} s",
        *(f"  object {o['id']}: {o['frames']} frames from {o['first']} to {o['last']}" for o in objects if o["frames"]),
    ]
    return lines, {
        "video": source,
        "size": list(video.size),
        "frames": len(video),
        "seconds": round(seconds, 3),
        "objects": objects,
    }


def filter_summary(filtered: Filtered) -> str:
    """Format how many candidates each filter removed: "768 candidates: 700 low predicted IoU, 68 kept"."""
    names = {
        "low_iou": "low predicted IoU",
        "unstable": "unstable",
        "background": "empty or background",
        "cut_off": "cut off by a crop",
        "double": "duplicate",
        "small": "small",
    }
    removed = [f"{count} {names[key]}" for key, count in asdict(filtered).items() if key in names and count]
    return f"{filtered.candidates} candidates: {', '.join([*removed, f'{filtered.kept} kept'])}"


def _entry(one: Masklet) -> dict[str, Any]:
    import numpy as np

    from masklet.predict.automatic_masklets import visible

    seen = sorted(visible(one))
    return {
        "id": one.object_id,
        "frames": len(seen),
        "first": seen[0] if seen else None,
        "last": seen[-1] if seen else None,
        "iou": score(float(np.mean([one.iou[i] for i in seen]))) if seen else None,
    }
