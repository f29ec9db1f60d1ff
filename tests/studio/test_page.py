"""The page's files: nothing inline, nothing from elsewhere, small, all used; a strict content policy is enough."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "src" / "masklet" / "studio" / "page"
FILES = sorted(path for path in PAGE.rglob("*") if path.is_file())
MODULES = [path for path in FILES if path.suffix == ".js"]


def name(path: Path) -> str:
    return path.relative_to(PAGE).as_posix()


class Elements(HTMLParser):
    """Every element of a document, with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def elements() -> list[tuple[str, dict[str, str | None]]]:
    return Elements((PAGE / "index.html").read_text(encoding="utf-8")).found


def test_only_kinds_of_files_that_a_browser_reads() -> None:
    assert {path.suffix for path in FILES} == {".html", ".css", ".js", ".svg"}


@pytest.mark.parametrize("path", FILES, ids=name)
def test_files_are_short_and_local(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 400
    addresses = set(re.findall(r"(?:https?|wss?)://[^\s\"'`)]+", text))
    assert {one for one in addresses if not one.startswith(("http://www.w3.org/", "wss://$", "ws://$"))} == set()


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_modules_say_what_they_are_and_keep_the_policy(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("/** ")
    for forbidden in ("eval(", "new Function", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write"):
        assert forbidden not in text
    assert re.findall(r'setAttribute\("style"', text) == []


def test_every_module_is_reached_from_the_page() -> None:
    reached, queue = set(), [PAGE / "js" / "app.js"]
    while queue:
        path = queue.pop()
        if path not in reached:
            reached.add(path)
            queue += [(path.parent / found).resolve() for found in re.findall(r'from "(\./[\w.]+)"', path.read_text())]
    assert {name(path) for path in MODULES} - {name(path) for path in reached} == set()


def test_nothing_is_inline(elements: list[tuple[str, dict[str, str | None]]]) -> None:
    assert [tag for tag, _ in elements if tag == "style"] == []
    assert [attributes for tag, attributes in elements if tag == "script" and "src" not in attributes] == []
    handlers = [key for _, attributes in elements for key in attributes if key.startswith("on") or key == "style"]
    assert handlers == []


def test_what_the_page_links_to_is_there(elements: list[tuple[str, dict[str, str | None]]]) -> None:
    links = [attributes.get("src") or attributes.get("href") or "" for tag, attributes in elements if tag != "a"]
    assert [link for link in links if link and not (PAGE / link.removeprefix("/")).is_file()] == []
    sheets = {link for link in links if link.endswith(".css")}
    assert sheets == {f"/{name(path)}" for path in FILES if path.suffix == ".css"}


def test_every_id_a_module_asks_for_is_in_the_page(elements: list[tuple[str, dict[str, str | None]]]) -> None:
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    asked = {found for path in MODULES for found in re.findall(r'byId\("([\w-]+)"\)', path.read_text(encoding="utf-8"))}
    assert asked - set(ids) == set()


def test_every_control_has_a_name(elements: list[tuple[str, dict[str, str | None]]]) -> None:
    silent = [
        attributes
        for tag, attributes in elements
        if tag == "button" and "icon-only" in (attributes.get("class") or "") and not attributes.get("aria-label")
        if attributes.get("id") != "theme"
    ]
    assert silent == []


def test_every_icon_is_drawn(elements: list[tuple[str, dict[str, str | None]]]) -> None:
    drawn = set(re.findall(r"^  (\w+): \[", (PAGE / "js" / "icons.js").read_text(encoding="utf-8"), re.MULTILINE))
    asked = {attributes["data-icon"] for _, attributes in elements if "data-icon" in attributes}
    for path in MODULES:
        asked |= set(re.findall(r'\bicon(?:: |\()"(\w+)"', path.read_text(encoding="utf-8")))
    assert asked - drawn == set()
