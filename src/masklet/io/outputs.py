"""Choose the format of a result: by its name when it is written, by its name or content when it is read."""

from __future__ import annotations

import os
from pathlib import Path

from masklet.bounded_json import read_json
from masklet.errors import FormatError, OutputError
from masklet.io.atomic import output_errors
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
    """Open a writer; the output format is inferred from the path.

    ``.mp4``, ``.mov``, ``.mkv`` and ``.webm`` are videos with the masks drawn over the frames, ``.json`` holds
    run-length codes with scores, ``.csv`` and ``.parquet`` measurements; a name without a suffix or with a slash at the
    end is a folder of PNG label maps. Other formats are named before the suffix: ``dog.coco.json``, ``dog.alpha.mov``,
    ``dog.yolo/`` (`masklet.io.FORMATS` lists them).

    Args:
        path: the file or folder to write.
        format: name of a format, which overrides the path.
        like: the source of the frames, or a result that was read; supplies names, times, frame rate and frame count.
        provenance: names, prompted frames and model, for formats that can store them.
        overwrite: replace an existing file, or the files of this format in a folder; others stay.
        options: style, alpha edges, calibration and others, for formats that use them.

    Raises:
        OutputError: no known format, the output exists already, or it cannot be written there.
        MissingExtraError: the library of the format is not installed.
    """
    name = os.fspath(path)
    chosen = format_of(name) if format is None else _format_named(format, name)
    as_folder = chosen.is_folder or Path(name).suffix.lower() not in chosen.suffixes
    check_overwrite(Path(name), overwrite=overwrite, source=getattr(like, "path", None), folder=as_folder)
    return chosen.open(name, options or OutputOptions(), overwrite=overwrite, like=like, provenance=provenance)


def read_result(path: str | os.PathLike[str], *, format: str | None = None) -> Result:
    """Read a result in any readable format.

    Args:
        path: the file or folder.
        format: name of the format; None to recognize it by the name or the content.

    Raises:
        FormatError: missing, of no known format, or not in the given format.
        MissingExtraError: the library of the format is not installed.
    """
    place = Path(path)
    if not place.exists():
        raise FormatError(f"expected a result, found nothing: {path}")
    chosen = _recognize(place) if format is None else _format_named(format, str(path))
    if chosen.read is None:
        readable = ", ".join(name for name, one in FORMATS.items() if one.read)
        raise FormatError(f"results in the format {chosen.name} cannot be read (only {readable}): {path}")
    if place.is_dir() != chosen.is_folder and chosen.name != "sa1b":
        expected, found = ("a folder", "a file") if chosen.is_folder else ("a file", "a folder")
        raise FormatError(f"expected {expected} in the format {chosen.name}, got {found}: {path}")
    return chosen.read(place)


def format_of(name: str) -> Format:
    """Infer the output format from a path.

    Raises:
        OutputError: it has the suffix of no format.
    """
    suffixes = [suffix.lower() for suffix in Path(name).suffixes[-2:]]
    last = suffixes[-1] if suffixes else ""
    folder_format = FORMATS.get(last[1:])
    if folder_format is not None and FOLDER not in folder_format.suffixes:
        folder_format = None
    is_folder_name = folder_format is not None and folder_format.name not in ("png", "tiff")  # these are suffixes too
    if name.endswith((FOLDER, os.sep)) or not last or is_folder_name:
        return folder_format or FORMATS[DEFAULT_FORMATS[""]]
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


def _format_named(format: str, path: str) -> Format:
    if format not in FORMATS:
        raise OutputError(f"expected one of the formats {', '.join(FORMATS)}, got {format!r}: {path}")
    return FORMATS[format]


def check_overwrite(path: Path, *, overwrite: bool, source: Path | None = None, folder: bool | None = None) -> None:
    """Raise `OutputError` if the output exists and ``overwrite`` is off, or if it is the ``source`` itself.

    A file where a folder is expected, or the other way round, is left to the writer, which refuses it in any case.
    """
    with output_errors(path):
        if not path.exists() or (folder is not None and path.is_dir() != folder):
            return
        if source is not None and path.samefile(source):
            raise OutputError(f"cannot write {path}: it is the source of the frames")
        if not overwrite and not (path.is_dir() and not any(path.iterdir())):
            raise OutputError(f"cannot write {path}: it exists already (--overwrite, or overwrite=True, replaces it)")


def _recognize(path: Path) -> Format:
    """Recognize the format by the name, else by the content."""
    inner = path.suffixes[-1 if path.is_dir() else -2][1:].lower() if len(path.suffixes) > (not path.is_dir()) else ""
    if inner in FORMATS and (FOLDER in FORMATS[inner].suffixes or path.suffix.lower() in FORMATS[inner].suffixes):
        return FORMATS[inner]
    found = _recognize_folder(path) if path.is_dir() else _recognize_file(path)
    if found is None:
        raise FormatError(f"expected a result in a readable format (name it with format= or --from): {path}")
    return FORMATS[found]


def _recognize_file(path: Path) -> str | None:
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
    return next((name for key, name in keys.items() if key in content), None)


def _recognize_folder(folder: Path) -> str | None:
    names = [path.relative_to(folder).as_posix() for path in (*folder.glob("*"), *folder.glob("*/*"))]
    if "masklet.json" in names and any(name.startswith("labels") for name in names):
        return "yolo"
    for format in ("ctc", "davis", "png", "tiff", "exr", "geotiff"):
        pattern = getattr(FORMATS[format].writer, "FILE_PATTERN", None)
        if pattern is not None and any(pattern.fullmatch(name) for name in names):
            return format
    if is_yolo_data(folder):
        return "yolo"
    annotations = sorted(folder.glob("*.json"))
    if not annotations:
        return None
    content = read_json(annotations[0], object, what="result", max_bytes=MAX_JSON_BYTES)
    keys = {"shapes": "labelme", "image": "sa1b"}
    return next((name for key, name in keys.items() if isinstance(content, dict) and key in content), None)
