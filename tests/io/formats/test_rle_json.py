"""Masklets as JSON, written and read back; hostile files."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masklet.errors import FormatError, OutputError
from masklet.io import ArrayVideo, Provenance, RleWriter, read_rle, write_rle
from masklet.types import Masklet, Rle


def test_what_is_written_reads_back_equal(masks_at: Any, tmp_path: Path) -> None:
    provenance = Provenance(names={2: "Köter"}, prompted={1: (0,), 2: (0, 3)}, source="automatic", model="nano")
    frames = [masks_at(0, ids=(1,)), masks_at(1, ids=(1, 2)), masks_at(3, ids=(1, 2))]
    source = ArrayVideo(np.zeros((5, 96, 128, 3), np.uint8), fps=12.5)
    with RleWriter(tmp_path / "o.json", like=source, provenance=provenance) as writer:
        for masks in frames:
            writer.write(None, masks)

    document = json.loads((tmp_path / "o.json").read_text(encoding="utf-8"))
    assert (document["schema"], document["version"]) == ("masklet/rle", 1)
    assert document["video"] == {"size": [96, 128], "fps": 12.5, "num_frames": 5}
    assert document["objects"][0]["frames"][0] | {"counts": ""} == {
        "frame": 0,
        "counts": "",
        "presence": 0.9,
        "iou": 0.9,
    }

    masklets = read_rle(tmp_path / "o.json")
    assert sorted(masklets) == [1, 2]
    assert sorted(masklets[2].frames) == [1, 3]
    dog = masklets[2]
    assert (dog.name, dog.prompted, dog.source, dog.model, dog.size) == (
        "Köter",
        (0, 3),
        "automatic",
        "nano",
        (96, 128),
    )
    for masks in frames:
        for place, object_id in enumerate(masks.object_ids):
            masklet = masklets[object_id]
            assert np.array_equal(masklet.frames[masks.frame_index].to_mask(), masks.masks[place])
            assert np.float32(masklet.presence[masks.frame_index]) == masks.presence[place]
            assert np.float32(masklet.iou[masks.frame_index]) == masks.iou[place]


def test_without_a_source_the_last_frame_tells_the_length(masks_at: Any, tmp_path: Path) -> None:
    with RleWriter(tmp_path / "o.json") as writer:
        writer.write(None, masks_at(6))

    video = json.loads((tmp_path / "o.json").read_text())["video"]
    assert video == {"size": [96, 128], "fps": None, "num_frames": 7}


_SCORE = st.floats(0, 1)
_TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
_OBJECT = st.fixed_dictionaries(
    {
        "frames": st.dictionaries(st.integers(0, 400), st.binary(min_size=12, max_size=12), max_size=4),
        "presence": _SCORE,
        "iou": st.none() | _SCORE,
        "prompted": st.lists(st.integers(0, 400), max_size=3).map(tuple),
        "name": _TEXT,
        "source": st.sampled_from(["manual", "assisted", "automatic"]),
        "model": _TEXT,
    }
)


@given(objects=st.dictionaries(st.integers(1, 10**6), _OBJECT, max_size=4))
def test_any_masklets_survive(objects: dict[int, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> None:
    masklets = []
    for object_id, told in objects.items():
        frames = {index: np.frombuffer(bits, np.uint8).reshape(3, 4) % 2 == 1 for index, bits in told["frames"].items()}
        scores: dict[str, Any] = {
            name: {} if told[name] is None else dict.fromkeys(frames, told[name]) for name in ("presence", "iou")
        }
        codes = {index: Rle.from_mask(frames[index]) for index in sorted(frames)}
        texts: dict[str, Any] = {name: told[name] for name in ("prompted", "name", "source", "model")}
        masklets.append(Masklet(object_id, (3, 4), frames=codes, **scores, **texts))
    path = tmp_path_factory.mktemp("rle") / "o.json"
    write_rle(path, masklets, fps=24, num_frames=401)

    assert [vars(masklet) for masklet in read_rle(path).values()] == [vars(masklet) for masklet in masklets]


def test_masklets_of_two_videos_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"\(2, 3\), \(3, 2\)"):
        write_rle(tmp_path / "o.json", [Masklet(1, (2, 3)), Masklet(2, (3, 2))])

    assert list(tmp_path.iterdir()) == []


GOOD: Any = {
    "schema": "masklet/rle",
    "version": 1,
    "video": {"size": [2, 3], "fps": 24.0, "num_frames": 5},
    "objects": [{"id": 1, "frames": [{"frame": 0, "counts": "24", "presence": 1, "iou": 0.5}]}],
}


def _change(*path: Any, to: Any) -> Callable[[Any], Any]:
    def change(document: Any) -> Any:
        *parents, last = path
        inner = document
        for step in parents:
            inner = inner[step]
        inner[last] = to
        return document

    return change


BAD: list[tuple[Callable[[Any], Any], str]] = [
    (lambda document: [], r"\[\]"),
    (_change("schema", to="coco"), "'masklet/rle' version 1, got 'coco' version 1"),
    (_change("version", to=2), "version 2"),
    (_change("video", to=None), "video"),
    (_change("video", "size", to=[2]), r"\[2\] at .*size"),
    (_change("video", "size", to=[2, 3.0]), "3.0 at .*size"),
    (_change("video", "size", to=[0, 3]), "0 at .*size"),
    (_change("video", "size", to=[10**6, 10**6]), "1000000, 1000000"),
    (_change("video", "num_frames", to="5"), "'5' at .*num_frames"),
    (_change("objects", to={}), "objects"),
    (_change("objects", 0, to=7), "7 at .*objects"),
    (_change("objects", 0, "id", to=0), "0 at .*id"),
    (_change("objects", 0, "id", to=True), "True at .*id"),
    (_change("objects", to=GOOD["objects"] * 2), "object 1 "),
    (_change("objects", 0, "name", to=5), "5 at .*name"),
    (_change("objects", 0, "source", to="magic"), "magic"),
    (_change("objects", 0, "prompted", to=[5]), "below 5, got 5"),
    (_change("objects", 0, "frames", 0, "frame", to=-1), "-1 at .*frame"),
    (_change("objects", 0, "frames", 0, "frame", to=5), "below 5, got 5"),
    (_change("objects", 0, "frames", to=GOOD["objects"][0]["frames"] * 2), "frame 0 of object 1"),
    (_change("objects", 0, "frames", 0, "counts", to=[2, 4]), "counts"),
    (_change("objects", 0, "frames", 0, "counts", to="24o"), "b.24o."),
    (_change("objects", 0, "frames", 0, "counts", to="25"), "add up to 6"),
    (_change("objects", 0, "frames", 0, "counts", to="2é"), "run-length"),
    (_change("objects", 0, "frames", 0, "counts", to=""), "run-length"),
    (_change("objects", 0, "frames", 0, "iou", to=1.5), "1.5 at .*iou"),
    (_change("objects", 0, "frames", 0, "iou", to=float("nan")), "nan at .*iou"),
    (_change("objects", 0, "frames", 0, "presence", to="high"), "'high' at .*presence"),
]


def test_the_good_file_is_good(tmp_path: Path) -> None:
    (tmp_path / "o.json").write_text(json.dumps(GOOD))

    assert read_rle(tmp_path / "o.json")[1].frames[0].to_mask().sum() == 4


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_content_is_one_format_error_that_names_the_file(
    tmp_path: Path, change: Callable[[Any], Any], message: str
) -> None:
    (tmp_path / "o.json").write_text(json.dumps(change(copy.deepcopy(GOOD))))

    with pytest.raises(FormatError, match=message) as caught:
        read_rle(tmp_path / "o.json")

    assert "\n" not in str(caught.value)
    assert "o.json" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"version": 1' + b"1" * 5000 + b"}"])
def test_what_is_no_json_is_a_format_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "o.json").write_bytes(content)

    with pytest.raises(FormatError, match=r"o\.json"):
        read_rle(tmp_path / "o.json")


def test_a_missing_file_is_a_format_error(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"nowhere\.json"):
        read_rle(tmp_path / "nowhere.json")
