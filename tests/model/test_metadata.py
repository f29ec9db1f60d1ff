"""Model configurations as JSON: what comes back, and what is refused."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from masklet.errors import WeightsError
from masklet.model.config import NANO, PRESETS, TEST_TINY, ModelConfig
from masklet.model.metadata import config_from_json, config_to_json


@pytest.mark.parametrize("config", [*PRESETS.values(), TEST_TINY], ids=lambda config: config.full_name)
def test_round_trip(config: ModelConfig) -> None:
    assert config_from_json(config_to_json(config)) == config


def test_a_field_with_a_default_may_be_absent() -> None:
    values = json.loads(config_to_json(TEST_TINY))
    del values["max_pointers"]
    assert config_from_json(json.dumps(values)) == TEST_TINY


HOSTILE: dict[str, tuple[dict[str, Any], str]] = {
    "unknown field": ({"color": 1}, "'color'"),
    "unknown trunk": ({"trunk": {"kind": "resnet"}}, "hiera, efficientnet-lite0, repvit, vit"),
    "trunk is a number": ({"trunk": 3}, "3"),
    "trunk without fields": ({"trunk": {"kind": "hiera"}}, "HieraConfig"),
    "trunk of other channels": (
        {"trunk": {"kind": "efficientnet-lite0", "channels": [1, 2, 3, 4]}},
        "(1, 2, 3, 4)",
    ),
    "size of a planet": ({"image_size": 10**9}, "1000000000"),
    "size between steps": ({"image_size": 100}, "100"),
    "size as text": ({"image_size": "64"}, "'64'"),
    "true is no number": ({"memory_layers": True}, "True"),
    "fraction": ({"memory_layers": 1.5}, "1.5"),
    "many layers": ({"memory_layers": 10**6}, "1000000"),
    "endless number": ({"refine_limit": float("inf")}, "inf"),
    "not a number": ({"refine_limit": float("nan")}, "nan"),
    "revision": ({"revision": "3.0"}, "'3.0'"),
    "not a flag": ({"draw_prompts": 1}, "1"),
    "two colors": ({"pixel_mean": [0.5, 0.5]}, "[0.5, 0.5]"),
    "long name": ({"name": "x" * 65}, "xxx"),
    "name in two lines": ({"name": "a\nb"}, r"'a\nb'"),
    "odd width": ({"embed_dim": 33, "memory_dim": 33}, "33"),
    "widths that do not divide": ({"embed_dim": 32, "memory_dim": 12}, "12 must divide 32"),
}


@pytest.mark.parametrize(("change", "shown"), HOSTILE.values(), ids=HOSTILE)
def test_refused(change: dict[str, Any], shown: str) -> None:
    with pytest.raises(WeightsError, match=re.escape(shown)) as raised:
        config_from_json(json.dumps({**json.loads(config_to_json(TEST_TINY)), **change}))
    assert "\n" not in str(raised.value)


HOSTILE_TRUNK: dict[str, tuple[dict[str, Any], str]] = {
    "endless stages": ({"stages": [1, 1, 10**9, 1]}, "1000000000"),
    "three stages": ({"stages": [1, 1, 1]}, "[1, 1, 1]"),
    "many global blocks": ({"global_blocks": [0] * 1000}, "[0, 0, 0"),
    "no such block": ({"global_blocks": [5]}, "(5,)"),
    "windows beside the grid": ({"window_sizes": [7, 4, 14, 7]}, "7"),
    "heads": ({"num_heads": 3}, "3 heads must divide 8"),
}


@pytest.mark.parametrize(("change", "shown"), HOSTILE_TRUNK.values(), ids=HOSTILE_TRUNK)
def test_refused_trunk(change: dict[str, Any], shown: str) -> None:
    values = json.loads(config_to_json(TEST_TINY))
    values["trunk"].update(change)
    with pytest.raises(WeightsError, match=re.escape(shown)):
        config_from_json(json.dumps(values))


@pytest.mark.parametrize("text", ["", "{", "[" * 10**5, "[]", "null", "9" * 10**4], ids=lambda text: text[:4])
def test_not_an_object(text: str) -> None:
    with pytest.raises(WeightsError):
        config_from_json(text)


def test_the_embedded_model_takes_384_pixels() -> None:
    assert NANO.image_size == 384
