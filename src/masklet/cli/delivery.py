"""The work of `masklet engine export`: what was verified as a data set."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast, get_args

from masklet.cli.errors import EXIT_CODES
from masklet.cli.progress import progress
from masklet.cli.report import note
from masklet.cli.workshop import Workshop
from masklet.engine.accepted import verified
from masklet.engine.card import write_card
from masklet.engine.dataset import Exported, SetForm, export_videos
from masklet.engine.set_lists import write_lists
from masklet.engine.set_record import VideoRecord, records_of
from masklet.errors import FormatError, MediaError
from masklet.predict.worker_pool import WorkerPool


def form_named(name: str) -> SetForm:
    """A form of data sets; `FormatError` for another."""
    if name not in get_args(SetForm):
        raise FormatError(f"expected --form {', '.join(get_args(SetForm))}, got {name!r}")
    return cast("SetForm", name)


@dataclass(frozen=True)
class Delivery:
    """What leaves a project.

    Attributes:
        workshop: the project.
        pool: where videos are written; None for one after the other in this process.
    """

    workshop: Workshop
    pool: WorkerPool | None = None

    def export(self, root: Path, form: SetForm, title: str) -> int:
        """Write a data set; gives the exit code."""
        done, records = self.write(root, form, title)
        counts = f"{len(done.written)} written, {len(done.kept)} there already, {len(done.failed)} failed"
        masklets = sum(len(record.objects) for record in records)
        lines = [f"{root}: {masklets} masklets in {len(records)} videos ({counts})", f"read {root / 'README.md'}"]
        self.workshop.tell("export", lines, form=form, output=str(root), masklets=masklets, **asdict(done))
        return EXIT_CODES[MediaError] if done.failed else 0

    def write(self, root: Path, form: SetForm, title: str = "") -> tuple[Exported, list[VideoRecord]]:
        """Write a data set and name what fails; gives what was done, and the records of all its videos."""
        quiet = self.workshop.quiet or self.workshop.as_json
        with self.workshop.open() as store:
            count = len(store.all_media())
            with progress(str(root), count, quiet=quiet, unit="videos") as advance:
                done = export_videos(verified(store), root, form, pool=self.pool, progress=lambda _name: advance())
        for name, reason in done.failed.items():
            note(f"{name}: {reason}")
        records = [record for record in records_of(root) if isinstance(record, VideoRecord)]
        write_lists(root, records)
        write_card(root, records, title=title)
        return done, records
