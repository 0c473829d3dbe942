"""A reader on the Hub, before any of it is fetched: what it is, how large, and whether it can be a reader here.

`huggingface_hub` is imported where it is used.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reader.errors import BadReader, DiskError, HubUnreachable
from reader.hub import is_hub_id, require_hub
from reader.settings import read_number
from reader.usage import memory_available

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo

CONVERT = (
    "Load it once where you trust it, and save it again: "
    'AutoModelForQuestionAnswering.from_pretrained(FOLDER).save_pretrained(FOLDER) writes "model.safetensors".'
)
BYTES_LOADED = 4  # a parameter's, as weights are loaded in float32 whatever they are kept in

_SHARD = re.compile(r"model-\d+-of-\d+\.safetensors")
_INDEX = "model.safetensors.index.json"
_BESIDE = {
    *("config.json", "reader_config.json", "README.md", _INDEX),
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.json", "vocab.txt", "merges.txt"),
}
# Their checkpoints are called ForQuestionAnswering, too, but they read pictures, pages and tables.
_OTHER_QUESTIONS = {"visual-question-answering", "document-question-answering", "table-question-answering"}
_SECONDS_TO_ASK = 10.0
_SECONDS_BETWEEN_LOOKS = 0.5


@dataclass(frozen=True, slots=True)
class HubReader:
    """A model on the Hub as it was looked up.

    ``id``: its name there; ``revision``: the one that was asked for, "" for the main one; ``commit``: what that is
    now. ``files``: what would be fetched, ``bytes`` in all; ``weights``: those of them that hold weights. Where the
    Hub does not tell: "", None or no languages. ``modified``: seconds since 1970. ``refusal``: why it cannot be a
    reader here, in a sentence; "" where it can.
    """

    id: str
    revision: str
    commit: str
    task: str
    architecture: str
    files: tuple[str, ...]
    weights: tuple[str, ...]
    bytes: int
    parameters: int | None
    downloads: int | None
    licence: str
    languages: tuple[str, ...]
    modified: float | None
    gated: bool
    refusal: str = ""

    @property
    def name(self) -> str:
        """What `load_checkpoint` takes."""
        return f"{self.id}@{self.revision}" if self.revision else self.id

    @property
    def megabytes(self) -> float:
        """How much would be fetched, in MB."""
        return self.bytes / 1e6


def look_up(name: str, *, token: str | bool | None = None) -> HubReader:
    """Ask the Hub about ``name[@revision]``; nothing is fetched.

    ``token``: whose eyes to see it with; None for this machine's own login, False for everybody's. Raises `BadReader`
    where there is no such model, and `HubUnreachable` within 5 seconds where there is no Hub.
    """
    hub_name, _, revision = name.strip().partition("@")
    if not is_hub_id(hub_name) or ":" in hub_name:
        raise BadReader(_no_id(name))
    require_hub(name)
    found = _describe(_ask_hub(hub_name, revision, token), revision)
    refusal = why_refused(found) or _why_locked(found, token) or _why_too_large_to_load(found)
    return replace(found, refusal=refusal)


def check_before_fetching(name: str, revision: str | None, *, as_base: bool) -> None:
    """Raise `BadReader` for a model that is not to be fetched, as a reader or (``as_base``) to be trained from."""
    refusal = why_refused(_describe(_ask_hub(name, revision or "", None), revision or ""), as_base=as_base)
    if refusal:
        raise BadReader(refusal)


def why_refused(found: HubReader, *, as_base: bool = False) -> str:
    """Why a model is not to be fetched: no safetensors, another task, too large; "" where it may be."""
    if not found.weights:
        return f"{found.id} has no safetensors weights on the Hub; pickled ones are never loaded. {CONVERT}"
    if not as_base and not _reads(found):
        what = found.architecture or found.task
        return (
            f"{found.id} is no reader: its task is {found.task or 'another one'}"
            + (f" ({what})" if what != found.task else "")
            + ", and a reader's is question answering. As a base for training it may do."
        )
    limit = read_number("READER_MAX_READER_MB")
    if found.megabytes > limit:
        return f"{found.id} is {found.megabytes:,.0f} MB; readers over {limit} MB are refused (READER_MAX_READER_MB)."
    return ""


def fetch(found: HubReader, *, token: str | bool | None = None) -> Iterator[int]:
    """Fetch a model into the Hub's cache on this machine; yields the bytes that have arrived, twice a second.

    It goes on when nobody looks any more, and what has arrived is not fetched twice. Raises `BadReader` where it was
    refused, `DiskError` where there is no room, `HubUnreachable` where the Hub is lost on the way.
    """
    if found.refusal:
        raise BadReader(found.refusal)
    from huggingface_hub import constants, hf_hub_download
    from huggingface_hub.file_download import repo_folder_name
    from huggingface_hub.utils import disable_progress_bars, httpx  # type: ignore[attr-defined]

    cache = Path(constants.HF_HUB_CACHE)
    _require_room(found, cache)
    blobs = cache / repo_folder_name(repo_id=found.id, repo_type="model") / "blobs"
    before = _bytes_in(blobs)
    outcome: list[Exception] = []

    def fetch_all() -> None:
        try:
            with disable_progress_bars():
                for file in found.files:
                    hf_hub_download(found.id, file, revision=found.revision or None, token=token)
        except (httpx.HTTPError, OSError, ValueError, RuntimeError) as error:
            outcome.append(error)

    # A daemon, so that Ctrl-C need not wait for the rest of it.
    thread = threading.Thread(target=fetch_all, name="fetch-reader", daemon=True)
    thread.start()
    while thread.is_alive():
        yield min(found.bytes, max(0, _bytes_in(blobs) - before))
        thread.join(_SECONDS_BETWEEN_LOOKS)
    if outcome:
        _raise_sentence(outcome[0], found)
    yield found.bytes


def fetch_missing(name: str) -> None:
    """Fetch the reader of this name where it is one of the Hub's and no copy of it lies here; return when it is done.

    Raises `BadReader` where it is refused, `HubUnreachable`, `DiskError`.
    """
    hub_name, _, revision = name.partition("@")
    if name == "embedded" or not is_hub_id(hub_name) or os.path.exists(name) or is_cached(hub_name, revision or None):
        return
    for _ in fetch(look_up(name)):
        pass


def is_cached(name: str, revision: str | None) -> bool:
    """Whether a model's configuration and weights lie in the Hub's cache on this machine."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    def has(file: str) -> bool:
        return isinstance(try_to_load_from_cache(name, file, revision=revision), str)

    try:
        return has("config.json") and (has("model.safetensors") or has(_INDEX))
    except HFValidationError:
        return False


def weights_among(files: Mapping[str, int]) -> tuple[str, ...]:
    """Which of a model's files transformers takes its weights from: one, or several with an index; none else."""
    if "model.safetensors" in files:
        return ("model.safetensors",)
    return tuple(sorted(file for file in files if _SHARD.fullmatch(file))) if _INDEX in files else ()


def texts(value: Any) -> tuple[str, ...]:
    """What a card gives as one text or as several: its licence, its languages."""
    if isinstance(value, list):
        return tuple(str(each) for each in value)
    return (value,) if isinstance(value, str) and value else ()


# What the Hub says


def _ask_hub(name: str, revision: str, token: str | bool | None) -> ModelInfo:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # its client: httpx or httpx2

    try:
        return HfApi(token=token).model_info(
            name, revision=revision or None, files_metadata=True, timeout=_SECONDS_TO_ASK
        )
    except HFValidationError:
        raise BadReader(_no_id(name)) from None
    except GatedRepoError:
        raise BadReader(_gated(name)) from None
    except RepositoryNotFoundError:
        raise BadReader(
            f"The Hub has no public model {name}. Check the spelling, or log in if it is private."
        ) from None
    except RevisionNotFoundError:
        raise BadReader(f"The Hub's model {name} has no revision {revision}.") from None
    except (HfHubHTTPError, httpx.HTTPError, OSError) as error:
        raise HubUnreachable(f"The Hub could not be asked for {name}: {_first_line(error)}. Try again later.") from None


def _describe(info: ModelInfo, revision: str) -> HubReader:
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or []}
    weights = weights_among(sizes)
    # A SentencePiece vocabulary is called spiece.model here and sentencepiece.bpe.model there.
    beside = [file for file in sizes if file in _BESIDE or ("/" not in file and file.endswith(".model"))]
    architectures = texts((info.config or {}).get("architectures"))
    return HubReader(
        id=info.id,
        revision=revision,
        commit=info.sha or "",
        task=(info.pipeline_tag or "").replace("-", " "),
        architecture=architectures[0] if architectures else "",
        files=(*sorted(beside), *weights),
        weights=weights,
        bytes=sum(sizes[file] for file in (*beside, *weights)),
        parameters=info.safetensors.total if info.safetensors else None,
        downloads=info.downloads,
        licence=", ".join(texts(info.card_data.license)) if info.card_data else "",
        languages=texts(info.card_data.language) if info.card_data else (),
        modified=info.last_modified.timestamp() if info.last_modified else None,
        gated=bool(info.gated),
    )


def _reads(found: HubReader) -> bool:
    """Whether a model answers questions from a text. Its architecture knows better than its label; often one lacks."""
    task = found.task.replace(" ", "-")
    if found.architecture:
        return "ForQuestionAnswering" in found.architecture and task not in _OTHER_QUESTIONS
    return task in ("", "question-answering")


def _why_locked(found: HubReader, token: str | bool | None) -> str:
    """Why a gated model's files would not come; "" where they would. Its page can be read by all."""
    if not found.gated:
        return ""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # its client: httpx or httpx2

    try:
        HfApi(token=token).auth_check(found.id)
    except (GatedRepoError, RepositoryNotFoundError):
        return _gated(found.id)
    except (HfHubHTTPError, httpx.HTTPError, OSError) as error:
        return f"The Hub did not say whether {found.id} may be fetched ({_first_line(error)}). Look it up again."
    return ""


def _no_id(name: str) -> str:
    return f"“{name:.200}” is no Hub id; expected one such as deepset/roberta-base-squad2."


def _gated(name: str) -> str:
    return f"{name} is gated: accept its terms on its page on the Hub, then set HF_TOKEN."


def _why_too_large_to_load(found: HubReader) -> str:
    if found.parameters is None:
        return ""
    needed, free = found.parameters * BYTES_LOADED, memory_available()
    if needed <= free:
        return ""
    return (
        f"{found.id} takes {needed / 1e6:,.0f} MB of memory when loaded, and {free / 1e6:,.0f} MB are free. "
        "Unload another reader, or choose a smaller one."
    )


# What can go wrong on the way


def _require_room(found: HubReader, cache: Path) -> None:
    there = next(folder for folder in (cache, *cache.absolute().parents) if folder.exists())
    free = shutil.disk_usage(there).free
    if found.bytes > free:
        raise DiskError(
            f"{found.id} is {found.megabytes:,.0f} MB, and the disk has room for {free / 1e6:,.0f} MB. Make room there."
        )


def _bytes_in(folder: Path) -> int:
    total = 0
    try:
        for file in folder.iterdir():
            total += file.stat().st_size
    except OSError:  # not there yet, or renamed under the hand: it is counted at the next look
        pass
    return total


def _raise_sentence(error: Exception, found: HubReader) -> None:
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # its client: httpx or httpx2

    if isinstance(error, GatedRepoError):
        raise BadReader(_gated(found.id)) from None
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
        raise DiskError(f"{found.id} could not be kept on the disk: {error.strerror}. Make room there.") from None
    if isinstance(error, (HfHubHTTPError, httpx.HTTPError, OSError)):
        raise HubUnreachable(
            f"The Hub was lost while {found.id} was fetched: {_first_line(error)}. Fetch it again; what has arrived is "
            "not fetched twice."
        ) from None
    raise error


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__).rstrip(".")
