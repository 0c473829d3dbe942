"""Slices of a run: every label worked by hand, scores and intervals against a pencil and against the bootstrap."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reader.errors import BadRun
from reader.examples import Example, Gold, load_examples
from reader.filters import parse
from reader.metrics import OUTCOMES
from reader.results import Run, open_run
from reader.run_table import Found, run_table
from reader.seen import context_hash
from reader.slices import (
    LABELS,
    MOST_ARTICLES,
    answer_type,
    by_slice,
    by_slice_pair,
    question_word,
    slicings,
)
from reader.views import view
from tests.small_run import EXAMPLES, ROLLO, answer


def _table(examples: list[Example], windows: int = 0) -> pd.DataFrame:
    return run_table(examples, [Found("x", windows=windows) for _ in examples])


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return run_table(EXAMPLES, [Found.of(answer(example)) for example in EXAMPLES])


@pytest.fixture(scope="module")
def starter() -> Run:
    return open_run(Path(__file__).parents[1] / "reader" / "starter" / "run")


@pytest.fixture(scope="module")
def dev(shared_data: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The views of the two published readers on the whole dev set."""
    examples = load_examples(shared_data / "squad2" / "dev-v2.0.json").examples
    views = []
    for name in ("bert-base-chenchenpan", "bert-single-google"):
        said = json.loads((shared_data / "predictions" / f"{name}.json").read_text(encoding="utf-8"))
        views.append(view(run_table(examples, [Found(said[example.id]) for example in examples]), None))
    return views[0], views[1]


# Labels


@pytest.mark.parametrize(
    ("question", "word"),
    [
        ("Who was the duke?", "who"),
        ("To whom did he give it?", "who"),
        ("In which year did he die?", "which"),
        ("In what year did he die?", "what"),
        ("The Normans lived where?", "where"),
        ("How  Many ships came?", "how many/much"),
        ("For how much gold?", "how many/much"),
        ("How long was it?", "how"),
        ("Name the duke.", "other"),
        ("", "other"),
        # What opens the question asks, unless it only says when or where.
        ("What happened when he died?", "what"),
        ("When the duke died, what happened?", "what"),
        ("When the duke died, in which city was he?", "which"),
        ("When did he die, and who followed?", "who"),
        ("When did the duke who ruled Normandy die?", "when"),
        ("Who, when the king died, ruled?", "who"),
        # Deeper in, what follows a comma asks, else the last.
        ("According to the monk, what drove those who left?", "what"),
        ("The monk that scribes who left adored was called what?", "what"),
    ],
)
def test_the_word_that_asks(question: str, word: str) -> None:
    assert question_word(question) == word


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("1066", "date"),
        ("in 1066", "date"),
        ("6 June 1944", "date"),
        ("June 6, 1944", "date"),
        ("March", "date"),
        ("the late 1960s", "date"),
        ("10th and 11th centuries", "date"),
        ("the first half of the 10th century", "date"),
        ("1754–1763", "date"),
        ("50 BC", "date"),
        ("9:30 pm", "date"),
        ("was signed on 6 June 1944", "date"),
        ("was signed on 6 June 1944 and kept by all of them", "phrase"),
        ("911", "number"),  # as a year it would need more to tell
        ("2,500", "number"),
        ("$37.6 billion", "number"),
        ("about 5 million people", "number"),
        ("at least twenty-five", "number"),
        ("20%", "number"),
        ("-3.5 °C", "number"),
        ("two of the dukes who fought in the war", "phrase"),
        ("12th", "phrase"),
        ("Rollo the Viking", "name"),
        ("the Seine", "name"),
        ("World War II", "name"),
        ("Apollo 11", "name"),
        ("Long March", "name"),
        ("Élisabeth de Valois", "name"),
        ("the sea", "phrase"),
        ("duke of Normandy", "phrase"),
        ("They fled", "phrase"),
        ("of the", "phrase"),
        ("…", "phrase"),
    ],
)
def test_the_type_of_an_answer(text: str, kind: str) -> None:
    assert answer_type(text) == kind


def test_every_question_of_the_small_run_is_where_it_belongs(table: pd.DataFrame) -> None:
    found = {name: labels.tolist() for name, labels in slicings(table).items()}
    assert found == {
        "question word": ["who", "when", "which", "which", "how many/much", "where"],
        "answer length": ["3–4", "none", "3–4", "1", "none", "3–4"],
        "context length": ["under 100"] * 6,
        # q3 begins at 24 and q4 at 52 of 72 characters, q6 at 29 of 42
        "answer position": ["first quarter", "none", "second quarter", "third quarter", "none", "third quarter"],
        "answer type": ["name", "none", "name", "name", "none", "phrase"],
        "article": ["Normandy", "Normandy", "Rivers", "Rivers", "Rivers", "Rivers"],
        "windows": ["1"] * 6,
        # ruled, normandy: both; die; cities, lie: none; larger; cities, lie, rhine: none; bore, run: one
        "overlap": ["high", "low", "low", "high", "low", "mid"],
    }


def test_labels_are_ordered_and_keep_the_tables_index(table: pd.DataFrame) -> None:
    moved = table.set_axis([f"row {number}" for number in range(6)])
    found = slicings(moved.assign(seen=False))
    assert list(found) == list(LABELS)
    for name, labels in found.items():
        assert labels.index.equals(moved.index) and labels.name == name and labels.cat.ordered
        assert name == "article" or tuple(labels.cat.categories) == LABELS[name]


@pytest.mark.parametrize(
    ("words", "label"),
    [(1, "1"), (2, "2"), (3, "3–4"), (4, "3–4"), (5, "5–9"), (9, "5–9"), (10, "10+"), (300, "10+")],
)
def test_answers_by_their_length(words: int, label: str) -> None:
    text = " ".join(["word"] * words)
    assert slicings(_table([Example("1", "q", text, (Gold(text, 0),))]))["answer length"].tolist() == [label]


@pytest.mark.parametrize(
    ("words", "label"),
    [
        *((1, "under 100"), (99, "under 100"), (100, "100–149"), (149, "100–149"), (150, "150–299")),
        *((299, "150–299"), (300, "300–999"), (999, "300–999"), (1000, "1000+")),
    ],
)
def test_contexts_by_their_length(words: int, label: str) -> None:
    assert slicings(_table([Example("1", "q", "word " * words)]))["context length"].tolist() == [label]


def test_an_answer_that_ends_the_context_lies_in_its_last_quarter() -> None:
    examples = [Example(str(start), "q", "abcdefgh", (Gold("x", start),)) for start in (0, 1, 2, 5, 6, 7)]
    assert slicings(_table(examples))["answer position"].tolist() == [
        *("first quarter", "first quarter", "second quarter", "third quarter", "last quarter", "last quarter"),
    ]


def test_the_articles_with_most_questions_come_first_and_the_rest_together() -> None:
    titles = [f"t{number}" for number in range(14)]
    examples = [Example(title, "q", title, title=title) for title in titles]
    examples += [Example("more", "q", "t13", title="t13")]
    labels = slicings(_table(examples))["article"]
    # t13 has two questions; of the others the first ten are named, three are not
    assert labels.cat.categories.tolist() == ["t13", *titles[:10], "others (3 articles)"]
    assert len(labels.cat.categories) == MOST_ARTICLES
    assert labels.tolist()[9:] == ["t9", *["others (3 articles)"] * 3, "t13", "t13"]


def test_an_article_called_as_the_rest_breaks_nothing() -> None:
    titles = ["others (3 articles)", *(f"t{number}" for number in range(13))]
    labels = slicings(_table([Example(title, "q", title, title=title) for title in titles]))["article"]
    assert labels.cat.categories.tolist() == ["others (3 articles)", *titles[1:11]]
    assert labels.tolist().count("others (3 articles)") == 4


def test_what_a_run_does_not_know_is_left_out() -> None:
    untitled = [Example("1", "Who?", "a text"), Example("2", "Why?", "a text")]
    found = slicings(_table(untitled))
    assert not {"article", "windows", "seen"} & set(found)
    one_titled = [untitled[0], replace(untitled[1], title="t")]
    assert slicings(_table(one_titled, windows=4))["article"].tolist() == ["no title", "t"]
    assert slicings(_table(one_titled, windows=4))["windows"].tolist() == ["3+", "3+"]


def test_contexts_of_the_training_data_are_seen_whatever_their_case_and_white_space(table: pd.DataFrame) -> None:
    found = [Found.of(answer(example)) for example in EXAMPLES]
    known = frozenset({context_hash(ROLLO.lower().replace(" ", "\n "))})
    told = run_table(EXAMPLES, found, known)
    assert slicings(told)["seen"].tolist() == ["yes", "yes", "no", "no", "no", "no"]
    assert slicings(run_table(EXAMPLES, found, frozenset()))["seen"].tolist() == ["no"] * 6
    assert "seen" not in slicings(table), "not known is not no"
    asked = parse("seen = yes").mask(view(told, 0.0), slicings(told))
    assert asked.tolist() == [True, True, False, False, False, False]
    assert str(parse("Seen in training = No")) == "seen = no"


def test_overlap_goes_by_thirds_of_the_words_that_tell() -> None:
    questions = (
        "Which duke sailed north today?",
        "Which duke sailed north?",
        "Which king, duke and monk?",
        "King duke?",
    )
    examples = [Example(question, question, "The king and the duke; dukes, monkish.") for question in questions]
    # 1 of 4 words, 1 of 3, 2 of 3, 2 of 2
    assert slicings(_table(examples))["overlap"].tolist() == ["low", "mid", "high", "high"]


def test_a_question_without_content_words_overlaps_little() -> None:
    assert slicings(_table([Example("1", "What is it?", "what is it")]))["overlap"].tolist() == ["low"]


def test_an_empty_table_has_empty_slices(table: pd.DataFrame) -> None:
    nothing = table.iloc[:0]
    assert all(by_slice(view(nothing, 0.0), labels) == [] for labels in slicings(nothing).values())


# Scores


def test_scores_of_each_slice(table: pd.DataFrame) -> None:
    decided = view(table, 0.0)  # F1: 1, 0, 0.5, 1, 1 (rightly silent), 0
    rivers, normandy = by_slice(decided, slicings(table)["article"])
    assert (normandy.label, normandy.questions, normandy.has_answer) == ("Normandy", 2, 1)
    assert (normandy.exact, normandy.f1) == (50, 50)
    assert (normandy.f1_low, normandy.f1_high) == (None, None)  # one paragraph
    assert normandy.outcomes == dict.fromkeys(OUTCOMES, 0) | {"correct": 1, "false_answer": 1}
    assert (rivers.label, rivers.questions, rivers.has_answer) == ("Rivers", 4, 3)
    assert (rivers.exact, rivers.f1) == (50, 62.5)
    assert (rivers.f1_low, rivers.f1_high) == (0, 100)  # two paragraphs say next to nothing
    assert rivers.outcomes["abstained"] == 1 and sum(rivers.outcomes.values()) == 4


def test_groups_without_questions_are_left_out_and_the_rest_keeps_its_order(table: pd.DataFrame) -> None:
    words = [each.label for each in by_slice(view(table, 0.0), slicings(table)["question word"])]
    assert words == ["who", "when", "where", "which", "how many/much"]


def test_some_rows_of_a_view_keep_their_labels(table: pd.DataFrame) -> None:
    (only,) = by_slice(view(table, 0.0).iloc[[5, 2]], slicings(table)["article"])
    assert (only.label, only.questions, only.f1) == ("Rivers", 2, 25)


def _scored(f1: list[float], paragraphs: list[int]) -> pd.DataFrame:
    """A view of made-up scores."""
    return pd.DataFrame(
        {
            "id": [str(row) for row in range(len(f1))],
            "exact": np.floor(f1),
            "f1": f1,
            "is_impossible": False,
            "paragraph": paragraphs,
            "outcome": pd.Categorical(["partial"] * len(f1), categories=list(OUTCOMES)),
        }
    )


def _one_group(rows: int) -> pd.Series:
    return pd.Series(pd.Categorical(["all"] * rows))


def test_the_interval_by_formula_worked_by_hand() -> None:
    scored = _scored([0.5, 0.25, 0.5, 0.5], [7, 7, 8, 9])
    # Totals 0.75, 0.5, 0.5 over 2, 1, 1 questions: mean 0.4375; residuals −0.125, 0.0625, 0.0625, squared 0.0234375;
    # times 3/2, the root 0.1875, over 4 questions 0.046875; t of 2 degrees 4.302653.
    (found,) = by_slice(scored, _one_group(4))
    assert found.f1 == pytest.approx(43.75)
    assert found.f1_low == pytest.approx(43.75 - 4.6875 * 4.302653)
    assert found.f1_high == pytest.approx(43.75 + 4.6875 * 4.302653)


def test_with_many_paragraphs_the_formula_and_the_bootstrap_agree() -> None:
    rng = np.random.default_rng(5)
    paragraphs = np.repeat(np.arange(300), rng.integers(1, 12, 300))
    ease = rng.random(300)[paragraphs]
    scored = _scored(np.clip(ease + rng.normal(0, 0.2, len(paragraphs)), 0, 1).tolist(), paragraphs.tolist())
    labels = pd.Series(pd.Categorical(np.where(rng.random(len(paragraphs)) < 0.3, "few", "many")))
    by_formula, drawn = by_slice(scored, labels), by_slice(scored, labels, resamples=4000)
    assert [each.label for each in by_formula] == ["few", "many"]
    for one, other in zip(by_formula, drawn, strict=True):
        assert one.f1 == other.f1
        assert one.f1_low == pytest.approx(other.f1_low, abs=0.35)
        assert one.f1_high == pytest.approx(other.f1_high, abs=0.35)


def test_a_pair_differs_as_b_minus_a_whatever_the_order_of_its_rows(table: pd.DataFrame) -> None:
    a, b = view(table, 0.0), view(table, -1.0)  # B is silent on q4 too: 1 becomes 0
    rivers, normandy = by_slice_pair(a, b.iloc[::-1], slicings(table)["article"])
    assert (normandy.label, normandy.difference, normandy.low) == ("Normandy", 0, None)
    assert (rivers.questions, rivers.f1_a, rivers.f1_b, rivers.difference) == (4, 62.5, 37.5, -25)


def test_a_paired_interval_is_narrower_than_two_apart() -> None:
    scores = np.random.default_rng(6).random(200)
    a = _scored((0.9 * scores).tolist(), list(range(200)))
    b = _scored((0.9 * scores + 0.05).tolist(), list(range(200)))
    for resamples in (0, 500):
        (found,) = by_slice_pair(a, b, _one_group(200), resamples=resamples)
        assert found.difference == pytest.approx(5)
        assert found.low == pytest.approx(5) and found.high == pytest.approx(5)
    (alone,) = by_slice(a, _one_group(200))
    assert alone.f1_high is not None and alone.f1_low is not None and alone.f1_high - alone.f1_low > 5


def test_runs_on_different_questions_are_no_pair(table: pd.DataFrame) -> None:
    decided = view(table, 0.0)
    with pytest.raises(BadRun, match=r"2 of the first run's 6 are not in the second, such as q2"):
        by_slice_pair(decided, decided[~decided["id"].isin(["q2", "q5"])], slicings(table)["article"])


# Whole data sets


def test_the_shipped_run_is_in_slices_whole(starter: Run) -> None:
    found = slicings(starter.examples)
    assert "windows" in found and "article" in found
    decided = view(starter.examples, starter.threshold)
    for labels in found.values():
        slices = by_slice(decided, labels)
        assert sum(each.questions for each in slices) == len(decided)
        assert sum(each.f1 * each.questions for each in slices) == pytest.approx(100 * decided["f1"].sum())


def test_the_slices_of_the_dev_set(dev: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    a, b = dev
    began = time.process_time()
    found = slicings(b)
    assert time.process_time() - began < 1.5
    none = {name: (labels == "none").sum() for name, labels in found.items()}
    assert none["answer length"] == none["answer position"] == none["answer type"] == 5945
    assert "windows" not in found  # predictions from elsewhere do not tell
    assert len(found["article"].cat.categories) == 12 and "others (24 articles)" in found["article"].values
    # "what" asks most, and every label but long texts has questions enough to mean something
    assert found["question word"].value_counts().index[0] == "what"
    for name, labels in found.items():
        assert labels.value_counts().drop("1000+", errors="ignore").min() > 50, name

    (silent, *_, long) = by_slice(b, found["answer length"])
    assert round(silent.f1, 2) == 83.36  # the official script's NoAns_f1
    assert long.f1 < 75  # long answers are harder

    (pair,) = by_slice_pair(a, b, _one_group(len(a)))
    assert pair.difference == pytest.approx(81.7753 - 76.7688, abs=1e-4)
    assert pair.low is not None and pair.low > 3


def test_a_dev_set_of_twelve_slices_takes_milliseconds() -> None:
    rng = np.random.default_rng(7)
    scored = _scored(rng.random(11873).tolist(), np.sort(rng.integers(0, 1204, 11873)).tolist())
    labels = pd.Series(pd.Categorical(rng.integers(0, 12, 11873).astype(str)))
    times = []
    for _ in range(4):
        began = time.process_time()
        by_slice(scored, labels)
        middle = time.process_time()
        by_slice_pair(scored, scored, labels)
        times.append((middle - began, time.process_time() - middle))
    assert np.min(times, axis=0).max() < 0.06
