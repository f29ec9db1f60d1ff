"""Options that several commands share, each declared once, in groups.

A group is a frozen dataclass whose fields are options. A command takes a whole group as one parameter, and
`expand_groups` shows typer the fields in its place:

    def track(video: str, *, model: ModelOptions, masks: Annotated[MaskOptions, Without("refine")]) -> None: ...
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from functools import cache, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin, get_type_hints

import typer

import masklet
from masklet.cli.report import document, print_json
from masklet.errors import FormatError

if TYPE_CHECKING:
    from masklet.backends.protocol import Model
    from masklet.cli.prompts import PromptList
    from masklet.predict.automatic_masks import Preset
    from masklet.predict.spec import ModelSpec
    from masklet.tracking.memory_policy import PolicyName

INPUT_PANEL, MODEL_PANEL, MASK_PANEL, OUTPUT_PANEL = "Input", "Model", "Masks", "Output"


@dataclass(frozen=True)
class Without:
    """Fields of an option group that a command does not offer: ``Annotated[ModelOptions, Without("tta")]``."""

    names: tuple[str, ...]

    def __init__(self, *names: str) -> None:
        object.__setattr__(self, "names", names)


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
    """The fields of a group as keyword parameters of a function."""
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            one.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=one.default if one.default_factory is MISSING else one.default_factory(),
            annotation=hints[one.name],
        )
        for one in fields(group)
    ]


Outputs = Annotated[
    list[str],
    typer.Option(
        "-o",
        "--output",
        metavar="PATH",
        help="File or folder to write; its name selects the format. May be repeated.",
        show_default=False,
    ),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace existing output files.", rich_help_panel=OUTPUT_PANEL)
]
Memory = Annotated[
    str,
    typer.Option(
        "--memory",
        metavar="POLICY",
        help="Memory policy: plain (SAM 2), gated, tree (SAM2Long), distractor (DAM4SAM), motion (SAMURAI) or auto.",
        rich_help_panel=MASK_PANEL,
    ),
]
PresetName = Annotated[
    str, typer.Option("--preset", help="Density of the grid of clicks: fast, default, dense or small.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout instead of text.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print nothing but errors.")]


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
        typer.Option("--click", metavar="[OBJ@FRAME:]x,y[,-]", help="Click on the object; with ,- on the background."),
    ] = field(default_factory=list)
    box: Annotated[
        list[str], typer.Option("--box", metavar="[OBJ@FRAME:]x0,y0,x1,y1", help="Box around the object.")
    ] = field(default_factory=list)
    mask: Annotated[
        list[str],
        typer.Option("--mask", metavar="[OBJ@FRAME:]FILE", help="Image file with the object's mask, black outside."),
    ] = field(default_factory=list)
    absent: Annotated[
        list[str],
        typer.Option(
            "--absent", metavar="[OBJ@]FRAME", help="Mark the object absent from this frame until its next prompt."
        ),
    ] = field(default_factory=list)
    prompts: Annotated[
        list[Path],
        typer.Option("--prompts", metavar="FILE.json", help="Read prompts from a file (format: masklet track --help)."),
    ] = field(default_factory=list)

    def parse(self) -> PromptList:
        """Parse all of them; `PromptError` or `FormatError` for what cannot be parsed."""
        from masklet.cli.prompts import parse_prompts

        return parse_prompts(self.click, self.box, self.mask, self.prompts, absent=self.absent)


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """The model and how it runs; see `masklet.load`."""

    name: Annotated[
        str,
        typer.Option(
            "--model", help="Model name (see masklet models), weight file or Hub id.", rich_help_panel=MODEL_PANEL
        ),
    ] = "nano"
    weights: Annotated[
        Path | None,
        typer.Option("--weights", help="File with the weights of the named model.", rich_help_panel=MODEL_PANEL),
    ] = None
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.", rich_help_panel=MODEL_PANEL)] = "auto"
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16.", rich_help_panel=MODEL_PANEL)] = "float32"
    backend: Annotated[
        str, typer.Option(help="Inference backend: torch, onnx or openvino.", rich_help_panel=MODEL_PANEL)
    ] = "torch"
    speed: Annotated[
        str,
        typer.Option(
            metavar="exact|fast",
            help="fast: several times faster for large models, with slightly different masks.",
            rich_help_panel=MODEL_PANEL,
        ),
    ] = "exact"
    image_size: Annotated[
        int | None,
        typer.Option(
            "--size",
            help="Side of the model's square input in pixels, a multiple of 32; smaller is faster and coarser.",
            show_default="the model's own",
            rich_help_panel=MODEL_PANEL,
        ),
    ] = None
    tta: Annotated[
        bool,
        typer.Option(
            "--tta",
            help="Average the predictions for the image and its mirror image: often better, twice the time.",
            rich_help_panel=MODEL_PANEL,
        ),
    ] = False

    def load(self) -> Model:
        """Load the model."""
        keywords: Any = {"backend": self.backend, "speed": self.speed}
        model = masklet.load(
            self.name,
            weights=self.weights,
            device=self.device,
            dtype=self.dtype,
            image_size=self.image_size,
            **keywords,
        )
        return masklet.FlipAugmented(model) if self.tta else model

    def loader(self) -> Callable[[], Model]:
        """A function that loads the model at its first call, so that bad inputs are refused before that."""
        return cache(self.load)

    def spec(self) -> ModelSpec:
        """The description from which worker processes load the same model (torch backend only)."""
        from masklet.predict.spec import ModelSpec

        values: Any = {"speed": self.speed}
        return ModelSpec(
            name=self.name,
            weights=self.weights,
            device=self.device,
            dtype=self.dtype,
            image_size=self.image_size,
            tta=self.tta,
            **values,
        )


@dataclass(frozen=True, kw_only=True)
class InputOptions:
    """How stacks, image folders and raw streams are read; see `masklet.open_video`."""

    axis: Annotated[
        str | None,
        typer.Option(
            metavar="AXIS[,OTHER=N|max]",
            help="Stack axis that counts frames, and positions on the others, as t,z=3 or t,z=max.",
            rich_help_panel=INPUT_PANEL,
        ),
    ] = None
    channel: Annotated[
        str | None,
        typer.Option(
            metavar="C[,C,C]",
            help="Stack channel, or three for red, green and blue; by number from 0 or by name.",
            rich_help_panel=INPUT_PANEL,
        ),
    ] = None
    scale: Annotated[
        str | None,
        typer.Option(
            metavar="LOW,HIGH",
            help="Stack intensities mapped to black and white, as 0,4095 or 1%,99%.",
            rich_help_panel=INPUT_PANEL,
        ),
    ] = None
    fps: Annotated[
        float | None,
        typer.Option(
            help="Frame rate of image folders and stacks, which do not store one, in frames/s.",
            rich_help_panel=INPUT_PANEL,
        ),
    ] = None
    raw: Annotated[
        str | None,
        typer.Option(
            metavar="WxH[,PIXELS[,FPS]]",
            help="Format of headerless frames, as 640x480,rgb24,25.",
            rich_help_panel=INPUT_PANEL,
        ),
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
        from masklet.io.source_url import RawFormat

        raw = None if self.raw is None else RawFormat.parse(self.raw)
        return {**self.image_arguments(), "fps": self.fps, "raw": raw}


@dataclass(frozen=True, kw_only=True)
class MaskOptions:
    """Post-processing of masks; see `masklet.PostProcess`."""

    fill_holes: Annotated[
        int, typer.Option(min=0, metavar="AREA", help="Fill holes of up to AREA pixels.", rich_help_panel=MASK_PANEL)
    ] = 0
    remove_specks: Annotated[
        int,
        typer.Option(
            min=0, metavar="AREA", help="Remove separate regions of up to AREA pixels.", rich_help_panel=MASK_PANEL
        ),
    ] = 0
    non_overlap: Annotated[
        bool, typer.Option("--non-overlap", help="Assign each pixel to at most one object.", rich_help_panel=MASK_PANEL)
    ] = False
    refine: Annotated[
        bool,
        typer.Option(
            "--refine",
            help="Segment each object again in an enlarged crop: finer outlines, up to twice the time.",
            rich_help_panel=MASK_PANEL,
        ),
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

    host: Annotated[str, typer.Option(help="Address to listen on; any but this machine's own requires a token.")] = (
        "127.0.0.1"
    )
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 picks a free one.")] = 8765
    allow_host: Annotated[
        list[str],
        typer.Option("--allow-host", metavar="NAME", help="Host name to accept in requests; may be repeated."),
    ] = field(default_factory=list)


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
