"""What is read at an evaluation: the threshold that is chosen, and the probes whose answers one watches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reader.checkpoints import load_checkpoint
from reader.errors import BadUsage
from reader.examples import Example, load_examples
from reader.held_out import HeldOut, between
from reader.training_data import load_training_data, pick_probes
from tests import tiny_models
from tests.tiny_training import Events, options, train, write_data


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.make("bert", tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data") / "data.json")


def test_an_assumed_share_moves_the_threshold_as_copies_of_the_questions_would(base: Path, data: Path) -> None:
    """Assuming a share is the same as having that share: here by repeating the unanswerable questions."""
    checkpoint = load_checkpoint(str(base))
    examples = load_examples(data).examples
    answerable = [example for example in examples if example.answers]
    unanswerable = [example for example in examples if example.is_impossible]
    assert len(answerable) == 2 * len(unanswerable)
    repeated = answerable + [replace(example, id=f"{example.id} {n}") for n in range(6) for example in unanswerable]

    def figures(chosen: list[Example], share: float | None = None) -> dict[str, float]:
        part = HeldOut(chosen, [], device="cpu", precision="fp32", assume_unanswerable=share)
        return part.read(checkpoint, 0, Events())

    # Six copies against two answerable: three quarters of the questions are unanswerable.
    assumed, copied = figures(examples, 0.75), figures(repeated)
    assert assumed["threshold"] == pytest.approx(copied["threshold"])
    assert assumed["f1"] == pytest.approx(copied["f1"])
    assert assumed["f1"] != pytest.approx(figures(examples)["f1"])
    # Who expects fewer unanswerable questions answers more readily.
    assert figures(examples, 0.02)["threshold"] > figures(examples, 0.98)["threshold"]


def test_probes_are_answered_before_training_and_at_every_evaluation(base: Path, data: Path, tmp_path: Path) -> None:
    report = Events()
    trained = train(options(base, data, max_steps=4, evaluations=2), tmp_path, report=report)
    told = report.of("probes")
    assert [facts["step"] for facts in told][:3] == [0, 2, 4]
    held = {example.question: example for example in trained.data.held_out}
    for facts in told:
        assert len(facts["answers"]) == 3
        for answer in facts["answers"]:
            assert 0 <= answer["probability"] <= 1
            assert answer["question"] in held
    assert sum(not answer["gold"] for answer in told[0]["answers"]) == 1


def test_ones_own_probes_are_answered_instead(base: Path, data: Path, tmp_path: Path) -> None:
    report = Events()
    own = {"probe": ("Who went to Rouen?", "Who left?"), "probe_text": "Rollo went to Rouen."}
    train(options(base, data, max_steps=2, **own), tmp_path / "work", report=report)
    for facts in report.of("probes"):
        assert [answer["question"] for answer in facts["answers"]] == ["Who went to Rouen?", "Who left?"]
        assert all(answer["text"] in "Rollo went to Rouen." for answer in facts["answers"])


@pytest.mark.parametrize(
    ("chosen", "sentence"),
    [
        ({"probe": ("Who?",)}, "the text they are about"),
        ({"probe_text": "Rollo."}, "the text they are about"),
        ({"probe": ("Who?",) * 9, "probe_text": "Rollo."}, "9 questions to watch; at most 8"),
    ],
)
def test_probes_that_cannot_be_asked_are_refused(chosen: dict[str, Any], sentence: str, base: Path, data: Path) -> None:
    with pytest.raises(BadUsage, match=sentence):
        options(base, data, **chosen)


@pytest.mark.parametrize(
    ("threshold", "odds", "expected"),
    [
        (-10.03, [-12.0, -10.03, 3.0, 5.0], -3.515),  # well away from both kinds of question
        (1.0, [0.0, 1.0, 1.008], 1.0),
        (1.001, [0.0, 1.001, 1.004], 1.0025),  # two decimals would decide otherwise
        (7.0, [1.0, 7.0], 7.0),  # it answers everything
        (0.9999, [1.0, 7.0], 0.99),  # nothing
    ],
)
def test_a_threshold_lies_between_the_questions_that_it_tells_apart(
    threshold: float, odds: list[float], expected: float
) -> None:
    chosen = between(threshold, np.array(odds))
    assert chosen == pytest.approx(expected, abs=0.006)
    assert [value > chosen for value in odds] == [value > threshold for value in odds]


def test_the_probes_picked_are_two_with_an_answer_and_one_without(data: Path) -> None:
    loaded = load_training_data([str(data)], held_out=0.25, negatives=0, seed=1)
    picked = pick_probes(loaded)
    assert [example.is_impossible for example in picked] == [False, False, True]
    assert all(example in loaded.held_out for example in picked)
    assert pick_probes(loaded) == picked
