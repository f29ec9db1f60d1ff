"""Filling a model: exact, strict, in any number type."""

from __future__ import annotations

import json
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


FAMILIES = {
    "edgetam": ("edgetam", None),
    "efficienttam-ti": ("efficienttam", "ti"),
    "efficienttam-s-512": ("efficienttam", "s"),
}


def released_shapes(assets: Path, name: str) -> dict[str, list[int]]:
    """Names and shapes of all tensors of a released file."""
    family, size = FAMILIES[name]
    listed = json.loads((assets / "golden" / family / "parameters.json").read_text())
    shapes: dict[str, list[int]] = (listed if size is None else listed["models"][size])["shapes"]
    return shapes


@pytest.mark.parametrize("name", FAMILIES)
def test_full_size_models_have_the_released_tensors(assets: Path, name: str) -> None:
    with torch.device("meta"):
        state = Sam2(PRESETS[name]).state_dict()
    ours = {key: list(t.shape) for key, t in state.items()}
    assert ours == {key: shape for key, shape in released_shapes(assets, name).items() if key != "no_mem_pos_enc"}


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_full_size_files_are_loaded_strictly(assets: Path, tmp_path: Path, name: str) -> None:
    shapes = released_shapes(assets, name)
    state = {
        key: torch.zeros(shape, dtype=torch.long) if key.endswith("num_batches_tracked") else torch.randn(shape)
        for key, shape in shapes.items()
    }
    path = tmp_path / f"{name.replace('-', '_').replace('_512', '_512x512')}.pt"
    torch.save({"model": state}, path)
    model = load_model(path)
    assert model.config == PRESETS[name]
    assert all(torch.equal(t, state[key]) for key, t in model.state_dict().items())
    del state["no_obj_ptr"]
    torch.save({"model": state}, path)
    with pytest.raises(WeightsError, match="no_obj_ptr") as raised:
        load_model(path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["edgetam", "efficienttam"])
def test_truncated_files_of_other_families(assets: Path, tmp_path: Path, name: str) -> None:
    content = (assets / "golden" / name / f"mini_{name}.pt").read_bytes()
    (tmp_path / "cut.pt").write_bytes(content[: len(content) // 2])
    (tmp_path / "small.pt").write_bytes(content)  # intact, and of no released size
    for file in ("cut.pt", "small.pt"):
        with pytest.raises(WeightsError, match=file) as raised:
            load_model(tmp_path / file)
        assert "\n" not in str(raised.value)
