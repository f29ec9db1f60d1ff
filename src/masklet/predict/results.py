"""Results of a recorded session: one value for each frame of an object, and the store that holds them.

A `ResultStore` keeps masks and scores for `VideoSession.masks`, and the low-resolution logits that corrections start
from. `InMemoryResults` keeps masks as run-length codes, and logits in memory up to a limit and in a temporary file
beyond it. The studio's store reads its database.
"""

from __future__ import annotations

import tempfile
import weakref
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import IO, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

from masklet.errors import OutputError, PromptError
from masklet.model.config import ModelConfig
from masklet.types import FrameMasks, ObjectId, Prompts, Rle, Size

MEMORY_LIMIT = 256 * 2**20
"""Bytes of logits kept in memory."""

Key = tuple[ObjectId, int]
"""(object, frame index)."""

Logits = Float32[np.ndarray, "s s"]


@dataclass(frozen=True, slots=True)
class FrameResult:
    """The result of one object on one frame.

    Attributes:
        mask: at the size of the video.
        presence: probability that the object is visible, 0 to 1.
        iou: predicted IoU of the mask, 0 to 1.
        confidence: probability that the mask is right, 0 to 1, or None where it was not computed.
    """

    mask: Rle
    presence: float
    iou: float
    confidence: float | None = None


def frame_results(masks: FrameMasks) -> dict[ObjectId, FrameResult]:
    """The results of one frame by object."""
    confidence = [None] * len(masks) if masks.confidence is None else masks.confidence.tolist()
    rows = zip(masks.object_ids, masks.masks, masks.presence.tolist(), masks.iou.tolist(), confidence, strict=True)
    return {i: FrameResult(Rle.from_mask(mask), *scores) for i, mask, *scores in rows}


@dataclass(frozen=True, eq=False, kw_only=True)
class FrameState:
    """Everything a session knows of one object on one frame, as plain values that can be saved and restored.

    Attributes:
        result: mask and scores.
        prompts: all prompts of the object on this frame, or None.
        reverse: whether the pass that went through this frame ran in reverse; None where no pass did.
        object_score: logit of the presence head.
        pointer: object pointer of the frame's memory, or None where a correction has invalidated the memory.
        logits: mask logits at a quarter of the model's input size; only of prompted frames.
        refines_mask: whether the prompts are clicks that refine a mask given before them.
    """

    result: FrameResult
    prompts: Prompts | None = None
    reverse: bool | None = None
    object_score: float = 0.0
    pointer: Float32[np.ndarray, " c"] | None = None
    logits: Logits | None = None
    refines_mask: bool = False

    def check(self, size: Size, config: ModelConfig) -> None:
        """Check that the mask has ``size`` (height, width), and that logits and pointer fit the model.

        Raises:
            PromptError: they do not.
        """
        side, width = config.image_size // 4, config.embed_dim
        if self.result.mask.size != size:
            raise PromptError(f"expected a mask of size {size} (height, width), got {self.result.mask.size}")
        if self.logits is not None and self.logits.shape != (side, side):
            raise PromptError(f"expected logits of shape {(side, side)}, got {self.logits.shape}: another model's?")
        if self.pointer is not None and self.pointer.shape != (width,):
            raise PromptError(f"expected a pointer of {width} numbers, got {self.pointer.size}: another model's?")
        if self.prompts is not None:
            self.prompts.check_inside(size)
            if self.pointer is None and not self.prompts.is_absent:
                raise PromptError("expected the pointer of a prompted frame, got none")


@runtime_checkable
class ResultStore(Protocol):
    """Keeps the results of a session by object and frame."""

    def put(self, object_id: ObjectId, frame_index: int, result: FrameResult) -> None:
        """Keep a result, in place of an earlier one."""
        ...

    def get(self, object_id: ObjectId, frame_index: int) -> FrameResult | None:
        """The result of a frame, or None."""
        ...

    def drop(self, object_id: ObjectId, frame_index: int) -> None:
        """Remove a result and its logits, if they are there."""
        ...

    def frames(self, object_id: ObjectId) -> Collection[int]:
        """The frames of an object that have a result."""
        ...

    def put_logits(self, logits: Mapping[Key, Logits]) -> None:
        """Keep mask logits, in place of earlier ones.

        Raises:
            OutputError: there is no room. Nothing has changed then.
        """
        ...

    def get_logits(self, object_id: ObjectId, frame_index: int) -> Logits | None:
        """The mask logits of a frame, or None where only the mask is known."""
        ...

    def drop_logits(self, object_id: ObjectId, frame_index: int) -> None:
        """Remove logits that no longer belong to the result, if they are there."""
        ...

    def load_near(
        self, frame_index: int, object_ids: Collection[ObjectId]
    ) -> Mapping[ObjectId, Mapping[int, FrameState]]:
        """States around a frame that a session needs before it tracks or answers there and does not hold yet.

        For stores with results from elsewhere, such as a database; a store must return each state once.
        """
        ...


class InMemoryResults:
    """Results in memory; logits beyond a limit go to a temporary file, which has no name and ends with the store.

    Args:
        memory_limit: bytes of logits kept in memory before the oldest go to the file.
    """

    def __init__(self, memory_limit: int = MEMORY_LIMIT) -> None:
        self._results: dict[ObjectId, dict[int, FrameResult]] = {}
        self._logits = LogitFile(memory_limit)

    def put(self, object_id: ObjectId, frame_index: int, result: FrameResult) -> None:
        """See `ResultStore.put`."""
        self._results.setdefault(object_id, {})[frame_index] = result

    def get(self, object_id: ObjectId, frame_index: int) -> FrameResult | None:
        """See `ResultStore.get`."""
        return self._results.get(object_id, {}).get(frame_index)

    def drop(self, object_id: ObjectId, frame_index: int) -> None:
        """See `ResultStore.drop`."""
        self._results.get(object_id, {}).pop(frame_index, None)
        self.drop_logits(object_id, frame_index)

    def frames(self, object_id: ObjectId) -> Collection[int]:
        """See `ResultStore.frames`."""
        return self._results.get(object_id, {}).keys()

    def put_logits(self, logits: Mapping[Key, Logits]) -> None:
        """See `ResultStore.put_logits`."""
        self._logits.put(logits)

    def get_logits(self, object_id: ObjectId, frame_index: int) -> Logits | None:
        """See `ResultStore.get_logits`."""
        return self._logits.get((object_id, frame_index))

    def drop_logits(self, object_id: ObjectId, frame_index: int) -> None:
        """See `ResultStore.drop_logits`."""
        self._logits.drop((object_id, frame_index))

    def load_near(
        self, frame_index: int, object_ids: Collection[ObjectId]
    ) -> Mapping[ObjectId, Mapping[int, FrameState]]:
        """Nothing: all results were made by the session."""
        return {}


class LogitFile:
    """Exact float32 logits by key, all square and of one shape: the newest in memory, the rest in a temporary file.

    Args:
        memory_limit: bytes kept in memory before the oldest go to the file.
    """

    def __init__(self, memory_limit: int = MEMORY_LIMIT) -> None:
        self._limit = memory_limit
        self._newest: OrderedDict[Key, Logits] = OrderedDict()
        self._slots: dict[Key, int] = {}
        self._free: list[int] = []
        self._side = 0
        self._file: IO[bytes] | None = None

    def __contains__(self, key: Key) -> bool:
        return key in self._newest or key in self._slots

    def __len__(self) -> int:
        return len(self._newest) + len(self._slots)

    def put(self, logits: Mapping[Key, Logits]) -> None:
        """Keep logits, in place of earlier ones of the same keys.

        Raises:
            OutputError: the temporary folder is full. Nothing has changed then.
        """
        each = max((value.nbytes for value in logits.values()), default=0)
        while self._newest and (len(self._newest) + len(logits)) * each > self._limit:
            oldest, value = next(iter(self._newest.items()))
            self._write(oldest, value)
            del self._newest[oldest]
        for key, value in logits.items():
            self.drop(key)
            self._newest[key] = value

    def get(self, key: Key) -> Logits | None:
        """The logits of a key, or None."""
        slot = self._slots.get(key)
        if slot is None:
            return self._newest.get(key)
        assert self._file is not None
        size = self._side * self._side * 4
        self._file.seek(slot * size)
        return np.frombuffer(self._file.read(size), np.float32).reshape(self._side, self._side).copy()

    def drop(self, key: Key) -> None:
        """Remove a key, if it is there."""
        self._newest.pop(key, None)
        slot = self._slots.pop(key, None)
        if slot is not None:
            self._free.append(slot)

    def _write(self, key: Key, logits: Logits) -> None:
        slot = self._free[-1] if self._free else len(self._slots)
        rest = memoryview(logits.tobytes())
        try:
            if self._file is None:  # unbuffered: a full disk is noticed here, not at a later read
                self._file = tempfile.TemporaryFile(prefix="masklet-", buffering=0)  # noqa: SIM115
                weakref.finalize(self, self._file.close)
            self._file.seek(slot * logits.nbytes)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise OutputError(
                f"no room for tracking state in the temporary folder {tempfile.gettempdir()}: {error.strerror}"
            ) from error
        self._side = logits.shape[0]
        self._slots[key] = slot
        del self._free[-1:]
