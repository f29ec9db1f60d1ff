"""Damaged files in child processes: none may crash the decoder, hang, leak, or raise anything but our errors."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest
import rasterio
import tifffile
from PIL import Image
from rasterio import Affine

SECONDS = 60
"""For one file; most take some milliseconds, but the machine may be busy."""

CHILD = """
import os, resource, sys, threading, warnings
import numpy as np
from masklet.errors import MaskletError
from masklet.io import open_video

warnings.simplefilter("ignore")

def held():
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0, threading.active_count()

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform != "darwin" else 2**20)

def read(path):
    with open_video(path, **({"channels": 0} if path.endswith((".tif", ".exr")) else {})) as video:
        for count, frame in enumerate(video, start=1):
            assert frame.dtype == np.uint8 and frame.shape == (*video.size, 3)
            if count == 100:
                break
        for index in {0, len(video) // 2, len(video) - 1}:
            assert video[index].shape == (*video.size, 3)

for path in sys.argv[2:]:  # what libraries open once and keep is no leak
    read(path)
before = held()
for line in sys.stdin:
    path = line.rstrip("\\n")
    try:
        read(path)
        print("read", peak(), flush=True)
    except MaskletError as error:
        one_line = "\\n" not in str(error)
        print("refused" if one_line else f"several lines: {error!r}", peak(), flush=True)
    except Exception as error:
        print(f"raised {type(error).__name__}: {error!r}", flush=True)
after = held()
print("end", "clean" if after == before else f"left open: {before} became {after}", flush=True)
"""


def seeds(clips: Any) -> list[Path]:
    """One small file of each kind."""
    folder = Path(clips.folder)
    ffv1 = {"codec": "ffv1", "pix_fmt": "bgr0", "b_frames": None}
    videos = [
        clips.write("h264.mp4", pts=range(20)),
        clips.write("h264.ts", pts=range(20), form="mpegts"),
        clips.write("hevc.mp4", pts=range(12), codec="libx265", options={"x265-params": "log-level=none"}),
        clips.write("vp9.webm", pts=range(12), codec="libvpx-vp9", b_frames=None, options={"deadline": "realtime"}),
        clips.write("mpeg4.avi", pts=range(20), codec="mpeg4"),
        clips.write("mjpeg.mov", pts=range(6), codec="mjpeg", pix_fmt="yuvj420p", b_frames=None),
        clips.write("prores.mov", pts=range(4), codec="prores_ks", pix_fmt="yuv422p10le", b_frames=None),
        clips.write("ffv1.mkv", pts=range(6), **ffv1),
        clips.write("turned.mp4", pts=range(12), rotation=90, container_options={"movflags": "faststart"}),
    ]
    pictures = [Image.fromarray(clips.numbered(n)) for n in range(4)]
    for name in ("a.gif", "a.webp", "a.png"):
        pictures[0].save(folder / name, save_all=True, append_images=pictures[1:], duration=40)
    pictures[0].save(folder / "a.jpg")
    pictures[0].save(folder / "plain.tif")
    deep = np.random.default_rng(0).integers(0, 4096, (5, 30, 40), dtype=np.uint16)
    tifffile.imwrite(folder / "deep.tif", deep, metadata={"axes": "TYX"})
    tifffile.imwrite(folder / "packed.ome.tif", deep, metadata={"axes": "TYX"}, compression="zlib")
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    with OpenEXR.File(header, {"RGB": np.random.default_rng(0).random((30, 40, 3)).astype(np.float16)}) as file:
        file.write(str(folder / "a.exr"))
    profile = {"driver": "GTiff", "dtype": "uint16", "crs": "EPSG:32632", "transform": Affine(10, 0, 5e5, 0, -10, 5e6)}
    with rasterio.open(folder / "geo.tif", "w", width=40, height=30, count=5, **profile) as geo:
        geo.write(deep)
    return videos + sorted(path for path in folder.iterdir() if path not in videos)


def mutated(content: bytes, others: Sequence[bytes], generator: np.random.Generator) -> bytes:
    """A damaged copy: bytes flipped anywhere or in the header, the end cut off, or a piece of another file put in."""
    data = bytearray(content)
    kind = generator.integers(4)
    if kind <= 1:
        reach = len(data) if kind == 0 else min(len(data), 600)
        for place in generator.integers(0, reach, generator.integers(1, 40)):
            data[place] ^= int(generator.integers(1, 256))
    elif kind == 2:
        data = data[: generator.integers(1, len(data))]
    else:
        other = others[int(generator.integers(len(others)))]
        start, length = generator.integers(0, len(other)), generator.integers(1, 2000)
        place = generator.integers(0, len(data))
        data[place : place + generator.integers(0, 2000)] = other[start : start + length]
    return bytes(data)


def outcomes(files: Sequence[Path], warm: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """What became of each file, and of each child at its end; a child that dies or hangs gives way to another."""
    left = list(files)
    while left:
        command = [sys.executable, "-c", CHILD, "-", *map(str, warm)]
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert child.stdin is not None
        assert child.stdout is not None
        lines: queue.Queue[str] = queue.Queue()
        told = child.stdout
        reader = threading.Thread(target=_forward, args=(told, lines), daemon=True)
        reader.start()
        done = 0
        try:
            for path in left:
                child.stdin.write(f"{path}\n")
                child.stdin.flush()
                outcome = lines.get(timeout=SECONDS + 60 * (done == 0))
                done += 1
                yield path.name, outcome.strip() or f"crashed the child: {child.wait(10)}"
                if not outcome:
                    break
            else:
                child.stdin.close()
                yield "the child", lines.get(timeout=SECONDS).strip()
        except queue.Empty:
            yield left[done].name, f"hung for {SECONDS} s"
            done += 1
        except BrokenPipeError:
            yield left[done].name, f"crashed the child: {child.wait(10)}"
            done += 1
        finally:
            child.kill()
            child.wait()
            reader.join()
            told.close()
        left = left[done:]


def _forward(lines: Any, to: queue.Queue[str]) -> None:
    for line in lines:
        to.put(line)
    to.put("")


@pytest.mark.parametrize(
    ("seed", "count"), [(0, 40), pytest.param(1, 300, marks=pytest.mark.slow)], ids=["a few", "300"]
)
def test_damaged_files_harm_nothing(clips: Any, seed: int, count: int) -> None:
    whole = seeds(clips)
    contents = [path.read_bytes() for path in whole]
    generator = np.random.default_rng(seed)
    folder = Path(clips.folder) / "damaged"
    folder.mkdir()
    files = []
    for number in range(count):
        place = number % len(whole)
        files.append(folder / f"{number:03d}-{whole[place].name}")
        files[-1].write_bytes(mutated(contents[place], contents, generator))

    told = list(outcomes(files, whole))

    found = [f"{name}: {outcome}" for name, outcome in told if outcome.split(" ")[0] not in ("read", "refused", "end")]
    assert found == []
    ends = [outcome for name, outcome in told if name == "the child"]
    assert ends == ["end clean"]
    peaks = [int(outcome.split(" ")[1]) for name, outcome in told if name != "the child"]
    assert len(peaks) == count
    assert peaks[-1] - peaks[0] < 400 or os.name != "posix"  # MB: one large picture, not one for each file
    assert {outcome.split(" ")[0] for name, outcome in told if name != "the child"} == {"read", "refused"}
