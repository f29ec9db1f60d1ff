"""The bodies of requests and answers, checked and documented; the OpenAPI document is made of these."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from masklet.io import palette
from masklet.studio.effects import Background, Effects, Foreground, rgb
from masklet.studio.frame_server import Form
from masklet.types import ObjectId

MAX_INDEX = 2**31 - 1

FrameIndex = Annotated[int, Field(ge=0, le=MAX_INDEX)]
ObjectNumber = Annotated[int, Field(ge=1, le=2**30 - 1)]
Number = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]
Color = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]


def _readable(text: str) -> str:
    stripped = text.strip()
    if not stripped or any(ord(letter) < 32 for letter in stripped):
        raise ValueError("expected a name without control characters")
    return stripped


Name = Annotated[str, Field(max_length=200), AfterValidator(_readable)]


class Strict(BaseModel):
    """A request body; keys nobody knows are refused."""

    model_config = ConfigDict(extra="forbid")


class RleIn(Strict):
    """A mask: COCO run-length code, compressed text or runs down the columns, background first."""

    size: Annotated[list[int], Field(min_length=2, max_length=2)]
    counts: Annotated[str, Field(max_length=2**22)] | Annotated[list[FrameIndex], Field(max_length=2**20)]


class ClickIn(Strict):
    """A click in pixels of the media."""

    x: Number
    y: Number
    positive: bool = True


Clicks = Annotated[list[ClickIn], Field(max_length=200)]
Box = Annotated[list[Number], Field(min_length=4, max_length=4)]


class Said(Strict):
    """Clicks, a box, or both."""

    clicks: Clicks = []
    box: Box | None = None


class PreviewIn(Said):
    """What would be said about an object; 0 is a new one."""

    object_id: Annotated[int, Field(ge=0, le=2**30 - 1)] = 0


class PromptIn(PreviewIn):
    """What is said about an object; 0 makes a new one. An empty mask says that the object is not on this frame."""

    mask: RleIn | None = None
    replace: bool = False
    candidates: bool = False
    candidate: bool = False


class MasksIn(Strict):
    """Masks that become objects."""

    masks: Annotated[list[RleIn], Field(min_length=1, max_length=255)]
    names: Annotated[list[Name], Field(max_length=255)] = []


class ProposalsIn(Strict):
    """How closely to look for objects."""

    points_per_side: Annotated[int, Field(ge=1, le=32)] = 16
    limit: Annotated[int, Field(ge=1, le=200)] = 60


class ProjectIn(Strict):
    """A new project."""

    media_id: Annotated[str, Field(max_length=40)]
    name: Name | None = None


class ProjectChange(Strict):
    """New name or markers, or up to which area in pixels masks are cleaned."""

    name: Name | None = None
    in_: Annotated[FrameIndex | None, Field(alias="in")] = None
    out: FrameIndex | None = None
    specks: FrameIndex | None = None
    holes: FrameIndex | None = None


class ObjectIn(Strict):
    """A new object."""

    name: Name | None = None
    color: Color | None = None


class ObjectChange(ObjectIn):
    """What changes of an object."""

    hidden: bool | None = None
    locked: bool | None = None


class TrackIn(Strict):
    """What to track."""

    direction: Literal["forward", "backward", "both"] = "forward"
    frame: FrameIndex | None = None
    start: FrameIndex | None = None
    end: FrameIndex | None = None
    objects: Annotated[list[ObjectNumber], Field(min_length=1, max_length=255)] | None = None
    until_agree: bool = False


class EffectsIn(Strict):
    """What happens to the background and to the objects."""

    background: Background = "original"
    object: Foreground = "overlay"
    color: Color | None = None
    strength: Annotated[float, Field(ge=0, le=1)] = 0.5

    def effects(self, colors: Mapping[ObjectId, palette.Color]) -> Effects:
        """The same for drawing, with the colors of the objects."""
        color = None if self.color is None else rgb(self.color)
        return Effects(
            background=self.background, object=self.object, color=color, strength=self.strength, colors=colors
        )


class LookIn(Strict):
    """How a picture is wanted: never wider than the media; ``v`` is the media's version."""

    v: Annotated[str, Field(max_length=40)] = ""
    width: Annotated[int, Field(ge=16, le=16384)] | None = None
    quality: Annotated[int, Field(ge=1, le=100)] = 80
    format: Form = "jpeg"


class RenderIn(EffectsIn, LookIn):
    """How a rendered frame is wanted: its objects, all by default; ``r`` only makes addresses differ."""

    objects: Annotated[str, Field(max_length=1024, pattern=r"^[0-9]{1,9}(,[0-9]{1,9})*$")] | None = None
    r: Annotated[str, Field(max_length=40)] = ""


class ExportIn(Strict):
    """What to export."""

    form: Annotated[str, Field(max_length=40)]
    objects: Annotated[list[ObjectNumber], Field(min_length=1, max_length=255)] | None = None
    start: FrameIndex | None = None
    end: FrameIndex | None = None
    effects: EffectsIn = EffectsIn()


class FolderIn(Strict):
    """A folder of pictures to be uploaded."""

    name: Name


class LocalIn(Strict):
    """A path that `GET /api/local` lists."""

    path: Annotated[str, Field(max_length=4096)]


class LoginIn(Strict):
    """The token the studio was started with."""

    token: Annotated[str, Field(max_length=200)]


Note = Annotated[str, Field(max_length=1000)]


class NextIn(Strict):
    """As what somebody wants to work."""

    role: Literal["annotate", "review"]


class SubmitIn(Strict):
    """How long the work took, if anybody measured it."""

    seconds: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)] | None = None


class DeclineIn(Strict):
    """Why there is nothing to annotate."""

    note: Note = ""


class VerdictIn(Strict):
    """What a second person says about a masklet."""

    outcome: Literal["satisfactory", "unsatisfactory", "reject"]
    note: Note = ""
    frames: Annotated[list[FrameIndex], Field(max_length=1000)] = []


class HoverIn(PreviewIn):
    """A message of the page: what a click under the pointer would give."""

    type: Literal["hover"]
    seq: FrameIndex
    frame: FrameIndex


# --- answers ---


class ErrorEntry(BaseModel):
    """What went wrong, in one sentence."""

    type: str
    message: str


class ErrorOut(BaseModel):
    """Every answer with an error."""

    error: ErrorEntry


class MediaOut(BaseModel):
    """A video, picture or folder of pictures."""

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
    """Long work."""

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
    """A mask: COCO run-length code."""

    size: list[int]
    counts: str


class CandidateOut(BaseModel):
    """One reading of a click, or one proposal."""

    mask: RleOut
    iou: float
    stability: float
    box: list[float]


class PreviewOut(BaseModel):
    """What prompts would give."""

    mask: RleOut
    presence: float
    iou: float


class ObjectFrame(PreviewOut):
    """One object on one frame."""

    prompted: bool
    state: Literal["present", "absent", "uncertain"]


class FrameOut(BaseModel):
    """All objects on one frame, by id."""

    frame: int
    objects: dict[str, ObjectFrame]


class PromptOut(BaseModel):
    """Everything said about an object on a frame; the first ``shown`` clicks only chose the mask."""

    clicks: list[ClickIn]
    box: list[float] | None
    mask: RleOut | None
    shown: int


class AnswerOut(BaseModel):
    """What a prompt gave."""

    revision: int
    frame: FrameOut
    prompt: PromptOut | None = None
    candidates: list[CandidateOut] = []
    object: ObjectOut | None = None
