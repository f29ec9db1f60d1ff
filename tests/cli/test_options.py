"""Option groups: how they become options of a command, and what they give the library."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
import tifffile

import masklet
from masklet.cli.options import InputOptions, MaskOptions, ModelOptions, Without, expand_groups
from masklet.errors import MediaError
from masklet.io import Percentiles, RawFormat

SMALL = ("--size", "64", "-q")


def test_groups_become_options_and_back() -> None:
    def command(
        clip: str, *, model: Annotated[ModelOptions, Without("tta", "backend")], masks: MaskOptions, limit: int = 3
    ) -> tuple[str, ModelOptions, MaskOptions, int]:
        return clip, model, masks, limit

    expanded = expand_groups(command)
    names = list(inspect.signature(expanded).parameters)
    assert names[:2] == ["clip", "name"]
    assert {"image_size", "fill_holes"} < set(names)
    assert not {"tta", "backend", "model", "masks"} & set(names)
    values = {name: p.default for name, p in inspect.signature(expanded).parameters.items()}
    found = expanded(**{**values, "clip": "dog.mp4", "dtype": "bfloat16", "refine": True})
    assert found == ("dog.mp4", ModelOptions(dtype="bfloat16"), MaskOptions(refine=True), 3)


def test_masks_are_refined_only_if_requested() -> None:
    assert MaskOptions().post_process() == masklet.PostProcess()
    found = MaskOptions(refine=True, fill_holes=3).post_process()
    assert found == masklet.PostProcess(refine=masklet.Refinement(), fill_holes=3)


def _stack(path: Path) -> Path:
    """6 times, 2 depths and 2 channels of a square that moves; the second channel is empty."""
    values = np.full((6, 2, 2, 48, 64), 500, np.uint16)
    for time in range(6):
        values[time, 1, 0, 16:32, 10 + time : 26 + time] = 3000
    tifffile.imwrite(path, values, metadata={"axes": "TZCYX", "Channel": {"Name": ["DAPI", "GFP"]}})
    return path


def test_words_become_arguments() -> None:
    options = InputOptions(axis="t,z=1", channel="2, DAPI,0", scale="1%,99%", fps=5.0, raw="8x6,gray")

    assert options.image_arguments() == {"axis": "t,z=1", "channels": ["2", "DAPI", "0"], "scale": Percentiles(1, 99)}
    assert options.video_arguments() == {
        **options.image_arguments(),
        "fps": 5.0,
        "raw": RawFormat(width=8, height=6, pixels="gray"),
    }
    assert set(InputOptions().video_arguments().values()) == {None}


@pytest.mark.parametrize("options", [{"scale": "much"}, {"raw": "big"}])
def test_words_that_mean_nothing(options: Any) -> None:
    with pytest.raises(MediaError):
        InputOptions(**options).video_arguments()


def test_tracking_through_a_stack(run: Any, tmp_path: Path) -> None:
    stack = _stack(tmp_path / "cells.ome.tif")
    done = run(
        *("track", stack, "--axis", "t,z=max", "--channel", "DAPI", "--scale", "0,4095", "--fps", "5"),
        *("--click", "18,24", "-o", "out.json", *SMALL),
    )

    assert (done.code, done.err) == (0, "")
    video = json.loads((tmp_path / "out.json").read_text())["video"]
    assert (video["size"], video["num_frames"], video["fps"]) == ([48, 64], 6, 5.0)


def test_a_plane_of_a_stack_as_a_picture(run: Any, tmp_path: Path) -> None:
    stack = _stack(tmp_path / "cells.ome.tif")
    done = run(
        *("image", stack, "--axis", "t,z=1", "--channel", "0", "--click", "18,24", "-o", "out.json", *SMALL),
    )

    assert (done.code, done.err) == (0, "")
    assert json.loads((tmp_path / "out.json").read_text())["image"]["size"] == [48, 64]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cells.ome.tif"], "t,z=0 or t,z=max (--axis)"),
        (["cells.ome.tif", "--axis", "t,z=9"], "expected z below 2, got 9"),
        (["cells.ome.tif", "--axis", "t,z=0", "--channel", "RFP"], "one of the channels 0 DAPI, 1 GFP, got 'RFP'"),
        (["cells.ome.tif", "--axis", "t,z=0", "--channel", "0", "--fps", "0"], "frames per second"),
        (["clip.mp4", "--channel", "0"], "axis, channels and scale are for stacks"),
        (["clip.mp4", "--fps", "5"], "fps"),
        (["clip.mp4", "--raw", "what"], "expected WIDTHxHEIGHT,PIXELS,FPS"),
    ],
)
def test_one_line_where_options_do_not_fit(
    run: Any, video_file: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    _stack(tmp_path / "cells.ome.tif")
    (tmp_path / "clip.mp4").write_bytes(video_file.read_bytes())
    done = run("track", *arguments, "--click", "18,24", *SMALL)

    assert done.code == 3
    assert message in done.err
    assert done.err.count("\n") == 1
