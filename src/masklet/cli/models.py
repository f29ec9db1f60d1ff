"""`masklet models` and `masklet convert`: what can be loaded, and weights in our own form."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from masklet.cli.app import TOOL_PANEL, app
from masklet.cli.errors import EXIT_CODE_HELP, exit_codes
from masklet.cli.options import AsJson
from masklet.cli.report import document, print_json, table
from masklet.errors import DeviceError

CONVERT_EXAMPLES = f"""Examples:

masklet convert sam2.1_hiera_tiny.pt sam2.1-tiny.safetensors

masklet convert sam2.1_hiera_large.pt large-half.safetensors --dtype float16

{EXIT_CODE_HELP}"""


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


@app.command(epilog=CONVERT_EXAMPLES, rich_help_panel=TOOL_PANEL)
def convert(
    source: Annotated[
        str,
        typer.Argument(help="A released .pt file, a transformers safetensors file, one of ours, or a model's name."),
    ],
    target: Annotated[Path, typer.Argument(help="The .safetensors file to write.")],
    dtype: Annotated[
        str | None, typer.Option(help="float32, bfloat16 or float16.", show_default="as in the source")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write weights in masklet's own form: safetensors that carry their configuration."""
    with exit_codes(as_json=as_json):
        from masklet.model.convert import convert_weights  # noqa: PLC0415  torch is slow to import
        from masklet.model.load import DTYPES  # noqa: PLC0415
        from masklet.predict.load import find_weights  # noqa: PLC0415

        if dtype is not None and dtype not in DTYPES:
            raise DeviceError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
        config = convert_weights(find_weights(source), target, dtype=None if dtype is None else DTYPES[dtype])
        megabytes = target.stat().st_size / 1e6
        if as_json:
            print_json(document("convert", model=config.full_name, output=str(target), bytes=target.stat().st_size))
        else:
            typer.echo(f"wrote {config.full_name} to {target} ({megabytes:.1f} MB)")
