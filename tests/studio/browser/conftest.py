"""Studios in a process of their own, a real browser, and the npm packages that check the page."""

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


@dataclass(frozen=True)
class Studio:
    """A running studio."""

    url: str
    folder: Path

    def get(self, path: str) -> Any:
        """The JSON at a path of the API."""
        with urllib.request.urlopen(f"{self.url}/api{path}", timeout=30) as answer:
            return json.load(answer)

    def send(self, method: str, path: str, body: dict[str, Any] | None = None) -> None:
        """Send a request that changes something."""
        headers = {"X-Masklet": "1", "Content-Type": "application/json"}
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"{self.url}/api{path}", data, headers, method=method)
        urllib.request.urlopen(request, timeout=30).close()

    def file(self, path: str) -> bytes:
        """The bytes at a path."""
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
    """The first frame of the clip as an image."""
    path = short_clip.with_name("still.png")
    with av.open(str(short_clip)) as source:
        Image.fromarray(next(source.decode(video=0)).to_ndarray(format="rgb24")).save(path)
    return path


class Host:
    """The process that runs all studios."""

    def __init__(self) -> None:
        command = [sys.executable, str(Path(__file__).with_name("studio_host.py"))]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def send(self, **request: Any) -> None:
        """Send a line to the process."""
        assert self._process.stdin is not None
        print(json.dumps(request), file=self._process.stdin, flush=True)

    def start(self, folder: Path, *media: Path, token: str = "", people: str = "") -> Studio:
        """Start a studio and wait until it responds."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.send(port=port, folder=str(folder), media=list(map(str, media)), token=token, people=people.split())
        studio = Studio(f"http://127.0.0.1:{port}", folder)
        for _ in range(1800):
            assert self._process.poll() is None, self._process.stderr and self._process.stderr.read()
            try:
                studio.get("/health")
                return studio
            except OSError:
                time.sleep(0.1)
        raise AssertionError("the studio did not start within three minutes")

    def close(self) -> None:
        """End the process with all studios."""
        self._process.terminate()
        self._process.communicate(timeout=30)


@pytest.fixture(scope="session")
def host() -> Iterator[Host]:
    """The process that runs all studios: it loads packages and model once."""
    host = Host()
    yield host
    host.close()


@pytest.fixture(scope="module")
def start_studio(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Studio]]:
    """Starts studios; all are stopped at the end of the module."""
    studios: list[Studio] = []

    def start(*media: Path, token: str = "", people: str = "") -> Studio:
        studios.append(host.start(tmp_path_factory.mktemp("studio"), *media, token=token, people=people))
        return studios[-1]

    yield start
    for studio in studios:
        host.send(stop=int(studio.url.rpartition(":")[2]))


@pytest.fixture(scope="session")
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
    """Opens pages; an error in the console, such as a violation of the content security policy, fails the test."""
    contexts, errors = [], []

    def open_page(url: str, **options: Any) -> Page:
        context = browser.new_context(viewport=options.pop("viewport", {"width": 1280, "height": 800}), **options)
        context.set_default_timeout(60_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(f"{error}"))
        page.on("console", lambda line: errors.append(line.text) if _is_fault(line.type, line.text) else None)
        page.goto(url)
        page.wait_for_selector("body.ready")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


def _is_fault(kind: str, text: str) -> bool:
    """Whether a line of the console is a fault; HTTP error responses are part of the tests."""
    return kind in ("error", "warning") and "the server responded with a status of" not in text


class Held:
    """Requests of a page that reach the server only after `release`."""

    def __init__(self, page: Page, address: str) -> None:
        self._waiting: list[Route] | None = []
        page.route(address, self._take)

    def _take(self, route: Route) -> None:
        if self._waiting is None:
            route.continue_()
        else:
            self._waiting.append(route)

    def release(self) -> None:
        """Send all held requests, and hold no more."""
        waiting, self._waiting = self._waiting or [], None
        for route in waiting:
            route.continue_()


@pytest.fixture
def hold() -> Callable[[Page, str], Held]:
    """Holds the requests of a page to URLs that match a pattern."""
    return Held


@pytest.fixture
def image_of() -> Callable[[Page], PageImage]:
    """The image on a page."""
    return PageImage


@dataclass(frozen=True)
class PageImage:
    """The image on a page, addressed by image pixels."""

    page: Page
    width: int = 480
    height: int = 270

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where an image pixel is on the page while the image is fitted to the window."""
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
        """Press at the first pixel, move over the others and release."""
        self.page.mouse.move(*self.at(*points[0]))
        self.page.mouse.down()
        for point in points[1:]:
            self.page.mouse.move(*self.at(*point), steps=4)
        self.page.mouse.up()

    def shows(self, frame: int) -> None:
        """Wait until a frame is displayed."""
        self.page.wait_for_selector(f'#view[data-frame="{frame}"]')

    def color(self, x: float, y: float) -> tuple[int, int, int]:
        """The color on the screen at a pixel."""
        left, top = self.at(x, y)
        shot = self.page.screenshot(clip={"x": left, "y": top, "width": 1, "height": 1})
        red, green, blue = Image.open(io.BytesIO(shot)).convert("RGB").getpixel((0, 0))  # type: ignore[misc]
        return red, green, blue
