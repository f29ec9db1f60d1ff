"""Options that several commands share, and the values they stand for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

INPUT_PANEL, MODEL_PANEL, MASK_PANEL, OUTPUT_PANEL = "Input", "Model", "Masks", "Output"

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
Absences = Annotated[
    list[str],
    typer.Option(
        "--absent",
        metavar="[OBJ@]FRAME",
        help="The object is absent from this frame on, until it is prompted again.",
    ),
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
Backend = Annotated[
    str,
    typer.Option("--backend", help="What computes: torch, onnx or openvino.", rich_help_panel=MODEL_PANEL),
]
Speed = Annotated[
    str,
    typer.Option(
        "--speed",
        metavar="exact|fast",
        help="fast: several times faster for large models, masks a little different.",
        rich_help_panel=MODEL_PANEL,
    ),
]
InputSize = Annotated[
    int | None,
    typer.Option(
        "--size",
        help="Side of the model's square input, a multiple of 32; smaller is faster and coarser.",
        rich_help_panel=MODEL_PANEL,
    ),
]
Mirror = Annotated[
    bool,
    typer.Option(
        "--tta",
        help="Look at every picture mirrored too and take the mean: often better, in twice the time.",
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
Memory = Annotated[
    str,
    typer.Option(
        "--memory",
        metavar="POLICY",
        help="What the tracker remembers: plain (SAM 2), gated, distractor, motion, tree or auto.",
        rich_help_panel=MASK_PANEL,
    ),
]
NonOverlap = Annotated[
    bool,
    typer.Option("--non-overlap", help="Give every pixel to one object at most.", rich_help_panel=MASK_PANEL),
]
Refine = Annotated[
    bool,
    typer.Option(
        "--refine",
        help="Look again at each object, enlarged: finer outlines, up to twice the time.",
        rich_help_panel=MASK_PANEL,
    ),
]
Axis = Annotated[
    str | None,
    typer.Option(
        "--axis",
        metavar="AXIS[,OTHER=N|max]",
        help="Which axis of a stack counts frames, and where the others stand, as t,z=3 or t,z=max.",
        rich_help_panel=INPUT_PANEL,
    ),
]
Channel = Annotated[
    str | None,
    typer.Option(
        "--channel",
        metavar="C[,C,C]",
        help="One channel of a stack, or three as red, green and blue; by number from 0 or by name.",
        rich_help_panel=INPUT_PANEL,
    ),
]
ScaleRange = Annotated[
    str | None,
    typer.Option(
        "--scale",
        metavar="LOW,HIGH",
        help="Values of a stack that become black and white, as 0,4095 or 1%,99%.",
        rich_help_panel=INPUT_PANEL,
    ),
]
Fps = Annotated[
    float | None,
    typer.Option(
        "--fps", help="Frames per second of pictures and stacks, which tell none.", rich_help_panel=INPUT_PANEL
    ),
]
Raw = Annotated[
    str | None,
    typer.Option(
        "--raw",
        metavar="WxH[,PIXELS[,FPS]]",
        help="The form of frames without any header, as 640x480,rgb24,25.",
        rich_help_panel=INPUT_PANEL,
    ),
]
Style = Annotated[
    str,
    typer.Option(
        "--style",
        help="Of overlay videos: fill, outline, spotlight, cutout, blur, pixelate, desaturate or erase.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]
StyleRegion = Annotated[
    str,
    typer.Option(
        "--on",
        help="What blur, pixelate, desaturate and erase change: objects or background.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]
Colors = Annotated[
    list[str],
    typer.Option(
        "--color",
        metavar="[OBJ:]#RRGGBB",
        help="Color of all that is painted, or of one object.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]
Soften = Annotated[
    float,
    typer.Option(
        "--soften", min=0, metavar="PIXELS", help="Soft edges of mattes and cut-outs.", rich_help_panel=OUTPUT_PANEL
    ),
]
Detail = Annotated[
    int,
    typer.Option(
        "--detail",
        min=0,
        metavar="PIXELS",
        help="Let edges of mattes follow the picture (hair, leaves) so far from the mask's.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]
Trimap = Annotated[
    int,
    typer.Option(
        "--trimap",
        min=0,
        metavar="PIXELS",
        help="Gray band along the edges of mattes, for a matting tool.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]
Tolerance = Annotated[
    float,
    typer.Option(
        "--tolerance",
        min=0,
        metavar="PIXELS",
        help="How far polygons may stray to save corners; 0 is exact.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]
PixelSize = Annotated[
    str | None,
    typer.Option(
        "--pixel-size",
        metavar="[HEIGHTx]WIDTH UNIT",
        help="Size of a pixel for measurements, as '0.65 um', where the file does not tell.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]
FrameInterval = Annotated[
    float | None,
    typer.Option(
        "--frame-interval",
        metavar="SECONDS",
        help="Time between frames for measurements, where the file does not tell.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]
Mute = Annotated[
    bool, typer.Option("--no-sound", help="Leave the sound of the source out.", rich_help_panel=OUTPUT_PANEL)
]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace outputs that are there already.", rich_help_panel=OUTPUT_PANEL),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print machine-readable results on stdout, and nothing else.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print nothing but errors.")]


@dataclass(frozen=True, kw_only=True)
class InputOptions:
    """What input files leave open, in words; read by `masklet.cli.inputs`."""

    axis: str | None = None
    channel: str | None = None
    scale: str | None = None
    fps: float | None = None
    raw: str | None = None


@dataclass(frozen=True, kw_only=True)
class LookOptions:
    """How outputs look and what they are measured in, in words; read by `masklet.cli.looks`."""

    style: str = "fill"
    region: str = "objects"
    colors: list[str] = field(default_factory=list)
    soften: float = 0.0
    detail: int = 0
    trimap: int = 0
    tolerance: float = 0.0
    pixel_size: str | None = None
    frame_interval: float | None = None
    mute: bool = False


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Which model, where and how; fields as in `masklet.predict.spec.ModelSpec` and `masklet.load`."""

    name: str = "nano"
    weights: Path | None = None
    device: str = "auto"
    dtype: str = "float32"
    image_size: int | None = None
    backend: str = "torch"
    speed: str = "exact"
    mirror: bool = False


@dataclass(frozen=True, kw_only=True)
class MaskOptions:
    """What happens to masks; fields as in `masklet.PostProcess`, but ``refine`` says only whether."""

    fill_holes: int = 0
    remove_specks: int = 0
    non_overlap: bool = False
    refine: bool = False
