"""`masklet models`: what can be loaded."""

from __future__ import annotations

from typing import Any

import typer

from masklet.cli.app import TOOL_PANEL, app
from masklet.cli.errors import exit_codes
from masklet.cli.options import AsJson
from masklet.cli.report import document, print_json, table


@app.command(epilog="masklet models --json prints the same for programs.", rich_help_panel=TOOL_PANEL)
def models(as_json: AsJson = False) -> None:
    """List the known models: size, input, license, where they are. Looks at the disk, never at the network."""
    with exit_codes(as_json=as_json):
        from masklet.model.catalog import catalog  # noqa: PLC0415  torch is slow to import

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
        if as_json:
            print_json(document("models", models=entries))
            return
        rows = [_row(entry) for entry in entries]
        typer.echo(table(("MODEL", "PARAMETERS", "INPUT", "WEIGHTS", "LICENSE", "HUB"), rows))
        typer.echo("\nUse one with --model NAME, or masklet.load(NAME). A file or another Hub id works in its place.")


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    here = "in the package" if not entry["hub_id"] else "in the cache" if entry["local"] else "to be downloaded"
    parameters = f"{entry['parameters'] / 1e6:.1f} M"
    return entry["name"], parameters, str(entry["input_size"]), here, entry["license"], entry["hub_id"] or "-"
