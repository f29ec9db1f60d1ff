"""Training data from paths: names, splits, concatenation, and errors."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from PIL import Image

from masklet.errors import FormatError, MaskletError, MediaError
from masklet.train.sources import VALIDATION, Concatenation, open_source, open_training_data


def test_named_and_recognized(davis_folder: Path, sa1b_folder: Path) -> None:
    for given, read_as, split in (
        (str(davis_folder), "davis2016", "train"),
        (f"{davis_folder}@val", "davis2016", "val"),
        (f"davis2016={davis_folder}", "davis2016", "train"),
        (f"davis2016={davis_folder}@all", "davis2016", "all"),
        (f"videos={davis_folder}/JPEGImages/..", "videos", "all"),
        (f"sa-1b={sa1b_folder}@all", "sa-1b", "all"),
        (str(sa1b_folder), "sa-1b", "all"),
    ):
        if read_as != "videos":
            found = open_source(given)
            assert (found.given, found.dataset.name, found.dataset.split) == (given, read_as, split)
            assert found.is_video == (read_as != "sa-1b")
    assert open_source(str(davis_folder), prefer=VALIDATION).dataset.split == "val"
    assert open_source(f"davis2016={davis_folder}", prefer=VALIDATION).dataset.split == "val"


def test_several_are_concatenated_by_kind(davis_folder: Path, sa1b_folder: Path) -> None:
    data = open_training_data([str(sa1b_folder), str(davis_folder), f"sa-1b={sa1b_folder}@all"])
    assert [sample.name for sample in data.images] == ["sa_0", "sa_2", "sa_4", "sa_6"] * 2
    assert [sequence.name for sequence in data.videos] == ["square"]
    assert data.images[5].name == "sa_2"
    assert data.images[-1].name == "sa_6"
    assert [sample.name for sample in data.images[3:5]] == ["sa_6", "sa_0"]
    with pytest.raises(IndexError):
        data.images[8]
    assert len(pickle.loads(pickle.dumps(data)).images) == 8
    assert len(Concatenation([])) == 0


def test_items_are_not_cached(davis_folder: Path) -> None:
    data = open_training_data([str(davis_folder)])
    assert data.videos[0].annotated == tuple(range(8))
    assert data.videos[0] is not data.videos[0]


def test_special_characters_in_folder_names(tmp_path: Path, sa1b_folder: Path) -> None:
    odd = tmp_path / "a=b@c"
    odd.symlink_to(sa1b_folder)
    assert len(open_source(str(odd)).dataset) == 4
    assert len(open_source(f"{odd}@all").dataset) == 4
    assert len(open_source(f"sa-1b={odd}@all").dataset) == 4


@pytest.mark.parametrize(
    ("given", "kind", "value"),
    [
        ("", FormatError, "''"),
        ("@val", FormatError, "'@val'"),
        ("davis2017=", FormatError, "davis2017="),
        ("davis=ROOT", FormatError, "davis2017"),
        ("davis2016=ROOT@tset", FormatError, "tset"),
        ("sa-v=ROOT", FormatError, "sa-v="),
        ("coco=ROOT", FormatError, "train2017"),
        ("ROOT/nothing", MediaError, "nothing"),
        ("ROOT@dev", FormatError, "dev"),
    ],
)
def test_wrong_data(given: str, kind: type[MaskletError], value: str, davis_folder: Path) -> None:
    with pytest.raises(kind) as caught:
        open_source(given.replace("ROOT", str(davis_folder)))
    assert value in str(caught.value)
    assert "\n" not in str(caught.value)


def test_masks_that_are_not_public(tmp_path: Path) -> None:
    for kind in ("JPEGImages", "Annotations"):
        (tmp_path / "valid" / kind / "a").mkdir(parents=True)
        Image.new("L", (8, 8), 1).save(tmp_path / "valid" / kind / "a" / f"0.{'jpg' if kind[0] == 'J' else 'png'}")
    with pytest.raises(FormatError, match="mose valid"):
        open_source(f"{tmp_path}@valid")
