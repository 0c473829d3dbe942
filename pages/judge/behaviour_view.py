"""Behaviour tests as HTML: how often each small change made the reader answer otherwise, and where."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from html import escape
from itertools import islice
from typing import Any

from pages.data_sets import data_label
from pages.judge.browse import number, shortened
from pages.judge.slices_view import gauge, interval_text
from pages.phrases import notice, tip
from pages.readers import label_of
from reader.behaviour import OTHER_ANSWER, TO_ABSTAIN, TO_ANSWER, Behaviour, ChangeResult
from reader.errors import BadRun
from reader.exports import counted
from reader.names import plain_name

SHOWN = 20  # failing pairs
LONGEST = 400  # characters of a question
FEWEST = 20  # questions that a share needs to tell anything
MOSTLY = 0.7  # where more of a question's words changed, marking them would say nothing

NOT_TESTED = (
    "Not tested yet. Behaviour tests change a question or its text in small ways that should not change the answer, "
    "such as typing errors, capitals or an unrelated sentence, and show where it changes all the same."
)
TESTED = "To how many of the questions the change applies. Where it does not, it leaves the question alone."
SHARE = (
    "The share of tested questions whose answer became another, or turned into silence or out of it. The whisker is "
    "Wilson's 95 % interval."
)
FLIPS = {
    TO_ABSTAIN: "fell silent",
    TO_ANSWER: "spoke up",
    OTHER_ANSWER: "said otherwise",
}

# A click on an open change closes it.
CLICK_CHANGE = """
element.addEventListener("click", event => {
    const button = event.target.closest("[data-change]");
    if (!button) return;
    const open = button.getAttribute("aria-expanded") === "true";
    trigger("click", {change: open ? "" : button.dataset.change});
});
"""


def behaviour(found: Behaviour | None, change: str = "") -> str:
    """The figures of each change; below the one called ``change`` the pairs on which the reader failed."""
    if found is None:
        return f'<div class="behaviour"><p class="quiet">{NOT_TESTED}</p></div>'
    try:
        rows = "".join(_row(found, one, one.name == change) for one in found.changes)
    except BadRun as error:
        return notice(str(error), "alarm")
    info = found.info
    return (
        '<div class="behaviour"><h2>How often the answer changed, and should not have</h2>'
        f'<p class="quiet">{escape(label_of(info["reader"]))} on {counted(info["questions"], "question")} of '
        f"{escape(plain_name(data_label(info['data']['source'])))}. The reader is held against itself: a wrong answer "
        f"that stays is no failure here. {_few(found.changes)}</p>"
        '<table class="plain changes"><thead><tr><th scope="col">Change</th>'
        f'<th scope="col" class="number">{tip("Tested", TESTED)}</th>'
        '<th scope="col" class="draw"><span class="axis"><span>0</span><span>50</span><span>100</span></span></th>'
        f'<th scope="col" class="number">{tip("Answer changed", SHARE)}</th><th scope="col" class="how">How</th>'
        '<th scope="col" class="number">F1 % before → after</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _few(changes: Sequence[ChangeResult]) -> str:
    few = sum(0 < one.tested < FEWEST for one in changes)
    return f"Pale: changes that fit fewer than {FEWEST} questions, too few to tell much." if few else ""


def _row(found: Behaviour, one: ChangeResult, is_open: bool) -> str:
    head = (
        f'<th scope="row"><button type="button" class="pick" data-change="{escape(one.name)}" '
        f'aria-expanded="{str(is_open).lower()}">{escape(one.title)}</button><small>{escape(one.says)}</small></th>'
    )
    kinds = " ".join(filter(None, ("open" * is_open, "few" * (one.tested < FEWEST))))
    opened = f' class="{kinds}"' if kinds else ""
    tested = f'<td class="number tested">{one.tested:,} <small>of {one.tested + one.untested:,}</small></td>'
    if one.failed_share is None:
        return f'<tr{opened}>{head}{tested}<td colspan="4" class="how">fits no question</td></tr>'
    body = (
        f"{tested}"
        f'<td class="draw">{gauge(one.failed_share, one.low, one.high, "Answer changed in")}</td>'
        f'<td class="number share">{number(one.failed_share, 1)}\u00a0%<small>{interval_text(one.low, one.high, 1)}'
        f'</small></td><td class="how">{_flips(one)}</td>'
        f'<td class="number f1">{_f1(one.f1_before)} → {_f1(one.f1_after)}</td>'
    )
    return f"<tr{opened}>{head}{body}</tr>" + (_failures(found, one) if is_open else "")


def _flips(one: ChangeResult) -> str:
    counts = {TO_ABSTAIN: one.answer_to_abstain, TO_ANSWER: one.abstain_to_answer, OTHER_ANSWER: one.other_answer}
    said = [f"{count:,} {FLIPS[kind]}" for kind, count in counts.items() if count]
    return "<br>".join(said) or "always the same"


def _f1(value: float | None) -> str:
    return "–" if value is None else number(value, 1)


# The failing pairs


def _failures(found: Behaviour, one: ChangeResult) -> str:
    pairs = list(islice(found.pairs(one.name, failed_only=True), SHOWN))
    if not pairs:
        says = "The answer changed nowhere."
    elif len(pairs) < one.failed:
        says = f"{len(pairs)} of the {one.failed:,} questions whose answer changed:"
    else:
        says = (
            f"The {one.failed:,} questions whose answer changed:" if one.failed > 1 else "The one whose answer changed:"
        )
    items = "".join(_pair(pair) for pair in pairs)
    return f'<tr class="failures"><td colspan="6"><p class="quiet">{says}</p><ol>{items}</ol></td></tr>'


def _pair(pair: Mapping[str, Any]) -> str:
    before, after = _marked(pair["question_before"][:LONGEST], pair["question_after"][:LONGEST])
    expected = pair["answer_expected"]
    should = f"should be {_quoted(expected)}" if expected != pair["answer_before"] else ""
    golds = " / ".join(dict.fromkeys(pair["gold"]))
    right = f"<bdi>{escape(shortened(golds))}</bdi>" if golds else "not answerable from this text"
    # Where words are marked, they say it already.
    what = "" if "<mark" in after else _in_text(pair) or _what(shortened(pair["what"], LONGEST))
    flip = FLIPS.get(pair["failure"], "")
    return (
        f'<li><div class="sides">{_side("Before", before, pair["answer_before"])}'
        f"{_side('After', after, pair['answer_after'], should)}</div>{what}"
        f'<p class="facts"><b>{flip}</b> · right: {right}</p></li>'
    )


def _what(says: str) -> str:
    return f"<p class=what>{escape(says)}</p>"


def _in_text(pair: Mapping[str, Any]) -> str:
    """The sentence that was put before or after the text, marked where it stands; "" where nothing was added."""
    pieces = pair.get("added")  # of an older format it is not there
    if not isinstance(pieces, list) or len(pieces) != 3:
        return ""
    before, added, after = (escape(str(piece)[:LONGEST]) for piece in pieces)
    return (
        f'<p class="what text" dir="auto"><small>The text {"ends" if before else "begins"}</small> {before}'
        f'<mark class="changed">{added}</mark>{after}</p>'
    )


def _side(when: str, question: str, answer: str, note: str = "") -> str:
    noted = f" <small>{note}</small>" if note else ""
    return (
        f'<div><p class="asked" dir="auto"><small>{when}</small> {question}</p>'
        f'<p class="said">{_quoted(answer)}{noted}</p></div>'
    )


def _quoted(answer: str) -> str:
    return f"“<bdi>{escape(shortened(answer))}</bdi>”" if answer else '<span class="none">says nothing</span>'


def _marked(before: str, after: str) -> tuple[str, str]:
    """Both questions as HTML, with the words marked in which they differ."""
    # Words and the blanks between them, so that they can be put together again.
    first, second = (re.split(r"(\s+)", text) for text in (before, after))
    blocks = SequenceMatcher(None, first, second, autojunk=False).get_opcodes()
    changed = " ".join(text for kind, _, _, left, right in blocks if kind != "equal" for text in second[left:right])
    if len(changed.split()) > MOSTLY * len(after.split()):
        return escape(before), escape(after)
    sides: tuple[list[str], list[str]] = ([], [])
    for kind, left, right, other_left, other_right in blocks:
        sides[0].append(_words(first[left:right], kind != "equal"))
        sides[1].append(_words(second[other_left:other_right], kind != "equal"))
    return "".join(sides[0]), "".join(sides[1])


def _words(words: Sequence[str], changed: bool) -> str:
    text = escape("".join(words))
    return f'<mark class="changed">{text}</mark>' if changed and text.strip() else text
