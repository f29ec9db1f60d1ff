"""The card of a data set from literal records."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from masklet.engine.dataset.card import card, charts, count, write_card
from masklet.engine.dataset.record import ObjectRecord, VideoRecord

PERSON = ObjectRecord(
    id=1, name="", source="assisted", phase="3", frames=10, masks=8, area=0.02, returns=True, edited=2, seconds=45.0
)
MODEL = ObjectRecord(id=2, name="", source="automatic", phase="auto", frames=10, masks=10, area=0.5, returns=True)
DOG = VideoRecord(
    format="sav", name="dog", content="a" * 32, split="train", license="CC0", num_frames=240, fps=24.0, size=(48, 72),
    versions=(1, 2), objects=(PERSON, replace(PERSON, id=3, area=0.0005, returns=False, seconds=None), MODEL),
)  # fmt: skip
WALK = replace(DOG, name="walk", split="val", license="", fps=None, objects=(PERSON,))


def test_numbers_count_people_and_models_apart() -> None:
    whole = count([DOG, WALK])
    assert (whole["videos"], whole["frames"], whole["seconds"]) == (2, 480, 10.0)
    assert (whole["masklets"], whole["manual"], whole["automatic"], whole["masks"]) == (4, 3, 1, 34)
    assert whole["disappearance"] == pytest.approx(2 / 3)  # of those with a person
    assert whole["edited"] == pytest.approx(6 / 30)
    assert whole["sizes"] == (1, 0, 0, 2, 0, 0, 1)
    empty = count([])
    assert (empty["videos"], empty["disappearance"], empty["edited"]) == (0, None, None)


def test_the_card_says_what_is_in_it() -> None:
    text = card([DOG, WALK], title="Dogs 1.0")
    assert text.startswith("# Dogs 1.0\n\n4 masklets in 2 videos, in SA-V format: 10.0 s, 480 frames, 34 masks.")
    assert "| train | 1 | 240 | 10.0 s | 3 | 2 | 1 | 26 | 50.0 % |" in text
    assert "| val | 1 | 240 | 0.0 s | 1 | 1 | 0 | 8 | 100.0 % |" in text
    assert "- interactive: clicks on any frame, tracked in both directions: 3 masklets" in text
    assert "- 4.5 s of work per frame, where it was measured (2 masklets)" in text
    assert "- CC0: 1 videos" in text
    assert "- not stated: 1 videos" in text
    assert card([], title="Nothing").startswith("# Nothing\n\n0 masklets")


def test_charts_hold_every_video() -> None:
    drawn = charts([DOG, WALK])
    assert sum(value for _, value in drawn["masklets"].bars) == 2
    assert dict(drawn["masklets"].bars)["3"] == 1
    assert dict(drawn["durations"].bars) == {"2": 0, "5": 0, "10": 1, "20": 0, "60": 0, "300": 0, "3600": 0, "more": 0}
    assert sum(value for _, value in drawn["sizes"].bars) == 4


def test_the_card_on_disk(tmp_path: Path) -> None:
    write_card(tmp_path, [DOG, WALK])
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [
        "README.md",
        "card.json",
        "durations.svg",
        "masklets.svg",
        "sizes.svg",
    ]
    document = json.loads((tmp_path / "card.json").read_text())
    assert document["all"]["masklets"] == 4
    assert document["splits"]["val"]["videos"] == 1
    assert document["licenses"] == {"CC0": 1, "": 1}
    assert (tmp_path / "README.md").read_text().startswith(f"# {tmp_path.name}\n")
