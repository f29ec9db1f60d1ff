"""A complete session: open, click, track, correct, undo, track backward, add an object, cancel, reload, export."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from jaxtyping import Bool
from PIL import Image
from playwright.sync_api import Page, expect
from scipy.ndimage import binary_dilation

from masklet.types import Rle

pytestmark = pytest.mark.slow

DOG, WOMAN = (210, 150), (110, 130)
LENGTH = 24


@pytest.fixture(scope="module")
def studio(start_studio: Callable[..., Any], short_clip: Path) -> Any:
    return start_studio(short_clip)


def lane(page: Page, name: str) -> str:
    """Return the description of an object's lane."""
    return page.locator(f'.lane-strip[aria-label^="{name}:"]').get_attribute("aria-label") or ""


def expect_lane(page: Page, place: int, pattern: str) -> None:
    """Wait until the description of a lane matches a pattern."""
    expect(page.locator(".lane-strip").nth(place)).to_have_attribute("aria-label", re.compile(pattern))


def wait_for_track(page: Page, studio: Any, project: str, count: int) -> None:
    """Wait until this many tracking jobs have ended, and the page shows it."""
    for _ in range(600):
        jobs = [job for job in studio.get(f"{project}/jobs")["jobs"] if job["kind"] == "track"]
        if len([job for job in jobs if job["state"] not in ("waiting", "running")]) == count:
            break
        page.wait_for_timeout(100)
    expect(page.locator("#track-controls")).to_be_visible()


def go(page: Page, frame: int) -> None:
    page.get_by_label("Frame", exact=True).fill(str(frame))
    page.keyboard.press("Enter")
    page.wait_for_selector(f'#view[data-frame="{frame}"]')


def test_complete_session(studio: Any, open_page: Callable[..., Page], image_of: Callable[[Page], Any]) -> None:
    page = open_page(studio.url)
    image = image_of(page)
    image.shows(0)
    assert "/#/p/" in page.url
    project = f"/projects/{page.url.rsplit('/', 1)[1]}"
    click_an_object(page, image)
    page.get_by_role("button", name="Track", exact=True).click()
    expect(page.locator("#track-progress")).to_be_visible()
    wait_for_track(page, studio, project, 1)
    expect_lane(page, 0, "^Object 1: present on")
    assert studio.get(project)["objects"][0]["num_frames"] == LENGTH
    correct_and_track_again(page, image, studio, project)
    undo_and_redo(page, studio, project)
    box_another_and_track_back(page, image)
    wait_for_track(page, studio, project, 3)
    assert studio.get(project)["objects"][1]["num_frames"] == 19
    add_a_third_while_tracking_and_cancel(page, image)
    wait_for_track(page, studio, project, 4)
    mark_as_absent(page, studio, project)
    expect_the_same_after_a_reload(page)


def click_an_object(page: Page, image: Any) -> None:
    expect(page.locator("#hint")).to_have_text("Click the object you want to mask.")
    before = image.color(DOG[0] + 6, DOG[1] + 6)
    image.click(*DOG)
    expect(page.locator("#objects li")).to_have_count(1)
    expect_lane(page, 0, "prompts on 1$")
    page.keyboard.press("Escape")
    page.mouse.move(5, 5)
    page.wait_for_timeout(200)
    assert image.color(DOG[0] + 6, DOG[1] + 6) != before


def correct_and_track_again(page: Page, image: Any, studio: Any, project: str) -> None:
    go(page, 12)
    page.keyboard.press("s")
    image.click(*WOMAN)
    expect_lane(page, 0, "prompts on 2$")
    corrected = studio.get(f"{project}/frames/12")["frame"]["objects"]["1"]["mask"]
    page.get_by_role("button", name="Re-track Object 1").click()
    expect(page.get_by_role("button", name="Re-track Object 1")).to_be_hidden()
    wait_for_track(page, studio, project, 2)
    assert studio.get(f"{project}/frames/12")["frame"]["objects"]["1"]["mask"] == corrected


def undo_and_redo(page: Page, studio: Any, project: str) -> None:
    page.keyboard.press("Control+z")  # the second pass
    expect(page.locator("#redo")).to_be_enabled()
    page.keyboard.press("Control+z")  # the correction
    expect_lane(page, 0, "prompts on 1$")
    assert studio.get(f"{project}/frames/12")["prompts"] == {}
    page.get_by_role("button", name="Redo").click()
    expect_lane(page, 0, "prompts on 2$")


def box_another_and_track_back(page: Page, image: Any) -> None:
    go(page, 18)
    page.keyboard.press("n")
    page.keyboard.press("b")
    image.drag((330, 20), (400, 80), (450, 130))
    expect(page.locator("#objects li")).to_have_count(2)
    page.get_by_label("Start tracking from").select_option("here")
    page.get_by_label("Objects to track").select_option("active")
    page.get_by_role("button", name="Back", exact=True).click()


def add_a_third_while_tracking_and_cancel(page: Page, image: Any) -> None:
    page.get_by_label("Start tracking from").select_option("prompts")
    page.get_by_label("Objects to track").select_option("all")
    page.get_by_role("button", name="Track", exact=True).click()
    expect(page.locator("#track-progress")).to_be_visible()
    page.keyboard.press("n")
    page.keyboard.press("a")
    image.click(*WOMAN)
    expect(page.locator("#objects li")).to_have_count(3)
    page.keyboard.press("Escape")  # closes the candidates
    page.keyboard.press("Escape")  # stops tracking


def mark_as_absent(page: Page, studio: Any, project: str) -> None:
    """Mark an object as absent on frame 20; undo it, and clear it."""
    page.locator("#objects li").first.click()
    go(page, 20)
    page.get_by_role("button", name="Mark as absent").click()
    expect_lane(page, 0, "prompts on 3$")
    assert studio.get(f"{project}/frames/20")["frame"]["objects"]["1"]["state"] == "absent"
    page.keyboard.press("Control+z")
    expect_lane(page, 0, "prompts on 2$")
    page.keyboard.press("x")
    expect_lane(page, 0, "prompts on 3$")
    page.keyboard.press("Delete")
    expect_lane(page, 0, "prompts on 2$")


def expect_the_same_after_a_reload(page: Page) -> None:
    page.get_by_label("Name of Object 1").fill("Dog")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Hide Object 2").click()
    expect(page.get_by_role("button", name="Show Object 2")).to_be_visible()
    expect(page.locator("body")).to_have_attribute("aria-busy", "false")
    page.wait_for_timeout(300)
    names = ("Dog", "Object 2", "Object 3")
    lanes = [lane(page, name) for name in names]
    page.reload()
    page.wait_for_selector("body.ready")
    expect(page.locator("#objects li")).to_have_count(3)
    expect(page.get_by_label("Name of Dog")).to_have_value("Dog")
    expect(page.get_by_role("button", name="Show Object 2")).to_be_visible()
    assert [lane(page, name) for name in names] == lanes
    expect(page.get_by_role("button", name="Undo", exact=True)).to_be_enabled()


FORMATS = [
    "overlay.mp4",
    "overlay.webm",
    "alpha.mov",
    "overlay.png",
    "davis",
    "rle.json",
    "coco.json",
    "sav.json",
    "csv.csv",
]


def background(studio: Any, project: str) -> Bool[np.ndarray, "h w"]:
    """Return the pixels of the first frame that belong to no visible object."""
    shown = [str(one["id"]) for one in studio.get(f"/projects/{project}")["objects"] if not one["hidden"]]
    found = studio.get(f"/projects/{project}/frames/0")["frame"]["objects"]
    codes = [found[key]["mask"] for key in shown if key in found]
    masks = [Rle((270, 480), code["counts"].encode()).to_mask() for code in codes]
    return ~binary_dilation(np.any(masks, axis=0), iterations=6)


def test_exports_are_readable(studio: Any, open_page: Callable[..., Page]) -> None:
    project = studio.get("/projects")["projects"][0]["id"]
    page = open_page(f"{studio.url}/#/p/{project}")
    outside = background(studio, project)
    page.get_by_label("Spotlight").check()
    page.keyboard.press("Control+e")
    files = {}
    for count, name in enumerate(FORMATS, start=1):
        page.locator(f'#export-dialog input[value="{name}"]').check()
        page.locator("#start-export").click()
        expect(page.locator("#export-file-list a")).to_have_count(count, timeout=120_000)
        with page.expect_download() as download:
            page.locator("#export-file-list a.newest").click()
        files[name] = io.BytesIO(Path(download.value.path()).read_bytes())
    for name, pixels in (("overlay.mp4", "rgb24"), ("overlay.webm", "rgb24"), ("alpha.mov", "rgba")):
        with av.open(files[name], "r") as video:
            frames = [frame.to_ndarray(format=pixels) for frame in video.decode(video=0)]
        assert (len(frames), frames[0].shape[:2]) == (LENGTH, (270, 480))
        seen = frames[0][outside][:, :3].mean() if pixels == "rgb24" else frames[0][outside][:, 3].mean()
        assert seen < (60 if pixels == "rgb24" else 1)  # the spotlight leaves it dark, transparency leaves nothing
    with zipfile.ZipFile(files["davis"]) as folder:
        maps = sorted(path for path in folder.namelist() if path.endswith(".png"))
        first = np.asarray(Image.open(io.BytesIO(folder.read(maps[0]))))
    assert (len(maps), first.shape) == (LENGTH, (270, 480))
    assert 1 in np.unique(first)
    with zipfile.ZipFile(files["overlay.png"]) as folder:
        assert len([path for path in folder.namelist() if path.endswith(".png")]) == LENGTH
    assert {one["id"] for one in json.load(files["coco.json"])["annotations"]} != set()
    for name in ("rle.json", "sav.json"):
        assert json.load(files[name])
    header, *rows = files["csv.csv"].read().decode().splitlines()
    assert "area" in header
    assert len(rows) >= LENGTH
