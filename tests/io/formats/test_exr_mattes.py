"""OpenEXR mattes, as a compositor reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from masklet.errors import FormatError, MediaError
from masklet.io import Edge, OutputOptions, Provenance, open_writer
from masklet.io.formats.exr_mattes import read_exr_mattes
from masklet.masks.soft import alpha_of

OpenEXR = pytest.importorskip("OpenEXR")


def test_every_object_has_a_channel(masks_at: Any, tmp_path: Path) -> None:
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


def test_a_frame_without_objects_is_a_file_too(masks_at: Any, tmp_path: Path) -> None:
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
