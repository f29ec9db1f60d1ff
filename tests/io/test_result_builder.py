"""Results as values: frames out of masklets, masklets out of frames, and one place for overwriting and reading."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from masklet.errors import FormatError, OutputError
from masklet.io import ArrayVideo, FolderVideo, VideoFile, open_writer, read_result, write_image
from masklet.io.result_builder import Provenance, Result, ResultBuilder, video_metadata
from masklet.types import Rle

FULL = Rle.from_mask(np.ones((4, 5), bool))


def test_frames_go_in_and_come_out(masks_at: Any) -> None:
    builder = ResultBuilder()
    frames = [masks_at(0, ids=(1,)), masks_at(1, ids=(1, 9)), masks_at(3, ids=(9,))]
    for masks in frames:
        builder.add_frame(masks)
    result = builder.build(Provenance(names={9: "dog"}, prompted={1: (0,)}, model="nano"), num_frames=6, fps=5.0)

    assert (result.size, result.num_frames, len(list(result))) == ((96, 128), 6, 6)
    assert result.frame_indices == [0, 1, 3]
    assert result.provenance == Provenance(names={9: "dog"}, prompted={1: (0,)}, model="nano")
    for masks in frames:
        back = result.frame(masks.frame_index)
        assert back.object_ids == masks.object_ids
        for name in ("masks", "presence", "iou"):
            np.testing.assert_array_equal(getattr(back, name), getattr(masks, name))
    assert result.frame(2).masks.shape == (0, 96, 128)


def test_scores_that_nobody_knows_are_not_made_up() -> None:
    builder = ResultBuilder()
    builder.add_mask(1, 0, FULL, iou=np.float32("nan"))
    result = builder.build()

    assert result.masklets[1].iou == {}
    assert np.isnan(result.frame(0).iou).all()
    assert np.isnan(result.frame(0).presence).all()


def test_what_cannot_be_gathered() -> None:
    builder = ResultBuilder()
    builder.add_mask(1, 0, FULL)
    with pytest.raises(FormatError, match=r"1 .*0"):
        builder.add_mask(1, 0, FULL)
    with pytest.raises(FormatError, match=r"5x4.* 4x5.* 1"):
        builder.add_mask(1, 1, Rle.from_mask(np.ones((5, 4), bool)))
    with pytest.raises(FormatError, match="0"):
        builder.masklet(0)


def test_some_objects_alone(masks_at: Any) -> None:
    builder = ResultBuilder()
    builder.add_frame(masks_at(0, ids=(1, 2, 3)))
    result = builder.build()

    assert list(result.only(frozenset({3, 1})).masklets) == [1, 3]
    with pytest.raises(OutputError, match=r"7 .*1, 2, 3"):
        result.only(frozenset({1, 7}))


@pytest.mark.parametrize(
    ("video", "images", "name"),
    [
        ("", (), "00007.jpg"),
        ("dog.mp4", (), "dog/00007.jpg"),
        ("dog", ("a.png",) * 8, "a.png"),
        ("d", ("a",), "d/00007.jpg"),
    ],
)
def test_what_the_image_of_a_frame_is_called(video: str, images: tuple[str, ...], name: str) -> None:
    result = Result(masklets={}, size=None, num_frames=8, video=video, frame_names=images)

    assert result.image_name(7) == name


def test_what_sources_tell(clips: Any, tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    write_image(tmp_path / "frames" / "x.png", np.zeros((4, 5, 3), np.uint8))
    with VideoFile(clips.write("clip.mp4", pts=range(5))) as video, FolderVideo(tmp_path / "frames") as folder:
        assert video_metadata(video, 3) == {"num_frames": 5, "fps": 25.0, "video": "clip.mp4", "frame_names": ()}
        assert video_metadata(folder, 0) == {"num_frames": 1, "fps": None, "video": "frames", "frame_names": ("x.png",)}
    assert video_metadata(ArrayVideo(np.zeros((2, 4, 5, 3), np.uint8)), 0)["video"] == ""
    assert video_metadata(None, 4) == {}


def test_json_keeps_names_of_video_and_images(masks_at: Any, tmp_path: Path) -> None:
    told = Result(masklets={}, size=None, num_frames=2, fps=3.0, video="犬.mp4", frame_names=("b.png", "a.png"))
    with open_writer(tmp_path / "o.json", like=told) as writer:
        writer.write(None, masks_at(0))
    back = read_result(tmp_path / "o.json")

    assert (back.video, back.frame_names, back.fps, back.num_frames) == ("犬.mp4", ("b.png", "a.png"), 3.0, 2)
    assert json.loads((tmp_path / "o.json").read_text(encoding="utf-8"))["video"]["name"] == "犬.mp4"
