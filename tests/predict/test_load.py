"""`load` by name and by file, on every device, in every dtype, and its errors."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from masklet.errors import DeviceError, MaskletError, UnknownModelError, WeightsError
from masklet.model.catalog import embedded_weights
from masklet.model.config import NANO, TEST_TINY
from masklet.model.convert import save_model
from masklet.model.sam2 import Sam2
from masklet.model.tensors import ChosenMask, MemoryTokens, PromptTensors
from masklet.predict.load import load, pick_device


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model whose memories matter: freshly initialized ones are nearly zero."""
    torch.manual_seed(0)
    model = Sam2(TEST_TINY)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.1)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_model(model, path)
    return path


def all_verbs(model: Sam2, memories: int = 1) -> list[Tensor]:
    """Run every method of the model on an image with a click and ``memories`` memories of it; return the outputs."""
    torch.manual_seed(1)
    size = 64
    with torch.inference_mode():
        features = model.encode_image(torch.rand(1, 3, size, size, device=model.device))
        prompts = PromptTensors(torch.tensor([[[20.0, 30.0]]]), torch.tensor([[1]]))
        prediction = model.decode(model.condition(features, None), prompts)
        adopted = model.use_mask_as_output(features, (torch.rand(1, 1, size, size) > 0.5).float())
        chosen = ChosenMask(
            prediction.logits[:, :1], prediction.iou[:, 0], prediction.pointers[:, 0], prediction.object_score
        )
        memory = model.encode_memory(features, chosen, prompted=True)
        tokens = MemoryTokens(
            memory[:, None].repeat_interleave(memories, dim=1),
            torch.zeros(1, memories, dtype=torch.long),
            torch.stack([chosen.pointer, adopted.pointer], dim=1),
            torch.tensor([[0.1, 0.2]]),
        )
        again = model.decode(model.condition(features, tokens), PromptTensors.none(1, model.device))
    return [prediction.logits, prediction.iou, adopted.pointer.float(), memory.float(), again.logits]


def distance(ours: list[Tensor], theirs: list[Tensor]) -> float:
    """Largest difference relative to the largest value."""
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(ours, theirs, strict=True))


def test_the_default_is_the_embedded_model() -> None:
    model = load(device="cpu")
    assert (model.config, model.dtype, model.device.type) == (NANO, torch.float32, "cpu")
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_a_weight_file_holds_its_configuration(tiny: Path) -> None:
    assert load(tiny, device="cpu").config == load(str(tiny), device="cpu").config == TEST_TINY


def test_a_name_with_its_weights() -> None:
    assert load("nano", weights=embedded_weights(), device="cpu").config == NANO


def test_another_input_size(tiny: Path) -> None:
    assert load(tiny, device="cpu", image_size=96).config == dataclasses.replace(TEST_TINY, image_size=96)


@pytest.mark.parametrize(("dtype", "near"), [("bfloat16", 0.1), ("float16", 0.01)])
def test_half_precision_on_cpu(dtype: str, near: float, tiny: Path) -> None:
    half, full = load(tiny, device="cpu", dtype=dtype), load(tiny, device="cpu")
    assert half.dtype == getattr(torch, dtype)
    assert half.sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix.dtype == torch.float32
    assert 0 < distance(all_verbs(half), all_verbs(full)) < near


BAD: dict[str, tuple[dict[str, Any], type[MaskletError], str]] = {
    "unknown name": ({"name": "sam2.1-tini"}, UnknownModelError, r"'sam2.1-tini'.* sam2.1-tiny"),
    "nonsense": ({"name": "??"}, UnknownModelError, "nano.*sam2.1-tiny"),
    "empty name": ({"name": ""}, UnknownModelError, "''"),
    "missing file": ({"name": "none.pt"}, WeightsError, "none.pt"),
    "missing weights": ({"weights": "none.pt"}, WeightsError, "none.pt"),
    "folder": ({"weights": "."}, WeightsError, "weights"),
    "file under another name": (
        {"name": "sam2.1-tiny", "weights": embedded_weights()},
        WeightsError,
        "nano.safetensors .*sam2.1-tiny",
    ),
    "weights of an unknown model": ({"name": "mine", "weights": embedded_weights()}, UnknownModelError, "'mine'"),
    "number type": ({"dtype": "int8"}, DeviceError, "'int8'"),
    "device": ({"device": "tpu"}, DeviceError, "'tpu'"),
    "unavailable device": ({"device": "cuda:999"}, DeviceError, "cuda:999"),
    "size between steps": ({"image_size": 100}, WeightsError, "100"),
    "no size": ({"image_size": 0}, WeightsError, "0"),
    "negative size": ({"image_size": -32}, WeightsError, "-32"),
    "gigantic size": ({"image_size": 2**20}, WeightsError, "1048576"),
}


@pytest.mark.parametrize(("arguments", "error", "message"), BAD.values(), ids=BAD)
def test_bad_arguments(arguments: dict[str, Any], error: type[MaskletError], message: str) -> None:
    with pytest.raises(error, match=message) as raised:
        load(**{"device": "cpu", **arguments})
    assert "\n" not in str(raised.value)


def test_auto_prefers_the_accelerator() -> None:
    best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert pick_device("auto").type == best


def test_compiling_without_a_compiler(monkeypatch: pytest.MonkeyPatch, tiny: Path) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(DeviceError, match="no-such-compiler"):
        load(tiny, device="cpu", compile=True)


def compare_compiled(path: str) -> None:
    """Print the differences between a compiled model and a plain one."""
    compiled, plain = load(path, device="cpu", compile=True), load(path, device="cpu")
    assert compiled.state_dict().keys() == plain.state_dict().keys()
    print(*(distance(all_verbs(compiled, n), all_verbs(plain, n)) for n in (1, 2, 3)))  # noqa: T201


@pytest.mark.slow
def test_compiled_gives_the_same_numbers(tiny: Path) -> None:
    """In a process of its own: a compiler cannot see through the shape checks that tests switch on."""
    if not any(map(shutil.which, ("c++", "g++", "clang++", "cl"))):
        pytest.skip("no C++ compiler here")
    script = "import runpy, sys; runpy.run_path(sys.argv[1])['compare_compiled'](sys.argv[2])"
    command = [sys.executable, "-c", script, __file__, str(tiny)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    differences = [float(word) for word in run.stdout.split()]
    assert len(differences) == 3
    assert max(differences) < 1e-4
    assert "lru_cache" not in run.stderr


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_on_a_cuda_device(dtype: str, tiny: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
    model = load(tiny, device="cuda", dtype=dtype)
    assert model.device.type == "cuda"
    assert model.encode_image(torch.rand(1, 3, 64, 64, device="cuda")).embedding.shape == (1, 32, 4, 4)
