"""SA-V annotation files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from masklet.errors import FormatError
from masklet.io.formats.sav import read_sav

CODE = {"size": [2, 3], "counts": [1, 2, 3]}
GOOD: dict[str, Any] = {
    "video_id": "sav_000009",
    "video_frame_count": 8.0,
    "video_height": 2.0,
    "video_width": 3.0,
    "masklet": [[CODE, None], [CODE, CODE]],
    "masklet_id": [0, 5],
    "masklet_type": ["manual", "auto"],
}


def write(path: Path, **changes: Any) -> Path:
    file = path / "a.json"
    file.write_text(json.dumps({key: value for key, value in {**GOOD, **changes}.items() if value != "absent"}))
    return file


def test_reads(tmp_path: Path) -> None:
    found = read_sav(write(tmp_path))
    assert (found.video_id, found.size, found.num_frames, found.masklet_ids) == ("sav_000009", (2, 3), 8, (0, 5))
    assert (found.automatic, list(found.frames)) == ((False, True), [0, 4])
    assert found.mask(0, 1) is None
    mask = found.mask(4, 0)
    assert mask is not None
    np.testing.assert_array_equal(mask.to_mask(), [[False, True, False], [True, False, False]])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"masklet": "absent"}, "masklet"),
        ({"masklet": 5}, "5 at .*masklet"),
        ({"masklet": [[CODE]]}, "2"),
        ({"masklet": [[CODE, "x"]]}, "'x' at .*masklet"),
        ({"masklet_type": ["manual"]}, "2"),
        ({"masklet_id": ["a", "b"]}, "'a'"),
        ({"video_height": 2.5}, "2.5"),
        ({"video_height": 1e400}, "infinity"),
        ({"video_height": -2}, "-2"),
        ({"video_width": 1e9, "video_height": 1e9}, "1000000000"),
    ],
)
def test_refuses(changes: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=told) as caught:
        read_sav(write(tmp_path, **changes))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("code", [{"size": [2, 2], "counts": [4]}, {"size": [2, 3], "counts": "zzzz"}, {}])
def test_corrupt_masks_are_refused_when_read(code: dict[str, Any], tmp_path: Path) -> None:
    found = read_sav(write(tmp_path, masklet=[[code, code]]))
    with pytest.raises(FormatError):
        found.mask(0, 0)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"[" * 100_000, b"\xff\xfe"])
def test_no_json(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=r"a\.json"):
        read_sav(path)
    with pytest.raises(FormatError, match=r"none\.json"):
        read_sav(tmp_path / "none.json")


def test_real_file(assets: Path) -> None:
    found = read_sav(assets / "data" / "sav" / "sav_000001_manual.json")
    assert (found.video_id, found.size, found.num_frames) == ("sav_000001", (848, 480), 483)
    assert (found.masklet_ids, len(found.frames), found.frames[-1]) == ((0, 1, 2, 3, 4), 121, 480)
    areas = [[mask.area for i in range(5) if (mask := found.mask(frame, i))] for frame in found.frames]
    visible = np.array(areas, float)
    visible[visible == 0] = np.nan
    np.testing.assert_allclose(
        np.nanmean(visible, axis=0), [1434.8083, 38512.4876, 4593.7545, 3718.625, 3692.0083], rtol=1e-6
    )  # masklet_size_abs in the file
    assert (visible[:29, 3] != visible[:29, 3]).all()  # masklet_first_appeared_frame: 113
