"""What every route shares: the desk, checked path parameters, answers that are JSON already."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

from fastapi import Depends, Path, Request, Response
from fastapi.responses import JSONResponse
from starlette.requests import HTTPConnection

from masklet.errors import FrameRangeError
from masklet.studio.schemas import MAX_INDEX, ErrorOut
from masklet.studio.services import Desk
from masklet.studio.tables import MediaRow

ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": ErrorOut, "description": "Refused, with one sentence"},
    507: {"model": ErrorOut, "description": "The studio's disk is full"},
}


def desk_of(connection: HTTPConnection) -> Desk:
    """The desk of the app."""
    desk: Desk = connection.app.state.desk
    return desk


Desks = Annotated[Desk, Depends(desk_of)]
Id = Annotated[str, Path(pattern=r"^[0-9a-f]{12}$")]
Frame = Annotated[int, Path(ge=0, le=MAX_INDEX)]
Number = Annotated[int, Path(ge=1, le=2**30 - 1)]


def check_frame(media: MediaRow, frame: int) -> None:
    """Raise `FrameRangeError` for a frame the media does not have."""
    if frame >= media.num_frames:
        raise FrameRangeError(f"{media.name} has frames 0 to {media.num_frames - 1}, got frame {frame}")


def ready(document: object, status: int = 200) -> JSONResponse:
    """JSON made of plain values; nothing is checked again."""
    return JSONResponse(document, status)


def unless_known(request: Request, document: object) -> Response:
    """JSON that is sent unless the caller has it already, told by what it says: after undo numbers come again."""
    answer: Response = ready(document)
    etag = f'"{hashlib.sha256(bytes(answer.body)).hexdigest()[:24]}"'
    if fresh(request, etag):
        answer = Response(status_code=304)
    answer.headers.update({"ETag": etag, "Cache-Control": "private, no-cache"})
    return answer


def fresh(request: Request, etag: str) -> bool:
    """Whether the caller has the answer already."""
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    return etag in known
