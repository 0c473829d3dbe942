"""What readers and data sets are called where others read it: the folders of this machine mean nothing elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

from reader.sources import READERS


def plain_name(source: str) -> str:
    """A reader or data set as it is called; of a file or folder its name only, of a job's reader the job."""
    path = Path(source)
    if not path.is_absolute() and not source.startswith((".", "~")) and not _is_file(source):
        return source
    return f"job {path.parent.name}" if path.name == "reader" and path.parent.name else path.name or source


def _is_file(source: str) -> bool:
    # Of a part of a file its source tells how large: "data/dev-v2.0.json (first 100)". A Hub id has one slash at most.
    whole = re.sub(r" \([^()]*\)$", "", source)
    return Path(whole).suffix in READERS or whole.count("/") > 1
