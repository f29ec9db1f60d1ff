"""Paths of results: names of inputs, and the outputs of each of several inputs."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from masklet.errors import OutputError

NAME = "{name}"
"""Stands for the input's name in a path given with ``-o``."""


def input_name(source: str) -> str:
    """The name of an input in its outputs: "dog" for "clips/dog.mp4", "camera-0" for "camera:0"."""
    path = Path(source)
    if source == "-":
        return "stdin"
    if path.is_dir():
        return path.resolve().name
    if ":" in source and not path.exists():
        return re.sub(r"[^\w.]+", "-", source.rpartition("@")[2]).strip("-.")
    return path.stem


def is_folder(output: str) -> bool:
    """Whether a path given with ``-o`` means a folder: no suffix, or a slash at the end."""
    return output.endswith(("/", os.sep)) or not Path(output).suffix


def output_paths(
    sources: Sequence[str], outputs: Sequence[str], *, default: str, shared_folder: bool = False
) -> list[list[str]]:
    """The outputs of each input, with ``{name}`` replaced by the input's name.

    Args:
        sources: inputs.
        outputs: paths given with ``-o``.
        default: used if there are none.
        shared_folder: results of several inputs go into one folder; else each input gets a folder inside it.

    Raises:
        OutputError: two inputs or two outputs would be written to the same path.
    """
    names = [input_name(source) for source in sources]
    many = len(names) > 1
    for name, count in Counter(names).items() if many else ():
        if count > 1:
            raise OutputError(f"cannot name the outputs of several inputs called {name!r}: run them one by one")
    for output in outputs if many else ():
        if NAME not in output and not is_folder(output):
            hint = Path(output).with_name(f"{NAME}-{Path(output).name}")
            raise OutputError(
                f"cannot write several results to {output}: put {NAME} into the path (-o '{hint}') or name a folder"
            )
    patterns = list(outputs) or [default]
    if many and not shared_folder:
        patterns = [
            f"{output.rstrip('/' + os.sep)}/{NAME}/" if is_folder(output) and NAME not in output else output
            for output in patterns
        ]
    placed = [[pattern.replace(NAME, name) for pattern in patterns] for name in names]
    for paths in placed:
        path, count = Counter(map(os.path.normpath, paths)).most_common(1)[0]
        if count > 1:
            raise OutputError(f"cannot write two results to {path}")
    return placed


def make_parent(path: str) -> None:
    """Make the folder of a path, unless it exists; `OutputError` if it cannot be made."""
    parent = Path(path).parent
    try:
        parent.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {parent}: {error.strerror}") from None
