"""What is evaluated: a model by name, a model at hand, or masks that another program wrote."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from masklet.backends.flip_augmented import FlipAugmented, base_model
from masklet.backends.protocol import Model
from masklet.model.metadata import config_to_json
from masklet.model.sam2 import Sam2
from masklet.predict.spec import ModelSpec


@dataclass(frozen=True)
class Predictions:
    """Masks that another program wrote, in the forms of `PredictedSequence`.

    Attributes:
        folder: holds a folder for each sequence.
    """

    folder: Path


Subject = Sam2 | FlipAugmented | ModelSpec | Predictions


def model_of(subject: Subject) -> Model | None:
    """The model to be measured, loaded; None where masks are scored as they are."""
    if isinstance(subject, ModelSpec):
        return subject.load()
    return None if isinstance(subject, Predictions) else subject


def model_entry(model: Model) -> dict[str, Any]:
    """A model as it stands in results; ``sha256`` is over names, shapes and values of its weights as loaded."""
    return {
        "name": model.config.full_name,
        "sha256": fingerprint(model),
        "input_size": model.config.image_size,
        "device": model.device.type,
        "dtype": str(model.dtype).removeprefix("torch."),
        "config": json.loads(config_to_json(model.config)),
    }


def fingerprint(model: Model) -> str:
    """SHA-256 of a model's weights, whatever file they came from."""
    holder = base_model(model)
    assert isinstance(holder, Sam2), "a subject is made of torch modules"
    code = hashlib.sha256()
    for name, tensor in sorted(holder.state_dict().items()):
        code.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        code.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return code.hexdigest()
