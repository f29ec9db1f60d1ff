"""`masklet convert`: write weights as safetensors, or as ONNX or OpenVINO graphs."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

import masklet
from masklet.cli.app import TOOL_PANEL, command
from masklet.cli.options import ReportOptions, Without
from masklet.errors import DeviceError, OutputError

FORMATS = ("safetensors", "onnx", "openvino")
EXAMPLES = """
masklet convert sam2.1_hiera_tiny.pt sam2.1-tiny.safetensors

masklet convert sam2.1_hiera_large.pt large-half.safetensors --dtype float16

masklet convert nano --to onnx -o nano-onnx

masklet convert nano --to openvino --dtype int8 --calibrate clip.mp4 -o nano-int8

masklet track dog.mp4 --click 210,350 --model nano-onnx --backend onnx
"""


@command(examples=EXAMPLES, panel=TOOL_PANEL)
def convert(
    source: Annotated[
        str, Argument(help="Released .pt file, transformers or masklet safetensors file, or name of a model.")
    ],
    target: Annotated[Path | None, Argument(help="File (safetensors) or folder (graphs) to write.")] = None,
    *,
    output: Annotated[Path | None, Option("-o", "--output", help="The same as TARGET.", show_default=False)] = None,
    to: Annotated[str, Option(help="Format: safetensors, onnx or openvino.")] = "safetensors",
    dtype: Annotated[
        str | None,
        Option(
            help="float32, bfloat16 or float16; for graphs float32, or int8 with openvino.",
            show_default="as in the source; for graphs float32",
        ),
    ] = None,
    size: Annotated[
        int | None,
        Option(help="Side of the square input of graphs in pixels, a multiple of 32.", show_default="the model's"),
    ] = None,
    calibrate: Annotated[
        str | None, Option(metavar="CLIP", help="Video to calibrate int8 with, like those to be tracked.")
    ] = None,
    overwrite: Annotated[bool, Option("--overwrite", help="Replace an existing folder of graphs.")] = False,
    report: Annotated[ReportOptions, Without("quiet")],
) -> None:
    """Write the weights of a model as a safetensors file, or as a folder of ONNX or OpenVINO graphs."""
    if (target is None) == (output is None):
        raise OutputError("expected one file or folder to write: masklet convert WEIGHTS TARGET, or -o TARGET")
    path = Path(str(output or target))
    if to not in FORMATS:
        raise OutputError(f"--to must be one of {', '.join(FORMATS)}, got {to[:32]!r}")
    if to == "safetensors":
        name = _write_weights(source, path, dtype)
    else:
        name = _write_graphs(source, path, to, dtype or "float32", size, calibrate, overwrite=overwrite)
    size_bytes = sum(file.stat().st_size for file in ([path] if path.is_file() else path.iterdir()))
    lines = [f"wrote {name} to {path} ({size_bytes / 1e6:.1f} MB)"]
    report.show("convert", lines, model=name, output=str(path), bytes=size_bytes)


def _write_weights(source: str, path: Path, dtype: str | None) -> str:
    """Write a safetensors file and return the model's name."""
    from masklet.model.convert import convert_weights
    from masklet.model.load import DTYPES
    from masklet.predict.load import find_weights

    if dtype is not None and dtype not in DTYPES:
        raise DeviceError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
    return convert_weights(find_weights(source), path, dtype=None if dtype is None else DTYPES[dtype]).full_name


def _write_graphs(
    source: str, folder: Path, backend: str, dtype: str, size: int | None, clip: str | None, *, overwrite: bool
) -> str:
    """Write a folder of graphs and return the model's name."""
    from masklet.backends.bundle import check_target
    from masklet.predict.load import find_weights
    from masklet.predict.runtime import RuntimeOptions, check_runtime, convert_to_graphs

    check_target(folder, overwrite=overwrite)
    if dtype == "bfloat16":
        raise DeviceError('graphs are float32 or int8; for bfloat16 load float32 graphs with dtype="bfloat16"')
    if (dtype == "int8") != (clip is not None):
        raise DeviceError("expected --dtype int8 and --calibrate CLIP together")
    check_runtime(RuntimeOptions(backend=backend, dtype=dtype, image_size=size))
    with nullcontext() if clip is None else masklet.open_video(clip) as video:
        options = RuntimeOptions(backend=backend, dtype=dtype, image_size=size, calibration=video)
        return convert_to_graphs(find_weights(source), folder, options, overwrite=overwrite).config.full_name
