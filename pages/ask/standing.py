"""What stands on the Ask tab while somebody asks: the components that its sections read and change.

The text is in one place at a time: in the box while it is edited, and otherwise on the server (``held``), so that a
book is not sent to the browser and back with every question.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import gradio as gr


@dataclass(frozen=True, slots=True)
class Standing:
    """The components of the question, its text and its answer.

    ``typed``: the box in which the text is edited, empty otherwise; ``held``: a `gr.State` of str, the text that is
    not being edited, else ""; ``reader``: the name that somebody picked; ``asked``: a `gr.State` of `Asked` or None,
    the answer to the question and the text that stand there.
    """

    question: gr.Textbox
    typed: gr.Textbox
    held: gr.State
    reader: gr.Dropdown
    asked: gr.State
    changed: gr.HTML

    @property
    def texts(self) -> list[gr.Textbox | gr.State]:
        """Inputs for `text_of`, in its order."""
        return [self.typed, self.held]


def text_of(typed: str | None, held: str | None) -> str:
    """The text that stands there."""
    return typed or held or ""


def digest_of(text: str) -> bytes:
    """What tells one text from another without keeping it."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
