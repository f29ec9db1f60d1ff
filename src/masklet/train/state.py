"""Checkpoints of a run: all that an exact continuation needs, whole or not at all, the newest few kept."""

from __future__ import annotations

import os
import re
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from masklet.errors import OutputError, WeightsError
from masklet.model.sam2 import Sam2
from masklet.train.optimizer import Average

SCHEMA = "1"
NAME = re.compile(r"state-(\d{8})\.pt")


def save_state(
    folder: Path, step: int, config: str, parts: tuple[Sam2, torch.optim.Optimizer, Average], *, keep: int
) -> Path:
    """Write the checkpoint of a step and delete all but the newest ``keep``.

    Raises:
        OutputError: it cannot be written; the earlier ones are untouched.
    """
    model, optimizer, average = parts
    content = {
        "schema": SCHEMA,
        "config": config,
        "step": step,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "average": average.state(),
        "random": torch.get_rng_state(),
    }
    target = folder / f"state-{step:08d}.pt"
    partial = target.with_suffix(".partial")
    try:
        with partial.open("wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
        partial.unlink(missing_ok=True)
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise OutputError(
            f"cannot write the checkpoint of step {step} ({reason}): {target}; earlier ones are whole"
        ) from None
    for old in list_states(folder)[:-keep]:
        old.unlink(missing_ok=True)
    return target


def list_states(folder: Path) -> list[Path]:
    """The checkpoints in a folder, oldest first."""
    return sorted(path for path in folder.glob("state-*.pt") if NAME.fullmatch(path.name))


def read_state(path: Path) -> dict[str, Any]:
    """What a checkpoint holds; no code in it is ever run.

    Raises:
        WeightsError: unreadable, damaged, or of another schema.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise WeightsError(f"expected a training checkpoint, got {str(error).splitlines()[0][:120]}: {path}") from None
    keys = {"schema", "config", "step", "model", "optimizer", "average", "random"}
    if not isinstance(content, dict) or set(content) != keys or content["schema"] != SCHEMA:
        raise WeightsError(f"expected a training checkpoint of schema {SCHEMA}, got something else: {path}")
    return content


def restore(content: dict[str, Any], parts: tuple[Sam2, torch.optim.Optimizer, Average]) -> int:
    """Put a run back to where a checkpoint was written.

    Returns:
        the steps that were done.
    """
    model, optimizer, average = parts
    try:
        model.load_state_dict(content["model"])
        optimizer.load_state_dict(content["optimizer"])
        average.restore(content["average"])
    except (RuntimeError, ValueError, KeyError) as error:
        raise WeightsError(f"the checkpoint does not fit this run: {str(error).splitlines()[0][:160]}") from None
    torch.set_rng_state(content["random"])
    return int(content["step"])
