"""A crew on a Ray cluster: one worker for each device, another in the place of one that dies."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from masklet.engine._deps import require_ray
from masklet.engine.worker_pool import RETRIES, Trade

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class RayCrew:
    """Workers on a Ray cluster; files must lie at the same path on each of its machines.

    Attributes:
        address: of the cluster, "auto" for the one of this machine, "local" for one of this process.
        workers: how many; one for each GPU of the cluster, or 2, where it is 0.
    """

    address: str = "auto"
    workers: int = 0

    def each(self, trade: Trade[T, R], items: Iterable[T]) -> Iterator[tuple[T, R | str]]:
        """Every item once with what came of it, as they are done, or with why its worker failed.

        Raises:
            MissingExtraError: Ray is not installed.
        """
        require_ray()
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray  # noqa: PLC0415  slow to import, and an extra

        started = not ray.is_initialized()
        if started:
            ray.init(address=self.address, log_to_driver=False, include_dashboard=False, logging_level=logging.ERROR)
        try:
            yield from self._spread(ray, trade, iter(items))
        finally:
            if started:
                ray.shutdown()

    def _spread(self, ray: Any, trade: Trade[T, R], left: Iterator[T]) -> Iterator[tuple[T, R | str]]:
        """Every worker has one item at a time."""
        there = ray.cluster_resources()
        gpus, cpus = (int(there.get(what, 0)) for what in ("GPU", "CPU"))
        count = self.workers or gpus or 2
        needs = {"num_gpus": int(gpus >= count), "num_cpus": int(cpus >= count)}  # else they would wait for ever
        worker = ray.remote(Worker).options(max_restarts=RETRIES, max_task_retries=RETRIES, **needs)
        idle = deque(worker.remote(trade) for _ in range(count))
        busy: dict[Any, tuple[T, Any]] = {}
        while True:
            for item in islice(left, len(idle)):
                actor = idle.popleft()
                busy[actor.do.remote(item)] = item, actor
            if not busy:
                return
            (done,), _ = ray.wait(list(busy), num_returns=1)
            item, actor = busy.pop(done)
            idle.append(actor)
            try:
                yield item, ray.get(done)
            except ray.exceptions.RayError as error:
                yield item, f"the worker failed: {str(error).strip().splitlines()[-1]}"


class Worker:
    """One process of the cluster."""

    def __init__(self, trade: Trade[Any, Any]) -> None:
        self._work = trade.begin()

    def do(self, item: Any) -> Any:
        """One piece of work."""
        return self._work(item)
