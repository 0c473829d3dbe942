"""The lost pipeline: its arguments, defaults and shapes, and its answers, worked out here by its own rules.

Whether they are its answers to real questions is measured by tests/benchmarks/pipeline.py, with transformers 4.57.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from reader.checkpoints import load_checkpoint
from reader.errors import BadData, BadReader, BadUsage
from reader.examples import Example
from reader.features import prepare_validation_features
from reader.pipeline import QuestionAnsweringPipeline
from reader.predictor import ExtractiveReader
from tests import tiny_models

CONTEXT = tiny_models.TEXTS[1]
QUESTION = "When did the Normans give their name to Normandy?"
LONG = " ".join(tiny_models.TEXTS * 6)
KEYS = {"score", "start", "end", "answer"}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    with tiny_models.one_thread():
        yield


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ExtractiveReader]:
    found = {}
    for family in tiny_models.FAMILIES:
        folder = tiny_models.make(family, tmp_path_factory.mktemp(family))
        found[family] = ExtractiveReader.from_pretrained(str(folder), device="cpu", precision="fp32")
    return found


@pytest.fixture(scope="module")
def pipe(readers: dict[str, ExtractiveReader]) -> QuestionAnsweringPipeline:
    return readers["bert"].as_pipeline()


def by_the_lost_rules(
    reader: ExtractiveReader,
    context: str,
    *,
    top_k: int = 1,
    max_seq_len: int = 384,
    doc_stride: int = 128,
    max_answer_len: int = 15,
    handle_impossible_answer: bool = False,
    align_to_words: bool = True,
) -> list[tuple[str, int, int]]:
    """Answers of the lost pipeline, told apart from our code: plain loops over the model's own logits."""
    windowing = replace(reader.windowing, max_seq_length=max_seq_len, doc_stride=doc_stride)
    encoding = reader.windowing.tokenizer(context, add_special_tokens=False, return_offsets_mapping=True)
    of_word: dict[int, list[tuple[int, int]]] = {}
    for word, offsets in zip(encoding.word_ids(), encoding["offset_mapping"], strict=True):
        of_word.setdefault(word, []).append(offsets)
    words = [(min(start for start, _ in each), max(end for _, end in each)) for each in of_word.values()]
    answers: list[dict[str, Any]] = []
    null = 1e6
    for feature in prepare_validation_features(windowing, [Example("q", QUESTION, context)]):
        inputs = {"input_ids": torch.tensor([feature.input_ids.tolist()])}
        if feature.token_type_ids is not None:
            inputs["token_type_ids"] = torch.tensor([feature.token_type_ids.tolist()])
        with torch.inference_mode():
            output = reader._model(**inputs)
        masked = ~feature.answerable
        masked[feature.cls_index] = False
        shares = []
        for logits in (output.start_logits[0], output.end_logits[0]):
            logits = logits.masked_fill(torch.tensor(masked), -10000.0)
            shares.append(torch.softmax(logits.double(), dim=0).numpy())
        null = min(null, float(shares[0][feature.cls_index] * shares[1][feature.cls_index]))
        every = [
            (float(shares[0][first] * shares[1][last]), first, last)
            for first in np.flatnonzero(feature.answerable).tolist()
            for last in range(first, min(first + max_answer_len, len(feature.answerable)))
            if feature.answerable[last]
        ]
        every.sort(key=lambda one: -one[0])
        for share, first, last in every[: top_k * 2 + 10 if align_to_words else top_k]:
            start, end = int(feature.offsets[first, 0]), int(feature.offsets[last, 1])
            if align_to_words:
                start = next(word[0] for word in words if word[0] <= start < word[1])
                end = next(word[1] for word in words if word[0] < end <= word[1])
            text = context[start:end]
            known = next((one for one in answers if one["answer"].lower() == text.lower()), None)
            if known:
                known["score"] += share
            else:
                answers.append({"score": share, "start": start, "end": end, "answer": text})
    if handle_impossible_answer:
        answers.append({"score": null, "start": 0, "end": 0, "answer": ""})
    answers.sort(key=lambda one: -one["score"])
    return [(one["answer"], one["start"], one["end"]) for one in answers[:top_k]]


@pytest.mark.parametrize("family", ["bert", "albert", "xlnet"])
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"top_k": 3},
        {"top_k": 3, "handle_impossible_answer": True},
        {"top_k": 5, "max_answer_len": 2},
        {"align_to_words": False, "top_k": 4},
        {"max_seq_len": 70, "doc_stride": 20, "top_k": 4},
        {"max_seq_len": 70, "doc_stride": 20, "handle_impossible_answer": True},
    ],
)
def test_the_answers_are_those_of_the_lost_rules(readers, family, arguments):
    for context in (tiny_models.TEXTS[0], LONG[:500]):
        found = readers[family].as_pipeline()(question=QUESTION, context=context, **arguments)
        listed = found if isinstance(found, list) else [found]
        got = [(one["answer"], one["start"], one["end"]) for one in listed]
        expected = by_the_lost_rules(readers[family], context, **arguments)
        if got != expected:  # a word that a window cuts is whole here
            assert "max_seq_len" in arguments and any(
                ours[1] <= theirs[1] and theirs[2] <= ours[2] for ours, theirs in zip(got, expected, strict=True)
            )


@pytest.mark.parametrize("family", tiny_models.FAMILIES)
def test_an_answer_is_a_dict_of_text_offsets_and_probability(readers, family):
    found = readers[family].as_pipeline()(question=QUESTION, context=CONTEXT)
    assert set(found) == KEYS
    assert found["answer"] == CONTEXT[found["start"] : found["end"]] != ""
    assert 0 < found["score"] <= 1
    assert all(type(found[name]) is kind for name, kind in (("score", float), ("start", int), ("end", int)))


def test_the_defaults_are_those_of_transformers_4(pipe):
    plain = pipe(question=QUESTION, context=LONG)
    spelt = {"top_k": 1, "doc_stride": 128, "max_answer_len": 15, "max_seq_len": 384}
    assert plain == pipe(question=QUESTION, context=LONG, **spelt, handle_impossible_answer=False, align_to_words=True)
    assert plain == pipe(question=QUESTION, context=LONG, top_k=None, max_question_len=None)


def test_questions_may_come_in_every_shape(pipe):
    other = "Who swore fealty to King Charles III?"
    one = pipe(question=QUESTION, context=CONTEXT)
    two = pipe(question=other, context=CONTEXT)
    row, second = {"question": QUESTION, "context": CONTEXT}, {"question": other, "context": CONTEXT}
    assert pipe(row) == pipe(QUESTION, CONTEXT) == pipe([row]) == pipe(question=[QUESTION], context=CONTEXT) == one
    both = [one, two]
    assert pipe([row, second]) == pipe(row, second) == pipe(each for each in (row, second)) == both
    assert pipe(question=[QUESTION, other], context=CONTEXT) == both
    assert pipe(question=[QUESTION, other], context=[CONTEXT, CONTEXT]) == both
    assert pipe([Example("a", QUESTION, CONTEXT), Example("b", other, CONTEXT)]) == both


def test_several_answers_are_a_list_and_several_questions_a_list_of_lists(pipe):
    three = pipe(question=QUESTION, context=CONTEXT, top_k=3)
    assert [set(each) for each in three] == [KEYS] * 3
    assert len({(each["start"], each["end"]) for each in three}) == 3
    several = pipe(question=[QUESTION, QUESTION], context=CONTEXT, top_k=3)
    assert several == [three, three]
    assert len(pipe(question="Who?", context="Ada.", top_k=50, align_to_words=False)) == 3  # Ada / . / Ada.


def test_answers_grow_to_whole_words_unless_told_not_to(readers):
    inside = {place for place in range(1, len(CONTEXT)) if CONTEXT[place - 1 : place + 1].isalpha()}
    for reader in readers.values():
        arguments = {"question": QUESTION, "context": CONTEXT, "top_k": 30}
        for found in reader.as_pipeline()(**arguments):
            assert not {found["start"], found["end"]} & inside
        cut = reader.as_pipeline()(**arguments, align_to_words=False)
        assert any({found["start"], found["end"]} & inside for found in cut)


def test_candidates_that_say_the_same_are_one_and_their_probabilities_are_not_summed(pipe):
    context = "Ada ada ADA"
    found = pipe(question=QUESTION, context=context, top_k=20)
    texts = [each["answer"].lower() for each in found]
    assert sorted(texts) == ["ada", "ada ada", "ada ada ada"]
    assert sum(each["score"] for each in found) < 1
    whole = next(each for each in found if len(each["answer"]) == len(context))
    assert (whole["start"], whole["end"]) == (0, len(context))


def test_no_answer_competes_only_when_it_may(readers, tmp_path):
    reader = ExtractiveReader.from_pretrained(str(tiny_models.make("bert", tmp_path)), device="cpu", precision="fp32")
    with torch.no_grad():
        # A head that looks at nothing: every token is as likely, so that no answer is as likely as any span.
        reader._model.qa_outputs.weight.zero_()
    nothing = {"start": 0, "end": 0, "answer": ""}
    assert reader.as_pipeline()(question="Who?", context="Ada Rollo")["answer"] != ""
    every = reader.as_pipeline()(question="Who?", context="Ada Rollo", top_k=9, handle_impossible_answer=True)
    assert [each for each in every if each["answer"] == ""] == [{**nothing, "score": pytest.approx(every[0]["score"])}]
    for family in ("bert", "xlnet"):
        listed = readers[family].as_pipeline()(question="Who?", context="Ada", top_k=9, handle_impossible_answer=True)
        assert [each["answer"] for each in listed].count("") == 1


def test_a_long_question_is_cut_only_when_asked(pipe):
    long = f"{QUESTION} {'who wrote ' * 40}"
    assert pipe(question=long, context=CONTEXT) == pipe(question=long, context=CONTEXT, max_question_len=500)
    cut = pipe(question=long, context=CONTEXT, max_question_len=3)
    assert cut == pipe(question="When did the", context=CONTEXT)
    assert cut["score"] != pipe(question=long, context=CONTEXT)["score"]


def test_windows_fit_the_model_and_the_tokenizer(tmp_path):
    small = load_checkpoint(str(tiny_models.make("bert", tmp_path / "small", max_position_embeddings=60)))
    reader = ExtractiveReader(small, device="cpu", precision="fp32")
    assert reader.as_pipeline()(question="Who?", context=LONG, max_seq_len=400)["answer"]
    xlnet = ExtractiveReader(
        load_checkpoint(str(tiny_models.make("xlnet", tmp_path / "xlnet"))), device="cpu", precision="fp32"
    )
    asked: list[int] = []
    read = xlnet.read_windows

    def noted(windowing: Any, *rest: Any, **named: Any) -> Any:
        asked.append(windowing.max_seq_length)
        return read(windowing, *rest, **named)

    xlnet.read_windows = noted  # type: ignore[method-assign]
    xlnet.as_pipeline()(question="Who?", context=CONTEXT, max_seq_len=700)
    xlnet.as_pipeline()(question="Who?", context=CONTEXT)
    xlnet.windowing.tokenizer.model_max_length = 256
    xlnet.as_pipeline()(question="Who?", context=CONTEXT)
    assert asked == [700, 384, 256]


@pytest.mark.parametrize(
    ("asked", "arguments", "error", "reason"),
    [
        ({}, {"top_k": 0}, BadUsage, "top_k is 0"),
        ({}, {"max_answer_len": 0}, BadUsage, "max_answer_len is 0"),
        ({}, {"max_seq_len": 0}, BadUsage, "max_seq_len is 0"),
        ({}, {"max_question_len": 0}, BadUsage, "max_question_len is 0"),
        ({}, {"doc_stride": 400}, BadUsage, "doc_stride is 400; expected a number from 0 to max_seq_len"),
        ({}, {"doc_stride": -1}, BadUsage, "doc_stride is -1"),
        ({}, {"topp_k": 3}, BadUsage, 'no argument "topp_k"'),
        ({}, {"max_seq_len": 20, "doc_stride": 18}, BadReader, "no room to move"),
        ({}, {"max_seq_len": 16, "doc_stride": 8}, BadData, "Shorten the question"),
        ({"question": ""}, {}, BadData, "is empty"),
        ({"context": " "}, {}, BadData, "is empty"),
        ({"context": None}, {}, BadUsage, "needs question"),
        ({"question": []}, {}, BadUsage, "the list is empty"),
        ({"question": ["Who?"] * 2, "context": ["Ada."]}, {}, BadUsage, "2 questions and 1 contexts"),
        ({"question": "Who \ud800?"}, {"max_question_len": 2}, BadData, "half of a character"),
    ],
)
def test_what_cannot_be_meant_gets_a_sentence(pipe, asked, arguments, error, reason):
    with pytest.raises(error, match=reason):
        pipe(**{"question": QUESTION, "context": CONTEXT, **asked}, **arguments)


@pytest.mark.parametrize("row", ["only a text", 3, {"question": "Who?"}, {"question": "Who?", "context": 3}, ["Who?"]])
def test_inputs_that_are_no_questions_get_a_sentence(pipe, row):
    with pytest.raises(BadUsage, match=r"question.* and context|under question and context"):
        pipe(row)


def test_a_context_without_a_token_gives_the_empty_answer(pipe):
    assert pipe(question="Who?", context="\u200b") == {"score": 0.0, "start": 0, "end": 0, "answer": ""}
