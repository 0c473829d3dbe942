"""What commands print: JSON alone on stdout for machines, figures a line each for people, progress on stderr."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reader.jobs import append_progress

if TYPE_CHECKING:
    from reader.comparison import Comparison, Difference
    from reader.predictor import Progress
    from reader.preflight import Preflight


def bar(story: str, job: Path | None = None) -> Progress:
    """A progress bar on a terminal's stderr; in a job, lines for whoever watches, at most two a second."""
    from tqdm import tqdm

    shown = tqdm(desc=story, unit=" questions", disable=None, dynamic_ncols=True)
    told = 0.0

    def progress(done: int, total: int | None) -> None:
        nonlocal told
        shown.total = total
        shown.update(done - shown.n)
        if done == total:
            shown.close()
        if job is not None and (done == total or time.monotonic() - told > 0.5):
            told = time.monotonic()
            append_progress(job, "progress", done=done, total=total)

    return progress


def print_json(value: Any) -> None:
    """Print a value as JSON, in plain ASCII where stdout cannot hold every letter."""
    narrow = (sys.stdout.encoding or "").lower() not in ("utf-8", "utf8")
    print(json.dumps(value, ensure_ascii=narrow, indent=2, allow_nan=False))


def print_figures(figures: dict[str, Any]) -> None:
    """The figures of a run or of scored predictions, one a line."""
    for name, value in figures["metrics"].items():
        print(f"{name:24} {flat(value)}")
    if figures.get("forced"):
        for name in ("exact", "f1", "HasAns_exact", "HasAns_f1"):
            if name in figures["forced"]:
                print(f"{'forced ' + name:24} {flat(figures['forced'][name])}")
    for rows in ("all", "answerable"):
        print(f"{'ROUGE-1 F ' + rows:24} {flat(figures['rouge']['raw'][rows]['rouge1']['f'])}")
    print(f"{'outcomes':24} {flat(figures['outcomes'])}")
    for name, value in (figures.get("thresholds") or {}).items():
        if value is None:  # nothing to cross-fit over: all questions are on one text
            continue
        shown = {key: value[key] for key in ("threshold", "thresholds", "exact", "f1") if value.get(key) is not None}
        print(f"{'threshold, ' + name.replace('_', '-'):24} {flat(shown)}")
    for name in ("threshold", "seconds", "peak_memory_mb"):
        if figures.get(name) is not None:
            print(f"{name:24} {flat(figures[name])}")
    for note in figures.get("notes", []):
        print(note, file=sys.stderr)


def print_preflight(found: Preflight) -> None:
    """What a training run would be, for a person."""
    share = found.unanswerable / found.examples
    lines = [
        ("data", f"{found.examples:,} questions to learn from, {share:.0%} of them not answerable"),
        ("held out", f"{found.held_out:,} questions, read {found.evaluations}× in training"),
        ("windows", f"{found.features:,}"),
        ("steps", f"{found.steps:,}, {found.seconds_per_step:.2f} s each on {found.device} in {found.precision}"),
        ("time", f"{said_time(found.seconds)} in all"),
        ("memory", _memory_line(found)),
        ("disk", f"{gigabytes(found.disk)} of {gigabytes(found.disk_free)} free"),
    ]
    for name, lengths in (("questions", found.questions), ("contexts", found.contexts)):
        lines.append((name, f"{lengths.median} tokens in the middle, {lengths.longest:,} at most"))
    if found.misfits:
        named = "; ".join(f"{misfit.id}: {misfit.answer!r:.60}" for misfit in found.misfits_named)
        lines.append(("misfits", f"{found.misfits:,} answers stand whole in no window: {named}"))
    if found.leak is not None:
        leak = found.leak
        named = f" ({', '.join(leak.named)} …)" if leak.named else ""
        lines.append(("leakage", f"{leak.contexts:,} contexts and {leak.questions:,} questions evaluated on{named}"))
    for what, mine, its in found.unlike_the_article:
        lines.append(("unlike it", f"{what}: {mine} (the article: {its})"))
    for name, text in lines:
        print(f"{name:14} {text}")


def _memory_line(found: Preflight) -> str:
    line = f"{gigabytes(found.memory)} of {gigabytes(found.memory_available)} free"
    if found.fits:
        return f"{line}: it fits"
    return f"{line}: only with {found.at_once} windows at a time (--gradient-accumulation {found.parts})"


def gigabytes(count: int) -> str:
    """Bytes as a person says them."""
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.0f} MB"


def said_time(seconds: float) -> str:
    """A length of time, as exactly as it is worth."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 36 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"


def print_comparison(comparison: Comparison) -> None:
    """What `compare` found, for a person: each difference with its interval, and whether it is more than chance."""
    ours = comparison
    print(f"{ours.questions:,} questions of {ours.data}, {_PROTOCOLS[ours.protocol]}")
    for letter, name, reader, threshold in (
        ("A", ours.a, ours.reader_a, ours.threshold_a),
        ("B", ours.b, ours.reader_b, ours.threshold_b),
    ):
        print(f"{letter}: {name} ({reader}" + (f", threshold {threshold:+.2f})" if threshold is not None else ")"))
    print(f"\n{'':12} {'A':>8} {'B':>8} {'B - A':>8}   95% interval")
    for each in ours.differences:
        places = 3 if each.metric.startswith("rouge") else 2  # ROUGE is a share, the others are percentages
        figures = f"{each.a:8.{places}f} {each.b:8.{places}f} {each.difference:+8.{places}f}"
        print(f"{each.metric:12} {figures}   {_interval(each, places)}")
    print(f"\nBy F1, B is better on {ours.wins:,} questions, worse on {ours.losses:,} and equal on {ours.ties:,}.")
    print(
        f"Exactly right: both {ours.both_right:,}, only A {ours.only_a_right:,}, only B {ours.only_b_right:,}, neither "
        f"{ours.neither_right:,}. McNemar's p = {ours.mcnemar_p:.4f}. The same answer on {ours.agreement:.1%}."
    )
    for title, changes in (("B gains most on", ours.gained[:3]), ("B loses most on", ours.lost[:3])):
        if changes:
            print(f"{title}:")
        for change in changes:
            said = " → ".join(f'"{text}"' if text else "(no answer)" for text in (change.a, change.b))
            print(f"  {change.question}  {said}")


_PROTOCOLS = {"abstain": "each at its threshold", "forced": "both forced to answer"}


def _interval(difference: Difference, places: int) -> str:
    if difference.low is None or difference.high is None:
        return "not known (too few paragraphs)"
    return f"{difference.low:+.{places}f} to {difference.high:+.{places}f}"


def flat(value: Any) -> str:
    """A figure, or several of them, in a line."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {flat(each)}" for key, each in value.items())
    if isinstance(value, list | tuple):
        return " / ".join(map(flat, value))
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def skipped(count: int) -> str:
    """What follows a result where rows were left out."""
    return f" ({count:,} rows skipped)" if count else ""
