"""A small SQuAD set to train on in seconds, and ways to run training on it, for the tests of training."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from reader.finetune import Trained, finetune
from reader.recipes import TrainOptions

NAMES = ("Ada", "Rollo", "Charles", "Norma", "Lovelace", "Francis", "Wanda", "Martin")
PLACES = ("Normandy", "France", "Rouen", "Paris", "London", "Francia", "Dublin", "Rome")


def write_data(path: Path, articles: int = 8, *, answerable_only: bool = False, prefix: str = "") -> Path:
    """Write a set of so many articles: two paragraphs each, with two answerable and one unanswerable question."""
    data = []
    for number in range(articles):
        paragraphs = []
        for year in (1843, 1911):
            who = NAMES[number % len(NAMES)]
            where = PLACES[(number + year) % len(PLACES)]
            context = f"In {year} {who} went to {where} with {number + 2} notes, and wrote the program there."
            key = f"{prefix}{number}-{year}"
            asked = [("Who wrote the program?", who), ("Where was the program written?", where)]
            qas = [
                {"id": f"{key}-{at}", "question": question, "answers": [_at(answer, context)], "is_impossible": False}
                for at, (question, answer) in enumerate(asked)
            ]
            if not answerable_only:
                never = {"question": "Who lost the paper?", "answers": [], "is_impossible": True}
                qas.append({"id": f"{key}-n", **never})
            paragraphs.append({"context": context, "qas": qas})
        data.append({"title": f"{prefix}Article {number}", "paragraphs": paragraphs})
    path.write_text(json.dumps({"version": "v2.0", "data": data}), encoding="utf-8")
    return path


def _at(answer: str, context: str) -> dict[str, Any]:
    return {"text": answer, "answer_start": context.index(answer)}


def options(base: Path, data: Path, **chosen: Any) -> TrainOptions:
    """Options for a run of seconds: 8 steps of 6 windows in fp32, evaluated twice."""
    quick: dict[str, Any] = {
        "max_steps": 8,
        "evaluations": 1,
        "batch_size": 6,
        "max_seq_length": 64,
        "doc_stride": 16,
        "learning_rate": 3e-3,
        "held_out": 0.25,
        "precision": "fp32",
    }
    return TrainOptions(base=str(base), data=(str(data),), **{**quick, **chosen})


class Events:
    """Keeps what a run reports; ``at`` is called with each event, to interfere."""

    def __init__(self, at: Callable[[str, dict[str, Any]], None] | None = None) -> None:
        self.all: list[tuple[str, dict[str, Any]]] = []
        self._at = at

    def __call__(self, event: str, **facts: Any) -> None:
        self.all.append((event, facts))
        if self._at:
            self._at(event, facts)

    def of(self, event: str) -> list[dict[str, Any]]:
        """The facts of all events of this name."""
        return [facts for name, facts in self.all if name == event]


def train(chosen: TrainOptions, work: Path, *, resume: bool = False, report: Events | None = None) -> Trained:
    """Train in a folder, on one thread: nothing here is worth two."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return finetune(chosen, work, resume=resume, report=report or Events())
    finally:
        torch.set_num_threads(threads)


def weights(trained: Trained) -> dict[str, torch.Tensor]:
    """The weights of the reader that came out."""
    return {name: value.detach().clone() for name, value in trained.checkpoint.model.state_dict().items()}
