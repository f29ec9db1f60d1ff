"""Serves the studio with uvicorn: socket, token, and the media to open at the start."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import uvicorn
from fastapi import FastAPI

from masklet.errors import MediaError, OutputError
from masklet.studio.library import is_utf8
from masklet.studio.security import new_token
from masklet.studio.services import Services

GRACE_SECONDS = 3
MESSAGE_BYTES = 2**16
"""The largest message from a WebSocket."""


@dataclass(frozen=True)
class Listener:
    """A bound socket and the access token.

    Attributes:
        token: that requests must carry, or None.
    """

    socket: socket.socket
    host: str
    port: int
    token: str | None

    @classmethod
    def bind(cls, host: str, port: int, token: str | None) -> Listener:
        """Listen on an address; make a token if none is given and other machines can reach it.

        Raises:
            OutputError: the address cannot be used.
        """
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            bound = socket.socket(family, kind, protocol)
        except OSError as error:
            raise OutputError(f"cannot listen on {host}: {error.strerror or error}") from error
        try:
            if os.name == "posix":  # on Windows the option lets other processes take the port
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
            bound.listen()
        except OSError as error:
            bound.close()
            raise OutputError(f"cannot listen on {host}, port {port}: {error.strerror or error}") from error
        local = ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback
        return cls(bound, host, bound.getsockname()[1], token or (None if local else new_token()))

    def url(self, project_id: str | None = None) -> str:
        """Return the URL to open in a browser."""
        any_address = self.host in ("0.0.0.0", "::")  # noqa: S104  compared, not listened on
        name = "localhost" if any_address else f"[{self.host}]" if ":" in self.host else self.host
        query = ({"project": project_id} if project_id else {}) | ({"token": self.token} if self.token else {})
        return f"http://{name}:{self.port}/" + (f"?{urlencode(query)}" if query else "")


def open_media(app: FastAPI, media: Sequence[Path]) -> str | None:
    """Open media, each in its earlier project if there is one; folders of videos are only offered.

    Returns:
        The project if there is exactly one, else None.

    Raises:
        MediaError: a file does not exist or cannot be read.
    """
    services: Services = app.state.services
    opened = []
    for path in media:
        if not path.exists():
            raise MediaError(f"cannot open {str(path)!r}: no such file or folder")
        resolved = str(path.resolve())
        if not is_utf8(resolved):
            raise MediaError(f"cannot open {resolved!r}: expected a name in UTF-8, rename the file")
        if resolved not in {entry["path"] for entry in services.library.local()}:
            continue
        row = services.library.open_local(resolved)
        earlier = [project.id for project, its_media, _ in services.store.projects() if its_media.id == row.id]
        opened.append(earlier[0] if earlier else services.store.add_project(row, path.stem or path.name))
    return opened[0] if len(opened) == 1 else None


def serve(app: FastAPI, listener: Listener) -> None:
    """Serve until interrupted."""
    config = uvicorn.Config(
        app,
        log_level="warning",
        server_header=False,
        date_header=False,
        proxy_headers=False,
        ws_max_size=MESSAGE_BYTES,
        timeout_graceful_shutdown=GRACE_SECONDS,
        h11_max_incomplete_event_size=2**16,
    )
    uvicorn.Server(config).run(sockets=[listener.socket])
