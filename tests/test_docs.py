"""README, guides and reference pages agree with the code: paths, names, commands and snippets."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer

import masklet
from masklet.cli import (  # noqa: F401  importing a module registers its commands
    automatic_masks,
    bench,
    convert,
    demo,
    doctor,
    evaluate,
    export,
    image,
    models,
    studio,
    track,
    train,
)
from masklet.cli.app import app
from masklet.cli.engine import data, tasks  # noqa: F401

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(DOCS.glob("*.md")),
    *sorted((DOCS / "guides").glob("*.md")),
]
PACKAGE = ROOT / "src" / "masklet"

CALLS = re.compile(r"^(?:OMP_NUM_THREADS=\d+ )?(?:.*(?:\| |--no-python ))?(masklet [^|#]*)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block of a page."""

    where: str
    language: str
    text: str


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        yield Block(f"{page.relative_to(ROOT)}:{line}", found[1], found[2])


def commands() -> Iterator[tuple[str, str]]:
    """Every `masklet ...` line of a block, and every one between backticks."""
    for page in PAGES:
        for where, language, text in blocks(page):
            if language in {"console", "", "sh"}:
                for line in text.replace("\\\n", " ").splitlines():
                    if (found := CALLS.match(line.strip().removeprefix("$ "))) is not None:
                        yield where, found[1].strip()
        for inline in re.findall(r"`(masklet [^`]*)`", FENCE.sub("", page.read_text(encoding="utf-8"))):
            yield str(page.relative_to(ROOT)), inline


def problem(line: str) -> str:
    """What is wrong with the command or the options of a line, or ""."""
    words = [word for word in shlex.split(line, comments=True)[1:] if word != "..."]
    command: Any = typer.main.get_command(app)
    while words and hasattr(command, "commands"):
        if words[0] not in command.commands:
            alternatives = words[0].split("|")
            if set(alternatives) <= set(command.commands) or words[0].isupper() or words[0].startswith("-"):
                return ""
            return f"no command {words[0]!r}"
        command = command.commands[words.pop(0)]
    if hasattr(command, "commands"):
        return ""
    known = {"-h", "--help"}.union(*([*option.opts, *option.secondary_opts] for option in command.params))
    given = {word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    unknown = sorted(given - known)
    return f"no option {', '.join(unknown)}" if unknown else ""


def test_commands_and_options_exist() -> None:
    found = list(commands())
    assert len(found) > 60
    assert [f"{where}: {line}: {wrong}" for where, line in found if (wrong := problem(line))] == []


@pytest.mark.parametrize("line", ["masklet trakc a.mp4", "masklet track a.mp4 --clik 1,2", "masklet engine ad x"])
def test_wrong_commands_are_found(line: str) -> None:
    assert problem(line)


def test_paths_exist() -> None:
    missing = []
    for page in PAGES:
        text = FENCE.sub("", page.read_text(encoding="utf-8"))
        for path in re.findall(r"`(?:python )?((?:\w+/)*\w+\.py)\b[^`]*`", text):
            places = (ROOT / path, PACKAGE / path, ROOT / "src" / path)
            if not any(place.is_file() for place in places) and "/" in path:
                missing.append(f"{page.relative_to(ROOT)}: {path}")
        targets = re.findall(r"\]\((?!https?:)([^)#]+)", text)
        missing += [f"{page.relative_to(ROOT)}: {each}" for each in targets if not (page.parent / each).exists()]
    assert missing == []


def test_links_to_sections_exist() -> None:
    missing = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for target, section in re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", text):
            other = page.parent / target if target else page
            heads = re.findall(r"^#+ (.+)$", other.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
            if section not in slugs:
                missing.append(f"{page.relative_to(ROOT)}: {target}#{section}")
    assert missing == []


def resolve(name: str) -> object:
    """The module or attribute of a dotted name; raises if there is none."""
    parts = name.split(".")
    found: Any = masklet
    for index, part in enumerate(parts[1:], start=2):
        try:
            found = getattr(found, part)
        except AttributeError:
            found = importlib.import_module(".".join(parts[:index]))
    return found


def dotted_names() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for name in re.findall(r"`(masklet(?:\.\w+)+)", FENCE.sub("", text)):
            if not re.search(r"\.(config|json)$", name):  # a key of metadata, a file
                yield str(page.relative_to(ROOT)), name


def test_dotted_names_exist() -> None:
    missing = []
    for where, name in dotted_names():
        try:
            resolve(name)
        except (AttributeError, ModuleNotFoundError):
            missing.append(f"{where}: {name}")
    assert missing == []


PYTHON = [block for page in PAGES for block in blocks(page) if block.language == "python"]


@pytest.mark.parametrize("block", PYTHON, ids=[block.where for block in PYTHON])
def test_snippets_parse_and_import(block: Block) -> None:
    for node in ast.walk(ast.parse(block.text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "masklet":
            module = importlib.import_module(node.module or "")
            for alias in node.names:
                assert hasattr(module, alias.name), f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "masklet":
            assert hasattr(masklet, node.attr), f"masklet.{node.attr}"
