"""An object's memory as a value: saved, loaded, and carried into another video."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection
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
from masklet.tracking.policies import Hypothesis, HypothesisSet, State
from masklet.tracking.policies.motion import Kalman, MotionState

SCHEMA = "masklet/memory 1"
MOST_FRAMES, MOST_BYTES = 1024, 2**32


@dataclass(frozen=True, eq=False)
class ObjectMemory:
    """What is remembered of one object, for tracking to go on elsewhere: in a later run, or in another video.

    Get it from `VideoSession.memory` or `StreamTracker.memory`, and go on with their `resume`.

    Attributes:
        model: name and weights of the model that made it, and the side of its input: it means nothing to another.
        next: the frame that would have come next.
        bank: the memories by frame.
        state: what the memory policy knows beside them.
    """

    model: str
    next: int
    bank: MemoryBank
    state: State

    @classmethod
    def of(cls, model: Model, story: Hypothesis, following: int, kept: Collection[int]) -> ObjectMemory:
        """Of one story; ``kept`` are the frames that may still be recalled. Stories beside it are not remembered.

        Raises:
            PromptError: nothing is remembered, because the object was only said to be absent.
        """
        bank = MemoryBank()
        for i in sorted(set(kept)):
            if i in story.bank:
                bank.put(i, story.bank[i], prompted=i in story.bank.prompted)
        if not (bank.prompted or bank.recent):
            raise PromptError("nothing is remembered of the object: it was only said to be absent")
        return cls(fingerprint(model), following, bank, story.state.copy())

    def mirrored(self) -> ObjectMemory:
        """The same, as if the pass that made it in reverse had run forward."""
        bank = MemoryBank()
        for i in (*self.bank.prompted, *self.bank.recent):
            bank.put(-i, self.bank[i], prompted=i in self.bank.prompted)
        course = None if self.state.course is None else replace(self.state.course, seen=-self.state.course.seen)
        state = State(
            areas={-i: area for i, area in self.state.areas.items()},
            anchors=tuple(-i for i in self.state.anchors),
            overlaps={-i: overlap for i, overlap in self.state.overlaps.items()},
            unlike={-i: count for i, count in self.state.unlike.items()},
            course=course,
            origin=-self.state.origin,
        )
        return replace(self, next=-self.next, bank=bank, state=state)

    def check(self, model: Model) -> None:
        """Raise `WeightsError` unless it was made by this model, with these weights, at this input size."""
        if self.model != fingerprint(model):
            raise WeightsError(f"the memory was made by {self.model}, this is {fingerprint(model)}")

    def belief(self, model: Model, frame_index: int, *, continues: bool) -> HypothesisSet:
        """The object as it is believed on coming to a frame.

        Args:
            model: the model.
            frame_index: the frame that comes next.
            continues: the video goes on where the memory ended. Else recent memory is left behind, as at a cut.
        """
        self.check(model)
        shift, device, dtype = frame_index - self.next, model.device, model.dtype
        bank = MemoryBank()
        lasting = {*self.bank.prompted, *self.state.anchors}
        for i in (*self.bank.prompted, *self.bank.recent):
            if continues or not self.bank.prompted or i in lasting:
                entry = self.bank[i]
                moved = None if entry.map is None else entry.map.to(device, dtype)
                look = None if entry.look is None else entry.look.to(device)
                bank.put(
                    i + shift,
                    replace(entry, map=moved, pointer=entry.pointer.to(device, dtype), look=look),
                    prompted=i in self.bank.prompted,
                )
        state = State(
            areas={i + shift: area for i, area in self.state.areas.items()},
            anchors=tuple(i + shift for i in self.state.anchors),
            overlaps={i + shift: overlap for i, overlap in self.state.overlaps.items()},
            unlike={i + shift: count for i, count in self.state.unlike.items()} if continues else {},
            course=_moved(self.state.course, shift) if continues else None,
            origin=self.state.origin + shift,
        )
        return HypothesisSet([Hypothesis(bank, state)], last=frame_index - 1)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it as a safetensors file (no code in it), in place of one that is there.

        Raises:
            OutputError: the file cannot be written. Nothing half-written stays.
        """
        target = Path(path)
        part = target.with_name(f".{target.name}.part")
        tensors: dict[str, Tensor] = {}
        for i in (*self.bank.prompted, *self.bank.recent):
            entry = self.bank[i]
            tensors[f"pointer.{i}"] = entry.pointer.cpu().contiguous()
            if entry.map is not None:
                tensors[f"map.{i}"] = entry.map.cpu().contiguous()
            if entry.look is not None:
                tensors[f"look.{i}"] = entry.look.cpu().contiguous()
        facts = {
            "model": self.model,
            "next": self.next,
            "frames": [[i, e.object_score, e.iou, True] for i, e in self.bank.prompted.items()]
            + [[i, e.object_score, e.iou, False] for i, e in self.bank.recent.items()],
            "areas": list(self.state.areas.items()),
            "anchors": self.state.anchors,
            "overlaps": list(self.state.overlaps.items()),
            "unlike": list(self.state.unlike.items()),
            "origin": self.state.origin,
            "course": _written(self.state.course),
        }
        try:
            save_file(tensors, part, metadata={"schema": SCHEMA, "memory": json.dumps(facts)})
            part.replace(target)
        except (OSError, SafetensorError) as error:
            part.unlink(missing_ok=True)
            raise OutputError(f"the memory cannot be written to {target}: {error}") from error

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ObjectMemory:
        """Read what `save` wrote.

        Raises:
            FormatError: no such file, or not a memory.
        """
        path = Path(path)
        try:
            if path.stat().st_size > MOST_BYTES:
                raise FormatError(f"{path} is larger than any memory")
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                if metadata.get("schema") != SCHEMA:
                    raise FormatError(f"{path} is not a memory of an object (expected schema {SCHEMA!r})")
                facts = json.loads(metadata["memory"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
            return cls(str(facts["model"]), int(facts["next"]), _bank(facts, tensors), _state(facts))
        except OSError as error:
            raise FormatError(f"the memory {path} cannot be read: {error.strerror or error}") from error
        except (SafetensorError, KeyError, TypeError, ValueError, OverflowError) as error:
            if isinstance(error, FormatError):
                raise
            raise FormatError(f"{path} is not a memory of an object: {error}") from error


def _bank(facts: dict[str, Any], tensors: dict[str, Tensor]) -> MemoryBank:
    if not 0 < len(facts["frames"]) <= MOST_FRAMES:
        raise ValueError(f"expected 1 to {MOST_FRAMES} frames, got {len(facts['frames'])}")
    bank = MemoryBank()
    for i, score, iou, prompted in facts["frames"]:
        pointer, spatial = tensors[f"pointer.{int(i)}"], tensors.get(f"map.{int(i)}")
        look = tensors.get(f"look.{int(i)}")
        found = [(t, n) for t, n in ((pointer, 2), (spatial, 4), (look, 1)) if t is not None]
        if any(t.ndim != n or (n > 1 and len(t) != 1) for t, n in found):
            raise ValueError(f"tensors of frame {i} have unexpected shapes")
        finite = all(bool(torch.isfinite(t).all()) for t, _ in found)
        if not finite:
            raise ValueError(f"tensors of frame {i} hold NaN or infinity")
        bank.put(int(i), MemoryEntry(spatial, pointer, float(score), float(iou), look), prompted=bool(prompted))
    if not bank.mapped:
        raise ValueError("no frame holds a spatial memory")
    return bank


def _state(facts: dict[str, Any]) -> State:
    return State(
        areas={int(i): float(area) for i, area in facts["areas"]},
        anchors=tuple(int(i) for i in facts["anchors"]),
        overlaps={int(i): float(overlap) for i, overlap in facts["overlaps"]},
        unlike={int(i): int(count) for i, count in facts.get("unlike", [])},
        origin=int(facts["origin"]),
        course=_read_course(facts["course"]),
    )


def _moved(course: MotionState | None, shift: int) -> MotionState | None:
    return None if course is None else replace(course, seen=course.seen + shift)


def _written(course: MotionState | None) -> dict[str, Any] | None:
    if course is None:
        return None
    mean, covariance = course.kalman.mean.tolist(), course.kalman.covariance.tolist()
    return {"mean": mean, "covariance": covariance, "seen": course.seen, "stable": course.stable}


def _read_course(facts: dict[str, Any] | None) -> MotionState | None:
    if facts is None:
        return None
    mean, covariance = np.array(facts["mean"], np.float64), np.array(facts["covariance"], np.float64)
    if mean.shape != (8,) or covariance.shape != (8, 8) or not np.isfinite([*mean, *covariance.ravel()]).all():
        raise ValueError("the course is malformed")
    return MotionState(Kalman(mean, covariance), int(facts["seen"]), int(facts["stable"]))


def fingerprint(model: Model) -> str:
    """The model's name, the side of its input, and a digest of weights that its memories depend on."""
    name = f"{model.config.full_name} at {model.config.image_size} px"
    holder = base_model(model)
    if not isinstance(holder, Sam2):  # another run time: its weights are out of sight
        return name
    weights = torch.cat([holder.maskmem_tpos_enc.flatten(), holder.no_mem_embed.flatten(), holder.no_obj_ptr.flatten()])
    return f"{name} ({hashlib.sha256(weights.float().cpu().numpy().tobytes()).hexdigest()[:12]})"
