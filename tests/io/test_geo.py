"""GeoTIFF: bands, no data, the place on the map, series of dates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio import Affine

from masklet.errors import MediaError
from masklet.io import MediaWarning, StackVideo, open_video
from masklet.io.formats.geospatial import date_in_name

BANDS = (np.arange(4 * 12 * 16) % 3000).reshape(4, 12, 16).astype(np.uint16)


def _write(path: Path, bands: np.ndarray = BANDS, *, left: float = 500_000, **options: Any) -> Path:
    count, height, width = bands.shape
    profile = {"crs": "EPSG:32632", "transform": Affine(10, 0, left, 0, -20, 4_600_000), **options}
    with rasterio.open(
        path, "w", driver="GTiff", width=width, height=height, count=count, dtype=bands.dtype, **profile
    ) as file:
        file.write(bands)
        file.descriptions = ("B2", "B3", "B4", "B8")[:count]
    return path


def test_the_place_on_the_map_is_kept(tmp_path: Path) -> None:
    with open_video(_write(tmp_path / "a.tif"), channels=["B4", "B3", "B2"], scale=(0, 3000)) as video:
        assert isinstance(video, StackVideo)
        place = video.georeference
        assert place is not None
        assert list(place.transform) == [10, 0, 500_000, 0, -20, 4_600_000]
        assert rasterio.crs.CRS.from_wkt(place.crs).to_epsg() == 32632
        assert (len(video), video.size) == (1, (12, 16))
        assert np.abs(video[0] - np.moveaxis(BANDS[[2, 1, 0]], 0, 2) / 3000 * 255).max() <= 0.5


def test_a_folder_of_dates_is_a_video(tmp_path: Path) -> None:
    for month in (4, 5, 11):
        _write(tmp_path / f"scene_2024{month:02d}15.tif", BANDS + np.uint16(month))

    with open_video(tmp_path, channels="B8", scale=(0, 3100)) as video:
        assert isinstance(video, StackVideo)
        dates = [date_in_name(name) for name in video.frame_names]
        assert dates == [f"2024-{month:02d}-15" for month in (4, 5, 11)]
        assert video.georeference is not None
        assert [round(float(frame.mean()), 3) for frame in video] == [
            round(float(video[n].mean()), 3) for n in range(3)
        ]


def test_another_grid_is_named(tmp_path: Path) -> None:
    _write(tmp_path / "1.tif")
    _write(tmp_path / "2.tif", left=500_010)

    with pytest.raises(MediaError, match=r"2\.tif"):
        open_video(tmp_path, channels=0)


def test_bands_can_be_frames(tmp_path: Path) -> None:
    with open_video(_write(tmp_path / "a.tif"), axis="band", scale=(0, 3000)) as video:
        assert isinstance(video, StackVideo)
        assert list(video.frame_names) == ["B2", "B3", "B4", "B8"]
        assert np.abs(video[3][..., 0] - BANDS[3] / 3000 * 255).max() <= 0.5
    with pytest.raises(MediaError, match="'band'"):
        open_video(tmp_path / "a.tif", axis="z")


def test_no_data_is_black_and_no_part_of_percentiles(tmp_path: Path) -> None:
    bands = np.full((1, 100, 100), 500.0, np.float32)
    bands[0, :, :50] = -9999
    bands[0, :, 75:] = 600
    with open_video(_write(tmp_path / "a.tif", bands, nodata=-9999)) as video:
        assert video[0][0, [0, 60, 90], 0].tolist() == [0, 0, 255]


def test_colors_are_colors_and_more_bands_are_told(tmp_path: Path) -> None:
    rgb = np.stack([np.full((12, 16), value, np.uint8) for value in (10, 20, 30)])
    with open_video(_write(tmp_path / "rgb.tif", rgb, photometric="rgb")) as video:
        assert video[0][0, 0].tolist() == [10, 20, 30]
    with pytest.warns(MediaWarning, match="0 B2, 1 B3, 2 B4, 3 B8"):
        open_video(_write(tmp_path / "four.tif")).close()


def test_a_cut_file_is_one_media_error(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.tif", np.random.default_rng(0).integers(0, 9999, (1, 90, 90), dtype=np.uint16))
    path.write_bytes(path.read_bytes()[:9000])

    with pytest.raises(MediaError, match=r"a\.tif") as caught, open_video(path) as video:
        list(video)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "date"),
    [
        ("S2_20240531_B04.tif", "2024-05-31"),
        ("2024-05-31.tif", "2024-05-31"),
        ("a_1999_12_01.tif", "1999-12-01"),
        ("20240231_20240301.tif", "2024-03-01"),
        ("tile_120240531.tif", None),
        ("2024-0531.tif", None),
        ("scene.tif", None),
    ],
)
def test_dates_in_names(name: str, date: str | None) -> None:
    assert date_in_name(name) == date
