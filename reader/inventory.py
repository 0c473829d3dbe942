"""The readers that are here: the one that ships, those trained here, those kept under READER_HOME, those of the Hub.

Nothing of them is loaded: their files tell what they are. `huggingface_hub` and `safetensors` are imported where they
are used.
"""

from __future__ import annotations

import logging
import math
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from reader.checkpoints import EMBEDDED, ReaderConfig, read_reader_config
from reader.errors import BadData, BadReader, BadUsage, DiskError
from reader.files import read_json
from reader.hub_readers import texts, weights_among
from reader.jobs import Job, list_jobs
from reader.settings import home

if TYPE_CHECKING:
    from huggingface_hub import CachedRepoInfo, CachedRevisionInfo, HFCacheInfo

Origin = Literal["ships", "trained", "kept", "hub"]

KEPT = "readers"  # the folder under READER_HOME for readers from elsewhere

_DAMAGED = "Its copy here is damaged or not whole. Fetch it again, or remove it."

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReaderEntry:
    """A reader that lies on this machine.

    ``name`` is what the page's ``/ask`` takes, and `ExtractiveReader.from_pretrained` too where it is no path under
    READER_HOME; ``source`` says in words where it is from; ``bytes`` is its size on the disk. What its files do not
    tell is None or "" or nothing: ``parameters``, ``config``, ``architecture``, ``languages``, ``licence``, ``made``
    (seconds since 1970). ``job``: what trained it; ``commit``: of a Hub reader; ``problem``: why it cannot be asked.
    """

    name: str
    label: str
    origin: Origin
    source: str
    folder: Path
    bytes: int
    parameters: int | None = None
    config: ReaderConfig | None = None
    architecture: str = ""
    languages: tuple[str, ...] = ()
    licence: str = ""
    made: float | None = None
    job: str = ""
    commit: str = ""
    problem: str = ""

    @property
    def removable(self) -> bool:
        """Whether `remove` takes it: what was fetched can be fetched again. A trained one goes with its job."""
        return self.origin == "hub"


def inventory() -> list[ReaderEntry]:
    """All readers here: the embedded one, those of finished jobs (newest first), those kept, those of the Hub."""
    shipped = ReaderEntry("embedded", "embedded", "ships", "comes with Readerboard", EMBEDDED, _bytes_in(EMBEDDED))
    return [_read(shipped), *map(_read, _trained()), *map(_read, _kept()), *_of_the_hub(_scan())]


def remove(name: str) -> int:
    """Remove a Hub reader's copy from this machine; return the bytes that this freed.

    Other revisions of it, and what they share with it, stay. Raises `BadUsage` for a reader that is not of the Hub,
    `BadReader` where it is not here any more, `DiskError` where it cannot be removed.
    """
    if name == "embedded":
        raise BadUsage("The embedded reader comes with Readerboard and stays.")
    if (home() / name).is_dir():
        raise BadUsage(f"{name} was not fetched from the Hub. A trained reader goes with its job, on the Train tab.")
    cache = _scan()
    entry = next((entry for entry in _of_the_hub(cache) if entry.name == name), None)
    if cache is None or entry is None:
        raise BadReader(f"There is no copy of {name} here any more.")
    try:
        return _remove(cache, entry)
    except OSError as error:
        raise DiskError(f"{name} could not be removed: {error.strerror or error}.") from None


# On this machine


def _trained() -> Iterator[ReaderEntry]:
    for job in list_jobs():
        folder = job.folder / "reader"
        if job.state == "succeeded" and (folder / "config.json").is_file():
            yield ReaderEntry(
                name=f"jobs/{job.id}/reader",
                label=f"trained on {_data_of(job)}",
                origin="trained",
                source=f"trained here from {_base_of(job)}",
                folder=folder,
                bytes=_bytes_in(folder),
                made=job.ended or job.created,
                job=job.id,
            )


def _kept() -> Iterator[ReaderEntry]:
    root = home()
    for config in sorted([*root.glob("*/config.json"), *root.glob(f"{KEPT}/*/config.json")]):
        folder = config.parent
        # A hidden one is being written; a link leads out of what visitors may name.
        outside = not folder.resolve().is_relative_to(root)
        hidden = any(part.startswith(".") for part in folder.relative_to(root).parts)
        if outside or hidden or not _is_reader(_architecture(folder)) or not any(folder.glob("*.safetensors")):
            continue
        name = folder.relative_to(root).as_posix()
        made = config.stat().st_mtime
        yield ReaderEntry(name, folder.name, "kept", "kept under READER_HOME", folder, _bytes_in(folder), made=made)


def _data_of(job: Job) -> str:
    return ", ".join(Path(str(source)).name for source in job.config.get("data", [])) or "nothing"


def _base_of(job: Job) -> str:
    base = str(job.config.get("base", "") or "its base")
    path = Path(base)
    return f"job {path.parent.name}" if path.name == "reader" else path.name if path.is_absolute() else base


# In the Hub's cache


def _scan() -> HFCacheInfo | None:
    """What lies in the Hub's cache; None where there is none, or it cannot be read."""
    from huggingface_hub import CacheNotFound, constants, scan_cache_dir

    try:
        return scan_cache_dir(constants.HF_HUB_CACHE)
    except CacheNotFound:
        return None
    except (OSError, ValueError) as error:
        _log.warning("The Hub's cache cannot be read: %s", error)
        return None


def _of_the_hub(cache: HFCacheInfo | None) -> list[ReaderEntry]:
    if cache is None:
        return []
    models = sorted((repo for repo in cache.repos if repo.repo_type == "model"), key=lambda repo: repo.repo_id.lower())
    whole = [
        entry
        for repo in models
        for revision in sorted(repo.revisions, key=lambda each: -each.last_modified)
        if (entry := _cached(repo, revision)) is not None
    ]
    return [*whole, *_damaged(cache)]


def _cached(repo: CachedRepoInfo, revision: CachedRevisionInfo) -> ReaderEntry | None:
    """A revision in the cache, if it is a reader; one of which a part is missing comes with a problem."""
    folder = revision.snapshot_path
    architecture = _architecture(folder)
    if not _is_reader(architecture):
        return None
    name = repo.repo_id
    if "main" not in revision.refs:
        name += f"@{min(revision.refs, default=revision.commit_hash)}"
    entry = ReaderEntry(
        name=name,
        label=repo.repo_id,
        origin="hub",
        source=f"from the Hub, revision {revision.commit_hash[:7]}",
        folder=folder,
        bytes=revision.size_on_disk,
        made=revision.last_modified,
        commit=revision.commit_hash,
    )
    pickled = any(file.file_name.endswith((".bin", ".pt", ".h5", ".msgpack")) for file in revision.files)
    if pickled and not any(file.file_name.endswith(".safetensors") for file in revision.files):
        return None
    return _read(entry)


def _damaged(cache: HFCacheInfo) -> Iterator[ReaderEntry]:
    """Models whose place in the cache cannot be made out, unless they are plainly something else."""
    from huggingface_hub import constants

    known = {repo.repo_path for repo in cache.repos}
    for folder in sorted(Path(constants.HF_HUB_CACHE).expanduser().resolve().glob("models--*")):
        if folder in known or not folder.is_dir():
            continue
        architectures = {_architecture(config.parent) for config in folder.glob("snapshots/*/config.json")} - {""}
        if architectures and not any(map(_is_reader, architectures)):
            continue
        name = folder.name.removeprefix("models--").replace("--", "/")
        size = _bytes_in(folder)
        yield ReaderEntry(name, name, "hub", "from the Hub", folder, size, problem=_DAMAGED)


def _remove(cache: HFCacheInfo, entry: ReaderEntry) -> int:
    repo = next((repo for repo in cache.repos if entry.folder.is_relative_to(repo.repo_path)), None)
    if repo is None:
        shutil.rmtree(entry.folder)
        return entry.bytes
    # Of this model alone: a duplicated one has the same commits.
    plan = replace(cache, repos=frozenset({repo})).delete_revisions(entry.commit)
    plan.execute()
    # Where rights are missing, the library only logs it.
    if entry.folder.exists():
        raise DiskError(f"{entry.name} could not be removed: this program may not delete files in the Hub's cache.")
    return plan.expected_freed_size


# What the files of a reader tell


def _read(entry: ReaderEntry) -> ReaderEntry:
    """The same entry with what lies in its folder: settings, architecture, parameters, card; or what is wrong there."""
    config, problem = None, ""
    try:
        config = read_reader_config(entry.folder)
        parameters = _parameters(entry.folder)
    except (BadReader, OSError) as error:
        parameters, problem = None, str(error).replace(f"{entry.folder}{os.sep}", "")
    if entry.origin == "hub" and problem:
        problem = _DAMAGED
    licence, languages = _card(entry.folder)
    return replace(
        entry,
        parameters=parameters,
        config=config,
        architecture=_architecture(entry.folder),
        languages=languages,
        licence=licence,
        problem=problem,
    )


def _architecture(folder: Path) -> str:
    """The class of model that config.json names; "" where there is none or it cannot be read."""
    try:
        config = read_json(folder / "config.json")
    except (BadData, OSError):
        return ""
    named = config.get("architectures") if isinstance(config, dict) else None
    return str(named[0]) if isinstance(named, list) and named else ""


def _is_reader(architecture: str) -> bool:
    # XLNet's and FlauBERT's end in ForQuestionAnsweringSimple.
    return "ForQuestionAnswering" in architecture


def _parameters(folder: Path) -> int:
    """How many numbers the weights hold, by the heads of their files. Raises `BadReader` where one is not whole."""
    from safetensors import SafetensorError, safe_open

    names = {path.name: 0 for path in folder.glob("*.safetensors*")}
    total = 0
    for name in _weights(folder, names):
        try:
            with safe_open(folder / name, framework="np") as file:
                total += sum(math.prod(file.get_slice(key).get_shape()) for key in file.keys())  # noqa: SIM118
        except FileNotFoundError:
            raise BadReader(f"{name} is missing.") from None
        except SafetensorError as error:
            raise BadReader(f"{name} is not whole: {str(error).rstrip('.')}.") from None
    return total


def _weights(folder: Path, names: dict[str, int]) -> list[str]:
    index = "model.safetensors.index.json"
    if "model.safetensors" not in names and index in names:
        try:
            return sorted(set(read_json(folder / index)["weight_map"].values()))
        except (BadData, KeyError, TypeError, AttributeError):
            raise BadReader(f"{index} is not a list of weights.") from None
    weights = weights_among(names) or tuple(sorted(name for name in names if name.endswith(".safetensors")))
    if not weights:
        raise BadReader("model.safetensors is missing.")
    return list(weights)


def _card(folder: Path) -> tuple[str, tuple[str, ...]]:
    """The licence and the languages that the card of a model names."""
    if not (folder / "README.md").is_file():
        return "", ()
    import yaml  # type: ignore[import-untyped]
    from huggingface_hub.repocard import metadata_load

    try:
        facts: dict[str, Any] = metadata_load(folder / "README.md") or {}
    except (OSError, ValueError, yaml.YAMLError):
        return "", ()
    return ", ".join(texts(facts.get("license"))), texts(facts.get("language"))


def _bytes_in(folder: Path) -> int:
    """The size of all files under a folder; links are not followed, vanishing files not counted."""
    total = 0
    for place, _, files in os.walk(folder):
        for file in files:
            try:
                total += os.lstat(os.path.join(place, file)).st_size
            except FileNotFoundError:
                continue
    return total
