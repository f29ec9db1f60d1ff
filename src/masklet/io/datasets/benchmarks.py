"""Rows of the table: the benchmarks of video object segmentation, cell tracking, and a form for one's own videos."""

from __future__ import annotations

from masklet.io.datasets.folders import FolderVideos
from masklet.io.datasets.info import AS_CODE_READS, DatasetInfo
from masklet.io.datasets.layouts import Split
from masklet.io.datasets.run_lengths import SavVideos

_DAVIS = FolderVideos(
    pictures="JPEGImages/{quality}{name}",
    labels="Annotations/{quality}{name}",
    bases=("", "DAVIS", "DAVIS/2017/trainval"),
    qualities=("480p/", "Full-Resolution/"),
    listings=("ImageSets/2017/{split}.txt",),
)
_VOS = FolderVideos(pictures="{split}/JPEGImages/{name}", labels="{split}/Annotations/{name}", meta="{split}/meta.json")
_MOSE = FolderVideos(pictures="{split}/JPEGImages/{name}", labels="{split}/Annotations/{name}")
_LVOS = FolderVideos(
    pictures="{split}/JPEGImages/{name}", labels="{split}/Annotations/{name}", meta="{split}/{split}_meta.json"
)
_LVOS_SPLITS = (Split("val", ("val", "valid", "eval")), Split("train"), Split("test", scored=False))
_SAV = FolderVideos(
    pictures="JPEGImages_24fps/{name}",
    labels="Annotations_6fps/{name}/{object}",
    bases=("", "sav_{split}"),
    listings=("sav_{split}.txt",),
)
_CELLS = FolderVideos(pictures="{name}", labels="{name}_GT/TRA", names=r"\d\d", levels=1, free_ids=True, stretch=True)

BENCHMARKS = (
    DatasetInfo(
        name="davis2016",
        title="DAVIS 2016",
        about="50 short videos, one foreground object each",
        home="https://davischallenge.org/davis2016/code.html",
        license="CC BY-NC 4.0 as commonly stated; research",
        layout=FolderVideos(
            pictures="JPEGImages/{quality}{name}",
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
        source=AS_CODE_READS,
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
        layout=FolderVideos(pictures="{name}", labels="{name}_GT/SEG", names=r"\d\d", free_ids=True, stretch=True),
        splits=(Split("train"),),
        rate="some frames",
        prompted="frame by frame",
        source=f"{AS_CODE_READS} (t000.tif, 01_GT/SEG/man_seg000.tif)",
    ),
    DatasetInfo(
        name="videos",
        title="your own videos",
        about="any folders of pictures with label maps: palette or gray PNG whose values are object ids",
        home="",
        license="yours",
        layout=FolderVideos(),
        splits=(Split("all"),),
        rate="any frames",
        source="this page",
    ),
)
