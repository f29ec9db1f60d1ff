"""`evaluate`: run a protocol on every item of a data set, once, in any number of processes, and gather the results.

A `Job` says what is done with one item; a `Worker` does it, and stores its record.
"""

from __future__ import annotations

import bisect
import hashlib
import json
import os
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

import masklet
from masklet.backends.flip_augmented import FlipAugmented, base_model
from masklet.backends.protocol import Model
from masklet.errors import FormatError, MaskletError
from masklet.evaluate.film_strips import MaskHistory, image_strip, sequence_strip
from masklet.evaluate.image_protocol import ClickResults, segment_objects
from masklet.evaluate.predictions import Export, PredictedSequence, Predictions, check_complete
from masklet.evaluate.protocols import Given, ImageClicks, Interactive, Protocol, SemiSupervised, describe
from masklet.evaluate.records import RECORD_VERSION, Record, RecordStore, key_of
from masklet.evaluate.results import Evaluation
from masklet.evaluate.scoring import RULES, Notice, Rules, SequenceScorer, notices, unscored_objects
from masklet.evaluate.summary import score_of
from masklet.evaluate.video_protocols import correct_video, open_session, track
from masklet.io.atomic import AtomicOutput, output_errors
from masklet.io.datasets import ImageDataset, ImageSample, VideoDataset, VideoSequence
from masklet.io.datasets.label_maps import LabelMapSequence, ObjectFolderSequence
from masklet.masks.rle import decode_masks
from masklet.model.metadata import config_to_json
from masklet.model.sam2 import Sam2
from masklet.predict.image import ImageSegmenter
from masklet.predict.spec import ModelSpec
from masklet.predict.worker_pool import ProcessPool
from masklet.types import FrameMasks, RgbImage, Rle

Subject = Sam2 | FlipAugmented | ModelSpec | Predictions
"""What is evaluated: a model, a model by name and options, or masks of another program."""

NUM_STRIPS = 6
"""Number of worst items that get a film strip."""

Item = VideoSequence | ImageSample

DrawStrip = Callable[[], tuple[bytes, dict[str, Any]]]
"""Draws the film strip of an item; returns the PNG file and a description of what it shows."""

Advance = Callable[[int], None]
"""Called with the number of frames finished since the last call."""


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


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is done with every item; picklable.

    Attributes:
        protocol: the protocol.
        rules: scoring rules.
        predictions: masks to score instead of those of a model.
        export: where to write masks.
        scored: whether the true masks are public; otherwise masks are only made and written.
    """

    protocol: Protocol
    rules: Rules = "sav"
    predictions: Predictions | None = None
    export: Export | None = None
    scored: bool = True

    def run(self, item: Item, model: Model | None, advance: Advance) -> tuple[Record, DrawStrip | None]:
        """Process one item.

        Raises:
            FormatError, MediaError: the data cannot be read.
            OutputError: masks cannot be written.
        """
        if isinstance(item, ImageSample):
            return self._run_image(item, _required(model))
        record = Record(name=item.name, source=self.source(item), notices=notices(item))
        if not item.objects:
            record.notices.append(Notice("no object", item.name, "no frame has a pixel of an object; not scored"))
            return record, None
        if isinstance(self.protocol, Interactive):
            return self._run_interactive(item, self.protocol, _required(model), record)
        return self._run_tracking(item, model, record, advance)

    def source(self, item: Item) -> str:
        """Return a fingerprint of the inputs: the paths of the item's files, and the predictions to score."""
        predicted = ""
        if self.predictions is not None and isinstance(item, VideoSequence):
            predicted = PredictedSequence(folder=self.predictions.folder, sequence=item).fingerprint()
        return hashlib.sha256(f"{item!r}\0{predicted}".encode()).hexdigest()

    def units(self, item: Item) -> int:
        """Return what an item counts in progress: its processed frames, or 1 for an image."""
        if isinstance(item, ImageSample):
            return 1
        return item.num_frames if self.predictions is None else len(item.annotated)

    def _run_tracking(
        self, sequence: VideoSequence, model: Model | None, record: Record, advance: Advance
    ) -> tuple[Record, DrawStrip | None]:
        """Score the masks of all objects in one pass, made by the model or read from files."""
        if self.predictions is not None:
            given = PredictedSequence(folder=self.predictions.folder, sequence=sequence, notices=record.notices)
            frames = given.frames()
        else:
            assert isinstance(self.protocol, SemiSupervised)
            frames = track(_required(model), sequence, self.protocol, non_overlap=is_exclusive(sequence))
        frames = _timed(frames, record, advance)
        if self.export is not None:
            frames = self.export.write(sequence, frames)
        scorer, history = SequenceScorer(sequence, self.rules), MaskHistory()
        annotated = frozenset(sequence.annotated)
        for masks in frames:
            if self.scored:
                scorer.add(masks)
                if masks.frame_index in annotated:
                    history.add(masks)
        if not self.scored:
            return record, None
        scorer.fill()
        record.objects, record.cells = list(scorer.rows()), scorer.cells
        record.notices += unscored_objects(sequence, record.objects, self.rules)
        return record, lambda: sequence_strip(sequence, _mean_j([scorer]), history)

    def _run_interactive(
        self, sequence: VideoSequence, protocol: Interactive, model: Model, record: Record
    ) -> tuple[Record, DrawStrip | None]:
        scorers, history = [], MaskHistory()
        with sequence.open() as video:
            for object_id in SequenceScorer(sequence, self.rules).object_ids:
                if object_id not in sequence.objects:
                    continue  # an object that is never visible cannot be clicked
                scorer = SequenceScorer(sequence, self.rules, [object_id])
                session = open_session(model, video, protocol)
                started = time.perf_counter()
                rounds = list(correct_video(session, scorer, object_id, protocol))
                record.seconds += time.perf_counter() - started
                record.frames += sum(done.tracked for done in rounds)
                record.objects += [row | {"rounds": [done.to_json() for done in rounds]} for row in scorer.rows()]
                scorers.append(scorer)
                for frame_index in sequence.annotated:
                    history.add(session.masks(frame_index))
        record.notices += unscored_objects(sequence, record.objects, self.rules)
        return record, lambda: sequence_strip(sequence, _mean_j(scorers), history)

    def _run_image(self, sample: ImageSample, model: Model) -> tuple[Record, DrawStrip | None]:
        if not isinstance(self.protocol, ImageClicks):
            raise FormatError(f"the protocol {self.protocol.name} is for videos, got images; choose image-clicks")
        record = Record(name=sample.name, source=self.source(sample))
        image = sample.pixels()
        codes: list[Rle] = []
        for number, instance in enumerate(sample.instances(), start=1):
            if instance.rle.size != image.shape[:2]:
                height, width = instance.rle.size
                raise FormatError(
                    f"expected masks of the image size {image.shape[1]}x{image.shape[0]}, "
                    f"got {width}x{height}: {sample.name}"
                )
            if instance.crowd or not instance.area:
                kind = "crowd left out" if instance.crowd else "empty mask"
                record.notices.append(Notice(kind, sample.name, f"mask {number} is not evaluated"))
            else:
                codes.append(instance.rle)
                record.objects.append({"object": number, "category": instance.category, "area": instance.area})
        started = time.perf_counter()
        results: list[ClickResults] = []
        if codes:
            segmenter = ImageSegmenter(model, postprocess=self.protocol.postprocess)
            results = segment_objects(segmenter, segmenter.encode(image), codes, self.protocol)
        record.seconds, record.frames = time.perf_counter() - started, 1
        curves = [curve for batch in results for curve in batch.iou.tolist()]
        for row, curve in zip(record.objects, curves, strict=True):
            row["iou"] = curve
        return record, partial(_draw_image, image, codes, results[0]) if codes else None


def is_exclusive(sequence: VideoSequence) -> bool:
    """Check whether the true masks cannot overlap, as in label maps; then predictions must not overlap either."""
    return isinstance(sequence, LabelMapSequence) and not isinstance(sequence, ObjectFolderSequence)


def _required(model: Model | None) -> Model:
    assert model is not None, "only the scoring of predictions needs no model"
    return model


def _timed(frames: Iterator[FrameMasks], record: Record, advance: Advance) -> Iterator[FrameMasks]:
    while True:
        started = time.perf_counter()
        masks = next(frames, None)
        record.seconds += time.perf_counter() - started
        if masks is None:
            return
        record.frames += 1
        advance(1)
        yield masks


def _mean_j(scorers: list[SequenceScorer]) -> dict[int, float]:
    """Return the mean J of the objects on each scored frame."""
    by_frame: dict[int, list[float]] = {}
    for scorer in scorers:
        for object_id in scorer.object_ids:
            frames, scores = scorer.scores(object_id)
            for frame, j in zip(frames, scores.j[:, 0].tolist(), strict=True):
                by_frame.setdefault(frame, []).append(j)
    return {frame: float(np.mean(values)) for frame, values in by_frame.items()}


def _draw_image(image: RgbImage, codes: list[Rle], results: ClickResults) -> tuple[bytes, dict[str, Any]]:
    """Draw the first objects of an image: true masks, masks after the first and after the last prompt."""
    count = len(results.iou)
    return image_strip(image, [decode_masks(codes[:count]), results.first, results.last]), {"masks": count}


@dataclass(kw_only=True)
class Worker:
    """Processes items, stores their records, and keeps film strips of the worst ones.

    Attributes:
        job: what is done with each item.
        model: the model; None to score predictions.
        store: where records and film strips are stored.
    """

    job: Job
    model: Model | None
    store: RecordStore
    _worst: list[tuple[float, str]] = field(default_factory=list)

    def work(self, item: Item, advance: Advance = lambda _: None) -> Record:
        """Process one item; the numbers passed to ``advance`` sum up to `Job.units`."""
        left = self.job.units(item)

        def count(frames: int) -> None:
            nonlocal left
            frames = min(frames, left)
            left -= frames
            advance(frames)

        record, draw = self.job.run(item, self.model, count)
        count(left)
        if draw is not None:
            self._update_strips(record, draw)
        self.store.put(record)
        return record

    def _update_strips(self, record: Record, draw: DrawStrip) -> None:
        """Draw the film strip of an item if it is among the worst so far, and delete that of one that no longer is."""
        path, score = self.store.film_path(record.name), score_of(record)
        if path is None or score is None:
            return
        bisect.insort(self._worst, (score, record.name))
        if (score, record.name) in self._worst[:NUM_STRIPS]:
            data, record.film = draw()
            draft = AtomicOutput(path)
            try:
                with output_errors(path):
                    draft.path.write_bytes(data)
                draft.commit()
            finally:
                draft.discard()
        for _, name in self._worst[NUM_STRIPS:]:
            old = self.store.film_path(name)
            if old is not None:
                old.unlink(missing_ok=True)
        del self._worst[NUM_STRIPS:]


@dataclass(frozen=True, kw_only=True)
class JobTask:
    """A job for a worker pool: every worker loads its own model."""

    job: Job
    spec: ModelSpec | None
    store: RecordStore

    def start_worker(self) -> Callable[[Item], Record]:
        """Load the model and return the function that processes one item."""
        model = None if self.spec is None else self.spec.load()
        return Worker(job=self.job, model=model, store=self.store).work
