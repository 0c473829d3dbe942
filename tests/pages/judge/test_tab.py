"""Judging without a browser: which runs there are, what is chosen of them, what is shown of a run and a question."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterable
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import gradio as gr
import pytest
from starlette.requests import Request

from pages.access import Access, NotAllowed
from pages.judge import article, example_view, scorecard
from pages.judge.browse import (
    ALL,
    HEADERS,
    PAGE,
    Browsing,
    choose,
    filter_by,
    headers,
    margin_text,
    number,
    open_link,
    outcome_choices,
    page_of,
    place_of,
    sorts_of,
    threshold_of,
    turn_to,
)
from pages.judge.charts import histogram_chart, recall_chart, reliability_chart, threshold_chart
from pages.judge.evaluating import (
    RECENT,
    data_asked_for,
    data_choices,
    evaluation_lines,
    evaluations,
    progress_of,
    start_evaluation,
    stop_evaluation,
)
from pages.judge.runs import KEPT_OPEN, OpenedRun, RunShelf, data_name, day_of, find_run, list_choices
from pages.judge.shown import drawings
from pages.readers import Shelf
from reader.calibration import curves as curves_of
from reader.calibration import histograms, precision_recall, reliability
from reader.errors import BadData, BadRun, BadUsage
from reader.examples import Example, Gold
from reader.job_files import Job, State, append_progress, write_job
from reader.metrics import metrics_at
from reader.postprocess import Answer, Span
from reader.results import import_predictions, write_run
from reader.views import judged
from tests.small_run import EXAMPLES, answer, data

HERE = Access("on")
NOBODY = Access("off")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("READER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def write(folder: Path, examples: list[Example] | None = None, answers: Iterable[Answer] | None = None) -> Path:
    made = data(examples)
    write_run(
        folder,
        made,
        answers or (answer(example) for example in made.examples),
        reader="embedded",
        threshold=0.0,
        threshold_chosen_on="held-out articles",
        facts={},
    )
    return folder


@pytest.fixture
def opened(home: Path) -> OpenedRun:
    """Six questions, at threshold 0: q1 correct, q2 false answer, q3 partial, q4 correct, q5 abstained, q6 wrong."""
    write(home / "evaluations" / "small")
    return RunShelf().take("evaluations/small")


@pytest.fixture
def long(home: Path) -> OpenedRun:
    """Seventy unanswerable questions; the reader answers the first sixty, the later the surer."""
    texts = [Example(f"u{n}", f"Who is number {n}?", f"Nobody is number {n}.", (), "Numbers") for n in range(70)]
    margins = [-1.0 - n if n < 60 else 5.0 for n in range(70)]
    answers = [
        Answer(text.id, Span(0, 6, "Nobody", 1.0, 0.5), 1.0 + margin, 0.5, 0.0, (Span(0, 6, "Nobody", 1.0, 0.5),), 1)
        for text, margin in zip(texts, margins, strict=True)
    ]
    write(home / "evaluations" / "long", texts, answers)
    return RunShelf().take("evaluations/long")


class Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)


def text_of(html: str) -> str:
    parser = Text()
    parser.feed(html)
    return " ".join(" ".join(parser.pieces).split())


def ids(opened: OpenedRun, browsing: Browsing) -> list[str]:
    return [str(opened.decided["id"].iat[row]) for row in choose(opened, browsing)]


# Runs


def test_runs_of_evaluations_and_jobs_are_listed_newest_first(home: Path) -> None:
    write(home / "evaluations" / "one")
    write(home / "jobs" / "20260101-000000-0a1b2c" / "evaluation")
    (home / "jobs" / ".deleted-20260101-000000-0a1b2c").mkdir()
    (home / "uploads").mkdir()
    keys = [choice.key for choice in list_choices() if choice.key != "starter"]
    assert sorted(keys) == ["evaluations/one", "jobs/20260101-000000-0a1b2c/evaluation"]
    label = next(choice.label for choice in list_choices() if choice.key == "evaluations/one")
    assert label.startswith("embedded · small.json · ")
    for key in keys:
        assert find_run(key) == home / key


def test_a_damaged_run_is_listed_and_says_so(home: Path) -> None:
    folder = write(home / "evaluations" / "broken")
    (folder / "run.json").write_text("{")
    assert [c.label for c in list_choices() if c.key != "starter"] == ["broken · cannot be opened"]
    with pytest.raises(BadRun, match="damaged"):
        RunShelf().take("evaluations/broken")


@pytest.mark.parametrize("key", ["", "../outside", "/etc", "evaluations", "evaluations/none", "a\0b", "x" * 1000, None])
def test_a_name_that_is_no_run_is_refused(home: Path, key: str) -> None:
    write(home / "evaluations" / "one")
    write(home.parent / "outside")
    with pytest.raises(BadRun, match="pick one from the list"):
        find_run(key)


def test_an_open_run_is_shared_and_read_anew_when_it_changes(home: Path) -> None:
    folder = write(home / "evaluations" / "one")
    shelf = RunShelf()
    first = shelf.take("evaluations/one")
    assert shelf.take("evaluations/one") is first
    os.utime(folder / "run.json", (0, 0))
    assert shelf.take("evaluations/one") is not first


def test_only_a_few_runs_stay_open(home: Path) -> None:
    for n in range(KEPT_OPEN + 1):
        write(home / "evaluations" / f"run{n}")
    shelf = RunShelf()
    first = shelf.take("evaluations/run0")
    last = [shelf.take(f"evaluations/run{n}") for n in range(1, KEPT_OPEN + 1)][-1]
    assert shelf.take(f"evaluations/run{KEPT_OPEN}") is last
    assert shelf.take("evaluations/run0") is not first


def test_data_and_days_are_named_as_people_name_them() -> None:
    assert data_name("starter") == "starter set"
    assert data_name("/somewhere/dev-v2.0.json") == "dev-v2.0.json"
    assert data_name("../data/dev-v2.0.json") == data_name("data/dev-v2.0.json") == "dev-v2.0.json"
    assert data_name("rajpurkar/squad_v2:validation") == "rajpurkar/squad_v2:validation"
    assert day_of("2026-01-04T07:05:09+00:00") == "4 Jan 2026, 07:05"
    assert day_of("once") == "once"


# Which questions are meant

WHAT = [each.id for each in EXAMPLES if "what" in each.question.lower() or each.id == "q5"]


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        ("correct", ["q1", "q4"]),
        ("partial", ["q3"]),
        ("wrong_span", ["q6"]),
        ("missed", []),
        ("abstained", ["q5"]),
        ("false_answer", ["q2"]),
        (ALL, ["q1", "q2", "q3", "q4", "q5", "q6"]),
        ("nonsense", ["q1", "q2", "q3", "q4", "q5", "q6"]),
    ],
)
def test_an_outcome_chooses_its_questions(opened: OpenedRun, outcome: str, expected: list[str]) -> None:
    assert ids(opened, filter_by(Browsing(), outcome, "")) == expected


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("NORMANDY", ["q1"]),
        ('f1 < 0.5 and not outcome = "false answer"', ["q6"]),
        ("question word = what or id = q5", WHAT),
        ("rhine", ["q5"]),
        ("lie cities", ["q3", "q5"]),  # all words, in any order
        ("spring tide", ["q6"]),  # what was predicted
        ("up the seine", ["q6"]),  # a gold answer
        ("q4", ["q4"]),  # an id
        ("   ", ["q1", "q2", "q3", "q4", "q5", "q6"]),
    ],
)
def test_words_are_searched_for_and_conditions_hold(opened: OpenedRun, search: str, expected: list[str]) -> None:
    assert ids(opened, filter_by(Browsing(), ALL, search)) == expected


def test_the_worst_false_answers_come_first(long: OpenedRun) -> None:
    worst = filter_by(Browsing(), "false_answer", "")
    assert ids(long, worst) == [f"u{n}" for n in reversed(range(60))], "the surest mistake first"
    assert turn_to(long, worst).example == "u59"


def test_orders(opened: OpenedRun) -> None:
    everything = Browsing(run=opened.key)
    assert ids(opened, replace(everything, sort="answers")) == ["q1", "q3", "q6", "q2", "q4", "q5"]
    assert ids(opened, replace(everything, sort="silences")) == ["q5", "q4", "q2", "q6", "q3", "q1"]
    assert ids(opened, replace(everything, sort="f1"))[:2] == ["q2", "q6"]


def test_a_search_keeps_the_chosen_order_and_another_outcome_brings_its_own() -> None:
    browsing = replace(filter_by(Browsing(), "false_answer", ""), sort="data")
    assert filter_by(browsing, "false_answer", "who").sort == "data"
    assert filter_by(browsing, "missed", "").sort == "silences"


def test_pages_hold_25_and_follow_the_example(long: OpenedRun) -> None:
    first = turn_to(long, Browsing(run=long.key))
    cells, outcomes, total = page_of(long, first)
    assert (len(cells), total, first.example) == (PAGE, 70, "u0")
    assert cells[0][-1] == "u0" and len(cells[0]) == len(headers(None)) == len(HEADERS) - 2
    assert outcomes == ["false_answer"] * PAGE
    last = turn_to(long, replace(first, page=99, example=""))
    assert [row[-1] for row in page_of(long, last)[0]] == [f"u{n}" for n in range(50, 70)]
    assert turn_to(long, replace(first, example="u26")).page == 1
    assert turn_to(long, replace(first, page=-1, example="")).page == 0


def test_an_example_knows_its_neighbours_across_pages(long: OpenedRun) -> None:
    place = place_of(long, turn_to(long, Browsing(run=long.key, example="u25")))
    assert (place.number, place.total, place.previous, place.next) == (26, 70, "u24", "u26")
    assert place_of(long, Browsing(example="u0")).previous == ""
    assert place_of(long, Browsing(example="u69")).next == ""
    assert place_of(long, Browsing(outcome="correct", example="u3")).number == 0


def test_where_nothing_fits_there_is_no_example(opened: OpenedRun) -> None:
    nothing = turn_to(opened, filter_by(Browsing(), "missed", ""))
    assert (nothing.example, page_of(opened, nothing)) == ("", ([], [], 0))


def test_a_link_opens_its_example(opened: OpenedRun) -> None:
    assert open_link(opened, {"example": "q5"})[0].example == "q5"
    among, says = open_link(opened, {"example": "q2", "outcome": "false_answer"})
    assert (among.example, among.outcome, says) == ("q2", "false_answer", "")
    other, _ = open_link(opened, {"example": "q5", "outcome": "false_answer"})
    assert (other.example, other.outcome) == ("q5", ALL), "the example wins over a filter that hides it"
    first, says = open_link(opened, {"example": "gone"})
    assert first.example == "q1" and "gone" in says


def test_figures_are_written_as_they_are_read() -> None:
    assert [number(value) for value in (0.5, -1.234, -0.001, float("nan"))] == ["0.50", "−1.23", "0.00", "–"]
    assert [margin_text(value) for value in (2.0, -2.0, -0.001, float("inf"))] == ["+2.00", "−2.00", "0.00", "+∞"]


def test_the_outcomes_are_counted_in_words(opened: OpenedRun) -> None:
    labels = [label for label, _ in outcome_choices(opened.figures["outcomes"])]
    assert labels == [
        "all 6",
        "correct 2",
        "partial 1",
        "wrong span 1",
        "missed 0",
        "rightly abstained 1",
        "false answer 1",
    ]


# What is shown of a run


def test_tiles_show_the_official_figures(opened: OpenedRun) -> None:
    shown = text_of(scorecard.tiles(opened))
    # By hand: 2 of 4 answerable exact, "Paris" of "Paris and Rouen" F1 0.5, 1 of 2 unanswerable silent.
    for name, value in (("Exact match", "50.00"), ("HasAns F1", "62.50"), ("NoAns", "50.00"), ("ROUGE-1, forced", "")):
        assert name in shown and value in shown


def test_questions_are_counted_in_whole_numbers_whatever_the_threshold(home: Path) -> None:
    write(home / "evaluations" / "small")
    write(home / "evaluations" / "one", EXAMPLES[:1])
    shown = [text_of(scorecard.tiles(RunShelf().take(f"evaluations/{name}", -100.0))) for name in ("small", "one")]
    assert "over 6 questions" in shown[0] and "over 1 question " in shown[1]
    assert " 1 question," in text_of(scorecard.facts(RunShelf().take("evaluations/one")))


def test_the_facts_say_protocol_and_threshold_in_words(opened: OpenedRun) -> None:
    shown = text_of(scorecard.facts(opened))
    assert "6 questions" in shown and "held-out articles" in shown and "forced to answer" in shown


def test_bars_are_as_long_as_their_counts(opened: OpenedRun) -> None:
    html = scorecard.outcome_bars(opened)
    grown = dict(re.findall(r'data-outcome="(\w+)" style="flex-grow: (\d+)"', html))
    assert grown == {"correct": "2", "partial": "1", "wrong_span": "1", "abstained": "1", "false_answer": "1"}
    assert "width: 50.00%" in html, "2 unanswerable questions beside 4 answerable ones"


def test_the_confusion_counts_answerable_and_answered(opened: OpenedRun) -> None:
    assert text_of(scorecard.confusion(opened)).endswith("Answerable 4 0 Not answerable 1 1")


def test_a_moved_threshold_decides_anew_and_leaves_the_run_as_it_is(home: Path) -> None:
    write(home / "evaluations" / "small")
    shelf = RunShelf()
    own = shelf.take("evaluations/small")
    silent = shelf.take("evaluations/small", -100.0)
    assert set(silent.outcomes) == {"missed", "abstained"} and silent.moved and not own.moved
    assert silent.figures["metrics"]["NoAns_exact"] == 100.0 and silent.figures["metrics"]["HasAns_f1"] == 0.0
    assert silent.figures["metrics"]["total"] == own.figures["metrics"]["total"]
    official = metrics_at(judged(own.run.examples), own.margins, 0.5)
    at_half = shelf.take("evaluations/small", 0.5)
    assert {name: at_half.figures["metrics"][name] for name in official} == pytest.approx(official)
    assert "moved by hand" in text_of(scorecard.facts(silent)) and "moved" not in text_of(scorecard.facts(own))
    assert shelf.take("evaluations/small") is own and shelf.take("evaluations/small", -100.0) is silent
    assert shelf.take("evaluations/small", own.threshold) is own


def test_a_compared_run_stands_beside(home: Path) -> None:
    write(home / "evaluations" / "one")
    said = dict.fromkeys((example.id for example in EXAMPLES), "Paris")
    import_predictions(home / "evaluations" / "other", data(), said, reader="theirs")
    shelf = RunShelf()
    one, other = shelf.take("evaluations/one"), shelf.take("evaluations/other")
    cells, _, _ = page_of(one, Browsing(run=one.key), other)
    assert len(cells[0]) == len(HEADERS) == len(headers(other))
    assert cells[0][HEADERS.index("Other said")] == "Paris"
    ours, theirs = one.figures["metrics"]["f1"], other.figures["metrics"]["f1"]
    assert f"{ours - theirs:+.2f} against {theirs:.2f}".replace("-", "−") in text_of(scorecard.tiles(one, other))
    assert "theirs says" in text_of(example_view.figures(one, "q1", other))


def test_a_link_leads_back_to_what_was_looked_at(home: Path) -> None:
    write(home / "evaluations" / "small")
    opened = RunShelf().take("evaluations/small", -1.5)
    outcome = str(opened.outcomes[opened.rows["q3"]])
    looked = Browsing(
        run=opened.key, threshold=-1.5, section="slices", outcome=outcome, where="f1 >= 0", sort="f1", example="q3"
    )
    link = json.loads(looked.as_link())
    assert link["threshold"] == "-1.5" and link["with"] == ""
    again, says = open_link(opened, link)
    assert says == ""
    kept = ("run", "threshold", "section", "outcome", "where", "sort")
    assert [getattr(again, name) for name in kept] == [getattr(looked, name) for name in kept]


def test_a_filter_that_is_none_is_told_and_left_out(opened: OpenedRun) -> None:
    browsing, says = open_link(opened, {"where": "f1 <", "section": "nonsense", "threshold": "abc"})
    assert browsing.where == "" and browsing.section == "examples" and says
    assert threshold_of("abc") is threshold_of("inf") is threshold_of(None) is None and threshold_of("-2.5") == -2.5


def test_neighbours_are_the_questions_on_the_same_text(opened: OpenedRun) -> None:
    paragraphs = opened.decided.groupby("paragraph")["id"].apply(list)
    mates = next(ids for ids in paragraphs if len(ids) > 1)
    html = example_view.neighbours(opened, mates[0])
    assert re.findall(r'data-example="(\w+)"', html) == mates[1:]


def test_three_thresholds_are_named_as_what_they_are(opened: OpenedRun) -> None:
    shown = text_of(scorecard.threshold_table(opened))
    assert shown.index("The reader's own") < shown.index("Cross-fitted") < shown.index("Oracle")
    assert "Held-out articles." in shown and "a bound and not a result" in shown
    # The oracle lets q1 and q3 answer, one right and one half right, and nothing that has no answer.
    assert shown.endswith("37.50 100.00")


def test_the_chart_and_the_table_agree_where_silence_is_best(home: Path) -> None:
    write(home / "evaluations" / "silent", [example for example in EXAMPLES if not example.answers])
    opened = RunShelf().take("evaluations/silent")
    assert "Oracle Chosen on these very questions, so a bound and not a result. −1.00 100.00" in text_of(
        scorecard.threshold_table(opened)
    )
    assert drawings(opened)["chart"].layout.title.text == "F1 is highest at a threshold of −1.00"


def test_a_run_that_abstains_already_claims_neither_thresholds_nor_forced_figures(home: Path) -> None:
    said = {example.id: "" if example.id in ("q1", "q5") else "Paris" for example in EXAMPLES}
    import_predictions(home / "evaluations" / "theirs", data(), said, reader="theirs")
    opened = RunShelf().take("evaluations/theirs")
    assert not opened.movable
    assert "ROUGE-1, as predicted" in text_of(scorecard.tiles(opened))
    assert "2 of the predictions are empty already" in text_of(scorecard.facts(opened))
    assert "2 of the predictions are empty already" in text_of(scorecard.threshold_table(opened))
    assert [value for _, value in sorts_of(opened)] == ["data", "f1"]
    assert ids(opened, Browsing(outcome="missed")) == ["q1"]
    # "Paris" stands twice in its text, so nobody knows which of them was meant.
    figures = example_view.figures(opened, "q4")
    assert "its place in the text is not known" in figures and "Margin" not in figures
    assert 'class="predicted"' not in example_view.text(opened, "q4")
    assert example_view.nbest(opened, "q4") == ""


@pytest.mark.parametrize("kept", [["q2", "q5"], ["q1", "q3"], ["q4"]])
def test_a_run_may_lack_one_kind_of_question(home: Path, kept: list[str]) -> None:
    write(home / "evaluations" / "few", [example for example in EXAMPLES if example.id in kept])
    opened = RunShelf().take("evaluations/few")
    shown = text_of(scorecard.tiles(opened) + scorecard.outcome_bars(opened))
    assert ("no such question" in shown) and "none in this data set" in shown
    assert text_of(scorecard.threshold_table(opened))
    curves = curves_of(judged(opened.run.examples), opened.margins)
    assert threshold_chart(curves, {"own": 0.0}).data


# What is shown of a question


def test_spans_are_marked_at_their_offsets(opened: OpenedRun) -> None:
    html = example_view.text(opened, "q4")
    marks = re.findall(r'<mark class="([\w ]+)"[^>]*>([^<]*)</mark>', html.split('<p class="legend">')[0])
    assert marks == [("gold predicted", "Paris")]
    before = unescape(re.sub(r"<[^>]+>", "", html.split('<mark class="gold predicted"')[0]))
    assert before == EXAMPLES[3].context[:52], "the second Paris of two"


def test_an_unanswered_question_marks_no_prediction(opened: OpenedRun) -> None:
    assert "predicted" not in example_view.text(opened, "q5")
    figures = text_of(example_view.figures(opened, "q5"))
    assert "nothing" in figures and "its closest reading: “Paris”" in figures and "above the threshold" in figures


def test_figures_tell_what_is_right_and_what_was_said(opened: OpenedRun) -> None:
    figures = text_of(example_view.figures(opened, "q1"))
    assert "Rollo the Viking" in figures and "−4.00, not above the threshold of 0.00" in figures
    assert "1.00 · 1.00 · 1.00" in figures


def test_the_n_best_are_listed_with_what_was_said_set_off(opened: OpenedRun) -> None:
    answered = example_view.nbest(opened, "q1")
    rows = re.findall(r"<tr( class=said)?><td[^>]*>([^<]*)</td>", answered)
    assert [text for _, text in rows] == ["Rollo", "not answerable", "Rol"]
    assert [text for said, text in rows if said] == ["Rollo"]
    silent = re.findall(r"<tr class=said><td[^>]*>([^<]*)</td>", example_view.nbest(opened, "q5"))
    assert silent == ["not answerable"]


def test_texts_are_shown_as_text(home: Path) -> None:
    evil = "<script>alert(1)</script> & 'Paris'"
    example = Example('"><b>id', f"Where is {evil}?", f"{evil} is here.", (Gold("Paris", 29),), f"<i>{evil}")
    span = Span(0, len(evil), evil, 1.0, 0.9)
    said = Answer(example.id, span, -5.0, 0.1, 0.0, (span,), 1)
    write(home / "evaluations" / "evil", [example], [said])
    opened = RunShelf().take("evaluations/evil")
    browsing = turn_to(opened, Browsing(run=opened.key))
    html = example_view.heading(opened, browsing, place_of(opened, browsing)) + "".join(
        make(opened, example.id) for make in (example_view.text, example_view.figures, example_view.nbest)
    )
    assert "<script" not in html and "<b>" not in html and "<i>" not in html
    assert evil in text_of(example_view.figures(opened, example.id))


def test_a_very_long_text_is_cut_around_the_answer(home: Path) -> None:
    context = "word " * 30_000 + "Rouen" + " word" * 30_000
    example = Example("far", "Where?", context, (Gold("Rouen", 150_000),))
    span = Span(150_000, 150_005, "Rouen", 1.0, 0.9)
    write(home / "evaluations" / "far", [example], [Answer("far", span, -5.0, 0.1, 0.0, (span,), 80)])
    html = example_view.text(RunShelf().take("evaluations/far"), "far")
    assert len(html) < 60_000 and ">Rouen</mark>" in html and "characters before" in html


# The chart


def test_the_chart_says_where_f1_is_highest(opened: OpenedRun) -> None:
    curves = curves_of(judged(opened.run.examples), opened.margins)
    figure = threshold_chart(curves, {"own": 0.0, "oracle": -1.0})
    assert figure.layout.title.text.startswith("F1 is highest at a threshold of ")
    said = [annotation.text.strip() for annotation in figure.layout.annotations]
    assert said == ["F1", "HasAns F1", "NoAns", "oracle", "own"]


def test_charts_say_what_they_show(opened: OpenedRun) -> None:
    has = judged(opened.run.examples).has_answer
    assert "Average precision of silence" in recall_chart(precision_recall(opened.margins, has)).layout.title.text
    assert len(histogram_chart(histograms(opened.margins, has)).data) == 2
    said = opened.decided["no_answer_probability"].to_numpy(dtype=float)
    assert "“No answer” is off by" in reliability_chart(reliability(said, ~has)).layout.title.text


def test_with_answerable_questions_only_nothing_is_drawn_of_the_others(home: Path) -> None:
    answerable = [example for example in EXAMPLES if example.answers]
    write(home / "evaluations" / "answerable", answerable)
    opened = RunShelf().take("evaluations/answerable")
    drawn = drawings(opened)
    assert sorted(drawn) == ["chart", "margins"]
    assert [line.name for line in drawn["chart"].data] == ["F1"], "HasAns F1 is the same"
    assert [line.name for line in drawn["margins"].data] == ["answerable"]
    assert drawn["margins"].layout.title.text == "Margins: all questions are answerable"
    assert drawn["margins"].layout.yaxis.dtick == 1, "questions are not counted in tenths"
    assert "no such question" in text_of(scorecard.tiles(opened))
    assert "0 of 0" not in text_of(article.tables(opened, None))


# Evaluations


def put_job(home: Path, job_id: str, state: State, ended: float | None = None, kind: str = "evaluate") -> Job:
    folder = home / "jobs" / job_id
    folder.mkdir(parents=True)
    config = {"kind": kind, "reader": "embedded", "data": "starter"}
    (folder / "config.json").write_text(str(config).replace("'", '"'))
    job = Job(job_id, folder, kind, config, state, created=1.0, started=1.0, ended=ended)
    write_job(job)
    return job


def test_evaluations_that_wait_or_just_ended_are_shown(home: Path) -> None:
    now = time.time()
    put_job(home, "20260101-000000-000001", "queued")
    put_job(home, "20260101-000000-000002", "succeeded", ended=now - 5)
    put_job(home, "20260101-000000-000003", "failed", ended=now - RECENT - 5)
    put_job(home, "20260101-000000-000004", "queued", kind="train")
    assert [job.id[-1] for job in evaluations()] == ["2", "1"]
    lines = evaluation_lines(evaluations())
    assert lines.count("data-stop") == 1 and 'data-stop="20260101-000000-000001"' in lines
    assert "data-show" not in lines, "there is no run yet"
    write(home / "jobs" / "20260101-000000-000002" / "evaluation")
    assert 'data-show="jobs/20260101-000000-000002/evaluation"' in evaluation_lines(evaluations())


def test_an_error_is_shown_as_text(home: Path) -> None:
    job = replace(put_job(home, "20260101-000000-000001", "failed", ended=time.time()), error="Row <b>3</b> is bad.")
    assert "Row &lt;b&gt;3&lt;/b&gt; is bad." in evaluation_lines([job])


def test_progress_is_read_from_the_files(home: Path) -> None:
    job = put_job(home, "20260101-000000-000001", "running")
    assert progress_of(job).total is None
    for done in (0, 40, 80):
        append_progress(job.folder, "progress", done=done, total=160)
    progress = progress_of(job)
    assert (progress.done, progress.total) == (80, 160)
    assert progress.seconds_left is not None and 0 <= progress.seconds_left < 5
    assert "80 of 160 questions" in evaluation_lines([job])


def test_only_those_who_may_start_and_stop(home: Path) -> None:
    with pytest.raises(NotAllowed):
        start_evaluation("embedded", "starter", Shelf(), None, HERE)
    with pytest.raises(NotAllowed):
        start_evaluation("embedded", "starter", Shelf(), None, NOBODY)
    with pytest.raises(NotAllowed):
        stop_evaluation("20260101-000000-000001", None, HERE)
    assert not (home / "jobs").exists()


def asked_by(client: str) -> gr.Request:
    headers = [(b"host", b"127.0.0.1:7860")]
    return gr.Request(Request({"type": "http", "headers": headers, "client": (client, 1), "query_string": b""}))


def test_data_sets_are_found_by_name_and_only_for_those_who_may(home: Path, tmp_path: Path) -> None:
    (home / "uploads").mkdir(parents=True)
    mine = home / "uploads" / "mine-0123abcd.csv"
    mine.write_text("question,context,answer\n")
    outside = tmp_path / "outside.csv"
    outside.write_text("")
    assert {("the starter set", "starter"), ("mine.csv", "uploads/mine-0123abcd.csv")} <= set(data_choices())
    assert "upload" not in dict(data_choices()).values(), "nothing is uploaded here"
    here = asked_by("127.0.0.1")
    assert data_asked_for("starter", here, HERE) == "starter"
    assert data_asked_for("uploads/mine-0123abcd.csv", here, HERE) == str(mine)
    assert data_name(str(mine)) == "mine.csv"
    assert data_asked_for(str(outside), here, HERE) == str(outside)
    for name in (str(outside), "rajpurkar/squad_v2:validation"):
        for who, access in ((here, NOBODY), (asked_by("10.0.0.9"), HERE), (here, Access("owner"))):
            with pytest.raises(NotAllowed):
                data_asked_for(name, who, access)
    for wrong in ("", "  ", None, ["starter"], 7):
        with pytest.raises(BadUsage, match="Pick a data set"):
            data_asked_for(wrong, here, HERE)
    for name in ("a\0b", "x" * 5000):
        with pytest.raises(BadData):
            data_asked_for(name, here, HERE)


def test_what_is_wrong_with_a_run_is_said_without_the_folders_of_this_machine(home: Path) -> None:
    folder = write(home / "evaluations" / "broken")
    (folder / "examples.parquet").write_bytes(b"PAR1")
    with pytest.raises(BadRun, match="The run broken is damaged") as found:
        RunShelf().take("evaluations/broken")
    assert str(home) not in str(found.value)
