"""Videos with RLE masks in JSON: SA-V train, and the YouTube-VIS format of LV-VIS and UVO."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from masklet.bounded_json import read_json
from masklet.errors import FormatError, MediaError
from masklet.io.container import VideoFile
from masklet.io.datasets.annotated import Problem, Truth, VideoSequence, check_mask_bytes
from masklet.io.datasets.files import (
    ImageListVideo,
    confined,
    list_entries,
    list_images,
)
from masklet.io.datasets.layouts import Layout, Split
from masklet.io.formats.coco import CocoVideo, read_videos, segmentation
from masklet.io.formats.sav import SavAnnotation, read_sav
from masklet.io.images import read_image_size, size_text
from masklet.io.source import RecordedSource
from masklet.masks.rle import decode_masks
from masklet.types import ObjectId, Rle, Size


class RleSequence(VideoSequence):
    """A video whose masks are stored as RLE and decoded one frame at a time."""

    @abstractmethod
    def codes(self, frame_index: int) -> Mapping[ObjectId, Rle | None]:
        """Return the RLE of every object on an annotated frame; None if it was not annotated."""

    def _truth(self, frame_index: int) -> Truth:
        codes = self.codes(frame_index)
        known = {i: code for i, code in codes.items() if code is not None}
        check_mask_bytes(len(known), self.size, self.name)
        masks = decode_masks(list(known.values())) if known else np.zeros((0, *self.size), bool)
        return Truth(frame_index, tuple(known), masks, unknown=frozenset(codes) - set(known))

    @cached_property
    def objects(self) -> Mapping[ObjectId, int]:
        """First frame on which each object has a pixel; decodes no mask."""
        first: dict[ObjectId, int] = {}
        for index in self.annotated:
            for i, code in self.codes(index).items():
                if i not in first and code is not None and code.area:
                    first[i] = index
        return dict(sorted(first.items()))


@dataclass(frozen=True, kw_only=True)
class SavSequence(RleSequence):
    """A video of SA-V train; its manual and automatic masklets are objects 1, 2, 3 ... in the order of the files.

    Attributes:
        media: the video file, or a folder of its images.
        annotations: the annotation files.
    """

    media: Path
    annotations: tuple[Path, ...]

    def open(self) -> RecordedSource:
        if self.media.is_dir():
            return ImageListVideo(self.name, list_images(self.media).values())
        return VideoFile(self.media)

    @property
    def size(self) -> Size:
        return self._files[0].size

    @property
    def num_frames(self) -> int:
        return self._files[0].num_frames

    @cached_property
    def annotated(self) -> tuple[int, ...]:
        return tuple(sorted({frame for file in self._files for frame in file.frames}))

    @property
    def original_ids(self) -> Mapping[ObjectId, str]:
        numbers = [number for file in self._files for number in file.masklet_ids]
        return {i: str(number) for i, number in enumerate(numbers, start=1)}

    def codes(self, frame_index: int) -> Mapping[ObjectId, Rle | None]:
        places = [(file, place) for file in self._files for place in range(len(file.masklet_ids))]
        return {
            i: file.mask(frame_index, place) if frame_index in file.frames else None
            for i, (file, place) in enumerate(places, start=1)
        }

    def problems(self) -> Iterator[Problem]:
        if not self.annotated:
            yield Problem("no annotation", self.name, f"expected masks in {self.annotations[0]}")
            return
        try:
            with self.open() as video:
                size, count = video.size, len(video)
        except MediaError as error:
            yield Problem("unreadable", self.name, str(error))
            return
        if size != self.size:
            detail = f"masks of {size_text(self.size)}, frames of {size_text(size)}"
            yield Problem("size mismatch", self.name, detail)
        if count <= self.annotated[-1]:
            detail = f"frame {self.annotated[-1]} has masks, the video ends after {count} frames"
            yield Problem("missing image", self.name, detail)

    @cached_property
    def _files(self) -> tuple[SavAnnotation, ...]:
        files = tuple(read_sav(path) for path in self.annotations)
        if any(file.size != files[0].size for file in files):
            raise FormatError(f"expected annotations of one size, got {[file.size for file in files]}: {self.media}")
        return files


class SavVideos(Layout, tag="sa-v-videos", frozen=True):
    """SA-V train: ``sav_000001.mp4`` with ``sav_000001_manual.json`` and ``sav_000001_auto.json`` beside it."""

    def expected(self, split: Split) -> str:
        return " or ".join(f"NAME_{kind}.json" for kind in split.spellings) + " beside NAME.mp4, up to two folders deep"

    def _list(self, root: Path, split: Split) -> Iterator[VideoSequence | Problem]:
        if not root.is_dir():
            raise self.missing(root, split)
        for folder in [root, *(path for depth in ("*", "*/*") for path in root.glob(depth) if path.is_dir())]:
            files = {path.name: path for path in list_entries(folder)}
            ends = tuple(f"_{kind}.json" for kind in split.spellings)
            names = {name.removesuffix(end) for name in files for end in ends if name.endswith(end)}
            for name in names:
                media = files.get(f"{name}.mp4") or files.get(name)
                if media is None:
                    yield Problem("missing image", name, f"expected {name}.mp4 in {folder}, found nothing")
                    continue
                annotations = tuple(files[name + end] for end in ends if name + end in files)
                yield SavSequence(name=name, media=media, annotations=annotations)


@dataclass(frozen=True, kw_only=True)
class YouTubeVisSequence(RleSequence):
    """A video of a YouTube-VIS file; its objects are 1, 2, 3 ... in the order of the file.

    Attributes:
        folder: the folder that the file names are relative to.
        video: its part of the file.
    """

    folder: Path
    video: CocoVideo = field(repr=False)

    def open(self) -> ImageListVideo:
        return ImageListVideo(self.name, self._images())

    @property
    def size(self) -> Size:
        return self.video.size

    @property
    def num_frames(self) -> int:
        return len(self.video.file_names)

    @property
    def annotated(self) -> tuple[int, ...]:
        """All frames; an object without a mask is absent."""
        return tuple(range(self.num_frames)) if self.video.objects else ()

    def codes(self, frame_index: int) -> Mapping[ObjectId, Rle | None]:
        parts = ((i, frames[frame_index]) for i, (_, frames) in enumerate(self.video.objects, start=1))
        return {i: segmentation(part, self.size) for i, part in parts if part is not None}

    def problems(self) -> Iterator[Problem]:
        if not self.video.objects:
            yield Problem("no annotation", self.name, "the file has no object of this video")
            return
        for path in self._images():
            try:
                if (size := read_image_size(path)) != self.size:
                    detail = f"masks of {size_text(self.size)}, an image of {size_text(size)}: {path}"
                    yield Problem("size mismatch", self.name, detail)
            except MediaError as error:
                yield Problem("unreadable" if path.is_file() else "missing image", self.name, str(error))

    def _images(self) -> Iterator[Path]:
        return (confined(self.folder, name) for name in self.video.file_names)


class YouTubeVisVideos(Layout, tag="youtube-vis", frozen=True, kw_only=True):
    """Videos in YouTube-VIS format: one JSON file per split, and folders of images.

    Attributes:
        annotations: possible paths of the file, the likeliest first; ``{split}`` stands for a name of the split.
        images: folders that the file names may be relative to, the likeliest first.
    """

    annotations: tuple[str, ...]
    images: tuple[str, ...]

    def expected(self, split: Split) -> str:
        paths = [paths[0].format(split=split.spellings[0]) for paths in (self.annotations, self.images)]
        return f"{paths[0]} and {paths[1]}/NAME/*.jpg"

    def _list(self, root: Path, split: Split) -> Iterator[VideoSequence | Problem]:
        file, folder = self.find_file_and_folder(root, split, self.annotations, self.images)
        for video in read_videos(read_json(file, dict[str, Any], what="COCO annotation file"), str(file)):
            name = _folder_of(video)
            for path in video.file_names:
                confined(folder, path)
            if not video.objects:
                yield Problem("no annotation", name, f"no object of it in {file.name}")
            elif not video.file_names or not confined(folder, video.file_names[0]).is_file():
                yield Problem("missing sequence", name, f"expected its images in {folder}, found nothing")
            else:
                named = {i: category for i, (category, _) in enumerate(video.objects, start=1) if category}
                yield YouTubeVisSequence(name=name, folder=folder, video=video, categories=named)


def _folder_of(video: CocoVideo) -> str:
    """Name a video by the folder of its images, or its number."""
    parent = PurePosixPath(video.file_names[0]).parent.as_posix() if video.file_names else "."
    return parent if parent != "." else str(video.id)
