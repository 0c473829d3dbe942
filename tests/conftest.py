"""What several tests need: the shared data where it is there."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real SQuAD v2 data beside the repository; tests that need it are skipped elsewhere."""
    if not SHARED_DATA.is_dir():
        pytest.skip("needs the real SQuAD v2 files, which lie beside the repository on some machines")
    return SHARED_DATA
