"""Behaviour tests on the page: the figures of each change, and the pairs on which the reader failed."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

from pages.judge.behaviour_view import CLICK_CHANGE, SHOWN, behaviour
from reader.behaviour import Behaviour, ChangeResult

TYPOS = ChangeResult(
    "typos", "Typing errors", "Letters are swapped.", 40, 2, 26, 65.0, 49.51, 77.87, 24, 1, 1, 60.5, 40.25
)
NEVER = replace(
    TYPOS, name="other_name", title="Other name", tested=0, failed=0, failed_share=None, low=None, high=None
)
PAIR: dict[str, Any] = {
    "change": "typos",
    "id": "q",
    "title": "",
    "question_before": "Who ruled <Normandy> then?",
    "question_after": "Who rueld <Normandy> then?",
    "what": "ruled → rueld",
    "context": "…",
    "answer_before": "Rollo",
    "answer_expected": "Rollo",
    "answer_after": "",
    "gold": ["Rollo", "Rollo"],
    "failed": True,
    "failure": "answer_to_abstain",
}


def written(folder: Path, *pairs: dict[str, Any], changes: tuple[ChangeResult, ...] = (TYPOS,)) -> Behaviour:
    lines = "".join(json.dumps({**PAIR, **pair}) + "\n" for pair in pairs)
    (folder / "behaviour_examples.jsonl").write_text(lines, encoding="utf-8")
    info = {"reader": "<b>mine</b>", "questions": 42, "data": {"source": "/data/dev.json", "fingerprint": "f"}}
    return Behaviour(folder, info, changes)


def words(html: str) -> str:
    return unescape(" ".join(re.sub(r"<[^>]*>", " ", html).split()))


def pairs(html: str) -> list[str]:
    return re.findall(r"<li>.*?</li>", html)


def test_each_change_shows_its_share_its_interval_and_how_answers_changed(tmp_path: Path) -> None:
    html = behaviour(written(tmp_path))
    assert "<b>mine" not in html and "dev.json" in html and "/data/" not in html
    row = html[html.index("<tbody>") :]
    assert words(row) == (
        "Typing errors Letters are swapped. 40 of 42 65.0 % 49.5 to 77.9 24 fell silent 1 spoke up 1 said otherwise "
        "60.5 → 40.2"
    )
    assert "--low: 49.51; --high: 77.87" in row and 'data-change="typos" aria-expanded="false"' in row
    assert "failures" not in html, "pairs are read only when a change is open"


def test_a_change_that_fits_no_question_has_no_share(tmp_path: Path) -> None:
    html = behaviour(written(tmp_path, changes=(NEVER,)), "other_name")
    assert "fits no question" in html and "%" not in html[html.index("<tbody>") :] and "None" not in html


def test_an_open_change_shows_its_failing_pairs_and_no_others(tmp_path: Path) -> None:
    many = [{"id": str(n)} for n in range(26)]
    html = behaviour(written(tmp_path, {"change": "lower_case"}, {"failed": False}, *many), "typos")
    assert 'aria-expanded="true"' in html and "20 of the 26 questions" in html and len(pairs(html)) == SHOWN == 20


def test_the_words_that_changed_are_marked_on_both_sides(tmp_path: Path) -> None:
    (pair,) = pairs(behaviour(written(tmp_path, {}), "typos"))
    assert re.findall(r'<mark class="changed">(\w+)</mark>', pair) == ["ruled", "rueld"]
    assert words(pair) == (
        "Before Who ruled <Normandy> then? “ Rollo ” After Who rueld <Normandy> then? says nothing "
        "fell silent · right: Rollo"
    )
    assert "<Normandy>" not in pair


def test_where_all_words_changed_none_is_marked_and_the_change_is_named(tmp_path: Path) -> None:
    loud = {"question_after": PAIR["question_before"].upper(), "what": "in capitals"}
    (pair,) = pairs(behaviour(written(tmp_path, loud), "typos"))
    assert "<mark" not in pair and "<p class=what>in capitals</p>" in pair


def test_what_was_added_to_the_text_and_what_was_expected_is_said(tmp_path: Path) -> None:
    added = {
        "question_after": PAIR["question_before"],
        "what": "added at the end: Bees <dance>.",
        "answer_expected": "Otto",
        "answer_after": "Bees",
        "gold": [],
        "failure": "other_answer",
    }
    (pair,) = pairs(behaviour(written(tmp_path, added), "typos"))
    assert "added at the end: Bees &lt;dance&gt;." in pair
    assert "“ Bees ” should be “ Otto ”" in words(pair)
    assert "said otherwise · right: not answerable from this text" in words(pair)


def test_what_was_added_is_marked_where_it_stands_in_the_text(tmp_path: Path) -> None:
    added = {
        "question_after": PAIR["question_before"],
        "what": "added",
        "added": ["", "Bees <dance>. ", "Rollo ruled …"],
    }
    (pair,) = pairs(behaviour(written(tmp_path, added), "typos"))
    assert '<mark class="changed">Bees &lt;dance&gt;. </mark>Rollo ruled …' in pair
    assert "The text begins Bees <dance>. Rollo ruled …" in words(pair)
    after = {**added, "added": ["… he ruled.", " Bees dance.", ""]}
    (pair,) = pairs(behaviour(written(tmp_path, after), "typos"))
    assert "The text ends … he ruled. Bees dance." in words(pair)


def test_a_change_that_fits_few_questions_is_pale_and_said_to_be(tmp_path: Path) -> None:
    few = replace(TYPOS, tested=19, untested=23)
    html = behaviour(written(tmp_path, changes=(TYPOS, few)))
    assert [("few" in row) for row in re.findall(r"<tr[^>]*>(?=<th scope=\"row)", html)] == [False, True]
    assert "19 of 42" in words(html) and "fewer than 20 questions" in words(html)
    assert "fewer than" not in words(behaviour(written(tmp_path)))


def test_a_damaged_list_of_pairs_is_answered_with_a_sentence(tmp_path: Path) -> None:
    found = written(tmp_path, {"what": 7})
    assert "Typing errors" in behaviour(found), "the figures can be shown all the same"
    assert "damaged" in behaviour(found, "typos") and "notice" in behaviour(found, "typos")


def test_an_untested_run_says_what_the_tests_do() -> None:
    assert words(behaviour(None)).startswith("Not tested yet. Behaviour tests change a question")


def test_a_click_opens_a_change_and_closes_the_open_one() -> None:
    assert "aria-expanded" in CLICK_CHANGE and "dataset.change" in CLICK_CHANGE
