"""The check before a training: `python -m reader train --check` in a process of its own, and what it found.

A process, since it loads a model and takes real steps: whatever it takes of the memory is given back at its end, and
where the system kills it for that, the page still stands.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from pages.data_sets import data_label
from reader.errors import JobError
from reader.job_options import options_from_config
from reader.jobs import list_jobs
from reader.printing import gigabytes, said_time
from reader.processes import without_orphans

LONGEST = 15 * 60.0  # seconds; SQuAD's 130,000 questions are cut into windows in less
_EVERY = 0.3
_REPOSITORY = Path(__file__).resolve().parents[2]


def check(config: Mapping[str, Any]) -> Iterator[str | dict[str, Any]]:
    """Yield what is being done, a sentence at a time, and at last what was found, as `Preflight` has it.

    The process ends with the iterator. Raises `JobError` with what stands in the way.
    """
    words = [sys.executable, "-m", "reader", "train", *options_from_config(config), "--check", "--json"]
    with tempfile.TemporaryFile() as found, tempfile.TemporaryFile() as told:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=found, stderr=told, cwd=_REPOSITORY, start_new_session=True
        )
        with without_orphans(process):
            begun, last = time.monotonic(), ""
            while process.poll() is None:
                if time.monotonic() - begun > LONGEST:
                    raise JobError(f"The check took more than {LONGEST / 60:.0f} minutes and was ended.")
                time.sleep(_EVERY)
                line = _last_line(told)
                if line and line != last:
                    last = line
                    yield line
        found.seek(0)
        if process.returncode == 0:
            yield dict(json.loads(found.read()))
            return
        raise JobError(_why(process.returncode, _last_words(told)))


def findings(found: Mapping[str, Any]) -> str:
    """What was found, as HTML: a line of figures, what is wrong, and the details folded away."""
    share = found["unanswerable"] / max(found["examples"], 1)
    facts = [
        f"{found['examples']:,} questions → {found['features']:,} windows",
        f"{100 * share:.0f} % not answerable",
        f"{found['steps']:,} steps of {_seconds(found['seconds_per_step'])}",
        f"<b>{said_time(found['seconds'])}</b>",
        f"{gigabytes(found['memory'])} of memory",
        "fits" if found["fits"] else "<b>does not fit</b>",
    ]
    warnings = "".join(f'<p class="warning">{warning}</p>' for warning in _warnings(found))
    return (
        f'<section class="check"><p class="line">{" · ".join(facts)}</p>{warnings}'
        f"<details><summary>All that was found</summary>{_details(found)}</details>"
        "</section>"
    )


def _warnings(found: Mapping[str, Any]) -> list[str]:
    warnings = []
    if not found["fits"]:
        warnings.append(
            f"Of {gigabytes(found['memory_available'])} that are free, {found['at_once']:,} windows at a time are as "
            f"many as fit. Set “parts of a batch” to {found['parts']}: the batch stays the same."
        )
    if found["disk"] > found["disk_free"]:
        warnings.append(
            f"The disk has {gigabytes(found['disk_free'])} free, and the checkpoints take {gigabytes(found['disk'])}."
        )
    if found["misfits"]:
        named = ", ".join(f"“{escape(each['answer'][:60])}” ({escape(each['id'])})" for each in found["misfits_named"])
        more = " …" if found["misfits"] > len(found["misfits_named"]) else ""
        what = "1 answer stands" if found["misfits"] == 1 else f"{found['misfits']:,} answers stand"
        warnings.append(f"{what} whole in no window and will be learned as not answerable: {named}{more}")
    leak = found["leak"]
    if leak and (leak["contexts"] or leak["questions"]):
        named = ", ".join(map(escape, leak["named"]))
        warnings.append(
            f"{leak['contexts']:,} texts and {leak['questions']:,} questions of what it is evaluated on are learned "
            f"from, too, so the figures will flatter it: {named} …"
        )
    skipped = sum(each["skipped"] for each in found["sets"])
    if skipped:
        warnings.append(f"{skipped:,} rows that cannot be used are left out.")
    if any(job.active for job in list_jobs()):
        warnings.append("Another job runs here now, so the steps may be quicker than measured when it has ended.")
    return warnings


def _details(found: Mapping[str, Any]) -> str:
    rows = [
        ("Data", "<br>".join(_set(each) for each in found["sets"])),
        ("Made unanswerable", f"{found['negatives']:,} questions" if found["negatives"] else "none"),
        ("Held out", f"{found['held_out']:,} questions, read {found['evaluations']}× in training"),
        ("Questions", _histogram(found["questions"])),
        ("Texts", _histogram(found["contexts"])),
        ("Device", f"{_device(found['device'])}, {escape(found['precision'])}"),
        ("Memory", f"{gigabytes(found['memory'])} of {gigabytes(found['memory_available'])} free"),
        ("Disk", f"{gigabytes(found['disk'])} of {gigabytes(found['disk_free'])} free"),
    ]
    facts = "".join(f"<tr><th scope=row>{name}</th><td>{value}</td></tr>" for name, value in rows)
    unlike = "".join(
        f"<tr><th scope=row>{escape(what)}</th><td>{escape(mine)}</td><td>{escape(its)}</td></tr>"
        for what, mine, its in found["unlike_the_article"]
    )
    heads = '<thead><tr><th scope="col">Setting</th><th scope="col">This run</th><th scope="col">The article</th></tr>'
    other = f'<table class="plain">{heads}</thead><tbody>{unlike}</tbody></table>' if unlike else ""
    return f'<table class="plain facts-table"><tbody>{facts}</tbody></table>{other}'


def _set(each: Mapping[str, Any]) -> str:
    share = each["unanswerable"] / max(each["examples"], 1)
    return f"{escape(data_label(each['source']))}: {each['examples']:,} questions, {100 * share:.0f} % not answerable"


def _histogram(lengths: Mapping[str, Any]) -> str:
    """Bars with their scale in words: how many texts are how long."""
    counts: Sequence[int] = lengths["counts"]
    highest = max(counts)
    bars = "".join(
        f'<i style="--h:{count / highest:.3f}" title="{index * lengths["width"] + 1:,}–'
        f'{(index + 1) * lengths["width"]:,} tokens: {count:,}"></i>'
        for index, count in enumerate(counts)
    )
    says = f"{lengths['median']:,} tokens in the middle, {lengths['longest']:,} at most"
    return f'<span class="bars" aria-hidden="true">{bars}</span> {says}'


def _device(device: str) -> str:
    return "GPU" if device == "cuda" else device.upper()


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 0.95 else f"{1000 * seconds:.0f} ms"


def _why(code: int, words: str) -> str:
    if code < 0:
        return (
            f"The check was ended by signal {-code}, as the system does when memory runs out. Try more parts of a "
            "batch, or a smaller base."
        )
    return words


def _last_line(told: Any) -> str:
    lines = _read(told)
    return lines[-1] if lines else ""


def _last_words(told: Any) -> str:
    """The error's sentence, and the rows that it names."""
    lines = _read(told)
    errors = [at for at, line in enumerate(lines) if line.startswith("error: ")]
    if not errors:
        return f"The check could not be made: {lines[-1] if lines else 'it said nothing.'}"
    return " ".join(lines[errors[-1] :]).removeprefix("error: ")[:2000]


def _read(told: Any) -> list[str]:
    told.seek(0)
    text = told.read().decode("utf-8", "replace").replace("\r", "\n")
    return [line.strip() for line in text.split("\n") if line.strip()]
