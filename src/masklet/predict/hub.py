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
from masklet.model.catalog import hub_files


def download(repository: str) -> Path:
    """The weights of a repository such as "facebook/sam2.1-hiera-tiny": from the cache, or downloaded into it.

    HF_ENDPOINT, HF_HOME, HF_TOKEN and HF_HUB_OFFLINE mean what they mean to the client.

    Raises:
        UnknownModelError: no such repository.
        WeightsError: no access, no weights in it that we know, no network, or interrupted.
    """
    reason = ""
    for name in hub_files(repository):
        try:
            return Path(hf_hub_download(repository, name, library_name="masklet"))
        except GatedRepoError:
            raise WeightsError(
                f"{repository} is gated: accept its terms on the Hub and log in (`hf auth login`)"
            ) from None
        except (RepositoryNotFoundError, HFValidationError):
            raise UnknownModelError(f"the Hub has no model {repository}, or it is private") from None
        except LocalEntryNotFoundError:
            reason = reason or "it is not in the cache and the Hub cannot be reached (offline?)"
        except EntryNotFoundError:
            reason = reason or f"it holds none of {', '.join(hub_files(repository))}"
        except Exception as error:
            first = (str(error) or type(error).__name__).splitlines()[0]
            raise WeightsError(f"cannot download {repository}/{name}: {first}; run again to resume") from None
    raise WeightsError(f"cannot get the weights of {repository}: {reason}")
