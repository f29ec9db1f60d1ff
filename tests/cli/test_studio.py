"""`masklet studio`: its options, and what is refused before anything is served."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

import masklet.cli.studio as command
from masklet.cli.app import app

runner = CliRunner()


def test_the_folder_of_projects(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert command.default_folder() == tmp_path / "masklet" / "studio"


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        run = runner.invoke(app, ["studio", "--project", str(tmp_path), "--port", port, "--no-browser"])
    assert run.exit_code == 5
    assert f"cannot listen on 127.0.0.1, port {port}" in run.output


def test_media_that_is_not_there(tmp_path: Path) -> None:
    missing = str(tmp_path / "nothing.mp4")
    run = runner.invoke(app, ["studio", missing, "--project", str(tmp_path / "s"), "--port", "0", "--no-browser"])
    assert run.exit_code == 3
    assert "no such file" in run.output
