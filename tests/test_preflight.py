"""The look before a run: what it says is what the run then does, and it leaves nothing behind."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import reader.finetune
import reader.preflight
from reader.checkpoints import load_checkpoint
from reader.cli import main
from reader.errors import OutOfMemory
from reader.examples import Example, ExampleSet, load_examples
from reader.finetune import Prepared, prepare
from reader.preflight import (
    NAMED,
    Leak,
    Misfit,
    Preflight,
    batch_tokens,
    estimate,
    find_leak,
    find_misfits,
    lengths_of,
    preflight,
)
from reader.recipes import TrainOptions, unlike_the_article
from reader.trainer import ReaderTrainer
from tests import tiny_models
from tests.tiny_training import Events, options, train, write_data

QUICK = ["--max-steps", "8", "--max-seq-length", "64", "--doc-stride", "16", "--batch-size", "6", "--precision", "fp32"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.make("bert", tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data") / "data.json")


@pytest.fixture(autouse=True)
def one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("READER_HOME", str(tmp_path / "home"))
    with tiny_models.one_thread():
        yield


def look(
    chosen: TrainOptions, place: Path, eval_data: ExampleSet | None = None, *, baseline: bool = False
) -> Preflight:
    return preflight(chosen, eval_data, place, baseline=baseline, report=Events())


def prepared(chosen: TrainOptions) -> Prepared:
    return prepare(chosen, report=Events())


def write_rows(path: Path, rows: Sequence[tuple[str, str, str]]) -> Path:
    """Write (id, context, answer) as JSON lines; the answer is the first place of its text."""
    lines = [
        {"id": name, "question": "Who is it?", "context": context, "answers": [{"text": answer, "answer_start": start}]}
        if (start := context.find(answer)) >= 0 and answer
        else {"id": name, "question": "Who is it?", "context": context, "answers": []}
        for name, context, answer in rows
    ]
    path.write_text("\n".join(map(json.dumps, lines)), "utf-8")
    return path


def words(word: str, count: int) -> str:
    """So many words; "the" and "in" are one token of the tiny BERT each."""
    return " ".join([word] * count)


# What it counts


def test_it_counts_what_the_run_learns_from(base: Path, data: Path, tmp_path: Path) -> None:
    extra = tmp_path / "extra.csv"
    extra.write_text("question,context,answer\nWho?,Rollo ruled.,Rollo\nWho?,Rollo ruled.,Ada\nWhen?,Rollo ruled.,\n")
    chosen = options(base, data, extra_data=(str(extra),), negatives=0.5, skip_bad=True)
    found, run = look(chosen, tmp_path), prepared(chosen)
    assert (found.examples, found.negatives) == (len(run.data.train), run.data.negatives)
    assert found.negatives > 0
    assert found.unanswerable == sum(not example.answers for example in run.data.train)
    assert (found.held_out, found.features) == (len(run.data.held_out), len(run.features))
    assert found.sets == (
        {"source": str(data), "examples": 48, "unanswerable": 16, "skipped": 0},
        {"source": str(extra), "examples": 2, "unanswerable": 1, "skipped": 1},
    )


@pytest.mark.parametrize(
    "chosen",
    [
        {"evaluations": 1},
        {"max_steps": 10, "evaluations": 6},  # every two steps: five
        {"max_steps": 5, "evaluations": 10},
        {"max_steps": None, "epochs": 1.5},
        {"held_out": 0.0},
    ],
    ids=str,
)
def test_steps_and_evaluations_are_those_of_the_run(
    chosen: dict[str, Any], base: Path, data: Path, tmp_path: Path
) -> None:
    asked = options(base, data, **{"evaluations": None, **chosen})
    found = look(asked, tmp_path)
    report = Events()
    trained = train(asked, tmp_path / "work", report=report)
    assert found.steps == trained.steps
    assert found.evaluations == len([facts for facts in report.of("evaluation") if facts["step"]])


def test_an_answer_that_straddles_the_windows_is_named(base: Path, tmp_path: Path) -> None:
    """Windows of 64 tokens hold 57 of the context, of which neighbours share 16: 0-57, 41-98 …"""
    across = f"{words('the', 35)} {words('in', 30)} {words('the', 40)}"
    rows = [
        ("across", across, words("in", 30)),
        ("at the beginning", f"{words('in', 30)} {words('the', 90)}", words("in", 30)),
        ("in the overlap", f"{words('the', 42)} {words('in', 12)} {words('the', 60)}", words("in", 12)),
        ("none", across, ""),
    ]
    found = look(options(base, write_rows(tmp_path / "rows.jsonl", rows), held_out=0.0), tmp_path)
    assert found.misfits == 1
    assert found.misfits_named == (Misfit("across", "Who is it?", words("in", 30)),)


def test_an_answer_that_the_article_cuts_off_is_named(base: Path, tmp_path: Path) -> None:
    rows = [
        *((f"cut {number}", f"{words('the', 80 + number)} in", "in") for number in range(NAMED + 2)),
        ("kept", f"in {words('the', 80)}", "in"),
        ("none", words("the", 80), ""),
    ]
    path = write_rows(tmp_path / "rows.jsonl", rows)
    found = look(options(base, path, recipe="article", doc_stride=None), tmp_path)
    assert found.misfits == NAMED + 2
    assert [misfit.id for misfit in found.misfits_named] == [f"cut {number}" for number in range(NAMED)]
    # Striding over the same contexts, nothing is lost.
    assert look(options(base, path, held_out=0.0), tmp_path).misfits == 0


@pytest.mark.parametrize("recipe", ["corrected", "article"])
@pytest.mark.parametrize("family", tiny_models.FAMILIES)
def test_the_first_word_of_a_text_is_an_answer_that_fits(family: str, recipe: str, tmp_path: Path) -> None:
    """XLNet reads the context first, so that the answer's position is 0, as "no answer" is elsewhere."""
    rows = [("first", f"in {words('the', 9)}", "in"), ("too long", words("the", 70), words("the", 70))]
    path = write_rows(tmp_path / "rows.jsonl", rows)
    model = tiny_models.make(family, tmp_path / "base")
    asked = options(model, path, held_out=0.0, recipe=recipe, doc_stride=None if recipe == "article" else 16)
    assert [misfit.id for misfit in find_misfits(prepared(asked))] == ["too long"]


def test_what_is_evaluated_on_and_learned_from_is_counted_and_named() -> None:
    learned = [Example("a", "Who ruled?", "Rollo ruled.\nTo the end."), Example("b", "Who left?", "Ada left.")]
    evaluated = [
        Example("1", "who  RULED? ", "Another text."),
        Example("2", "Who left?", "rollo ruled. to the  end."),
        Example("3", "When?", "Rollo ruled.\tTo the end."),
        Example("4", "Who left the house?", "Ada left. And came back."),
    ]
    # Two ways to write one context are one context.
    assert find_leak(learned, evaluated) == Leak(1, 2, ("1", "2", "3"))
    assert find_leak(learned, evaluated[3:]) == Leak(0, 0, ())
    many = [Example(str(number), "Who left?", "Nothing.") for number in range(NAMED + 1)]
    assert find_leak(learned, many) == Leak(0, NAMED + 1, ("0", "1", "2", "3", "4"))


def test_the_leak_is_that_of_the_part_that_is_learned_from(base: Path, data: Path, tmp_path: Path) -> None:
    chosen = options(base, data)
    found = look(chosen, tmp_path, load_examples(data))
    learned = prepared(chosen).data.train
    assert found.leak is not None
    assert found.leak.contexts == len({example.context for example in learned}) < 16
    assert look(chosen, tmp_path).leak is None


def test_lengths_are_counted_in_ranges_up_to_the_longest(base: Path) -> None:
    windowing = load_checkpoint(str(base)).windowing
    found = lengths_of(windowing, [words("the", count) for count in (1, 2, 3, 4, 30)], ranges=10)
    assert (found.median, found.longest, found.width) == (3, 30, 3)
    assert found.counts == (3, 1, 0, 0, 0, 0, 0, 0, 0, 1)
    many = lengths_of(windowing, [words("the", 1 + number % 7) for number in range(2_100)])
    assert (many.median, many.longest, many.width) == (4, 7, 1)
    assert many.counts == (300,) * 7 + (0,) * 5
    assert lengths_of(windowing, ["\u200b"]).counts[0] == 1  # a text of which the tokenizer leaves nothing


# What it measures


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Contexts of 5 to 300 tokens."""
    rows = [(str(number), f"{words('the', 5 + 13 * number % 295)} in", "in") for number in range(40)]
    return write_rows(tmp_path_factory.mktemp("uneven") / "uneven.jsonl", rows)


@pytest.mark.parametrize(
    "chosen",
    [
        {"gradient_accumulation": 1},
        {"gradient_accumulation": 3},
        {"gradient_accumulation": 6},
        {"max_seq_length": 384},  # more than the 150 positions of the base, which are no multiple of 32
        {"recipe": "article", "doc_stride": None, "max_seq_length": 100},
        {"recipe": "article", "doc_stride": None, "max_seq_length": 100, "gradient_accumulation": 2},
    ],
    ids=str,
)
def test_the_tokens_of_a_step_are_those_that_are_padded_to(
    chosen: dict[str, Any], uneven: Path, tmp_path: Path
) -> None:
    short = tiny_models.make("bert", tmp_path / "short", max_position_embeddings=150)
    ready = prepared(options(short, uneven, **{"held_out": 0.0, "max_seq_length": 128, **chosen}))
    at_once = ready.options.at_once
    read = [
        ready.collate([ready.features[index] for index in ready.order[first : first + at_once]])["input_ids"].numel()
        for first in range(0, len(ready.order), at_once)
    ]
    assert batch_tokens(ready).tolist() == np.array(read).reshape(ready.steps, -1).sum(axis=1).tolist()
    assert (len(set(read)) == 1) == (ready.options.recipe == "article")


def test_a_step_that_was_not_measured_is_told_from_those_that_were() -> None:
    sizes = np.array([50, 100, 150, 200, 400])
    assert estimate(sizes, {100: 1.0, 200: 3.0}).tolist() == [0.5, 1.0, 2.0, 3.0, 6.0]
    assert estimate(sizes, {200: 4.0}).tolist() == [1.0, 2.0, 3.0, 4.0, 8.0]


def watch_batches(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shape of each batch that is read for a step: (windows, tokens)."""
    compute, read = ReaderTrainer.compute_loss, []

    def compute_loss(self: ReaderTrainer, model: Any, inputs: dict[str, Any], *args: Any, **named: Any) -> Any:
        read.append(tuple(inputs["input_ids"].shape))
        return compute(self, model, inputs, *args, **named)

    monkeypatch.setattr(ReaderTrainer, "compute_loss", compute_loss)
    return read


def test_large_small_and_middle_steps_are_measured_the_largest_first(
    base: Path, uneven: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = options(base, uneven, held_out=0.0, max_seq_length=300, max_steps=41, gradient_accumulation=2)
    sizes = np.sort(batch_tokens(prepared(asked)))
    assert len(set(sizes)) > 5
    read = watch_batches(monkeypatch)
    look(asked, tmp_path)
    tokens = np.array([windows * length for windows, length in read]).reshape(-1, 2).sum(axis=1)
    assert tokens.tolist() == sizes[[40, 20, 38, 20, 2, 38, 2, 40]].tolist()


def test_measuring_ends_when_its_time_is_over(
    base: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = watch_batches(monkeypatch)
    look(options(base, data, max_steps=100), tmp_path)
    assert len(read) == 8
    monkeypatch.setattr(reader.preflight, "STEP_SECONDS", 0.0)
    read.clear()
    found = look(options(base, data, max_steps=100), tmp_path)
    assert len(read) == 1
    assert 0 < found.seconds_per_step < 10 and found.seconds > 100 * found.seconds_per_step
    assert found.disk > 12 * sum(parameter.numel() for parameter in load_checkpoint(str(base)).model.parameters())


def measured(**facts: Any) -> Any:
    """What measuring finds: a step takes 10 s, a question 1,000 s, a checkpoint 100,000 s."""
    found = {
        "at_once": 6,
        "steps": 80.0,
        "per_question": 1e3,
        "memory": 1,
        "checkpoint_bytes": 1,
        "checkpoint_seconds": 1e5,
    }
    return reader.preflight._Measured(**{**found, **facts})


@pytest.mark.parametrize(
    ("chosen", "more", "questions"),
    [
        ({}, {}, 4 * 12 + 12),  # as the base is, twice in training, the best one again; and the finished reader
        ({"average_last": 2}, {}, 5 * 12 + 12),
        ({}, {"baseline": True}, 4 * 12 + 2 * 12),
        ({}, {"eval_data": 5}, 4 * 12 + 5),
        ({"held_out": 0.0}, {}, 0),
        ({"held_out": 0.0}, {"eval_data": 5, "baseline": True}, 2 * 5),
    ],
    ids=str,
)
def test_the_time_is_that_of_all_that_is_done(
    chosen: dict[str, Any],
    more: dict[str, Any],
    questions: int,
    base: Path,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reader.preflight, "_measure", lambda *given: measured())
    just_started = SimpleNamespace(Process=lambda: SimpleNamespace(create_time=time.time))
    monkeypatch.setattr(reader.preflight, "psutil", just_started)
    if "eval_data" in more:
        examples = load_examples(data).examples[: more["eval_data"]]
        more = {**more, "eval_data": ExampleSet("some", examples, "")}
    found = look(options(base, data, evaluations=2, **chosen), tmp_path, **more)
    assert found.seconds == pytest.approx(80 + 2 * 100_000 + questions * 1_000, abs=5)
    assert found.seconds_per_step == 10
    assert found.seconds_per_evaluation == (12_000 if options(base, data, **chosen).held_out else 0)


# What fits


def pretend(available: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many bytes are free, and each window takes 10 MB beside the 100 MB that are held anyway."""
    monkeypatch.setattr(reader.preflight, "memory_available", lambda: available)
    monkeypatch.setattr(reader.preflight, "_peak_of", lambda ready, features: 100_000_000 + 10_000_000 * len(features))


@pytest.mark.parametrize(
    ("free", "at_once", "parts"),
    [(175_000_000, 6, 1), (155_000_000, 3, 2), (145_000_000, 3, 2), (135_000_000, 2, 3), (117_000_000, 1, 6)],
)
def test_as_many_windows_at_a_time_are_proposed_as_fit(
    free: int, at_once: int, parts: int, base: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(free, monkeypatch)
    read = watch_batches(monkeypatch)
    found = look(options(base, data), tmp_path)
    assert (found.at_once, found.parts, found.fits) == (at_once, parts, at_once == 6)
    assert found.memory_available == free
    assert {windows for windows, _ in read} == {at_once}  # measured as it would be done
    assert options(base, data, gradient_accumulation=found.parts).at_once == at_once


def test_memory_without_room_for_one_window_is_said(
    base: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader.preflight, "memory_available", lambda: 50_000_000)
    with pytest.raises(
        OutOfMemory, match=r"Not even one window .* takes \d\.\d GB, and 0\.1 GB are free\. Use a smaller"
    ):
        look(options(base, data), tmp_path)
    _, said = check(base, data, code=1)
    assert "error: Not even one window" in said


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process forget its peak")
def test_more_windows_take_more_whatever_was_held_before(base: Path, uneven: Path) -> None:
    ready = prepared(options(base, uneven, held_out=0.0, max_seq_length=300))
    longest = max(ready.features, key=lambda feature: len(feature.input_ids))
    ballast = np.ones(50_000_000)  # 400 MB
    before = reader.preflight._held("cpu")
    del ballast
    one, many = (
        reader.preflight._peak_of(ready, [longest] * count) for count in (1, 300)
    )  # more than may lie free already
    assert one < before - 300e6
    assert many > one + 10e6


def full_from(windows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the memory be full as soon as so many windows are read at once."""

    def compute_loss(self: ReaderTrainer, model: Any, inputs: dict[str, Any], *args: Any, **named: Any) -> Any:
        if len(inputs["input_ids"]) >= windows:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return compute(self, model, inputs, *args, **named)

    compute = ReaderTrainer.compute_loss
    monkeypatch.setattr(ReaderTrainer, "compute_loss", compute_loss)


@pytest.mark.parametrize(("full", "at_once", "parts"), [(7, 6, 1), (6, 3, 2), (3, 1, 6)])
def test_memory_that_is_full_while_measuring_halves_what_is_read_at_once(
    full: int, at_once: int, parts: int, base: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full_from(full, monkeypatch)
    found = look(options(base, data), tmp_path)
    assert (found.at_once, found.parts, found.fits) == (at_once, parts, at_once == 6)


def test_memory_that_is_full_with_one_window_is_said_and_other_faults_are_not_taken_for_it(
    base: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full_from(1, monkeypatch)
    with pytest.raises(OutOfMemory, match="Not even one window"):
        look(options(base, data), tmp_path)

    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(ReaderTrainer, "compute_loss", broken)
    with pytest.raises(RuntimeError, match="shapes"):
        look(options(base, data), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("chosen", [{"evaluations": 4}, {"evaluations": 8, "average_last": 3}], ids=str)
def test_the_disk_is_what_the_checkpoints_take_at_their_fullest(
    chosen: dict[str, Any], base: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = options(base, data, **chosen)
    found = look(asked, tmp_path)
    fullest = 0
    remove = shutil.rmtree

    def measured_first(path: Any, *args: Any, **named: Any) -> None:
        nonlocal fullest
        fullest = max(fullest, taken(tmp_path / "work"))
        remove(path, *args, **named)

    monkeypatch.setattr(shutil, "rmtree", measured_first)
    train(asked, tmp_path / "work")
    assert taken(tmp_path / "work") < fullest <= found.disk <= 2 * fullest
    assert found.disk < found.disk_free < shutil.disk_usage(tmp_path).total


def taken(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_several_processes_are_told_from_one_and_none_is_started(
    base: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "Popen", never)
    pretend(500_000_000, monkeypatch)
    read = watch_batches(monkeypatch)
    found = look(options(base, data, processes=2), tmp_path)
    assert (found.steps, found.at_once, found.parts, found.fits) == (8, 3, 1, True)
    assert {windows for windows, _ in read} == {3}
    # On a CPU they share its memory and its cores, so that they are no quicker.
    assert found.memory_available == 250_000_000
    monkeypatch.setattr(reader.preflight, "_measure", lambda *given: measured(at_once=3))
    assert look(options(base, data, processes=2), tmp_path).seconds_per_step == 10


# What it leaves


def fingerprints(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_it_works_where_the_run_will_and_leaves_nothing_there(
    base: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = fingerprints(base)
    seen: set[str] = set()
    save = ReaderTrainer.save_as_checkpoint

    def save_as_checkpoint(self: ReaderTrainer) -> int:
        seen.update(path.name for path in tmp_path.iterdir())
        return save(self)

    monkeypatch.setattr(ReaderTrainer, "save_as_checkpoint", save_as_checkpoint)
    look(options(base, data), tmp_path / "not" / "made yet")
    assert len(seen) == 1 and seen.pop().startswith(".check-")
    assert list(tmp_path.iterdir()) == []
    assert fingerprints(base) == before


# On the command line


def check(base: Path, data: Path, *more: str, code: int = 0) -> tuple[str, str]:
    """Run ``train --check`` in this process; what it wrote on stdout and on stderr."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        given = ["train", "--check", "--base", str(base), "--data", str(data), "--held-out", "0.25", *QUICK, *more]
        assert main(given) == code, err.getvalue()
    return out.getvalue(), err.getvalue()


def test_the_command_says_what_it_found_a_line_each(base: Path, data: Path, tmp_path: Path) -> None:
    printed, said = check(base, data, "--eval-data", str(data), "--out", str(tmp_path / "out"))
    lines = [(line[:14].strip(), line[15:]) for line in printed.splitlines()]
    assert lines[0] == ("data", "36 questions to learn from, 33% of them not answerable")
    assert ("held out", "12 questions, read 2× in training") in lines
    assert ("unlike it", "window: 64 tokens (the article: 384 tokens)") in lines
    told = dict(lines)
    assert told["steps"].startswith("8, 0.") and told["steps"].endswith(" s each on cpu in fp32")
    assert told["memory"].endswith(": it fits")
    assert told["leakage"].startswith("12 contexts and 48 questions evaluated on (")
    assert "misfits" not in told
    assert said.splitlines() == ["Reading the data and cutting it into windows …", "Measuring some of the 8 steps …"]
    assert list(tmp_path.iterdir()) == []


def test_the_command_proposes_what_fits(base: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(155_000_000, monkeypatch)
    printed, _ = check(base, data)
    assert "only with 3 windows at a time (--gradient-accumulation 2)" in printed


def test_the_commands_json_is_all_that_was_found(base: Path, data: Path) -> None:
    found = json.loads(check(base, data, "--json")[0])
    assert list(found) == [field.name for field in fields(Preflight)]
    assert (found["examples"], found["steps"], found["leak"]) == (36, 8, None)
    assert sum(found["contexts"]["counts"]) == 12


@pytest.mark.parametrize("bad", ["--data", "--eval-data"])
def test_bad_data_is_refused_by_its_rows_before_anything_is_loaded(
    bad: str, base: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("the base was loaded")

    monkeypatch.setattr(reader.finetune, "load_checkpoint", never)
    rows = tmp_path / "bad.csv"
    rows.write_text("id,question,context,answer\ngood,Who?,Rollo ruled.,Rollo\nworse,Who?,Rollo ruled.,Ada\n")
    printed, said = check(base, data, bad, str(rows), code=2)
    assert printed == ""
    assert "error: 1 of 2 rows" in said and "Row 2 (worse): the answer" in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_ends_it_at_once_and_nothing_is_left(
    number: int, base: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute = ReaderTrainer.compute_loss

    def stopped(self: ReaderTrainer, *given: Any, **named: Any) -> Any:
        os.kill(os.getpid(), number)
        return compute(self, *given, **named)

    monkeypatch.setattr(ReaderTrainer, "compute_loss", stopped)
    printed, said = check(base, data, "--out", str(tmp_path / "out"), code=130)
    assert printed == "" and "error: Stopped." in said
    assert list(tmp_path.iterdir()) == []


# What is unlike the article


def test_the_articles_recipe_is_the_articles_way() -> None:
    assert unlike_the_article(TrainOptions("base", ("data",), recipe="article")) == []
    ways = unlike_the_article(TrainOptions("base", ("data",), recipe="article", max_steps=10, learning_rate=1e-4))
    assert ways == [("learning rate", "0.0001", "2e-05"), ("length", "10 steps", "3 epochs")]


def test_the_corrected_recipe_names_what_it_does_in_another_way() -> None:
    ways = unlike_the_article(TrainOptions("base", ("data",)))
    assert [what for what, _, _ in ways] == ["warm-up", "labels", "long contexts", "padding", "held out"]
    assert ("held out", "5%, for checkpoint and threshold", "nothing") in ways
    without = unlike_the_article(TrainOptions("base", ("data",), held_out=0.0))
    assert [what for what, _, _ in without] == ["warm-up", "labels", "long contexts", "padding"]
