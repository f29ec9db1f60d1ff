"""Writing weights in our form: the same numbers, whole files or none."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
import torch

from masklet.errors import OutputError, WeightsError
from masklet.model.checkpoint import read_checkpoint
from masklet.model.config import TEST_TINY, HieraConfig, ModelConfig
from masklet.model.convert import convert_weights, save_model
from masklet.model.load import load_model
from masklet.model.sam2 import Sam2

CODE = "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
MINI = ModelConfig(
    name="mini",
    trunk=HieraConfig(embed_dim=16, num_heads=1, stages=(1, 2, 3, 1), global_blocks=(4, 5)),
    image_size=256,
    embed_dim=64,
    memory_dim=16,
    memory_layers=2,
    memory_ffn=128,
)


def contents(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """A checkpoint in the released form, with the tensor that nobody reads."""
    state = Sam2(TEST_TINY).state_dict()
    torch.save({"model": {**state, "no_mem_pos_enc": torch.zeros(1, 1, 32)}}, tmp_path / "tiny.pt")
    return tmp_path / "tiny.pt"


def test_converts_a_released_checkpoint(assets: Path, tmp_path: Path) -> None:
    source, target = assets / "golden" / "mini_sam2.1.pt", tmp_path / "mini.safetensors"
    assert convert_weights(source, target, config=MINI) == MINI
    ours, theirs = load_model(target).state_dict(), load_model(source, config=MINI).state_dict()
    assert read_checkpoint(target).config == MINI
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert contents(tmp_path) == ["mini.safetensors"]


def test_half_the_size_but_for_the_code_of_places(released: Path, tmp_path: Path) -> None:
    convert_weights(released, tmp_path / "half.safetensors", config=TEST_TINY, dtype=torch.float16)
    types = {name: t.dtype for name, t in read_checkpoint(tmp_path / "half.safetensors").tensors.items()}
    assert types.pop(CODE) == torch.float32
    assert set(types.values()) == {torch.float16}


def test_refuses_to_lose_numbers(tmp_path: Path) -> None:
    model = Sam2(TEST_TINY)
    with torch.no_grad():
        model.no_obj_ptr.fill_(1e6)
    save_model(model, tmp_path / "big.safetensors")
    with pytest.raises(WeightsError, match=r"no_obj_ptr .*float16"):
        convert_weights(tmp_path / "big.safetensors", tmp_path / "half.safetensors", dtype=torch.float16)
    assert contents(tmp_path) == ["big.safetensors"]


def test_readable_by_others(released: Path, tmp_path: Path) -> None:
    convert_weights(released, tmp_path / "a.safetensors", config=TEST_TINY)
    ordinary = tmp_path / "ordinary"
    ordinary.touch()
    assert stat.S_IMODE((tmp_path / "a.safetensors").stat().st_mode) == stat.S_IMODE(ordinary.stat().st_mode)


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ("a.pt", "a.pt"),
        ("none/a.safetensors", "none"),
        ("taken.safetensors", "taken"),
    ],
)
def test_bad_target_leaves_nothing(target: str, shown: str, released: Path, tmp_path: Path) -> None:
    (tmp_path / "taken.safetensors").mkdir()
    before = contents(tmp_path)
    with pytest.raises(OutputError, match=shown) as raised:
        convert_weights(released, tmp_path / target, config=TEST_TINY)
    assert "\n" not in str(raised.value)
    assert contents(tmp_path) == before


def test_unfit_source_leaves_nothing(released: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"tiny\.pt .*sam2.1-mini"):
        convert_weights(released, tmp_path / "a.safetensors", config=MINI)
    with pytest.raises(WeightsError, match=r"tiny\.pt.* 8 "):
        convert_weights(released, tmp_path / "a.safetensors")
    assert contents(tmp_path) == ["tiny.pt"]
