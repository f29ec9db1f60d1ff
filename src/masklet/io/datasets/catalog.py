"""The catalog of data sets in ``catalog.toml``: the facts, the layout and the splits of each; and its page in docs."""

from __future__ import annotations

from pathlib import Path

import msgspec

from masklet.io.datasets.label_maps import LabelMapVideos
from masklet.io.datasets.layouts import Split
from masklet.io.datasets.run_lengths import SavVideos, YouTubeVisVideos
from masklet.io.datasets.stills import CocoImages, LabelMapImages, Sa1b

AnyLayout = LabelMapVideos | YouTubeVisVideos | SavVideos | CocoImages | LabelMapImages | Sa1b


class DatasetInfo(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One data set of the catalog.

    Attributes:
        name: the name that `open_dataset` and the command line accept.
        title, about: the published name, and one line on the content.
        license: as its home page states it.
        layout: how the files lie on disk; reads them.
        splits: its parts, the default first.
        rate: which frames are annotated; "" for images.
        prompted: which objects are prompted on which frames in the usual protocol.
        tested: what the reader was tested on.
        source: the page that documents the layout, or why it is unverified.
        zero_shot: whether it is one of the 17 zero-shot video sets of the paper.
    """

    name: str
    title: str
    about: str
    home: str
    license: str = "see its home page"
    layout: AnyLayout = LabelMapVideos()
    splits: tuple[Split, ...] = (Split("all"),)
    rate: str = "all frames"
    prompted: str = "each object on its first frame"
    tested: str = "a miniature"
    source: str = "**layout unverified**: as public code reads it"
    zero_shot: bool = False


class _Catalog(msgspec.Struct):
    dataset: tuple[DatasetInfo, ...]


DATASETS = msgspec.toml.decode(Path(__file__).with_suffix(".toml").read_bytes(), type=_Catalog).dataset
"""Every data set that `open_dataset` knows."""

_PAGE = """\
# Data sets

`masklet.io.datasets.open_dataset(NAME, ROOT, split=...)` reads these data sets.

- Layouts are relative to ROOT. Words in capitals stand for names. The image and the mask of a frame have the same
  number in their file names.
- The last column links the page that documents the layout. **layout unverified**: there is no such page, only code that
  reads the layout.
- A miniature is a tiny data set of the same layout that the tests generate.
- *z* marks the 17 zero-shot video data sets of the SAM 2 paper.
- Licences are quoted from home pages and readers. Check them before you use a data set.
- Splits in parentheses contain only the first mask of each object. A server scores predictions for the rest.
- Missing files, irregular object ids and size mismatches are reported as warnings. `masklet.io.datasets.check` reads a
  whole data set and counts them.

| name | what | licence | layout | splits | annotated | prompted | reader tested on | layout documented in |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""


def render_table() -> str:
    """Return the text of docs/datasets.md."""
    return _PAGE + "".join(map(_row, DATASETS))


def _row(info: DatasetInfo) -> str:
    cells = (
        f"`{info.name}`" + (" *z*" if info.zero_shot else ""),
        f"{f'[{info.title}]({info.home})' if info.home else info.title}: {info.about}",
        info.license,
        f"`{info.layout.expected(info.splits[0])}`",
        ", ".join(split.name if split.scored else f"({split.name})" for split in info.splits),
        info.rate,
        info.prompted,
        info.tested,
        info.source,
    )
    return f"| {' | '.join(cells)} |\n"
