"""Serving the studio with uvicorn: the socket, the token, what is opened at the start."""

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
from masklet.studio.services import Desk

GRACE_SECONDS = 3
MESSAGE_BYTES = 2**16
"""The largest message a page may send over its WebSocket."""


@dataclass(frozen=True)
class Address:
    """Where the studio listens.

    Attributes:
        socket: bound, so that nobody else can take the port.
        host: as asked for.
        port: the real one.
        token: what callers must show, or None.
    """

    socket: socket.socket
    host: str
    port: int
    token: str | None

    @classmethod
    def listen(cls, host: str, port: int, token: str | None) -> Address:
        """Take an address; beyond this machine it gets a token, where none is given.

        Raises:
            OutputError: the address cannot be had.
        """
        try:
            family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            bound = socket.socket(family, kind, protocol)
        except OSError as error:
            raise OutputError(f"cannot listen on {host}: {error.strerror or error}") from error
        try:
            if os.name == "posix":  # elsewhere the option means that others may take the port too
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(place)
            bound.listen()
        except OSError as error:
            bound.close()
            raise OutputError(f"cannot listen on {host}, port {port}: {error.strerror or error}") from error
        local = ipaddress.ip_address(str(place[0]).partition("%")[0]).is_loopback
        return cls(bound, host, bound.getsockname()[1], token or (None if local else new_token()))

    def link(self, project_id: str | None = None) -> str:
        """What to open in a browser."""
        everywhere = self.host in ("0.0.0.0", "::")  # noqa: S104  an address to be shown, none to listen on
        name = "localhost" if everywhere else f"[{self.host}]" if ":" in self.host else self.host
        asked = ({"project": project_id} if project_id else {}) | ({"token": self.token} if self.token else {})
        return f"http://{name}:{self.port}/" + (f"?{urlencode(asked)}" if asked else "")


def open_given(app: FastAPI, media: Sequence[Path]) -> str | None:
    """Open media named at the start, each in the project it had the last time; gives the project of the only one.

    Raises:
        MediaError: missing, or nothing that can be read. A folder of videos is only offered.
    """
    desk: Desk = app.state.desk
    opened = []
    for path in media:
        if not path.exists():
            raise MediaError(f"cannot open {str(path)!r}: there is no such file or folder")
        place = str(path.resolve())
        if not is_utf8(place):
            raise MediaError(f"cannot open {place!r}: expected a name in UTF-8, rename it")
        if place not in {entry["path"] for entry in desk.library.local()}:
            continue
        row = desk.library.open_local(place)
        earlier = [project.id for project, its, _ in desk.store.projects() if its.id == row.id]
        opened.append(earlier[0] if earlier else desk.store.add_project(row, path.stem or path.name))
    return opened[0] if len(opened) == 1 else None


def serve(app: FastAPI, address: Address) -> None:
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
    uvicorn.Server(config).run(sockets=[address.socket])
