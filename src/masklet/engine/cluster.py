"""Looking for masklets on a Ray cluster: one worker for each device, another in the place of one that dies."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from masklet.engine.extra import require_ray
from masklet.engine.proposals import Found, LocalFinder
from masklet.engine.records import Media
from masklet.predict.automatic import Preset, settings_for
from masklet.predict.everything import EverythingSettings
from masklet.predict.load import load
from masklet.types import Masklet

RESTARTS = 3
"""A worker that dies is started again so often, and what it was at is done again."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a worker needs to look for masklets, as plain values that travel.

    Attributes:
        name, weights, device, dtype, image_size: as in `masklet.load`.
        preset: how closely key frames are searched.
        settings: how masklets are found.
    """

    name: str = "nano"
    weights: str | None = None
    device: str = "auto"
    dtype: str = "float32"
    image_size: int | None = None
    preset: Preset = "default"
    settings: EverythingSettings = field(default_factory=EverythingSettings)

    def finder(self) -> LocalFinder:
        """What looks for masklets in this process."""
        net = load(self.name, weights=self.weights, device=self.device, dtype=self.dtype, image_size=self.image_size)
        return LocalFinder(net, self.settings, settings_for(net, self.preset))


@dataclass(frozen=True, kw_only=True)
class RayFinder:
    """Looks on a Ray cluster; media must lie at the same path on each of its machines.

    Attributes:
        recipe: what the workers look with.
        model: its name.
        address: of the cluster, "auto" for the one of this machine, "local" for one of this process.
        workers: how many; one for each GPU of the cluster, or 2, where it is 0.
    """

    recipe: Recipe
    model: str
    address: str = "auto"
    workers: int = 0

    def find(self, media: Sequence[Media]) -> Iterator[Found]:
        """Each media once, as they are done.

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
            yield from self._spread(ray, media)
        finally:
            if started:
                ray.shutdown()

    def _spread(self, ray: Any, media: Sequence[Media]) -> Iterator[Found]:
        """Every worker has one media at a time."""
        there = ray.cluster_resources()
        gpus, cpus = (int(there.get(what, 0)) for what in ("GPU", "CPU"))
        count = self.workers or gpus or 2
        needs = {"num_gpus": int(gpus >= count), "num_cpus": int(cpus >= count)}  # else they would wait for ever
        worker = ray.remote(Worker).options(max_restarts=RESTARTS, max_task_retries=RESTARTS, **needs)
        idle = deque(worker.remote(self.recipe) for _ in range(count))
        left = deque(media)
        busy: dict[Any, tuple[Media, Any]] = {}
        while left or busy:
            while left and idle:
                one, actor = left.popleft(), idle.popleft()
                busy[actor.look.remote(one)] = one, actor
            (done,), _ = ray.wait(list(busy), num_returns=1)
            one, actor = busy.pop(done)
            idle.append(actor)
            try:
                yield one, ray.get(done)
            except ray.exceptions.RayError as error:
                yield one, f"the worker failed: {str(error).strip().splitlines()[-1]}"


class Worker:
    """One process of the cluster with a model."""

    def __init__(self, recipe: Recipe) -> None:
        self._finder = recipe.finder()

    def look(self, media: Media) -> list[Masklet] | str:
        """The masklets of a media, or why there are none."""
        return self._finder.look(media)
