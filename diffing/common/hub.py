"""Files of models: the Hugging Face Hub's cache first, the network only for what is missing, hashes of local ones.

Holds single-file fetching, the offline switch for libraries that ask the network before they look, and the
sentences for what goes wrong. Promises that nothing here touches the network for files already downloaded.
"""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)

from diffing.common import files
from diffing.common.damage import Damaged
from diffing.common.errors import UserError

LAYER_TENSOR = re.compile(r"(?:^|\.)(?:layers|h)\.(\d+)\.")
FAULTS = (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError)
"""What a download can raise; `explained` turns any of them into a sentence."""


def cached(repo: str, name: str, revision: str | None = None) -> Path | None:
    """A file of the cache, None when it was never downloaded or does not exist there."""
    try:
        found = try_to_load_from_cache(repo, name, revision=revision)
    except HFValidationError as error:
        raise explained(repo, error) from error
    return Path(found) if isinstance(found, str) else None


def fetch(repo: str, name: str, revision: str | None = None) -> Path:
    """A file of a repository, downloaded if it is not in the cache."""
    found = cached(repo, name, revision)
    if found is not None:
        return found
    try:
        return Path(hf_hub_download(repo, name, revision=revision))
    except FAULTS as error:
        raise explained(repo, error, name) from error


def fetch_if_any(repo: str, name: str, revision: str | None = None) -> Path | None:
    """Like `fetch`, but None where the repository has no such file."""
    found = try_to_load_from_cache(repo, name, revision=revision)
    if found is not None:
        # Else the cache remembers that there is no such file.
        return Path(found) if isinstance(found, str) else None
    try:
        return Path(hf_hub_download(repo, name, revision=revision))
    except LocalEntryNotFoundError as error:
        raise explained(repo, error, name) from error
    except EntryNotFoundError:
        return None
    except FAULTS as error:
        raise explained(repo, error, name) from error


def commit(repo: str) -> str:
    """The commit that the cache holds as the repository's main branch; empty when there is none."""
    reference = Path(constants.HF_HUB_CACHE) / f"models--{repo.replace('/', '--')}" / "refs" / "main"
    return reference.read_text().strip() if reference.exists() else ""


def file_hash(path: Path) -> str:
    """SHA-256 of a file; remembered for as long as its size and time stay."""
    stat = path.stat()
    stamp = files.content_hash([str(path.resolve()), stat.st_size, stat.st_mtime_ns])
    memo = files.cache_dir("hashes") / f"{stamp}.json"
    if memo.exists():
        # A damaged note is made anew.
        with suppress(Damaged):
            return str(files.read_json(memo))
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    files.write_json(memo, digest)
    return digest


def below(weight_map: dict[str, str], layers: int) -> dict[str, str]:
    """Of a model's tensors → files, those of its first layers and of all that is no layer's."""
    found = {}
    for tensor, file in weight_map.items():
        match = LAYER_TENSOR.search(tensor)
        if match is None or int(match[1]) < layers:
            found[tensor] = file
    return found


@contextmanager
def offline() -> Iterator[None]:
    """Make every Hub call inside answer from the cache or raise; the setting is the whole process's."""
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def explained(repo: str, error: Exception, name: str = "") -> UserError:
    """The sentence for a failed download."""
    what = f"'{name}' of '{repo}'" if name else f"'{repo}'"
    if isinstance(error, GatedRepoError):
        return UserError(
            f"'{repo}' is gated; accept its licence at https://huggingface.co/{repo} and set HF_TOKEN."
        )
    if isinstance(error, RepositoryNotFoundError):
        return UserError(
            f"There is no '{repo}' on the Hugging Face Hub, or HF_TOKEN may not see it; check the name."
        )
    if isinstance(error, HFValidationError):
        return UserError(f"'{repo}' is neither a local folder nor a Hugging Face id; check the name.")
    if isinstance(error, (LocalEntryNotFoundError, OfflineModeIsEnabled)):
        return UserError(f"{what} is not downloaded and the Hugging Face Hub cannot be reached; go online once.")
    if isinstance(error, EntryNotFoundError):
        return UserError(f"'{repo}' has no file '{name}'; check that it is the right repository.")
    return UserError(f"{what} could not be downloaded ({type(error).__name__}: {error}); try again.")
