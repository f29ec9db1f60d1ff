"""Files, videos, streams and formats: pictures in, results out."""

from masklet.io.animation import PictureFile
from masklet.io.array import ArrayVideo
from masklet.io.container import VideoFile
from masklet.io.folder import FolderVideo
from masklet.io.formats.davis import LabelMapWriter, read_label_map, write_label_map
from masklet.io.formats.rle_json import Provenance, RleWriter, read_rle, write_rle
from masklet.io.images import read_image, read_mask, write_image
from masklet.io.live import LiveVideo
from masklet.io.outputs import open_writer
from masklet.io.overlay import draw_overlay, draw_prompts
from masklet.io.palette import PALETTE, color_of
from masklet.io.source import MediaWarning, RecordedSource
from masklet.io.video import open_video
from masklet.io.video_writer import OverlayWriter
from masklet.io.writer import Writer

__all__ = [
    "PALETTE",
    "ArrayVideo",
    "FolderVideo",
    "LabelMapWriter",
    "LiveVideo",
    "MediaWarning",
    "OverlayWriter",
    "PictureFile",
    "Provenance",
    "RecordedSource",
    "RleWriter",
    "VideoFile",
    "Writer",
    "color_of",
    "draw_overlay",
    "draw_prompts",
    "open_video",
    "open_writer",
    "read_image",
    "read_label_map",
    "read_mask",
    "read_rle",
    "write_image",
    "write_label_map",
    "write_rle",
]
