"""Filling a model: exact, strict, in any number type."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from masklet.errors import WeightsError
from masklet.model.checkpoint import Checkpoint
from masklet.model.config import NANO, PRESETS, TEST_TINY, ModelConfig
from masklet.model.convert import save_model
from masklet.model.load import build_model, count_parameters, load_model
from masklet.model.sam2 import Sam2

CODE = "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"


def weights(config: ModelConfig = TEST_TINY) -> dict[str, Tensor]:
    torch.manual_seed(0)
    return {name: torch.randn_like(t) for name, t in Sam2(config).state_dict().items() if t.is_floating_point()}


def test_holds_copies_in_eval_mode() -> None:
    tensors = weights()
    model = build_model(TEST_TINY, Checkpoint("x", tensors))
    state = model.state_dict()
    assert not model.training
    assert state.keys() == tensors.keys()
    assert all(torch.equal(state[name], tensors[name]) for name in tensors)
    tensors["no_mem_embed"].zero_()
    assert model.no_mem_embed.abs().sum() > 0


def test_batch_norm_counters_need_not_be_stored() -> None:
    model = build_model(NANO, Checkpoint("x", weights(NANO)))
    counters = [t for name, t in model.state_dict().items() if name.endswith("num_batches_tracked")]
    assert len(counters) == 48
    assert not any(counters)


@pytest.mark.parametrize("stored", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_any_floating_type_becomes_the_one_asked_for(stored: torch.dtype) -> None:
    tensors = {name: t.to(stored) for name, t in weights().items()}
    model = build_model(TEST_TINY, Checkpoint("x", tensors), dtype=torch.bfloat16)
    types = {name: t.dtype for name, t in model.state_dict().items()}
    assert types.pop(CODE) == torch.float32
    assert set(types.values()) == {torch.bfloat16}


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "missing": ({"no_obj_ptr": None}, r"1 .*no_obj_ptr"),
    "unexpected": ({"extra": torch.zeros(1)}, r"1 .*extra"),
    "wrong shape": (
        {"no_obj_ptr": torch.zeros(2, 3)},
        r"no_obj_ptr.*\(1, 32\).*\(2, 3\)",
    ),
    "whole numbers": ({"no_obj_ptr": torch.zeros(1, 32, dtype=torch.long)}, "1 .*no_obj_ptr"),
    "a shape of terabytes": ({"no_obj_ptr": torch.zeros(1).expand(2**40)}, "1 .*no_obj_ptr"),
    "all at once": (
        {"no_obj_ptr": None, "a": torch.zeros(1), "b": torch.zeros(1), "c": torch.zeros(1), "d": torch.zeros(1)},
        r"1 .*no_obj_ptr.* 4 .*a, b, c",
    ),
    "a name in two lines": ({"a\nb": torch.zeros(1)}, r"a\?b"),
}


@pytest.mark.parametrize(("change", "shown"), FAULTS.values(), ids=FAULTS)
def test_one_error_names_what_does_not_fit(change: dict[str, Any], shown: str) -> None:
    tensors = {name: t for name, t in {**weights(), **change}.items() if t is not None}
    with pytest.raises(WeightsError, match=shown) as raised:
        build_model(TEST_TINY, Checkpoint("mine.pt", tensors))
    assert str(raised.value).startswith("mine.pt ")
    assert "\n" not in str(raised.value)


def test_parameters_of_the_released_sizes() -> None:
    """Millions, as the paper's model table gives them."""
    millions = {name: round(count_parameters(config) / 1e6, 1) for name, config in PRESETS.items()}
    assert millions["sam2-tiny"] == pytest.approx(38.9, abs=0.1)
    assert millions["sam2-large"] == pytest.approx(224.4, abs=0.1)
    assert millions["nano"] == 5.7
    assert count_parameters(PRESETS["edgetam"]) == 13_895_794 - 256  # without `no_mem_pos_enc`, which is never used
    assert count_parameters(PRESETS["efficienttam-ti"]) == 17_866_018 - 256
    assert count_parameters(PRESETS["efficienttam-s-512"]) == 34_055_842 - 256


def test_saved_equals_loaded(tmp_path: Path) -> None:
    model = build_model(TEST_TINY, Checkpoint("x", weights()))
    save_model(model, tmp_path / "m.safetensors")
    again = load_model(tmp_path / "m.safetensors")
    assert again.config == TEST_TINY
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), again.state_dict().values(), strict=True))


def test_loading_does_without_the_compiler() -> None:
    """Which takes a second to import, before anything is seen of a video."""
    script = "import sys, masklet; masklet.load(device='cpu'); print('torch._dynamo' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert told.strip() == "False"
