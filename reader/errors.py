"""What can go wrong, in sentences: what was expected, what was found and what to do.

Everything a person can cause ends in one of these. The command line prints the sentence and exits with 2,
the page shows it as a hint. Anything else is a bug and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class ReaderboardError(Exception):
    """The base of all: ``str(error)`` is a sentence for a person."""


class BadUsage(ReaderboardError):
    """An option or argument that cannot be meant."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """One row of a data file that cannot be used: its number (from 1), its id and the reason."""

    row: int
    id: str
    reason: str

    def __str__(self) -> str:
        return f"row {self.row} ({self.id}): {self.reason}" if self.id else f"row {self.row}: {self.reason}"


class BadData(ReaderboardError):
    """A data set that cannot be used; ``rows`` names the bad ones where single rows are at fault."""

    def __init__(self, message: str, rows: Sequence[BadRow] = ()) -> None:
        super().__init__(message)
        self.rows = tuple(rows)


class BadReader(ReaderboardError):
    """A checkpoint that is missing, unsafe to load or not a reader."""


class HubUnreachable(ReaderboardError):
    """The Hugging Face Hub is needed and cannot be reached."""


class BadRun(ReaderboardError):
    """An evaluation run that is missing, damaged or does not fit the other one."""


class JobError(ReaderboardError):
    """A job that cannot be started, stopped, resumed or deleted."""


class DiskError(ReaderboardError):
    """A file or folder that cannot be read or written: missing rights, a full disk."""


class OutOfMemory(ReaderboardError):
    """What was asked needs more memory than there is."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error is Python's or torch's way to say that the memory of the processor or of a GPU is full.

    Torch's are told by name and text, so that it need not be loaded.
    """
    if isinstance(error, RuntimeError):
        return type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error)
    return isinstance(error, MemoryError)
