"""What each command does: read the input, call the library, print the outcome."""

from __future__ import annotations

import argparse
import csv
import json
import re
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from reader.errors import BadData, BadUsage
from reader.examples import Example, load_examples, load_question_set
from reader.files import new_file, new_folder, write_text
from reader.jobs import append_progress
from reader.postprocess import Answer
from reader.results import list_runs, open_run, read_null_odds, read_predictions, score_predictions, summarize
from reader.settings import SETTINGS, home, read_setting

if TYPE_CHECKING:
    from reader.finetune import Trained, TrainOptions
    from reader.predictor import ExtractiveReader, Progress

Command = Callable[[argparse.Namespace], int]
Report = Callable[..., None]

NOT_ANSWERABLE = "Not answerable from this text."


def ask(options: argparse.Namespace) -> int:
    """Answer one question."""
    context = options.context if options.file is None else _read_text(options.file)
    answer = _load(options)(
        question=options.question, context=context, threshold=options.threshold, top_k=options.top_k
    )
    if options.json:
        _print_json(answer.as_dict())
        return 0
    if answer.answered:
        print(answer.text)
        print(f"  characters {answer.start}-{answer.end}, probability {answer.probability:.0%}", end="")
    else:
        print(NOT_ANSWERABLE)
        print(f"  probability {answer.no_answer_probability:.0%}", end="")
    print(f", margin {answer.null_score_diff:+.2f} (abstains above {answer.threshold:+.2f})")
    for span in answer.alternatives[1:] if answer.answered else answer.alternatives:
        print(f"  or: {span.text}  {span.probability:.0%}")
    return 0


def predict(options: argparse.Namespace) -> int:
    """Answer a file of questions into a file of answers."""
    if options.out.suffix not in (".csv", ".jsonl"):
        raise BadUsage(f"{options.out} ends in {options.out.suffix or 'nothing'}; expected .csv or .jsonl.")
    data = load_question_set(options.data, skip_bad=options.skip_bad)
    reader = _load(options)
    began = time.perf_counter()
    answers = reader.predict(data.examples, threshold=options.threshold, progress=_bar("Answering"))
    with new_file(options.out) as file:
        count = _write_answers(file, options.out.suffix, zip(data.examples, answers, strict=True))
    seconds = time.perf_counter() - began
    facts = {"answered": count, "skipped": len(data.skipped), "out": str(options.out), "seconds": round(seconds, 3)}
    if options.json:
        _print_json(facts)
    else:
        print(f"{count:,} questions in {seconds:.1f} s → {options.out}" + _skipped(len(data.skipped)))
    return 0


def evaluate(options: argparse.Namespace) -> int:
    """Score a reader on a data set and keep the run."""
    from reader.evaluation import evaluate, peak_memory

    out = options.out or (options.job / "evaluation" if options.job else _default_run(options))
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
        progress=_bar("Reading", options.job),
        facts={"command": options.command_line},
    )
    if options.job:
        append_progress(options.job, "end", reader=None, evaluation=str(run.folder))
    figures = summarize(run, protocol=options.protocol)
    memory = peak_memory()
    figures["peak_memory_mb"] = round(memory / 1e6) if memory else None
    figures["run"] = str(run.folder)
    if options.json:
        _print_json(figures)
    else:
        _print_figures(figures)
        print(f"{run.folder}" + _skipped(len(data.skipped)))
    return 0


def score(options: argparse.Namespace) -> int:
    """Score somebody's predictions as the official script does."""
    data = load_examples(options.data)
    figures = score_predictions(
        data,
        read_predictions(options.predictions),
        read_null_odds(options.null_odds) if options.null_odds else None,
        options.threshold,
        allow_missing=options.allow_missing,
    )
    if options.json:
        _print_json(figures)
    else:
        _print_figures(figures)
    return 0


def compare(options: argparse.Namespace) -> int:
    """Compare two runs."""
    from reader.comparison import compare

    comparison = compare(open_run(options.run_a), open_run(options.run_b), protocol=options.protocol).as_dict()
    if options.json:
        _print_json(comparison)
        return 0
    for key, value in comparison.items():
        if not isinstance(value, list):
            print(f"{key:24} {_flat(value)}")
    return 0


def train(options: argparse.Namespace) -> int:
    """Fine-tune a reader, evaluate it, and leave it in a folder of its own."""
    from reader.finetune import Stopped, TrainOptions, finetune

    out, work = _train_folders(options)
    # The options of the command are those of TrainOptions, by the same names.
    given: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in vars(options).items()
        if name in TrainOptions.__dataclass_fields__
    }
    asked = TrainOptions(**given)
    report = _reporter(options.job or work, quiet=options.json)
    try:
        trained = finetune(asked, work, resume=options.resume, report=report)
    except Stopped:
        again = "resume the job" if options.job else "add --resume to go on"
        print(f"Stopped; the last step is saved in {work / 'checkpoints'}: {again}.", file=sys.stderr)
        return 130
    figures = _finish(options, asked, trained, out, report)
    report("end", reader=str(out), evaluation=figures.get("run"))
    if options.job is None:
        shutil.rmtree(work)
    if options.json:
        _print_json({"reader": str(out), "held_out": trained.held_out, "steps": trained.steps, **figures})
    else:
        if figures:
            _print_figures(figures)
        print(f"The reader is in {out}. Ask it: python -m reader ask --reader {shlex.quote(str(out))} --question …")
    return 0


def _finish(
    options: argparse.Namespace, asked: TrainOptions, trained: Trained, out: Path, report: Report
) -> dict[str, Any]:
    """Evaluate the trained reader and write it, its run and its card; all of it or nothing."""
    import copy
    from dataclasses import replace

    from reader.checkpoints import save_checkpoint
    from reader.evaluation import evaluate
    from reader.examples import ExampleSet, fingerprint
    from reader.model_card import model_card
    from reader.predictor import ExtractiveReader, default_precision

    held_out = trained.data.held_out
    data = load_examples(options.eval_data, skip_bad=options.skip_bad) if options.eval_data else None
    if data is None and held_out:
        data = ExampleSet("the held-out part of the training data", held_out, fingerprint(held_out))
    figures: dict[str, Any] = {}
    with new_folder(out) as folder:
        save_checkpoint(trained.checkpoint, folder)
        if data is not None:
            report("message", text=f"Evaluating on {data.source}")
            named = replace(trained.checkpoint, name=str(out), model=copy.deepcopy(trained.checkpoint.model))
            reader = ExtractiveReader(named, device=trained.device, precision=default_precision(trained.device))
            place = options.job / "evaluation" if options.job else folder / "evaluation"
            if options.job and place.exists():
                shutil.rmtree(place)  # a resumed job's, of weights that are no more
            run = evaluate(reader, data, place, progress=_bar("Reading", options.job))
            figures = summarize(run)
            figures["run"] = str(place if options.job else out / "evaluation")
        card = model_card(out.name, asked, trained, options.command_line, figures or None)
        write_text(folder / "README.md", card)
    return figures


def runs(options: argparse.Namespace) -> int:
    """List the runs."""
    from reader.evaluation import run_roots

    found = list_runs(*(options.roots or run_roots()))
    if options.json:
        _print_json([{**asdict(run), "folder": str(run.folder)} for run in found])
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
        _print_json(table)
        return 0
    for row in table:
        print(f"{row['name']}={row['value']}\n  {row['help']} Default: {row['default'] or 'none'}.")
    return 0


# Helpers


def _load(options: argparse.Namespace) -> ExtractiveReader:
    from reader.predictor import ExtractiveReader

    return ExtractiveReader.from_pretrained(options.reader, precision=options.precision)


def _read_text(path: Path) -> str:
    """A text file as it is, line ends included; a byte order mark is no part of the text."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise BadData(f"There is no file {path}.") from None
    except IsADirectoryError:
        raise BadData(f"{path} is a folder; a text file was expected.") from None
    except UnicodeDecodeError as error:
        raise BadData(f"{path} is not UTF-8 text (byte {error.start}). Save it as UTF-8.") from None


def _write_answers(file: TextIO, ending: str, answers: Iterable[tuple[Example, Answer]]) -> int:
    columns = ["id", "question", "answer", "start", "end", "probability", "null_score_diff", "no_answer_probability"]
    table = csv.DictWriter(file, columns, extrasaction="ignore") if ending == ".csv" else None
    if table:
        table.writeheader()
    count = 0
    for example, answer in answers:
        count += 1
        row = {"id": example.id, "question": example.question, **answer.as_dict()}
        if table:
            table.writerow(row)
        else:
            file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
    return count


def _train_folders(options: argparse.Namespace) -> tuple[Path, Path]:
    """Where the reader goes and where the work is done; refused before any work when that would overwrite."""
    if options.job:
        return options.out or options.job / "reader", options.job
    if options.out is None:
        raise BadUsage("Say where the reader goes: --out FOLDER.")
    out: Path = options.out
    work = out.with_name(out.name + ".training")
    if out.exists():
        raise BadUsage(f"{out} exists already. Choose another folder, or remove it first.")
    if (work / "checkpoints").exists() and not options.resume:
        raise BadUsage(f"An unfinished run lies in {work}. Add --resume to go on with it, or remove it first.")
    if options.resume and not work.exists():
        raise BadUsage(f"There is nothing to resume: {work} does not exist.")
    work.mkdir(parents=True, exist_ok=True)
    return out, work


def _default_run(options: argparse.Namespace) -> Path:
    name = "-".join((Path(options.reader).name, Path(options.data).stem, time.strftime("%Y%m%d-%H%M%S")))
    return home() / "evaluations" / re.sub(r"[^\w.-]+", "-", name)


def _reporter(folder: Path, *, quiet: bool) -> Report:
    """Where a training run's events go: to the folder's progress file always, and to a terminal as a bar."""
    from tqdm import tqdm

    bar = tqdm(total=None, unit="step", disable=quiet or None, desc="Training", dynamic_ncols=True)

    def report(event: str, **facts: Any) -> None:
        append_progress(folder, event, **facts)
        if event == "start":
            bar.total = facts["total_steps"]
            bar.refresh()
            print(_flat(facts), file=sys.stderr)
        elif event == "step":
            bar.set_postfix(loss=f"{facts['loss']:.3f}", refresh=False)
            bar.update(facts["step"] - bar.n)
        elif event == "evaluation":
            print(f"\nstep {facts['step']}: {_flat(facts)}", file=sys.stderr)
        elif event == "end":
            bar.close()

    return report


def _bar(story: str, job: Path | None = None) -> Progress:
    """A progress bar on a terminal's stderr; in a job, lines for whoever watches, at most two a second."""
    from tqdm import tqdm

    bar = tqdm(desc=story, unit=" questions", disable=None, dynamic_ncols=True)
    told = 0.0

    def progress(done: int, total: int | None) -> None:
        nonlocal told
        bar.total = total
        bar.update(done - bar.n)
        if done == total:
            bar.close()
        if job is not None and (done == total or time.monotonic() - told > 0.5):
            told = time.monotonic()
            append_progress(job, "progress", done=done, total=total)

    return progress


def _print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False))


def _print_figures(figures: dict[str, Any]) -> None:
    """The figures of a run or of scored predictions, one a line."""
    for name, value in figures["metrics"].items():
        print(f"{name:24} {_flat(value)}")
    if figures.get("forced"):
        for name in ("exact", "f1", "HasAns_exact", "HasAns_f1"):
            if name in figures["forced"]:
                print(f"{'forced ' + name:24} {_flat(figures['forced'][name])}")
    for rows in ("all", "answerable"):
        print(f"{'ROUGE-1 F ' + rows:24} {_flat(figures['rouge']['raw'][rows]['rouge1']['f'])}")
    print(f"{'outcomes':24} {_flat(figures['outcomes'])}")
    for name, value in (figures.get("thresholds") or {}).items():
        print(f"{'threshold ' + name:24} {_flat(value)}")
    for name in ("threshold", "seconds", "peak_memory_mb"):
        if figures.get(name) is not None:
            print(f"{name:24} {_flat(figures[name])}")
    for note in figures.get("notes", []):
        print(note, file=sys.stderr)


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_flat(each)}" for key, each in value.items())
    if isinstance(value, list | tuple):
        return " / ".join(map(_flat, value))
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _skipped(count: int) -> str:
    return f" ({count:,} rows skipped)" if count else ""
