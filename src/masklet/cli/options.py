"""Options that several commands share, each declared once, in groups.

A group is a frozen dataclass whose fields are options and whose ``panel`` is their section of the help. A command
takes a whole group as one parameter, and `expand_groups` shows typer the fields in its place:

    def track(video: str, *, model: ModelOptions, masks: Annotated[MaskOptions, Without("refine")]) -> None: ...
"""

from __future__ import annotations

import inspect
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from functools import cache, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, cast, get_args, get_origin, get_type_hints

import typer
from typer import Option
from typer.models import OptionInfo

import masklet
from masklet.cli.report import document, print_json
from masklet.errors import FormatError, OutputError

if TYPE_CHECKING:
    from masklet.backends.protocol import Model
    from masklet.cli.prompts import PromptList
    from masklet.io import OutputOptions
    from masklet.io.overlay import Region, StyleName
    from masklet.io.palette import Color
    from masklet.io.source import Calibration
    from masklet.predict.automatic_masks import Preset
    from masklet.predict.spec import ModelSpec
    from masklet.tracking.memory_policy import PolicyName
    from masklet.types import ObjectId

INPUT_PANEL, MODEL_PANEL, MASK_PANEL, OUTPUT_PANEL = "Input", "Model", "Masks", "Output"

NAME = "{name}"
"""Stands for the input's name in a path given with ``-o``."""

_COLOR = re.compile(r"(?:(\d+):)?#?([0-9a-fA-F]{6})")
_NUMBER = r"(\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)"
_PIXEL_SIZE = re.compile(rf"{_NUMBER}(?:\s*[x×]\s*{_NUMBER})?\s*([^\W\d]\w*)")


class Without:
    """Fields of an option group that a command does not offer: ``Annotated[ModelOptions, Without("tta")]``."""

    def __init__(self, *names: str) -> None:
        self.names = names


def expand_groups(command: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a command so that each parameter that is an option group becomes the options of the group."""
    signature = inspect.signature(command, eval_str=True)
    groups: dict[str, tuple[type, list[str]]] = {}
    parameters: list[inspect.Parameter] = []
    for parameter in signature.parameters.values():
        group, without = _group_of(parameter.annotation)
        if group is None:
            parameters.append(parameter)
            continue
        options = [option for option in _options_of(group) if option.name not in without]
        groups[parameter.name] = group, [option.name for option in options]
        parameters += options

    @wraps(command)
    def expanded(**values: Any) -> Any:
        for name, (group, options) in groups.items():
            values[name] = group(**{option: values.pop(option) for option in options})
        return command(**values)

    expanded.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    expanded.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return expanded


def _group_of(annotation: Any) -> tuple[type | None, tuple[str, ...]]:
    """The group of a parameter, or None, and the fields it leaves out."""
    kind, *extra = get_args(annotation) if get_origin(annotation) is Annotated else (annotation,)
    if not (isinstance(kind, type) and is_dataclass(kind)):
        return None, ()
    return kind, tuple(name for one in extra if isinstance(one, Without) for name in one.names)


def _options_of(group: type) -> list[inspect.Parameter]:
    """The fields of a group as keyword parameters of a function, in the section ``panel`` of the help."""
    hints = get_type_hints(group, include_extras=True)
    options = []
    for one in fields(group):
        for extra in get_args(hints[one.name]):
            if isinstance(extra, OptionInfo) and hasattr(group, "panel"):
                extra.rich_help_panel = group.panel
        default = one.default if one.default_factory is MISSING else one.default_factory()
        kind = inspect.Parameter.KEYWORD_ONLY
        options.append(inspect.Parameter(one.name, kind, default=default, annotation=hints[one.name]))
    return options


Outputs = Annotated[
    list[str],
    Option(
        "-o",
        "--output",
        metavar="PATH",
        help="File or folder to write; its name selects the format. May be repeated.",
        show_default=False,
    ),
]
Overwrite = Annotated[bool, Option("--overwrite", help="Replace existing output files.", rich_help_panel=OUTPUT_PANEL)]
Memory = Annotated[
    str,
    Option(
        "--memory",
        metavar="POLICY",
        help="Memory policy: plain (SAM 2), gated, tree (SAM2Long), distractor (DAM4SAM), motion (SAMURAI) or auto.",
        rich_help_panel=MASK_PANEL,
    ),
]
PresetName = Annotated[str, Option("--preset", help="Density of the grid of clicks: fast, default, dense or small.")]
AsJson = Annotated[bool, Option("--json", help="Print one JSON document on stdout instead of text.")]
Quiet = Annotated[bool, Option("-q", "--quiet", help="Print nothing but errors.")]


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """What a command prints on stdout when it is done."""

    as_json: AsJson = False
    quiet: Quiet = False

    @property
    def prints_no_text(self) -> bool:
        """Whether there is no text for people, with --json or --quiet."""
        return self.as_json or self.quiet

    def show(self, schema: str, lines: Sequence[str], **content: Any) -> None:
        """Print ``content`` as a JSON document of a schema, or ``lines`` as text."""
        if self.as_json:
            print_json(document(schema, **content))
        elif not self.quiet:
            typer.echo("\n".join(lines))


@dataclass(frozen=True, kw_only=True)
class PromptOptions:
    """Prompts given on the command line and in prompt files."""

    click: Annotated[
        list[str],
        Option("--click", metavar="[OBJ@FRAME:]x,y[,-]", help="Click on the object; with ,- on the background."),
    ] = field(default_factory=list)
    box: Annotated[list[str], Option("--box", metavar="[OBJ@FRAME:]x0,y0,x1,y1", help="Box around the object.")] = (
        field(default_factory=list)
    )
    mask: Annotated[
        list[str],
        Option("--mask", metavar="[OBJ@FRAME:]FILE", help="Image file with the object's mask, black outside."),
    ] = field(default_factory=list)
    absent: Annotated[
        list[str],
        Option("--absent", metavar="[OBJ@]FRAME", help="Mark the object absent from this frame until its next prompt."),
    ] = field(default_factory=list)
    prompts: Annotated[
        list[Path],
        Option("--prompts", metavar="FILE.json", help="Read prompts from a file (format: masklet track --help)."),
    ] = field(default_factory=list)

    def parse(self) -> PromptList:
        """Parse all of them.

        Raises:
            PromptError: the value of an option does not have its format.
            FormatError: a prompt file cannot be read, or does not have its format.
        """
        from masklet.cli.prompts import KINDS, PromptList, parse_prompt, read_prompts

        specs = [parse_prompt(kind, value) for kind in KINDS for value in getattr(self, kind)]
        names: dict[ObjectId, str] = {}
        for file in map(read_prompts, self.prompts):
            specs += file.specs
            names |= file.names
        return PromptList(tuple(specs), names)


AUTO = "auto"
"""Name of a model that `masklet.load` chooses."""


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """The model and how it runs; see `masklet.load`."""

    panel: ClassVar = MODEL_PANEL

    name: Annotated[str, Option("--model", help="Model name (see masklet models), auto, weight file or Hub id.")] = (
        "nano"
    )
    weights: Annotated[Path | None, Option("--weights", help="File with the weights of the named model.")] = None
    device: Annotated[str, Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto"
    dtype: Annotated[str, Option(help="float32, bfloat16 or float16.")] = "float32"
    backend: Annotated[str, Option(help="Inference backend: torch, onnx or openvino.")] = "torch"
    speed: Annotated[
        str,
        Option(
            metavar="exact|fast", help="fast: several times faster for large models, with slightly different masks."
        ),
    ] = "exact"
    image_size: Annotated[
        int | None,
        Option(
            "--size",
            help="Side of the model's square input in pixels, a multiple of 32; smaller is faster and coarser.",
            show_default="the model's own",
        ),
    ] = None
    tta: Annotated[
        bool,
        Option(
            "--tta", help="Average the predictions for the image and its mirror image: often better, twice the time."
        ),
    ] = False

    def load(self) -> Model:
        """Load the model; print which one if it was chosen automatically."""
        arguments = dict(vars(self))
        tta = arguments.pop("tta")
        if self.name == AUTO:
            from masklet.model.catalog import best_local_model
            from masklet.predict.load import pick_device

            arguments["name"], reason = best_local_model(has_gpu=pick_device(self.device).type != "cpu")
            typer.echo(f"masklet: model {arguments['name']}: {reason}", err=True)
        model = masklet.load(**arguments)
        return masklet.FlipAugmented(model) if tta else model

    def loader(self) -> Callable[[], Model]:
        """A function that loads the model at its first call, so that bad inputs are refused before that."""
        return cache(self.load)

    def spec(self) -> ModelSpec:
        """The description from which worker processes load the same model (torch backend only)."""
        from masklet.predict.spec import ModelSpec

        arguments = dict(vars(self))
        del arguments["backend"]
        return ModelSpec(**arguments)


@dataclass(frozen=True, kw_only=True)
class InputOptions:
    """How stacks, image folders and raw streams are read; see `masklet.open_video`."""

    panel: ClassVar = INPUT_PANEL

    axis: Annotated[
        str | None,
        Option(
            metavar="AXIS[,OTHER=N|max]",
            help="Stack axis that counts frames, and positions on the others, as t,z=3 or t,z=max.",
        ),
    ] = None
    channel: Annotated[
        str | None,
        Option(metavar="C[,C,C]", help="Stack channel, or three for red, green and blue; by number from 0 or by name."),
    ] = None
    scale: Annotated[
        str | None, Option(metavar="LOW,HIGH", help="Stack intensities mapped to black and white, as 0,4095 or 1%,99%.")
    ] = None
    fps: Annotated[
        float | None, Option(help="Frame rate of image folders and stacks, which do not store one, in frames/s.")
    ] = None
    raw: Annotated[
        str | None, Option(metavar="WxH[,PIXELS[,FPS]]", help="Format of headerless frames, as 640x480,rgb24,25.")
    ] = None

    def image_arguments(self) -> dict[str, Any]:
        """Arguments of `masklet.read_image`; `MediaError` for a value that cannot be parsed."""
        from masklet.io.intensity import parse_scale

        return {
            "axis": self.axis,
            "channels": None if self.channel is None else [part.strip() for part in self.channel.split(",")],
            "scale": None if self.scale is None else parse_scale(self.scale),
        }

    def video_arguments(self) -> dict[str, Any]:
        """Arguments of `masklet.open_video`; `MediaError` for a value that cannot be parsed."""
        from masklet.io import RawFormat

        raw = None if self.raw is None else RawFormat.parse(self.raw)
        return {**self.image_arguments(), "fps": self.fps, "raw": raw}


@dataclass(frozen=True, kw_only=True)
class MaskOptions:
    """Post-processing of masks; see `masklet.PostProcess`."""

    panel: ClassVar = MASK_PANEL

    fill_holes: Annotated[int, Option(min=0, metavar="AREA", help="Fill holes of up to AREA pixels.")] = 0
    remove_specks: Annotated[
        int, Option(min=0, metavar="AREA", help="Remove separate regions of up to AREA pixels.")
    ] = 0
    non_overlap: Annotated[bool, Option("--non-overlap", help="Assign each pixel to at most one object.")] = False
    refine: Annotated[
        bool,
        Option("--refine", help="Segment each object again in an enlarged crop: finer outlines, up to twice the time."),
    ] = False

    def post_process(self) -> masklet.PostProcess:
        """The same for the library."""
        return masklet.PostProcess(
            fill_holes=self.fill_holes,
            remove_specks=self.remove_specks,
            non_overlap=self.non_overlap,
            refine=masklet.Refinement() if self.refine else None,
        )


@dataclass(frozen=True, kw_only=True)
class ListenOptions:
    """Where the studio listens."""

    host: Annotated[str, Option(help="Address to listen on; any but this machine's own requires a token.")] = (
        "127.0.0.1"
    )
    port: Annotated[int, Option(min=0, max=65535, help="Port to listen on; 0 picks a free one.")] = 8765
    allow_host: Annotated[
        list[str], Option("--allow-host", metavar="NAME", help="Host name to accept in requests; may be repeated.")
    ] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class WriterOptions:
    """How results are drawn and measured; see `masklet.io.OutputOptions`."""

    panel: ClassVar = OUTPUT_PANEL

    style: Annotated[
        str, Option(help="Overlay style: fill, outline, spotlight, cutout, blur, pixelate, desaturate or erase.")
    ] = "fill"
    region: Annotated[
        str, Option("--on", help="Region that blur, pixelate, desaturate and erase change: objects or background.")
    ] = "objects"
    color: Annotated[
        list[str], Option(metavar="[OBJ:]#RRGGBB", help="Overlay color of all objects, or of one; may be repeated.")
    ] = field(default_factory=list)
    soften: Annotated[
        float, Option(min=0, metavar="PIXELS", help="Width over which edges of mattes and cut-outs are blurred.")
    ] = 0.0
    detail: Annotated[
        int,
        Option(
            min=0,
            metavar="PIXELS",
            help="Distance from the mask's edge within which a matte follows the image (hair, leaves).",
        ),
    ] = 0
    trimap: Annotated[
        int,
        Option(min=0, metavar="PIXELS", help="Width of the gray band along the edges of mattes, for a matting tool."),
    ] = 0
    tolerance: Annotated[
        float, Option(min=0, metavar="PIXELS", help="Largest deviation of simplified polygons; 0 is exact.")
    ] = 0.0
    pixel_size: Annotated[
        str | None,
        Option(
            metavar="[HEIGHTx]WIDTH UNIT",
            help="Size of a pixel for measurements, as '0.65 um', if the file does not store it.",
        ),
    ] = None
    frame_interval: Annotated[
        float | None,
        Option(metavar="SECONDS", help="Time between frames for measurements, if the file does not store it."),
    ] = None
    no_audio: Annotated[bool, Option("--no-audio", help="Write videos without the source's audio.")] = False

    def output_options(self) -> OutputOptions:
        """The options of `masklet.open_writer`; `OutputError` for a value that cannot be parsed."""
        from masklet.io import Edge, OutputOptions, Style

        colors = dict(map(parse_color, self.color))
        style = Style(
            name=cast("StyleName", self.style),
            region=cast("Region", self.region),
            color=colors.pop(None, None),
            colors={object_id: color for object_id, color in colors.items() if object_id is not None},
            edge=Edge(soften=self.soften, detail=self.detail),
        )
        return OutputOptions(
            style=style,
            edge=Edge(soften=self.soften, detail=self.detail, trimap=self.trimap),
            calibration=parse_calibration(self.pixel_size, self.frame_interval),
            tolerance=self.tolerance,
            audio=not self.no_audio,
        )


def policy_named(name: str) -> PolicyName:
    """The memory policy of a name; `typer.BadParameter` if there is none."""
    from masklet.tracking.memory_policy import NAMES

    if name not in NAMES:
        raise typer.BadParameter(f"expected one of {', '.join(NAMES)}, got {name!r}", param_hint="--memory")
    return name


def preset_named(name: str) -> Preset:
    """The preset of automatic mask generation of a name; `FormatError` if there is none, with the nearest one."""
    import difflib

    from masklet.predict.automatic_masks import LAYERS

    if name not in LAYERS:
        near = difflib.get_close_matches(name, LAYERS, 1)
        raise FormatError(f"expected --preset {', '.join(LAYERS)}, got {name!r}{f': {near[0]}?' if near else ''}")
    return name


def model_entry(model: Model) -> Mapping[str, object]:
    """The fields that describe a model in JSON documents."""
    return {
        "model": model.config.full_name,
        "device": str(model.device),
        "dtype": str(model.dtype).removeprefix("torch."),
        "input_size": model.config.image_size,
    }


def parse_color(text: str) -> tuple[int | None, Color]:
    """Object id (None: all objects) and color of ``[OBJ:]#RRGGBB``."""
    match = _COLOR.fullmatch(text)
    if match is None:
        raise OutputError(f"--color {text!r}: expected [OBJ:]#RRGGBB, as #ff8800 or 2:#ff8800")
    red, green, blue = bytes.fromhex(match[2])
    return (int(match[1]) if match[1] else None), (red, green, blue)


def parse_calibration(pixel_size: str | None, frame_interval: float | None) -> Calibration | None:
    """The calibration of ``--pixel-size`` and ``--frame-interval``; None without either."""
    from masklet.io.source import Calibration

    if frame_interval is not None and not 0 < frame_interval < float("inf"):
        raise OutputError(f"--frame-interval {frame_interval}: expected seconds, more than 0")
    if pixel_size is None:
        return None if frame_interval is None else Calibration(frame_interval=frame_interval)
    match = _PIXEL_SIZE.fullmatch(pixel_size.strip())
    sides = [float(side) for side in match.groups()[:2] if side] if match else []
    if match is None or min(sides) <= 0:
        raise OutputError(f"--pixel-size {pixel_size!r}: expected a number and a unit, as '0.65 um' or '0.6x0.65 um'")
    return Calibration(pixel_size=(sides[0], sides[-1]), unit=match[3], frame_interval=frame_interval)


def input_name(source: str) -> str:
    """The name of an input in its outputs: "dog" for "clips/dog.mp4", "camera-0" for "camera:0"."""
    path = Path(source)
    if source == "-":
        return "stdin"
    if path.is_dir():
        return path.resolve().name
    if ":" in source and not path.exists():
        return re.sub(r"[^\w.]+", "-", source.rpartition("@")[2]).strip("-.")
    return path.stem


def is_folder(output: str) -> bool:
    """Whether a path given with ``-o`` means a folder: no suffix, or a slash at the end."""
    return output.endswith(("/", os.sep)) or not Path(output).suffix


def output_paths(
    sources: Sequence[str], outputs: Sequence[str], *, default: str, shared_folder: bool = False
) -> list[list[str]]:
    """The outputs of each input, with ``{name}`` replaced by the input's name.

    Args:
        sources: inputs.
        outputs: paths given with ``-o``.
        default: used if there are none.
        shared_folder: results of several inputs go into one folder; else each input gets a folder inside it.

    Raises:
        OutputError: two inputs or two outputs would be written to the same path.
    """
    names = [input_name(source) for source in sources]
    many = len(names) > 1
    for name, count in Counter(names).items() if many else ():
        if count > 1:
            raise OutputError(f"cannot name the outputs of several inputs called {name!r}: run them one by one")
    for output in outputs if many else ():
        if NAME not in output and not is_folder(output):
            hint = Path(output).with_name(f"{NAME}-{Path(output).name}")
            raise OutputError(
                f"cannot write several results to {output}: put {NAME} into the path (-o '{hint}') or name a folder"
            )
    patterns = list(outputs) or [default]
    if many and not shared_folder:
        patterns = [
            f"{output.rstrip('/' + os.sep)}/{NAME}/" if is_folder(output) and NAME not in output else output
            for output in patterns
        ]
    placed = [[pattern.replace(NAME, name) for pattern in patterns] for name in names]
    for paths in placed:
        path, count = Counter(map(os.path.normpath, paths)).most_common(1)[0]
        if count > 1:
            raise OutputError(f"cannot write two results to {path}")
    return placed


def make_parent(path: str) -> None:
    """Make the folder of a path, unless it exists; `OutputError` if it cannot be made."""
    parent = Path(path).parent
    try:
        parent.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {parent}: {error.strerror}") from None
