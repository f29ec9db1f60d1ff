"""Work whose end is never heard, and calls that fail: the page says so, shows what is, and goes on."""

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
    """A page on the clip with one object, and the project's key."""
    page = open_page(studio.url)
    image_of(page).shows(0)
    image_of(page).click(*DOG)
    expect(page.locator("#objects li")).to_have_count(1)
    page.keyboard.press("Escape")
    key = page.url.rsplit("/", 1)[1]
    yield page, key
    for one in studio.get(f"/projects/{key}")["objects"]:
        studio.send("DELETE", f"/projects/{key}/objects/{one['id']}")


class Line:
    """The events of a page, which can be cut off."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._sockets: list[WebSocketRoute] = []
        self._greeted = False
        page.route_web_socket("**/events", self._connect)
        page.reload()
        while not self._greeted:
            page.wait_for_timeout(20)

    def _connect(self, socket: WebSocketRoute) -> None:
        self._sockets.append(socket)
        server = socket.connect_to_server()

        def pass_on(message: str | bytes) -> None:
            self._greeted = True
            socket.send(message)

        server.on_message(pass_on)

    def cut(self) -> None:
        """End the connection; the page makes a new one."""
        self._sockets[-1].close()


def begin_lost_work(page: Page, key: str, kind: str, begin: Callable[[], None]) -> None:
    """Begin a job that the server does not know of, as after a new start."""
    job = {"id": "0" * 12, "project_id": key, "kind": kind, "state": "running", "done": 0, "total": 9}
    told = {**job, "message": "", "error": None, "result": None, "created": ""}
    address = f"**/{kind if kind == 'proposals' else 'exports'}"
    page.route(address, lambda route: route.fulfill(json=told))
    with page.expect_response(address):
        begin()
    page.unroute(address)


def leave_and_come_back(page: Page, image: Any) -> None:
    address = page.url
    page.evaluate("location.hash = ''")
    expect(page.locator("#start")).to_be_visible()
    page.goto(address)
    image.shows(0)


def find_everything(page: Page) -> None:
    page.keyboard.press("g")
    expect(page.locator("#proposals")).to_be_visible(timeout=60_000)


def begin_export(page: Page, key: str) -> None:
    """One that never ends."""
    page.keyboard.press("Control+e")
    begin_lost_work(page, key, "export", page.locator("#start-export").click)
    expect(page.locator("#export-progress")).to_be_visible()
    expect(page.locator("#start-export")).to_be_disabled()


def test_a_search_that_was_left_does_not_stop_the_next(
    project: tuple[Page, str], image_of: Callable[[Page], Any]
) -> None:
    page, key = project
    begin_lost_work(page, key, "proposals", lambda: page.keyboard.press("g"))
    expect(page.locator("#segment-everything.working")).to_have_count(1)
    leave_and_come_back(page, image_of(page))
    expect(page.locator("#segment-everything.working")).to_have_count(0)
    find_everything(page)


def test_a_search_that_the_server_forgot_is_given_up(
    project: tuple[Page, str], image_of: Callable[[Page], Any]
) -> None:
    page, key = project
    line = Line(page)
    image_of(page).shows(0)
    begin_lost_work(page, key, "proposals", lambda: page.keyboard.press("g"))
    line.cut()
    expect(page.locator("#alerts")).to_contain_text("server restarted")
    find_everything(page)


def test_an_export_that_was_left_does_not_stop_the_next(
    project: tuple[Page, str], image_of: Callable[[Page], Any]
) -> None:
    page, key = project
    begin_export(page, key)
    page.keyboard.press("Escape")
    leave_and_come_back(page, image_of(page))
    page.keyboard.press("Control+e")
    expect(page.locator("#start-export")).to_be_enabled()
    expect(page.locator("#export-progress")).to_be_hidden()


def test_an_export_that_the_server_forgot_is_given_up(
    project: tuple[Page, str], image_of: Callable[[Page], Any]
) -> None:
    page, key = project
    line = Line(page)
    image_of(page).shows(0)
    begin_export(page, key)
    line.cut()
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


def test_proposals_that_were_not_added_stay(project: tuple[Page, str]) -> None:
    page, _ = project
    find_everything(page)
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


def test_a_name_that_was_refused_goes_out_of_sight(project: tuple[Page, str]) -> None:
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
