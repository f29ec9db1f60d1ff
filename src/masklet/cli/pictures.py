"""One command over several pictures: each is read, segmented and written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import typer

from masklet.cli.inputs import still_keywords
from masklet.cli.job import Lazy, model_entry, post_process
from masklet.cli.options import InputOptions, MaskOptions
from masklet.cli.outputs import make_parent
from masklet.cli.prompts import PromptBook
from masklet.cli.report import document, print_json
from masklet.cli.segment import Segmented, check_output, picture_prompts, segment, write
from masklet.predict.image import ImageSegmenter


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Pictures that share their prompts.

    Attributes:
        pictures: each with its outputs.
        book: the prompts.
        masks: what happens to masks.
        load: gives the model.
        candidates: 1 or 3.
        inputs: what the files leave open.
        overwrite: replace outputs that are there.
        as_json: print one JSON document on stdout instead of lines for people.
        quiet: print nothing but errors.
    """

    pictures: list[tuple[str, list[str]]]
    book: PromptBook
    masks: MaskOptions
    load: Lazy
    candidates: int = 1
    inputs: InputOptions = field(default_factory=InputOptions)
    overwrite: bool = False
    as_json: bool = False
    quiet: bool = False

    def run(self) -> None:
        """Segment every picture; the first that fails ends the command, those before it are written."""
        picture_prompts(self.book)
        for _, outputs in self.pictures:
            for output in outputs:
                check_output(output, overwrite=self.overwrite)
        segmenter = ImageSegmenter(self.load(), postprocess=post_process(self.masks))
        keywords = still_keywords(self.inputs)
        entries = []
        for source, outputs in self.pictures:
            segmented = segment(source, self.book, segmenter, candidates=self.candidates, **keywords)
            files = self._write(segmented, outputs)
            entries.append(_entry(segmented, files))
            if not (self.quiet or self.as_json):
                lines = [f"{source}: {segmented.seconds:.2f} s", *segmented.lines()]
                typer.echo("\n".join([*lines, *(f"  wrote {file}" for file in files)]))
        if self.as_json:
            print_json(document("images", **model_entry(segmenter.model), images=entries))

    def _write(self, segmented: Segmented, outputs: list[str]) -> list[str]:
        files = []
        for output in outputs:
            if len(self.pictures) > 1:
                make_parent(output)
            files += [str(file) for file in write(output, segmented, overwrite=self.overwrite)]
        return files


def _entry(segmented: Segmented, files: list[str]) -> dict[str, Any]:
    return {
        "image": segmented.source,
        "size": list(segmented.picture.shape[:2]),
        "seconds": round(segmented.seconds, 3),
        "outputs": files,
        "objects": segmented.entries(with_masks=False),
    }
