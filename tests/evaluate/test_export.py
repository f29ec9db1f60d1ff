"""Masks in the forms of benchmarks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.evaluate.conftest import both, moving, write_maps, write_pictures

from masklet.errors import OutputError
from masklet.evaluate.export import Export, ExportForm
from masklet.io import read_label_map, read_mask
from masklet.io.datasets import VideoDataset, VideoSequence, open_dataset
from masklet.types import FrameMasks


@pytest.fixture
def sequence(tmp_path: Path) -> VideoSequence:
    """Frames 00000, 00005 and 00010 with two objects, as YouTube-VOS numbers them."""
    frames = both(moving(3), moving(3, first=1, object_id=2, y=30))
    root = tmp_path / "videos"
    for folder in (
        write_pictures(root / "JPEGImages" / "one", frames),
        write_maps(root / "Annotations" / "one", frames),
    ):
        for path in sorted(folder.iterdir(), reverse=True):
            path.rename(path.with_stem(f"{5 * int(path.stem):05d}"))
    dataset = open_dataset("videos", root)
    assert isinstance(dataset, VideoDataset)
    return dataset["one"]


def truths(sequence: VideoSequence) -> Iterator[FrameMasks]:
    return (sequence.truth(index).as_masks() for index in range(3))


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("davis", ["one/00000.png", "one/00005.png", "one/00010.png"]),
        ("mose", ["one/00000.png", "one/00005.png", "one/00010.png"]),
        ("youtube-vos", [f"Annotations/one/{number}.png" for number in ("00000", "00005", "00010")]),
        ("sav", [f"one/{i}/{number}.png" for i in (1, 2) for number in ("00000", "00005", "00010")]),
    ],
)
def test_files_are_called_as_the_frames_are(
    sequence: VideoSequence, tmp_path: Path, form: ExportForm, expected: list[str]
) -> None:
    export = Export(folder=tmp_path / "out", form=form)
    passed = list(export.passing(sequence, truths(sequence)))
    assert [masks.frame_index for masks in passed] == [0, 1, 2]
    files = sorted(path for path in export.folder.rglob("*") if path.is_file())
    assert [path.relative_to(export.folder).as_posix() for path in files] == expected
    last = files[-1]
    if form == "sav":
        assert np.array_equal(read_mask(last), sequence.truth(2)[2])
        assert not read_mask(files[3]).any()  # object 2 is not there on the first frame
    else:
        assert np.array_equal(read_label_map(last), sequence.truth(2).as_masks().label_map())
        with Image.open(last) as image:
            assert image.mode == "P"


def test_a_sequence_is_there_whole_or_not_at_all(sequence: VideoSequence, tmp_path: Path) -> None:
    def failing() -> Iterator[FrameMasks]:
        yield sequence.truth(0).as_masks()
        raise KeyboardInterrupt

    export = Export(folder=tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        list(export.passing(sequence, failing()))
    assert list(export.folder.iterdir()) == []


def test_what_cannot_be_written(sequence: VideoSequence, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        list(Export(folder=tmp_path / "file").passing(sequence, truths(sequence)))


@pytest.mark.usefixtures("untyped_caller")
def test_unknown_form(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="davis, youtube-vos, mose, lvos, sav, got 'coco'"):
        Export(folder=tmp_path, form="coco")  # type: ignore[arg-type]
