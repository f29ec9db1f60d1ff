"""Routes of media: uploads, local files, and frames as images."""

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
from masklet.studio.frame_server import encode_image
from masklet.studio.library import safe_name, short_name, upload_suffix
from masklet.studio.routes.dependencies import Id, ServicesDep, check_frame, client_has
from masklet.studio.schemas import FolderIn, FrameIndex, ImageIn, LocalIn, MediaOut
from masklet.studio.tables import MediaRow
from masklet.types import RgbImage

router = APIRouter(prefix="/api", tags=["media"])

WIDTH_STEP = 160
"""Widths are rounded up to a multiple, so that few different images are encoded."""

BODY = {"requestBody": {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}}
IMAGES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/jpeg": {}, "image/webp": {}}, "description": "The image"},
    304: {"description": "The client has the image"},
}


@router.get("/media", response_model=dict[str, list[MediaOut]])
def all_media(services: ServicesDep) -> dict[str, list[MediaRow]]:
    """List all media."""
    return {"media": services.store.all_media()}


@router.post("/media", status_code=201, response_model=MediaOut, openapi_extra=BODY)
async def upload(
    request: Request, services: ServicesDep, name: Annotated[str, Query(min_length=1, max_length=200)]
) -> MediaRow:
    """Upload a video or image; the body is the file."""
    shown = FilePath(re.sub(r"[\x00-\x1f\\/]+", "_", name)).name or "upload"
    file = safe_name(FilePath(shown).stem) + upload_suffix(shown)
    part = services.library.new_upload(shown)
    try:
        await _write_body(request, part / file, services.settings.upload_bytes)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return await to_thread.run_sync(services.library.finish_upload, part, file)


@router.get("/media/{media_id}", response_model=MediaOut)
def one_media(services: ServicesDep, media_id: Id) -> MediaRow:
    """Return a media."""
    return services.store.media(media_id)


@router.delete("/media/{media_id}", status_code=204)
def remove_media(services: ServicesDep, media_id: Id) -> None:
    """Remove a media that no project uses; uploaded files are deleted, local files stay."""
    services.library.remove(media_id)
    services.frame_server.close_media(media_id)


@router.get("/media/{media_id}/frames/{index}", responses=IMAGES, response_class=Response)
def frame(
    request: Request, services: ServicesDep, media_id: Id, index: FrameIndex, query: Annotated[ImageIn, Query()]
) -> Response:
    """Return a frame as an image; with the version of the media in ``v`` it may be cached for ever."""
    media = services.store.media(media_id)
    check_frame(media, index)
    key = f"{media.id}-{media.version}-{index}-{rounded_width(query.width)}-{query.quality}-{query.format}"
    cache = "private, max-age=31536000, immutable" if query.v == media.version else "private, no-cache"
    if client_has(request, f'"{key}"'):
        return Response(status_code=304, headers={"ETag": f'"{key}"', "Cache-Control": cache})
    data = services.images.get(key)
    if data is None:
        data = encoded(services.frame_server.frame(media, index), query)
        services.images.put(key, data)
    return image_response(data, query.format, key, cache)


@router.get("/media/{media_id}/timestamps")
def timestamps(
    services: ServicesDep,
    media_id: Id,
    start: FrameIndex = 0,
    end: FrameIndex | None = None,
) -> dict[str, int | list[float]]:
    """Return the times of frames in seconds, at most 10,000 per request; none for images."""
    times = services.frame_server.source(services.store.media(media_id)).timestamps
    stop = min(len(times), start + 10_000, len(times) if end is None else end)
    return {"start": start, "timestamps": [float(time) for time in times[start:stop]]}


@router.post("/folders", status_code=201)
def new_folder(services: ServicesDep, body: FolderIn) -> dict[str, str]:
    """Start the upload of a folder of images."""
    return {"id": services.library.new_upload(body.name).name.removesuffix(".part")}


@router.put("/folders/{folder_id}/{filename}", status_code=204, openapi_extra=BODY)
async def add_image(request: Request, services: ServicesDep, folder_id: Id, filename: str) -> None:
    """Upload one image of a folder; the body is the file."""
    folder = services.library.upload_folder(folder_id)
    if not re.fullmatch(r"[^\x00-\x1f\\/.][^\x00-\x1f\\/]{0,199}", filename):
        raise MediaError("expected a file name without slashes that does not start with a dot")
    if FilePath(filename).suffix.lower() not in IMAGE_SUFFIXES:
        raise MediaError(f"expected the suffix of an image, got {filename[:80]!r}")
    files = await to_thread.run_sync(lambda: [file.stat().st_size for file in folder.iterdir()])
    if len(files) > services.settings.folder_files:
        raise UploadError(f"expected at most {services.settings.folder_files} images in a folder")
    limit = max(0, services.settings.upload_bytes - sum(files))
    await _write_body(request, folder / short_name(filename), limit)


@router.post("/folders/{folder_id}/close", status_code=201, response_model=MediaOut)
def close_folder(services: ServicesDep, folder_id: Id) -> MediaRow:
    """Finish the upload of a folder: it becomes a media."""
    return services.library.finish_upload(services.library.upload_folder(folder_id))


@router.get("/local")
def local(services: ServicesDep) -> dict[str, list[dict[str, str]]]:
    """List the files of the server that may be opened by path."""
    return {"files": services.library.local()}


@router.post("/local", status_code=201, response_model=MediaOut)
def open_local(services: ServicesDep, body: LocalIn) -> MediaRow:
    """Open a file or folder that `GET /api/local` lists."""
    return services.library.open_local(body.path)


def rounded_width(width: int | None) -> int | None:
    """Round a width up to a multiple of `WIDTH_STEP`."""
    return None if width is None else -(-width // WIDTH_STEP) * WIDTH_STEP


def encoded(pixels: RgbImage, query: ImageIn) -> bytes:
    """Encode an image as a request wants it."""
    return encode_image(pixels, width=rounded_width(query.width), quality=query.quality, image_format=query.format)


def image_response(data: bytes, image_format: str, key: str, cache: str) -> Response:
    """Respond with an image and the headers for caching it."""
    return Response(data, media_type=f"image/{image_format}", headers={"ETag": f'"{key}"', "Cache-Control": cache})


async def _write_body(request: Request, path: FilePath, limit: int) -> None:
    """Write the body of a request to disk; remove the file if it is too large, empty or incomplete."""
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
