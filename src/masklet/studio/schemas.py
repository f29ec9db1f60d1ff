"""Request and response bodies (pydantic), from which the OpenAPI document is generated."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from masklet.studio.effects import Effects, HexColor
from masklet.studio.frame_codec import Click, Presence
from masklet.studio.frame_server import ImageFormat
from masklet.types import Prompts, Size

MAX_INDEX = 2**31 - 1

FrameIndex = Annotated[int, Field(ge=0, le=MAX_INDEX)]
ObjectNumber = Annotated[int, Field(ge=1, le=2**30 - 1)]
Number = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]


def _printable(text: str) -> str:
    stripped = text.strip()
    if not stripped or any(ord(letter) < 32 for letter in stripped):
        raise ValueError("expected a name of printable characters")
    return stripped


Name = Annotated[str, Field(max_length=200), AfterValidator(_printable)]


class Strict(BaseModel):
    """A request body without unknown keys."""

    model_config = ConfigDict(extra="forbid")


class RleIn(Strict):
    """A mask in COCO run-length encoding: compressed text, or runs down the columns, background first."""

    size: Annotated[list[int], Field(min_length=2, max_length=2)]
    counts: Annotated[str, Field(max_length=2**22)] | Annotated[list[FrameIndex], Field(max_length=2**20)]


class ClickIn(Strict):
    """A click, in pixels of the media."""

    x: Number
    y: Number
    positive: bool = True


Clicks = Annotated[list[ClickIn], Field(max_length=200)]
Box = Annotated[list[Number], Field(min_length=4, max_length=4)]


class PromptsIn(Strict):
    """Clicks, a box [x0, y0, x1, y1] in pixels, or both."""

    clicks: Clicks = []
    box: Box | None = None

    def to_prompts(self, size: Size) -> Prompts:
        """Convert to prompts for media of ``size`` (height, width).

        Raises:
            PromptError: there is no prompt, or it is invalid.
        """
        return Prompts.from_json(self.model_dump(include={"clicks", "box"}), size=size)


class PreviewIn(PromptsIn):
    """Prompts of an object; 0 is a new one."""

    object_id: Annotated[int, Field(ge=0, le=2**30 - 1)] = 0


class PromptIn(PreviewIn):
    """Prompts of an object; 0 makes a new one. An empty mask marks the object as absent from this frame.

    With ``candidate`` the mask is one of the candidates of the clicks, which are only stored beside it.
    """

    mask: RleIn | None = None
    replace: bool = False
    candidates: bool = False
    candidate: bool = False

    @property
    def selecting(self) -> list[Click] | None:
        """The clicks that selected the mask from candidates; None if the mask was not selected so."""
        return [click.model_dump() for click in self.clicks] if self.candidate and self.mask is not None else None

    def to_prompts(self, size: Size) -> Prompts:
        """Convert as `PromptsIn.to_prompts`, with the mask; clicks that selected it are no prompts."""
        given = self.model_dump(include={"clicks", "box", "mask"})
        return Prompts.from_json(given | {"shown": len(self.selecting or ())}, size=size)


class MasksIn(Strict):
    """Masks that become new objects."""

    masks: Annotated[list[RleIn], Field(min_length=1, max_length=255)]
    names: Annotated[list[Name], Field(max_length=255)] = []


class ProposalsIn(Strict):
    """Grid of clicks per side, and number of proposals at most."""

    points_per_side: Annotated[int, Field(ge=1, le=32)] = 16
    limit: Annotated[int, Field(ge=1, le=200)] = 60


class ProjectIn(Strict):
    """A new project."""

    media_id: Annotated[str, Field(max_length=40)]
    name: Name | None = None


class ProjectChange(Strict):
    """New name, in and out markers, or areas in pixels up to which masks are cleaned."""

    name: Name | None = None
    in_: Annotated[FrameIndex | None, Field(alias="in")] = None
    out: FrameIndex | None = None
    specks: FrameIndex | None = None
    holes: FrameIndex | None = None


class ObjectIn(Strict):
    """A new object."""

    name: Name | None = None
    color: HexColor | None = None


class ObjectChange(ObjectIn):
    """New name or color, or whether an object is hidden or locked."""

    hidden: bool | None = None
    locked: bool | None = None


class TrackIn(Strict):
    """What to track.

    ``frame`` is where tracking starts (default: the prompted frames), ``start`` and ``end`` are the half-open range
    (default: the markers), ``objects`` default to all that are prompted and not locked. With ``until_agree`` only as
    far as results change after a correction of ``frame``.
    """

    direction: Literal["forward", "backward", "both"] = "forward"
    frame: FrameIndex | None = None
    start: FrameIndex | None = None
    end: FrameIndex | None = None
    objects: Annotated[list[ObjectNumber], Field(min_length=1, max_length=255)] | None = None
    until_agree: bool = False


class ImageIn(Strict):
    """Size and format of an image, never wider than the media; with its version in ``v`` it may be cached for ever."""

    v: Annotated[str, Field(max_length=40)] = ""
    width: Annotated[int, Field(ge=16, le=16384)] | None = None
    quality: Annotated[int, Field(ge=1, le=100)] = 80
    format: ImageFormat = "jpeg"


class RenderIn(Effects, ImageIn):
    """Effects and objects (all by default) of a rendered frame; ``r`` only makes URLs differ."""

    objects: Annotated[str, Field(max_length=1024, pattern=r"^[0-9]{1,9}(,[0-9]{1,9})*$")] | None = None
    r: Annotated[str, Field(max_length=40)] = ""


class ExportIn(Strict):
    """What to export: a format of `GET /api/about`, objects (default: all), range (default: the markers), effects."""

    format: Annotated[str, Field(max_length=40)]
    objects: Annotated[list[ObjectNumber], Field(min_length=1, max_length=255)] | None = None
    start: FrameIndex | None = None
    end: FrameIndex | None = None
    effects: Effects = Effects()


class FolderIn(Strict):
    """A folder of images to be uploaded."""

    name: Name


class LocalIn(Strict):
    """A path that `GET /api/local` lists."""

    path: Annotated[str, Field(max_length=4096)]


class LoginIn(Strict):
    """The access token that was printed when the studio was started."""

    token: Annotated[str, Field(max_length=200)]


Note = Annotated[str, Field(max_length=1000)]


class NextIn(Strict):
    """The role of the next task."""

    role: Literal["annotate", "review"]


class SubmitIn(Strict):
    """Seconds of work, if they were measured."""

    seconds: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)] | None = None


class DeclineIn(Strict):
    """Why a task cannot be annotated."""

    note: Note = ""


class VerdictIn(Strict):
    """The verdict of a reviewer, with a note and the frames to correct."""

    outcome: Literal["satisfactory", "unsatisfactory", "reject"]
    note: Note = ""
    frames: Annotated[list[FrameIndex], Field(max_length=1000)] = []


class HoverIn(PreviewIn):
    """A WebSocket message that requests the preview of a click under the pointer."""

    type: Literal["hover"]
    seq: FrameIndex
    frame: FrameIndex


class PingIn(BaseModel):
    """A WebSocket message that is answered with "pong"."""

    type: Literal["ping"]


# --- responses ---


class ErrorEntry(BaseModel):
    """Type and message of an error."""

    type: str
    message: str


class ErrorOut(BaseModel):
    """The body of every error response."""

    error: ErrorEntry


class MediaOut(BaseModel):
    """A video, image or folder of images."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    name: str
    kind: Literal["video", "image", "folder"]
    width: int
    height: int
    num_frames: int
    fps: float | None
    version: str
    uploaded: bool
    created: str


class ObjectOut(BaseModel):
    """An object of a project."""

    id: int
    name: str
    color: str
    hidden: bool
    locked: bool
    prompted: list[int]
    num_frames: int


class JobOut(BaseModel):
    """A long-running job."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    project_id: str
    kind: Literal["track", "export", "proposals"]
    state: Literal["waiting", "running", "done", "cancelled", "failed"]
    done: int
    total: int
    message: str
    error: ErrorEntry | None
    result: dict[str, Any] | None
    created: str


class ProjectOut(BaseModel):
    """A project with its objects."""

    id: str
    name: str
    media: MediaOut
    revision: int
    in_: Annotated[int, Field(alias="in", serialization_alias="in")]
    out: int
    specks: int
    holes: int
    objects: list[ObjectOut]
    undo: str | None
    redo: str | None
    jobs: list[JobOut]
    created: str
    changed: str


class RleOut(BaseModel):
    """A mask in COCO run-length encoding."""

    size: list[int]
    counts: str


class CandidateOut(BaseModel):
    """A candidate mask of a click, or a proposal."""

    mask: RleOut
    iou: float
    stability: float
    box: list[float]


class PreviewOut(BaseModel):
    """The mask that prompts would give."""

    mask: RleOut
    presence: float
    iou: float


class ObjectFrame(PreviewOut):
    """One object on one frame."""

    prompted: bool
    state: Presence


class FrameOut(BaseModel):
    """All objects on one frame, by object id."""

    frame: int
    objects: dict[str, ObjectFrame]


class PromptOut(BaseModel):
    """All prompts of an object on a frame; the first ``shown`` clicks only selected the mask from candidates."""

    clicks: list[ClickIn]
    box: list[float] | None
    mask: RleOut | None
    shown: int


class AnswerOut(BaseModel):
    """The frame after a prompt, the label of the edit, the prompts, candidate masks, and the new object."""

    revision: int
    frame: FrameOut
    undo: str | None = None
    prompt: PromptOut | None = None
    candidates: list[CandidateOut] = []
    object: ObjectOut | None = None
