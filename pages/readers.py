"""The shelf: the readers that the app keeps loaded, and which of them a visitor may name.

A reader takes seconds to load and is then asked in milliseconds, so the last few stay. Loading is one at a time:
transformers sets global state while it loads, and two visitors who name the same reader share one. Fetching from the
Hub comes before that, so that nobody who wants another reader waits for it.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import gradio as gr

from pages.access import Access, NotAllowed, may, why_not
from reader.errors import BadReader, OutOfMemory, is_out_of_memory
from reader.hub import is_hub_id
from reader.hub_readers import fetch_missing
from reader.jobs import list_jobs
from reader.names import plain_name
from reader.settings import home, read_number

if TYPE_CHECKING:
    from reader.predictor import ExtractiveReader
    from reader.turns import Turns

EMBEDDED = "embedded"
LONGEST_NAME = 300


_BYTES = {"fp32": 4, "bf16": 2, "fp16": 2}  # of a parameter
_FILES = ("config.json", "reader_config.json", "model.safetensors", "model.safetensors.index.json")

Stamp = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A reader that is loaded: the name that the shelf knows it by, and the bytes of memory that its weights hold."""

    name: str
    bytes: int


class Shelf:
    """At most READER_LOADED readers; the one that was not asked for longest goes first.

    A reader in a folder that has changed since, or is gone, counts as not loaded.
    """

    def __init__(
        self, load: Callable[[str], ExtractiveReader] | None = None, fetch: Callable[[str], None] | None = None
    ) -> None:
        self._load = load or self._load_in_turn
        self._turns: Turns | None = None  # of all readers: they compute on one device
        self._fetch = fetch or (fetch_missing if load is None else _fetch_nothing)
        self._readers: OrderedDict[str, tuple[ExtractiveReader, Stamp]] = OrderedDict()
        self._looking = threading.Lock()
        self._loading = threading.Lock()

    def _load_in_turn(self, name: str) -> ExtractiveReader:
        reader = _from_pretrained(name)
        self._turns = reader.turns = self._turns or reader.turns
        return reader

    def holds(self, name: str) -> bool:
        """Whether a reader is loaded, so that it can answer at once."""
        with self._looking:
            return self._fresh(name) is not None

    def take(self, name: str) -> ExtractiveReader:
        """Return a reader, loaded if it was not. Raises `BadReader`, `HubUnreachable`, `DiskError`, `OutOfMemory`."""
        reader = self._look(name)
        if reader is not None:
            return reader
        self._fetch(name)
        with self._loading:
            # Another visitor may have loaded it while this one waited.
            reader = self._look(name)
            if reader is None:
                stamp = _stamp(name)
                reader = self._load(name)
                with self._looking:
                    self._readers[name] = reader, stamp
                    while len(self._readers) > read_number("READER_LOADED"):
                        self._readers.popitem(last=False)
        return reader

    def loaded(self) -> list[Loaded]:
        """What is loaded, the one that was asked last first."""
        with self._looking:
            fresh = [(name, self._fresh(name)) for name in list(self._readers)]
        return [
            Loaded(name, reader.parameters * _BYTES[reader.precision])
            for name, reader in reversed(fresh)
            if reader is not None
        ]

    def drop(self, name: str) -> bool:
        """Let go of a reader; whoever is being answered by it still gets the answer. Tells whether it was loaded."""
        with self._looking:
            return self._readers.pop(name, None) is not None

    def _look(self, name: str) -> ExtractiveReader | None:
        with self._looking:
            reader = self._fresh(name)
            if reader is not None:
                self._readers.move_to_end(name)
            return reader

    def _fresh(self, name: str) -> ExtractiveReader | None:
        """The reader as long as its files are those that it was loaded from; what is stale goes."""
        reader, stamp = self._readers.get(name, (None, ()))
        if reader is not None and stamp != _stamp(name):
            del self._readers[name]
            return None
        return reader


def _stamp(name: str) -> Stamp:
    """When each file of a reader's folder was written last; nothing for a reader that is in no folder."""
    return tuple(found for file in _FILES if (found := _written(Path(name, file))))


def _written(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _from_pretrained(name: str) -> ExtractiveReader:
    # Seconds of imports, so only when somebody asks.
    from reader.predictor import ExtractiveReader

    try:
        return ExtractiveReader.from_pretrained(name)
    except BadReader as error:
        if not os.path.isabs(name):
            raise
        if not Path(name, "config.json").is_file():
            raise BadReader(f"There is no reader {label_of(name)}, or not any more. Pick another one.") from None
        # Where the folder lies is nothing to visitors.
        raise BadReader(str(error).replace(name, label_of(name))) from None
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemory(
            f"There is not enough memory for {label_of(name)}. Choose a smaller reader, or unload another one."
        ) from None


def _fetch_nothing(name: str) -> None:
    """What readers that are made up need."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A reader to pick: what it is called on the page, and the name that the page and links use for it."""

    label: str
    name: str


def list_readers() -> list[Choice]:
    """The embedded reader and those that training left here, the newest first."""
    trained = [
        Choice(f"trained on {_names(job.config.get('data', []))} · {job.id}", f"jobs/{job.id}/reader")
        for job in list_jobs()
        if job.state == "succeeded" and (job.folder / "reader" / "config.json").exists()
    ]
    return [Choice("embedded", EMBEDDED), *trained]


def _names(sources: Sequence[str]) -> str:
    return ", ".join(Path(source).name for source in sources) or "nothing"


def find_reader(name: str, shelf: Shelf, request: gr.Request | None, access: Access) -> str:
    """Turn the name that somebody picked or typed into one that the shelf can load.

    Everybody may name the embedded reader, those under READER_HOME and those that are loaded. A Hub id fills the disk
    and the memory of this machine, so it is for those who may train; any other folder, for those at this machine.
    Raises `BadReader`, `NotAllowed`.
    """
    # A name may come straight over HTTP, and so be anything.
    if not isinstance(name, str) or len(name) > LONGEST_NAME or not name.isprintable():
        raise BadReader('That is not the name of a reader: expected "embedded", one of the list, or a Hub id.')
    name = name.strip() or EMBEDDED
    if name == EMBEDDED or shelf.holds(name):
        return name
    folder = _folder_of(name)
    if folder:
        return folder
    if not may(request, access):
        raise NotAllowed(f'"{name}" is not one of the readers here, and not all may load others. {why_not(access)}')
    if access.mode != "on" and not is_hub_id(name):
        raise BadReader(f'There is no reader "{name}" here: expected one of the list, or a Hub id.')
    return name


def key_of(name: str) -> str:
    """What the shelf knows a reader by that the page has this name for."""
    return _folder_of(name) or name


def label_of(name: str) -> str:
    """What a reader is called on the page: the folder's name would not tell one job's reader from another's."""
    folder = Path(name)
    if folder.is_absolute() and folder.name == "reader":
        return f"job {folder.parent.name}"
    here = folder.is_absolute() and folder.is_relative_to(home())
    return folder.relative_to(home()).as_posix() if here else plain_name(name)


def _folder_of(name: str) -> str:
    """The folder of a reader under READER_HOME; "" where there is none of this name."""
    root = home()
    folder = (root / name).resolve()
    return str(folder) if folder.is_relative_to(root) and (folder / "config.json").is_file() else ""
