"""`evaluate`: run a protocol on every item of a data set, once, in any number of processes, and gather the results."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

import masklet
from masklet.backends.flip_augmented import FlipAugmented, base_model
from masklet.backends.protocol import Model
from masklet.errors import FormatError, MaskletError
from masklet.evaluate.jobs import Advance, Item, Job, JobTask, Worker
from masklet.evaluate.predictions import Export, Predictions, check_complete
from masklet.evaluate.protocols import Given, ImageClicks, Protocol, describe
from masklet.evaluate.records import RECORD_VERSION, Record, RecordStore, key_of
from masklet.evaluate.results import Evaluation
from masklet.evaluate.scoring import RULES
from masklet.io.atomic import output_errors
from masklet.io.datasets import ImageDataset, VideoDataset
from masklet.model.metadata import config_to_json
from masklet.model.sam2 import Sam2
from masklet.predict.spec import ModelSpec
from masklet.predict.worker_pool import ProcessPool

Subject = Sam2 | FlipAugmented | ModelSpec | Predictions
"""What is evaluated: a model, a model by name and options, or masks of another program."""


def evaluate(
    dataset: VideoDataset | ImageDataset,
    subject: Subject,
    protocol: Protocol | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    export: Export | None = None,
    workers: int = 1,
    shard: tuple[int, int] = (0, 1),
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation | None:
    """Evaluate a model, or the masks of another program, on a data set.

        dataset = open_dataset("davis2017", "DAVIS")
        result = evaluate(dataset, masklet.load(), protocol_named("3-click"), out="results")
        print(result.document["JF"])

    A killed run resumes: items with a record of the same setup in ``out`` are not processed again.

    Args:
        dataset: from `open_dataset`.
        subject: a model, a `ModelSpec` (which workers can load), or `Predictions` of another program.
        protocol: the protocol; None for predictions.
        out: folder for ``results.json``, ``objects.csv``, ``report.html`` and the records of items; None keeps
            everything in memory.
        export: where to write the masks.
        workers: number of processes, each with one thread and its own model; 1 runs in this process. The scores do not
            depend on it, except for rounding with other numbers of threads.
        shard: (rank, number of ranks) of this process among those that share ``out``, as torchrun starts them. Rank 0
            waits for the others and gathers the results.
        progress: called with the number of finished frames and the total; an image counts as a frame.

    Returns:
        the results; None on ranks other than 0.

    Raises:
        FormatError: data, protocol and subject do not fit together, or the data cannot be read.
        MediaError: an image or video cannot be read.
        OutputError: a result cannot be written.
        DeviceError: a worker process died repeatedly.
    """
    folder = None if out is None else Path(out)
    predictions = subject if isinstance(subject, Predictions) else None
    if (protocol is None) != (predictions is not None):
        raise FormatError("expected a protocol for a model, and none for predictions")
    job = Job(
        protocol=protocol or Given(),
        rules=RULES.get(dataset.name, "sav"),
        predictions=predictions,
        export=export,
        scored=dataset.scored,
    )
    _check(dataset, job)
    rank, ranks = shard
    if ranks > 1 and out is None:
        raise FormatError(f"expected an output folder that the {ranks} ranks share, got none")
    model = subject.load() if isinstance(subject, ModelSpec) else None if isinstance(subject, Predictions) else subject
    setup = _setup(dataset, job, model)
    if folder is not None:
        with output_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
    store = RecordStore(folder, key_of(setup))
    todo = [item for i in range(rank, len(dataset), ranks) if not _is_done(item := dataset[i], job, store)]
    advance = _progress(sum(job.units(item) for item in todo), progress)
    if workers > 1 and len(todo) > 1:
        if isinstance(subject, Sam2 | FlipAugmented):
            raise ValueError("workers load their own models: pass a ModelSpec")
        task = JobTask(job=job, spec=None if isinstance(subject, Predictions) else subject, store=store)
        _run_in_processes(task, todo, min(workers, len(todo)), advance)
    else:
        worker = Worker(job=job, model=model, store=store)
        for item in todo:
            worker.work(item, advance)
    if rank:
        return None
    while ranks > 1 and not all(_is_done(dataset[i], job, store) for i in range(len(dataset))):
        time.sleep(0.5)  # torchrun ends this process if another rank fails
    return Evaluation.gather(dataset, setup, store, folder)


def _check(dataset: VideoDataset | ImageDataset, job: Job) -> None:
    """Check that data set and job fit together, before any work is done."""
    is_images, name = isinstance(dataset, ImageDataset), job.protocol.name
    if not len(dataset):
        raise FormatError(f"{dataset.name} {dataset.split} has no items to evaluate")
    if is_images != isinstance(job.protocol, ImageClicks):
        kind, expected = ("images", "image-clicks or image-box") if is_images else ("videos", "mask, box, 1-click ...")
        raise FormatError(f"{dataset.name} holds {kind}, expected a protocol such as {expected}, got {name}")
    if job.export is not None and name in ("offline", "online", "image-clicks", "image-box", "predictions"):
        raise FormatError(f"masks can be saved with semi-supervised protocols only, got {name}")
    if not job.scored and job.export is None:
        raise FormatError(
            f"the masks of {dataset.name} {dataset.split} are not public: save predictions (--save-predictions) and "
            "submit them to its server"
        )
    if not job.scored and name not in ("mask", "box") and not name.endswith("-click"):
        raise FormatError(f"{name} needs true masks, and those of {dataset.name} {dataset.split} are not public")
    if job.predictions is not None:
        check_complete(job.predictions.folder, list(dataset.names))


def _setup(dataset: VideoDataset | ImageDataset, job: Job, model: Model | None) -> dict[str, Any]:
    """Describe everything that the scores depend on."""
    return {
        "dataset": {"name": dataset.name, "split": dataset.split},
        "protocol": describe(job.protocol),
        "rules": job.rules,
        "model": None if model is None else describe_model(model),
        "versions": {
            "record": RECORD_VERSION,
            "masklet": masklet.__version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
    }


def describe_model(model: Model) -> dict[str, Any]:
    """Describe a model for results."""
    return {
        "name": model.config.full_name,
        "sha256": fingerprint(model),
        "input_size": model.config.image_size,
        "device": model.device.type,
        "dtype": str(model.dtype).removeprefix("torch."),
        "config": json.loads(config_to_json(model.config)),
    }


def fingerprint(model: Model) -> str:
    """Compute the SHA-256 of names, shapes and values of a model's weights, whatever file they came from."""
    holder = base_model(model)
    assert isinstance(holder, Sam2), "evaluated models are torch modules"
    code = hashlib.sha256()
    for name, tensor in sorted(holder.state_dict().items()):
        code.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        code.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return code.hexdigest()


def _is_done(item: Item, job: Job, store: RecordStore) -> bool:
    record = store.get(item.name)
    if record is None or record.source != job.source(item):
        return False
    return job.export is None or job.export.folder_of(item.name).is_dir()


def _progress(total: int, progress: Callable[[int, int], None] | None) -> Advance:
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        if progress is not None and count:
            progress(done, total)

    return advance


def _run_in_processes(task: JobTask, items: Sequence[Item], workers: int, advance: Advance) -> None:
    """Process items in worker processes of one thread each; the first error ends the run and is raised."""
    results = ProcessPool(workers=workers, threads=1).map_unordered(task, items)
    with closing(cast("Generator[tuple[Item, Record | MaskletError]]", results)):  # closing stops all workers
        for item, result in results:
            if isinstance(result, MaskletError):
                raise result
            task.store.add_remote(result)
            advance(task.job.units(item))
