"""The media of a studio: uploads streamed to disk, and files of this machine that were offered at the start."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from masklet.errors import MediaError
from masklet.io import ImageFile, LiveVideo, MediaWarning, RecordedSource, VideoFile, open_video
from masklet.io.atomic import output_errors
from masklet.io.images import IMAGE_SUFFIXES
from masklet.studio.errors import NotFoundError
from masklet.studio.settings import Settings
from masklet.studio.store import Store, new_id, now
from masklet.studio.tables import MediaRow

VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".m2ts", ".mts", ".ts", ".wmv", ".flv"),
    *(".ogv", ".3gp", ".mxf", ".mjpeg", ".y4m", ".gif", ".webp"),
)
SUFFIXES = tuple(sorted({*VIDEO_SUFFIXES, *IMAGE_SUFFIXES}))
"""Suffixes that may be uploaded; whether a file is accepted depends on its content."""

NAME_FILE = ".name"
"""Holds the name of an upload in progress."""

MAX_NAME_BYTES = 180
"""Of a file name; file systems allow 255, and suffixes and marks of temporary files are added to it."""

CACHE_BYTES = 32 * 2**20
"""Decoded frames that one open video keeps."""


def open_media(path: str | os.PathLike[str], *, cache_bytes: int = CACHE_BYTES) -> RecordedSource:
    """Open a video, image or folder of images with a small cache; warnings about damaged media are suppressed.

    Raises:
        MediaError: the media cannot be read, has no frames, or is a live source.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MediaWarning)
        source = open_video(path)
        if isinstance(source, LiveVideo):
            raise MediaError(f"cannot open a live source in the studio: {path}")
        if isinstance(source, VideoFile):
            source.close()
            source = VideoFile(path, cache_bytes=cache_bytes)
        try:
            if not len(source):
                raise MediaError(f"no frames in {path}")
        except BaseException:
            source.close()
            raise
    return source


def open_listed(media: MediaRow, *, cache_bytes: int = CACHE_BYTES) -> RecordedSource:
    """Open a media; a rewritten file with as many frames of the same size passes for the same.

    Raises:
        MediaError: the file cannot be read, or another one has taken its place. The message hides the path.
    """
    with hide_path(media):
        source = open_media(media.path, cache_bytes=cache_bytes)
    got, expected = (len(source), *source.size), (media.num_frames, media.height, media.width)
    if got != expected:
        source.close()
        expects, found = (f"{count} frames of {width}x{height}" for count, height, width in (expected, got))
        raise MediaError(f"{media.name} was replaced: expected {expects}, got {found}; restore the original file")
    return source


@contextmanager
def hide_path(media: MediaRow) -> Iterator[None]:
    """Replace the path of a media by its name in errors raised inside: clients must not learn paths."""
    try:
        yield
    except MediaError as error:
        raise MediaError(str(error).replace(media.path, media.name)) from None


def content_key(path: Path) -> str:
    """Return a key that changes with the content of a file or folder: a hash of names, sizes and times.

    Raises:
        MediaError: the path does not exist.
    """
    try:
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        facts = [f"{file.name} {stat.st_size} {stat.st_mtime_ns}" for file in files for stat in [file.stat()]]
    except OSError as error:
        raise MediaError(f"cannot open {path}: {error.strerror}") from None
    return hashlib.sha256("\n".join([str(path), *facts]).encode("utf-8", "surrogateescape")).hexdigest()[:12]


class Library:
    """Lists, uploads, opens and removes media."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.store = store
        self.settings = settings
        self.offered = tuple(path.resolve() for path in settings.offered)
        settings.media.mkdir(parents=True, exist_ok=True)
        for part in settings.media.glob("*.part"):  # of interrupted uploads
            shutil.rmtree(part, ignore_errors=True)

    # --- local files ---

    def local(self) -> list[dict[str, str]]:
        """List the offered files and the media files in offered folders."""
        found = []
        for path in self.offered:
            if path.is_dir():
                files = _media_files(path)
                found += [{"path": str(file), "name": file.name, "kind": "file"} for file in files]
                if any(file.suffix.lower() in IMAGE_SUFFIXES for file in files):
                    found.append({"path": str(path), "name": path.name, "kind": "folder"})
            elif path.exists():
                found.append({"path": str(path), "name": path.name, "kind": "file"})
        return [entry for entry in found if is_utf8(entry["path"])]

    def open_local(self, path: str) -> MediaRow:
        """List an offered file or folder as a media, once per content.

        Raises:
            NotFoundError: the path was not offered.
            MediaError: the file cannot be read.
        """
        if path not in {entry["path"] for entry in self.local()}:
            raise NotFoundError("this path was not offered when the studio was started")
        target = Path(path).resolve()
        if not any(target == offered or offered in target.parents for offered in self.offered):
            raise NotFoundError("this path leads out of the offered folder")
        return self.listed(target, target.name)

    def listed(self, path: Path, name: str) -> MediaRow:
        """List any file or folder of this machine as a media, once per content.

        Raises:
            MediaError: the file cannot be read.
        """
        known = self.store.media_at(str(path), content_key(path))
        return known or self._list(path, name, uploaded=False)

    # --- uploads ---

    def new_upload(self, name: str) -> Path:
        """Make a temporary folder for an upload and store the name of the upload in it.

        Raises:
            OutputError: the folder cannot be made.
        """
        part = self.settings.media / f"{new_id()}.part"
        with output_errors(part):
            part.mkdir()
            (part / NAME_FILE).write_text(name, encoding="utf-8")
        return part

    def upload_folder(self, upload_id: str) -> Path:
        """Return the temporary folder of an upload; raise `NotFoundError` if there is none of that id."""
        path = self.settings.media / f"{upload_id}.part"
        if not path.is_dir():
            raise NotFoundError(f"there is no upload {upload_id}")
        return path

    def finish_upload(self, part: Path, file: str | None = None) -> MediaRow:
        """List a complete upload as a media, or remove it if it is none.

        Args:
            file: the uploaded file, None for a folder of images.

        Raises:
            MediaError: the content is no video, image or folder of images.
        """
        folder = part.with_suffix("")
        name = (part / NAME_FILE).read_text(encoding="utf-8")
        try:
            if file is not None:
                _refuse_text(part / file, name)
            (part / NAME_FILE).unlink()
            part.replace(folder)
            return self._list(folder if file is None else folder / file, name, uploaded=True)
        except BaseException as error:
            shutil.rmtree(part, ignore_errors=True)
            shutil.rmtree(folder, ignore_errors=True)
            if isinstance(error, MediaError):  # clients must not learn the path
                raise MediaError(str(error).replace(f"{folder}{os.sep}", "").replace(str(folder), name)) from None
            raise

    def remove(self, media_id: str) -> None:
        """Remove a media and, if it was uploaded, its files; raise `ConflictError` while a project uses it."""
        row = self.store.remove_media(media_id)
        if row.uploaded:
            path = Path(row.path)
            shutil.rmtree(path if row.kind == "folder" else path.parent, ignore_errors=True)

    def _list(self, path: Path, name: str, *, uploaded: bool) -> MediaRow:
        with open_media(path) as source:
            height, width = source.size
            still = isinstance(source, ImageFile) and len(source) == 1
            row = MediaRow(
                id=new_id(),
                name=name[:200],
                kind="folder" if path.is_dir() else "image" if still else "video",
                path=str(path),
                width=width,
                height=height,
                num_frames=len(source),
                fps=source.fps,
                version=content_key(path),
                uploaded=uploaded,
                created=now(),
            )
        self.store.add_media(row)
        return row


def upload_suffix(name: str) -> str:
    """Return the suffix of an upload's name; raise `MediaError` if it is none of `SUFFIXES`."""
    suffix = Path(name).suffix.lower()
    if suffix not in SUFFIXES:
        raise MediaError(f"expected a video or image with a suffix like {', '.join(SUFFIXES[:6])}, got {name[:80]!r}")
    return suffix


def safe_name(name: str) -> str:
    """Return a file name without characters that mean something to a path or a shell."""
    safe = re.sub(r"[^\w. -]+", "_", name).strip(" .").encode("utf-8", "replace")[:MAX_NAME_BYTES]
    return safe.decode("utf-8", "ignore").rstrip(" .") or "file"


def short_name(name: str) -> str:
    """Return the name under which an image of a folder is stored: of a long one the end, which gives its order."""
    path = Path(name)
    if len(name.encode("utf-8", "replace")) <= MAX_NAME_BYTES:
        return name
    end = path.stem.encode("utf-8", "replace")[-MAX_NAME_BYTES // 2 :].decode("utf-8", "ignore")
    return f"{end}-{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:12]}{path.suffix}"


def is_utf8(path: str) -> bool:
    """Whether a path can be encoded as UTF-8; file names of some systems may be any bytes."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse_text(path: Path, name: str) -> None:
    """Raise `MediaError` for a text file: a playlist would make the decoder open other files of this machine."""
    with path.open("rb") as file:
        head = file.read(1024)
    is_text = not set(head) - set(range(32, 127)) - set(b"\t\r\n\f\x1b")
    if head and is_text and not head.startswith((b"P1", b"P2", b"P3")):
        raise MediaError(f"{name[:80]} is a text file, not a video or an image")


def _media_files(folder: Path) -> list[Path]:
    try:
        files = sorted(folder.iterdir())
    except OSError:
        return []
    return [file for file in files if file.suffix.lower() in SUFFIXES and file.is_file() and file.name[0] != "."]
