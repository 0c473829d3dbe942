"""From examples to features: windows over the context, and where the answer lies in each.

A *feature* is one window: the question, a stretch of the context, and the character offsets of its tokens. A
context longer than the window becomes several features that overlap by ``doc_stride`` tokens (Devlin et al., 2018,
appendix; transformers' ``run_qa.py``). Everything a tokenizer would answer with a panic is checked before it is
called.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reader.errors import BadData, BadReader
from reader.examples import Example

# Position embeddings of these models start after the padding index, so that many fewer tokens fit.
_POSITIONS_AFTER_PADDING = frozenset(
    {"roberta", "xlm-roberta", "camembert", "longformer", "mpnet", "roberta-prelayernorm", "xlm-roberta-xl", "xmod"}
    | {"data2vec-text", "ibert", "lilt", "luke"}
)
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
_CHUNK = 512  # examples tokenized at a time; bounds the memory of offsets held as Python tuples


@dataclass(frozen=True, slots=True)
class Windowing:
    """How a tokenizer cuts question and context into windows.

    ``max_seq_length``: tokens of a window, question and special tokens included; ``doc_stride``: tokens of context
    that neighbouring windows share; ``segments``: whether the model wants ``token_type_ids``.
    """

    tokenizer: Any
    max_seq_length: int
    doc_stride: int
    segments: bool

    @property
    def question_first(self) -> bool:
        """Models padded on the left (XLNet) were fine-tuned with the context first, as in `run_qa.py`."""
        return bool(self.tokenizer.padding_side == "right")


@dataclass(frozen=True, slots=True)
class Feature:
    """One window of one example.

    ``example``: index into the examples given; ``input_ids``, ``token_type_ids`` (or None): (tokens,);
    ``offsets``: (tokens, 2), each token's characters in the context, (0, 0) outside of it; ``answerable``:
    (tokens,), true at the context's tokens; ``cls_index``: where "no answer" points.
    """

    example: int
    input_ids: NDArray[np.int32]
    token_type_ids: NDArray[np.int32] | None
    offsets: NDArray[np.int32]
    answerable: NDArray[np.bool_]
    cls_index: int


@dataclass(frozen=True, slots=True)
class TrainFeature:
    """One window of one example with its labels: the answer's first and last token, or the CLS index for both.

    ``example``: index into the examples given; ``taught``: (2, tokens), the start and end logits of its teachers,
    where it has any.
    """

    example: int
    input_ids: NDArray[np.int32]
    token_type_ids: NDArray[np.int32] | None
    start_position: int
    end_position: int
    taught: NDArray[np.float16] | None = None


def uses_segments(model_config: Any) -> bool:
    """Whether a model tells question from context by ``token_type_ids``.

    Asked of the model, not of the tokenizer: transformers 5's ALBERT and XLNet tokenizers leave them out. XLNet has
    relative segments and no ``type_vocab_size``.
    """
    return model_config.model_type == "xlnet" or getattr(model_config, "type_vocab_size", 0) > 1


def longest_window(model_config: Any) -> int | None:
    """The number of tokens a model has positions for; None where positions are relative without a limit."""
    positions = getattr(model_config, "max_position_embeddings", None)
    if not positions or positions <= 0 or model_config.model_type == "xlnet":
        return None
    if model_config.model_type in _POSITIONS_AFTER_PADDING:
        return int(positions) - int(model_config.pad_token_id) - 1
    return int(positions)


def prepare_validation_features(windowing: Windowing, examples: Sequence[Example]) -> list[Feature]:
    """The windows of each example, in order; every example has at least one.

    Raises `BadData` that names the example where question or context is empty, or where the question leaves the
    windows no room.
    """
    return list(_iterate_features(windowing, examples, cut=False))


def prepare_train_features(windowing: Windowing, examples: Sequence[Example]) -> Iterator[TrainFeature]:
    """The windows of each example with labels that bound exactly the tokens that touch the first gold answer.

    White space at the ends of a gold answer is not part of it: in byte-level BPE and SentencePiece it belongs to the
    next word's token. Unanswerable questions, and windows that do not hold the whole answer, point at CLS.
    """
    pending: list[Feature] = []
    for feature in _iterate_features(windowing, examples, cut=False):
        if pending and pending[0].example != feature.example:
            yield from label_windows(pending, examples[pending[0].example])
            pending = []
        pending.append(feature)
    if pending:
        yield from label_windows(pending, examples[pending[0].example])


def prepare_article_features(windowing: Windowing, examples: Sequence[Example]) -> Iterator[TrainFeature]:
    """The source article's features, faults included: one cut window, an end one token past the answer.

    Contexts over the window are cut, so that an answer in the cut part is labelled "unanswerable"; ``end_position``
    is the token *after* the answer; everything is padded to the window by the collator. Kept for the record and
    for the `article` recipe; unanswerable questions get (0, 0), as its prose says.
    """
    for feature in _iterate_features(windowing, examples, cut=True):
        yield label_as_article(feature, examples[feature.example])


def touching_tokens(feature: Feature, start: int, end: int) -> tuple[int, int] | None:
    """The first and last token of a window that share a character with ``context[start:end]``; None if none."""
    touches = feature.answerable & (feature.offsets[:, 0] < end) & (feature.offsets[:, 1] > start)
    found = np.flatnonzero(touches)
    return (int(found[0]), int(found[-1])) if found.size else None


def label_as_article(cut: Feature, example: Example) -> TrainFeature:
    """The source article's labels of an example's one window, which is its first one."""
    gold = example.answers[:1]
    labels = touching_tokens(cut, gold[0].start, gold[0].start + len(gold[0].text)) if gold else None
    held = labels is not None and cut.offsets[labels[1], 1] >= gold[0].start + len(gold[0].text)
    start, end = (labels[0], labels[1] + 1) if labels is not None and held else (0, 0)
    return TrainFeature(cut.example, cut.input_ids, cut.token_type_ids, start, end)


def label_windows(windows: Sequence[Feature], example: Example) -> Iterator[TrainFeature]:
    """The labels of all windows of one example, as `prepare_train_features` gives them."""
    labels: list[tuple[int, int] | None] = [None] * len(windows)
    if example.answers:
        gold = example.answers[0]
        start = gold.start + len(gold.text) - len(gold.text.lstrip())
        end = start + len(gold.text.strip())
        labels = [touching_tokens(window, start, end) for window in windows]
        reach = [
            (int(window.offsets[label[0], 0]), int(window.offsets[label[1], 1]))
            for window, label in zip(windows, labels, strict=True)
            if label
        ]
        # The answer's own first and last token may lie in different windows: a window is labelled only when it
        # reaches as far to both sides as all windows together do.
        whole = (min(first for first, _ in reach), max(last for _, last in reach)) if reach else None
        labels = [
            label if label and (window.offsets[label[0], 0], window.offsets[label[1], 1]) == whole else None
            for window, label in zip(windows, labels, strict=True)
        ]
    for window, label in zip(windows, labels, strict=True):
        first, last = label or (window.cls_index, window.cls_index)
        yield TrainFeature(window.example, window.input_ids, window.token_type_ids, first, last)


def _iterate_features(windowing: Windowing, examples: Sequence[Example], *, cut: bool) -> Iterator[Feature]:
    for first in range(0, len(examples), _CHUNK):
        chunk = examples[first : first + _CHUNK]
        check_windows(windowing, chunk, stride=0 if cut else windowing.doc_stride)
        questions = [example.question for example in chunk]
        contexts = [example.context for example in chunk]
        first_texts, second_texts = (questions, contexts) if windowing.question_first else (contexts, questions)
        encoded = windowing.tokenizer(
            first_texts,
            second_texts,
            truncation="only_second" if windowing.question_first else "only_first",
            max_length=windowing.max_seq_length,
            stride=0 if cut else windowing.doc_stride,
            padding=False,
            return_overflowing_tokens=not cut,
            return_offsets_mapping=True,
            return_token_type_ids=windowing.segments,
            return_attention_mask=False,
        )
        context_sequence = 1 if windowing.question_first else 0
        owners = encoded["overflow_to_sample_mapping"] if not cut else range(len(chunk))
        for index, owner in enumerate(owners):
            ids = np.asarray(encoded["input_ids"][index], dtype=np.int32)
            sequences = encoded.sequence_ids(index)
            answerable = np.asarray([sequence == context_sequence for sequence in sequences], dtype=np.bool_)
            special = np.asarray([sequence is None for sequence in sequences], dtype=np.bool_)
            offsets = np.asarray(encoded["offset_mapping"][index], dtype=np.int32)
            offsets[~answerable] = 0
            types = np.asarray(encoded["token_type_ids"][index], dtype=np.int32) if windowing.segments else None
            cls_index = _cls_index(ids, special, windowing.tokenizer.cls_token_id)
            yield Feature(first + owner, ids, types, offsets, answerable, cls_index)


def _cls_index(ids: NDArray[np.int32], special: NDArray[np.bool_], cls_token_id: int | None) -> int:
    """First in BERT's order, last in XLNet's; models without the token say "no answer" at their first one.

    ``special``: the tokens that the tokenizer added. A text may hold the letters "[CLS]" too.
    """
    found = np.flatnonzero(special & (ids == cls_token_id)) if cls_token_id is not None else np.empty(0, np.int64)
    return int(found[0]) if found.size else 0


def check_texts(examples: Sequence[Example]) -> None:
    """Refuse texts that are empty, or that no tokenizer takes."""
    for example in examples:
        if not example.question.strip():
            raise BadData(f"{_question(example)} is empty. Write a question.")
        if not example.context.strip():
            raise BadData(f"{_context(example)} is empty. Give a text that could hold the answer.")
        for name, text in ((_question(example), example.question), (_context(example), example.context)):
            if _HALF_CHARACTER.search(text):
                raise BadData(f"{name} holds half of a character (an unpaired surrogate). Mend the text.")


def _question(example: Example) -> str:
    """A question as a sentence's subject; one that was asked alone has no id."""
    return f"Question {example.id}" if example.id else "The question"


def _context(example: Example) -> str:
    return f"The context of question {example.id}" if example.id else "The context"


def check_windows(windowing: Windowing, examples: Sequence[Example], *, stride: int) -> None:
    """Refuse, with a sentence, what the tokenizer would answer with a panic."""
    check_texts(examples)
    questions = windowing.tokenizer(
        [example.question for example in examples],
        add_special_tokens=False,
        truncation=False,
        padding=False,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
    )["input_ids"]
    window = windowing.max_seq_length
    room = window - windowing.tokenizer.num_special_tokens_to_add(pair=True)
    if room <= stride:
        raise BadReader(
            f"A stride of {stride} tokens leaves windows of {window} tokens no room to move. Use a doc_stride "
            f"under {max(room, 1)}, or a longer max_seq_length."
        )
    for example, ids in zip(examples, questions, strict=True):
        if room - len(ids) <= stride:
            raise BadData(
                f"{_question(example)} is {len(ids)} tokens long; windows of {window} tokens with a stride of "
                f"{stride} leave room for {max(room - stride - 1, 0)}. Shorten the question, or use a longer "
                "window (max_seq_length) or a shorter doc_stride."
            )
