"""The JSDoc types of the page, checked by the TypeScript compiler in its strictest mode."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

OPTIONS = {
    "allowJs": True,
    "checkJs": True,
    "noEmit": True,
    "strict": True,
    "noUncheckedIndexedAccess": True,
    "exactOptionalPropertyTypes": True,
    "noUnusedLocals": True,
    "noUnusedParameters": True,
    "noImplicitReturns": True,
    "target": "es2022",
    "module": "es2022",
    "moduleResolution": "bundler",
    "lib": ["es2023", "dom", "dom.iterable"],
    "types": [],
}


def compiled(tools: Path, modules: str, folder: Path) -> subprocess.CompletedProcess[str]:
    config = folder / "tsconfig.json"
    config.write_text(json.dumps({"compilerOptions": OPTIONS, "include": [modules]}))
    compiler = shutil.which("tsc", path=str(tools / "node_modules" / ".bin"))
    assert compiler is not None
    command = [compiler, "--project", str(config), "--pretty", "false"]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)


def test_types_hold(page_tools: Path, repository: Path, tmp_path: Path) -> None:
    modules = repository / "src" / "masklet" / "studio" / "page" / "js"
    run = compiled(page_tools, f"{modules.as_posix()}/*.js", tmp_path)
    assert (run.stdout, run.returncode) == ("", 0)


def test_a_wrong_type_is_found(page_tools: Path, tmp_path: Path) -> None:
    (tmp_path / "wrong.js").write_text("/** @param {number} n */ export function f(n) { return n.length; }")
    run = compiled(page_tools, f"{tmp_path.as_posix()}/*.js", tmp_path)
    assert "TS2339" in run.stdout
