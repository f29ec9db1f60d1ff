"""What is evaluated, as results name it."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import torch

from masklet.backends.flip_augmented import FlipAugmented
from masklet.evaluate.subjects import fingerprint, model_entry
from masklet.model.sam2 import Sam2
from masklet.predict.spec import ModelSpec


def test_an_entry_says_all_that_numbers_depend_on(small: Sam2) -> None:
    entry = json.loads(json.dumps(model_entry(small)))
    assert (entry["name"], entry["input_size"], entry["device"], entry["dtype"]) == ("nano", 96, "cpu", "float32")
    assert entry["config"]["memory_frames"] == 7
    other = copy.copy(small)
    other.config = replace(small.config, memory_frames=6)
    assert model_entry(other) != entry


def test_weights_have_a_fingerprint(small: Sam2) -> None:
    again = ModelSpec(device="cpu").load()
    assert isinstance(again, Sam2)
    assert fingerprint(again) == fingerprint(small)  # the input size is no weight
    with torch.no_grad():
        again.no_mem_embed[..., 0] += 1e-6
    assert fingerprint(again) != fingerprint(small)


def test_a_mirrored_model_is_told_from_the_one_within(small: Sam2) -> None:
    entry, plain = model_entry(FlipAugmented(small)), model_entry(small)
    assert entry["sha256"] == plain["sha256"]
    assert entry["name"] != plain["name"]


def test_half_precision_has_one_too() -> None:
    half = ModelSpec(device="cpu", dtype="bfloat16").load()
    assert model_entry(half)["dtype"] == "bfloat16"
    assert len(fingerprint(half)) == 64
