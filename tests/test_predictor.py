"""The reader itself: any number of examples, any length, in their order, the same however they are batched."""

from __future__ import annotations

import json
import math
import random
import threading
import time
import tracemalloc
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from reader import predictor
from reader.checkpoints import Checkpoint, ReaderConfig, load_checkpoint, save_checkpoint
from reader.errors import BadData, BadReader, BadUsage
from reader.examples import Example
from reader.features import prepare_validation_features, touching_tokens
from reader.postprocess import Answer
from reader.predictor import ExtractiveReader
from tests import tiny_models

WORDS = " ".join(tiny_models.TEXTS).split()


def text(words: int, seed: int) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=words))


def examples(count: int = 24) -> list[Example]:
    """Questions over contexts of 1 to 300 words, in no order of length."""
    lengths = random.Random(1).choices([1, 4, 9, 30, 70, 150, 300], k=count)
    return [Example(f"q{n}", text(2 + n % 9, n), text(length, 100 + n)) for n, length in enumerate(lengths)]


def load(family: str, folder: Path, *, precision: predictor.Precision = "fp32", **config: int) -> ExtractiveReader:
    checkpoint = load_checkpoint(str(tiny_models.make(family, folder)))
    settings = replace(ReaderConfig(max_seq_length=64, doc_stride=16, n_best_size=5), **config)
    return ExtractiveReader(replace(checkpoint, config=settings), device="cpu", precision=precision)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    with tiny_models.one_thread():
        yield


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> ExtractiveReader:
    return load("bert", tmp_path_factory.mktemp("bert"))


def same(one: Answer, other: Answer, tolerance: float = 1e-4) -> None:
    assert one.id == other.id and one.windows == other.windows
    assert one.null_score == pytest.approx(other.null_score, abs=tolerance)
    scores = [[span.score for span in each.alternatives] for each in (one, other)]
    assert scores[0] == pytest.approx(scores[1], abs=tolerance)
    # Spans of equal scores may change places.
    for span, twin in zip(one.alternatives, other.alternatives, strict=True):
        if (span.start, span.end) != (twin.start, twin.end):
            close = [each for each in other.alternatives if abs(each.score - span.score) < tolerance]
            assert (span.start, span.end) in [(each.start, each.end) for each in close] or span is one.alternatives[-1]


# Order, batches, windows


@pytest.mark.parametrize("family", tiny_models.FAMILIES)
def test_answers_come_in_order_and_do_not_hang_on_their_company(family, tmp_path, monkeypatch):
    reader = load(family, tmp_path)
    asked = examples()
    together = list(reader.predict(asked))
    assert [answer.id for answer in together] == [example.id for example in asked]
    assert {answer.windows > 1 for answer in together} == {True, False}
    monkeypatch.setitem(predictor._BATCH_TOKENS, "cpu", 1)  # every window by itself
    for example, answer in zip(asked, together, strict=True):
        (alone,) = reader.predict([example])
        same(alone, answer)


@pytest.mark.parametrize(("count", "characters"), [(1, 10**9), (5, 10**9), (256, 1), (256, 700), (256, 1500)])
def test_chunks_change_nothing(bert, monkeypatch, count, characters):
    asked = examples()
    whole = list(bert.predict(asked))
    monkeypatch.setattr(predictor, "_CHUNK_EXAMPLES", count)
    monkeypatch.setattr(predictor, "_CHUNK_CHARACTERS", characters)
    for one, other in zip(bert.predict(iter(asked)), whole, strict=True):
        same(one, other)


def test_a_stream_is_read_as_it_is_answered(bert, monkeypatch):
    monkeypatch.setattr(predictor, "_CHUNK_EXAMPLES", 4)
    taken = []

    def stream():
        for example in examples(12):
            taken.append(example.id)
            yield example

    answers = bert.predict(stream())
    assert next(answers).id == "q0"
    assert len(taken) <= 5
    assert len(list(answers)) == 11


def test_nothing_asked_is_nothing_answered(bert):
    assert list(bert.predict([])) == []


def test_batches_hold_every_window_once_within_the_budget(bert):
    features = prepare_validation_features(bert.windowing, examples())
    order = sorted(range(len(features)), key=lambda index: -len(features[index].input_ids))
    for budget in (1, 100, 500, 10**6):
        batches = list(predictor._batches(order, features, budget))
        assert [index for batch in batches for index in batch] == order
        for batch in batches:
            longest = max(len(features[index].input_ids) for index in batch)
            assert len(batch) == 1 or longest * len(batch) <= budget


def test_the_best_window_wins_and_the_least_null_score_counts(bert):
    """The windows of a long context, read by hand with the model itself."""
    (example,) = [Example("q", "Who wrote it?", text(200, 5))]
    (answer,) = bert.predict([example])
    features = prepare_validation_features(bert.windowing, [example])
    assert answer.windows == len(features) > 3
    best, null = -math.inf, math.inf
    for feature in features:
        inputs = {
            "input_ids": torch.tensor([feature.input_ids.tolist()]),
            "token_type_ids": torch.tensor([feature.token_type_ids.tolist()]),
        }
        with torch.inference_mode():
            output = bert._model(**inputs)
        start, end = output.start_logits[0].numpy(), output.end_logits[0].numpy()
        null = min(null, float(start[0] + end[0]))
        places = np.flatnonzero(feature.answerable)
        best = max(best, *(float(start[i] + end[j]) for i in places for j in places if i <= j < i + 30))
    assert answer.score == pytest.approx(best, abs=1e-4)
    assert answer.null_score == pytest.approx(null, abs=1e-4)


@pytest.mark.parametrize("family", tiny_models.FAMILIES)
def test_every_answer_is_the_slice_at_its_offsets(family, tmp_path):
    reader = load(family, tmp_path, n_best_size=50)
    hard = "  🎉 Ada\u00a0Lovelace\twrote\r\n cafe\u0301 \u05e2\u05d1\u05e8 1843, ½ ﬁrst 👩‍👩‍👧  "
    for context in (hard, hard * 12, tiny_models.TEXTS[0]):
        answer = reader(question="Who wrote the first program?", context=context, threshold=1e9)
        assert answer.answered and answer.text == context[answer.start : answer.end]
        for span in answer.alternatives:
            assert span.text == context[span.start : span.end] == span.text.strip() != ""
            assert 0 <= span.probability <= 1


# Arguments


def test_threshold_and_top_k_are_taken_and_default_to_the_readers_own(tmp_path):
    reader = load("bert", tmp_path, n_best_size=3)
    reader.config = replace(reader.config, null_score_diff_threshold=-1e9)
    asked = {"question": "Who wrote it?", "context": tiny_models.TEXTS[0]}
    assert not reader(**asked).answered and reader(**asked).threshold == -1e9
    assert reader(**asked, threshold=0.0).threshold == 0.0
    assert reader(**asked, threshold=1e9).answered
    assert len(reader(**asked).alternatives) == 3
    assert [len(reader(**asked, top_k=k).alternatives) for k in (1, 2, 7)] == [1, 2, 7]
    assert reader(**asked, top_k=7).alternatives[0].score == reader(**asked, top_k=1).alternatives[0].score


@pytest.mark.parametrize("wrong", [{"top_k": 0}, {"top_k": -3}, {"threshold": math.nan}])
def test_arguments_that_cannot_be_meant(bert, wrong):
    with pytest.raises(BadUsage):
        bert(question="Who?", context="Ada.", **wrong)


def test_answers_are_no_longer_than_the_reader_allows(tmp_path):
    example = Example("q", "Who wrote it?", tiny_models.TEXTS[0])
    for length in (1, 3):
        reader = load("bert", tmp_path / str(length), max_answer_length=length, n_best_size=50)
        (feature,) = prepare_validation_features(reader.windowing, [example])
        (answer,) = reader.predict([example])
        places = [touching_tokens(feature, span.start, span.end) for span in answer.alternatives]
        assert max(last - first + 1 for first, last in places) == length


def test_progress_is_told_after_every_chunk(bert, monkeypatch):
    monkeypatch.setattr(predictor, "_CHUNK_EXAMPLES", 5)
    told: list[tuple[int, int | None]] = []
    asked = examples(12)
    list(bert.predict(asked, progress=lambda done, total: told.append((done, total))))
    assert told == [(5, 12), (10, 12), (12, 12)]
    told.clear()
    list(bert.predict(iter(asked), progress=lambda done, total: told.append((done, total))))
    assert told == [(5, None), (10, None), (12, None)]


def test_bad_texts_get_a_sentence_with_the_id(bert):
    good = Example("good", "Who?", "Ada.")
    for bad in (Example("bad", " ", "Ada."), Example("bad", "Who?", "\n"), Example("bad", "who " * 90, "Ada.")):
        with pytest.raises(BadData, match="bad"):
            list(bert.predict([good, bad]))


def test_a_context_without_a_token_has_no_answer(bert):
    answer = bert(question="Who?", context="\u200b\u200b", threshold=1e9)
    assert answer.best is None and not answer.answered and answer.text == ""
    json.dumps(answer.as_dict(), allow_nan=False)


# Size, threads, numbers


@pytest.mark.slow
def test_a_context_of_200_000_words_is_read_in_bounded_memory(tmp_path, monkeypatch):
    reader = load("bert", tmp_path, max_seq_length=384, doc_stride=128)
    context = text(200_000, 3)
    alive: list[weakref.ref[object]] = []
    largest = 0
    searched = predictor.best_spans

    def counted(start_logits, *arguments, **options):
        nonlocal largest
        alive.append(weakref.ref(start_logits))
        largest = max(largest, sum(reference() is not None for reference in alive))
        return searched(start_logits, *arguments, **options)

    monkeypatch.setattr(predictor, "best_spans", counted)
    tracemalloc.start()
    began = time.monotonic()
    answer = reader(question="Who wrote the first program?", context=context, threshold=1e9)
    seconds = time.monotonic() - began
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert answer.windows > 700 and answer.text == context[answer.start : answer.end]
    assert len(alive) > 50 and largest == 1  # no batch's logits outlive it
    assert peak < 400e6
    assert seconds < 180


def test_two_threads_read_at_once(tmp_path):
    reader = load("roberta", tmp_path)
    asked = [examples(20), [replace(example, question="Who?") for example in examples(20)]]
    expected = [list(reader.predict(each)) for each in asked]
    found: dict[int, list[Answer]] = {}
    failed: list[BaseException] = []

    def read(number: int) -> None:
        try:
            if number == 2:  # other windows, from the same tokenizer
                rows = [{"question": each.question, "context": each.context} for each in asked[0]]
                reader.as_pipeline()(rows, max_seq_len=48, doc_stride=8)
            else:
                for _ in range(2):
                    found[number] = list(reader.predict(asked[number]))
        except Exception as error:  # noqa: BLE001  # told in the main thread
            failed.append(error)

    threads = [threading.Thread(target=read, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    for number in (0, 1):
        for one, other in zip(found[number], expected[number], strict=True):
            same(one, other)


def test_bf16_keeps_the_head_in_full_precision(tmp_path):
    exact, rough = load("bert", tmp_path, precision="fp32"), load("bert", tmp_path, precision="bf16")
    assert {p.dtype for p in rough._model.bert.parameters()} == {torch.bfloat16}
    assert {p.dtype for p in rough._model.qa_outputs.parameters()} == {torch.float32}
    margins = []
    for one, other in zip(exact.predict(examples()), rough.predict(examples()), strict=True):
        assert one.null_score == pytest.approx(other.null_score, abs=0.3)
        assert one.score == pytest.approx(other.score, abs=0.3)
        margins.append(other.null_score)
    # Numbers that bf16 could hold have eight significant bits.
    assert any(float(torch.tensor(margin).bfloat16()) != margin for margin in margins)


def test_a_head_of_another_name_is_found(tmp_path):
    from transformers import ModernBertConfig, ModernBertForQuestionAnswering

    base = load_checkpoint(str(tiny_models.make("bert", tmp_path)))
    config = ModernBertConfig(
        vocab_size=len(base.tokenizer),
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        pad_token_id=0,
        cls_token_id=base.tokenizer.cls_token_id,
        sep_token_id=base.tokenizer.sep_token_id,
        eos_token_id=base.tokenizer.sep_token_id,
        bos_token_id=base.tokenizer.cls_token_id,
    )
    model = ModernBertForQuestionAnswering(config)
    save_to = tmp_path / "modern"
    save_to.mkdir()
    save_checkpoint(Checkpoint("modern", model, base.tokenizer, ReaderConfig()), save_to)
    reader = ExtractiveReader.from_pretrained(str(save_to), precision="bf16")
    assert {p.dtype for p in reader._model.classifier.parameters()} == {torch.float32}
    answer = reader(question="Who wrote it?", context=tiny_models.TEXTS[0], threshold=1e9)
    assert answer.text == tiny_models.TEXTS[0][answer.start : answer.end] != ""


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_numbers_that_are_not_finite_get_a_sentence(tmp_path, number):
    reader = load("bert", tmp_path)
    with torch.no_grad():
        reader._model.qa_outputs.bias[0] = number
    with pytest.raises(BadReader, match=r"not finite in fp32\. Try another precision"):
        reader(question="Who?", context="Ada.")


def test_a_reader_knows_its_size_and_settings(bert):
    assert bert.parameters == sum(p.numel() for p in bert._model.parameters()) > 1000
    assert (bert.device, bert.precision) == ("cpu", "fp32")
