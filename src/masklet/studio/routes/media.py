"""Addresses of media: uploads, local files, and their frames as pictures."""

from __future__ import annotations

import re
import shutil
from pathlib import Path as FilePath
from typing import Annotated, Any

from anyio import open_file, to_thread
from fastapi import APIRouter, Query, Request, Response

from masklet.errors import MediaError
from masklet.io.images import IMAGE_SUFFIXES
from masklet.studio.errors import UploadError
from masklet.studio.frame_server import Form, encoded
from masklet.studio.library import image_name, safe_name, upload_suffix
from masklet.studio.routes.access import Desks, Frame, Id, check_frame, fresh
from masklet.studio.schemas import FolderIn, LocalIn, LookIn, MediaOut
from masklet.studio.services import Desk, media_entry
from masklet.studio.tables import MediaRow
from masklet.types import RgbImage

router = APIRouter(prefix="/api", tags=["media"])

WIDTH_STEP = 160
"""Widths are rounded up to a multiple, so that few different pictures are made."""

BODY = {"requestBody": {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}}
PICTURES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/jpeg": {}, "image/webp": {}}, "description": "The picture"},
    304: {"description": "The caller has it"},
}


@router.get("/media")
def all_media(desk: Desks) -> dict[str, list[MediaOut]]:
    """Every media of the studio."""
    return {"media": [MediaOut(**media_entry(row)) for row in desk.store.all_media()]}


@router.post("/media", status_code=201, openapi_extra=BODY)
async def upload(request: Request, desk: Desks, name: Annotated[str, Query(min_length=1, max_length=200)]) -> MediaOut:
    """Upload a video or picture: the body is the file."""
    shown = FilePath(re.sub(r"[\x00-\x1f\\/]+", "_", name)).name or "upload"
    file = safe_name(FilePath(shown).stem) + upload_suffix(shown)
    part = desk.library.new_upload(shown)
    try:
        await _received(request, part / file, desk.settings.upload_bytes)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return await _listed(desk, part, file)


@router.get("/media/{media_id}")
def one_media(desk: Desks, media_id: Id) -> MediaOut:
    """One media."""
    return MediaOut(**media_entry(desk.store.media(media_id)))


@router.delete("/media/{media_id}", status_code=204)
def remove_media(desk: Desks, media_id: Id) -> None:
    """Forget a media that no project uses; an upload is deleted, a local file stays."""
    desk.library.remove(media_id)
    desk.viewers.forget(media_id)


@router.get("/media/{media_id}/frames/{index}", responses=PICTURES, response_class=Response)
def frame(
    request: Request,
    desk: Desks,
    media_id: Id,
    index: Frame,
    look: Annotated[LookIn, Query()],
) -> Response:
    """A frame as a picture, never wider than the media; with the media's version in ``v`` it may be kept for ever."""
    media = desk.store.media(media_id)
    check_frame(media, index)
    key = f"{media.id}-{media.version}-{index}-{rounded(look.width)}-{look.quality}-{look.format}"
    cache = "private, max-age=31536000, immutable" if look.v == media.version else "private, no-cache"
    if fresh(request, f'"{key}"'):
        return Response(status_code=304, headers={"ETag": f'"{key}"', "Cache-Control": cache})
    data = desk.pictures.get(key)
    if data is None:
        data = looked(desk.viewers.frame(media, index), look)
        desk.pictures.put(key, data)
    return picture(data, look.format, key, cache)


@router.get("/media/{media_id}/timestamps")
def timestamps(
    desk: Desks,
    media_id: Id,
    start: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    end: Annotated[int | None, Query(ge=0, le=2**31 - 1)] = None,
) -> dict[str, int | list[float]]:
    """When frames are shown, in seconds; at most 10,000 a call, none for pictures without a clock."""
    times = desk.viewers.source(desk.store.media(media_id)).timestamps
    stop = min(len(times), start + 10_000, len(times) if end is None else end)
    return {"start": start, "timestamps": [float(time) for time in times[start:stop]]}


@router.post("/folders", status_code=201)
def new_folder(desk: Desks, asked: FolderIn) -> dict[str, str]:
    """Begin the upload of a folder of pictures."""
    return {"id": desk.library.new_upload(asked.name).name.removesuffix(".part")}


@router.put("/folders/{folder_id}/{filename}", status_code=204, openapi_extra=BODY)
async def add_picture(request: Request, desk: Desks, folder_id: Id, filename: str) -> None:
    """Upload one picture of a folder: the body is the file."""
    folder = desk.library.upload_folder(folder_id)
    if not re.fullmatch(r"[^\x00-\x1f\\/.][^\x00-\x1f\\/]{0,199}", filename):
        raise MediaError("expected a file name without slashes and not hidden")
    if FilePath(filename).suffix.lower() not in IMAGE_SUFFIXES:
        raise MediaError(f"expected a picture by its name, got {filename[:80]!r}")
    files = await to_thread.run_sync(lambda: [file.stat().st_size for file in folder.iterdir()])
    if len(files) > desk.settings.folder_files:
        raise UploadError(f"a folder holds at most {desk.settings.folder_files} pictures")
    await _received(request, folder / image_name(filename), max(0, desk.settings.upload_bytes - sum(files)))


@router.post("/folders/{folder_id}/close", status_code=201)
async def close_folder(desk: Desks, folder_id: Id) -> MediaOut:
    """End the upload of a folder: it becomes a media."""
    return await _listed(desk, desk.library.upload_folder(folder_id))


@router.get("/local")
def local(desk: Desks) -> dict[str, list[dict[str, str]]]:
    """What may be opened by its path on the studio's machine."""
    return {"files": desk.library.local()}


@router.post("/local", status_code=201)
def open_local(desk: Desks, asked: LocalIn) -> MediaOut:
    """Open a local file or folder that `GET /api/local` lists."""
    return MediaOut(**media_entry(desk.library.open_local(asked.path)))


def rounded(width: int | None) -> int | None:
    """A width that is worth making."""
    return None if width is None else -(-width // WIDTH_STEP) * WIDTH_STEP


def looked(pixels: RgbImage, look: LookIn) -> bytes:
    """A picture as it is wanted."""
    return encoded(pixels, width=rounded(look.width), quality=look.quality, form=look.format)


def picture(data: bytes, form: Form, key: str, cache: str) -> Response:
    """A picture with what browsers need to keep it."""
    return Response(data, media_type=f"image/{form}", headers={"ETag": f'"{key}"', "Cache-Control": cache})


async def _listed(desk: Desk, part: FilePath, file: str | None = None) -> MediaOut:
    row: MediaRow = await to_thread.run_sync(desk.library.finish_upload, part, file)
    return MediaOut(**media_entry(row))


async def _received(request: Request, path: FilePath, limit: int) -> None:
    """The body of a request, on disk; nothing is left of one that is too large or breaks off."""
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > limit:
        raise UploadError(f"expected an upload of at most {limit} bytes, got {length[:20]}")
    written = 0
    try:
        async with await open_file(path, "wb") as file:
            async for chunk in request.stream():
                written += len(chunk)
                if written > limit:
                    raise UploadError(f"expected an upload of at most {limit} bytes")
                await file.write(chunk)
        if not written:
            raise MediaError("the upload is empty")
    except BaseException:
        path.unlink(missing_ok=True)
        raise
