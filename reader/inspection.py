"""Looking inside a reading: how likely each token is to begin or end the answer, and how a training would label it.

    probabilities = token_probabilities(qa, question, context, window=0)
    inspection = inspect_features(qa, question, context, Gold("1843", 40))
    inspection.corrected.text, inspection.article.text

Both look at one window, so that a book is as quick to look into as a paragraph, but for cutting it into windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from reader.errors import BadData, BadUsage
from reader.examples import Example, Gold
from reader.features import Feature, TrainFeature, Windowing, label_as_article, label_windows
from reader.postprocess import trim

if TYPE_CHECKING:
    from reader.predictor import ExtractiveReader

Part = Literal["question", "context", "special"]


@dataclass(frozen=True, slots=True)
class TokenProbabilities:
    """How likely each context token of a window begins and ends the answer.

    ``start, end``: the stretch of the context that the window sees; ``offsets``: (tokens, 2), each token's characters
    in the context; ``starts, ends``: (tokens,), which with ``null_start`` and ``null_end``, the "no answer" at CLS,
    each sum to 1 (softmax over the window's context tokens and CLS).
    """

    window: int
    start: int
    end: int
    offsets: NDArray[np.int32]
    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    null_start: float
    null_end: float


@dataclass(frozen=True, slots=True)
class Token:
    """One token of a window: its place in it, the tokenizer's own spelling, and what it is a part of.

    ``start, end``: its characters in the context, 0 and 0 outside of it; ``windows``: those that hold it, empty
    outside of the context, where every window has the same.
    """

    index: int
    piece: str
    part: Part
    start: int
    end: int
    windows: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Label:
    """What a recipe teaches about one window: the answer's first and last token, and the text that these bound.

    ``text`` is "" where both point at CLS: "not answerable from this window".
    """

    window: int
    first: int
    last: int
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """A question and context as a model gets them: one window of them token by token, and its labels.

    ``stretches``: the characters of the context that each window sees; ``window``: the one that ``tokens`` are of,
    the first that the corrected recipe teaches an answer in, unless another was asked for; ``null_index``: the token
    in it that "no answer" points at. ``corrected`` and
    ``article`` are None where there is no gold answer; ``article`` is always of window 0, the only one it makes.
    """

    stretches: tuple[tuple[int, int], ...]
    window: int
    tokens: tuple[Token, ...]
    null_index: int
    gold: Gold | None
    corrected: Label | None
    article: Label | None


def token_probabilities(reader: ExtractiveReader, question: str, context: str, window: int) -> TokenProbabilities:
    """Read one window again, for the probabilities of its tokens: one pass of the model over it alone.

    Raises `BadUsage` where there is no such window, `BadData` as reading does.
    """
    features = reader.features(reader.windowing, [Example(id="", question=question, context=context)])
    feature = features[_checked(window, features)]
    logits, answerable = reader.logits([feature])
    found = np.flatnonzero(answerable[0])
    # CLS first, whether it stands first or last.
    candidates = np.concatenate([[feature.cls_index], found])
    starts, ends = (_softmax(each[0][candidates].astype(np.float64)) for each in logits)
    offsets = feature.offsets[found]
    start, end = _stretch(feature)
    return TokenProbabilities(window, start, end, offsets, starts[1:], ends[1:], float(starts[0]), float(ends[0]))


def inspect_features(
    reader: ExtractiveReader, question: str, context: str, gold: Gold | None = None, *, window: int | None = None
) -> Inspection:
    """Cut question and context into the windows that a training would see, with both recipes' labels.

    No pass of the model. Raises `BadData` where the gold answer does not stand where it says, and as reading does;
    `BadUsage` where there is no such window.
    """
    if gold is not None and (not gold.text.strip() or context[gold.start : gold.start + len(gold.text)] != gold.text):
        raise BadData(f'The answer "{gold.text}" does not stand at character {gold.start} of the text.')
    example = Example("", question, context, (gold,) if gold else ())
    features = reader.features(reader.windowing, [example])
    corrected = article = None
    if gold is not None:
        taught = list(label_windows(features, example))
        held = [index for index, (one, its) in enumerate(zip(taught, features, strict=True)) if _answers(one, its)]
        place = held[0] if held else 0
        corrected = _label(place, taught[place], features[place], context)
        article = _label(0, label_as_article(features[0], example), features[0], context)
    shown = _checked(window, features) if window is not None else corrected.window if corrected else 0
    stretches = tuple(_stretch(feature) for feature in features)
    with reader.tokenizing:
        tokens = _tokens(reader.windowing, features[shown], question, stretches)
    return Inspection(stretches, shown, tokens, features[shown].cls_index, gold, corrected, article)


def _checked(window: int, features: Sequence[Feature]) -> int:
    if not 0 <= window < len(features):
        raise BadUsage(f"There is no window {window}: the text has {len(features)}, counted from 0.")
    return window


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    weights = np.exp(logits - logits.max())
    return np.asarray(weights / weights.sum())


def _stretch(feature: Feature) -> tuple[int, int]:
    """The characters of the context that a window sees; tokens that stand for none do not count."""
    seen = feature.offsets[feature.answerable]
    seen = seen[seen[:, 0] < seen[:, 1]]
    return (int(seen[:, 0].min()), int(seen[:, 1].max())) if seen.size else (0, 0)


def _answers(taught: TrainFeature, feature: Feature) -> bool:
    return bool(feature.answerable[taught.start_position])


def _label(window: int, taught: TrainFeature, feature: Feature, context: str) -> Label:
    first, last = taught.start_position, taught.end_position
    if not _answers(taught, feature):
        return Label(window, first, last, 0, 0, "")
    # A token after the window's last one of the context, as the article's labels may point at, has no characters.
    start, end = trim(context, int(feature.offsets[first, 0]), int(feature.offsets[first : last + 1, 1].max()))
    return Label(window, first, last, start, end, context[start:end])


def _tokens(
    windowing: Windowing, feature: Feature, question: str, stretches: Sequence[tuple[int, int]]
) -> tuple[Token, ...]:
    ids: list[int] = feature.input_ids.tolist()
    asked = _question_at(windowing.tokenizer, ids, feature.answerable.tolist(), question)
    tokens = []
    for index, piece in enumerate(windowing.tokenizer.convert_ids_to_tokens(ids)):
        start, end = feature.offsets[index].tolist()
        if feature.answerable[index]:
            holding = tuple(n for n, (first, last) in enumerate(stretches) if first <= start and end <= last)
            tokens.append(Token(index, piece, "context", start, end, holding))
        else:
            tokens.append(Token(index, piece, "question" if index in asked else "special", 0, 0))
    return tuple(tokens)


def _question_at(tokenizer: Any, ids: Sequence[int], answerable: Sequence[bool], question: str) -> range:
    """Where the question's tokens stand. Told by their row, since a question may hold the letters "[SEP]" too."""
    wanted = tokenizer(question, add_special_tokens=False, verbose=False)["input_ids"]
    for first in range(len(ids) - len(wanted) + 1):
        here = range(first, first + len(wanted))
        if list(ids[first : here.stop]) == wanted and not any(answerable[first : here.stop]):
            return here
    return range(0)
