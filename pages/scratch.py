"""Folders for files on their way to a browser: the page copies them at once, and what was left is cleared away."""

from __future__ import annotations

import getpass
import shutil
import tempfile
import time
from pathlib import Path

KEPT = 600.0  # seconds; by then the page has its copy


def scratch() -> Path:
    """A new empty folder; those that were made long ago go, so that nobody's downloads fill the disk."""
    root = Path(tempfile.gettempdir()) / f"readerboard-{getpass.getuser()}"
    root.mkdir(mode=0o700, exist_ok=True)
    for old in root.iterdir():
        if time.time() - old.stat().st_mtime > KEPT:
            shutil.rmtree(old, ignore_errors=True)
    return Path(tempfile.mkdtemp(dir=root))
