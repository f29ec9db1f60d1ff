"""Features of the frames looked at last."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest
import torch
from jaxtyping import UInt8

from masklet.errors import MediaError
from masklet.io import ArrayVideo
from masklet.model.sam2 import Sam2
from masklet.predict.encoder_prefetch import AHEAD, FEW
from masklet.predict.feature_cache import KEPT, FeatureCache, FrameFeatures, sharing, visiting
from masklet.types import FrameSource, RgbImage

Workers = Callable[[], int]


@torch.inference_mode()
def test_the_last_few_are_kept(tiny: Sam2, clip: UInt8[np.ndarray, "t h w 3"]) -> None:
    cache = FeatureCache(tiny, ArrayVideo(clip))
    first = cache[0]
    for index in range(1, KEPT):
        assert not torch.equal(cache[index].embedding, first.embedding)
    assert cache[0] is first
    assert cache[KEPT] is not None
    assert len(cache) == KEPT
    assert cache[0] is first
    again = cache[1]
    assert len(cache) == KEPT
    assert torch.equal(again.embedding, FeatureCache(tiny, ArrayVideo(clip))[1].embedding)


class Watched(ArrayVideo):
    """Notes which frames are read, and by which thread; one of them cannot be."""

    def __init__(self, frames: UInt8[np.ndarray, "t h w 3"], broken: int = -1) -> None:
        super().__init__(frames)
        self.read: list[int] = []
        self.broken = broken

    def __getitem__(self, index: int) -> RgbImage:
        assert threading.current_thread() is threading.main_thread()
        self.read.append(index)
        if index == self.broken:
            raise MediaError(f"frame {index} is broken")
        return super().__getitem__(index)


@torch.inference_mode()
@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("frames", [range(9), range(8, 2, -1)])
def test_visited_frames_are_encoded_once_and_ahead(
    tiny: Sam2, clip: UInt8[np.ndarray, "t h w 3"], frames: range, workers: Workers
) -> None:
    video = Watched(clip)
    cache = FeatureCache(tiny, video)
    for place, index in enumerate(cache.visiting(frames, 1)):
        with cache.sharing():
            assert cache[index] is cache[index]
            assert video.read[: place + AHEAD + 1] == list(frames[: place + AHEAD + 1])
            assert torch.get_num_threads() == 1
            assert torch.equal(cache[index].embedding, FeatureCache(tiny, ArrayVideo(clip))[index].embedding)
            assert cache[frames[0]] is not None  # an older frame may be asked for at any time
    assert place + 1 == len(frames)
    assert sorted(set(video.read)) == sorted(frames)
    assert len(cache) == KEPT
    assert workers() == 0
    assert torch.get_num_threads() == 2


@torch.inference_mode()
@pytest.mark.usefixtures("two_threads")
def test_a_frame_that_cannot_be_read_fails_when_its_turn_comes(tiny: Sam2, clip: UInt8[np.ndarray, "t h w 3"]) -> None:
    cache = FeatureCache(tiny, Watched(clip, broken=2))
    seen: list[int] = []

    def visit() -> None:
        for index in cache.visiting(range(5), 1):
            assert len(cache[index].embedding) == 1
            seen.append(index)

    with pytest.raises(MediaError, match="frame 2 is broken"):
        visit()
    assert seen == [0, 1]


@pytest.mark.usefixtures("two_threads")
def test_a_pass_that_is_given_up_leaves_nothing(
    tiny: Sam2, clip: UInt8[np.ndarray, "t h w 3"], workers: Workers
) -> None:
    cache = FeatureCache(tiny, Watched(clip))
    frames = cache.visiting(range(5), 1)
    assert next(frames) == 0
    assert workers() == 0  # nobody asked for anything
    assert len(cache[0].embedding) == 1
    assert workers() == 1
    inner = cache.visiting(range(3, 5), 1)  # a pass within a pass has no worker of its own
    assert list(inner) == [3, 4]
    del frames
    assert workers() == 0
    with cache.sharing():
        assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_frames_that_nobody_asks_for_are_not_encoded(tiny: Sam2, clip: UInt8[np.ndarray, "t h w 3"]) -> None:
    video = Watched(clip)
    cache = FeatureCache(tiny, video)
    for index in cache.visiting(range(8), 1):
        if index == 5:
            assert len(cache[index].embedding) == 1
    assert video.read == [5, 6, 7]


@pytest.mark.parametrize("objects", [1, FEW + 1])
def test_without_a_worker_frames_are_read_when_asked_for(
    tiny: Sam2, clip: UInt8[np.ndarray, "t h w 3"], objects: int
) -> None:
    torch.set_num_threads(1 if objects == 1 else 2)
    video = Watched(clip)
    cache = FeatureCache(tiny, video)
    assert list(cache.visiting(range(4), objects)) == [0, 1, 2, 3]
    assert video.read == []
    torch.set_num_threads(1)


def test_features_of_other_makers_pass_through(tiny: Sam2, clip: UInt8[np.ndarray, "t h w 3"]) -> None:
    class Others:
        """As the studio has them."""

        def __init__(self, video: FrameSource) -> None:
            self._cache = FeatureCache(tiny, video)

        def __getitem__(self, frame_index: int) -> object:
            return self._cache[frame_index]

    others: FrameFeatures = Others(ArrayVideo(clip))  # type: ignore[assignment]
    assert list(visiting(others, range(3), 1)) == [0, 1, 2]
    with sharing(others):
        assert torch.get_num_threads() == 1
