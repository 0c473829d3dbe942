"""Groups of questions on the page: a row for each, the filter that shows them, and two runs side by side."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest

from pages.judge import slices_view
from pages.judge.runs import OpenedRun, RunShelf
from pages.judge.slices_view import CLICK_SLICE, overview, slices, slicing_choices, where
from reader.examples import Example, Gold
from reader.filters import parse
from reader.results import import_predictions, write_run
from reader.seen import context_hash
from tests.small_run import EXAMPLES, ROLLO, answer, data


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("READER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def take(home: Path, name: str = "small", threshold: float | None = None) -> OpenedRun:
    folder = home / "evaluations" / name
    if not folder.exists():
        answers = [answer(example) for example in EXAMPLES]
        write_run(folder, data(), answers, reader="<b>mine</b>", threshold=0.0, threshold_chosen_on="", facts={})
    return RunShelf().take(f"evaluations/{name}", threshold)


def imported(home: Path, name: str, examples: list[Example], said: dict[str, str]) -> OpenedRun:
    import_predictions(home / "evaluations" / name, data(examples), said, reader=name)
    return RunShelf().take(f"evaluations/{name}")


def rows(html: str) -> list[str]:
    return re.findall(r"<tr data-where=.*?</tr>", html)


def filters(html: str) -> list[str]:
    return [unescape(text) for text in re.findall(r'data-where="([^"]*)"', html)]


def words(html: str) -> str:
    return unescape(" ".join(re.sub(r"<[^>]*>", " ", html).split()))


def test_every_filter_shows_as_many_questions_as_its_row_says(home: Path) -> None:
    opened = take(home)
    assert len(opened.slices) > 5
    for name in opened.slices:
        found = rows(slices(opened, name))
        assert found
        for row in found:
            (text,) = filters(row)
            count = re.search(r'class="number count">(\d+)<', row)
            assert count is not None
            assert parse(text).mask(opened.decided, opened.slices).sum() == int(count[1]), text
    assert where("question word", "how many/much") == 'question word = "how many/much"'


def test_a_row_holds_a_button_the_figures_and_the_outcomes_in_words(home: Path) -> None:
    row = next(row for row in rows(slices(take(home), "question word")) if 'data-where="question word = which"' in row)
    assert '<button type="button" class="pick"' in row
    # q3 is half right and q4 right; both are on one text.
    assert words(row).startswith("which 75.00 not known 50.00 2")
    assert 'title="correct 1 of 2, 50\u00a0%"' in row and "partial 1 of 2" in row
    assert "interval not known" in row and "--low" not in row, "no whisker where nothing is known"


def test_whether_texts_were_seen_in_training_is_a_slice_where_it_is_known_and_else_a_sentence(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = take(home)
    assert "seen" not in dict(slicing_choices(unknown)).values()
    assert "Text seen in training is not known of this run, since" in words(overview(unknown))
    monkeypatch.setattr(slices_view, "FEWEST", 2)
    assert "text seen in training not known of this run, since" in words(overview(unknown))
    made = data()
    write_run(
        home / "evaluations" / "told",
        made,
        (answer(example) for example in made.examples),
        reader="mine",
        threshold=0.0,
        threshold_chosen_on="",
        facts={},
        trained_on=frozenset({context_hash(ROLLO)}),
    )
    opened = RunShelf().take("evaluations/told")
    assert ("text seen in training", "seen") in slicing_choices(opened)
    html = slices(opened, "seen")
    assert "F1 by text seen in training" in html and "fine-tuned on" in html
    assert filters(html) == ["seen = yes", "seen = no"]
    # q1 and q2 are on the text about Rollo.
    assert [words(row).split()[0] for row in rows(html)] == ["yes", "no"]
    assert [parse(text).mask(opened.decided, opened.slices).sum() for text in filters(html)] == [2, 4]
    assert "not known of this run" not in overview(opened)


def test_figures_follow_the_threshold(home: Path) -> None:
    assert slices(take(home, threshold=-9.0), "answer type") != slices(take(home), "answer type")
    assert "correct" not in slices(take(home, threshold=-9.0), "question word")


def test_two_runs_stand_side_by_side_with_the_better_one_named(home: Path) -> None:
    texts = [Example(f"x{n}", f"Who is {n}?", f"Ada is {n}.", (Gold("Ada", 0),)) for n in range(40)]
    worse = imported(home, "worse", texts, {text.id: "is" for text in texts})
    good = imported(home, "good", texts, {text.id: "Ada" if int(text.id[1:]) % 4 else "is" for text in texts})
    (row,) = rows(slices(worse, "question word", good))
    assert words(row).startswith("who 40 0.00 75.00 +75.00") and row.endswith('<td class="says">B is better</td></tr>')
    (row,) = rows(slices(good, "question word", worse))
    assert "−75.00" in row and "A is better" in row
    (row,) = rows(slices(good, "question word", good))
    assert "may be chance" in row and "+0.00" not in row


def test_a_run_on_other_questions_is_answered_with_a_sentence(home: Path) -> None:
    texts = [Example("other", "Who?", "Ada.", (Gold("Ada", 0),))]
    other = imported(home, "other", texts, {"other": "Ada"})
    for html in (slices(take(home), "question word", other), overview(take(home), other)):
        assert "notice" in html and "different questions" in html


def test_a_slicing_that_the_run_does_not_know_is_answered_with_those_it_knows(home: Path) -> None:
    assert "by &lt;i&gt;; they can be by question word, " in slices(take(home), "<i>")


def test_groups_are_escaped_and_long_labels_cut(home: Path) -> None:
    title = '"><script>' + "x" * 200
    texts = [Example("x", "Who?", "Ada.", (Gold("Ada", 0),), title)]
    opened = imported(home, "<i>", texts, {"x": "Ada"})
    html = slices(opened, "article") + slices(opened, "article", opened) + overview(opened, opened)
    assert "<script" not in html and "<i>&gt;" not in html and "…" in html
    assert parse(filters(html)[0]).mask(opened.decided, opened.slices).sum() == 1
    assert "<b>mine" not in overview(take(home), take(home, threshold=-9.0))


def test_the_overview_names_the_extremes_and_how_many_groups_are_too_small(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = take(home)
    small = words(overview(opened))
    assert small.startswith("Too few questions to call a group the weakest or the strongest") and "have 30." in small
    monkeypatch.setattr(slices_view, "FEWEST", 2)
    html = overview(opened)
    sizes = [count for labels in opened.slices.values() for count in labels.value_counts() if count]
    assert f"{sizes.count(1)} groups under 2 questions left out" in words(html)
    assert "question word only “which” has 2 questions" in words(html), "q3 and q4; the others ask each in another way"
    assert "windows all in one group" in words(html)
    assert "article weakest Normandy 50.0 not known · 2 questions strongest Rivers" in words(html)
    assert "article = Normandy" in filters(html) and 'data-slice="answer type"' in html
    pair = words(overview(opened, take(home, threshold=-9.0)))
    # At −9 it says nothing at all: on q2 and q5 that is right.
    assert "article best for B Normandy 0.0" in pair


def test_a_click_carries_what_the_row_says() -> None:
    assert "dataset.where" in CLICK_SLICE and "dataset.slice" in CLICK_SLICE and 'trigger("click"' in CLICK_SLICE
