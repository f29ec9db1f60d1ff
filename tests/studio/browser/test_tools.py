"""The tools with pointer and touch: preview, clicks, candidates, brush, eraser, proposals, locks, zoom, playback."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from masklet.types import Rle

pytestmark = pytest.mark.slow

DOG = (210, 150)


@pytest.fixture(scope="module")
def studio(start_studio: Callable[..., Any], short_clip: Path) -> Any:
    return start_studio(short_clip)


@pytest.fixture
def project(studio: Any, open_page: Callable[..., Page]) -> Iterator[tuple[Page, str]]:
    """A page on the clip without objects, and the id of the project."""
    page = open_page(studio.url, has_touch=True)
    page.wait_for_selector('#view[data-frame="0"]')
    yield page, page.url.rsplit("/", 1)[1]
    key = page.url.rsplit("/", 1)[1]
    for one in studio.get(f"/projects/{key}")["objects"]:
        studio.send("PATCH", f"/projects/{key}/objects/{one['id']}", {"locked": False})
        studio.send("DELETE", f"/projects/{key}/objects/{one['id']}")


def mask_of(studio: Any, project: str, frame: int, number: int = 1) -> np.ndarray:
    """Return the mask of the object at this place in the list."""
    listed = studio.get(f"/projects/{project}")["objects"]
    found = studio.get(f"/projects/{project}/frames/{frame}")["frame"]["objects"]
    mask = found[str(listed[number - 1]["id"])]["mask"]
    return Rle((mask["size"][0], mask["size"][1]), mask["counts"].encode()).to_mask()


def saved(page: Page, count: int) -> None:
    """Wait until this many objects are listed and no edit is pending."""
    expect(page.locator("#objects li")).to_have_count(count)
    expect(page.locator("body")).to_have_attribute("aria-busy", "false")


def test_a_resting_pointer_shows_a_preview(
    studio: Any, project: tuple[Page, str], image_of: Callable[[Page], Any]
) -> None:
    page, key = project
    image = image_of(page)
    page.mouse.move(5, 5)
    before = image.color(DOG[0] + 8, DOG[1] + 8)
    page.mouse.move(*image.at(*DOG))  # the preview comes when the page is connected and the model is free
    expect(page.locator("#view")).to_have_attribute("data-preview", "yes", timeout=120_000)
    assert image.color(DOG[0] + 8, DOG[1] + 8) != before
    page.mouse.move(5, 5)
    expect(page.locator("#view")).to_have_attribute("data-preview", "no")
    assert image.color(DOG[0] + 8, DOG[1] + 8) == before
    assert studio.get(f"/projects/{key}")["objects"] == []


def test_clicks_include_and_exclude(studio: Any, project: tuple[Page, str], image_of: Callable[[Page], Any]) -> None:
    page, key = project
    image = image_of(page)
    image.click(*DOG)
    saved(page, 1)
    page.keyboard.press("Escape")
    page.keyboard.down("Alt")
    image.click(110, 120)
    page.keyboard.up("Alt")
    image.click(120, 60, button="right")
    page.wait_for_timeout(200)
    saved(page, 1)
    listed = studio.get(f"/projects/{key}")["objects"][0]["id"]
    clicks = studio.get(f"/projects/{key}/frames/0")["prompts"][str(listed)]["clicks"]
    assert [click["positive"] for click in clicks] == [True, False, False]
    assert np.allclose([[click["x"], click["y"]] for click in clicks], [DOG, (110, 120), (120, 60)], atol=1.5)
    page.keyboard.press("Delete")
    expect(page.locator(".lane-strip").first).to_have_attribute("aria-label", re.compile("not tracked"))


def test_candidates_can_be_chosen(studio: Any, project: tuple[Page, str], image_of: Callable[[Page], Any]) -> None:
    page, key = project
    image_of(page).click(*DOG)
    expect(page.locator("#candidates")).to_be_visible()
    saved(page, 1)
    first = mask_of(studio, key, 0)
    page.locator(".candidate").nth(2).click()
    expect(page.locator(".candidate").nth(2)).to_have_attribute("aria-pressed", "true")
    saved(page, 1)
    third = mask_of(studio, key, 0)
    assert (third != first).any()
    page.keyboard.press("Escape")
    expect(page.locator("#candidates")).to_be_hidden()


def test_brush_and_eraser_change_the_mask_under_them(
    studio: Any, project: tuple[Page, str], image_of: Callable[[Page], Any]
) -> None:
    page, key = project
    image = image_of(page)
    page.keyboard.press("d")
    expect(page.locator("#brush-size")).to_be_visible()
    image.drag((300, 60), (360, 60))
    saved(page, 1)
    painted = mask_of(studio, key, 0)
    assert painted[60, 300:361].all()
    assert painted[100:].sum() == 0
    page.keyboard.press("e")
    for _ in range(4):
        page.keyboard.press("[")
    image.drag((330, 20), (330, 100))
    page.wait_for_timeout(200)
    saved(page, 1)
    rubbed = mask_of(studio, key, 0)
    assert not rubbed[60, 330]
    assert rubbed[60, 302]
    assert rubbed[60, 358]


def test_automatic_masks_become_objects_in_one_edit(
    studio: Any, project: tuple[Page, str], image_of: Callable[[Page], Any]
) -> None:
    page, key = project
    page.keyboard.press("g")
    expect(page.locator("#proposals")).to_be_visible(timeout=60_000)
    page.locator("#proposal-list input").nth(0).check()
    page.locator("#proposal-list input").nth(1).check()
    page.get_by_role("button", name="Add 2 objects").click()
    saved(page, 2)
    expect(page.locator("#proposals")).to_be_hidden()
    assert len(studio.get(f"/projects/{key}/frames/0")["frame"]["objects"]) == 2
    page.keyboard.press("Control+z")
    saved(page, 0)


def test_a_locked_object_rejects_clicks_with_a_message(
    project: tuple[Page, str], image_of: Callable[[Page], Any]
) -> None:
    page, _ = project
    image = image_of(page)
    image.click(*DOG)
    saved(page, 1)
    page.keyboard.press("Escape")
    page.keyboard.press("l")
    expect(page.locator("#objects .lock.on")).to_have_count(1)
    image.click(110, 120)
    expect(page.locator("#news")).to_contain_text("is locked")


def test_tap_and_pinch(project: tuple[Page, str], image_of: Callable[[Page], Any]) -> None:
    page, _ = project
    image = image_of(page)
    fitted = page.locator("#zoom-fit").inner_text()
    x, y = image.at(*DOG)
    touch = page.context.new_cdp_session(page)

    def send(kind: str, *points: tuple[float, float]) -> None:
        fingers = [{"x": px, "y": py, "id": number} for number, (px, py) in enumerate(points)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})

    send("touchStart", (x - 40, y), (x + 40, y))
    for reach in (60, 90, 120):
        send("touchMove", (x - reach, y), (x + reach, y))
    send("touchEnd")
    expect(page.locator("#zoom-fit")).not_to_have_text(fitted)
    assert page.locator("#objects li").count() == 0
    page.keyboard.press("f")
    expect(page.locator("#zoom-fit")).to_have_text(fitted)
    page.touchscreen.tap(x, y)
    saved(page, 1)


def test_the_wheel_zooms_around_the_pointer(project: tuple[Page, str], image_of: Callable[[Page], Any]) -> None:
    page, _ = project
    x, y = image_of(page).at(100, 100)
    page.mouse.move(x, y)
    fitted = int(page.locator("#zoom-fit").inner_text().split()[0])
    page.mouse.wheel(0, -400)
    expect(page.locator("#zoom-fit")).not_to_have_text(f"{fitted} %")
    zoomed = int(page.locator("#zoom-fit").inner_text().split()[0])
    assert zoomed == pytest.approx(fitted * np.e, abs=3)
    page.get_by_role("button", name="fit image to window").click()
    expect(page.locator("#zoom-fit")).to_have_text(f"{fitted} %")


def test_playback_and_steps(project: tuple[Page, str], image_of: Callable[[Page], Any]) -> None:
    page, _ = project
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    image_of(page).shows(23)
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    page.keyboard.press("ArrowLeft")
    image_of(page).shows(22)
    page.keyboard.press("Home")
    image_of(page).shows(0)


def test_displayed_effects_equal_exported_effects(
    studio: Any, project: tuple[Page, str], image_of: Callable[[Page], Any]
) -> None:
    page, key = project
    image = image_of(page)
    page.keyboard.press("d")
    image.drag((200, 100), (280, 100))
    saved(page, 1)
    page.mouse.move(5, 5)
    for background in ("darken", "desaturate", "erase", "pixelate", "blur"):
        page.locator(f'input[name="effect-background"][value="{background}"]').check()
        page.wait_for_timeout(200)
        rendered = studio.file(
            f"/api/projects/{key}/frames/0/rendered?background={background}&object=overlay&format=webp"
        )
        expected = np.asarray(Image.open(io.BytesIO(rendered)).convert("RGB")).astype(int)
        for x, y in ((60, 40), (400, 220), (240, 100)):
            near = expected[y - 3 : y + 4, x - 3 : x + 4].reshape(-1, 3)
            shown = np.array(image.color(x, y))
            assert (shown >= near.min(0) - 24).all(), (background, x, y, shown, near.mean(0))
            assert (shown <= near.max(0) + 24).all(), (background, x, y, shown, near.mean(0))
    page.locator("#effect-reset").click()
