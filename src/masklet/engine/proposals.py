"""Masklets that a model proposes: every video once, what fails is named, what is done stays done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from sqlalchemy import select

from masklet.backends.protocol import Model
from masklet.engine.ingest import open_known
from masklet.engine.records import Media, TaskKind, TaskState, Work
from masklet.engine.store import Store, as_media, media_row
from masklet.engine.tables import MediaRow, ProposalRow
from masklet.engine.transactions import Prepared, new_object_id, new_task, prepare
from masklet.errors import FormatError, MaskletError
from masklet.predict.automatic_masklets import EverythingSettings, track_everything
from masklet.predict.automatic_masks import AutomaticSettings
from masklet.predict.backward_check import track_back
from masklet.types import Masklet, Rle


@dataclass(frozen=True)
class Proposal:
    """A masklet that a model proposes.

    Attributes:
        masklet: what it found.
        backward: the same object tracked the other way (`track_back`), for the gate that compares both; None where
            that was not done.
    """

    masklet: Masklet
    backward: Mapping[int, Rle] | None = None


Found = tuple[Media, list[Proposal] | str]
"""A media with what was found in it, or why there is nothing."""


@runtime_checkable
class Finder(Protocol):
    """What looks for masklets in media, here or elsewhere."""

    @property
    def model(self) -> str:
        """Name of the model: a media is searched once by each."""
        ...

    def find(self, media: Sequence[Media]) -> Iterator[Found]:
        """Each media once, in any order; one that fails says why and does not end the others."""
        ...


@dataclass(frozen=True)
class LocalFinder:
    """Looks in this process.

    Attributes:
        net: the model.
        settings: how masklets are found.
        proposals: how key frames are searched.
        both_ways: track each masklet back from its end too, for the gate that compares the two.
    """

    net: Model
    settings: EverythingSettings = field(default_factory=EverythingSettings)
    proposals: AutomaticSettings | None = None
    both_ways: bool = True

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.net.config.full_name

    def find(self, media: Sequence[Media]) -> Iterator[Found]:
        """Each media in turn."""
        for one in media:
            yield one, self.look(one)

    def look(self, media: Media) -> list[Proposal] | str:
        """The masklets of one media, or why there are none."""
        try:
            with open_known(media) as video:
                found = track_everything(self.net, video, self.settings, proposals=self.proposals)
                back = track_back(self.net, video, found) if self.both_ways else {}
        except MaskletError as error:
            return str(error)
        return [Proposal(masklet, back.get(object_id)) for object_id, masklet in found.items()]


@dataclass
class Proposed:
    """What became of a search.

    Attributes:
        media: searched now.
        masklets: found in them; each is a task that waits for a verdict.
        before: media that this model had searched already.
        failed: name of the media -> why it could not be searched; it is tried again the next time.
    """

    media: int = 0
    masklets: int = 0
    before: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def propose(
    store: Store,
    finder: Finder,
    *,
    limit: int | None = None,
    priority: int = 0,
    progress: Callable[[Media], None] | None = None,
) -> Proposed:
    """Search every media that the model has not searched yet; each masklet becomes a task that waits for a verdict.

    The masklets of a media and the note that it was searched are one transaction: killed at any moment and started
    again, it goes on with what is missing and proposes nothing twice.

    Args:
        store: of the project.
        finder: what looks for masklets.
        limit: so many media at most.
        priority: of the tasks.
        progress: called after each media.
    """
    wanted, before = waiting(store, finder.model)
    told = Proposed(before=before)
    for media, given in finder.find(wanted[:limit]):
        found = _fitting(media, given)
        if isinstance(found, str):
            told.failed[media.name] = found
        if _keep(store, media, found, finder.model, priority) and not isinstance(found, str):
            told.media += 1
            told.masklets += len(found)
        if progress is not None:
            progress(media)
    return told


def waiting(store: Store, model: str) -> tuple[list[Media], int]:
    """The media that a model has not searched (or could not), and how many it has."""
    with store.database.read() as session:
        done = select(ProposalRow.media_id).where(ProposalRow.model == model, ProposalRow.error.is_(None))
        rows = session.scalars(select(MediaRow).order_by(MediaRow.id)).all()
        searched = set(session.scalars(done))
        return [as_media(row) for row in rows if row.id not in searched], len(searched)


def _fitting(media: Media, found: list[Proposal] | str) -> list[Prepared] | str:
    """Masklets as they go into the store, or why there are none."""
    try:
        return found if isinstance(found, str) else [prepare(one.masklet, media, one.backward) for one in found]
    except FormatError as error:
        return str(error)


def _keep(store: Store, media: Media, found: list[Prepared] | str, model: str, priority: int) -> bool:
    """Keep what was found, unless somebody else has done so in the meantime."""
    masklets, error = ([], found) if isinstance(found, str) else (found, None)
    with store.change() as change:
        session = change.session
        row = media_row(session, media.content)
        session.refresh(row, with_for_update=True)
        known = session.get(ProposalRow, (row.id, model))
        if known is not None and known.error is None:
            return False
        session.merge(ProposalRow(media_id=row.id, model=model, count=len(masklets), error=error))
        for made in masklets:
            task = new_task(row, TaskKind.PROPOSAL, TaskState.VERIFY, new_object_id(session, row.id), priority=priority)
            change.create_task(task, model)
            change.add_version(task, made, Work(author=model, phase="auto", model=model))
            change.tell(task, "proposed", model, before=task.state, note=made.findings)
        return True
