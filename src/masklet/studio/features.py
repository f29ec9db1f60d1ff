"""What the image encoder sees, shared by everybody who works on the same media on one device."""

from __future__ import annotations

from masklet.backends.protocol import Model
from masklet.lru_cache import LruCache
from masklet.model.tensors import ImageFeatures
from masklet.predict.preprocessing import frame_tensor
from masklet.types import FrameSource

LIMIT = 128 * 2**20
LEAST = 16
"""Frames kept however large their features are: several people work between the steps of a propagation."""

SharedFeatures = LruCache[tuple[str, int], ImageFeatures]
"""Features by media and frame."""


def shared_features() -> SharedFeatures:
    """Room for the features of one device."""
    return LruCache(LIMIT, _num_bytes, min_values=LEAST)


class MediaFeatures:
    """The features of one media's frames: a frame is encoded once, whoever asks for it.

    Args:
        model: the model.
        media_id: of the media.
        frames: its frames.
        shared: where they are kept.
    """

    def __init__(self, model: Model, media_id: str, frames: FrameSource, shared: SharedFeatures) -> None:
        self._model, self._media_id, self._frames, self._shared = model, media_id, frames, shared

    def __getitem__(self, frame_index: int) -> ImageFeatures:
        features = self._shared.get((self._media_id, frame_index))
        if features is None:
            pixels = frame_tensor(self._frames[frame_index], self._model.config.image_size, self._model.device)
            features = self._model.encode_image(pixels)
            self._shared.put((self._media_id, frame_index), features)
        return features


def _num_bytes(features: ImageFeatures) -> int:
    return sum(part.nbytes for part in (features.embedding, features.stride8, features.stride4))
