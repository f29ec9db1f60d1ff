"""Batches of a run, mixed from images, videos and synthetic clips; a batch depends only on the seed and its number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from torch.utils.data import DataLoader, Dataset

from masklet.errors import DeviceError, FormatError, MaskletError
from masklet.io.datasets import ImageSample, VideoSequence
from masklet.train.batch import Clip, TrainBatch
from masklet.train.clip_sampler import ClipSampler
from masklet.train.config import TrainConfig
from masklet.train.prompts import draw_plan
from masklet.train.synthetic import SyntheticClips

MAX_TRIES = 50


@dataclass(frozen=True)
class TrainData:
    """Annotated images and videos to train on."""

    images: Sequence[ImageSample]
    videos: Sequence[VideoSequence]


class Mixture(Dataset[TrainBatch]):
    """All batches of a run, by number. A batch holds either images or clips (paper appendix D.2).

    Raises:
        FormatError: there is nothing to train on, or the settings ask for images and there are none.
    """

    def __init__(self, config: TrainConfig, data: TrainData) -> None:
        if not data.images and not data.videos:
            raise FormatError("expected annotated images or videos to train on, got none")
        if config.data.synthetic and not data.images:
            raise FormatError(f"data.synthetic={config.data.synthetic:g} makes clips from images, but there are none")
        if config.data.image_share and not data.images:
            raise FormatError(f"data.image_share is {config.data.image_share:g}, but there are no images")
        self.config, self.data = config, data
        self.sampler = ClipSampler(config.data, config.augment)
        self.synthetic = SyntheticClips(self.sampler, data.images)

    def __getitem__(self, number: int) -> TrainBatch:
        """Make batch ``number``.

        Raises:
            FormatError: no sample with an object was found in `MAX_TRIES` tries.
        """
        generator = np.random.default_rng((self.config.run.seed, number))
        of_images = bool(generator.random() < self.image_share)
        count = self.config.data.image_batch if of_images else self.config.data.clip_batch
        skipped: list[str] = []
        clips = [self._usable_clip(of_images, generator, skipped) for _ in range(count)]
        num_objects = sum(clip.masks.shape[1] for clip in clips)
        plan = draw_plan(self.config.prompts, len(clips[0].frames), num_objects, generator)
        return TrainBatch.collate(clips, plan, skipped)

    @property
    def image_share(self) -> float:
        """Probability that a batch holds images."""
        settings, data = self.config.data, self.data
        if settings.image_share is not None:
            return settings.image_share
        clips = len(data.videos) / (1 - settings.synthetic) if settings.synthetic < 1 else len(data.images)
        return len(data.images) / (len(data.images) + clips)

    def _usable_clip(self, of_images: bool, generator: np.random.Generator, skipped: list[str]) -> Clip:
        """Draw samples until one has an object; note in ``skipped`` the samples that cannot be read."""
        for _ in range(MAX_TRIES):
            try:
                clip = self._clip(of_images, generator)
            except (MaskletError, OSError) as error:
                skipped.append(str(error))
                continue
            if clip is not None:
                return clip
        reason = f"; the last problem: {skipped[-1]}" if skipped else ""
        raise FormatError(f"{MAX_TRIES} samples in a row show no object to train on{reason}")

    def _clip(self, of_images: bool, generator: np.random.Generator) -> Clip | None:
        images, videos = self.data.images, self.data.videos
        if of_images:
            return self.sampler.from_image(images[int(generator.integers(len(images)))], generator)
        if generator.random() < self.config.data.synthetic or not videos:
            return self.synthetic.sample(generator)
        return self.sampler.from_video(videos[int(generator.integers(len(videos)))], generator)


class _ErrorsAsValues(Dataset[TrainBatch | MaskletError]):
    """Returns errors: raised in a worker process, their message would include its traceback."""

    def __init__(self, mixture: Mixture) -> None:
        self.mixture = mixture

    def __getitem__(self, number: int) -> TrainBatch | MaskletError:
        try:
            return self.mixture[number]
        except MaskletError as error:
            return error


def load_batches(mixture: Mixture, numbers: Sequence[int], workers: int) -> Iterator[TrainBatch]:
    """Yield batches in the order of their numbers, prefetched by worker processes.

    Raises:
        FormatError: no sample with an object was found.
        DeviceError: a worker process died.
    """
    loader = DataLoader(
        _ErrorsAsValues(mixture),
        batch_size=None,
        sampler=numbers,
        num_workers=workers,
        prefetch_factor=4 if workers else None,
    )
    try:
        for batch in loader:
            if isinstance(batch, MaskletError):
                raise batch
            yield batch
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        raise DeviceError("a data loading process died, perhaps out of memory: use fewer run.workers") from None
