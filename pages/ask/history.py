"""Earlier questions, and the one that is being asked: kept by the browser that asked them, and by nobody else.

The list lies in the browser's local storage, until it is cleared there; what is being typed, in its session storage,
so that a reload (or a restart of the server) loses nothing. The server is told only what somebody clicks on.
"""

from __future__ import annotations

import json
import time
from html import escape
from typing import Any

import gradio as gr

from pages.ask.asking import is_number
from pages.ask.links import Opening
from pages.ask.verdict import Asked
from pages.readers import EMBEDDED

LONGEST_KEPT = 20_000  # characters of a text that the browser keeps beside its question
LONGEST_DRAFT = 300_000

TOO_LONG_AND_GONE = "The text of this question was too long to keep: open or paste it again."

# Newest first, each question once; the oldest go where the browser has no room.
NOTE_ENTRY = """
watch("value", () => {
    const noted = element.querySelector("[data-entry]");
    if (!noted) return;
    const entry = {...JSON.parse(noted.dataset.entry), at: Date.now()};
    const same = other => ["question", "context", "reader"].every(key => other[key] === entry[key]);
    let kept = [];
    try { kept = JSON.parse(localStorage.getItem("readerboard.history")) || []; } catch { kept = []; }
    kept = [entry, ...kept.filter(other => !same(other))].slice(0, 50);
    while (kept.length) {
        try {
            localStorage.setItem("readerboard.history", JSON.stringify(kept));
            break;
        } catch { kept = kept.slice(0, Math.floor(kept.length / 2)); }
    }
    document.dispatchEvent(new Event("readerboard-history"));
    // Somebody may have typed on while the reader read.
    const question = document.querySelector("#ask-question-text textarea, #ask-question-text input");
    if (question && question.value !== entry.question)
        setTimeout(() => document.querySelector("#ask-verdict .verdict:is(.yes, .no)")?.classList.add("stale"), 100);
});
"""
SHOW_HISTORY = """
const ago = at => {
    const minutes = Math.round((Date.now() - at) / 60000);
    if (minutes < 1) return "just now";
    if (minutes < 60) return `${minutes} min ago`;
    return minutes < 1440 ? `${Math.round(minutes / 60)} h ago` : new Date(at).toLocaleDateString();
};
const part = (tag, name, text) => {
    const made = document.createElement(tag);
    made.className = name;
    made.textContent = text;
    made.dir = "auto";
    return made;
};
const read = () => {
    try { return JSON.parse(localStorage.getItem("readerboard.history")) || []; } catch { return []; }
};
const show = () => {
    const kept = read();
    const list = document.createElement("ul");
    list.className = "history";
    kept.forEach(entry => {
        const button = document.createElement("button");
        button.append(
            part("span", "history-question", entry.question),
            part("span", "history-says", `${entry.says} · ${entry.label} · ${ago(entry.at)}`),
        );
        button.addEventListener("click", () => {
            trigger("click", {entry: JSON.stringify(entry)});
            document.querySelector("#ask")?.scrollIntoView({block: "start"});
        });
        const item = document.createElement("li");
        item.append(button);
        list.append(item);
    });
    const clear = document.createElement("button");
    clear.className = "small";
    clear.textContent = "Clear history";
    clear.addEventListener("click", () => { localStorage.removeItem("readerboard.history"); show(); });
    element.replaceChildren(
        part("p", "facts", kept.length
            ? "Your questions, the newest first. Only this browser has them."
            : "No questions yet. What you ask is listed here, in this browser only."),
        ...(kept.length ? [list, clear] : []),
    );
};
show();
document.addEventListener("readerboard-history", show);
document.addEventListener("visibilitychange", show);
window.addEventListener("storage", show);
"""

# What a reload would lose: the question, the text where all of it is in the browser, reader and threshold. A link
# that was opened anew wins over what was typed before it.
_DRAFT = """
const linked = () => {
    const asked = new URL(window.location).searchParams;
    return JSON.stringify(["question", "context", "reader", "threshold"].map(name => asked.get(name)));
};
"""
NOTE_DRAFT = f"""
{_DRAFT}
const note = () => {{
    const question = document.querySelector("#ask-question-text textarea, #ask-question-text input");
    const box = document.querySelector("#ask-context textarea");
    const shown = document.querySelector("#ask-reading .reading-text");
    const cut = document.querySelector("#ask-reading .left-out");
    const text = box ? box.value : shown && !cut ? shown.textContent : "";
    if (!question || text.length > {LONGEST_DRAFT}) return;
    const before = JSON.parse(sessionStorage.getItem("readerboard.draft") || "{{}}");
    const draft = {{...before, question: question.value, context: text, cut: !box && !!cut, linked: linked()}};
    sessionStorage.setItem("readerboard.draft", JSON.stringify(draft));
}};
let waiting = 0;
const later = () => {{ clearTimeout(waiting); waiting = setTimeout(note, 300); }};
document.querySelector("#ask").addEventListener("input", later);
watch("value", later);
"""
NOTE_READER = """name => {
    const before = JSON.parse(sessionStorage.getItem("readerboard.draft") || "{}");
    sessionStorage.setItem("readerboard.draft", JSON.stringify({...before, reader: name}));
}"""
READ_DRAFT = f"""() => {{
    {_DRAFT}
    const kept = sessionStorage.getItem("readerboard.draft");
    return kept && JSON.parse(kept).linked === linked() ? kept : "";
}}"""


def build() -> gr.HTML:
    """The list; a click on it carries the ``entry``, for `reopened`."""
    return gr.HTML(elem_id="ask-history", js_on_load=SHOW_HISTORY)


def entry(asked: Asked, chosen: float | None, text: str) -> str:
    """What the browser is to keep of an answer."""
    said = asked.answer.text if asked.answer.answered else "not answerable"
    noted = {
        "question": asked.question,
        "context": text if len(text) <= LONGEST_KEPT else "",
        "characters": len(text),
        "reader": asked.name,
        "label": asked.reader,
        "threshold": chosen,
        "says": said[:200],
    }
    return f'<i data-entry="{escape(json.dumps(noted))}"></i>'


def no_entry() -> str:
    """What stands in an entry's place while nothing is answered; new each time, so that it counts as a change."""
    return f'<i data-none="{time.monotonic_ns()}"></i>'


def reopened(text: object) -> Opening | None:
    """An entry that somebody clicked on; None for what is none: it comes from a browser and may be anything."""
    found = _read(text)
    if found is None or not found.question:
        return None
    hint = "" if found.context else "The text of this question was too long to keep: it is asked of the one here."
    return Opening(found.question, found.context, found.reader, found.threshold, hint=hint)


def read_draft(text: object) -> Opening | None:
    """What stood there before a reload; None where nothing did."""
    found = _read(text)
    return found if found is not None and (found.question or found.context) else None


def _read(text: object) -> Opening | None:
    if not isinstance(text, str) or not 0 < len(text) <= 2 * LONGEST_DRAFT + 10_000:
        return None
    try:
        values: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, dict):
        return None
    question, context, reader = (values.get(key) for key in ("question", "context", "reader"))
    threshold = values.get("threshold")
    cut = TOO_LONG_AND_GONE if values.get("cut") is True and not context else ""
    return Opening(
        question if isinstance(question, str) else "",
        context if isinstance(context, str) else "",
        reader if isinstance(reader, str) and reader else EMBEDDED,
        float(threshold) if threshold is not None and is_number(threshold) else None,
        hint=cut,
    )
