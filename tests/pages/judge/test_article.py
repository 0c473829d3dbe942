"""The article, reproduced: published figures beside measured ones, the three questions, and two texts explained."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pages.judge import article
from pages.judge.article import (
    LONGEST_TEXT,
    MOST_GRAMS,
    MOST_STOPS,
    PUBLISHED,
    QUESTIONS,
    bench,
    tables,
    three_questions,
)
from pages.judge.runs import OpenedRun, RunShelf
from reader.bench import explain
from reader.examples import Example
from reader.postprocess import Answer, Span
from reader.results import import_predictions, write_run
from tests.small_run import EXAMPLES, answer, data

CONTEXT = "Long before. " * 40 + "The Normans <b>gave</b> their name to Normandy." + " Long after." * 40
NORMANS = CONTEXT.index("The Normans")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("READER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def opened(
    home: Path, name: str, examples: list[Example], answers: list[Answer], reader: str = "embedded"
) -> OpenedRun:
    write_run(
        home / "evaluations" / name,
        data(examples),
        answers,
        reader=reader,
        threshold=0.0,
        threshold_chosen_on="held-out articles",
        facts={},
    )
    return RunShelf().take(f"evaluations/{name}")


@pytest.fixture
def small(home: Path) -> OpenedRun:
    """Six questions, 4 of them answerable; forced ROUGE-1 F: 1, 1/2, 1 and 0 by hand."""
    return opened(home, "small", EXAMPLES, [answer(example) for example in EXAMPLES])


def silent_already(home: Path) -> OpenedRun:
    said = {example.id: "" if example.id in ("q1", "q5") else "Paris" for example in EXAMPLES}
    import_predictions(home / "evaluations" / "theirs", data(), said, reader="theirs")
    return RunShelf().take("evaluations/theirs")


def asked(
    home: Path, name: str, margins: tuple[float, ...], start: int = NORMANS, reader: str = "embedded"
) -> OpenedRun:
    """The article's questions on a text of our own, with these margins; the span is "The Normans" or moved."""
    examples = [
        Example(question.id, question.text, CONTEXT, (), "Normans")
        for question, _ in zip(QUESTIONS, margins, strict=False)
    ]
    span = Span(start, start + 11, CONTEXT[start : start + 11], 1.0, 0.9)
    answers = [
        Answer(example.id, span, 1.0 + margin, 0.1, 0.0, (span,), 1)
        for example, margin in zip(examples, margins, strict=True)
    ]
    return opened(home, name, examples, answers, reader)


class Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self.tags: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, "every element is closed where it was opened"

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)


def parsed(html: str) -> Text:
    parser = Text()
    parser.feed(html)
    parser.close()
    assert not parser.open
    return parser


def text_of(html: str) -> str:
    return " ".join(" ".join(parsed(html).pieces).split())


def bodies(html: str) -> list[list[str]]:
    """The rows of each table."""
    return [body.split("</tr>")[:-1] for body in re.findall(r"<tbody>(.*?)</tbody>", html)]


# The tables


def test_the_two_tables_set_published_figures_apart(small: OpenedRun) -> None:
    all_questions, answerable, _ = bodies(tables(small))
    for rows, figures in ((all_questions, ["0.354", "0.450"]), (answerable, ["0.708", "0.901"])):
        measured, divider, *published = rows
        assert "measured here, on small.json" in measured and 'class="published"' not in measured
        assert "not run here" in divider
        assert [text_of(row + "</tr>").split()[-1] for row in published] == figures
        assert all('class="published"' in row for row in published)


def test_the_measured_rows_are_the_forced_figures(small: OpenedRun) -> None:
    all_questions, answerable, _ = bodies(tables(small))
    # By hand: 1 + 1/2 + 1 + 0 over 4 answerable, and over all 6; "Paris" of "Paris and Rouen" is 1 / 3 of its words.
    assert text_of(answerable[0] + "</tr>").endswith("0.625")
    assert text_of(all_questions[0] + "</tr>").endswith("0.417")


def test_the_arithmetic_explains_each_row(small: OpenedRun) -> None:
    sums = re.findall(
        r"([\d.]+) × ([\d,]+) / ([\d,]+) = ([\d.]+), (measured|published) ([\d.]+)", text_of(tables(small))
    )
    assert [kind for *_, kind, _ in sums] == ["measured", "published", "published"]
    assert sums[0][1:3] == ("4", "6") and sums[1][1:3] == ("5,928", "11,873")
    for factor, part, total, product, _, everything in sums:
        exact = float(factor) * int(part.replace(",", "")) / int(total.replace(",", ""))
        assert exact == pytest.approx(float(product), abs=1e-4)
        assert float(product) == pytest.approx(float(everything), abs=0.001)
    assert [(row.everything, row.answerable) for row in PUBLISHED] == [(0.354, 0.708), (0.450, 0.901)]


def test_silence_is_told_as_what_it_changes(small: OpenedRun) -> None:
    html = tables(small)
    says = text_of(html)
    assert "silent on 1 of 6 questions: 1 of 2 unanswerable ones, which now score 1, and 0 of 4 answerable ones" in says
    assert "over all rises from 0.417 to 0.583, over the answerable stays at 0.625" in says
    row = text_of(bodies(html)[2][0] + "</tr>")
    abstaining = small.figures["rouge"]["abstain"]["raw"]
    expected = [abstaining[group]["rouge1"]["f"] for group in ("all", "answerable")]
    assert [float(value) for value in row.split()[-4:-2]] == pytest.approx(expected, abs=0.0005)
    assert row.split()[-2:] == [f"{small.figures['metrics'][key]:.2f}" for key in ("exact", "f1")]


def test_a_moved_threshold_moves_the_third_table_only(small: OpenedRun) -> None:
    moved = RunShelf().take(small.key, -1.5)
    before, after = bodies(tables(small)), bodies(tables(moved))
    assert before[:2] == after[:2]
    # Now q2 and q4 are left silent too: 1 + 1/2 + 0 + 0 of 4, and two unanswerable ones are right.
    assert "−1.50" in after[2][0] and text_of(after[2][0] + "</tr>").split()[-4:-2] == ["0.583", "0.375"]


def test_other_questions_are_said_not_to_be_comparable(small: OpenedRun) -> None:
    assert "not comparable" in text_of(tables(small)) and article.HUB in tables(small)
    assert article.DEV[0] - article.DEV[1] == 5_928


def test_a_run_that_keeps_silent_already_claims_no_forced_figures(home: Path, small: OpenedRun) -> None:
    theirs = silent_already(home)
    html = tables(theirs, small)
    all_questions, answerable, silence = bodies(html)
    assert [text_of(rows[0] + "</tr>").split()[-1] for rows in (all_questions, answerable)] == ["–", "–"]
    assert "theirs keeps silent in its saved answers already" in text_of(html)
    assert "2 of the predictions are empty already" in text_of(html)
    assert text_of(html).count("measured 0.") == 1, "the arithmetic of the other run alone"
    assert "silent as it was saved" in silence[0] and "embedded" in silence[1]


def test_two_runs_of_one_reader_are_told_apart(home: Path, small: OpenedRun) -> None:
    again = opened(home, "again", EXAMPLES, [answer(example) for example in EXAMPLES])
    html = tables(small, again)
    assert "embedded (compared)" in html
    assert tables(small, small) == tables(small), "a run beside itself is one run"


@pytest.mark.parametrize("kept", [["q2", "q5"], ["q1", "q3"]])
def test_a_run_may_lack_one_kind_of_question(home: Path, kept: list[str]) -> None:
    chosen = [example for example in EXAMPLES if example.id in kept]
    assert text_of(tables(opened(home, "few", chosen, [answer(example) for example in chosen])))


# The three questions


def test_the_three_questions_show_what_is_said_and_by_which_margin(home: Path) -> None:
    html = three_questions(asked(home, "three", (-2.0, 3.0, -0.5)))
    says = text_of(html)
    assert says.count("none: not answerable from this text") == 3
    assert says.count("false answer “ The Normans ”") == 2
    assert "rightly abstained nothing; its closest reading: “ The Normans ”" in says
    assert "−2.00, not above the threshold of 0.00" in says and "+3.00, above the threshold of 0.00" in says
    assert html.split('<p class="legend">')[0].count('<mark class="predicted"') == 2, "a silent reader marks nothing"
    assert "characters before" in says and "characters after" in says, "an excerpt around the span"
    assert "of the three" not in says


def test_another_run_is_marked_beside_the_first(home: Path) -> None:
    first = asked(home, "first", (-2.0, 3.0, 3.0))
    html = three_questions(first, asked(home, "second", (-2.0, -1.0, 3.0), start=NORMANS + 4, reader="theirs"))
    assert "embedded says" in html and "theirs says" in html
    assert html.index("embedded says") < html.index("theirs says")
    text = html.split('<p class="legend">')[0]
    assert re.findall(r'<mark class="([\w ]+)"', text) == ["predicted", "predicted compared", "compared", "compared"]
    assert "the compared reader&#x27;s answer" in html.split('<p class="legend">')[1]


def test_an_answer_in_another_text_is_not_marked_in_this_one(home: Path) -> None:
    short = Example(QUESTIONS[0].id, QUESTIONS[0].text, "The Normans gave it.", (), "Normans")
    span = Span(0, 11, "The Normans", 1.0, 0.9)
    first = opened(home, "short", [short], [Answer(short.id, span, -1.0, 0.1, 0.0, (span,), 1)])
    html = three_questions(first, asked(home, "second", (-2.0, 3.0, 3.0), reader="theirs"))
    assert "theirs says" in html and re.findall(r'<mark class="([\w ]+)"', html.split('<p class="legend">')[0]) == [
        "predicted"
    ]


def test_the_legend_knows_a_span_that_both_say(home: Path) -> None:
    first = asked(home, "first", (-2.0, -2.0, -2.0))
    html = three_questions(first, asked(home, "second", (-1.0, -1.0, -1.0), reader="theirs"))
    assert (
        "the reader&#x27;s answer" in html
        and "the compared reader&#x27;s answer" in html.split('<p class="legend">')[1]
    )
    silent = three_questions(asked(home, "silent", (2.0, 2.0, 2.0)))
    assert "legend" not in silent


def test_a_run_without_them_says_how_to_get_them(small: OpenedRun, home: Path) -> None:
    says = text_of(three_questions(small))
    assert "hold none of the three" in says and article.HUB in says and "dev-v2.0.json" in says
    assert all(question.text in says for question in QUESTIONS), "what they are is shown all the same"
    some = text_of(three_questions(asked(home, "one", (-2.0,))))
    assert "hold 1 of the three" in some and some.count("embedded says") == 1
    both = text_of(three_questions(small, asked(home, "three", (1.0, 1.0, 1.0), reader="theirs")))
    assert both.count("theirs says") == 3 and "asked (small.json) hold none" in both and "embedded says" not in both


def test_a_run_without_margins_says_so(home: Path) -> None:
    examples = [Example(question.id, question.text, CONTEXT, (), "Normans") for question in QUESTIONS]
    said = dict(zip((example.id for example in examples), ("", "Long", "The Normans"), strict=True))
    import_predictions(home / "evaluations" / "theirs", data(examples), said, reader="theirs")
    html = three_questions(RunShelf().take("evaluations/theirs"))
    assert text_of(html).count("its margin is not known") == 3 and "threshold" not in html
    assert re.findall(r'<mark class="predicted"[^>]*>([^<]*)', html.split('<p class="legend">')[0]) == ["The Normans"]


def test_texts_of_the_data_are_shown_as_text(home: Path) -> None:
    evil = Example(QUESTIONS[0].id, "Who <script>x</script>?", "<script>alert(1)</script>", (), "<i>")
    span = Span(0, 25, evil.context, 1.0, 0.9)
    run = opened(home, "evil", [evil], [Answer(evil.id, span, -5.0, 0.1, 0.0, (span,), 1)], reader="<b>me</b>")
    html = three_questions(run) + tables(run)
    assert "<script" not in html and "<b>me" not in html
    assert "“ <script>alert(1)</script> ”" in text_of(html)


# Two texts, scored


def test_the_article_the_is_shown_as_what_costs_rouge() -> None:
    html = bench("the Normans", "Normans")
    says = text_of(html)
    assert (
        "sees “ normans ” twice: EM and F1 are 1" in says and "finds “ the ” on one side only, so it is 0.667" in says
    )
    assert "precision 1 / 2 = 0.500 · recall 1 / 1 = 1.000 · F 0.667" in says
    chips = re.findall(r'<li class="gram([^"]*)"[^>]*>([^<]*)', html)
    assert chips[2:5] == [("", "the"), (" shared", "Normans"), (" shared", "Normans")]
    assert "Not defined where the right answer has fewer than two words" in says


@pytest.mark.parametrize(
    ("said", "gold", "why"),
    [
        ("Rollo", "Rollo", "Both texts are the same, so EM and F1 are 1. ROUGE-1 finds every word on both sides, so"),
        ("3.5", "5.3", "EM and F1 are 0. ROUGE-1 finds every word on both sides, for it splits at full stops and"),
        ("Normans", "normans", "EM and F1 are 1. ROUGE-1 finds no shared word, for it minds case, so it is 0."),
        ("911,", "911", "ROUGE-1 finds no shared word, for punctuation stays with its word, so it is 0."),
        ("c b", "b c", "the same words in another order: EM is 0 and F1 is 1. ROUGE-1 finds every word on both sides"),
        ("c b", "b c", "for it minds no order, so it is 1."),
        ("so so", "so", "1 of 2 words said and 1 of 1 right words are shared: EM is 0 and F1 is 0.667. ROUGE-1 finds"),
        ("so so", "so", "every word on both sides, for it counts each word once, so it is 1."),
        ("", "", "ROUGE-1 finds no word on either side, which counts as 1."),
        (".", "Bonn", "SQuAD compares nothing with “ bonn ”, which share no word: EM and F1 are 0. ROUGE-1"),
        (".", "Bonn", "no word on one of the sides, which counts as 0."),
        ("the", "", "and sees nothing twice: EM and F1 are 1. ROUGE-1 finds no word on one of the sides"),
        ("Bonn. ", "Bonn", "finds an empty word on one side only, so it is 0.667."),
        ("one two three four", "one", "finds “ two ”, “ three ”, “ four ” on one side only"),
        ("one two three four five", "one", "finds “ two ”, “ three ”, “ four ” and 1 more on one side only"),
    ],
)  # fmt: skip
def test_a_sentence_says_why(said: str, gold: str, why: str) -> None:
    assert why in text_of(bench(said, gold))


def test_a_word_on_both_sides_that_rouge_l_leaves_out_is_not_shown_as_shared() -> None:
    last = bench("c b", "b c").split("<h3>ROUGE-L</h3>")[1]
    assert re.findall(r'<li class="gram([^"]*)"[^>]*>([^<]*)', last) == [
        *((" shared", "c"), ("", "b"), ("", "b"), (" shared", "c")),
    ]
    assert "In the same order: “<bdi>c</bdi>”" in last


def test_a_repeated_word_is_shared_as_often_as_both_have_it() -> None:
    chips = re.findall(r'<li class="gram([^"]*)"[^>]*>([^<]*)', bench("so so", "so"))
    assert chips[:3] == [(" shared", "so"), ("", "so"), (" shared", "so")]


def test_the_figures_shown_are_those_of_the_library() -> None:
    said, gold = "in the 10th and 11th centuries, the Normans", "10th and 11th centuries"
    explained = explain(said, gold)
    shown = re.findall(r"<dd>([\d.]+)</dd>", bench(said, gold))
    expected = [explained.squad.exact, explained.squad.f1, *(found.f for found in explained.raw.rouge)]
    assert [float(value) for value in shown] == pytest.approx(expected, abs=0.0005)


def test_what_is_typed_is_shown_as_text() -> None:
    for typed in ("<script>alert(1)</script>", '"><img src=x onerror=y>', "</li></ul> & <b>bold</b>"):
        for html in (bench(typed, "x"), bench("x", typed), bench(typed, typed)):
            parser = parsed(html)
            assert not {"script", "img"} & set(parser.tags)
            assert set(parser.tags) <= {
                "div",
                "p",
                "dl",
                "dt",
                "dd",
                "span",
                "section",
                "h3",
                "h4",
                "ul",
                "li",
                "bdi",
                "b",
            }
    assert 'dir="auto"' in bench("שלום", "שלום") and "👩‍🚀" in bench("👩‍🚀", "x")


def test_long_texts_are_refused_with_a_sentence() -> None:
    assert "2,001 characters is too long" in bench("x" * (LONGEST_TEXT + 1), "x")
    assert "2,001 characters is too long" in bench("", "x" * (LONGEST_TEXT + 1))
    assert "no more than 50 full stops" in bench("a." * (MOST_STOPS + 1), "a")
    assert "Type two texts" in bench(None, ["a"])  # type: ignore[arg-type]
    assert 'class="bench"' in bench("x" * LONGEST_TEXT, "a." * MOST_STOPS)


def test_many_n_grams_are_counted_rather_than_shown() -> None:
    html = bench(" ".join(f"w{number}" for number in range(100)), "w0 w1")
    assert "and 40 more" in text_of(html) and html.count(">w5<") == 3 and ">w60<" not in html
    assert MOST_GRAMS == 60
    assert "more than 500 words" in text_of(bench("a " * 501, "a"))
