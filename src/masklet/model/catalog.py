"""Catalog of named models: parameters, license, source of the weights, and whether they are on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from huggingface_hub import try_to_load_from_cache

from masklet.model.config import NANO, PRESETS, ModelConfig
from masklet.model.load import count_parameters

EMBEDDED: Final = NANO.full_name
"""Name of the model whose weights are part of the package."""


@dataclass(frozen=True)
class HubFile:
    """A weight file in a repository on the Hugging Face Hub.

    Attributes:
        repository: such as "facebook/sam2.1-hiera-tiny".
        name: of the file.
    """

    repository: str
    name: str


RELEASED_FILES: Final = {
    "edgetam": (
        HubFile("facebook/EdgeTAM", "edgetam.pt"),
        HubFile("yonigozlan/EdgeTAM-hf", "model.safetensors"),
    ),
}
"""Files of models whose names do not follow from the name of their repository, in the order in which they are tried."""


@dataclass(frozen=True, kw_only=True)
class CatalogEntry:
    """One named model.

    Attributes:
        name: name for `masklet.load`.
        parameters: number of trainable parameters.
        image_size: default side of the square input in pixels.
        license: of the weights.
        hub_id: repository on the Hugging Face Hub, or None for the embedded model.
        files: possible file names of the weights, in the order in which they are tried.
        local: path of the weights on this machine, or None if they must be downloaded.
    """

    name: str
    parameters: int
    image_size: int
    license: str
    hub_id: str | None
    files: tuple[str, ...]
    local: Path | None


def catalog() -> tuple[CatalogEntry, ...]:
    """List all named models, the default first, without network access."""
    return tuple(_entry(name, config) for name, config in PRESETS.items())


def _entry(name: str, config: ModelConfig) -> CatalogEntry:
    sources, embedded = hub_files(name), embedded_weights()
    return CatalogEntry(
        name=name,
        parameters=count_parameters(config),
        image_size=config.image_size,
        license="Apache-2.0" if sources else "research use (masklet/weights/LICENSE)",
        hub_id=sources[0].repository if sources else None,
        files=tuple(source.name for source in sources) or (embedded.name,),
        local=cached_weights(sources) if sources else embedded,
    )


def embedded_weights() -> Path:
    """Return the path of the weights that are part of the package."""
    return Path(str(files("masklet") / "weights" / f"{EMBEDDED}.safetensors"))


def hub_files(name: str) -> tuple[HubFile, ...]:
    """List the files on the Hub that may hold the weights of a model, in the order in which they are tried.

    Args:
        name: a name of the catalog, or a repository such as "facebook/sam2.1-hiera-tiny", which holds safetensors or
            the original checkpoint.

    Returns:
        The files; none for the embedded model.
    """
    if name == EMBEDDED:
        return ()
    if name in RELEASED_FILES:
        return RELEASED_FILES[name]
    repository = name if "/" in name else "facebook/{}-hiera-{}".format(*name.split("-", maxsplit=1))
    checkpoint = f"{repository.rpartition('/')[2].replace('-', '_')}.pt"
    known = [source for sources in RELEASED_FILES.values() for source in sources if source.repository == repository]
    return tuple(known) or (HubFile(repository, "model.safetensors"), HubFile(repository, checkpoint))


def cached_weights(sources: Sequence[HubFile]) -> Path | None:
    """Return the first of these files that is in the local cache, without network access."""
    found = (try_to_load_from_cache(source.repository, source.name) for source in sources)
    return next((Path(path) for path in found if isinstance(path, str)), None)
