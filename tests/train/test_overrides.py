"""Settings as text: conversion by type, errors, and JSON round trips."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masklet.errors import FormatError, MaskletError, WeightsError
from masklet.train.config import TrainConfig
from masklet.train.overrides import MAX_TEXT, config_from_json, config_to_json, differences, override
from masklet.train.recipes import RECIPES, nano


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_json_round_trip(name: str) -> None:
    config = RECIPES[name]()
    assert config_from_json(config_to_json(config)) == config
    assert differences(config, config_from_json(config_to_json(config))) == []


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("optim.lr=1e-5", 1e-5),
        ("optim.lr = 1", 1.0),
        ("optim.steps=12", 12),
        ("optim.autocast=no", False),
        ("optim.compile=TRUE", True),
        ("optim.schedule=rsqrt", "rsqrt"),
        ("loss.stride=2", 2),
        ("data.strides=1,8", (1, 8)),
        ("prompts.video=(0.5, 0.25, 0.25)", (0.5, 0.25, 0.25)),
        ("data.image_share=none", None),
        ("data.image_share=0.3", 0.3),
        ("optim.freeze=image_encoder,memory_", ("image_encoder", "memory_")),
        ("optim.freeze=", ()),
        ("model.memory_frames=5", 5),
    ],
)
def test_a_value_is_converted_to_the_type_of_its_field(setting: str, value: object) -> None:
    section, _, field = setting.partition("=")[0].strip().partition(".")
    found: Any = getattr(getattr(override(nano(), [setting]), section), field)
    assert (found, type(found)) == (value, type(value))


def test_later_settings_win_and_models_have_names() -> None:
    config = override(nano(), ["model=sam2.1-tiny", "model.image_size=512", "run.seed=1", "run.seed=2"])
    assert (config.model.full_name, config.model.image_size, config.run.seed) == ("sam2.1-tiny", 512, 2)


@pytest.mark.parametrize(
    ("setting", "values"),
    [
        ("optim.lrr=1", ["optim.lrr", "optim.lr?"]),
        ("optm.warmup=1", ["optim.warmup?"]),
        ("steps=1", ["optim.steps?"]),
        ("lr=1", ["optim.lr?"]),
        ("model=sam2.1-tinny", ["sam2.1-tiny?"]),
        ("model.memory_frame=3", ["memory_frames?"]),
        ("learning rate", ["learning rate"]),
        ("optim.lr=fast", ["optim.lr", "fast"]),
        ("optim.lr=nan", ["optim.lr", "nan"]),
        ("optim.lr=-1", ["optim.lr", "-1", "0"]),
        ("optim.lr=11", ["optim.lr", "11", "10"]),
        ("optim.steps=1.5", ["optim.steps", "1.5"]),
        ("optim.steps=0", ["optim.steps", "0", "1"]),
        ("optim.autocast=maybe", ["optim.autocast", "maybe"]),
        ("loss.focal=hard", ["loss.focal", "hard"]),
        ("data.strides=4", ["data.strides", "4"]),
        ("data.strides=8,1", ["data.strides", "8, 1"]),
        ("data.image_size=100", ["data.image_size", "100", "32"]),
        ("prompts.video=0,0,0", ["prompts.video"]),
        ("augment.flip=1.5", ["augment.flip", "1.5"]),
    ],
)
def test_errors_name_the_setting_and_the_value(setting: str, values: list[str]) -> None:
    with pytest.raises(FormatError) as caught:
        override(nano(), [setting])
    assert all(value in str(caught.value) for value in values)
    assert "\n" not in str(caught.value)


def test_a_wrong_setting_of_the_model() -> None:
    with pytest.raises(WeightsError, match="memory_frames"):
        override(nano(), ["model.memory_frames=many"])


def entry(**change: object) -> str:
    return json.dumps({**json.loads(config_to_json(nano())), **change})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", ""),
        ("[" * 20000, ""),
        ("[]", ""),
        ("{}", "name"),
        (" " * (MAX_TEXT + 1), str(MAX_TEXT)),
        (entry(name=7), "7"),
        (entry(name="a\nb"), "name"),
        (entry(optimizer={}), "optimizer"),
        (entry(optim=[1]), "optim"),
        (entry(optim={"speed": 1}), "speed"),
        (entry(optim={"lr": True}), "True"),
        (entry(optim={"lr": "0.1"}), "optim.lr"),
        (entry(optim={"steps": 1e3}), "optim.steps"),
        (entry(optim={"steps": 10**40}), "optim.steps"),
        (entry(optim={"freeze": ["x"] * 100}), "optim.freeze"),
        (entry(optim={"freeze": ["x" * 1000]}), "optim.freeze"),
        (entry(loss={"stride": True}), "loss.stride"),
        (entry(run={"seed": float("inf")}), "run.seed"),
        (entry(model={"name": "x"}), "model"),
        (entry(model=3), "model"),
    ],
)
def test_invalid_settings_are_refused(text: str, value: str) -> None:
    with pytest.raises(MaskletError) as caught:
        config_from_json(text)
    assert value in str(caught.value)
    assert len(str(caught.value)) < 400


def test_absent_settings_have_their_defaults() -> None:
    model = json.loads(config_to_json(nano()))["model"]
    assert config_from_json(json.dumps({"name": "x", "model": model})) == TrainConfig(name="x", model=nano().model)


def test_differences_are_named() -> None:
    before = nano()
    after = override(before, ["optim.lr=0.5", "data.frames=9"])
    assert differences(before, after) == ["data.frames: 4, now 9", "optim.lr: 0.0008, now 0.5"]
    other = replace(before, model=replace(before.model, memory_frames=3))
    assert differences(before, other) == ["model.memory_frames: 7, now 3"]


@settings(max_examples=20)
@given(st.text(max_size=40))
def test_any_text_is_accepted_or_refused_in_one_line(text: str) -> None:
    for setting in (text, f"optim.{text}", f"optim.freeze={text}", f"data.strides={text}", f"model.name={text}"):
        message, config = "", nano()
        try:
            config = override(config, [setting])
        except MaskletError as error:
            message = str(error)
        assert "\n" not in message
        assert config_from_json(config_to_json(config)) == config
