"""The shelf: the readers that the app keeps loaded, and which of them a visitor may name.

A reader takes seconds to load and is then asked in milliseconds, so the last few stay. Loading is one at a time:
transformers sets global state while it loads, and two visitors who name the same reader share one.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import gradio as gr

from pages.access import Access, NotAllowed, may, why_not
from reader.errors import BadReader
from reader.hub import is_hub_id
from reader.jobs import list_jobs
from reader.settings import home, read_number

if TYPE_CHECKING:
    from reader.predictor import ExtractiveReader

EMBEDDED = "embedded"
LONGEST_NAME = 300


class Shelf:
    """At most READER_LOADED readers; the one that was not asked for longest goes first."""

    def __init__(self, load: Callable[[str], ExtractiveReader] | None = None) -> None:
        self._load = load or _from_pretrained
        self._readers: OrderedDict[str, ExtractiveReader] = OrderedDict()
        self._looking = threading.Lock()
        self._loading = threading.Lock()

    def holds(self, name: str) -> bool:
        """Whether a reader is loaded, so that it can answer at once."""
        with self._looking:
            return name in self._readers

    def take(self, name: str) -> ExtractiveReader:
        """Return a reader, loaded if it was not. Raises `BadReader`, `HubUnreachable`."""
        reader = self._look(name)
        if reader is not None:
            return reader
        with self._loading:
            # Another visitor may have loaded it while this one waited.
            reader = self._look(name) or self._load(name)
            with self._looking:
                self._readers[name] = reader
                while len(self._readers) > read_number("READER_LOADED"):
                    self._readers.popitem(last=False)
        return reader

    def _look(self, name: str) -> ExtractiveReader | None:
        with self._looking:
            if name in self._readers:
                self._readers.move_to_end(name)
            return self._readers.get(name)


def _from_pretrained(name: str) -> ExtractiveReader:
    # Seconds of imports, so only when somebody asks.
    from reader.predictor import ExtractiveReader

    return ExtractiveReader.from_pretrained(name)


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
    root = home()
    folder = (root / name).resolve()
    if folder.is_relative_to(root) and (folder / "config.json").is_file():
        return str(folder)
    if not may(request, access):
        raise NotAllowed(f'"{name}" is not one of the readers here, and not all may load others. {why_not(access)}')
    if access.mode != "on" and not is_hub_id(name):
        raise BadReader(f'There is no reader "{name}" here: expected one of the list, or a Hub id.')
    return name


def label_of(name: str) -> str:
    """What a reader is called on the page: the folder's name would not tell one job's reader from another's."""
    folder = Path(name)
    return f"job {folder.parent.name}" if folder.is_absolute() and folder.name == "reader" else name
