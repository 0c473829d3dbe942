"""The recipes' arithmetic, and options that cannot be meant."""

from __future__ import annotations

from typing import Any

import pytest

from reader.errors import BadUsage
from reader.recipes import ARTICLE, ARTICLE_FAULTS, CORRECTED, TrainOptions, parts_at_half


def test_the_article_warms_up_over_its_examples() -> None:
    # SQuAD v2's train split has 130,319 questions: 3 epochs in batches of 24 are 16,290 steps.
    steps = -(-130_319 // 24) * 3
    assert steps == 16_290
    warmup = ARTICLE.warmup_steps(examples=130_319, steps=steps)
    assert warmup == 39_095
    # Linear warm-up reaches (step - 1) / warm-up of the peak at a step; it ends in the middle of its climb.
    assert 100 * (steps - 1) / warmup == pytest.approx(41.7, abs=0.05)


@pytest.mark.parametrize(("steps", "warmup"), [(100, 10), (16_290, 1_629), (1, 1), (15, 2)])
def test_the_corrected_recipe_warms_up_over_a_tenth_of_its_steps(steps: int, warmup: int) -> None:
    assert CORRECTED.warmup_steps(examples=1_000_000, steps=steps) == warmup


def test_both_recipes_have_the_articles_other_numbers() -> None:
    for recipe in (CORRECTED, ARTICLE):
        found = (recipe.learning_rate, recipe.batch_size, recipe.epochs, recipe.weight_decay, recipe.max_seq_length)
        assert found == (2e-5, 24, 3.0, 0.1, 384)
    assert len(ARTICLE_FAULTS) == 4


def test_what_is_chosen_goes_before_the_recipe() -> None:
    asked = TrainOptions("base", ("data",), learning_rate=1e-4, doc_stride=0, warmup=0.0)
    assert asked.settings.learning_rate == 1e-4
    assert asked.settings.doc_stride == 0
    assert asked.settings.warmup_steps(examples=10, steps=10) == 0
    assert asked.settings.epochs == 3.0


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("epochs", 0),
        ("epochs", float("nan")),
        ("max_steps", -1),
        ("learning_rate", float("inf")),
        ("batch_size", 0),
        ("gradient_accumulation", 0),
        ("warmup", 1.5),
        ("weight_decay", -0.1),
        ("seed", -1),
        ("seed", 2**32),
        ("max_seq_length", 0),
        ("doc_stride", -1),
        ("held_out", 0.9),
        ("held_out", float("nan")),
        ("evaluations", 0),
        ("negatives", -1.0),
        ("negatives", 4.0),
        ("layer_decay", 0.0),
        ("layer_decay", 1.1),
        ("dropout", 1.0),
        ("average_last", -1),
        ("assume_unanswerable", 1.0),
    ],
)
def test_a_number_that_cannot_be_meant_is_refused_by_its_name(option: str, value: Any) -> None:
    with pytest.raises(BadUsage, match=f"--{option.replace('_', '-')}"):
        TrainOptions("base", ("data",), **{option: value})


@pytest.mark.parametrize("chosen", [{"gradient_accumulation": 5}, {"batch_size": 8, "gradient_accumulation": 3}])
def test_a_batch_is_read_in_equal_parts_or_not_at_all(chosen: dict[str, int]) -> None:
    with pytest.raises(BadUsage, match="equal parts"):
        TrainOptions("base", ("data",), **chosen)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("batch_size", "parts", "half"),
    [(24, 1, 2), (24, 2, 4), (24, 8, 24), (6, 2, 6), (7, 1, 7), (1, 1, None), (24, 24, None)],
)
def test_half_a_batch_is_the_next_number_of_equal_parts(batch_size: int, parts: int, half: int | None) -> None:
    assert parts_at_half(batch_size, parts) == half


def test_the_articles_recipe_takes_no_warm_up_or_stride_of_anothers() -> None:
    for chosen in ({"warmup": 0.1}, {"doc_stride": 128}):
        with pytest.raises(BadUsage, match="article"):
            TrainOptions("base", ("data",), recipe="article", **chosen)  # type: ignore[arg-type]


def test_an_unknown_recipe_is_answered_with_the_known_ones() -> None:
    with pytest.raises(BadUsage, match="corrected, article"):
        TrainOptions("base", ("data",), recipe="best")  # type: ignore[arg-type]
