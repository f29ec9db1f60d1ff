"""Who is let in: hosts, origins, tokens, rates and sizes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from masklet.studio.errors import BusyError, ForbiddenError
from masklet.studio.security import HEADERS, RateLimiter, SecurityMiddleware, new_token
from masklet.studio.settings import Settings


@pytest.fixture(scope="module")
def guarded(start: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A studio with a token."""
    return start(Settings(folder=tmp_path_factory.mktemp("guarded"), token="s3cret", body_bytes=2000))


def scope(path: str = "/api/projects", method: str = "GET", **headers: str) -> dict[str, Any]:
    """A call as the server sees it."""
    named = {"host": "127.0.0.1:8765"} | {name.replace("_", "-"): value for name, value in headers.items()}
    raw = [(name.encode(), value.encode("latin-1")) for name, value in named.items()]
    return {"type": "http", "path": path, "method": method, "headers": raw, "client": ("127.0.0.1", 5)}


async def nothing(*_: object) -> None:
    """An app that does nothing."""


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("127.0.0.1:8765", True),
        ("localhost", True),
        ("LOCALHOST:1", True),
        ("[::1]:8765", True),
        ("192.168.1.20:8765", True),
        ("studio.lan", True),
        ("evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example:8765", False),
        ("", False),
        ("127.0.0.1:99999999", False),
        ("[::1", False),
        ("user@localhost:x", False),
    ],
)
def test_only_our_own_names_are_answered(tmp_path: Path, host: str, known: bool) -> None:
    """A foreign page that points its own name at this machine (DNS rebinding) calls under that name."""
    guard = SecurityMiddleware(nothing, Settings(folder=tmp_path, hosts=("studio.lan",)))
    if known:
        guard.check(scope(host=host))
    else:
        with pytest.raises(ForbiddenError):
            guard.check(scope(host=host))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (scope(origin="http://127.0.0.1:8765"), ""),
        (scope(origin="http://127.0.0.1:9999"), "origin"),
        (scope(origin="https://evil.example"), "origin"),
        (scope(origin="null"), "origin"),
        (scope(origin="http://["), "origin"),
        (scope(sec_fetch_site="cross-site"), "origin"),
        (scope(sec_fetch_site="same-site"), "origin"),
        (scope(sec_fetch_site="same-origin"), ""),
        (scope(path="/", sec_fetch_site="cross-site"), ""),  # a link to the page
        (scope(method="POST"), "X-Masklet"),
        (scope(method="DELETE", origin="http://127.0.0.1:8765"), "X-Masklet"),
        (scope(method="POST", x_masklet="1"), ""),
        (scope(method="POST", x_masklet="1", origin="http://evil"), "origin"),
    ],
)
def test_calls_from_other_pages_are_refused(tmp_path: Path, call: dict[str, Any], words: str) -> None:
    guard = SecurityMiddleware(nothing, Settings(folder=tmp_path))
    if not words:
        guard.check(call)
    else:
        with pytest.raises(ForbiddenError, match=words):
            guard.check(call)


def test_the_token_opens_everything_but_the_page(guarded: Any) -> None:
    client = guarded.client
    assert client.get("/api/health").status_code == 200
    assert client.get("/api/about").status_code == 401
    assert guarded.refused("GET", "projects")[:2] == (401, "TokenError")
    for wrong in ("Bearer wrong", "Bearer", "Basic s3cret", "bearer s3cret x"):
        assert client.get("/api/projects", headers={"Authorization": wrong}).status_code == 401
    assert client.get("/api/projects", headers={"Authorization": "Bearer s3cret"}).status_code == 200
    assert guarded.refused("POST", "login", json={"token": "wrong"})[:2] == (401, "TokenError")
    answer = httpx.post(f"{guarded.url}/api/login", json={"token": "s3cret"}, headers={"X-Masklet": "1"})
    cookie = answer.headers["set-cookie"].lower()
    assert answer.status_code == 204
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert httpx.get(f"{guarded.url}/api/projects", cookies=dict(answer.cookies)).status_code == 200


def test_every_answer_carries_the_headers(guarded: Any) -> None:
    for path in ("/api/health", "/api/projects", "/nothing", "/"):
        answer = guarded.client.get(path)
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
        assert "server" not in {name.lower() for name in answer.headers} or answer.headers["server"] == "uvicorn"
    assert "unsafe" not in HEADERS["Content-Security-Policy"]


def test_large_bodies_are_refused(guarded: Any) -> None:
    token = {"Authorization": "Bearer s3cret"}
    status, kind, _ = guarded.refused("POST", "projects", content=b"x" * 3000, headers=token)
    assert (status, kind) == (413, "UploadError")
    chunks = (b"x" * 500 for _ in range(8))  # without a length
    answer = guarded.client.post("/api/projects", content=chunks, headers=token)
    assert (answer.status_code, answer.json()["error"]["type"]) == (413, "UploadError")


def test_sockets_need_token_and_origin(guarded: Any, studio: Any) -> None:
    with guarded.events("0" * 12) as socket, pytest.raises(ConnectionClosed) as closed:
        socket.recv(timeout=10)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401
    with guarded.events("0" * 12, additional_headers={"Authorization": "Bearer s3cret"}) as socket:
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=10)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4404
    project = studio.project()
    with studio.events(project, origin="http://evil.example") as socket, pytest.raises(ConnectionClosed) as closed:
        socket.recv(timeout=10)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4403
    with studio.events(project, origin=studio.url) as socket:
        assert json.loads(socket.recv(timeout=10))["type"] == "hello"


def test_rates_are_counted_by_address() -> None:
    limiter = RateLimiter(2, 3, addresses=2)
    assert [limiter.allows("a", 0.0) for _ in range(4)] == [True, True, True, False]
    assert limiter.allows("b", 0.0)
    assert [limiter.allows("a", 1.0) for _ in range(3)] == [True, True, False]
    assert limiter.allows("c", 1.0)  # forgets b, the least lately seen
    assert not limiter.allows("a", 1.0)


def test_too_many_calls_are_told_to_wait(tmp_path: Path) -> None:
    guard = SecurityMiddleware(nothing, replace(Settings(folder=tmp_path), requests_per_second=0.001, request_burst=2))
    guard.check(scope())
    guard.check(scope())
    with pytest.raises(BusyError) as caught:
        guard.check(scope())
    assert caught.value.status == 429


def test_tokens_differ() -> None:
    assert len({new_token() for _ in range(20)}) == 20
    assert min(len(new_token()) for _ in range(20)) >= 32
