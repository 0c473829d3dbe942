"""The question-answering pipeline that transformers had until 5.3, on top of an `ExtractiveReader`.

Same arguments, same defaults, same answers as ``pipeline("question-answering")`` of transformers 4.57: spans compete
by the product of start and end probability *within their window*, grow to whole words, and candidates that say the
same (but for upper and lower case) are one, ranked by the sum of their probabilities and found where the first of
them stood. Four things differ:

- ``score`` is the largest probability of a single candidate, not that sum, which could pass 1. So in a list the
  scores need not fall; its order is the lost pipeline's.
- "No answer" is read at the CLS token wherever it stands. The lost pipeline read it at the first token, and masked
  that, which for XLNet is the first token of the context.
- A word that a window cuts is still a whole word.
- A question or context without a letter is refused with a sentence.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from reader.errors import BadUsage
from reader.examples import Example
from reader.features import Windowing, check_texts
from reader.postprocess import WindowSpans
from reader.predictor import chunks

if TYPE_CHECKING:
    from reader.predictor import ExtractiveReader

Found = dict[str, Any]  # {"score": float, "start": int, "end": int, "answer": str}


@dataclass(frozen=True, slots=True)
class _Arguments:
    top_k: int = 1
    doc_stride: int | None = None
    max_answer_len: int = 15
    max_seq_len: int | None = None
    # transformers said 64 and never cut: the limit reached its slow tokenizers only.
    max_question_len: int | None = None
    handle_impossible_answer: bool = False
    align_to_words: bool = True

    def __post_init__(self) -> None:
        for name in ("top_k", "max_answer_len", "max_seq_len", "max_question_len"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise BadUsage(f"{name} is {value}; it must be at least 1.")


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

        Takes ``question=…, context=…`` (texts or lists of them; one context serves several questions), or the two
        texts in this order, or a dict with these keys, or dicts in a list or other iterable. ``arguments``:
        ``top_k`` 1, ``doc_stride`` 128 (at most half the window), ``max_answer_len`` 15 tokens, ``max_seq_len`` 384,
        ``max_question_len`` (longer questions are cut to it; default: none is cut), ``handle_impossible_answer``
        False, ``align_to_words`` True.

        Returns one dict, or a list of them where there is more than one of at most ``top_k`` answers; for several
        questions a list of those. A list of one question counts as one question, as it did in transformers.
        Raises `BadUsage` for arguments that cannot be meant, `BadData` for a question or context that is empty.
        """
        known = _Arguments.__dataclass_fields__
        for name in arguments:
            if name not in known:
                raise BadUsage(f'The pipeline has no argument "{name}". Known are: {", ".join(known)}.')
        asked = _Arguments(**{name: value for name, value in arguments.items() if value is not None})
        examples = _examples(args, question, context)
        answers = [found for chunk in chunks(examples) for found in self._answer(chunk, asked)]
        return answers if len(answers) > 1 else answers[0]

    def _answer(self, examples: Sequence[Example], asked: _Arguments) -> list[Found | list[Found]]:
        windowing = self._windowing(asked)
        check_texts(examples)
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
        # A tokenizer that knows no limit says 1e30.
        length = asked.max_seq_len or min(own.tokenizer.model_max_length, 384)
        length = min(length, self._reader.longest_window or length)
        stride = min(length // 2, 128) if asked.doc_stride is None else asked.doc_stride
        if not 0 <= stride <= length:
            raise BadUsage(f"doc_stride is {stride}; expected a number from 0 to max_seq_len ({length}).")
        return replace(own, max_seq_length=length, doc_stride=stride)


def _examples(
    args: Sequence[Any], question: str | Sequence[str] | None, context: str | Sequence[str] | None
) -> list[Example]:
    if len(args) == 2 and all(isinstance(text, str) for text in args):
        question, context = args
    elif args:
        given = args[0] if len(args) == 1 else args
        return _from_rows([given] if isinstance(given, dict | str | Example) else given)
    if question is None or context is None:
        raise BadUsage("The pipeline needs question=… and context=…, or a dict with both.")
    questions = [question] if isinstance(question, str) else list(question)
    contexts = [context] * len(questions) if isinstance(context, str) else list(context)
    if len(questions) != len(contexts):
        raise BadUsage(f"There are {len(questions)} questions and {len(contexts)} contexts; expected as many.")
    return _from_rows({"question": asked, "context": text} for asked, text in zip(questions, contexts, strict=True))


def _from_rows(rows: Any) -> list[Example]:
    if not isinstance(rows, Iterable):
        raise BadUsage(f"The pipeline takes a dict with question and context, or several; found {rows!r:.120}.")
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
    return examples


def _shorten(windowing: Windowing, example: Example, limit: int | None) -> Example:
    if limit is None:
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
        if not self.starts:
            return start, end
        first = max(bisect_right(self.starts, start) - 1, 0)
        last = max(bisect_right(self.starts, end - 1) - 1, 0)
        return min(self.starts[first], start), max(self.ends[last], end)


def _rank(context: str, windows: Iterable[WindowSpans], words: _Words | None, asked: _Arguments) -> list[Found]:
    # By lower-cased text: where it stood first (in the order of windows, then of probability), the largest
    # probability of one candidate, and the sum by which the lost pipeline ranked.
    places: dict[str, tuple[int, int]] = {}
    largest: dict[str, float] = {}
    total: dict[str, float] = {}
    impossible = 1_000_000.0
    for window in windows:
        impossible = min(impossible, math.exp(window.null_score - window.log_total))
        spans = zip(window.starts.tolist(), window.ends.tolist(), window.scores.tolist(), strict=True)
        for start, end, score in spans:
            place = words.around(start, end) if words else (start, end)
            probability = math.exp(score - window.log_total)
            text = context[slice(*place)].lower()
            places.setdefault(text, place)
            largest[text] = max(largest.get(text, 0.0), probability)
            total[text] = total.get(text, 0.0) + probability
    ranked: list[tuple[float, Found]] = [
        (total[text], {"score": largest[text], "start": start, "end": end, "answer": context[start:end]})
        for text, (start, end) in places.items()
    ]
    if asked.handle_impossible_answer:
        ranked.append((impossible, {"score": impossible, "start": 0, "end": 0, "answer": ""}))
    ranked.sort(key=lambda one: -one[0])
    return [found for _, found in ranked[: asked.top_k]] or [{"score": 0.0, "start": 0, "end": 0, "answer": ""}]
