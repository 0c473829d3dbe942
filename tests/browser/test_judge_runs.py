"""Judge, in a real browser: which of two runs is better and on what, and runs whose texts do all they can."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from reader.examples import STARTER, Example, ExampleSet, Gold, fingerprint, load_examples
from reader.postprocess import Answer, Span
from reader.results import open_run, write_run
from reader.slices import question_word
from tests.browser.conftest import App

pytestmark = pytest.mark.browser

OpenPage = Callable[..., Page]


def write(folder: Path, examples: list[Example], answers: list[Answer], reader: str, threshold: float = 0.0) -> None:
    write_run(
        folder,
        ExampleSet("starter" if len(examples) > 300 else "texts.json", examples, fingerprint(examples)),
        answers,
        reader=reader,
        threshold=threshold,
        threshold_chosen_on="",
        facts={},
    )


def said(example: Example, start: int, end: int, margin: float) -> Answer:
    span = Span(start, end, example.context[start:end], 5.0, 0.8)
    return Answer(example.id, span, 5.0 + margin, 0.1, 0.0, (span,), 1)


def marked(page: Page, kind: str) -> list[tuple[int, int]]:
    """The offsets of the marks of a kind in the whole text, in code points, measured in the browser's own text."""
    found = page.evaluate(
        """kind => {
            const text = document.querySelector("#judge-example-text .reading-text");
            return [...text.querySelectorAll(`mark.${kind}`)].map(mark => {
                const range = document.createRange();
                range.setStart(text, 0);
                range.setEnd(mark.firstChild, 0);
                const start = Number(text.dataset.start) + [...range.toString()].length;
                return [start, start + [...mark.textContent].length];
            });
        }""",
        kind,
    )
    return [(start, end) for start, end in found]


# Which of two runs is better, and on what


def opening(example: Example) -> int:
    """Where the first two words of the text end; one alone may be an article, which SQuAD's F1 leaves out."""
    return example.context.index(" ", example.context.index(" ") + 1)


@pytest.fixture(scope="module")
def worse_on_which(running_app: App) -> str:
    """The shipped run's answers, but the first two words of the text to every question that asks "which"."""
    examples = load_examples(STARTER).examples
    shipped = open_run(STARTER.parent / "run")
    rows = shipped.examples.set_index("id")
    answers = []
    for example in examples:
        row = rows.loc[example.id]
        if question_word(example.question) == "which":
            answers.append(said(example, 0, opening(example), -20.0))
        else:
            answers.append(said(example, int(row["span_start"]), int(row["span_end"]), float(row["null_score_diff"])))
    assert all(math.isfinite(answer.null_score_diff) for answer in answers)
    write(running_app.home / "evaluations" / "worse", examples, answers, "made worse", shipped.threshold or 0.0)
    return "evaluations/worse"


def test_which_of_two_runs_is_better_and_on_what(open_page: OpenPage, worse_on_which: str) -> None:
    page = open_page(tab="judge", run="starter")
    page.get_by_role("combobox", name="Compare with").click()
    page.get_by_role("option", name="made worse · starter set").click()
    expect(page.locator("dl.tiles")).to_contain_text("against")

    page.get_by_role("tab", name="Comparison").click()
    sentence = page.locator("#judge-versus .sentence")
    expect(sentence).to_contain_text("A is better by F1", timeout=60_000)
    assert re.search(r"by F1: \+\d+\.\d\d \(\d+\.\d\d to \d+\.\d\d\)\.", sentence.inner_text()), "and by how much"
    expect(page.locator("#judge-versus")).to_contain_text(re.compile(r"0 only B: hardly chance \(p\s<\s0\.001"))
    expect(page.locator("#judge-versus section", has_text="B does better")).to_contain_text("On no question")

    page.get_by_role("tab", name="Slices").click()
    groups = page.locator("#judge-slices table.paired tbody tr")
    expect(groups.filter(has_text="which")).to_contain_text("A is better")
    expect(groups.filter(has_text="A is better")).to_have_count(1)
    groups.filter(has_text="which").get_by_role("button").click()
    expect(page.get_by_label("Filter")).to_have_value("question word = which")
    expect(page.locator("#judge-paging")).to_contain_text("of 49")

    page.locator('#judge-outcome label:has(input[value="correct"])').click()
    expect(page.get_by_test_id("cell-0-2")).to_have_text("correct")
    lost = page.get_by_test_id("cell-1-0").inner_text()
    page.get_by_test_id("cell-1-0").click()
    expect(page.locator("#judge-example-heading .question")).to_have_text(lost)
    expect(page.locator("#judge-example-figures")).to_contain_text("made worse says")
    expect(page.locator("#judge-example-text .reading mark.compared")).to_be_visible()
    opened = page.evaluate("JSON.parse(document.querySelector('#judge-example-heading [data-link]').dataset.link)")
    example = next(one for one in load_examples(STARTER).examples if one.id == opened["example"])
    assert marked(page, "compared") == [(0, opening(example))]
    pieces = marked(page, "predicted")  # cut where one gold answer ends within another
    assert example.context[pieces[0][0] : pieces[-1][1]] in {gold.text for gold in example.answers}
    expect(page.locator("#judge-example-text .legend")).to_contain_text("the compared reader's answer")


# Texts


BAD = "<img src=x onerror=\"document.title='stolen'\"><script>document.title='stolen'</script>"
TEXTS = {
    "html": f"<h1>Rouen</h1> {BAD} &amp; <b>Rouen</b> <!-- Rouen --> </div></mark> in Rouen, on the Seine.",
    "markdown": "# Rouen\n\n* **Rouen** `Rouen` [Rouen](javascript:document.title='stolen')\n\n| Rouen | $$Rouen$$ |",
    "right-to-left": "مدينة Rouen جميلة\u202e abc \u202c ועיר Rouen יפה מאוד.",
    "emoji": "👩‍👩‍👧‍👦 Rouen 🥐🇫🇷 e\u0301 \U0001f469\U0001f3fd‍🚀 Rouen\r\n\tRouen\u00a0👍🏽.",
    "50,000 words": "word " * 25_000 + "🥐 <i>Rouen</i> " + "word " * 25_000,
}


@pytest.fixture(scope="module")
def hard_texts(running_app: App) -> str:
    examples = [
        Example(name, f"Where is {name}?{BAD}", text, (Gold("Rouen", text.rindex("Rouen")),), f"<u>{name}</u>")
        for name, text in TEXTS.items()
    ]
    # Said: the last "Rouen" and the letter before it, so that the two marks differ.
    answers = [said(one, one.answers[0].start - 1, one.answers[0].start + 5, -3.0) for one in examples]
    write(running_app.home / "evaluations" / "texts", examples, answers, f"reader {BAD}")
    return "evaluations/texts"


@pytest.mark.parametrize("name", TEXTS)
def test_texts_are_shown_as_text_and_marked_at_the_right_place(open_page: OpenPage, hard_texts: str, name: str) -> None:
    page = open_page(tab="judge", run=hard_texts, example=name)
    expect(page.locator("#judge-example-heading .question")).to_contain_text(f"Where is {name}?<img src=x onerror=")
    text, at = TEXTS[name], TEXTS[name].rindex("Rouen")
    shown = page.evaluate("document.querySelector('#judge-example-text .reading-text').textContent")
    first = int(page.locator("#judge-example-text .reading-text").get_attribute("data-start") or "")
    assert text[first : first + len(shown)] == shown and len(shown) <= 45_000
    assert (len(shown) < len(text)) == (name == "50,000 words")
    pieces = sorted({*marked(page, "gold"), *marked(page, "predicted")})
    assert pieces == [(at - 1, at), (at, at + 5)]
    assert marked(page, "gold") == [(at, at + 5)], "the last of all"
    scrolled = "document.querySelector('#judge-example-text mark.gold').getBoundingClientRect()"
    box = "document.querySelector('#judge-example-text .reading').getBoundingClientRect()"
    page.wait_for_function(f"{box}.top <= {scrolled}.top && {scrolled}.bottom <= {box}.bottom")

    for section in ("Slices", "The article", "All runs"):
        page.get_by_role("tab", name=section, exact=True).click()
        page.wait_for_timeout(200)
    assert page.title() == "Readerboard", "nothing in the texts was executed"
    assert page.locator("#judge").locator("script, img[src=x], u, h1, [href^='javascript:']").count() == 0
