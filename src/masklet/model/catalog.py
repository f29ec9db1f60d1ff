"""Catalog of named models: parameters, license, source of the weights, and whether they are on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from huggingface_hub import try_to_load_from_cache

from masklet.model.config import NANO, PRESETS, ModelConfig
from masklet.model.load import count_parameters

EMBEDDED: Final = NANO.full_name
"""Name of the model whose weights are part of the package."""


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
    repository = hub_id(name)
    embedded = embedded_weights()
    return CatalogEntry(
        name=name,
        parameters=count_parameters(config),
        image_size=config.image_size,
        license="Apache-2.0" if repository else "research use (masklet/weights/LICENSE)",
        hub_id=repository,
        files=hub_files(repository) if repository else (embedded.name,),
        local=cached_weights(repository) if repository else embedded,
    )


def embedded_weights() -> Path:
    """Return the path of the weights that are part of the package."""
    return Path(str(files("masklet") / "weights" / f"{EMBEDDED}.safetensors"))


def hub_id(name: str) -> str | None:
    """Return the Hub repository of a released model, such as "facebook/sam2.1-hiera-tiny" for "sam2.1-tiny"."""
    return None if name == EMBEDDED else "facebook/{}-hiera-{}".format(*name.split("-", maxsplit=1))


def hub_files(repository: str) -> tuple[str, ...]:
    """List the weight files to try in a repository: safetensors first, then the original checkpoint."""
    name = repository.rpartition("/")[2]
    return ("model.safetensors", f"{name.replace('-', '_')}.pt")


def cached_weights(repository: str) -> Path | None:
    """Return the weights of a repository if they are in the local cache, without network access."""
    found = (try_to_load_from_cache(repository, file) for file in hub_files(repository))
    return next((Path(path) for path in found if isinstance(path, str)), None)
