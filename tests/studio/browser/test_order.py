"""Late answers: an edit applies to the frame and object for which it was made, and does not undo newer ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jaxtyping import Bool
from playwright.sync_api import Page, expect

from masklet.types import Rle

pytestmark = pytest.mark.slow

DOG, WOMAN = (210, 150), (110, 130)
FIRST, SECOND, THIRD = ((60, 40), (120, 40)), ((60, 220), (120, 220)), ((360, 40), (420, 40))
"""Brush strokes, from one end to the other."""


@pytest.fixture(scope="module")
def studio(start_studio: Callable[..., Any], short_clip: Path) -> Any:
    return start_studio(short_clip)


@pytest.fixture
def project(studio: Any, open_page: Callable[..., Page]) -> Iterator[tuple[Page, str]]:
    """A page on the clip without objects, and the path of the project in the API."""
    page = open_page(studio.url)
    page.wait_for_selector('#view[data-frame="0"]')
    address = f"/projects/{page.url.rsplit('/', 1)[1]}"
    yield page, address
    for one in studio.get(address)["objects"]:
        studio.send("DELETE", f"{address}/objects/{one['id']}")


def saved(page: Page, count: int) -> None:
    """Wait until this many objects are listed and no edit is pending."""
    expect(page.locator("#objects li")).to_have_count(count)
    expect(page.locator("body")).to_have_attribute("aria-busy", "false")


def mask_at(studio: Any, address: str, frame: int) -> Bool[np.ndarray, "h w"]:
    """Return the mask of the only object."""
    (found,) = studio.get(f"{address}/frames/{frame}")["frame"]["objects"].values()
    return Rle((found["mask"]["size"][0], found["mask"]["size"][1]), found["mask"]["counts"].encode()).to_mask()


def painted(mask: Bool[np.ndarray, "h w"]) -> list[bool]:
    """Return for each of the three strokes whether its center is inside the mask."""
    return [bool(mask[y, (left + right) // 2]) for (left, y), (right, _) in (FIRST, SECOND, THIRD)]


def prompted(studio: Any, address: str) -> list[list[int]]:
    """Return the prompted frames of each object."""
    return [one["prompted"] for one in studio.get(address)["objects"]]


def track_to_the_end(page: Page) -> None:
    """Wait until tracking ends."""
    expect(page.locator("#track-controls")).to_be_visible(timeout=60_000)


def test_a_stroke_adds_to_an_unanswered_one(
    studio: Any, project: tuple[Page, str], image_of: Callable[[Page], Any], hold: Callable[..., Any]
) -> None:
    page, address = project
    page.keyboard.press("d")
    held = hold(page, "**/frames/0**")
    image_of(page).drag(*FIRST)
    image_of(page).drag(*SECOND)
    held.release()
    saved(page, 1)
    assert painted(mask_at(studio, address, 0)) == [True, True, False]


def test_an_answer_keeps_the_stroke_in_progress(
    studio: Any, project: tuple[Page, str], image_of: Callable[[Page], Any], hold: Callable[..., Any]
) -> None:
    page, address = project
    image = image_of(page)
    page.keyboard.press("d")
    held = hold(page, "**/frames/0**")
    image.drag(*FIRST)
    page.mouse.move(*image.at(*SECOND[0]))
    page.mouse.down()
    page.mouse.move(*image.at(80, 220), steps=3)
    held.release()
    saved(page, 1)
    page.mouse.move(*image.at(*SECOND[1]), steps=3)
    page.mouse.up()
    saved(page, 1)
    mask = mask_at(studio, address, 0)
    assert painted(mask) == [True, True, False]
    assert mask[220, 62:118].all()


def test_a_stroke_after_undo_does_not_restore_the_undone_one(
    studio: Any, project: tuple[Page, str], image_of: Callable[[Page], Any], hold: Callable[..., Any]
) -> None:
    page, address = project
    page.keyboard.press("d")
    for stroke in (FIRST, SECOND):
        image_of(page).drag(*stroke)
        saved(page, 1)
    held = hold(page, "**/undo")
    page.keyboard.press("Control+z")
    image_of(page).drag(*THIRD)
    held.release()
    saved(page, 1)
    assert painted(mask_at(studio, address, 0)) == [True, False, True]


def test_a_stroke_adds_to_a_mask_that_is_not_loaded(
    studio: Any, project: tuple[Page, str], image_of: Callable[[Page], Any], hold: Callable[..., Any]
) -> None:
    page, address = project
    page.keyboard.press("ArrowRight")
    image_of(page).shows(1)
    page.keyboard.press("d")
    image_of(page).drag(*FIRST)
    saved(page, 1)
    loading = [hold(page, "**/frames/1"), hold(page, "**/masks?**")]
    page.reload()
    image_of(page).shows(1)
    page.keyboard.press("d")
    image_of(page).drag(*SECOND)
    for held in loading:
        held.release()
    saved(page, 1)
    assert painted(mask_at(studio, address, 1)) == [True, True, False]


def test_candidates_stay_on_the_frame_of_their_click(
    studio: Any, project: tuple[Page, str], image_of: Callable[[Page], Any], hold: Callable[..., Any]
) -> None:
    page, address = project
    held = hold(page, "**/prompts")
    image_of(page).click(*DOG)
    page.keyboard.press("ArrowRight")
    image_of(page).shows(1)
    held.release()
    saved(page, 1)
    expect(page.locator("#candidates")).to_be_hidden()
    assert prompted(studio, address) == [[0]]
    image_of(page).click(*DOG)
    expect(page.locator("#candidates")).to_be_visible()
    page.locator(".candidate").nth(1).click()
    expect(page.locator(".candidate").nth(1)).to_have_attribute("aria-pressed", "true")
    assert prompted(studio, address) == [[0, 1]]


def test_a_stroke_stays_on_its_frame_while_tracking(
    studio: Any, project: tuple[Page, str], image_of: Callable[[Page], Any]
) -> None:
    page, address = project
    image = image_of(page)
    frame = page.locator("#timeline-track")
    image.click(*DOG)
    saved(page, 1)
    page.keyboard.press("Escape")
    page.keyboard.press("d")
    page.mouse.move(*image.at(*FIRST[0]))
    page.keyboard.press("t")
    expect(frame).not_to_have_attribute("aria-valuenow", "0")
    page.mouse.down()
    pressed = frame.get_attribute("aria-valuenow") or ""
    track_to_the_end(page)
    page.mouse.move(*image.at(*FIRST[1]), steps=3)
    page.mouse.up()
    saved(page, 1)
    assert frame.get_attribute("aria-valuenow") == pressed
    assert prompted(studio, address) == [[0, int(pressed)]]


def test_going_to_a_frame_stops_following_the_tracker(
    project: tuple[Page, str], image_of: Callable[[Page], Any]
) -> None:
    page, _ = project
    frame = page.locator("#timeline-track")
    image_of(page).click(*DOG)
    saved(page, 1)
    page.keyboard.press("Escape")
    page.keyboard.press("t")
    expect(frame).not_to_have_attribute("aria-valuenow", "0")
    page.keyboard.press("Home")
    track_to_the_end(page)
    expect(frame).to_have_attribute("aria-valuenow", "0")


def test_a_click_after_new_object_creates_another_one(
    studio: Any, project: tuple[Page, str], image_of: Callable[[Page], Any], hold: Callable[..., Any]
) -> None:
    page, address = project
    image = image_of(page)
    held = hold(page, "**/prompts")
    image.click(*DOG)
    image.click(DOG[0] + 10, DOG[1])  # still the same object
    page.keyboard.press("n")
    image.click(*WOMAN)
    held.release()
    saved(page, 2)
    clicks = [len(prompt["clicks"]) for prompt in studio.get(f"{address}/frames/0")["prompts"].values()]
    assert clicks == [2, 1]
    expect(page.locator("#objects li").nth(1)).to_have_attribute("aria-current", "true")


def test_an_answer_keeps_the_selection_of_another_object(
    project: tuple[Page, str], image_of: Callable[[Page], Any], hold: Callable[..., Any]
) -> None:
    page, _ = project
    image = image_of(page)
    image.click(*DOG)
    page.keyboard.press("n")
    image.click(*WOMAN)
    saved(page, 2)
    page.keyboard.press("1")
    held = hold(page, "**/prompts")
    image.click(DOG[0] + 10, DOG[1])
    page.keyboard.press("2")
    held.release()
    saved(page, 2)
    expect(page.locator("#objects li").nth(1)).to_have_attribute("aria-current", "true")
    expect(page.locator("#candidates")).to_be_hidden()


def test_marking_as_absent_twice_is_one_edit(
    studio: Any, project: tuple[Page, str], image_of: Callable[[Page], Any]
) -> None:
    page, address = project
    image_of(page).click(*DOG)
    saved(page, 1)
    page.keyboard.press("ArrowRight")
    for _ in range(2):
        page.keyboard.press("x")
        saved(page, 1)
    steps = [one["label"] for one in studio.get(f"{address}/history")["steps"] if not one["undone"]]
    assert steps[-1].startswith("not there")
    assert not steps[-2].startswith("not there")


def test_gestures_work_while_text_is_selected(project: tuple[Page, str], image_of: Callable[[Page], Any]) -> None:
    page, _ = project
    page.keyboard.press("Control+a")  # pressing selected elements would drag them
    page.keyboard.press("b")
    image_of(page).drag((330, 20), (400, 80), (450, 130))
    saved(page, 1)
