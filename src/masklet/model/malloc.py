"""Settings of glibc's malloc: retain freed memory between steps, or release it to the system."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Callable
from functools import cache
from typing import Final

TRIM_THRESHOLD: Final = -1
"""M_TRIM_THRESHOLD of `mallopt`: free memory at the end of the heap beyond this is released."""
MMAP_THRESHOLD: Final = -3
"""M_MMAP_THRESHOLD of `mallopt`: larger blocks are mapped outside the heap."""
RETAINED_BYTES: Final = 256 << 20
LARGEST_BLOCK_BYTES: Final = 64 << 20
ENVIRONMENT: Final = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_", "MALLOC_MMAP_MAX_")
"""Environment variables that take precedence over our settings."""


@cache
def retain_freed_memory() -> bool:
    """Let the heap retain up to 256 MB of freed memory, in blocks of up to 64 MB; return whether that succeeded.

    Every step of a model allocates the same memory again. By default glibc returns it to the system each time, which
    then zeroes every page anew: a third of the embedded model's image encoding time. Malloc settings in the environment
    take precedence.
    """
    if any(name in os.environ for name in ENVIRONMENT) or "malloc" in os.environ.get("GLIBC_TUNABLES", ""):
        return False
    change = _from_libc("mallopt")
    return change is not None and all(
        [change(MMAP_THRESHOLD, LARGEST_BLOCK_BYTES), change(TRIM_THRESHOLD, RETAINED_BYTES)]
    )


def release_freed_memory() -> None:
    """Release freed memory to the system."""
    gc.collect()
    trim = _from_libc("malloc_trim")
    if trim is not None:
        trim(0)


def _from_libc(name: str) -> Callable[..., int] | None:
    """Return a function of glibc, or None on other systems."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
