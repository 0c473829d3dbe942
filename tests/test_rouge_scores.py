"""ROUGE against the `rouge` package's known behaviour, cases worked by hand and the article's arithmetic."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest

from reader.rouge_scores import RougeScorer, is_empty, rouge_columns, rouge_means


@pytest.fixture(scope="module")
def scorer() -> RougeScorer:
    return RougeScorer()


@pytest.mark.parametrize(
    ("prediction", "gold", "rouge1", "rouge2", "rougel"),
    [
        ("the Normans", "Normans", (1 / 2, 1, 2 / 3), None, (1 / 2, 1, 2 / 3)),
        ("Normans", "the Normans", (1, 1 / 2, 2 / 3), (0, 0, 0), (1, 1 / 2, 2 / 3)),
        ("3.5", "5.3", (1, 1, 1), (0, 0, 0), (1, 1, 1)),  # split at the stop, compared as sets
        ("Normans", "normans", (0, 0, 0), None, (0, 0, 0)),  # case-sensitive
        ("10th and 11th", "10th and 11th", (1, 1, 1), (1, 1, 1), (1, 1, 1)),
        ("b a c", "a b c", (1, 1, 1), (0, 0, 0), (2 / 3, 2 / 3, 2 / 3)),
        ("x x x", "x", (1, 1, 1), None, (1, 1, 1)),  # sets: a repeated word counts once
    ],
)
def test_one_gold(
    scorer: RougeScorer,
    prediction: str,
    gold: str,
    rouge1: tuple[float, ...],
    rouge2: tuple[float, ...] | None,
    rougel: tuple[float, ...],
) -> None:
    found = scorer.score(prediction, [gold])
    undefined = (math.nan,) * 3
    for kind, expected in (("rouge1", rouge1), ("rouge2", rouge2 or undefined), ("rougeL", rougel)):
        assert [found[f"{kind}_{part}"] for part in "prf"] == pytest.approx(expected, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("nothing", ["", " ", "\n", ".", "...", ". .", ",", "—", "“”", "?!"])
def test_white_space_and_punctuation_count_as_empty(scorer: RougeScorer, nothing: str) -> None:
    assert is_empty(nothing)
    for kind in ("rouge1", "rougeL"):
        assert scorer.score(nothing, [])[f"{kind}_f"] == 1.0
        assert scorer.score("Bonn", [nothing])[f"{kind}_f"] == 0.0
        assert scorer.score(nothing, ["Bonn"])[f"{kind}_f"] == 0.0
    assert math.isnan(scorer.score(nothing, [])["rouge2_f"])


@pytest.mark.parametrize("something", ["a", "0", "½", "é", "漢", "x.", "-1", "π"])
def test_a_letter_or_digit_is_not_empty(something: str) -> None:
    assert not is_empty(something)


def test_a_perfect_answer_scores_exactly_1(scorer: RougeScorer) -> None:
    assert scorer.score("Rollo", ["Rollo"])["rouge1_f"] == 1.0  # 0.999999995 in the package


def test_the_best_gold_by_rouge_1_is_used_for_all_three(scorer: RougeScorer) -> None:
    # "b a" is best by ROUGE-1 (first of two that score 1), so ROUGE-2 is 0 although "a b" would give 1.
    found = scorer.score("a b", ["a", "b a", "a b", "a"])
    assert (found["rouge1_f"], found["rouge2_f"], found["rougeL_f"]) == (1.0, 0.0, 0.5)
    # Rouge-2 is undefined only by the gold that was chosen.
    assert math.isnan(scorer.score("Rollo", ["Rollo", "Rollo the Viking"])["rouge2_f"])


def test_long_texts_skip_rouge_l_only(scorer: RougeScorer) -> None:
    text = " ".join(f"w{n}" for n in range(501))
    found = scorer.score(text, ["w0 w1"])
    assert math.isnan(found["rougeL_f"]) and found["rouge1_r"] == 1.0 and found["rouge2_r"] == 1.0


def test_500_words_on_both_sides_do_not_hit_the_recursion_limit() -> None:
    """In a process of its own, where nothing has raised the limit yet; the first word is all they share."""
    code = (
        "from reader.rouge_scores import RougeScorer\n"
        "a, b = (' '.join(['x'] + [f'{name}{n}' for n in range(499)]) for name in 'ab')\n"
        "print(RougeScorer().score(a, [b])['rougeL_f'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "0.002", done.stderr


def test_normalised_columns_stand_beside_the_raw_ones() -> None:
    columns = rouge_columns(["normans"], [["The Normans"]])
    assert columns["rouge1_f"][0] == 0.0
    assert columns["rouge1_f_normalized"][0] == 1.0
    assert math.isnan(columns["rouge2_f_normalized"][0]) and columns["rouge2_f"][0] == 0.0


def test_what_silence_scores() -> None:
    columns = rouge_columns(["x", "x", "x"], [["Bonn on Rhine"], ["Bonn"], []])
    assert columns["abstain_rouge1"].tolist() == [0.0, 0.0, 1.0]
    assert columns["abstain_rougeL_normalized"].tolist() == [0.0, 0.0, 1.0]
    assert np.isnan(columns["abstain_rouge2"]).tolist() == [False, True, True]


def test_undefined_rouge_2_is_left_out_of_its_mean() -> None:
    columns = rouge_columns(["Rollo", "in the north"], [["Rollo"], ["the north"]])
    means = rouge_means(columns, np.array([True, True]))
    assert means["rouge1"]["count"] == 2 and means["rouge2"]["count"] == 1
    assert means["rouge2"]["p"] == 0.5 and means["rouge2"]["r"] == 1.0
    assert rouge_means(columns, np.array([True, False]))["rouge2"] == {"p": None, "r": None, "f": None, "count": 0}
