"""Reading: decode rate beside PyAV alone, random access, and memory over a long file.

    python benchmarks/io.py [--repeats 3] [--long-frames 20000] [--json]

Prints a table. The run fails where decoding is below 90 % of PyAV's rate or memory grows by 20 MB or more over the long
file. The clips are written to a temporary folder first.
"""
# ruff: noqa: A005 - run as a script; nobody imports it

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream

from masklet.io import open_video
from masklet.types import RgbImage
from memory import resident_mb

LEAST_SHARE = 0.9
ALLOWED_MB = 20.0
CLIPS: dict[str, tuple[str, str, str, tuple[int, int], int]] = {  # name -> file, codec, pixels, (height, width), frames
    "H.264 1280x720": ("hd.mp4", "libx264", "yuv420p", (720, 1280), 240),
    "H.264 1920x1080": ("fhd.mp4", "libx264", "yuv420p", (1080, 1920), 120),
    "HEVC 10 bit 1280x720": ("hevc.mp4", "libx265", "yuv420p10le", (720, 1280), 120),
    "VP9 1280x720": ("vp9.webm", "libvpx-vp9", "yuv420p", (720, 1280), 120),
    "ProRes 422 1280x720": ("prores.mov", "prores_ks", "yuv422p10le", (720, 1280), 60),
}
OPTIONS = {
    "libx264": {"preset": "veryfast"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
}


def pictures(size: tuple[int, int], count: int) -> Iterator[RgbImage]:
    """A textured background that scrolls under a square that wanders."""
    height, width = size
    noise = np.random.default_rng(0).integers(60, 200, (height // 8, width // 8, 3), dtype=np.uint8)
    background = noise.repeat(8, axis=0).repeat(8, axis=1)
    for index in range(count):
        frame = np.roll(background, 3 * index, axis=1)
        left = index * 5 % (width // 2)
        frame[height // 4 : height // 2, left : left + width // 4] = (220, 60, 30)
        yield frame


def write(path: Path, codec: str, pixels: str, size: tuple[int, int], count: int) -> None:
    """A clip with key frames every 2 seconds."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(30), options=OPTIONS.get(codec, {}))
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = size
        stream.pix_fmt, stream.gop_size = pixels, 60
        for frame in pictures(size, count):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame)))
        container.mux(stream.encode(None))


def decode_with_pyav(path: Path) -> int:
    """Every picture as RGB, by PyAV alone with its own threads."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        return sum(frame.to_ndarray(format="rgb24").shape[2] == 3 for frame in container.decode(stream))


def decode_with_masklet(path: Path) -> int:
    """The same by `masklet.open_video`."""
    with open_video(path) as video:
        return sum(frame.shape[2] == 3 for frame in video)


def rates(path: Path, repeats: int) -> tuple[float, float]:
    """Frames a second of masklet and of PyAV, in turns, medians."""
    readers: tuple[Callable[[Path], int], ...] = (decode_with_masklet, decode_with_pyav)
    seconds: tuple[list[float], ...] = ([], [])
    for _ in range(repeats):
        for reader, taken in zip(readers, seconds, strict=True):
            started = time.perf_counter()
            count = reader(path)
            taken.append((time.perf_counter() - started) / count)
    ours, theirs = (1 / statistics.median(taken) for taken in seconds)
    return ours, theirs


def random_access(path: Path, reads: int = 60) -> dict[str, float]:
    """Milliseconds a frame: at random, one by one backward, and again (from what is kept)."""
    with open_video(path) as video:
        count = len(video)
        places = np.random.default_rng(0).integers(0, count, reads).tolist()
        backward = list(range(count - 1, count - 1 - reads, -1))
        return {
            "at random": _milliseconds(video.__getitem__, places),
            "backward": _milliseconds(video.__getitem__, backward),
            "again": _milliseconds(video.__getitem__, backward),
        }


def _milliseconds(read: Callable[[int], RgbImage], places: list[int]) -> float:
    started = time.perf_counter()
    for place in places:
        read(place)
    return 1000 * (time.perf_counter() - started) / len(places)


def growth(path: Path, warm: int = 500) -> tuple[int, float]:
    """Frames read, and by how many MB resident memory grew after the first ones, over iteration and 500 seeks.

    Seeks come before as well: they fill the cache of decoded frames, whose size is bounded.
    """
    with open_video(path) as video:
        places = np.random.default_rng(0).integers(0, len(video), 1000).tolist()
        for place in places[:500]:
            video[place]
        start = peak = 0.0
        for count, _ in enumerate(video, start=1):
            if count == warm:
                start = peak = resident_mb()
            elif count % 100 == 0:
                peak = max(peak, resident_mb())
        for place in places[500:]:
            video[place]
        return len(video), max(peak, resident_mb()) - start


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--long-frames", type=int, default=20_000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        decoding, access = {}, {}
        for name, (file, codec, pixels, size, count) in CLIPS.items():
            path = Path(folder, file)
            write(path, codec, pixels, size, count)
            decoding[name] = rates(path, arguments.repeats)
            access[name] = random_access(path)
        long = Path(folder, "long.mp4")
        write(long, "libx264", "yuv420p", (120, 160), arguments.long_frames)
        frames, grown = growth(long)
    slowest = min(ours / theirs for ours, theirs in decoding.values())
    if arguments.json:
        print(json.dumps({"decoding": decoding, "access_ms": access, "long": {"frames": frames, "grown_mb": grown}}))
    else:
        print("| clip | masklet, frames/s | PyAV, frames/s | share | at random, ms | backward, ms | again, ms |")
        print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
        for name, (ours, theirs) in decoding.items():
            times = " | ".join(f"{value:.1f}" for value in access[name].values())
            print(f"| {name} | {ours:.0f} | {theirs:.0f} | {ours / theirs:.0%} | {times} |")
        print(f"\nMemory over {frames} frames and 500 seeks: {grown:+.1f} MB after frame 500")
    return int(slowest < LEAST_SHARE or grown >= ALLOWED_MB)


if __name__ == "__main__":
    sys.exit(main())
