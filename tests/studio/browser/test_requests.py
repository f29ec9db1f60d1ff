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
    """The API requests of a page."""

    def __init__(self, page: Page) -> None:
        self._seen: list[str] = []
        page.on("request", lambda one: self._add(one.method, one.url))

    def _add(self, method: str, url: str) -> None:
        path = re.sub(r"^.*?/api/(projects/\w+)?", "", url)
        if "/api/" in url and not re.match(r"media/", path):  # frame images are cached by the browser
            self._seen.append(f"{method} {path}")

    def take(self) -> list[str]:
        """The requests since the last call."""
        seen, self._seen = self._seen, []
        return seen


def settled(page: Page) -> None:
    """Wait until no edit is under way, and for refreshes that are due."""
    expect(page.locator("body")).to_have_attribute("aria-busy", "false")
    page.wait_for_timeout(500)


@pytest.fixture
def project(
    start_studio: Callable[..., Any], short_clip: Path, open_page: Callable[..., Page], image_of: Callable[[Page], Any]
) -> tuple[Any, Page]:
    """A studio with a page on its only project."""
    studio = start_studio(short_clip)
    page = open_page(studio.url)
    image_of(page).shows(0)
    return studio, page


def test_a_click_is_one_request(project: tuple[Any, Page], image_of: Callable[[Page], Any]) -> None:
    _, page = project
    requests = Requests(page)
    settled(page)
    requests.take()
    for number, place in enumerate([DOG, (DOG[0] + 10, DOG[1])], start=1):
        image_of(page).click(*place)
        expect(page.locator("#objects li")).to_have_count(1)
        settled(page)
        assert requests.take() == ["POST /frames/0/prompts"], f"click {number}"
    expect(page.locator(".lane-strip")).to_have_attribute("aria-label", re.compile("present on 1.*prompts on 1$"))
    expect(page.locator("#undo")).to_have_attribute("title", "Undo: click on Object 1, frame 0 (Ctrl Z)")
