"""Words that all tabs say in the same way: notices, explanations, probabilities, margins."""

from __future__ import annotations

from html import escape

MARGIN = (
    "How far “no answer” is ahead of the best span, as a difference of scores (logits): "
    "above the threshold, the reader does not answer."
)
PROBABILITY = (
    "The share among the best spans and “not answerable”, which make 100 % together (softmax of their scores)."
)


def notice(text: str, kind: str = "hint") -> str:
    """A sentence in the verdict's place: a hint, a state ("busy") or an error ("alarm")."""
    return f'<div class="verdict {kind}" role="status"><p class="notice">{escape(text)}</p></div>'


def tip(word: str, explanation: str) -> str:
    """A word with its explanation on hover, focus and tap."""
    return (
        f'<span class="tip" tabindex="0">{escape(word)}'
        f'<span class="tip-text" role="tooltip">{escape(explanation)}</span></span>'
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
