"""`masklet models`: list the known models, and download their weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Argument, Option

from masklet.cli.app import TOOL_PANEL, app, command
from masklet.cli.options import ReportOptions, Without
from masklet.cli.report import table

models = typer.Typer(rich_markup_mode="markdown")
app.add_typer(models, name="models", rich_help_panel=TOOL_PANEL)


@command(examples="masklet models --json\n\nmasklet models pull edgetam", parent=models, default=True)
def list_models(*, report: Annotated[ReportOptions, Without("quiet")]) -> None:
    """List the known models: parameters, input size in pixels, license, and where the weights are (offline)."""
    from masklet.model.catalog import catalog

    entries: list[dict[str, Any]] = [
        {
            "name": entry.name,
            "parameters": entry.parameters,
            "input_size": entry.image_size,
            "license": entry.license,
            "hub_id": entry.hub_id,
            "local": entry.local and str(entry.local),
            "load": f'masklet.load("{entry.name}")',
        }
        for entry in catalog()
    ]
    rows = [
        (
            entry["name"],
            f"{entry['parameters'] / 1e6:.1f} M",
            str(entry["input_size"]),
            "in the package" if not entry["hub_id"] else "in the cache" if entry["local"] else "not downloaded",
            entry["license"],
            entry["hub_id"] or "-",
        )
        for entry in entries
    ]
    lines = [
        table(("MODEL", "PARAMETERS", "INPUT", "WEIGHTS", "LICENSE", "HUB"), rows),
        "\nUse a model with --model NAME, or masklet.load(NAME). A weight file or another Hub id works too.",
        "Download weights with masklet models pull NAME; --model auto is the best model already on this machine.",
    ]
    report.show("models", lines, models=entries)


@command(
    examples="masklet models pull edgetam\n\nmasklet models pull efficienttam-ti-512 --to /media/stick", parent=models
)
def pull(
    name: Annotated[str, Argument(metavar="NAME", help="Name of a model; see masklet models.")],
    *,
    to: Annotated[
        Path | None,
        Option(
            metavar="DIR",
            help="Folder to copy the weights to, as for a machine without network.",
            show_default="leave them in the cache",
        ),
    ] = None,
    report: Annotated[ReportOptions, Without("quiet")],
) -> None:
    """Download the weights of a model and verify them; run it again to resume an interrupted download."""
    from masklet.predict.hub import pull as pull_weights

    path = pull_weights(name, to)
    size = path.stat().st_size
    use = name if to is None else path
    lines = [f"{name}: {path} ({size / 1e6:.1f} MB), verified", f"Use it with --model {use}"]
    report.show("models-pull", lines, model=name, path=str(path), bytes=size)
