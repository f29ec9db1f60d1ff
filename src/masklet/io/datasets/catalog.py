"""The table of data sets, as data and as a page of the documentation."""

from __future__ import annotations

from masklet.io.datasets.benchmarks import BENCHMARKS
from masklet.io.datasets.info import AS_CODE_READS, DatasetInfo
from masklet.io.datasets.layouts import Split
from masklet.io.datasets.shards import EVERYTHING, Sa1b
from masklet.io.datasets.stills import CocoInstances, LabelMapImages
from masklet.io.datasets.zero_shot import ZERO_SHOT

_STILLS = (
    DatasetInfo(
        name="sa-1b",
        title="SA-1B and its form",
        about="pictures of everything with about 100 automatic masks each",
        home="https://ai.meta.com/datasets/segment-anything/",
        license="SA-1B Dataset Research License",
        layout=Sa1b(),
        splits=(Split(EVERYTHING), Split("train"), Split("val")),
        rate="",
        prompted="each mask",
        tested="7,347 pictures in this form, in folders and in shards, and a miniature",
        source="https://github.com/facebookresearch/segment-anything#dataset",
    ),
    DatasetInfo(
        name="coco",
        title="COCO instances",
        about="80 categories of things in everyday scenes",
        home="https://cocodataset.org/#download",
        license="annotations CC BY 4.0; Flickr photos",
        layout=CocoInstances(),
        splits=(Split("val2017", ("val2017", "val")), Split("train2017", ("train2017", "train"))),
        rate="",
        prompted="each mask that is no crowd",
        source="https://github.com/epic-kitchens/VISOR-VOS (the folders)",
    ),
    DatasetInfo(
        name="bsds500",
        title="BSDS500",
        about="whole pictures cut into regions by several annotators",
        home="https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/resources.html",
        license="research, non-commercial",
        layout=LabelMapImages(
            folders=(
                ("images/{split}", "groundTruth/{split}"),
                ("BSDS500/data/images/{split}", "BSDS500/data/groundTruth/{split}"),
                ("data/images/{split}", "data/groundTruth/{split}"),
                ("images/{split}", "labels/{split}"),
            )
        ),
        splits=(Split("val"), Split("train"), Split("test")),
        rate="",
        prompted="each region of each annotator",
        source=AS_CODE_READS,
    ),
    DatasetInfo(
        name="voc",
        title="PASCAL VOC 2012 objects",
        about="20 categories of things, rims marked as void",
        home="http://host.robots.ox.ac.uk/pascal/VOC/voc2012/",
        license="Flickr photos; research",
        layout=LabelMapImages(
            folders=(
                ("JPEGImages", "SegmentationObject"),
                ("VOCdevkit/VOC2012/JPEGImages", "VOCdevkit/VOC2012/SegmentationObject"),
            ),
            listings=(
                "ImageSets/Segmentation/{split}.txt",
                "VOCdevkit/VOC2012/ImageSets/Segmentation/{split}.txt",
            ),
            void=255,
        ),
        splits=(Split("val"), Split("train"), Split("trainval")),
        rate="",
        prompted="each object",
        source=AS_CODE_READS,
    ),
    DatasetInfo(
        name="pictures",
        title="your own pictures",
        about="any pictures with label maps of the same names: palette or gray PNG whose values are object ids",
        home="",
        license="yours",
        layout=LabelMapImages(folders=(("images", "labels"), ("images", "masks"), ("JPEGImages", "Annotations"))),
        splits=(Split("all"),),
        rate="",
        prompted="each object",
        source="this page",
    ),
)

DATASETS: tuple[DatasetInfo, ...] = (*BENCHMARKS, *ZERO_SHOT, *_STILLS)
"""Every data set that `open_dataset` knows."""


def render_table() -> str:
    """The page docs/datasets.md."""
    lines = [
        "# Data sets",
        "",
        "`masklet.io.datasets.open_dataset(NAME, ROOT, split=...)` reads these. Layouts begin at ROOT; capitals",
        "stand for names, and a frame's picture and mask share a number in their names. A page in the last column",
        "documents the layout; **layout unverified** means that we found none, or only code that reads it. A miniature",
        "is a set of that form that the tests make. *z* marks the 17 zero-shot video sets of the paper. Licences are",
        "as home pages or readers state them: check before you use a set. Splits in parentheses hold only the first",
        "mask of each object: a server scores the rest. What a reader goes around (missing files, odd ids, other",
        "sizes) is counted and said; `masklet.io.datasets.check` looks a whole set through.",
        "",
        "| name | what | licence | layout | splits | annotated | prompted | reader tested on | layout documented in |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        *(_row(info) for info in DATASETS),
    ]
    return "\n".join(lines) + "\n"


def _row(info: DatasetInfo) -> str:
    title = f"[{info.title}]({info.home})" if info.home else info.title
    splits = ", ".join(split.name if split.scored else f"({split.name})" for split in info.splits)
    cells = (
        f"`{info.name}`" + (" *z*" if info.zero_shot else ""),
        f"{title}: {info.about}",
        info.license,
        f"`{info.layout.expected(info.splits[0])}`",
        splits,
        info.rate or "",
        info.prompted,
        info.tested,
        info.source,
    )
    return f"| {' | '.join(cells)} |"
