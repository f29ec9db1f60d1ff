"""What the table says about a data set: where it comes from, how it lies on disk, what its reader was tested on."""

from __future__ import annotations

from dataclasses import dataclass

from masklet.io.datasets.layouts import Layout, Split

UNVERIFIED = "**layout unverified**"

AS_CODE_READS = f"{UNVERIFIED}: as public code reads it"


@dataclass(frozen=True, kw_only=True)
class DatasetInfo:
    """A row of the table.

    Attributes:
        name: what `open_dataset` and the command line call it.
        title: what people call it.
        about: one line on what it shows.
        home: its home page.
        license: as its home page states it.
        layout: how it lies on disk, with the reader for it.
        splits: its parts, the usual one first.
        rate: which frames are annotated.
        prompted: which objects are prompted where, in the usual protocol.
        tested: what the reader was tested on.
        source: the page that documents the layout, or `UNVERIFIED` and why.
        zero_shot: one of the 17 zero-shot video sets of the paper.
    """

    name: str
    title: str
    about: str
    home: str
    license: str
    layout: Layout
    splits: tuple[Split, ...] = (Split("val"),)
    rate: str = "all frames"
    prompted: str = "each object on its first frame"
    tested: str = "a miniature"
    source: str = UNVERIFIED
    zero_shot: bool = False
