"""Protocols by name and as data, and invalid ones."""

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
from masklet.predict.postprocess import PostProcess
from masklet.predict.refine import Refinement


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
def test_results_describe_all_values_of_a_protocol(name: str) -> None:
    entry = json.loads(json.dumps(describe(protocol_named(name, postprocess=PostProcess(fill_holes=8)))))
    assert entry["name"] == name
    assert entry["postprocess"]["fill_holes"] == 8


def test_memory_and_refinement() -> None:
    found = protocol_named("offline", memory="auto", postprocess=PostProcess(refine=Refinement()))
    assert found == Interactive(memory="auto", postprocess=PostProcess(refine=Refinement()))
    with pytest.raises(FormatError, match="tree"):
        protocol_named("image-box", memory="tree")


def test_number_of_clicks() -> None:
    assert protocol_named("image-clicks", clicks=20) == ImageClicks(clicks=20)
    assert protocol_named("offline", clicks=1) == Interactive(clicks=1)


@pytest.mark.parametrize(
    ("name", "clicks", "value"),
    [
        ("masks", None, "mask?"),
        ("0-click", None, "0-click"),
        ("zzz", None, "zzz"),
        ("mask", 3, "3"),
        ("3-click", 5, "5"),
        ("image-clicks", 0, "0"),
    ],
)
def test_invalid_protocols(name: str, clicks: int | None, value: str) -> None:
    with pytest.raises(FormatError) as caught:
        protocol_named(name, clicks=clicks)
    assert value in str(caught.value)


def test_time_model_is_the_papers() -> None:
    time = TimeModel()
    assert time.examining(300) == 30
    assert time.examining(60) == 6
    assert time.clicking(3) == 5.5
