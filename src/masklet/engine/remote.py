"""Downloading media that fsspec reaches (s3://, gs://, http:// and more); downloads are written atomically."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import fsspec

from masklet.engine.ingest import VIDEO_SUFFIXES
from masklet.errors import MediaError
from masklet.io.atomic import AtomicOutput, output_errors


@dataclass
class Fetched:
    """The outcome of `fetch`.

    Attributes:
        paths: the local files, including those downloaded before.
        failed: URL -> why it could not be downloaded.
    """

    paths: list[Path] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def is_url(place: str) -> bool:
    """Return whether a place is a URL rather than a path."""
    return "://" in place


def find_remote(urls: Iterable[str]) -> list[str]:
    """Find videos at and below some URLs, in order, without duplicates; ``*`` and ``**`` are wildcards.

    Raises:
        MediaError: there is no video, or the URL cannot be listed (a library, credentials or the network is missing).
    """
    found: list[str] = []
    for url in urls:
        with _media_errors(url):
            found += _list_videos(url)
    return list(dict.fromkeys(found))


def fetch(urls: Iterable[str], folder: Path, *, progress: Callable[[str], None] | None = None) -> Fetched:
    """Download files into a folder, into subfolders named after their URLs; complete files are not downloaded again.

    Args:
        urls: URLs of files, from `find_remote`.
        folder: destination; created if it does not exist.
        progress: called after each file.

    Raises:
        OutputError: the folder cannot be written.
    """
    fetched = Fetched()
    for url in urls:
        try:
            fetched.paths.append(_fetch(url, folder))
        except MediaError as error:
            fetched.failed[url] = str(error)
        if progress is not None:
            progress(url)
    return fetched


def _fetch(url: str, folder: Path) -> Path:
    protocol, _, rest = url.partition("://")
    parts = [part.replace(":", "_") for part in PurePosixPath(rest.partition("?")[0]).parts if part not in ("/", "..")]
    path = folder.joinpath(protocol, *parts)
    with _media_errors(url):
        system, name = fsspec.core.url_to_fs(url)
        size = system.info(name).get("size")
    if size is not None and path.is_file() and path.stat().st_size == size:
        return path
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    draft = AtomicOutput(path)
    try:
        with _media_errors(url):
            system.get_file(name, str(draft.path))
        got = draft.path.stat().st_size
        if size is not None and got != size:
            raise MediaError(f"expected {size} bytes of {url}, got {got}")
        draft.commit()
    finally:
        draft.discard()
    return path


def _list_videos(url: str) -> Iterator[str]:
    system, name = fsspec.core.url_to_fs(url)
    if "*" in name:
        names = [path for path in system.glob(name) if not system.isdir(path)]
    elif system.isdir(name) and not system.isfile(name):
        names = system.find(name)
    else:
        yield url
        return
    videos = [path for path in sorted(names) if PurePosixPath(path).suffix.lower() in VIDEO_SUFFIXES]
    if not videos:
        raise MediaError(f"there is no video at {url}")
    yield from (system.unstrip_protocol(path) for path in videos)


@contextmanager
def _media_errors(url: str) -> Iterator[None]:
    """Convert any error of a storage library to one `MediaError` that names the URL."""
    try:
        yield
    except MediaError:
        raise
    except Exception as error:  # every storage library has its own errors
        reason = str(error).strip().splitlines()
        raise MediaError(f"cannot open {url}: {reason[0] if reason else type(error).__name__}") from error
