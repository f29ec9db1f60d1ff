"""Settings as text: what is changed, what is refused and how it is said, and JSON there and back."""

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
def test_json_there_and_back(name: str) -> None:
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
def test_a_setting_is_typed_by_its_field(setting: str, value: object) -> None:
    section, _, field = setting.partition("=")[0].strip().partition(".")
    found: Any = getattr(getattr(override(nano(), [setting]), section), field)
    assert (found, type(found)) == (value, type(value))


def test_later_settings_win_and_models_have_names() -> None:
    config = override(nano(), ["model=sam2.1-tiny", "model.image_size=512", "run.seed=1", "run.seed=2"])
    assert (config.model.full_name, config.model.image_size, config.run.seed) == ("sam2.1-tiny", 512, 2)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("optim.lrr=1", "no setting 'optim.lrr'; did you mean optim.lr?"),
        ("optm.warmup=1", "did you mean optim.warmup?"),
        ("steps=1", "did you mean optim.steps?"),
        ("lr=1", "did you mean optim.lr?"),
        ("model=sam2.1-tinny", "did you mean sam2.1-tiny?"),
        ("model.memory_frame=3", "did you mean memory_frames?"),
        ("learning rate", "expected section.field=value, got 'learning rate'"),
        ("optim.lr=fast", "optim.lr: expected a number from 0 to 10, got 'fast'"),
        ("optim.lr=nan", "optim.lr: expected a number from 0 to 10, got nan"),
        ("optim.lr=-1", "got -1.0"),
        ("optim.steps=1.5", "optim.steps: expected a whole number from 1 to 1e+09, got '1.5'"),
        ("optim.steps=0", "got 0"),
        ("optim.autocast=maybe", "expected true or false, got 'maybe'"),
        ("loss.focal=hard", "loss.focal: expected plain or normalized, got 'hard'"),
        ("data.strides=4", "expected 2 numbers with commas between, got [4]"),
        ("data.strides=8,1", "data.strides: expected least, greatest, got (8, 1)"),
        ("data.image_size=100", "data.image_size: expected a multiple of 32, got 100"),
        ("prompts.video=0,0,0", "shares that are not all 0"),
        ("augment.flip=1.5", "augment.flip: expected a number from 0 to 1, got 1.5"),
    ],
)
def test_what_is_wrong_is_said(setting: str, told: str) -> None:
    with pytest.raises(FormatError) as caught:
        override(nano(), [setting])
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_wrong_part_of_the_model() -> None:
    with pytest.raises(WeightsError, match="memory_frames must be a whole number"):
        override(nano(), ["model.memory_frames=many"])


def entry(**change: object) -> str:
    return json.dumps({**json.loads(config_to_json(nano())), **change})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "as JSON"),
        ("[" * 20000, "as JSON"),
        ("[]", "with name, model and sections"),
        (" " * (MAX_TEXT + 1), "at most"),
        (entry(name=7), "name: expected a name"),
        (entry(optimizer={}), "no setting 'optimizer'; did you mean optim?"),
        (entry(optim=[1]), "optim: expected an object"),
        (entry(optim={"speed": 1}), "no setting 'speed' in optim"),
        (entry(optim={"lr": True}), "optim.lr: expected a number"),
        (entry(optim={"steps": 1e3}), "optim.steps: expected a whole number"),
        (entry(optim={"steps": 10**40}), "optim.steps: expected a whole number"),
        (entry(optim={"freeze": ["x"] * 100}), "at most 64 values"),
        (entry(optim={"freeze": ["x" * 1000]}), "a name of up to 128 characters"),
        (entry(loss={"stride": True}), "expected 1 or 2 or 4"),
        (entry(run={"seed": float("inf")}), "expected a whole number"),
        (entry(model={"name": "x"}), "model configuration"),
        (entry(model=3), "model configuration"),
    ],
)
def test_hostile_settings_are_refused(text: str, told: str) -> None:
    with pytest.raises(MaskletError) as caught:
        config_from_json(text)
    assert told in str(caught.value)
    assert len(str(caught.value)) < 400


def test_absent_settings_have_their_defaults() -> None:
    model = json.loads(config_to_json(nano()))["model"]
    assert config_from_json(json.dumps({"name": "x", "model": model})) == TrainConfig(name="x", model=nano().model)


def test_differences_are_told_by_name() -> None:
    before = nano()
    after = override(before, ["optim.lr=0.5", "data.frames=9"])
    assert differences(before, after) == ["data.frames: 4, now 9", "optim.lr: 0.0008, now 0.5"]
    other = replace(before, model=replace(before.model, memory_frames=3))
    assert differences(before, other) == ["model.memory_frames: 7, now 3"]


@settings(max_examples=20)
@given(st.text(max_size=40))
def test_any_text_is_taken_or_refused_in_one_line(text: str) -> None:
    for setting in (text, f"optim.{text}", f"optim.freeze={text}", f"data.strides={text}", f"model.name={text}"):
        told, config = "", nano()
        try:
            config = override(config, [setting])
        except MaskletError as error:
            told = str(error)
        assert "\n" not in told
        assert config_from_json(config_to_json(config)) == config
