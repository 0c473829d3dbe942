"""ROUGE-1, ROUGE-2 and ROUGE-L of short answers, with every corner of the `rouge` package decided here.

The n-gram counting is the package's own (PyPI ``rouge``), because the source article's figures come from it. It
compares *sets* of n-grams, splits sentences at every full stop and is case-sensitive, so "3.5" against "5.3" is a
perfect 1.0 and "Normans" against "normans" is 0. What is decided here:

- F is 2pr / (p + r); the package adds 1e-8 to the denominator, which keeps a perfect answer below 1.
- Two empty texts score 1, an empty against another 0; the package raises on "" and ".". White space and
  punctuation alone count as empty.
- ROUGE-2 is undefined (NaN) where the chosen gold has fewer than two words, and left out of its mean.
- ROUGE-L is skipped (NaN) where a text has more than 500 words: the package recurses once per word.
- Of several golds the one with the best ROUGE-1 F is used for all three; of equals the first.

Scores are in [0, 1].
"""

from __future__ import annotations

import math
import string
import sys
import unicodedata
from collections.abc import Mapping, Sequence

import numpy as np

from reader.metrics import BoolArray, FloatArray, normalize_answer

KINDS = ("rouge1", "rouge2", "rougeL")
LONGEST_ROUGE_L = 500  # words
COLUMNS = tuple(f"{kind}_{part}" for kind in KINDS for part in "prf")

Triple = tuple[float, float, float]  # precision, recall, F
_UNDEFINED: Triple = (math.nan, math.nan, math.nan)
_NAMES = {"rouge1": "rouge-1", "rouge2": "rouge-2", "rougeL": "rouge-l"}


class RougeScorer:
    """Scores a prediction against its golds; remembers what it has counted, for many questions repeat a pair."""

    def __init__(self) -> None:
        from rouge import Rouge

        self._packages = {kind: Rouge(metrics=[name]) for kind, name in _NAMES.items()}
        self._counted: dict[tuple[str, str, str], Triple] = {}

    def score(self, prediction: str, golds: Sequence[str]) -> dict[str, float]:
        """Return the nine figures named in `COLUMNS`; no golds means that saying nothing is right."""
        gold = max(golds or ("",), key=lambda text: self._pair("rouge1", prediction, text)[2])
        first = self._pair("rouge1", prediction, gold)
        second = self._pair("rouge2", prediction, gold) if len(words(gold)) >= 2 else _UNDEFINED
        longest = max(len(words(prediction)), len(words(gold)))
        last = self._pair("rougeL", prediction, gold) if longest <= LONGEST_ROUGE_L else _UNDEFINED
        return dict(zip(COLUMNS, (*first, *second, *last), strict=True))

    def _pair(self, kind: str, prediction: str, gold: str) -> Triple:
        key = (kind, prediction, gold)
        found = self._counted.get(key)
        if found is None:
            found = self._counted[key] = self._count(kind, prediction, gold)
        return found

    def _count(self, kind: str, prediction: str, gold: str) -> Triple:
        if is_empty(prediction) or is_empty(gold):
            return (1.0, 1.0, 1.0) if is_empty(prediction) and is_empty(gold) else (0.0, 0.0, 0.0)
        if kind == "rougeL":
            _allow_recursion(len(words(prediction)) + len(words(gold)))
        counted = self._packages[kind].get_scores(prediction, gold)[0][_NAMES[kind]]
        precision, recall = float(counted["p"]), float(counted["r"])
        both = precision + recall
        return precision, recall, 2 * precision * recall / both if both else 0.0


def words(text: str) -> list[str]:
    """Return the words as the package sees them: split at white space and full stops."""
    return [] if is_empty(text) else text.replace(".", " ").split()


def is_empty(text: str) -> bool:
    """Whether the text is nothing but white space and punctuation."""
    return all(
        char.isspace() or char in string.punctuation or unicodedata.category(char).startswith("P") for char in text
    )


def _allow_recursion(depth: int) -> None:
    # The package walks back through both texts one call per word; Python's default limit is 1,000 calls. Only ever
    # raised: lowering it again could fail another thread in the middle of its work.
    needed = depth + 500
    if sys.getrecursionlimit() < needed:
        sys.setrecursionlimit(needed)


def rouge_columns(predictions: Sequence[str], golds: Sequence[Sequence[str]]) -> dict[str, FloatArray]:
    """Return the ROUGE columns of many questions, each of shape (questions,).

    `COLUMNS` on the raw texts and, with the suffix ``_normalized``, on SQuAD-normalised texts; and for each kind
    ``abstain_<kind>``: what saying nothing scores (precision, recall and F are the same then).
    """
    scorer = RougeScorer()
    columns: dict[str, list[float]] = {}
    for prediction, wanted in zip(predictions, golds, strict=True):
        normal = normalize_answer(prediction), [normalize_answer(gold) for gold in wanted]
        for suffix, (said, texts) in (("", (prediction, wanted)), ("_normalized", normal)):
            for name, value in scorer.score(said, texts).items():
                columns.setdefault(name + suffix, []).append(value)
            silent = scorer.score("", texts)
            for kind in KINDS:
                columns.setdefault(f"abstain_{kind}{suffix}", []).append(silent[f"{kind}_f"])
    return {name: np.array(values, dtype=np.float64) for name, values in columns.items()}


def rouge_means(columns: Mapping[str, FloatArray], rows: BoolArray) -> dict[str, dict[str, float | int | None]]:
    """Average the figures named in `COLUMNS` over the rows where they are defined.

    Returns kind -> ``p, r, f`` (None where nothing is defined) and ``count``, the questions in the mean.
    """
    means: dict[str, dict[str, float | int | None]] = {}
    for kind in KINDS:
        defined = rows & ~np.isnan(columns[f"{kind}_f"])
        count = int(np.count_nonzero(defined))
        means[kind] = {part: float(columns[f"{kind}_{part}"][defined].mean()) if count else None for part in "prf"}
        means[kind]["count"] = count
    return means
