"""The files of the page: nothing inline, nothing from other hosts, all used; a strict content security policy holds."""

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


def test_file_types() -> None:
    assert {path.suffix for path in FILES} == {".html", ".css", ".js", ".svg"}


@pytest.mark.parametrize("path", FILES, ids=name)
def test_files_load_nothing_from_other_hosts(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    urls = set(re.findall(r"(?:https?|wss?)://[^\s\"'`)]+", text))
    assert {one for one in urls if not one.startswith(("http://www.w3.org/", "wss://$", "ws://$"))} == set()


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_modules_are_described_and_follow_the_policy(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("/** ")
    for forbidden in ("eval(", "new Function", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write"):
        assert forbidden not in text
    assert re.findall(r'setAttribute\("style"', text) == []


def test_every_module_is_imported() -> None:
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


def test_linked_files_exist(elements: list[tuple[str, dict[str, str | None]]]) -> None:
    links = [attributes.get("src") or attributes.get("href") or "" for tag, attributes in elements if tag != "a"]
    assert [link for link in links if link and not (PAGE / link.removeprefix("/")).is_file()] == []
    sheets = {link for link in links if link.endswith(".css")}
    assert sheets == {f"/{name(path)}" for path in FILES if path.suffix == ".css"}


def test_every_id_used_by_a_module_exists(elements: list[tuple[str, dict[str, str | None]]]) -> None:
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    pattern = r'(?:\w*[bB]yId|onClick|setProgress)\("([\w-]+)"'
    used = {found for path in MODULES for found in re.findall(pattern, path.read_text(encoding="utf-8"))}
    assert used - set(ids) == set()


def test_every_icon_button_has_a_label(elements: list[tuple[str, dict[str, str | None]]]) -> None:
    unlabeled = [
        attributes
        for tag, attributes in elements
        if tag == "button" and "icon-only" in (attributes.get("class") or "") and not attributes.get("aria-label")
        if attributes.get("id") != "theme"
    ]
    assert unlabeled == []


def test_every_icon_is_defined(elements: list[tuple[str, dict[str, str | None]]]) -> None:
    defined = set(re.findall(r"^  (\w+): \[", (PAGE / "js" / "icons.js").read_text(encoding="utf-8"), re.MULTILINE))
    used = {attributes["data-icon"] for _, attributes in elements if "data-icon" in attributes}
    for path in MODULES:
        used |= set(re.findall(r'\bicon(?:: |\()"(\w+)"', path.read_text(encoding="utf-8")))
    assert used - defined == set()
