"""Annotated data sets, for training and evaluation: a table of them, one way to open them, one way to check them."""

from masklet.io.datasets.annotated import (
    ImageDataset,
    ImageSample,
    InstanceMask,
    Problem,
    Truth,
    VideoDataset,
    VideoSequence,
)
from masklet.io.datasets.catalog import DATASETS, DatasetInfo, render_table
from masklet.io.datasets.check import CheckReport, check, contact_sheet
from masklet.io.datasets.layouts import Split
from masklet.io.datasets.opening import dataset_info, open_dataset, open_images, open_videos, recognize

__all__ = [
    "DATASETS",
    "CheckReport",
    "DatasetInfo",
    "ImageDataset",
    "ImageSample",
    "InstanceMask",
    "Problem",
    "Split",
    "Truth",
    "VideoDataset",
    "VideoSequence",
    "check",
    "contact_sheet",
    "dataset_info",
    "open_dataset",
    "open_images",
    "open_videos",
    "recognize",
    "render_table",
]
