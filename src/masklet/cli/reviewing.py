"""Verdicts from a terminal: a masklet as one picture, a question, an answer."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

import numpy as np
import typer

from masklet.cli.report import note
from masklet.cli.strip import StripWriter, spread
from masklet.cli.workshop import Workshop
from masklet.engine.ingest import open_known
from masklet.engine.records import Lease, Outcome, TaskState, Verdict
from masklet.engine.store import Store
from masklet.engine.tasks import Queue
from masklet.errors import FormatError, TaskError
from masklet.masks.rle import decode_masks
from masklet.types import FrameMasks, Masklet

SHOWN = 12
"""Frames in a picture."""


@dataclass(frozen=True)
class Said:
    """A verdict, before it is known who gives it."""

    outcome: Outcome
    note: str = ""
    frames: tuple[int, ...] = ()

    @classmethod
    def parse(cls, outcome: str, note: str, frames: Sequence[int]) -> Said:
        """As the command line says it; a first letter will do. `FormatError` for another outcome."""
        for known in get_args(Outcome):
            if outcome and known.startswith(outcome.strip().lower()):
                return cls(cast("Outcome", known), note, tuple(frames))
        raise FormatError(f"expected a verdict of {', '.join(get_args(Outcome))}, got {outcome!r}")


@dataclass(frozen=True)
class Review:
    """Verification by one person.

    Attributes:
        workshop: the project.
        name: the person.
        folder: where the pictures go.
    """

    workshop: Workshop
    name: str
    folder: Path

    def run(self, task: int | None, said: Said | None) -> None:
        """One task with a verdict that was said beforehand, or one after the other with a question for each.

        Raises:
            TaskError: there is nothing for this person to verify.
        """
        judged: list[dict[str, object]] = []
        with self.workshop.open() as store:
            queue = Queue(store)
            while (lease := queue.take(self.name, [TaskState.VERIFY], task=task)) is not None:
                verdict = said or self._ask(store, lease)
                if verdict is None:
                    queue.release(lease)
                    break
                given = Verdict(outcome=verdict.outcome, by=self.name, note=verdict.note, frames=verdict.frames)
                queue.judge(lease, given, key=secrets.token_hex(8))
                judged.append({"task": lease.task.id, "outcome": verdict.outcome})
                if task is not None or said is not None:
                    break
            else:
                if not judged:
                    which = "nothing" if task is None else f"no task {task}"
                    raise TaskError(f"there is {which} for {self.name} to verify")
        lines = [f"task {one['task']}: {one['outcome']}" for one in judged]
        self.workshop.tell("review", lines or ["nothing was judged"], by=self.name, verdicts=judged)

    def _ask(self, store: Store, lease: Lease) -> Said | None:
        assert lease.task.version is not None, "what is verified has a version"
        version, media = store.version(lease.task.version), store.media(lease.task.media)
        path = self.folder / f"task-{lease.task.id}.png"
        with open_known(media) as video:
            frames = spread(range(len(video)), SHOWN)
            with StripWriter(path, frames=frames, prompts={}, columns=4, width=320) as sheet:
                for index in frames:
                    sheet.write(video[index], _at(version.masklet, index))
        task = lease.task
        note(f"task {task.id}: object {task.object_id} {task.name} in {media.name}, by {version.work.author}: {path}")
        note(f"frames {', '.join(map(str, frames))}, from left to right and down")
        answer = ""
        while not answer:
            answer = typer.prompt("satisfactory, unsatisfactory, reject or quit (s/u/r/q)", err=True).strip().lower()
            if answer.startswith("q"):
                return None
            try:
                said = Said.parse(answer, "", ())
            except FormatError as error:
                note(str(error))
                answer = ""
        if said.outcome == "satisfactory":
            return said
        return Said(said.outcome, typer.prompt("why", default="", show_default=False, err=True))


def _at(masklet: Masklet, index: int) -> FrameMasks:
    """One frame of a masklet; nothing where it has no mask."""
    rle = masklet.frames.get(index)
    height, width = masklet.size
    if rle is None:
        nothing = np.zeros(0, np.float32)
        return FrameMasks(index, (), np.zeros((0, height, width), bool), nothing, nothing)
    scores = (np.array([of.get(index, 1.0)], np.float32) for of in (masklet.presence, masklet.iou))
    return FrameMasks(index, (masklet.object_id,), decode_masks([rle]), *scores)
