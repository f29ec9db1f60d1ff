"""Evaluation protocols of the paper as data, and their names."""

from __future__ import annotations

import difflib
import re
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from masklet.errors import FormatError
from masklet.predict.postprocess import PostProcess
from masklet.tracking.memory_policy import MemoryPolicy, PolicyName


@dataclass(frozen=True, kw_only=True)
class TimeModel:
    """How long an annotator takes (paper section 6.1).

    Attributes:
        locate: seconds to find the object on a frame.
        click: seconds for a click.
        examine: seconds to examine 300 frames.
    """

    locate: float = 1.0
    click: float = 1.5
    examine: float = 30.0

    def examining(self, num_frames: int) -> float:
        """Return the seconds to examine a video."""
        return self.examine * num_frames / 300

    def clicking(self, clicks: int) -> float:
        """Return the seconds to correct one frame."""
        return self.locate + self.click * clicks


@dataclass(frozen=True, kw_only=True)
class SemiSupervised:
    """Semi-supervised protocol: each object is prompted on its first frame and tracked to the end, all together.

    Attributes:
        prompt: the true mask, its box, or clicks at the center of the largest error, each on the mask before.
        clicks: number of clicks on the first frame.
        memory: memory policy, or its name.
        postprocess: postprocessing of masks. Whether objects may overlap follows the true masks of the data set.
    """

    prompt: Literal["mask", "box", "click"] = "mask"
    clicks: int = 1
    memory: MemoryPolicy | PolicyName = "plain"
    postprocess: PostProcess = field(default_factory=PostProcess)

    @property
    def name(self) -> str:
        """Name on the command line."""
        return f"{self.clicks}-click" if self.prompt == "click" else self.prompt


@dataclass(frozen=True, kw_only=True)
class Interactive:
    """Interactive protocol: an annotator corrects a video, one object at a time, with a few clicks on some frames.

    Offline, the next frame is the one with the lowest IoU, and the whole video is tracked again, with memories of all
    corrected frames, including later ones. Online, the video is tracked once and pauses where the IoU is too low.

    Attributes:
        mode: "offline" or "online".
        clicks: clicks on each corrected frame.
        max_frames: maximum number of corrected frames, including the first.
        pause_below: online, the IoU below which the annotator pauses the video.
        time: how long the annotator takes.
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
        """Name on the command line."""
        return self.mode


@dataclass(frozen=True, kw_only=True)
class ImageClicks:
    """Image protocol: each object is segmented by clicks; after a single click the best-scored candidate is taken.

    Attributes:
        prompt: first prompt: a click at the center, or the box.
        clicks: number of prompts in all; each one after the first is a click at the center of the largest error.
        postprocess: postprocessing of masks.
    """

    prompt: Literal["click", "box"] = "click"
    clicks: int = 5
    postprocess: PostProcess = field(default_factory=PostProcess)

    @property
    def name(self) -> str:
        """Name on the command line."""
        return "image-clicks" if self.prompt == "click" else "image-box"


@dataclass(frozen=True, kw_only=True)
class Given:
    """Masks of another program are scored."""

    @property
    def name(self) -> str:
        """Name in results."""
        return "predictions"


Protocol = SemiSupervised | Interactive | ImageClicks | Given

PROTOCOLS: dict[str, tuple[Protocol, str]] = {
    "mask": (SemiSupervised(), "videos: the true mask on each object's first frame"),
    "box": (SemiSupervised(prompt="box"), "videos: the box of the true mask"),
    "1-click": (SemiSupervised(prompt="click"), "videos: one click on the first frame; also 2-click, 3-click ..."),
    "3-click": (SemiSupervised(prompt="click", clicks=3), "videos: three clicks, each corrects the mask before"),
    "5-click": (SemiSupervised(prompt="click", clicks=5), "videos: five clicks"),
    "offline": (Interactive(), "videos: 3 clicks on up to 8 frames, each time on the worst frame, then tracked again"),
    "online": (Interactive(mode="online"), "videos: the same in one pass that pauses where the IoU is below 0.75"),
    "image-clicks": (ImageClicks(), "images: 1 to 5 clicks (--clicks 20 counts the clicks needed)"),
    "image-box": (ImageClicks(prompt="box", clicks=1), "images: the box (and corrections with --clicks)"),
}
"""Protocols by name, with a description; see the paper's section 6 and its appendix on evaluation."""


def protocol_named(
    name: str,
    *,
    clicks: int | None = None,
    memory: PolicyName = "plain",
    postprocess: PostProcess | None = None,
) -> Protocol:
    """Return a protocol by its name: one of `PROTOCOLS`, or any "K-click".

    ``clicks``, ``memory`` and ``postprocess`` replace the values of the protocol.

    Raises:
        FormatError: no such protocol, or the protocol has no such number of clicks or no memory.
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
    assert not isinstance(found, Given), "it has no name"
    if clicks is not None:
        if clicks < 1 or counted or (isinstance(found, SemiSupervised) and found.prompt != "click"):
            raise FormatError(f"the protocol {name} cannot use clicks={clicks}")
        found = replace(found, clicks=clicks)
    if memory != "plain":
        if isinstance(found, ImageClicks):
            raise FormatError(f"the protocol {name} is for images and uses no memory, got memory={memory}")
        found = replace(found, memory=memory)
    return found if postprocess is None else replace(found, postprocess=postprocess)


def describe(protocol: Protocol) -> dict[str, Any]:
    """Return a protocol for results: its name and all its values."""
    return {"name": protocol.name, "task": _TASKS[type(protocol)], **asdict(protocol)}


_TASKS = {
    SemiSupervised: "semi-supervised",
    Interactive: "interactive",
    ImageClicks: "images",
    Given: "predictions",
}
