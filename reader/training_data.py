"""What a training run learns from, and the part of it that is held out to choose checkpoint and threshold."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reader.errors import BadUsage
from reader.examples import Example, ExampleSet, fingerprint, load_examples
from reader.negatives import make_negatives
from reader.recipes import SplitBy

_MAX_HELD_OUT = 2_500  # questions; more would cost time at every evaluation and tell no more
PROBES = 3  # questions to watch, where nobody chose any
_MEGA_BATCHES = 50  # batches sorted by length together: close lengths, and still a random order


@dataclass(frozen=True, slots=True)
class TrainingData:
    """``train`` and ``held_out`` share no article (or no context, where there are no titles).

    ``sets`` are the sources as loaded, ``negatives`` counts the questions that were made.
    """

    sets: tuple[ExampleSet, ...]
    train: list[Example]
    held_out: list[Example]
    negatives: int


def load_training_data(
    sources: Sequence[str],
    extra: Sequence[str] = (),
    *,
    caps: Sequence[int] = (),
    held_out: float,
    by: SplitBy = "article",
    negatives: float,
    unanswerable: float | None = None,
    seed: int,
    skip_bad: bool = False,
) -> TrainingData:
    """Load the data sets, hold a share of the questions out, and make hard negatives of what is left.

    ``extra`` sources are trained on but never held out, so that checkpoint and threshold are chosen for questions
    like those of ``sources``. ``caps``: questions to take of each of the sources, or one number for all of them (0:
    all); ``held_out``: share of the sources' questions in [0, 0.5]; ``negatives``: questions to make per answerable
    one; ``unanswerable``: share to keep of what is trained on, made ones included.
    """
    most = [*(caps if len(caps) > 1 else [*caps, 0][:1] * len(sources)), *[0] * len(extra)]
    sets = tuple(
        capped(load_examples(source, skip_bad=skip_bad), count)
        for source, count in zip((*sources, *extra), most, strict=True)
    )
    examples = [example for each in sets[: len(sources)] for example in each.examples]
    train, held = split_held_out(examples, share=held_out, by=by)
    contexts = {example.context for example in held}
    titles = {example.title for example in held if example.title} if by == "article" else set()
    train += [
        example
        for each in sets[len(sources) :]
        for example in each.examples
        if example.context not in contexts and example.title not in titles
    ]
    made = make_negatives(train, share=negatives, seed=seed) if negatives else []
    trained_on = [*train, *made]
    if unanswerable is not None:
        trained_on = with_share(trained_on, unanswerable)
    return TrainingData(sets, trained_on, held, len(made))


def capped(data: ExampleSet, most: int) -> ExampleSet:
    """So many questions of a set, in their order; all where ``most`` is 0. Drawn by a hash, so always the same ones."""
    if not most or len(data.examples) <= most:
        return data
    examples = _thinned(data.examples, most)
    source = f"{data.source} ({most:,} of {len(data.examples):,})"
    return ExampleSet(source, examples, fingerprint(examples), data.skipped)


def with_share(examples: Sequence[Example], share: float) -> list[Example]:
    """As many examples as there can be with this share of unanswerable ones in [0, 1); their order stays."""
    answerable = [example for example in examples if example.answers]
    others = [example for example in examples if not example.answers]
    if share and not others:
        raise BadUsage(
            f"A share of {share:.0%} unanswerable questions was asked for, and the data hold none. Add such questions, "
            "or have some made (--negatives)."
        )
    most = round(len(answerable) * share / (1 - share))
    if len(others) > most:
        others = _thinned(others, most)
    elif share:
        answerable = _thinned(answerable, round(len(others) * (1 - share) / share))
    if not answerable:
        raise BadUsage(f"With a share of {share:.0%} unanswerable questions no answerable one is left to learn from.")
    kept = {id(example) for example in (*answerable, *others)}
    return [example for example in examples if id(example) in kept]


def pick_probes(data: TrainingData) -> list[Example]:
    """Three questions to watch: two that have an answer and one that has none, where there are such; held-out ones."""
    seen: set[str] = set()
    picked: list[Example] = []
    examples = sorted(data.held_out or data.train, key=_drawn_by)
    for wanted, many in ((False, 2), (True, 1), (False, 1)):
        for example in examples:
            if example.is_impossible == wanted and example.context not in seen and many and len(picked) < PROBES:
                picked.append(example)
                seen.add(example.context)
                many -= 1
    return picked


def _thinned(examples: Sequence[Example], count: int) -> list[Example]:
    """``count`` of the examples, drawn by a hash, in their order."""
    drawn = sorted(range(len(examples)), key=lambda index: _drawn_by(examples[index]))[:count]
    return [examples[index] for index in sorted(drawn)]


def _drawn_by(example: Example) -> bytes:
    return hashlib.sha256(f"{example.id}\n{example.question}".encode("utf-8", "replace")).digest()


def split_held_out(
    examples: Sequence[Example], *, share: float, by: SplitBy = "article"
) -> tuple[list[Example], list[Example]]:
    """Split into (train, held out) by article, or by context where articles are few or missing; never by question.

    Groups are drawn by a hash of their name, so that the split hangs neither on the order of the examples nor on a
    seed: readers of several seeds are measured on the same questions, and none of them has taught another what the
    other is measured on. Nothing is held out of a single context.
    """
    wanted = min(round(len(examples) * share), _MAX_HELD_OUT)
    if not wanted:
        return list(examples), []
    articles = [(example.title if by == "article" else "") or example.context for example in examples]
    for groups in (articles, [example.context for example in examples]):
        drawn = _draw(groups, wanted)
        # All of a context goes with it, also where another article has it too.
        contexts = {example.context for example, group in zip(examples, groups, strict=True) if group in drawn}
        held = [example for example in examples if example.context in contexts]
        train = [example for example in examples if example.context not in contexts]
        if held and train and len(held) <= 2 * wanted:
            return train, held
    return list(examples), []


def _draw(groups: Sequence[str], wanted: int) -> set[str]:
    """Draw groups until about ``wanted`` examples are in them; a group that would double what is wanted is passed."""
    sizes = Counter(groups)
    drawn: set[str] = set()
    count = 0
    for name in sorted(sizes, key=lambda name: hashlib.sha256(name.encode()).digest()):
        if count < wanted and count + sizes[name] <= 2 * wanted and len(drawn) < len(sizes) - 1:
            drawn.add(name)
            count += sizes[name]
    return drawn


def training_order(
    lengths: NDArray[np.int64], *, count: int, batch_size: int, seed: int, by_length: bool
) -> NDArray[np.int64]:
    """The order in which features are seen: indices of shape (count,); a pure function of seed and epoch.

    Every epoch is a permutation of its own, so that a longer run begins as a shorter one. With ``by_length``
    neighbours are of about equal length, so that little is padded, and batches come in random order.
    """
    epochs = range(-(-count // len(lengths)))
    return np.concatenate([_epoch_order(lengths, batch_size, seed, epoch, by_length) for epoch in epochs])[:count]


def _epoch_order(
    lengths: NDArray[np.int64], batch_size: int, seed: int, epoch: int, by_length: bool
) -> NDArray[np.int64]:
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(lengths))
    if not by_length:
        return order
    # The first ones fill up the batch that the epoch before has begun; the last ones begin the next epoch's.
    first = min(-epoch * len(lengths) % batch_size, len(order))
    last = first + (len(order) - first) // batch_size * batch_size
    pieces = [order[:first]]
    for begin in range(first, last, batch_size * _MEGA_BATCHES):
        mega = order[begin : min(begin + batch_size * _MEGA_BATCHES, last)]
        batches = mega[np.argsort(-lengths[mega], kind="stable")].reshape(-1, batch_size)
        pieces.append(batches[rng.permutation(len(batches))].ravel())
    return np.concatenate([*pieces, order[last:]])
