"""Mask files: predictions of other programs in all layouts and with all errors, and exports for benchmarks."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.evaluate.conftest import SEQUENCES, both, labels_of, moving, write_davis, write_images, write_maps

from masklet.errors import FormatError, MaskletError, MediaError, OutputError
from masklet.evaluate import Evaluation, Predictions, evaluate
from masklet.evaluate.predictions import Export, ExportFormat, PredictedSequence
from masklet.io import read_label_map, read_mask, write_label_map
from masklet.io.datasets import VideoDataset, VideoSequence, open_dataset
from masklet.types import FrameMasks

SHIFTED = moving(6)
SHIFTED = [{i: (x + 1, y, w, h) for i, (x, y, w, h) in boxes.items()} for boxes in SHIFTED]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Perfect predictions."""
    for name, frames in SEQUENCES.items():
        write_maps(tmp_path / "masks" / name, frames)
    return tmp_path / "masks"


def run(dataset: VideoDataset, folder: Path) -> Evaluation:
    result = evaluate(dataset, Predictions(folder))
    assert result is not None
    return result


def test_a_perfect_prediction_scores_100(davis: VideoDataset, folder: Path) -> None:
    document = run(davis, folder).document
    assert (document["J"], document["F"], document["JF"]) == (100, 100, 100)
    assert document["presence"] == {"accuracy": 100, "precision": 100, "recall": 100}


def test_a_shifted_one_scores_what_one_computes(davis: VideoDataset, folder: Path) -> None:
    write_maps(folder / "one", SHIFTED)
    numbers = run(davis, folder).document["per_sequence"]["one"]
    assert numbers["J"] == pytest.approx(900 / 11)  # 90 of 110 pixels
    assert numbers["F"] == 100  # no boundary is off by more than the pixel that 0.008 of the diagonal allows
    assert numbers["JF"] == pytest.approx((900 / 11 + 100) / 2)


def gray(folder: Path) -> None:
    """Label maps as gray images, without a palette."""
    for path in folder.rglob("*.png"):
        Image.fromarray(read_label_map(path)).save(path)


def objects_as_folders(folder: Path) -> None:
    """A folder of black and white masks for each object."""
    for path in sorted(folder.rglob("*.png")):
        labels = read_label_map(path)
        for i in (1, 2):
            if (labels == i).any() or i == 1:
                (path.parent / str(i)).mkdir(exist_ok=True)
                Image.fromarray(labels == i).save(path.parent / str(i) / path.name)
        path.unlink()


def annotations_inside(folder: Path) -> None:
    """The form in which YouTube-VOS takes results."""
    for name in SEQUENCES:
        (folder / "Annotations").mkdir(exist_ok=True)
        (folder / name).rename(folder / "Annotations" / name)


def without_zeros(folder: Path) -> None:
    """``7.png`` for frame 00007."""
    for path in list(folder.rglob("*.png")):
        path.rename(path.with_name(f"{int(path.stem)}.png"))


@pytest.mark.parametrize("change", [gray, objects_as_folders, annotations_inside, without_zeros])
def test_forms(davis: VideoDataset, folder: Path, change: Callable[[Path], None]) -> None:
    change(folder)
    document = run(davis, folder).document
    assert document["JF"] == 100
    assert set(document["counted_notices"]) <= {"object not scored"}


def test_sav_form_calls_objects_as_the_set_does(tmp_path: Path) -> None:
    frames = both(moving(9), moving(9, object_id=2, y=30))
    root = tmp_path / "sa-v"
    write_images(root / "JPEGImages_24fps" / "one", frames)
    for place in (root / "Annotations_6fps", tmp_path / "masks"):
        for object_id, name in ((1, "000"), (2, "001")):
            (place / "one" / name).mkdir(parents=True)
            for index in range(0, 9, 4):
                mask = Image.fromarray(labels_of(frames[index]) == object_id)
                mask.save(place / "one" / name / f"{index:05d}.png")
    (root / "sav_val.txt").write_text("one\n")
    dataset = open_dataset("sa-v", root)
    assert isinstance(dataset, VideoDataset)
    assert run(dataset, tmp_path / "masks").document["JF"] == 100
    (tmp_path / "masks" / "one" / "000").rename(tmp_path / "masks" / "one" / "002")
    document = run(dataset, tmp_path / "masks").document
    assert document["JF"] == 50
    assert document["counted_notices"] == {"extra object": 1, "missing object": 1}


def test_white_is_the_object_where_there_is_only_one(tmp_path: Path) -> None:
    """DAVIS 2016: masks are 0 and 255."""
    frames = moving(5)
    root = tmp_path / "davis"
    write_images(root / "JPEGImages" / "480p" / "one", frames)
    for place in (root / "Annotations" / "480p" / "one", tmp_path / "masks" / "one"):
        place.mkdir(parents=True)
        for index, boxes in enumerate(frames):
            Image.fromarray(labels_of(boxes) * np.uint8(255)).save(place / f"{index:05d}.png")
    (root / "ImageSets" / "2016").mkdir(parents=True)
    (root / "ImageSets" / "2016" / "val.txt").write_text("one\n")
    dataset = open_dataset("davis2016", root)
    assert isinstance(dataset, VideoDataset)
    assert run(dataset, tmp_path / "masks").document["JF"] == 100


def no_frame(folder: Path) -> None:
    (folder / "one" / "00003.png").unlink()


def more_objects(folder: Path) -> None:
    write_maps(folder / "one", both(moving(6), moving(6, object_id=5, y=30)))


def fewer_objects(folder: Path) -> None:
    write_maps(folder / "one", [{} for _ in range(6)])


def other_ids(folder: Path) -> None:
    write_maps(folder / "one", moving(6, object_id=3))


@pytest.mark.parametrize(
    ("change", "notices", "score"),
    [
        (no_frame, {"missing prediction": 1}, 75),
        (more_objects, {"extra object": 1}, 100),
        (fewer_objects, {"missing object": 1}, 0),
        (other_ids, {"missing object": 1, "extra object": 1}, 0),
    ],
)
def test_what_is_odd_is_counted(
    davis: VideoDataset, folder: Path, change: Callable[[Path], None], notices: dict[str, int], score: float
) -> None:
    change(folder)
    document = run(davis.only(["one"]), folder).document
    assert document["counted_notices"] == notices
    assert document["JF"] == pytest.approx(score)
    assert all(notice["where"] == "one" for notice in document["notices"])


def no_folder(folder: Path) -> None:
    shutil.rmtree(folder)


def no_sequence(folder: Path) -> None:
    shutil.rmtree(folder / "two")


def nothing_in_it(folder: Path) -> None:
    for path in (folder / "one").iterdir():
        path.unlink()


def other_size(folder: Path) -> None:
    write_label_map(folder / "one" / "00002.png", np.zeros((24, 32), np.uint8))


def colors(folder: Path) -> None:
    Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(folder / "one" / "00002.png")


def broken(folder: Path) -> None:
    (folder / "one" / "00002.png").write_bytes(b"no image")


@pytest.mark.parametrize(
    ("change", "kind", "value"),
    [
        (no_folder, FormatError, "masks"),
        (no_sequence, FormatError, "two"),
        (nothing_in_it, FormatError, "one"),
        (other_size, FormatError, "32x24"),
        (colors, FormatError, "RGB"),
        (broken, MediaError, ".png"),
    ],
)
def test_predictions_that_cannot_be_scored(
    davis: VideoDataset, folder: Path, change: Callable[[Path], None], kind: type[MaskletError], value: str
) -> None:
    change(folder)
    with pytest.raises(kind) as caught:
        run(davis, folder)
    assert value in str(caught.value)
    assert "\n" not in str(caught.value)


def test_odd_ids_of_the_truth_are_kept(tmp_path: Path) -> None:
    frames = both(moving(5, object_id=2), moving(5, object_id=9, y=30))
    root = write_davis(tmp_path / "set", {"odd": frames})
    write_maps(tmp_path / "masks" / "odd", frames)
    videos = tmp_path / "videos"
    for part in ("JPEGImages", "Annotations"):
        shutil.copytree(root / part / "480p", videos / part)
    dataset = open_dataset("videos", videos)
    assert isinstance(dataset, VideoDataset)
    document = run(dataset, tmp_path / "masks").document
    assert list(document["per_sequence"]["odd"]["objects"]) == ["2", "9"]
    assert (document["JF"], document["counted_notices"]) == (100, {"object ids": 1})


def test_new_masks_are_scored_anew(davis: VideoDataset, folder: Path, tmp_path: Path) -> None:
    first = evaluate(davis, Predictions(folder), out=tmp_path / "out")
    write_maps(folder / "one", [{} for _ in range(6)])
    second = evaluate(davis, Predictions(folder), out=tmp_path / "out")
    assert first is not None
    assert second is not None
    assert (first.document["JF"], second.document["per_sequence"]["one"]["JF"]) == (100, 0)


def test_only_annotated_frames_are_read(davis: VideoDataset, folder: Path) -> None:
    (folder / "one" / "00006.png").write_bytes(b"not read")
    frames = list(PredictedSequence(folder=folder, sequence=davis["one"]).frames())
    assert [masks.frame_index for masks in frames] == [0, 1, 2, 3, 4, 5]


def test_cells_are_matched_by_overlap(tmp_path: Path) -> None:
    """Two cells on each of three frames; one is found whole under another id, of the other 60 of 100 pixels."""
    frames = both(moving(3), moving(3, object_id=2, y=30))
    root = write_images(tmp_path / "01", frames).parent
    (root / "01_GT" / "SEG").mkdir(parents=True)
    (root / "masks" / "01_RES").mkdir(parents=True)
    for index, boxes in enumerate(frames):
        Image.fromarray(labels_of(boxes).astype(np.uint16)).save(root / "01_GT" / "SEG" / f"man_seg{index:03d}.tif")
        found = labels_of({7: boxes[1], 9: (*boxes[2][:2], 6, 10)})
        Image.fromarray(found.astype(np.uint16)).save(root / "masks" / "01_RES" / f"mask{index:03d}.tif")
    dataset = open_dataset("ctc-seg", root)
    assert isinstance(dataset, VideoDataset)
    document = run(dataset, root / "masks").document
    assert (document["main"], document["SEG"]) == ("SEG", pytest.approx(80))


@pytest.fixture
def sequence(tmp_path: Path) -> VideoSequence:
    """Frames 00000, 00005 and 00010 with two objects, as YouTube-VOS numbers them."""
    frames = both(moving(3), moving(3, first=1, object_id=2, y=30))
    root = tmp_path / "videos"
    for folder in (
        write_images(root / "JPEGImages" / "one", frames),
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
    ("export_format", "expected"),
    [
        ("davis", ["one/00000.png", "one/00005.png", "one/00010.png"]),
        ("mose", ["one/00000.png", "one/00005.png", "one/00010.png"]),
        ("youtube-vos", [f"Annotations/one/{number}.png" for number in ("00000", "00005", "00010")]),
        ("sav", [f"one/{i}/{number}.png" for i in (1, 2) for number in ("00000", "00005", "00010")]),
    ],
)
def test_files_are_named_as_the_frames(
    sequence: VideoSequence, tmp_path: Path, export_format: ExportFormat, expected: list[str]
) -> None:
    export = Export(folder=tmp_path / "out", format=export_format)
    frames = list(export.write(sequence, truths(sequence)))
    assert [masks.frame_index for masks in frames] == [0, 1, 2]
    files = sorted(path for path in export.folder.rglob("*") if path.is_file())
    assert [path.relative_to(export.folder).as_posix() for path in files] == expected
    last = files[-1]
    if export_format == "sav":
        assert np.array_equal(read_mask(last), sequence.truth(2)[2])
        assert not read_mask(files[3]).any()  # object 2 is absent on the first frame
    else:
        assert np.array_equal(read_label_map(last), sequence.truth(2).as_masks().label_map())
        with Image.open(last) as image:
            assert image.mode == "P"


def test_a_sequence_is_written_atomically(sequence: VideoSequence, tmp_path: Path) -> None:
    def failing() -> Iterator[FrameMasks]:
        yield sequence.truth(0).as_masks()
        raise KeyboardInterrupt

    export = Export(folder=tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        list(export.write(sequence, failing()))
    assert list(export.folder.iterdir()) == []


def test_a_folder_that_cannot_be_written(sequence: VideoSequence, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        list(Export(folder=tmp_path / "file").write(sequence, truths(sequence)))


@pytest.mark.usefixtures("untyped_caller")
def test_unknown_export_format(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="coco"):
        Export(folder=tmp_path, format="coco")  # type: ignore[arg-type]
