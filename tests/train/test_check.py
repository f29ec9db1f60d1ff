"""Preflight check: counts, sheets, and data without masks."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from masklet.errors import FormatError, OutputError
from masklet.io import read_image
from masklet.train.check import TILE, preflight, sample_sheet
from masklet.train.config import TrainConfig
from masklet.train.sources import as_training_data, open_source


def mixed(config: TrainConfig) -> TrainConfig:
    """Images, clips of videos and synthetic clips."""
    return replace(config, data=replace(config.data, image_share=0.5, synthetic=0.5))


def test_everything_is_counted_and_drawn(
    config: TrainConfig, davis_folder: Path, sa1b_folder: Path, tmp_path: Path
) -> None:
    calls: list[tuple[int, int]] = []
    sources = [open_source(str(sa1b_folder)), open_source(str(davis_folder))]
    result = preflight(
        mixed(config), sources, tmp_path / "out", progress=lambda done, total: calls.append((done, total))
    )
    images, videos = result.reports
    assert (images.items, images.frames, images.masks, images.ok) == (4, 4, 8, True)
    assert (videos.items, videos.frames, videos.annotated, videos.objects, videos.masks) == (1, 8, 8, 1, 8)
    assert calls == [(done, 5) for done in range(1, 6)]
    assert [sheet.name for sheet in result.sheets] == ["data-1-sa-1b.png", "data-2-davis2016.png", "samples.png"]
    assert all(read_image(sheet).std() > 1 for sheet in result.sheets)
    assert result.skipped == ()


def test_a_row_of_samples_for_each_kind(
    config: TrainConfig, davis_folder: Path, sa1b_folder: Path, tmp_path: Path
) -> None:
    sources = [open_source(str(sa1b_folder)), open_source(str(davis_folder))]
    heights = {}
    for name, chosen, settings in (
        ("all", sources, mixed(config)),
        ("video", sources[1:], config),
        ("made", sources[:1], config),
    ):
        sample_sheet(settings, as_training_data(chosen), tmp_path / f"{name}.png")
        heights[name] = read_image(tmp_path / f"{name}.png").shape[0] // TILE
    assert heights == {"all": 11, "video": 4, "made": 4}  # 2 + 4 + 4 rows with captions; 4 rows; 4 rows


def test_samples_are_the_same_every_time(config: TrainConfig, sa1b_folder: Path, tmp_path: Path) -> None:
    data = as_training_data([open_source(str(sa1b_folder))])
    for name in ("a.png", "b.png"):
        sample_sheet(config, data, tmp_path / name)
    assert np.array_equal(read_image(tmp_path / "a.png"), read_image(tmp_path / "b.png"))


def test_broken_images_are_counted_and_skipped(config: TrainConfig, sa1b_folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "sa1b"
    shutil.copytree(sa1b_folder, root)
    (root / "sa_0.jpg").write_bytes(b"no picture")
    (root / "sa_2.json").write_text("{}")
    result = preflight(mixed(config), [open_source(str(root))], tmp_path / "out")
    assert result.reports[0].counts == {"unreadable": 2}
    assert result.reports[0].masks == 4
    assert any("sa_0.jpg" in line for line in result.skipped)


def test_data_without_masks(config: TrainConfig, davis_folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "davis"
    shutil.copytree(davis_folder, root)
    for file in (root / "Annotations").rglob("*.png"):
        Image.new("L", (64, 64)).save(file)
    with pytest.raises(FormatError) as caught:
        preflight(config, [open_source(str(root))], tmp_path / "out")
    assert str(root) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_sheets_that_cannot_be_written(config: TrainConfig, sa1b_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match="out"):
        preflight(config, [open_source(str(sa1b_folder))], tmp_path / "out")
