"""Image features of frames: the last few are cached, and a worker thread encodes the next ones ahead of time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from types import TracebackType
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch

from masklet.backends.protocol import Model
from masklet.model.tensors import ImageFeatures
from masklet.predict.preprocessing import frame_tensor
from masklet.types import FrameSource, RgbImage

PREFETCHED = 2
"""Frames that are encoded ahead of time."""

MAX_IMAGE_SIZE = 512
"""Side of the largest input whose operations are too small to keep all threads busy, so that two at a time pay off."""

MAX_OBJECTS = 1
"""Objects up to which tracking takes about as long as encoding."""

CACHED = 4
"""Frames whose features stay in a `FeatureCache`, for the next click on the same frame."""

T = TypeVar("T")


def prefetch_pays(model: Model) -> bool:
    """Whether an encoder worker makes tracking faster (docs/adr/0017-encoder-worker.md)."""
    on_torch = isinstance(model, torch.nn.Module) and model.device.type == "cpu"
    return on_torch and torch.get_num_threads() > 1 and model.config.image_size <= MAX_IMAGE_SIZE


class EncoderWorker:
    """A worker thread that encodes frames in order, to be used in a ``with`` block; it ends with the block.

    It takes half of torch's threads, and code within `sharing_threads` the other half. The split does not depend on
    time, so that results are the same in every run.

    Args:
        model: the model.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._threads = torch.get_num_threads()
        share = max(self._threads // 2, 1)
        self._pool = ThreadPoolExecutor(1, "masklet-encoder", initializer=torch.set_num_threads, initargs=(share,))

    def encode(self, frame: Future[RgbImage]) -> Future[ImageFeatures]:
        """Submit a frame; an error in the place of the frame is passed on."""
        return self._pool.submit(self._encode, frame)

    @torch.inference_mode()
    def _encode(self, frame: Future[RgbImage]) -> ImageFeatures:
        return encode_frame(self._model, frame.result())

    @contextmanager
    def sharing_threads(self) -> Iterator[None]:
        """Leave the worker its threads while something else is computed here."""
        torch.set_num_threads(max(self._threads - self._threads // 2, 1))
        try:
            yield
        finally:
            torch.set_num_threads(self._threads)

    def __enter__(self) -> EncoderWorker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)


def encode_frame(model: Model, frame: RgbImage) -> ImageFeatures:
    """Encode a video frame, unconditioned."""
    return model.encode_image(frame_tensor(frame, model.config.image_size, model.device))


def completed(call: Callable[[], T]) -> Future[T]:
    """Run a call now and hold its result, or its error, for later."""
    future: Future[T] = Future()
    try:
        future.set_result(call())
    except Exception as error:  # raised where the result is read
        future.set_exception(error)
    return future


def read_frames(frames: Iterable[RgbImage]) -> Iterator[Future[RgbImage]]:
    """Frames held for later; an error that ends them takes the place of a frame."""
    source = iter(frames)
    end: Any = object()
    while True:
        frame = completed(lambda: next(source, end))
        if frame.exception() is None and frame.result() is end:
            return
        yield frame
        if frame.exception() is not None:
            return


@runtime_checkable
class FrameFeatures(Protocol):
    """Features by frame. Sessions on the same video and model may share one (``session.features``)."""

    def __getitem__(self, frame_index: int) -> ImageFeatures:
        """The unconditioned features of a frame."""


class FeatureCache:
    """Unconditioned features of a video's frames, of which the last few are cached.

    Args:
        model: encodes frames.
        video: gives frames by index.
    """

    def __init__(self, model: Model, video: FrameSource) -> None:
        self._model = model
        self._video = video
        self._cached: OrderedDict[int, ImageFeatures] = OrderedDict()
        self._pending: dict[int, Future[ImageFeatures]] = {}
        self._worker: EncoderWorker | None = None
        self._next: Sequence[int] = ()

    def __len__(self) -> int:
        return len(self._cached)

    def __getitem__(self, frame_index: int) -> ImageFeatures:
        if self._worker is not None:
            self._submit(self._worker, (frame_index, *self._next))
        if frame_index not in self._cached:
            pending = self._pending.pop(frame_index, None)
            features = encode_frame(self._model, self._video[frame_index]) if pending is None else pending.result()
            self._cached[frame_index] = features
            if len(self._cached) > CACHED:
                self._cached.popitem(last=False)
        self._cached.move_to_end(frame_index)
        return self._cached[frame_index]

    def prefetching(self, frames: Sequence[int], num_objects: int) -> Iterator[int]:
        """Yield frames one by one; where it pays, the frames after one whose features are read are encoded meanwhile.

        Args:
            frames: in the order in which they are tracked.
            num_objects: how many objects are tracked.
        """
        if num_objects > MAX_OBJECTS or self._worker is not None or not prefetch_pays(self._model):
            yield from frames
            return
        with EncoderWorker(self._model) as worker:
            self._worker = worker
            try:
                for position, frame_index in enumerate(frames, start=1):
                    self._next = frames[position : position + PREFETCHED]
                    yield frame_index
                    self._pending.pop(frame_index, None)  # its features were not read
            finally:
                self._worker, self._next = None, ()
                self._pending.clear()

    def _submit(self, worker: EncoderWorker, frames: Sequence[int]) -> None:
        """Submit frames to the worker. They are read here, because a video may not support reading in two threads."""
        for frame_index in frames:
            if frame_index not in self._cached and frame_index not in self._pending:
                self._pending[frame_index] = worker.encode(completed(partial(self._video.__getitem__, frame_index)))

    def sharing_threads(self) -> AbstractContextManager[None]:
        """See `EncoderWorker.sharing_threads`; does nothing without a worker."""
        return nullcontext() if self._worker is None else self._worker.sharing_threads()


def prefetching(features: FrameFeatures, frames: Sequence[int], num_objects: int) -> Iterator[int]:
    """As `FeatureCache.prefetching`; other features are not prefetched."""
    return features.prefetching(frames, num_objects) if isinstance(features, FeatureCache) else iter(frames)


def sharing_threads(features: FrameFeatures) -> AbstractContextManager[None]:
    """As `FeatureCache.sharing_threads`, for any features."""
    return features.sharing_threads() if isinstance(features, FeatureCache) else nullcontext()
