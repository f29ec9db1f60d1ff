"""One person in the studio: clicks on the page, two hours of video, 4K, 40 objects; times and memory.

    python benchmarks/studio_media.py [page] [long] [4k] [objects] [--model nano] [--json]

Every case has a server of its own. ``page`` needs Playwright and Chromium: from the press of the button to the mask on
the screen, each click on a new frame. ``long`` is a video of two hours at 25 frames/s, every frame of it with a result
already; ``4k`` is 3840 x 2160; ``objects`` are 40 on one frame, tracked together while somebody clicks. The videos are
made here: ten seconds that wander, for the long one repeated 720 times without encoding them again. Memory is the
largest resident memory of the server. The run fails where a click on the page takes 1 s or more (95th percentile).
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import torch

from masklet.types import Rle

SERVER = Path(__file__).with_name("studio.py")
FPS, SECONDS, HOURS = 25, 10, 2
CLICKS = 20
ALLOWED_SECONDS = 1.0

Case = dict[str, Any]


def write_clip(path: Path, width: int, height: int, frames: int) -> None:
    """A square that wanders over a background that scrolls; the last frame leads on to the first."""
    draw = np.random.default_rng(0)
    cell = height // 18
    small = draw.integers(60, 140, (18, -(-width // cell), 3)).astype(np.uint8)
    background = small.repeat(cell, 0).repeat(cell, 1)[:height, :width]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "g": str(FPS)})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index in range(frames):
            frame = np.roll(background, index * width // frames, axis=1).copy()
            x, y = place(index, width, height, frames)
            frame[y - height // 10 : y + height // 10, x - height // 10 : x + height // 10] = (220, 50, 40)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))


def place(index: int, width: int, height: int, frames: int) -> tuple[int, int]:
    """(x, y) of the middle of the square."""
    turn = 2 * np.pi * index / frames
    return int(width * (0.5 + 0.35 * np.sin(turn))), int(height * (0.5 + 0.3 * np.cos(turn)))


def repeat(source: Path, target: Path, times: int) -> None:
    """The packets of a clip again and again, as one file."""
    with av.open(str(target), "w") as sink:
        stream = None
        for turn in range(times):
            with av.open(str(source)) as clip:
                if stream is None:
                    stream = sink.add_stream_from_template(clip.streams.video[0])
                length = clip.streams.video[0].duration or 0
                for packet in clip.demux(video=0):
                    if packet.dts is None or packet.pts is None:
                        continue
                    packet.pts, packet.dts = packet.pts + turn * length, packet.dts + turn * length
                    packet.stream = stream
                    sink.mux(packet)


class Server:
    """A studio on one clip, in a process of its own."""

    def __init__(self, client: httpx.Client, process: int, folder: Path) -> None:
        self.client, self.process, self.folder = client, process, folder
        self.media: Case = {}

    def call(self, method: str, path: str, **options: Any) -> Any:
        """What a call answers; one that fails ends the run."""
        answer = self.client.request(method, f"/api/{path}", **options).raise_for_status()
        return answer.json() if answer.headers.get("content-type") == "application/json" else answer.content

    def project(self) -> str:
        """A new project."""
        return str(self.call("POST", "projects", json={"media_id": self.media["id"]})["id"])

    def click(self, project: str, frame: int, x: float, y: float, object_id: int = 0) -> Any:
        """Point at something."""
        said = {"object_id": object_id, "clicks": [{"x": x, "y": y}]}
        return self.call("POST", f"projects/{project}/frames/{frame}/prompts", json=said)

    def finished(self, job: Case) -> Case:
        """A job once it has ended."""
        while job["state"] in ("waiting", "running"):
            time.sleep(0.1)
            job = self.call("GET", f"jobs/{job['id']}")
        assert job["state"] == "done", job["error"]
        return job

    def memory_mb(self, which: str = "VmHWM") -> float:
        """The largest resident memory so far, or what it is now (VmRSS); 0 where the system does not tell."""
        status = Path(f"/proc/{self.process}/status")
        lines = status.read_text().splitlines() if status.is_file() else []
        return next((int(line.split()[1]) / 1000 for line in lines if line.startswith(which)), 0.0)


@contextmanager
def serving(clip: Path, model: str) -> Iterator[Server]:
    """A server on a clip."""
    port = str(random.Random(f"{os.getpid()}{clip}").randrange(20_000, 60_000))
    folder = clip.parent / f"studio-{clip.stem}"
    command = [sys.executable, str(SERVER), "--model", model, "--serve", str(folder), str(clip), port]
    process = subprocess.Popen(command)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"X-Masklet": "1"}, timeout=300) as client:
            for _ in range(1200):
                try:
                    client.get("/api/health")
                    break
                except httpx.TransportError:
                    time.sleep(0.1)
            yield Server(client, process.pid, folder)
    finally:
        process.terminate()
        process.wait(60)


def seconds(function: Callable[[], Any]) -> float:
    """How long a call takes."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def spread(times: list[float]) -> str:
    """Median and 95th percentile in words."""
    return f"{np.median(times):.3f} s (95 %: {np.percentile(times, 95):.3f} s)"


def at_work(server: Server, clip: Path, *, tracked: int) -> Case:
    """Open, look around, click on frames far apart, and track."""
    found: Case = {"memory at rest (MB)": round(server.memory_mb("VmRSS"))}
    started = time.perf_counter()
    server.media = server.call("POST", "local", json={"path": str(clip)})
    found["open"] = f"{time.perf_counter() - started:.2f} s"
    width, height, frames = (server.media[name] for name in ("width", "height", "num_frames"))
    project, draw = server.project(), random.Random(0)
    looks, clicks, chosen = [], [], 0
    for _ in range(CLICKS):
        frame = draw.randrange(frames)
        path = f"media/{server.media['id']}/frames/{frame}"
        looks.append(seconds(lambda path=path: server.call("GET", path, params={"width": 1280})))  # type: ignore[misc]
        x, y = place(frame % (FPS * SECONDS), width, height, FPS * SECONDS)
        started = time.perf_counter()
        answer = server.click(project, frame, x, y, chosen)
        clicks.append(time.perf_counter() - started)
        chosen = chosen or answer["object"]["id"]
        server.click(project, frame, x + 2, y, chosen)
    found |= {"a frame to look at": spread(looks), "a click on a new frame": spread(clicks)}
    middle = frames // 2
    server.click(project, middle, *place(middle % (FPS * SECONDS), width, height, FPS * SECONDS), chosen)
    course = {"frame": middle, "start": middle, "end": min(frames, middle + tracked), "objects": [chosen]}
    took = seconds(lambda: server.finished(server.call("POST", f"projects/{project}/track", json=course)))
    found["tracking"] = f"{tracked / took:.1f} frames/s"
    return found


def long_video(folder: Path, options: argparse.Namespace) -> Case:
    """Two hours, with a result on every frame."""
    short, clip = folder / "ten-seconds.mp4", folder / "two-hours.mp4"
    write_clip(short, 640, 360, FPS * SECONDS)
    repeat(short, clip, HOURS * 3600 // SECONDS)
    with serving(clip, options.model) as server:
        found = at_work(server, clip, tracked=50)
        project = server.project()
        fill(server.folder / "studio.sqlite", project, server.media)
        for name, path in (
            ("opening the full project", f"projects/{project}"),
            ("its timeline", f"projects/{project}/timeline"),
            ("256 frames of masks", f"projects/{project}/masks?start=90000&end=90256"),
        ):
            found[name] = f"{seconds(lambda path=path: server.call('GET', path)):.2f} s"  # type: ignore[misc]
        found["first click in it"] = f"{seconds(lambda: server.click(project, 100_000, 320, 180, 1)):.2f} s"
        found["next click in it"] = f"{seconds(lambda: server.click(project, 100_000, 330, 180, 1)):.2f} s"
        return found | {"largest memory (MB)": round(server.memory_mb())}


def fill(database: Path, project: str, media: Case) -> None:
    """An object that was tracked through all frames, as the studio would have written it."""
    mask = np.zeros((media["height"], media["width"]), bool)
    mask[100:180, 200:280] = True
    code = Rle.from_mask(mask).counts
    said = json.dumps({"clicks": [{"x": 240, "y": 140, "positive": True}], "box": None, "mask": None, "shown": 0})
    pointer = os.urandom(700)  # what a compressed pointer takes; another model's, so that nobody reads it
    rows = (
        (project, 1, i, 0, said if i == 0 else None, code, 6400, 0.99, 0.9, 0, 4.0, "other", pointer)
        for i in range(media["num_frames"])
    )
    columns = "project_id, object_id, frame, born, prompt, mask, area, presence, iou, reverse, score, model, pointer"
    with sqlite3.connect(database) as connection:
        looks = "'Object 1', '#ff0000', 0, 0, 0"
        connection.execute(
            f"INSERT INTO object (project_id, object_id, name, color, hidden, locked, born) VALUES (?, 1, {looks})",
            (project,),
        )
        connection.executemany(f"INSERT INTO frame ({columns}) VALUES ({', '.join('?' * 13)})", rows)


def large_video(folder: Path, options: argparse.Namespace) -> Case:
    """3840 x 2160."""
    clip = folder / "large.mp4"
    write_clip(clip, 3840, 2160, FPS * SECONDS // 5)
    with serving(clip, options.model) as server:
        return at_work(server, clip, tracked=20) | {"largest memory (MB)": round(server.memory_mb())}


def many_objects(folder: Path, options: argparse.Namespace) -> Case:
    """40 objects tracked together, and clicks meanwhile."""
    clip, frames = folder / "objects.mp4", 20
    write_clip(clip, 960, 540, FPS * SECONDS // 5)
    with serving(clip, options.model) as server:
        server.media = server.call("POST", "local", json={"path": str(clip)})
        project, masks = server.project(), []
        for number in range(40):
            mask = np.zeros((540, 960), bool)
            y, x = 20 + 100 * (number // 8), 20 + 110 * (number % 8)
            mask[y : y + 60, x : x + 60] = True
            masks.append({"size": [540, 960], "counts": Rle.from_mask(mask).counts.decode()})
        added = seconds(lambda: server.call("POST", f"projects/{project}/frames/0/objects", json={"masks": masks}))
        started, clicks = time.perf_counter(), []
        job = server.call("POST", f"projects/{project}/track", json={"end": frames})
        for number in range(10):
            time.sleep(0.3)
            clicks.append(seconds(lambda i=number: server.click(project, 0, 50 + 110 * (i % 8), 50, i % 8 + 1)))  # type: ignore[misc]
        server.finished(job)
        took = time.perf_counter() - started
        drawn = seconds(lambda: server.call("GET", f"projects/{project}/masks?start=0&end={frames}"))
        return {
            "adding 40 objects": f"{added:.2f} s",
            "tracking 40 objects": f"{frames / took:.2f} frames/s",
            "a click meanwhile": spread(clicks),
            f"masks of {frames} frames": f"{drawn:.2f} s",
            "largest memory (MB)": round(server.memory_mb()),
        }


WATCH = """() => {
  window.times = [];
  let began = 0;
  document.querySelector('#view').addEventListener('pointerdown', () => { began = performance.now(); }, true);
  new MutationObserver(() => {
    if (document.body.getAttribute('aria-busy') === 'false' && began) {
      const start = began;
      began = 0;
      requestAnimationFrame(() => requestAnimationFrame(() => window.times.push(performance.now() - start)));
    }
  }).observe(document.body, { attributes: true, attributeFilter: ['aria-busy'] });
}"""


def on_the_page(folder: Path, options: argparse.Namespace) -> Case:
    """From the press of the button to the mask on the screen."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  for this case alone

    browser_path = next((path for name in ("chromium", "google-chrome") if (path := shutil.which(name))), None)
    clip, frames = folder / "page.mp4", FPS * SECONDS
    write_clip(clip, 1280, 720, frames)
    with serving(clip, options.model) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(str(server.client.base_url))
        page.wait_for_selector('#view[data-frame="0"]')
        page.evaluate(WATCH)
        box = page.locator("#view").bounding_box()
        assert box is not None
        scale = min((box["width"] - 48) / 1280, (box["height"] - 48) / 720)
        draw = random.Random(0)
        for number in range(CLICKS):
            frame = draw.randrange(frames)
            page.get_by_label("Frame", exact=True).fill(str(frame))
            page.keyboard.press("Enter")
            page.wait_for_selector(f'#view[data-frame="{frame}"]')
            page.wait_for_timeout(500)
            x, y = place(frame, 1280, 720, frames)
            left, top = (box["width"] - 1280 * scale) / 2, (box["height"] - 720 * scale) / 2
            page.mouse.click(box["x"] + left + x * scale, box["y"] + top + y * scale)
            while page.evaluate("window.times.length") <= number:  # the page forbids to wait for an expression
                page.wait_for_timeout(20)
            page.keyboard.press("Escape")
        times = [time / 1000 for time in page.evaluate("window.times")]
        browser.close()
        return {
            "click to mask on the screen": spread(times),
            "p95": round(float(np.percentile(times, 95)), 3),
            "largest memory of the server (MB)": round(server.memory_mb()),
        }


CASES: dict[str, Callable[[Path, argparse.Namespace], Case]] = {
    "page": on_the_page,
    "long": long_video,
    "4k": large_video,
    "objects": many_objects,
}


def main() -> int:
    parser = argparse.ArgumentParser(description="One person in the studio.")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"{', '.join(CASES)}; all by default")
    parser.add_argument("--model", default="nano")
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")
    options = parser.parse_args()
    unknown = set(options.cases) - set(CASES)
    if unknown:
        parser.error(f"expected {', '.join(CASES)}, got {sorted(unknown)[0]}")
    found: dict[str, Case] = {}
    for name in options.cases or CASES:
        with tempfile.TemporaryDirectory() as folder:
            found[name] = CASES[name](Path(folder).resolve(), options)
        if not options.json:
            print(f"{name} ({(CASES[name].__doc__ or '').rstrip('.')})")
            for what, value in found[name].items():
                print(f"  {what:36s} {value}")
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}"
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    print(
        json.dumps({"machine": machine, "date": today, "model": options.model, **found})
        if options.json
        else f"{options.model}; {machine}; {today}"
    )
    return int(found.get("page", {}).get("p95", 0.0) >= ALLOWED_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
