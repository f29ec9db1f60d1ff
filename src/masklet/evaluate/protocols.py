"""What is asked of a model: the protocols of the paper as data, and their names."""

from __future__ import annotations

import difflib
import re
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from masklet.errors import FormatError
from masklet.predict.results import PostProcess
from masklet.tracking.memory_selection import MemoryPolicy
from masklet.tracking.policies import PolicyName


@dataclass(frozen=True, kw_only=True)
class TimeModel:
    """How long a person takes (paper, interactive evaluation).

    Attributes:
        locate: seconds to find the object on a frame.
        click: seconds for a click.
        examine: seconds to look through 300 frames.
    """

    locate: float = 1.0
    click: float = 1.5
    examine: float = 30.0

    def examining(self, num_frames: int) -> float:
        """Seconds to look through a video of so many frames."""
        return self.examine * num_frames / 300

    def clicking(self, clicks: int) -> float:
        """Seconds to correct one frame."""
        return self.locate + self.click * clicks


@dataclass(frozen=True, kw_only=True)
class SemiSupervised:
    """Every object is prompted once, on the first frame that shows it, then tracked to the end; all objects together.

    Attributes:
        prompt: the true mask, its box, or clicks in the middle of the largest error, each answered before the next.
        clicks: how many of them.
        memory: what is recalled, or the name of a memory policy.
        postprocess: what happens to masks. Whether objects may overlap follows the data set's truth.
    """

    prompt: Literal["mask", "box", "click"] = "mask"
    clicks: int = 1
    memory: MemoryPolicy | PolicyName = "plain"
    postprocess: PostProcess = field(default_factory=PostProcess)

    @property
    def name(self) -> str:
        """What the command line calls it."""
        return f"{self.clicks}-click" if self.prompt == "click" else self.prompt


@dataclass(frozen=True, kw_only=True)
class Interactive:
    """A person corrects a video, one object at a time, a few clicks on one frame after the other.

    Offline, the next frame is the one with the worst IoU, and the whole video is tracked again, every frame recalling
    all corrected frames, later ones too. Online, the video runs once and stops where the IoU is too low.

    Attributes:
        mode: "offline" or "online".
        clicks: on each frame.
        max_frames: how many frames are corrected at most, the first included.
        pause_below: online, the IoU below which the person stops the video.
        time: how long the person takes.
        memory, postprocess: as in `SemiSupervised`.
    """

    mode: Literal["offline", "online"] = "offline"
    clicks: int = 3
    max_frames: int = 8
    pause_below: float = 0.75
    time: TimeModel = field(default_factory=TimeModel)
    memory: MemoryPolicy | PolicyName = "plain"
    postprocess: PostProcess = field(default_factory=PostProcess)

    @property
    def name(self) -> str:
        """What the command line calls it."""
        return self.mode


@dataclass(frozen=True, kw_only=True)
class ImageClicks:
    """Every mask of a picture is asked for by clicks; a lone first click takes the candidate with the best own score.

    Attributes:
        prompt: what comes first: a click in the middle, or the box.
        clicks: answers in all; after the first each corrects the largest error.
        postprocess: what happens to masks.
    """

    prompt: Literal["click", "box"] = "click"
    clicks: int = 5
    postprocess: PostProcess = field(default_factory=PostProcess)

    @property
    def name(self) -> str:
        """What the command line calls it."""
        return "image-clicks" if self.prompt == "click" else "image-box"


@dataclass(frozen=True, kw_only=True)
class Given:
    """Nothing is asked: the masks are there, made by another program."""

    @property
    def name(self) -> str:
        """What results call it."""
        return "predictions"


Protocol = SemiSupervised | Interactive | ImageClicks | Given

PROTOCOLS: dict[str, tuple[Protocol, str]] = {
    "mask": (SemiSupervised(), "videos: the true mask on each object's first frame"),
    "box": (SemiSupervised(prompt="box"), "videos: its box"),
    "1-click": (SemiSupervised(prompt="click"), "videos: one click on the first frame; also 2-click, 3-click ..."),
    "3-click": (SemiSupervised(prompt="click", clicks=3), "videos: three clicks, each corrects the answer before"),
    "5-click": (SemiSupervised(prompt="click", clicks=5), "videos: five"),
    "offline": (Interactive(), "videos: 3 clicks on up to 8 frames, the worst frame next, tracked anew each time"),
    "online": (Interactive(mode="online"), "videos: the same in one run that stops where the IoU is below 0.75"),
    "image-clicks": (ImageClicks(), "pictures: 1 to 5 clicks (--clicks 20 counts the clicks needed)"),
    "image-box": (ImageClicks(prompt="box", clicks=1), "pictures: the box (and corrections with --clicks)"),
}
"""Protocols by name, with a line on each; the paper's sections 5 and 6 and its appendix on evaluation."""


def protocol_named(
    name: str,
    *,
    clicks: int | None = None,
    memory: PolicyName = "plain",
    postprocess: PostProcess | None = None,
) -> Protocol:
    """A protocol by its name.

    Args:
        name: of `PROTOCOLS`, or any "K-click".
        clicks: in place of the protocol's own number.
        memory: the policy videos are tracked with.
        postprocess: what happens to masks.

    Raises:
        FormatError: no such protocol, or a number of clicks or a memory that it cannot take.
    """
    counted = re.fullmatch(r"([1-9]\d?)-click", name)
    found: Protocol
    if counted:
        found = SemiSupervised(prompt="click", clicks=int(counted[1]))
    elif name in PROTOCOLS:
        found = PROTOCOLS[name][0]
    else:
        near = difflib.get_close_matches(name, PROTOCOLS, 1, 0.5)
        raise FormatError(f"no protocol {name!r}; {f'did you mean {near[0]}?' if near else ', '.join(PROTOCOLS)}")
    assert not isinstance(found, Given), "it has no name to ask for"
    if clicks is not None:
        if clicks < 1 or counted or (isinstance(found, SemiSupervised) and found.prompt != "click"):
            raise FormatError(f"{name} takes no {clicks} clicks")
        found = replace(found, clicks=clicks)
    if memory != "plain":
        if isinstance(found, ImageClicks):
            raise FormatError(f"{name} is for pictures, which need no memory; got {memory}")
        found = replace(found, memory=memory)
    return found if postprocess is None else replace(found, postprocess=postprocess)


def describe(protocol: Protocol) -> dict[str, Any]:
    """A protocol as it stands in results: its name and every number in it."""
    return {"name": protocol.name, "task": _TASKS[type(protocol)], **asdict(protocol)}


_TASKS = {
    SemiSupervised: "semi-supervised",
    Interactive: "interactive",
    ImageClicks: "images",
    Given: "predictions",
}
