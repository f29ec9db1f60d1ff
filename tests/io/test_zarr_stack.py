"""Zarr arrays and OME-Zarr images."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from masklet.errors import MediaError
from masklet.io import Calibration, StackVideo, open_video

VALUES = (np.arange(6 * 2 * 8 * 10) % 4096).reshape(6, 2, 8, 10).astype(np.uint16)  # t c y x
AXES = [
    {"name": "t", "type": "time", "unit": "second"},
    {"name": "c", "type": "channel"},
    {"name": "y", "type": "space", "unit": "micrometer"},
    {"name": "x", "type": "space", "unit": "micrometer"},
]


def _array(path: Path, values: np.ndarray, **options: Any) -> Any:
    array = zarr.create_array(path, shape=values.shape, dtype=values.dtype, **options)
    array[:] = values
    return array


@pytest.mark.parametrize(
    "options",
    [
        {"chunks": (1, 8, 10)},
        {"chunks": (2, 3, 4), "zarr_format": 2},
        {"chunks": (1, 4, 5), "shards": (6, 8, 10)},
        {"chunks": (6, 8, 10), "compressors": None},
    ],
    ids=["version 3", "version 2", "shards", "not packed"],
)
def test_a_plain_array_has_time_first(tmp_path: Path, options: Any) -> None:
    _array(tmp_path / "a.zarr", VALUES[:, 0], **options)

    with open_video(tmp_path / "a.zarr", scale=(0, 4095)) as video:
        assert isinstance(video, StackVideo)
        assert np.array_equal([frame[..., 0] for frame in video], np.round(VALUES[:, 0] / 4095 * 255))
        assert np.array_equal(video[4], list(video)[4])


def test_names_of_axes_are_followed(tmp_path: Path) -> None:
    _array(tmp_path / "a.zarr", np.moveaxis(VALUES, 1, 3), dimension_names=["time", "y", "x", "channel"])

    with open_video(tmp_path / "a.zarr", channels=1, scale=(0, 4095)) as video:
        assert np.array_equal(video[2][..., 0], np.round(VALUES[2, 1] / 4095 * 255))


@pytest.mark.parametrize("version", [2, 3])
def test_ome_zarr_reads_axes_channels_and_scale(tmp_path: Path, version: Any) -> None:
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=version)
    array = group.create_array("0", shape=VALUES.shape, dtype=VALUES.dtype, chunks=(1, 1, 8, 10))
    array[:] = VALUES
    scale = {"type": "scale", "scale": [10.0, 1.0, 0.25, 0.5]}
    image: dict[str, Any] = {
        "multiscales": [{"axes": AXES, "datasets": [{"path": "0", "coordinateTransformations": [scale]}]}],
        "omero": {"channels": [{"label": "DAPI"}, {"label": "GFP"}]},
    }
    group.attrs.update(image if version == 2 else {"ome": image})

    with open_video(tmp_path / "a.zarr", channels="GFP", scale=(0, 4095)) as video:
        assert isinstance(video, StackVideo)
        assert video.calibration == Calibration(pixel_size=(0.25, 0.5), unit="µm", frame_interval=10.0)
        assert np.array_equal(video[3][..., 0], np.round(VALUES[3, 1] / 4095 * 255))


class Harm:
    """Leaves a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize(
    "change",
    [
        {"compressor": {"id": "pickle", "protocol": 5}},
        {"filters": [{"id": "pickle", "protocol": 5}]},
        {"dtype": "|O", "filters": [{"id": "pickle", "protocol": 5}], "fill_value": None},
    ],
    ids=["compressor", "filter", "objects"],
)
def test_what_could_run_code_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    _array(tmp_path / "a.zarr", VALUES[:, 0], chunks=(6, 8, 10), zarr_format=2)
    header = tmp_path / "a.zarr" / ".zarray"
    header.write_text(json.dumps(json.loads(header.read_text()) | change))
    (tmp_path / "a.zarr" / "0.0.0").write_bytes(pickle.dumps(Harm(tmp_path / "harm")))

    with pytest.raises(MediaError, match=r"a\.zarr") as caught, open_video(tmp_path / "a.zarr") as video:
        list(video)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "harm").exists()


def test_chunks_without_bound_are_refused(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "a.zarr", shape=(4, 2**14, 2**14), dtype="u1", chunks=(4, 2**14, 2**14))

    with pytest.raises(MediaError):
        open_video(tmp_path / "a.zarr")


def test_what_is_no_image(tmp_path: Path) -> None:
    zarr.open_group(tmp_path / "group.zarr", mode="w")
    broken = tmp_path / "broken.zarr"
    broken.mkdir()
    (broken / "zarr.json").write_text("{")
    odd = zarr.open_group(tmp_path / "odd.zarr", mode="w")
    odd.attrs["ome"] = {"multiscales": [{"axes": AXES, "datasets": [{"path": 7}]}]}
    for name, message in (("group", r"group\.zarr"), ("broken", r"broken\.zarr"), ("odd", r"odd\.zarr")):
        with pytest.raises(MediaError, match=message):
            open_video(tmp_path / f"{name}.zarr")


def test_a_damaged_chunk_is_one_media_error(tmp_path: Path) -> None:
    _array(tmp_path / "a.zarr", VALUES[:, 0], chunks=(1, 8, 10), zarr_format=2)
    (tmp_path / "a.zarr" / "3.0.0").write_bytes(b"no chunk")

    with open_video(tmp_path / "a.zarr", scale=(0, 1)) as video:
        assert video[2].shape == (8, 10, 3)
        with pytest.raises(MediaError, match=r"a\.zarr"):
            video[3]
