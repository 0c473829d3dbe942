"""``python -m reader train``: from data and a base to a reader, its evaluation and its card, in one folder."""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reader import ranks
from reader.errors import BadReader, BadUsage, HubUnreachable
from reader.examples import ExampleSet, fingerprint, load_examples
from reader.files import new_folder, write_text
from reader.jobs import append_progress
from reader.launch import STOPPED, end_with_launcher, train_with_processes
from reader.printing import bar, flat, print_figures, print_json, print_preflight
from reader.recipes import TrainOptions
from reader.results import Run, summarize
from reader.settings import home

if TYPE_CHECKING:
    from reader.finetune import Trained

Report = Callable[..., None]


def train(options: argparse.Namespace) -> int:
    """Fine-tune a reader, evaluate it, and leave it in a folder of its own."""
    # The options of the command are those of TrainOptions, by the same names.
    given: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in vars(options).items()
        if name in TrainOptions.__dataclass_fields__
    }
    if given["processes"] == 1:
        given["processes"] = ranks.count()  # of a plain `accelerate launch`
    asked = TrainOptions(**given)
    if options.check:
        return _check(options, asked)
    out, work = _folders(options)
    # Before hours of training, not after them.
    eval_data = load_examples(options.eval_data, skip_bad=options.skip_bad) if options.eval_data else None
    work.mkdir(parents=True, exist_ok=True)
    launching = asked.processes > ranks.count()
    report, close = _reporter(options.job or work, quiet=options.json or launching)
    try:
        if launching:
            return _launch(options, asked, report)
        end_with_launcher()
        figures = _train(options, asked, eval_data, out, work, report)
    except _Interrupted as stop:
        again = "resume the job" if options.job else "add --resume to go on"
        _say(f"Stopped. {stop}: {again}.")
        return STOPPED
    finally:
        close()
        ranks.leave()
        if options.job is None and ranks.rank() == 0 and not (work / "checkpoints").exists():
            shutil.rmtree(work, ignore_errors=True)  # nothing came of it, so nothing is to be resumed
    if ranks.rank() != 0:
        return 0
    report(
        "end",
        reader=str(out),
        evaluation=figures.get("run"),
        baseline=figures.get("baseline_run"),
        figures=_short(figures) if "metrics" in figures else None,
        against=figures.get("against"),
    )
    # The best of them is the reader now.
    shutil.rmtree(work if options.job is None else work / "checkpoints")
    if options.json:
        print_json(figures)
    else:
        if "metrics" in figures:
            print_figures(figures)
        print(f"The reader is in {out}. Ask it: python -m reader ask --reader {shlex.quote(str(out))} --question …")
    return 0


def _check(options: argparse.Namespace, asked: TrainOptions) -> int:
    """Say what the run would cost and what is wrong with its data."""
    from reader.preflight import preflight

    eval_data = load_examples(options.eval_data, skip_bad=options.skip_bad) if options.eval_data else None

    def report(event: str, **facts: Any) -> None:
        if event == "message":
            print(facts["text"], file=sys.stderr)

    place = options.out.parent if options.out else home()
    found = preflight(asked, eval_data, place, baseline=options.baseline is not None, report=report)
    if options.json:
        print_json(asdict(found))
    else:
        print_preflight(found)
    return 0


def _launch(options: argparse.Namespace, asked: TrainOptions, report: Report) -> int:
    """Have several processes do it; this one watches them."""

    def on_memory(smaller: TrainOptions) -> None:
        report("memory", at_once=smaller.at_once)

    return train_with_processes(asked, options.words, on_memory)


def _say(sentence: str) -> None:
    if ranks.rank() == 0:
        print(sentence, file=sys.stderr)


class _Interrupted(Exception):
    """Training was stopped; the message says what is saved."""


def _train(
    options: argparse.Namespace,
    asked: TrainOptions,
    eval_data: ExampleSet | None,
    out: Path,
    work: Path,
    report: Report,
) -> dict[str, Any]:
    from reader.finetune import Stopped, finetune
    from reader.trainer import last_checkpoint

    try:
        trained = finetune(asked, work, resume=options.resume, report=report)
        if ranks.rank() != 0:
            return {}
        figures = _finish(options, asked, trained, eval_data, out, report)
    except (Stopped, KeyboardInterrupt):
        last = last_checkpoint(work / "checkpoints")
        if last is None:
            raise KeyboardInterrupt from None
        raise _Interrupted(f"All that was learned is in {last}") from None
    return {"reader": str(out), "held_out": trained.held_out, "steps": trained.steps, **figures}


def _finish(
    options: argparse.Namespace,
    asked: TrainOptions,
    trained: Trained,
    data: ExampleSet | None,
    out: Path,
    report: Report,
) -> dict[str, Any]:
    """Evaluate the trained reader and write it, its run and its card; all of it or nothing."""
    from dataclasses import replace

    from reader.checkpoints import load_checkpoint, save_checkpoint
    from reader.evaluation import evaluate
    from reader.model_card import model_card
    from reader.predictor import ExtractiveReader, default_precision

    held_out = trained.data.held_out
    if data is None and held_out:
        data = ExampleSet("the held-out part of the training data", held_out, fingerprint(held_out))
    figures: dict[str, Any] = {}
    if options.job and not options.out:
        # What a job left that was killed at its very end.
        shutil.rmtree(out, ignore_errors=True)
        shutil.rmtree(options.job / "evaluation", ignore_errors=True)
        shutil.rmtree(options.job / "baseline", ignore_errors=True)
    with new_folder(out) as folder:
        save_checkpoint(trained.checkpoint, folder)
        if data is not None:
            report("message", text=f"Evaluating on {data.source}")
            # As it was saved, so that the figures are those of what is handed over.
            saved = replace(load_checkpoint(str(folder)), name=str(out))
            reader = ExtractiveReader(saved, device=trained.device, precision=default_precision(trained.device))
            place = options.job or folder
            facts = {"command": options.command_line}
            run = evaluate(reader, data, place / "evaluation", progress=bar("Reading", options.job), facts=facts)
            figures = summarize(run)
            figures["run"] = str((options.job or out) / "evaluation")
            if options.baseline:
                figures |= _read_baseline(options, data, run, place / "baseline", report)
                if "baseline" in figures:
                    figures["baseline_run"] = str((options.job or out) / "baseline")
        card = model_card(out.name, asked, trained, options.command_line, figures or None)
        write_text(folder / "README.md", card)
    return figures


def _read_baseline(
    options: argparse.Namespace, data: ExampleSet, run: Run, place: Path, report: Report
) -> dict[str, Any]:
    """Evaluate the reader to compare with; one that cannot be had is no reason to lose the trained one."""
    from reader.comparison import compare
    from reader.evaluation import evaluate
    from reader.predictor import ExtractiveReader

    report("message", text=f"Evaluating {options.baseline} on the same questions")
    try:
        reader = ExtractiveReader.from_pretrained(options.baseline)
        baseline = evaluate(reader, data, place, progress=bar("Reading the baseline", options.job))
    except (BadReader, BadUsage, HubUnreachable) as error:
        report("message", text=f"There is no baseline to compare with. {error}")
        return {}
    # From the baseline to the new reader, so that a positive difference speaks for the new one.
    against = [asdict(each) for each in compare(baseline, run).differences]
    return {"baseline": summarize(baseline), "against": against}


def _short(figures: dict[str, Any]) -> dict[str, Any]:
    """What a page shows of an evaluation, both protocols; percentages, but ROUGE in [0, 1]."""
    metrics, forced, rouge = figures["metrics"], figures["forced"] or {}, figures["rouge"]["raw"]
    return {
        "data": figures["data"]["source"],
        "questions": figures["data"]["examples"],
        **{name: metrics.get(name) for name in ("exact", "f1", "HasAns_f1", "NoAns_f1")},
        "forced_HasAns_f1": forced.get("HasAns_f1"),
        "rouge1_all": rouge["all"]["rouge1"]["f"],
        "rouge1_answerable": rouge["answerable"]["rouge1"]["f"],
    }


def _folders(options: argparse.Namespace) -> tuple[Path, Path]:
    """Where the reader goes and where the work is done; refused before any work when that would overwrite."""
    out: Path | None = options.out
    if out is not None and out.exists():
        raise BadUsage(f"{out} exists already. Choose another folder, or remove it first.")
    if options.job:
        return out or options.job / "reader", options.job
    if out is None:
        raise BadUsage("Say where the reader goes: --out FOLDER.")
    work = out.with_name(out.name + ".training")
    if (work / "checkpoints").exists() and not options.resume:
        raise BadUsage(f"An unfinished run lies in {work}. Add --resume to go on with it, or remove it first.")
    if options.resume and not work.exists():
        raise BadUsage(f"There is nothing to resume: {work} does not exist.")
    return out, work


def _reporter(folder: Path, *, quiet: bool) -> tuple[Report, Callable[[], None]]:
    """Where a training run's events go (the folder's progress file, a terminal's bar), and how the bar is closed."""
    from tqdm import tqdm

    if ranks.rank() != 0:
        return lambda event, **facts: None, lambda: None  # the first one tells
    steps = tqdm(total=None, unit="step", disable=quiet or None, desc="Training", dynamic_ncols=True)

    def report(event: str, **facts: Any) -> None:
        append_progress(folder, event, **facts)
        if event == "start":
            steps.total = facts["total_steps"]
            steps.refresh()
            print(flat(facts), file=sys.stderr)
        elif event == "step":
            steps.set_postfix(loss=f"{facts['loss']:.3f}", refresh=False)
            steps.update(facts["step"] - steps.n)
        elif event == "evaluation":
            print(f"step {facts['step']}: {flat(facts)}", file=sys.stderr)
        elif event == "message":
            print(facts["text"], file=sys.stderr)
        elif event == "memory":
            print(f"The memory is full: going on with {facts['at_once']} windows at a time.", file=sys.stderr)

    return report, steps.close
