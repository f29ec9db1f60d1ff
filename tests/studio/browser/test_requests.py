"""HTTP requests of the page: a click costs one request; its answer and its event update the page."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.slow

DOG, WOMAN = (210, 150), (110, 130)


class Requests:
    """The API requests of a page, without those for images."""

    def __init__(self, page: Page) -> None:
        self._seen: list[str] = []
        page.on("request", lambda one: self._add(one.method, one.url))

    def _add(self, method: str, url: str) -> None:
        path = re.sub(r"^.*?/api/(projects/\w+)?", "", url)
        if "/api/" in url and not path.startswith("media/"):
            self._seen.append(f"{method} {path}")

    def take(self) -> list[str]:
        """Return the requests since the last call."""
        seen, self._seen = self._seen, []
        return seen


def settle(page: Page) -> None:
    """Wait until no edit is pending, and for refreshes that are due."""
    expect(page.locator("body")).to_have_attribute("aria-busy", "false")
    page.wait_for_timeout(500)


@pytest.fixture(scope="module")
def studio(start_studio: Callable[..., Any], short_clip: Path) -> Any:
    return start_studio(short_clip)


@pytest.fixture
def page(studio: Any, open_page: Callable[..., Page], image_of: Callable[[Page], Any]) -> Page:
    """A page on the clip without objects."""
    page = open_page(studio.url)
    image_of(page).shows(0)
    address = f"/projects/{page.url.rsplit('/', 1)[1]}"
    for one in studio.get(address)["objects"]:
        studio.send("DELETE", f"{address}/objects/{one['id']}")
    page.reload()
    image_of(page).shows(0)
    settle(page)
    return page


def test_a_click_is_one_request(page: Page, image_of: Callable[[Page], Any]) -> None:
    requests = Requests(page)
    for number, place in enumerate([DOG, (DOG[0] + 10, DOG[1])], start=1):
        image_of(page).click(*place)
        expect(page.locator("#objects li")).to_have_count(1)
        settle(page)
        assert requests.take() == ["POST /frames/0/prompts"], f"click {number}"
    page.keyboard.press("Escape")
    expect(page.locator(".lane-strip")).to_have_attribute("aria-label", re.compile("present on 1,.*prompts on 1$"))
    expect(page.locator("#undo")).to_have_attribute(
        "title", re.compile(r"^Undo: click on Object \d+, frame 0 \(Ctrl Z\)$")
    )


def test_a_correction_keeps_the_masks_of_other_frames(page: Page, image_of: Callable[[Page], Any]) -> None:
    image_of(page).click(*DOG)
    expect(page.locator("#objects li")).to_have_count(1)
    page.keyboard.press("Escape")
    page.keyboard.press("t")
    expect(page.locator("#track-progress")).to_be_visible()
    expect(page.locator("#track-controls")).to_be_visible(timeout=60_000)
    page.get_by_label("Frame", exact=True).fill("12")
    page.keyboard.press("Enter")
    image_of(page).shows(12)
    settle(page)
    requests = Requests(page)
    page.keyboard.press("s")
    image_of(page).click(*WOMAN)
    expect(page.get_by_role("button", name="Re-track Object")).to_be_visible()
    settle(page)
    assert requests.take() == ["POST /frames/12/prompts"]
    page.keyboard.press("ArrowRight")
    image_of(page).shows(13)
    settle(page)
    assert requests.take() == ["GET /frames/13"]


def test_clearing_prompts_is_one_request(page: Page, image_of: Callable[[Page], Any]) -> None:
    for place in (DOG, WOMAN):
        page.keyboard.press("n")
        image_of(page).click(*place)
        settle(page)
        page.keyboard.press("Escape")
    page.keyboard.press("ArrowRight")
    image_of(page).shows(1)
    image_of(page).click(*DOG)
    settle(page)
    page.keyboard.press("Escape")
    expect(page.locator(".lane-strip").nth(1)).to_have_attribute("aria-label", re.compile("prompts on 2$"))
    requests = Requests(page)
    page.keyboard.press("Delete")
    expect(page.locator(".lane-strip").nth(1)).to_have_attribute("aria-label", re.compile("prompts on 1$"))
    settle(page)
    assert [re.sub(r"\d+$", "ID", one) for one in requests.take()] == ["DELETE /frames/1/prompts/ID"]


def test_another_page_is_updated_by_the_event(
    page: Page, open_page: Callable[..., Page], image_of: Callable[[Page], Any]
) -> None:
    image_of(page).click(*DOG)
    settle(page)
    page.keyboard.press("Escape")
    other = open_page(page.url)
    image_of(other).shows(0)
    settle(other)
    before = image_of(other).color(DOG[0] + 6, DOG[1] + 6)
    requests = Requests(other)
    image_of(page).click(*WOMAN)
    settle(page)
    settle(other)
    assert requests.take() == ["GET /frames/0"]  # for the marks of the prompts
    assert image_of(other).color(WOMAN[0], WOMAN[1] + 2) != before
