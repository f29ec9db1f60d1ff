"""One sequence or picture by one protocol: the model at work, timed, scored and remembered as a record."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from masklet.backends.protocol import Model
from masklet.errors import FormatError
from masklet.evaluate.export import Export
from masklet.evaluate.film_strips import Reel, film_strip, numbered, spread, tile
from masklet.evaluate.image_protocol import Clicked, click_all
from masklet.evaluate.interactive import interact, open_session
from masklet.evaluate.predictions import PredictedSequence
from masklet.evaluate.protocols import ImageClicks, Interactive, Protocol, SemiSupervised
from masklet.evaluate.records import Record
from masklet.evaluate.scoring import Notice, Rules, SequenceScorer, notices, uncounted
from masklet.evaluate.semi_supervised import track
from masklet.evaluate.subjects import Predictions
from masklet.io.datasets import ImageSample, VideoSequence
from masklet.io.datasets.label_maps import LabelMapSequence, ObjectFolderSequence
from masklet.masks.rle import decode_masks
from masklet.predict.image import ImageSegmenter
from masklet.types import FrameMasks, RgbImage, Rle

Draw = Callable[[], tuple[bytes, dict[str, Any]]]
"""Makes the film strip of an item, and what it shows."""

Tell = Callable[[int], None]
"""Called with the number of frames that are done since the last call."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is done to every item; pickles to worker processes.

    Attributes:
        protocol: what is asked.
        rules: what counts.
        predictions: masks to score in the model's place.
        export: where to write masks.
        scored: whether the truth is public; else masks are only made and written.
    """

    protocol: Protocol
    rules: Rules = "sav"
    predictions: Predictions | None = None
    export: Export | None = None
    scored: bool = True

    def run(self, item: VideoSequence | ImageSample, model: Model | None, tell: Tell) -> tuple[Record, Draw | None]:
        """Work through one item.

        Raises:
            FormatError, MediaError: the data cannot be read.
            OutputError: masks cannot be written.
        """
        if isinstance(item, ImageSample):
            return self._picture(item, model, tell)
        record = Record(name=item.name, source=self.source(item), notices=notices(item))
        if not item.objects:
            record.notices.append(Notice("no object", item.name, "no frame has a pixel of an object; not scored"))
            tell(item.num_frames)
            return record, None
        if isinstance(self.protocol, Interactive):
            return self._interactive(item, _needed(model), record, tell)
        return self._tracked(item, model, record, tell)

    def source(self, item: VideoSequence | ImageSample) -> str:
        """A fingerprint of what is read for an item: the places of its files, and the predictions to be scored."""
        given = ""
        if self.predictions is not None and isinstance(item, VideoSequence):
            given = PredictedSequence(folder=self.predictions.folder, sequence=item).fingerprint()
        return hashlib.sha256(f"{item!r}\0{given}".encode()).hexdigest()

    def _tracked(
        self, sequence: VideoSequence, model: Model | None, record: Record, tell: Tell
    ) -> tuple[Record, Draw | None]:
        """Masks of all objects in one run over the video, whether the model makes them or they are given."""
        if self.predictions is not None:
            given = PredictedSequence(folder=self.predictions.folder, sequence=sequence, notices=record.notices)
            frames = given.frames()
        else:
            assert isinstance(self.protocol, SemiSupervised)
            frames = track(_needed(model), sequence, self.protocol, non_overlap=is_exclusive(sequence))
        timed = _timed(frames, record, tell)
        if self.export is not None:
            timed = self.export.passing(sequence, timed)
        scorer, reel = SequenceScorer(sequence, self.rules), Reel()
        annotated = frozenset(sequence.annotated)
        for masks in timed:
            if self.scored:
                scorer.add(masks)
                if masks.frame_index in annotated:
                    reel.add(masks)
        if not self.scored:
            return record, None
        scorer.fill()
        record.objects, record.cells = list(scorer.rows()), scorer.cells
        record.notices += uncounted(sequence, record.objects, self.rules)
        return record, lambda: _film(sequence, [scorer], reel)

    def _interactive(
        self, sequence: VideoSequence, model: Model, record: Record, tell: Tell
    ) -> tuple[Record, Draw | None]:
        assert isinstance(self.protocol, Interactive)
        scorers, reel = [], Reel()
        with sequence.open() as video:
            for object_id in SequenceScorer(sequence, self.rules).object_ids:
                if object_id not in sequence.objects:
                    continue  # nobody can click on what is never seen
                scorer = SequenceScorer(sequence, self.rules, [object_id])
                session = open_session(model, video, self.protocol)
                started = time.perf_counter()
                rounds = list(interact(session, scorer, object_id, self.protocol))
                record.seconds += time.perf_counter() - started
                record.frames += sum(done.tracked for done in rounds)
                record.objects += [row | {"rounds": [done.entry() for done in rounds]} for row in scorer.rows()]
                scorers.append(scorer)
                for frame_index in sequence.annotated:
                    reel.add(session.masks(frame_index))
        record.notices += uncounted(sequence, record.objects, self.rules)
        tell(sequence.num_frames)
        return record, lambda: _film(sequence, scorers, reel)

    def _picture(self, sample: ImageSample, model: Model | None, tell: Tell) -> tuple[Record, Draw | None]:
        if not isinstance(self.protocol, ImageClicks):
            raise FormatError(f"{self.protocol.name} is a protocol for videos, got pictures; choose image-clicks")
        record = Record(name=sample.name, source=self.source(sample))
        picture = sample.picture()
        codes: list[Rle] = []
        for place, instance in enumerate(sample.instances(), start=1):
            if instance.rle.size != picture.shape[:2]:
                height, width = instance.rle.size
                raise FormatError(
                    f"expected masks of {picture.shape[1]}x{picture.shape[0]} as the picture, "
                    f"got {width}x{height}: {sample.name}"
                )
            if instance.crowd or not instance.area:
                kind = "crowd left out" if instance.crowd else "empty mask"
                record.notices.append(Notice(kind, sample.name, f"mask {place} is not asked for"))
            else:
                codes.append(instance.rle)
                row = {"object": place, "category": instance.category, "area": instance.area}
                record.objects.append(row)
        started = time.perf_counter()
        done: list[Clicked] = []
        if codes:
            segmenter = ImageSegmenter(_needed(model), postprocess=self.protocol.postprocess)
            done = click_all(segmenter, segmenter.encode(picture), codes, self.protocol)
        record.seconds, record.frames = time.perf_counter() - started, 1
        curves = [curve for batch in done for curve in batch.iou.tolist()]
        for row, curve in zip(record.objects, curves, strict=True):
            row["iou"] = curve
        tell(1)
        return record, (lambda: _contact(picture, codes, done[0])) if codes else None


def is_exclusive(sequence: VideoSequence) -> bool:
    """Whether the truth gives every pixel to one object at most, as label maps do; predictions then do so too."""
    return isinstance(sequence, LabelMapSequence) and not isinstance(sequence, ObjectFolderSequence)


def _needed(model: Model | None) -> Model:
    assert model is not None, "only given masks need no model"
    return model


def _timed(frames: Iterator[FrameMasks], record: Record, tell: Tell) -> Iterator[FrameMasks]:
    while True:
        started = time.perf_counter()
        masks = next(frames, None)
        record.seconds += time.perf_counter() - started
        if masks is None:
            return
        record.frames += 1
        tell(1)
        yield masks


def _film(sequence: VideoSequence, scorers: list[SequenceScorer], reel: Reel) -> tuple[bytes, dict[str, Any]]:
    """Truth above, prediction below; of a sequence's frames those spread over it, and the worst."""
    by_frame: dict[int, list[float]] = {}
    for scorer in scorers:
        for object_id in scorer.object_ids:
            frames, scores = scorer.scores(object_id)
            for frame, j in zip(frames, scores.j[:, 0].tolist(), strict=True):
                by_frame.setdefault(frame, []).append(j)
    mean = {frame: float(np.mean(values)) for frame, values in sorted(by_frame.items())}
    counted = list(mean)[1:-1] or list(mean)
    chosen = spread(list(mean), min(counted, key=mean.__getitem__))
    truths, predictions = [], []
    with sequence.open() as video:
        for frame in chosen:
            picture = video[frame]
            truths.append(tile(picture, sequence.truth(frame).as_masks()))
            predictions.append(tile(picture, reel[frame]))
    return film_strip([truths, predictions]), {"frames": chosen, "J": [mean[frame] for frame in chosen]}


def _contact(picture: RgbImage, codes: list[Rle], done: Clicked) -> tuple[bytes, dict[str, Any]]:
    """The picture with its true masks, with the first answers and with the last; the first masks of it."""
    versions = [decode_masks(codes[: len(done.iou)]), done.first, done.last]
    return film_strip([[tile(picture, numbered(masks)) for masks in versions]]), {"masks": len(done.iou)}
