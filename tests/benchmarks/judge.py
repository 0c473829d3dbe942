"""What a move on the Judge tab costs the server: python -m tests.benchmarks.judge RUN_FOLDER [--other RUN_FOLDER].

Each kind of move is made many times on a run, as the page's own handlers make it, without the network and the browser;
times are processor and wall time together, in milliseconds. Give it a run on all of SQuAD's dev set.
"""

from __future__ import annotations

import argparse
import os
import pickle
import random
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import gradio as gr
import numpy as np

from pages.judge.browse import SORTS, Browsing, filter_by, place_of, turn_to
from pages.judge.layout import layout
from pages.judge.runs import RunShelf
from pages.judge.shown import example, listed, scored

MOVES = 60
FILTERS = (
    "f1 < 0.5",
    "outcome = false_answer and question word = who",
    "normans",
    'question contains "how many" and not answer length = none',
    "margin > -2 and margin < 2",
)


def main() -> None:
    """Print a line for each kind of move."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("run", type=Path)
    options.add_argument("--other", type=Path)
    given = options.parse_args()
    os.environ["READER_HOME"] = str(given.run.resolve().parents[1])
    key = "/".join(given.run.resolve().parts[-2:])
    runs, chance = RunShelf(), random.Random(7)
    with gr.Blocks():
        parts = layout()
    began = time.perf_counter()
    opened = runs.take(key)
    print(f"{len(opened.rows):,} questions, opened in {time.perf_counter() - began:.2f} s")
    other = runs.take("/".join(given.other.resolve().parts[-2:])) if given.other else None
    start = turn_to(opened, Browsing(run=key))
    ids = list(opened.rows)

    def move() -> None:
        at = round(chance.uniform(-8, 8), 2) + 1e-6 * chance.random()  # never one that is kept
        moved = runs.take(key, at)
        browsing = turn_to(moved, replace(start, threshold=at))
        scored(parts, moved, other)
        listed(parts, moved, other, browsing)

    def choose() -> None:
        listed(parts, opened, other, turn_to(opened, filter_by(start, "all", chance.choice(FILTERS))))

    def order() -> None:
        listed(parts, opened, other, turn_to(opened, replace(start, sort=chance.choice(list(SORTS)), example="")))

    def turn() -> None:
        listed(parts, opened, other, turn_to(opened, replace(start, page=chance.randrange(400), example="")))

    def show() -> None:
        browsing = turn_to(opened, replace(start, example=chance.choice(ids)))
        place_of(opened, browsing)
        example(parts, opened, other, browsing)

    for name, wanted, act in (
        ("threshold", 50, move),
        ("filter", 150, choose),
        ("sort", 150, order),
        ("page", 100, turn),
        ("open example", 100, show),
    ):
        p50, p95 = _measured(act)
        print(f"{name:14} p50 {p50:6.1f} ms   p95 {p95:6.1f} ms   (wanted: p95 under {wanted})")
    print(f"a session keeps {len(pickle.dumps(start)):,} bytes beside the shared tables")


def _measured(act: Callable[[], None]) -> tuple[float, float]:
    act()
    spent = []
    for _ in range(MOVES):
        began = time.perf_counter()
        act()
        spent.append(1000 * (time.perf_counter() - began))
    return float(np.percentile(spent, 50)), float(np.percentile(spent, 95))


if __name__ == "__main__":
    main()
