"""A studio in a process of its own, a real browser, and the npm packages that judge the page."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

expect.set_options(timeout=30_000)

PACKAGES = ("typescript@7.0.2", "axe-core@4.14.1")
LENGTH = 24  # frames of the clip
SERVER = """
import sys
from pathlib import Path
import uvicorn
import masklet
from masklet.studio import Settings, create_app
port, folder, token, *offered = sys.argv[1:]
settings = Settings(folder=Path(folder), offered=tuple(map(Path, offered)), token=token or None)
app = create_app(masklet.load(), settings)
uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning")
"""
TEAM_SERVER = """
import sys
from pathlib import Path
import uvicorn
import masklet
from masklet.engine.ingest import Terms, add_media
from masklet.engine.store import Store
from masklet.engine.tasks import Queue, QueueSettings
from masklet.studio import Settings, create_app
from masklet.studio.team import Person
port, folder, people, *offered = sys.argv[1:]
store = Store(str(Path(folder) / "engine"), create=True)
add_media(store, map(Path, offered), Terms(objects=2))
queue = Queue(store, QueueSettings(gold_every=0))
team = [Person.parse(said) for said in people.split()]
app = create_app(masklet.load(), Settings(folder=Path(folder)), queue=queue, people=team)
uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning")
"""


@dataclass(frozen=True)
class Studio:
    """A running studio."""

    url: str
    folder: Path

    def get(self, path: str) -> Any:
        """The JSON under an address of the API."""
        with urllib.request.urlopen(f"{self.url}/api{path}", timeout=30) as answer:
            return json.load(answer)

    def send(self, method: str, path: str, body: dict[str, Any] | None = None) -> None:
        """Change something."""
        headers = {"X-Masklet": "1", "Content-Type": "application/json"}
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"{self.url}/api{path}", data, headers, method=method)
        urllib.request.urlopen(request, timeout=30).close()

    def file(self, path: str) -> bytes:
        """The bytes under an address."""
        with urllib.request.urlopen(self.url + path, timeout=30) as answer:
            return bytes(answer.read())


@pytest.fixture(scope="session")
def page_tools() -> Path:
    """A folder with typescript and axe-core in node_modules, outside the checkout."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    folder = cache / "masklet" / "page-tools" / re.sub(r"[^\w.-]+", "-", "-".join(PACKAGES))
    if not (folder / "ready").exists():
        folder.mkdir(parents=True, exist_ok=True)
        quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        command = [npm, "install", "--prefix", str(folder), *quiet, *PACKAGES]
        run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
        assert run.returncode == 0, run.stderr
        (folder / "ready").touch()
    return folder


@pytest.fixture(scope="session")
def short_clip(assets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first frames of a real clip, 480 pixels wide."""
    path = tmp_path_factory.mktemp("clip") / "dog.mp4"
    with av.open(str(assets / "data" / "clips" / "dog.mp4")) as source, av.open(str(path), "w") as sink:
        stream = sink.add_stream("libx264", rate=source.streams.video[0].average_rate)
        stream.width, stream.height, stream.pix_fmt = 480, 270, "yuv420p"
        for _, frame in zip(range(LENGTH), source.decode(video=0), strict=False):
            sink.mux(stream.encode(frame.reformat(width=480, height=270, format="yuv420p")))
        sink.mux(stream.encode())
    return path


@pytest.fixture(scope="session")
def still(short_clip: Path) -> Path:
    """The first frame of the clip as a picture."""
    path = short_clip.with_name("still.png")
    with av.open(str(short_clip)) as source:
        Image.fromarray(next(source.decode(video=0)).to_ndarray(format="rgb24")).save(path)
    return path


@pytest.fixture(scope="module")
def start_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Studio]]:
    """Starts studios; all are stopped at the end."""
    running = []

    def start(*offered: Path, token: str = "", people: str = "") -> Studio:
        folder = tmp_path_factory.mktemp("studio")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [sys.executable, "-c", TEAM_SERVER if people else SERVER, str(port), str(folder)]
        command += [people or token, *map(str, offered)]
        process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE)
        running.append(process)
        studio = Studio(f"http://127.0.0.1:{port}", folder)
        for _ in range(1800):
            assert process.poll() is None, process.stderr and process.stderr.read().decode()
            try:
                studio.get("/health")
                return studio
            except OSError:
                time.sleep(0.1)
        raise AssertionError("the studio did not start within three minutes")

    yield start
    for process in running:
        process.terminate()
        process.wait(30)
        if process.stderr:
            process.stderr.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a window."""
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next((found for name in names if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens pages; an error in the console, such as a refusal by the content policy, fails the test."""
    contexts, complaints = [], []

    def open_page(url: str, **options: Any) -> Page:
        context = browser.new_context(viewport=options.pop("viewport", {"width": 1280, "height": 800}), **options)
        context.set_default_timeout(60_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(f"{error}"))
        page.on("console", lambda line: complaints.append(line.text) if _matters(line.type, line.text) else None)
        page.goto(url)
        page.wait_for_selector("body.ready")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def _matters(kind: str, text: str) -> bool:
    """Whether a line of the console is a fault; answers with a refusal are part of what is tested."""
    return kind in ("error", "warning") and "the server responded with a status of" not in text


class Held:
    """Calls of a page that reach the server only when they are let go."""

    def __init__(self, page: Page, address: str) -> None:
        self._waiting: list[Route] | None = []
        page.route(address, self._take)

    def _take(self, route: Route) -> None:
        if self._waiting is None:
            route.continue_()
        else:
            self._waiting.append(route)

    def release(self) -> None:
        """Let all go, and hold no more."""
        waiting, self._waiting = self._waiting or [], None
        for route in waiting:
            route.continue_()


@pytest.fixture
def hold() -> Callable[[Page, str], Held]:
    """Holds the calls of a page to addresses of a form."""
    return Held


@pytest.fixture
def picture_of() -> Callable[[Page], RgbImage]:
    """The picture of a page."""
    return RgbImage


@dataclass(frozen=True)
class RgbImage:
    """The picture on a page, addressed by its own pixels."""

    page: Page
    width: int = 480
    height: int = 270

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a pixel is on the page, when the picture is fitted."""
        box = self.page.locator("#view").bounding_box()
        assert box is not None
        scale = min((box["width"] - 48) / self.width, (box["height"] - 48) / self.height)
        left = box["x"] + (box["width"] - self.width * scale) / 2
        top = box["y"] + (box["height"] - self.height * scale) / 2
        return left + x * scale, top + y * scale

    def click(self, x: float, y: float, **options: Any) -> None:
        """Click a pixel."""
        self.page.mouse.click(*self.at(x, y), **options)

    def drag(self, *points: tuple[float, float]) -> None:
        """Press on the first pixel, move over the others and let go."""
        self.page.mouse.move(*self.at(*points[0]))
        self.page.mouse.down()
        for point in points[1:]:
            self.page.mouse.move(*self.at(*point), steps=4)
        self.page.mouse.up()

    def shows(self, frame: int) -> None:
        """Wait until a frame is in sight."""
        self.page.wait_for_selector(f'#view[data-frame="{frame}"]')

    def color(self, x: float, y: float) -> tuple[int, int, int]:
        """The color on the screen at a pixel."""
        left, top = self.at(x, y)
        shot = self.page.screenshot(clip={"x": left, "y": top, "width": 1, "height": 1})
        red, green, blue = Image.open(io.BytesIO(shot)).convert("RGB").getpixel((0, 0))  # type: ignore[misc]
        return red, green, blue
