"""Links: an address that opens the Ask tab on a question, its text, the reader and the threshold."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import quote, urlencode

from pages.readers import EMBEDDED
from reader.examples import Example

LONGEST_LINK = 6_000  # characters of question and text that a link may carry
# Characters of the whole address, in which a letter beyond ASCII takes six and more: servers refuse longer ones.
LONGEST_ADDRESS = 7_500
SPACE = "https://huggingface.co/spaces/"

# The address is this page's own, or the Space's page around it; it is copied, and shown where that is not allowed.
COPY_LINK = """
watch("value", () => {
    const field = element.querySelector("input[data-query]");
    if (!field) return;
    const base = field.dataset.base || window.location.origin + window.location.pathname;
    field.value = `${base}?${field.dataset.query}`;
    const says = element.querySelector("[data-copied]");
    const by_hand = () => { field.focus(); field.select(); };
    if (!navigator.clipboard) return by_hand();
    navigator.clipboard.writeText(field.value).then(() => { says.hidden = false; }, by_hand);
});
"""


@dataclass(frozen=True, slots=True)
class Opening:
    """What the page opens with: a starter example, or what its link asks for."""

    question: str
    context: str
    reader: str = EMBEDDED
    threshold: float | None = None
    example: str | None = None
    hint: str = ""


def open_with(parameters: Mapping[str, str], examples: Sequence[Example]) -> Opening:
    """Read a link's ``question, context, reader, threshold``; without text and question, open on an example."""
    question, context = parameters.get("question", ""), parameters.get("context", "")
    reader = parameters.get("reader", EMBEDDED)
    threshold, hint = read_threshold(parameters.get("threshold", ""))
    if len(question) + len(context) > LONGEST_LINK:
        question = context = ""
        hint = f"The link's text was left out: it is longer than {LONGEST_LINK:,} characters."
    if question or context:
        if not context:
            hint = hint or "The link holds the question alone: paste the text to read."
        return Opening(question, context, reader, threshold, None, hint)
    first = examples[0]
    return Opening(first.question, first.context, reader, threshold, first.id, hint)


@dataclass(frozen=True, slots=True)
class Link:
    """An address without what this page's own begins with, and whether the text is in it."""

    query: str
    whole: bool


def link_to(question: str, context: str, reader: str, threshold: float | None) -> Link:
    """Write the link that `open_with` reads; a text that is too long for one is left out."""
    parameters = {"tab": "ask", "question": question, "context": context}
    if reader != EMBEDDED:
        parameters["reader"] = reader
    if threshold is not None:
        parameters["threshold"] = f"{threshold:g}"
    query = urlencode(parameters, quote_via=quote)
    if len(query) <= LONGEST_ADDRESS and len(question) + len(context) <= LONGEST_LINK:
        return Link(query, True)
    del parameters["context"]
    parameters["question"] = question[:1000]
    return Link(urlencode(parameters, quote_via=quote)[:LONGEST_ADDRESS], False)


def link_shown(link: Link) -> str:
    """The link in a field, which `COPY_LINK` fills and copies, and what whoever has it can read."""
    space = os.environ.get("SPACE_ID", "")
    base = f"{SPACE}{space}" if space else ""
    what = (
        "Whoever has it can read the question and the text."
        if link.whole
        else f"It holds no text: a link carries up to {LONGEST_LINK:,} characters, fewer in other scripts than Latin."
    )
    return (
        '<div class="link"><input readonly aria-label="Link to what is asked here" '
        f'data-query="{escape(link.query)}" data-base="{escape(base)}">'
        f'<p class="facts"><span data-copied hidden role="status">Copied.</span> {what}</p></div>'
    )


def read_threshold(text: str) -> tuple[float | None, str]:
    """A threshold as text, or None with a sentence where it is no number; "" is the reader's own."""
    if not text:
        return None, ""
    try:
        threshold = float(text)
    except ValueError:
        threshold = math.nan
    if math.isfinite(threshold):
        return threshold, ""
    return None, f"The link's threshold “{text[:20]}” is not a number; the reader's own is used."
