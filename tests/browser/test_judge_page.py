"""Judge, in a real browser: errands over a run whose answers are made up and known."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from reader.examples import Example, ExampleSet, Gold, fingerprint
from reader.postprocess import Answer, Span
from reader.results import write_run
from tests.browser.conftest import App
from tests.browser.hand_made_reader import make

pytestmark = pytest.mark.browser

RUN = "evaluations/known"
EVIL = "<b>Paris</b> & <script>document.title='stolen'</script> Paris 🥐\r\nand مدينة, then Paris again."
LAST = EVIL.rindex("Paris")

OpenPage = Callable[..., Page]


def known_answers() -> tuple[list[Example], list[Answer]]:
    """Forty answered rightly, thirty false answers (the later the surer), one in a text full of traps."""
    examples = [
        *(
            Example(f"right-{n}", f"Which town is number {n}?", "Rouen.", (Gold("Rouen", 0),), "Towns")
            for n in range(40)
        ),
        *(Example(f"false-{n}", f"Which king is number {n}?", "Rouen has no king.", (), "Kings") for n in range(30)),
        Example("evil", "Where is <i>Paris</i>?", EVIL, (Gold("Paris", LAST),), "<u>Traps</u>"),
    ]
    answers = []
    for number, example in enumerate(examples):
        start = LAST if example.id == "evil" else 0
        span = Span(start, start + 5, example.context[start : start + 5], 5.0, 0.8)
        answers.append(Answer(example.id, span, 9.0 - number, 0.1, 0.0, (span,), 1))
    return examples, answers


@pytest.fixture(scope="module", autouse=True)
def known_run(running_app: App) -> Path:
    examples, answers = known_answers()
    folder = running_app.home / RUN
    write_run(
        folder,
        ExampleSet("known.json", examples, fingerprint(examples)),
        answers,
        reader="made up",
        threshold=0.0,
        threshold_chosen_on="nothing",
        facts={},
    )
    return folder


def open_run(open_page: OpenPage, **more: str | int) -> Page:
    page = open_page(tab="judge", run=RUN, **more)
    expect(page.locator("#judge-example-heading .question")).to_be_visible()
    return page


def open_section(page: Page, name: str) -> None:
    """Open a section; on a phone those that find no room stand in a menu."""
    tab = page.locator("#judge-sections").get_by_role("tab", name=name, exact=True).locator("visible=true")
    if tab.count() == 0:
        page.locator("#judge-sections .overflow-menu > button").first.click()
        tab = page.locator("#judge-sections .overflow-dropdown").get_by_text(name, exact=True)
    tab.first.click()
    page.wait_for_timeout(300)


def heading(page: Page) -> str:
    return str(page.locator("#judge-example-heading").inner_text())


def row(page: Page, number: int) -> str:
    return str(page.get_by_test_id(f"cell-{number}-0").inner_text())


def show(page: Page, outcome: str) -> None:
    page.locator(f'#judge-outcome label:has(input[value="{outcome}"])').click()


def test_the_worst_false_answer_is_one_click_away(open_page: OpenPage) -> None:
    page = open_run(open_page)
    page.locator('.bar [data-outcome="false_answer"]').click()
    expect(page.locator("#judge-example-heading")).to_contain_text("Which king is number 29?")
    expect(page.locator("#judge-paging")).to_contain_text("1–25 of 30")
    expect(page.locator("#judge-outcome input[value=false_answer]")).to_be_checked()
    expect(page.locator("#judge-example-text .reading mark.predicted")).to_have_text("Rouen")
    expect(page.locator("#judge-example-figures")).to_contain_text("none: not answerable from this text")
    assert row(page, 0) == "Which king is number 29?"


def test_selecting_opens_the_right_example_after_filter_search_order_and_page(open_page: OpenPage) -> None:
    page = open_run(open_page)
    show(page, "false_answer")
    expect(page.get_by_test_id("cell-0-0")).to_have_text("Which king is number 29?")
    page.get_by_test_id("cell-2-0").click()
    expect(page.locator("#judge-example-heading")).to_contain_text("Which king is number 27?")

    page.get_by_label("Filter").fill("number 1")  # 1, 10 to 19 and 21; the "1" of an id counts, too
    expect(page.locator("#judge-paging")).to_contain_text("of 12")
    page.get_by_test_id("cell-1-1").click()
    expect(page.locator("#judge-example-heading")).to_contain_text("Which king is number 19?")

    page.get_by_label("Filter").fill("")
    page.get_by_role("combobox", name="Order").click()
    page.get_by_role("option", name="surest silences first").click()
    expect(page.get_by_test_id("cell-0-0")).to_have_text("Which king is number 0?")
    page.get_by_role("button", name="Next 25").click()
    expect(page.locator("#judge-paging")).to_contain_text("26–30 of 30")
    page.get_by_test_id("cell-4-0").click()
    expect(page.locator("#judge-example-heading")).to_contain_text("Which king is number 29?")
    expect(page.get_by_role("button", name="Next 25")).to_be_disabled()


def test_next_goes_on_across_pages(open_page: OpenPage) -> None:
    page = open_run(open_page, example="right-28", outcome="correct")
    # right-0 to right-3 are "missed": their margins are above the threshold.
    expect(page.locator("#judge-paging")).to_contain_text("1–25 of 37")
    page.get_by_role("button", name="Next", exact=True).click()
    expect(page.locator("#judge-example-heading")).to_contain_text("Which town is number 29?")
    expect(page.locator("#judge-paging")).to_contain_text("26–37 of 37")
    page.get_by_role("button", name="Previous", exact=True).click()
    expect(page.locator("#judge-example-heading")).to_contain_text("Which town is number 28?")
    expect(page.locator("#judge-paging")).to_contain_text("1–25 of 37")


def test_a_link_opens_exactly_this_example(open_page: OpenPage) -> None:
    page = open_run(open_page)
    show(page, "false_answer")
    expect(page.get_by_test_id("cell-0-0")).to_have_text("Which king is number 29?")
    page.get_by_test_id("cell-3-0").click()
    expect(page.locator("#judge-example-heading")).to_contain_text("Which king is number 26?")
    page.wait_for_url("**example=false-26**")
    link = page.url
    page.goto("about:blank")
    page.goto(link)
    expect(page.locator("#judge-example-heading")).to_contain_text("Which king is number 26?")
    expect(page.locator("#judge-paging")).to_contain_text("of 30")


def test_text_stays_text_and_is_marked_at_its_offsets(open_page: OpenPage) -> None:
    page = open_run(open_page, example="evil")
    assert page.evaluate("document.querySelector('#judge-example-text .reading-text').textContent") == EVIL
    start = page.evaluate(
        """() => {
            const range = document.createRange();
            range.setStart(document.querySelector("#judge-example-text .reading-text"), 0);
            range.setEnd(document.querySelector("#judge-example-text .reading mark.gold.predicted").firstChild, 0);
            return [...range.toString()].length;
        }"""
    )
    assert start == LAST, "the last of three"
    assert "Where is <i>Paris</i>?" in heading(page) and "<u>Traps</u>" in heading(page)
    assert page.title() == "Readerboard"


def test_the_run_is_shown_with_its_figures_and_the_published_ones_apart(open_page: OpenPage) -> None:
    page = open_run(open_page)
    # 36 + 1 of 41 answerable said rightly; the four with margins above 0 are missed; nothing abstained rightly.
    expect(page.locator("#judge-outcome")).to_contain_text("correct 37")
    expect(page.locator("#judge-outcome")).to_contain_text("missed 4")
    expect(page.locator("dl.tiles")).to_contain_text("52.11")  # 37 of 71
    page.get_by_role("tab", name="The article").click()
    expect(page.locator("#judge-article")).to_contain_text("0.450")
    expect(page.locator("#judge-article")).to_contain_text("not run here")
    expect(page.locator("#judge-bench")).to_contain_text("0.667")
    page.get_by_label("Said", exact=True).fill("Normans")
    expect(page.locator("#judge-bench")).not_to_contain_text("0.667")
    page.get_by_role("tab", name="Threshold").click()
    expect(page.locator("#judge-threshold-table")).to_contain_text("Cross-fitted")
    expect(page.locator("#judge-chart .js-line")).to_have_count(3)
    expect(page.locator("#judge-chart .js-line").first).to_be_visible()
    clipped = "[...document.querySelectorAll('#judge-charts [clip-path]')].map(e => getComputedStyle(e).clipPath)"
    assert set(page.evaluate(clipped)) == {"none"}, "plotly clips by the page's address, which changes"


def test_where_nothing_fits_it_says_what_to_do(open_page: OpenPage) -> None:
    page = open_run(open_page)
    page.get_by_label("Filter").fill("there is no such word")
    expect(page.locator("#judge-example-heading")).to_contain_text("No question fits")
    expect(page.locator("#judge-paging")).to_contain_text("0 questions")


def test_a_run_that_is_not_there_is_said_in_a_sentence(open_page: OpenPage) -> None:
    page = open_page(tab="judge", run="evaluations/gone", example="x")
    expect(page.locator("#judge-says")).to_contain_text("There is no run “evaluations/gone” here any more")
    picker = page.get_by_role("combobox", name="Run")
    picker.click()
    page.get_by_role("option", name="made up · known.json").click()
    expect(page.locator("#judge-example-heading .question")).to_be_visible()
    expect(page.locator("#judge-says")).to_be_hidden()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_scrolls_sideways_on_a_phone_but_tables(open_page: OpenPage, theme: str) -> None:
    page = open_run(open_page, width=390, height=844, __theme=theme, example="evil")
    for name in ("Slices", "Threshold", "Comparison", "The article", "Behaviour", "All runs", "Examples"):
        open_section(page, name)
        assert page.evaluate("document.documentElement.scrollWidth") == 390, name
    small = page.evaluate(
        """() => [...document.querySelectorAll("#judge button, #judge input:not([type=radio]), #judge-outcome label")]
            .filter(control => control.checkVisibility() && control.getBoundingClientRect().height < 40)
            .map(control => control.outerHTML.slice(0, 120))"""
    )
    assert small == [], "everything to be hit is at least 40 px high"


def test_an_evaluation_runs_and_its_run_can_be_judged(open_page: OpenPage, running_app: App) -> None:
    make(running_app.home / "jobs" / "judged" / "reader")
    questions = [
        {"id": "a", "question": "Which town?", "answers": [{"text": "Rouen", "answer_start": 9}]},
        {"id": "b", "question": "Which king?", "answers": []},
    ]
    article = {"title": "T", "paragraphs": [{"context": "It is in Rouen today.", "qas": questions}]}
    uploads = running_app.home / "uploads"
    uploads.mkdir(exist_ok=True)
    (uploads / "two.json").write_text(json.dumps({"data": [article]}))

    page = open_run(open_page)
    page.get_by_role("button", name="New run, import, export").click()
    reader = page.get_by_role("combobox", name="Reader: pick one, or type a Hub id").last
    reader.fill("jobs/judged/reader")
    reader.press("Enter")
    data = page.get_by_role("combobox", name="Data set: pick one, or type a Hub id").last
    data.click()
    page.get_by_role("option", name="two.json").click()
    page.get_by_role("button", name="Evaluate", exact=True).click()
    expect(page.locator("#judge-evaluations")).to_contain_text("two.json")
    page.get_by_role("button", name="Judge it").click()
    expect(page.locator("#judge-overview")).to_contain_text("2 questions")
    expect(page.locator("#judge-example-heading")).to_contain_text("Which town?")
    expect(page.locator("#judge-example-text .reading mark.gold.predicted")).to_have_text("Rouen")
    page.wait_for_url("**run=jobs**")
    page.reload()
    expect(page.locator("#judge-overview")).to_contain_text("2 questions")


# Errands


def test_the_ten_worst_false_answers_of_a_kind_are_found_and_the_third_is_opened(open_page: OpenPage) -> None:
    page = open_run(open_page)
    page.get_by_label("Filter").fill("outcome = false_answer and question word = which and margin < -55")
    expect(page.locator("#judge-paging")).to_contain_text("of 10")
    page.get_by_role("combobox", name="Order").click()
    page.get_by_role("option", name="surest answers first").click()
    expect(page.get_by_test_id("cell-0-0")).to_have_text("Which king is number 29?")
    page.get_by_test_id("cell-2-0").click()
    expect(page.locator("#judge-example-heading")).to_contain_text("Which king is number 27?")
    page.wait_for_url("**where=outcome**")
    page.reload()
    expect(page.locator("#judge-example-heading")).to_contain_text("Which king is number 27?")
    expect(page.get_by_label("Filter")).to_have_value(re.compile("question word = which"))
    page.get_by_label("Filter").fill("f1 <")
    expect(page.locator("#judge-filter-says")).to_contain_text("expected")


def test_a_slice_leads_to_its_questions(open_page: OpenPage) -> None:
    page = open_run(open_page)
    page.get_by_role("tab", name="Slices").click()
    page.get_by_role("combobox", name="Questions by").click()
    page.get_by_role("option", name="article", exact=True).click()
    page.locator("#judge-slices button", has_text="Kings").first.click()
    expect(page.locator("#judge-paging")).to_contain_text("of 30")
    expect(page.get_by_label("Filter")).to_have_value("article = Kings")


def test_a_threshold_for_no_answer_accuracy_is_found_and_what_it_costs(open_page: OpenPage) -> None:
    page = open_run(open_page)
    page.get_by_label("NoAns of at least, %").fill("50")
    page.get_by_role("button", name="Find", exact=True).click()
    expect(page.locator("#judge-threshold-says")).to_contain_text("NoAns is 100.0 %")
    expect(page.locator("#judge-threshold-says")).to_contain_text("answerable questions get no answer")
    expect(page.locator("#judge-overview")).to_contain_text("moved by hand")
    expect(page.locator("#judge-outcome")).to_contain_text("rightly abstained 30")
    page.wait_for_url("**threshold=**")
    page.reload()
    expect(page.locator("#judge-outcome")).to_contain_text("rightly abstained 30")
    page.get_by_role("button", name="Its own", exact=True).click()
    expect(page.locator("#judge-outcome")).to_contain_text("missed 4")


def test_predictions_are_imported_compared_and_the_report_is_taken_away(
    open_page: OpenPage, running_app: App, tmp_path: Path
) -> None:
    examples, _ = known_answers()
    articles: dict[str, list[dict[str, object]]] = {}
    for example in examples:
        answers = [{"text": gold.text, "answer_start": gold.start} for gold in example.answers]
        asked = {"id": example.id, "question": example.question, "answers": answers}
        articles.setdefault(example.title, []).append({"context": example.context, "qas": [asked]})
    made = {"data": [{"title": title, "paragraphs": paragraphs} for title, paragraphs in articles.items()]}
    uploads = running_app.home / "uploads"
    uploads.mkdir(exist_ok=True)
    (uploads / "known-questions.json").write_text(json.dumps(made))
    theirs = tmp_path / "predictions.json"
    theirs.write_text(json.dumps({e.id: e.answers[0].text if e.answers else "" for e in examples}))

    page = open_run(open_page)
    page.get_by_role("button", name="New run, import, export").click()
    page.get_by_role("combobox", name="Data set: pick one, or type a Hub id").last.click()
    page.get_by_role("option", name="known-questions.json").click()
    page.locator("#judge-import input[type=file]").first.set_input_files(theirs)
    page.get_by_label("Whose predictions, on the data set above").fill("A perfect <b>reader</b>")
    expect(page.locator("#judge-import")).to_contain_text("predictions.json")
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.locator("#judge-overview")).to_contain_text("A perfect <b>reader</b>")
    expect(page.locator("dl.tiles")).to_contain_text("100.00")

    page.get_by_role("combobox", name="Compare with").click()
    page.get_by_role("option", name="made up · known.json").click()
    expect(page.locator("dl.tiles")).to_contain_text("against 52.11")
    page.get_by_role("tab", name="Comparison").click()
    expect(page.locator("#judge-versus")).to_contain_text("McNemar", timeout=60_000)
    page.locator("#judge-versus button[data-example]").first.click()
    expect(page.locator("#judge-example-figures")).to_contain_text("made up says")
    with page.expect_download(timeout=60_000) as download:
        page.get_by_role("button", name="Export", exact=True).click()
    report = download.value.path().read_text("utf-8")
    assert "made up" in report and "A perfect &lt;b&gt;reader&lt;/b&gt;" in report and "<b>reader</b>" not in report


def test_runs_on_other_questions_are_not_compared(open_page: OpenPage) -> None:
    page = open_run(open_page)
    page.get_by_role("combobox", name="Compare with").click()
    page.get_by_role("option", name="embedded · starter set").click()
    expect(page.locator("#judge-says")).to_contain_text("different questions")
