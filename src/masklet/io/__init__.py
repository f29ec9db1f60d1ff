"""Read videos, images, stacks and streams; read and write results."""

from masklet.io.container import VideoFile, WebVideo
from masklet.io.decoder import RawFormat
from masklet.io.formats.davis import LabelMapWriter, read_label_map, write_label_map
from masklet.io.formats.detections import from_detections, to_detections
from masklet.io.formats.rle_json import RleWriter, read_rle, write_rle
from masklet.io.image_sources import ArrayVideo, FolderVideo, ImageFile
from masklet.io.images import read_mask, write_image
from masklet.io.inputs import open_video, read_image
from masklet.io.intensity import Percentiles
from masklet.io.live import LiveVideo
from masklet.io.outputs import FORMATS, Format, OutputOptions, open_writer, read_result
from masklet.io.overlay import Style, draw_overlay, draw_prompts, draw_style
from masklet.io.palette import PALETTE, color_of
from masklet.io.result_builder import Provenance, Result
from masklet.io.source import Calibration, GeoReference, MediaWarning, RecordedSource
from masklet.io.stack import StackVideo
from masklet.io.video_writer import CutoutWriter, OverlayWriter
from masklet.io.writer import Writer
from masklet.masks.soft import Edge

__all__ = [
    "FORMATS",
    "PALETTE",
    "ArrayVideo",
    "Calibration",
    "CutoutWriter",
    "Edge",
    "FolderVideo",
    "Format",
    "GeoReference",
    "ImageFile",
    "LabelMapWriter",
    "LiveVideo",
    "MediaWarning",
    "OutputOptions",
    "OverlayWriter",
    "Percentiles",
    "Provenance",
    "RawFormat",
    "RecordedSource",
    "Result",
    "RleWriter",
    "StackVideo",
    "Style",
    "VideoFile",
    "WebVideo",
    "Writer",
    "color_of",
    "draw_overlay",
    "draw_prompts",
    "draw_style",
    "from_detections",
    "open_video",
    "open_writer",
    "read_image",
    "read_label_map",
    "read_mask",
    "read_result",
    "read_rle",
    "to_detections",
    "write_image",
    "write_label_map",
    "write_rle",
]
