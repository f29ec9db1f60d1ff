"""`masklet models` and `masklet convert`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Run


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def test_models(run: Run) -> None:
    done = run("models")
    assert done.code == 0
    header, nano, *released = done.out.split("\n\n")[0].splitlines()
    assert header.split() == ["MODEL", "PARAMETERS", "INPUT", "WEIGHTS", "LICENSE", "HUB"]
    assert nano.startswith("nano ")
    assert "in the package" in nano
    assert len(released) == 8


def test_models_json(run: Run) -> None:
    done = run("models", "--json")
    models = {model["name"]: model for model in json.loads(done.out)["models"]}
    assert Path(models["nano"]["local"]).is_file()
    assert models["sam2.1-tiny"]["hub_id"] == "facebook/sam2.1-hiera-tiny"
    assert models["sam2.1-tiny"]["load"] == 'masklet.load("sam2.1-tiny")'


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
    ],
)
def test_convert_errors(run: Run, tmp_path: Path, arguments: list[str], code: int, message: str) -> None:
    (tmp_path / "junk.pt").write_bytes(b"junk")
    done = run("convert", *arguments)
    assert (done.code, done.out) == (code, "")
    (line,) = done.err.splitlines()
    assert message in line
    assert [path.name for path in tmp_path.iterdir()] == ["junk.pt"]
