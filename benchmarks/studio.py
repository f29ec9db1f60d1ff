"""The studio under load: many people who click, two tracking jobs beside them, and the memory they leave behind.

    python benchmarks/studio.py [--sessions 50] [--clicks 8] [--pause 6] [--model nano] [--json]
    python benchmarks/studio.py --route [--model nano]

A server runs in a process of its own. Every session opens a project of its own on one clip, looks at frames and clicks,
with a pause between (half to one and a half of ``--pause`` seconds, seeded); every other click is on a new frame. Two
further projects are tracked from end to end meanwhile, again and again. First one session runs alone: that is the
memory before, with everything loaded that is loaded once. Then all sessions run, twice, which shows whether memory
stays flat. The run fails if a request fails, if the 95th percentile of a click is 2 s or more, or if the second round
leaves 10 % more memory behind than the first. With the defaults it takes some four minutes. "Others" are processors
that the rest of the machine used meanwhile: where they and this server want more than there are, the times are invalid.

``--route`` measures instead how direct the route of a click is: the source files and functions of masklet that run
between the request and its answer (model and features warm), its decoder calls and its SQL statements.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import httpx
import numpy as np
import torch
import uvicorn
from sqlalchemy import Engine, event

import masklet
from masklet.studio import Settings, create_app
from masklet.studio.routes.prompts import add_prompts
from masklet.studio.schemas import ClickIn, PromptIn
from masklet.types import FrameMasks

WIDTH, HEIGHT, FRAMES = 960, 540, 120
IDLE_SECONDS = 4.0
ALLOWED_SECONDS, ALLOWED_GROWTH = 2.0, 1.10


def write_clip(path: Path) -> None:
    """Write a clip of four squares that move over a scrolling background."""
    draw = np.random.default_rng(0)
    background = draw.integers(60, 140, (HEIGHT // 20, WIDTH // 20, 3)).repeat(20, 0).repeat(20, 1).astype(np.uint8)
    none = np.zeros(0, np.float32)
    with masklet.open_writer(path) as sink:
        for index in range(FRAMES):
            frame = np.roll(background, 2 * index, axis=1)
            for x, y in places(index):
                frame[y - 40 : y + 40, x - 40 : x + 40] = (220, 50, 40)
            sink.write(frame, FrameMasks(index, (), np.zeros((0, HEIGHT, WIDTH), bool), none, none))


def places(index: int) -> list[tuple[int, int]]:
    """Return the centers (x, y) of the squares."""
    steps = np.arange(4)
    x = WIDTH / 2 + (WIDTH / 2 - 60) * np.sin(index / (40 + 7 * steps) + 1.7 * steps)
    y = HEIGHT / 2 + (HEIGHT / 2 - 60) * np.cos(index / (31 + 5 * steps) + 0.9 * steps)
    return list(zip(x.astype(int).tolist(), y.astype(int).tolist(), strict=True))


def serve(folder: Path, clip: Path, port: int, model: str) -> None:
    """Run the server's process."""
    settings = Settings(
        folder=folder, offered=(clip,), idle_seconds=IDLE_SECONDS, requests_per_second=10_000, request_burst=10_000
    )
    uvicorn.run(create_app(masklet.load(model), settings), host="127.0.0.1", port=port, log_level="warning")


def resident_mb(process: int) -> float:
    """Return the resident memory of a process in MB; NaN where the system does not report it."""
    statm = Path(f"/proc/{process}/statm")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6 if statm.is_file() else float("nan")


def processor_seconds(process: int) -> float:
    """Return the processor time of a process in seconds; NaN where the system does not report it."""
    stat = Path(f"/proc/{process}/stat")
    if not stat.is_file():
        return float("nan")
    user, system = stat.read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def machine_seconds() -> float:
    """Return the processor time of the whole machine in seconds; NaN where the system does not report it."""
    stat = Path("/proc/stat")
    if not stat.is_file():
        return float("nan")
    user, nice, system = stat.read_text().split(maxsplit=4)[1:4]
    return (int(user) + int(nice) + int(system)) / os.sysconf("SC_CLK_TCK")


class Load:
    """Sessions that run at the same time.

    Args:
        client: of the server.
        media: the clip.
        options: of the benchmark.
    """

    def __init__(self, client: httpx.AsyncClient, media: str, options: argparse.Namespace) -> None:
        self.client, self.media, self.options = client, media, options
        self.clicks: list[float] = []
        self.frames: list[float] = []
        self.tracked = 0
        self._left = asyncio.Event()

    async def call(self, method: str, path: str, **options: Any) -> Any:
        """Return the answer of a request; one that fails ends the run."""
        answer = await self.client.request(method, f"/api/{path}", **options)
        answer.raise_for_status()
        return answer.json() if answer.headers.get("content-type") == "application/json" else answer.content

    async def person(self, number: int) -> None:
        """Run one session: load a frame, click, load, click."""
        draw = random.Random(number)
        project = (await self.call("POST", "projects", json={"media_id": self.media, "name": f"{number}"}))["id"]
        frame, clicked = 0, 0
        await asyncio.sleep(draw.uniform(0, self.options.pause))
        for place in range(self.options.clicks):
            if place % 2 == 0:
                frame = draw.randrange(FRAMES)
                started = time.perf_counter()
                await self.call("GET", f"media/{self.media}/frames/{frame}", params={"width": 960})
                self.frames.append(time.perf_counter() - started)
            x, y = places(frame)[draw.randrange(4)]
            body = {"object_id": clicked, "clicks": [{"x": x + draw.randrange(20), "y": y}]}
            started = time.perf_counter()
            answer = await self.call("POST", f"projects/{project}/frames/{frame}/prompts", json=body)
            self.clicks.append(time.perf_counter() - started)
            clicked = clicked or answer["object"]["id"]
            await asyncio.sleep(self.options.pause * draw.uniform(0.5, 1.5))

    async def propagation(self) -> None:
        """Track a project from end to end, again and again, until all sessions have ended."""
        project = (await self.call("POST", "projects", json={"media_id": self.media, "name": "tracked"}))["id"]
        x, y = places(0)[0]
        await self.call(
            "POST", f"projects/{project}/frames/0/prompts", json={"object_id": 0, "clicks": [{"x": x, "y": y}]}
        )
        while not self._left.is_set():
            job = await self.call("POST", f"projects/{project}/track", json={})
            while job["state"] in ("waiting", "running"):
                await asyncio.sleep(0.2)
                job = await self.call("GET", f"jobs/{job['id']}")
                if self._left.is_set():
                    await self.call("DELETE", f"jobs/{job['id']}")
            assert job["state"] in ("done", "cancelled"), job["error"]
            self.tracked += job["result"]["frames"]

    async def run(self) -> None:
        """Run all sessions."""
        tracking = [asyncio.create_task(self.propagation()) for _ in range(2)]
        await asyncio.gather(*(self.person(number) for number in range(self.options.sessions)))
        self._left.set()
        await asyncio.gather(*tracking)


async def measure(options: argparse.Namespace, url: str, process: int, clip: Path) -> dict[str, Any]:
    """Measure two rounds of the same load."""
    limits = httpx.Limits(max_connections=options.sessions + 10)
    async with httpx.AsyncClient(base_url=url, headers={"X-Masklet": "1"}, timeout=120, limits=limits) as client:
        for _ in range(600):
            try:
                await client.get("/api/health")
                break
            except httpx.TransportError:
                await asyncio.sleep(0.1)
        media = (await client.post("/api/local", json={"path": str(clip)})).raise_for_status().json()["id"]
        memory = {"at rest": resident_mb(process)}
        alone = argparse.Namespace(**vars(options) | {"sessions": 1, "clicks": 4, "pause": 1.0})
        await Load(client, media, alone).run()
        await asyncio.sleep(3 * IDLE_SECONDS)
        memory["after one person"] = resident_mb(process)
        busy, whole, began = processor_seconds(process), machine_seconds(), time.perf_counter()
        rounds = []
        for name in ("first", "second"):
            load = Load(client, media, options)
            started = time.perf_counter()
            work = asyncio.create_task(load.run())
            peak = 0.0
            while not work.done():
                peak = max(peak, resident_mb(process))
                await asyncio.sleep(0.5)
            await work
            seconds = time.perf_counter() - started
            rounds.append((load, seconds))
            await asyncio.sleep(3 * IDLE_SECONDS)
            memory |= {f"peak, {name} round": peak, f"left behind, {name} round": resident_mb(process)}
        elapsed = time.perf_counter() - began
        busy, whole = processor_seconds(process) - busy, machine_seconds() - whole
    load, seconds = rounds[0]
    clicks = np.array([value for each, _ in rounds for value in each.clicks])
    frames = np.array([value for each, _ in rounds for value in each.frames])
    return {
        "clicks": len(clicks),
        "click_seconds": {name: round(float(np.percentile(clicks, q)), 3) for name, q in (("p50", 50), ("p95", 95))}
        | {"max": round(float(clicks.max()), 3)},
        "frame_seconds_p95": round(float(np.percentile(frames, 95)), 3),
        "tracked_frames_per_second": round(load.tracked / seconds, 2),
        "processors_used": round(busy / elapsed, 2),
        "processors_of_others": round((whole - busy) / elapsed, 2),
        "memory_mb": {name: round(value, 1) for name, value in memory.items()},
    }


class Route:
    """Counts what runs in this process while a click is answered.

    Attributes:
        files, functions: of masklet.
        decoder_calls, statements, transactions: of the model and of the database.
    """

    root = str(Path(masklet.__file__).parent)

    def __init__(self) -> None:
        self.counting = False
        self.reset()

    def reset(self) -> None:
        """Set all counts to zero."""
        self.files: set[str] = set()
        self.functions: set[tuple[str, int]] = set()
        self.decoder_calls = self.statements = self.transactions = 0

    def profile(self, frame: FrameType, what: str, _: object) -> None:
        """Note a Python call; for `threading.setprofile`."""
        if self.counting and what == "call" and frame.f_code.co_filename.startswith(self.root):
            self.files.add(frame.f_code.co_filename)
            self.functions.add((frame.f_code.co_filename, frame.f_code.co_firstlineno))
            self.decoder_calls += frame.f_code.co_name == "decode" and "Sam2" in frame.f_code.co_qualname

    def statement(self, *_: object) -> None:
        """Note an SQL statement."""
        self.statements += self.counting

    def transaction(self, *_: object) -> None:
        """Note a transaction."""
        self.transactions += self.counting

    def of(self, click: Callable[[], object]) -> dict[str, int]:
        """Return the counts of one click."""
        self.reset()
        self.counting = True
        sys.setprofile(self.profile)
        try:
            click()
        finally:
            sys.setprofile(None)
            self.counting = False
        others = sum("/model/" not in file for file in self.files)
        return {
            "files": len(self.files),
            "without model": others,
            "functions": len(self.functions),
            "decoder calls": self.decoder_calls,
            "SQL": self.statements,
            "transactions": self.transactions,
        }


def measure_route(folder: Path, clip: Path, model: str) -> None:
    """Print the route of clicks through the handler of the prompt request, called in this process."""
    route = Route()
    threading.setprofile(route.profile)  # before the threads of the devices start
    app = create_app(masklet.load(model), Settings(folder=folder, offered=(clip,)))
    services = app.state.services
    event.listen(Engine, "before_cursor_execute", route.statement)
    event.listen(Engine, "begin", route.transaction)
    project = services.store.add_project(services.library.open_local(str(clip)), "route")

    def click(frame: int, object_id: int) -> None:
        x, y = places(frame)[0]
        body = PromptIn(object_id=object_id, clicks=[ClickIn(x=x, y=y)], candidates=True)
        asyncio.run(add_prompts(services, project, frame, body))

    for frame in (0, 9):  # the first clicks load and encode what later ones find in memory
        click(frame, 0)
    clicks = {"new object": (0, 0), "object on a new frame": (9, 1), "object on a prompted frame": (9, 1)}
    counts = {name: route.of(partial(click, *place)) for name, place in clicks.items()}
    services.close()
    print(f"{'a click with candidates':28}" + "".join(f"{name:>16}" for name in counts["new object"]))
    for name, found in counts.items():
        print(f"{name:28}" + "".join(f"{value:16}" for value in found.values()))


def main() -> int:
    parser = argparse.ArgumentParser(description="The studio under load.")
    parser.add_argument("--route", action="store_true", help="count what runs for a click instead")
    parser.add_argument("--sessions", type=int, default=50)
    parser.add_argument("--clicks", type=int, default=8, help="of each session")
    parser.add_argument("--pause", type=float, default=6.0, help="seconds between two clicks of a session, on average")
    parser.add_argument("--model", default="nano")
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")
    parser.add_argument("--serve", nargs=3, metavar=("FOLDER", "CLIP", "PORT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        folder, clip, port = options.serve
        serve(Path(folder), Path(clip), int(port), options.model)
        return 0
    with tempfile.TemporaryDirectory() as name:
        clip = Path(name).resolve() / "clip.mp4"
        write_clip(clip)
        if options.route:
            measure_route(Path(name) / "studio", clip, options.model)
            return 0
        port = str(random.Random(os.getpid()).randrange(20_000, 60_000))
        command = [sys.executable, __file__, "--model", options.model, "--serve", f"{name}/studio", str(clip), port]
        server = subprocess.Popen(command)
        try:
            found = asyncio.run(measure(options, f"http://127.0.0.1:{port}", server.pid, clip))
        finally:
            server.terminate()
            server.wait(30)
    return report(options, found)


def report(options: argparse.Namespace, found: dict[str, Any]) -> int:
    """Print the measurements; return 1 if they exceed the limits."""
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}"
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    if options.json:
        facts = {"sessions": options.sessions, "pause": options.pause, "model": options.model}
        print(json.dumps({**facts, **found, "machine": machine, "date": today}))
    else:
        print(f"{options.sessions} sessions, {options.pause:g} s between clicks, 2 propagations; {options.model}")
        print("clicks answered  ", found["clicks"])
        print("click to mask    ", ", ".join(f"{name} {value:.3f} s" for name, value in found["click_seconds"].items()))
        print(f"frame to look at  p95 {found['frame_seconds_p95']:.3f} s")
        print(f"tracked meanwhile {found['tracked_frames_per_second']:.2f} frames/s")
        used, others = found["processors_used"], found["processors_of_others"]
        print(f"processors used   {used:.2f} of {os.cpu_count()}, others {others:.2f}")
        for name, value in found["memory_mb"].items():
            print(f"memory {name:26s} {value:8.1f} MB")
        print(f"{machine}; {today}")
    memory = found["memory_mb"]
    grown = memory["left behind, second round"] / memory["left behind, first round"]
    return int(found["click_seconds"]["p95"] >= ALLOWED_SECONDS or grown > ALLOWED_GROWTH)


if __name__ == "__main__":
    sys.exit(main())
