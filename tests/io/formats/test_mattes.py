"""Mattes and cut-outs: alpha as it was made, in every form that holds it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import OpenEXR
import pytest
from PIL import Image

from masklet.errors import FormatError, MediaError, OutputError
from masklet.io import CutoutWriter, Edge, OutputOptions, Provenance, open_writer
from masklet.io.formats.mattes import read_exr_mattes
from masklet.io.video_writer import VIDEO_FORMATS, VideoFormat, check_encoder
from masklet.masks.soft import alpha_of

SOFT = OutputOptions(edge=Edge(soften=3))


def alpha_in(path: Path) -> np.ndarray:
    """Alpha of the first image of a video, 0 to 1."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        if path.suffix == ".webm":  # FFmpeg's own decoder passes over alpha
            decoder = av.CodecContext.create("libvpx-vp9", "r")
            frames = [frame for packet in container.demux(stream) for frame in decoder.decode(packet)]
        else:
            frames = list(container.decode(stream))
    return np.asarray(frames[0].reformat(format="rgba64le").to_ndarray()[:, :, 3] / 65535)


@pytest.mark.parametrize(("name", "tolerance"), [("o.alpha.mov", 0.01), ("o.alpha.webm", 0.12)])
@pytest.mark.parametrize("options", [OutputOptions(), SOFT], ids=["hard", "soft"])
def test_videos_keep_alpha(
    clips: Any, masks_at: Any, tmp_path: Path, name: str, tolerance: float, options: OutputOptions
) -> None:
    with open_writer(tmp_path / name, options=options) as writer:
        assert isinstance(writer, CutoutWriter)
        for index in range(3):
            writer.write(clips.numbered(index), masks_at(index))
    expected = alpha_of(masks_at(0).masks.any(axis=0), options.edge)

    assert np.abs(alpha_in(tmp_path / name) - expected).mean() < 0.01
    assert np.abs(alpha_in(tmp_path / name) - expected).max() < max(tolerance, 0.3 * (options is not SOFT))


def test_odd_sizes_are_kept_where_color_is_not_halved(clips: Any, masks_at: Any, tmp_path: Path) -> None:
    with open_writer(tmp_path / "o.alpha.mov") as writer:
        writer.write(clips.numbered(0, 97, 131), masks_at(0, (97, 131)))

    assert alpha_in(tmp_path / "o.alpha.mov").shape == (97, 131)


@pytest.mark.parametrize(("form", "most", "mode"), [("png", 255, "L"), ("tiff", 65535, "I;16")])
def test_images_of_alpha(masks_at: Any, tmp_path: Path, form: str, most: int, mode: str) -> None:
    masks = masks_at(4, ids=(2, 11))
    with open_writer(tmp_path / "o", format=form, options=SOFT) as writer:
        writer.write(None, masks)
    path = tmp_path / "o" / "11" / f"00004.{form[:3]}"
    with Image.open(path) as image:
        assert image.mode == mode
        values = np.asarray(image) / most

    assert np.abs(values - alpha_of(masks[11], Edge(soften=3))).max() <= 0.5 / most + 1e-6


def test_cut_out_images(clips: Any, masks_at: Any, tmp_path: Path) -> None:
    frame, masks = clips.numbered(3), masks_at(3)
    with open_writer(tmp_path / "o.alpha/") as writer:
        writer.write(frame, masks)
    with Image.open(tmp_path / "o.alpha" / "00003.png") as image:
        pixels = np.asarray(image)

    np.testing.assert_array_equal(pixels[..., :3], frame)
    np.testing.assert_array_equal(pixels[..., 3] == 255, masks.masks.any(axis=0))


def test_a_former_result_is_replaced_object_by_object(masks_at: Any, tmp_path: Path) -> None:
    for ids in ((1, 2, 3), (2, 4)):
        with open_writer(tmp_path / "o", format="png", overwrite=True) as writer:
            writer.write(None, masks_at(0, ids=ids))

    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png")) == [
        "o/2/00000.png",
        "o/4/00000.png",
    ]


def test_detail_needs_the_image(masks_at: Any, tmp_path: Path) -> None:
    options = OutputOptions(edge=Edge(detail=4))
    writer = open_writer(tmp_path / "o", format="png", options=options)
    with pytest.raises(OutputError, match="0"):
        writer.write(None, masks_at(0))

    assert list(tmp_path.iterdir()) == []


def test_a_missing_encoder_has_a_way_out(tmp_path: Path) -> None:
    form = VideoFormat("mov", "libnone", "yuv420p", {}, VIDEO_FORMATS[".mov"].audio)
    with pytest.raises(OutputError, match="libnone"):
        check_encoder(form, tmp_path / "o.mov")


def test_every_object_has_a_channel_in_openexr(masks_at: Any, tmp_path: Path) -> None:
    masks = masks_at(2, ids=(1, 12))
    edge = Edge(soften=3)
    told = Provenance(names={12: "Köter"})
    with open_writer(tmp_path / "o.exr/", options=OutputOptions(edge=edge), provenance=told) as writer:
        writer.write(None, masks)
    with OpenEXR.File(str(tmp_path / "o.exr" / "00002.exr"), separate_channels=True) as file:
        channels = {name: np.asarray(channel.pixels) for name, channel in file.channels().items()}

    assert sorted(channels) == ["matte.object1", "matte.object12"]
    assert channels["matte.object12"].dtype == np.float16
    np.testing.assert_allclose(channels["matte.object12"], alpha_of(masks[12], edge), atol=1e-3)
    assert read_exr_mattes(tmp_path / "o.exr").masklets[12].name == "Köter"


def test_a_frame_without_objects_is_an_openexr_file_too(masks_at: Any, tmp_path: Path) -> None:
    with open_writer(tmp_path / "o.exr/") as writer:
        writer.write(None, masks_at(0, ids=()))
        writer.write(None, masks_at(1, ids=(1,)))
    back = read_exr_mattes(tmp_path / "o.exr")

    assert len(list((tmp_path / "o.exr").iterdir())) == 2
    assert back.frame(0).object_ids == ()
    assert back.frame(1).object_ids == (1,)


@pytest.mark.parametrize("content", [b"", b"text", b"\x76\x2f\x31\x01 nothing more"])
def test_what_is_no_exr_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "00000.exr").write_bytes(content)
    with pytest.raises(MediaError):
        read_exr_mattes(tmp_path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError):
        read_exr_mattes(tmp_path)
