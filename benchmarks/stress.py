"""Clips that make a tracker lose its object, made of annotated videos: gaps, look-alikes, cuts, length, smallness.

Everything is seeded by the clip's name. A clip has one tracked object and the true masks of its look-alikes.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image, ImageFilter

Frames = UInt8[np.ndarray, "t h w 3"]
Masks = Bool[np.ndarray, "t h w"]

LENGTHENED = 20
SMALL = 0.35


@dataclass(frozen=True, eq=False)
class Clip:
    """Frames with the true mask of the tracked object, empty where it is hidden, and of objects that look like it."""

    name: str
    frames: Frames
    truth: Masks
    others: list[Masks] = field(default_factory=list)

    @property
    def draw(self) -> np.random.Generator:
        return np.random.default_rng(zlib.crc32(self.name.encode()))


def load_clips(folder: Path, limit: int | None) -> list[Clip]:
    """The sequences of a folder in the form of DAVIS 2016, all objects of each as one; at most ``limit`` frames."""
    clips = []
    for pictures in sorted((folder / "JPEGImages" / "480p").iterdir()):
        paths = sorted(pictures.iterdir())[:limit]
        labels = [folder / "Annotations" / "480p" / pictures.name / f"{path.stem}.png" for path in paths]
        frames = np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths])
        truth = np.stack([np.asarray(Image.open(path)) > 0 for path in labels])
        start = int(truth.any(axis=(1, 2)).argmax())
        clips.append(Clip(pictures.name, frames[start:], truth[start:]))
    return clips


def as_is(clip: Clip, _: Clip) -> Clip:
    return clip


def back_and_forth(clip: Clip, times: int) -> Clip:
    """The clip played forward, back, forward ..., ``times`` in all."""
    index = np.arange(len(clip.frames))
    order = np.concatenate([index if k % 2 == 0 else index[::-1] for k in range(times)])
    return replace(clip, frames=clip.frames[order], truth=clip.truth[order])


def gap(clip: Clip, stranger: Clip) -> Clip:
    """The object is behind something for the middle half of the clip and back."""
    clip = back_and_forth(clip, 2)
    count, height, width = clip.truth.shape
    frames, truth = clip.frames.copy(), clip.truth.copy()
    start, stop = count // 4, 3 * count // 4
    ys, xs = np.nonzero(clip.truth[start:stop].any(axis=0))
    if not len(ys):
        return clip
    y0, y1 = max(int(ys.min()) - 8, 0), min(int(ys.max()) + 9, height)
    x0, x1 = max(int(xs.min()) - 8, 0), min(int(xs.max()) + 9, width)
    cloth = np.asarray(Image.fromarray(stranger.frames[0]).resize((width, height)))
    for t in range(start - 4, stop + 4):  # it slides in and out within four frames
        part = min(t - (start - 5), stop + 4 - t, 5) / 5
        edge = x0 + round((x1 - x0) * min(part, 1.0))
        frames[t, y0:y1, x0:edge] = cloth[y0:y1, x0:edge]
        truth[t, y0:y1, x0:edge] = False
    return replace(clip, frames=frames, truth=truth)


def look_alikes(count: int) -> Callable[[Clip, Clip], Clip]:
    """Copies of the object, each from another moment, that cross its path; every other one passes in front."""

    def made(clip: Clip, _: Clip) -> Clip:
        draw, total = clip.draw, len(clip.frames)
        frames, truth = clip.frames.copy(), clip.truth.copy()
        others: list[Masks] = []
        _, height, width = truth.shape
        for k in range(count - 1):
            angle = draw.uniform(0, 2 * np.pi)
            start = np.array([np.sin(angle) * height, np.cos(angle) * width]) * draw.uniform(0.35, 0.5)
            meet, late, flip = draw.uniform(0.3, 0.7) * total, int(draw.integers(1, total)), bool(draw.integers(2))
            copy = np.zeros_like(truth)
            for t in range(total):
                source = (t + late) % total
                picture, mask = clip.frames[source], clip.truth[source]
                if flip:
                    picture, mask = picture[:, ::-1], mask[:, ::-1]
                if not (mask.any() and clip.truth[t].any()):
                    continue
                place = center(clip.truth[t]) - center(mask) + start * (1 - t / meet)
                picture, mask = shifted(picture, place), shifted(mask, place)
                if k % 2:
                    mask = mask & ~truth[t]
                    for other in others:
                        mask &= ~other[t]
                frames[t][mask] = picture[mask]
                truth[t] &= ~mask
                for other in others:
                    other[t] &= ~mask
                copy[t] = mask
            others.append(copy)
        return replace(clip, frames=frames, truth=truth, others=others)

    return made


def center(mask: Bool[np.ndarray, "h w"]) -> np.ndarray:
    ys, xs = np.nonzero(mask)
    return np.array([ys.mean(), xs.mean()])


def shifted(picture: np.ndarray, by: np.ndarray) -> np.ndarray:
    """The same, moved by (down, right) pixels; black or False comes in."""
    out = np.zeros_like(picture)
    height, width = picture.shape[:2]
    dy, dx = round(float(by[0])), round(float(by[1]))
    if abs(dy) >= height or abs(dx) >= width:
        return out
    out[max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)] = picture[
        max(-dy, 0) : height + min(-dy, 0), max(-dx, 0) : width + min(-dx, 0)
    ]
    return out


def cuts(clip: Clip, stranger: Clip) -> Clip:
    """Every eight frames another shot: mirrored, closer, or of something else for six frames."""
    size = (clip.frames.shape[2], clip.frames.shape[1])
    frames, truth = [], []
    for shot, start in enumerate(range(0, len(clip.frames), 8)):
        for t in range(start, min(start + 8, len(clip.frames))):
            picture, mask = clip.frames[t], clip.truth[t]
            if shot % 3 == 1:
                picture, mask = picture[:, ::-1], mask[:, ::-1]
            elif shot % 3 == 2:
                picture, mask = closer(picture, mask, clip.truth[start])
            frames.append(picture)
            truth.append(mask)
        if shot % 3 == 1:
            for other in stranger.frames[:6]:
                frames.append(np.asarray(Image.fromarray(other).resize(size)))
                truth.append(np.zeros(clip.truth.shape[1:], bool))
    return replace(clip, frames=np.stack(frames), truth=np.stack(truth))


def closer(picture: np.ndarray, mask: np.ndarray, around: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The part of a picture around something, 1.6 times as large."""
    height, width = mask.shape
    h, w = round(height / 1.6), round(width / 1.6)
    y, x = center(around) if around.any() else np.array([height / 2, width / 2])
    top, left = int(np.clip(y - h / 2, 0, height - h)), int(np.clip(x - w / 2, 0, width - w))
    box = (left, top, left + w, top + h)
    larger = Image.fromarray(picture).crop(box).resize((width, height), Image.Resampling.BILINEAR)
    mask_larger = Image.fromarray(mask).crop(box).resize((width, height), Image.Resampling.NEAREST)
    return np.asarray(larger), np.asarray(mask_larger)


def long(clip: Clip, _: Clip) -> Clip:
    return back_and_forth(clip, LENGTHENED)


def small(clip: Clip, _: Clip) -> Clip:
    """The whole video small, in the middle of a blurred still."""
    _, height, width = clip.truth.shape
    still = Image.fromarray(clip.frames[0]).filter(ImageFilter.GaussianBlur(12))
    h, w = round(height * SMALL), round(width * SMALL)
    y, x = (height - h) // 2, (width - w) // 2
    frames = np.repeat(np.asarray(still)[None], len(clip.frames), axis=0)
    truth = np.zeros_like(clip.truth)
    for t, (picture, mask) in enumerate(zip(clip.frames, clip.truth, strict=True)):
        frames[t, y : y + h, x : x + w] = np.asarray(Image.fromarray(picture).resize((w, h), Image.Resampling.BOX))
        truth[t, y : y + h, x : x + w] = np.asarray(Image.fromarray(mask).resize((w, h), Image.Resampling.NEAREST))
    return replace(clip, frames=frames, truth=truth)


GROUPS: dict[str, Callable[[Clip, Clip], Clip]] = {
    "as is": as_is,
    "gap": gap,
    "two": look_alikes(2),
    "five": look_alikes(5),
    "cuts": cuts,
    "small": small,
    "long": long,
}
"""Name of a group -> its clip, made of a clip and of one of something else."""


def stress_clips(clips: list[Clip], groups: list[str]) -> Iterator[tuple[str, Clip]]:
    """(group, clip) for every clip and group; the something else is the next clip."""
    for group in groups:
        for k, clip in enumerate(clips):
            made = GROUPS[group](clip, clips[(k + 1) % len(clips)])
            if made.truth[0].any():
                yield group, made
