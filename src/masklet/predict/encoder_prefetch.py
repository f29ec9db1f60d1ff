"""The image encoder beside the tracker: a worker thread sees the next frames while this one is tracked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TypeVar

import torch

from masklet.backends.protocol import Model
from masklet.model.tensors import ImageFeatures
from masklet.predict.preprocessing import frame_tensor
from masklet.types import RgbImage

AHEAD = 2
"""Frames that are seen before their turn."""

SMALL = 512
"""Side of the largest input whose operations are too small to keep all threads busy, so that two at a time pay."""

FEW = 1
"""Objects up to which the tracker has about as much to do as the encoder."""

T = TypeVar("T")


def pays(model: Model) -> bool:
    """Whether a worker for the image encoder makes a tracker faster (docs/adr/0017-encoder-worker.md)."""
    on_torch = isinstance(model, torch.nn.Module) and model.device.type == "cpu"
    return on_torch and torch.get_num_threads() > 1 and model.config.image_size <= SMALL


class SideEncoder:
    """A worker that encodes frames one after the other, to be used in a ``with`` block; it ends with the block.

    It takes half of torch's threads, and those of `sharing` the other half. Which half does what never hangs on time,
    so that results are the same in every run.

    Args:
        model: the model.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._threads = torch.get_num_threads()
        mine = max(self._threads // 2, 1)
        self._pool = ThreadPoolExecutor(1, "masklet-encoder", initializer=torch.set_num_threads, initargs=(mine,))

    def encode(self, frame: Future[RgbImage]) -> Future[ImageFeatures]:
        """What will be seen in a frame; where there is an error in the place of the frame, that error."""
        return self._pool.submit(self._encode, frame)

    @torch.inference_mode()
    def _encode(self, frame: Future[RgbImage]) -> ImageFeatures:
        config = self._model.config
        return self._model.encode_image(frame_tensor(frame.result(), config.image_size, self._model.device))

    @contextmanager
    def sharing(self) -> Iterator[None]:
        """Leave the worker its threads while something else is computed here."""
        torch.set_num_threads(max(self._threads - self._threads // 2, 1))
        try:
            yield
        finally:
            torch.set_num_threads(self._threads)

    def __enter__(self) -> SideEncoder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)


def held(call: Callable[[], T]) -> Future[T]:
    """What a call gives, or its error, for later."""
    future: Future[T] = Future()
    try:
        future.set_result(call())
    except Exception as error:  # raised where the result is asked for
        future.set_exception(error)
    return future


def pulled(frames: Iterable[RgbImage]) -> Iterator[Future[RgbImage]]:
    """Frames for later; an error that ends them comes in its place."""
    source = iter(frames)
    end: Any = object()
    while True:
        frame = held(lambda: next(source, end))
        if frame.exception() is None and frame.result() is end:
            return
        yield frame
        if frame.exception() is not None:
            return
