"""The two recipes: how a reader is trained, what is wrong with the source article's way, and what may be chosen.

Nothing here needs a model, so that a wrong option is refused before anything is loaded.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from reader.errors import BadUsage, OutOfMemory

if TYPE_CHECKING:
    from reader.predictor import Precision

RecipeName = Literal["corrected", "article"]
SplitBy = Literal["article", "context"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """Settings of a training run.

    ``learning_rate``: peak; ``batch_size``: windows per optimizer step; ``warmup``: share of the optimizer steps;
    ``max_seq_length``, ``doc_stride``: tokens.
    """

    name: RecipeName
    learning_rate: float = 2e-5
    batch_size: int = 24
    epochs: float = 3.0
    weight_decay: float = 0.1
    warmup: float = 0.1
    max_seq_length: int = 384
    doc_stride: int = 128

    def warmup_steps(self, *, examples: int, steps: int) -> int:
        """Optimizer steps until the learning rate has climbed to its peak."""
        if self.name == "article":
            # The article computes int(130319 * 3 * 0.1) from examples and hands it over as steps.
            return int(examples * self.epochs * 0.1)
        return math.ceil(steps * self.warmup)


CORRECTED = Recipe("corrected")
ARTICLE = Recipe("article", doc_stride=0)
RECIPES: dict[RecipeName, Recipe] = {"corrected": CORRECTED, "article": ARTICLE}


def parts_at_half(batch_size: int, parts: int, processes: int = 1) -> int | None:
    """In how many equal parts a batch is read to hold at most half as many windows at a time; None if that is none.

    ``processes`` share each part.
    """
    share = batch_size // processes
    if parts >= share:
        return None
    return next((more for more in range(2 * parts, share) if share % more == 0), share)


def parts_of(batch_size: int, processes: int, at_once: int) -> int:
    """In how few equal parts a batch is read so that each process holds at most ``at_once`` windows at a time."""
    share = batch_size // processes
    return next(parts for parts in range(1, share + 1) if share % parts == 0 and share // parts <= max(at_once, 1))


ARTICLE_FAULTS = (
    "Warm-up is counted in examples, not in optimizer steps: 39,095 of 16,290. So the learning rate is still "
    "climbing when training ends, at 41.7 % of 2e-5, and never decays.",
    "End positions point one token past the answer, so the trained reader says “10th and 11th centuries gave”.",
    "Contexts over 384 tokens are cut, and an answer in the cut part becomes “unanswerable”.",
    "Everything is padded to 384 tokens, which takes about twice the time.",
)

_MORE_THAN_0 = ("epochs", "max_steps", "learning_rate", "batch_size", "max_seq_length", "evaluations", "processes")
_FROM_0 = ("weight_decay", "seed", "doc_stride", "average_last", "patience")
MOST_PROBES = 8  # each is answered, told and shown at every evaluation
# More cannot be meant, and would be prepared for until the memory is full.
_MOST = {
    "max_steps": 10_000_000,
    "epochs": 10_000,
    "batch_size": 65_536,
    "max_seq_length": 100_000,
    "evaluations": 100_000,
    "processes": 1_024,
}
_LARGEST_SEED = 2**32 - 1  # numpy's, which the Trainer seeds too


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """What a person may choose; None means: as the recipe says. A choice that cannot be meant raises `BadUsage`."""

    base: str
    data: tuple[str, ...]
    extra_data: tuple[str, ...] = ()
    cap: tuple[int, ...] = ()  # questions of each of ``data``, or of all alike where there is one number; 0: all
    unanswerable: float | None = None  # share of what is trained on; the kind that is too many is thinned out
    recipe: RecipeName = "corrected"
    epochs: float | None = None
    max_steps: int | None = None
    learning_rate: float | None = None
    batch_size: int | None = None
    gradient_accumulation: int = 1
    warmup: float | None = None
    weight_decay: float | None = None
    seed: int = 42
    max_seq_length: int | None = None
    doc_stride: int | None = None
    precision: Precision | None = None
    held_out: float = 0.05
    held_out_by: SplitBy = "article"
    evaluations: int | None = None
    patience: int = 0  # evaluations in a row without a better F1 that end the run; 0: it never ends early
    probe: tuple[str, ...] = ()  # questions that are answered at each evaluation, from ``probe_text``
    probe_text: str | None = None
    negatives: float = 0.0
    layer_decay: float = 1.0
    dropout: float | None = None
    average_last: int = 0
    teacher: tuple[str, ...] = ()
    assume_unanswerable: float | None = None
    skip_bad: bool = False
    processes: int = 1  # that share each batch

    def __post_init__(self) -> None:
        if self.recipe not in RECIPES:
            raise BadUsage(f'There is no recipe "{self.recipe}": expected one of {", ".join(RECIPES)}.')
        for name in _MORE_THAN_0:
            self._require(name, "a number over 0", lambda value: value > 0)
        for name in _FROM_0:
            self._require(name, "a number from 0", lambda value: value >= 0)
        for name, most in _MOST.items():
            if (getattr(self, name) or 0) > most:
                raise BadUsage(
                    f"--{name.replace('_', '-')} is {getattr(self, name)}; expected a number up to {most:,}."
                )
        self._require("seed", f"a number up to {_LARGEST_SEED}", lambda value: value <= _LARGEST_SEED)
        self._require("layer_decay", "a number over 0, up to 1", lambda value: 0 < value <= 1)
        self._require("warmup", "a share from 0 to 1", lambda value: 0 <= value <= 1)
        self._require("dropout", "a share from 0, under 1", lambda value: 0 <= value < 1)
        self._require("held_out", "a share from 0 to 0.5", lambda value: 0 <= value <= 0.5)
        self._require("negatives", "a number from 0 to 3", lambda value: 0 <= value <= 3)
        self._require("assume_unanswerable", "a share between 0 and 1", lambda value: 0 < value < 1)
        self._require("unanswerable", "a share from 0, under 1", lambda value: 0 <= value < 1)
        if self.recipe == "article" and self.patience:
            raise BadUsage("The article's recipe holds nothing out, so --patience has nothing to go by.")
        if bool(self.probe) != bool(self.probe_text):
            raise BadUsage("Questions to watch need the text they are about: give --probe and --probe-text together.")
        if len(self.probe) > MOST_PROBES:
            raise BadUsage(f"There are {len(self.probe):,} questions to watch; at most {MOST_PROBES} are.")
        if any(most < 0 for most in self.cap) or len(self.cap) not in (0, 1, len(self.data)):
            raise BadUsage(
                f"--cap is given {len(self.cap)} times for {len(self.data)} data sets; expected it once, or once for "
                "each --data in their order, each a number of questions (0: all)."
            )
        if len(set(self.data)) < len(self.data):
            raise BadUsage("A data set is named twice. Name each once; for more of it, train for more epochs.")
        batch, parts = self.settings.batch_size, self.gradient_accumulation
        if parts < 1 or batch % (parts * self.processes):
            how = [f"read in {parts} equal parts"] * (parts != 1) + [f"shared by {self.processes} processes"] * (
                self.processes > 1
            )
            raise BadUsage(
                f"A batch of {batch} windows cannot be {' and '.join(how)}: choose numbers that divide it "
                "(--batch-size, --gradient-accumulation, --processes)."
            )
        if self.recipe == "article" and (self.warmup is not None or self.doc_stride is not None):
            raise BadUsage(
                "The article's recipe has its own way to warm up and cuts contexts instead of striding over them; "
                "--warmup and --doc-stride are for the corrected recipe."
            )

    def _require(self, name: str, expected: str, holds: Callable[[float], bool]) -> None:
        value = getattr(self, name)
        if value is not None and not (math.isfinite(value) and holds(value)):
            raise BadUsage(f"--{name.replace('_', '-')} is {value}; expected {expected}.")

    @property
    def settings(self) -> Recipe:
        """The recipe with what the person chose put over it."""
        names = ("learning_rate", "batch_size", "epochs", "weight_decay", "warmup", "max_seq_length", "doc_stride")
        chosen = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return replace(RECIPES[self.recipe], **chosen)

    @property
    def at_once(self) -> int:
        """The windows that a process holds in its memory at a time."""
        return self.settings.batch_size // (self.gradient_accumulation * self.processes)


def in_smaller_parts(options: TrainOptions) -> TrainOptions:
    """The same batches, with at most half as many windows in the memory at a time."""
    parts = parts_at_half(options.settings.batch_size, options.gradient_accumulation, options.processes)
    if parts is None:
        raise OutOfMemory(
            "The memory is full even with one window at a time. Use a smaller base or a shorter window "
            "(--max-seq-length); what was learned until now is kept."
        )
    return replace(options, gradient_accumulation=parts)


def unlike_the_article(options: TrainOptions) -> list[tuple[str, str, str]]:
    """What a run does in another way than the source article's: (what, this run's way, the article's)."""
    mine, its = options.settings, ARTICLE
    ways = [
        ("learning rate", f"{mine.learning_rate:g}", f"{its.learning_rate:g}"),
        ("batch", f"{mine.batch_size} windows", f"{its.batch_size} windows"),
        (
            "length",
            f"{options.max_steps:,} steps" if options.max_steps else f"{mine.epochs:g} epochs",
            f"{its.epochs:g} epochs",
        ),
        ("weight decay", f"{mine.weight_decay:g}", f"{its.weight_decay:g}"),
        ("window", f"{mine.max_seq_length} tokens", f"{its.max_seq_length} tokens"),
    ]
    if options.recipe != "article":
        ways += [
            ("warm-up", f"{mine.warmup:.0%} of the steps", "counted in examples: it never ends"),
            ("labels", "end with the answer", "end a token late"),
            ("long contexts", f"windows that share {mine.doc_stride} tokens", "cut, the answer with them"),
            ("padding", "to the longest of a batch", "always to the whole window"),
            (
                "held out",
                f"{options.held_out:.0%}, for checkpoint and threshold" if options.held_out else "nothing",
                "nothing",
            ),
        ]
    return [way for way in ways if way[1] != way[2]]
