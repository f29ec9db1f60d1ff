"""Items through a job, here or in several processes; each leaves its record, the worst leave film strips."""

from __future__ import annotations

import bisect
import multiprocessing
import signal
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field

import torch

from masklet.backends.protocol import Model
from masklet.errors import DeviceError
from masklet.evaluate.jobs import Draw, Job, Tell
from masklet.evaluate.records import Record, RecordStore
from masklet.evaluate.summary import score_of
from masklet.io.atomic import AtomicOutput, output_errors
from masklet.io.datasets import ImageSample, VideoSequence
from masklet.predict.spec import ModelSpec

WORST = 6
"""How many of the worst items have film strips."""

Item = VideoSequence | ImageSample


@dataclass(kw_only=True)
class Worker:
    """What one process needs to work through items.

    Attributes:
        job: what is done to each.
        model: the model, or None for given masks.
        store: where records go.
    """

    job: Job
    model: Model | None
    store: RecordStore
    _worst: list[tuple[float, str]] = field(default_factory=list)

    def work(self, item: Item, tell: Tell) -> Record:
        """Work through one item; `tell` adds up to `units` of it."""
        told = 0

        def count(frames: int) -> None:
            nonlocal told
            frames = min(frames, units(item, self.job) - told)
            told += frames
            tell(frames)

        record, draw = self.job.run(item, self.model, count)
        count(units(item, self.job))
        if draw is not None:
            self._film(record, draw)
        self.store.put(record)
        return record

    def _film(self, record: Record, draw: Draw) -> None:
        """Draw the film strip of one of the worst items so far; one that is no longer among them goes."""
        path, score = self.store.film_path(record.name), score_of(record)
        if path is None or score is None:
            return
        bisect.insort(self._worst, (score, record.name))
        if (score, record.name) in self._worst[:WORST]:
            data, record.film = draw()
            draft = AtomicOutput(path)
            try:
                with output_errors(path):
                    draft.path.write_bytes(data)
                draft.commit()
            finally:
                draft.discard()
        for _, name in self._worst[WORST:]:
            old = self.store.film_path(name)
            if old is not None:
                old.unlink(missing_ok=True)
        del self._worst[WORST:]


def units(item: Item, job: Job) -> int:
    """What progress counts of an item: frames that are looked at, or one picture."""
    if isinstance(item, ImageSample):
        return 1
    return item.num_frames if job.predictions is None else len(item.annotated)


def in_processes(
    job: Job, spec: ModelSpec | None, items: Sequence[Item], store: RecordStore, count: int, tell: Tell
) -> None:
    """Work through items in ``count`` processes of one thread, each with a model of its own.

    Raises:
        DeviceError: a process died.
        MaskletError: what went wrong with an item; what is done is kept.
    """
    context = multiprocessing.get_context("spawn")
    strangers = set(multiprocessing.active_children())
    with ProcessPoolExecutor(count, context, _begin, (job, spec, store)) as pool:
        waiting = {pool.submit(_continue, item): item for item in items}
        try:
            for future in as_completed(waiting):
                store.keep(future.result())
                tell(units(waiting[future], job))
        except BrokenProcessPool:
            raise DeviceError("a worker process died, most likely out of memory: use fewer workers") from None
        except BaseException:  # a record is there whole or not at all: nobody needs to finish what is begun
            for process in set(multiprocessing.active_children()) - strangers:
                process.terminate()
            raise


_worker: list[Worker] = []
"""The one worker of a process that `in_processes` started."""


def _begin(job: Job, spec: ModelSpec | None, store: RecordStore) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C and ends us
    torch.set_num_threads(1)
    _worker.append(Worker(job=job, model=None if spec is None else spec.load(), store=store))


def _continue(item: Item) -> Record:
    return _worker[0].work(item, lambda _: None)
