"""What each command does: read the input, call the library, print the outcome. `train` has a file of its own."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from reader.answers import FORMATS, WHOLE, begin_answers, go_on_answering, write_answers
from reader.errors import BadData, BadUsage
from reader.examples import load_examples, load_question_set
from reader.files import new_file
from reader.jobs import append_progress
from reader.printing import bar, print_comparison, print_figures, print_json, skipped
from reader.results import list_runs, open_run, read_null_odds, read_predictions, score_predictions, summarize
from reader.settings import SETTINGS, home, read_setting
from reader.usage import peak_memory

if TYPE_CHECKING:
    from reader.predictor import ExtractiveReader

Command = Callable[[argparse.Namespace], int]

READINGS = 5  # shown beside the answer, unless --top-k says how many
NOT_ANSWERABLE = "Not answerable from this text."


def ask(options: argparse.Namespace) -> int:
    """Answer one question."""
    context = options.context if options.file is None else _read_text(options.file)
    answer = _load(options)(
        question=options.question, context=context, threshold=options.threshold, top_k=options.top_k
    )
    if options.json:
        print_json(answer.as_dict())
        return 0
    if answer.answered:
        print(answer.text)
        print(f"  characters {answer.start}-{answer.end}, probability {answer.probability:.0%}", end="")
    else:
        print(NOT_ANSWERABLE)
        print(f"  probability {answer.no_answer_probability:.0%}", end="")
    print(f", margin {answer.null_score_diff:+.2f} (abstains above {answer.threshold:+.2f})")
    others = answer.alternatives[1:] if answer.answered else answer.alternatives
    for span in others if options.top_k else others[:READINGS]:
        print(f"  or: {' '.join(span.text.split())}  {span.probability:.0%}")
    return 0


def predict(options: argparse.Namespace) -> int:
    """Answer a file of questions into a file of answers; a job keeps them in its folder."""
    if options.job:
        return _predict_in_job(options)
    if options.out.suffix not in FORMATS:
        raise BadUsage(f"{options.out} ends in {options.out.suffix or 'nothing'}; expected .csv or .jsonl.")
    data = load_question_set(options.data, skip_bad=options.skip_bad)
    reader = _load(options)
    began = time.perf_counter()
    answers = reader.predict(data.examples, threshold=options.threshold, progress=bar("Answering"))
    with new_file(options.out) as file:
        count = write_answers(file, options.out.suffix, zip(data.examples, answers, strict=True))
    seconds = time.perf_counter() - began
    _tell_answered(options, count, len(data.skipped), options.out, seconds)
    return 0


def _predict_in_job(options: argparse.Namespace) -> int:
    """Rows that cannot be used are listed and passed over: the others are what somebody waits for."""
    job: Path = options.job
    data = load_question_set(options.data, skip_bad=True)
    reader = _load(options)
    before = begin_answers(job, data, reader, options.threshold)
    questions, bad = len(data.examples), len(data.skipped)
    append_progress(job, "start", questions=questions, skipped=bad, before=before.read, device=reader.device)
    began = time.perf_counter()
    found = go_on_answering(
        job, reader, data.examples, before, threshold=options.threshold, progress=bar("Answering", job)
    )
    out = job / WHOLE
    append_progress(job, "end", reader=None, answers=str(out), questions=found.read, answered=found.answered)
    _tell_answered(options, found.read - before.read, bad, out, time.perf_counter() - began)
    return 0


def _tell_answered(options: argparse.Namespace, count: int, bad: int, out: Path, seconds: float) -> None:
    if options.json:
        print_json({"answered": count, "skipped": bad, "out": str(out), "seconds": round(seconds, 3)})
    else:
        print(f"{count:,} questions in {seconds:.1f} s → {out}" + skipped(bad))


def evaluate(options: argparse.Namespace) -> int:
    """Score a reader on a data set and keep the run."""
    from reader.evaluation import evaluate

    out = options.out or (options.job / "evaluation" if options.job else _default_run(options))
    if options.job and not options.out and out.exists():
        shutil.rmtree(out)  # of a job that was killed at its very end
    if out.exists():
        raise BadUsage(f"{out} exists already. Choose another folder, or remove it first.")
    data = load_examples(options.data, skip_bad=options.skip_bad)
    reader = _load(options)
    run = evaluate(
        reader,
        data,
        out,
        threshold=options.threshold,
        limit=options.limit,
        progress=bar("Reading", options.job),
        facts={"command": options.command_line},
    )
    if options.job:
        append_progress(options.job, "end", reader=None, evaluation=str(run.folder))
    figures = summarize(run, protocol=options.protocol)
    memory = peak_memory()
    figures["peak_memory_mb"] = round(memory / 1e6) if memory else None
    figures["run"] = str(run.folder)
    if options.json:
        print_json(figures)
    else:
        print_figures(figures)
        print(f"{run.folder}" + skipped(len(data.skipped)))
    return 0


def behave(options: argparse.Namespace) -> int:
    """Test whether a reader's answers change where they should not."""
    from reader.behaviour import run_behaviour

    out = options.out or (options.job / "behaviour" if options.job else None)
    if out is None:
        raise BadUsage("Say where the tests go: --out FOLDER.")
    if options.job and not options.out and out.exists():
        shutil.rmtree(out)  # of a job that was killed at its very end
    if out.exists():
        raise BadUsage(f"{out} exists already. Choose another folder, or remove it first.")
    data = load_examples(options.data, skip_bad=options.skip_bad)
    found = run_behaviour(
        _load(options),
        data,
        out,
        limit=options.limit,
        seed=options.seed,
        progress=bar("Testing", options.job),
        facts={"command": options.command_line},
    )
    if options.job:
        append_progress(options.job, "end", reader=None, behaviour=str(found.folder))
    if options.json:
        print_json({"behaviour": str(found.folder), **found.info})
        return 0
    for change in found.changes:
        if change.failed_share is None or change.low is None or change.high is None:
            print(f"{change.title:44} does not apply to any of these questions")
        else:
            within = f"{change.low:.1f} to {change.high:.1f}"
            print(f"{change.title:44} {change.failed_share:5.1f} % of {change.tested:,} changed ({within})")
    print(found.folder)
    return 0


def score(options: argparse.Namespace) -> int:
    """Score somebody's predictions as the official script does."""
    data = load_examples(options.data, skip_bad=options.skip_bad)
    figures = score_predictions(
        data,
        read_predictions(options.predictions),
        read_null_odds(options.null_odds) if options.null_odds else None,
        options.threshold,
        allow_missing=options.allow_missing,
    )
    if options.json:
        print_json(figures)
    else:
        print_figures(figures)
        if data.skipped:
            print(f"{len(data.skipped):,} rows skipped", file=sys.stderr)
    return 0


def compare(options: argparse.Namespace) -> int:
    """Compare two runs."""
    from reader.comparison import compare

    comparison = compare(open_run(options.run_a), open_run(options.run_b), protocol=options.protocol)
    if options.json:
        print_json(comparison.as_dict())
    else:
        print_comparison(comparison)
    return 0


def runs(options: argparse.Namespace) -> int:
    """List the runs."""
    from reader.evaluation import run_roots

    found = list_runs(*(options.roots or run_roots()))
    if options.json:
        print_json([{**asdict(run), "folder": str(run.folder)} for run in found])
        return 0
    if not found:
        print("No runs yet. Make one: python -m reader evaluate --data starter")
    for run in found:
        if run.problem:
            print(f"{run.folder}\n  {run.problem}")
            continue
        figures = "  ".join(f"{key} {value:.2f}" for key, value in run.headline.items() if value is not None)
        print(f"{run.folder}\n  {run.reader} on {run.data}, {run.examples:,} questions, {run.created}\n  {figures}")
    return 0


def settings(options: argparse.Namespace) -> int:
    """Print the table of settings."""
    table = [
        {"name": setting.name, "value": read_setting(setting.name), "default": setting.default, "help": setting.help}
        for setting in SETTINGS
    ]
    if options.json:
        print_json(table)
        return 0
    for row in table:
        print(f"{row['name']}={row['value']}\n  {row['help']} Default: {row['default'] or 'none'}.")
    return 0


# Helpers


def _load(options: argparse.Namespace) -> ExtractiveReader:
    from reader.predictor import ExtractiveReader

    return ExtractiveReader.from_pretrained(options.reader, precision=options.precision)


def _read_text(path: Path) -> str:
    """The text of a file, its notes on stderr; one of another kind is read as UTF-8."""
    from reader.texts import ENDINGS, read_text_safely

    if path.suffix.lower() in ENDINGS:
        found = read_text_safely(path)
        for note in found.notes:
            print(f"{path.name}: {note}", file=sys.stderr)
        return found.text
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise BadData(f"There is no file {path}.") from None
    except IsADirectoryError:
        raise BadData(f"{path} is a folder; a text file was expected.") from None
    except UnicodeDecodeError as error:
        raise BadData(f"{path} is not UTF-8 text (byte {error.start}). Save it as UTF-8.") from None


def _default_run(options: argparse.Namespace) -> Path:
    name = "-".join((Path(options.reader).name, Path(options.data).stem, time.strftime("%Y%m%d-%H%M%S")))
    return home() / "evaluations" / re.sub(r"[^\w.-]+", "-", name)
