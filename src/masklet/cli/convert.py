"""`masklet convert`: weights in our own form, or as graphs for other run times."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from masklet.cli.app import TOOL_PANEL, app
from masklet.cli.errors import EXIT_CODE_HELP, exit_codes
from masklet.cli.options import AsJson
from masklet.cli.report import document, print_json
from masklet.errors import DeviceError, OutputError

FORMS = ("safetensors", "onnx", "openvino")
CONVERT_EXAMPLES = f"""Examples:

masklet convert sam2.1_hiera_tiny.pt sam2.1-tiny.safetensors

masklet convert sam2.1_hiera_large.pt large-half.safetensors --dtype float16

masklet convert nano --to onnx -o nano-onnx

masklet convert nano --to openvino --dtype int8 --calibrate clip.mp4 -o nano-int8

masklet track dog.mp4 --click 210,350 --model nano-onnx --backend onnx

{EXIT_CODE_HELP}"""


@app.command(epilog=CONVERT_EXAMPLES, rich_help_panel=TOOL_PANEL)
def convert(
    source: Annotated[
        str,
        typer.Argument(help="A released .pt file, a transformers safetensors file, one of ours, or a model's name."),
    ],
    target: Annotated[Path | None, typer.Argument(help="What to write: a .safetensors file, or a folder.")] = None,
    *,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="The same.", show_default=False)] = None,
    to: Annotated[str, typer.Option(help="safetensors, onnx or openvino.")] = "safetensors",
    dtype: Annotated[
        str | None,
        typer.Option(
            help="float32, bfloat16 or float16; graphs: float32, or int8 on openvino.",
            show_default="as in the source; graphs float32",
        ),
    ] = None,
    size: Annotated[
        int | None, typer.Option(help="Graphs: side of the model's square input, a multiple of 32.")
    ] = None,
    calibrate: Annotated[
        str | None, typer.Option(metavar="CLIP", help="int8: a video like those the model will see.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a folder of graphs.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write weights in masklet's own form, or a folder of ONNX or OpenVINO graphs."""
    with exit_codes(as_json=as_json):
        if (target is None) == (output is None):
            raise OutputError("name one file or folder to write: masklet convert WEIGHTS TARGET, or -o TARGET")
        written = Path(str(output or target))
        if to not in FORMS:
            raise OutputError(f"--to must be one of {', '.join(FORMS)}, got {to[:32]!r}")
        if to == "safetensors":
            name = _as_weights(source, written, dtype)
        else:
            name = _as_graphs(source, written, (to, dtype or "float32", size), calibrate, overwrite)
        files = [written] if written.is_file() else list(written.iterdir())
        count = sum(file.stat().st_size for file in files)
        if as_json:
            print_json(document("convert", model=name, output=str(written), bytes=count))
        else:
            typer.echo(f"wrote {name} to {written} ({count / 1e6:.1f} MB)")


def _as_weights(source: str, target: Path, dtype: str | None) -> str:
    from masklet.model.convert import convert_weights  # noqa: PLC0415  torch is slow to import
    from masklet.model.load import DTYPES  # noqa: PLC0415
    from masklet.predict.load import find_weights  # noqa: PLC0415

    if dtype is not None and dtype not in DTYPES:
        raise DeviceError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
    config = convert_weights(find_weights(source), target, dtype=None if dtype is None else DTYPES[dtype])
    return config.full_name


def _as_graphs(source: str, folder: Path, form: tuple[str, str, int | None], clip: str | None, overwrite: bool) -> str:
    from masklet.backends.bundle import check_target  # noqa: PLC0415
    from masklet.io import open_video  # noqa: PLC0415  so is the decoder
    from masklet.predict.load import find_weights  # noqa: PLC0415
    from masklet.predict.run_time import RunTime, check_run_time, convert_to_graphs  # noqa: PLC0415

    check_target(folder, overwrite=overwrite)
    to, dtype, size = form
    if dtype == "bfloat16":
        raise DeviceError('graphs hold float32 or int8; bfloat16 is chosen when they are loaded (dtype="bfloat16")')
    if (dtype == "int8") != (clip is not None):
        raise DeviceError("--dtype int8 and --calibrate CLIP go together")
    wanted = RunTime(backend=to, dtype=dtype, image_size=size)
    check_run_time(wanted)
    if clip is None:
        return convert_to_graphs(find_weights(source), folder, wanted, overwrite=overwrite).config.full_name
    with open_video(clip) as video:
        wanted = RunTime(backend=to, dtype=dtype, image_size=size, calibration=video)
        return convert_to_graphs(find_weights(source), folder, wanted, overwrite=overwrite).config.full_name
