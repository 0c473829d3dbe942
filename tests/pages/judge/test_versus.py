"""Two runs on the page: which is better on what, in words that hold, and the questions that tell them apart."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Mapping
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from pages.judge import versus as page
from pages.judge.runs import OpenedRun, RunShelf
from pages.judge.versus import CLICK_EXAMPLE, sentence, versus
from reader.comparison import Difference
from reader.examples import Example, Gold
from reader.results import import_predictions, write_run
from tests.small_run import EXAMPLES, answer, data

# Twenty answerable questions and twenty that are not, each on a text of its own.
TEXTS = [
    Example(f"x{n}", f"Who is <{n}>?", f"Ada & Bob are {n}.", (Gold("Ada", 0),) if n < 20 else ()) for n in range(40)
]
RIGHT = {text.id: "Ada" if text.answers else "" for text in TEXTS}
TALKS = {text.id: "Ada" for text in TEXTS}
SILENT = {text.id: "" for text in TEXTS}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("READER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def imported(home: Path, name: str, said: Mapping[str, str]) -> OpenedRun:
    folder = home / "evaluations" / name
    if not folder.exists():
        import_predictions(folder, data(TEXTS), said, reader=f"<i>{name}")
    return RunShelf().take(f"evaluations/{name}")


def small(home: Path, threshold: float | None = None) -> OpenedRun:
    folder = home / "evaluations" / "small"
    if not folder.exists():
        answers = [answer(example) for example in EXAMPLES]
        write_run(folder, data(), answers, reader="mine", threshold=0.0, threshold_chosen_on="", facts={})
    return RunShelf().take("evaluations/small", threshold)


def words(html: str) -> str:
    return unescape(" ".join(re.sub(r"<[^>]*>", " ", html).split()))


def said(f1: Any, answerable: Any = None, unanswerable: Any = None) -> str:
    """The sentence for these (difference, low, high)."""
    given = {"f1": f1, "HasAns_f1": answerable, "NoAns_exact": unanswerable}
    found = [Difference(name, 50.0, 50.0 + d[0], *d, 9) for name, d in given.items() if d]
    return re.sub(r"<[^>]*>", "", sentence(found))


def test_the_better_run_is_named_with_a_positive_difference() -> None:
    assert said((3.2, 1.9, 4.4)) == "B is better by F1: +3.20 (1.90 to 4.40)."
    assert said((-3.2, -4.4, -1.9)) == "A is better by F1: +3.20 (1.90 to 4.40)."


@pytest.mark.parametrize("interval", [(-0.5, 1.1), (0.0, 1.1), (-0.5, 0.0)])
def test_an_interval_that_holds_0_is_no_difference(interval: tuple[float, float]) -> None:
    assert said((0.3, *interval)).startswith("By F1 no difference that is more than chance: B − A is +0.30 (")


def test_runs_on_one_text_are_not_said_to_differ() -> None:
    assert "cannot be told" in said((9.0, None, None)) and "better" not in said((9.0, None, None))


def test_kinds_of_questions_are_told_apart_where_the_runs_differ_on_them() -> None:
    better, worse, even = (2.0, 1.0, 3.0), (-2.0, -3.0, -1.0), (0.1, -1.0, 1.0)
    assert said(better, better, better).endswith("On answerable and on unanswerable questions alike: B is better.")
    assert said(better, better, worse).endswith(
        "On answerable questions: B is better. On unanswerable ones: A is better."
    )
    assert "On answerable questions: no difference that is more than chance." in said(worse, even, worse)
    assert "On" not in said(better, better), "questions of one kind are all questions"


def test_a_comparison_counts_right_and_wrong_and_says_what_is_chance(home: Path) -> None:
    text = words(versus(imported(home, "silent", SILENT), imported(home, "right", RIGHT)))
    assert "B is better by F1 : +50.00 (" in text
    assert "NoAns % The share of unanswerable questions at which the reader says nothing. 100.00 100.00 0.00" in text
    assert "A right 20 50.0 % 0 0.0 % A wrong 20 50.0 % 0 0.0 %" in text
    assert "0 only A gets right, 20 only B: hardly chance ( p < 0.001" in text
    assert "They say the same on 50.0 % of the questions: 0.0 % of the answerable, 100.0 %" in text


def test_an_uneven_split_of_few_questions_may_be_chance(home: Path) -> None:
    nearly = {**RIGHT, "x0": ""}
    text = words(versus(imported(home, "right", RIGHT), imported(home, "nearly", nearly)))
    assert "1 only A gets right, 0 only B: it may well be chance ( p = 1.00" in text


def test_questions_that_tell_the_runs_apart_can_be_opened(home: Path) -> None:
    html = versus(imported(home, "right", RIGHT), imported(home, "talks", TALKS))
    better, worse = html.split("B does better")[1].split("A does better")
    assert "On no question." in better
    assert worse.count("data-example=") == page.SHOWN == 20 and 'data-example="x20"' in worse
    first = words(worse[worse.index("<li>") : worse.index("</li>")])
    assert first == (
        "Who is <20>? Right not answerable from this text "
        "A says nothing rightly abstained F1 1.00 B Ada false answer F1 0.00"
    )
    assert "dataset.example" in CLICK_EXAMPLE
    assert "<i>right" not in html and "<20>" not in html


def test_each_run_is_read_at_its_threshold(home: Path) -> None:
    text = words(versus(small(home), small(home, -2.5)))
    assert "threshold 0.00" in text and "threshold −2.50" in text
    assert "B does better on 1 question " in text, "the false answer is held back, and so is a right one"


def test_other_data_and_the_same_run_are_answered_with_a_sentence(home: Path) -> None:
    assert "different data" in versus(small(home), imported(home, "right", RIGHT))
    assert "the same run at the same threshold" in versus(small(home), small(home))


def test_a_removed_run_is_answered_with_a_sentence(home: Path) -> None:
    opened = small(home)
    (opened.run.folder / "run.json").unlink()
    assert "was removed" in versus(opened, imported(home, "right", RIGHT))


def test_a_comparison_is_made_once_for_all_who_ask_and_anew_when_a_run_changes(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = imported(home, "right", RIGHT), imported(home, "talks", TALKS)
    made = []
    compare = page.compare

    def counted(*runs: Any, **options: Any) -> Any:
        made.append(runs)
        return compare(*runs, **options)

    monkeypatch.setattr(page, "compare", counted)
    asking = [threading.Thread(target=versus, args=(a, b)) for _ in range(4)]
    for one in asking:
        one.start()
    for one in asking:
        one.join()
    assert len(made) == 1
    versus(b, a)
    assert len(made) == 2, "A and B are no other's B and A"
    os.utime(a.run.folder / "run.json", (0, 0))
    versus(a, b)
    assert len(made) == 3
