"""A training run as its files tell it: read on from where the last look ended, for all who watch at once."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from reader.jobs import Job, list_jobs, read_progress


@dataclass(frozen=True, slots=True)
class Course:
    """What a run has told so far. ``steps``, ``losses`` and learning ``rates`` belong together, one of each per step.

    Evaluations and probes of step 0 are of the base, before any training.
    """

    total_steps: int = 0
    steps: tuple[int, ...] = ()
    losses: tuple[float | None, ...] = ()
    rates: tuple[float | None, ...] = ()
    evaluations: tuple[Mapping[str, Any], ...] = ()
    probes: tuple[Mapping[str, Any], ...] = ()
    start: Mapping[str, Any] = field(default_factory=dict)
    last_step: Mapping[str, Any] = field(default_factory=dict)
    latest: str = ""  # the kind of the last event
    message: str = ""
    shrunk: tuple[tuple[int, int], ...] = ()  # where memory ran out: the step, and the windows read at once since
    done: tuple[int, int] | None = None  # of the questions that are read at the end
    end: Mapping[str, Any] = field(default_factory=dict)

    @property
    def step(self) -> int:
        """The last step told, 0 before the first."""
        return self.steps[-1] if self.steps else 0

    @property
    def best(self) -> Mapping[str, Any] | None:
        """The evaluation with the highest F1, whose weights the reader gets."""
        told = [each for each in self.evaluations if each["step"] and _number(each.get("f1")) is not None]
        return max(told, key=lambda each: each["f1"], default=None)

    def after(self, events: Iterable[Mapping[str, Any]]) -> Course:
        """Go on with what was told next. A resumed run goes back to its checkpoint: what it repeats is told anew."""
        steps, losses, rates = list(self.steps), list(self.losses), list(self.rates)
        evaluations, probes = list(self.evaluations), list(self.probes)
        now = self
        for event in events:
            kind = event["event"]
            step = event.get("step")
            if kind == "start":
                now = replace(now, start=event, total_steps=int(_number(event.get("total_steps")) or 0), done=None)
            elif kind == "step" and isinstance(step, int):
                while steps and steps[-1] >= step:
                    steps.pop()
                    losses.pop()
                    rates.pop()
                steps.append(step)
                losses.append(_number(event.get("loss")))
                rates.append(_number(event.get("learning_rate")))
                now = replace(now, last_step=event)
            elif kind == "evaluation" and isinstance(step, int):
                evaluations = [each for each in evaluations if each["step"] < step] + [event]
            elif kind == "probes" and isinstance(step, int) and isinstance(event.get("answers"), list):
                probes = [each for each in probes if each["step"] < step] + [event]
            elif kind == "end":
                now = replace(now, end=event)
            elif kind == "progress":
                now = replace(now, done=(int(event.get("done") or 0), int(event.get("total") or 0)))
            elif kind == "memory":
                now = replace(
                    now, shrunk=(*now.shrunk, (steps[-1] if steps else 0, int(_number(event.get("at_once")) or 0)))
                )
            elif kind == "message":
                now = replace(now, message=str(event.get("text", "")))
            now = replace(now, latest=kind)
        return replace(
            now,
            steps=tuple(steps),
            losses=tuple(losses),
            rates=tuple(rates),
            evaluations=tuple(evaluations),
            probes=tuple(probes),
        )


class Watcher:
    """Reads each job's progress once, however many look, and after that only what is new."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, Course]] = {}
        self._looking = threading.Lock()

    def courses(self, jobs: Iterable[Job]) -> dict[str, Course]:
        """Return the course of each job, by its id; jobs that are not among them are forgotten."""
        with self._looking:
            self._seen = {job.id: self._read_on(job) for job in jobs}
            return {job_id: course for job_id, (_, course) in self._seen.items()}

    def _read_on(self, job: Job) -> tuple[int, Course]:
        offset, course = self._seen.get(job.id, (0, Course()))
        told = read_progress(job, offset)
        if told.offset < offset:  # the file has been begun anew
            course = Course()
        return told.offset, course.after(told.events) if told.events else course


@dataclass(frozen=True, slots=True)
class View:
    """All that the page shows: the training jobs, the newest first, their courses, and the one that is looked at."""

    jobs: tuple[Job, ...]
    courses: Mapping[str, Course]
    chosen: Job | None
    before: int  # jobs of any kind that run or wait before the chosen one
    compared: tuple[str, ...] = ()  # ids of the jobs that are ticked for a comparison

    @property
    def course(self) -> Course:
        """The course of the chosen job."""
        return self.courses[self.chosen.id] if self.chosen else Course()

    @property
    def moving(self) -> bool:
        """Whether anything may change by itself."""
        return any(job.active or job.state == "queued" for job in self.jobs)


def look(watcher: Watcher, job_id: str | None, compared: str | None = "") -> View:
    """Look at all jobs, and closer at one: the named one, else one that runs or waits, else the newest.

    ``compared``: ids of jobs, separated by commas; those that are not there are passed over.
    """
    everything = list_jobs()
    jobs = tuple(job for job in everything if job.kind in ("train", ""))
    moving = [job for job in jobs if job.active or job.state == "queued"]
    named = [job for job in jobs if job.id == job_id]
    chosen = next(iter([*named, *[job for job in moving if job.active], *moving, *jobs]), None)
    before = 0
    if chosen is not None and chosen.state == "queued":
        before = sum(job.active or (job.state == "queued" and job.turn < chosen.turn) for job in everything)
    there = {job.id for job in jobs}
    ticked = tuple(dict.fromkeys(name for name in (compared or "").split(",") if name in there))
    return View(jobs, watcher.courses(jobs), chosen, before, ticked)


def needs_a_start(view: View) -> bool:
    """Whether somebody waits and nobody is there to start them, as after the machine went down."""
    states = [job.active for job in view.jobs]
    return not any(states) and any(job.state == "queued" for job in view.jobs)


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
