"""`load` with inference backends other than torch: the cache, folders of graphs, and invalid combinations."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from jaxtyping import UInt8, config

from masklet.backends.bundle import MANIFEST, SCHEMA, read_bundle, write_bundle
from masklet.backends.convert import plan_bundle
from masklet.errors import DeviceError, MissingExtraError, WeightsError
from masklet.model.config import NANO
from masklet.model.convert import save_model
from masklet.model.sam2 import Sam2
from masklet.predict.load import load
from masklet.predict.stream import StreamTracker
from masklet.types import Prompts

LOAD: Any = load


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the manifest of exported graphs."""
    plan = plan_bundle(tmp_path / "graphs", "onnx", "float32", NANO, "0" * 64)
    return write_bundle(plan, lambda inside: (inside / "decode.onnx").touch()).folder


@pytest.mark.parametrize(
    ("build", "message"),
    [
        ({"backend": "tvm"}, "'tvm'"),
        ({"backend": "onnx", "dtype": "int8"}, "onnx.*float32.*'int8'"),
        ({"backend": "openvino", "dtype": "float16"}, "'float16'"),
        ({"backend": "openvino", "dtype": "int8"}, "calibration"),
        ({"backend": "openvino", "dtype": "int8", "calibration": []}, "calibration"),
        ({"backend": "onnx", "device": "cuda"}, "device='cuda'"),
        ({"backend": "onnx", "compile": True}, "compile=True"),
    ],
)
def test_invalid_combinations(build: dict[str, Any], message: str) -> None:
    with pytest.raises(DeviceError, match=message) as error:
        LOAD("nano", **build)
    assert "\n" not in str(error.value)


def test_unknown_options() -> None:
    with pytest.raises(TypeError, match="'bakend'"):
        LOAD("nano", bakend="onnx")
    with pytest.raises(WeightsError, match="100"):
        LOAD("nano", backend="onnx", image_size=100)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        ({}, 'backend="onnx"'),
        ({"backend": "openvino"}, "onnx.*openvino"),
        ({"backend": "onnx", "image_size": 320}, "384.*320"),
    ],
)
def test_folders_of_another_kind(folder: Path, build: dict[str, Any], message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        LOAD(folder, **build)


def test_folder_of_another_version(folder: Path) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**manifest, "schema": "0"}))
    with pytest.raises(WeightsError, match=f"'0'.*'{SCHEMA}'"):
        LOAD(folder, backend="onnx")


def test_damage_shows_when_a_graph_is_needed(folder: Path) -> None:
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    (folder / "encode_image.onnx").write_bytes(b"not what was written")
    model = LOAD(folder, backend="onnx")
    with pytest.raises(WeightsError, match=r"encode_image\.onnx"):
        model.encode_image(torch.rand(1, 3, 384, 384))


@pytest.mark.parametrize(("backend", "package"), [("onnx", "onnxruntime"), ("openvino", "openvino")])
def test_missing_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    folder = write_bundle(plan_bundle(tmp_path / "x", backend, "float32", NANO, "0" * 64), lambda _: None).folder
    with pytest.raises(MissingExtraError, match=rf'pip install "masklet\[{backend}\]"$'):
        LOAD(folder, backend=backend)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clip: UInt8[np.ndarray, "t h w 3"], tiny: Sam2, backend: str
) -> None:
    """Graphs are exported once, read again, and exported again if damaged; masks are as with torch."""
    pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
    pytest.importorskip(backend, reason=f"the extra {backend} is not installed")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    save_model(tiny, tmp_path / "tiny.safetensors")
    config.update("jaxtyping_disable", True)  # while a graph is captured, an open length is no int
    try:
        LOAD(tmp_path / "tiny.safetensors", backend=backend)
        (kept,) = (tmp_path / "cache" / "masklet" / "graphs").iterdir()
        (written,) = kept.glob("decode.*n*")  # decode.onnx or decode.bin
        first = written.stat().st_mtime_ns
        LOAD(tmp_path / "tiny.safetensors", backend=backend)
        assert written.stat().st_mtime_ns == first
        written.write_bytes(b"damaged")
        model = LOAD(tmp_path / "tiny.safetensors", backend=backend)
        read_bundle(kept).check()
    finally:
        config.update("jaxtyping_disable", False)
    prompts = {1: Prompts.click(15, 15), 2: Prompts.from_box(8, 8, 22, 22)}
    ours, theirs = StreamTracker(model), StreamTracker(tiny)
    for index, frame in enumerate(clip[:12]):
        given = prompts if index == 0 else {}
        a, b = ours.step(frame, given), theirs.step(frame, given)
        np.testing.assert_allclose(a.presence, b.presence, atol=1e-3)
        assert (a.masks != b.masks).mean() < 1e-2
