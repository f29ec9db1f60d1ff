"""Segment and track objects in images, videos and live streams with SAM 2, an independent implementation.

    import masklet

    model = masklet.load()
    with masklet.open_video("dog.mp4") as video, masklet.open_writer("out.mp4", like=video) as sink:
        session = masklet.VideoSession(model, video)
        session.prompt(0, object_id=1, prompts=masklet.Prompts.click(210, 350))
        for out in session.propagate():
            sink.write(video[out.frame_index], out)

Importing the package is fast: torch and the media libraries are imported on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from masklet.errors import (
    DeviceError,
    FormatError,
    FrameRangeError,
    MaskletError,
    MediaError,
    MissingExtraError,
    OutputError,
    PromptError,
    TaskError,
    UnknownModelError,
    UnknownObjectError,
    WeightsError,
)

if TYPE_CHECKING:
    from masklet.backends.flip_augmented import FlipAugmented
    from masklet.io import ArrayVideo, OverlayWriter, open_video, open_writer, read_image, read_mask
    from masklet.predict.image import EncodedImage, ImageSegmenter
    from masklet.predict.load import load
    from masklet.predict.object_memory import ObjectMemory
    from masklet.predict.postprocess import PostProcess
    from masklet.predict.refine import Refinement
    from masklet.predict.review import frames_to_review
    from masklet.predict.session import VideoSession
    from masklet.predict.stream import StreamTracker
    from masklet.tracking.memory_policy import MemoryPolicy
    from masklet.types import FrameMasks, FrameSource, Masklet, MaskSet, Prompts, Rle

__version__ = "0.1.0"

_LAZY = {
    "ArrayVideo": "masklet.io",
    "EncodedImage": "masklet.predict.image",
    "FrameMasks": "masklet.types",
    "FrameSource": "masklet.types",
    "ImageSegmenter": "masklet.predict.image",
    "MaskSet": "masklet.types",
    "Masklet": "masklet.types",
    "MemoryPolicy": "masklet.tracking.memory_policy",
    "FlipAugmented": "masklet.backends.flip_augmented",
    "ObjectMemory": "masklet.predict.object_memory",
    "OverlayWriter": "masklet.io",
    "PostProcess": "masklet.predict.postprocess",
    "Prompts": "masklet.types",
    "Refinement": "masklet.predict.refine",
    "Rle": "masklet.types",
    "StreamTracker": "masklet.predict.stream",
    "VideoSession": "masklet.predict.session",
    "frames_to_review": "masklet.predict.review",
    "load": "masklet.predict.load",
    "open_video": "masklet.io",
    "open_writer": "masklet.io",
    "read_image": "masklet.io",
    "read_mask": "masklet.io",
}
"""Module of each public name; imported on first access."""

__all__ = [
    "ArrayVideo",
    "DeviceError",
    "EncodedImage",
    "FlipAugmented",
    "FormatError",
    "FrameMasks",
    "FrameRangeError",
    "FrameSource",
    "ImageSegmenter",
    "MaskSet",
    "Masklet",
    "MaskletError",
    "MediaError",
    "MemoryPolicy",
    "MissingExtraError",
    "ObjectMemory",
    "OutputError",
    "OverlayWriter",
    "PostProcess",
    "PromptError",
    "Prompts",
    "Refinement",
    "Rle",
    "StreamTracker",
    "TaskError",
    "UnknownModelError",
    "UnknownObjectError",
    "VideoSession",
    "WeightsError",
    "frames_to_review",
    "load",
    "open_video",
    "open_writer",
    "read_image",
    "read_mask",
]


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module 'masklet' has no attribute {name!r}")
    value = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
