"""Where a reader is strong and where it is weak: its scores by question word, answer length and context length."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reader.errors import BadUsage
from reader.intervals import paragraph_intervals

QUESTION_WORDS = ("who", "what", "when", "where", "why", "how", "how many", "how much", "which", "other")
_QUESTION_WORD = re.compile(r"\b(how many|how much|whom|whose|who|what|when|where|why|how|which)\b", re.IGNORECASE)

# (first length of the bin, its name), in words
ANSWER_LENGTHS = (
    (0, "no answer"),
    (1, "1 word"),
    (2, "2 words"),
    (3, "3-4 words"),
    (5, "5-9 words"),
    (10, "10+ words"),
)
CONTEXT_LENGTHS = (
    (0, "under 100 words"),
    (100, "100-149 words"),
    (150, "150-199 words"),
    (200, "200-399 words"),
    (400, "400+ words"),
)

BREAKDOWNS = ("question_word", "answer_length", "context_length")


def question_word(question: str) -> str:
    """Return the first question word in the question, one of `QUESTION_WORDS` ("whom" and "whose" are "who")."""
    found = _QUESTION_WORD.search(question)
    if found is None:
        return "other"
    word = " ".join(found[1].lower().split())
    return "who" if word in ("whom", "whose") else word


def word_count(text: str) -> int:
    """Return the number of words: what stands between white space."""
    return len(text.split())


def breakdown(view: pd.DataFrame, by: str, *, resamples: int = 2000) -> pd.DataFrame:
    """Return one row per group of questions that has any, in a fixed order.

    ``view`` is what `reader.results.view` returns; ``by`` is one of `BREAKDOWNS`. Columns: group, count, exact, f1,
    f1_low, f1_high (95%, paragraphs resampled), HasAns_count, HasAns_exact, HasAns_f1, NoAns_count, NoAns_exact; in
    percent, NaN where a group has no such question or lies within one paragraph.
    """
    names, codes = _groups(view, by)
    exact, f1 = view["exact"].to_numpy(dtype=np.float64), view["f1"].to_numpy(dtype=np.float64)
    has_answer = ~view["is_impossible"].to_numpy(dtype=np.bool_)
    present = [code for code in range(len(names)) if (codes == code).any()]
    inside = np.array([codes == code for code in present], dtype=np.float64).reshape(len(present), len(view))
    intervals = paragraph_intervals(
        np.broadcast_to(f1, inside.shape), inside, view["paragraph"].to_numpy(), resamples=resamples
    )
    rows = []
    for code, (low, high) in zip(present, intervals, strict=True):
        group = codes == code
        rows.append(
            {
                "group": names[code],
                "count": int(group.sum()),
                "exact": _percent(exact[group]),
                "f1": _percent(f1[group]),
                "f1_low": 100 * low,
                "f1_high": 100 * high,
                "HasAns_count": int((group & has_answer).sum()),
                "HasAns_exact": _percent(exact[group & has_answer]),
                "HasAns_f1": _percent(f1[group & has_answer]),
                "NoAns_count": int((group & ~has_answer).sum()),
                "NoAns_exact": _percent(exact[group & ~has_answer]),
            }
        )
    return pd.DataFrame(rows)


def _groups(view: pd.DataFrame, by: str) -> tuple[Sequence[str], NDArray[np.int64]]:
    if by == "question_word":
        return QUESTION_WORDS, np.array([QUESTION_WORDS.index(word) for word in view["question_word"]])
    bins = {"answer_length": ANSWER_LENGTHS, "context_length": CONTEXT_LENGTHS}.get(by)
    if bins is None:
        raise BadUsage(f"There is no breakdown by {by!r}; choose one of {', '.join(BREAKDOWNS)}.")
    codes = np.searchsorted([first for first, _ in bins], view[by].to_numpy(), side="right") - 1
    return [name for _, name in bins], codes


def _percent(scores: NDArray[np.float64]) -> float:
    return 100 * float(scores.mean()) if len(scores) else float("nan")
