"""Option groups: how they become options of a command, and what they give the library."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
import tifffile

import masklet
from masklet import OutputError
from masklet.cli.options import (
    InputOptions,
    MaskOptions,
    ModelOptions,
    Without,
    WriterOptions,
    expand_groups,
    input_name,
    is_folder,
    make_parent,
    output_paths,
    parse_calibration,
    parse_color,
)
from masklet.errors import MediaError
from masklet.io import Percentiles, RawFormat
from masklet.io.source import Calibration

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


@pytest.mark.parametrize(
    ("words", "color"),
    [("#ff8800", (None, (255, 136, 0))), ("12:#0000FF", (12, (0, 0, 255))), ("00ff00", (None, (0, 255, 0)))],
)
def test_colors(words: str, color: object) -> None:
    assert parse_color(words) == color


@pytest.mark.parametrize("words", ["red", "#fff", "a:#ffffff", "1:", ""])
def test_bad_colors(words: str) -> None:
    with pytest.raises(OutputError, match=re.escape(repr(words))):
        parse_color(words)


@pytest.mark.parametrize(
    ("words", "interval", "found"),
    [
        (None, None, None),
        ("0.65 um", None, Calibration(pixel_size=(0.65, 0.65), unit="um")),
        ("0.65µm", 30.0, Calibration(pixel_size=(0.65, 0.65), unit="µm", frame_interval=30.0)),
        ("1e-3 x 2e-3 mm", None, Calibration(pixel_size=(0.001, 0.002), unit="mm")),
        (None, 0.5, Calibration(frame_interval=0.5)),
    ],
)
def test_calibration(words: str | None, interval: float | None, found: Calibration | None) -> None:
    assert parse_calibration(words, interval) == found


@pytest.mark.parametrize(
    ("words", "interval"), [("0 um", None), ("um", None), ("1", None), (None, -1.0), (None, float("inf"))]
)
def test_bad_calibration(words: str | None, interval: float | None) -> None:
    with pytest.raises(OutputError):
        parse_calibration(words, interval)


def test_options_of_the_library() -> None:
    options = WriterOptions(
        style="blur", region="background", color=["#000001", "3:#000002"], soften=1.5
    ).output_options()

    assert (options.style.name, options.style.region) == ("blur", "background")
    assert (options.style.color, options.style.colors) == ((0, 0, 1), {3: (0, 0, 2)})
    assert options.style.edge.soften == options.edge.soften == 1.5
    assert options.calibration is None


DEFAULT = "{name}-masklet.mp4"


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("clips/dog.mp4", "dog"),
        ("a.b.mp4", "a.b"),
        ("camera:0", "camera-0"),
        ("rtsp://user:secret@host.example:554/live", "host.example-554-live"),
    ],
)
def test_input_name(source: str, name: str) -> None:
    assert input_name(source) == name


def test_input_name_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "frames.v2").mkdir()
    monkeypatch.chdir(tmp_path / "frames.v2")
    assert input_name(".") == "frames.v2"
    assert input_name(str(tmp_path / "frames.v2")) == "frames.v2"


@pytest.mark.parametrize(
    ("output", "folder"), [("out.mp4", False), ("out", True), ("out/", True), ("out.v2/", True), ("a.b/out", True)]
)
def test_is_folder(output: str, folder: bool) -> None:
    assert is_folder(output) is folder


@pytest.mark.parametrize(
    ("sources", "outputs", "expected"),
    [
        (["x/dog.mp4"], [], [["dog-masklet.mp4"]]),
        (["dog.mp4"], ["out.mp4", "masks/"], [["out.mp4", "masks/"]]),
        (["dog.mp4"], ["r/{name}.json"], [["r/dog.json"]]),
        (["a.mp4", "b.mp4"], [], [["a-masklet.mp4"], ["b-masklet.mp4"]]),
        (["a.mp4", "b.mp4"], ["r/{name}.mp4"], [["r/a.mp4"], ["r/b.mp4"]]),
        (["a.mp4", "b.mp4"], ["r"], [["r/a/"], ["r/b/"]]),
        (["a.mp4", "b.mp4"], ["r/{name}/"], [["r/a/"], ["r/b/"]]),
    ],
)
def test_output_paths(sources: list[str], outputs: list[str], expected: list[list[str]]) -> None:
    assert output_paths(sources, outputs, default=DEFAULT) == expected


def test_images_share_a_folder() -> None:
    placed = output_paths(["a.png", "b.png"], ["masks/"], default="{name}-masklet.png", shared_folder=True)
    assert placed == [["masks/"], ["masks/"]]


@pytest.mark.parametrize(
    ("sources", "outputs", "value"),
    [
        (["a.mp4", "b.mp4"], ["out.mp4"], r"'\{name\}-out.mp4'"),
        (["x/a.mp4", "y/a.mp4"], [], "'a'"),
        (["a.mp4"], ["out.mp4", "./out.mp4"], "out.mp4"),
        (["a.mp4"], ["{name}.json", "a.json"], "a.json"),
    ],
)
def test_colliding_output_paths(sources: list[str], outputs: list[str], value: str) -> None:
    with pytest.raises(OutputError, match=value):
        output_paths(sources, outputs, default=DEFAULT)


def test_make_parent(tmp_path: Path) -> None:
    make_parent(str(tmp_path / "results" / "a.mp4"))
    make_parent(str(tmp_path / "results" / "b.mp4"))
    assert (tmp_path / "results").is_dir()
    with pytest.raises(OutputError, match="such"):
        make_parent(str(tmp_path / "no" / "such" / "a.mp4"))
