"""Several pages on one project, a project that is deleted elsewhere, and a full disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from masklet.studio.settings import Settings

pytestmark = pytest.mark.slow


def test_two_pages_show_the_same(
    start_studio: Callable[..., Any],
    short_clip: Path,
    open_page: Callable[..., Page],
    image_of: Callable[[Page], Any],
) -> None:
    studio = start_studio(short_clip)
    first = open_page(studio.url)
    image_of(first).shows(0)
    second = open_page(first.url)
    image_of(second).shows(0)
    plain = image_of(second).color(216, 156)

    image_of(first).click(210, 150)
    expect(second.locator("#objects li")).to_have_count(1)
    expect(second.locator(".lane-strip")).to_have_attribute(
        "aria-label", "Object 1: present on 1, absent on 0, uncertain on 0 frames, prompts on 1"
    )
    second.wait_for_timeout(300)
    assert image_of(second).color(216, 156) != plain

    second.get_by_label("Name of Object 1").fill("Dog")
    second.keyboard.press("Enter")
    expect(first.get_by_label("Name of Dog")).to_have_value("Dog")

    second.get_by_role("button", name="Track", exact=True).click()
    expect(first.locator("#track-progress")).to_be_visible()
    first.keyboard.press("Escape")
    first.keyboard.press("Escape")
    expect(second.locator("#track-controls")).to_be_visible()
    second.keyboard.press("Control+z")
    second.keyboard.press("Control+z")
    second.keyboard.press("Control+z")
    expect(first.locator("#objects li")).to_have_count(0)


def test_a_project_that_is_deleted_elsewhere_is_closed(
    start_studio: Callable[..., Any], short_clip: Path, still: Path, open_page: Callable[..., Page]
) -> None:
    studio = start_studio(short_clip, still)
    page = open_page(studio.url)
    page.locator("#local-list").get_by_role("button", name="dog.mp4").click()
    page.wait_for_selector('#view[data-frame="0"]')
    other = open_page(studio.url)
    other.on("dialog", lambda dialog: dialog.accept())
    other.get_by_role("button", name="Delete project").click()
    expect(other.locator("#project-list li")).to_have_count(0)
    expect(page.get_by_role("heading", name="Segment objects in videos and images")).to_be_visible()
    expect(page.locator("#alerts")).to_contain_text("was deleted")


def test_an_unknown_project_shows_the_start_page(
    start_studio: Callable[..., Any], short_clip: Path, still: Path, open_page: Callable[..., Page]
) -> None:
    studio = start_studio(short_clip, still)
    page = open_page(f"{studio.url}/#/p/000000000000")
    expect(page.locator("#start")).to_be_visible()
    expect(page.locator("#alerts .toast")).to_have_count(1)


def test_tracking_continues_after_the_page_is_closed(
    start_studio: Callable[..., Any],
    short_clip: Path,
    open_page: Callable[..., Page],
    image_of: Callable[[Page], Any],
) -> None:
    studio = start_studio(short_clip)
    page = open_page(studio.url)
    image_of(page).shows(0)
    image_of(page).click(210, 150)
    expect(page.locator("#objects li")).to_have_count(1)
    page.get_by_role("button", name="Track", exact=True).click()
    expect(page.locator("#track-progress")).to_be_visible()
    address = page.url
    page.close()
    later = open_page(address)
    expect(later.locator("#track-controls")).to_be_visible()
    project = studio.get(f"/projects/{address.rsplit('/', 1)[1]}")
    assert project["objects"][0]["num_frames"] == project["media"]["num_frames"]
    assert project["jobs"] == []


def test_a_full_disk_shows_an_error_and_keeps_the_project(
    start: Callable[..., Any], video_file: Path, tmp_path: Path, open_page: Callable[..., Page], full_disk: Any
) -> None:
    studio = start(Settings(folder=tmp_path, offered=(video_file,)))
    page = open_page(studio.url)
    page.wait_for_selector('#view[data-frame="0"]')
    page.keyboard.press("k")  # shows the crosshair in the center of the image
    page.keyboard.press("Enter")
    expect(page.locator("#objects li")).to_have_count(1)
    expect(page.locator("body")).to_have_attribute("aria-busy", "false")
    with full_disk(studio.services):
        for _ in range(60):  # until the last database page is full
            page.keyboard.press("ArrowRight")
            page.keyboard.press("Enter")
        expect(page.locator("#alerts")).to_contain_text("disk is full")
    page.reload()
    page.wait_for_selector("body.ready")
    expect(page.locator("#objects li")).to_have_count(1)
