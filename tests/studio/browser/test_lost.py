"""Jobs whose end is not reported, and requests that fail: the page shows an error and the actual state."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, WebSocketRoute, expect

pytestmark = pytest.mark.slow

DOG = (210, 150)
REFUSED = {"error": {"type": "FullError", "message": "the disk is full"}}


@pytest.fixture(scope="module")
def studio(start_studio: Callable[..., Any], short_clip: Path) -> Any:
    return start_studio(short_clip)


@pytest.fixture
def project(studio: Any, open_page: Callable[..., Page], image_of: Callable[[Page], Any]) -> Iterator[tuple[Page, str]]:
    """A page on the clip with one object, and the id of the project."""
    page = open_page(studio.url)
    image_of(page).shows(0)
    image_of(page).click(*DOG)
    expect(page.locator("#objects li")).to_have_count(1)
    expect(page.locator("body")).to_have_attribute("aria-busy", "false")
    page.keyboard.press("Escape")
    key = page.url.rsplit("/", 1)[1]
    yield page, key
    for one in studio.get(f"/projects/{key}")["objects"]:
        studio.send("DELETE", f"/projects/{key}/objects/{one['id']}")


class Connection:
    """The event connection of a page, which can be interrupted."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._sockets: list[WebSocketRoute] = []
        self._connected = False
        page.route_web_socket("**/events", self._connect)
        page.reload()
        while not self._connected:
            page.wait_for_timeout(20)

    def _connect(self, socket: WebSocketRoute) -> None:
        self._sockets.append(socket)
        server = socket.connect_to_server()

        def forward(message: str | bytes) -> None:
            self._connected = True
            socket.send(message)

        server.on_message(forward)

    def interrupt(self) -> None:
        """Close the connection; the page reconnects."""
        self._sockets[-1].close()


def start_lost_job(page: Page, key: str, kind: str, start: Callable[[], None]) -> None:
    """Start a job that the server does not know, as after a restart."""
    job = {"id": "0" * 12, "project_id": key, "kind": kind, "state": "running", "done": 0, "total": 9}
    answer = {**job, "message": "", "error": None, "result": None, "created": ""}
    address = f"**/{kind if kind == 'proposals' else 'exports'}"
    page.route(address, lambda route: route.fulfill(json=answer))
    with page.expect_response(address):
        start()
    page.unroute(address)


def leave_and_return(page: Page, image: Any) -> None:
    address = page.url
    page.evaluate("location.hash = ''")
    expect(page.locator("#start")).to_be_visible()
    page.goto(address)
    image.shows(0)


def generate_masks(page: Page) -> None:
    page.keyboard.press("g")
    expect(page.locator("#proposals")).to_be_visible(timeout=60_000)


def start_lost_export(page: Page, key: str) -> None:
    """Start an export that never ends."""
    page.keyboard.press("Control+e")
    start_lost_job(page, key, "export", page.locator("#start-export").click)
    expect(page.locator("#export-progress")).to_be_visible()
    expect(page.locator("#start-export")).to_be_disabled()


def test_leaving_the_project_frees_automatic_mask_generation(
    project: tuple[Page, str], image_of: Callable[[Page], Any]
) -> None:
    page, key = project
    start_lost_job(page, key, "proposals", lambda: page.keyboard.press("g"))
    expect(page.locator("#automatic-masks.working")).to_have_count(1)
    leave_and_return(page, image_of(page))
    expect(page.locator("#automatic-masks.working")).to_have_count(0)
    generate_masks(page)


def test_lost_automatic_mask_generation_fails(project: tuple[Page, str], image_of: Callable[[Page], Any]) -> None:
    page, key = project
    connection = Connection(page)
    image_of(page).shows(0)
    start_lost_job(page, key, "proposals", lambda: page.keyboard.press("g"))
    connection.interrupt()
    expect(page.locator("#alerts")).to_contain_text("server restarted")
    generate_masks(page)


def test_leaving_the_project_frees_the_export(project: tuple[Page, str], image_of: Callable[[Page], Any]) -> None:
    page, key = project
    start_lost_export(page, key)
    page.keyboard.press("Escape")
    leave_and_return(page, image_of(page))
    page.keyboard.press("Control+e")
    expect(page.locator("#start-export")).to_be_enabled()
    expect(page.locator("#export-progress")).to_be_hidden()


def test_a_lost_export_fails(project: tuple[Page, str], image_of: Callable[[Page], Any]) -> None:
    page, key = project
    connection = Connection(page)
    image_of(page).shows(0)
    start_lost_export(page, key)
    connection.interrupt()
    expect(page.locator("#alerts")).to_contain_text("server restarted")
    expect(page.locator("#start-export")).to_be_enabled()
    expect(page.locator("#export-progress")).to_be_hidden()


def test_an_export_needs_an_object(project: tuple[Page, str]) -> None:
    page, _ = project
    page.keyboard.press("Control+e")
    page.locator("#export-objects input").uncheck()
    expect(page.locator("#start-export")).to_be_disabled()
    expect(page.locator("#export-empty")).to_have_text("Select at least one object.")
    page.locator("#export-objects input").check()
    expect(page.locator("#start-export")).to_be_enabled()
    expect(page.locator("#export-empty")).to_be_hidden()
    page.keyboard.press("Escape")
    page.keyboard.press("Shift+Delete")
    expect(page.locator("#objects li")).to_have_count(0)
    page.keyboard.press("Control+e")
    expect(page.locator("#start-export")).to_be_disabled()
    expect(page.locator("#export-empty")).to_contain_text("no objects yet")


def test_proposals_stay_when_adding_them_fails(project: tuple[Page, str]) -> None:
    page, _ = project
    generate_masks(page)
    page.locator("#proposal-list input").first.check()
    page.route("**/frames/0/objects", lambda route: route.fulfill(status=507, json=REFUSED))
    page.get_by_role("button", name="Add 1 object").click()
    expect(page.locator("#alerts")).to_contain_text("The disk is full.")
    expect(page.locator("#proposals")).to_be_visible()
    expect(page.locator("#news")).not_to_contain_text("Added")
    page.unroute("**/frames/0/objects")
    page.get_by_role("button", name="Add 1 object").click()
    expect(page.locator("#news")).to_contain_text("Added 1 object.")
    expect(page.locator("#objects li")).to_have_count(2)


def test_a_rejected_name_is_reverted(project: tuple[Page, str]) -> None:
    page, key = project

    def refuse(route: Route) -> None:
        if route.request.method == "PATCH":
            route.fulfill(status=507, json=REFUSED)
        else:
            route.continue_()

    page.route(re.compile(rf"/projects/{key}(/objects/\d+)?$"), refuse)
    for field in (page.locator("#objects .object-name"), page.locator("#project-name")):
        before = field.input_value()
        field.fill("lost")
        field.press("Enter")
        expect(page.locator("#alerts")).to_contain_text("The disk is full.")
        expect(field).to_have_value(before)
        page.locator("#alerts .toast button").click()
