"""Download weights from the Hugging Face Hub with its own client: cached, resumable, with an offline mode."""

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
