"""Two runs side by side: worked by hand on six questions, and against textbook figures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reader.comparison import compare, mcnemar
from reader.errors import BadRun
from reader.examples import Example, ExampleSet, Gold, fingerprint
from reader.results import Run, import_predictions, write_run
from tests.small_run import EXAMPLES, answer, data


@pytest.fixture(scope="module")
def run_a(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Right on q1, q4 and (silent) q5; half right on q3."""
    return write_run(
        tmp_path_factory.mktemp("a") / "first",
        data(),
        [answer(example) for example in EXAMPLES],
        reader="embedded",
        threshold=0.0,
        threshold_chosen_on="held-out train data",
        facts={},
    )


@pytest.fixture(scope="module")
def run_b(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Right on q2 (silent), q3 and q5 (silent); half right on q4; wrong on q1."""
    said = {"q1": "Normandy", "q2": "", "q3": "Paris and Rouen", "q4": "Paris is large", "q5": "", "q6": "bore"}
    folder = tmp_path_factory.mktemp("b") / "second"
    return import_predictions(folder, data(), said, reader="theirs")


def test_six_questions_by_hand(run_a: Run, run_b: Run) -> None:
    found = compare(run_a, run_b)
    # F1, A: 1 0 .5 1 1 0; B: 0 1 1 .5 1 0
    assert (found.wins, found.losses, found.ties) == (2, 2, 2)
    assert (found.both_right, found.only_a_right, found.only_b_right, found.neither_right) == (1, 2, 2, 1)
    assert found.mcnemar_p == 1.0
    by_name = {one.metric: one for one in found.differences}
    assert by_name["exact"].difference == 0.0 and by_name["exact"].a == 50.0
    assert by_name["HasAns_f1"].a == pytest.approx(100 * 2.5 / 4)
    assert by_name["HasAns_f1"].difference == pytest.approx(-25.0) and by_name["HasAns_f1"].questions == 4
    assert by_name["NoAns_exact"].difference == 50.0
    assert found.agreement == pytest.approx(1 / 6)  # only q5, both silent
    assert [change.id for change in found.gained] == ["q2", "q3"]
    assert [change.id for change in found.lost] == ["q1", "q4"]
    assert (found.lost[0].a, found.lost[0].b, found.lost[0].outcome_b) == ("Rollo", "Normandy", "wrong_span")
    assert (found.threshold_a, found.threshold_b) == (0.0, None)


def test_the_other_way_round_every_sign_turns(run_a: Run, run_b: Run) -> None:
    forwards, backwards = compare(run_a, run_b), compare(run_b, run_a)
    assert (forwards.wins, forwards.losses) == (backwards.losses, backwards.wins)
    assert forwards.gained[0].id == backwards.lost[0].id
    for one, other in zip(forwards.differences, backwards.differences, strict=True):
        assert one.difference == pytest.approx(-other.difference)
        assert one.low is not None and other.high is not None and one.low == pytest.approx(-other.high)


def test_a_run_against_itself(run_a: Run) -> None:
    found = compare(run_a, run_a)
    assert (found.wins, found.losses, found.ties, found.agreement) == (0, 0, 6, 1.0)
    assert all((one.low, one.difference, one.high) == (0.0, 0.0, 0.0) for one in found.differences)
    assert found.gained == found.lost == ()


def test_thresholds_and_protocols_are_views(run_a: Run, run_b: Run) -> None:
    stricter = compare(run_a, run_a, threshold_b=-10.0)  # B abstains everywhere
    by_name = {one.metric: one for one in stricter.differences}
    assert by_name["HasAns_exact"].b == 0.0 and by_name["NoAns_exact"].b == 100.0
    forced = compare(run_a, run_a, protocol="forced")
    assert forced.threshold_a is None and {one.metric: one.a for one in forced.differences}["NoAns_exact"] == 0.0
    with pytest.raises(BadRun, match=r"second cannot be read in the forced protocol\. 2 of the predictions"):
        compare(run_a, run_b, protocol="forced")
    with pytest.raises(BadRun, match="cannot be read at a threshold of 0"):
        compare(run_a, run_b, threshold_b=0.0)


def test_runs_are_joined_by_id_and_not_by_position(run_a: Run, run_b: Run) -> None:
    turned = replace(run_b, examples=run_b.examples.iloc[::-1].reset_index(drop=True))
    assert compare(run_a, turned) == compare(run_a, run_b)


def test_runs_on_different_data_are_refused(tmp_path: Path, run_a: Run) -> None:
    other = import_predictions(
        tmp_path / "other", data(EXAMPLES[:3]), dict.fromkeys(("q1", "q2", "q3"), "x"), reader="theirs"
    )
    with pytest.raises(BadRun, match=r"different data: first on small.json \(6 questions.*, \w+ on .*\(3 questions"):
        compare(run_a, other)


def test_as_dict_is_json(run_a: Run, run_b: Run) -> None:
    found = json.loads(json.dumps(compare(run_a, run_b).as_dict(), allow_nan=False))
    assert found["differences"][1]["metric"] == "f1" and found["gained"][0]["answers"] == []


def test_one_paragraph_has_no_interval(tmp_path: Path) -> None:
    runs = [
        import_predictions(tmp_path / said, data(EXAMPLES[:2]), dict.fromkeys(("q1", "q2"), said), reader=said)
        for said in ("Rollo", "911")
    ]
    assert all(one.low is None and one.high is None for one in compare(*runs).differences)


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"),
    [(0, 0, 1.0), (5, 5, 1.0), (1, 9, 0.021484375), (10, 5, 0.3017578125), (0, 6, 2 / 64)],
)
def test_mcnemars_exact_test(only_a: int, only_b: int, p: float) -> None:
    """Two-sided binomial p at 1/2: 2 * (1 + 10) / 2**10 for 1 of 10, 2 * 4944 / 2**15 for 5 of 15."""
    assert mcnemar(only_a, only_b) == pytest.approx(p)


def test_the_interval_is_that_of_a_paired_difference(tmp_path: Path) -> None:
    """B is right where A is, and on a tenth more: pairing makes that certain, whatever the spread of A."""
    examples = [Example(f"q{n}", "Which?", f"text {n} right", (Gold("right", len(f"text {n} ")),)) for n in range(400)]
    set_ = ExampleSet("many", examples, fingerprint(examples))
    rng = np.random.default_rng(5)
    ranks = rng.permutation(400)
    runs = [
        import_predictions(
            tmp_path / name,
            set_,
            {f"q{n}": "right" if ranks[n] < correct else "text" for n in range(400)},
            reader=name,
        )
        for name, correct in (("a", 200), ("b", 240))
    ]
    exact = compare(*runs).differences[0]
    spread = 100 * 1.96 * np.sqrt(0.1 * 0.9 / 400)  # of the mean of 400 differences, 40 of them 1
    assert exact.difference == pytest.approx(10.0)
    assert exact.low == pytest.approx(10 - spread, abs=0.5) and exact.high == pytest.approx(10 + spread, abs=0.5)
