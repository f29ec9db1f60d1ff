"""A model as plain values, which travel to worker processes and machines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from masklet.model.sam2 import Sam2
from masklet.predict.load import load
from masklet.predict.speed import Speed


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """A model that every worker loads for itself; fields as in `masklet.load`."""

    name: str = "nano"
    weights: Path | None = None
    device: str = "auto"
    dtype: str = "float32"
    image_size: int | None = None
    speed: Speed = "exact"

    def load(self) -> Sam2:
        """The model; see `masklet.load`."""
        return load(
            self.name,
            weights=self.weights,
            device=self.device,
            dtype=self.dtype,
            image_size=self.image_size,
            speed=self.speed,
        )
