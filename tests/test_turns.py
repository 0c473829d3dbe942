"""Turns: one at a time, the one who had least first, nobody never, and always given back."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reader import predictor
from reader import turns as turns_module
from reader.checkpoints import ReaderConfig, load_checkpoint
from reader.examples import Example
from reader.features import prepare_validation_features
from reader.postprocess import Answer
from reader.predictor import ExtractiveReader
from reader.turns import Abandoned, Turns, Work, only_while
from tests import tiny_models

PATIENCE = 60  # seconds; only a test that fails waits as long


def until(true: Callable[[], bool]) -> None:
    for _ in range(PATIENCE * 1000):
        if true():
            return
        threading.Event().wait(0.001)
    pytest.fail("it never came to that")


def in_threads(*acts: Callable[[], object]) -> list[threading.Thread]:
    threads = [threading.Thread(target=act, daemon=True) for act in acts]
    for thread in threads:
        thread.start()
    return threads


def join(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


class Line:
    """Threads that come to the turns one by one, and note the order in which they are let in."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.order: list[str] = []
        self._threads: list[threading.Thread] = []

    def come(self, name: str, had: int = 0, costs: tuple[int, ...] = (1,)) -> None:
        work = self.turns.begin()
        work.had = had

        def take() -> None:
            for number, cost in enumerate(costs):
                with work.turn(cost):
                    self.order.append(name)
                    if number + 1 < len(costs):
                        self.come(f"{name}{number}")  # somebody new, while this one has the turn

        before = self.turns.waiting
        thread = threading.Thread(target=take)
        self._threads.append(thread)
        thread.start()
        until(lambda: self.turns.waiting == before + 1)

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Nobody is let in before the block's end; then everybody, until all have been."""
        with self.turns.begin().turn(1):
            yield
        while self._threads:
            thread = self._threads.pop(0)
            thread.join(PATIENCE)
            assert not thread.is_alive()


def test_who_had_least_goes_first_and_of_equals_who_came_first() -> None:
    line = Line()
    with line.closed():
        for name, had in (("long", 900), ("some", 100), ("new", 0), ("other", 100), ("newer", 0)):
            line.come(name, had)
    assert line.order == ["new", "newer", "some", "other", "long"]


def test_a_short_one_goes_between_two_batches_of_a_long_one() -> None:
    line = Line()
    with line.closed():
        line.come("long", costs=(700, 700, 700))
    assert line.order == ["long", "long0", "long", "long1", "long"]


def test_a_long_one_is_not_kept_waiting_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns_module, "_LONGEST_WAIT_EVERY", 4)
    line = Line()
    with line.closed():
        line.come("long", had=10_000)
        for number in range(8):
            line.come(str(number))
    assert line.order == ["0", "1", "2", "long", "3", "4", "5", "6", "7"]


def test_what_fails_within_a_turn_gives_it_back() -> None:
    turns = Turns()
    work = turns.begin()
    with pytest.raises(ZeroDivisionError), work.turn(5):
        raise ZeroDivisionError
    assert work.had == 5
    entered = threading.Event()

    def take() -> None:
        with turns.begin().turn(1):
            entered.set()

    thread = threading.Thread(target=take)
    thread.start()
    assert entered.wait(PATIENCE)
    thread.join()


@pytest.mark.parametrize("reached", [False, True], ids=["while it waits", "as its turn comes"])
def test_who_is_interrupted_leaves_the_line(monkeypatch: pytest.MonkeyPatch, reached: bool) -> None:
    turns, events = Turns(), []
    holder = turns.begin().turn(1)
    holder.__enter__()

    def interrupted(event: threading.Event) -> None:
        events.append(turns.waiting)
        if reached:
            holder.__exit__(None, None, None)
            assert event.is_set()
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Event, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt), turns.begin().turn(1):
        pytest.fail("it was let in")
    assert events == [1] and turns.waiting == 0
    if not reached:
        holder.__exit__(None, None, None)
    with turns.begin().turn(1):  # free again
        assert turns.waiting == 0


@pytest.mark.parametrize("at_once", [1, 2])
def test_never_more_at_once_than_allowed(at_once: int) -> None:
    turns, inside, most = Turns(at_once), [], []
    both = threading.Barrier(at_once)

    def take(work: Work) -> None:
        for number in range(200):
            with work.turn(1):
                inside.append(1)
                most.append(len(inside))
                if number == 0 and len(most) <= at_once:
                    both.wait(PATIENCE)  # so many are let in together
                inside.pop()

    join(in_threads(*(lambda: take(turns.begin()) for _ in range(8))))
    assert len(most) == 1600 and max(most) == at_once


def test_what_nobody_waits_for_is_given_up_at_its_next_turn() -> None:
    turns, there = Turns(), [True]
    with only_while(lambda: there[0]):
        work = turns.begin()
    other = turns.begin()
    with work.turn(1):
        there[0] = False
    with pytest.raises(Abandoned, match="Nobody waits for this answer"), work.turn(1):
        pytest.fail("it was let in")
    with other.turn(1):  # which began outside, and gets the turn that was given back
        pass


# A reader's own


WORDS = " ".join(tiny_models.TEXTS).split()
SHORT = {"question": "Who wrote it?", "context": tiny_models.TEXTS[0]}


def text(words: int, seed: int = 0) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=words))


def load(family: str, folder: Path) -> ExtractiveReader:
    checkpoint = load_checkpoint(str(tiny_models.make(family, folder)))
    config = ReaderConfig(max_seq_length=64, doc_stride=16, n_best_size=5)
    return ExtractiveReader(replace(checkpoint, config=config), device="cpu", precision="fp32")


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    with tiny_models.one_thread():
        yield


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> ExtractiveReader:
    return load("bert", tmp_path_factory.mktemp("bert"))


def test_a_short_question_waits_for_one_batch_of_a_long_text(bert, monkeypatch):
    monkeypatch.setattr(bert, "turns", Turns())
    monkeypatch.setitem(predictor._BATCH_TOKENS, "cpu", 64)  # a window by itself
    read: list[str] = []
    compute = bert._model.forward

    def noted(**inputs: object) -> object:
        read.append(threading.current_thread().name)
        return compute(**inputs)

    monkeypatch.setattr(bert._model, "forward", noted)
    with bert.turns.begin().turn(1):
        threads = []
        for name, asked in (("long", {**SHORT, "context": text(300)}), ("short", SHORT)):
            thread = threading.Thread(target=lambda asked=asked: bert(**asked), name=name, daemon=True)
            thread.start()
            threads.append(thread)
            until(lambda: bert.turns.waiting == len(threads))
    join(threads)
    assert read[:2] == ["long", "short"] and len(read) > 6 and set(read[2:]) == {"long"}


def test_a_reading_that_fails_gives_its_turn_back(bert, monkeypatch):
    monkeypatch.setattr(bert, "turns", Turns())
    with monkeypatch.context() as broken:
        broken.setattr(bert._model, "forward", lambda **_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            bert(**SHORT)
    join(in_threads(lambda: bert(**SHORT)))


def test_an_answer_that_nobody_waits_for_is_not_read_to_its_end(bert, monkeypatch):
    monkeypatch.setitem(predictor._BATCH_TOKENS, "cpu", 64)
    monkeypatch.setattr(bert, "turns", Turns())
    left = iter([True, True, False])
    with pytest.raises(Abandoned), only_while(lambda: next(left)):
        bert(question="Who wrote it?", context=text(300))
    join(in_threads(lambda: bert(**SHORT)))


def test_eight_threads_get_the_answers_that_one_gets(bert, monkeypatch):
    monkeypatch.setattr(predictor, "_LONG_TEXTS", 600)  # some of them
    asked = [{"question": "Who wrote it?", "context": text(1 + 37 * number % 211, number)} for number in range(24)]
    one_by_one = [bert(**each) for each in asked]
    together: list[list[Answer]] = [[] for _ in range(8)]
    join(in_threads(*(lambda mine=mine: mine.extend(bert(**each) for each in asked) for mine in together)))
    for answers in together:
        assert answers == one_by_one


@pytest.mark.parametrize("family", tiny_models.FAMILIES)
def test_a_long_text_has_the_windows_that_it_had(family, tmp_path, monkeypatch):
    reader = load(family, tmp_path)
    long = Example("q", "Who wrote it?", text(300))
    expected = prepare_validation_features(reader.windowing, [long])
    monkeypatch.setattr(predictor, "_LONG_TEXTS", 1)
    found = reader.features(reader.windowing, [long])
    assert len(found) == len(expected) > 5
    for one, other in zip(found, expected, strict=True):
        for name in ("input_ids", "token_type_ids", "offsets", "answerable", "cls_index"):
            assert np.array_equal(getattr(one, name), getattr(other, name))


def test_cutting_a_long_text_is_in_nobodys_way(bert, monkeypatch):
    monkeypatch.setattr(predictor, "_LONG_TEXTS", 600)
    long = {"question": "Who wrote it?", "context": text(300)}
    bert(**long)
    with bert._tokenizing_long:
        join(in_threads(lambda: bert(**SHORT)))
    with bert.tokenizing:
        join(in_threads(lambda: bert(**long)))


def test_within_another_block_both_have_to_want_it() -> None:
    turns = Turns()
    with only_while(lambda: False), only_while(lambda: True), pytest.raises(Abandoned):
        work = turns.begin()
        with work.turn(1):
            pytest.fail("nobody wants it")
