"""The question-answering pipeline that transformers had until 5.3, on top of an `ExtractiveReader`.

Same arguments, same defaults, same answers as ``pipeline("question-answering")`` of transformers 4.57: spans compete
by the product of start and end probability *within their window*, and grow to whole words. It differs where that
pipeline was wrong: two candidates with the same offsets are one answer, and their probabilities are not summed (the
sum could pass 1); "no answer" is read at the CLS token wherever it stands.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from reader.errors import BadUsage
from reader.examples import Example
from reader.features import Windowing
from reader.postprocess import WindowSpans

if TYPE_CHECKING:
    from reader.predictor import ExtractiveReader

Found = dict[str, Any]  # {"score": float, "start": int, "end": int, "answer": str}


@dataclass(frozen=True, slots=True)
class _Arguments:
    top_k: int = 1
    doc_stride: int | None = None
    max_answer_len: int = 15
    max_seq_len: int | None = None
    max_question_len: int = 64
    handle_impossible_answer: bool = False
    align_to_words: bool = True

    def __post_init__(self) -> None:
        for name in ("top_k", "max_answer_len", "max_question_len"):
            if getattr(self, name) < 1:
                raise BadUsage(f"{name} is {getattr(self, name)}; it must be at least 1.")


class QuestionAnsweringPipeline:
    """Call it as the lost pipeline was called; see transformers 4.57, ``QuestionAnsweringPipeline``."""

    def __init__(self, reader: ExtractiveReader) -> None:
        self._reader = reader

    def __call__(
        self,
        *args: Any,
        question: str | Sequence[str] | None = None,
        context: str | Sequence[str] | None = None,
        **arguments: Any,
    ) -> Found | list[Found] | list[Found | list[Found]]:
        """Answer one question or many.

        Takes ``question=…, context=…`` (texts or lists of them; one context serves several questions), or a dict
        with these keys, or a list of such dicts. ``arguments``: ``top_k`` 1, ``doc_stride`` 128 (at most half the
        window), ``max_answer_len`` 15 tokens, ``max_seq_len`` 384, ``max_question_len`` 64 (longer questions are
        cut), ``handle_impossible_answer`` False, ``align_to_words`` True. Returns one dict, or a list of them where
        ``top_k`` > 1; for several questions a list of those.
        """
        known = _Arguments.__dataclass_fields__
        for name in arguments:
            if name not in known:
                raise BadUsage(f'The pipeline has no argument "{name}". Known are: {", ".join(known)}.')
        asked = _Arguments(**{name: value for name, value in arguments.items() if value is not None})
        examples, several = _examples(args, question, context)
        answers = self._answer(examples, asked)
        return answers if several else answers[0]

    def _answer(self, examples: Sequence[Example], asked: _Arguments) -> list[Found | list[Found]]:
        windowing = self._windowing(asked)
        with self._reader.tokenizing:
            shortened = [_shorten(windowing, example, asked.max_question_len) for example in examples]
            contexts = {example.context for example in examples} if asked.align_to_words else set()
            words = {context: _Words.of(windowing, context) for context in contexts}
        # Several candidates can grow to the same words, so more are taken than are asked for.
        n_best = asked.top_k * 2 + 10 if asked.align_to_words else asked.top_k
        windows = self._reader.read_windows(windowing, shortened, n_best=n_best, max_answer_length=asked.max_answer_len)
        found: list[Found | list[Found]] = []
        for example, spans in zip(examples, windows, strict=True):
            ranked = _rank(example.context, spans, words.get(example.context), asked)
            found.append(ranked[0] if len(ranked) == 1 else ranked)
        return found

    def _windowing(self, asked: _Arguments) -> Windowing:
        own = self._reader.windowing
        length = min(asked.max_seq_len or 384, self._reader.longest_window or 384)
        stride = min(length // 2, 128) if asked.doc_stride is None else asked.doc_stride
        if stride > length:
            raise BadUsage(f"`doc_stride` ({stride}) is larger than `max_seq_len` ({length}).")
        return replace(own, max_seq_length=length, doc_stride=stride)


def _examples(
    args: Sequence[Any], question: str | Sequence[str] | None, context: str | Sequence[str] | None
) -> tuple[list[Example], bool]:
    """The questions asked, and whether they came as a list."""
    if args:
        given = args[0] if len(args) == 1 else list(args)
        rows = given if isinstance(given, list | tuple) else [given]
        several = isinstance(given, list | tuple)
    else:
        if question is None or context is None:
            raise BadUsage("The pipeline needs question=… and context=…, or a dict with both.")
        several = not isinstance(question, str) or not isinstance(context, str)
        questions = [question] if isinstance(question, str) else list(question)
        contexts = [context] * len(questions) if isinstance(context, str) else list(context)
        if len(questions) != len(contexts):
            raise BadUsage(f"There are {len(questions)} questions and {len(contexts)} contexts; expected as many.")
        rows = [{"question": asked, "context": text} for asked, text in zip(questions, contexts, strict=True)]
    examples = []
    for number, row in enumerate(rows):
        if isinstance(row, Example):
            examples.append(row)
        elif isinstance(row, dict) and isinstance(row.get("question"), str) and isinstance(row.get("context"), str):
            examples.append(Example(str(number), row["question"], row["context"]))
        else:
            raise BadUsage(f"Input {number} has no text under question and context: {row!r:.120}.")
    if not examples:
        raise BadUsage("There is no question to answer: the list is empty.")
    return examples, several


def _shorten(windowing: Windowing, example: Example, limit: int) -> Example:
    if len(example.question) <= limit:  # a token holds a character at least
        return example
    offsets = windowing.tokenizer(example.question, add_special_tokens=False, return_offsets_mapping=True)[
        "offset_mapping"
    ]
    return example if len(offsets) <= limit else replace(example, question=example.question[: offsets[limit - 1][1]])


@dataclass(frozen=True, slots=True)
class _Words:
    """The words of a context as its tokenizer sees them (for BERT: runs of letters or digits, and punctuation)."""

    starts: list[int]
    ends: list[int]

    @staticmethod
    def of(windowing: Windowing, context: str) -> _Words:
        encoded = windowing.tokenizer(context, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        spans: dict[int, tuple[int, int]] = {}
        for word, (start, end) in zip(encoded.word_ids(), encoded["offset_mapping"], strict=True):
            if word is not None and start < end:
                spans[word] = (spans.get(word, (start, end))[0], end)
        ordered = sorted(spans.values())
        return _Words([start for start, _ in ordered], [end for _, end in ordered])

    def around(self, start: int, end: int) -> tuple[int, int]:
        """Grow a span to the words that its first and last character are in."""
        first = max(bisect_right(self.starts, start) - 1, 0)
        last = max(bisect_right(self.starts, end - 1) - 1, 0)
        return min(self.starts[first], start), max(self.ends[last], end)


def _rank(context: str, windows: Iterable[WindowSpans], words: _Words | None, asked: _Arguments) -> list[Found]:
    scores: dict[tuple[int, int], float] = {}
    impossible = 1_000_000.0
    for window in windows:
        impossible = min(impossible, math.exp(window.null_score - window.log_total))
        spans = zip(window.starts.tolist(), window.ends.tolist(), window.scores.tolist(), strict=True)
        for start, end, score in spans:
            place = words.around(start, end) if words else (start, end)
            probability = math.exp(score - window.log_total)
            scores[place] = max(scores.get(place, 0.0), probability)
    found = [
        {"score": score, "start": start, "end": end, "answer": context[start:end]}
        for (start, end), score in scores.items()
    ]
    if asked.handle_impossible_answer:
        found.append({"score": impossible, "start": 0, "end": 0, "answer": ""})
    found.sort(key=lambda one: -float(one["score"]))
    return found[: asked.top_k] or [{"score": 0.0, "start": 0, "end": 0, "answer": ""}]
