"""Marking a right answer: selected in a text that is being read, or typed; or the text is said to hold none.

The browser counts a selection's offset in code points of the whole text, and shows at once what was selected. What is
shown is what is meant: it holds the offset, and goes to the server with the button that takes it. There it is looked
up in the text itself, as everything is that comes over HTTP.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from pages.events import PLAIN
from pages.highlight import Mark, marked_text, surroundings
from pages.phrases import notice
from reader.errors import BadUsage, ReaderboardError
from reader.examples import Gold
from reader.teaching import MOST_PLACES, places

Changes = dict[Any, Any]


AROUND = 60  # characters shown to both sides of what was chosen
AROUND_PLACE = 24  # and to both sides of each place to choose from
LONGEST_QUOTE = 80  # characters of an answer in a sentence
ORDINALS = ("1st", "2nd", "3rd", *(f"{number}th" for number in range(4, MOST_PLACES + 1)))

HINT = "Select the right answer in the text, or type it here."
NO_ANSWER = "It goes in as a question that this text does not answer."

# Offsets are of the whole text, in code points; the text's own CR would become LF where HTML is parsed.
SELECT = """
let waiting = 0;
let last = "";  // what was selected: a click elsewhere tells of it once more
const take = () => {
    if (!element.isConnected) {
        document.removeEventListener("selectionchange", take);
        return;
    }
    const text = document.querySelector("READING .reading-text");
    const selection = document.getSelection();
    const within = text?.contains(selection.anchorNode) || text?.contains(selection.focusNode);
    if (!within || selection.isCollapsed || !element.checkVisibility()) {
        last = "";
        return;
    }
    const all = document.createRange();
    all.selectNodeContents(text);
    const chosen = selection.getRangeAt(0).cloneRange();
    if (chosen.compareBoundaryPoints(Range.START_TO_START, all) < 0) chosen.setStart(text, 0);
    if (chosen.compareBoundaryPoints(Range.END_TO_END, all) > 0) chosen.setEnd(text, text.childNodes.length);
    const words = chosen.toString();
    if (!words.trim()) return;
    all.setEnd(chosen.startContainer, chosen.startOffset);
    const whole = text.textContent;
    const start = all.toString().length + words.length - words.trimStart().length;
    const end = start + words.trim().length;
    const shown = document.createElement("p");
    shown.className = "picked";
    shown.dir = "auto";
    shown.dataset.start = Number(text.dataset.start) + [...whole.slice(0, start)].length;
    const mark = document.createElement("mark");
    mark.className = "gold";
    mark.textContent = whole.slice(start, end);
    const before = [...whole.slice(Math.max(0, start - 200), start)].slice(-AROUND).join("");
    const after = [...whole.slice(end, end + 200)].slice(0, AROUND).join("");
    shown.append(
        before.length < start ? before.replace(/^\\S*\\s+/, "") : before,
        mark,
        end + after.length < whole.length ? after.replace(/\\s+\\S*$/, "") : after,
    );
    if (shown.outerHTML === last) return;
    last = shown.outerHTML;
    props.value = shown.outerHTML.replaceAll("\\r", "&#13;");
    clearTimeout(waiting);
    waiting = setTimeout(() => trigger("select"), 150);
};
document.addEventListener("selectionchange", take);
take();
"""
# What is chosen takes the place of the last input, once what came with the event is drawn.
READ_CHOSEN = """async (...values) => {
    await new Promise(requestAnimationFrame);
    const shown = document.querySelector("#PREFIX-picked .picked");
    const chosen = shown && {start: Number(shown.dataset.start), text: shown.querySelector("mark").textContent};
    return [...values.slice(0, -1), chosen ? JSON.stringify(chosen) : ""];
}"""


@dataclass(frozen=True, slots=True)
class Marking:
    """The components with which an answer is marked; ``picked`` shows the place that is chosen, or what is missing."""

    prefix: str
    answer: gr.Textbox
    picked: gr.HTML
    which: gr.Radio
    unanswerable: gr.Checkbox

    @property
    def read(self) -> str:
        """The script of a button that takes what is marked; ``inputs`` come last among its inputs."""
        return READ_CHOSEN.replace("PREFIX", self.prefix)

    @property
    def inputs(self) -> list[Any]:
        """What `marked` takes, in its order."""
        return [self.answer, self.unanswerable, self.picked]

    @property
    def outputs(self) -> list[Any]:
        """What `cleared`, `chosen` and `followed` change."""
        return [self.picked, self.answer, self.unanswerable, self.which]


def lay_out(prefix: str, reading: str) -> Marking:
    """The parts, to be wired with `wire`; ``reading`` is the selector of the text's reading view."""
    answer = gr.Textbox(
        label="The right answer",
        placeholder=HINT,
        lines=1,
        max_lines=4,
        elem_id=f"{prefix}-answer",
    )
    script = SELECT.replace("READING", reading).replace("AROUND", str(AROUND))
    picked = gr.HTML(elem_id=f"{prefix}-picked", js_on_load=script)
    which = gr.Radio([], label="Which one?", visible=False, elem_id=f"{prefix}-which", elem_classes="which-place")
    unanswerable = gr.Checkbox(label="Not answerable from this text", elem_id=f"{prefix}-unanswerable")
    return Marking(prefix, answer, picked, which, unanswerable)


def wire(marking: Marking, inputs: Sequence[Any], context_of: Callable[..., str]) -> None:
    """Let the parts follow what is selected and typed.

    ``context_of(request, *values)`` gives the text for the values of ``inputs``, and raises `ReaderboardError` for
    those who may not.
    """

    def select(request: gr.Request, *values: Any) -> Changes:
        *others, _, _, picked = values
        try:
            gold = marked("", False, picked, context_of(request, *others))
        except ReaderboardError as error:
            return {marking.picked: notice(str(error), "alarm")}
        return {name: value for name, value in _taken(marking, gold).items() if name is not marking.picked}

    def look(request: gr.Request, *values: Any) -> Changes:
        *others, typed, unanswerable, picked = values
        try:
            return followed(marking, typed, unanswerable, picked, context_of(request, *others)) or gr.skip()
        except ReaderboardError as error:
            return {marking.picked: notice(str(error), "alarm")}

    def take_place(request: gr.Request, start: Any, typed: str, *values: Any) -> Changes:
        try:
            context = context_of(request, *values)
        except ReaderboardError as error:
            return {marking.picked: notice(str(error), "alarm")}
        found = [gold for gold in places(typed or "", context) if gold.start == start]
        return {marking.picked: place_shown(context, found[0])} if found else gr.skip()

    marking.picked.select(
        select,
        inputs=[*inputs, *marking.inputs],
        outputs=marking.outputs,
        js=marking.read,
        trigger_mode="always_last",
        **PLAIN,
    )
    # Gradio's input event tells of keys alone, not of what is pasted.
    gr.on(
        [marking.answer.change, marking.unanswerable.input],
        look,
        inputs=[*inputs, *marking.inputs],
        outputs=[marking.picked, marking.which],
        js=marking.read,
        trigger_mode="always_last",
        **PLAIN,
    )
    marking.which.input(take_place, inputs=[marking.which, marking.answer, *inputs], outputs=marking.picked, **PLAIN)


# What the parts show


def cleared(marking: Marking) -> Changes:
    """Nothing is marked."""
    return {
        marking.answer: "",
        marking.picked: "",
        marking.which: gr.Radio([], value=None, visible=False),
        marking.unanswerable: False,
    }


def chosen(marking: Marking, gold: Gold | None, context: str) -> Changes:
    """This is marked: a span of the text, or, with None, that it holds no answer."""
    return _taken(marking, gold) | {marking.picked: place_shown(context, gold) if gold else _quiet(NO_ANSWER)}


def followed(marking: Marking, typed: str | None, unanswerable: bool, picked: Any, context: str) -> Changes:
    """What to show for the words that stand there: their place in the text, or the choice where there are several.

    Nothing, where what is ``picked`` is a place of these words already.
    """
    gold = _gold_of(picked)
    if gold and not unanswerable and _stands(gold, context) and _same(gold.text, typed or gold.text):
        return {}
    found = [] if unanswerable else places(typed or "", context)
    which = gr.Radio([], value=None, visible=False)
    if unanswerable:
        says = _quiet(NO_ANSWER)
    elif not (typed or "").strip():
        says = ""
    elif not found:
        says = notice(_not_there(typed or ""), "alarm")
    elif len(found) == 1:
        says = place_shown(context, found[0])
    else:
        many = f"at least {MOST_PLACES}" if len(found) == MOST_PLACES else str(len(found))
        says = _quiet(f"These words stand in the text {many} times. Choose the place, or select it in the text.")
        choices = [(_place_label(number, gold, context), gold.start) for number, gold in enumerate(found)]
        which = gr.Radio(choices, value=None, visible=True)
    return {marking.picked: says, marking.which: which}


def place_shown(context: str, gold: Gold) -> str:
    """A span with its surroundings, in the form that the scripts write and read."""
    end = gold.start + len(gold.text)
    text = marked_text(surroundings(context, gold.start, end, reach=AROUND), [Mark(gold.start, end, "gold")])
    return f'<p class="picked" dir="auto" data-start="{gold.start}">{text}</p>'


def quoted(text: str) -> str:
    """An answer in a sentence, on one line and shortened."""
    line = " ".join(text.split())
    return f"“{line if len(line) <= LONGEST_QUOTE else line[: LONGEST_QUOTE - 1] + '…'}”"


def _taken(marking: Marking, gold: Gold | None) -> Changes:
    return cleared(marking) | {marking.answer: gold.text if gold else "", marking.unanswerable: gold is None}


def _place_label(number: int, gold: Gold, context: str) -> str:
    end = gold.start + len(gold.text)
    around = surroundings(context, gold.start, end, reach=AROUND_PLACE)
    before, after = context[around.start : gold.start], context[end : around.end]
    return f"{ORDINALS[number]}: {' '.join(f'{before}[{gold.text}]{after}'.split())}"


def _not_there(typed: str) -> str:
    return f"The text does not hold {quoted(typed)}. An answer stands in the text, word for word."


def _quiet(text: str) -> str:
    return f'<p class="quiet">{escape(text)}</p>'


# What is meant by them


def marked(typed: Any, unanswerable: Any, picked: Any, context: str) -> Gold | None:
    """The answer that was marked, a span of this very text; None where it is said to hold none.

    ``picked`` is what the scripts read from the page: JSON with start and text, or "". Words that were typed since
    win over it. Raises `BadUsage` with what is missing.
    """
    if unanswerable is True:
        return None
    typed = typed if isinstance(typed, str) else ""
    gold = _gold_of(picked)
    if gold is not None and (not typed.strip() or _same(gold.text, typed)):
        if not _stands(gold, context):
            raise BadUsage("The text has changed since that was selected. Select the answer again.")
        return gold
    if not typed.strip():
        raise BadUsage("Select the right answer in the text, type it, or tick “Not answerable from this text”.")
    found = places(typed, context)
    if not found:
        raise BadUsage(_not_there(typed))
    if len(found) > 1:
        raise BadUsage(f"{quoted(typed)} stands in the text more than once. Choose which one is the answer.")
    return found[0]


def _gold_of(picked: Any) -> Gold | None:
    try:
        value = json.loads(picked)
        start, text = value["start"], value["text"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    whole = isinstance(start, int) and not isinstance(start, bool)
    return Gold(text, start) if whole and isinstance(text, str) and text.strip() else None


def _stands(gold: Gold, context: str) -> bool:
    return gold.start >= 0 and context[gold.start : gold.start + len(gold.text)] == gold.text


def _same(one: str, other: str) -> bool:
    return one.casefold().split() == other.casefold().split()
