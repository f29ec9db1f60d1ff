"""A worker pool on a Ray cluster: one worker per device; a worker that dies is restarted."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from masklet.engine._deps import require_ray
from masklet.errors import DeviceError, MaskletError
from masklet.predict.worker_pool import RETRIES, WorkerTask, run_item

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class RayPool:
    """Workers on a Ray cluster (a `WorkerPool`); media must have the same path on every machine of the cluster.

    Attributes:
        address: address of the cluster; "auto" for the cluster of this machine, "local" for a new one in this process.
        workers: number of workers; 0 for one per GPU of the cluster, or 2 without GPUs.
    """

    address: str = "auto"
    workers: int = 0

    def map_unordered(self, task: WorkerTask[T, R], items: Iterable[T]) -> Iterator[tuple[T, R | MaskletError]]:
        """See `WorkerPool.map_unordered`.

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
            yield from self._map(ray, task, iter(items))
        finally:
            if started:
                ray.shutdown()

    def _map(self, ray: Any, task: WorkerTask[T, R], pending: Iterator[T]) -> Iterator[tuple[T, R | MaskletError]]:
        resources = ray.cluster_resources()
        gpus, cpus = (int(resources.get(kind, 0)) for kind in ("GPU", "CPU"))
        count = self.workers or gpus or 2
        # asking for more than the cluster has would wait forever
        needs = {"num_gpus": int(gpus >= count), "num_cpus": int(cpus >= count)}
        actor_class = ray.remote(_Actor).options(max_restarts=RETRIES, max_task_retries=RETRIES, **needs)
        idle = deque(actor_class.remote(task) for _ in range(count))
        busy: dict[Any, tuple[T, Any]] = {}
        while True:
            for item in islice(pending, len(idle)):
                actor = idle.popleft()
                busy[actor.run.remote(item)] = item, actor
            if not busy:
                return
            (done,), _ = ray.wait(list(busy), num_returns=1)
            item, actor = busy.pop(done)
            idle.append(actor)
            try:
                result = ray.get(done)
            except ray.exceptions.RayError as error:
                result = DeviceError(f"the worker failed: {str(error).strip().splitlines()[-1]}")
            yield item, result


class _Actor:
    """One worker process of the cluster."""

    def __init__(self, task: WorkerTask[Any, Any]) -> None:
        self._function = task.start_worker()

    def run(self, item: Any) -> Any:
        return run_item(self._function, item)
