"""Label maps, written and read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from masklet.errors import FormatError, MediaError, OutputError
from masklet.io import PALETTE, LabelMapWriter, read_label_map, write_label_map


def test_label_maps_read_back_equal_with_the_palette(masks_at: Any, tmp_path: Path) -> None:
    frames = [masks_at(index, ids=(1, 255)) for index in (0, 3, 12)]
    with LabelMapWriter(tmp_path / "out") as writer:
        for masks in frames:
            writer.write(None, masks)

    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["00000.png", "00003.png", "00012.png"]
    for masks in frames:
        path = tmp_path / "out" / f"{masks.frame_index:05d}.png"
        assert np.array_equal(read_label_map(path), masks.label_map())
        with Image.open(path) as image:
            assert image.mode == "P"
            assert image.getpalette() == PALETTE.ravel().tolist()


def test_large_ids_are_written_as_16_bit_gray(masks_at: Any, tmp_path: Path) -> None:
    masks = masks_at(0, ids=(7, 300, 65535))
    with LabelMapWriter(tmp_path / "out") as writer:
        writer.write(None, masks)

    labels = read_label_map(tmp_path / "out" / "00000.png")
    assert labels.dtype == np.uint16
    assert np.array_equal(labels, masks.label_map())


def test_an_id_beyond_16_bits_is_refused(masks_at: Any, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="65535"), LabelMapWriter(tmp_path / "out") as writer:
        writer.write(None, masks_at(0, ids=(65536,)))

    assert list(tmp_path.iterdir()) == []


def test_a_former_result_is_replaced_whole(masks_at: Any, tmp_path: Path) -> None:
    for indices in ((0, 1, 2), (1,)):
        with LabelMapWriter(tmp_path / "out") as writer:
            for index in indices:
                writer.write(None, masks_at(index))

    assert [file.name for file in (tmp_path / "out").iterdir()] == ["00001.png"]


def test_other_peoples_files_are_not_touched(masks_at: Any, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")

    with pytest.raises(OutputError, match=r"thesis\.txt"):
        LabelMapWriter(tmp_path / "out")
    with LabelMapWriter(tmp_path / "out", overwrite=True) as writer:
        writer.write(None, masks_at(4))

    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["00004.png", "thesis.txt"]
    assert (tmp_path / "out" / "thesis.txt").read_text() == "years of work"
    assert [file.name for file in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("largest", [0, 1, 255])
def test_one_label_map_alone(tmp_path: Path, dtype: Any, largest: int) -> None:
    labels = np.arange(12, dtype=dtype).reshape(3, 4) * 0 + dtype(largest)
    write_label_map(tmp_path / "a.png", labels)

    assert np.array_equal(read_label_map(tmp_path / "a.png"), labels)


def test_gray_label_maps_are_read_too(tmp_path: Path) -> None:
    labels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    Image.fromarray(labels).save(tmp_path / "a.png")

    assert np.array_equal(read_label_map(tmp_path / "a.png"), labels)


def test_what_is_no_label_map_is_refused(tmp_path: Path) -> None:
    Image.new("RGB", (4, 3)).save(tmp_path / "color.png")
    (tmp_path / "text.png").write_text("no picture")

    with pytest.raises(FormatError, match="RGB"):
        read_label_map(tmp_path / "color.png")
    with pytest.raises(MediaError):
        read_label_map(tmp_path / "text.png")
    with pytest.raises(MediaError):
        read_label_map(tmp_path / "nowhere.png")
