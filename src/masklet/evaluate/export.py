"""Predictions as files, in the forms in which benchmarks take them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from PIL import Image

from masklet.errors import OutputError
from masklet.evaluate.predictions import frame_names
from masklet.io import write_label_map
from masklet.io.atomic import AtomicOutput, output_errors
from masklet.io.datasets import VideoSequence
from masklet.types import FrameMasks, ObjectId

ExportForm = Literal["davis", "youtube-vos", "mose", "lvos", "sav"]
"""What `Export` can write."""


@dataclass(frozen=True, kw_only=True)
class Export:
    """Where predictions go, and how.

    ============  ================================================================================
    davis         ``NAME/FRAME.png``, a label map with palette; "mose" and "lvos" take the same
    youtube-vos   ``Annotations/NAME/FRAME.png``, likewise
    sav           ``NAME/OBJECT/FRAME.png``, a mask for each object, which may overlap
    ============  ================================================================================

    Files are called as the frames are, objects as the data set calls them.

    Attributes:
        folder: made where it is missing.
        form: see above.
    """

    folder: Path
    form: ExportForm = "davis"

    def __post_init__(self) -> None:
        if self.form not in get_args(ExportForm):
            raise OutputError(f"predictions can be written as {', '.join(get_args(ExportForm))}, got {self.form!r}")

    def place(self, sequence: str) -> Path:
        """The folder of one sequence."""
        return self.folder / "Annotations" / sequence if self.form == "youtube-vos" else self.folder / sequence

    def passing(self, sequence: VideoSequence, frames: Iterator[FrameMasks]) -> Iterator[FrameMasks]:
        """Write the masks of a sequence as they pass; they are in place when the last one has passed.

        Raises:
            OutputError: they cannot be written; of this sequence nothing new is in place then.
        """
        with sequence.open() as video:
            names = frame_names(video)
        place = self.place(sequence.name)
        folders = self._folders(sequence, place)
        with output_errors(place):
            for folder in folders.values():
                folder.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            drafts = {i: AtomicOutput(folder, folder=True) for i, folder in folders.items()}
            for draft in drafts.values():
                stack.callback(draft.discard)
            for masks in frames:
                for i, draft in drafts.items():
                    _write(draft.path / f"{names[masks.frame_index]}.png", masks, i)
                yield masks
            for draft in drafts.values():
                draft.commit()

    def _folders(self, sequence: VideoSequence, place: Path) -> dict[ObjectId, Path]:
        """The folder of every object; of all objects together under 0."""
        if self.form != "sav":
            return {0: place}
        called = sequence.original_ids
        return {i: place / called.get(i, str(i)) for i in sequence.objects}


def _write(path: Path, masks: FrameMasks, object_id: ObjectId) -> None:
    if not object_id:
        write_label_map(path, masks.label_map())
        return
    height, width = masks.masks.shape[1:]
    mask = Image.new("1", (width, height))
    if object_id in masks.object_ids:
        mask = Image.fromarray(masks[object_id])
    with output_errors(path):
        mask.save(path, format="PNG")
