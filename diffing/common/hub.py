"""Files of models: the Hugging Face Hub's cache first, the network only for what is missing, hashes of local ones.

Holds single-file fetching, the offline switch for libraries that ask the network before they look, and the
sentences for what goes wrong. Promises that nothing here touches the network for files already downloaded.
"""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from huggingface_hub import constants, hf_hub_download, snapshot_download, try_to_load_from_cache
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
"""How a layer's number stands in a tensor's name: `layers.5.` in most models, `h.5.` in GPT-2's."""
FAULTS = (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError)
"""What a download can raise; `explained` turns any of them into a sentence."""


def cached(repo: str, name: str, revision: str | None = None) -> Path | None:
    """A file of the cache, None when it was never downloaded or does not exist there."""
    try:
        path = try_to_load_from_cache(repo, name, revision=revision)
    except HFValidationError as error:
        raise explained(repo, error) from error
    # Else None, or the cache's mark that the repository was asked and has no such file.
    return Path(path) if isinstance(path, str) else None


def fetch(repo: str, name: str, revision: str | None = None) -> Path:
    """A file of a repository, downloaded if it is not in the cache."""
    path = cached(repo, name, revision)
    if path is not None:
        return path
    # `hf_hub_download` asks the network first whether a branch has moved, even where the file is cached.
    try:
        return Path(hf_hub_download(repo, name, revision=revision))
    except FAULTS as error:
        raise explained(repo, error, name) from error


def fetch_if_any(repo: str, name: str, revision: str | None = None) -> Path | None:
    """Like `fetch`, but None where the repository has no such file."""
    path = try_to_load_from_cache(repo, name, revision=revision)
    if path is not None:
        # Else the cache remembers that there is no such file.
        return Path(path) if isinstance(path, str) else None
    try:
        return Path(hf_hub_download(repo, name, revision=revision))
    except LocalEntryNotFoundError as error:
        # A kind of `EntryNotFoundError`, but what it says is that the Hub was not reached.
        raise explained(repo, error, name) from error
    except EntryNotFoundError:
        return None
    except FAULTS as error:
        raise explained(repo, error, name) from error


def data_set(repo: str, name: str = "") -> Path:
    """The folder of a data set's Parquet files, or one of them, downloaded unless the cache has them."""
    try:
        folder = Path(snapshot_download(repo, repo_type="dataset", allow_patterns=name or "*.parquet"))
    except FAULTS as error:
        raise explained(repo, error, name) from error
    if name and not (folder / name).is_file():
        raise UserError(f"'{repo}' has no file '{name}'; check that it is the right data set.")
    return folder / name if name else folder


def whole(repo: str, revision: str = "") -> Path:
    """All files of a model's repository, downloaded where they are not in the cache."""
    try:
        return Path(snapshot_download(repo, revision=revision or None))
    except FAULTS as error:
        raise explained(repo, error) from error


def commit(repo: str) -> str:
    """The commit that the cache holds as the repository's main branch; empty when there is none."""
    # The library has no call for this that stays away from the network; the layout is part of its documentation.
    reference = Path(constants.HF_HUB_CACHE) / f"models--{repo.replace('/', '--')}" / "refs" / "main"
    return reference.read_text().strip() if reference.exists() else ""


def file_hash(path: Path) -> str:
    """SHA-256 of a file; remembered for as long as its size and time stay: weights take a minute to read."""
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
    kept = {}
    for tensor, file in weight_map.items():
        match = LAYER_TENSOR.search(tensor)
        if match is None or int(match[1]) < layers:
            kept[tensor] = file
    return kept


@contextmanager
def offline() -> Iterator[None]:
    """Make every Hub call inside answer from the cache or raise; the setting is the whole process's."""
    # The environment's variable is read once, when the library is imported, and so would come too late here.
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def explained(repo: str, error: Exception, name: str = "") -> UserError:
    """The sentence for a failed download."""
    what = f"'{name}' of '{repo}'" if name else f"'{repo}'"
    # The order matters: to the library a gated repository is a kind of absent one, and an unreachable Hub a kind
    # of absent file.
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
