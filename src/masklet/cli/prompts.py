"""Prompts of the command line: the values of --click, --box, --mask and --absent, and prompt files."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec
import numpy as np

from masklet.bounded_json import read_json
from masklet.errors import FormatError, FrameRangeError, PromptError
from masklet.types import ObjectId, Prompts, Size

MAX_BYTES = 16 * 2**20
"""Larger prompt files are refused without reading them."""

_PREFIX = re.compile(
    r"(?:(?P<object>\d{1,9})(?:@(?P<frame>\d{1,9}))?:|@(?P<only_frame>\d{1,9}):)?(?P<value>.*)", re.DOTALL
)
_ABSENT = re.compile(r"(?:(?P<object>\d{1,9})@)?(?P<frame>\d{1,9})")

FORMATS = {
    "click": "x,y or x,y,- (numbers, in pixels)",
    "box": "x0,y0,x1,y1 (numbers, in pixels)",
    "mask": "an image file",
}

Kind = Literal["click", "box", "mask", "absent"]
KINDS: tuple[Kind, ...] = get_args(Kind)

PromptsByFrame = dict[int, dict[ObjectId, Prompts]]


@dataclass(frozen=True)
class PromptSpec:
    """Prompts for one object on one frame, before mask files are read.

    Attributes:
        object_id: from 1.
        frame_index: None for the frame where tracking starts.
        value: the prompts as `masklet.Prompts.from_json` reads them.
    """

    object_id: ObjectId
    frame_index: int | None
    value: Mapping[str, Any]


@dataclass(frozen=True)
class PromptList:
    """All prompts of a command, and the names of objects."""

    specs: tuple[PromptSpec, ...]
    names: dict[ObjectId, str]

    def by_frame(
        self,
        first: int,
        read_mask: Callable[[str], np.ndarray],
        size: Size | None = None,
        frames: range | None = None,
    ) -> PromptsByFrame:
        """Combine the prompts of each object on each frame, and read mask files.

        Args:
            first: frame of the prompts that name none.
            read_mask: as `masklet.read_mask`.
            size: (height, width) of a video's frames; None for an image, in which no object can be absent.
            frames: frames that are tracked; None for an image.

        Raises:
            PromptError: there are no prompts, or those of one object on one frame exclude each other or are outside the
                image.
            FrameRangeError: a prompt is on a frame that is not tracked.
            MediaError: a mask file cannot be read.
        """
        if not self.specs:
            raise PromptError("nothing to segment: expected a --click, --box, --mask or a file of --prompts")
        groups: dict[tuple[int, ObjectId], list[Mapping[str, Any]]] = {}
        for spec in self.specs:
            frame_index = first if spec.frame_index is None else spec.frame_index
            groups.setdefault((frame_index, spec.object_id), []).append(spec.value)
        present = {spec.object_id for spec in self.specs if "absent" not in spec.value}
        prompts: PromptsByFrame = {}
        for (frame_index, object_id), values in sorted(groups.items(), key=lambda group: group[0]):
            if object_id not in present:
                raise PromptError(
                    f"object {object_id} has only --absent: expected a --click, --box or --mask for it too"
                )
            if frames is not None and frame_index not in frames:
                raise FrameRangeError(
                    f"object {object_id} has a prompt on frame {frame_index}, "
                    f"but frames {frames.start} to {frames.stop - 1} are tracked"
                )
            try:
                combined = Prompts.from_json(_merged(values), size=size, read_mask=read_mask)
                if size is not None:
                    combined.check_inside(size)
            except PromptError as error:
                raise PromptError(f"object {object_id} on frame {frame_index}: {error}") from None
            prompts.setdefault(frame_index, {})[object_id] = combined
        return prompts


def _merged(values: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The prompts of one object on one frame as one value: all clicks, and at most one of each other kind."""
    merged: dict[str, Any] = {}
    for value in values:
        for kind, given in value.items():
            if kind == "clicks":
                merged["clicks"] = [*merged.get("clicks", []), *given]
            elif merged.setdefault(kind, given) is not given:
                raise PromptError(f"expected at most one {kind}, got more")
    return merged


def parse_prompt(kind: Kind, text: str) -> PromptSpec:
    """Parse ``[OBJ@FRAME:]VALUE``, the value of a prompt option; the object is 1 if none is named.

    Raises:
        PromptError: the text does not have that format.
    """
    found = (_ABSENT if kind == "absent" else _PREFIX).fullmatch(text.strip())
    if found is None:
        raise PromptError(f"--absent {reprlib.repr(text)}: expected [OBJ@]FRAME, such as 2@40")
    object_id = int(found["object"] or 1)
    if object_id < 1:
        raise PromptError(f"--{kind} {reprlib.repr(text)}: objects are numbered from 1")
    if kind == "absent":
        return PromptSpec(object_id, int(found["frame"]), {"absent": True})
    frame, value = found["frame"] or found["only_frame"], found["value"].strip()
    frame_index = None if frame is None else int(frame)
    if kind == "mask" and value:
        return PromptSpec(object_id, frame_index, {"mask": value})
    fields = [field.strip() for field in value.split(",")]
    positive = not (kind == "click" and fields[-1] in ("+", "-")) or fields.pop() == "+"
    try:
        numbers = [float(field) for field in fields]
        if len(numbers) != (2 if kind == "click" else 4):
            raise ValueError
    except ValueError:
        raise PromptError(f"--{kind} {reprlib.repr(text)}: expected [OBJ@FRAME:] and {FORMATS[kind]}") from None
    if kind == "click":
        return PromptSpec(object_id, frame_index, {"clicks": [[*numbers, int(positive)]]})
    return PromptSpec(object_id, frame_index, {"box": numbers})


class _FrameEntry(msgspec.Struct, forbid_unknown_fields=True):
    """The prompts of an object on one frame, in a prompt file."""

    frame: Annotated[int, msgspec.Meta(ge=0)] | None = None
    clicks: list[Annotated[list[float], msgspec.Meta(min_length=2, max_length=3)]] = []
    box: Annotated[list[float], msgspec.Meta(min_length=4, max_length=4)] | None = None
    mask: str | dict[str, Any] | None = None
    absent: bool = False

    def __post_init__(self) -> None:
        if not (self.clicks or self.box or self.mask or self.absent):
            raise ValueError("expected 'clicks', 'box', 'mask' or 'absent', got none of them")
        if wrong := [click[2] for click in self.clicks if len(click) == 3 and click[2] not in (0, 1)]:
            raise ValueError(f"expected a click to end with 1 (on the object) or 0 (background), got {wrong[0]:g}")

    def value(self, folder: Path) -> dict[str, Any]:
        """The prompts as `Prompts.from_json` reads them, with the path of a mask in ``folder``."""
        mask = str(folder / self.mask) if isinstance(self.mask, str) else self.mask
        value = {"clicks": self.clicks, "box": self.box, "mask": mask, "absent": self.absent}
        return {kind: given for kind, given in value.items() if given}


class _ObjectEntry(msgspec.Struct, forbid_unknown_fields=True):
    """An object in a prompt file."""

    id: Annotated[int, msgspec.Meta(ge=1)]
    prompts: list[_FrameEntry]
    name: str = ""


class _PromptFile(msgspec.Struct, forbid_unknown_fields=True):
    """A prompt file."""

    schema: Annotated[str, msgspec.Meta(pattern="^masklet/prompts$")]
    version: Annotated[int, msgspec.Meta(ge=1, le=1)]
    objects: list[_ObjectEntry]


def read_prompts(path: Path) -> PromptList:
    """Read a prompt file, schema ``masklet/prompts`` version 1.

        {"schema": "masklet/prompts", "version": 1, "objects": [
          {"id": 1, "name": "dog", "prompts": [
            {"frame": 0, "clicks": [[210, 350, 1], [200, 300, 0]], "box": [100, 200, 300, 400]},
            {"frame": 40, "mask": "dog-40.png"}, {"frame": 70, "absent": true}]}]}

    ``name`` and ``frame`` are optional. A click is x, y in pixels and 1 (on the object) or 0 (background); a mask is
    the path of an image relative to the prompt file, or a COCO run-length code.

    Raises:
        FormatError: the file is missing, too large, not JSON, of another version, or does not have this format.
    """
    content = read_json(path, _PromptFile, what="prompt file", max_bytes=MAX_BYTES)
    names = {entry.id: entry.name for entry in content.objects}
    if len(names) < len(content.objects):
        raise FormatError(f"invalid prompt file: expected each 'id' once: {path}")
    specs = [
        PromptSpec(entry.id, on_frame.frame, on_frame.value(path.parent))
        for entry in content.objects
        for on_frame in entry.prompts
    ]
    return PromptList(tuple(specs), {object_id: name for object_id, name in names.items() if name})
