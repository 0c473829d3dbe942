"""The starter set, read with plain json: large enough, hard enough, and every gold span where it says it is."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from pathlib import Path

STARTER = Path(__file__).resolve().parents[1] / "reader" / "starter" / "starter.json"

DATA = json.loads(STARTER.read_text(encoding="utf-8"))["data"]
PARAGRAPHS = [paragraph for article in DATA for paragraph in article["paragraphs"]]
QUESTIONS = [question for paragraph in PARAGRAPHS for question in paragraph["qas"]]
CONTEXTS = [paragraph["context"] for paragraph in PARAGRAPHS]


def with_any(found_in: str) -> list[str]:
    return [context for context in CONTEXTS if any(mark in context for mark in found_in)]


def test_it_is_large_enough() -> None:
    assert len(DATA) >= 10
    assert len(PARAGRAPHS) >= 24
    assert len(QUESTIONS) >= 160


def test_titles_contexts_and_ids_are_unique() -> None:
    assert max(Counter(article["title"] for article in DATA).values()) == 1
    assert max(Counter(CONTEXTS).values()) == 1
    assert max(Counter(question["id"] for question in QUESTIONS).values()) == 1


def test_nearly_half_is_unanswerable_and_every_passage_has_both_kinds() -> None:
    unanswerable = [question for question in QUESTIONS if question["is_impossible"]]
    assert 0.40 <= len(unanswerable) / len(QUESTIONS) <= 0.50
    for paragraph in PARAGRAPHS:
        kinds = {question["is_impossible"] for question in paragraph["qas"]}
        assert kinds == {True, False}, paragraph["context"][:60]


def test_every_gold_span_stands_in_its_context() -> None:
    for paragraph in PARAGRAPHS:
        context = paragraph["context"]
        for question in paragraph["qas"]:
            for answer in question["answers"]:
                text, start = answer["text"], answer["answer_start"]
                assert type(start) is int and start >= 0, question["id"]
                assert text and text == text.strip(), question["id"]
                assert context[start : start + len(text)] == text, question["id"]


def test_gold_spans_do_not_cut_words_or_characters() -> None:
    """A span that begins or ends inside a word, or before a combining mark, is an authoring mistake."""
    for paragraph in PARAGRAPHS:
        context = paragraph["context"]
        for question in paragraph["qas"]:
            for answer in question["answers"]:
                start = answer["answer_start"]
                end = start + len(answer["text"])
                before, after = context[start - 1 : start], context[end : end + 1]
                assert not (before.isalnum() and context[start].isalnum()), question["id"]
                assert not (context[end - 1].isalnum() and after.isalnum()), question["id"]
                assert not (after and unicodedata.combining(after)), question["id"]


def test_answerable_questions_have_one_to_three_different_golds_and_others_none() -> None:
    for question in QUESTIONS:
        golds = [(answer["answer_start"], answer["text"]) for answer in question["answers"]]
        expected = range(1) if question["is_impossible"] else range(1, 4)
        assert len(golds) in expected, question["id"]
        assert len(set(golds)) == len(golds), question["id"]


def test_questions_are_questions() -> None:
    for paragraph in PARAGRAPHS:
        texts = [question["question"] for question in paragraph["qas"]]
        assert len(set(texts)) == len(texts)
        for text in texts:
            assert text == text.strip() and text.endswith("?") and len(text.split()) >= 3, text
    words = {question["question"].split()[0].lower() for question in QUESTIONS}
    assert {"who", "what", "when", "where", "why", "which", "how"} <= words


def test_two_passages_are_long_and_asked_about_from_start_to_end() -> None:
    long = [paragraph for paragraph in PARAGRAPHS if len(paragraph["context"].split()) >= 1500]
    assert len(long) >= 2
    for paragraph in long:
        places = [
            answer["answer_start"] / len(paragraph["context"])
            for question in paragraph["qas"]
            for answer in question["answers"]
        ]
        assert min(places) < 0.1 and any(0.4 < place < 0.6 for place in places) and max(places) > 0.97


def test_hard_texts_are_there() -> None:
    assert any("\r\n" in context for context in CONTEXTS)
    assert with_any("\t")
    assert with_any("\u00a0")
    assert with_any("\U0001f382\U0001f973\U0001f9fa"), "no emoji outside the basic plane"
    assert any("\u200d" in context for context in CONTEXTS), "no joined emoji"
    assert any(unicodedata.combining(character) for context in CONTEXTS for character in context)
    directions = {unicodedata.bidirectional(character) for context in CONTEXTS for character in context}
    assert {"R", "AL"} <= directions, "both Hebrew and Arabic are wanted"


def test_hard_characters_are_inside_gold_answers_too() -> None:
    golds = [answer["text"] for question in QUESTIONS for answer in question["answers"]]
    characters = {character for gold in golds for character in gold}
    assert "\u00a0" in characters
    assert any(unicodedata.combining(character) for character in characters)
    assert {"R", "AL"} <= {unicodedata.bidirectional(character) for character in characters}


def test_one_answer_is_the_third_occurrence_of_its_text() -> None:
    third = [
        question["id"]
        for paragraph in PARAGRAPHS
        for question in paragraph["qas"]
        for answer in question["answers"]
        if answer["text"] == "Paris" and paragraph["context"][: answer["answer_start"]].count("Paris") == 2
    ]
    assert third
