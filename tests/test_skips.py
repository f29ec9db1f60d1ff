"""CI fails a skip whose reason nobody allowed, and only then."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SUITE = """
import pytest

def test_allowed():
    pytest.skip("no CUDA device here")

@pytest.mark.skipif(True, reason="{reason}")
def test_other():
    pass

@pytest.mark.xfail(reason="{reason}")
def test_expected_failure():
    assert False
"""
MODULE = "import pytest\npytest.importorskip('no_such_package')\n"


@pytest.mark.parametrize(
    ("ci", "suite", "code", "said"),
    [
        ("true", SUITE.format(reason="felt like it"), 1, "1 skipped, 1 xfailed, 1 error"),
        ("true", SUITE.format(reason="felt like it"), 1, "allowed-skips.txt does not list: felt like it"),
        ("true", SUITE.format(reason="no CUDA device"), 0, "2 skipped, 1 xfailed"),
        ("true", MODULE, 2, "allowed-skips.txt does not list: could not import 'no_such_package'"),
        ("", SUITE.format(reason="felt like it"), 0, "2 skipped, 1 xfailed"),
    ],
)
def test_skips(tmp_path: Path, repository: Path, ci: str, suite: str, code: int, said: str) -> None:
    for name in ("conftest.py", "allowed-skips.txt"):
        (tmp_path / name).write_text((repository / "tests" / name).read_text())
    (tmp_path / "test_suite.py").write_text(suite)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    paths = os.pathsep.join([str(repository), os.environ.get("PYTHONPATH", "")])  # conftest.py imports from tests
    env = {**os.environ, "CI": ci, "PYTHONPATH": paths}
    run = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert said in run.stdout
    assert run.returncode == code
