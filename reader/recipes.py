"""The two recipes: how a reader is trained, what is wrong with the source article's way, and what may be chosen.

Nothing here needs a model, so that a wrong option is refused before anything is loaded.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from reader.errors import BadUsage

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


def parts_at_half(batch_size: int, parts: int) -> int | None:
    """In how many equal parts a batch is read to hold at most half as many windows at a time; None if that is none."""
    if parts >= batch_size:
        return None
    return next((more for more in range(2 * parts, batch_size) if batch_size % more == 0), batch_size)


ARTICLE_FAULTS = (
    "Warm-up is counted in examples, not in optimizer steps: 39,095 of 16,290. So the learning rate is still "
    "climbing when training ends, at 41.7 % of 2e-5, and never decays.",
    "End positions point one token past the answer, so the trained reader says “10th and 11th centuries gave”.",
    "Contexts over 384 tokens are cut, and an answer in the cut part becomes “unanswerable”.",
    "Everything is padded to 384 tokens, which takes about twice the time.",
)

_MORE_THAN_0 = ("epochs", "max_steps", "learning_rate", "batch_size", "max_seq_length", "evaluations")
_FROM_0 = ("weight_decay", "seed", "doc_stride", "average_last")
_LARGEST_SEED = 2**32 - 1  # numpy's, which the Trainer seeds too


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """What a person may choose; None means: as the recipe says. A choice that cannot be meant raises `BadUsage`."""

    base: str
    data: tuple[str, ...]
    extra_data: tuple[str, ...] = ()
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
    negatives: float = 0.0
    layer_decay: float = 1.0
    dropout: float | None = None
    average_last: int = 0
    teacher: tuple[str, ...] = ()
    assume_unanswerable: float | None = None
    skip_bad: bool = False

    def __post_init__(self) -> None:
        if self.recipe not in RECIPES:
            raise BadUsage(f'There is no recipe "{self.recipe}": expected one of {", ".join(RECIPES)}.')
        for name in _MORE_THAN_0:
            self._require(name, "a number over 0", lambda value: value > 0)
        for name in _FROM_0:
            self._require(name, "a number from 0", lambda value: value >= 0)
        self._require("seed", f"a number up to {_LARGEST_SEED}", lambda value: value <= _LARGEST_SEED)
        self._require("layer_decay", "a number over 0, up to 1", lambda value: 0 < value <= 1)
        self._require("warmup", "a share from 0 to 1", lambda value: 0 <= value <= 1)
        self._require("dropout", "a share from 0, under 1", lambda value: 0 <= value < 1)
        self._require("held_out", "a share from 0 to 0.5", lambda value: 0 <= value <= 0.5)
        self._require("negatives", "a number from 0 to 3", lambda value: 0 <= value <= 3)
        self._require("assume_unanswerable", "a share between 0 and 1", lambda value: 0 < value < 1)
        batch, parts = self.settings.batch_size, self.gradient_accumulation
        if parts < 1 or batch % parts:
            raise BadUsage(
                f"A batch of {batch} windows cannot be read in {parts} equal parts (--batch-size, "
                "--gradient-accumulation)."
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
