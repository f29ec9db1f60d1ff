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
        sha256: of its content, where it is known.
    """

    repository: str
    name: str
    sha256: str | None = None


EFFICIENTTAM_HASHES: Final = {
    "ti": "acbb17b28cca1f860acee09c9ecb6efdb732080dc7a85a07292c31813175fa7d",
    "ti_1": "5294bd68820ee1ee5203d54065d4384a6aa1fb4fc632c147417478fcac9576ea",
    "ti_2": "d2a9ca0a736257ee9bb238d335ba7c794ad853e594cb4f679019ecc0854ee587",
    "ti_512x512": "7d4d652a465f0081391050932f45d8a66768ccc99c8ea393ce8a5927e83f3b9b",
    "s": "2b572be30d9e96ee29c8d785fe157c6b079ede7d56fbc8a3671d4120e63c89cd",
    "s_1": "4fd5d1f7ae08a7e15086623bf8b12f0b111b773b15564b43c0a5d451fc1a4267",
    "s_2": "253e490b4a3d56eedd64e4d466155ec538d1289f52abe78b091b14caefd92343",
    "s_512x512": "67b5840012737ed2c94a4cb8787c5c1b27b3a946045d2e602e65ef77230b6085",
}

RELEASED_FILES: Final = {
    "edgetam": (
        HubFile("facebook/EdgeTAM", "edgetam.pt"),
        HubFile("yonigozlan/EdgeTAM-hf", "model.safetensors"),
    ),
    **{
        f"efficienttam-{kind.replace('_', '-').replace('512x512', '512')}": (
            HubFile("yunyangx/efficient-track-anything", f"efficienttam_{kind}.pt", sha256),
        )
        for kind, sha256 in EFFICIENTTAM_HASHES.items()
    },
}
"""Files of models whose names do not follow from the name of their repository, in the order in which they are tried."""


BEST_ON_GPU: Final = (
    *(f"sam2.1-{size}" for size in ("large", "base-plus", "small", "tiny")),
    *(f"sam2-{size}" for size in ("large", "base-plus", "small", "tiny")),
    "efficienttam-s",
    "efficienttam-s-1",
    "efficienttam-s-2",
    "edgetam",
    "efficienttam-s-512",
    "efficienttam-ti",
    "efficienttam-ti-1",
    "efficienttam-ti-2",
    "efficienttam-ti-512",
)
BEST_WITHOUT_GPU: Final = ("edgetam", "efficienttam-s-512", "efficienttam-ti-512")
"""Models in the order in which ``load("auto")`` prefers them: by the published J&F on SA-V test. Without a GPU, only
those that take well under a second per frame."""


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


def best_local_model(*, has_gpu: bool) -> tuple[str, str]:
    """Choose the best model whose weights are on this machine, without network access.

    Args:
        has_gpu: whether the model will run on a GPU; otherwise only models that are fast without one are considered.

    Returns:
        The name of the model and the reason, a phrase.
    """
    for name in BEST_ON_GPU if has_gpu else BEST_WITHOUT_GPU:
        if cached_weights(hub_files(name)):
            kind = "the most accurate" if has_gpu else "the most accurate that is fast without a GPU"
            return name, f"{kind} of the models on this machine"
    return EMBEDDED, "no better model is on this machine: download one with masklet models pull edgetam"


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
    return tuple(known[:1]) or (HubFile(repository, "model.safetensors"), HubFile(repository, checkpoint))


def cached_weights(sources: Sequence[HubFile]) -> Path | None:
    """Return the first of these files that is in the local cache, without network access."""
    found = (try_to_load_from_cache(source.repository, source.name) for source in sources)
    return next((Path(path) for path in found if isinstance(path, str)), None)
