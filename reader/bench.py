"""How two typed texts score against each other, with the words that each figure was counted from.

The figures are those of `reader.metrics` and `reader.rouge_scores`, digit for digit. Beside them stand the n-grams of
either side as the `rouge` package makes them, so that precision is shared / said and recall shared / gold:

- ROUGE-1 and ROUGE-2: the sets of words and of pairs of neighbouring words, over the ends of sentences;
- ROUGE-L: the sets of words, and of them those in a longest common subsequence of any two sentences, one of each side.

"3. " holds an empty word for the package, after its full stop; it is the one n-gram that looks like nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from reader.metrics import exact_and_f1, normalize_answer
from reader.rouge_scores import KINDS, LONGEST_ROUGE_L, RougeScorer, is_empty, words

Gram = tuple[str, ...]
Rule = Literal["counted", "both empty", "one empty", "gold too short", "too long"]


@dataclass(frozen=True, slots=True)
class Squad:
    """Exact match and F1 in [0, 1], and the words of both sides after SQuAD's normalisation.

    ``shared``: a word as often as both sides have it, so F1's precision is len(shared) / len(said).
    """

    said: Gram
    gold: Gram
    shared: Gram
    exact: float
    f1: float


@dataclass(frozen=True, slots=True)
class Rouge:
    """One kind of ROUGE: its figures in [0, 1] and the n-grams of each side, in the order of the texts, once each.

    ``rule``: whether the figures were counted from the n-grams, or else which corner decided. "gold too short" (for
    ROUGE-2) and "too long" (for ROUGE-L) leave the figures undefined (NaN) and the n-grams out. ``common``: for
    ROUGE-L, the longest common subsequence of each two sentences that have one.
    """

    kind: str
    precision: float
    recall: float
    f: float
    rule: Rule
    said: tuple[Gram, ...] = ()
    gold: tuple[Gram, ...] = ()
    shared: tuple[Gram, ...] = ()
    common: tuple[Gram, ...] = ()

    @property
    def defined(self) -> bool:
        """Whether there are figures at all."""
        return not math.isnan(self.f)


@dataclass(frozen=True, slots=True)
class Compared:
    """Two texts as ROUGE-1, ROUGE-2 and ROUGE-L (`KINDS`) see them."""

    said: str
    gold: str
    rouge: tuple[Rouge, ...]


@dataclass(frozen=True, slots=True)
class Explained:
    """All scores of a text against one right answer; ROUGE as written and on SQuAD-normalised texts."""

    squad: Squad
    raw: Compared
    normalized: Compared


def explain(said: str, gold: str) -> Explained:
    """Score ``said`` against ``gold``; an empty gold means that saying nothing is right."""
    scorer = RougeScorer()
    return Explained(
        squad=_squad(said, gold),
        raw=_compared(scorer, said, gold),
        normalized=_compared(scorer, normalize_answer(said), normalize_answer(gold)),
    )


def _squad(said: str, gold: str) -> Squad:
    exact, f1 = exact_and_f1(said, [gold])
    left, right = normalize_answer(said).split(), normalize_answer(gold).split()
    shared = (Counter(left) & Counter(right)).elements()
    return Squad(tuple(left), tuple(right), tuple(shared), exact, f1)


def _compared(scorer: RougeScorer, said: str, gold: str) -> Compared:
    scores = scorer.score(said, [gold])
    left, right = sentences(said), sentences(gold)
    return Compared(
        said,
        gold,
        tuple(
            _rouge(kind, tuple(scores[f"{kind}_{part}"] for part in "prf"), _rule(kind, said, gold), left, right)
            for kind in KINDS
        ),
    )


def _rule(kind: str, said: str, gold: str) -> Rule:
    if kind == "rouge2" and len(words(gold)) < 2:
        return "gold too short"
    if kind == "rougeL" and max(len(words(said)), len(words(gold))) > LONGEST_ROUGE_L:
        return "too long"
    if is_empty(said) or is_empty(gold):
        return "both empty" if is_empty(said) and is_empty(gold) else "one empty"
    return "counted"


def _rouge(kind: str, figures: Sequence[float], rule: Rule, said: Sequence[Gram], gold: Sequence[Gram]) -> Rouge:
    precision, recall, f = figures
    if rule in ("gold too short", "too long"):
        return Rouge(kind, precision, recall, f, rule)
    size = 2 if kind == "rouge2" else 1
    left, right = _ngrams(said, size), _ngrams(gold, size)
    if kind != "rougeL":
        both = set(left) & set(right)
        return Rouge(kind, precision, recall, f, rule, left, right, tuple(gram for gram in left if gram in both))
    common = _common(said, gold)
    covered = {word for sequence in common for word in sequence}
    shared = tuple(gram for gram in left if gram[0] in covered)
    return Rouge(kind, precision, recall, f, rule, left, right, shared, common)


def sentences(text: str) -> tuple[Gram, ...]:
    """Return the words of each sentence as the package splits them: at every full stop, then at white space.

    None of a text that counts as empty. White space alone between two full stops is a sentence of one empty word.
    """
    if is_empty(text):
        return ()
    return tuple(tuple(" ".join(part.split()).split(" ")) for part in text.split(".") if part)


def _ngrams(of: Iterable[Gram], size: int) -> tuple[Gram, ...]:
    flat = [word for sentence in of for word in sentence]
    return tuple(dict.fromkeys(tuple(flat[at : at + size]) for at in range(len(flat) - size + 1)))


def _common(said: Iterable[Gram], gold: Iterable[Gram]) -> tuple[Gram, ...]:
    left = tuple(dict.fromkeys(said))
    found = (longest_common(right, each) for right in dict.fromkeys(gold) for each in left)
    return tuple(dict.fromkeys(sequence for sequence in found if sequence))


def longest_common(gold: Gram, said: Gram) -> Gram:
    """Return the longest common subsequence; of several of one length the one that the package takes."""
    lengths = [[0] * (len(said) + 1) for _ in range(len(gold) + 1)]
    for row, word in enumerate(gold, 1):
        for column, other in enumerate(said, 1):
            lengths[row][column] = (
                lengths[row - 1][column - 1] + 1
                if word == other
                else max(lengths[row - 1][column], lengths[row][column - 1])
            )
    row, column, backwards = len(gold), len(said), []
    while row and column:
        if gold[row - 1] == said[column - 1]:
            backwards.append(gold[row - 1])
            row, column = row - 1, column - 1
        elif lengths[row - 1][column] > lengths[row][column - 1]:
            row -= 1
        else:
            column -= 1
    return tuple(reversed(backwards))
