"""Graphs that are compiled when first needed and computed by one thread at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from threading import Lock

import numpy as np

Compute = Callable[[dict[str, np.ndarray]], list[np.ndarray]]
"""Inputs by name to outputs in order."""


class Sessions:
    """Computes graphs by name; different graphs may run at the same time.

    Args:
        compile_graph: makes a graph ready to run.
    """

    def __init__(self, compile_graph: Callable[[str], Compute]) -> None:
        self._compile = compile_graph
        self._compiled: dict[str, Compute] = {}
        self._locks: defaultdict[str, Lock] = defaultdict(Lock)

    def __call__(self, graph: str, given: dict[str, np.ndarray]) -> list[np.ndarray]:
        """The outputs of a graph."""
        with self._locks[graph]:
            if graph not in self._compiled:
                self._compiled[graph] = self._compile(graph)
            return self._compiled[graph](given)
