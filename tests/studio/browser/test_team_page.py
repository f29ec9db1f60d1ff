"""Tasks of a data engine in the browser: start a task, annotate and submit it; another person reviews it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.slow

DOG = (210, 150)


def test_annotation_and_review(
    start_studio: Callable[..., Any],
    short_clip: Path,
    open_page: Callable[..., Page],
    image_of: Callable[[Page], Any],
    hold: Callable[..., Any],
) -> None:
    studio = start_studio(short_clip, people="Ana:annotate Ben:review")
    tokens = json.loads((studio.folder / "team.json").read_text())
    ana = open_page(f"{studio.url}/?token={tokens['Ana']}")
    expect(ana.locator("#team-title")).to_have_text("Hello Ana")
    expect(ana.locator(".role-card")).to_have_count(1)
    assert "token" not in ana.url
    held = hold(ana, "**/team/next")
    ana.get_by_role("button", name="Start next task").click()
    expect(ana.get_by_role("button", name="Start next task")).to_be_disabled()
    held.release()
    image_of(ana).shows(0)
    ana.get_by_role("button", name="Submit").click()
    expect(ana.locator("#alerts")).to_contain_text("mask")
    image_of(ana).click(*DOG)
    expect(ana.locator("#objects li")).to_have_count(1)
    ana.keyboard.press("Control+Enter")
    expect(ana.locator("#news")).to_contain_text("Submitted")
    expect(ana.locator("#task-name")).to_have_text("Task 2")  # opens after the first
    expect(ana.locator("#objects li")).to_have_count(0)
    ana.wait_for_timeout(300)  # for late answers about the previous task
    expect(ana.locator("#alerts")).not_to_contain_text("project")
    ana.get_by_role("button", name="Return task").click()
    expect(ana.locator("#team-done")).to_contain_text("annotated 1 object")

    ben = open_page(f"{studio.url}/?token={tokens['Ben']}")
    ben.get_by_role("button", name="Start next review").click()
    image_of(ben).shows(0)
    expect(ben.locator("#tools")).to_be_hidden()
    ben.locator("#request-changes").click()
    ben.get_by_label("Note for the team").fill("the tail is missing")
    ben.get_by_role("dialog").get_by_role("button", name="Request changes").click()
    expect(ben.locator("#team-done")).to_contain_text("reviewed 1")

    ana.reload()
    ana.get_by_role("button", name="Start next task").click()
    expect(ana.locator("#task-note")).to_have_text("“the tail is missing”")
    expect(ana.get_by_role("button", name="Show frame 0")).to_have_count(0)
    expect(ana.locator("#task-frames button")).to_have_text(["0"])
    expect(ana.locator("#objects li")).to_have_count(1)
