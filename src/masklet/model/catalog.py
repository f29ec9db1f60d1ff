"""The models known by name: what they are, where their weights come from, and whether those are here already."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from huggingface_hub import try_to_load_from_cache

from masklet.model.config import ModelConfig
from masklet.model.load import count_parameters
from masklet.model.presets import NANO, PRESETS

EMBEDDED: Final = NANO.full_name
"""The model whose weights come with the package."""


@dataclass(frozen=True, kw_only=True)
class CatalogEntry:
    """One known model.

    Attributes:
        name: as `masklet.load` takes it.
        parameters: trained numbers.
        image_size: side of its square input by default, in pixels.
        license: of the weights.
        hub_id: repository on the Hugging Face Hub, or None for the embedded model.
        files: names under which the weights may be there, in the order they are tried.
        local: the weights on this machine, or None where they would be downloaded first.
    """

    name: str
    parameters: int
    image_size: int
    license: str
    hub_id: str | None
    files: tuple[str, ...]
    local: Path | None


def catalog() -> tuple[CatalogEntry, ...]:
    """All known models, the default first. Looks at the disk, never at the network."""
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
    """The weights that come with the package."""
    return Path(str(files("masklet") / "weights" / f"{EMBEDDED}.safetensors"))


def hub_id(name: str) -> str | None:
    """Repository of a released model: "sam2.1-tiny" is at "facebook/sam2.1-hiera-tiny"."""
    return None if name == EMBEDDED else "facebook/{}-hiera-{}".format(*name.split("-", maxsplit=1))


def hub_files(repository: str) -> tuple[str, ...]:
    """Names of weight files to try in a repository: safetensors first, then the original checkpoint."""
    name = repository.rpartition("/")[2]
    return ("model.safetensors", f"{name.replace('-', '_')}.pt")


def cached_weights(repository: str) -> Path | None:
    """The weights of a repository if they were downloaded before; never asks the network."""
    found = (try_to_load_from_cache(repository, file) for file in hub_files(repository))
    return next((Path(path) for path in found if isinstance(path, str)), None)
