"""A studio on a port of its own, with a very small model, and a person who calls it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest
import uvicorn
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from fastapi import FastAPI
from jaxtyping import UInt8
from sqlalchemy import event
from websockets.sync.client import ClientConnection, connect

from masklet.model.sam2 import Sam2
from masklet.studio.app import create_app
from masklet.studio.services import Services
from masklet.studio.settings import Settings

OWN = {"X-Masklet": "1"}


@dataclass
class Served:
    """A studio that runs.

    Attributes:
        app: the application.
        url: its address, without a slash at the end.
        client: calls it as the page does.
        media: the id of a video of 12 frames, 48 x 72.
    """

    app: FastAPI
    url: str
    client: httpx.Client
    media: str = ""

    @property
    def services(self) -> Services:
        """The studio without HTTP."""
        services: Services = self.app.state.services
        return services

    def call(self, method: str, path: str, status: int = 200, **options: Any) -> Any:
        """What a call answers, as a value."""
        answer = self.client.request(method, f"/api/{path}", **options)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    def refused(self, method: str, path: str, **options: Any) -> tuple[int, str, str]:
        """Status, type and sentence of a call that is refused."""
        answer = self.client.request(method, f"/api/{path}", **options)
        error = answer.json()["error"]
        assert set(answer.json()) == {"error"}
        assert "\n" not in error["message"]
        return answer.status_code, error["type"], error["message"]

    def project(self) -> str:
        """A new project on the video."""
        return str(self.call("POST", "projects", 201, json={"media_id": self.media})["id"])

    def say(self, project: str, frame: int, *, object_id: int = 0, status: int = 200, **said: Any) -> Any:
        """Prompt an object; without an id it is a new one."""
        body = {"object_id": object_id, **said}
        return self.call("POST", f"projects/{project}/frames/{frame}/prompts", status, json=body)

    def click(self, project: str, frame: int, x: float, y: float, **said: Any) -> Any:
        """Click on an object."""
        return self.say(project, frame, clicks=[{"x": x, "y": y, "positive": said.pop("positive", True)}], **said)

    def track(self, project: str, **course: Any) -> Any:
        """Track to the end."""
        return self.finished(self.call("POST", f"projects/{project}/track", 202, json=course))

    def finished(self, job: Any) -> Any:
        """A job once it has ended."""
        assert self.services.jobs.job(job["id"]).ended.wait(60), "the job did not end"
        return self.call("GET", f"jobs/{job['id']}")

    def masks(self, project: str) -> dict[int, dict[int, str]]:
        """Every mask of a project: frame, object, code."""
        frames = self.call("GET", f"projects/{project}/masks")["frames"]
        return {
            frame["frame"]: {int(i): one["mask"]["counts"] for i, one in frame["objects"].items()} for frame in frames
        }

    def events(self, project: str, **options: Any) -> ClientConnection:
        """The WebSocket of a project."""
        socket: ClientConnection = connect(f"ws{self.url[4:]}/api/projects/{project}/events", **options)
        return socket


@pytest.fixture(scope="session")
def video_file(clip: UInt8[np.ndarray, "t h w 3"], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clip as a small MP4."""
    path = tmp_path_factory.mktemp("media") / "wandering square.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "12", "g": "10"})
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = clip.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for frame in clip[:12]:
            container.mux(stream.encode(VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return path


Start = Callable[..., Served]


@pytest.fixture(scope="module")
def start(tiny: Sam2, one_thread: None) -> Iterator[Start]:
    """Starts studios; all are stopped at the end."""
    running: list[tuple[uvicorn.Server, threading.Thread, httpx.Client]] = []

    def start(settings: Settings, model: Sam2 = tiny, headers: dict[str, str] = OWN) -> Served:
        app = create_app(model, replace(settings, requests_per_second=1e6, request_burst=10**6))
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", ws_max_size=2**16))
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        client = httpx.Client(base_url=url, headers=headers, timeout=60)
        running.append((server, thread, client))
        return Served(app, url, client)

    yield start
    for server, thread, client in running:
        client.close()
        server.should_exit = True
        thread.join()


@contextmanager
def _full(services: Services) -> Iterator[None]:
    engine = services.store._engine
    with engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()

    def bounded(connection: Any, *_: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")

    event.listen(engine, "connect", bounded)
    engine.dispose()
    try:
        yield
    finally:
        event.remove(engine, "connect", bounded)
        engine.dispose()


@pytest.fixture
def full_disk() -> Callable[[Services], AbstractContextManager[None]]:
    """Inside, a studio has no room for anything more."""
    return _full


@pytest.fixture(scope="module")
def studio(start: Start, video_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Served:
    """A studio that was offered the video."""
    settings = Settings(folder=tmp_path_factory.mktemp("studio"), offered=(video_file,))
    served = start(settings)
    served.media = served.call("POST", "local", 201, json={"path": str(video_file)})["id"]
    return served
