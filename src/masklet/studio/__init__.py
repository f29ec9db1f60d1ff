"""The studio: annotate videos in the browser, over HTTP and a WebSocket. Needs the extra ``studio``."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from masklet.studio._deps import require_studio

if TYPE_CHECKING:
    from masklet.studio.app import create_app
    from masklet.studio.settings import Settings

_LAZY = {"Settings": "masklet.studio.settings", "create_app": "masklet.studio.app"}

__all__ = ["Settings", "create_app"]


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module 'masklet.studio' has no attribute {name!r}")
    require_studio()
    return getattr(import_module(_LAZY[name]), name)
