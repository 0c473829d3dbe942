"""Hard negatives: unanswerable questions made from answerable ones.

SQuAD v2's own unanswerable questions look as if the text answered them. Two ways to make such questions without an
annotator: *move* a question to the paragraph of the same article that shares the most rare words with it, or *swap*
a name or number in it for another one of its paragraph, or a word for its opposite. Either way the text speaks of the
right things and does not answer. A made question can be answerable by accident; moved ones whose gold answer stands in
the new paragraph are left out.
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from reader.examples import Example
from reader.metrics import normalize_answer

_WORD = re.compile(r"\w+")
# Runs of capitalised words that do not open the question, and numbers: what a swap can replace.
_NAME = re.compile(r"(?<=[\w,] )[A-Z][\w-]+(?: (?:of |the |de |von |van )?[A-Z][\w-]+)*")
_NUMBER = re.compile(r"\b\d[\d,.]*\d\b|\b\d\b")
_OPPOSITES = {
    one: other
    for pair in (
        "first last",
        "most least",
        "more less",
        "largest smallest",
        "highest lowest",
        "before after",
        "oldest newest",
        "north south",
        "east west",
        "northern southern",
        "eastern western",
        "early late",
        "earliest latest",
        "increase decrease",
        "increased decreased",
        "won lost",
        "began ended",
        "start end",
        "best worst",
        "longest shortest",
        "always never",
        "with without",
        "allowed forbidden",
        "accepted rejected",
        "male female",
        "men women",
        "winter summer",
        "high low",
        "large small",
        "old new",
        "above below",
        "inside outside",
        "can cannot",
        "common rare",
        "major minor",
        "positive negative",
        "support oppose",
        "supported opposed",
        "success failure",
    )
    for one, other in (pair.split(), reversed(pair.split()))
}
_OPPOSITE = re.compile(rf"\b(?:{'|'.join(sorted(_OPPOSITES))})\b")
_TRIES = 8


def make_negatives(examples: Sequence[Example], *, share: float, seed: int) -> list[Example]:
    """Make about ``share`` unanswerable questions for each answerable one, half of them moved and half swapped.

    A pure function of its arguments. Fewer are made where an article has one paragraph, or a question neither
    names nor numbers.
    """
    answerable = [example for example in examples if example.answers]
    chosen = random.Random(f"{seed}-order").sample(answerable, len(answerable))
    wanted = round(len(answerable) * share)
    moved = _take(_moved(chosen, examples), wanted - wanted // 2)
    swapped = _take(_swapped(chosen, random.Random(f"{seed}-swap")), wanted - len(moved))
    return [*moved, *swapped]


def _take(questions: Iterator[Example], count: int) -> list[Example]:
    return [question for _, question in zip(range(count), questions, strict=False)]


def _moved(chosen: Sequence[Example], examples: Sequence[Example]) -> Iterator[Example]:
    """Each question with the paragraph of its article that shares the most rare words, and not its answer."""
    articles: dict[str, dict[str, set[str]]] = defaultdict(dict)
    for example in examples:
        if example.title:
            articles[example.title].setdefault(example.context, _words(example.context))
    for example in chosen:
        paragraphs = articles.get(example.title, {})
        if len(paragraphs) < 2:
            continue
        asked = _words(example.question)
        seen = Counter(word for words in paragraphs.values() for word in words & asked)
        answers = {normalize_answer(gold.text) for gold in example.answers}
        rarity = {word: math.log(1 + len(paragraphs) / count) for word, count in seen.items()}
        ranked = sorted(
            (context for context in paragraphs if context != example.context),
            # The context itself breaks ties, so that the order does not hang on the hash of words.
            key=lambda context: (-sum(sorted(rarity[word] for word in paragraphs[context] & asked)), context),
        )
        for context in ranked[:_TRIES]:
            said = f" {normalize_answer(context)} "
            if not any(f" {answer} " in said for answer in answers if answer):
                yield replace(example, id=f"{example.id}-moved", context=context, answers=())
                break


def _swapped(chosen: Sequence[Example], rng: random.Random) -> Iterator[Example]:
    """Each question with a name or number of it replaced by another one of its paragraph, or a word by its opposite."""
    for example in chosen:
        changes = [
            (match, other)
            for pattern in (_NAME, _NUMBER)
            for match in pattern.finditer(example.question)
            for other in _others(pattern, example)
        ]
        turned = [(match, _OPPOSITES[match.group()]) for match in _OPPOSITE.finditer(example.question)]
        if turned and (not changes or rng.random() < 0.5):
            changes = turned
        if changes:
            match, other = rng.choice(changes)
            question = example.question[: match.start()] + other + example.question[match.end() :]
            yield replace(example, id=f"{example.id}-swapped", question=question, answers=())


def _others(pattern: re.Pattern[str], example: Example) -> list[str]:
    """What of the same kind stands in the paragraph, but shares no word with the question."""
    others = {match.group() for match in pattern.finditer(example.context)}
    words = _words(example.question)
    return sorted(other for other in others if not _words(other) & words and other[-1] != ".")


def _words(text: str) -> set[str]:
    return {word for word in _WORD.findall(text.lower()) if len(word) > 2 or word.isdigit()}
