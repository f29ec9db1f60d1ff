"""Encoder prefetch and feature cache: the same features, errors in order, and no thread or setting left behind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from typing import cast

import numpy as np
import pytest
import torch
from jaxtyping import UInt8

from masklet.backends.graph_model import GraphModel
from masklet.backends.protocol import Model
from masklet.errors import MediaError
from masklet.io import ArrayVideo
from masklet.model.sam2 import Sam2
from masklet.model.tensors import ImageFeatures
from masklet.predict.encoder_prefetch import (
    CACHED,
    MAX_IMAGE_SIZE,
    MAX_OBJECTS,
    PREFETCHED,
    EncoderWorker,
    FeatureCache,
    FrameFeatures,
    completed,
    prefetch_pays,
    prefetching,
    read_frames,
    sharing_threads,
)
from masklet.predict.preprocessing import frame_tensor
from masklet.types import FrameSource, RgbImage

Clip = UInt8[np.ndarray, "t h w 3"]
Workers = Callable[[], int]


@pytest.mark.usefixtures("two_threads")
def test_pays_for_small_torch_models_on_processors(tiny: Sam2) -> None:
    assert prefetch_pays(tiny)
    assert not prefetch_pays(cast("Model", GraphModel(tiny.config, lambda _graph, _given: [], backend="onnx")))
    large = Sam2.__new__(Sam2)
    torch.nn.Module.__init__(large)
    large.config, large.no_mem_embed = replace(tiny.config, image_size=2 * MAX_IMAGE_SIZE), tiny.no_mem_embed
    assert not prefetch_pays(large)


def test_does_not_pay_on_one_thread(tiny: Sam2) -> None:
    assert not prefetch_pays(tiny)


@torch.inference_mode()
@pytest.mark.usefixtures("two_threads")
def test_features_are_those_of_the_caller(tiny: Sam2, clip: Clip, workers: Workers) -> None:
    with EncoderWorker(tiny) as encoder:
        coming = [encoder.encode(frame) for frame in read_frames(clip[:4])]
        with encoder.sharing_threads():
            assert torch.get_num_threads() == 1
            for frame, later in zip(clip, coming, strict=False):
                expected = tiny.encode_image(frame_tensor(frame, tiny.config.image_size, tiny.device))
                assert all(map(torch.equal, later.result().maps, expected.maps))
        assert torch.get_num_threads() == 2
        assert workers()
    assert not workers()
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_an_error_takes_the_place_of_its_frame(tiny: Sam2, clip: Clip) -> None:
    def frames() -> Iterator[RgbImage]:
        yield clip[0]
        raise MediaError("frame 1 cannot be decoded")

    with EncoderWorker(tiny) as encoder:
        first, second = (encoder.encode(frame) for frame in read_frames(frames()))
        assert len(first.result().embedding) == 1
        with pytest.raises(MediaError, match="frame 1"):
            second.result()


@pytest.mark.usefixtures("two_threads")
def test_leaving_by_an_error_ends_the_worker(tiny: Sam2, clip: Clip, workers: Workers) -> None:
    coming: list[Future[ImageFeatures]] = []

    def work() -> None:
        with EncoderWorker(tiny) as encoder:
            coming.extend(encoder.encode(completed(lambda: clip[0])) for _ in range(20))
            with encoder.sharing_threads():
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert not workers()
    assert coming[-1].cancelled()
    assert torch.get_num_threads() == 2


def test_pulled_takes_one_frame_at_a_time(clip: Clip) -> None:
    taken = 0

    def frames() -> Iterator[RgbImage]:
        nonlocal taken
        for frame in clip[:3]:
            taken += 1
            yield frame

    for count, frame in enumerate(read_frames(frames()), start=1):
        assert taken == count
        assert frame.result() is not None
    assert taken == 3


@torch.inference_mode()
def test_the_last_few_are_kept(tiny: Sam2, clip: UInt8[np.ndarray, "t h w 3"]) -> None:
    cache = FeatureCache(tiny, ArrayVideo(clip))
    first = cache[0]
    for index in range(1, CACHED):
        assert not torch.equal(cache[index].embedding, first.embedding)
    assert cache[0] is first
    assert cache[CACHED] is not None
    assert len(cache) == CACHED
    assert cache[0] is first
    again = cache[1]
    assert len(cache) == CACHED
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
    for place, index in enumerate(cache.prefetching(frames, 1)):
        with cache.sharing_threads():
            assert cache[index] is cache[index]
            assert video.read[: place + PREFETCHED + 1] == list(frames[: place + PREFETCHED + 1])
            assert torch.get_num_threads() == 1
            assert torch.equal(cache[index].embedding, FeatureCache(tiny, ArrayVideo(clip))[index].embedding)
            assert cache[frames[0]] is not None  # an older frame may be asked for at any time
    assert place + 1 == len(frames)
    assert sorted(set(video.read)) == sorted(frames)
    assert len(cache) == CACHED
    assert workers() == 0
    assert torch.get_num_threads() == 2


@torch.inference_mode()
@pytest.mark.usefixtures("two_threads")
def test_a_frame_that_cannot_be_read_fails_when_its_turn_comes(tiny: Sam2, clip: UInt8[np.ndarray, "t h w 3"]) -> None:
    cache = FeatureCache(tiny, Watched(clip, broken=2))
    seen: list[int] = []

    def visit() -> None:
        for index in cache.prefetching(range(5), 1):
            assert len(cache[index].embedding) == 1
            seen.append(index)

    with pytest.raises(MediaError, match="frame 2"):
        visit()
    assert seen == [0, 1]


@pytest.mark.usefixtures("two_threads")
def test_a_pass_that_is_given_up_leaves_nothing(
    tiny: Sam2, clip: UInt8[np.ndarray, "t h w 3"], workers: Workers
) -> None:
    cache = FeatureCache(tiny, Watched(clip))
    frames = cache.prefetching(range(5), 1)
    assert next(frames) == 0
    assert workers() == 0  # nobody asked for anything
    assert len(cache[0].embedding) == 1
    assert workers() == 1
    inner = cache.prefetching(range(3, 5), 1)  # a pass within a pass has no worker of its own
    assert list(inner) == [3, 4]
    del frames
    assert workers() == 0
    with cache.sharing_threads():
        assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_frames_that_nobody_asks_for_are_not_encoded(tiny: Sam2, clip: UInt8[np.ndarray, "t h w 3"]) -> None:
    video = Watched(clip)
    cache = FeatureCache(tiny, video)
    for index in cache.prefetching(range(8), 1):
        if index == 5:
            assert len(cache[index].embedding) == 1
    assert video.read == [5, 6, 7]


@pytest.mark.parametrize("objects", [1, MAX_OBJECTS + 1])
def test_without_a_worker_frames_are_read_when_asked_for(
    tiny: Sam2, clip: UInt8[np.ndarray, "t h w 3"], objects: int
) -> None:
    torch.set_num_threads(1 if objects == 1 else 2)
    video = Watched(clip)
    cache = FeatureCache(tiny, video)
    assert list(cache.prefetching(range(4), objects)) == [0, 1, 2, 3]
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
    assert list(prefetching(others, range(3), 1)) == [0, 1, 2]
    with sharing_threads(others):
        assert torch.get_num_threads() == 1
