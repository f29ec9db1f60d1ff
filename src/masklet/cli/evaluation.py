"""The work of `masklet evaluate`: options to calls, progress, and tables for people."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import typer

from masklet.cli.errors import INTERRUPTED
from masklet.cli.job import policy_named, post_process, spec_of
from masklet.cli.options import MaskOptions, ModelOptions
from masklet.cli.progress import Advance, progress
from masklet.cli.report import document, note, print_json, table
from masklet.errors import FormatError, MediaError, OutputError
from masklet.evaluate import (
    PROTOCOLS,
    Comparison,
    Evaluation,
    Export,
    ModelSpec,
    Predictions,
    Protocol,
    Running,
    Subject,
    compare,
    evaluate,
    protocol_named,
    read_results,
)
from masklet.evaluate.export import ExportForm
from masklet.evaluate.report import headline
from masklet.evaluate.results import write_json
from masklet.io.datasets import DATASETS, open_dataset
from masklet.predict.load import pick_device


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is asked of the model, in words.

    Attributes:
        protocol: name of one.
        clicks: in place of its own number.
        memory: name of a memory policy.
        masks: what happens to masks.
    """

    protocol: str
    clicks: int | None
    memory: str
    masks: MaskOptions

    def known(self) -> Protocol:
        """The protocol; what there is not is told by its own error."""
        memory, masks = policy_named(self.memory), post_process(self.masks)
        return protocol_named(self.protocol, clicks=self.clicks, memory=memory, postprocess=masks)


@dataclass(frozen=True, kw_only=True)
class EvaluationRun:
    """One evaluation as the command line describes it.

    Attributes:
        dataset, root, split, sequences, limit: as in `open_dataset`.
        out: folder of results, or None.
        json_file: where to write the document too; ``-`` prints it.
        workers: processes.
        quiet: print nothing but errors.
    """

    dataset: str
    root: Path
    split: str | None = None
    sequences: list[str] | None = None
    limit: int | None = None
    out: Path | None = None
    json_file: Path | None = None
    workers: int = 1
    quiet: bool = False

    def run(
        self,
        model: ModelOptions,
        asked: Asked,
        *,
        predictions: Path | None = None,
        export: tuple[Path, str] | None = None,
    ) -> None:
        """Evaluate, write and print."""
        if self.json_file is not None and self.json_file != Path("-") and not self.json_file.parent.is_dir():
            raise OutputError(f"cannot write {self.json_file}: there is no folder {self.json_file.parent}")
        opened = open_dataset(self.dataset, self.root, split=self.split, sequences=self.sequences, limit=self.limit)
        subject: Subject = Predictions(predictions) if predictions is not None else _spec(model)
        protocol = asked.known() if predictions is None else None
        what, shard = f"{self.dataset} {protocol.name if protocol else 'predictions'}", _shard()
        try:
            with _bar(what, quiet=self.quiet or shard[0] > 0) as tell:
                result = evaluate(
                    opened,
                    subject,
                    protocol,
                    out=self.out,
                    export=None if export is None else Export(folder=export[0], form=cast("ExportForm", export[1])),
                    running=Running(workers=self.workers, shard=shard, progress=tell),
                )
        except KeyboardInterrupt:
            kept = "what is done is kept; run the same command to continue" if self.out else "nothing was written"
            note(f"interrupted: {kept}")
            raise typer.Exit(INTERRUPTED) from None
        if result is not None:
            self._tell(result)

    def _tell(self, result: Evaluation) -> None:
        if self.json_file == Path("-"):
            print_json(result.document)
            return
        if self.json_file is not None:
            write_json(self.json_file, result.document)
        if self.quiet:
            return
        typer.echo("\n".join(lines_of(result.document)))
        if self.out is not None:
            typer.echo(f"wrote {self.out / 'results.json'}, objects.csv, report.html")


def _spec(model: ModelOptions) -> ModelSpec:
    """The model; under torchrun every process has a GPU of its own."""
    local, device = os.environ.get("LOCAL_RANK"), model.device
    if local is not None and pick_device(device).type == "cuda" and ":" not in device:
        device = f"cuda:{local}"
    return replace(spec_of(model), device=device)


def _shard() -> tuple[int, int]:
    """(rank, ranks) as torchrun tells them, (0, 1) without it."""
    try:
        rank, ranks = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    except ValueError:
        rank, ranks = -1, 0
    if not 0 <= rank < ranks:
        raise FormatError(
            f"expected RANK below WORLD_SIZE, got {os.environ.get('RANK')}, {os.environ.get('WORLD_SIZE')}"
        )
    return rank, ranks


@contextmanager
def _bar(what: str, *, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """Progress with the time left; begins with the first frame, when the total is known."""
    with ExitStack() as stack:
        advance: list[Advance] = []
        shown = 0

        def tell(done: int, total: int) -> None:
            nonlocal shown
            if not advance:
                advance.append(stack.enter_context(progress(what, total, quiet=quiet)))
            for _ in range(done - shown):
                advance[0]()
            shown = done

        yield tell


def lines_of(results: dict[str, Any]) -> list[str]:
    """A document for people: the numbers of the data set, of every sequence, and what they must know."""
    named = headline(results)
    lines = [table([name for name, _ in named], [[value for _, value in named]])]
    sequences = results["per_sequence"]
    rows = [
        [name, *(f"{numbers[key]:.1f}" for key in ("JF", "J", "F"))]
        for name, numbers in sequences.items()
        if numbers.get("JF") is not None
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
        lines += ["", *_image_tables(results)]
    counts = [f"{count} x {kind}" for kind, count in results["counted_notices"].items()]
    return [*lines, "", f"notices: {', '.join(counts)} (in the report)"] if counts else lines


def _image_tables(results: dict[str, Any]) -> list[str]:
    """Mean IoU after each answer over all masks and, of several sets side by side, over the sets."""
    answers = list(results["mIoU"])
    rows = [["all masks", results["mIoU"]]]
    if "folders" in results:
        rows += [["mean of the sets", results["mIoU_folders"]], *([f"  {k}", v] for k, v in results["folders"].items())]
    cells = [[name, *(f"{numbers[k]:.1f}" for k in answers)] for name, numbers in rows]
    return [table(["mIoU after answer", *answers], cells)]


def list_known() -> None:
    """Print data sets and protocols."""
    rows = [
        [info.name, ", ".join(split.name for split in info.splits), info.layout.expected(info.splits[0])]
        for info in DATASETS
    ]
    typer.echo(table(["DATA SET", "SPLITS", "LAYOUT UNDER ROOT"], rows))
    typer.echo("")
    typer.echo(table(["PROTOCOL", "WHAT IS ASKED"], [[name, about] for name, (_, about) in PROTOCOLS.items()]))


def compare_files(a: Path, b: Path, json_file: Path | None) -> None:
    """Print how b differs from a."""
    for path in (a, b):
        if not path.is_file():
            raise MediaError(f"expected results of masklet evaluate, found nothing: {path}")
    found = compare(read_results(a), read_results(b))
    told = document("comparison", a=str(a), b=str(b), **_entry(found))
    if json_file == Path("-"):
        print_json(told)
        return
    if json_file is not None:
        write_json(json_file, told)
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
    typer.echo(
        f"\n{found.objects} objects in {found.sequences} sequences; only in a {found.only_a}, only in b {found.only_b}"
    )
    for field, (before, after) in found.setup.items():
        typer.echo(f"{field}: {before} in a, {after} in b")


def _entry(found: Comparison) -> dict[str, Any]:
    entry = asdict(found)
    for line, difference in zip(entry["differences"], found.differences, strict=True):
        line |= {"difference": difference.difference, "sure": difference.is_sure}
    return entry
