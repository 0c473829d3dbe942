"""What is trained on and what is held out; and the order in which examples are seen."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

from reader.errors import BadData, BadUsage
from reader.examples import Example, Gold
from reader.training_data import load_training_data, split_held_out, training_order, with_share
from tests.tiny_training import write_data


def examples(articles: int = 20, paragraphs: int = 3, questions: int = 4, *, titles: bool = True) -> list[Example]:
    return [
        Example(f"{a}-{p}-{q}", f"What is {q}?", f"Text {a}-{p}.", (), f"Article {a}" if titles else "")
        for a in range(articles)
        for p in range(paragraphs)
        for q in range(questions)
    ]


@pytest.mark.parametrize("titles", [True, False])
@pytest.mark.parametrize("by", ["article", "context"])
def test_no_context_stands_on_both_sides(titles: bool, by: str) -> None:
    every = examples(titles=titles)
    train, held = split_held_out(every, share=0.1, by=by)  # type: ignore[arg-type]
    assert sorted(example.id for example in train + held) == sorted(example.id for example in every)
    assert not {example.context for example in train} & {example.context for example in held}
    if titles and by == "article":
        assert not {example.title for example in train} & {example.title for example in held}
    assert 24 <= len(held) <= 48  # a tenth of 240, up to a group more


def test_the_split_does_not_hang_on_the_order_of_the_examples() -> None:
    every = examples()
    shuffled = random.Random(3).sample(every, len(every))
    one, other = (split_held_out(each, share=0.1)[1] for each in (every, shuffled))
    assert {example.id for example in one} == {example.id for example in other}


def test_a_context_that_two_articles_share_is_held_out_in_both() -> None:
    every = examples(articles=10, paragraphs=1)
    every += [Example(f"copy-{a}", "Why?", f"Text {a}-0.", (), "Copies") for a in range(10)]
    train, held = split_held_out(every, share=0.1)
    assert held
    assert not {example.context for example in train} & {example.context for example in held}


def test_few_large_articles_are_split_by_context() -> None:
    train, held = split_held_out(examples(articles=2, paragraphs=20), share=0.1)
    assert 16 <= len(held) <= 24
    assert train


def test_a_single_context_or_a_tiny_set_is_kept_whole() -> None:
    for every in (examples(articles=1, paragraphs=1, questions=50), examples(articles=1, paragraphs=2, questions=2)):
        assert split_held_out(every, share=0.1) == (every, [])
    assert split_held_out(examples(), share=0.0)[1] == []


def test_no_more_is_held_out_than_tells_something() -> None:
    assert len(split_held_out(examples(articles=4000), share=0.5)[1]) <= 2_512


def test_runs_of_all_seeds_hold_out_the_same(tmp_path: Path) -> None:
    """So that a reader may teach another one without having seen what that is measured on."""
    source = [str(write_data(tmp_path / "d.json", 12))]
    one, other = (load_training_data(source, held_out=0.25, negatives=1.0, seed=seed) for seed in (1, 2))
    assert one.held_out == other.held_out
    assert one.train != other.train  # the made questions are others


def test_extra_sets_are_trained_on_and_never_held_out(tmp_path: Path) -> None:
    main = write_data(tmp_path / "main.json", 12)
    extra = write_data(tmp_path / "extra.json", 12, prefix="extra ")
    data = load_training_data([str(main)], [str(extra)], held_out=0.25, negatives=0, seed=1)
    assert len(data.sets) == 2
    assert data.held_out
    assert not any(example.id.startswith("extra") for example in data.held_out)


@pytest.mark.parametrize("by", ["article", "context"])
def test_extra_sets_do_not_bring_back_what_is_held_out(tmp_path: Path, by: str) -> None:
    main = write_data(tmp_path / "main.json", 12)
    # The same contexts under other ids and titles; and other contexts under the same titles.
    raw = json.loads(main.read_text())
    for article in raw["data"]:
        for paragraph in article["paragraphs"]:
            for qa in paragraph["qas"]:
                qa["id"] = f"copy-{qa['id']}"
        article["title"] = f"Copy of {article['title']}"
    copies = tmp_path / "copies.json"
    copies.write_text(json.dumps(raw))
    data = load_training_data([str(main)], [str(copies)], held_out=0.25, by=by, negatives=1.0, seed=1)  # type: ignore[arg-type]
    held = {example.context for example in data.held_out}
    assert held
    assert not held & {example.context for example in data.train}


def test_made_questions_are_of_the_training_part_only(tmp_path: Path) -> None:
    data = load_training_data([str(write_data(tmp_path / "d.json", 12))], held_out=0.25, negatives=1.0, seed=1)
    made = data.train[len(data.train) - data.negatives :]
    assert data.negatives == len(made) > 0
    assert all(example.is_impossible for example in made)
    held = {example.id for example in data.held_out}
    assert not any(example.id.rpartition("-")[0] in held for example in made)


def test_bad_rows_refuse_a_set_unless_they_may_be_skipped(tmp_path: Path) -> None:
    raw = json.loads(write_data(tmp_path / "d.json", 4).read_text())
    raw["data"][0]["paragraphs"][0]["qas"][0]["answers"][0]["answer_start"] = 1
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps(raw))
    with pytest.raises(BadData, match="1 of 24 rows"):
        load_training_data([str(bad)], held_out=0.0, negatives=0, seed=1)
    data = load_training_data([str(bad)], held_out=0.0, negatives=0, seed=1, skip_bad=True)
    assert len(data.train) == 23
    assert len(data.sets[0].skipped) == 1


# The order

LENGTHS = np.random.default_rng(0).integers(10, 384, size=1_003)


@pytest.mark.parametrize("by_length", [True, False])
def test_every_epoch_shows_every_window_once(by_length: bool) -> None:
    order = training_order(LENGTHS, count=3 * 1_003, batch_size=24, seed=5, by_length=by_length)
    epochs = order.reshape(3, 1_003)
    for epoch in epochs:
        assert sorted(epoch) == list(range(1_003))
    assert (epochs[0] != epochs[1]).any()


@pytest.mark.parametrize("by_length", [True, False])
def test_the_order_hangs_on_seed_and_epoch_only(by_length: bool) -> None:
    def order(count: int, seed: int = 5) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return training_order(LENGTHS, count=count, batch_size=24, seed=seed, by_length=by_length)

    long = order(5_000)
    for count in (24, 1_003, 2_400):
        assert (order(count) == long[:count]).all()
    assert (order(5_000, seed=6) != long).any()


def test_batches_hold_windows_of_about_equal_length_in_random_order() -> None:
    def padding(by_length: bool) -> float:
        order = training_order(LENGTHS, count=2 * 24 * 40, batch_size=24, seed=1, by_length=by_length)
        batches = LENGTHS[order].reshape(-1, 24)
        return float((batches.max(axis=1, keepdims=True) - batches).sum() / batches.sum())

    assert padding(True) < 0.1 < padding(False)
    order = training_order(LENGTHS, count=24 * 40, batch_size=24, seed=1, by_length=True)
    longest = LENGTHS[order].reshape(-1, 24).max(axis=1)
    assert (np.diff(longest) > 0).any() and (np.diff(longest) < 0).any()


def test_a_set_smaller_than_a_batch_fills_it_by_coming_again() -> None:
    order = training_order(np.array([5, 9, 7]), count=16, batch_size=8, seed=1, by_length=True)
    assert len(order) == 16
    for epoch in range(5):
        assert sorted(order[3 * epoch : 3 * epoch + 3]) == [0, 1, 2]


def test_an_answer_is_where_the_small_set_says(tmp_path: Path) -> None:
    data = load_training_data([str(write_data(tmp_path / "d.json"))], held_out=0.0, negatives=0, seed=1)
    golds: list[tuple[Example, Gold]] = [(example, gold) for example in data.train for gold in example.answers]
    assert all(example.context[gold.start :].startswith(gold.text) for example, gold in golds)


# How much of each, and of which kind


def test_a_cap_takes_the_same_questions_whatever_their_order(tmp_path: Path) -> None:
    one, other = write_data(tmp_path / "one.json"), write_data(tmp_path / "other.json", prefix="x")
    loaded = load_training_data([str(one), str(other)], caps=[10, 0], held_out=0, negatives=0, seed=1)
    assert [len(each.examples) for each in loaded.sets] == [10, 48]
    assert loaded.sets[0].source == f"{one} (10 of 48)"
    both = load_training_data([str(other), str(one)], caps=[10], held_out=0, negatives=0, seed=2)
    assert [len(each.examples) for each in both.sets] == [10, 10]
    assert both.sets[1].examples == loaded.sets[0].examples


@pytest.mark.parametrize("share", [0.0, 0.1, 0.25, 0.5, 0.8])
def test_the_kind_that_is_too_many_is_thinned_out(share: float, tmp_path: Path) -> None:
    data = write_data(tmp_path / "data.json")
    loaded = load_training_data([str(data)], held_out=0, negatives=0, unanswerable=share, seed=1)
    unanswerable = sum(example.is_impossible for example in loaded.train)
    assert unanswerable / len(loaded.train) == pytest.approx(share, abs=0.02)
    # As many as there can be: all of one of the two kinds.
    assert unanswerable == 16 or len(loaded.train) - unanswerable == 32


def test_a_share_of_what_is_not_there_is_refused(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data.json", answerable_only=True)
    with pytest.raises(BadUsage, match="the data hold none"):
        load_training_data([str(data)], held_out=0, negatives=0, unanswerable=0.3, seed=1)
    made = load_training_data([str(data)], held_out=0, negatives=1.0, unanswerable=0.3, seed=1)
    assert sum(example.is_impossible for example in made.train) / len(made.train) == pytest.approx(0.3, abs=0.02)
    only = [Example("a", "Who?", "Nobody.", ()) for _ in range(3)]
    with pytest.raises(BadUsage, match="no answerable one is left"):
        with_share(only, 0.5)
