"""Every error masklet raises on purpose: one line that says what was expected and what came.

MaskletError
├── PromptError          a prompt that cannot mean anything: outside the picture, NaN, empty mask, contradiction
├── UnknownObjectError   an object id nothing was ever prompted for
├── FrameRangeError      a frame index outside the video, or a range that contains no frame
├── MediaError           a picture or video that is missing, unreadable, empty, or not what its name says
├── WeightsError         a checkpoint that is unreadable or does not fit the model
├── UnknownModelError    a model name nobody knows
├── OutputError          a result that cannot be written: no space, no permission, unknown form
├── FormatError          an annotation or prompt file whose content is not in the form it claims
├── TaskError            a data engine's task that is not there, not held by the caller, or not theirs to do
├── DeviceError          a device or number type this machine does not have
└── MissingExtraError    an optional dependency that is not installed
"""

from collections.abc import Iterator
from contextlib import contextmanager


class MaskletError(Exception):
    """Root of all errors raised on purpose; catching it never hides a bug of ours."""


class PromptError(MaskletError, ValueError):
    """A prompt is malformed, contradicts another, or lies outside the picture."""


class UnknownObjectError(MaskletError, KeyError):
    """The object id was never prompted, or was forgotten."""

    def __str__(self) -> str:  # KeyError would print the repr of the message
        return str(self.args[0]) if self.args else ""


class FrameRangeError(MaskletError, IndexError):
    """A frame index lies outside the video, or a range is empty."""


class MediaError(MaskletError, OSError):
    """A picture, video or stream cannot be read."""


class WeightsError(MaskletError, ValueError):
    """A checkpoint is unreadable or its tensors do not fit the model."""


class UnknownModelError(MaskletError, LookupError):
    """No model of that name is known."""


class OutputError(MaskletError, OSError):
    """A result cannot be written."""


class FormatError(MaskletError, ValueError):
    """A file's content is not in the form it should have."""


class TaskError(MaskletError, RuntimeError):
    """A task of the data engine is not there, is no longer held by the caller, or is not theirs to do."""


class DeviceError(MaskletError, RuntimeError):
    """The requested device or number type is not available here."""


class MissingExtraError(MaskletError, ImportError):
    """An optional dependency is needed and not installed."""


@contextmanager
def needs(extra: str, what: object) -> Iterator[None]:
    """Imports inside that fail become one line that says what to install.

    Args:
        extra: the extra of masklet that brings the library.
        what: that needs it, such as the file that was to be read.

    Raises:
        MissingExtraError: an import inside failed.
    """
    try:
        yield
    except ImportError as error:
        raise MissingExtraError(f'{what} needs an extra: pip install "masklet[{extra}]"') from error
