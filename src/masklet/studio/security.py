"""Checks of every request before it reaches the app: host, origin, token, rate and size of the body."""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import socket
import time
from collections import OrderedDict
from collections.abc import Callable
from urllib.parse import urlsplit

from fastapi.responses import Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from masklet.studio.errors import (
    BusyError,
    ForbiddenError,
    StudioError,
    TokenError,
    UploadError,
    error_response,
)
from masklet.studio.settings import Settings

COOKIE = "masklet_token"
OWN_HEADER = "x-masklet"
OPEN_PATHS = frozenset({"/api/health", "/api/login"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
STREAMED = ("/api/media", "/api/folders/")
"""Routes that write the body to disk and limit it themselves."""

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

Authorize = Callable[[str, str, str], object]
"""Returns the person with a token who may call a method on a path, or raises a `StudioError`."""

CLOSE_CODES = {401: 4401, 403: 4403, 429: 4429}


class RateLimiter:
    """A token bucket for each address: ``rate`` requests a second, ``burst`` at once, for the latest ``addresses``."""

    def __init__(self, rate: float, burst: int, *, addresses: int = 4096) -> None:
        self._rate, self._burst, self._addresses = rate, burst, addresses
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, and when there were so many

    def allows(self, address: str, now: float) -> bool:
        """Count a request at a time in seconds and return whether it is allowed."""
        tokens, updated = self._buckets.pop(address, (float(self._burst), now))
        tokens = min(self._burst, tokens + (now - updated) * self._rate)
        allowed = tokens >= 1
        self._buckets[address] = tokens - allowed, now
        if len(self._buckets) > self._addresses:
            self._buckets.popitem(last=False)
        return allowed


class SecurityMiddleware:
    """Refuses requests that may not reach the app.

    The host name is checked against DNS rebinding, and the origin against other pages (also for WebSockets, which
    browsers do not protect). Unsafe methods need a header that HTML forms cannot send. The token is compared in
    constant time. Bodies are limited.

    Args:
        authorize: replaces the check of the one token; its result becomes ``request.state.person``.
    """

    def __init__(self, app: ASGIApp, settings: Settings, authorize: Authorize | None = None) -> None:
        self.app = app
        self.settings = settings
        self.authorize = authorize
        self.limiter = RateLimiter(settings.requests_per_second, settings.request_burst)
        self.hosts = frozenset({"localhost", socket.gethostname().lower(), *(h.lower() for h in settings.hosts)})

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
        """Raise a `StudioError` for a request that is refused."""
        headers = Headers(scope=scope)
        path, method = scope["path"], scope.get("method", "GET")
        client = scope.get("client")
        if not self.limiter.allows(client[0] if client else "", time.monotonic()):
            raise BusyError("too many requests: try again in a second")
        host = headers.get("host", "")
        if not self._allows_host(host):
            shown = host.encode("ascii", "replace").decode()[:60]
            raise ForbiddenError(
                f"host {shown!r} is not allowed; open the printed URL or restart with --allow-host {shown or 'NAME'}"
            )
        origin = headers.get("origin")
        if origin is not None and not _is_same_origin(origin, host):
            raise ForbiddenError("requests from other origins are not allowed")
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none") and path.startswith("/api"):
            raise ForbiddenError("requests from other origins are not allowed")
        if method not in SAFE_METHODS and OWN_HEADER not in headers:
            raise ForbiddenError(f"{method} needs the header X-Masklet: 1")
        if path.startswith("/api") and path not in OPEN_PATHS:
            if self.authorize is not None:
                scope.setdefault("state", {})["person"] = self.authorize(_token_of(headers), method, path)
            elif self.settings.token:
                check_token(self.settings.token, _token_of(headers))
        length = headers.get("content-length", "0")
        if not path.startswith(STREAMED) and length.isdecimal() and int(length[:20]) > self.settings.body_bytes:
            raise UploadError(f"expected a body of at most {self.settings.body_bytes} bytes")

    def _allows_host(self, host: str) -> bool:
        """Whether a host is an allowed name, or any IP address: no other page has an address of ours as its name."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
            _ = urlsplit(f"//{host}").port
        except ValueError:
            return False
        if name in self.hosts:
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
            await send({"type": "websocket.accept"})  # only an accepted connection carries a close code and reason
            await send(
                {"type": "websocket.close", "code": CLOSE_CODES.get(error.status, 4400), "reason": str(error)[:100]}
            )
        else:
            await error_response(error)(scope, receive, _with_headers(send))


def new_token() -> str:
    """Return a random token."""
    return secrets.token_urlsafe(24)


def check_token(token: str, given: str) -> None:
    """Raise `TokenError` unless two tokens are equal; takes the same time for any input."""
    if not hmac.compare_digest(token.encode(), given.encode("utf-8", "replace")):
        raise TokenError(
            "the access token is missing or wrong: open the URL that was printed when the studio was started"
        )


def _token_of(headers: Headers) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return cookie_parser(headers.get("cookie", "")).get(COOKIE, "")


def _limited(receive: Receive, limit: int) -> Receive:
    """Count the bytes of a body and raise `UploadError` beyond a limit."""
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


def _is_same_origin(origin: str, host: str) -> bool:
    """Whether the origin of a page is the host of the request."""
    try:
        return urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False


def login_response(token: str | None, *, secure: bool) -> Response:
    """Return a response that sets a cookie with the token; other sites can neither read nor send it."""
    response = Response(status_code=204)
    if token:
        response.set_cookie(COOKIE, token, httponly=True, samesite="strict", secure=secure, max_age=30 * 86400)
    return response
