"""`benchmarks/peers.py` beside the public packages (scripts/peers): all programs do the same work."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from benchmarks.peers import Comparison, compare, run_program

from masklet.model.checkpoint import read_checkpoint
from masklet.predict.load import load

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def peers() -> None:
    """Skip without the public packages."""
    if not all(map(find_spec, ("torchvision", "sam2", "transformers"))):
        pytest.skip("the public packages are not installed (scripts/peers runs these tests beside them)")


def test_both_find_as_many_masks() -> None:
    comparison = Comparison(task="automatic", points=3, size=(256, 256))
    public, ours = compare(Path(sys.executable), comparison, 1)
    assert (public["program"], ours["program"]) == ("sam2", "masklet")
    assert 0 < ours["masks"] < 27
    assert abs(public["masks"] - ours["masks"]) <= 3  # stability is taken at the picture's size there
    assert min(ours["decoder_cpu_s"], ours["encoder_cpu_s"], ours["rest_cpu_s"]) > 0


def test_weights_of_transformers_are_for_all(tmp_path: Path) -> None:
    run_program(Path(sys.executable), "make_transformers", tmp_path, Comparison(beside=("transformers",)))
    assert read_checkpoint(tmp_path / "model.safetensors").config.full_name == "sam2.1-tiny"
    assert load("sam2.1-tiny", weights=tmp_path / "model.safetensors", device="cpu").config.revision == "2.1"
