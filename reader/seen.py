"""What a reader has seen: the contexts that it was trained on, kept beside it as hashes.

They lie in a folder of their own, so that they stay here when the reader is packed or pushed: whoever guesses a short
text could tell by its hash whether it was in the training data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from reader.examples import Example
from reader.files import write_text

CONTEXTS = Path("training", "contexts.txt")  # in a reader's folder; one hash a line


def context_hash(context: str) -> str:
    """Return what stands for a context: SHA-256 (hex); case and white space do not count."""
    return hashlib.sha256(" ".join(context.casefold().split()).encode("utf-8", "surrogatepass")).hexdigest()


def context_hashes(examples: Iterable[Example]) -> frozenset[str]:
    """Return the hash of every context of the examples."""
    return frozenset(map(context_hash, {example.context for example in examples}))


def write_seen(folder: Path, seen: frozenset[str]) -> None:
    """Write the hashes into a reader's folder. Raises `OSError`."""
    write_text(folder / CONTEXTS, "".join(f"{each}\n" for each in sorted(seen)))


def read_seen(folder: Path) -> frozenset[str] | None:
    """Return the hashes of a reader's folder; None where it is not known what the reader was trained on."""
    try:
        return frozenset((folder / CONTEXTS).read_bytes().decode("ascii", "replace").split())
    except OSError:
        return None
