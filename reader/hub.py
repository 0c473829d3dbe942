"""The Hugging Face Hub: its ids, whether it answers, and data sets read with the `datasets` library.

`datasets` and `huggingface_hub` are imported where they are used: most of what people do needs neither.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

from reader.errors import BadData, BadUsage, HubUnreachable
from reader.sources import COLUMNS, Records, batch_records, refuse_large, require_columns

PROBE_SECONDS = 3.0
DEFAULT_SPLIT = "validation"

_NAME = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?"
_HUB_ID = re.compile(
    rf"(?P<name>(?:{_NAME}/)?{_NAME})(?:@(?P<revision>[A-Za-z0-9_][A-Za-z0-9_./-]*))?(?::(?P<split>\w[\w.-]*))?",
    re.ASCII,
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HubId:
    """A repository of the Hub: ``name`` or ``org/name``; revision and split are "" where not given."""

    name: str
    revision: str = ""
    split: str = ""


def is_hub_id(text: str) -> bool:
    """Tell whether a text reads like ``name[@revision][:split]``; whether there is such a thing is not asked."""
    match = _HUB_ID.fullmatch(text)
    return match is not None and "--" not in match["name"] and ".." not in text


def parse_hub_id(text: str) -> HubId:
    """Take ``name[@revision][:split]`` apart; anything else raises `BadUsage`."""
    match = _HUB_ID.fullmatch(text)
    if match is None or not is_hub_id(text):
        raise BadUsage(f"'{text}' is no Hub id; expected name[@revision][:split], as in rajpurkar/squad_v2:validation.")
    return HubId(match["name"], match["revision"] or "", match["split"] or "")


def require_hub(wanted: str = "This") -> None:
    """Return where the Hub answers, else raise `HubUnreachable` after 3 s at most, with ``wanted`` in its sentence.

    The libraries themselves retry in silence for 20 seconds and more. An answer is believed for a minute.
    """
    if is_offline():
        raise HubUnreachable(
            f"{wanted} is on the Hugging Face Hub, and the environment says to stay offline (HF_HUB_OFFLINE). "
            "Unset that, or name a local file or folder."
        )
    endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co"
    try:
        _probe(endpoint, int(time.monotonic() // 60))
    except _NoAnswerError as error:
        host = urlsplit(endpoint).netloc.rpartition("@")[2] or endpoint
        raise HubUnreachable(
            f"{wanted} is on the Hugging Face Hub, which cannot be reached ({host}: {error}). "
            "Check the connection (and HF_ENDPOINT, if it is set), or name a local file or folder."
        ) from None


def is_offline() -> bool:
    """Tell whether the environment forbids to go to the Hub, as the Hub's libraries read it."""
    names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")
    return any(os.environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE") for name in names)


class _NoAnswerError(Exception):
    """Why the Hub did not answer, in a few words."""


@lru_cache(maxsize=1)
def _probe(endpoint: str, minute: int) -> None:
    """Ask for the endpoint's start page. ``minute`` is there so that an answer counts for that minute only."""
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # its client: httpx or httpx2

    outcome = [f"no answer within {PROBE_SECONDS:.0f} s"]

    def ask() -> None:
        try:
            status = httpx.head(endpoint, timeout=PROBE_SECONDS).status_code
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            outcome[0] = str(error) or type(error).__name__
        else:
            outcome[0] = "" if status < 500 else f"it answered with the status {status}"

    # A name server that does not answer cannot be timed out from inside, hence a thread that is left behind.
    thread = Thread(target=ask, name="hub-probe", daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    if outcome[0]:
        raise _NoAnswerError(outcome[0].rstrip("."))


def hub_records(text: str, *, with_gold: bool) -> Records:
    """Return the rows of a Hub data set's split: the named one, else ``validation``, else the only one.

    Where the Hub is out of reach, a copy that `datasets` has kept on this machine is used, and logged.
    """
    wanted = parse_hub_id(text)
    try:
        require_hub(text)
    except HubUnreachable:
        builder = _kept_builder(wanted)
        if builder is None:
            raise
        _log.warning("The Hub is out of reach: %s is read from the copy kept on this machine.", text)
    else:
        builder = _hub_builder(text, wanted)
    with _sentences(text):
        dataset = builder.as_dataset(split=_choose_split(text, list(builder.info.splits), wanted.split))
    yield from _dataset_records(text, dataset, with_gold)


def dataset_folder_records(folder: Path, split: str, *, with_gold: bool) -> Records:
    """Return the rows of a folder written by `datasets.save_to_disk`, or of one with a data set's Parquet files."""
    if (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file():
        from datasets import DatasetDict, load_from_disk

        with _sentences(str(folder)):
            dataset = load_from_disk(str(folder))
            if isinstance(dataset, DatasetDict):
                dataset = dataset[_choose_split(str(folder), list(dataset), split)]
            elif split:
                raise BadData(f"{folder} holds a single data set, so it has no split '{split}'.")
    elif any(folder.glob("*.parquet")) or any(folder.glob("*/*.parquet")):
        from datasets import load_dataset_builder

        with _sentences(str(folder)):
            builder = load_dataset_builder(str(folder))
            builder.download_and_prepare()
            dataset = builder.as_dataset(split=_choose_split(str(folder), list(builder.info.splits), split))
    else:
        raise BadData(
            f"{folder} is a folder; expected a file, or a folder written by datasets.save_to_disk or of Parquet files."
        )
    yield from _dataset_records(str(folder), dataset, with_gold)


def _hub_builder(text: str, wanted: HubId) -> Any:
    """Fetch a data set into the cache of `datasets`, once its revision and size are known."""
    from datasets import load_dataset_builder
    from huggingface_hub import HfApi

    with _sentences(text):
        info = HfApi().dataset_info(wanted.name, revision=wanted.revision or None, files_metadata=True, timeout=10)
        builder = load_dataset_builder(wanted.name, revision=info.sha)
        # The files' addresses end in @<commit>/<path>.
        paths = {url.partition(f"@{info.sha}/")[2] for urls in builder.config.data_files.values() for url in urls}
        refuse_large(text, sum(file.size or 0 for file in info.siblings or [] if file.rfilename in paths))
        builder.download_and_prepare()
    return builder


def _kept_builder(wanted: HubId) -> Any | None:
    """Return the copy of a data set that `datasets` keeps on this machine, or None.

    A revision must be the very commit that the copy was made from: what a branch means now cannot be asked.
    """
    from huggingface_hub import constants

    cache = Path(os.environ.get("HF_DATASETS_CACHE") or Path(constants.HF_HOME) / "datasets")
    letters = re.sub(r"[/_]", "", wanted.name).lower()
    if not cache.is_dir() or not any(re.sub("_", "", kept.name).lower() == letters for kept in cache.iterdir()):
        return None  # found out without `datasets`, whose import takes a second
    from datasets.packaged_modules.cache.cache import Cache

    try:
        builder = Cache(repo_id=wanted.name, dataset_name=wanted.name.split("/")[-1], version="auto", hash="auto")
    except (ValueError, OSError):
        return None
    return builder if wanted.revision in ("", builder.hash) else None


def _choose_split(name: str, splits: list[str], wanted: str) -> str:
    has = f"it has: {', '.join(splits)}"
    if wanted:
        if wanted not in splits:
            raise BadData(f"{name} has no split '{wanted}'; {has}.")
        return wanted
    if DEFAULT_SPLIT in splits:
        return DEFAULT_SPLIT
    if len(splits) == 1:
        return splits[0]
    raise BadData(f"{name} has no split '{DEFAULT_SPLIT}'; {has}. Name one after a colon, as in {name}:{splits[0]}.")


def _dataset_records(name: str, dataset: Any, with_gold: bool) -> Records:
    require_columns(name, dataset.column_names, with_gold)
    refuse_large(name, sum(Path(file["filename"]).stat().st_size for file in dataset.cache_files))
    columns = [column for column in dataset.column_names if column in COLUMNS]
    with _sentences(name):
        yield from batch_records(dataset.select_columns(columns).with_format("arrow").iter(1000))


@contextmanager
def _sentences(text: str) -> Iterator[None]:
    """Turn what the Hub's libraries raise into sentences about the data set ``text``."""
    from datasets.exceptions import DatasetsError
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # its client: httpx or httpx2

    try:
        yield
    except GatedRepoError:
        raise BadData(f"{text} is gated: accept its terms on its page on the Hub, then set HF_TOKEN.") from None
    except RepositoryNotFoundError:
        raise BadData(
            f"There is no file or folder {text} here and no such data set on the Hub. "
            "If it is a private one, set HF_TOKEN."
        ) from None
    except RevisionNotFoundError:
        raise BadData(f"{text}: the Hub has this data set, but not this revision.") from None
    except HfHubHTTPError as error:
        raise HubUnreachable(f"{text} cannot be fetched from the Hub: {_first_line(error)}.") from None
    except (httpx.TransportError, ConnectionError) as error:
        raise HubUnreachable(f"The Hub was lost while {text} was fetched: {_first_line(error)}.") from None
    except (DatasetsError, OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise BadData(f"{text} cannot be loaded with the datasets library: {_first_line(error)}.") from None


def _first_line(error: BaseException) -> str:
    # `datasets` wraps what went wrong into "An error occurred while generating the dataset".
    cause = error.__cause__ or error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return (lines[0] if lines else type(cause).__name__).rstrip(".")
