"""Parameters and responses that the routes share."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

from fastapi import Depends, Path, Request, Response
from fastapi.responses import JSONResponse
from starlette.requests import HTTPConnection

from masklet.errors import FrameRangeError
from masklet.studio.schemas import ErrorOut
from masklet.studio.services import Services
from masklet.studio.tables import MediaRow

ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": ErrorOut, "description": "The request was refused"},
    507: {"model": ErrorOut, "description": "The server's disk is full"},
}


def get_services(connection: HTTPConnection) -> Services:
    """Return the services of the app."""
    services: Services = connection.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(get_services)]
Id = Annotated[str, Path(pattern=r"^[0-9a-f]{12}$")]


def check_frame(media: MediaRow, frame: int) -> None:
    """Raise `FrameRangeError` for a frame that the media does not have."""
    if frame >= media.num_frames:
        raise FrameRangeError(f"{media.name} has frames 0 to {media.num_frames - 1}, got frame {frame}")


def cacheable_json(request: Request, document: object) -> Response:
    """Respond with JSON, or with 304 if the client has it already.

    The ETag is a hash of the content: revision numbers are used again after an undo.
    """
    response: Response = JSONResponse(document)
    etag = f'"{hashlib.sha256(bytes(response.body)).hexdigest()[:24]}"'
    if client_has(request, etag):
        response = Response(status_code=304)
    response.headers.update({"ETag": etag, "Cache-Control": "private, no-cache"})
    return response


def client_has(request: Request, etag: str) -> bool:
    """Whether the client sent this ETag as known."""
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    return etag in known
