"""A process that runs the studios of the browser tests: packages and model are loaded once for all of them.

It reads one JSON object per line from its standard input, either the description of a studio to start or
``{"stop": port}``, and ends with the input.
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

import masklet
from masklet.backends.protocol import Model
from masklet.engine.ingest import IngestSettings, add_media
from masklet.engine.store import Store
from masklet.engine.tasks import Queue, QueueSettings
from masklet.studio import Settings, create_app
from masklet.studio.team import Person


def studio_app(model: Model, folder: Path, media: list[Path], token: str, people: list[str]) -> FastAPI:
    """Create a studio that offers media, or with people the workplace of a data engine on them."""
    if not people:
        return create_app(model, Settings(folder=folder, offered=tuple(media), token=token or None))
    store = Store(str(folder / "engine"), create=True)
    add_media(store, media, IngestSettings(objects=2))
    queue = Queue(store, QueueSettings(gold_every=0))
    return create_app(model, Settings(folder=folder), queue=queue, people=[Person.parse(one) for one in people])


def main() -> None:
    """Start and stop studios until the input ends."""
    model = masklet.load()
    servers: dict[int, uvicorn.Server] = {}
    for line in sys.stdin:
        request: dict[str, Any] = json.loads(line)
        if "stop" in request:
            servers.pop(request["stop"]).should_exit = True
            continue
        media = [Path(path) for path in request["media"]]
        app = studio_app(model, Path(request["folder"]), media, request["token"], request["people"])
        config = uvicorn.Config(app, host="127.0.0.1", port=request["port"], log_level="warning")
        server = servers[request["port"]] = uvicorn.Server(config)
        threading.Thread(target=server.run, daemon=True).start()


if __name__ == "__main__":
    main()
