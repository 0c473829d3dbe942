"""Behaviour tests: does a reader keep its answer when nothing that matters has changed?

Each drawn question is read as it is, and once more with each change (`reader.perturbations`) that applies to it. The
reader is held against itself, not against gold: it fails where the answer, SQuAD-normalised, or the decision to
abstain is another than before. So a wrong answer that stays is no failure here; the F1 beside it tells of that.

A behaviour folder is complete or absent. It holds

- ``behaviour.json``: the reader, the data set and its fingerprint, seed and limit, and the figures of each change;
- ``behaviour_examples.jsonl``: one line per question and change, before and after.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from itertools import tee
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reader.errors import BadData, BadRun
from reader.examples import Example, ExampleSet
from reader.files import new_folder, read_json, write_json
from reader.metrics import exact_and_f1, normalize_answer
from reader.perturbations import CHANGES, Change, Changed, changed, drawn, material_of

if TYPE_CHECKING:
    from reader.postprocess import Answer
    from reader.predictor import ExtractiveReader, Progress

FORMAT_VERSION = 1
INFO = "behaviour.json"
PAIRS = "behaviour_examples.jsonl"

TO_ABSTAIN = "answer_to_abstain"
TO_ANSWER = "abstain_to_answer"
OTHER_ANSWER = "other_answer"

_Z = 1.959963984540054  # the normal distribution's 97.5% quantile, for intervals of 95%
_AROUND = 120  # characters of context shown on each side of the answer


@dataclass(frozen=True, slots=True)
class ChangeResult:
    """What became of the questions under one change. Shares, their 95% interval and F1 are percentages.

    ``tested``: questions that the change applies to; ``untested``: the others. ``failed`` is the sum of the three
    kinds of failure. ``f1_before, f1_after``: the means against gold over the tested questions. The shares and means
    are None where nothing was tested.
    """

    name: str
    title: str
    says: str
    tested: int
    untested: int
    failed: int
    failed_share: float | None
    low: float | None
    high: float | None
    answer_to_abstain: int
    abstain_to_answer: int
    other_answer: int
    f1_before: float | None
    f1_after: float | None


@dataclass(frozen=True, slots=True)
class Behaviour:
    """A behaviour folder that was read: ``info`` is its behaviour.json, ``changes`` the figures in it."""

    folder: Path
    info: dict[str, Any]
    changes: tuple[ChangeResult, ...]

    def pairs(self, change: str = "", *, failed_only: bool = False) -> Iterator[dict[str, Any]]:
        """The tested questions before and after, as a stream: of one change, or of all.

        Raises `BadRun` where a line cannot be read.
        """
        with (self.folder / PAIRS).open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                pair = _read_pair(self.folder, number, line)
                if change in ("", pair["change"]) and (pair["failed"] or not failed_only):
                    yield pair


def run_behaviour(
    reader: ExtractiveReader,
    data: ExampleSet,
    out: Path,
    *,
    limit: int = 200,
    seed: int = 42,
    progress: Progress | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Behaviour:
    """Test a reader on ``limit`` questions drawn by the seed, at its own threshold, and write the folder ``out``.

    ``progress`` counts every question once as it is and once per change, also where a change does not apply.
    ``facts`` goes into behaviour.json as it is. ``out`` must not exist; nothing of it is left when anything fails.
    Raises `BadUsage` (``out`` exists, limit below 1), `BadData` (no questions) and what `ExtractiveReader.predict`
    raises.
    """
    if not data.examples:
        raise BadData(f"{data.source} holds no questions to test on.")
    rows = drawn(len(data.examples), seed=seed, limit=limit)
    total = len(rows) * (1 + len(CHANGES))
    began = time.perf_counter()
    with new_folder(out) as folder:
        material = material_of(data.examples, seed=seed)
        before = _read_originals(reader, data.examples, rows, progress, total)
        changes = []
        with (folder / PAIRS).open("w", encoding="utf-8", newline="\n") as file:
            for number, change in enumerate(CHANGES, start=1):
                tally = _Tally()
                stream = changed(data.examples, rows, change, material, seed=seed)
                for done, (made, answer) in enumerate(_read(reader, stream)):
                    if progress:
                        progress(number * len(rows) + done, total)
                    pair = _pair(
                        change, data.examples[made.index], made, before[made.index], _Said.of(answer, made.example)
                    )
                    tally.add(pair)
                    file.write(json.dumps(pair, ensure_ascii=False, allow_nan=False) + "\n")
                changes.append(tally.result(change, len(rows)))
                if progress:
                    progress((number + 1) * len(rows), total)
        info = {
            "format_version": FORMAT_VERSION,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "reader": reader.name,
            "threshold": reader.config.null_score_diff_threshold,
            "device": reader.device,
            "precision": reader.precision,
            "data": {"source": data.source, "fingerprint": data.fingerprint, "examples": len(data.examples)},
            "limit": limit,
            "seed": seed,
            "questions": len(rows),
            "seconds": round(time.perf_counter() - began, 3),
            **(facts or {}),
            "changes": [asdict(change) for change in changes],
        }
        write_json(folder / INFO, info)
    return Behaviour(out, info, tuple(changes))


def open_behaviour(folder: str | Path) -> Behaviour:
    """Read a behaviour folder. One that is missing, damaged or of a newer format raises `BadRun` with what to do."""
    path = Path(folder)
    info = _read_info(path)
    changes = tuple(_change_result(path, entry) for entry in info["changes"])
    try:
        with (path / PAIRS).open("rb") as lines:
            count = sum(1 for _ in lines)
    except OSError as error:
        raise BadRun(f"{path} is damaged: its {PAIRS} cannot be read ({error.strerror}). {_REMEDY}") from None
    tested = sum(change.tested for change in changes)
    if count != tested:
        raise BadRun(f"{path} is damaged: {INFO} speaks of {tested} tests, {PAIRS} holds {count}. {_REMEDY}")
    return Behaviour(path, info, changes)


def wilson_interval(hits: int, of: int) -> tuple[float, float]:
    """The 95% interval of a share, in [0, 1] (Wilson, 1927); it stays inside, and is of use for few tests too.

    It takes the tests as independent. Questions on one text are not quite, so that it is a little narrow.
    """
    share = hits / of
    scale = 1 + _Z**2 / of
    middle = (share + _Z**2 / (2 * of)) / scale
    half = _Z * math.sqrt(share * (1 - share) / of + _Z**2 / (4 * of**2)) / scale
    return max(0.0, middle - half), min(1.0, middle + half)


# Reading with the model


@dataclass(frozen=True, slots=True)
class _Said:
    """What is kept of an answer: its text and place ("" and 0 where the reader abstains) and its F1 in [0, 1]."""

    text: str
    start: int
    answered: bool
    f1: float

    @classmethod
    def of(cls, answer: Answer, example: Example) -> _Said:
        _, f1 = exact_and_f1(answer.text, [gold.text for gold in example.answers])
        return cls(answer.text, answer.start, answer.answered, f1)


def _read_originals(
    reader: ExtractiveReader, examples: Sequence[Example], rows: Sequence[int], progress: Progress | None, total: int
) -> dict[int, _Said]:
    answers = reader.predict(examples[row] for row in rows)
    said: dict[int, _Said] = {}
    for row, answer in zip(rows, answers, strict=True):
        if progress:
            progress(len(said), total)
        said[row] = _Said.of(answer, examples[row])
    return said


def _read(reader: ExtractiveReader, stream: Iterable[Changed]) -> Iterator[tuple[Changed, Answer]]:
    """Each changed example with its answer; no more are kept than the reader takes at a time."""
    mine, its = tee(stream)
    answers = reader.predict(made.example for made in its)
    return zip(mine, answers, strict=True)


# Judging


def _pair(change: Change, original: Example, made: Changed, before: _Said, after: _Said) -> dict[str, Any]:
    """One line of the list of tests."""
    expected = made.expected(before.text)
    failure = _failure(expected, before, after)
    return {
        "change": change.name,
        "id": original.id,
        "title": original.title,
        "question_before": original.question,
        "question_after": made.example.question,
        "what": made.what,
        "added": _added(original.context, made.example.context),
        "context": _around(made.example, after, expected),
        "answer_before": before.text,
        "answer_expected": expected,
        "answer_after": after.text,
        "gold": [gold.text for gold in made.example.answers],
        "f1_before": before.f1,
        "f1_after": after.f1,
        "failed": bool(failure),
        "failure": failure,
    }


def _failure(expected: str, before: _Said, after: _Said) -> str:
    """How the answer is another than expected; "" where it is not."""
    if before.answered != after.answered:
        return TO_ABSTAIN if before.answered else TO_ANSWER
    same = normalize_answer(expected) == normalize_answer(after.text)
    return "" if same else OTHER_ANSWER


def _added(before: str, after: str) -> list[str]:
    """What was put before or after the text: the text's end before it, itself, the text's beginning after it.

    [] where nothing was, or something else was changed.
    """
    if before == after:
        return []
    if after.endswith(before):
        end = after.find(" ", len(after) - len(before) + _AROUND)
        return ["", after[: -len(before)], before if end < 0 else after[len(after) - len(before) : end] + " …"]
    if after.startswith(before):
        begin = before.rfind(" ", 0, max(0, len(before) - _AROUND)) + 1
        return [("… " if begin else "") + before[begin:], after[len(before) :], ""]
    return []


def _around(example: Example, after: _Said, expected: str) -> str:
    """The piece of the context around the answer; around the expected one, or gold, where there is none."""
    context, gold = example.context, example.answers[:1]
    if after.answered:
        start, end = after.start, after.start + len(after.text)
    elif expected:
        start = max(0, context.find(expected))
        end = start + len(expected)
    else:
        start, end = (gold[0].start, gold[0].start + len(gold[0].text)) if gold else (0, 0)
    # Cut at white space: elsewhere a letter may lose its accent.
    left = context.rfind(" ", 0, max(0, start - _AROUND)) + 1
    right = context.find(" ", end + _AROUND)
    right = len(context) if right < 0 else right
    return ("… " if left else "") + context[left:right] + (" …" if right < len(context) else "")


class _Tally:
    """The running sums of one change."""

    def __init__(self) -> None:
        self.tested = 0
        self.failures = {TO_ABSTAIN: 0, TO_ANSWER: 0, OTHER_ANSWER: 0}
        self.f1_before = 0.0
        self.f1_after = 0.0

    def add(self, pair: Mapping[str, Any]) -> None:
        self.tested += 1
        self.f1_before += pair["f1_before"]
        self.f1_after += pair["f1_after"]
        if pair["failed"]:
            self.failures[pair["failure"]] += 1

    def result(self, change: Change, questions: int) -> ChangeResult:
        tested, failed = self.tested, sum(self.failures.values())
        low, high = wilson_interval(failed, tested) if tested else (0.0, 0.0)
        return ChangeResult(
            name=change.name,
            title=change.title,
            says=change.says,
            tested=tested,
            untested=questions - tested,
            failed=failed,
            failed_share=100 * failed / tested if tested else None,
            low=100 * low if tested else None,
            high=100 * high if tested else None,
            **self.failures,
            f1_before=100 * self.f1_before / tested if tested else None,
            f1_after=100 * self.f1_after / tested if tested else None,
        )


# Opening

_REMEDY = "Run the behaviour tests again."
_INFO_KINDS: dict[str, Any] = {
    "reader": str,
    "created": str,
    "limit": int,
    "seed": int,
    "questions": int,
    "data": dict,
    "changes": list,
}
_RESULT_KINDS: dict[str, Any] = {"str": str, "int": int, "float | None": int | float | None}
_PAIR_KINDS: dict[str, Any] = {
    "change": str,
    "id": str,
    "question_before": str,
    "question_after": str,
    "what": str,
    "context": str,
    "answer_before": str,
    "answer_expected": str,
    "answer_after": str,
    "gold": list,
    "failed": bool,
    "failure": str,
}


def _read_info(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise BadRun(f"There is no folder {folder} of behaviour tests.")
    if not (folder / INFO).exists():
        raise BadRun(f"{folder} holds no behaviour tests: there is no {INFO} in it.")
    try:
        info = read_json(folder / INFO)
    except BadData as error:
        raise BadRun(f"{folder} is damaged. {error} {_REMEDY}") from None
    except OSError as error:
        raise BadRun(f"{folder} cannot be read: {error.strerror}.") from None
    version = info.get("format_version") if isinstance(info, dict) else None
    if not isinstance(version, int):
        raise BadRun(f"{folder} holds no behaviour tests: its {INFO} has no format_version.")
    if version > FORMAT_VERSION:
        raise BadRun(
            f"{folder} has format {version}; this Readerboard reads formats up to {FORMAT_VERSION}. "
            "Update Readerboard, or run the behaviour tests again with this one."
        )
    wrong = _wrong(info, _INFO_KINDS)
    if "data" not in wrong:
        wrong += [f"data.{key}" for key in _wrong(info["data"], {"source": str, "fingerprint": str})]
    if wrong:
        raise BadRun(f"{folder} is damaged: its {INFO} lacks {', '.join(wrong)}. {_REMEDY}")
    return dict(info)


def _change_result(folder: Path, entry: Any) -> ChangeResult:
    kinds = {field.name: _RESULT_KINDS[str(field.type)] for field in fields(ChangeResult)}
    wrong = _wrong(entry, kinds) if isinstance(entry, dict) else list(kinds)
    if wrong:
        raise BadRun(f"{folder} is damaged: a change in its {INFO} lacks {', '.join(wrong)}. {_REMEDY}")
    return ChangeResult(**{name: entry[name] for name in kinds})


def _read_pair(folder: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        pair = json.loads(line)
    except (ValueError, RecursionError):  # no JSON, or no UTF-8
        pair = None
    if not isinstance(pair, dict) or _wrong(pair, _PAIR_KINDS):
        raise BadRun(f"{folder} is damaged: line {number} of its {PAIRS} cannot be read. {_REMEDY}")
    return pair


def _wrong(values: Mapping[str, Any], kinds: Mapping[str, Any]) -> list[str]:
    """The names whose values are missing or of another kind."""
    return [name for name, kind in kinds.items() if not isinstance(values.get(name, ...), kind)]
