"""`masklet models`: list the known models."""

from __future__ import annotations

from typing import Annotated, Any

from masklet.cli.app import TOOL_PANEL, command
from masklet.cli.options import ReportOptions, Without
from masklet.cli.report import table


@command(examples="masklet models --json", panel=TOOL_PANEL)
def models(*, report: Annotated[ReportOptions, Without("quiet")]) -> None:
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
    ]
    report.show("models", lines, models=entries)
