"""Views of a run: the same answers at several thresholds and in both protocols, worked by hand."""

from __future__ import annotations

import json
import math
import time

import numpy as np
import pandas as pd
import pytest

from reader.errors import BadRun
from reader.run_table import Found, run_table
from reader.views import outcome_counts, summary, thresholds, view
from tests.small_run import EXAMPLES, SPANS, answer


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return run_table(EXAMPLES, [Found.of(answer(example)) for example in EXAMPLES])


def test_the_table_holds_what_is_counted_once(table: pd.DataFrame) -> None:
    assert table["paragraph"].tolist() == [0, 0, 1, 1, 1, 2]
    assert table["span"].tolist() == ["Rollo", "911", "Paris", "Paris", "Paris", "spring tide"]
    assert table["exact"].tolist() == [1, 0, 0, 1, 0, 0]
    assert table["f1"].tolist() == [1, 0, 0.5, 1, 0, 0]  # "Paris" of "Paris and Rouen": p 1, r 1/3
    assert table["question_word"].tolist() == ["who", "when", "which", "which", "how many/much", "where"]
    assert table["answer_length"].tolist() == [3, 0, 3, 1, 0, 3]
    assert table["context_length"].tolist() == [7, 7, 14, 14, 14, 9]
    assert table["null_score_diff"].tolist() == [-4, -1, -3, -0.5, 2, -2]


def test_a_threshold_chooses_between_the_span_and_silence(table: pd.DataFrame) -> None:
    at_zero = view(table, 0.0)
    assert at_zero["prediction"].tolist() == ["Rollo", "911", "Paris", "Paris", "", "spring tide"]
    assert at_zero["outcome"].tolist() == [
        "correct",
        "false_answer",
        "partial",
        "correct",
        "abstained",
        "wrong_span",
    ]
    assert at_zero["exact"].tolist() == [1, 0, 0, 1, 1, 0]
    stricter = view(table, -1.0)  # a margin equal to the threshold still answers
    assert stricter["prediction"].tolist() == ["Rollo", "911", "Paris", "", "", "spring tide"]
    assert stricter["outcome"].tolist()[3] == "missed"
    assert stricter["span_f1"].tolist()[3] == 1.0 and stricter["f1"].tolist()[3] == 0.0


def test_forced_never_abstains_and_no_gold_scores_0(table: pd.DataFrame) -> None:
    forced = view(table, None)
    assert forced["answered"].all()
    assert forced["exact"].tolist() == [1, 0, 0, 1, 0, 0]
    assert outcome_counts(forced) == {
        "correct": 2,
        "partial": 1,
        "wrong_span": 1,
        "missed": 0,
        "abstained": 0,
        "false_answer": 2,
    }


def test_a_view_leaves_the_table_as_it_was(table: pd.DataFrame) -> None:
    before = table.copy(deep=True)
    view(table, -10.0)
    pd.testing.assert_frame_equal(table, before)


def test_summary_at_a_threshold(table: pd.DataFrame) -> None:
    found = summary(table, threshold=0.0)
    assert found["metrics"]["exact"] == 50.0 and found["metrics"]["HasAns_f1"] == pytest.approx(100 * 2.5 / 4)
    assert found["metrics"]["NoAns_exact"] == 50.0
    # By rising margin: q1 +1, q3 +1/2, q6 0, q2 −1, q4 +1, q5 −1 from 2 unanswerable: best after q3.
    assert found["metrics"]["best_f1"] == pytest.approx(100 * 3.5 / 6)
    assert found["metrics"]["best_f1_thresh"] == -3.0
    assert found["forced"]["f1"] == pytest.approx(100 * 2.5 / 6) and found["forced"]["NoAns_f1"] == 0.0
    assert "best_f1" not in found["forced"]
    assert found["outcomes"]["abstained"] == 1


def test_forced_rouge_over_all_is_that_of_the_answerable_times_their_share(table: pd.DataFrame) -> None:
    """The article's arithmetic: 0.708 x 5928/11873 = 0.354 and 0.901 x 5928/11873 = 0.450."""
    rouge = summary(table)["rouge"]
    for text in ("raw", "normalized"):
        for kind in ("rouge1", "rougeL"):
            for part in "prf":
                answerable = rouge[text]["answerable"][kind][part]
                assert rouge[text]["all"][kind][part] == pytest.approx(answerable * 4 / 6)
    # q1 1 (by "Rollo"), q3 1/2, q4 1, q6 0
    assert rouge["raw"]["answerable"]["rouge1"]["f"] == pytest.approx(2.5 / 4)
    # ROUGE-2 is defined where the chosen gold has two words: q3 and q6.
    assert rouge["raw"]["all"]["rouge2"]["count"] == 2
    # Abstaining on q5 scores 1; q2's answer scores 0.
    assert rouge["abstain"]["raw"]["all"]["rouge1"]["f"] == pytest.approx((2.5 + 1) / 6)


def test_protocol_forced_shows_the_forced_figures_as_the_metrics(table: pd.DataFrame) -> None:
    found = summary(table, protocol="forced")
    assert found["metrics"] == found["forced"] and found["threshold"] is None
    assert found["outcomes"]["false_answer"] == 2


def test_three_thresholds_side_by_side(table: pd.DataFrame) -> None:
    found = thresholds(table, 0.0, "held-out train data")
    assert found is not None
    assert found["own"]["threshold"] == 0.0 and found["own"]["exact"] == 50.0
    assert found["own"]["chosen_on"] == "held-out train data"
    oracle = found["oracle"]
    assert oracle["threshold"] == -3.0
    # Read there, q1 is right, q3 half right, q4 and q6 are silent, and so, rightly, are q2 and q5.
    assert oracle["HasAns_f1"] == pytest.approx(100 * (1 + 0.5) / 4) and oracle["NoAns_exact"] == 100.0
    fitted = found["cross_fitted"]
    # On "Normandy" (q1, q2) answering q1 only is best: −4. On "Rivers" q3 and q4 and silence on q5: −0.5.
    assert sorted(fitted["thresholds"]) == [-4.0, -0.5] and sorted(fitted["halves"]) == [2, 4]
    assert fitted["by"] == "articles"
    # "Normandy" read at −0.5: q1 right, q2 false. "Rivers" read at −4: silent on all, right on q5 only.
    assert fitted["exact"] == pytest.approx(100 * 2 / 6)


def test_where_silence_is_best_the_oracle_is_silent_when_it_is_applied(table: pd.DataFrame) -> None:
    found = thresholds(table[table["is_impossible"]], 0.0, "")
    assert found is not None
    # q2 has a margin of −1 and q5 one of 2: at 0.0, q2 would get an answer.
    assert found["oracle"]["threshold"] == pytest.approx(-1.0) and found["oracle"]["threshold"] < -1.0
    assert found["oracle"]["f1"] == found["oracle"]["exact"] == found["oracle"]["NoAns_exact"] == 100.0


def test_cross_fitting_goes_by_context_where_there_is_one_article(table: pd.DataFrame) -> None:
    one = thresholds(table.assign(title="Normandy"), 0.0, "")
    assert one is not None and one["cross_fitted"]["by"] == "contexts"
    untitled = thresholds(table.assign(title=""), 0.0, "")
    assert untitled is not None and untitled["cross_fitted"] == one["cross_fitted"]
    alone = thresholds(table[table["paragraph"] == 0], 0.0, "")
    assert alone is not None and alone["cross_fitted"] is None


def test_predictions_that_abstain_already_allow_no_other_view() -> None:
    rows = [Found(span="" if example.id == "q4" else "Rollo") for example in EXAMPLES]
    table = run_table(EXAMPLES, rows)
    as_they_are = view(table, None)
    assert as_they_are["outcome"].tolist()[3] == "missed"
    with pytest.raises(BadRun, match="1 of the predictions are empty already"):
        view(table, 0.0)
    with pytest.raises(BadRun, match="forced protocol cannot be computed"):
        summary(table, protocol="forced")
    found = summary(table)
    assert found["forced"] is None and found["threshold"] is None and "best_f1" not in found["metrics"]
    assert found["rouge"]["protocol"] == "as predicted" and found["rouge"]["abstain"] is None
    assert thresholds(table, 0.0, "") is None


def test_predictions_without_margins_can_be_forced_only() -> None:
    table = run_table(EXAMPLES, [Found(span="Paris") for _ in EXAMPLES])
    with pytest.raises(BadRun, match="There are no null odds"):
        view(table, 0.0)
    assert summary(table, protocol="forced")["metrics"]["HasAns_exact"] == 25.0


def test_a_reader_that_found_no_span_abstains_at_every_threshold() -> None:
    rows = [Found(span="", null_score=1.0, null_score_diff=math.inf) for _ in EXAMPLES]
    table = run_table(EXAMPLES, rows)
    assert not view(table, 1e9)["answered"].any()
    found = summary(table)
    assert found["metrics"]["NoAns_exact"] == 100.0 and found["metrics"]["HasAns_exact"] == 0.0
    assert found["forced"]["exact"] == 0.0  # forced to answer, it has nothing to say
    json.dumps([found, thresholds(table, 0.0, "")], allow_nan=False)


def test_a_new_threshold_takes_milliseconds_on_a_whole_dev_set(table: pd.DataFrame) -> None:
    large = pd.concat([table] * 1979, ignore_index=True)
    large["null_score_diff"] = np.random.default_rng(0).normal(size=len(large))
    times = []
    for threshold in (-1.0, 0.0, 1.0):
        began = time.perf_counter()
        outcome_counts(view(large, threshold))
        times.append(time.perf_counter() - began)
    assert len(large) == 11874 and min(times) < 0.05


def test_the_small_run_is_what_its_texts_say() -> None:
    for example in EXAMPLES:
        for gold in example.answers:
            assert example.context[gold.start : gold.start + len(gold.text)] == gold.text
        start, end, _ = SPANS[example.id]
        assert answer(example).best is not None and 0 <= start < end <= len(example.context)
