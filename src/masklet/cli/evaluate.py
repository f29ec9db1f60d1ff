"""`masklet evaluate`: how good a model, or masks of another program, are on a data set; and two results compared."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from masklet.cli import options
from masklet.cli.app import TOOL_PANEL, app
from masklet.cli.errors import EXIT_CODE_HELP, exit_codes
from masklet.cli.options import MaskOptions, ModelOptions

EXAMPLES = f"""Examples:

masklet evaluate davis2017 DAVIS --protocol 3-click --out results

masklet evaluate sa-1b pictures --protocol image-clicks --clicks 20 --model sam2.1-tiny --device cuda --out results

masklet evaluate mose MOSE --split val --predictions their-masks --json theirs.json

masklet evaluate youtube-vos-2019 YTVOS --out work --save-predictions submission --form youtube-vos

masklet evaluate --compare a/results.json b/results.json

{EXIT_CODE_HELP}"""

RUN_PANEL = "Run"


@app.command(epilog=EXAMPLES, rich_help_panel=TOOL_PANEL)
def evaluate(
    dataset: Annotated[str, typer.Argument(help="A data set's name (--list).", show_default=False)] = "",
    root: Annotated[Path | None, typer.Argument(help="The folder that holds it.", show_default=False)] = None,
    *,
    protocol: Annotated[
        str | None, typer.Option(help="What is asked of the model (--list).", show_default="mask")
    ] = None,
    clicks: Annotated[int | None, typer.Option(min=1, help="Clicks, in place of the protocol's.")] = None,
    split: Annotated[str | None, typer.Option(help="Part of the data set.", show_default="the usual one")] = None,
    sequences: Annotated[str | None, typer.Option(metavar="A,B", help="Only these sequences or pictures.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N.")] = None,
    predictions: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Score the masks in this folder in the model's place.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write results.json, objects.csv and report.html here; a run that was stopped continues.",
            rich_help_panel=options.OUTPUT_PANEL,
        ),
    ] = None,
    json_file: Annotated[
        Path | None,
        typer.Option(
            "--json", metavar="FILE", help="Write the results as JSON; - prints.", rich_help_panel=options.OUTPUT_PANEL
        ),
    ] = None,
    save_predictions: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write all masks here.", rich_help_panel=options.OUTPUT_PANEL)
    ] = None,
    form: Annotated[
        str,
        typer.Option(help="Their form: davis, youtube-vos, mose, lvos or sav.", rich_help_panel=options.OUTPUT_PANEL),
    ] = "davis",
    workers: Annotated[int, typer.Option(min=1, help="Processes of one thread each.", rich_help_panel=RUN_PANEL)] = 1,
    model: options.ModelName = "nano",
    weights: options.Weights = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "float32",
    speed: options.Speed = "exact",
    size: options.InputSize = None,
    mirror: options.Mirror = False,
    memory: options.Memory = "plain",
    refine: options.Refine = False,
    fill_holes: options.FillHoles = 0,
    remove_specks: options.RemoveSpecks = 0,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(metavar="A.json B.json", help="Compare two results, object by object.", show_default=False),
    ] = None,
    list_all: Annotated[bool, typer.Option("--list", help="List data sets and protocols.")] = False,
    quiet: options.Quiet = False,
) -> None:
    """Measure a model by the protocols of the SAM 2 paper, or score masks that another program wrote.

    Numbers are in percent and counted as each data set's own evaluator counts them. With --out, results.json says
    everything needed to repeat them, and report.html shows curves and the worst sequences. Under torchrun the
    sequences are shared among the processes.
    """
    with exit_codes():
        from masklet.cli.evaluation import Asked, EvaluationRun, compare_files, list_known  # noqa: PLC0415  torch is slow

        if list_all:
            list_known()
            return
        if compare is not None:
            compare_files(*compare, json_file)
            return
        if not dataset or root is None:
            raise typer.BadParameter("expected DATASET and ROOT (or --list, or --compare)")
        masks = MaskOptions(fill_holes=fill_holes, remove_specks=remove_specks, refine=refine)
        if predictions is not None and (protocol or clicks or memory != "plain" or masks != MaskOptions()):
            raise typer.BadParameter("--predictions are scored as they are: no --protocol, --clicks or mask options")
        EvaluationRun(
            dataset=dataset,
            root=root,
            split=split,
            sequences=None if sequences is None else [name.strip() for name in sequences.split(",") if name.strip()],
            limit=limit,
            out=out,
            json_file=json_file,
            workers=workers,
            quiet=quiet,
        ).run(
            ModelOptions(
                name=model, weights=weights, device=device, dtype=dtype, image_size=size, speed=speed, mirror=mirror
            ),
            Asked(protocol=protocol or "mask", clicks=clicks, memory=memory, masks=masks),
            predictions=predictions,
            export=None if save_predictions is None else (save_predictions, form),
        )
