"""Answers row by row: in order, exactly as they are, whole whatever ends the writing, and never all in memory."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import reader.answers
from reader.answers import (
    COLUMNS,
    PART,
    SKIPPED,
    WHOLE,
    Tally,
    begin_answers,
    copy_answers,
    count_answers,
    first_answers,
    first_skipped,
    go_on_answering,
    has_answers,
    write_answers,
)
from reader.errors import BadData, BadRow, BadUsage
from reader.examples import Example, ExampleSet, fingerprint, load_question_set
from reader.postprocess import Answer, Span
from tests.full_disk import largest_file

ROOT = Path(__file__).resolve().parents[1]
# What makes a table of texts go wrong: separators, quotes, line ends, emoji, and what a spreadsheet calculates.
HOSTILE = (
    '=HYPERLINK("http://example.org";"x")',
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(1,2)",
    'a "quoted", text',
    "two\r\nlines\rand\nmore",
    "👩‍🚀 in Besançon, 東京 \u2028 \u0085 end",
    "\ttab",
    '", "answered": true, "x": "',
)


class StandIn:
    """Answers with the whole text, or with nothing where it begins with "no"."""

    name = "stand-in"
    parameters = 7
    device = "cpu"
    config = SimpleNamespace(null_score_diff_threshold=0.5)

    def __init__(self, before: Callable[[int], object] = lambda read: None) -> None:
        self.portions: list[int] = []
        self.before = before

    def predict(self, examples: Sequence[Example], *, threshold: float | None = None) -> Iterator[Answer]:
        self.before(sum(self.portions))
        self.portions.append(len(examples))
        for example in examples:
            span = Span(0, len(example.context), example.context, 4.0, 0.75)
            null_score = 9.0 if example.context.startswith("no") else 0.0
            at = self.config.null_score_diff_threshold if threshold is None else threshold
            yield Answer(example.id, span, null_score, 0.25, at, (span,))


def questions(*contexts: str, bad: tuple[BadRow, ...] = ()) -> ExampleSet:
    examples = [Example(f"q{number}", f"What is {number}?", context) for number, context in enumerate(contexts)]
    return ExampleSet("by hand", examples, fingerprint(examples), bad)


def answer(folder: Path, data: ExampleSet, stand_in: StandIn, threshold: float | None = None) -> Tally:
    before = begin_answers(folder, data, stand_in, threshold)  # type: ignore[arg-type]
    return go_on_answering(folder, stand_in, data.examples, before, threshold=threshold)  # type: ignore[arg-type]


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# A file


@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
def test_hostile_texts_are_the_same_when_read_back(ending: str, tmp_path: Path) -> None:
    data = questions(*HOSTILE)
    answers = StandIn().predict(data.examples)
    with (tmp_path / f"a{ending}").open("w", encoding="utf-8", newline="") as file:
        assert write_answers(file, ending, zip(data.examples, answers, strict=True)) == len(HOSTILE)
    if ending == ".csv":
        rows: list[Any] = table(tmp_path / "a.csv")
    else:
        rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text("utf-8").split("\n")[:-1]]
    assert [row["answer"] for row in rows] == list(HOSTILE)
    assert [row["question"] for row in rows] == [example.question for example in data.examples]
    assert all(HOSTILE[i][int(row["start"]) : int(row["end"])] == row["answer"] for i, row in enumerate(rows))


def test_the_columns_that_were_there_first_keep_their_places() -> None:
    out = io.StringIO()
    data = questions("yes", "no, nothing")
    write_answers(out, ".csv", zip(data.examples, StandIn().predict(data.examples), strict=True))
    header, yes, no = out.getvalue().splitlines()
    assert header.startswith("id,question,answer,start,end,probability,null_score_diff,no_answer_probability")
    assert header.split(",") == list(COLUMNS)
    assert yes == "q0,What is 0?,yes,0,3,0.75,-4.0,0.25,True"
    assert no == "q1,What is 1?,,0,0,0.75,5.0,0.25,False"


# A job


def test_a_job_answers_in_order_and_leaves_one_whole_file(tmp_path: Path) -> None:
    data = questions(*(f"no {n}" if n % 3 == 0 else f"text {n}" for n in range(1000)))
    told: list[tuple[int, int | None]] = []
    stand_in = StandIn()
    before = begin_answers(tmp_path, data, stand_in, None)  # type: ignore[arg-type]
    assert not has_answers(tmp_path) and first_answers(tmp_path, 5) == [] and count_answers(tmp_path) == 0
    found = go_on_answering(
        tmp_path,
        stand_in,  # type: ignore[arg-type]
        data.examples,
        before,
        progress=lambda done, total: told.append((done, total)),
    )
    assert found == Tally(1000, 666)
    assert not (tmp_path / PART).exists()
    rows = first_answers(tmp_path, 10_000)
    assert [row["id"] for row in rows] == [example.id for example in data.examples]
    assert [row["answered"] for row in rows] == [n % 3 != 0 for n in range(1000)]
    assert list(rows[0]) == list(COLUMNS)
    assert told[-1] == (1000, 1000) and told == sorted(told)


def test_what_was_answered_is_on_disk_before_more_is_read(tmp_path: Path) -> None:
    read: list[int] = []
    stand_in = StandIn(before=lambda count: read.append(count_answers(tmp_path) - count))
    answer(tmp_path, questions(*["text"] * 2000), stand_in)
    assert set(read) == {0}
    assert max(stand_in.portions) == 256, "never more than this is held in the memory"


def test_a_slow_reader_tells_of_every_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 10_000, 5))
    monkeypatch.setattr(reader.answers.time, "monotonic", lambda: next(clock))
    stand_in = StandIn()
    answer(tmp_path, questions(*["text"] * 20), stand_in)
    assert stand_in.portions == [8, 4, 2, 1, 1, 1, 1, 1, 1]


def interrupted(at: int) -> Callable[[int], None]:
    def stop(read: int) -> None:
        if read >= at:
            raise KeyboardInterrupt

    return stop


def test_a_stop_keeps_what_was_answered_and_a_new_start_goes_on(tmp_path: Path) -> None:
    data = questions(*(f"text {n}" for n in range(500)))
    with pytest.raises(KeyboardInterrupt):
        answer(tmp_path, data, StandIn(before=interrupted(100)))
    kept = count_answers(tmp_path)
    assert 100 <= kept < 500 and not (tmp_path / WHOLE).exists()
    assert copy_answers(tmp_path, tmp_path / "so far.csv") == kept
    assert [row["answer"] for row in table(tmp_path / "so far.csv")] == [f"text {n}" for n in range(kept)]
    again = StandIn()
    assert answer(tmp_path, data, again) == Tally(500, 500)
    assert sum(again.portions) == 500 - kept
    assert [row["id"] for row in first_answers(tmp_path, 1000)] == [f"q{n}" for n in range(500)]


@pytest.mark.parametrize("left", [b'{"id": "q3", "question": "Wh', b'{"id": "q3"}', b"\0\0\0\0\n", b"17\n", b"\xff\n"])
def test_a_line_that_is_cut_off_or_spoilt_is_answered_again(left: bytes, tmp_path: Path) -> None:
    data = questions(*HOSTILE)
    answer(tmp_path, data, StandIn())
    lines = (tmp_path / WHOLE).read_bytes().splitlines(keepends=True)
    (tmp_path / WHOLE).unlink()
    (tmp_path / PART).write_bytes(b"".join(lines[:3]) + left)
    assert len(first_answers(tmp_path, 100)) == 3 == copy_answers(tmp_path, tmp_path / "so-far.jsonl")
    again = StandIn()
    assert answer(tmp_path, data, again).read == len(HOSTILE)
    assert sum(again.portions) == len(HOSTILE) - 3
    assert (tmp_path / WHOLE).read_bytes() == b"".join(lines)


def test_a_job_killed_at_its_very_end_has_nothing_left_to_read(tmp_path: Path) -> None:
    data = questions("one", "no two")
    answer(tmp_path, data, StandIn())
    again = StandIn()
    assert answer(tmp_path, data, again) == Tally(2, 1)
    assert again.portions == [] and count_answers(tmp_path) == 2


@pytest.mark.parametrize("what", ["questions", "reader", "threshold"])
def test_answers_to_other_questions_or_of_another_reader_are_not_mixed(what: str, tmp_path: Path) -> None:
    data, stand_in, threshold = questions(*["text"] * 50), StandIn(), None
    with pytest.raises(KeyboardInterrupt):
        answer(tmp_path, data, StandIn(before=interrupted(8)))
    if what == "questions":
        data = questions(*["other"] * 50)
    elif what == "reader":
        stand_in.name = "another"  # type: ignore[misc]
    else:
        threshold = 2.0
    with pytest.raises(BadData, match="Start a new job"):
        answer(tmp_path, data, stand_in, threshold)
    assert count_answers(tmp_path) == 8, "what was answered stays"


KILLED = """
import sys, time
from pathlib import Path
from tests.test_answers import StandIn, answer, questions
answer(Path(sys.argv[1]), questions(*(f"text {n}" for n in range(100_000))), StandIn(lambda read: time.sleep(0.01)))
"""


def test_a_kill_leaves_a_file_that_is_read_and_gone_on_with(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT)
    for _ in range(600):
        if count_answers(tmp_path) > 300 or process.poll() is not None:
            break
        threading.Event().wait(0.05)
    process.kill()
    process.wait()
    kept = count_answers(tmp_path)
    assert 300 < kept < 100_000
    assert [row["answer"] for row in first_answers(tmp_path, kept)] == [f"text {n}" for n in range(kept)]
    data = questions(*(f"text {n}" for n in range(100_000)))
    assert begin_answers(tmp_path, data, StandIn(), None).read == kept  # type: ignore[arg-type]


def test_a_full_disk_is_an_error_and_what_fitted_stays(tmp_path: Path) -> None:
    data = questions(*["text " * 20] * 100)
    with pytest.raises(OSError), largest_file(5_000):
        answer(tmp_path, data, StandIn())
    rows = first_answers(tmp_path, 100)
    assert 5 < len(rows) < 100
    assert answer(tmp_path, data, StandIn()).read == 100


def test_rows_that_could_not_be_used_are_listed(tmp_path: Path) -> None:
    bad = (BadRow(2, "", "the question is empty"), BadRow(7, "=A1", 'the context is blank, "really"\nblank'))
    answer(tmp_path, questions("text", bad=bad), StandIn())
    assert first_skipped(tmp_path, 10) == list(bad)
    assert first_skipped(tmp_path, 1) == [bad[0]]
    assert table(tmp_path / SKIPPED)[0] == {"row": "2", "id": "", "reason": "the question is empty"}
    assert first_skipped(tmp_path / "nowhere", 10) == []


@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
def test_answers_are_taken_away_as_they_are(ending: str, tmp_path: Path) -> None:
    answer(tmp_path, questions(*HOSTILE), StandIn())
    assert copy_answers(tmp_path, tmp_path / f"out{ending}") == len(HOSTILE)
    if ending == ".csv":
        found = [row["answer"] for row in table(tmp_path / "out.csv")]
    else:
        found = [json.loads(line)["answer"] for line in (tmp_path / "out.jsonl").read_text("utf-8").split("\n")[:-1]]
    assert found == list(HOSTILE)


def test_there_must_be_answers_and_a_format_to_take_away(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="no answers"):
        copy_answers(tmp_path, tmp_path / "out.csv")
    with pytest.raises(BadUsage, match=r"expected \.csv or \.jsonl"):
        copy_answers(tmp_path, tmp_path / "out.xlsx")


def test_answers_can_be_questions_again(tmp_path: Path) -> None:
    """The table is read by the very loader that reads questions: nothing in it is out of form."""
    answer(tmp_path, questions(*HOSTILE), StandIn())
    copy_answers(tmp_path, tmp_path / "out.csv")
    (tmp_path / "back.csv").write_bytes((tmp_path / "out.csv").read_bytes().replace(b"answer,", b"context,", 1))
    assert [example.context for example in load_question_set(tmp_path / "back.csv").examples] == list(HOSTILE)
