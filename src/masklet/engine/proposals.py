"""Masklets that a model finds without prompts, stored as tasks for verification."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

from sqlalchemy import select

from masklet.backends.protocol import Model
from masklet.engine.ingest import open_media
from masklet.engine.records import Media, TaskKind, TaskState, Work
from masklet.engine.store import Store, as_media, media_row
from masklet.engine.tables import MediaRow, ProposalRow
from masklet.engine.transactions import PreparedMasklet, new_object_id, new_task, prepare_masklet
from masklet.errors import MaskletError
from masklet.predict.automatic_masklets import EverythingSettings, track_everything
from masklet.predict.automatic_masks import AutomaticSettings, Preset, settings_for
from masklet.predict.backward_check import track_back
from masklet.predict.spec import ModelSpec
from masklet.predict.worker_pool import SerialPool, WorkerPool, WorkerTask
from masklet.types import Masklet, Rle


class Proposal(NamedTuple):
    """A masklet that a model found.

    Attributes:
        masklet: its masks.
        backward: masks of the same object tracked in reverse (`track_back`), compared with the masklet when it is
            stored; None without a reverse pass.
    """

    masklet: Masklet
    backward: Mapping[int, Rle] | None = None


@dataclass(frozen=True, kw_only=True)
class MaskletSearch:
    """Finds masklets in media without prompts (a `WorkerTask`).

    Attributes:
        model: a loaded model, or a spec of one that every worker loads for itself.
        settings: settings of automatic masklet generation.
        key_frames: settings of automatic mask generation on key frames, or the name of a preset.
        backward_check: also track each masklet in reverse from its end; frames where the passes disagree need review.
    """

    model: Model | ModelSpec
    settings: EverythingSettings = field(default_factory=EverythingSettings)
    key_frames: AutomaticSettings | Preset = "default"
    backward_check: bool = True

    def start_worker(self) -> Callable[[Media], list[Proposal]]:
        """Load the model and return the function that searches one media."""
        return partial(self._search, self.model.load() if isinstance(self.model, ModelSpec) else self.model)

    def model_name(self) -> str:
        """Full name of the model; a spec is loaded on the CPU to know it."""
        model = replace(self.model, device="cpu").load() if isinstance(self.model, ModelSpec) else self.model
        return model.config.full_name

    def _search(self, model: Model, media: Media) -> list[Proposal]:
        preset = self.key_frames
        key_frames = preset if isinstance(preset, AutomaticSettings) else settings_for(model, preset)
        with open_media(media) as video:
            found = track_everything(model, video, self.settings, proposals=key_frames)
            backward = track_back(model, video, found) if self.backward_check else {}
        return [Proposal(masklet, backward.get(object_id)) for object_id, masklet in found.items()]


@dataclass
class ProposalReport:
    """The outcome of `propose`.

    Attributes:
        media: number of media searched now.
        masklets: number of masklets found in them.
        before: number of media that this model had searched before.
        failed: name of a media -> why it could not be searched; the next search tries it again.
    """

    media: int = 0
    masklets: int = 0
    before: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def propose(
    store: Store,
    search: WorkerTask[Media, list[Proposal]],
    model: str,
    *,
    pool: WorkerPool | None = None,
    limit: int | None = None,
    priority: int = 0,
    progress: Callable[[Media], None] | None = None,
) -> ProposalReport:
    """Search every media that the model has not searched yet and store each masklet as a task in state "verify".

    The masklets of one media and the note that it was searched are one transaction: a search that was interrupted
    continues with the remaining media and stores no masklet twice.

    Args:
        store: store of the project.
        search: finds the masklets of one media, for example a `MaskletSearch`.
        model: name of the model, the author of the masklets; each model searches a media once.
        pool: where the search runs; default: one media after the other in this process.
        limit: maximum number of media.
        priority: priority of the tasks.
        progress: called after each media.
    """
    media_to_search, searched = unsearched_media(store, model)
    report = ProposalReport(before=searched)
    for media, result in (pool or SerialPool()).map_unordered(search, media_to_search[:limit]):
        prepared: list[PreparedMasklet] = []
        error = None
        try:
            if isinstance(result, MaskletError):
                raise result
            prepared = [prepare_masklet(one.masklet, media, one.backward) for one in result]
        except MaskletError as wrong:
            error = report.failed[media.name] = str(wrong)
        if _add_proposals(store, media, prepared, error, model, priority) and error is None:
            report.media += 1
            report.masklets += len(prepared)
        if progress is not None:
            progress(media)
    return report


def unsearched_media(store: Store, model: str) -> tuple[list[Media], int]:
    """Return the media that a model has not searched or could not search, and the number of those it has searched."""
    with store.read() as session:
        done = select(ProposalRow.media_id).where(ProposalRow.model == model, ProposalRow.error.is_(None))
        rows = session.scalars(select(MediaRow).order_by(MediaRow.id)).all()
        searched = set(session.scalars(done))
        return [as_media(row) for row in rows if row.id not in searched], len(searched)


def _add_proposals(
    store: Store, media: Media, masklets: list[PreparedMasklet], error: str | None, model: str, priority: int
) -> bool:
    """Store the result of a search; False if another process stored one in the meantime."""
    with store.change() as change:
        session = change.session
        row = media_row(session, media.content)
        session.refresh(row, with_for_update=True)
        known = session.get(ProposalRow, (row.id, model))
        if known is not None and known.error is None:
            return False
        session.merge(ProposalRow(media_id=row.id, model=model, count=len(masklets), error=error))
        for prepared in masklets:
            task = new_task(row, TaskKind.PROPOSAL, TaskState.VERIFY, new_object_id(session, row.id), priority=priority)
            change.create_task(task, model)
            change.add_version(task, prepared, Work(author=model, phase="auto", model=model))
            change.add_event(task, "proposed", model, before=task.state, note=prepared.findings)
        return True
