"""Extractive question answering readers: ask, train and judge them.

from reader import ExtractiveReader

qa = ExtractiveReader.from_pretrained("embedded")
qa(question="Who wrote it?", context="Ada Lovelace wrote it in 1843.").text
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reader.predictor import ExtractiveReader as ExtractiveReader

__all__ = ["ExtractiveReader"]


def __getattr__(name: str) -> Any:
    # Loaded at first use: the judging half of the library needs neither transformers nor torch.
    if name == "ExtractiveReader":
        from reader.predictor import ExtractiveReader

        return ExtractiveReader
    raise AttributeError(f"module 'reader' has no attribute {name!r}")
