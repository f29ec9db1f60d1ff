"""The work of `masklet engine retrain`: what was verified goes into the next model, measured before and after."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

from masklet.cli.delivery import Delivery
from masklet.cli.options import ModelOptions
from masklet.cli.training import TrainingRun
from masklet.cli.workshop import Workshop
from masklet.errors import FormatError
from masklet.evaluate import ModelSpec, evaluate, protocol_named
from masklet.io.atomic import output_errors
from masklet.io.datasets import open_dataset
from masklet.predict.load import find_weights
from masklet.train.checkpoints import list_checkpoints

JUDGED_BY = "mask", "3-click"
"""Protocols by which a model is measured before and after."""


def retrain(
    workshop: Workshop, out: Path, model: ModelOptions, *, recipe: str, settings: Sequence[str], resume: bool
) -> None:
    """Fine-tune a model on the verified masklets, and measure it before and after on the held-out videos.

    Raises:
        FormatError: no verified masklet to learn from, or none that is held out.
    """
    data = out / "data"
    with output_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    _, records = Delivery(workshop).write(data, "sav")
    splits = [record.split for record in records]
    for split, what in (("train", "to learn from"), ("val", "to measure by")):
        if split not in splits:
            raise FormatError(f"expected verified masklets {what}, got no video of split {split} in {len(records)}")
    weights = find_weights(model.name) if model.weights is None else model.weights
    subject = ModelSpec(name=str(weights), device=model.device, dtype=model.dtype, image_size=model.image_size)
    before = _measured(data, out / "before", subject)
    run = TrainingRun(
        recipe=recipe,
        data=[f"sa-v-train={data / 'train'}@train"],
        out=out / "run",
        init=str(weights),
        settings=settings,
        as_json=False,
    )
    with redirect_stdout(sys.stderr):  # what is said on the way is for people
        run.run(resume=resume and bool(list_checkpoints(out / "run")), only_check=False)
    trained = out / "run" / "weights.safetensors"
    after = _measured(data, out / "after", replace(subject, name=str(trained)))
    held = splits.count("val")
    lines = [f"held out: {held} videos", f"{'J&F':10} {'before':>8} {'after':>8}"]
    lines += [f"{name:10} {before[name]:8.1f} {after[name]:8.1f}" for name in JUDGED_BY]
    lines.append(f"weights: {trained}")
    workshop.tell("retrain", lines, weights=str(trained), held_out=held, before=before, after=after)


def _measured(data: Path, out: Path, model: ModelSpec) -> dict[str, float]:
    """J&F on the held-out videos by each protocol, in percent."""
    scores = {}
    for name in JUDGED_BY:
        found = evaluate(open_dataset("sa-v", data, split="val"), model, protocol_named(name), out=out / name)
        assert found is not None, "there is one rank"
        document: dict[str, Any] = found.document
        if document["JF"] is None:
            raise FormatError("expected held-out videos of more than 8 frames: the first and the last do not count")
        scores[name] = document["JF"]
    return scores
