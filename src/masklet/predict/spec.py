"""The arguments of `masklet.load` as a value that can be sent to worker processes and machines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from masklet.backends.flip_augmented import FlipAugmented
from masklet.backends.protocol import Model
from masklet.predict.load import load
from masklet.predict.speed import Speed


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """Arguments to load a model with; every worker loads its own.

    Attributes:
        tta: whether to use flip test-time augmentation (`masklet.FlipAugmented`).
        name, weights, device, dtype, image_size, speed: as in `masklet.load`.
    """

    name: str = "nano"
    weights: Path | None = None
    device: str = "auto"
    dtype: str = "float32"
    image_size: int | None = None
    speed: Speed = "exact"
    tta: bool = False

    def load(self) -> Model:
        """Load the model; errors as `masklet.load`."""
        model = load(
            self.name,
            weights=self.weights,
            device=self.device,
            dtype=self.dtype,
            image_size=self.image_size,
            speed=self.speed,
        )
        return FlipAugmented(model) if self.tta else model
