"""What every test gets: shapes and types checked at run time, the shared assets, and no silent skips in CI."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pytest
from hypothesis import settings
from jaxtyping import UInt8, config
from tests import type_checks

if TYPE_CHECKING:
    from masklet.model.config import ModelConfig
    from masklet.model.sam2 import Sam2

# Before torch is imported: the same sums on every machine. Workers inherit the environment of the process that starts
# them, so theirs is set, not defaulted: two threads for each of two workers on two cores wait for each other.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"
else:
    os.environ.setdefault("OMP_NUM_THREADS", "2")

type_checks.install()

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


@pytest.fixture(scope="session")
def clip() -> UInt8[np.ndarray, "t h w 3"]:
    """40 frames of 48 x 72 pixels: a red square that wanders over moving waves."""
    time, y, x = np.mgrid[:40, :48, :72]
    waves = np.sin(x / 7 + time / 3) * np.cos(y / 9), np.cos(x / 5 - y / 8 + time / 5), np.sin(y / 4 - time / 7)
    frames = (128 + 90 * np.stack(waves, axis=-1)).astype(np.uint8)
    for index, frame in enumerate(frames):
        left, top = 8 + index, 8 + index // 2
        frame[top : top + 14, left : left + 14] = (230, 40, 30)
    return frames


@pytest.fixture(scope="session")
def tiny(clip: UInt8[np.ndarray, "t h w 3"]) -> Sam2:
    """A very small model, random but such that objects of the clip come and go and every memory matters."""
    from masklet.model.config import TEST_TINY  # noqa: PLC0415 - masklet comes after the import hook

    return random_model(TEST_TINY, 3)


@pytest.fixture(
    scope="session", params=[("TEST_EDGETAM", 7), ("TEST_EFFICIENTTAM", 6)], ids=["edgetam", "efficienttam"]
)
def relative(request: pytest.FixtureRequest) -> Sam2:
    """A very small random model of each family beside SAM 2: EdgeTAM, and EfficientTAM with pooled memories."""
    from masklet.model import config  # noqa: PLC0415 - masklet comes after the import hook

    name, seed = request.param  # with these seeds, the model finds objects in the clip
    return random_model(getattr(config, name), seed)


def random_model(config: ModelConfig, seed: int) -> Sam2:
    """A model in eval mode with random weights, none of them idle."""
    import torch  # noqa: PLC0415 - masklet, and torch with it, comes after the import hook

    from masklet.model.sam2 import Sam2  # noqa: PLC0415

    model = Sam2(config).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in sorted(model.state_dict().items()):
        if not tensor.is_floating_point():
            continue  # batch norm's counters
        if name.endswith("running_var"):
            tensor.copy_(0.5 + torch.rand(tensor.shape, generator=generator))
            continue
        kernel = tensor.ndim > 1 and not any(word in name for word in ("embed", "tpos_enc", "token"))
        spread = 1.5 / tensor[0].numel() ** 0.5 if kernel else 0.3
        center = float(name.endswith("gamma") or (tensor.ndim == 1 and name.endswith("weight")))
        tensor.copy_(center + spread * torch.randn(tensor.shape, generator=generator))
    return model


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """With more threads, sums are rounded in another order."""
    import torch  # noqa: PLC0415 - masklet, and torch with it, comes after the import hook

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


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
