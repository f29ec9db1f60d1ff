"""Serving: the address, what is opened at the start, and a process that is killed in the middle of its work."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from masklet.errors import MediaError, OutputError
from masklet.studio.serve import Listener, open_media
from masklet.studio.settings import Settings


def test_loopback_needs_no_token_and_everything_else_gets_one() -> None:
    home = Listener.bind("127.0.0.1", 0, None)
    abroad = Listener.bind("0.0.0.0", 0, None)
    try:
        assert home.token is None
        assert home.url() == f"http://127.0.0.1:{home.port}/"
        assert home.url("abc") == f"http://127.0.0.1:{home.port}/?project=abc"
        assert abroad.token is not None
        assert len(abroad.token) >= 32
        assert abroad.url() == f"http://localhost:{abroad.port}/?token={abroad.token}"
        with pytest.raises(OutputError, match=str(home.port)):
            Listener.bind("127.0.0.1", home.port, None)
    finally:
        home.socket.close()
        abroad.socket.close()


def test_given_media_is_opened_once(start: Any, video_file: Path, tmp_path: Path) -> None:
    studio = start(Settings(folder=tmp_path, offered=(video_file, video_file.parent)))
    first = open_media(studio.app, [video_file])
    assert first is not None
    assert open_media(studio.app, [video_file]) == first
    assert open_media(studio.app, [video_file.parent]) is None  # a folder of videos is only offered
    assert [entry["id"] for entry in studio.call("GET", "projects")["projects"]] == [first]
    with pytest.raises(MediaError, match=r"nothing\.mp4"):
        open_media(studio.app, [tmp_path / "nothing.mp4"])


@pytest.mark.slow
def test_a_kill_loses_at_most_the_frame_in_flight(start: Any, video_file: Path, tmp_path: Path) -> None:
    """The process is killed while it tracks; another one finds everything that was told to the page."""
    main = "from masklet.cli import main; main()"
    command = [sys.executable, "-c", main, "studio", str(video_file), "--no-browser", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--project", str(tmp_path), "--size", "160"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert process.stderr is not None
    try:
        url = next(line for line in process.stderr if "studio at " in line).split("studio at ")[1].strip()
        address, _, project = url.partition("?project=")
        with httpx.Client(base_url=address, headers={"X-Masklet": "1"}, timeout=60) as client:
            for _ in range(300):
                try:
                    client.get("api/health")
                    break
                except httpx.TransportError:
                    time.sleep(0.1)
            path = f"api/projects/{project}"
            said = {"object_id": 0, "box": [8, 8, 22, 22]}
            assert client.post(f"{path}/frames/0/prompts", json=said).status_code == 200
            job = client.post(f"{path}/track", json={}).json()
            done = 0
            while done < 3:
                done = client.get(f"api/jobs/{job['id']}").json()["done"]
            process.send_signal(signal.SIGKILL)
            process.wait(30)
    finally:
        process.kill()
        process.wait(30)
        process.stderr.close()
    with sqlite3.connect(tmp_path / "studio.sqlite") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    again = start(Settings(folder=tmp_path))
    frames = sorted(again.masks(project))
    assert frames == list(range(len(frames)))
    assert len(frames) >= done
    assert again.call("GET", f"projects/{project}")["undo"] == "track forward"
    again.call("POST", f"projects/{project}/undo")
    assert sorted(again.masks(project)) == [0]
