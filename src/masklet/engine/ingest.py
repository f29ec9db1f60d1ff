"""What comes into a project: media, known by their content; objects to be annotated; known answers."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy import select

from masklet.engine.records import Media, Split, TaskKind, TaskState, Work
from masklet.engine.store import Store, media_row
from masklet.engine.tables import MediaRow
from masklet.engine.transactions import Change, add_prompts, new_object_id, new_task, prepare
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
"""What is taken from a folder for a video by its name; a file that is named itself may be called anything."""

BLOCK = 2**20


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What holds for media that are added together.

    Attributes:
        license: under which they may be passed on, or "".
        split: the part of the data set they belong to, or None for by content (`split_of`).
        val_share, test_share: as shares of all, 0 to 1 together; the rest is for training.
        objects: so many tasks to pick and annotate an object are opened for each.
        priority: of these tasks.
    """

    license: str = ""
    split: Split | None = None
    val_share: float = 0.1
    test_share: float = 0.0
    objects: int = 0
    priority: int = 0

    def __post_init__(self) -> None:
        if min(self.val_share, self.test_share) < 0 or self.val_share + self.test_share > 1:
            got = f"{self.val_share:g} for val and {self.test_share:g} for test"
            raise FormatError(f"expected shares from 0 to 1 together, got {got}")


@dataclass
class Intake:
    """What became of media that were to be added.

    Attributes:
        added: those that are new.
        known: path -> name of the media of that content, which was there already.
        failed: path -> why it was not added.
        tasks: opened for the new ones.
    """

    added: list[Media] = field(default_factory=list)
    known: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    tasks: int = 0


def add_media(
    store: Store,
    paths: Iterable[Path],
    terms: Terms | None = None,
    *,
    progress: Callable[[Path], None] | None = None,
) -> Intake:
    """Add videos and folders of pictures, each in a transaction of its own; what cannot be read is named, no more.

    A damaged or half-copied video is not added: people would annotate what is not the video. Add it again when it is
    whole.

    Args:
        store: of the project.
        paths: videos and folders of pictures; see `find_media`.
        terms: what holds for all of them.
        progress: called after each.

    Raises:
        OutputError: the store is lost; what was added until then stays.
    """
    intake, given = Intake(), terms or Terms()
    for path in paths:
        try:
            media = read_media(path, given)
        except MediaError as error:
            intake.failed[_shown(path)] = str(error)
        else:
            with store.change() as change:
                add(change, media, given, intake)
        if progress is not None:
            progress(path)
    return intake


def add(change: Change, media: Media, terms: Terms, intake: Intake) -> None:
    """Add one media in a transaction, and say so."""
    known = change.session.scalar(select(MediaRow).where(MediaRow.content == media.content))
    if known is not None:
        intake.known[media.path] = known.name
        return
    if change.session.scalar(select(MediaRow.id).where(MediaRow.name == media.name)) is not None:
        media = replace(media, name=f"{media.name}-{media.content[:8]}")
    height, width = media.size
    row = MediaRow(content=media.content, name=media.name, path=media.path, num_bytes=media.num_bytes)
    row.num_frames, row.fps, row.height, row.width = media.num_frames, media.fps, height, width
    row.license, row.split, row.last_object = media.license, media.split, 0
    change.session.add(row)
    change.session.flush()
    change.count("store", media=1)
    open_objects(change, row, terms.objects, priority=terms.priority)
    intake.added.append(media)
    intake.tasks += terms.objects


def open_objects(change: Change, media: MediaRow, count: int, *, priority: int = 0) -> None:
    """Tasks to pick and annotate an object of a media each."""
    for _ in range(count):
        number = new_object_id(change.session, media.id)
        change.create_task(new_task(media, TaskKind.OBJECT, TaskState.SELECT, number, priority=priority), "")


def ask_for_objects(store: Store, content: str, count: int, *, priority: int = 0) -> None:
    """Open tasks to pick and annotate further objects of a media.

    Raises:
        MediaError: there is no media of that content.
    """
    with store.change() as change:
        open_objects(change, media_row(change.session, content), count, priority=priority)


def add_gold(store: Store, content: str, known: Masklet, prompts: Mapping[int, Prompts]) -> int:
    """Keep a known answer, to be mixed in among the tasks (`masklet.engine.tasks.QueueSettings.gold_every`).

    Args:
        store: of the project.
        content: hash of the media.
        known: the answer.
        prompts: frame -> what shows an annotator which object is meant.

    Returns:
        the id of the task that holds it.

    Raises:
        MediaError: there is no media of that content.
        FormatError: the answer does not fit it.
    """
    made = prepare(known, store.media(content))
    with store.change() as change:
        media = media_row(change.session, content)
        row = new_task(media, TaskKind.GOLD, TaskState.DONE, new_object_id(change.session, media.id))
        row.name = known.name
        add_prompts(row, prompts)
        change.create_task(row, "")
        change.add_version(row, made, Work(author="", phase="3"))
        return row.id


def find_media(paths: Iterable[Path]) -> list[Path]:
    """Videos and folders of pictures at and below some paths, in order.

    Raises:
        MediaError: a path that is not there.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise MediaError(f"cannot open {path}: no such file or folder")
        found += _below(path.resolve(), set()) if path.is_dir() else [path.resolve()]
    return list(dict.fromkeys(found))


def _below(folder: Path, seen: set[Path]) -> list[Path]:
    """In a folder; those that were ``seen`` are not entered again, because links may lead back."""
    place = folder.resolve()
    if place in seen:
        return []
    seen.add(place)
    inside = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    if any(path.suffix.lower() in IMAGE_SUFFIXES for path in inside):
        return [folder]
    videos = [path for path in inside if path.is_file() and path.suffix.lower() in VIDEO_SUFFIXES]
    return videos + [media for path in inside if path.is_dir() for media in _below(path, seen)]


def read_media(path: Path, terms: Terms) -> Media:
    """What is to be known of a video or folder of pictures.

    Raises:
        MediaError: it cannot be read to its end, or its name cannot be written down.
    """
    if _shown(path) != str(path):
        raise MediaError(f"expected a name in UTF-8: rename {_shown(path)}")
    content, num_bytes = fingerprint(path)
    with opened(path) as source:
        num_frames, fps, size = len(source), source.fps, source.size
    return Media(
        content=content,
        name=path.stem if path.is_file() else path.name,
        path=str(path),
        num_bytes=num_bytes,
        num_frames=num_frames,
        fps=fps,
        size=size,
        license=terms.license,
        split=terms.split or split_of(content, val=terms.val_share, test=terms.test_share),
    )


def _shown(path: Path) -> str:
    """A path that can be printed and kept, whatever its bytes are."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def split_of(content: str, *, val: float, test: float) -> Split:
    """The split of a media by the hash of its content, so that it is the same wherever and whenever it is added.

    What goes to val with some shares stays there when ``test`` shrinks or ``val`` grows, and the other way round.

    Args:
        content: at least 8 hexadecimal digits that are spread evenly.
        val: share of all media.
        test: share of all media; together at most 1.
    """
    place = int(content[:8], 16) / 2**32
    return "val" if place < val else "test" if place >= 1 - test else "train"


def opened(path: Path) -> RecordedSource:
    """A video or folder of pictures, open.

    Raises:
        MediaError: it cannot be read to its end, has no frames, or is live.
    """
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", MediaWarning)
        try:
            source = open_video(path)
            if isinstance(source, LiveVideo):
                raise MediaError(f"a live source cannot be annotated: {path}")
            try:
                if not len(source):
                    raise MediaError(f"no frames in {path}")
                source[len(source) - 1]
                if told and isinstance(source, VideoFile):
                    raise MediaError(f"expected a whole video: {told[0].message}")
            except BaseException:
                source.close()
                raise
        except MediaError:
            raise
        except MaskletError as error:  # a library that is missing for this kind of media
            raise MediaError(str(error)) from None
    return source


def open_known(media: Media) -> RecordedSource:
    """The frames of a media.

    Raises:
        MediaError: it is gone, or is not as it was when it was added.
    """
    path = Path(media.path)
    if not path.exists():
        raise MediaError(f"{media.name} is not at {path} any more")
    source = opened(path)
    if len(source) != media.num_frames or source.size != media.size:
        source.close()
        raise MediaError(f"{path} has changed since it was added as {media.name}")
    return source


def fingerprint(path: Path) -> tuple[str, int]:
    """Hash and length of a file's bytes, or of all files of a folder with their names; names begin no dot.

    Raises:
        MediaError: it cannot be read.
    """
    hashed, num_bytes = hashlib.blake2b(digest_size=16), 0
    try:
        files = sorted(p for p in path.iterdir() if p.is_file() and p.name[0] != ".") if path.is_dir() else [path]
        for file in files:
            if path.is_dir():
                hashed.update(os.fsencode(file.name) + b"\0" + file.stat().st_size.to_bytes(8, "little"))
            with file.open("rb") as stream:
                while block := stream.read(BLOCK):
                    hashed.update(block)
                    num_bytes += len(block)
    except OSError as error:
        raise MediaError(f"cannot open {path}: {error.strerror}") from None
    return hashed.hexdigest(), num_bytes
