"""Exact match and F1 against the official figures and against cases worked by hand."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest

from reader import metrics
from reader.metrics import Judged, exact_and_f1, judge, normalize_answer, official_metrics


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("The Normans", "normans"),
        ("a  an\tthe\nduke", "duke"),
        ("U.S.", "us"),
        ("the-Norman", "thenorman"),  # punctuation goes before articles are looked for
        ("“Paris”", "“paris”"),  # only ASCII punctuation is removed
        ("the", ""),
        (" . ", ""),
        ("10\u00a0km", "10 km"),
        ("thé", "thé"),
    ],
)
def test_normalization(text: str, normal: str) -> None:
    assert normalize_answer(text) == normal


@pytest.mark.parametrize(
    ("prediction", "golds", "exact", "f1"),
    [
        ("Normans", ["the Normans"], 1, 1),
        ("10th century", ["10th and 11th centuries", "10th"], 0, 2 / 3),  # p 1/2, r 1 against the second
        ("in the 10th", ["10th and 11th centuries"], 0, 1 / 3),  # common 1 of 2 said and of 4 gold words
        ("Bonn Bonn", ["Bonn"], 0, 2 / 3),  # a word counts as often as both have it
        ("Berlin", ["Bonn"], 0, 0),
        ("", [], 1, 1),
        ("Bonn", [], 0, 0),
        ("", ["Bonn"], 0, 0),
        ("", ["the", "."], 1, 1),  # no gold is left after normalisation: nothing is right
        ("the", [], 1, 1),  # and a prediction that is nothing counts as nothing
        ("", ["the", "Bonn"], 0, 0),  # the empty gold is dropped, Bonn stays
        ("B A", ["a b", "b c"], 1, 1),
    ],
)
def test_exact_and_f1_of_one_question(prediction: str, golds: list[str], exact: float, f1: float) -> None:
    assert exact_and_f1(prediction, golds) == (exact, pytest.approx(f1, abs=1e-15))


def _four() -> Judged:
    """Right, half right, rightly silent, falsely answering: EM 50, F1 (1 + 2/3 + 1 + 0) / 4."""
    return judge(["Bonn", "Bonn Rhine", "", "Bonn"], [["Bonn"], ["Bonn"], [], []])


def test_official_keys_and_values() -> None:
    assert official_metrics(_four()) == {
        "exact": 50.0,
        "f1": pytest.approx(100 * (1 + 2 / 3 + 1) / 4),
        "total": 4,
        "HasAns_exact": 50.0,
        "HasAns_f1": pytest.approx(100 * (1 + 2 / 3) / 2),
        "HasAns_total": 2,
        "NoAns_exact": 50.0,
        "NoAns_f1": 50.0,
        "NoAns_total": 2,
    }


def test_groups_appear_only_when_there_are_such_questions() -> None:
    assert not any(key.startswith("NoAns") for key in official_metrics(judge(["x"], [["x"]])))
    assert not any(key.startswith("HasAns") for key in official_metrics(judge([""], [[]])))


def test_a_threshold_makes_the_reader_abstain_only_above_it() -> None:
    odds = np.array([0.0, 1.0, 1.0, 1.5])
    kept = official_metrics(_four(), odds)  # the script's threshold is 1.0
    assert kept["NoAns_exact"] == 100.0 and kept["HasAns_exact"] == 50.0
    stricter = official_metrics(_four(), odds, 0.5)
    assert stricter["HasAns_f1"] == 50.0 and stricter["NoAns_f1"] == 100.0
    silent = official_metrics(_four(), odds, -1)
    assert (silent["exact"], silent["HasAns_exact"]) == (50.0, 0.0)


def test_abstaining_scores_0_where_there_are_golds_even_if_they_are_nothing() -> None:
    only_articles = judge([""], [["the"]])
    assert official_metrics(only_articles)["HasAns_exact"] == 100.0
    assert official_metrics(only_articles, np.array([2.0]))["HasAns_exact"] == 0.0


def test_best_threshold_found_by_hand() -> None:
    # By rising odds: right (+1), false answer (−1), half right (+2/3), silent already (0).
    judged, odds = _four(), np.array([-3.0, 0.5, 9.0, -1.0])
    found = official_metrics(judged, odds)
    assert found["best_exact"] == 75.0 and found["best_exact_thresh"] == -3.0
    assert found["best_f1"] == 75.0 and found["best_f1_thresh"] == -3.0
    later = official_metrics(judged, np.array([-3.0, -2.0, 9.0, -1.0]))
    assert later["best_f1"] == pytest.approx(100 * (2 + 1 + 2 / 3) / 4) and later["best_f1_thresh"] == -2.0


def test_best_threshold_is_0_where_silence_is_best_and_ties_go_in_file_order() -> None:
    wrong = judge(["x", "y"], [[], []])
    assert metrics.best_threshold(wrong, wrong.f1, np.array([-5.0, -6.0])) == (100.0, 0.0)
    pair = judge(["x", "y"], [["x"], []])
    tied = np.array([2.0, 2.0])
    assert metrics.best_threshold(pair, pair.f1, tied) == (100.0, 2.0)
    assert metrics.best_threshold(pair, pair.f1, tied, order=np.array([1, 0])) == (50.0, 0.0)


def test_the_sweep_punishes_a_said_nothing_as_the_script_does() -> None:
    # "the" is right where there is no answer (it normalises to ""), yet it is something said: −1 in the sweep.
    article = judge(["the", "x"], [[], ["x"]])
    assert official_metrics(article, np.array([0.0, 1.0]), 5.0) == {
        "exact": 100.0,
        "f1": 100.0,
        "total": 2,
        "HasAns_exact": 100.0,
        "HasAns_f1": 100.0,
        "HasAns_total": 1,
        "NoAns_exact": 100.0,
        "NoAns_f1": 100.0,
        "NoAns_total": 1,
        "best_exact": 50.0,
        "best_exact_thresh": 0.0,
        "best_f1": 50.0,
        "best_f1_thresh": 0.0,
    }


def test_a_chosen_threshold_reaches_what_it_says_when_applied() -> None:
    rng = np.random.default_rng(3)
    for _ in range(200):
        size = int(rng.integers(1, 12))
        has = rng.random(size) < 0.5
        f1 = np.where(has, rng.random(size), 0.0)
        judged = Judged(has, np.ones(size, dtype=bool), np.floor(f1), f1)
        odds = rng.integers(-3, 3, size).astype(float)
        threshold, promised = metrics.choose_threshold(judged, odds)
        tried = [official_metrics(judged, odds, t)["f1"] for t in np.append(odds, odds.min() - 1)]
        assert official_metrics(judged, odds, threshold)["f1"] == pytest.approx(promised)
        assert promised == pytest.approx(max(tried))


def test_halves_share_no_article_and_are_balanced() -> None:
    groups = ["a"] * 5 + ["b"] * 3 + ["c"] * 3 + ["d"]
    second = metrics.halves(groups)
    assert second is not None
    assert {group for group, half in zip(groups, second, strict=True) if half} == {"b", "c"}
    assert metrics.halves(["a"] * 9) is None


def test_cross_fitting_reads_each_half_at_the_other_halfs_threshold() -> None:
    # First half: answering up to 1 is best. Second half: only up to −1; read at 1 it gives a false answer.
    judged = judge(["x", "y", "x", "y"], [["x"], ["y"], ["x"], []])
    odds = np.array([0.0, 1.0, -1.0, 0.5])
    fitted = metrics.cross_fitted(judged, odds, np.array([False, False, True, True]))
    assert fitted.thresholds == (-1.0, 1.0)
    assert fitted.metrics["exact"] == 25.0  # both of the first half missed, one false answer in the second
    assert fitted.metrics["HasAns_exact"] == pytest.approx(100 / 3)


def test_outcomes() -> None:
    judged = judge(["x", "x y", "z", "", "", "x"], [["x"], ["x"], ["x"], ["x"], [], []])
    codes = metrics.outcome_codes(judged.has_answer, judged.said, judged.exact, judged.f1)
    named = [metrics.OUTCOMES[code] for code in codes]
    assert named == ["correct", "partial", "wrong_span", "missed", "abstained", "false_answer"]


OFFICIAL = {
    "bert-single-google": [78.7417, 81.7753, 74.1059, 80.1818, 83.3642],
    "bert-base-chenchenpan": [73.4271, 76.7688, 72.0310, 78.7241, 74.8192],
}


def _dev(shared_data: Path, name: str) -> Judged:
    dev = json.loads((shared_data / "squad2" / "dev-v2.0.json").read_text(encoding="utf-8"))
    said = json.loads((shared_data / "predictions" / f"{name}.json").read_text(encoding="utf-8"))
    questions = [qa for article in dev["data"] for part in article["paragraphs"] for qa in part["qas"]]
    return judge([said[qa["id"]] for qa in questions], [[a["text"] for a in qa["answers"]] for qa in questions])


@pytest.mark.parametrize("name", OFFICIAL)
def test_the_official_figures_of_published_predictions(shared_data: Path, name: str) -> None:
    """Figures: shared/data/README.md, made by the official script."""
    found = official_metrics(_dev(shared_data, name))
    keys = ("exact", "f1", "HasAns_exact", "HasAns_f1", "NoAns_f1")
    assert [round(found[key], 4) for key in keys] == OFFICIAL[name]
    assert (found["total"], found["HasAns_total"], found["NoAns_total"]) == (11873, 5928, 5945)


def test_scoring_again_at_a_new_threshold_takes_milliseconds() -> None:
    rng = np.random.default_rng(0)
    has, f1 = rng.random(11873) < 0.5, rng.random(11873)
    judged, odds = Judged(has, np.ones(11873, dtype=bool), np.floor(f1 + 0.5), f1), rng.normal(size=11873)
    times = []
    for threshold in (-1.0, 0.0, 1.0):
        began = time.perf_counter()
        official_metrics(judged, odds, threshold)
        times.append(time.perf_counter() - began)
    assert min(times) < 0.05
