"""The pre-flight: what is counted, what is drawn, and data that nobody can learn from."""

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
    """Pictures, clips of videos and clips made of pictures."""
    return replace(config, data=replace(config.data, image_share=0.5, synthetic=0.5))


def test_everything_is_counted_and_drawn(
    config: TrainConfig, davis_folder: Path, sa1b_folder: Path, tmp_path: Path
) -> None:
    told: list[tuple[int, int]] = []
    sources = [open_source(str(sa1b_folder)), open_source(str(davis_folder))]
    found = preflight(mixed(config), sources, tmp_path / "out", progress=lambda done, total: told.append((done, total)))
    stills, videos = found.reports
    assert (stills.items, stills.frames, stills.masks, stills.ok) == (4, 4, 8, True)
    assert (videos.items, videos.frames, videos.annotated, videos.objects, videos.masks) == (1, 8, 8, 1, 8)
    assert told == [(done, 5) for done in range(1, 6)]
    assert [sheet.name for sheet in found.sheets] == ["data-1-sa-1b.png", "data-2-davis2016.png", "samples.png"]
    assert all(read_image(sheet).std() > 1 for sheet in found.sheets)
    assert found.skipped == ()


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


def test_broken_pictures_are_counted_and_gone_around(config: TrainConfig, sa1b_folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "sa1b"
    shutil.copytree(sa1b_folder, root)
    (root / "sa_0.jpg").write_bytes(b"no picture")
    (root / "sa_2.json").write_text("{}")
    found = preflight(mixed(config), [open_source(str(root))], tmp_path / "out")
    assert found.reports[0].counts == {"unreadable": 2}
    assert found.reports[0].masks == 4
    assert any("sa_0.jpg" in line for line in found.skipped)


def test_nothing_but_background(config: TrainConfig, davis_folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "davis"
    shutil.copytree(davis_folder, root)
    for file in (root / "Annotations").rglob("*.png"):
        Image.new("L", (64, 64)).save(file)
    with pytest.raises(FormatError, match=r"expected masks to learn from, got none: .*no frame has a pixel") as caught:
        preflight(config, [open_source(str(root))], tmp_path / "out")
    assert "\n" not in str(caught.value)


def test_no_room_for_sheets(config: TrainConfig, sa1b_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match="cannot write"):
        preflight(config, [open_source(str(sa1b_folder))], tmp_path / "out")
