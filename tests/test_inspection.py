"""What windows say by themselves, the probabilities of tokens, and the labels that two recipes teach."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reader.checkpoints import ReaderConfig, load_checkpoint
from reader.errors import BadData, BadUsage
from reader.examples import Example, Gold
from reader.features import prepare_article_features, prepare_train_features
from reader.inspection import inspect_features, token_probabilities
from reader.predictor import ExtractiveReader
from tests import tiny_models

WORDS = " ".join(tiny_models.TEXTS).split()
QUESTION = "When did the Normans give their name to Normandy?"
# The article's own example, and what it says that its reader answers: "10th and 11th centuries gave".
ARTICLE = "The Normans were the people who in the 10th and 11th centuries gave their name to Normandy, a region."
GOLD = Gold("10th and 11th centuries", ARTICLE.index("10th"))


def load(family: str, folder: Path) -> ExtractiveReader:
    checkpoint = load_checkpoint(str(tiny_models.make(family, folder)))
    config = replace(ReaderConfig(), max_seq_length=64, doc_stride=16, n_best_size=5)
    return ExtractiveReader(replace(checkpoint, config=config), device="cpu", precision="fp32")


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    with tiny_models.one_thread():
        yield


@pytest.fixture(scope="module", params=tiny_models.FAMILIES)
def reader(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ExtractiveReader:
    return load(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> ExtractiveReader:
    return load("bert", tmp_path_factory.mktemp("bert"))


def long_text(words: int = 400) -> str:
    return " ".join(random.Random(7).choices(WORDS, k=words))


# Windows


def test_windows_cover_the_text_and_leave_the_answer_as_it_was(reader):
    text = long_text()
    reading = reader.read(question=QUESTION, context=text)
    assert reading.answer == reader(question=QUESTION, context=text)
    windows = reading.windows
    assert len(windows) == reading.answer.windows > 3
    assert [window.index for window in windows] == list(range(len(windows)))
    assert windows[0].start == 0 and windows[-1].end == len(text)
    assert all(later.start < earlier.end for earlier, later in itertools.pairwise(windows))


def test_the_one_winner_holds_the_best_span_and_the_smallest_null_score_counts(reader):
    reading = reader.read(question=QUESTION, context=long_text(), threshold=1e9)
    best = reading.answer.best
    (winner,) = [window for window in reading.windows if window.won]
    assert (winner.best.start, winner.best.end, winner.best.score) == (best.start, best.end, best.score)
    assert winner.start <= reading.answer.start < reading.answer.end <= winner.end
    assert winner.score == max(window.score for window in reading.windows)
    assert reading.answer.null_score == min(window.null_score for window in reading.windows)
    for window in reading.windows:
        assert window.start <= window.best.start < window.best.end <= window.end
        assert window.null_score_diff == window.null_score - window.best.score


def test_a_text_without_a_token_has_a_window_and_no_winner(bert):
    reading = bert.read(question=QUESTION, context="\u200b\u200b")
    assert [(window.best, window.won) for window in reading.windows] == [(None, False)]


def test_reading_refuses_what_a_call_refuses(bert):
    with pytest.raises(BadUsage, match="top_k"):
        bert.read(question=QUESTION, context="x", top_k=0)
    with pytest.raises(BadData, match="empty"):
        bert.read(question=QUESTION, context=" ")


# Probabilities


def test_probabilities_are_one_with_no_answer_and_belong_to_the_window(reader):
    text = long_text()
    windows = reader.read(question=QUESTION, context=text).windows
    for window in (windows[0], windows[2], windows[-1]):
        tokens = token_probabilities(reader, QUESTION, text, window.index)
        assert (tokens.start, tokens.end) == (window.start, window.end)
        assert tokens.starts.sum() + tokens.null_start == pytest.approx(1)
        assert tokens.ends.sum() + tokens.null_end == pytest.approx(1)
        assert len(tokens.offsets) == len(tokens.starts) == len(tokens.ends)
        assert tokens.offsets.min() >= window.start and tokens.offsets.max() == window.end


def test_the_best_span_is_the_likeliest_pair(reader):
    """exp(score − null score) is the pair's odds against "no answer", whatever the softmax divides by."""
    text = long_text()
    for window in reader.read(question=QUESTION, context=text).windows[:2]:
        tokens = token_probabilities(reader, QUESTION, text, window.index)
        pairs = np.triu(np.outer(tokens.starts, tokens.ends)) - np.triu(np.outer(tokens.starts, tokens.ends), 30)
        odds = pairs.max() / (tokens.null_start * tokens.null_end)
        assert np.log(odds) == pytest.approx(-window.null_score_diff, abs=1e-3)


@pytest.mark.parametrize("window", [-1, 1])
def test_a_window_that_is_not_there_is_refused(bert, window):
    with pytest.raises(BadUsage, match="no window"):
        token_probabilities(bert, QUESTION, ARTICLE[:40], window)
    with pytest.raises(BadUsage, match="no window"):
        inspect_features(bert, QUESTION, ARTICLE[:40], window=window)


# Tokens and labels


def test_the_articles_label_says_one_token_too_many(bert):
    inspection = inspect_features(bert, QUESTION, ARTICLE, GOLD)
    assert inspection.corrected.text == "10th and 11th centuries"
    assert inspection.article.text == "10th and 11th centuries gave"
    assert inspection.article.first == inspection.corrected.first
    assert inspection.article.last == inspection.corrected.last + 1


def test_labels_are_those_that_the_recipes_train_with(reader):
    text = f"{ARTICLE} {long_text(150)}"
    inspection = inspect_features(reader, QUESTION, text, GOLD)
    example = Example("", QUESTION, text, (GOLD,))
    taught = list(prepare_train_features(reader.windowing, [example]))
    (cut,) = prepare_article_features(reader.windowing, [example])
    assert len(taught) == len(inspection.stretches)
    label = taught[inspection.corrected.window]
    assert (inspection.corrected.first, inspection.corrected.last) == (label.start_position, label.end_position)
    assert (inspection.article.first, inspection.article.last) == (cut.start_position, cut.end_position)


def test_an_answer_behind_the_cut_is_taught_as_none(bert):
    text = f"{long_text(150)} {ARTICLE}"
    inspection = inspect_features(bert, QUESTION, text, Gold(GOLD.text, text.index(GOLD.text)))
    assert inspection.window == inspection.corrected.window > 0
    assert inspection.corrected.text == GOLD.text
    assert (inspection.article.window, inspection.article.first, inspection.article.last) == (0, 0, 0)
    assert inspection.article.text == ""


def test_at_the_texts_end_the_token_too_many_is_the_separator(bert):
    text = "In the 10th and 11th centuries"
    inspection = inspect_features(bert, QUESTION, text, Gold("centuries", text.index("centuries")))
    assert inspection.article.last == inspection.corrected.last + 1
    assert inspection.tokens[inspection.article.last].part == "special"
    assert inspection.article.text == "centuries"


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert('x')</script> in the 10th.",
        "👩‍👩‍👧 came to Normandy 🥐.",
        "وُلد ابن سينا في أفشنة",
        "in the\r\n10th\tand\r\n\r\n11th",
        "The cafe\u0301 of Rollo",
    ],
)
def test_tokens_stand_where_their_offsets_say(reader, text):
    question = "Who [SEP] gave [CLS] it?"
    inspection = inspect_features(reader, question, text)
    assert inspection.gold is None and inspection.corrected is None and inspection.article is None
    parts = [token.part for token in inspection.tokens]
    inner = [part for part in parts if part != "special"]
    order = ["question", "context"] if reader.windowing.question_first else ["context", "question"]
    assert inner == sorted(inner, key=order.index) and set(inner) == set(order)
    assert parts[inspection.null_index] == "special"
    special = reader.windowing.tokenizer.num_special_tokens_to_add(pair=True)
    assert parts.count("special") == special
    for token in inspection.tokens:
        assert 0 <= token.start <= token.end <= len(text)
        assert token.windows == ((0,) if token.part == "context" else ())


def test_tokens_name_all_windows_that_hold_them(bert):
    inspection = inspect_features(bert, QUESTION, long_text(), window=1)
    held = {token.windows for token in inspection.tokens if token.part == "context"}
    assert held == {(0, 1), (1,), (1, 2)}


@pytest.mark.parametrize("gold", [Gold("Rollo", 3), Gold(" ", ARTICLE.index(" "))])
def test_a_gold_answer_that_is_not_there_is_refused(bert, gold):
    with pytest.raises(BadData, match="does not stand at"):
        inspect_features(bert, QUESTION, ARTICLE, gold)
