"""Media of a studio: uploads streamed to disk, local files that were offered, and frames as pictures for the page."""

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
"""Names that may be uploaded; what is inside decides whether they are taken."""

NAME_FILE = ".name"

NAME_BYTES = 180
"""Of a file name; systems allow 255, and endings and marks of drafts come to it."""

CACHE_BYTES = 32 * 2**20
"""Decoded frames that one open video keeps."""


def open_media(path: str | os.PathLike[str], *, cache_bytes: int = CACHE_BYTES) -> RecordedSource:
    """A video, picture or folder with a small cache; warnings of damaged media are for the page to tell, not for logs.

    Raises:
        MediaError: it cannot be read, or is a live source.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MediaWarning)
        source = open_video(path)
        if isinstance(source, LiveVideo):
            raise MediaError(f"a live source cannot be opened in the studio: {path}")
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
    """A media as it was listed. One that was written anew with as many frames of that size is taken for the same.

    Raises:
        MediaError: it cannot be read, or is another one by now; where it lies is not told.
    """
    with by_name(media):
        source = open_media(media.path, cache_bytes=cache_bytes)
    got, expected = (len(source), *source.size), (media.num_frames, media.height, media.width)
    if got != expected:
        source.close()
        was, found = (f"{count} frames of {width}x{height}" for count, height, width in (expected, got))
        raise MediaError(f"{media.name} is another one by now: expected {was}, got {found}; put the old file back")
    return source


@contextmanager
def by_name(media: MediaRow) -> Iterator[None]:
    """What cannot be read inside is told by the media's name: where it lies is nobody's business."""
    try:
        yield
    except MediaError as error:
        raise MediaError(str(error).replace(media.path, media.name)) from None


def content_key(path: Path) -> str:
    """Changes when the content of a file or folder does: a hash of names, sizes and times.

    Raises:
        MediaError: it is gone.
    """
    try:
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        facts = [f"{file.name} {stat.st_size} {stat.st_mtime_ns}" for file in files for stat in [file.stat()]]
    except OSError as error:
        raise MediaError(f"cannot open {path}: {error.strerror}") from None
    return hashlib.sha256("\n".join([str(path), *facts]).encode("utf-8", "surrogateescape")).hexdigest()[:12]


class Library:
    """Every media of a studio.

    Args:
        store: where they are listed.
        settings: where uploads lie and what may be opened.
    """

    def __init__(self, store: Store, settings: Settings) -> None:
        self.store = store
        self.settings = settings
        self.offered = tuple(path.resolve() for path in settings.offered)
        settings.media.mkdir(parents=True, exist_ok=True)
        for part in settings.media.glob("*.part"):  # what an interrupted upload has left
            shutil.rmtree(part, ignore_errors=True)

    # --- local files ---

    def local(self) -> list[dict[str, str]]:
        """What was offered, and what lies in offered folders."""
        found = []
        for path in self.offered:
            if path.is_dir():
                found += [{"path": str(f), "name": f.name, "kind": "file"} for f in _media_files(path)]
                pictures = any(f.suffix.lower() in IMAGE_SUFFIXES for f in _media_files(path))
                found += [{"path": str(path), "name": path.name, "kind": "folder"}] if pictures else []
            elif path.exists():
                found.append({"path": str(path), "name": path.name, "kind": "file"})
        return [entry for entry in found if is_utf8(entry["path"])]

    def open_local(self, path: str) -> MediaRow:
        """A file or folder that was offered, listed once for each content.

        Raises:
            NotFoundError: nobody offered it.
            MediaError: it cannot be read.
        """
        if path not in {entry["path"] for entry in self.local()}:
            raise NotFoundError("this path was not offered when the studio was started")
        place = Path(path).resolve()
        if not any(place == offer or offer in place.parents for offer in self.offered):
            raise NotFoundError("this path leads out of the folder that was offered")
        return self.listed(place, place.name)

    def listed(self, place: Path, name: str) -> MediaRow:
        """A media of this machine that nobody had to offer, listed once for each content.

        Raises:
            MediaError: it cannot be read.
        """
        known = self.store.media_at(str(place), content_key(place))
        return known or self._list(place, name, uploaded=False)

    # --- uploads ---

    def new_upload(self, name: str) -> Path:
        """A new folder under a temporary name, to write an upload into; it remembers what the upload is called.

        Raises:
            OutputError: it cannot be made.
        """
        part = self.settings.media / f"{new_id()}.part"
        with output_errors(part):
            part.mkdir()
            (part / NAME_FILE).write_text(name, encoding="utf-8")
        return part

    def upload_folder(self, folder_id: str) -> Path:
        """The folder of an upload that goes on; `NotFoundError` if there is none."""
        path = self.settings.media / f"{folder_id}.part"
        if not path.is_dir():
            raise NotFoundError(f"there is no upload {folder_id}")
        return path

    def finish_upload(self, part: Path, file: str | None = None) -> MediaRow:
        """List an upload that is complete, or remove it; ``file`` is the only one, None for a folder of pictures.

        Raises:
            MediaError: it is no video, picture or folder of pictures.
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
            if isinstance(error, MediaError):  # where uploads lie is nobody's business
                raise MediaError(str(error).replace(f"{folder}{os.sep}", "").replace(str(folder), name)) from None
            raise

    def remove(self, media_id: str) -> None:
        """Forget a media; an upload's files go with it. `ConflictError` while a project uses it."""
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
    """The suffix of an upload's name, if it is one of `SUFFIXES`; `MediaError` if not."""
    suffix = Path(name).suffix.lower()
    if suffix not in SUFFIXES:
        raise MediaError(f"expected a video or picture by its name ({', '.join(SUFFIXES[:6])}, ...), got {name[:80]!r}")
    return suffix


def safe_name(name: str) -> str:
    """A file name without anything that a path or a shell could take for something else."""
    known = re.sub(r"[^\w. -]+", "_", name).strip(" .").encode("utf-8", "replace")[:NAME_BYTES]
    return known.decode("utf-8", "ignore").rstrip(" .") or "file"


def image_name(name: str) -> str:
    """The name under which a picture of a folder is kept; of a long one the end, which tells its place among others."""
    path = Path(name)
    if len(name.encode("utf-8", "replace")) <= NAME_BYTES:
        return name
    end = path.stem.encode("utf-8", "replace")[-NAME_BYTES // 2 :].decode("utf-8", "ignore")
    return f"{end}-{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:12]}{path.suffix}"


def is_utf8(path: str) -> bool:
    """Whether a path of this machine can be written down and shown: names may be any bytes."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse_text(path: Path, name: str) -> None:
    """A text is no video: a playlist would make the decoder open other files of this machine."""
    with path.open("rb") as file:
        head = file.read(1024)
    if (
        head
        and not set(head) - set(range(32, 127)) - set(b"\t\r\n\f\x1b")
        and not head.startswith((b"P1", b"P2", b"P3"))
    ):
        raise MediaError(f"{name[:80]} is a text, not a video or a picture")


def _media_files(folder: Path) -> list[Path]:
    try:
        files = sorted(folder.iterdir())
    except OSError:
        return []
    return [file for file in files if file.suffix.lower() in SUFFIXES and file.is_file() and file.name[0] != "."]
