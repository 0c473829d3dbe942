"""Behaviour tests of a reader: what counts as a failure, the figures, and the folder they are kept in."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import reader.behaviour
from reader.behaviour import Behaviour, ChangeResult, open_behaviour, run_behaviour, wilson_interval
from reader.errors import BadData, BadRun, BadUsage
from reader.examples import STARTER, Example, ExampleSet, Gold, fingerprint, load_examples
from reader.perturbations import CHANGES, Change, Edit, Material
from reader.postprocess import Answer, Span
from reader.predictor import ExtractiveReader
from tests import tiny_models

CONTEXT = "Ada Lovelace wrote the paper in 1843."


class StandIn:
    """A reader that says what a function tells it to: a text of the context, or "" for no answer."""

    name = "stand-in"
    device = "cpu"
    precision = "fp32"
    config = SimpleNamespace(null_score_diff_threshold=-1.5)

    def __init__(self, says: Callable[[Example], str]) -> None:
        self.says = says
        self.read: list[Example] = []

    def predict(self, examples: Iterable[Example]) -> Iterator[Answer]:
        for example in examples:
            self.read.append(example)
            text = self.says(example)
            best = text or example.context[:3]
            start = example.context.index(best)
            span = Span(start, start + len(best), best, 1.0, 0.5)
            yield Answer(example.id, span, 0.0 if text else 2.0, 0.5, 0.0)


def data_of(*examples: Example) -> ExampleSet:
    return ExampleSet("by hand", list(examples), fingerprint(examples))


def asked(name: str, *golds: str, question: str = "Who is it?") -> Example:
    return Example(name, question, CONTEXT, tuple(Gold(gold, CONTEXT.index(gold)) for gold in golds))


def run(tmp_path: Path, says: Callable[[Example], str], *examples: Example, **options: Any) -> Behaviour:
    return run_behaviour(StandIn(says), data_of(*examples), tmp_path / "behaviour", **options)  # type: ignore[arg-type]


def figures(behaviour: Behaviour, name: str) -> ChangeResult:
    return next(change for change in behaviour.changes if change.name == name)


# id: (what is said, what is said when the question is in capitals)
SAID = {
    "keeps": ("the paper", "paper"),
    "stops": ("1843", ""),
    "stops too": ("1843", ""),
    "starts": ("", "Ada"),
    "turns": ("Ada Lovelace", "Lovelace"),
    "is silent": ("", ""),
}
ALL = [
    asked("keeps", "the paper"),
    asked("stops", "1843"),
    asked("stops too", "1843"),
    asked("starts"),
    asked("turns", "Ada"),
    asked("is silent"),
]


def by_case(example: Example) -> str:
    plain, loud = SAID[example.id]
    return loud if example.question.isupper() else plain


# Counting


def test_failures_are_counted_by_their_kind(tmp_path: Path) -> None:
    found = figures(run(tmp_path, by_case, *ALL), "upper_case")
    assert (found.tested, found.untested, found.failed) == (6, 0, 4)
    assert (found.answer_to_abstain, found.abstain_to_answer, found.other_answer) == (2, 1, 1)
    assert found.failed_share == pytest.approx(100 * 4 / 6)
    assert (found.low, found.high) == (pytest.approx(30.00, abs=0.01), pytest.approx(90.32, abs=0.01))


def test_f1_is_held_against_gold_before_and_after(tmp_path: Path) -> None:
    found = figures(run(tmp_path, by_case, *ALL), "upper_case")
    # Before: 1 + 1 + 1 + 1 + 2/3 + 1; after: 1 + 0 + 0 + 0 + 0 + 1. In percent of six.
    assert found.f1_before == pytest.approx(100 * (5 + 2 / 3) / 6)
    assert found.f1_after == pytest.approx(100 * 2 / 6)


def test_a_wrong_answer_that_stays_is_no_failure(tmp_path: Path) -> None:
    behaviour = run(tmp_path, lambda _: "1843", asked("q", "Ada"))
    found = figures(behaviour, "upper_case")
    assert (found.tested, found.failed, found.f1_after) == (1, 0, 0)


def test_what_no_change_applies_to_is_untested_and_not_failed(tmp_path: Path) -> None:
    behaviour = run(tmp_path, lambda _: "", asked("q", question="1843?"))
    for found in behaviour.changes:
        assert (found.tested, found.untested, found.failed) == (0, 1, 0)
        assert found.failed_share is found.low is found.high is found.f1_before is found.f1_after is None
    assert list(behaviour.pairs()) == []
    assert open_behaviour(behaviour.folder) == behaviour


def test_an_answer_that_holds_the_old_name_should_hold_the_new_one(tmp_path: Path) -> None:
    text = "Babbage died in 1871. Chopin died in 1849."
    question = Example("q", "When did Babbage die?", text)
    lender = Example("o", "1?", "Liszt died in 1886.")

    def says(example: Example) -> str:
        return "" if example.id == "o" else example.context.split(".")[0]

    behaviour = run(tmp_path, says, question, lender)
    (pair,) = behaviour.pairs("other_name")
    assert pair["what"] == "Babbage → Liszt"
    assert pair["answer_before"] == "Babbage died in 1871"
    assert pair["answer_expected"] == pair["answer_after"] == "Liszt died in 1871"
    assert not pair["failed"]


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(3, 4, 0.3006, 0.9544), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634), (1, 1, 0.2065, 1.0)],
)
def test_the_interval_is_wilsons(hits: int, of: int, low: float, high: float) -> None:
    assert wilson_interval(hits, of) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


# Reading


def test_each_question_is_read_once_as_it_is_and_once_for_each_change(tmp_path: Path) -> None:
    stand_in = StandIn(by_case)
    told: list[tuple[int, int | None]] = []
    behaviour = run_behaviour(
        stand_in,  # type: ignore[arg-type]
        data_of(*ALL),
        tmp_path / "behaviour",
        progress=lambda done, total: told.append((done, total)),
    )
    assert stand_in.read[:6] == ALL
    assert len(stand_in.read) == 6 + sum(change.tested for change in behaviour.changes)
    total = 6 * (1 + len(CHANGES))
    assert told == sorted(told)
    assert {of for _, of in told} == {total}
    assert [done for done, _ in told].count(total) == 1


def test_no_more_examples_are_changed_than_the_reader_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ahead: list[str] = []

    def change(example: Example, material: Material, rng: random.Random) -> Edit:
        ahead.append(example.id)
        return Edit(replace(example, question=f"{example.question}?"), "asked twice")

    monkeypatch.setattr(reader.behaviour, "CHANGES", (Change("more", "More", "More.", change),))

    def says(example: Example) -> str:
        if example.question.endswith("??"):
            assert ahead == [example.id]
            ahead.clear()
        return "Ada"

    found = run(tmp_path, says, *[asked(f"q{number}") for number in range(9)])
    assert [each.tested for each in found.changes] == [9]


def test_only_as_many_questions_are_drawn_as_the_limit_says(tmp_path: Path) -> None:
    stand_in = StandIn(by_case)
    behaviour = run_behaviour(stand_in, data_of(*ALL), tmp_path / "behaviour", limit=2, seed=7)  # type: ignore[arg-type]
    assert {example.id for example in stand_in.read[:2]} == {example.id for example in stand_in.read}
    assert behaviour.info["questions"] == behaviour.info["limit"] == 2
    assert all(change.tested + change.untested == 2 for change in behaviour.changes)


@pytest.fixture(scope="module")
def qa(tmp_path_factory: pytest.TempPathFactory) -> ExtractiveReader:
    folder = tiny_models.make("bert", tmp_path_factory.mktemp("readers") / "tiny")
    return ExtractiveReader.from_pretrained(str(folder), device="cpu", precision="fp32")


def test_a_real_reader_is_tested_and_a_second_time_the_same(qa: ExtractiveReader, tmp_path: Path) -> None:
    data = load_examples(STARTER)
    with tiny_models.one_thread():
        one, other = (run_behaviour(qa, data, tmp_path / name, limit=12, seed=3) for name in ("one", "other"))
    assert one.changes == other.changes
    assert list(one.pairs()) == list(other.pairs())
    for pair in one.pairs():
        assert pair["answer_after"] in pair["context"]
        assert pair["failed"] == bool(pair["failure"])
    assert figures(one, "sentence_before").tested == 12
    assert sum(change.failed for change in one.changes) == len(list(one.pairs(failed_only=True))) > 0


# The folder


def test_the_folder_says_what_was_tested_and_opens_as_it_was(tmp_path: Path) -> None:
    behaviour = run(tmp_path, by_case, *ALL, limit=9, seed=3, facts={"command": "behave"})
    assert open_behaviour(tmp_path / "behaviour") == behaviour
    info = json.loads((tmp_path / "behaviour" / "behaviour.json").read_text("utf-8"))
    assert info == behaviour.info
    assert (info["format_version"], info["reader"], info["threshold"]) == (1, "stand-in", -1.5)
    assert info["data"] == {"source": "by hand", "fingerprint": fingerprint(ALL), "examples": 6}
    assert (info["limit"], info["seed"], info["questions"], info["command"]) == (9, 3, 6, "behave")


def test_a_line_tells_all_of_a_test(tmp_path: Path) -> None:
    behaviour = run(tmp_path, by_case, *ALL)
    (pair,) = [pair for pair in behaviour.pairs("upper_case") if pair["id"] == "turns"]
    assert pair == {
        "change": "upper_case",
        "id": "turns",
        "title": "",
        "question_before": "Who is it?",
        "question_after": "WHO IS IT?",
        "what": "in capitals",
        "added": [],
        "context": CONTEXT,
        "answer_before": "Ada Lovelace",
        "answer_expected": "Ada Lovelace",
        "answer_after": "Lovelace",
        "gold": ["Ada"],
        "f1_before": pytest.approx(2 / 3),
        "f1_after": 0.0,
        "failed": True,
        "failure": "other_answer",
    }
    assert [pair["id"] for pair in behaviour.pairs("upper_case", failed_only=True)] == [
        *("stops", "stops too", "starts", "turns")
    ]


def test_what_is_added_to_the_text_is_kept_with_the_text_beside_it(tmp_path: Path) -> None:
    tail = "word " * 60
    others = [
        Example(f"o{n}", "Is it?", f"The bees of Clermont dance in circles {n} times.", (), "Bees") for n in range(3)
    ]
    example = Example("long", "Who wrote Lovelace?", f"The {tail}end.", (), "Ada")
    behaviour = run(tmp_path, lambda example: "", example, *others)
    made = {pair["change"]: pair["added"] for pair in behaviour.pairs() if pair["id"] == "long"}
    left, added, right = made["sentence_before"]
    assert left == "" and added.startswith("The bees of Clermont") and added.endswith("times. ")
    assert right.startswith("The word word") and right.endswith(" …") and len(right) < 140
    left, added, right = made["sentence_after"]
    assert left.startswith("… word") and left.endswith("end.") and added.startswith(" The bees") and right == ""
    assert made["upper_case"] == []


def test_a_long_context_is_shown_around_the_answer(tmp_path: Path) -> None:
    context = "Padding " * 100 + "👩‍👩‍👧 Ada e\u0301 " + "padding " * 100
    behaviour = run(tmp_path, lambda _: "Ada", Example("q", "Who is it?", context))
    (pair,) = behaviour.pairs("upper_case")
    assert pair["context"].startswith("… Padding")
    assert pair["context"].endswith("padding …")
    assert "👩‍👩‍👧 Ada e\u0301" in pair["context"]
    assert len(pair["context"]) < 300


@pytest.mark.parametrize("error", [KeyboardInterrupt, BadData("no")], ids=["interrupted", "failed"])
@pytest.mark.parametrize("at", [3, 9], ids=["in the originals", "in a change"])
def test_nothing_is_left_of_a_run_that_does_not_end(tmp_path: Path, error: Any, at: int) -> None:
    left = iter(range(at))

    def says(example: Example) -> str:
        if next(left, None) is None:
            raise error
        return "Ada"

    with pytest.raises(type(error) if isinstance(error, Exception) else error):
        run(tmp_path, says, *ALL)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_no_data_and_no_limit_are_refused_before_reading(tmp_path: Path) -> None:
    def says(example: Example) -> str:
        raise AssertionError("it was read")

    with pytest.raises(BadData, match="no questions"):
        run(tmp_path, says)
    with pytest.raises(BadUsage, match="at least 1"):
        run(tmp_path, says, *ALL, limit=0)
    (tmp_path / "behaviour").mkdir()
    with pytest.raises(BadUsage, match="exists already"):
        run(tmp_path, says, *ALL)


def rewritten(**values: Any) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / "behaviour.json"
        info = {**json.loads(path.read_text("utf-8")), **values}
        path.write_text(json.dumps({key: value for key, value in info.items() if value is not None}), "utf-8")

    return damage


def without_a_line(folder: Path) -> None:
    path = folder / "behaviour_examples.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[1:]))


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda folder: (folder / "behaviour.json").unlink(), "holds no behaviour tests"),
        (lambda folder: (folder / "behaviour.json").write_text("{", "utf-8"), "is damaged.*is not JSON"),
        (lambda folder: (folder / "behaviour.json").write_text("[]", "utf-8"), "no format_version"),
        (lambda folder: (folder / "behaviour_examples.jsonl").unlink(), "is damaged.*cannot be read"),
        (without_a_line, "is damaged.*speaks of"),
        (rewritten(format_version=2), "has format 2.*Update Readerboard"),
        (rewritten(format_version=None), "no format_version"),
        (rewritten(reader=None, seed="one"), "lacks reader, seed"),
        (rewritten(data={"source": "here"}), "lacks data.fingerprint"),
        (rewritten(changes=[{"name": "typos"}]), "a change in its behaviour.json lacks title, says"),
        (rewritten(changes=["typos"]), "a change in its behaviour.json lacks name"),
    ],
)
def test_a_damaged_folder_is_refused_with_a_sentence(
    tmp_path: Path, damage: Callable[[Path], None], sentence: str
) -> None:
    folder = run(tmp_path, by_case, *ALL).folder
    damage(folder)
    with pytest.raises(BadRun, match=sentence):
        open_behaviour(folder)


@pytest.mark.parametrize("line", [b"{", b"[]", b'{"change": "typos"}', b"\xff\xfe"])
def test_a_damaged_line_is_refused_with_its_number(tmp_path: Path, line: bytes) -> None:
    behaviour = run(tmp_path, by_case, *ALL)
    path = behaviour.folder / "behaviour_examples.jsonl"
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([lines[0], line, *lines[2:]]) + b"\n")
    with pytest.raises(BadRun, match=r"line 2 of its behaviour_examples\.jsonl"):
        list(open_behaviour(behaviour.folder).pairs())


def test_a_folder_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(BadRun, match="There is no folder"):
        open_behaviour(tmp_path / "none")
