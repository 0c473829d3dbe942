"""The two recipes: how a reader is trained, and what is wrong with the source article's way."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

RecipeName = Literal["corrected", "article"]


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

ARTICLE_FAULTS = (
    "Warm-up is counted in examples, not in optimizer steps: 39,095 of 16,290. So the learning rate is still "
    "climbing when training ends, at 41.7 % of 2e-5, and never decays.",
    "End positions point one token past the answer, so the trained reader says “10th and 11th centuries gave”.",
    "Contexts over 384 tokens are cut, and an answer in the cut part becomes “unanswerable”.",
    "Everything is padded to 384 tokens, which takes about twice the time.",
)
