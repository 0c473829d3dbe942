"""The leaderboard on the page: who stands where, which run is open, and that nothing published looks measured."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from pathlib import Path

from pages.judge.board import CLICK_RUN, board
from reader.leaderboard import PUBLISHED, SQUAD2_DEV, Row

BEST = Row(
    "best",
    "mine/<reader>",
    "starter",
    "f",
    324,
    exact=63.27,
    f1=65.35,
    has_answer_f1=55.2,
    no_answer=77.55,
    rouge1_forced=0.4479,
    rouge1_forced_answerable=0.819,
    rougeL_forced=0.44,
    threshold=-2.59,
    chosen_on="1937 held-out questions of the training data, by F1",
    parameters=22_600_000,
    examples_per_second=10.06,
    created="2026-01-04T07:05:09+00:00",
    folder=Path("/runs/best"),
)
NEXT = replace(BEST, name="next", reader="other", f1=60.0, folder=Path("/runs/next"), threshold=None, chosen_on="")


def key_of(row: Row) -> str:
    return f"evaluations/{row.name}"


def rows(html: str) -> list[str]:
    return re.findall(r"<tr.*?</tr>", html)


def words(html: str) -> str:
    return unescape(" ".join(re.sub(r"<[^>]*>", " ", html).split()))


def test_a_measured_row_holds_its_figures_and_can_be_opened() -> None:
    _, row = rows(board([BEST], "", key_of))
    assert words(row) == (
        "1. mine/<reader> 4 Jan 2026, 07:05 65.35 63.27 55.20 77.55 0.448 answerable 0.819 0.440 "
        "−2.59 1937 held-out questions of the training… 22.6 M 10.1/s"
    )
    assert 'data-run="evaluations/best"' in row and "dataset.run" in CLICK_RUN
    assert f'title="{BEST.chosen_on}"' in row and "<reader>" not in row


def test_the_open_run_is_marked_in_words_and_no_other() -> None:
    _, first, second = rows(board([BEST, NEXT], "evaluations/next", key_of))
    assert "the open run" in second and "aria-current=true" in second and "the open run" not in first


def test_equals_share_a_rank_and_a_row_without_f1_has_none() -> None:
    html = board(
        [BEST, NEXT, replace(NEXT, name="twin"), replace(NEXT, name="last", f1=50), replace(NEXT, f1=None)], "", key_of
    )
    assert re.findall(r'class="rank">([^<]*)<', html) == ["1.", "2.", "2.", "4.", "–"]


def test_published_rows_are_set_apart_and_never_look_measured() -> None:
    measured = replace(BEST, fingerprint=SQUAD2_DEV)
    html = board([measured, *PUBLISHED], "evaluations/best", key_of)
    _, first, divider, *others = rows(html)
    assert 'class="published"' not in first and "Published, not run here" in divider
    assert len(others) == len(PUBLISHED)
    for row, published in zip(others, PUBLISHED, strict=True):
        assert row.startswith('<tr class="published">') and "data-run" not in row and 'class="rank"></span>' in row
        assert f"Published: {published.source}." in words(row)
    assert "0.354 answerable 0.708" in words(others[-1]), "to the article's own decimals"


def test_each_data_set_has_a_table_and_its_own_ranks() -> None:
    other = replace(NEXT, data="/data/dev.json", fingerprint="g", questions=12)
    html = board([BEST, other], "", key_of)
    assert html.count("<table") == 2 and re.findall(r'class="rank">([^<]*)<', html) == ["1.", "1."]
    assert "dev.json <small>12 questions" in html and "/data/" not in html


def test_a_run_that_cannot_be_read_says_why() -> None:
    html = board([BEST, Row("odd", "", "", "", 0, problem="The run <odd> is damaged.")], "", key_of)
    assert "odd The run <odd> is damaged." in words(html) and "<odd>" not in html and html.count("<table") == 1


def test_without_runs_the_next_step_is_shown() -> None:
    assert "No runs yet. Evaluate the embedded reader" in board([], "", key_of)


def test_a_published_reader_of_the_hub_can_be_run_here_until_it_was() -> None:
    deepset = next(row for row in PUBLISHED if row.reader == "deepset/bert-base-uncased-squad2")
    html = board([deepset], "", key_of)
    assert 'data-evaluate="deepset/bert-base-uncased-squad2"' in html and "dataset.evaluate" in CLICK_RUN
    measured = replace(BEST, reader=deepset.reader, fingerprint=SQUAD2_DEV)
    assert "data-evaluate" not in board([measured, deepset], "", key_of)
    article = next(row for row in PUBLISHED if row.reader.startswith("bert-reader-squad2"))
    assert "data-evaluate" not in board([article], "", key_of), "it is not on the Hub by that name"


def test_rouge_is_given_in_both_protocols() -> None:
    _, row = rows(board([replace(BEST, rouge1_abstaining=0.512)], "", key_of))
    assert "0.448 answerable 0.819 abstaining 0.512" in words(row)
