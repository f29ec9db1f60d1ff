"""What a run tells those who watch it: numbers after each step, pictures now and then, validation scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float32, UInt8


@dataclass(frozen=True)
class StepReport:
    """One optimizer step.

    Attributes:
        step: steps done so far, this one included; ``steps`` in the whole run.
        terms: "loss" and its terms, means over objects, answers and batches of this process.
        norm: of the gradient before it was clipped; not finite where the step was left out.
        rate: share of the peak learning rate.
        pictures: frames seen in this step by all processes.
        seconds: the step took, ``waited`` of them for data.
        skipped: samples passed over, one line each.
        still: the step's last batch was of pictures, not of clips.
    """

    step: int
    steps: int
    terms: Mapping[str, float]
    norm: float
    rate: float
    pictures: int
    seconds: float
    waited: float
    skipped: tuple[str, ...]
    still: bool


@dataclass(frozen=True, eq=False)
class Ask:
    """A prompt as it was given: points (x, y) in pixels of the frame; labels as in `PromptTensors`; none for a mask."""

    frame: int
    object_index: int
    points: Float32[np.ndarray, "n 2"]
    labels: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Shown:
    """One clip as the model saw it.

    Attributes:
        frames: RGB.
        truth: the objects' masks.
        found: the model's last answers; of a prompted mask the mask itself.
        asks: the prompts.
    """

    frames: UInt8[np.ndarray, "t s s 3"]
    truth: Bool[np.ndarray, "t n s s"]
    found: Bool[np.ndarray, "t n s s"]
    asks: tuple[Ask, ...]


@runtime_checkable
class Watcher(Protocol):
    """Somebody to tell; only the first process of a run tells."""

    def step(self, report: StepReport) -> None:
        """After each step."""

    def shown(self, step: int, shown: Shown) -> None:
        """A clip with answers, every `RunConfig.picture_every` steps."""

    def validated(self, step: int, scores: Mapping[str, float]) -> None:
        """After each validation."""

    def close(self) -> None:
        """At the end, however it comes."""
