"""Downloads from a local Hub server: both weight formats, the cache, and all errors."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import torch

from masklet.model.catalog import embedded_weights
from masklet.model.config import TEST_TINY
from masklet.model.convert import save_model
from masklet.model.load import load_model
from masklet.model.sam2 import Sam2

SCRIPT = """
import json, sys
from masklet.errors import MaskletError
from masklet.model.catalog import catalog
from masklet.predict.load import load

def result(name):
    try:
        return load(name, device="cpu").config.name
    except MaskletError as error:
        return f"{type(error).__name__}: {error}"

print(json.dumps([result(name) for name in sys.argv[1:]]))
print(json.dumps([entry.name for entry in catalog() if entry.local]))
"""
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """A Hub on the loopback interface: repositories with their files, and their failures."""

    files: dict[str, bytes] = field(default_factory=dict)  # "owner/name/file" -> content
    gated: set[str] = field(default_factory=set)
    cut: set[str] = field(default_factory=set)
    requests: list[str] = field(default_factory=list)
    address: str = ""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.requests.append(f"{request.command} {request.path}")
        match = re.fullmatch(r"/([\w.-]+/[\w.-]+)/resolve/main/([\w.-]+)", request.path)
        repository, file = match.groups() if match else ("", "")
        content = self.files.get(f"{repository}/{file}")
        if repository in self.gated:
            self.refuse(request, 403, "GatedRepo")
        elif not any(name.startswith(f"{repository}/") for name in self.files):
            self.refuse(request, 401, "RepoNotFound")
        elif content is None:
            self.refuse(request, 404, "EntryNotFound")
        else:
            request.send_response(200)
            request.send_header("X-Repo-Commit", COMMIT)
            request.send_header("ETag", f'"{hash(content) & 0xFFFFFFFF:08x}"')
            request.send_header("Content-Length", str(len(content)))
            request.end_headers()
            if request.command == "GET":
                request.wfile.write(content[: len(content) // 2] if repository in self.cut else content)

    def refuse(self, request: BaseHTTPRequestHandler, status: int, code: str) -> None:
        request.send_response(status)
        request.send_header("X-Error-Code", code)
        request.send_header("X-Repo-Commit", COMMIT)
        request.send_header("Content-Length", "0")
        request.end_headers()

    def load(self, home: Path, *names: str, **environment: str) -> tuple[list[str], list[str]]:
        """Load each name in a process that uses this Hub; return the results and the names of cached models."""
        command = [sys.executable, "-c", SCRIPT, *names]
        environment = {**os.environ, "HF_HOME": str(home), "HF_ENDPOINT": self.address, **environment}
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        loaded, cached = map(json.loads, run.stdout.splitlines())
        return loaded, cached


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A Hub with weights in both formats and with repositories that fail."""
    folder = tmp_path_factory.mktemp("files")
    save_model(Sam2(TEST_TINY), folder / "ours.safetensors")
    torch.save({"model": load_model(embedded_weights()).half().state_dict()}, folder / "released.pt")
    ours, released = (folder / "ours.safetensors").read_bytes(), (folder / "released.pt").read_bytes()
    hub = Hub(gated={"me/gated"}, cut={"me/cut"})
    hub.files = {
        "me/both/model.safetensors": ours,
        "me/both/both.pt": b"never asked for",
        "me/sam2-hiera-mine/sam2_hiera_mine.pt": released,
        "facebook/sam2.1-hiera-tiny/model.safetensors": ours,
        "me/empty/README.md": b"",
        "me/gated/model.safetensors": ours,
        "me/cut/model.safetensors": ours,
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hub.answer(self)

        def do_HEAD(self) -> None:
            hub.answer(self)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hub.address = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield hub
        server.shutdown()
        thread.join()


def test_weights_are_downloaded_once(hub: Hub, tmp_path: Path) -> None:
    names = ("me/both", "me/sam2-hiera-mine", "sam2.1-tiny")
    loaded, cached = ["test-tiny", "nano", "test-tiny"], ["nano", "sam2.1-tiny"]
    hub.requests.clear()
    assert hub.load(tmp_path, *names) == (loaded, cached)
    assert not any("both.pt" in request for request in hub.requests)
    asked = len(hub.requests)
    missing = "WeightsError: facebook/sam2.1-hiera-large is not in the cache and the Hub cannot be reached"
    assert hub.load(tmp_path, *names, "sam2.1-large", HF_HUB_OFFLINE="1") == ([*loaded, missing], cached)
    assert len(hub.requests) == asked


def test_errors_are_one_line(hub: Hub, tmp_path: Path) -> None:
    expected = {
        "no/such": "UnknownModelError: the Hub has no model no/such, or it is private",
        "me/a..b": "UnknownModelError: me/a..b is not the name of a Hub repository",
        "me/gated": "WeightsError: me/gated is gated: accept its terms on the Hub",
        "me/empty": "WeightsError: me/empty holds none of model.safetensors, empty.pt",
        "me/cut": "WeightsError: cannot download me/cut/model.safetensors, run again to resume: ",
    }
    results, cached = hub.load(tmp_path, *expected)
    assert [result[: len(line)] for result, line in zip(results, expected.values(), strict=True)] == [
        *expected.values()
    ]
    assert all(len(result.splitlines()) == 1 for result in results)
    assert cached == ["nano"]
