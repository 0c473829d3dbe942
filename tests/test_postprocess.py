"""The span search against brute force, and the decision between a span and no answer."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from reader.postprocess import Answer, WindowSpans, best_spans, decide, trim, whole_characters

CONTEXT = "Ada Lovelace wrote the first program in 1843."


def window(*spans: tuple[int, int, float], null: float = 0.0) -> WindowSpans:
    starts, ends, scores = zip(*spans, strict=True) if spans else ((), (), ())
    return WindowSpans(
        starts=np.array(starts, dtype=np.int64),
        ends=np.array(ends, dtype=np.int64),
        scores=np.array(scores, dtype=np.float32),
        null_score=null,
        log_total=0.0,
    )


def place(text: str, score: float, context: str = CONTEXT) -> tuple[int, int, float]:
    return context.index(text), context.index(text) + len(text), score


def answer(*windows: WindowSpans, context: str = CONTEXT, n_best: int = 20, threshold: float = 0.0) -> Answer:
    return decide("q", context, windows, n_best=n_best, threshold=threshold)


# The search


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("n_best", [1, 3, 20, 500])
@pytest.mark.parametrize("max_answer_length", [1, 2, 7, 60])
def test_the_search_finds_what_looking_at_every_span_finds(seed, n_best, max_answer_length):
    rng = np.random.default_rng(seed)
    batch, tokens = 3, int(rng.integers(3, 14))
    logits = rng.normal(size=(2, batch, tokens)).astype(np.float32)
    if seed % 3 == 0:
        logits = np.round(logits)  # many equal scores
    answerable = rng.random((batch, tokens)) < 0.7
    answerable[:, 0] = False
    cls_index = rng.integers(0, tokens, size=batch)
    offsets = [np.stack([np.arange(tokens) * 2, np.arange(tokens) * 2 + 1], axis=1).astype(np.int32)] * batch
    found = best_spans(
        logits[0], logits[1], answerable, cls_index, offsets, max_answer_length=max_answer_length, n_best=n_best
    )
    assert len(found) == batch
    for row, spans in enumerate(found):
        every = {
            (first * 2, last * 2 + 1): float(logits[0, row, first] + logits[1, row, last])
            for first in range(tokens)
            for last in range(first, min(tokens, first + max_answer_length))
            if answerable[row, first] and answerable[row, last]
        }
        best = sorted(every.values(), reverse=True)[:n_best]
        assert spans.scores.tolist() == pytest.approx(best)
        places = list(zip(spans.starts.tolist(), spans.ends.tolist(), strict=True))
        assert len(set(places)) == len(places)
        assert [every[one] for one in places] == pytest.approx(spans.scores.tolist())
        assert spans.null_score == pytest.approx(float(logits[:, row, cls_index[row]].sum()))


def test_of_equal_scores_the_earlier_and_shorter_span_comes_first():
    zeros = np.zeros((1, 6), dtype=np.float32)
    answerable = np.array([[False, True, True, True, True, False]])
    offsets = [np.array([[0, 0], [0, 1], [1, 2], [2, 3], [3, 4], [0, 0]], dtype=np.int32)]
    (spans,) = best_spans(zeros, zeros, answerable, np.array([0]), offsets, max_answer_length=2, n_best=20)
    places = list(zip(spans.starts.tolist(), spans.ends.tolist(), strict=True))
    assert places == [(0, 1), (0, 2), (1, 2), (1, 3), (2, 3), (2, 4), (3, 4)]


def test_a_window_without_a_token_of_the_context_has_no_spans():
    zeros = np.zeros((2, 4), dtype=np.float32)
    answerable = np.array([[False] * 4, [False, True, False, False]])
    offsets = [np.zeros((4, 2), dtype=np.int32), np.array([[0, 0], [0, 3], [0, 0], [0, 0]], dtype=np.int32)]
    empty, one = best_spans(zeros, zeros, answerable, np.array([0, 0]), offsets, max_answer_length=30, n_best=20)
    assert len(empty.scores) == 0 and len(one.scores) == 1
    assert empty.null_score == 0.0


def test_log_total_turns_scores_into_the_products_of_two_softmaxes():
    rng = np.random.default_rng(5)
    logits = (rng.normal(size=(2, 2, 9)) * 20).astype(np.float32)
    answerable = np.zeros((2, 9), dtype=bool)
    answerable[0, 3:8] = answerable[1, 1:6] = True
    cls_index = np.array([0, 8])
    offsets = [np.stack([np.arange(9), np.arange(9) + 1], axis=1).astype(np.int32)] * 2
    found = best_spans(logits[0], logits[1], answerable, cls_index, offsets, max_answer_length=9, n_best=500)
    for row, spans in enumerate(found):
        kept = answerable[row].copy()
        kept[cls_index[row]] = True
        shares = [
            np.exp(each[row][kept].astype(np.float64) - np.logaddexp.reduce(each[row][kept].astype(np.float64)))
            for each in logits
        ]
        numbers = np.flatnonzero(kept).tolist()
        for start, end, score in zip(spans.starts, spans.ends, spans.scores, strict=True):
            product = shares[0][numbers.index(start)] * shares[1][numbers.index(end - 1)]
            assert math.exp(score - spans.log_total) == pytest.approx(product, rel=1e-4)


# The decision


def test_spans_of_all_windows_compete_and_the_smallest_null_score_counts():
    found = answer(
        window(place("Ada", 3.0), place("1843", 1.0), null=9.0),
        window(place("1843", 5.0), place("first", 4.0), null=2.5),
        window(place("wrote", 0.5), null=7.0),
    )
    assert [span.text for span in found.alternatives] == ["1843", "first", "Ada", "wrote"]
    assert [span.score for span in found.alternatives] == [5.0, 4.0, 3.0, 0.5]
    assert found.null_score == 2.5
    assert found.null_score_diff == -2.5
    assert found.windows == 3
    assert found.best == found.alternatives[0]


def test_n_best_counts_distinct_spans_after_merging():
    found = answer(window(place("Ada", 3.0), place("1843", 2.0)), window(place("Ada", 4.0), place("in", 1.0)), n_best=2)
    assert [(span.text, span.score) for span in found.alternatives] == [("Ada", 4.0), ("1843", 2.0)]


def test_probabilities_are_a_softmax_over_the_n_best_and_null():
    found = answer(window(place("Ada", 2.0), place("1843", 1.0), null=0.5))
    total = math.exp(2.0) + math.exp(1.0) + math.exp(0.5)
    assert [span.probability for span in found.alternatives] == pytest.approx(
        [math.exp(2) / total, math.exp(1) / total]
    )
    assert found.no_answer_probability == pytest.approx(math.exp(0.5) / total)
    assert found.probability + found.alternatives[1].probability + found.no_answer_probability == pytest.approx(1.0)


@pytest.mark.parametrize("scale", [1e3, 1e6])
def test_probabilities_survive_large_scores(scale):
    found = answer(window(place("Ada", scale), place("1843", -scale), null=-scale))
    assert found.probability == 1.0 and found.no_answer_probability == 0.0
    found = answer(window(place("Ada", -scale), null=scale))
    assert found.probability == 0.0 and found.no_answer_probability == 1.0


def test_spans_are_trimmed_and_the_better_of_equals_stays():
    context = "in\u00a0 1843\t\r\n."
    found = answer(window((0, 4, 1.0), (2, 8, 2.0), (4, 10, 3.0), (4, 8, 1.5), (8, 11, 9.0)), context=context)
    assert [(span.start, span.end, span.text, span.score) for span in found.alternatives] == [
        (4, 8, "1843", 3.0),
        (0, 2, "in", 1.0),
    ]


def test_the_answers_text_is_the_contexts_slice():
    context = "🎉 Ada \u05d0\u05d1 cafe\u0301s\r\n"
    every = [(start, end, float(-start)) for start in range(len(context)) for end in range(start, len(context) + 1)]
    found = answer(window(*every), context=context, n_best=500)
    assert len(found.alternatives) > 50
    for span in found.alternatives:
        assert span.text == context[span.start : span.end] == span.text.strip() != ""
    assert len({(span.start, span.end) for span in found.alternatives}) == len(found.alternatives)


@pytest.mark.parametrize(
    ("context", "place", "text"),
    [
        ("Le cafe\u0301 noir", (3, 7), "cafe\u0301"),  # é in two code points; BERT's tokenizer strips the second
        ("Le cafe\u0301 noir", (3, 8), "cafe\u0301"),
        ("Le cafe\u0301 noir", (7, 13), "e\u0301 noir"),  # begins with the mark
        ("Vie\u0323\u0302t Nam", (0, 3), "Vie\u0323\u0302"),
        ("\u0915\u093f\u0924\u093e\u092c", (0, 3), "\u0915\u093f\u0924\u093e"),  # Devanagari vowel signs
        ("I \u2764\ufe0f Paris", (2, 3), "\u2764\ufe0f"),
        ("caf\u00e9 noir", (0, 4), "caf\u00e9"),
        ("\u0301a", (0, 1), "\u0301"),
    ],
)
def test_an_answer_keeps_the_marks_of_its_letters(context, place, text):
    found = answer(window((*place, 1.0)), context=context)
    assert found.best is not None and found.best.text == text
    assert context[found.best.start : found.best.end] == text


def test_two_spans_that_grow_over_the_same_mark_are_one():
    found = answer(window((3, 7, 1.0), (3, 8, 2.0)), context="Le cafe\u0301 noir")
    assert [(span.start, span.end, span.score) for span in found.alternatives] == [(3, 8, 2.0)]


def test_trim_and_whole_characters_leave_nothing_of_white_space_alone():
    assert trim("a \t b", 1, 4) == (4, 4)
    assert whole_characters("a\u0301", 1, 1) == (1, 1)


# The threshold


@pytest.mark.parametrize(
    ("null", "threshold", "answered"),
    [(3.0, 0.0, True), (3.0, -0.1, False), (5.0, 2.0, True), (5.0, 1.9, False), (2.0, -1.0, True), (2.5, -1.0, False)],
)
def test_the_reader_abstains_only_above_its_threshold(null, threshold, answered):
    found = answer(window(place("1843", 3.0), null=null), threshold=threshold)
    assert found.null_score_diff == null - 3.0
    assert found.answered is answered
    expected = (CONTEXT.index("1843"), CONTEXT.index("1843") + 4) if answered else (0, 0)
    assert (found.text, found.start, found.end) == ("1843" if answered else "", *expected)
    assert found.text == CONTEXT[found.start : found.end]
    assert found.best is not None and found.best.text == "1843"


def test_deciding_again_changes_the_decision_alone():
    found = answer(window(place("1843", 3.0), null=3.5))
    again = found.at_threshold(0.5)
    assert not found.answered and again.answered
    assert again.text == "1843" and found.text == ""
    assert (again.best, again.null_score, again.alternatives) == (found.best, found.null_score, found.alternatives)
    assert found.at_threshold(math.inf).answered and not again.at_threshold(-math.inf).answered


def test_without_a_span_there_is_no_answer_at_any_threshold():
    found = answer(window(null=-4.0))
    assert found.best is None and not found.at_threshold(math.inf).answered
    assert (found.text, found.start, found.end, found.alternatives) == ("", 0, 0, ())
    assert found.no_answer_probability == 1.0 and found.probability == 0.0


@pytest.mark.parametrize("threshold", [0.0, -3.0, math.inf, -math.inf])
@pytest.mark.parametrize("spans", [(), ((40, 44, 3.0), (0, 3, 1.0))])
def test_the_payload_is_plain_and_finite_json(spans, threshold):
    found = answer(window(*spans, null=1.0), threshold=threshold)
    payload = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert set(payload) == {
        *("answer", "start", "end", "score", "probability", "null_score", "null_score_diff", "answered"),
        *("no_answer_probability", "threshold", "alternatives", "windows"),
    }
    assert payload["answer"] == CONTEXT[payload["start"] : payload["end"]]
    assert [set(span) for span in payload["alternatives"]] == [{"text", "start", "end", "score", "probability"}] * len(
        spans
    )
    assert payload["null_score_diff"] == (-2.0 if spans else None)
    assert payload["threshold"] == (threshold if math.isfinite(threshold) else None)
