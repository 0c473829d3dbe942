"""The filter's language: what each text means, what it finds, and how it refuses."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reader.errors import BadUsage
from reader.examples import load_examples
from reader.filters import (
    DEEPEST,
    FIELDS,
    LONGEST,
    MOST_CONDITIONS,
    And,
    Condition,
    Filter,
    Not,
    Or,
    Search,
    look_for,
    parse,
)
from reader.run_table import Found, run_table
from reader.slices import LABELS, slicings
from reader.views import view
from tests.small_run import EXAMPLES, answer

SMALL = run_table(EXAMPLES, [Found.of(answer(example)) for example in EXAMPLES])
A, B, C = Search("a"), Search("b"), Search("c")


def chosen(text: str, threshold: float = 0.0) -> str:
    """The numbers of the questions of the small run that a filter means."""
    mask = parse(text).mask(view(SMALL, threshold), slicings(SMALL))
    assert mask.dtype == np.bool_ and mask.shape == (6,)
    return "".join(str(row + 1) for row in np.flatnonzero(mask))


# What a text means


@pytest.mark.parametrize(
    ("text", "root"),
    [
        ("a", A),
        ("a b", And((A, B))),
        ('"a b"', Search("a b")),
        ("a and b or c", Or((And((A, B)), C))),
        ("a or b and c", Or((A, And((B, C))))),
        ("a and (b or c)", And((A, Or((B, C))))),
        ("a and (b and c)", And((A, B, C))),
        ("a or (b or c)", Or((A, B, C))),
        ("not a and b", And((Not(A), B))),
        ("not (a and b)", Not(And((A, B)))),
        ("not a b", Not(And((A, B)))),
        ("not not a", Not(Not(A))),
        ("a AND NOT b", And((A, Not(B)))),
        ("((a))", A),
        ('"and"', Search("and")),
        (r'"say \"no\" \\ to"', Search('say "no" \\ to')),
        ("“as phones write”", Search("as phones write")),
        ("d'Artagnan", Search("d'Artagnan")),
        ("Yahoo!", Search("Yahoo!")),
        ("f1", Search("f1")),  # alone, a field's name is a word like others
        ("f1<0.5", Condition("f1", "<", 0.5)),
        ("F1 ≤ .5", Condition("f1", "<=", 0.5)),
        ("f1 == 1", Condition("f1", "=", 1.0)),
        ("margin > −2.5", Condition("margin", ">", -2.5)),
        ("margin >= 1e-3", Condition("margin", ">=", 0.001)),
        ("outcome = Wrong Span", Condition("outcome", "=", "wrong_span")),
        ("outcome≠false-answer", Condition("outcome", "!=", "false_answer")),
        ("Question_Word = WHO", Condition("question word", "=", "who")),
        ('question word = "how many/much"', Condition("question word", "=", "how many/much")),
        ('"question word" = who', Condition("question word", "=", "who")),
        ("answer length = 3-4", Condition("answer length", "=", "3–4")),
        ("answer length = 3", Condition("answer length", "=", 3.0)),
        ("answer length = 10+", Condition("answer length", "=", "10+")),
        ("windows >= 2", Condition("windows", ">=", 2.0)),
        ("answer position = last quarter", Condition("answer position", "=", "last quarter")),
        ("article = Middle Ages", Condition("article", "=", "Middle Ages")),
        ("id = 5", Condition("id", "=", "5")),
        ('predicted = ""', Condition("predicted", "=", "")),
        ("question CONTAINS king", Condition("question", "contains", "king")),
        ("gold contains x", Condition("answer", "contains", "x")),
        ("em = 1", Condition("exact", "=", 1.0)),
        ("ROUGE-1 > 0.2", Condition("rouge1", ">", 0.2)),
        ("", None),
        (" \n ", None),
    ],
)
def test_a_text_means(text: str, root: object) -> None:
    found = parse(text)
    assert found.root == root
    assert parse(str(found)) == found and hash(parse(str(found))) == hash(found)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("  a   b ", "a and b"),
        ("(a or b) and c", "(a or b) and c"),
        ("(a and b) or c", "a and b or c"),
        ("not (a or b)", "not (a or b)"),
        ("f1<0.50", "f1 < 0.5"),
        ("exact = 1.0", "exact = 1"),
        ("outcome = wrong span", "outcome = wrong_span"),
        ('article = "Middle Ages"', 'article = "Middle Ages"'),
        ('question contains "not"', 'question contains "not"'),
        ("margin < -0.00001", "margin < -1e-05"),
    ],
)
def test_a_filter_is_written_plainly(text: str, plain: str) -> None:
    assert str(parse(text)) == plain


def test_whatever_can_be_read_is_written_so_that_it_reads_the_same() -> None:
    rng = random.Random(0)
    pieces = [
        *("a", '"b c"', r'"\\"', "“d”", "and", "or", "not", "(", ")", "and", "or", "(", ")", "f1", "margin", "<", ">="),
        *("=", "!=", "contains", "0.5", "1e300", "-7", "outcome", "missed", "question word", "who", "answer length"),
        *(
            "3–4",
            "3",
            "article",
            "id",
            "f1 < 1",
            "id = 5",
            "outcome = missed",
            "question contains and",
            "ſ",
            "\x00",
            "'",
        ),
    ]
    read = 0
    for _ in range(4000):
        text = " ".join(rng.choices(pieces, k=rng.randint(1, 9)))
        try:
            found = parse(text)
        except BadUsage as error:
            assert str(error).startswith(("At character", "At the end")), text
            continue
        read += 1
        assert parse(str(found)) == found, text
    assert read > 400


# What it finds


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        # At 0.0 the small run says Rollo, 911, Paris, Paris, nothing, spring tide.
        ("", "123456"),
        ("outcome = correct", "14"),
        ("outcome != correct", "2356"),
        ("outcome contains answer", "2"),
        ("f1 < 0.5", "26"),
        ("f1 <= 0.5", "236"),
        ("exact = 1", "145"),
        ("rouge1 = 0.5", "3"),
        ("margin > -1", "45"),
        ("margin >= -1 and margin < 2", "24"),
        ("question word = which", "34"),
        ("question word contains how", "5"),
        ("answer length = 3–4", "136"),
        ("answer length = 3", "136"),
        ("answer length > 1", "136"),
        ("answer length < 3", "4"),  # no answer is not a short one
        ("answer length = none", "25"),
        ("answer length != 3", "245"),
        ("context length < 10", "126"),
        ("windows = 1", "123456"),
        ("windows = 3+", ""),
        ("answer type = phrase", "6"),
        ("overlap = mid or overlap = high", "146"),
        ("question contains CITIES", "35"),
        ('question = "who ruled normandy?"', "1"),
        ("context contains seine", "3456"),
        ("not context contains seine", "12"),
        ("context contains tide", "6"),
        ('context = "At spring tide the bore runs up the Seine."', "6"),
        ("answer = rollo", "1"),
        ("answer != rollo", "23456"),
        ("answer contains viking", "1"),
        ('answer contains "Viking Rollo"', ""),  # two gold answers, no text
        ('answer = ""', "25"),
        ("predicted = paris", "34"),
        ('predicted = ""', "5"),
        ("article = normandy", "12"),
        ("article contains VER", "3456"),
        ("id = Q3 or id = q7", "3"),
        ("normandy", "1"),  # the question; titles are not looked through
        ("911", "2"),  # the prediction
        ("rouen", "3"),  # a gold answer
        ("q6", "6"),  # the id
        ("which paris", "34"),
        ("which and not rouen", "4"),
        ("not which rouen", "12456"),
        ("question word = which and (outcome = partial or exact = 1)", "34"),
    ],
)
def test_it_finds(text: str, rows: str) -> None:
    assert chosen(text) == rows


def test_it_follows_the_threshold() -> None:
    assert chosen("outcome = missed", 0.0) == "" and chosen("outcome = missed", -1.0) == "4"
    assert chosen("predicted = paris", -1.0) == "3"


def test_titles_are_found_as_they_are_spoken_and_so_is_the_rest_of_the_articles() -> None:
    table = pd.concat([SMALL.assign(title=f"Middle_Age_{number:02}") for number in range(13)], ignore_index=True)
    decided, slices = view(table, 0.0), slicings(table)
    for text in ("article = middle age 03", "article = Middle_Age_03", 'article contains "e 03"'):
        assert np.flatnonzero(parse(text).mask(decided, slices)).tolist() == list(range(18, 24))
    others = parse(str(Condition("article", "=", "others (2 articles)"))).mask(decided, slices)
    assert np.flatnonzero(others).tolist() == list(range(66, 78))


def test_some_rows_of_a_view_can_be_filtered_again() -> None:
    some = view(SMALL, 0.0).iloc[[5, 3]]
    assert parse("question word = which and article = rivers").mask(some, slicings(SMALL)).tolist() == [False, True]
    assert parse("a or context contains b").mask(some.iloc[:0], slicings(SMALL)).shape == (0,)


def test_a_margin_that_is_not_known_is_neither_low_nor_high() -> None:
    table = SMALL.assign(null_score_diff=[np.nan, *SMALL["null_score_diff"][1:]])
    decided = view(table, None)
    found = {
        text: parse(text).mask(decided, {})[0] for text in ("margin < 9", "margin >= 9", "margin = 9", "margin != 9")
    }
    assert list(found.values()) == [False, False, False, True]


def test_what_a_run_does_not_know_is_a_sentence() -> None:
    imported = run_table(EXAMPLES, [Found("Paris") for _ in EXAMPLES])
    decided, slices = view(imported, None), slicings(imported)
    with pytest.raises(BadUsage, match="This run has no margins"):
        parse("f1 = 1 and margin < 0").mask(decided, slices)
    for text in ("windows = 1", "windows > 1", "seen = yes"):
        with pytest.raises(BadUsage, match=r"(windows|seen) is not known of this run; .* outcome, question word, .*"):
            parse(text).mask(decided, slices)


# How it refuses


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("f1 <", "At the end: expected what to compare f1 with; found nothing more. For example: f1 < 0.5"),
        ("f1 <> 1", "At character 5: expected what to compare f1 with; found “>”."),
        ("f1 < 50", "At character 6: expected a number from 0 to 1 (f1 is not in percent here); found “50”."),
        ("f1 < 0,5", "At character 6: expected a number to compare f1 with; found “0,5”."),
        ("f1 < nan", "found “nan”"),
        ("margin < 1e999", "found “1e999”"),
        ("margin < ٣", "found “٣”"),
        (
            "f1 contains 5",
            "At character 4: expected one of = != < <= > >= after f1, which is a number; found “contains”.",
        ),
        ("f1 0.5", "At character 4: expected a comparison after the field f1, one of = != < <= > >=; found “0.5”"),
        ("outcome missed", "At character 9: expected a comparison after the field outcome"),
        ("question word who", "At character 15: expected a comparison after the field question word"),
        ('article "x"', "At character 9: expected a comparison after the field article"),
        ("question < a", "At character 10: expected one of = != contains after question, which is a text; found “<”."),
        (
            "outcome > missed",
            "At character 9: expected one of = != contains after outcome, which is a text; found “>”.",
        ),
        ("answer length < none", "At character 17: expected a number to compare answer length with; found “none”."),
        ("outcome = mised", "found “mised”. Did you mean missed? For example: outcome = missed"),
        (
            "outcome = purple",
            "At character 11: expected one of correct, partial, wrong_span, missed, abstained, false_",
        ),
        ("question word = how many", 'For example: question word = "how many/much"'),
        ("qestion contains x", 'found “qestion”. Did you mean question? For example: question contains "king"'),
        ("(f1 = 1", "At the end: expected “and”, “or” or the “)” that closes the “(” at character 1; found nothing"),
        ("f1 = 1)", "At character 7: expected “and”, “or” or the end; found “)”."),
        ("()", "At character 2: expected a field, a word to look for, “not” or “(”; found “)”."),
        ("a (b)", "At character 3: expected “and”, “or” or the end; found “(”."),
        ("and a", "At character 1: expected a field, a word to look for"),
        ("a or", "At the end: expected a field, a word to look for"),
        ("= 3", "At character 1: expected a field"),
        ("why not me", "At character 5: expected “and”, “or” or the end; found “not”."),
        ("question word = who f1 < 1", "At character 24: expected “and” or “or” before the next condition; found “<”."),
        ("rollo f1 < 1", "At character 7: expected “and” or “or” between “rollo” and the field f1; found “f1”. For "),
        ('id = "a" "b"', "At character 10: expected “and”, “or” or the end; found “b”."),
        ('question contains "abc', "At character 19: the quotation mark is never closed"),
        ('question contains ""', "At character 19: expected a text that question is to contain; found empty quotation"),
        ('a ""', "At character 3: expected a text to look for; found empty quotation marks."),
    ],
)
def test_it_refuses_with_the_place_what_was_expected_and_what_was_found(text: str, sentence: str) -> None:
    with pytest.raises(BadUsage) as refused:
        parse(text)
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    "text",
    ["f1 <", "f1 < 50", "outcome = mised", "colour = red", "(f1 = 1", "question < a", "rollo f1 < 1", "windows 3"],
)
def test_the_example_of_a_refusal_can_be_read(text: str) -> None:
    with pytest.raises(BadUsage) as refused:
        parse(text)
    assert parse(str(refused.value).split("For example: ")[1]).root is not None


def test_an_unknown_field_lists_those_there_are() -> None:
    with pytest.raises(BadUsage) as refused:
        parse("f1 = 1 and colour = red")
    assert f"At character 12: expected a field before “=”, one of {', '.join(FIELDS)}; found “colour”." in str(
        refused.value
    )
    assert set(LABELS) <= set(FIELDS)


def test_long_and_deep_texts_are_refused_before_they_do_harm() -> None:
    with pytest.raises(BadUsage, match="1,001 characters; it can have 1,000"):
        parse("a" * (LONGEST + 1))
    parse("(" * DEEPEST + "a" + ")" * DEEPEST)
    for deep in ("(" * 900, "not " * 249 + "a", "(not " * 150 + "a", "(" * (DEEPEST + 1) + "a" + ")" * (DEEPEST + 1)):
        with pytest.raises(BadUsage, match=rf"At character \d+: more than {DEEPEST} parentheses"):
            parse(deep)
    parse("a " * MOST_CONDITIONS)
    for many in ("a " * (MOST_CONDITIONS + 1), "or".join([" f1=1 "] * (MOST_CONDITIONS + 1))):
        with pytest.raises(BadUsage, match=rf"more than {MOST_CONDITIONS} conditions"):
            parse(many)


def test_words_are_looked_for_whatever_they_look_like() -> None:
    found = look_for('f1 0.5 a\\ "')
    assert found == Filter(And((Search("f1"), Search("0.5"), Search("a\\"), Search('"'))))
    assert look_for("  ") == Filter() and look_for("rollo") == Filter(Search("rollo"))
    with pytest.raises(BadUsage, match=f"more than {MOST_CONDITIONS} conditions"):
        look_for("a " * (MOST_CONDITIONS + 1))


@pytest.mark.parametrize("read", [parse, look_for])
def test_an_operator_that_is_none_is_told_and_free_words_are_not(read: Callable[[str], Filter]) -> None:
    for text, at, field in (("question matches who", 10, "question"), ("rouge 1 above 0.5", 9, "rouge1")):
        with pytest.raises(
            BadUsage, match=f"At character {at}: expected one of = .* after {field}; found .*To look for"
        ):
            read(text)
    for text in ("question about kings", "exact match", "who matches question", "what is Normandy", "context is"):
        assert isinstance(read(text).root, And)


# Whole data sets


def _fastest(text: str, decided: pd.DataFrame, slices: dict[str, pd.Series]) -> float:
    times = []
    for _ in range(4):
        began = time.process_time()
        parse(text).mask(decided, slices)
        times.append(time.process_time() - began)
    return min(times)


def test_a_dev_set_is_filtered_in_milliseconds() -> None:
    table = pd.concat([SMALL] * 1979, ignore_index=True)
    # As on the real set: some ten questions on a text of some 800 characters.
    table["paragraph"] = np.arange(len(table)) // 10
    table["context"] = [f"{paragraph} {'The Seine flows on. ' * 40}" for paragraph in table["paragraph"]]
    decided, slices = view(table, 0.0), slicings(table)
    assert _fastest("outcome = missed and f1 < 0.5 and question word = who", decided, slices) < 0.03
    assert _fastest("duke normandy", decided, slices) < 0.03
    assert _fastest("context contains paris", decided, slices) < 0.06


def test_filters_of_the_dev_set_agree_with_its_columns(shared_data: Path) -> None:
    examples = load_examples(shared_data / "squad2" / "dev-v2.0.json").examples[:2000]
    said = json.loads((shared_data / "predictions" / "bert-single-google.json").read_text(encoding="utf-8"))
    decided = view(run_table(examples, [Found(said[example.id]) for example in examples]), None)
    slices = slicings(decided)

    def count(text: str) -> int:
        return int(parse(text).mask(decided, slices).sum())

    assert count("answer type = none") == count('answer = ""') == int(decided["is_impossible"].sum())
    assert (
        count("outcome = abstained or outcome = missed") == count('predicted = ""') == sum(decided["prediction"] == "")
    )
    assert count("not (f1 < 1 or f1 = 1)") == 0 and count("f1 < 1") + count("f1 = 1") == 2000
    assert count("context contains normandy") == sum("normandy" in text.lower() for text in decided["context"])
    assert 0 < count("normandy and question word = who") < count("normandy")
