"""Where results go: names of outputs for one input and for many."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from masklet.errors import OutputError

NAME = "{name}"


def name_of(source: str) -> str:
    """What an input is called, for the names of its outputs: "dog" for "clips/dog.mp4", "camera-0" for "camera:0"."""
    path = Path(source)
    if source == "-":
        return "stdin"
    if path.is_dir():
        return path.resolve().name
    if ":" in source and not path.exists():
        return re.sub(r"[^\w.]+", "-", source.rpartition("@")[2]).strip("-.")
    return path.stem


def is_folder(output: str) -> bool:
    """Whether an output's name means a folder: no suffix, or a slash at the end."""
    return output.endswith(("/", os.sep)) or not Path(output).suffix


def targets(
    sources: Sequence[str], outputs: Sequence[str], *, default: str, shared_folder: bool = False
) -> list[list[str]]:
    """The outputs of every input: ``{name}`` becomes the input's name.

    Args:
        sources: the inputs.
        outputs: what was asked for.
        default: used where nothing was.
        shared_folder: results of several inputs go into one folder; else each gets one of its own inside.

    Raises:
        OutputError: two inputs or two outputs would be written to the same place.
    """
    many = len(sources) > 1
    names = [name_of(source) for source in sources]
    placed: list[list[str]] = []
    for name in names:
        patterns = [_pattern(output, many and not shared_folder) for output in outputs or [default]]
        placed.append([pattern.replace(NAME, name) for pattern in patterns])
    same = [name for name, count in Counter(names).items() if count > 1]
    if same:
        raise OutputError(f"cannot name the outputs of several inputs called {same[0]!r}: run them one by one")
    for pattern in outputs:
        if many and NAME not in pattern and not is_folder(pattern):
            raise OutputError(
                f"cannot write several results to {pattern}: put {NAME} into the name (-o '{_hint(pattern)}') "
                "or name a folder"
            )
    for one in placed:
        twice = [path for path, count in Counter(os.path.normpath(path) for path in one).items() if count > 1]
        if twice:
            raise OutputError(f"cannot write two results to {twice[0]}")
    return placed


def make_parent(path: str) -> None:
    """Make the folder that gathers the results of several inputs.

    Raises:
        OutputError: it cannot be made.
    """
    parent = Path(path).parent
    try:
        parent.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {parent}: {error.strerror}") from None


def _pattern(output: str, nested: bool) -> str:
    return f"{output.rstrip('/' + os.sep)}/{NAME}/" if nested and is_folder(output) and NAME not in output else output


def _hint(pattern: str) -> str:
    path = Path(pattern)
    return str(path.with_name(f"{NAME}-{path.name}"))
