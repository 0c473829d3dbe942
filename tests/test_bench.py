"""Two typed texts, explained: the same figures as everywhere, and n-grams that make exactly these figures."""

from __future__ import annotations

import math
import random
import subprocess
import sys

import pytest

from reader.bench import Compared, Rouge, explain, longest_common, sentences
from reader.metrics import exact_and_f1
from reader.rouge_scores import KINDS, RougeScorer

NOTHING = ["", " ", ".", ". .", ",", "—", "the", "The."]
TEXTS = [
    *NOTHING,
    "Normans", "normans", "the Normans", "3.5", "5.3", "3. ", "U.S. Army", ".a", "a..b", "x x x", "b a c", "a b c",
    "Émile Zola", "ÉMILE", "漢 字", "שלום עולם", "مرحبا. بالعالم", "👩‍🚀 went up", "👩‍🚀", "“10th”",
    "10th\u00a0and\n11th", "\u202eabc", "e\u0301", "one. two one. three", "two one. one three",
]  # fmt: skip


def words(*texts: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(text.split(" ")) for text in texts)


def rouge(of: Compared) -> dict[str, Rouge]:
    return dict(zip(KINDS, of.rouge, strict=True))


def assert_agrees(said: str, gold: str, scorer: RougeScorer) -> None:
    """The figures are the library's own, and the sets of n-grams make them to the last digit."""
    explained = explain(said, gold)
    squad = explained.squad
    assert (squad.exact, squad.f1) == exact_and_f1(said, [gold])
    if squad.said and squad.gold:
        precision, recall = len(squad.shared) / len(squad.said), len(squad.shared) / len(squad.gold)
        assert squad.f1 == (2 * precision * recall / (precision + recall) if squad.shared else 0.0)
    for compared in (explained.raw, explained.normalized):
        scores = scorer.score(compared.said, [compared.gold])
        for kind, found in rouge(compared).items():
            figures = (found.precision, found.recall, found.f)
            expected = tuple(scores[f"{kind}_{part}"] for part in "prf")
            assert figures == expected or not found.defined
            assert found.defined is not math.isnan(expected[2])
            if found.defined and found.rule != "both empty":
                shared = len(found.shared)
                assert found.precision == (shared / len(found.said) if found.said else 0.0), (said, gold, kind)
                assert found.recall == (shared / len(found.gold) if found.gold else 0.0), (said, gold, kind)


def test_every_figure_is_the_librarys_and_comes_of_the_n_grams_shown() -> None:
    scorer = RougeScorer()
    for said in TEXTS:
        for gold in TEXTS:
            assert_agrees(said, gold, scorer)


def test_random_texts_agree_too() -> None:
    chance, scorer = random.Random(7), RougeScorer()
    pieces = ["a", "b", "c", "A", "the", "é", "漢", "🙂", "א", "3", ",", ".", ".", " ", " ", " ", "\n", "\u00a0", "—"]
    for _ in range(200):
        said, gold = ("".join(chance.choices(pieces, k=chance.randrange(14))) for _ in "xy")
        assert_agrees(said, gold, scorer)


def test_the_article_of_the_normans_counts_for_rouge_and_not_for_squad() -> None:
    explained = explain("the Normans", "Normans")
    assert (explained.squad.exact, explained.squad.f1, explained.squad.said) == (1.0, 1.0, ("normans",))
    first = rouge(explained.raw)["rouge1"]
    assert (first.said, first.gold, first.shared) == (words("the", "Normans"), words("Normans"), words("Normans"))
    assert (first.precision, first.recall, first.f) == (0.5, 1.0, 2 / 3)
    assert [found.f for found in explained.normalized.rouge][::2] == [1.0, 1.0]


def test_a_number_read_backwards_is_perfect_for_rouge_1() -> None:
    explained = explain("3.5", "5.3")
    found = rouge(explained.raw)
    assert (found["rouge1"].f, found["rouge1"].said, found["rouge1"].gold) == (1.0, words("3", "5"), words("5", "3"))
    assert (found["rouge2"].f, found["rouge2"].said, found["rouge2"].gold) == (0.0, words("3 5"), words("5 3"))
    assert found["rougeL"].f == 1.0 and found["rougeL"].common == words("5", "3"), "each sentence has a partner"
    assert (explained.squad.said, explained.squad.gold, explained.squad.f1) == (("35",), ("53",), 0.0)


def test_case_separates_words_for_rouge_only() -> None:
    explained = explain("Normans", "normans")
    assert rouge(explained.raw)["rouge1"].f == 0.0 and rouge(explained.raw)["rouge1"].shared == ()
    assert explained.squad.exact == 1.0 and rouge(explained.normalized)["rouge1"].f == 1.0


@pytest.mark.parametrize("nothing", ["", " ", ".", ". ,", "—"])
def test_nothing_against_nothing_is_1_and_against_something_0(nothing: str) -> None:
    both, one = (rouge(explain(nothing, gold).raw) for gold in ("", "Bonn on Rhine"))
    assert [(both[kind].f, both[kind].rule, both[kind].said) for kind in ("rouge1", "rougeL")] == [
        (1.0, "both empty", ())
    ] * 2
    assert both["rouge2"].rule == "gold too short" and not both["rouge2"].defined
    assert [(found.f, found.rule, found.said) for found in one.values()] == [(0.0, "one empty", ())] * 3
    assert one["rouge2"].gold == words("Bonn on", "on Rhine")


def test_rouge_2_hangs_on_the_gold_alone() -> None:
    assert rouge(explain("Rollo the Viking", "Rollo").raw)["rouge2"].rule == "gold too short"
    assert rouge(explain("Rollo", "Rollo the Viking").raw)["rouge2"].f == 0.0


def test_600_words_skip_rouge_l_only() -> None:
    text = " ".join(f"w{number}" for number in range(600))
    found = rouge(explain(text, "w0 w1").raw)
    assert (found["rougeL"].rule, found["rougeL"].defined, found["rougeL"].said) == ("too long", False, ())
    assert len(found["rouge1"].said) == 600 and found["rouge2"].recall == 1.0


def test_rouge_l_takes_the_words_that_keep_their_order() -> None:
    found = rouge(explain("b a c", "a b c").raw)["rougeL"]
    assert (len(found.shared), found.common) == (2, words("b c")), "a c is as long; the package takes b c"
    assert found.f == pytest.approx(2 / 3)


def test_of_equal_subsequences_it_is_the_packages_own() -> None:
    from rouge import rouge_score

    chance = random.Random(3)
    for _ in range(300):
        gold, said = (tuple(chance.choices("abcd", k=chance.randrange(1, 9))) for _ in "xy")
        package = rouge_score._recon_lcs(list(gold), list(said), exclusive=False)
        assert list(longest_common(gold, said)) == package._ngrams


def test_white_space_after_the_last_full_stop_is_an_empty_word() -> None:
    assert sentences("Rollo. ") == (("Rollo",), ("",)) and sentences("Rollo.") == (("Rollo",),)
    assert rouge(explain("Rollo. ", "Rollo").raw)["rouge1"].precision == 0.5


def test_a_repeated_word_counts_once_for_rouge_and_each_time_for_f1() -> None:
    explained = explain("so so", "so")
    assert rouge(explained.raw)["rouge1"].f == 1.0
    assert explained.squad == type(explained.squad)(("so", "so"), ("so",), ("so",), 0.0, 2 / 3)


def test_the_normalised_texts_are_squads() -> None:
    explained = explain("The U.S. Army!", "a us army")
    assert (explained.normalized.said, explained.normalized.gold) == ("us army", "us army")
    assert explained.squad.exact == 1.0


def test_it_loads_neither_torch_nor_rouge_before_it_is_asked() -> None:
    script = (
        "import sys, reader.bench; print([name for name in ('torch', 'transformers', 'rouge') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
