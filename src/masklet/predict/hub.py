"""Weights from the Hugging Face Hub by its own client: cached, resumable, verified, with an offline mode."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from huggingface_hub import hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)

from masklet.backends.cache import file_hash
from masklet.errors import OutputError, UnknownModelError, WeightsError
from masklet.model.catalog import EMBEDDED, cached_weights, hub_files
from masklet.model.checkpoint import first_line, read_checkpoint
from masklet.model.config import PRESETS
from masklet.model.load import check_compatible


def pull(name: str, folder: Path | None = None) -> Path:
    """Download the weights of a named model, verify them, and copy them to a folder.

    The download resumes where an earlier one ended and shows the Hub client's progress bar. Verification compares the
    SHA-256, where it is known, and the names and shapes of all tensors.

    Args:
        name: of the catalog.
        folder: an existing folder, such as a drive that is carried to another machine; the file gets the name of the
            model, by which `masklet.load` recognizes it. None to leave the weights in the cache of the Hub's client.

    Returns:
        The path of the weights.

    Raises:
        UnknownModelError: no model of that name, or its weights come with the package.
        WeightsError: the download failed, or the file is not what was expected.
        OutputError: the folder cannot be written.
    """
    if name not in PRESETS:
        raise UnknownModelError(f"no model {name[:80]!r}; expected one of {', '.join(list(PRESETS)[1:])}")
    if name == EMBEDDED:
        raise UnknownModelError(f"the weights of {name} come with the package: there is nothing to download")
    if folder is not None and not folder.is_dir():
        raise OutputError(f"cannot write to {folder}: there is no such folder")
    path = download(name)
    _verify(name, path)
    if folder is None:
        return path
    target = folder / f"{name}{path.suffix}"
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        shutil.copyfile(path, partial)
        partial.replace(target)
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error.strerror or error}") from None
    finally:
        partial.unlink(missing_ok=True)
    return target


def _verify(name: str, path: Path) -> None:
    expected = {source.name: source.sha256 for source in hub_files(name)}.get(path.name)
    found = file_hash(path) if expected else None
    if found != expected:
        raise WeightsError(f"{path} has the SHA-256 {found}, expected {expected}: delete it and pull again")
    check_compatible(PRESETS[name], read_checkpoint(path))


def download(name: str) -> Path:
    """Return the weight file of a named model or of a repository on the Hub, downloading it if not cached.

    A cached file is used without a request to the Hub. The client reads HF_ENDPOINT, HF_HOME, HF_TOKEN and
    HF_HUB_OFFLINE as usual.

    Args:
        name: such as "edgetam" or "facebook/sam2.1-hiera-tiny" (`hub_files`).

    Raises:
        UnknownModelError: no such repository.
        WeightsError: no access, no known weight file in the repository, no network, or an interrupted download.
    """
    sources = hub_files(name)
    try:
        cached = cached_weights(sources)
    except HFValidationError:
        raise UnknownModelError(f"{name} is not the name of a Hub repository") from None
    if cached:
        return cached
    missing: list[str] = []
    for repository, file in ((source.repository, source.name) for source in sources):
        try:
            return Path(hf_hub_download(repository, file, library_name="masklet"))
        except GatedRepoError:
            raise WeightsError(f"{repository} is gated: accept its terms on the Hub, then `hf auth login`") from None
        except RepositoryNotFoundError:
            if repository == sources[-1].repository:
                raise UnknownModelError(f"the Hub has no model {repository}, or it is private") from None
        except LocalEntryNotFoundError:
            raise WeightsError(f"{repository} is not in the cache and the Hub cannot be reached") from None
        except EntryNotFoundError:
            missing.append(file)
        except Exception as error:  # the HTTP library and its errors depend on the version of the client
            raise WeightsError(
                f"cannot download {repository}/{file}, run again to resume: {first_line(error)}"
            ) from None
    raise WeightsError(f"{sources[-1].repository} holds none of {', '.join(missing)}")
