"""`evaluate`: a data set, a model or given masks, and a protocol in; every item worked through once; results out."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import masklet
from masklet.backends.protocol import Model
from masklet.errors import FormatError
from masklet.evaluate.export import Export
from masklet.evaluate.jobs import Job
from masklet.evaluate.predictions import check_complete
from masklet.evaluate.protocols import Given, ImageClicks, Protocol, describe
from masklet.evaluate.records import RECORD_VERSION, RecordStore, key_of
from masklet.evaluate.results import Evaluation
from masklet.evaluate.scoring import RULES
from masklet.evaluate.subjects import Predictions, Subject, model_entry, model_of
from masklet.evaluate.workers import Item, Worker, in_processes, units
from masklet.io.atomic import output_errors
from masklet.io.datasets import ImageDataset, VideoDataset
from masklet.predict.spec import ModelSpec


@dataclass(frozen=True, kw_only=True)
class Running:
    """How the work is spread. It changes no number, but for the rounding of sums with other counts of threads.

    Attributes:
        workers: processes, each with one thread and a model of its own; 1 works in this process.
        shard: (rank, number of ranks) of this process among those that share an output folder, as torchrun starts
            them; rank 0 waits for the others and gathers the results.
        progress: called with (frames done, frames in all); of pictures each is a frame.
    """

    workers: int = 1
    shard: tuple[int, int] = (0, 1)
    progress: Callable[[int, int], None] | None = None


def evaluate(
    dataset: VideoDataset | ImageDataset,
    subject: Subject,
    protocol: Protocol | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    export: Export | None = None,
    running: Running | None = None,
) -> Evaluation | None:
    """How good a model is on a data set.

        dataset = open_dataset("davis2017", "DAVIS")
        result = evaluate(dataset, masklet.load(), protocol_named("3-click"), out="results")
        print(result.document["JF"])

    A run that was killed continues: what is done of the same setup lies in ``out`` and is not done again.

    Args:
        dataset: from `open_dataset`.
        subject: a model, a `ModelSpec` (which workers can load), or `Predictions` of another program.
        protocol: what is asked of the model; None for predictions.
        out: folder for ``results.json``, ``objects.csv``, ``report.html`` and what a killed run continues from; None
            keeps everything in memory.
        export: where to write the masks.
        running: processes and progress.

    Returns:
        The results; None on all ranks of several but the first.

    Raises:
        FormatError: data, protocol and subject do not go together, or the data cannot be read; what is done is kept.
        MediaError: a picture or video cannot be read.
        OutputError: a result cannot be written.
        DeviceError: a worker process died.
    """
    running = running or Running()
    folder = None if out is None else Path(out)
    job = _job(dataset, subject, protocol, export)
    _check(dataset, job, running, folder)
    model = model_of(subject)
    setup = _setup(dataset, job, model)
    if folder is not None:
        with output_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
    store = RecordStore(folder, key_of(setup))
    rank, ranks = running.shard
    mine: list[Item] = [dataset[place] for place in range(rank, len(dataset), ranks)]
    _work(job, subject, model, [item for item in mine if not _is_done(item, job, store)], store, running)
    if rank:
        return None
    _await(dataset, job, store, ranks)
    return Evaluation.gather(dataset, setup, store, folder)


def _job(
    dataset: VideoDataset | ImageDataset, subject: Subject, protocol: Protocol | None, export: Export | None
) -> Job:
    given = subject if isinstance(subject, Predictions) else None
    if (protocol is None) != (given is not None):
        raise FormatError("expected a protocol for a model, and none for predictions")
    return Job(
        protocol=protocol or Given(),
        rules=RULES.get(dataset.name, "sav"),
        predictions=given,
        export=export,
        scored=dataset.scored,
    )


def _check(dataset: VideoDataset | ImageDataset, job: Job, running: Running, out: Path | None) -> None:
    """Refuse what cannot go well before any work is done."""
    pictures, name = isinstance(dataset, ImageDataset), job.protocol.name
    if not len(dataset):
        raise FormatError(f"{dataset.name} {dataset.split} has nothing to evaluate")
    if pictures != isinstance(job.protocol, ImageClicks):
        kinds = ("pictures", "image-clicks or image-box") if pictures else ("videos", "mask, box, 1-click or the like")
        raise FormatError(f"{dataset.name} holds {kinds[0]}, expected {kinds[1]}, got {name}")
    if job.export is not None and name in ("offline", "online", "image-clicks", "image-box", "predictions"):
        raise FormatError(f"masks can be saved where objects are prompted once and tracked, not with {name}")
    if not job.scored and job.export is None:
        raise FormatError(
            f"the masks of {dataset.name} {dataset.split} are not public: save predictions (--save-predictions) and "
            "have its server score them"
        )
    if not job.scored and name not in ("mask", "box") and not name.endswith("-click"):
        raise FormatError(f"{name} needs the truth, and that of {dataset.name} {dataset.split} is not public")
    if running.shard[1] > 1 and out is None:
        raise FormatError("several ranks need one output folder to meet in")
    if job.predictions is not None:
        check_complete(job.predictions.folder, list(dataset.names))


def _setup(dataset: VideoDataset | ImageDataset, job: Job, model: Model | None) -> dict[str, Any]:
    """All that the numbers depend on, as far as anybody knows."""
    return {
        "dataset": {"name": dataset.name, "split": dataset.split},
        "protocol": describe(job.protocol),
        "rules": job.rules,
        "model": None if model is None else model_entry(model),
        "versions": {
            "record": RECORD_VERSION,
            "masklet": masklet.__version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
    }


def _is_done(item: Item, job: Job, store: RecordStore) -> bool:
    record = store.get(item.name)
    if record is None or record.source != job.source(item):
        return False
    return job.export is None or job.export.place(item.name).is_dir()


def _work(
    job: Job, subject: Subject, model: Model | None, todo: Sequence[Item], store: RecordStore, running: Running
) -> None:
    total, done = sum(units(item, job) for item in todo), 0

    def tell(count: int) -> None:
        nonlocal done
        done += count
        if running.progress is not None and count:
            running.progress(done, total)

    if running.workers > 1 and len(todo) > 1:
        if not isinstance(subject, ModelSpec | Predictions):
            raise ValueError("workers load their own models: pass a ModelSpec")
        spec = subject if isinstance(subject, ModelSpec) else None
        in_processes(job, spec, todo, store, min(running.workers, len(todo)), tell)
        return
    worker = Worker(job=job, model=model, store=store)
    for item in todo:
        worker.work(item, tell)


def _await(dataset: VideoDataset | ImageDataset, job: Job, store: RecordStore, ranks: int) -> None:
    """Wait until other ranks are done with their part; torchrun ends us if one of them fails."""
    while ranks > 1 and not all(_is_done(dataset[i], job, store) for i in range(len(dataset))):
        time.sleep(0.5)
