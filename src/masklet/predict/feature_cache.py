"""Image features of a video's frames: the last few are kept, for the next click on the same frame."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Protocol, runtime_checkable

from masklet.backends.protocol import Model
from masklet.model.tensors import ImageFeatures
from masklet.predict.encoder_prefetch import AHEAD, FEW, SideEncoder, held, pays
from masklet.predict.preprocessing import frame_tensor
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
        self._coming: dict[int, Future[ImageFeatures]] = {}
        self._encoder: SideEncoder | None = None
        self._following: Sequence[int] = ()

    def __len__(self) -> int:
        return len(self._kept)

    def __getitem__(self, frame_index: int) -> ImageFeatures:
        if self._encoder is not None:
            self._send(self._encoder, (frame_index, *self._following))
        if frame_index not in self._kept:
            coming = self._coming.pop(frame_index, None)
            self._kept[frame_index] = self._encoded(frame_index) if coming is None else coming.result()
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(frame_index)
        return self._kept[frame_index]

    def _encoded(self, frame_index: int) -> ImageFeatures:
        pixels = frame_tensor(self._video[frame_index], self._model.config.image_size, self._model.device)
        return self._model.encode_image(pixels)

    def visiting(self, frames: Sequence[int], objects: int) -> Iterator[int]:
        """The frames one by one; where it pays, those after a frame that is asked for are encoded meanwhile.

        Args:
            frames: in the order in which they are tracked.
            objects: how many are tracked.
        """
        if objects > FEW or self._encoder is not None or not pays(self._model):
            yield from frames
            return
        with SideEncoder(self._model) as encoder:
            self._encoder = encoder
            try:
                for place, frame_index in enumerate(frames, start=1):
                    self._following = frames[place : place + AHEAD]
                    yield frame_index
                    self._coming.pop(frame_index, None)  # nobody asked for it
            finally:
                self._encoder, self._following = None, ()
                self._coming.clear()

    def _send(self, encoder: SideEncoder, frames: Sequence[int]) -> None:
        """Let frames be encoded. They are read here: nobody knows whether the video bears to be read by two threads."""
        for frame_index in frames:
            if frame_index not in self._kept and frame_index not in self._coming:
                self._coming[frame_index] = encoder.encode(held(partial(self._video.__getitem__, frame_index)))

    def sharing(self) -> AbstractContextManager[None]:
        """While something is computed within, the encoder keeps the threads that are its own."""
        return nullcontext() if self._encoder is None else self._encoder.sharing()


def visiting(features: FrameFeatures, frames: Sequence[int], objects: int) -> Iterator[int]:
    """As `FeatureCache.visiting`, for any features."""
    return features.visiting(frames, objects) if isinstance(features, FeatureCache) else iter(frames)


def sharing(features: FrameFeatures) -> AbstractContextManager[None]:
    """As `FeatureCache.sharing`, for any features."""
    return features.sharing() if isinstance(features, FeatureCache) else nullcontext()
