"""`masklet evaluate`: measure a model or predicted masks on a data set, and compare two results."""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from typer import Argument, Option

from masklet.cli import options
from masklet.cli.app import INTERRUPTED, TOOL_PANEL, command
from masklet.cli.options import OUTPUT_PANEL, MaskOptions, ModelOptions, Without
from masklet.cli.report import Progress, document, note, print_json, table
from masklet.errors import FormatError, MediaError, OutputError

if TYPE_CHECKING:
    from masklet.evaluate.predictions import ExportFormat

STDOUT = Path("-")
RUN_PANEL = "Run"

EXAMPLES = """
masklet evaluate davis2017 DAVIS --protocol 3-click --out results

masklet evaluate sa-1b images --protocol image-clicks --clicks 20 --model sam2.1-tiny --device cuda --out results

masklet evaluate mose MOSE --split val --predictions their-masks --json theirs.json

masklet evaluate youtube-vos-2019 YTVOS --out work --save-predictions submission --format youtube-vos

masklet evaluate --compare a/results.json b/results.json
"""


@command(examples=EXAMPLES, panel=TOOL_PANEL)
def evaluate(
    dataset: Annotated[str, Argument(help="Name of the data set (see --list).", show_default=False)] = "",
    root: Annotated[Path | None, Argument(help="Folder of the data set.", show_default=False)] = None,
    *,
    protocol: Annotated[str | None, Option(help="Evaluation protocol (see --list).", show_default="mask")] = None,
    clicks: Annotated[int | None, Option(min=1, help="Number of clicks.", show_default="the protocol's")] = None,
    split: Annotated[str | None, Option(help="Split of the data set.", show_default="the usual one")] = None,
    sequences: Annotated[
        str | None, Option(metavar="A,B", help="Sequences or images to use.", show_default="all")
    ] = None,
    limit: Annotated[int | None, Option(min=1, metavar="N", help="Use the first N.", show_default="all")] = None,
    predictions: Annotated[
        Path | None, Option(metavar="DIR", help="Score the masks in this folder instead of a model.")
    ] = None,
    out: Annotated[
        Path | None,
        Option(
            metavar="DIR",
            help="Write results.json, objects.csv and report.html here; an interrupted run continues.",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = None,
    json_file: Annotated[
        Path | None,
        Option("--json", metavar="FILE", help="Write the results as JSON; - for stdout.", rich_help_panel=OUTPUT_PANEL),
    ] = None,
    save_predictions: Annotated[
        Path | None, Option(metavar="DIR", help="Write all masks here.", rich_help_panel=OUTPUT_PANEL)
    ] = None,
    predictions_format: Annotated[
        str,
        Option(
            "--format",
            help="Format of saved masks: davis, youtube-vos, mose, lvos or sav.",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = "davis",
    workers: Annotated[
        int, Option(min=1, help="Number of processes, of one thread each.", rich_help_panel=RUN_PANEL)
    ] = 1,
    model: Annotated[ModelOptions, Without("backend")],
    memory: options.Memory = "plain",
    masks: Annotated[MaskOptions, Without("non_overlap")],
    compare: Annotated[
        tuple[Path, Path] | None,
        Option(metavar="A.json B.json", help="Compare two results, object by object.", show_default=False),
    ] = None,
    list_all: Annotated[bool, Option("--list", help="List data sets and protocols.")] = False,
    quiet: options.Quiet = False,
) -> int:
    """Measure a model by the protocols of the SAM 2 paper, or score the masks of another program.

    Scores are in percent, computed as by each data set's official evaluator. With --out, results.json records all
    settings, and report.html shows curves and the worst sequences. Under torchrun the sequences are shared among the
    processes.
    """
    from masklet.evaluate import Export, Predictions, Subject, protocol_named
    from masklet.evaluate import evaluate as run_evaluation
    from masklet.evaluate.results import write_json
    from masklet.io.datasets import open_dataset

    if list_all:
        _print_known()
        return 0
    if compare is not None:
        _compare(*compare, json_file)
        return 0
    if not dataset or root is None:
        raise typer.BadParameter("expected DATASET and ROOT (or --list, or --compare)")
    if predictions is not None and (protocol or clicks or memory != "plain" or masks != MaskOptions()):
        raise typer.BadParameter("--predictions are scored unchanged: no --protocol, --clicks or mask options")
    if json_file is not None and json_file != STDOUT and not json_file.parent.is_dir():
        raise OutputError(f"cannot write {json_file}: there is no folder {json_file.parent}")
    names = None if sequences is None else [name.strip() for name in sequences.split(",") if name.strip()]
    opened = open_dataset(dataset, root, split=split, sequences=names, limit=limit)
    subject: Subject = _model_of_rank(model).spec() if predictions is None else Predictions(predictions)
    chosen = None
    if predictions is None:
        policy, postprocess = options.policy_named(memory), masks.post_process()
        chosen = protocol_named(protocol or "mask", clicks=clicks, memory=policy, postprocess=postprocess)
    export = None
    if save_predictions is not None:
        export = Export(folder=save_predictions, format=cast("ExportFormat", predictions_format))
    shard = _rank_and_world_size()
    label = f"{dataset} {chosen.name if chosen else 'predictions'}"
    try:
        with Progress(label, quiet=quiet or shard[0] > 0) as progress:
            result = run_evaluation(
                opened,
                subject,
                chosen,
                out=out,
                export=export,
                workers=workers,
                shard=shard,
                progress=progress.update,
            )
    except KeyboardInterrupt:
        note("interrupted: " + ("run the same command again to continue" if out else "nothing was written"))
        return INTERRUPTED
    if result is None:
        return 0
    if json_file == STDOUT:
        print_json(result.document)
        return 0
    if json_file is not None:
        write_json(json_file, result.document)
    if not quiet:
        typer.echo("\n".join(result_lines(result.document)))
        if out is not None:
            typer.echo(f"wrote {out / 'results.json'}, objects.csv, report.html")
    return 0


def _model_of_rank(model: ModelOptions) -> ModelOptions:
    """The model, on the GPU of this process under torchrun."""
    from masklet.predict.load import pick_device

    local_rank = os.environ.get("LOCAL_RANK")
    if local_rank is not None and pick_device(model.device).type == "cuda" and ":" not in model.device:
        return replace(model, device=f"cuda:{local_rank}")
    return model


def _rank_and_world_size() -> tuple[int, int]:
    """Rank and number of ranks under torchrun, (0, 1) without it."""
    try:
        rank, ranks = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    except ValueError:
        rank, ranks = -1, 0
    if not 0 <= rank < ranks:
        given = f"{os.environ.get('RANK')}, {os.environ.get('WORLD_SIZE')}"
        raise FormatError(f"expected RANK below WORLD_SIZE, got {given}")
    return rank, ranks


def result_lines(results: dict[str, Any]) -> list[str]:
    """Format results as text: scores of the data set, of each sequence, and counts of notices."""
    from masklet.evaluate.report import headline

    numbers = headline(results)
    lines = [table([name for name, _ in numbers], [[value for _, value in numbers]])]
    rows = [
        [name, *(f"{scores[key]:.1f}" for key in ("JF", "J", "F"))]
        for name, scores in results["per_sequence"].items()
        if scores.get("JF") is not None
    ]
    if rows:
        lines += ["", table(["sequence", "J&F", "J", "F"], rows)]
    if results.get("curve"):
        points = [
            [str(p["interactions"]), f"{p['seconds']:.0f}", *(f"{p[key]:.1f}" for key in ("JF", "J", "F"))]
            for p in results["curve"]
        ]
        lines += ["", table(["corrected frames", "seconds", "J&F", "J", "F"], points)]
    if "mIoU" in results:
        means = [("all masks", results["mIoU"])]
        if "folders" in results:
            folders = [(f"  {name}", scores) for name, scores in results["folders"].items()]
            means += [("mean of the sets", results["mIoU_folders"]), *folders]
        clicks = list(results["mIoU"])
        cells = [[name, *(f"{scores[count]:.1f}" for count in clicks)] for name, scores in means]
        lines += ["", table(["mIoU after click", *clicks], cells)]
    counts = [f"{count} x {kind}" for kind, count in results["counted_notices"].items()]
    return [*lines, "", f"notices: {', '.join(counts)} (in the report)"] if counts else lines


def _print_known() -> None:
    """Print data sets and protocols."""
    from masklet.evaluate import PROTOCOLS
    from masklet.io.datasets import DATASETS

    rows = [
        [info.name, ", ".join(split.name for split in info.splits), info.layout.expected(info.splits[0])]
        for info in DATASETS
    ]
    typer.echo(table(["DATA SET", "SPLITS", "LAYOUT UNDER ROOT"], rows))
    typer.echo("")
    typer.echo(table(["PROTOCOL", "PROMPTS"], [[name, about] for name, (_, about) in PROTOCOLS.items()]))


def _compare(a: Path, b: Path, json_file: Path | None) -> None:
    """Print the differences of two results."""
    from masklet.evaluate import compare, read_results
    from masklet.evaluate.results import write_json

    for path in (a, b):
        if not path.is_file():
            raise MediaError(f"expected results of masklet evaluate, found nothing: {path}")
    found = compare(read_results(a), read_results(b))
    entry = asdict(found)
    for line, difference in zip(entry["differences"], found.differences, strict=True):
        line |= {"difference": difference.difference, "sure": difference.is_significant}
    comparison = document("comparison", a=str(a), b=str(b), **entry)
    if json_file == STDOUT:
        print_json(comparison)
        return
    if json_file is not None:
        write_json(json_file, comparison)
    rows = [
        [
            d.measure,
            f"{d.a:.2f}",
            f"{d.b:.2f}",
            f"{d.difference:+.2f}",
            f"{d.low:+.2f} to {d.high:+.2f}",
            f"{d.better} / {d.worse}",
        ]
        for d in found.differences
    ]
    typer.echo(table(["measure", "a", "b", "b - a", "95% interval", "better / worse"], rows))
    only = f"only in a {found.only_a}, only in b {found.only_b}"
    typer.echo(f"\n{found.objects} objects in {found.sequences} sequences; {only}")
    for setting, (before, after) in found.setup.items():
        typer.echo(f"{setting}: {before} in a, {after} in b")
