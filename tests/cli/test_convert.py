"""`masklet convert`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Run


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def test_convert(run: Run, tmp_path: Path) -> None:
    done = run("convert", "nano", "half.safetensors", "--dtype", "float16", "--json")
    assert done.code == 0
    told = json.loads(done.out)
    assert (told["model"], told["output"]) == ("nano", "half.safetensors")
    assert told["bytes"] == (tmp_path / "half.safetensors").stat().st_size
    again = run("convert", "half.safetensors", "full.safetensors", "--dtype", "float32")
    assert again.code == 0
    assert again.out.startswith("wrote nano to full.safetensors (")
    assert (tmp_path / "full.safetensors").stat().st_size > 1.9 * told["bytes"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["none.pt", "out.safetensors"], 4, "none.pt"),
        (["junk.pt", "out.safetensors"], 4, "junk.pt"),
        (["nano", "out.pt"], 5, ".safetensors"),
        (["nano", "no/out.safetensors"], 5, "no folder"),
        (["nano", "out.safetensors", "--dtype", "int8"], 6, "dtype"),
        (["no-such-model", "out.safetensors"], 4, "no model"),
        (["nano"], 5, "one file or folder"),
        (["nano", "a.safetensors", "-o", "b.safetensors"], 5, "one file or folder"),
        (["nano", "out", "--to", "tflite"], 5, "safetensors, onnx, openvino"),
        (["nano", "junk.pt", "--to", "onnx"], 5, "not a folder of graphs"),
        (["nano", "out", "--to", "onnx", "--dtype", "bfloat16"], 6, "float32 or int8"),
        (["nano", "out", "--to", "onnx", "--dtype", "int8", "--calibrate", "junk.pt"], 6, "openvino"),
        (["nano", "out", "--to", "openvino", "--dtype", "int8", "--calibrate", "junk.pt"], 3, "junk.pt"),
        (["nano", "out", "--to", "openvino", "--dtype", "int8"], 6, "--calibrate CLIP"),
        (["nano", "out", "--to", "onnx", "--size", "100"], 4, "multiple of 32"),
    ],
)
def test_convert_errors(run: Run, tmp_path: Path, arguments: list[str], code: int, message: str) -> None:
    (tmp_path / "junk.pt").write_bytes(b"junk")
    done = run("convert", *arguments)
    assert (done.code, done.out) == (code, "")
    (line,) = done.err.splitlines()
    assert message in line
    assert [path.name for path in tmp_path.iterdir()] == ["junk.pt"]
