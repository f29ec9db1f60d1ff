"""Errors raised by masklet; each message is one line with the expected and the actual value.

MaskletError
├── PromptError          an invalid prompt: outside the image, NaN, an empty mask, conflicting prompts
├── UnknownObjectError   an object id that was never prompted or was removed
├── FrameRangeError      a frame index outside the video, or an empty range of frames
├── MediaError           an image or video that is missing, unreadable, empty, or not of its format
├── WeightsError         a checkpoint that is unreadable or does not match the model
├── UnknownModelError    an unknown model name
├── OutputError          an output that cannot be written: no space, no permission, unknown format
├── FormatError          an annotation, prompt or configuration file with invalid content
├── TaskError            a task of the data engine that does not exist or is not assigned to the caller
├── DeviceError          a device, backend or dtype that is not available
└── MissingExtraError    an optional dependency that is not installed
"""

from collections.abc import Iterator
from contextlib import contextmanager


class MaskletError(Exception):
    """Base class of all errors that masklet raises for invalid input or a missing resource."""


class PromptError(MaskletError, ValueError):
    """A prompt is malformed, conflicts with another, or lies outside the image."""


class UnknownObjectError(MaskletError, KeyError):
    """The object id was never prompted, or was removed."""

    def __str__(self) -> str:  # KeyError prints the repr of the message
        return str(self.args[0]) if self.args else ""


class FrameRangeError(MaskletError, IndexError):
    """A frame index lies outside the video, or a range of frames is empty."""


class MediaError(MaskletError, OSError):
    """An image, video or stream cannot be read."""


class WeightsError(MaskletError, ValueError):
    """A checkpoint is unreadable or its tensors do not match the model."""


class UnknownModelError(MaskletError, LookupError):
    """The model name is unknown."""


class OutputError(MaskletError, OSError):
    """An output cannot be written."""


class FormatError(MaskletError, ValueError):
    """The content of a file does not follow its format."""


class TaskError(MaskletError, RuntimeError):
    """A task of the data engine does not exist, or is not (or no longer) assigned to the caller."""


class DeviceError(MaskletError, RuntimeError):
    """The requested device, backend or dtype is not available."""


class MissingExtraError(MaskletError, ImportError):
    """A required optional dependency is not installed."""


@contextmanager
def needs(extra: str, what: object) -> Iterator[None]:
    """Convert a failed import in the block to a `MissingExtraError` that names the extra to install.

    Args:
        extra: the extra of masklet that installs the library.
        what: what needs the library, for the message, such as the path of a file.
    """
    try:
        yield
    except ImportError as error:
        raise MissingExtraError(f'{what} needs an extra: pip install "masklet[{extra}]"') from error
