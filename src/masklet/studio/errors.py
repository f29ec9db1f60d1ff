"""What goes wrong on the way to an answer, as a status and one sentence; every answer with an error has this shape."""

from __future__ import annotations

import errno
import sqlite3
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from masklet.errors import FrameRangeError, MaskletError, MediaError, OutputError, TaskError, UnknownObjectError


class StudioError(MaskletError):
    """An error of the studio itself; ``status`` is what HTTP says."""

    status = 400
    retry_after: int | None = None


class TokenError(StudioError):
    """The studio asks for a token, and none or another one came."""

    status = 401


class ForbiddenError(StudioError):
    """A call from where the studio takes none: another host, another page, no header of our page."""

    status = 403


class NotFoundError(StudioError):
    """No such project, media, job or file."""

    status = 404


class ConflictError(StudioError):
    """Not now: busy, locked, in use, or nothing to undo."""

    status = 409


class UploadError(StudioError):
    """Too large, or without end."""

    status = 413


class BusyError(StudioError):
    """Too many calls at once."""

    status = 429
    retry_after = 1


class DiskFullError(StudioError):
    """No room on the studio's disk."""

    status = 507


NO_ROOM = "the studio's disk is full: free some space and try again; nothing was changed"


def told(error: BaseException) -> MaskletError | None:
    """The error to tell about, or None for a bug of ours."""
    if isinstance(error, MaskletError):
        causes = (error, error.__cause__, error.__context__)
        full = any(isinstance(cause, OSError) and cause.errno == errno.ENOSPC for cause in causes)
        return DiskFullError(NO_ROOM) if full else error
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return DiskFullError(NO_ROOM)
    if isinstance(error, OperationalError | sqlite3.OperationalError):
        words = str(error).lower()
        if "disk is full" in words or "disk i/o" in words:
            return DiskFullError(NO_ROOM)
        if "locked" in words:
            return BusyError("the studio's database is busy: try again")
    return None


def status_of(error: MaskletError) -> int:
    """The HTTP status of an error."""
    if isinstance(error, StudioError):
        return error.status
    if isinstance(error, MediaError):
        return 415
    if isinstance(error, FrameRangeError | UnknownObjectError):
        return 404
    if isinstance(error, TaskError):
        return 409
    return 507 if isinstance(error, OutputError) else 400


def entry(error: BaseException) -> dict[str, str]:
    """An error as it stands in JSON: its kind and one sentence."""
    known = told(error)
    if known is None:
        return {
            "type": "InternalError",
            "message": "something went wrong inside masklet; the log of the studio says what",
        }
    sentence = " ".join(str(known).split()).encode("utf-8", "replace").decode()
    return {"type": type(known).__name__, "message": sentence}


def answer(error: MaskletError) -> JSONResponse:
    """The response to a call that ended in an error."""
    known = told(error) or error
    wait = getattr(known, "retry_after", None)
    headers = {"Retry-After": str(wait)} if wait else None
    return JSONResponse({"error": entry(known)}, status_of(known), headers=headers)


def install(app: FastAPI) -> None:
    """Give every error of the app its shape."""

    @app.exception_handler(MaskletError)
    async def purposeful(request: Request, error: MaskletError) -> JSONResponse:
        return answer(error)

    @app.exception_handler(OSError)
    @app.exception_handler(OperationalError)
    async def system(request: Request, error: Exception) -> JSONResponse:
        known = told(error)
        if known is None:
            raise error
        return answer(known)

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> JSONResponse:
        return JSONResponse({"error": {"type": "RequestError", "message": _first(error)}}, 422)

    @app.exception_handler(ClientDisconnect)
    async def gone(request: Request, error: ClientDisconnect) -> Response:
        return Response(status_code=400)  # nobody reads it

    @app.exception_handler(HTTPException)
    async def unrouted(request: Request, error: HTTPException) -> JSONResponse:
        if isinstance(error.__cause__, MaskletError):  # while the body was read
            return answer(error.__cause__)
        kinds = {404: ("NotFoundError", "there is nothing at this address")}
        kinds |= {405: ("RequestError", f"{request.method} is not possible at this address")}
        kind, message = kinds.get(error.status_code, ("RequestError", "the request cannot be read"))
        body = {"error": {"type": kind, "message": message}}
        return JSONResponse(body, error.status_code, headers=error.headers)


def _first(error: RequestValidationError) -> str:
    """The first complaint, in words: where and what."""
    first: dict[str, Any] = dict(error.errors()[0])
    where = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path", "header"))
    sentence = f"{where}: {first['msg']}" if where else str(first["msg"])
    return " ".join(sentence.split()).encode("utf-8", "replace").decode()[:300]
