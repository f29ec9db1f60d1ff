"""What every test gets: shapes and types checked at run time, the shared assets, and no silent skips in CI."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import settings
from jaxtyping import config, install_import_hook

os.environ.setdefault("OMP_NUM_THREADS", "2")  # before torch is imported: the same sums on every machine

install_import_hook("masklet", "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))")  # 1 is a float

IN_CI = bool(os.environ.get("CI"))
REPOSITORY = Path(__file__).parents[1]
ALLOWED_SKIPS = Path(__file__).with_name("allowed-skips.txt")
Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)

settings.register_profile("masklet", deadline=None, max_examples=50, derandomize=IN_CI, print_blob=True)
settings.load_profile("masklet")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def assets() -> Path:
    """The folder of shared assets: clips, golden tensors, starter weights."""
    folder = Path(os.environ.get("MASKLET_ASSETS", REPOSITORY.parent / "shared"))
    if not folder.is_dir():
        pytest.skip("the shared assets are not here (set MASKLET_ASSETS)")
    return folder


@pytest.fixture
def untyped_caller() -> Iterator[None]:
    """Call as people do who check no types: what annotations refuse then meets the library's own errors."""
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _refuse_skip((yield))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _refuse_skip((yield))


def _refuse_skip(report: Report) -> Report:
    """In CI a skip fails unless `allowed-skips.txt` lists its reason: a green run must not hide what it left out."""
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        *_, message = report.longrepr if isinstance(report.longrepr, tuple) else (report.longreprtext,)
        reason = str(message).removeprefix("Skipped: ")
        allowed = [line for line in ALLOWED_SKIPS.read_text().splitlines() if line and not line.startswith("#")]
        if not any(fnmatch.fnmatchcase(reason, pattern) for pattern in allowed):
            report.outcome = "failed"
            report.longrepr = f"skipped in CI for a reason that {ALLOWED_SKIPS.name} does not list: {reason}"
    return report
