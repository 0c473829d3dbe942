"""The command line: what can be said, and how it ends.

Exit codes: 0 done, 1 failed, 2 bad usage or input (one clear sentence), 130 stopped by Ctrl-C. With ``--json``,
stdout holds JSON alone; progress and messages go to stderr. What the commands do is in `reader.commands`.
"""

from __future__ import annotations

import argparse
import math
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from reader import commands, ranks, train_command
from reader.errors import BadData, BadRow, DiskError, OutOfMemory, ReaderboardError, is_out_of_memory
from reader.jobs import running_job
from reader.launch import STOPPED, tell_launcher


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    options = parser().parse_args(words)
    # What a run or a model card says it was made with: the command as given, less what only concerns this one process.
    options.command_line = shlex.join(["python", "-m", "reader", *_lasting(words)])
    options.words = words
    try:
        job: Path | None = getattr(options, "job", None)
        # Of several processes none is the job: who launched them is.
        if job is None or ranks.count() > 1:
            code = _run(options)
            if code == STOPPED and tell_launcher(None):
                code = 0
        else:
            with running_job(job) as running:
                code = _run(options)
                running.stop_asked = running.stop_asked or code == STOPPED
        sys.stdout.flush()
        return code
    except ReaderboardError as error:
        if tell_launcher(error):
            return 1
        _complain(str(error))
        if isinstance(error, BadData):
            _list_rows(error.rows)
        return 1 if isinstance(error, OutOfMemory) else 2
    except KeyboardInterrupt:
        _complain("Stopped. Nothing half-written is left.")
        return STOPPED
    except BrokenPipeError:
        # Whoever read our output has closed it (`… | head`); nothing more can be said there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _run(options: argparse.Namespace) -> int:
    """Run the command; what the system refuses becomes a sentence."""
    try:
        return int(options.run(options))
    except BrokenPipeError:
        raise
    except OSError as error:
        place = error.filename or "A file"
        raise DiskError(f"{place} cannot be read or written: {error.strerror or error}.") from error
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemory(_MEMORY_FULL) from error


_MEMORY_FULL = "The memory is full. Use a smaller reader, a shorter text or a smaller batch."


def _lasting(words: Sequence[str]) -> list[str]:
    kept = [word for word in words if word not in ("--resume", "--json")]
    if "--job" in kept:
        at = kept.index("--job")
        kept = kept[:at] + kept[at + 2 :]
    return kept


def _complain(sentence: str) -> None:
    print(f"error: {sentence}", file=sys.stderr)


def _list_rows(rows: Sequence[BadRow]) -> None:
    """Name the bad rows that the sentence has left out, up to a screenful."""
    for row in rows[_ROWS_SAID:_ROWS_LISTED]:
        print(f"  {row}", file=sys.stderr)
    if len(rows) > _ROWS_LISTED:
        print(f"  … and {len(rows) - _ROWS_LISTED:,} more", file=sys.stderr)


_ROWS_SAID = 5  # by the sentence itself
_ROWS_LISTED = 25


class _Help(argparse.ArgumentDefaultsHelpFormatter):
    """Defaults are shown where there are any."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default is None or action.default is False or action.default == []:
            return action.help
        return super()._get_help_string(action)


def parser() -> argparse.ArgumentParser:
    command = argparse.ArgumentParser(
        prog="python -m reader", description="Ask, train and judge extractive question answering readers."
    )
    verbs = command.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_ask(verbs)
    _add_predict(verbs)
    _add_evaluate(verbs)
    _add_behave(verbs)
    _add_score(verbs)
    _add_compare(verbs)
    _add_train(verbs)
    _add_lists(verbs)
    return command


Verbs = argparse._SubParsersAction


def _add_ask(verbs: Verbs[argparse.ArgumentParser]) -> None:
    ask = _verb(verbs, "ask", commands.ask, "Answer one question from one text.")
    _reader_options(ask)
    ask.add_argument("--question", required=True, help="the question")
    text = ask.add_mutually_exclusive_group(required=True)
    text.add_argument("--context", help="the text that may hold the answer")
    text.add_argument("--file", type=Path, help="a file instead: .txt, .md, .html, .pdf or .docx")
    ask.add_argument("--top-k", type=_from_1, help="how many readings to show (default: as the reader is set)")
    _threshold_option(ask)
    _json_option(ask)


def _add_predict(verbs: Verbs[argparse.ArgumentParser]) -> None:
    predict = _verb(verbs, "predict", commands.predict, "Answer many questions, without gold answers.")
    _reader_options(predict)
    predict.add_argument("--data", required=True, help="CSV, JSONL, Parquet or SQuAD JSON: question, context[, id]")
    place = predict.add_mutually_exclusive_group(required=True)
    place.add_argument("--out", type=Path, help="the file to write: .csv or .jsonl")
    place.add_argument("--job", type=Path, help=argparse.SUPPRESS)
    predict.add_argument("--skip-bad", action="store_true", help="go on without rows that cannot be used")
    _threshold_option(predict)
    _json_option(predict)


def _add_evaluate(verbs: Verbs[argparse.ArgumentParser]) -> None:
    evaluate = _verb(verbs, "evaluate", commands.evaluate, "Score a reader on a data set and keep the run.")
    _reader_options(evaluate)
    evaluate.add_argument("--data", required=True, help=_DATA)
    evaluate.add_argument(
        "--out", type=Path, help="the run folder to make (default: one under READER_HOME/evaluations)"
    )
    evaluate.add_argument("--limit", type=_from_1, help="the first so many questions only")
    evaluate.add_argument(
        "--protocol", choices=("abstain", "forced"), default="abstain", help="what --json calls metrics"
    )
    evaluate.add_argument("--skip-bad", action="store_true", help="go on without rows that cannot be used")
    evaluate.add_argument("--job", type=Path, help=argparse.SUPPRESS)
    _threshold_option(evaluate)
    _json_option(evaluate)


def _add_behave(verbs: Verbs[argparse.ArgumentParser]) -> None:
    behave = _verb(verbs, "behave", commands.behave, "Test whether answers change where they should not.")
    _reader_options(behave)
    behave.add_argument("--data", required=True, help=_DATA)
    behave.add_argument("--out", type=Path, help="the folder to make")
    behave.add_argument("--limit", type=_from_1, default=200, help="questions drawn from the data set")
    behave.add_argument("--seed", type=int, default=42, help="of what is drawn and changed")
    behave.add_argument("--skip-bad", action="store_true", help="go on without rows that cannot be used")
    behave.add_argument("--job", type=Path, help=argparse.SUPPRESS)
    _json_option(behave)


def _add_score(verbs: Verbs[argparse.ArgumentParser]) -> None:
    score = _verb(verbs, "score", commands.score, "Score a predictions file as the official SQuAD v2 script does.")
    score.add_argument("--data", required=True, help=_DATA)
    score.add_argument("--predictions", type=Path, required=True, help='JSON {"id": "answer or empty"}')
    score.add_argument("--null-odds", type=Path, help='JSON {"id": number}: the greater, the less an answer is likely')
    score.add_argument(
        "--threshold", type=_finite, help="null odds above which to abstain (default: 1.0, the script's)"
    )
    score.add_argument("--allow-missing", action="store_true", help="leave questions without prediction out")
    score.add_argument("--skip-bad", action="store_true", help="go on without rows that cannot be used")
    _json_option(score)


def _add_compare(verbs: Verbs[argparse.ArgumentParser]) -> None:
    compare = _verb(verbs, "compare", commands.compare, "Compare two runs on the same data set, question by question.")
    compare.add_argument("run_a", type=Path, metavar="RUN_A", help="a run folder")
    compare.add_argument("run_b", type=Path, metavar="RUN_B", help="another one")
    compare.add_argument(
        "--protocol", choices=("abstain", "forced"), default="abstain", help="whether they may abstain"
    )
    _json_option(compare)


def _add_train(verbs: Verbs[argparse.ArgumentParser]) -> None:
    train = _verb(verbs, "train", train_command.train, "Fine-tune a reader.")
    train.add_argument("--base", default="embedded", help="embedded, a folder or a Hub id; an encoder without head too")
    train.add_argument("--data", action="append", required=True, help=f"{_DATA}; may be repeated")
    train.add_argument(
        "--extra-data", action="append", default=[], help="trained on, but never held out; may be repeated"
    )
    train.add_argument(
        "--cap",
        type=_from_0,
        action="append",
        default=[],
        help="questions to take of each --data, in their order, or one number for all (default: all of them)",
    )
    train.add_argument("--unanswerable", type=float, help="share to train on; the kind that is too many is thinned out")
    train.add_argument("--eval-data", help="evaluated at the end (default: the held-out part)")
    train.add_argument("--baseline", help="a reader to evaluate beside the new one, on the same questions")
    train.add_argument("--out", type=Path, help="the folder of the finished reader; work goes on in OUT.training")
    train.add_argument("--recipe", choices=("corrected", "article"), default="corrected", help="see the README")
    train.add_argument("--epochs", type=float, help="passes over the data (default: 3)")
    train.add_argument("--max-steps", type=int, help="optimizer steps, instead of epochs")
    train.add_argument("--learning-rate", type=float, help="the peak (default: 2e-5)")
    train.add_argument("--batch-size", type=int, help="windows per optimizer step (default: 24)")
    train.add_argument("--gradient-accumulation", type=int, default=1, help="parts in which a batch is read")
    train.add_argument("--warmup", type=float, help="share of the steps (default: 0.1)")
    train.add_argument("--weight-decay", type=float, help="AdamW's (default: 0.1)")
    train.add_argument("--layer-decay", type=float, default=1.0, help="learning rate of a layer, of that above it")
    train.add_argument("--dropout", type=float, help="in training (default: the base's own)")
    train.add_argument("--seed", type=int, default=42, help="of the order, the made questions and a fresh head")
    train.add_argument("--max-seq-length", type=int, help="tokens of a window (default: 384)")
    train.add_argument("--doc-stride", type=int, help="tokens that windows share (default: 128)")
    train.add_argument(
        "--precision", choices=("fp32", "bf16", "fp16"), help="of the computation (default: the quickest)"
    )
    train.add_argument("--held-out", type=float, default=0.05, help="share held out to choose checkpoint and threshold")
    train.add_argument("--held-out-by", choices=("article", "context"), default="article", help="what is not split")
    train.add_argument(
        "--assume-unanswerable", type=float, help="share to choose the threshold for (default: as held out)"
    )
    train.add_argument(
        "--evaluations", type=int, help="on the held-out part, in training (default: one an epoch, 10 at most)"
    )
    train.add_argument(
        "--patience", type=int, default=0, help="evaluations without a better F1 that end it early (0: never)"
    )
    train.add_argument(
        "--probe",
        action="append",
        default=[],
        help="a question to answer at each evaluation (default: 3 held-out ones)",
    )
    train.add_argument("--probe-text", help="the text that the probes are about")
    train.add_argument("--negatives", type=float, default=0.0, help="unanswerable questions to make per answerable one")
    train.add_argument("--average-last", type=int, default=0, help="also try the mean of so many last checkpoints")
    train.add_argument(
        "--teacher", action="append", default=[], help="a reader of the same vocabulary to learn from; may be repeated"
    )
    train.add_argument("--skip-bad", action="store_true", help="go on without rows that cannot be used")
    train.add_argument("--processes", type=int, default=1, help="of this machine, that share each batch")
    train.add_argument(
        "--check", action="store_true", help="say what it would cost and what is wrong with the data; train nothing"
    )
    train.add_argument("--resume", action="store_true", help="go on from the last checkpoint of the same command")
    train.add_argument("--job", type=Path, help=argparse.SUPPRESS)
    _json_option(train)


def _add_lists(verbs: Verbs[argparse.ArgumentParser]) -> None:
    runs = _verb(verbs, "runs", commands.runs, "List the evaluation runs there are.")
    runs.add_argument("roots", type=Path, nargs="*", help="folders of runs (default: the shipped one and READER_HOME)")
    _json_option(runs)
    _json_option(_verb(verbs, "settings", commands.settings, "Print all settings, their values and what they are for."))


_DATA = "starter, a file (SQuAD JSON, JSONL, CSV, Parquet) or a Hub id name[@revision][:split]"


def _verb(
    verbs: Verbs[argparse.ArgumentParser], name: str, run: commands.Command, story: str
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=story, description=story, formatter_class=_Help)
    parser.set_defaults(run=run)
    return parser


def _reader_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reader", default="embedded", help="embedded, a folder or a Hub id name[@revision]")
    parser.add_argument("--precision", choices=("fp32", "bf16", "fp16"), help="of the weights (default: the quickest)")


def _threshold_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threshold", type=_finite, help="margin above which to abstain (default: the reader's own)")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text} is not a finite number")
    return value


def _from_1(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return value


def _from_0(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is less than 0")
    return value


_finite.__name__, _from_0.__name__, _from_1.__name__ = (
    "number",
    "whole number",
    "whole number",
)  # as argparse calls them when it complains


def _json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON, and nothing else, on stdout")
