"""A job's state and times in words, the same on every tab."""

from __future__ import annotations

import time
from datetime import datetime

from reader.jobs import Job

WORDS = {
    "queued": "Waiting",
    "running": "Running",
    "stopping": "Stopping",
    "succeeded": "Finished",
    "stopped": "Stopped",
    "failed": "Failed",
    "lost": "Lost",
}
# A shape for each state, so that it is never told by colour alone.
SHAPES = {
    "queued": "○",
    "running": "●",
    "stopping": "◐",
    "succeeded": "✓",
    "stopped": "■",
    "failed": "✕",
    "lost": "✕",
}


def shape(job: Job) -> str:
    """The state's shape, as HTML; the word stands beside it."""
    return f'<i aria-hidden="true">{SHAPES[job.state]}</i> '


def time_left(seconds: float) -> str:
    """How long it will take, as roughly as it can be known."""
    if seconds < 10:
        return "a few seconds left"
    if seconds < 90:
        return f"about {10 * round(seconds / 10)} s left"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min left"
    if seconds < 36 * 3600:
        hours, minutes = divmod(round(seconds / 60), 60)
        return f"{hours} h {minutes} min left"
    return f"{round(seconds / 86400)} days left"


def duration(seconds: float) -> str:
    """How long it took."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def spent(job: Job) -> str:
    """How long a job ran, from its last start to its end or now."""
    return duration(max(0.0, (job.ended or time.time()) - (job.started or job.created)))


def moment(seconds: float) -> str:
    """A time of day with its day, by this machine's clock; "" where it is not known."""
    return datetime.fromtimestamp(seconds).strftime("%d %b, %H:%M").lstrip("0") if seconds else ""
