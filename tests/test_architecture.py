"""The house plan: names, imports and what a checkout may not contain."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "masklet"
SOURCES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))

REFUSED_NAMES = {"utils", "util", "common", "misc", "helpers", "helper"}
NAMED_SUITES = {
    "architecture",
    "bad_input",
    "catalogue",
    "docs",
    "examples",
    "fuzz",
    "meta_device",
    "model_families",
    "peer_benchmarks",
    "policy_benchmarks",
    "public_api",
    "skips",
    "snippets",
    "type_checks",
    "stress",
    "team",
    "wheel",
}  # besides tests/parity and tests/studio/browser
BASE = {
    "torch": "torch",
    "numpy": "numpy",
    "scipy": "scipy",
    "pillow": "PIL",
    "av": "av",
    "safetensors": "safetensors",
    "pycocotools": "pycocotools",
    "huggingface_hub": "huggingface_hub",
    "pyyaml": "yaml",
    "einops": "einops",
    "jaxtyping": "jaxtyping",
    "msgspec": "msgspec",
    "typer": "typer",
    "rich": "rich",
}  # distribution -> what is imported
EXTRAS = {  # imported only where a file needs them
    *("anyio", "fastapi", "pydantic", "sqlalchemy", "starlette", "uvicorn"),
    *("fsspec", "nncf", "onnx", "onnxruntime", "onnxscript", "openvino"),
    *("Imath", "OpenEXR", "pyarrow", "pyogrio", "rasterio", "ray", "shapely", "supervision", "tifffile", "zarr"),
}
HEAVY = {"torch", "av", "PIL", "scipy", "huggingface_hub", "typer"}


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def nodes() -> Iterator[tuple[str, ast.AST]]:
    """Every syntax node of the package, with where it stands."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            yield f"{relative(path)}:{getattr(node, 'lineno', 0)}", node


def test_names_say_something() -> None:
    assert [relative(path) for path in [*SOURCES, *TESTS] if path.stem.removeprefix("test_") in REFUSED_NAMES] == []


def test_every_file_says_what_belongs_in_it() -> None:
    files = [*SOURCES, *TESTS, *(ROOT / "benchmarks").rglob("*.py"), *(ROOT / "examples").rglob("*.py")]
    assert [relative(path) for path in files if not path.read_text(encoding="utf-8").startswith('"""')] == []


def test_tests_mirror_the_package() -> None:
    orphans = []
    for path in (path for path in TESTS if path.name != "conftest.py"):
        place = path.relative_to(ROOT / "tests")
        subject = PACKAGE / place.parent / path.stem.removeprefix("test_")
        mirrored = subject.with_suffix(".py").is_file() or subject.is_dir()
        if not mirrored and subject.name not in NAMED_SUITES and not {"parity", "browser"} & set(place.parts):
            orphans.append(relative(path))
    assert orphans == []


def test_only_base_dependencies_are_imported() -> None:
    allowed = {"masklet", *BASE.values(), *EXTRAS, *sys.stdlib_module_names}
    strangers = set()
    for where, node in nodes():
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or "" if node.level == 0 else "masklet"]
        strangers |= {f"{where} {name}" for name in names if name.split(".")[0] not in allowed}
    assert strangers == set()


def test_base_dependencies_are_the_agreed_ones() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {re.split(r"[^\w-]", line)[0] for line in project["dependencies"]} == set(BASE)


def test_constraints_pin_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = re.findall(r"^([\w.-]+)==[\w.]+$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    assert {re.split(r"[^\w-]", line)[0].lower() for line in wanted} - {pin.lower() for pin in pins} == set()


def test_import_is_light() -> None:
    script = f"import sys, masklet; print(*sorted(set(sys.modules) & {HEAVY!r}))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


def test_extras_wait_until_they_are_needed() -> None:
    script = f"import sys, masklet.cli, masklet.io; print(*sorted(set(sys.modules) & {EXTRAS!r}))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


def test_library_does_not_print() -> None:
    prints = [
        where
        for where, node in nodes()
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert [where for where in prints if not where.startswith("src/masklet/cli/")] == []


def test_checkpoints_are_never_unpickled() -> None:
    unsafe = []
    for where, node in nodes():
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
            arguments = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            if arguments.get("weights_only") != "True":
                unsafe.append(where)
        if isinstance(node, ast.Import) and any(alias.name == "pickle" for alias in node.names):
            unsafe.append(where)
    assert unsafe == []


def test_no_paths_of_one_machine() -> None:
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listing = [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    pattern = re.compile(rb"(?<![\w.~-])/(work|tmp|root|home/\w+)\b")
    found = []
    for path in (ROOT / name for name in names if name):
        content = path.read_bytes() if path.is_file() else b""
        if b"\0" not in content:
            found += [f"{relative(path)}: {match[0].decode()}" for match in pattern.finditer(content)]
    assert found == []
