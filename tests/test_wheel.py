"""The wheel, installed into an empty environment, segments a picture with the network closed."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

CLOSED = """
import socket

def refuse(self, address, *rest):
    if self.family != getattr(socket, "AF_UNIX", None) and address[0] not in ("127.0.0.1", "::1", "localhost"):
        raise OSError(f"the network is closed in this test: {address}")
    return connect(self, address, *rest)

connect = socket.socket.connect
socket.socket.connect = socket.socket.connect_ex = refuse
"""

SEGMENT = """
import numpy as np
import masklet

pixels = np.full((96, 128, 3), 40, np.uint8)
pixels[24:72, 32:96] = (220, 60, 30)
segmenter = masklet.ImageSegmenter(masklet.load())
masks = segmenter.segment(segmenter.encode(pixels), masklet.Prompts.click(64, 48), candidates=3)
print(masks.masks.shape, masks.best.masks[0, 48, 64])
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(repository)]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, repository: Path, wheel: Path) -> Path:
    """The folder of commands of an environment that holds the wheel and what it needs, no more."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=True)
    commands = home / ("Scripts" if os.name == "nt" else "bin")
    constraints = ["-c", str(repository / "constraints.txt"), *shlex.split(os.environ.get("PIP_ARGS", ""))]
    subprocess.run([commands / "python", "-m", "pip", "install", "-q", *constraints, wheel], check=True)
    return commands


def offline(folder: Path, *command: str | Path) -> str:
    """What a command prints in an empty folder with the network closed."""
    (folder / "guard").mkdir()
    (folder / "empty").mkdir()
    (folder / "guard" / "sitecustomize.py").write_text(CLOSED)
    env = {**os.environ, "PYTHONPATH": str(folder / "guard"), "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hub")}
    run = subprocess.run(command, cwd=folder / "empty", env=env, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert list((folder / "empty").iterdir()) == []
    return run.stdout


def test_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"masklet"}
    assert {"masklet/py.typed", "masklet/weights/nano.safetensors", "masklet/weights/nano.json"} <= set(names)
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert not [name for name in names if "__pycache__" in name]


def test_network_is_closed(tmp_path: Path, installed: Path) -> None:
    script = "import urllib.request as r\ntry: r.urlopen('http://192.0.2.1')\nexcept OSError as error: print(error)"
    assert "network is closed" in offline(tmp_path, installed / "python", "-c", script)


def test_embedded_model_segments_offline(tmp_path: Path, installed: Path) -> None:
    assert offline(tmp_path, installed / "python", "-c", SEGMENT).strip() == "(3, 96, 128) True"


@pytest.mark.parametrize("command", ["doctor", "models"])
def test_command_works_offline(tmp_path: Path, installed: Path, command: str) -> None:
    assert "nano" in offline(tmp_path, installed / "masklet", command)
