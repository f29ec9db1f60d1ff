"""What the user points at: the words of --click, --box, --mask and --absent, and files of prompts."""

from __future__ import annotations

import json
import re
import reprlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from masklet.errors import FormatError, FrameRangeError, PromptError
from masklet.types import ObjectId, Prompts, Size

SCHEMA = "masklet/prompts"
VERSION = 1
MAX_BYTES = 16 * 2**20
"""Larger prompt files are refused unread."""

_PLACE = re.compile(
    r"(?:(?P<object>\d{1,9})(?:@(?P<frame>\d{1,9}))?:|@(?P<only_frame>\d{1,9}):)?(?P<rest>.*)", re.DOTALL
)

_FRAME = re.compile(r"(?:(?P<object>\d{1,9})@)?(?P<frame>\d{1,9})")

FORMS = {
    "click": "x,y or x,y,- (numbers, in pixels)",
    "box": "x0,y0,x1,y1 (numbers, in pixels)",
    "mask": "a picture file",
}

Kind = Literal["click", "box", "mask", "absent"]
FrameIndex = int


@dataclass(frozen=True)
class Said:
    """One thing said about one object on one frame.

    Attributes:
        object_id: the object.
        frame_index: the frame, or None for the one where tracking starts.
        kind: what it is.
        values: (x, y, label) of a click, (x0, y0, x1, y1) of a box, else nothing.
        path: of a mask.
    """

    object_id: ObjectId
    frame_index: FrameIndex | None
    kind: Kind
    values: tuple[float, ...] = ()
    path: Path | None = None


@dataclass(frozen=True)
class PromptBook:
    """Everything said, and what the objects are called."""

    said: tuple[Said, ...]
    names: dict[ObjectId, str]

    def at(
        self, first: FrameIndex, read_mask: Callable[[Path], np.ndarray], size: Size | None = None
    ) -> dict[FrameIndex, dict[ObjectId, Prompts]]:
        """Prompts by frame and object.

        Args:
            first: the frame meant where none was named.
            read_mask: reads a mask file.
            size: (height, width) of the frames of a video; None for a picture, in which nothing can be absent.

        Raises:
            PromptError: nothing was said, prompts of one object on one frame contradict each other, or are impossible.
            MediaError: a mask file that cannot be read.
        """
        if not self.said:
            raise PromptError("nothing to segment: give a --click, a --box, a --mask or a file of --prompts")
        somewhere = {one.object_id for one in self.said if one.kind != "absent"}
        for nowhere in (one.object_id for one in self.said if one.object_id not in somewhere):
            raise PromptError(
                f"object {nowhere} is only said to be absent: say with a --click, --box or --mask where it is"
            )
        groups: dict[tuple[FrameIndex, ObjectId], list[Said]] = {}
        for one in self.said:
            frame_index = first if one.frame_index is None else one.frame_index
            groups.setdefault((frame_index, one.object_id), []).append(one)
        prompts: dict[FrameIndex, dict[ObjectId, Prompts]] = {}
        for (frame_index, object_id), together in sorted(groups.items()):
            try:
                prompts.setdefault(frame_index, {})[object_id] = _together(together, read_mask, size)
            except PromptError as error:
                raise PromptError(f"object {object_id} on frame {frame_index}: {error}") from None
        return prompts


def check(prompts: dict[FrameIndex, dict[ObjectId, Prompts]], size: Size, frames: range) -> None:
    """Whether prompts fit a video of ``size`` of which ``frames`` are tracked.

    Raises:
        FrameRangeError: a prompt on a frame that is not tracked.
        PromptError: a prompt outside the picture.
    """
    for frame_index, by_object in prompts.items():
        for object_id, asked in by_object.items():
            if frame_index not in frames:
                raise FrameRangeError(
                    f"object {object_id} is prompted on frame {frame_index}, "
                    f"but frames {frames.start} to {frames.stop - 1} are tracked"
                )
            try:
                asked.check_inside(size)
            except PromptError as error:
                raise PromptError(f"object {object_id} on frame {frame_index}: {error}") from None


def parse(kind: Kind, words: str) -> Said:
    """``[OBJ@FRAME:]`` and what is said; the object is 1 where none is named.

    Raises:
        PromptError: not of that form.
    """
    if kind == "absent":
        return _parse_absent(words)
    found = _PLACE.fullmatch(words)
    assert found is not None, "every part is optional"
    frame, rest = found["frame"] or found["only_frame"], found["rest"].strip()
    problem = PromptError(f"--{kind} {reprlib.repr(words)}: expected [OBJ@FRAME:] and {FORMS[kind]}")
    if not rest:
        raise problem
    object_id = _object_id(kind, words, found["object"])
    frame_index = None if frame is None else int(frame)
    if kind == "mask":
        return Said(object_id, frame_index, kind, path=Path(rest))
    fields = [field.strip() for field in rest.split(",")]
    label = 1.0
    if kind == "click" and fields[-1] in ("+", "-"):
        label = float(fields.pop() == "+")
    try:
        numbers = tuple(float(field) for field in fields)
    except ValueError:
        raise problem from None
    if len(numbers) != (2 if kind == "click" else 4):
        raise problem
    return Said(object_id, frame_index, kind, (*numbers, label) if kind == "click" else numbers)


def _parse_absent(words: str) -> Said:
    found = _FRAME.fullmatch(words.strip())
    if found is None:
        raise PromptError(f"--absent {reprlib.repr(words)}: expected [OBJ@]FRAME, such as 2@40")
    return Said(_object_id("absent", words, found["object"]), int(found["frame"]), "absent")


def _object_id(kind: Kind, words: str, named: str | None) -> ObjectId:
    object_id = int(named or 1)
    if object_id < 1:
        raise PromptError(f"--{kind} {reprlib.repr(words)}: objects are numbered from 1")
    return object_id


def parse_all(
    clicks: Sequence[str],
    boxes: Sequence[str],
    masks: Sequence[str],
    files: Sequence[Path],
    *,
    absent: Sequence[str] = (),
) -> PromptBook:
    """Everything said on the command line and in prompt files.

    Raises:
        PromptError: words that are not of their form.
        FormatError: a prompt file that is unreadable, or not of its form.
    """
    kinds: dict[Kind, Sequence[str]] = {"click": clicks, "box": boxes, "mask": masks, "absent": absent}
    said = [parse(kind, words) for kind, all_words in kinds.items() for words in all_words]
    names: dict[ObjectId, str] = {}
    for file in files:
        book = read_prompts(file)
        said += book.said
        names |= book.names
    return PromptBook(tuple(said), names)


def read_prompts(path: Path) -> PromptBook:
    """A file of prompts, schema ``masklet/prompts`` version 1.

        {"schema": "masklet/prompts", "version": 1, "objects": [
          {"id": 1, "name": "dog", "prompts": [
            {"frame": 0, "clicks": [[210, 350, 1], [200, 300, 0]], "box": [100, 200, 300, 400]},
            {"frame": 40, "mask": "dog-40.png"}, {"frame": 70, "absent": true}]}]}

    ``name`` and ``frame`` may be left out; a click is x, y and 1 (inside) or 0 (not), in pixels; a mask file is looked
    for beside the prompt file.

    Raises:
        FormatError: missing, too large, not JSON, of another version, or with content that is not of this form.
    """
    document = _loaded(path)
    try:
        top = _fields(document, "the file", {"schema": str, "version": int, "objects": list})
        if (top["schema"], top["version"]) != (SCHEMA, VERSION):
            raise FormatError(f"expected schema {SCHEMA!r} version {VERSION}, got {_found(document)}")
        names: dict[ObjectId, str] = {}
        said: list[Said] = []
        for value in top["objects"]:
            entry = _fields(value, "an object", {"id": int, "prompts": list}, {"name": str})
            object_id = entry["id"]
            if object_id < 1 or object_id in names:
                raise FormatError(f"expected every 'id' once and from 1, got {object_id}")
            names[object_id] = entry.get("name", "")
            said += [one for prompts in entry["prompts"] for one in _said(object_id, prompts, path.parent)]
    except FormatError as error:
        raise FormatError(f"{error}: {path}") from None
    return PromptBook(tuple(said), {object_id: name for object_id, name in names.items() if name})


def _together(said: Iterable[Said], read_mask: Callable[[Path], np.ndarray], size: Size | None) -> Prompts:
    """One object's prompts on one frame as one value."""
    by_kind: dict[Kind, list[Said]] = {"click": [], "box": [], "mask": [], "absent": []}
    for one in said:
        by_kind[one.kind].append(one)
    if by_kind["absent"]:
        if any(by_kind[kind] for kind in by_kind if kind != "absent"):
            raise PromptError("expected either that it is absent or where it is, got both")
        if size is None:
            raise PromptError("expected something to segment in a picture, got that it is absent")
        return Prompts.absent(size)
    for kind in ("box", "mask"):
        if len(by_kind[kind]) > 1:
            raise PromptError(f"expected at most one {kind}, got {len(by_kind[kind])}")
    clicks = [click.values for click in by_kind["click"]]
    box = next((np.array(one.values, np.float32) for one in by_kind["box"]), None)
    mask = next((read_mask(one.path) for one in by_kind["mask"] if one.path), None)
    points = np.array([click[:2] for click in clicks], np.float32).reshape(-1, 2)
    if mask is not None and not (clicks or box is not None):
        return Prompts.from_mask(mask)
    return Prompts(points, np.array([click[2] for click in clicks], np.int64), box, mask)


def _said(object_id: ObjectId, value: object, folder: Path) -> list[Said]:
    """What one entry of a prompt file says."""
    what = f"a prompt of object {object_id}"
    entry = _fields(value, what, {}, {"frame": int, "clicks": list, "box": list, "mask": str, "absent": bool})
    frame = entry.get("frame")
    if frame is not None and frame < 0:
        raise FormatError(f"expected 'frame' of {what} from 0, got {frame}")
    clicks = [_numbers(click, (2, 3), "a click [x, y, 1 or 0]") for click in entry.get("clicks", [])]
    if any(click[2:] not in ((), (0.0,), (1.0,)) for click in clicks):
        raise FormatError(f"expected clicks of {what} to end with 1 (inside) or 0 (not inside)")
    said = [Said(object_id, frame, "click", (*click[:2], *(click[2:] or (1.0,)))) for click in clicks]
    if "box" in entry:
        said.append(Said(object_id, frame, "box", _numbers(entry["box"], (4,), "a box [x0, y0, x1, y1]")))
    if "mask" in entry:
        said.append(Said(object_id, frame, "mask", path=folder / entry["mask"]))
    if entry.get("absent"):
        said.append(Said(object_id, frame, "absent"))
    if not said:
        raise FormatError(f"{what} says nothing: expected 'clicks', 'box', 'mask' or 'absent'")
    return said


def _numbers(value: object, lengths: tuple[int, ...], what: str) -> tuple[float, ...]:
    whole = isinstance(value, list) and all(type(number) in (int, float) for number in value)
    if not isinstance(value, list) or not whole or len(value) not in lengths:
        raise FormatError(f"expected {what}, got {reprlib.repr(value)}")
    return tuple(_float(number) for number in value)


def _float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:  # JSON knows no limit
        raise FormatError(f"expected a position in pixels, got {reprlib.repr(number)}") from None


def _fields(
    value: object, what: str, required: dict[str, type], optional: dict[str, type] | None = None
) -> dict[str, Any]:
    """The fields of a JSON object, each of its type, none missing and none unknown."""
    known = required | (optional or {})
    if not isinstance(value, dict):
        raise FormatError(f"expected {what} as an object, got {reprlib.repr(value)}")
    for name in required:
        if name not in value:
            raise FormatError(f"{what} has no {name!r}")
    for name, found in value.items():
        if name not in known:
            raise FormatError(f"{what} has an unknown field {reprlib.repr(name)}; expected {', '.join(known)}")
        if type(found) is not known[name]:
            raise FormatError(f"expected {name!r} of {what} as {known[name].__name__}, got {reprlib.repr(found)}")
    return value


def _found(document: dict[str, Any]) -> str:
    return f"{reprlib.repr(document['schema'])} version {document['version']}"


def _loaded(path: Path) -> Any:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise FormatError(f"expected prompts of at most {MAX_BYTES} bytes, got {path.stat().st_size}: {path}")
        return json.loads(path.read_bytes())
    except OSError as error:
        raise FormatError(f"cannot read prompts {path}: {error.strerror}") from None
    except FormatError:
        raise
    except (ValueError, RecursionError):
        raise FormatError(f"not a JSON file: {path}") from None
