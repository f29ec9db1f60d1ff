"""The memory of an object as a value that is saved, loaded, and carried into another video."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from masklet.backends.flip_augmented import base_model
from masklet.backends.protocol import Model
from masklet.errors import FormatError, OutputError, PromptError, WeightsError
from masklet.model.sam2 import Sam2
from masklet.tracking.memory import MemoryBank, MemoryEntry
from masklet.tracking.policies import Hypothesis, HypothesisSet, PolicyState
from masklet.tracking.policies.motion import Kalman, MotionState

SCHEMA = "masklet/memory 1"
MAX_FRAMES, MAX_BYTES = 1024, 2**32


@dataclass(frozen=True, eq=False)
class ObjectMemory:
    """The memory of one object, to continue tracking in a later run or in another video.

    `VideoSession.memory` and `StreamTracker.memory` return it, and their `resume` takes it.

    Attributes:
        model: name and weights of the model that made it, and the side of its input; it fits no other.
        next: the frame that would have come next.
        bank: the memories by frame.
        state: of the memory policy's rules.
    """

    model: str
    next: int
    bank: MemoryBank
    state: PolicyState

    @classmethod
    def of(cls, model: Model, hypothesis: Hypothesis, next_frame: int, readable: Collection[int]) -> ObjectMemory:
        """The memory of one hypothesis.

        Args:
            next_frame: the frame that would come next.
            readable: frames that later frames may read.

        Raises:
            PromptError: there is no memory, because the object was only marked as absent.
        """
        bank = MemoryBank()
        for i in sorted(set(readable)):
            if i in hypothesis.bank:
                bank.put(i, hypothesis.bank[i], prompted=i in hypothesis.bank.prompted)
        if not (bank.prompted or bank.recent):
            raise PromptError("there is no memory of the object: it was only marked as absent")
        return cls(fingerprint(model), next_frame, bank, hypothesis.state.copy())

    def time_reversed(self) -> ObjectMemory:
        """The memory of a reverse pass as if it had run forward."""
        bank = MemoryBank()
        for i in (*self.bank.prompted, *self.bank.recent):
            bank.put(-i, self.bank[i], prompted=i in self.bank.prompted)
        state = _moved_state(self.state, lambda i: -i)
        return replace(self, next=-self.next, bank=bank, state=state)

    def check(self, model: Model) -> None:
        """Raise `WeightsError` unless this model made it, with these weights, at this input size."""
        if self.model != fingerprint(model):
            raise WeightsError(f"the memory was made by {self.model}, this is {fingerprint(model)}")

    def hypotheses(self, model: Model, frame_index: int, *, continues: bool) -> HypothesisSet:
        """The hypotheses of an object that resumes at a frame.

        Args:
            frame_index: the next frame.
            continues: whether the video continues where the memory ended. Else recent memory is dropped, as at a cut.
        """
        self.check(model)
        shift, device, dtype = frame_index - self.next, model.device, model.dtype
        bank = MemoryBank()
        lasting = {*self.bank.prompted, *self.state.anchors}
        for i in (*self.bank.prompted, *self.bank.recent):
            if continues or not self.bank.prompted or i in lasting:
                entry = self.bank[i]
                moved = replace(
                    entry,
                    map=None if entry.map is None else entry.map.to(device, dtype),
                    pointer=entry.pointer.to(device, dtype),
                    appearance=None if entry.appearance is None else entry.appearance.to(device),
                )
                bank.put(i + shift, moved, prompted=i in self.bank.prompted)
        state = _moved_state(self.state, lambda i: i + shift)
        if not continues:
            state.dissimilar, state.motion = {}, None
        return HypothesisSet([Hypothesis(bank, state)], last_frame=frame_index - 1)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a safetensors file, in place of an earlier one.

        Raises:
            OutputError: the file cannot be written. An earlier one stays as it was.
        """
        target = Path(path)
        part = target.with_name(f".{target.name}.part")
        tensors: dict[str, Tensor] = {}
        for i in (*self.bank.prompted, *self.bank.recent):
            entry = self.bank[i]
            tensors[f"pointer.{i}"] = entry.pointer.cpu().contiguous()
            if entry.map is not None:
                tensors[f"map.{i}"] = entry.map.cpu().contiguous()
            if entry.appearance is not None:
                tensors[f"look.{i}"] = entry.appearance.cpu().contiguous()
        fields = {
            "model": self.model,
            "next": self.next,
            "frames": [[i, e.object_score, e.iou, True] for i, e in self.bank.prompted.items()]
            + [[i, e.object_score, e.iou, False] for i, e in self.bank.recent.items()],
            "areas": list(self.state.areas.items()),
            "anchors": self.state.anchors,
            "overlaps": list(self.state.overlaps.items()),
            "unlike": list(self.state.dissimilar.items()),
            "origin": self.state.stride_origin,
            "course": _motion_to_json(self.state.motion),
        }
        try:
            save_file(tensors, part, metadata={"schema": SCHEMA, "memory": json.dumps(fields)})
            part.replace(target)
        except (OSError, SafetensorError) as error:
            part.unlink(missing_ok=True)
            raise OutputError(f"the memory cannot be written to {target}: {error}") from error

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ObjectMemory:
        """Read a file that `save` wrote.

        Raises:
            FormatError: no such file, or it is not a memory.
        """
        path = Path(path)
        try:
            if path.stat().st_size > MAX_BYTES:
                raise FormatError(f"expected a memory of at most {MAX_BYTES} bytes, got a larger file: {path}")
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                if metadata.get("schema") != SCHEMA:
                    raise FormatError(f"{path} is not a memory of an object (expected schema {SCHEMA!r})")
                fields = json.loads(metadata["memory"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
            return cls(str(fields["model"]), int(fields["next"]), _bank(fields, tensors), _state(fields))
        except OSError as error:
            raise FormatError(f"the memory {path} cannot be read: {error.strerror or error}") from error
        except (SafetensorError, KeyError, TypeError, ValueError, OverflowError) as error:
            if isinstance(error, FormatError):
                raise
            raise FormatError(f"{path} is not a memory of an object: {error}") from error


def _bank(fields: dict[str, Any], tensors: dict[str, Tensor]) -> MemoryBank:
    if not 0 < len(fields["frames"]) <= MAX_FRAMES:
        raise ValueError(f"expected 1 to {MAX_FRAMES} frames, got {len(fields['frames'])}")
    bank = MemoryBank()
    for i, score, iou, prompted in fields["frames"]:
        pointer, spatial = tensors[f"pointer.{int(i)}"], tensors.get(f"map.{int(i)}")
        appearance = tensors.get(f"look.{int(i)}")
        if spatial is not None and spatial.ndim == 4:  # a map, as older files hold it
            spatial = spatial.flatten(2).mT.contiguous()
        found = [(t, n) for t, n in ((pointer, 2), (spatial, 3), (appearance, 1)) if t is not None]
        if any(t.ndim != n or (n > 1 and len(t) != 1) for t, n in found):
            raise ValueError(f"tensors of frame {i} have unexpected shapes")
        if not all(bool(torch.isfinite(t).all()) for t, _ in found):
            raise ValueError(f"tensors of frame {i} hold NaN or infinity")
        bank.put(int(i), MemoryEntry(spatial, pointer, float(score), float(iou), appearance), prompted=bool(prompted))
    if not bank.mapped:
        raise ValueError("no frame holds a spatial memory")
    return bank


def _state(fields: dict[str, Any]) -> PolicyState:
    return PolicyState(
        areas={int(i): float(area) for i, area in fields["areas"]},
        anchors=tuple(int(i) for i in fields["anchors"]),
        overlaps={int(i): float(overlap) for i, overlap in fields["overlaps"]},
        dissimilar={int(i): int(count) for i, count in fields.get("unlike", [])},
        stride_origin=int(fields["origin"]),
        motion=_motion_from_json(fields["course"]),
    )


def _moved_state(state: PolicyState, move: Callable[[int], int]) -> PolicyState:
    """A copy with other frame numbers."""
    return PolicyState(
        areas={move(i): area for i, area in state.areas.items()},
        anchors=tuple(map(move, state.anchors)),
        overlaps={move(i): overlap for i, overlap in state.overlaps.items()},
        dissimilar={move(i): count for i, count in state.dissimilar.items()},
        motion=None if state.motion is None else replace(state.motion, last_seen=move(state.motion.last_seen)),
        stride_origin=move(state.stride_origin),
    )


def _motion_to_json(motion: MotionState | None) -> dict[str, Any] | None:
    if motion is None:
        return None
    mean, covariance = motion.kalman.mean.tolist(), motion.kalman.covariance.tolist()
    return {"mean": mean, "covariance": covariance, "seen": motion.last_seen, "stable": motion.stable_frames}


def _motion_from_json(fields: dict[str, Any] | None) -> MotionState | None:
    if fields is None:
        return None
    mean, covariance = np.array(fields["mean"], np.float64), np.array(fields["covariance"], np.float64)
    if mean.shape != (8,) or covariance.shape != (8, 8) or not np.isfinite([*mean, *covariance.ravel()]).all():
        raise ValueError("the motion state is malformed")
    return MotionState(Kalman(mean, covariance), int(fields["seen"]), int(fields["stable"]))


def fingerprint(model: Model) -> str:
    """Name of the model, side of its input, and a digest of the weights that its memories depend on."""
    name = f"{model.config.full_name} at {model.config.image_size} px"
    holder = base_model(model)
    if not isinstance(holder, Sam2):  # another backend, whose weights are not accessible
        return name
    weights = torch.cat([holder.maskmem_tpos_enc.flatten(), holder.no_mem_embed.flatten(), holder.no_obj_ptr.flatten()])
    return f"{name} ({hashlib.sha256(weights.float().cpu().numpy().tobytes()).hexdigest()[:12]})"
