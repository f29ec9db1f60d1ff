"""The catalog of data sets: the facts, the layout and the splits of each, and the documentation page made of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from masklet.io.datasets.label_maps import FolderVideos
from masklet.io.datasets.layouts import Layout, Split
from masklet.io.datasets.run_lengths import CocoVideos, SavVideos
from masklet.io.datasets.stills import EVERYTHING, CocoInstances, LabelMapImages, Sa1b

UNVERIFIED = "**layout unverified**"
AS_CODE_READS = f"{UNVERIFIED}: as public code reads it"
_CONVERTED = f"{UNVERIFIED}: no page documents the original; convert it to this layout"

_FOLDERS = FolderVideos()


@dataclass(frozen=True, kw_only=True)
class DatasetInfo:
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
        source: the page that documents the layout, or `UNVERIFIED` and why.
        zero_shot: whether it is one of the 17 zero-shot video sets of the paper.
    """

    name: str
    title: str
    about: str
    home: str
    license: str = "see its home page"
    layout: Layout = _FOLDERS
    splits: tuple[Split, ...] = (Split("all"),)
    rate: str = "all frames"
    prompted: str = "each object on its first frame"
    tested: str = "a miniature"
    source: str = AS_CODE_READS
    zero_shot: bool = False


_DAVIS = FolderVideos(
    images="JPEGImages/{quality}{name}",
    labels="Annotations/{quality}{name}",
    bases=("", "DAVIS", "DAVIS/2017/trainval"),
    qualities=("480p/", "Full-Resolution/"),
    listings=("ImageSets/2017/{split}.txt",),
)
_VOS = FolderVideos(images="{split}/JPEGImages/{name}", labels="{split}/Annotations/{name}", meta="{split}/meta.json")
_MOSE = FolderVideos(images="{split}/JPEGImages/{name}", labels="{split}/Annotations/{name}")
_LVOS = FolderVideos(
    images="{split}/JPEGImages/{name}", labels="{split}/Annotations/{name}", meta="{split}/{split}_meta.json"
)
_LVOS_SPLITS = (Split("val", ("val", "valid", "eval")), Split("train"), Split("test", scored=False))
_SAV = FolderVideos(
    images="JPEGImages_24fps/{name}",
    labels="Annotations_6fps/{name}/{object}",
    bases=("", "sav_{split}"),
    listings=("sav_{split}.txt",),
)
_CELLS = FolderVideos(images="{name}", labels="{name}_GT/TRA", names=r"\d\d", levels=1, free_ids=True, stretch=True)

_BENCHMARKS = (
    DatasetInfo(
        name="davis2016",
        title="DAVIS 2016",
        about="50 short videos, one foreground object each",
        home="https://davischallenge.org/davis2016/code.html",
        license="CC BY-NC 4.0 as commonly stated; research",
        layout=FolderVideos(
            images="JPEGImages/{quality}{name}",
            labels="Annotations/{quality}{name}",
            bases=("", "DAVIS", "DAVIS/2017/trainval"),
            qualities=("480p/", "1080p/"),
            listings=("ImageSets/2016/{split}.txt", "ImageSets/480p/{split}.txt"),
            coding="binary",
        ),
        splits=(Split("val"), Split("train"), Split("all", ("all", "trainval"))),
        prompted="the one object on frame 0",
        tested="30 sequences of the real files, made smaller, and a miniature",
        source="the real files",
    ),
    DatasetInfo(
        name="davis2017",
        title="DAVIS 2017",
        about="short videos, one to ten objects each",
        home="https://davischallenge.org/davis2017/code.html",
        license="CC BY-NC 4.0 as commonly stated; research",
        layout=_DAVIS,
        splits=(Split("val"), Split("train"), Split("test-dev", scored=False)),
        prompted="all objects on frame 0",
    ),
    DatasetInfo(
        name="youtube-vos-2018",
        title="YouTube-VOS 2018",
        about="thousands of short videos, 91 categories, some only in the validation split",
        home="https://youtube-vos.org/dataset/vos/",
        license="annotations CC BY 4.0; research, non-commercial",
        layout=_VOS,
        splits=(Split("valid", scored=False), Split("train"), Split("test", scored=False)),
        rate="every 5th frame, which are all that the archive holds",
        source="https://github.com/hkchengrex/Cutie/blob/main/docs/TRAINING.md (the folders; meta.json unverified)",
    ),
    DatasetInfo(
        name="youtube-vos-2019",
        title="YouTube-VOS 2019",
        about="the 2018 set, enlarged and corrected",
        home="https://youtube-vos.org/dataset/vos/",
        license="annotations CC BY 4.0; research, non-commercial",
        layout=_VOS,
        splits=(Split("valid", scored=False), Split("train"), Split("test", scored=False)),
        rate="every 5th frame, which are all that the archive holds",
        source="https://github.com/hkchengrex/Cutie/blob/main/docs/TRAINING.md (the folders; meta.json unverified)",
    ),
    DatasetInfo(
        name="mose",
        title="MOSE v1",
        about="crowded scenes in which objects disappear and come back",
        home="https://henghuiding.github.io/MOSE/",
        license="CC BY-NC-SA 4.0",
        layout=_MOSE,
        splits=(Split("train"), Split("valid", ("valid", "val"), scored=False)),
        source="https://github.com/henghuiding/MOSE-api",
    ),
    DatasetInfo(
        name="mosev2",
        title="MOSE v2",
        about="MOSE with weather, night, several shots, camouflage and longer absences",
        home="https://mose.video",
        license="CC BY-SA 4.0 on its download page; research",
        layout=_MOSE,
        splits=(Split("train"), Split("valid", ("valid", "val"), scored=False)),
        source="https://github.com/henghuiding/MOSE-api",
    ),
    DatasetInfo(
        name="lvos",
        title="LVOS v1",
        about="220 videos of more than a minute",
        home="https://lingyihongfd.github.io/lvos.github.io/",
        license="annotations CC BY 4.0; research, non-commercial",
        layout=_LVOS,
        splits=_LVOS_SPLITS,
        rate="all frames, at 6 a second",
        source="https://github.com/LingyiHongfd/LVOS",
    ),
    DatasetInfo(
        name="lvosv2",
        title="LVOS v2",
        about="720 videos of about a minute",
        home="https://lingyihongfd.github.io/lvos.github.io/",
        license="annotations CC BY 4.0; research, non-commercial",
        layout=_LVOS,
        splits=_LVOS_SPLITS,
        rate="all frames, at 6 a second",
        source="https://github.com/LingyiHongfd/LVOS",
        zero_shot=True,
    ),
    DatasetInfo(
        name="sa-v",
        title="SA-V val and test",
        about="videos by many people in 47 countries; whole objects and parts, which overlap",
        home="https://ai.meta.com/datasets/segment-anything-video/",
        license="CC BY 4.0",
        layout=_SAV,
        splits=(Split("val"), Split("test")),
        rate="every 4th frame (6 of 24 a second)",
        source="https://github.com/facebookresearch/sam2/blob/main/sav_dataset/README.md",
    ),
    DatasetInfo(
        name="sa-v-train",
        title="SA-V train",
        about="50,583 videos with manual masklets, most with automatic ones too",
        home="https://ai.meta.com/datasets/segment-anything-video/",
        license="CC BY 4.0",
        layout=SavVideos(),
        splits=(Split("train", ("manual", "auto")), Split("manual"), Split("auto")),
        rate="every 4th frame (6 of 24 a second)",
        tested="one real annotation file, and a miniature",
        source="https://github.com/facebookresearch/sam2/blob/main/sav_dataset/README.md",
    ),
    DatasetInfo(
        name="ctc",
        title="Cell Tracking Challenge, tracks",
        about="microscope videos of dividing cells; the ids of the tracking truth, whose masks may be mere markers",
        home="https://celltrackingchallenge.net/datasets/",
        license="terms of the challenge",
        layout=_CELLS,
        splits=(Split("train"),),
        source=f"{AS_CODE_READS} (t000.tif, 01_GT/TRA/man_track000.tif)",
    ),
    DatasetInfo(
        name="ctc-seg",
        title="Cell Tracking Challenge, segmentation",
        about="the same videos with full masks on some frames; ids are not linked over time",
        home="https://celltrackingchallenge.net/datasets/",
        license="terms of the challenge",
        layout=FolderVideos(images="{name}", labels="{name}_GT/SEG", names=r"\d\d", free_ids=True, stretch=True),
        splits=(Split("train"),),
        rate="some frames",
        prompted="frame by frame",
        source=f"{AS_CODE_READS} (t000.tif, 01_GT/SEG/man_seg000.tif)",
    ),
    DatasetInfo(
        name="videos",
        title="your own videos",
        about="any folders of images with label maps: palette or gray PNG whose values are object ids",
        home="",
        license="yours",
        rate="any frames",
        source="this page",
    ),
)

_ZERO_SHOT = (
    DatasetInfo(
        name="endovis2018",
        title="EndoVis 2018",
        about="robotic surgery; tools, tissue and thread as classes, a class being an object",
        home="https://endovissub2018-roboticscenesegmentation.grand-challenge.org/",
        license="terms of the challenge",
        layout=FolderVideos(images="{name}/left_frames", labels="{name}/labels", names=r"seq_\d+", coding="colors"),
    ),
    DatasetInfo(
        name="esd",
        title="ESD",
        about="cluttered tables seen by a moving camera",
        home="https://www.nature.com/articles/s41597-024-02920-1",
        source=_CONVERTED,
    ),
    DatasetInfo(
        name="lv-vis",
        title="LV-VIS",
        about="1,196 categories of objects",
        home="https://github.com/haochenheheda/LVVIS",
        layout=CocoVideos(
            annotations=(
                "Annotations/{split}_instances.json",
                "annotations/{split}_instances.json",
                "{split}_instances.json",
            ),
            images=("JPEGImages/{split}", "{split}/JPEGImages", "{split}"),
        ),
        splits=(Split("val"), Split("train")),
        source="https://github.com/haochenheheda/LVVIS",
    ),
    DatasetInfo(
        name="pumavos",
        title="PUMaVOS",
        about="parts of faces, hands and cars as film makers want them",
        home="https://max810.github.io/xmem2-project-page/",
    ),
    DatasetInfo(
        name="uvo",
        title="UVO v1 dense",
        about="every object in videos of human actions; masks may overlap",
        home="https://sites.google.com/view/unidentified-video-object/dataset",
        license="annotations CC BY 4.0; videos of Kinetics",
        layout=CocoVideos(
            annotations=(
                "VideoDenseSet/UVO_video_{split}_dense.json",
                "VideoDenseSet/UVO_video_{split}_dense_with_label.json",
                "annotations/VideoDenseSet/UVO_video_{split}_dense_with_label.json",
            ),
            images=("uvo_videos_dense_frames", "uvo_videos_dense_frames_jpg"),
        ),
        splits=(Split("val"), Split("train")),
        rate="all frames of the annotated three seconds",
    ),
    DatasetInfo(
        name="vipseg",
        title="VIPSeg",
        about="panoptic masks of things and stuff in 124 categories",
        home="https://github.com/VIPSeg-Dataset/VIPSeg-Dataset",
        license="research, non-commercial",
        layout=FolderVideos(
            images="imgs/{name}",
            labels="panomasks/{name}",
            bases=("", "VIPSeg", "VIPSeg_720P"),
            listings=("{split}.txt",),
            free_ids=True,
        ),
        splits=(Split("val"), Split("train"), Split("test", scored=False)),
        rate="5 frames a second, which are all that the archive holds",
    ),
    DatasetInfo(
        name="vkitti2",
        title="Virtual KITTI 2",
        about="rendered street scenes in ten kinds of weather and camera angle; vehicles",
        home="https://europe.naverlabs.com/research/computer-vision/proxy-virtual-worlds-vkitti-2/",
        license="CC BY-NC-SA 3.0 as commonly stated",
        layout=FolderVideos(
            images="{name}/frames/rgb/Camera_0",
            labels="{name}/frames/instanceSegmentation/Camera_0",
            levels=2,
            names=r"Scene\d+/.*",
            free_ids=True,
        ),
    ),
    DatasetInfo(
        name="vost",
        title="VOST",
        about="objects that are cut, broken, torn or molded",
        home="https://www.vostdataset.org/data.html",
        license="CC BY-NC-SA 4.0",
        layout=FolderVideos(listings=("ImageSets/{split}.txt",), void=255, bases=("", "VOST")),
        splits=(Split("val"), Split("train"), Split("test", scored=False)),
        rate="all frames, at 5 a second",
    ),
    DatasetInfo(
        name="cityscapes-vps",
        title="Cityscapes-VPS",
        about="panoptic masks of German streets; a color is an object",
        home="https://github.com/mcahny/vps",
        license="terms of Cityscapes; research, non-commercial",
        layout=FolderVideos(
            images="{split}/img_all/{name}_*",
            labels="{split}/panoptic_video/{name}_*",
            bases=("", "cityscapes_vps"),
            coding="colors",
        ),
        splits=(Split("val"), Split("train")),
        rate="every 5th frame",
        source="https://github.com/mcahny/vps (the folders; file names unverified)",
    ),
    DatasetInfo(
        name="drosophila-heart",
        title="Drosophila heart",
        about="beating hearts of fruit flies under an optical coherence microscope",
        home="https://www.nature.com/articles/s41597-023-02802-y",
        layout=FolderVideos(coding="binary"),
        source=_CONVERTED,
    ),
    DatasetInfo(
        name="ego-exo4d",
        title="Ego-Exo4D correspondence",
        about="one activity seen from the head and from outside; tools and work pieces",
        home="https://docs.ego-exo4d-data.org/annotations/relations/",
        license="licence to be signed",
        rate="1 frame a second",
        source=f"{UNVERIFIED}: the original packs masks with LZString in JSON; convert it to this layout",
    ),
    DatasetInfo(
        name="fbms",
        title="FBMS-59",
        about="moving objects, sparsely annotated",
        home="https://lmb.informatik.uni-freiburg.de/resources/datasets/",
        license="research, non-commercial",
        rate="about every 20th frame",
        source=f"{UNVERIFIED}: the original mixes PGM and PPM with several meanings; convert it to this layout",
    ),
    DatasetInfo(
        name="ht1080wt",
        title="HT1080WT cells",
        about="cancer cells that move through collagen, phase contrast",
        home="https://zenodo.org/records/5979761",
        license="CC BY 4.0",
        layout=FolderVideos(free_ids=True, stretch=True),
        source=_CONVERTED,
    ),
    DatasetInfo(
        name="lindenthal",
        title="Lindenthal camera traps",
        about="animals of a zoo before a camera trap, day and night",
        home="https://arxiv.org/abs/2102.05607",
        rate="about every 10th frame",
        source=_CONVERTED,
    ),
    DatasetInfo(
        name="wildfires",
        title="Wildfires (Corsican Fire Database)",
        about="fires in the open",
        home="https://cfdb.univ-corse.fr/",
        license="licence to be signed",
        layout=FolderVideos(coding="binary"),
        source=_CONVERTED,
    ),
    DatasetInfo(
        name="visor",
        title="EPIC-KITCHENS VISOR",
        about="hands and things in kitchens, seen from the head",
        home="https://epic-kitchens.github.io/VISOR/",
        license="CC BY-NC 4.0",
        layout=FolderVideos(
            images="JPEGImages/{quality}{name}",
            labels="Annotations/{quality}{name}",
            qualities=("480p/", ""),
            bases=("", "VISOR_2022", "VISOR"),
            listings=("ImageSets/2022/{split}.txt",),
        ),
        splits=(Split("val"), Split("train"), Split("val_unseen")),
        rate="key frames, which are all that the archive holds",
        source="https://github.com/epic-kitchens/VISOR-VOS (its converter; the val split with all masks)",
    ),
)

_IMAGES = (
    DatasetInfo(
        name="sa-1b",
        title="SA-1B and its format",
        about="images of everything with about 100 automatic masks each",
        home="https://ai.meta.com/datasets/segment-anything/",
        license="SA-1B Dataset Research License",
        layout=Sa1b(),
        splits=(Split(EVERYTHING), Split("train"), Split("val")),
        rate="",
        prompted="each mask",
        tested="7,347 images in this format, in folders and in shards, and a miniature",
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
        about="whole images cut into regions by several annotators",
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
    ),
    DatasetInfo(
        name="images",
        title="your own images",
        about="any images with label maps of the same names: palette or gray PNG whose values are object ids",
        home="",
        license="yours",
        layout=LabelMapImages(folders=(("images", "labels"), ("images", "masks"), ("JPEGImages", "Annotations"))),
        rate="",
        prompted="each object",
        source="this page",
    ),
)

DATASETS: tuple[DatasetInfo, ...] = (*_BENCHMARKS, *(replace(info, zero_shot=True) for info in _ZERO_SHOT), *_IMAGES)
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
