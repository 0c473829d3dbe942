"""Fair turns at what few can use at a time, such as the device that a model computes on.

    work = turns.begin()
    for batch in batches:
        with work.turn(cost=tokens_of(batch)):
            ...

A long text's work is cut into many turns. Of those who wait, the one whose work has had least goes first, so that a
short question beside a long text waits for one of its batches, not for all of them. Now and then the one who waits
longest goes first instead, so that many short questions do not keep a long text from ever being read.

What nobody waits for any more, such as an answer whose browser was closed, can be given up between two turns:

    with only_while(somebody_waits):
        reader(question=…, context=…)
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from reader.errors import ReaderboardError

# Every so many turns go to whoever waits longest: a long text gets at least about this share of the turns.
_LONGEST_WAIT_EVERY = 16

_wanted: ContextVar[Callable[[], bool]] = ContextVar("wanted", default=lambda: True)


class Abandoned(ReaderboardError):
    """Work that was given up because nobody waits for it any more."""


@contextmanager
def only_while(wanted: Callable[[], bool]) -> Iterator[None]:
    """Give up the work that begins within this block, at its next turn, once ``wanted`` says no: `Abandoned`.

    Within another such block, both have to want it.
    """
    outer = _wanted.get()
    before = _wanted.set(lambda: outer() and wanted())
    try:
        yield
    finally:
        _wanted.reset(before)


class Turns:
    """Turns for any number of threads, ``at_once`` of them at the same time."""

    def __init__(self, at_once: int = 1) -> None:
        self._guard = threading.Lock()
        self._free = at_once
        self._given = 0
        self._waiting: list[_Place] = []  # in the order in which they came

    def begin(self) -> Work:
        """A piece of work that has had nothing so far."""
        return Work(self)

    @property
    def waiting(self) -> int:
        """How many wait for their turn now."""
        return len(self._waiting)

    def _enter(self, work: Work) -> None:
        with self._guard:
            if self._free:
                self._free -= 1
                return
            place = _Place(work.had)
            self._waiting.append(place)
        try:
            place.reached.wait()
        except BaseException:  # Ctrl-C: whether or not the turn has come by now, it goes on to the next
            with self._guard:
                if place in self._waiting:
                    self._waiting.remove(place)
                else:
                    self._pass_on()
            raise

    def _leave(self) -> None:
        with self._guard:
            self._pass_on()

    def _pass_on(self) -> None:
        if not self._waiting:
            self._free += 1
            return
        self._given += 1
        longest = self._given % _LONGEST_WAIT_EVERY == 0
        place = self._waiting[0] if longest else min(self._waiting, key=lambda each: each.had)
        self._waiting.remove(place)
        place.reached.set()


class Work:
    """What one caller does in turns, and how much it has had of them. For one thread; made by `Turns.begin`."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._wanted = _wanted.get()
        self.had = 0

    @contextmanager
    def turn(self, cost: int) -> Iterator[None]:
        """Wait for a turn and hold it for the length of the block. ``cost``: its work, such as tokens to compute.

        Raises `Abandoned` where nobody wants the work any more.
        """
        self._turns._enter(self)
        try:
            if not self._wanted():
                raise Abandoned("Nobody waits for this answer any more, so the text is not read to its end.")
            yield
        finally:
            self.had += cost
            self._turns._leave()


@dataclass(frozen=True, slots=True, eq=False)
class _Place:
    """A place in the line."""

    had: int
    reached: threading.Event = field(default_factory=threading.Event)
