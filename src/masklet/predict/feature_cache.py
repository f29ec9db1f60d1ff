"""Image features of a video's frames: the last few are kept, for the next click on the same frame."""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol, runtime_checkable

from masklet.backends.protocol import Model
from masklet.model.tensors import ImageFeatures
from masklet.predict.pixels import frame_tensor
from masklet.types import FrameSource

KEPT = 4


@runtime_checkable
class FrameFeatures(Protocol):
    """Features by frame; sessions on the same video and model may be given one in common (``session.features``)."""

    def __getitem__(self, frame_index: int) -> ImageFeatures:
        """What the image encoder sees in a frame."""


class FeatureCache:
    """What the image encoder sees in each frame of a video, unconditioned.

    Args:
        model: the model.
        video: gives frames by index.
    """

    def __init__(self, model: Model, video: FrameSource) -> None:
        self._model = model
        self._video = video
        self._kept: OrderedDict[int, ImageFeatures] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def __getitem__(self, frame_index: int) -> ImageFeatures:
        if frame_index not in self._kept:
            pixels = frame_tensor(self._video[frame_index], self._model.config.image_size, self._model.device)
            self._kept[frame_index] = self._model.encode_image(pixels)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(frame_index)
        return self._kept[frame_index]
