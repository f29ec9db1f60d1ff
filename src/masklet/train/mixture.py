"""Data sets mixed into a sequence of batches: batch number k is the same whoever makes it and whenever."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from torch.utils.data import DataLoader, Dataset

from masklet.errors import DeviceError, FormatError, MaskletError
from masklet.io.datasets import ImageSample, VideoSequence
from masklet.train.batch import Batch, Clip, collate
from masklet.train.config import TrainConfig
from masklet.train.prompts import PromptPlan, draw_plan
from masklet.train.samples import Cutter
from masklet.train.synthetic import Stage

MAX_TRIES = 50


@dataclass(frozen=True, eq=False)
class Task:
    """A batch with what will be asked about it.

    Attributes:
        batch: the clips.
        plan: the prompts.
        skipped: why samples were passed over, one line each.
    """

    batch: Batch
    plan: PromptPlan
    skipped: tuple[str, ...] = ()


class Mixture(Dataset[Task]):
    """All batches of a run, by number. Batches of pictures and of clips alternate whole (paper appendix D.2)."""

    def __init__(self, config: TrainConfig, stills: Sequence[ImageSample], videos: Sequence[VideoSequence]) -> None:
        if not stills and not videos:
            raise FormatError("expected annotated pictures or videos to train on, got none")
        if config.data.synthetic and not stills:
            raise FormatError("data.synthetic makes clips from pictures, and there are none")
        if config.data.image_share and not stills:
            raise FormatError(f"data.image_share is {config.data.image_share:g}, and there are no pictures")
        self.config, self.stills, self.videos = config, stills, videos
        self.cutter = Cutter(config.data, config.augment)
        self.stage = Stage(self.cutter, stills)

    def __getitem__(self, number: int) -> Task:
        """Batch ``number``."""
        generator = np.random.default_rng((self.config.run.seed, number))
        still = generator.random() < self.image_share
        count = self.config.data.image_batch if still else self.config.data.clip_batch
        skipped: list[str] = []
        clips = [self._clip(still, generator, skipped) for _ in range(count)]
        batch = collate(clips)
        plan = draw_plan(self.config.prompts, batch.num_frames, len(batch.owner), generator)
        return Task(batch, plan, tuple(skipped))

    @property
    def image_share(self) -> float:
        """Probability of a batch of pictures."""
        data = self.config.data
        if data.image_share is not None:
            return data.image_share
        clips = len(self.videos) / (1 - data.synthetic) if data.synthetic < 1 else len(self.stills)
        return len(self.stills) / (len(self.stills) + clips)

    def _clip(self, still: bool, generator: np.random.Generator, skipped: list[str]) -> Clip:
        """A sample that can be used; what is broken or shows nothing is passed over and counted."""
        for _ in range(MAX_TRIES):
            try:
                clip = self._draw(still, generator)
            except (MaskletError, OSError) as error:
                skipped.append(str(error))
                continue
            if clip is not None:
                return clip
        reason = f"; the last problem: {skipped[-1]}" if skipped else ""
        raise FormatError(f"{MAX_TRIES} samples in a row show no object to train on{reason}")

    def _draw(self, still: bool, generator: np.random.Generator) -> Clip | None:
        if still:
            return self.cutter.picture(self.stills[int(generator.integers(len(self.stills)))], generator)
        if generator.random() < self.config.data.synthetic or not self.videos:
            return self.stage.clip(generator)
        return self.cutter.video(self.videos[int(generator.integers(len(self.videos)))], generator)


class _Told(Dataset[Task | MaskletError]):
    """A mixture whose errors are values: raised in a worker process they would come with its whole traceback."""

    def __init__(self, mixture: Mixture) -> None:
        self.mixture = mixture

    def __getitem__(self, number: int) -> Task | MaskletError:
        try:
            return self.mixture[number]
        except MaskletError as error:
            return error


def tasks(mixture: Mixture, numbers: Sequence[int], workers: int) -> Iterator[Task]:
    """Batches in the order of their numbers, made ahead by worker processes.

    Raises:
        FormatError: the data show nothing to train on.
        DeviceError: a worker process died.
    """
    loader = DataLoader(
        _Told(mixture), batch_size=None, sampler=numbers, num_workers=workers, prefetch_factor=4 if workers else None
    )
    try:
        for task in loader:
            if isinstance(task, MaskletError):
                raise task
            yield task
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        raise DeviceError("a process that reads data died, perhaps for want of memory: try fewer run.workers") from None
