"""Exit codes and the one line of an error."""

from __future__ import annotations

import json
import warnings

import pytest
import torch
import typer

import masklet
from masklet.cli.errors import EXIT_CODE_HELP, EXIT_CODES, exit_code, exit_codes
from masklet.errors import MaskletError


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
