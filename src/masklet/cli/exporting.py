"""Exporting one result: which outputs in which forms, and their frames one by one."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from masklet.cli.progress import interruptible, progress
from masklet.errors import OutputError
from masklet.io import FORMATS, OutputOptions, RecordedSource, Result, Writer, open_video, open_writer
from masklet.io.outputs import format_of


def targets_of(result: str, to: list[str], outputs: list[str]) -> list[tuple[str, str]]:
    """Every output with its form.

    Raises:
        OutputError: nothing to write, or names and forms that do not go together.
    """
    for form in to:
        if form not in FORMATS:
            raise OutputError(f"expected a form of {', '.join(FORMATS)}, got {form!r}")
    if not to and not outputs:
        raise OutputError("expected --to FORM or -o PATH")
    if len(to) == 1 and len(outputs) == 1:
        return [(outputs[0], to[0])]
    if to and outputs:
        raise OutputError("several --to go without -o, several -o without --to: names choose the form")
    if outputs:
        return [(output, format_of(output).name) for output in outputs]
    stem = Path(result.rstrip("/")).name.split(".")[0]
    return [(FORMATS[form].file_name(stem), form) for form in to]


def ids_of(words: str) -> frozenset[int]:
    try:
        return frozenset(int(word) for word in words.split(","))
    except ValueError:
        raise OutputError(f"--objects {words!r}: expected whole numbers, as 1,3") from None


def opened(video: str) -> RecordedSource:
    source = open_video(video)
    if not isinstance(source, RecordedSource):
        raise OutputError(f"expected a recorded video, got a live one: {video}")
    return source


def write(
    result: Result,
    video: RecordedSource | None,
    targets: list[tuple[str, str]],
    looks: OutputOptions,
    *,
    overwrite: bool,
    quiet: bool,
) -> bool:
    """Write every output; whether Ctrl-C ended it early."""
    if video is not None and result.size is not None and result.size != video.size:
        sizes = f"{video.size[1]}x{video.size[0]} as the video, got {result.size[1]}x{result.size[0]}"
        raise OutputError(f"expected masks of {sizes}: {video.name}")
    told = result.provenance
    with ExitStack() as stack, interruptible() as interrupt:
        sinks = [
            stack.enter_context(
                open_writer(
                    path, format=form, like=video or result, provenance=told, overwrite=overwrite, options=looks
                )
            )
            for path, form in targets
        ]
        steps = _frames(result, video)
        with progress("export", len(steps), quiet=quiet) as advance:
            for index in steps:
                if interrupt and index > steps[0]:
                    break
                _write_frame(result, video, index, sinks)
                advance()
    return bool(interrupt)


def _frames(result: Result, video: RecordedSource | None) -> range:
    """From the first frame that the result knows to the last one."""
    known = result.frame_indices
    frames = range(known[0], known[-1] + 1) if known else range(result.num_frames)
    if video is not None and frames.stop > len(video):
        raise OutputError(f"the result has masks on frame {frames.stop - 1}, {video.name} has {len(video)} frames")
    return frames


def _write_frame(result: Result, video: RecordedSource | None, index: int, sinks: list[Writer]) -> None:
    picture = None if video is None else video[index]
    masks = result.frame(index)
    for sink in sinks:
        sink.write(picture, masks)
