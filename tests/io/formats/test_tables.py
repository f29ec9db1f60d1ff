"""Tables of measurements: right numbers under names that carry their unit."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from masklet.io import ArrayVideo, OutputOptions, Provenance, Writer, open_writer
from masklet.io.source import Calibration
from masklet.types import FrameMasks

SIZE = (40, 60)


def moving(index: int) -> tuple[np.ndarray, FrameMasks]:
    """A red box of 10 x 8 pixels that moves 3 to the right and 4 down a frame; an object that is never there."""
    masks = np.zeros((2, *SIZE), bool)
    if index != 2:
        masks[0, 5 + 4 * index : 13 + 4 * index, 6 + 3 * index : 16 + 3 * index] = True
    frame = np.full((*SIZE, 3), 20, np.uint8)
    frame[masks[0]] = (200, 10, 30)
    score = np.array([0.9, np.nan], np.float32)
    return frame, FrameMasks(index, (4, 7), masks, presence=score, iou=score)


def rows(path: Path, writer: Writer, *, pictures: bool = True) -> list[dict[str, str]]:
    with writer:
        for index in range(5):
            frame, masks = moving(index)
            writer.write(frame if pictures else None, masks)
    with path.open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["object_id"] == "4"]


def test_pixels_and_frames(tmp_path: Path) -> None:
    path = tmp_path / "o.csv"
    found = rows(path, open_writer(path, provenance=Provenance(names={4: "Zelle, 1"})))

    assert found[1] == {
        "frame": "1",
        "time_s": "",
        "date": "",
        "object_id": "4",
        "name": "Zelle, 1",
        "present": "1",
        "presence": "0.9",
        "iou": "0.9",
        "area_px2": "80",
        "centroid_x_px": "13.5",
        "centroid_y_px": "12.5",
        "box_x0_px": "9",
        "box_y0_px": "9",
        "box_x1_px": "19",
        "box_y1_px": "17",
        "perimeter_px": found[1]["perimeter_px"],
        "circularity": found[1]["circularity"],
        "speed_px_per_frame": "5",
        "mean_red": "200",
        "mean_green": "10",
        "mean_blue": "30",
    }
    assert [row["speed_px_per_frame"] for row in found] == ["", "5", "", "5", "5"]  # over the gap too
    assert [row["present"] for row in found] == ["1", "1", "0", "1", "1"]
    assert found[2]["area_px2"] == ""


def test_physical_units(tmp_path: Path) -> None:
    path = tmp_path / "o.csv"
    options = OutputOptions(calibration=Calibration(pixel_size=(0.5, 0.5), unit="µm", frame_interval=10))
    found = rows(path, open_writer(path, options=options), pictures=False)

    assert (found[1]["area_um2"], found[1]["centroid_x_um"], found[1]["time_s"]) == ("20", "6.75", "10")
    assert float(found[1]["speed_um_per_s"]) == pytest.approx(0.25)
    assert "mean_red" not in found[0]


def test_times_of_the_source(tmp_path: Path) -> None:
    path = tmp_path / "o.csv"
    video = ArrayVideo([moving(index)[0] for index in range(5)], fps=2)
    found = rows(path, open_writer(path, like=video))

    assert [row["time_s"] for row in found] == ["0", "0.5", "1", "1.5", "2"]
    assert float(found[1]["speed_px_per_s"]) == pytest.approx(10)


def test_what_the_source_knows_of_itself(tmp_path: Path) -> None:
    class Microscope(ArrayVideo):
        calibration = Calibration(pixel_size=(2.0, 3.0), unit="nm", frame_interval=None)
        channels = ("GFP", "")

        def values(self, index: int) -> np.ndarray:
            return np.stack([np.full(SIZE, 1000.5 + index), np.full(SIZE, np.nan)], axis=2)

    path = tmp_path / "o.csv"
    found = rows(path, open_writer(path, like=Microscope([moving(index)[0] for index in range(5)])))

    assert found[1]["area_nm2"] == "480"
    assert found[1]["box_x0_nm"] == "27"
    assert (found[1]["mean_GFP"], found[1]["mean_1"]) == ("1001.5", "")


def test_parquet_holds_the_same(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    with open_writer(tmp_path / "o.parquet") as writer:
        for index in range(5):
            writer.write(*moving(index))
    table = parquet.read_table(tmp_path / "o.parquet").to_pydict()
    found = rows(tmp_path / "o.csv", open_writer(tmp_path / "o.csv"))
    mine = [place for place, object_id in enumerate(table["object_id"]) if object_id == 4]

    assert list(table) == list(found[0])
    assert [table["area_px2"][place] for place in mine] == [80, 80, None, 80, 80]
    assert [table["present"][place] for place in mine] == [True, True, False, True, True]
    assert table["iou"][mine[0] + 1] is None
    assert table["perimeter_px"][mine[0]] == pytest.approx(float(found[0]["perimeter_px"]))
