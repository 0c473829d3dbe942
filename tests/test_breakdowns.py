"""Groups of questions and their scores, counted by hand."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from reader.breakdowns import breakdown, question_word, word_count
from reader.errors import BadUsage


@pytest.mark.parametrize(
    ("question", "word"),
    [
        ("Who was the duke?", "who"),
        ("To whom did he give it?", "who"),
        ("Whose son was Rollo?", "who"),
        ("In what country is Normandy?", "what"),
        ("What's a duke?", "what"),
        ("The Normans lived when?", "when"),
        ("How many ships came?", "how many"),
        ("how much gold was paid?", "how much"),
        ("How did they arrive?", "how"),
        ("In which year?", "which"),
        ("Name the duke.", "other"),
        ("Somewhere, who knows?", "who"),  # whole words only
        ("", "other"),
    ],
)
def test_question_word(question: str, word: str) -> None:
    assert question_word(question) == word


def test_words_are_what_stands_between_white_space() -> None:
    assert word_count("10th\u00a0and 11th\ncenturies ") == 4
    assert word_count("") == 0


def _view() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "question_word": ["who", "who", "how many", "who"],
            "answer_length": [1, 0, 12, 4],
            "context_length": [99, 100, 5000, 100],
            "is_impossible": [False, True, False, False],
            "paragraph": [0, 1, 1, 2],
            "exact": [1.0, 0.0, 0.0, 0.0],
            "f1": [1.0, 0.0, 0.5, 0.5],
        }
    )


def test_scores_by_question_word() -> None:
    who, how_many = breakdown(_view(), "question_word").to_dict("records")
    assert (who["group"], who["count"], who["HasAns_count"], who["NoAns_count"]) == ("who", 3, 2, 1)
    assert (who["exact"], who["f1"]) == (pytest.approx(100 / 3), pytest.approx(50))
    assert (who["HasAns_exact"], who["HasAns_f1"], who["NoAns_exact"]) == (50, 75, 0)
    assert (who["f1_low"], who["f1_high"]) == (0, 100)  # three paragraphs scoring 1, 0 and 0.5
    assert (how_many["group"], how_many["count"], how_many["f1"]) == ("how many", 1, 50)
    assert math.isnan(how_many["NoAns_exact"]) and math.isnan(how_many["f1_low"])


def test_scores_by_length_come_in_order() -> None:
    by_answer = breakdown(_view(), "answer_length")
    assert by_answer["group"].tolist() == ["no answer", "1 word", "3-4 words", "10+ words"]
    by_context = breakdown(_view(), "context_length")
    assert by_context["group"].tolist() == ["under 100 words", "100-149 words", "400+ words"]
    assert by_context["count"].tolist() == [1, 2, 1]


def test_an_unknown_breakdown_is_a_sentence() -> None:
    with pytest.raises(BadUsage, match="question_word, answer_length, context_length"):
        breakdown(_view(), "colour")
