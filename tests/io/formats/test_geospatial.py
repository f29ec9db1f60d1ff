"""Results on the map, as GIS libraries read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from masklet.errors import OutputError
from masklet.io import ArrayVideo, open_writer
from masklet.io.source import GeoReference
from masklet.types import FrameMasks

rasterio = pytest.importorskip("rasterio")
shapely = pytest.importorskip("shapely")
pyogrio = pytest.importorskip("pyogrio")

UTM = GeoReference(crs=rasterio.crs.CRS.from_epsg(32633).to_wkt(), transform=(10, 0, 500000, 0, -10, 5600000))
DEGREES = GeoReference(crs=rasterio.crs.CRS.from_epsg(4326).to_wkt(), transform=(0.001, 0, 15.0, 0, -0.001, 50.55))


class Map(ArrayVideo):
    """Pictures with a place on the map and names with dates."""

    georeference: GeoReference = UTM

    def __init__(self, place: GeoReference = UTM) -> None:
        super().__init__(np.zeros((2, 40, 50, 3), np.uint8))
        self.georeference = place
        self.frame_names = ("scene_2023-05-01.tif", "scene_20240502.tif")


def fields(index: int) -> FrameMasks:
    masks = np.zeros((2, 40, 50), bool)
    masks[0, 10:30, 5:25] = True
    masks[0, 15:20, 10:15] = False  # a hole
    masks[1, 35 + index :, 40:] = True
    score = np.array([0.75, np.nan], np.float32)
    return FrameMasks(index, (1, 300), masks, presence=score, iou=score)


def write(path: Any, place: GeoReference = UTM) -> None:
    with open_writer(path, like=Map(place)) as writer:
        for index in range(2):
            writer.write(None, fields(index))


def test_label_maps_keep_crs_and_transform(tmp_path: Path) -> None:
    write(f"{tmp_path}/o.geotiff/")

    assert sorted(path.name for path in (tmp_path / "o.geotiff").iterdir()) == [
        "scene_2023-05-01.tif",
        "scene_20240502.tif",
    ]
    with rasterio.open(tmp_path / "o.geotiff" / "scene_20240502.tif") as file:
        assert file.crs.to_epsg() == 32633
        assert tuple(file.transform)[:6] == UTM.transform
        assert file.nodata == 0
        np.testing.assert_array_equal(file.read(1), fields(1).label_map())


@pytest.mark.parametrize("place", [UTM, DEGREES], ids=["meters", "degrees"])
def test_geojson_is_valid_and_in_degrees(tmp_path: Path, place: GeoReference) -> None:
    write(tmp_path / "o.geojson", place)
    document = json.loads((tmp_path / "o.geojson").read_text(encoding="utf-8"))
    first, second = document["features"][:2]
    shape = shapely.geometry.shape(first["geometry"])

    assert shape.is_valid
    assert len(shape.geoms[0].interiors) == 1
    assert shape.geoms[0].exterior.is_ccw
    assert 14.9 < shape.centroid.x < 15.1
    assert 50.4 < shape.centroid.y < 50.6
    assert first["properties"] | {"area_m2": 0} == {
        "object_id": 1,
        "name": "",
        "frame": 0,
        "date": "2023-05-01",
        "area_m2": 0,
        "presence": 0.75,
        "iou": 0.75,
    }
    assert second["properties"]["iou"] is None
    assert document["features"][2]["properties"]["date"] == "2024-05-02"


def test_area_is_that_on_the_ground(tmp_path: Path) -> None:
    write(tmp_path / "o.geojson")
    write(tmp_path / "degrees.geojson", DEGREES)
    areas = [
        json.loads((tmp_path / name).read_text())["features"][0]["properties"]["area_m2"]
        for name in ("o.geojson", "degrees.geojson")
    ]
    one_degree = 111_320.0 * np.cos(np.radians(50.53)), 111_250.0  # at that latitude, in meters

    assert areas[0] == pytest.approx(375 * 100, rel=2e-3)  # UTM stretches by up to 0.04 % in each direction
    assert areas[1] == pytest.approx(375 * one_degree[0] * one_degree[1] * 1e-6, rel=5e-3)


def test_geopackage_keeps_the_maps_own_system(tmp_path: Path) -> None:
    write(tmp_path / "o.gpkg")
    meta, _, shapes, columns = pyogrio.raw.read(tmp_path / "o.gpkg", layer="masks")
    found = dict(zip(meta["fields"].tolist(), columns, strict=True))

    assert "UTM zone 33N" in meta["crs"] or "32633" in meta["crs"]
    assert found["object_id"].tolist() == [1, 300, 1, 300]
    assert found["date"].tolist() == ["2023-05-01"] * 2 + ["2024-05-02"] * 2
    shape = shapely.from_wkb(shapes[0])
    assert shape.is_valid
    assert shape.area == 375 * 100
    assert shape.bounds == (500050, 5599700, 500250, 5599900)
    assert list(tmp_path.iterdir()) == [tmp_path / "o.gpkg"]


def test_tables_of_maps_have_date_and_area(tmp_path: Path) -> None:
    write(tmp_path / "o.csv")
    head, first = (tmp_path / "o.csv").read_text().splitlines()[:2]
    row = dict(zip(head.split(","), first.split(","), strict=True))

    assert row["date"] == "2023-05-01"
    assert float(row["area_m2"]) == pytest.approx(37500, rel=2e-3)


@pytest.mark.parametrize("seen", [(), (1,)], ids=["nothing", "something later"])
def test_frames_without_objects(tmp_path: Path, seen: tuple[int, ...]) -> None:
    for name in ("o.geojson", "o.gpkg"):
        with open_writer(tmp_path / name, like=Map()) as writer:
            for index in range(2):
                masks = fields(index)
                if index not in seen:
                    masks.masks[:] = np.False_
                writer.write(None, masks)
    features = json.loads((tmp_path / "o.geojson").read_text())["features"]
    columns = pyogrio.raw.read(tmp_path / "o.gpkg", layer="masks")[3]

    assert [one["properties"]["frame"] for one in features] == [1, 1][: 2 * len(seen)]
    assert len(columns[0]) == 2 * len(seen)


@pytest.mark.parametrize("name", ["o.geotiff/", "o.geojson", "o.gpkg"])
def test_a_place_in_no_known_system_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match="'EPSG:nowhere'"):
        write(f"{tmp_path}/{name}", GeoReference(crs="EPSG:nowhere", transform=UTM.transform))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["o.geotiff/", "o.geojson", "o.gpkg"])
def test_without_a_place_there_is_no_map(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError):
        open_writer(f"{tmp_path}/{name}", like=ArrayVideo(np.zeros((1, 4, 5, 3), np.uint8)))

    assert list(tmp_path.iterdir()) == []
