"""The command as a whole: quick to start, helpful, and forgiving of slips."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tests.cli.conftest import Run

import masklet

COMMANDS = ("convert", "demo", "doctor", "image", "models", "track")
SLOW = {"torch", "av", "scipy", "numpy", "huggingface_hub"}


@pytest.mark.parametrize("arguments", [["--help"], ["track", "--help"], ["--version"]])
def test_starts_without_what_is_slow_to_import(arguments: list[str]) -> None:
    script = (
        "import sys, masklet.cli\n"
        f"try: masklet.cli.main({arguments!r})\n"
        f"finally: print(sorted(set(sys.modules) & {SLOW!r}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.split("\n")[0] == "[]"


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"masklet {masklet.__version__}\n", "")


def test_help_lists_commands_and_exit_codes(run: Run) -> None:
    done = run("--help")
    assert done.code == 0
    assert [command for command in COMMANDS if command not in done.out] == []
    assert "130 interrupted" in " ".join(done.out.split())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(run: Run, command: str) -> None:
    done = run(command, "--help")
    assert done.code == 0
    assert f"masklet {command} " in done.out.split("Usage", 1)[1].split("\n", 1)[1]


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["trak", "dog.mp4"], "'track'"),
        (["track", "dog.mp4", "--clik", "1,2"], "--click"),
        (["track"], "VIDEO"),
        (["track", "dog.mp4", "--start", "-1"], "--start"),
        (["track", "dog.mp4", "--reverse", "--both"], "exclude each other"),
        (["image", "cat.jpg", "--candidates", "2"], "1 or 3"),
    ],
)
def test_slips_are_usage_errors(run: Run, arguments: list[str], hint: str) -> None:
    done = run(*arguments)
    assert done.code == 2
    assert hint in done.err
    assert done.out == ""
