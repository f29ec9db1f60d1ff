"""The encoder in a worker: the same features, errors at their place, and no thread or setting left behind."""

from __future__ import annotations

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
from masklet.model.sam2 import Sam2
from masklet.model.tensors import ImageFeatures
from masklet.predict.encoder_prefetch import SMALL, SideEncoder, held, pays, pulled
from masklet.predict.preprocessing import frame_tensor
from masklet.types import RgbImage

Clip = UInt8[np.ndarray, "t h w 3"]
Workers = Callable[[], int]


@pytest.mark.usefixtures("two_threads")
def test_pays_for_small_torch_models_on_processors(tiny: Sam2) -> None:
    assert pays(tiny)
    assert not pays(cast("Model", GraphModel(tiny.config, lambda _graph, _given: [], backend="onnx")))
    large = Sam2.__new__(Sam2)
    torch.nn.Module.__init__(large)
    large.config, large.no_mem_embed = replace(tiny.config, image_size=2 * SMALL), tiny.no_mem_embed
    assert not pays(large)


def test_does_not_pay_on_one_thread(tiny: Sam2) -> None:
    assert not pays(tiny)


@torch.inference_mode()
@pytest.mark.usefixtures("two_threads")
def test_features_are_those_of_the_caller(tiny: Sam2, clip: Clip, workers: Workers) -> None:
    with SideEncoder(tiny) as encoder:
        coming = [encoder.encode(frame) for frame in pulled(clip[:4])]
        with encoder.sharing():
            assert torch.get_num_threads() == 1
            for frame, later in zip(clip, coming, strict=False):
                expected = tiny.encode_image(frame_tensor(frame, tiny.config.image_size, tiny.device))
                for part in ("embedding", "stride8", "stride4"):
                    assert torch.equal(getattr(later.result(), part), getattr(expected, part))
        assert torch.get_num_threads() == 2
        assert workers()
    assert not workers()
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_an_error_takes_the_place_of_its_frame(tiny: Sam2, clip: Clip) -> None:
    def frames() -> Iterator[RgbImage]:
        yield clip[0]
        raise MediaError("frame 1 cannot be decoded")

    with SideEncoder(tiny) as encoder:
        first, second = (encoder.encode(frame) for frame in pulled(frames()))
        assert len(first.result().embedding) == 1
        with pytest.raises(MediaError, match="frame 1 cannot be decoded"):
            second.result()


@pytest.mark.usefixtures("two_threads")
def test_leaving_by_an_error_ends_the_worker(tiny: Sam2, clip: Clip, workers: Workers) -> None:
    coming: list[Future[ImageFeatures]] = []

    def work() -> None:
        with SideEncoder(tiny) as encoder:
            coming.extend(encoder.encode(held(lambda: clip[0])) for _ in range(20))
            with encoder.sharing():
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

    for count, frame in enumerate(pulled(frames()), start=1):
        assert taken == count
        assert frame.result() is not None
    assert taken == 3
