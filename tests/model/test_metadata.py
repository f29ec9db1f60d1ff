"""Model configurations as JSON: what comes back, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from masklet.errors import WeightsError
from masklet.model.config import ModelConfig
from masklet.model.metadata import config_from_json, config_to_json
from masklet.model.presets import NANO, PRESETS, TEST_TINY


@pytest.mark.parametrize("config", [*PRESETS.values(), TEST_TINY], ids=lambda config: config.full_name)
def test_round_trip(config: ModelConfig) -> None:
    assert config_from_json(config_to_json(config)) == config


def test_a_field_with_a_default_may_be_absent() -> None:
    values = json.loads(config_to_json(TEST_TINY))
    del values["max_pointers"]
    assert config_from_json(json.dumps(values)) == TEST_TINY


HOSTILE: dict[str, tuple[dict[str, Any], str]] = {
    "unknown field": ({"color": 1}, "unknown field 'color'"),
    "unknown trunk": ({"trunk": {"kind": "vit"}}, "kind is one of hiera, efficientnet-lite0"),
    "trunk is a number": ({"trunk": 3}, "kind is one of"),
    "trunk without fields": ({"trunk": {"kind": "hiera"}}, "a field of HieraConfig is missing"),
    "trunk of other channels": (
        {"trunk": {"kind": "efficientnet-lite0", "channels": [1, 2, 3, 4]}},
        "other channels",
    ),
    "size of a planet": ({"image_size": 10**9}, "a whole number from 32 to 4096, got 1000000000"),
    "size between steps": ({"image_size": 100}, "a multiple of 32"),
    "size as text": ({"image_size": "64"}, "a whole number"),
    "true is no number": ({"memory_layers": True}, "a whole number"),
    "fraction": ({"memory_layers": 1.5}, "a whole number"),
    "many layers": ({"memory_layers": 10**6}, "from 1 to 32"),
    "endless number": ({"refine_limit": float("inf")}, "a number from 0 to"),
    "not a number": ({"refine_limit": float("nan")}, "a number from 0 to"),
    "revision": ({"revision": "3.0"}, "2.0 or 2.1"),
    "not a flag": ({"draw_prompts": 1}, "true or false"),
    "two colors": ({"pixel_mean": [0.5, 0.5]}, "a list of 3 numbers"),
    "long name": ({"name": "x" * 65}, "up to 64 characters"),
    "name in two lines": ({"name": "a\nb"}, "up to 64 characters"),
    "odd width": ({"embed_dim": 33, "memory_dim": 33}, "embed_dim must be a multiple of 16"),
    "widths that do not divide": ({"embed_dim": 32, "memory_dim": 12}, "memory_dim 12 must divide 32"),
}


@pytest.mark.parametrize(("change", "message"), HOSTILE.values(), ids=HOSTILE)
def test_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(WeightsError, match=message) as raised:
        config_from_json(json.dumps({**json.loads(config_to_json(TEST_TINY)), **change}))
    assert "\n" not in str(raised.value)


HOSTILE_TRUNK: dict[str, tuple[dict[str, Any], str]] = {
    "endless stages": ({"stages": [1, 1, 10**9, 1]}, "from 1 to 128"),
    "three stages": ({"stages": [1, 1, 1]}, "a list of 4 numbers"),
    "many global blocks": ({"global_blocks": [0] * 1000}, "a list of numbers"),
    "no such block": ({"global_blocks": [5]}, "no such global blocks"),
    "windows beside the grid": ({"window_sizes": [7, 4, 14, 7]}, "must divide 8"),
    "heads": ({"num_heads": 3}, "3 heads must divide 8 channels"),
}


@pytest.mark.parametrize(("change", "message"), HOSTILE_TRUNK.values(), ids=HOSTILE_TRUNK)
def test_refused_trunk(change: dict[str, Any], message: str) -> None:
    values = json.loads(config_to_json(TEST_TINY))
    values["trunk"].update(change)
    with pytest.raises(WeightsError, match=message):
        config_from_json(json.dumps(values))


@pytest.mark.parametrize("text", ["", "{", "[" * 10**5, "[]", "null", "9" * 10**4], ids=lambda text: text[:4])
def test_not_an_object(text: str) -> None:
    with pytest.raises(WeightsError):
        config_from_json(text)


def test_the_embedded_model_takes_384_pixels() -> None:
    assert NANO.image_size == 384
