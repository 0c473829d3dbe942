"""Several processes that agree: one alone agrees with itself, and shares put together are the whole again."""

from __future__ import annotations

from typing import Any

import pytest

from reader import ranks


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.delenv("WORLD_SIZE", raising=False)


def test_one_process_alone_answers_for_itself() -> None:
    assert (ranks.rank(), ranks.count()) == (0, 1)
    assert ranks.any_of_them(True) is True
    assert ranks.any_of_them(False) is False
    value = object()
    assert ranks.first_says(value) is value
    ranks.wait_for_all()
    ranks.leave()
    assert ranks.share_of("abc") == ranks.joined("abc") == ["a", "b", "c"]


def test_a_process_knows_its_number_and_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "2")
    monkeypatch.setenv("WORLD_SIZE", "5")
    assert (ranks.rank(), ranks.count()) == (2, 5)
    assert ranks.share_of(range(11)) == [2, 7]


@pytest.mark.parametrize("processes", [1, 2, 3, 5])
@pytest.mark.parametrize("count", [0, 1, 2, 4, 5, 12])
def test_shares_put_together_are_the_whole(processes: int, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", str(processes))
    shares: list[list[int]] = []
    for number in range(processes):
        monkeypatch.setenv("RANK", str(number))
        shares.append(ranks.share_of(range(count)))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    monkeypatch.setattr(ranks, "_gathered", lambda mine: shares)
    for number in range(processes):
        monkeypatch.setenv("RANK", str(number))
        assert ranks.joined(shares[number]) == list(range(count))


def test_all_get_the_same_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[Any] = [False, True, None]
    monkeypatch.setattr(ranks, "_gathered", lambda mine: said)
    assert ranks.any_of_them(False) is True
    assert ranks.first_says("mine") is False
