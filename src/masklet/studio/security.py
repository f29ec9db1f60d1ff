"""Who may call, from which page, how often and how much: everything that is checked before a call reaches the app."""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import socket
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from fastapi.responses import Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from masklet.studio import errors
from masklet.studio.errors import BusyError, ForbiddenError, StudioError, TokenError, UploadError
from masklet.studio.settings import Settings

COOKIE = "masklet_token"
OWN_HEADER = "x-masklet"
OPEN_PATHS = frozenset({"/api/health", "/api/login"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
STREAMED = ("/api/media", "/api/folders/")
"""Where bodies are written to disk as they come; the routes count them."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
        "worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}

Admit = Callable[[str, str, str], object]
"""Who it is that shows a token, calls with a method, and wants a path; raises a `StudioError` where they may not."""

CLOSE_CODES = {401: 4401, 403: 4403, 429: 4429}


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class Limiter:
    """Calls of each address: ``rate`` a second, ``burst`` at once. What it remembers is bounded."""

    def __init__(self, rate: float, burst: int, *, addresses: int = 4096) -> None:
        self._rate, self._burst, self._addresses = rate, burst, addresses
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def allows(self, address: str, now: float) -> bool:
        """Count a call; False where it comes too soon."""
        bucket = self._buckets.setdefault(address, _Bucket(float(self._burst), now))
        self._buckets.move_to_end(address)
        if len(self._buckets) > self._addresses:
            self._buckets.popitem(last=False)
        bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.at) * self._rate)
        bucket.at = now
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True


class Guard:
    """Middleware in front of everything.

    Host names are checked against DNS rebinding, origins against other pages (also for WebSockets, which no browser
    protects), unsafe methods need a header that no form can send, and the token, where there is one, is compared in
    constant time. Bodies are cut off beyond their limit.

    Args:
        app: what is guarded.
        settings: names, token and limits.
        admit: in place of the one token; what it gives is the ``person`` of the request's state.
    """

    def __init__(self, app: ASGIApp, settings: Settings, admit: Admit | None = None) -> None:
        self.app = app
        self.settings = settings
        self.admit = admit
        self.limiter = Limiter(settings.requests_per_second, settings.request_burst)
        self.names = frozenset({"localhost", socket.gethostname().lower(), *(h.lower() for h in settings.hosts)})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        try:
            self.check(scope)
        except StudioError as error:
            await self._refuse(error, scope, receive, send)
            return
        if scope["type"] == "websocket":
            await self.app(scope, receive, send)
            return
        limited = receive if scope["path"].startswith(STREAMED) else _limited(receive, self.settings.body_bytes)
        await self.app(scope, limited, _with_headers(send))

    def check(self, scope: Scope) -> None:
        """Raise a `StudioError` unless the call may go on."""
        headers = Headers(scope=scope)
        path, method = scope["path"], scope.get("method", "GET")
        client = scope.get("client")
        if not self.limiter.allows(client[0] if client else "", time.monotonic()):
            raise BusyError("too many calls in a short time: wait a second")
        host = headers.get("host", "")
        if not self._known_host(host):
            raise ForbiddenError(
                f"the studio is not called {_shown(host)}: open it by its address, or start it with --host"
            )
        origin = headers.get("origin")
        if origin is not None and not _is_at(origin, host):
            raise ForbiddenError("this call comes from another page than the studio's")
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none") and path.startswith("/api"):
            raise ForbiddenError("this call comes from another page than the studio's")
        if method not in SAFE_METHODS and OWN_HEADER not in headers:
            raise ForbiddenError("a call that changes something needs the header X-Masklet: 1")
        if path.startswith("/api") and path not in OPEN_PATHS:
            if self.admit is not None:
                scope.setdefault("state", {})["person"] = self.admit(_shown_token(headers), method, path)
            elif self.settings.token:
                check_token(self.settings.token, _shown_token(headers))
        length = headers.get("content-length", "0")
        if not path.startswith(STREAMED) and length.isdecimal() and int(length[:20]) > self.settings.body_bytes:
            raise UploadError(f"expected a body of at most {self.settings.body_bytes} bytes")

    def _known_host(self, host: str) -> bool:
        """Names must be known; addresses are always good, because no foreign page has one of ours as its name."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
            _ = urlsplit(f"//{host}").port
        except ValueError:
            return False
        if name in self.names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    @staticmethod
    async def _refuse(error: StudioError, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})  # only an accepted connection can be told why
            await send(
                {"type": "websocket.close", "code": CLOSE_CODES.get(error.status, 4400), "reason": str(error)[:100]}
            )
        else:
            await errors.answer(error)(scope, receive, _with_headers(send))


def new_token() -> str:
    """A token nobody guesses."""
    return secrets.token_urlsafe(24)


def check_token(token: str, shown: str) -> None:
    """Raise `TokenError` unless ``shown`` is the token; takes the same time whatever came."""
    if not hmac.compare_digest(token.encode(), shown.encode("utf-8", "replace")):
        raise TokenError("this studio needs its token: open the address that was printed when it started")


def _shown_token(headers: Headers) -> str:
    scheme, _, shown = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return shown.strip()
    return cookie_parser(headers.get("cookie", "")).get(COOKIE, "")


def _limited(receive: Receive, limit: int) -> Receive:
    """The same body, unless it grows too large."""
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            raise UploadError(f"expected a body of at most {limit} bytes")
        return message

    return counted


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return sending


def _is_at(origin: str, host: str) -> bool:
    """Whether a page's origin is where the call goes to."""
    try:
        return urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False


def _shown(host: str) -> str:
    return host.encode("ascii", "replace").decode()[:60] or "by no name"


def login_answer(token: str | None, *, secure: bool) -> Response:
    """The answer to a token that is good: a cookie that pages of other sites can neither read nor send."""
    response = Response(status_code=204)
    if token:
        response.set_cookie(COOKIE, token, httponly=True, samesite="strict", secure=secure, max_age=30 * 86400)
    return response
