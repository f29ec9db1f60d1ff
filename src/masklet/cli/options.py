"""Options that several commands share, and the values they stand for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

MODEL_PANEL, MASK_PANEL, OUTPUT_PANEL = "Model", "Masks", "Output"

Clicks = Annotated[
    list[str],
    typer.Option("--click", metavar="[OBJ@FRAME:]x,y[,-]", help="A click inside the object; with ,- one outside it."),
]
Boxes = Annotated[
    list[str],
    typer.Option("--box", metavar="[OBJ@FRAME:]x0,y0,x1,y1", help="A box around the object."),
]
Masks = Annotated[
    list[str],
    typer.Option("--mask", metavar="[OBJ@FRAME:]FILE", help="The object's mask: a picture, black outside."),
]
PromptFiles = Annotated[
    list[Path],
    typer.Option(
        "--prompts",
        metavar="FILE.json",
        help="More prompts, from a file (its form: masklet track --help).",
    ),
]
Outputs = Annotated[
    list[str],
    typer.Option(
        "-o", "--output", metavar="PATH", help="Where results go; the name chooses the form.", show_default=False
    ),
]
ModelName = Annotated[
    str,
    typer.Option("--model", help="A name (masklet models), a weight file or a Hub id.", rich_help_panel=MODEL_PANEL),
]
Weights = Annotated[
    Path | None,
    typer.Option("--weights", help="The file with the named model's weights.", rich_help_panel=MODEL_PANEL),
]
Device = Annotated[
    str,
    typer.Option("--device", help="auto, cpu, cuda, cuda:N or mps.", rich_help_panel=MODEL_PANEL),
]
Dtype = Annotated[
    str,
    typer.Option("--dtype", help="float32, bfloat16 or float16.", rich_help_panel=MODEL_PANEL),
]
InputSize = Annotated[
    int | None,
    typer.Option(
        "--size",
        help="Side of the model's square input, a multiple of 32; smaller is faster and coarser.",
        rich_help_panel=MODEL_PANEL,
    ),
]
FillHoles = Annotated[
    int,
    typer.Option(
        "--fill-holes", min=0, metavar="AREA", help="Fill holes up to AREA pixels.", rich_help_panel=MASK_PANEL
    ),
]
RemoveSpecks = Annotated[
    int,
    typer.Option(
        "--remove-specks", min=0, metavar="AREA", help="Remove pieces up to AREA pixels.", rich_help_panel=MASK_PANEL
    ),
]
NonOverlap = Annotated[
    bool,
    typer.Option("--non-overlap", help="Give every pixel to one object at most.", rich_help_panel=MASK_PANEL),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print machine-readable results on stdout, and nothing else.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print nothing but errors.")]


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Which model, where and how; fields as in `masklet.load`."""

    name: str = "nano"
    weights: Path | None = None
    device: str = "auto"
    dtype: str = "float32"
    image_size: int | None = None


@dataclass(frozen=True, kw_only=True)
class MaskOptions:
    """What happens to masks; fields as in `masklet.PostProcess`."""

    fill_holes: int = 0
    remove_specks: int = 0
    non_overlap: bool = False
