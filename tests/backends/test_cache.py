"""Where graphs are kept, and that damaged ones do not count."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from masklet.backends.bundle import write_bundle
from masklet.backends.cache import cached_path, file_hash, read_intact_bundle
from masklet.backends.convert import plan_bundle
from masklet.errors import WeightsError
from masklet.model.config import NANO


def test_a_place_for_each_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    plan = plan_bundle(Path(), "onnx", "float32", NANO, "ab")
    others = [
        replace(plan, weights="cd"),
        replace(plan, format="openvino"),
        replace(plan, config=replace(NANO, image_size=320)),
        replace(plan, versions={**plan.versions, "torch": "0"}),
    ]
    paths = {cached_path(plan), cached_path(plan, "clip"), *map(cached_path, others)}
    assert len(paths) == 6
    assert {path.parent for path in paths} == {tmp_path / "masklet" / "graphs"}
    assert cached_path(plan) == cached_path(plan)


def test_damaged_graphs_do_not_count(tmp_path: Path) -> None:
    folder = tmp_path / "graphs"
    assert read_intact_bundle(folder) is None
    plan = plan_bundle(folder, "onnx", "float32", NANO, "ab")
    written = write_bundle(plan, lambda inside: (inside / "decode.onnx").touch())
    assert read_intact_bundle(folder) == written
    (folder / "decode.onnx").write_bytes(b"damaged")
    assert read_intact_bundle(folder) is None


def test_file_hash(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert file_hash(tmp_path / "empty").startswith("e3b0c442")
    with pytest.raises(WeightsError, match="none"):
        file_hash(tmp_path / "none")
