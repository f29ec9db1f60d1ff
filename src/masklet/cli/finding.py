"""What `masklet everything` does: search a picture or a video, write what was found, tell about it."""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import typer

from masklet.backends.protocol import Model
from masklet.cli.job import Lazy, model_entry
from masklet.cli.outputs import targets
from masklet.cli.progress import Advance, interruptible, progress
from masklet.cli.report import document, print_json, score
from masklet.cli.segment import Segmented, check_output, write
from masklet.errors import FormatError, MediaError
from masklet.io import open_video, open_writer, read_image
from masklet.io.images import IMAGE_SUFFIXES
from masklet.io.live import LiveVideo
from masklet.io.result_builder import Provenance
from masklet.io.source import RecordedSource
from masklet.masks.rle import decode_masks
from masklet.predict.automatic_masklets import EverythingSettings, track_everything, visible
from masklet.predict.automatic_masks import LAYERS, AutomaticMasker, AutomaticSettings, Filtered, Preset, settings_for
from masklet.types import FrameMasks, Masklet, MaskSet, ObjectId

MAX_OBJECTS = 64
"""In a video, where each object costs time on every frame."""


def preset_named(name: str) -> Preset:
    """The preset of that name; `FormatError` for another, with the nearest."""
    for preset in LAYERS:
        if preset == name:
            return preset
    near = difflib.get_close_matches(name, LAYERS, 1)
    raise FormatError(f"expected --preset {', '.join(LAYERS)}, got {name!r}{f': {near[0]}?' if near else ''}")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One search.

    Attributes:
        source: picture or video as the user named it.
        outputs: where results go.
        preset: how closely to look.
        max_objects: kept at most, or None for all (in a video `MAX_OBJECTS`).
        min_area: pieces and holes up to this area are cleaned away.
        every: frames between two key frames.
        load: gives the model.
        overwrite: replace outputs that are there.
        as_json: print one JSON document on stdout instead of lines for people.
        quiet: print nothing but errors.
    """

    source: str
    outputs: list[str]
    preset: Preset
    max_objects: int | None
    min_area: int
    every: int
    load: Lazy
    overwrite: bool = False
    as_json: bool = False
    quiet: bool = False

    def run(self) -> None:
        """Search, write and tell."""
        path = Path(self.source)
        still = path.suffix.lower() in IMAGE_SUFFIXES and not path.is_dir()
        (outputs,) = targets([self.source], self.outputs, default="{name}-everything" + (".png" if still else ".mp4"))
        told = self._picture(outputs) if still else self._video(outputs)
        if self.as_json:
            print_json(told)

    def _settings(self, model: Model) -> AutomaticSettings:
        return replace(settings_for(model, self.preset), min_area=self.min_area)

    def _picture(self, outputs: list[str]) -> dict[str, Any]:
        for output in outputs:
            check_output(output, overwrite=self.overwrite)
        model, started = self.load(), time.perf_counter()
        pixels = read_image(self.source)
        everything = AutomaticMasker(model, self._settings(model)).propose(pixels)
        found = everything[list(range(len(everything)))[: self.max_objects]]
        masks = decode_masks(found.masks) if found.masks else np.zeros((0, *pixels.shape[:2]), bool)
        segmented = Segmented(
            source=self.source,
            picture=pixels,
            masks={
                row + 1: MaskSet(masks=masks[[row]], iou=found.iou[[row]], stability=found.stability[[row]])
                for row in range(len(found))
            },
            names={},
            model=model.config.full_name,
            seconds=time.perf_counter() - started,
        )
        files = [str(file) for output in outputs for file in write(output, segmented, overwrite=self.overwrite)]
        if not (self.quiet or self.as_json):
            lines = [f"{self.source}: {len(found)} masks, {segmented.seconds:.1f} s", f"  {fate(found.filtered)}"]
            typer.echo("\n".join([*lines, *(f"  wrote {file}" for file in files)]))
        return document(
            "everything",
            **model_entry(model),
            image=self.source,
            size=list(pixels.shape[:2]),
            seconds=round(segmented.seconds, 3),
            candidates=asdict(found.filtered),
            outputs=files,
            objects=segmented.entries(with_masks=False),
        )

    def _video(self, outputs: list[str]) -> dict[str, Any]:
        with open_video(self.source) as video, ExitStack() as stack:
            if isinstance(video, LiveVideo):
                raise MediaError(f"{video.name} is live: everything needs a recorded video")
            told = Provenance(source="automatic", model="")
            sinks = [
                stack.enter_context(open_writer(output, like=video, provenance=told, overwrite=self.overwrite))
                for output in outputs
            ]
            model, started = self.load(), time.perf_counter()
            for sink in sinks:
                sink.provenance = replace(told, model=model.config.full_name)
            masker = AutomaticMasker(model, self._settings(model))
            masklets = self._tracked(masker, video)
            for out in frames_of(masklets, video):
                picture = video[out.frame_index]
                for sink in sinks:
                    sink.write(picture, out)
            seconds = time.perf_counter() - started
            count, size = len(video), list(video.size)
        if not (self.quiet or self.as_json):
            typer.echo(
                "\n".join(
                    [
                        f"{self.source}: {len(masklets)} masklets, {count} frames, {seconds:.1f} s",
                        f"  {fate(masker.filtered)}",
                        *lines_of(masklets),
                        *(f"  wrote {o}" for o in outputs),
                    ]
                )
            )
        return document(
            "everything",
            **model_entry(model),
            video=self.source,
            size=size,
            frames=count,
            seconds=round(seconds, 3),
            candidates=asdict(masker.filtered),
            outputs=outputs,
            objects=[_entry(masklet) for masklet in masklets.values()],
        )

    def _tracked(self, masker: AutomaticMasker, video: RecordedSource) -> dict[ObjectId, Masklet]:
        with interruptible() as interrupt, ExitStack() as bars:
            shown: dict[str, tuple[Advance, int]] = {}

            def tell(what: str, done: int, total: int) -> None:
                label = f"{self.source} ({what})"
                advance, before = shown.get(what) or (
                    bars.enter_context(progress(label, total, quiet=self.quiet or self.as_json)),
                    0,
                )
                for _ in range(done - before):
                    advance()
                shown[what] = (advance, max(done, before))

            settings = EverythingSettings(every=self.every, max_objects=self.max_objects or MAX_OBJECTS)
            return track_everything(
                masker.model, video, settings, proposals=masker, progress=tell, cancel=lambda: bool(interrupt)
            )


def frames_of(masklets: dict[ObjectId, Masklet], video: RecordedSource) -> Iterator[FrameMasks]:
    """Every frame of a video with the masklets it shows."""
    height, width = video.size
    for index in range(len(video)):
        here = {i: masklet for i, masklet in masklets.items() if index in masklet.frames}
        yield FrameMasks(
            index,
            tuple(here),
            decode_masks([m.frames[index] for m in here.values()]) if here else np.zeros((0, height, width), bool),
            np.array([m.presence[index] for m in here.values()], np.float32),
            np.array([m.iou[index] for m in here.values()], np.float32),
        )


def fate(filtered: Filtered) -> str:
    """What became of the candidates, for people."""
    names = {
        "low_iou": "low predicted IoU",
        "unstable": "unstable",
        "background": "empty or background",
        "cut_off": "cut off by a crop",
        "double": "double",
        "small": "small",
    }
    taken = [f"{count} {names[key]}" for key, count in asdict(filtered).items() if key in names and count]
    return f"{filtered.candidates} candidates: {', '.join([*taken, f'{filtered.kept} kept'])}"


def lines_of(masklets: dict[ObjectId, Masklet]) -> list[str]:
    """The masklets for people."""
    return [
        f"  object {i}: {len(seen)} frames from {min(seen)} to {max(seen)}"
        for i, m in masklets.items()
        if (seen := visible(m))
    ]


def _entry(masklet: Masklet) -> dict[str, Any]:
    seen = sorted(visible(masklet))
    return {
        "id": masklet.object_id,
        "frames": len(seen),
        "first": seen[0] if seen else None,
        "last": seen[-1] if seen else None,
        "iou": score(float(np.mean([masklet.iou[i] for i in seen]))) if seen else None,
    }
