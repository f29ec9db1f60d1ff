"""Videos as folders of pictures with label maps beside them: DAVIS, YouTube-VOS, SA-V val, cell tracking and kin."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from masklet.errors import FormatError
from masklet.io.datasets.annotated import Problem
from masklet.io.datasets.files import confined, folders_in, lines_of, listed, wrong_root
from masklet.io.datasets.label_maps import Coding, LabelMapSequence, ObjectFolderSequence
from masklet.io.datasets.layouts import Found, Split
from masklet.io.folder import natural_key
from masklet.io.formats.json_file import expecting, load_json
from masklet.types import ObjectId

MAX_META_BYTES = 2**28


@dataclass(frozen=True, kw_only=True)
class FolderVideos:
    """A folder of pictures for each video, and one of label maps; a picture and its map share a number in their names.

    Paths are relative to the root; ``{name}`` stands for the sequence, ``{split}`` for a spelling of the split,
    ``{quality}`` for a folder of one of the sizes in which a set is published. A path that ends in ``{name}_*`` is one
    folder for all; sequences are told apart by how the names of their files begin.

    Attributes:
        pictures: where a sequence's pictures are.
        labels: where its label maps are; with ``{object}`` at the end there is a folder of masks for each object.
        bases: what may stand before all paths.
        qualities: the folders of the sizes, with a slash, the likeliest first.
        listings: list files to look for, the likeliest first; without one, all folders count.
        meta: a JSON file with the objects' categories in YouTube-VOS form, or "".
        training_meta: that of the training split, filled in by itself.
        levels: how many folders a sequence's name has.
        names: a pattern that sequences' names match, where other folders lie among them.
        coding: what the pixels of a label map say.
        void: the value of pixels that count neither way, or None.
        free_ids: ids need not count 1, 2, 3 ...
        stretch: spread the gray values of the pictures (see `ListedPictures`).
    """

    pictures: str = "JPEGImages/{name}"
    labels: str = "Annotations/{name}"
    bases: tuple[str, ...] = ("",)
    qualities: tuple[str, ...] = ("",)
    listings: tuple[str, ...] = ()
    meta: str = ""
    training_meta: str = ""
    levels: int = 1
    names: str = ".*"
    coding: Coding = "ids"
    void: int | None = None
    free_ids: bool = False
    stretch: bool = False

    def expected(self, split: Split) -> str:
        """The folders and files of a split, for people."""
        base, layout = next(self._resolved(split))
        return f"{_for_people(base, layout.pictures)}*.jpg and {_for_people(base, layout.labels)}*.png"

    def find(self, root: Path, split: Split) -> Found:
        """The sequences of a split; see `Layout.find`."""
        for base, layout in self._resolved(split):
            if (root / base / layout.pictures.partition("{name}")[0]).is_dir():
                found = layout._found(root / base)
                if found.items:
                    return found
                reason = f" ({found.warnings[0]})" if found.warnings else ""
                raise FormatError(f"{wrong_root(root, f'split {split.name!r}', self.expected(split))}{reason}")
        raise wrong_root(root, f"split {split.name!r}", self.expected(split))

    def _resolved(self, split: Split) -> Iterator[tuple[str, FolderVideos]]:
        """Every base with the layout that may begin there: no split and no quality left to fill in."""
        for spelling, base, quality in itertools.product(split.spellings, self.bases, self.qualities):

            def fill(text: str, words: tuple[str, str] = (spelling, quality)) -> str:
                return text.replace("{split}", words[0]).replace("{quality}", words[1])

            layout = replace(
                self,
                pictures=fill(self.pictures),
                labels=fill(self.labels),
                listings=tuple(fill(listing) for listing in self.listings),
                meta=fill(self.meta),
                training_meta=self.meta.replace("{split}", "train"),
            )
            yield fill(base), layout

    def _found(self, base: Path) -> Found:
        categories = read_meta(base / self.meta) if self.meta and (base / self.meta).is_file() else {}
        known = self._training_categories(base)
        items, warnings = [], []
        if self.listings and self._listing(base) is None:
            told = f"expected {self.listings[0]} in {base}, found nothing; every folder is taken"
            warnings.append(Problem("no list", self.listings[0], told))
        for name in self._names(base):
            pictures = confined(base, self.pictures.replace("{name}", name))
            labels = confined(base, self.labels.removesuffix("/{object}").replace("{name}", name))
            if not _exists(pictures):
                warnings.append(Problem("missing sequence", name, f"expected the folder {pictures}, found nothing"))
            elif not _exists(labels):
                warnings.append(Problem("no annotation", name, f"expected the folder {labels}, found nothing"))
            else:
                named = categories.get(name, {})
                seen = {i: category in known for i, category in named.items()} if known else {}
                items.append(self._sequence(name, pictures, labels, categories=named, seen=seen))
        return Found(tuple(items), tuple(warnings))

    def _sequence(self, name: str, pictures: Path, labels: Path, **told: Mapping[ObjectId, Any]) -> LabelMapSequence:
        kind = ObjectFolderSequence if self.labels.endswith("{object}") else LabelMapSequence
        return kind(
            name=name,
            pictures=pictures,
            labels=labels,
            coding=self.coding,
            void=self.void,
            stretch=self.stretch,
            free_ids=self.free_ids,
            **told,
        )

    def _names(self, base: Path) -> list[str]:
        listing = self._listing(base)
        if listing is not None:
            return sorted({_name_in(line) for line in lines_of(listing)}, key=natural_key)
        head, _, tail = self.pictures.partition("{name}")
        if tail == "_*":
            names = {file.name.partition("_")[0] for file in listed(base / head) if "_" in file.name}
            return sorted(names, key=natural_key)
        found = [""]
        for _ in range(self.levels):
            found = [f"{name}/{folder}".lstrip("/") for name in found for folder in folders_in(base / head / name)]
        return [name for name in found if re.fullmatch(self.names, name) and (base / f"{head}{name}{tail}").is_dir()]

    def _listing(self, base: Path) -> Path | None:
        return next((base / path for path in self.listings if (base / path).is_file()), None)

    def _training_categories(self, base: Path) -> frozenset[str]:
        """The categories of the training split, if it lies beside this one; else nobody can tell seen from unseen."""
        path = base / self.training_meta
        named = read_meta(path).values() if path.is_file() else ()
        return frozenset(category for objects in named for category in objects.values() if category)


def read_meta(path: Path) -> Mapping[str, Mapping[ObjectId, str]]:
    """The categories of every video's objects in a ``meta.json`` of the YouTube-VOS form; "" where it names none.

    Raises:
        FormatError: it is not of that form.
    """
    with expecting("videos: NAME: objects: ID: category", str(path)):
        return {
            str(name): {int(i): str(thing.get("category", "")) for i, thing in video["objects"].items()}
            for name, video in load_json(path, max_bytes=MAX_META_BYTES)["videos"].items()
        }


def _name_in(line: str) -> str:
    """The sequence in a line of a list: the line itself, or the folder of the picture that it names (DAVIS 2016)."""
    first = PurePosixPath(line.split(maxsplit=1)[0])
    return first.parent.name if first.suffix.lower() in (".jpg", ".png") else line


def _for_people(base: str, path: str) -> str:
    shown = str(PurePosixPath(base, path.replace("{name}", "NAME").replace("{object}", "OBJECT")))
    return shown.removesuffix("*") if shown.endswith("*") else f"{shown}/"


def _exists(path: Path) -> bool:
    """Whether a folder is there; of ``name_*``, whether a file is."""
    if path.name.endswith("_*"):
        return any(path.parent.glob(path.name))
    return path.is_dir()
