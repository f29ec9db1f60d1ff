"""Adding media to a project: videos and image folders, identified by their content; their tasks; known answers."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from sqlalchemy import select

from masklet.engine.records import Media, Split, TaskKind, TaskState, Work
from masklet.engine.store import Store, media_row
from masklet.engine.tables import MediaRow
from masklet.engine.transactions import Change, new_object_id, new_task, prepare_masklet
from masklet.errors import FormatError, MaskletError, MediaError
from masklet.io import LiveVideo, MediaWarning, RecordedSource, VideoFile, open_video
from masklet.io.images import IMAGE_SUFFIXES
from masklet.types import Masklet, Prompts

VIDEO_SUFFIXES = frozenset(
    (
        *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".m2ts", ".mts", ".ts", ".wmv", ".flv"),
        *(".ogv", ".3gp", ".mxf", ".mjpeg", ".y4m", ".gif"),
    )
)
"""Suffixes of the files in a folder that count as videos; a file named explicitly may have any name."""

BLOCK_BYTES = 2**20


@dataclass(frozen=True, kw_only=True)
class IngestSettings:
    """Settings for media that are added together.

    Attributes:
        license: license of the media, or "".
        split: part of the data set; None decides by the content (`split_of`).
        val_share, test_share: shares of the media for validation and test, at most 1; the rest is for training.
        objects: number of tasks to create per media, each to select and annotate one object.
        priority: priority of these tasks.
    """

    license: str = ""
    split: Split | None = None
    val_share: float = 0.1
    test_share: float = 0.0
    objects: int = 0
    priority: int = 0

    def __post_init__(self) -> None:
        if min(self.val_share, self.test_share) < 0 or self.val_share + self.test_share > 1:
            raise FormatError(
                f"expected shares from 0 to 1 that add up to at most 1, got {self.val_share:g} for val and "
                f"{self.test_share:g} for test"
            )


@dataclass
class IngestReport:
    """The outcome of `add_media`.

    Attributes:
        added: new media.
        known: path -> name of the media with the same content that was added before.
        failed: path -> why it was not added.
        tasks: number of tasks created.
    """

    added: list[Media] = field(default_factory=list)
    known: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    tasks: int = 0


def add_media(
    store: Store,
    paths: Iterable[Path],
    settings: IngestSettings | None = None,
    *,
    progress: Callable[[Path], None] | None = None,
) -> IngestReport:
    """Add videos and image folders, each in its own transaction; unreadable ones are reported, not raised.

    A damaged or incompletely copied video is not added, because its annotations would not fit the complete video.

    Args:
        store: store of the project.
        paths: videos and image folders, as `find_media` returns them.
        settings: settings for all of them.
        progress: called after each.

    Raises:
        OutputError: the database failed; the media added before stay.
    """
    report, settings = IngestReport(), settings or IngestSettings()
    for path in paths:
        try:
            media = read_media(path, settings)
        except MediaError as error:
            report.failed[_printable(path)] = str(error)
        else:
            with store.change() as change:
                insert_media(change, media, settings, report)
        if progress is not None:
            progress(path)
    return report


def insert_media(change: Change, media: Media, settings: IngestSettings, report: IngestReport) -> None:
    """Insert one media and its tasks in a transaction and record the outcome in the report."""
    known = change.session.scalar(select(MediaRow).where(MediaRow.content == media.content))
    if known is not None:
        report.known[media.path] = known.name
        return
    if change.session.scalar(select(MediaRow.id).where(MediaRow.name == media.name)) is not None:
        media = replace(media, name=f"{media.name}-{media.content[:8]}")
    values = asdict(media)
    height, width = values.pop("size")
    row = MediaRow(height=height, width=width, **values)
    change.session.add(row)
    change.session.flush()
    change.count("store", media=1)
    _create_object_tasks(change, row, settings.objects, settings.priority)
    report.added.append(media)
    report.tasks += settings.objects


def add_object_tasks(store: Store, content: str, count: int, *, priority: int = 0) -> None:
    """Create further tasks to select and annotate an object of a media.

    Raises:
        MediaError: there is no media with that content hash.
    """
    with store.change() as change:
        _create_object_tasks(change, media_row(change.session, content), count, priority)


def _create_object_tasks(change: Change, media: MediaRow, count: int, priority: int) -> None:
    for _ in range(count):
        object_id = new_object_id(change.session, media.id)
        change.create_task(new_task(media, TaskKind.OBJECT, TaskState.SELECT, object_id, priority=priority), "")


def add_gold(store: Store, content: str, known: Masklet, prompts: Mapping[int, Prompts]) -> int:
    """Store a known answer, from which gold tasks are created (`masklet.engine.tasks.QueueSettings.gold_every`).

    Args:
        store: store of the project.
        content: content hash of the media.
        known: the known answer.
        prompts: frame -> prompts that show an annotator which object is meant.

    Returns:
        The id of the task that holds the answer.

    Raises:
        MediaError: there is no media with that content hash.
        FormatError: the answer does not fit the media.
    """
    prepared = prepare_masklet(known, store.media(content))
    with store.change() as change:
        media = media_row(change.session, content)
        row = new_task(media, TaskKind.GOLD, TaskState.DONE, new_object_id(change.session, media.id))
        row.name, row.prompts = known.name, prompts
        change.create_task(row, "")
        change.add_version(row, prepared, Work(author="", phase="3"))
        return row.id


def find_media(paths: Iterable[Path]) -> list[Path]:
    """Find videos and image folders at and below some paths, in order, without duplicates.

    Raises:
        MediaError: a path does not exist.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise MediaError(f"cannot open {path}: no such file or folder")
        found += _find_below(path.resolve(), set()) if path.is_dir() else [path.resolve()]
    return list(dict.fromkeys(found))


def _find_below(folder: Path, seen: set[Path]) -> list[Path]:
    """Search a folder; folders in ``seen`` are skipped, because links may form cycles."""
    target = folder.resolve()
    if target in seen:
        return []
    seen.add(target)
    inside = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    if any(path.suffix.lower() in IMAGE_SUFFIXES for path in inside):
        return [folder]
    videos = [path for path in inside if path.is_file() and path.suffix.lower() in VIDEO_SUFFIXES]
    return videos + [media for path in inside if path.is_dir() for media in _find_below(path, seen)]


def read_media(path: Path, settings: IngestSettings) -> Media:
    """Read the properties of a video or image folder.

    Raises:
        MediaError: it cannot be read to its end, or its name is not valid UTF-8.
    """
    if _printable(path) != str(path):
        raise MediaError(f"expected a name in UTF-8: rename {_printable(path)}")
    content, num_bytes = fingerprint(path)
    with open_complete(path) as source:
        num_frames, fps, size = len(source), source.fps, source.size
    return Media(
        content=content,
        name=path.stem if path.is_file() else path.name,
        path=str(path),
        num_bytes=num_bytes,
        num_frames=num_frames,
        fps=fps,
        size=size,
        license=settings.license,
        split=settings.split or split_of(content, val=settings.val_share, test=settings.test_share),
    )


def _printable(path: Path) -> str:
    """Return a path as text, with bytes that are not UTF-8 escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def split_of(content: str, *, val: float, test: float) -> Split:
    """Return the split of a media by its content hash: the same wherever and whenever it is added.

    Media assigned to val stay there when ``val`` grows or ``test`` shrinks, and vice versa.

    Args:
        content: at least 8 hexadecimal digits, uniformly distributed.
        val: share of all media.
        test: share of all media; together at most 1.
    """
    position = int(content[:8], 16) / 2**32
    return "val" if position < val else "test" if position >= 1 - test else "train"


def open_complete(path: Path) -> RecordedSource:
    """Open a video or image folder and check that its last frame can be read.

    Raises:
        MediaError: it cannot be read to its end, has no frames, or is live.
    """
    with warnings.catch_warnings(record=True) as caught, ExitStack() as stack:
        warnings.simplefilter("always", MediaWarning)
        try:
            source = open_video(path)
            stack.callback(source.close)
            if isinstance(source, LiveVideo):
                raise MediaError(f"a live source cannot be annotated: {path}")
            if not len(source):
                raise MediaError(f"no frames in {path}")
            source[len(source) - 1]
            if caught and isinstance(source, VideoFile):
                raise MediaError(f"expected a complete video: {caught[0].message}")
        except MediaError:
            raise
        except MaskletError as error:  # this kind of media needs an optional library
            raise MediaError(str(error)) from None
        stack.pop_all()
    return source


def open_media(media: Media) -> RecordedSource:
    """Open the frames of a media.

    Raises:
        MediaError: the file is missing, or its number or size of frames has changed since it was added.
    """
    path = Path(media.path)
    if not path.exists():
        raise MediaError(f"{media.name} is no longer at {path}")
    source = open_complete(path)
    if len(source) != media.num_frames or source.size != media.size:
        source.close()
        raise MediaError(f"{path} has changed since it was added as {media.name}")
    return source


def fingerprint(path: Path) -> tuple[str, int]:
    """Hash the bytes of a file, or of all files of a folder with their names except hidden ones.

    Returns:
        32 hexadecimal digits, and the number of bytes.

    Raises:
        MediaError: the file or folder cannot be read.
    """
    digest, num_bytes = hashlib.blake2b(digest_size=16), 0
    try:
        files = sorted(p for p in path.iterdir() if p.is_file() and p.name[0] != ".") if path.is_dir() else [path]
        for file in files:
            if path.is_dir():
                digest.update(os.fsencode(file.name) + b"\0" + file.stat().st_size.to_bytes(8, "little"))
            with file.open("rb") as stream:
                while block := stream.read(BLOCK_BYTES):
                    digest.update(block)
                    num_bytes += len(block)
    except OSError as error:
        raise MediaError(f"cannot open {path}: {error.strerror}") from None
    return digest.hexdigest(), num_bytes
