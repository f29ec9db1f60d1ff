"""Uploads of images and folders, files that are rejected, and the access token."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def studio(start_studio: Callable[..., Any]) -> Any:
    return start_studio()


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder with three images of a moving red disk."""
    folder = tmp_path / "disk"
    folder.mkdir()
    y, x = np.mgrid[:120, :160]
    for index in range(3):
        image = np.full((120, 160, 3), (40, 90, 60), np.uint8)
        image[(x - 50 - 20 * index) ** 2 + (y - 60) ** 2 < 600] = (230, 50, 40)
        Image.fromarray(image).save(folder / f"disk {index}.png")
    return folder


def test_an_image_has_no_timeline(
    studio: Any, images: Path, open_page: Callable[..., Page], image_of: Callable[..., Any]
) -> None:
    page = open_page(studio.url)
    expect(page.get_by_role("heading", name="Segment objects in videos and images")).to_be_visible()
    page.locator("#file-input").set_input_files(images / "disk 0.png")
    image = image_of(page, 160, 120)
    image.shows(0)
    expect(page.locator("#timeline")).to_be_hidden()
    image.click(50, 60)
    expect(page.locator("#objects li")).to_have_count(1)
    page.keyboard.press("Control+e")
    expect(page.get_by_role("group", name="Video", exact=True)).to_be_hidden()
    page.locator('#export-dialog input[value="rle.json"]').check()
    page.get_by_role("button", name="Export", exact=True).last.click()
    expect(page.locator("#export-file-list a")).to_have_count(1)


def test_a_folder_of_images_has_frames(
    studio: Any, images: Path, open_page: Callable[..., Page], image_of: Callable[..., Any]
) -> None:
    page = open_page(studio.url)
    page.locator("#folder-input").set_input_files(images)
    image = image_of(page, 160, 120)
    image.shows(0)
    expect(page.locator("#last-index")).to_have_text("/ 2")
    expect(page.get_by_label("Project name")).to_have_value("disk")
    page.keyboard.press("End")
    image.shows(2)
    near = image.color(90, 60)
    assert near[0] > 180, near


def test_images_in_subfolders_are_skipped_and_counted(
    studio: Any, images: Path, tmp_path: Path, open_page: Callable[..., Page], image_of: Callable[..., Any]
) -> None:
    inner = images / "other camera"
    inner.mkdir()
    for image in images.glob("*.png"):
        (inner / image.name).write_bytes(image.read_bytes())
    page = open_page(studio.url)
    page.locator("#folder-input").set_input_files(images)
    image_of(page, 160, 120).shows(0)
    expect(page.locator("#last-index")).to_have_text("/ 2")
    expect(page.locator("#news")).to_contain_text("Skipped 3 images")
    outer = tmp_path / "outer"
    outer.mkdir()
    images.rename(outer / "disk")
    page = open_page(studio.url)
    page.locator("#folder-input").set_input_files(outer)
    expect(page.locator("#alerts")).to_contain_text("subfolders with 6 images")


def test_a_dropped_file_is_opened(studio: Any, images: Path, open_page: Callable[..., Page]) -> None:
    page = open_page(studio.url)
    content = list((images / "disk 1.png").read_bytes())
    transfer = page.evaluate_handle(
        """(bytes) => { const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], "dropped.png", { type: "image/png" }));
            return transfer; }""",
        content,
    )
    page.dispatch_event("body", "dragenter", {"dataTransfer": transfer})
    expect(page.locator("#drop-shade")).to_be_visible()
    page.dispatch_event("body", "drop", {"dataTransfer": transfer})
    page.wait_for_selector('#view[data-frame="0"]')
    expect(page.get_by_label("Project name")).to_have_value("dropped")


@pytest.mark.parametrize(
    ("name", "content"), [("notes.txt", b"hello"), ("broken.mp4", b"\0" * 400), ("empty.png", b"")]
)
def test_a_rejected_file_shows_one_sentence(
    studio: Any, tmp_path: Path, open_page: Callable[..., Page], name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    page = open_page(studio.url)
    count = len(studio.get("/media")["media"])
    page.locator("#file-input").set_input_files(tmp_path / name)
    expect(page.locator("#alerts .toast")).to_have_count(1)
    message = page.locator("#alerts .toast p").inner_text()
    assert message.endswith((".", "!", "?"))
    assert "\n" not in message
    expect(page.locator("#upload")).to_be_hidden()
    assert len(studio.get("/media")["media"]) == count


def test_the_token_is_requested_and_removed_from_the_url(
    start_studio: Callable[..., Any], open_page: Callable[..., Page]
) -> None:
    studio = start_studio(token="open sesame")
    page = open_page(f"{studio.url}/?token=open+sesame")
    assert "token" not in page.url
    expect(page.locator("#login-dialog")).to_be_hidden()
    context = page.context.browser.new_context()  # type: ignore[union-attr]
    stranger = context.new_page()
    stranger.goto(studio.url)
    expect(stranger.get_by_role("dialog", name="Access token required")).to_be_visible()
    stranger.locator("#token").fill("wrong")
    stranger.get_by_role("button", name="Log in").click()
    expect(stranger.locator("#login-error")).not_to_be_empty()
    stranger.locator("#token").fill("open sesame")
    stranger.get_by_role("button", name="Log in").click()
    stranger.wait_for_selector("body.ready")
    expect(stranger.locator("#login-dialog")).to_be_hidden()
    context.close()
