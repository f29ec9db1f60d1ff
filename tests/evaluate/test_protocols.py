"""Protocols by name, as data, and what cannot be asked."""

from __future__ import annotations

import json

import pytest

from masklet.errors import FormatError
from masklet.evaluate.protocols import (
    PROTOCOLS,
    ImageClicks,
    Interactive,
    Protocol,
    SemiSupervised,
    TimeModel,
    describe,
    protocol_named,
)
from masklet.predict.refine import Refinement
from masklet.predict.results import PostProcess


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mask", SemiSupervised()),
        ("box", SemiSupervised(prompt="box")),
        ("1-click", SemiSupervised(prompt="click")),
        ("7-click", SemiSupervised(prompt="click", clicks=7)),
        ("offline", Interactive(clicks=3, max_frames=8)),
        ("online", Interactive(mode="online", pause_below=0.75)),
        ("image-clicks", ImageClicks(clicks=5)),
        ("image-box", ImageClicks(prompt="box", clicks=1)),
    ],
)
def test_names(name: str, expected: Protocol) -> None:
    assert protocol_named(name) == expected
    assert expected.name == name


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_stands_in_results_with_all_its_numbers(name: str) -> None:
    told = json.loads(json.dumps(describe(protocol_named(name, postprocess=PostProcess(fill_holes=8)))))
    assert told["name"] == name
    assert told["postprocess"]["fill_holes"] == 8


def test_memory_and_second_look_of_the_command_line() -> None:
    found = protocol_named("offline", memory="auto", postprocess=PostProcess(refine=Refinement()))
    assert found == Interactive(memory="auto", postprocess=PostProcess(refine=Refinement()))
    with pytest.raises(FormatError, match="image-box is for pictures, which need no memory; got tree"):
        protocol_named("image-box", memory="tree")


def test_clicks_in_place_of_its_own() -> None:
    assert protocol_named("image-clicks", clicks=20) == ImageClicks(clicks=20)
    assert protocol_named("offline", clicks=1) == Interactive(clicks=1)


@pytest.mark.parametrize(
    ("name", "clicks", "told"),
    [
        ("masks", None, "no protocol 'masks'; did you mean mask?"),
        ("0-click", None, "no protocol '0-click'"),
        ("zzz", None, "mask, box, 1-click"),
        ("mask", 3, "mask takes no 3 clicks"),
        ("3-click", 5, "3-click takes no 5 clicks"),
        ("image-clicks", 0, "image-clicks takes no 0 clicks"),
    ],
)
def test_what_cannot_be_asked(name: str, clicks: int | None, told: str) -> None:
    with pytest.raises(FormatError) as caught:
        protocol_named(name, clicks=clicks)
    assert told in str(caught.value)


def test_time_model_is_the_papers() -> None:
    time = TimeModel()
    assert time.examining(300) == 30
    assert time.examining(60) == 6
    assert time.clicking(3) == 5.5
