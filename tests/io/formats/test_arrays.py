"""NumPy archives: plain arrays for everybody, hostile ones refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from masklet.errors import FormatError
from masklet.io import Provenance, open_writer
from masklet.io.formats.arrays import read_npz


def test_numpy_alone_reads_all_of_it(masks_at: Any, tmp_path: Path) -> None:
    frames = [masks_at(0, ids=(3,)), masks_at(1, ids=(3, 9)), masks_at(2, ids=(3, 9))]
    with open_writer(tmp_path / "o.npz", provenance=Provenance(names={9: "犬"})) as writer:
        for masks in frames:
            writer.write(None, masks)
    with np.load(tmp_path / "o.npz", allow_pickle=False) as archive:
        assert archive["masks"].shape == (3, 2, 96, 128)
        assert archive["masks"].dtype == bool
        assert archive["object_ids"].tolist() == [3, 9]
        assert archive["names"].tolist() == ["", "犬"]
        assert archive["known"].tolist() == [[True, False], [True, True], [True, True]]
        assert np.isnan(archive["iou"][0, 1])
        np.testing.assert_array_equal(archive["masks"][1, 1], frames[1][9])


def good() -> dict[str, np.ndarray]:
    scores = np.ones((2, 1), np.float32)
    return {
        "masks": np.zeros((2, 1, 4, 5), bool),
        "known": np.ones((2, 1), bool),
        "object_ids": np.array([1]),
        "names": np.array([""]),
        "presence": scores,
        "iou": scores,
        "fps": np.array(np.nan),
    }


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"masks": np.zeros((2, 1, 4, 5))}, "float64"),
        ({"masks": np.zeros((2, 4, 5), bool)}, r"\(2, 4, 5\)"),
        ({"known": np.ones((1, 1), bool)}, "1 objects on 2 frames"),
        ({"object_ids": np.array([1, 2])}, "1 .* 2 and 1"),
        ({"object_ids": np.array([0])}, "got 0"),
        ({"names": np.array(["a", "b"])}, "1 .* 1 and 2"),
        ({"names": np.array([{}], object)}, "allow_pickle"),
        ({"fps": np.array([1.0, 2.0])}, "size 1"),
    ],
)
def test_refused_arrays(tmp_path: Path, change: dict[str, np.ndarray], told: str) -> None:
    np.savez(tmp_path / "a.npz", **(good() | change))  # type: ignore[arg-type]
    with pytest.raises(FormatError, match=told):
        read_npz(tmp_path / "a.npz")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nothing", b"text"])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(FormatError):
        read_npz(tmp_path / "a.npz")


def test_a_header_that_promises_more_than_there_is(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **good())  # type: ignore[arg-type]
    data = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(data.replace(b"(2, 1, 4, 5)", b"(2, 1, 9, 5)"))
    with pytest.raises(FormatError, match=r"a\.npz"):
        read_npz(tmp_path / "a.npz")
