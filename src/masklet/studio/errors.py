"""Errors of the studio, and every error as an HTTP response: a status and one line, `{"error": {type, message}}`."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from masklet.errors import FrameRangeError, MaskletError, MediaError, OutputError, TaskError, UnknownObjectError


class StudioError(MaskletError):
    """A refused request; ``status`` is the HTTP status."""

    status = 400
    retry_after: int | None = None


class TokenError(StudioError):
    """The access token is missing or wrong."""

    status = 401


class ForbiddenError(StudioError):
    """The host, origin or header of a request is not allowed, or the person lacks the role."""

    status = 403


class NotFoundError(StudioError):
    """There is no such project, object, media, job or file."""

    status = 404


class ConflictError(StudioError):
    """The request does not fit the present state: busy, locked, in use, or nothing to undo."""

    status = 409


class UploadError(StudioError):
    """The body is too large."""

    status = 413


class BusyError(StudioError):
    """Too many requests are waiting."""

    status = 429
    retry_after = 1


class DiskFullError(StudioError):
    """There is no space left on the server's disk."""

    status = 507


DISK_FULL = "the server's disk is full; nothing was changed: free some space and try again"
INTERNAL_ERROR = {"type": "InternalError", "message": "internal error: see the log of the studio"}


def public_error(error: BaseException) -> MaskletError | None:
    """Return the error that a client may see, or None for a bug, whose details stay in the log."""
    causes = (error, error.__cause__, error.__context__) if isinstance(error, MaskletError) else (error,)
    if any(isinstance(cause, OSError) and cause.errno == errno.ENOSPC for cause in causes):
        return DiskFullError(DISK_FULL)
    if isinstance(error, MaskletError):
        return error
    if isinstance(error, OperationalError | sqlite3.OperationalError):
        message = str(error).lower()
        if "disk is full" in message or "disk i/o" in message:
            return DiskFullError(DISK_FULL)
        if "locked" in message:
            return BusyError("the database is busy: try again")
    return None


def status_of(error: MaskletError) -> int:
    """Return the HTTP status of an error."""
    if isinstance(error, StudioError):
        return error.status
    if isinstance(error, MediaError):
        return 415
    if isinstance(error, FrameRangeError | UnknownObjectError):
        return 404
    if isinstance(error, TaskError):
        return 409
    return 507 if isinstance(error, OutputError) else 400


def error_json(error: BaseException) -> dict[str, str]:
    """Return the type and the one-line message of an error."""
    known = public_error(error)
    return INTERNAL_ERROR if known is None else {"type": type(known).__name__, "message": _one_line(str(known))}


def error_response(error: MaskletError) -> JSONResponse:
    """Return the response to a request that failed."""
    known = public_error(error) or error
    wait = getattr(known, "retry_after", None)
    headers = {"Retry-After": str(wait)} if wait else None
    return JSONResponse({"error": error_json(known)}, status_of(known), headers=headers)


def first_problem(errors: Sequence[Any]) -> str:
    """Describe the first error of a pydantic validation in one line: where it is, and what was expected."""
    first = errors[0]
    where = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path", "header"))
    return _one_line(f"{where}: {first['msg']}" if where else str(first["msg"]))[:300]


def install_handlers(app: FastAPI) -> None:
    """Answer every error that leaves a route in the one JSON format."""

    @app.exception_handler(MaskletError)
    async def masklet_error(request: Request, error: MaskletError) -> JSONResponse:
        return error_response(error)

    @app.exception_handler(OSError)
    @app.exception_handler(OperationalError)
    async def system_error(request: Request, error: Exception) -> JSONResponse:
        known = public_error(error)
        if known is None:
            raise error
        return error_response(known)

    @app.exception_handler(RequestValidationError)
    async def invalid_request(request: Request, error: RequestValidationError) -> JSONResponse:
        return JSONResponse({"error": {"type": "RequestError", "message": first_problem(error.errors())}}, 422)

    @app.exception_handler(ClientDisconnect)
    async def disconnected(request: Request, error: ClientDisconnect) -> Response:
        return Response(status_code=400)  # nobody reads it

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> JSONResponse:
        if isinstance(error.__cause__, MaskletError):  # raised while the body was read
            return error_response(error.__cause__)
        kind, message = {
            404: ("NotFoundError", f"no route {request.url.path[:200]!r}"),
            405: ("RequestError", f"method {request.method} is not allowed for this route"),
        }.get(error.status_code, ("RequestError", "the request cannot be parsed"))
        body = {"error": {"type": kind, "message": _one_line(message)}}
        return JSONResponse(body, error.status_code, headers=error.headers)


def _one_line(message: str) -> str:
    return " ".join(message.split()).encode("utf-8", "replace").decode()
