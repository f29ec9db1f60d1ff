"""A set that was read into a project: its videos become media, its masklets tasks, each set once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from masklet.engine.dataset_import import Imported, ImportedVideo
from masklet.engine.ingest import Intake, Terms, add, read_media
from masklet.engine.records import TaskKind, TaskState, Work
from masklet.engine.store import Store, media_row
from masklet.engine.tables import ProposalRow
from masklet.engine.transactions import new_object_id, new_task, prepare
from masklet.errors import MaskletError


@dataclass
class TakenIn:
    """What became of a set.

    Attributes:
        media: videos whose masklets were taken over.
        masklets: of them.
        known: names of videos that were taken from this set before.
        failed: name -> why it is not in the project.
    """

    media: int = 0
    masklets: int = 0
    known: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def take_in(
    store: Store,
    found: Imported,
    label: str,
    *,
    accepted: bool = False,
    progress: Callable[[str], None] | None = None,
) -> TakenIn:
    """Take a set into a project, video by video; what is broken is named, and nothing is taken twice.

    Masklets count as made by nobody here, whoever made them elsewhere, so that they do not change what is known of the
    team's own speed.

    Args:
        store: of the project.
        found: the set.
        label: what to call it, in histories and to know it again.
        accepted: take its masklets as verified; else a person looks at each.
        progress: called with the name of each video.

    Raises:
        OutputError: the store is lost; what was taken until then stays.
    """
    told = TakenIn(failed=dict(found.failed))
    state = TaskState.DONE if accepted else TaskState.VERIFY
    for video in found.videos:
        try:
            count = _take(store, video, label, state)
        except MaskletError as error:
            told.failed[video.name] = str(error)
        else:
            if count is None:
                told.known.append(video.name)
            else:
                told.media, told.masklets = told.media + 1, told.masklets + count
        if progress is not None:
            progress(video.name)
    return told


def _take(store: Store, video: ImportedVideo, label: str, state: TaskState) -> int | None:
    """Take one video in one transaction; how many masklets, or None where that was done before."""
    terms = Terms(license=video.record.license if video.record else "", split=video.split)
    media = read_media(video.media, terms)
    made = [prepare(masklet, media) for _, masklet in sorted(video.masklets.items())]
    with store.change() as change:
        session = change.session
        add(change, media, terms, Intake())
        row = media_row(session, media.content)
        session.refresh(row, with_for_update=True)
        if session.get(ProposalRow, (row.id, label)) is not None:
            return None
        session.add(ProposalRow(media_id=row.id, model=label, count=len(made), error=None))
        for one in made:
            task = new_task(row, TaskKind.PROPOSAL, state, new_object_id(session, row.id))
            task.name = one.masklet.name
            change.create_task(task, label)
            change.add_version(task, one, Work(author=label, phase="auto", model=one.masklet.model))
            change.tell(task, "imported", label, before=task.state, note=one.findings)
    return len(made)
