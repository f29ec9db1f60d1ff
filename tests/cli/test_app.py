"""The command as a whole: quick to start, helpful, and forgiving of slips."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings

import pytest
import torch
import typer
from tests.cli.conftest import Run

import masklet
from masklet.cli.app import EXIT_CODE_HELP, EXIT_CODES, exit_code, exit_codes
from masklet.errors import MaskletError

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


def kinds(error: type[MaskletError]) -> list[type[MaskletError]]:
    return [kind for child in error.__subclasses__() for kind in (child, *kinds(child))]


def test_every_error_has_a_code() -> None:
    ours = {kind for kind in kinds(MaskletError) if kind.__module__ == "masklet.errors"}  # the studio has its own
    assert {kind.__name__ for kind in ours} == {kind.__name__ for kind in EXIT_CODES}
    assert [code for code in set(EXIT_CODES.values()) if f" {code} " not in EXIT_CODE_HELP] == []


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (masklet.PromptError("x"), 2),
        (masklet.FrameRangeError("x"), 2),
        (masklet.FormatError("x"), 2),
        (masklet.MediaError("x"), 3),
        (masklet.UnknownModelError("x"), 4),
        (masklet.WeightsError("x"), 4),
        (masklet.OutputError("x"), 5),
        (masklet.DeviceError("x"), 6),
        (masklet.MissingExtraError("x"), 6),
    ],
)
def test_exit_code(error: MaskletError, code: int) -> None:
    assert exit_code(error) == code


def test_an_error_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as left, exit_codes(as_json=True):
        raise masklet.MediaError("cannot read\n  dog.mp4")
    assert left.value.exit_code == 3
    told = capsys.readouterr()
    assert told.err == "masklet: error: cannot read dog.mp4\n"
    assert json.loads(told.out) == {"error": {"type": "MediaError", "message": "cannot read\n  dog.mp4"}}


def test_ctrl_c(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as left, exit_codes():
        raise KeyboardInterrupt
    assert left.value.exit_code == 130
    assert capsys.readouterr() == ("", "masklet: interrupted\n")


def test_a_device_without_memory_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as left, exit_codes():
        raise torch.OutOfMemoryError("CUDA out of memory")
    assert left.value.exit_code == 6
    assert "--size" in capsys.readouterr().err


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError), exit_codes():
        raise ZeroDivisionError


@pytest.mark.filterwarnings("default")
def test_warnings_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with exit_codes():
        warnings.warn("the file is damaged", UserWarning, stacklevel=1)
    assert capsys.readouterr().err == "masklet: warning: the file is damaged\n"
