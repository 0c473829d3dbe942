"""An answer as HTML: the verdict, the axis of margins, the n-best readings and the text with its mark."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from html import escape

from pages.highlight import Excerpt, Mark, reading_view, surroundings
from reader.postprocess import Answer

READINGS = 6  # spans shown beside the answer
WIDEST = 10.0  # the ends of the threshold's slider, unless a margin lies beyond them

MARGIN = (
    "How far “no answer” is ahead of the best span, as a difference of scores (logits): "
    "above the threshold, the reader does not answer."
)
PROBABILITY = (
    "The share among the best spans and “not answerable”, which make 100 % together (softmax of their scores)."
)

_DOT = '<i class="dot"></i> '  # the one on the slider's axis


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked last and what the reader said: all that a new decision needs."""

    excerpt: Excerpt
    answer: Answer
    reader: str
    own_threshold: float
    ends: float  # the threshold's slider reaches from −ends to ends
    seconds: float

    def at_threshold(self, threshold: float) -> Asked:
        """Decide again, without the model."""
        return replace(self, answer=self.answer.at_threshold(threshold))


def verdict(asked: Asked) -> str:
    """The decision in a line, and the figures that it rests on below it."""
    answer = asked.answer
    if answer.best is None:
        return _verdict("no", "Not answerable from this text", "", ["the text holds no words to answer with"])
    figures = [
        f"{_DOT}{tip('margin', MARGIN)} {signed(answer.null_score_diff)}",
        f"read in {_duration(asked.seconds)} ({escape(asked.reader)})",
        *([f"{answer.windows:,} windows"] if answer.windows > 1 else []),
    ]
    if answer.answered:
        return _verdict("yes", answer.text, percent(answer.probability), figures)
    closest = f"closest reading: “{escape(_shortened(answer.best.text))}” {percent(answer.best.probability)}"
    share = percent(answer.no_answer_probability)
    return _verdict("no", "Not answerable from this text", share, [closest], figures)


def _verdict(which: str, says: str, share: str, *facts: list[str]) -> str:
    probability = f' <span class="share">{tip(share, PROBABILITY)}</span>' if share else ""
    lines = "".join(f'<p class="facts">{" · ".join(line)}</p>' for line in facts)
    return (
        f'<div class="verdict {which}" role="status">'
        f'<p class="says"><span dir="auto">{escape(says)}</span>{probability}</p>{lines}</div>'
    )


def notice(text: str, kind: str = "hint") -> str:
    """A sentence in the verdict's place: a hint, a state ("busy") or an error ("alarm")."""
    return f'<div class="verdict {kind}" role="status"><p class="notice">{escape(text)}</p></div>'


def marked(asked: Asked) -> str:
    """The text with the answer marked; unmarked where the reader abstains."""
    answer = asked.answer
    marks = [Mark(answer.start, answer.end, "predicted")] if answer.answered else []
    return reading_view(asked.excerpt, marks)


def plain(context: str) -> str:
    """The text before anybody asked."""
    return reading_view(surroundings(context)) if context.strip() else ""


def slider_ends(*values: float) -> float:
    """How far the slider reaches to both sides of 0, so that margin and thresholds lie inside: 10, 15, 20 …"""
    furthest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    return max(WIDEST, 5.0 * math.ceil((furthest + 1) / 5))


def scale(asked: Asked) -> str:
    """The axis of margins over the slider, with the margin of this answer as a dot on it."""
    answer = asked.answer
    if answer.best is None:
        return ""
    share = (answer.null_score_diff + asked.ends) / (2 * asked.ends)
    return (
        '<div class="scale"><span>answer</span><span>not answerable</span>'
        f'<i class="dot" style="--at: {share:.4f}" title="margin {signed(answer.null_score_diff)}"></i></div>'
    )


def readings(asked: Asked) -> str:
    """The n-best spans and "not answerable", the likeliest first; what the reader says is set off."""
    answer = asked.answer
    rows = [
        (span.probability, escape(_shortened(span.text)), answer.answered and span == answer.best)
        for span in answer.alternatives[:READINGS]
    ]
    rows.append((answer.no_answer_probability, "not answerable", not answer.answered))
    rows.sort(key=lambda row: -row[0])
    body = "".join(
        f'<tr{" class=said" if said else ""}><td dir="auto">{text}</td><td class="number">{percent(share)}</td></tr>'
        for share, text, said in rows
    )
    return (
        '<table class="readings"><caption>Readings, the likeliest first</caption>'
        f'<thead><tr><th scope="col">Reading</th><th scope="col" class="number">{tip("Probability", PROBABILITY)}</th>'
        f"</tr></thead><tbody>{body}</tbody></table>"
    )


def percent(share: float) -> str:
    """A probability as percent: whole in the middle, one decimal at the ends, never 0 or 100."""
    value = 100 * share
    if value < 0.1:
        return "< 0.1\u00a0%"
    if value > 99.9:
        return "> 99.9\u00a0%"
    return f"{value:.0f}\u00a0%" if 9.95 <= value < 99 else f"{value:.1f}\u00a0%"


def signed(value: float) -> str:
    """A margin or threshold, two decimals and its sign."""
    return f"{value:+.2f}".replace("-", "−")


def _duration(seconds: float) -> str:
    return f"{1000 * seconds:.0f}\u00a0ms" if seconds < 1 else f"{seconds:.1f}\u00a0s"


def _shortened(text: str, longest: int = 90) -> str:
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def tip(word: str, explanation: str) -> str:
    """A word with its explanation on hover, focus and tap."""
    return (
        f'<span class="tip" tabindex="0">{escape(word)}'
        f'<span class="tip-text" role="tooltip">{escape(explanation)}</span></span>'
    )
