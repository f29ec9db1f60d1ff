"""The known models, and the weights that come with the package."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors import safe_open

from masklet.model.catalog import EMBEDDED, best_local_model, catalog, embedded_weights, hub_files
from masklet.model.config import NANO, PRESETS
from masklet.model.load import FLOAT32_MODULE
from masklet.model.metadata import config_from_json


def test_the_embedded_weights_and_their_card() -> None:
    card = json.loads(embedded_weights().with_name("nano.json").read_text())
    with safe_open(embedded_weights(), "pt") as file:
        stored = config_from_json(file.metadata()["masklet.config"])
        names = [name for name in file.keys() if not name.startswith(FLOAT32_MODULE)]  # noqa: SIM118 - not a mapping
        types = {str(file.get_tensor(name).dtype) for name in names}
    assert stored == NANO == config_from_json(json.dumps(card["config"]))
    assert types == {"torch.float16"}
    assert card["parameters"] == catalog()[0].parameters
    assert embedded_weights().with_name("LICENSE").is_file()


def test_the_catalog_knows_every_preset() -> None:
    entries = {entry.name: entry for entry in catalog()}
    assert list(entries) == list(PRESETS)
    assert entries["nano"].local == embedded_weights()
    assert entries["nano"].hub_id is None
    large = entries["sam2.1-base-plus"]
    assert (large.hub_id, large.license) == ("facebook/sam2.1-hiera-base-plus", "Apache-2.0")
    assert large.files == ("model.safetensors", "sam2.1_hiera_base_plus.pt")
    assert entries["sam2-tiny"].files[1] == "sam2_hiera_tiny.pt"
    assert (entries["edgetam"].hub_id, entries["edgetam"].license) == ("facebook/EdgeTAM", "Apache-2.0")


def test_files_of_repositories() -> None:
    assert [(f.repository, f.name) for f in hub_files("me/mine")] == [
        ("me/mine", "model.safetensors"),
        ("me/mine", "mine.pt"),
    ]
    assert [(f.repository, f.name) for f in hub_files("edgetam")] == [
        ("facebook/EdgeTAM", "edgetam.pt"),
        ("yonigozlan/EdgeTAM-hf", "model.safetensors"),
    ]
    assert hub_files("facebook/EdgeTAM") == hub_files("edgetam")[:1]
    assert hub_files("nano") == ()


def test_every_efficienttam_has_its_own_file() -> None:
    files = {name: hub_files(name)[0] for name in PRESETS if name.startswith("efficienttam")}
    assert {file.repository for file in files.values()} == {"yunyangx/efficient-track-anything"}
    assert files["efficienttam-s-512"].name == "efficienttam_s_512x512.pt"
    assert files["efficienttam-ti-1"].name == "efficienttam_ti_1.pt"
    assert len({file.sha256 for file in files.values()}) == 8


def test_the_best_model_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded one, until something better for the hardware is in the cache of the Hub's client."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert [best_local_model(has_gpu=has_gpu)[0] for has_gpu in (False, True)] == [EMBEDDED, EMBEDDED]
    chosen = []
    for name in ("sam2.1-small", "efficienttam-ti-512", "edgetam"):
        file = hub_files(name)[-1 if name.startswith("sam") else 0]
        repository = tmp_path / f"models--{file.repository.replace('/', '--')}"
        (repository / "refs").mkdir(parents=True)
        (repository / "refs" / "main").write_text("0123")
        (repository / "snapshots" / "0123").mkdir(parents=True)
        (repository / "snapshots" / "0123" / file.name).touch()
        chosen.append([best_local_model(has_gpu=has_gpu)[0] for has_gpu in (False, True)])
    assert chosen == [
        [EMBEDDED, "sam2.1-small"],
        ["efficienttam-ti-512", "sam2.1-small"],
        ["edgetam", "sam2.1-small"],
    ]
