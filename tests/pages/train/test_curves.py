"""The learning rate's curve, and several runs on one chart; other curves are tested with the Train tab."""

from __future__ import annotations

import re

import pytest

from pages.train.curves import (
    Series,
    figures_curve,
    joint_f1_curve,
    joint_loss_curve,
    rate_curve,
    scientific,
    ticks,
)

STEPS = range(1, 101)
CLIMBING = [2e-5 * step / 10 for step in range(1, 11)]
FALLING = [2e-5 * (100 - step) / 90 for step in range(11, 101)]


def title_of(html: str) -> str:
    found = re.search(r'aria-label="([^"]*)"', html)
    return found[1].replace("\u00a0", " ") if found else ""


@pytest.mark.parametrize(
    ("rates", "said"),
    [
        (CLIMBING + FALLING, "Learning rate climbs to 2e-5, then falls to 0"),
        (CLIMBING + FALLING[:45], "Learning rate climbs to 2e-5, then falls to 1e-5"),
        (CLIMBING, "Learning rate climbs to 2e-5"),
        (FALLING[9:], "Learning rate falls from 1.8e-5 to 0"),
        ([3e-5] * 5, "Learning rate stays at 3e-5"),
        ([None, 3e-5], ""),
    ],
)
def test_a_rate_s_title_says_how_it_goes(rates: list[float | None], said: str) -> None:
    assert title_of(rate_curve(range(1, len(rates) + 1), rates, 100)) == said


def test_rates_are_labelled_short_and_exactly() -> None:
    drawn = rate_curve(STEPS, CLIMBING + FALLING, 100)
    assert re.findall(r'class="y"[^>]*>([^<]+)<', drawn) == ["0", "5e-6", "1e-5", "1.5e-5", "2e-5"]
    assert scientific(1.2345e-5) == "1.2345e-5" and scientific(0.01) == "1e-2"
    assert ticks(0, 3e-8) == [0, 1e-8, 2e-8, 3e-8]


def test_exact_match_is_a_fourth_line() -> None:
    names = ("F1", "answerable", "not answerable", "exact match")
    drawn = figures_curve([1, 2], [(name, [40.0, 50.0]) for name in names], 2)
    assert re.findall(r'polyline class="(\w+)"', drawn) == ["main", "second", "third", "fourth"]
    assert "exact match 50.0" in drawn


def losses(label: str, end: float, count: int = 40) -> Series:
    return Series(label, range(1, count + 1), [end] * count)


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ({"A": 1.34, "B": 1.21}, "B ends with the lower loss: 1.21, A 1.34"),
        ({"A": 1.34, "B": 1.5, "C": 1.21}, "C ends with the lowest loss: 1.21, A 1.34, B 1.50"),
        ({"A": 1.211, "B": 1.5, "C": 1.209}, "C and A end with the lowest loss: 1.21, B 1.50"),
        ({"A": 1.21, "B": 1.21}, "A and B end with the same loss: 1.21"),
    ],
)
def test_several_losses_are_ranked(ends: dict[str, float], said: str) -> None:
    assert title_of(joint_loss_curve([losses(label, end) for label, end in ends.items()])) == said


def test_each_run_keeps_its_line_where_another_has_none_yet() -> None:
    drawn = joint_loss_curve([losses("A", 1.0), Series("B", [1], [2.0]), losses("C", 2.0, 20)])
    assert re.findall(r'polyline class="([\w-]+)"', drawn) == ["run-1", "run-3"]
    assert re.findall(r'class="name ([\w-]+)" style="--x:([\d.]+)', drawn) == [("run-1", "1.0000"), ("run-3", "0.5000")]
    assert joint_loss_curve([losses("A", 1.0), Series("B", [], [])]) == ""


def test_f1_is_ranked_by_the_best_and_only_where_it_is_measured_alike() -> None:
    runs = [Series("A", [10, 20], [61.24, 50.0]), Series("B", [10, 20], [40.0, 58.0])]
    assert title_of(joint_f1_curve(runs)) == "A reaches the higher held-out F1: 61.2, B 58.0"
    assert title_of(joint_f1_curve(runs, alike=False)) == "Best held-out F1, not measured alike: A 61.2, B 58.0"


def test_a_single_evaluation_is_a_dot() -> None:
    one, two = Series("A", [10], [50.0]), Series("B", [10, 20], [40.0, 58.0])
    assert re.findall(r'polyline class="([^"]+)"', joint_f1_curve([one, two])) == ["run-1 dot", "run-2"]
    assert joint_f1_curve([one, Series("B", [10], [40.0])]) == "" == joint_f1_curve([two, Series("A", [], [])])


def test_names_move_apart_only_where_lines_end_beside_each_other() -> None:
    def heights(short: int) -> list[float]:
        drawn = joint_loss_curve([losses("A", 1.0, 100), losses("B", 1.0, short)])
        return [float(y) for y in re.findall(r'class="name[^>]*--y:([\d.]+)', drawn)]

    beside, apart = heights(98), heights(20)
    assert abs(beside[0] - beside[1]) > 0.08
    assert apart[0] == apart[1]


def test_the_last_step_s_label_has_room() -> None:
    def columns(total: int) -> list[str]:
        return re.findall(r'class="x"[^>]*>([^<]+)<', rate_curve([1, 2], [1e-5, 2e-5], total))

    assert columns(588) == ["0", "200", "400", "step 588"]
    assert columns(240) == ["0", "100", "step 240"], "200 would touch it on a phone"


def test_labels_are_escaped() -> None:
    drawn = joint_loss_curve([losses('"><b>', 1.0), losses("B", 2.0)])
    assert "<b>" not in drawn and "&quot;&gt;&lt;b&gt;" in drawn
