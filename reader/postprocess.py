"""From logits to answers: the span search over windows, and the decision whether to answer at all.

The conventions are those of the `run_squad` script (Devlin et al.; transformers'
``examples/pytorch/question-answering/utils_qa.py``): a span's score is the sum of its start and end logit, the
null score is the same sum at the CLS token, and the reader abstains when the null score exceeds the best span's
by more than a threshold. What differs is stated where it does: the search looks at *every* span instead of the
twenty best starts by the twenty best ends, and no empty span is ever a candidate.

Numpy only: nothing here needs a model, so that answers can be decided again at another threshold for free.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Span:
    """A candidate answer: ``context[start:end] == text``; score = logit sum; probability among the n-best."""

    start: int
    end: int
    text: str
    score: float
    probability: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What a reader says to one question: its best span, and how that stands against saying nothing.

    ``best`` is None only where the context holds no token a span could be made of. ``alternatives`` are the
    n-best spans, best first, ``best`` included. ``threshold`` is the null_score_diff above which it abstains.
    """

    id: str
    best: Span | None
    null_score: float
    no_answer_probability: float
    threshold: float
    alternatives: tuple[Span, ...] = ()
    windows: int = 1

    @property
    def score(self) -> float:
        """Start logit + end logit of the best span."""
        return self.best.score if self.best else -math.inf

    @property
    def probability(self) -> float:
        """The best span's share of the softmax over the n-best spans and null."""
        return self.best.probability if self.best else 0.0

    @property
    def null_score_diff(self) -> float:
        """Null score − best span's score: the margin by which "no answer" wins (negative: it loses)."""
        return self.null_score - self.score

    @property
    def answered(self) -> bool:
        """Whether the reader answers at its threshold, rather than abstains."""
        return self.best is not None and not self.null_score_diff > self.threshold

    @property
    def text(self) -> str:
        """The answer, or "" where the reader abstains; always ``context[start:end]``."""
        return self.best.text if self.best and self.answered else ""

    @property
    def start(self) -> int:
        """Offset of the answer's first character in the context (code points); 0 where it abstains."""
        return self.best.start if self.best and self.answered else 0

    @property
    def end(self) -> int:
        """Offset after the answer's last character in the context; 0 where it abstains."""
        return self.best.end if self.best and self.answered else 0

    def at_threshold(self, threshold: float) -> Answer:
        """Decide again at another threshold, without the model."""
        return replace(self, threshold=threshold)

    def as_dict(self) -> dict[str, Any]:
        """The answer as plain JSON values; what is infinite (the margin without any span) becomes None."""
        finite = self.best is not None
        return {
            "answer": self.text,
            "start": self.start,
            "end": self.end,
            "answered": self.answered,
            "score": self.score if finite else None,
            "probability": self.probability,
            "null_score": self.null_score,
            "null_score_diff": self.null_score_diff if finite else None,
            "no_answer_probability": self.no_answer_probability,
            "threshold": self.threshold if math.isfinite(self.threshold) else None,
            "alternatives": [
                {
                    "text": span.text,
                    "start": span.start,
                    "end": span.end,
                    "score": span.score,
                    "probability": span.probability,
                }
                for span in self.alternatives
            ],
            "windows": self.windows,
        }


@dataclass(frozen=True, slots=True)
class WindowReading:
    """What one window of a long context says by itself, and the stretch ``context[start:end]`` that it sees.

    ``best``: its best span, with its probability among this window's n-best and null; None where there is none.
    ``won``: whether ``best`` is the answer's best span, and from here (neighbours overlap, so that two windows may
    find the same one).
    """

    index: int
    start: int
    end: int
    best: Span | None
    null_score: float
    won: bool

    @property
    def score(self) -> float:
        """Start logit + end logit of the best span."""
        return self.best.score if self.best else -math.inf

    @property
    def null_score_diff(self) -> float:
        """Null score − best span's score of this window alone."""
        return self.null_score - self.score


@dataclass(frozen=True, slots=True)
class Reading:
    """An answer together with what every window said, in the order of the context."""

    answer: Answer
    windows: tuple[WindowReading, ...]


@dataclass(frozen=True, slots=True)
class WindowSpans:
    """The best spans of one window, best first, as character offsets, with what a decision needs.

    ``starts, ends, scores``: shape (n,), n ≤ n_best. ``log_total`` is the log of the softmax denominators of
    start and end over the window's context tokens and CLS, so that ``exp(score − log_total)`` is the
    probability that the lost question-answering pipeline gave a span. ``start, end``: the stretch of the context
    that the window sees, as character offsets.
    """

    starts: IntArray
    ends: IntArray
    scores: FloatArray
    null_score: float
    log_total: float
    start: int = 0
    end: int = 0


def best_spans(
    start_logits: FloatArray,
    end_logits: FloatArray,
    answerable: BoolArray,
    cls_index: IntArray,
    offsets: Sequence[NDArray[np.int32]],
    *,
    max_answer_length: int,
    n_best: int,
) -> list[WindowSpans]:
    """Search every span of up to ``max_answer_length`` tokens in each window of a batch.

    ``start_logits, end_logits``: (batch, tokens); ``answerable``: (batch, tokens), true at tokens of the
    context; ``cls_index``: (batch,); ``offsets``: per window (tokens, 2) character offsets into the context.
    """
    batch, tokens = start_logits.shape
    width = min(max_answer_length, tokens)
    starts = np.where(answerable, start_logits, -np.inf)
    ends = np.where(answerable, end_logits, -np.inf)
    # candidates[b, i, k] = start logit of token i + end logit of token i + k
    padded = np.pad(ends, ((0, 0), (0, width - 1)), constant_values=-np.inf)
    candidates = starts[:, :, None] + np.lib.stride_tricks.sliding_window_view(padded, width, axis=1)
    flat = candidates.reshape(batch, tokens * width)
    keep = min(n_best, flat.shape[1])
    top = np.argpartition(-flat, keep - 1, axis=1)[:, :keep]
    top_scores = np.take_along_axis(flat, top, axis=1)
    # A stable order: by score, and of equal scores the earlier and shorter span first.
    order = np.lexsort((top, -top_scores), axis=1)
    top = np.take_along_axis(top, order, axis=1)
    top_scores = np.take_along_axis(top_scores, order, axis=1)

    rows = np.arange(batch)
    null_start, null_end = start_logits[rows, cls_index], end_logits[rows, cls_index]
    log_totals = _log_sum_exp(starts, null_start) + _log_sum_exp(ends, null_end)
    found = []
    for row in range(batch):
        real = np.isfinite(top_scores[row])
        first = top[row][real] // width
        last = first + top[row][real] % width
        seen = offsets[row][answerable[row, : len(offsets[row])]]
        seen = seen[seen[:, 0] < seen[:, 1]]  # some tokenizers add tokens that stand for no character
        found.append(
            WindowSpans(
                starts=offsets[row][first, 0].astype(np.int64),
                ends=offsets[row][last, 1].astype(np.int64),
                scores=top_scores[row][real],
                null_score=float(null_start[row] + null_end[row]),
                log_total=float(log_totals[row]),
                start=int(seen[:, 0].min()) if seen.size else 0,
                end=int(seen[:, 1].max()) if seen.size else 0,
            )
        )
    return found


def _log_sum_exp(logits: FloatArray, null: FloatArray) -> FloatArray:
    largest = np.maximum(logits.max(axis=1), null)
    total = np.exp(logits - largest[:, None]).sum(axis=1) + np.exp(null - largest)
    return np.asarray(largest + np.log(total), dtype=np.float32)


def decide(
    example_id: str,
    context: str,
    windows: Iterable[WindowSpans],
    *,
    n_best: int,
    threshold: float,
) -> Answer:
    """Merge the windows of one example into its answer.

    Spans of different windows compete by raw score; the null score is the smallest over the windows, because a
    window that does not hold the answer rightly finds nothing. Spans are trimmed of white space (byte-level BPE
    and SentencePiece tokens include it), hold their last letter's accents, and of two with the same offsets the
    better one stays.
    """
    scores: dict[tuple[int, int], float] = {}
    null_score = math.inf
    count = 0
    for window in windows:
        count += 1
        null_score = min(null_score, window.null_score)
        for start, end, score in zip(window.starts.tolist(), window.ends.tolist(), window.scores.tolist(), strict=True):
            offsets = whole_characters(context, *trim(context, start, end))
            if offsets[0] < offsets[1] and score > scores.get(offsets, -math.inf):
                scores[offsets] = score
    ranked = sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:n_best]
    largest = max([null_score, *(score for _, score in ranked)])
    weights = [math.exp(score - largest) for _, score in ranked]
    null_weight = math.exp(null_score - largest)
    total = sum(weights) + null_weight
    spans = tuple(
        Span(start, end, context[start:end], score, weight / total)
        for ((start, end), score), weight in zip(ranked, weights, strict=True)
    )
    return Answer(
        id=example_id,
        best=spans[0] if spans else None,
        null_score=null_score,
        no_answer_probability=null_weight / total,
        threshold=threshold,
        alternatives=spans,
        windows=count,
    )


def read_each(context: str, windows: Iterable[WindowSpans], answer: Answer, *, n_best: int) -> Reading:
    """What each window would say if it were the whole text, beside the answer that `decide` made of them all."""
    readings: list[WindowReading] = []
    winner = False
    for index, window in enumerate(windows):
        best = decide(answer.id, context, [window], n_best=n_best, threshold=answer.threshold).best
        won = not winner and best is not None and _is_same(best, answer.best)
        winner = winner or won
        readings.append(WindowReading(index, window.start, window.end, best, window.null_score, won))
    return Reading(answer, tuple(readings))


def _is_same(one: Span, other: Span | None) -> bool:
    return other is not None and (one.start, one.end, one.score) == (other.start, other.end, other.score)


def whole_characters(context: str, start: int, end: int) -> tuple[int, int]:
    """Grow a span over the combining marks at its ends: tokenizers that strip accents leave "é" as "e" and a mark."""
    if start >= end:
        return start, end
    while start > 0 and _is_mark(context[start]):
        start -= 1
    while end < len(context) and _is_mark(context[end]):
        end += 1
    return start, end


def _is_mark(character: str) -> bool:
    return character > "\u02ff" and unicodedata.category(character).startswith("M")


def trim(context: str, start: int, end: int) -> tuple[int, int]:
    """Move a span's ends inwards over white space."""
    while start < end and context[start].isspace():
        start += 1
    while end > start and context[end - 1].isspace():
        end -= 1
    return start, end
