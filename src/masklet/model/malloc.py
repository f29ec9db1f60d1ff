"""What the process's heap does with freed memory, where that is glibc: keep it for the next step, give it back."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Callable
from functools import cache
from typing import Final

TRIM_THRESHOLD: Final = -1
"""glibc's number for: how much free memory at its end a heap keeps."""
MMAP_THRESHOLD: Final = -3
"""glibc's number for: blocks so large are not of the heap."""
KEPT: Final = 256 << 20
LARGEST: Final = 64 << 20
OWN_WILL: Final = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_", "MALLOC_MMAP_MAX_")
"""Settings by which people say themselves what the heap does."""


@cache
def retain_freed_memory() -> bool:
    """Let the heap keep up to 256 MB of freed memory, blocks up to 64 MB; whether it does so now.

    A step of a model asks for the same memory again and again. Where nothing lives above it, glibc gives it back each
    time, and the system clears every page of it anew: a third of the time in which the embedded model sees a picture.
    Who sets glibc's tunables in the environment is obeyed.
    """
    if any(name in os.environ for name in OWN_WILL) or "malloc" in os.environ.get("GLIBC_TUNABLES", ""):
        return False
    change = _from_libc("mallopt")
    return change is not None and all([change(MMAP_THRESHOLD, LARGEST), change(TRIM_THRESHOLD, KEPT)])


def release_freed_memory() -> None:
    """Give freed memory back to the system."""
    gc.collect()
    trim = _from_libc("malloc_trim")
    if trim is not None:
        trim(0)


def _from_libc(name: str) -> Callable[..., int] | None:
    """A function of glibc, or None where there is none."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
