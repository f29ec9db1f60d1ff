"""`masklet train`: a recipe and data in, weights out; watched, checked beforehand, resumed after a kill."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from masklet.cli import options
from masklet.cli.app import TOOL_PANEL, app
from masklet.cli.errors import EXIT_CODE_HELP, exit_codes

EXAMPLES = f"""Examples:

masklet train finetune_vos --data MOSE --init sam2.1_hiera_tiny.pt --out run --check

masklet train finetune_vos --data MOSE --val DAVIS --init sam2.1_hiera_tiny.pt --out run --set optim.steps=2000

masklet train finetune_vos --data MOSE --val DAVIS --out run --set optim.steps=2000 --resume

masklet train nano --data stills --data davis2016=DAVIS@train --out run --set data.image_size=320 --set optim.lr=3e-4

torchrun --nproc-per-node 8 --no-python masklet train full --data SA-1B --data SA-V --init pre.pt --out run

Recipes: finetune_vos (a released model, your videos), full and pretrain_images (the paper's stages), nano
(the embedded model), test_tiny (seconds). Settings and data forms: docs/guides/train.md.

{EXIT_CODE_HELP}"""


@app.command(epilog=EXAMPLES, rich_help_panel=TOOL_PANEL)
def train(
    recipe: Annotated[str, typer.Argument(help="finetune_vos, full, pretrain_images, nano or test_tiny.")],
    *,
    data: Annotated[
        list[str],
        typer.Option(
            metavar="[NAME=]PATH[@SPLIT]",
            help="Pictures or videos with masks; several are joined. NAME is one of masklet evaluate --list.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Weights, checkpoints, losses.csv.", rich_help_panel=options.OUTPUT_PANEL),
    ],
    init: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Start from it: a name of masklet models, or a file of weights.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="SECTION.FIELD=VALUE", help="Change a setting of the recipe.")
    ] = None,
    val: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]PATH[@SPLIT]",
            help="Score the model on these as it learns (run.validate_every).",
            show_default=False,
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the newest checkpoint in --out.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Look the data through, draw samples into --out, train nothing.")
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print one JSON object a line on stdout.", rich_help_panel=options.OUTPUT_PANEL),
    ] = False,
) -> None:
    """Train or fine-tune a model with the recipe of the SAM 2 paper.

    --out gets weights.safetensors, which every command takes as --model. A run that was killed at any moment goes on
    with the same command and --resume, to the same weights. Under torchrun the processes share the work.
    """
    with exit_codes():
        from masklet.cli.training import TrainingRun  # noqa: PLC0415  torch is slow

        TrainingRun(
            recipe=recipe,
            data=data,
            out=out,
            init=init,
            settings=settings or [],
            val=val or [],
            as_json=as_json,
        ).run(resume=resume, only_check=check)
