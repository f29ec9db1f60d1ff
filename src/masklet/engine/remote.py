"""Media that are elsewhere: what fsspec reaches (s3://, gs://, http:// and more) is fetched, whole or not at all."""

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
    """What became of media that were to be fetched.

    Attributes:
        paths: where they are now; those that were there already, too.
        failed: URL -> why it could not be fetched.
    """

    paths: list[Path] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def is_url(place: str) -> bool:
    """Whether a place is an address rather than a path."""
    return "://" in place


def find_remote(urls: Iterable[str]) -> list[str]:
    """Videos at and below some addresses, in order; ``*`` and ``**`` stand for names and folders.

    Raises:
        MediaError: nothing is there, or it cannot be asked (a library, a key or the network is missing).
    """
    found: list[str] = []
    for url in urls:
        with _telling(url):
            found += _below(url)
    return list(dict.fromkeys(found))


def fetch(urls: Iterable[str], folder: Path, *, progress: Callable[[str], None] | None = None) -> Fetched:
    """Fetch files into a folder, under their address; one that is there with the right length is not fetched again.

    Args:
        urls: of files, from `find_remote`.
        folder: where they go; made if it is not there.
        progress: called after each.

    Raises:
        OutputError: the folder cannot be written.
    """
    told = Fetched()
    for url in urls:
        try:
            told.paths.append(_fetch(url, folder))
        except MediaError as error:
            told.failed[url] = str(error)
        if progress is not None:
            progress(url)
    return told


def _fetch(url: str, folder: Path) -> Path:
    protocol, _, rest = url.partition("://")
    parts = [part.replace(":", "_") for part in PurePosixPath(rest.partition("?")[0]).parts if part not in ("/", "..")]
    path = folder.joinpath(protocol, *parts)
    with _telling(url):
        system, name = fsspec.core.url_to_fs(url)
        size = system.info(name).get("size")
    if size is not None and path.is_file() and path.stat().st_size == size:
        return path
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    draft = AtomicOutput(path)
    try:
        with _telling(url):
            system.get_file(name, str(draft.path))
        got = draft.path.stat().st_size
        if size is not None and got != size:
            raise MediaError(f"expected {size} bytes of {url}, got {got}")
        draft.commit()
    finally:
        draft.discard()
    return path


def _below(url: str) -> Iterator[str]:
    system, name = fsspec.core.url_to_fs(url)
    if "*" in name:
        names = [each for each in system.glob(name) if not system.isdir(each)]
    elif system.isdir(name) and not system.isfile(name):
        names = system.find(name)
    else:
        yield url
        return
    videos = [each for each in sorted(names) if PurePosixPath(each).suffix.lower() in VIDEO_SUFFIXES]
    if not videos:
        raise MediaError(f"there is no video at {url}")
    yield from (system.unstrip_protocol(each) for each in videos)


@contextmanager
def _telling(url: str) -> Iterator[None]:
    """Whatever a store's library raises becomes one `MediaError` about the address."""
    try:
        yield
    except MediaError:
        raise
    except Exception as error:  # each library has errors of its own
        reason = str(error).strip().splitlines()
        raise MediaError(f"cannot open {url}: {reason[0] if reason else type(error).__name__}") from error
