"""Files on their way to a browser do not pile up."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from pages.scratch import KEPT, scratch


def test_what_was_made_long_ago_goes_and_what_is_new_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    old, young = scratch(), scratch()
    (old / "reader.zip").write_text("x")
    long_ago = old.stat().st_mtime - KEPT - 1
    os.utime(old, (long_ago, long_ago))
    newest = scratch()
    assert not old.exists() and young.is_dir() and newest.is_dir()
    assert len({old, young, newest}) == 3
