"""Choosing the form of a result: by its name when it is written, by its name or content when it is read."""

from __future__ import annotations

import os
from pathlib import Path

from masklet.bounded_json import read_json
from masklet.errors import FormatError, OutputError
from masklet.io.formats.registry import DEFAULT_FORMATS, FOLDER, FORMATS, Format, OutputOptions
from masklet.io.formats.yolo import is_yolo_data
from masklet.io.result_builder import Provenance, Result, VideoLike
from masklet.io.writer import Writer

MAX_JSON_BYTES = 2**29


def open_writer(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    like: VideoLike | None = None,
    provenance: Provenance | None = None,
    overwrite: bool = False,
    options: OutputOptions | None = None,
) -> Writer:
    """A writer for the form that the name asks for.

    ``.mp4``, ``.mov``, ``.mkv`` and ``.webm`` are videos with the masks drawn over the frames, ``.json`` holds
    run-length codes with scores, ``.csv`` and ``.parquet`` measurements, a name without a suffix or with a slash at the
    end is a folder of PNG label maps. Other forms go by their name before the suffix: ``dog.coco.json``,
    ``dog.alpha.mov``, ``dog.yolo/`` (`masklet.io.FORMATS` lists them).

    Args:
        path: the file or folder to write.
        format: a format's name, whatever the path looks like.
        like: the source of the frames, or a result that was read; gives names, times, frame rate and frame count.
        provenance: names, prompted frames and model, where the form can hold them.
        overwrite: replace what is there; of a folder the files of this form, others stay.
        options: how it looks and what it is measured in.

    Raises:
        OutputError: a name of no known form, something is there already, or it cannot be written there.
        MissingExtraError: the form's library is not installed.
    """
    name = os.fspath(path)
    chosen = format_of(name) if format is None else _named(format, name)
    source = getattr(like, "path", None)
    as_folder = chosen.is_folder or Path(name).suffix.lower() not in chosen.suffixes
    check_overwrite(Path(name), overwrite=overwrite, source=source, folder=as_folder)
    return chosen.open(name, options or OutputOptions(), overwrite=overwrite, like=like, provenance=provenance)


def read_result(path: str | os.PathLike[str], *, format: str | None = None) -> Result:
    """A result in any form that can be read.

    Args:
        path: the file or folder.
        format: a format's name; None recognizes it by the name or the content.

    Raises:
        FormatError: missing, of no known form, or not what the form says.
        MissingExtraError: the form's library is not installed.
    """
    place = Path(path)
    if not place.exists():
        raise FormatError(f"expected a result, found nothing: {path}")
    chosen = _named(format, str(path)) if format is not None else _recognized(place)
    if chosen.read is None:
        readable = ", ".join(name for name, one in FORMATS.items() if one.read)
        raise FormatError(f"{chosen.name} is not read back (only {readable}): {path}")
    if place.is_dir() != chosen.is_folder and chosen.name != "sa1b":
        expected, found = ("a folder", "a file") if chosen.is_folder else ("a file", "a folder")
        raise FormatError(f"expected {expected} of the form {chosen.name}, got {found}: {path}")
    return chosen.read(place)


def format_of(name: str) -> Format:
    """The form that a name asks for.

    Raises:
        OutputError: there is none.
    """
    ends = name.endswith((FOLDER, os.sep))
    suffixes = [suffix.lower() for suffix in Path(name).suffixes[-2:]]
    last = suffixes[-1] if suffixes else ""
    if ends or not last or _is_folder_form(last):
        return (
            FORMATS[last[1:]]
            if last[1:] in FORMATS and FOLDER in FORMATS[last[1:]].suffixes
            else FORMATS[DEFAULT_FORMATS[""]]
        )
    inner = FORMATS.get(suffixes[0][1:]) if len(suffixes) == 2 else None
    if inner is not None and last in inner.suffixes:
        return inner
    if last not in DEFAULT_FORMATS:
        known = ", ".join(suffix for suffix in DEFAULT_FORMATS if suffix)
        raise OutputError(
            f"cannot write {name}: expected a name with {known}, or a folder (no suffix, or a slash at the end), "
            f"got {last!r}"
        )
    return FORMATS[DEFAULT_FORMATS[last]]


def _is_folder_form(suffix: str) -> bool:
    """Whether a suffix is the name of a form that can be a folder, and no suffix of pictures."""
    form = FORMATS.get(suffix[1:])
    return form is not None and FOLDER in form.suffixes and form.name not in ("png", "tiff")


def _named(form: str, name: str) -> Format:
    if form not in FORMATS:
        raise OutputError(f"expected a form of {', '.join(FORMATS)}, got {form!r}: {name}")
    return FORMATS[form]


def check_overwrite(path: Path, *, overwrite: bool, source: Path | None = None, folder: bool | None = None) -> None:
    """Raise `OutputError` where something is that would be replaced unasked, or the ``source`` itself.

    A file where a folder should be, or the other way round, is left to the writer, which refuses it in any case.
    """
    try:
        if folder is not None and path.exists() and path.is_dir() != folder:
            return
        if source is not None and path.exists() and path.samefile(source):
            raise OutputError(f"cannot write {path}: it is the source of the frames")
        taken = path.exists() and not (path.is_dir() and not any(path.iterdir()))
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error
    if taken and not overwrite:
        raise OutputError(f"cannot write {path}: it is there already (--overwrite, or overwrite=True, replaces it)")


def _recognized(path: Path) -> Format:
    """The form by the name, where it tells; else by the content."""
    inner = path.suffixes[-1 if path.is_dir() else -2][1:].lower() if len(path.suffixes) > (not path.is_dir()) else ""
    if inner in FORMATS and (FOLDER in FORMATS[inner].suffixes or path.suffix.lower() in FORMATS[inner].suffixes):
        return FORMATS[inner]
    found = _folder_form(path) if path.is_dir() else _file_form(path)
    if found is None:
        raise FormatError(f"expected a result of a form that can be read (say which with form= or --from): {path}")
    return FORMATS[found]


def _file_form(path: Path) -> str | None:
    suffix = path.suffix.lower()
    if suffix != ".json":
        return DEFAULT_FORMATS.get(suffix)
    content = read_json(path, object, what="result", max_bytes=MAX_JSON_BYTES)
    if isinstance(content, list):
        return "label-studio"
    if not isinstance(content, dict):
        return None
    if "images" not in content and "videos" in content:
        return "youtube-vis"
    keys = {"schema": "rle", "masklet_id": "sav", "images": "coco", "image": "sa1b"}
    return next((form for key, form in keys.items() if key in content), None)


def _folder_form(folder: Path) -> str | None:
    names = [path.relative_to(folder).as_posix() for path in folder.glob("*")]
    names += [path.relative_to(folder).as_posix() for path in folder.glob("*/*")]
    if "masklet.json" in names and any(name.startswith("labels") for name in names):
        return "yolo"
    for form in ("ctc", "davis", "png", "tiff", "exr", "geotiff"):
        own = getattr(FORMATS[form].writer, "FILE_PATTERN", None)
        if own is not None and any(own.fullmatch(name) for name in names):
            return form
    if is_yolo_data(folder):
        return "yolo"
    annotations = sorted(folder.glob("*.json"))
    if not annotations:
        return None
    content = read_json(annotations[0], object, what="result", max_bytes=MAX_JSON_BYTES)
    keys = {"shapes": "labelme", "image": "sa1b"}
    return next((form for key, form in keys.items() if isinstance(content, dict) and key in content), None)
