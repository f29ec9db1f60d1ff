"""Checkpoints of a training run: everything that an exact continuation needs, written atomically."""

from __future__ import annotations

import os
import re
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from masklet.errors import OutputError, WeightsError
from masklet.model.sam2 import Sam2
from masklet.train.optimizer import EMA

SCHEMA = "1"
NAME = re.compile(r"state-(\d{8})\.pt")
KEYS = {"schema", "config", "step", "model", "optimizer", "average", "random"}


def save_checkpoint(
    folder: Path, step: int, config: str, model: Sam2, optimizer: torch.optim.Optimizer, ema: EMA, *, keep: int
) -> Path:
    """Write the checkpoint of a step and delete all but the newest ``keep``.

    Raises:
        OutputError: the file cannot be written; earlier checkpoints are unchanged.
    """
    content = {
        "schema": SCHEMA,
        "config": config,
        "step": step,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "average": ema.state_dict(),
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
            f"cannot write the checkpoint of step {step} ({reason}): {target}; earlier checkpoints are unchanged"
        ) from None
    for old in list_checkpoints(folder)[:-keep]:
        old.unlink(missing_ok=True)
    return target


def list_checkpoints(folder: Path) -> list[Path]:
    """List the checkpoints in a folder, oldest first; empty if there is no such folder."""
    return sorted(path for path in folder.glob("state-*.pt") if NAME.fullmatch(path.name))


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint without running any code in it.

    Raises:
        WeightsError: the file is unreadable, damaged, or of another schema.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise WeightsError(f"expected a training checkpoint, got {str(error).splitlines()[0][:120]}: {path}") from None
    if not isinstance(content, dict) or set(content) != KEYS or content["schema"] != SCHEMA:
        raise WeightsError(f"expected a training checkpoint of schema {SCHEMA}, got other content: {path}")
    return content


def read_newest(checkpoints: list[Path]) -> dict[str, Any]:
    """Read the newest checkpoint that is not damaged.

    Raises:
        WeightsError: none can be read.
    """
    for path in reversed(checkpoints[1:]):
        try:
            return read_checkpoint(path)
        except WeightsError:
            continue
    return read_checkpoint(checkpoints[0])


def restore(content: dict[str, Any], model: Sam2, optimizer: torch.optim.Optimizer, ema: EMA) -> int:
    """Restore the state of a run from a checkpoint, including torch's random state; return its number of steps.

    Raises:
        WeightsError: the checkpoint belongs to a run with another model or optimizer.
    """
    try:
        model.load_state_dict(content["model"])
        optimizer.load_state_dict(content["optimizer"])
        ema.load_state_dict(content["average"])
    except (RuntimeError, ValueError, KeyError) as error:
        raise WeightsError(f"the checkpoint does not fit this run: {str(error).splitlines()[0][:160]}") from None
    torch.set_rng_state(content["random"])
    return int(content["step"])
