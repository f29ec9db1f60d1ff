"""`masklet models`."""

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
    assert len(released) == 17


def test_models_json(run: Run) -> None:
    done = run("models", "--json")
    models = {model["name"]: model for model in json.loads(done.out)["models"]}
    assert Path(models["nano"]["local"]).is_file()
    assert models["sam2.1-tiny"]["hub_id"] == "facebook/sam2.1-hiera-tiny"
    assert models["sam2.1-tiny"]["load"] == 'masklet.load("sam2.1-tiny")'


@pytest.mark.parametrize(
    ("arguments", "code", "value"),
    [(["nano"], 4, "nano"), (["no-such"], 4, "no-such"), (["edgetam", "--to", "no"], 5, "no")],
)
def test_pull_refuses(run: Run, arguments: list[str], code: int, value: str) -> None:
    done = run("models", "pull", *arguments)
    assert (done.code, done.out) == (code, "")
    assert value in done.err
    assert len(done.err.splitlines()) == 1
