"""Foreign predictions: joined by id, scored as the official script does, refused with a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reader.errors import BadData, BadUsage
from reader.examples import Example, ExampleSet, Gold, fingerprint
from reader.predictions import read_null_odds, read_predictions, score_predictions
from tests.small_run import EXAMPLES, data

SAID = {"q1": "Rollo", "q2": "911", "q3": "Paris", "q4": "Paris", "q5": "Paris", "q6": "spring tide"}
ODDS = {"q6": 0.2, "q5": 0.9, "q4": 0.4, "q3": 0.1, "q2": 0.7, "q1": 0.0}


def test_without_null_odds_there_are_no_best_keys() -> None:
    found = score_predictions(data(), SAID)
    assert list(found["metrics"]) == [
        "exact",
        "f1",
        "total",
        "HasAns_exact",
        "HasAns_f1",
        "HasAns_total",
        "NoAns_exact",
        "NoAns_f1",
        "NoAns_total",
    ]
    assert found["metrics"]["exact"] == pytest.approx(100 * 2 / 6)
    assert found["outcomes"]["false_answer"] == 2 and found["threshold"] is None
    json.dumps(found, allow_nan=False)


def test_with_null_odds_the_default_threshold_is_1() -> None:
    found = score_predictions(data(), SAID, ODDS)
    assert found["threshold"] == 1.0 and found["metrics"]["exact"] == pytest.approx(100 * 2 / 6)
    # By rising odds: q1 +1, q3 0, q6 0, q4 +1, then the two false answers: 4 of 6 at q4's 0.4.
    assert (found["metrics"]["best_exact"], found["metrics"]["best_exact_thresh"]) == (100 * 4 / 6, 0.4)
    at_half = score_predictions(data(), SAID, ODDS, threshold=0.5)
    assert at_half["metrics"]["exact"] == 100 * 4 / 6 and at_half["outcomes"]["abstained"] == 2
    assert at_half["rouge"]["abstain"]["raw"]["all"]["rouge1"]["f"] == pytest.approx((1 + 0.5 + 1 + 2) / 6)


def test_equal_odds_are_swept_in_the_order_of_their_file() -> None:
    two = data([EXAMPLES[0], EXAMPLES[1]])  # the first is right, the second a false answer
    odds = score_predictions(two, SAID, {"q1": 0.5, "q2": 0.5})["metrics"]
    assert (odds["best_exact"], odds["best_exact_thresh"]) == (100.0, 0.5)
    turned = score_predictions(two, SAID, {"q2": 0.5, "q1": 0.5})["metrics"]
    assert (turned["best_exact"], turned["best_exact_thresh"]) == (50.0, 0.0)


def test_predictions_that_abstain_are_scored_as_they_are_and_noted() -> None:
    found = score_predictions(data(), {**SAID, "q5": "", "q4": ""}, ODDS)
    assert found["forced"] is None and found["rouge"]["protocol"] == "as predicted"
    assert found["outcomes"]["missed"] == 1 and found["outcomes"]["abstained"] == 1
    assert "best_f1" in found["metrics"]  # the script's keys, but with a word of warning
    assert "2 of the predictions are empty" in found["notes"][0] and "best_*" in found["notes"][0]


def test_missing_predictions_refuse_with_their_number_or_are_left_out() -> None:
    some = {name: said for name, said in SAID.items() if name not in ("q2", "q5")}
    with pytest.raises(BadData, match=r"2 of the 6 questions of small.json have no prediction, the first 'q2'"):
        score_predictions(data(), some)
    found = score_predictions(data(), {**some, "x": "y"}, allow_missing=True)
    assert (found["missing"], found["extra"]) == (2, 1)
    assert found["metrics"]["total"] == 4 and "NoAns_exact" not in found["metrics"]
    assert found["data"]["examples"] == 4 and found["data"]["fingerprint"] != data().fingerprint


def test_predictions_for_another_data_set() -> None:
    for allow_missing in (False, True):
        with pytest.raises(BadData, match="no id is the same"):
            score_predictions(data(), {"other": "x"}, allow_missing=allow_missing)


def test_a_question_without_null_odds() -> None:
    with pytest.raises(BadData, match="1 of the 6 questions have no null odds, the first 'q1'"):
        score_predictions(data(), SAID, {name: odds for name, odds in ODDS.items() if name != "q1"})


def test_a_threshold_without_null_odds_has_no_effect_or_is_refused() -> None:
    found = score_predictions(data(), SAID, threshold=0.5)
    assert found["metrics"] == score_predictions(data(), SAID)["metrics"] and "no effect" in found["notes"][0]
    with pytest.raises(BadUsage, match="needs the null odds"):
        score_predictions(data(), SAID, threshold=-0.5)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[]", "holds a list; expected predictions"),
        ('{"q1": ["a"]}', "holds no predictions: 1 of its 1 values are not text, the first that of 'q1'"),
        ('{"q1": null, "q2": "a"}', "1 of its 2 values"),
        ("{", "is not JSON"),
        ("", "is empty"),
        ("\0\0", "is a binary file"),
    ],
)
def test_files_that_hold_no_predictions(tmp_path: Path, text: str, sentence: str) -> None:
    file = tmp_path / "predictions.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(BadData, match=sentence):
        read_predictions(file)


@pytest.mark.parametrize("value", ["NaN", "Infinity", '"0.5"', "true", "null"])
def test_null_odds_are_finite_numbers(tmp_path: Path, value: str) -> None:
    file = tmp_path / "null_odds.json"
    file.write_text('{"q1": 1, "q2": ' + value + "}", encoding="utf-8")
    with pytest.raises(BadData, match="1 of its 2 values are not finite numbers, the first that of 'q2'"):
        read_null_odds(file)


@pytest.mark.parametrize("digits", [400, 5000])
def test_a_number_beyond_all_floats_is_said_in_a_sentence(tmp_path: Path, digits: int) -> None:
    file = tmp_path / "null_odds.json"
    file.write_text('{"q1": ' + digits * "1" + "}", encoding="utf-8")
    with pytest.raises(BadData, match=r"null_odds\.json holds a number that is too large"):
        read_null_odds(file)


def test_a_missing_file_or_a_folder(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="There is no file"):
        read_predictions(tmp_path / "nowhere.json")
    with pytest.raises(BadData, match="is a folder"):
        read_null_odds(tmp_path)


@pytest.mark.parametrize(
    ("name", "exact", "f1"),
    [("bert-single-google", 78.7417, 81.7753), ("bert-base-chenchenpan", 73.4271, 76.7688)],
)
def test_the_official_figures(shared_data: Path, name: str, exact: float, f1: float) -> None:
    """Figures: shared/data/README.md, made by the official script."""
    dev = json.loads((shared_data / "squad2" / "dev-v2.0.json").read_text(encoding="utf-8"))
    examples = [
        Example(
            qa["id"],
            qa["question"],
            part["context"],
            tuple(Gold(gold["text"], gold["answer_start"]) for gold in qa["answers"]),
            article["title"],
        )
        for article in dev["data"]
        for part in article["paragraphs"]
        for qa in part["qas"]
    ]
    data = ExampleSet("dev", examples, fingerprint(examples))
    found = score_predictions(data, read_predictions(shared_data / "predictions" / f"{name}.json"))
    assert (round(found["metrics"]["exact"], 4), round(found["metrics"]["f1"], 4)) == (exact, f1)
    assert sum(found["outcomes"].values()) == found["metrics"]["total"] == 11873
    assert (found["missing"], found["extra"]) == (0, 0)
