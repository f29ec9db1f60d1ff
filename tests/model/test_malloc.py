"""The heap: freed memory is kept for the next step and given back when asked for; who sets it himself is obeyed."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="only the heap of glibc is known to give memory back after each step"
)

STEPS = """
import resource
from pathlib import Path
import torch
from masklet.model.malloc import release_freed_memory, retain_freed_memory

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

kept = retain_freed_memory()
def step():
    blocks = [torch.ones(5 << 20, dtype=torch.uint8) for _ in range(30)]  # 150 MB at once, as a step of a model
for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(4):
    step()
faults = (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 4
held = resident()
release_freed_memory()
print(kept, faults * resource.getpagesize(), held - resident())
"""


def run(**environment: str) -> tuple[str, float, float]:
    """What `retain_freed_memory` said, bytes of fresh memory in each step, and bytes that were given back at last."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("MALLOC_", "GLIBC_"))}
    command = [sys.executable, "-c", STEPS]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=clean | environment)
    kept, fresh, back = done.stdout.split()
    return kept, float(fresh), float(back)


def test_freed_memory_is_kept_and_given_back_when_asked_for() -> None:
    """Whether it is given back without that depends on what happens to lie above it."""
    kept, fresh, back = run()
    assert kept == "True"
    assert fresh < 10e6
    assert back > 100e6


@pytest.mark.parametrize(
    ("name", "value"), [("MALLOC_TRIM_THRESHOLD_", "131072"), ("GLIBC_TUNABLES", "glibc.malloc.trim_threshold=131072")]
)
def test_settings_of_the_environment_are_obeyed(name: str, value: str) -> None:
    assert run(**{name: value})[0] == "False"
