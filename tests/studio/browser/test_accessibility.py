"""Accessibility: axe-core in every state of the page, light and dark, and use without a pointer."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def studio(start_studio: Callable[..., Any], short_clip: Path, still: Path) -> Any:
    return start_studio(short_clip, still)


@pytest.fixture(scope="module")
def axe(page_tools: Path) -> str:
    return (page_tools / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


def violations(page: Page, axe: str) -> list[str]:
    """Return the serious and critical violations that axe-core finds, with their elements."""
    page.wait_for_timeout(250)  # until color transitions end
    page.evaluate(axe)
    found = page.evaluate("() => axe.run({ resultTypes: ['violations'] })")
    return [
        f"{one['id']} ({one['impact']}): {[node['html'][:160] for node in one['nodes']]}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_no_serious_violations(
    studio: Any, axe: str, theme: str, open_page: Callable[..., Page], image_of: Callable[[Page], Any]
) -> None:
    page = open_page(studio.url, color_scheme=theme)
    expect(page.locator("#local-list li")).to_have_count(2)
    assert violations(page, axe) == []
    page.locator("#local-list").get_by_role("button", name="dog.mp4").click()
    image = image_of(page)
    image.shows(0)
    assert violations(page, axe) == []
    page.keyboard.press("n")
    image.click(210, 150)
    expect(page.locator("#objects li").first).to_be_visible()
    assert violations(page, axe) == []
    page.keyboard.press("Escape")
    page.keyboard.press("i")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("o")
    page.get_by_role("button", name="Track", exact=True).click()
    expect(page.locator("#track-progress")).to_be_hidden(timeout=60_000)
    page.get_by_label("Spotlight").check()
    assert violations(page, axe) == []
    page.locator("#view").focus()
    for key, dialog in (("Control+e", "Export"), ("?", "Keyboard shortcuts")):
        page.keyboard.press(key)
        expect(page.get_by_role("dialog", name=dialog)).to_be_visible()
        assert violations(page, axe) == []
        page.keyboard.press("Escape")
    page.keyboard.press("g")
    expect(page.locator("#proposals")).to_be_visible(timeout=60_000)
    assert violations(page, axe) == []


def test_keyboard_only(studio: Any, open_page: Callable[..., Page]) -> None:
    page = open_page(studio.url)
    page.locator("#local-list").get_by_role("button", name="dog.mp4").press("Enter")
    page.wait_for_selector("#view[data-frame]:not([data-frame=''])")
    before = page.locator("#objects li").count()
    page.keyboard.press("n")
    page.keyboard.press("k")
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    expect(page.locator("#announcer")).to_have_text(re.compile(r"^\d+, \d+"))
    page.keyboard.press("Enter")
    expect(page.locator("#objects li")).to_have_count(before + 1)
    page.keyboard.press("Escape")  # turns the crosshair off
    page.keyboard.press("Escape")  # closes the candidates
    page.keyboard.press("End")  # of the range that another test has set
    page.keyboard.press("End")  # of the clip
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#timeline-track")).to_have_attribute("aria-valuenow", "22")
    page.keyboard.press("i")
    page.keyboard.press("Control+z")
    expect(page.locator("#objects li")).to_have_count(before)
    page.locator("#objects").or_(page.locator("#new-object")).last.focus()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()


def test_window_of_320_pixels(
    studio: Any, axe: str, open_page: Callable[..., Page], image_of: Callable[[Page], Any]
) -> None:
    page = open_page(studio.url, viewport={"width": 320, "height": 640})
    sideways = "() => document.documentElement.scrollWidth - innerWidth"
    expect(page.locator("#local-list li")).to_have_count(2)
    assert page.evaluate(sideways) <= 0
    page.locator("#local-list").get_by_role("button", name="dog.mp4").click()
    image = image_of(page)
    image.shows(0)
    page.keyboard.press("n")

    def below_the_image(name: str) -> bool:
        view, other = page.locator("#view").bounding_box(), page.locator(name).bounding_box()
        assert view is not None
        assert other is not None
        return other["y"] >= view["y"] + view["height"] and other["x"] >= 0 and other["x"] + other["width"] <= 320

    assert below_the_image("#hint")
    image.click(210, 150)
    expect(page.locator("#candidates")).to_be_visible()
    assert below_the_image("#candidates")
    assert page.evaluate(sideways) <= 0
    assert violations(page, axe) == []
    page.get_by_role("button", name="Export", exact=True).click()
    expect(page.locator("#start-export")).to_be_in_viewport(ratio=1)
    page.keyboard.press("Escape")
    page.keyboard.press("Control+z")


def test_single_key_shortcuts_can_be_disabled(studio: Any, open_page: Callable[..., Page]) -> None:
    page = open_page(studio.url)
    page.locator("#local-list").get_by_role("button", name="dog.mp4").click()
    page.wait_for_selector("#view[data-frame]:not([data-frame=''])")
    page.keyboard.press("?")
    page.get_by_label("Enable single-key shortcuts").uncheck()
    page.keyboard.press("Escape")
    page.locator("#view").focus()
    page.keyboard.press("b")
    expect(page.get_by_role("button", name="Box")).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("Control+e")
    expect(page.get_by_role("dialog", name="Export")).to_be_visible()


def test_theme_follows_the_system_until_chosen(studio: Any, open_page: Callable[..., Page]) -> None:
    page = open_page(studio.url, color_scheme="light")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    page.emulate_media(color_scheme="dark")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.get_by_role("button", name="Use the light theme").click()
    page.reload()
    page.wait_for_selector("body.ready")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
