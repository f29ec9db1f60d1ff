"""Every form of results that can be read: what is written comes back, the same masks under the same ids."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from masklet.errors import FormatError, MaskletError
from masklet.io import FORMATS, open_writer, read_result
from masklet.io.result_builder import Provenance, Result, ResultBuilder
from masklet.io.source import GeoReference
from masklet.types import FrameMasks, ObjectId

SIZE = (24, 31)
NUM_FRAMES = 9
READABLE = [name for name, form in FORMATS.items() if form.read]
DISJOINT = {"davis", "mots", "ctc", "geotiff"}
WITHOUT_NAMES = {"png", "tiff", "davis", "sav", "sa1b", "mots", "ctc", "geotiff"}
NAMES = ["Köter", "犬 2", "a \"quoted\" <name> & 'more'", "", "dog"]

UTM = GeoReference(crs="EPSG:32633", transform=(10.0, 0.0, 500000.0, 0.0, -10.0, 5600000.0))


class Located(Result):
    """A result whose frames lie on a map."""

    georeference = UTM


def example(count: int, *, seed: int = 0) -> Result:
    """Objects with random, overlapping, holey masks; some frames and some objects are empty."""
    noise = np.random.default_rng(seed)
    builder = ResultBuilder()
    builder.size = SIZE
    ids = [1 + 3 * place for place in range(count)]
    names = {object_id: NAMES[place % len(NAMES)] for place, object_id in enumerate(ids)}
    for index in range(NUM_FRAMES):
        masks = np.zeros((count, *SIZE), bool)
        for place in range(count):
            top, left = noise.integers(0, 14), noise.integers(0, 20)
            masks[place, top : top + 10, left : left + 11] = noise.random((10, 11)) < 0.7
        if index == 4 and count:
            masks[:] = False
        if count > 2:
            masks[1, :, :] &= index % 3 == 0
            masks[2, :, :] = False
        scores = noise.random((2, count)).astype(np.float32)
        builder.add_frame(FrameMasks(index, tuple(ids), masks, presence=scores[0], iou=scores[1]))
    made = builder.build(Provenance(names=names, model="nano"), fps=12.5, num_frames=NUM_FRAMES)
    return Located(**{name: getattr(made, name) for name in made.__dataclass_fields__})


def dense(result: Result, frame_index: int, *, disjoint: bool = False) -> dict[ObjectId, np.ndarray]:
    """The masks of the objects that have a pixel."""
    frame = result.frame(frame_index)
    if disjoint:
        labels = frame.label_map()
        return {i: labels == i for i in frame.object_ids if (labels == i).any()}
    return {i: frame[i] for i in frame.object_ids if frame[i].any()}


def export(result: Result, path: str, form: str) -> None:
    with open_writer(path, format=form, like=result, provenance=result.provenance) as writer:
        for masks in result:
            writer.write(None, masks)


@pytest.mark.parametrize("count", [0, 1, 3, 60])
@pytest.mark.parametrize("form", READABLE)
def test_masks_and_ids_come_back(tmp_path: Path, form: str, count: int) -> None:
    result = example(count)
    path = tmp_path / FORMATS[form].file_name("out")
    export(result, f"{path}/" if FORMATS[form].is_folder else str(path), form)
    if form in {"png", "tiff"} and not count:
        with pytest.raises(FormatError):  # a folder for each object, and no object
            read_result(path, format=form)
        return

    for back in (read_result(path), read_result(path, format=form)):
        assert back.size == (SIZE if count or back.size else None)
        frames = range(0, NUM_FRAMES, 4) if form == "sav" else range(NUM_FRAMES)
        for index in frames:
            expected = dense(result, index, disjoint=form in DISJOINT)
            found = dense(back, index)
            assert list(found) == list(expected), index
            for object_id, mask in expected.items():
                np.testing.assert_array_equal(found[object_id], mask)
        if form not in DISJOINT:
            assert list(back.masklets) == list(result.masklets)
        if form not in WITHOUT_NAMES:
            assert {i: one.name for i, one in back.masklets.items()} == {
                i: one.name for i, one in result.masklets.items()
            }


DIGITS = np.frombuffer(b"0123456789-.e", np.uint8)


def damaged(content: bytes, noise: np.random.Generator) -> bytes:
    """A copy with bytes flipped, the end cut off, other numbers, or a piece in another place."""
    data = np.frombuffer(content, np.uint8).copy()
    kind = noise.integers(4)
    if kind == 0:
        data[noise.integers(0, len(data), 5)] ^= noise.integers(1, 256, 5, dtype=np.uint8)
    elif kind == 1:
        data = data[: noise.integers(len(data))]
    elif kind == 2:
        numbers = np.flatnonzero((data >= ord("0")) & (data <= ord("9")))
        if len(numbers):
            data[noise.choice(numbers, 4)] = noise.choice(DIGITS, 4)
    else:
        source, target = noise.integers(0, len(data), 2)
        length = min(20, len(data) - max(source, target))
        data[target : target + length] = data[source : source + length].copy()
    return data.tobytes()


@pytest.mark.parametrize("count", [15, pytest.param(300, marks=pytest.mark.slow)], ids=["a few", "300"])
@pytest.mark.parametrize("form", READABLE)
@pytest.mark.filterwarnings("ignore")
def test_a_damaged_result_is_read_or_refused_in_one_line(tmp_path: Path, form: str, count: int) -> None:
    noise = np.random.default_rng(0)
    path = tmp_path / FORMATS[form].file_name("out")
    export(example(3), f"{path}/" if FORMATS[form].is_folder else str(path), form)
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    index = [file for file in files if file.suffix in (".json", ".txt", ".yaml")]
    told = []
    for number in range(count):
        choice = index if index and number % 2 else files
        file = choice[noise.integers(len(choice))]
        content = file.read_bytes()
        if not content:
            continue
        file.write_bytes(damaged(content, noise))
        try:
            read_result(path, format=form)
        except MaskletError as error:
            told.append(str(error))
        file.write_bytes(content)
    assert told
    assert [line for line in told if "\n" in line] == []
