"""Weights from the Hugging Face Hub, through its own client: cached, resumable, offline when told so."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)

from masklet.errors import UnknownModelError, WeightsError
from masklet.model.catalog import cached_weights, hub_files
from masklet.model.checkpoint import first_line


def download(repository: str) -> Path:
    """The weights of a repository such as "facebook/sam2.1-hiera-tiny": from the cache, else downloaded into it.

    What is cached is used without asking the Hub again. HF_ENDPOINT, HF_HOME, HF_TOKEN and HF_HUB_OFFLINE mean what
    they mean to the client.

    Raises:
        UnknownModelError: no such repository.
        WeightsError: no access, no weights in it that we know, no network, or interrupted.
    """
    try:
        cached = cached_weights(repository)
    except HFValidationError:
        raise UnknownModelError(f"{repository} is not the name of a Hub repository") from None
    if cached:
        return cached
    for name in hub_files(repository):
        try:
            return Path(hf_hub_download(repository, name, library_name="masklet"))
        except GatedRepoError:
            raise WeightsError(f"{repository} is gated: accept its terms on the Hub, then `hf auth login`") from None
        except RepositoryNotFoundError:
            raise UnknownModelError(f"the Hub has no model {repository}, or it is private") from None
        except LocalEntryNotFoundError:
            raise WeightsError(f"{repository} is not in the cache and the Hub cannot be reached") from None
        except EntryNotFoundError:
            continue
        except Exception as error:  # which HTTP library speaks here, and so its errors, depends on the client's version
            raise WeightsError(
                f"cannot download {repository}/{name}, run again to resume: {first_line(error)}"
            ) from None
    raise WeightsError(f"{repository} holds none of {', '.join(hub_files(repository))}")
