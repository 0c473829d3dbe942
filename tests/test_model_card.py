"""The card of a trained reader: what it must say, and what of this machine it must not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reader.checkpoints import Checkpoint, ReaderConfig
from reader.examples import Example, ExampleSet, Gold, fingerprint
from reader.finetune import Trained
from reader.model_card import model_card
from reader.recipes import ARTICLE_FAULTS, TrainOptions
from reader.training_data import TrainingData

EXAMPLES = [
    Example("1", "Who ruled?", "Rollo ruled.", (Gold("Rollo", 0),), "Rollo"),
    Example("2", "When?", "Rollo ruled.", (), "Rollo"),
]


@pytest.fixture
def trained() -> Trained:
    sets = (
        ExampleSet("rajpurkar/squad_v2:train", EXAMPLES, fingerprint(EXAMPLES)),
        ExampleSet("/home/somebody/own.json", EXAMPLES[:1], fingerprint(EXAMPLES[:1])),
    )
    config = ReaderConfig(null_score_diff_threshold=-1.5, threshold_chosen_on="2 held-out questions")
    return Trained(
        checkpoint=Checkpoint("base", None, None, config),
        data=TrainingData(sets, EXAMPLES[:1], EXAMPLES, 1),
        held_out={"threshold": -1.5, "exact": 50.0, "f1": 61.25},
        steps=1_234,
        features=5_678,
        seconds=600.0,
        device="cuda",
        precision="bf16",
    )


def card(trained: Trained, base: str = "google-bert/bert-base-uncased", **chosen: Any) -> str:
    sources = tuple(each.source for each in trained.data.sets)
    named = {key: chosen.pop(key) for key in ("licence", "credit") if key in chosen}
    return model_card("mine", TrainOptions(base, sources, **chosen), trained, "python -m reader train …", None, **named)


def test_the_data_are_named_with_their_fingerprints(trained: Trained) -> None:
    text = card(trained)
    for each in trained.data.sets:
        assert each.fingerprint in text
    assert "| rajpurkar/squad_v2:train | 2 | 1 |" in text and "| own.json | 1 | 0 |" in text
    assert "2 questions were held out by article; 1 unanswerable" in text and "5,678 windows" in text


def test_a_place_on_this_machine_stays_here(trained: Trained, tmp_path: Path) -> None:
    text = card(trained, str(tmp_path / "my-base"), teacher=(str(tmp_path / "my-teacher"),))
    assert "`my-base`" in text and "| base | my-base |" in text and "| teacher | my-teacher |" in text
    assert str(tmp_path) not in text and "/home/somebody" not in text and "base_model" not in text


def test_a_base_of_the_hub_is_linked(trained: Trained) -> None:
    text = card(trained)
    assert "\nbase_model: google-bert/bert-base-uncased\n" in text
    assert "fine-tuned from `google-bert/bert-base-uncased`" in text


def test_every_setting_is_in_the_table_as_it_held(trained: Trained) -> None:
    text = card(trained, learning_rate=1e-4, epochs=2.0, layer_decay=0.9)
    for row in ("learning_rate | 0.0001", "epochs | 2.0", "layer_decay | 0.9", "weight_decay | 0.1", "batch_size | 24"):
        assert f"| {row} |" in text
    assert "None" not in text.partition("## Recipe")[2].partition("## Measured")[0]
    assert "| epochs |" not in card(trained, max_steps=10)
    assert "1,234 steps on cuda in bf16, 10 minutes" in text


def test_what_was_measured_is_said(trained: Trained) -> None:
    text = card(trained)
    assert "above a margin of -1.50; chosen on: 2 held-out questions." in text
    assert "Held-out part: exact 50.00, f1 61.25." in text
    assert "Held-out part" not in card(replace(trained, held_out={}))


def test_the_licence_is_named_or_said_to_be_open(trained: Trained) -> None:
    text = card(trained, licence="cc-by-sa-4.0", credit="Fine-tuned from something good.")
    assert "\nlicense: cc-by-sa-4.0\n" in text and "## Licence\n\ncc-by-sa-4.0." in text
    assert "Fine-tuned from something good." in text
    text = card(trained)
    assert "license:" not in text and "None has been chosen yet" in text


def test_the_articles_faults_are_said_of_its_recipe_only(trained: Trained) -> None:
    text = card(trained, recipe="article")
    assert all(f"{number}. {fault}" in text for number, fault in enumerate(ARTICLE_FAULTS, 1))
    assert ARTICLE_FAULTS[0] not in card(trained)
