"""`masklet engine` init, add, import, propose, export, stats and retrain: data into and out of a project."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

from typer import Argument, Option

from masklet.cli import options
from masklet.cli.app import EXIT_CODES, command
from masklet.cli.engine import Priority, Project, ProjectPath, WorkerOptions, engine
from masklet.cli.options import ModelOptions, ReportOptions, Without
from masklet.cli.report import Progress, note
from masklet.errors import FormatError, MediaError, OutputError

if TYPE_CHECKING:
    from masklet.engine.dataset.export import ExportReport
    from masklet.engine.dataset.record import VideoRecord
    from masklet.engine.records import MaskletVersion
    from masklet.engine.remote import Fetched
    from masklet.engine.statistics import PhaseStatistics
    from masklet.engine.store import Store
    from masklet.predict.spec import ModelSpec
    from masklet.predict.worker_pool import WorkerPool

EVALUATION_PROTOCOLS = "mask", "3-click"
"""Protocols by which `masklet engine retrain` evaluates a model before and after."""


@command(parent=engine)
def init(project: ProjectPath, report: Annotated[ReportOptions, Without("quiet")]) -> None:
    """Create an empty project, in a folder (SQLite) or in an existing database (PostgreSQL)."""
    target = Project(project, report)
    with target.open(create=True) as store:
        target.show("init", [f"the data engine is at {store.name}"], store=store.name)


@command(parent=engine)
def add(
    project: ProjectPath,
    media: Annotated[
        list[str],
        Argument(metavar="MEDIA...", help="Videos, image folders, or folders of them; s3://, gs://, http:// too."),
    ],
    *,
    license_: Annotated[str, Option("--license", metavar="NAME", help="License of the media.")] = "",
    split: Annotated[
        str | None,
        Option(help="Split of all media: train, val or test.", show_default="by content, in the shares below"),
    ] = None,
    val_share: Annotated[float, Option(min=0, max=1, help="Share of all media in the split val.")] = 0.1,
    test_share: Annotated[
        float, Option(min=0, max=1, help="Share of all media in the split test; the rest is train.")
    ] = 0.0,
    objects: Annotated[int, Option(min=0, help="Number of tasks per video to select and annotate an object.")] = 0,
    priority: Priority = 0,
    into: Annotated[
        Path | None, Option(metavar="DIR", help="Folder for downloads.", show_default="PROJECT/media")
    ] = None,
    report: ReportOptions,
) -> int:
    """Add media to a project; files stay where they are and are identified by their content.

    Media that were added before are skipped. Unreadable ones are reported, and the others are added.
    """
    from masklet.engine.ingest import IngestSettings, add_media, find_media
    from masklet.engine.records import Split
    from masklet.engine.remote import is_url

    target = Project(project, report)
    if split is not None and split not in get_args(Split):
        raise FormatError(f"expected --split {', '.join(get_args(Split))}, got {split!r}")
    settings = IngestSettings(
        license=license_,
        split=cast("Split | None", split),
        val_share=val_share,
        test_share=test_share,
        objects=objects,
        priority=priority,
    )
    with target.open() as store:
        local = [Path(source) for source in media if not is_url(source)]
        fetched = _fetch(target, [source for source in media if is_url(source)], into)
        found = find_media([*local, *fetched.paths])
        with Progress(target.name, len(found), quiet=report.prints_no_text, unit="media") as progress:
            added = add_media(store, found, settings, progress=progress.advance)
    failed = added.failed | fetched.failed
    for path, name in added.known.items():
        note(f"{path} was added before, as {name}", quiet=report.prints_no_text)
    for path, reason in failed.items():
        note(f"not added: {reason if path in reason else f'{path}: {reason}'}")
    counts = f"{len(added.added)} added, {len(added.known)} added before, {len(failed)} failed"
    splits = Counter(medium.split for medium in added.added)
    parts = [", ".join(f"{splits[part]} to {part}" for part in get_args(Split) if splits[part])] if splits else []
    tasks = [f"{added.tasks} tasks to select and annotate an object"] if added.tasks else []
    target.show(
        "add",
        [f"{len(found) + len(fetched.failed)} media: {counts}", *parts, *tasks],
        added=[{"name": m.name, "content": m.content, "frames": m.num_frames, "split": m.split} for m in added.added],
        known=added.known,
        failed=failed,
        tasks=added.tasks,
    )
    return EXIT_CODES[MediaError] if failed else 0


def _fetch(project: Project, urls: Sequence[str], into: Path | None) -> Fetched:
    """Download media into a folder."""
    from masklet.engine.remote import Fetched, fetch, find_remote

    if not urls:
        return Fetched()
    if into is None and project.is_database:
        raise OutputError("a project in a database has no folder: expected --into DIR, readable by every machine")
    found = find_remote(urls)
    with Progress(project.name, len(found), quiet=project.report.prints_no_text, unit="files") as progress:
        return fetch(found, into or Path(project.path) / "media", progress=progress.advance)


@command("import", parent=engine)
def import_(
    project: ProjectPath,
    source: Annotated[Path, Argument(metavar="DIR", help="Folder of the data set.")],
    *,
    dataset_format: Annotated[
        str | None, Option("--format", help="sav or davis; needed unless masklet engine export wrote the data set.")
    ] = None,
    accepted: Annotated[
        bool, Option("--accepted", help="Import the masklets as verified, instead of as tasks to verify.")
    ] = False,
    report: ReportOptions,
) -> int:
    """Import a data set into a project: its videos become media, its masklets tasks.

    Videos stay where they are. Unreadable ones are reported, and the rest is imported; importing the same folder again
    adds only what is missing.
    """
    target = Project(project, report)
    from masklet.engine.dataset.importing import import_dataset, read_dataset

    if not source.is_dir():
        raise FormatError(f"expected the folder of a data set, found nothing: {source}")
    found = read_dataset(source, dataset_format)
    with (
        target.open() as store,
        Progress(str(source), len(found.videos), quiet=report.prints_no_text, unit="videos") as progress,
    ):
        label = f"set {source.resolve().name}"
        done = import_dataset(store, found, label, accepted=accepted, progress=progress.advance)
    _note_failures(done.failed)
    counts = f"{len(done.known)} videos imported before, {len(done.failed)} failed"
    lines = [f"{source}: {done.masklets} masklets in {done.media} videos ({counts})"]
    target.show("import", lines, source=str(source), **asdict(done))
    return EXIT_CODES[FormatError] if done.failed else 0


@command(parent=engine)
def propose(
    project: ProjectPath,
    *,
    preset: options.PresetName = "default",
    max_objects: Annotated[int, Option(min=1, help="Largest number of objects per video, best first.")] = 64,
    every: Annotated[int, Option(min=1, metavar="FRAMES", help="Frames between two key frames.")] = 30,
    limit: Annotated[
        int | None, Option(min=1, metavar="N", help="Number of media to process.", show_default="all")
    ] = None,
    priority: Priority = 0,
    backward_check: Annotated[
        bool,
        Option(
            "--backward-check/--no-backward-check",
            help="Track each masklet backward from its end too; frames where the two disagree are reviewed first.",
        ),
    ] = True,
    workers: WorkerOptions,
    model: Annotated[ModelOptions, Without("backend", "speed", "tta")],
    report: ReportOptions,
) -> int:
    """Propose masklets with a model (automatic mask generation); each becomes a task to verify.

    An interrupted run continues with the remaining media. Unreadable media are reported and tried again next time.
    """
    target = Project(project, report)
    from masklet.engine.proposals import MaskletSearch, unsearched_media
    from masklet.engine.proposals import propose as propose_masklets
    from masklet.predict.automatic_masklets import EverythingSettings

    pool, spec = workers.pool(), model.spec()
    search = MaskletSearch(
        model=spec.load() if pool is None else spec,
        settings=EverythingSettings(every=every, max_objects=max_objects),
        key_frames=options.preset_named(preset),
        backward_check=backward_check,
    )
    name = search.model_name()
    with target.open() as store:
        total = len(unsearched_media(store, name)[0][:limit])
        with Progress(target.name, total, quiet=report.prints_no_text, unit="media") as progress:
            done = propose_masklets(
                store,
                search,
                name,
                pool=pool,
                limit=limit,
                priority=priority,
                progress=progress.advance,
            )
    _note_failures(done.failed)
    counts = f"{done.masklets} masklets in {done.media} media, {len(done.failed)} failed"
    lines = [f"{name}: {counts}" + (f", {done.before} processed before" if done.before else "")]
    target.show("propose", lines, model=name, **asdict(done))
    return EXIT_CODES[MediaError] if done.failed else 0


@command(parent=engine)
def export(
    project: ProjectPath,
    output: Annotated[Path, Argument(metavar="DIR", help="Folder of the data set.")],
    *,
    dataset_format: Annotated[str, Option("--format", help="sav, davis, coco or yolo.")] = "sav",
    title: Annotated[str, Option(help="Title of the data set card.", show_default="name of the folder")] = "",
    workers: WorkerOptions,
    report: ReportOptions,
) -> int:
    """Write the verified masklets as a data set with its card.

    Writing into the same folder again updates what has changed. Unreadable videos are reported.
    """
    target = Project(project, report)
    done, records = export_dataset(target, output, dataset_format, title=title, pool=workers.pool())
    counts = f"{len(done.written)} written, {len(done.kept)} unchanged, {len(done.failed)} failed"
    masklets = sum(len(record.objects) for record in records)
    lines = [f"{output}: {masklets} masklets in {len(records)} videos ({counts})", f"see {output / 'README.md'}"]
    target.show("export", lines, format=dataset_format, output=str(output), masklets=masklets, **asdict(done))
    return EXIT_CODES[MediaError] if done.failed else 0


def export_dataset(
    project: Project, root: Path, dataset_format: str, *, title: str = "", pool: WorkerPool | None = None
) -> tuple[ExportReport, list[VideoRecord]]:
    """Write a data set, print failures on stderr, and return what was done and the records of all its videos.

    Raises:
        FormatError: there is no such format.
        OutputError: the folder cannot be written.
    """
    from masklet.engine.dataset.card import write_card
    from masklet.engine.dataset.export import accepted_videos, export_videos, write_lists
    from masklet.engine.dataset.record import DatasetFormat, VideoRecord, read_records

    if dataset_format not in get_args(DatasetFormat):
        raise FormatError(f"expected --format {', '.join(get_args(DatasetFormat))}, got {dataset_format!r}")
    checked_format = cast("DatasetFormat", dataset_format)
    with project.open() as store:
        count = len(store.all_media())
        with Progress(str(root), count, quiet=project.report.prints_no_text, unit="videos") as progress:
            done = export_videos(accepted_videos(store), root, checked_format, pool=pool, progress=progress.advance)
    _note_failures(done.failed)
    records = [record for _, record in read_records(root) if isinstance(record, VideoRecord)]
    write_lists(root, records)
    write_card(root, records, title=title)
    return done, records


@command(parent=engine)
def stats(
    project: ProjectPath,
    *,
    output: Annotated[
        Path | None, Option("-o", "--output", metavar="DIR", help="Write the table and charts (SVG) here.")
    ] = None,
    quick: Annotated[bool, Option("--quick", help="Use the running totals only, without reading masks.")] = False,
    report: Annotated[ReportOptions, Without("quiet")],
) -> None:
    """Show statistics of each annotation phase, as in the paper's table.

    They are seconds per frame, edited frames, clicks, and mask agreement with phase 1. Agreement and disappearance need
    the masks; a dash stands for no data.
    """
    target = Project(project, report)
    from masklet.engine.statistics import from_tallies, from_versions, render

    with target.open() as store:
        rows = from_tallies(store.tallies()) if quick else from_versions(_all_versions(store))
    files = [] if output is None else _write_statistics(output, rows)
    if not rows:
        raise MediaError(f"no masklets yet in {target.name}")
    entries = [
        {**asdict(row), "seconds_per_frame": row.seconds_per_frame, "clicks_per_frame": row.clicks_per_frame}
        | {"edited_share": row.edited_share, "disappearance": row.disappearance, "alignment": row.alignment()}
        for row in rows
    ]
    target.show("stats", [*render(rows).splitlines(), *(f"wrote {file}" for file in files)], phases=entries)


def _all_versions(store: Store) -> Iterator[MaskletVersion]:
    """Yield every version of every task that is not a gold task."""
    after = 0
    while tasks := store.tasks(after=after, limit=100):
        for task in tasks:
            if task.kind != "gold":
                yield from store.versions(task.id)
        after = tasks[-1].id


def _write_statistics(folder: Path, rows: list[PhaseStatistics]) -> list[Path]:
    """Write the table as Markdown and its charts as SVG."""
    from masklet.engine.statistics import charts, render
    from masklet.io.atomic import output_errors, write_text

    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    drawn = charts(rows)
    for name, chart in drawn.items():
        chart.save(folder / f"{name}.svg")
    images = " ".join(f"![{chart.title}]({name}.svg)" for name, chart in drawn.items())
    write_text(folder / "README.md", f"# Phases\n\n{render(rows)}\n{images}\n")
    return [folder / "README.md", *(folder / f"{name}.svg" for name in drawn)]


@command(parent=engine)
def retrain(
    project: ProjectPath,
    output: Annotated[Path, Argument(metavar="DIR", help="Folder for data, run, weights and results.")],
    *,
    recipe: Annotated[str, Option(help="Recipe, as in masklet train.")] = "finetune_vos",
    settings: Annotated[
        list[str], Option("--set", metavar="SECTION.FIELD=VALUE", help="Override a setting of the recipe.")
    ] = [],  # noqa: B006  typer copies it
    resume: Annotated[bool, Option("--resume", help="Continue from the newest checkpoint.")] = False,
    model: Annotated[ModelOptions, Without("backend", "speed", "tta")],
    report: Annotated[ReportOptions, Without("quiet")],
) -> None:
    """Fine-tune a model on the verified masklets of the split train, and evaluate it before and after on val.

    The result, DIR/run/weights.safetensors, can be the --model of propose and serve.
    """
    target = Project(project, report)
    from masklet.cli.train import train
    from masklet.io.atomic import output_errors
    from masklet.predict.load import find_weights
    from masklet.predict.spec import ModelSpec
    from masklet.train.checkpoints import list_checkpoints

    data = output / "data"
    with output_errors(output):
        output.mkdir(parents=True, exist_ok=True)
    _, records = export_dataset(target, data, "sav")
    splits = [record.split for record in records]
    for split, purpose in (("train", "to learn from"), ("val", "to evaluate on")):
        if split not in splits:
            raise FormatError(f"expected verified masklets {purpose}, got no video of split {split} in {len(records)}")
    weights = str(model.weights or find_weights(model.name))
    spec = ModelSpec(name=weights, device=model.device, dtype=model.dtype, image_size=model.image_size)
    before = _evaluate(data, output / "before", spec)
    run = output / "run"
    with redirect_stdout(sys.stderr):
        train(
            recipe,
            data=[f"sa-v-train={data / 'train'}@train"],
            out=run,
            init=weights,
            settings=settings,
            resume=resume and bool(list_checkpoints(run)),
        )
    trained = run / "weights.safetensors"
    after = _evaluate(data, output / "after", replace(spec, name=str(trained)))
    num_val = splits.count("val")
    lines = [f"val: {num_val} videos", f"{'J&F':10} {'before':>8} {'after':>8}"]
    lines += [f"{name:10} {before[name]:8.1f} {after[name]:8.1f}" for name in EVALUATION_PROTOCOLS]
    lines.append(f"weights: {trained}")
    target.show("retrain", lines, weights=str(trained), held_out=num_val, before=before, after=after)


def _evaluate(data: Path, out: Path, spec: ModelSpec) -> dict[str, float]:
    """J&F on the split val by each protocol, in percent."""
    from masklet.evaluate import evaluate, protocol_named
    from masklet.io.datasets import open_dataset

    scores = {}
    for name in EVALUATION_PROTOCOLS:
        result = evaluate(open_dataset("sa-v", data, split="val"), spec, protocol_named(name), out=out / name)
        assert result is not None, "there is one rank"
        results: dict[str, Any] = result.document
        if results["JF"] is None:
            raise FormatError("expected val videos of more than 8 frames: the first and the last do not count")
        scores[name] = results["JF"]
    return scores


def _note_failures(failed: dict[str, str]) -> None:
    for name, reason in failed.items():
        note(f"{name}: {reason}")
