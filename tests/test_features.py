"""Windows and labels for every kind of tokenizer: exact offsets and labels, and sentences where there is no room."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from reader.checkpoints import load_checkpoint
from reader.errors import BadData, BadReader, ReaderboardError
from reader.examples import Example, Gold
from reader.features import (
    Feature,
    TrainFeature,
    Windowing,
    check_texts,
    longest_window,
    prepare_article_features,
    prepare_train_features,
    prepare_validation_features,
    touching_tokens,
    uses_segments,
)
from tests import tiny_models

CONTEXT = "Ada Lovelace wrote the first program in 1843, in notes on a paper about the Analytical Engine."
QUESTION = "Who wrote the first program?"

# Each text holds the word that is looked for exactly once.
TEXTS = {
    "emoji": ("The 🎉 party 👩‍👩‍👧 in Paris 🇫🇷 began at nine. 🙂", "Paris"),
    "combining marks": ("Le cafe\u0301 de la re\u0301gion fut fonde\u0301 par Ada.", "Ada"),
    "CRLF": ("First line.\r\nAda wrote it.\r\n\r\nThe end.\r\n", "Ada"),
    "right to left": ("כתבה אותו Ada בשנת 1843, وكتبت النص.", "Ada"),
    "tabs": ("name\tAda\tyear\t1843\t", "Ada"),
    "no-break spaces": ("In\u00a01843\u00a0Ada\u202fwrote\u00a0it.", "Ada"),
    "leading white space": (" \n\t Ada wrote it.  ", "Ada"),
    "letters that grow in lower case": ("İİİ ẞẞ ﬁﬂ ½ Ⅷ Ada wrote ß.", "Ada"),
    "zero width": ("A\u200bda\ufeff and A\u00adda and Ada\u2060.", "Ada"),
}


@pytest.fixture(scope="module")
def windowings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Windowing]:
    """One tokenizer of each family, with windows of 64 tokens that share 16."""
    found = {}
    for family in tiny_models.FAMILIES:
        folder = tiny_models.make(family, tmp_path_factory.mktemp(family))
        found[family] = replace(load_checkpoint(str(folder)).windowing, max_seq_length=64, doc_stride=16)
    return found


def example(answer: str = "", context: str = CONTEXT, question: str = QUESTION) -> Example:
    golds = (Gold(answer, context.index(answer)),) if answer else ()
    return Example("q1", question, context, golds)


def long_context(words: int = 120) -> str:
    """Distinct words, so that every answer stands in one place."""
    return " ".join(f"word{number:03d}" for number in range(words))


def wide(windowing: Windowing) -> Windowing:
    return replace(windowing, max_seq_length=256)


def labelled(windowing: Windowing, asked: Example) -> list[tuple[Feature, TrainFeature]]:
    features = prepare_validation_features(windowing, [asked])
    return list(zip(features, prepare_train_features(windowing, [asked]), strict=True))


every_family = pytest.mark.parametrize("family", tiny_models.FAMILIES)


@every_family
@pytest.mark.parametrize("answer", ["Ada", "Lovelace", "1843", "first program", "Engine.", "velace wro", CONTEXT[:3]])
def test_labels_cover_exactly_the_tokens_that_touch_the_answer(windowings, family, answer):
    windowing = wide(windowings[family])
    asked = example(answer)
    ((feature, train),) = labelled(windowing, asked)
    start, end = asked.answers[0].start, asked.answers[0].start + len(answer)
    touching = [
        index
        for index, (first, last) in enumerate(feature.offsets.tolist())
        if feature.answerable[index] and set(range(first, last)) & set(range(start, end))
    ]
    assert (train.start_position, train.end_position) == (touching[0], touching[-1])
    first, last = feature.offsets[train.start_position, 0], feature.offsets[train.end_position, 1]
    assert answer in CONTEXT[first:last]


@every_family
def test_white_space_at_the_ends_of_an_answer_does_not_pull_in_the_next_word(windowings, family):
    start = CONTEXT.index("Lovelace")
    plain = Example("q", QUESTION, CONTEXT, (Gold("Lovelace", start),))
    spaced = Example("q", QUESTION, CONTEXT, (Gold(" Lovelace ", start - 1),))
    ((_, one),), ((_, other),) = (labelled(wide(windowings[family]), one) for one in (plain, spaced))
    assert (one.start_position, one.end_position) == (other.start_position, other.end_position)


@every_family
def test_an_unanswerable_question_points_at_cls(windowings, family):
    ((feature, train),) = labelled(wide(windowings[family]), example())
    assert train.start_position == train.end_position == feature.cls_index
    assert feature.input_ids[feature.cls_index] == windowings[family].tokenizer.cls_token_id
    assert feature.cls_index == (len(feature.input_ids) - 1 if family == "xlnet" else 0)


@pytest.mark.parametrize("family", ["bert", "xlnet"])
def test_the_letters_of_the_cls_token_in_a_text_are_not_cls(windowings, family):
    cls = windowings[family].tokenizer.cls_token
    asked = example(context=f"Ada {cls} wrote {cls} it.", question=f"Who {cls}?")
    (feature,) = prepare_validation_features(windowings[family], [asked])
    assert feature.cls_index == (len(feature.input_ids) - 1 if family == "xlnet" else 0)


@every_family
def test_windows_overlap_by_the_stride_and_leave_out_nothing(windowings, family):
    windowing = windowings[family]
    context = long_context()
    features = prepare_validation_features(windowing, [example(context=context)])
    assert len(features) > 3
    covered = np.zeros(len(context), dtype=bool)
    for feature in features:
        assert len(feature.input_ids) <= windowing.max_seq_length
        for first, last in feature.offsets[feature.answerable].tolist():
            covered[first:last] = True
    assert covered[[index for index, letter in enumerate(context) if letter != " "]].all()
    for one, next_one in pairwise(features):
        shared = one.offsets[one.answerable][-windowing.doc_stride :]
        assert (shared == next_one.offsets[next_one.answerable][: windowing.doc_stride]).all()


@every_family
@pytest.mark.parametrize("word", ["word000", "word033", "word060 word061", "word119"])
def test_some_window_holds_the_whole_answer_and_the_others_point_at_cls(windowings, family, word):
    context = long_context()
    asked = example(word, context)
    start, end = context.index(word), context.index(word) + len(word)
    whole = 0
    for feature, train in labelled(windowings[family], asked):
        held = {
            place
            for first, last in feature.offsets[feature.answerable].tolist()
            for place in range(first, last)
            if start <= place < end and context[place] != " "
        }
        if held == {place for place in range(start, end) if context[place] != " "}:
            whole += 1
            found = context[feature.offsets[train.start_position, 0] : feature.offsets[train.end_position, 1]]
            assert found.strip() == word
        else:
            assert train.start_position == train.end_position == feature.cls_index
    assert whole >= 1


@every_family
def test_an_answer_over_a_windows_edge_is_no_answer_there(windowings, family):
    windowing = windowings[family]
    context = long_context()
    first_window = prepare_validation_features(windowing, [example(context=context)])[0]
    edge = int(first_window.offsets[first_window.answerable][-1, 1])
    # From six characters before the edge to six after it: shorter than the tokens that the windows share.
    asked = Example("q", QUESTION, context, (Gold(context[edge - 6 : edge + 6], edge - 6),))
    pairs = labelled(windowing, asked)
    feature, train = pairs[0]
    assert touching_tokens(feature, edge - 6, edge + 6) is not None
    assert train.start_position == train.end_position == feature.cls_index
    whole = [(feature, train) for feature, train in pairs if train.start_position != feature.cls_index]
    assert whole
    for feature, train in whole:
        assert feature.offsets[train.start_position, 0] <= edge - 6 + (context[edge - 6] == " ")
        assert feature.offsets[train.end_position, 1] >= edge + 6 - (context[edge + 5] == " ")


@every_family
def test_an_answer_longer_than_the_shared_part_may_be_whole_nowhere(windowings, family):
    asked = example(" ".join(f"word{number:03d}" for number in range(5, 100)), long_context())
    for feature, train in labelled(windowings[family], asked):
        assert train.start_position == train.end_position == feature.cls_index


@every_family
@pytest.mark.parametrize("kind", TEXTS)
def test_offsets_survive_every_kind_of_text(windowings, family, kind):
    context, word = TEXTS[kind]
    asked = Example("q", QUESTION, context, (Gold(word, context.index(word)),))
    ((feature, train),) = labelled(wide(windowings[family]), asked)
    found = context[feature.offsets[train.start_position, 0] : feature.offsets[train.end_position, 1]]
    assert found.strip() == word
    offsets = feature.offsets[feature.answerable]
    assert (offsets[:, 0] <= offsets[:, 1]).all()
    assert offsets.min() >= 0 and offsets.max() <= len(context)
    assert (np.diff(offsets[:, 0]) >= 0).all()
    assert (feature.offsets[~feature.answerable] == 0).all()


def test_segments_are_asked_for_by_what_the_model_wants(windowings):
    for family, windowing in windowings.items():
        (feature,) = prepare_validation_features(wide(windowing), [example()])
        assert windowing.segments == (family in ("bert", "albert", "xlnet")), family
        if not windowing.segments:
            assert feature.token_type_ids is None
            continue
        assert feature.token_type_ids is not None
        of_context = set(feature.token_type_ids[feature.answerable].tolist())
        separator = windowing.tokenizer.sep_token_id
        elsewhere = ~feature.answerable & (feature.input_ids != separator)
        elsewhere[feature.cls_index] = False
        of_question = set(feature.token_type_ids[elsewhere].tolist())
        assert (of_context, of_question) == (({0}, {1}) if family == "xlnet" else ({1}, {0})), family


def test_the_context_comes_first_where_the_tokenizer_pads_on_the_left(windowings):
    (feature,) = prepare_validation_features(wide(windowings["xlnet"]), [example()])
    assert feature.answerable[0]
    (feature,) = prepare_validation_features(wide(windowings["bert"]), [example()])
    assert not feature.answerable[:6].any() and feature.answerable[-2]


def test_features_of_many_examples_keep_their_owners(windowings):
    asked = [Example(str(n), QUESTION, long_context(2 + 12 * (n % 3))) for n in range(600)]
    features = prepare_validation_features(windowings["bert"], asked)
    owners = [feature.example for feature in features]
    assert owners == sorted(owners) and set(owners) == set(range(600))
    counts = np.bincount(owners)
    assert counts[0] == 1 and counts[2] > counts[1] > 1
    labels = list(prepare_train_features(windowings["bert"], asked))
    assert len(labels) == len(features)


# What the article did


def test_the_articles_end_is_one_token_past_the_answer(windowings):
    windowing = wide(windowings["bert"])
    asked = example("Lovelace")
    (exact,) = prepare_train_features(windowing, [asked])
    (article,) = prepare_article_features(windowing, [asked])
    assert (article.start_position, article.end_position) == (exact.start_position, exact.end_position + 1)
    (feature,) = prepare_validation_features(windowing, [asked])
    learnt = CONTEXT[feature.offsets[article.start_position, 0] : feature.offsets[article.end_position, 1]]
    assert learnt == "Lovelace wr"  # wr is the next token of this vocabulary


def test_the_articles_cut_makes_a_late_answer_unanswerable(windowings):
    context = long_context()
    late = example("word119", context)
    (article,) = prepare_article_features(windowings["bert"], [late])
    assert (article.start_position, article.end_position) == (0, 0)
    assert len(article.input_ids) == windowings["bert"].max_seq_length
    assert any(label.start_position for label in prepare_train_features(windowings["bert"], [late]))
    (early,) = prepare_article_features(windowings["bert"], [example("word001", context)])
    assert early.start_position > 0
    (unanswerable,) = prepare_article_features(windowings["bert"], [example()])
    assert (unanswerable.start_position, unanswerable.end_position) == (0, 0)


# Where there is no room


@every_family
@pytest.mark.parametrize("question", ["", " ", "\n\t\u00a0"])
def test_an_empty_question_gets_a_sentence(windowings, family, question):
    with pytest.raises(BadData, match="Question q1 is empty"):
        prepare_validation_features(windowings[family], [example(question=question)])


@every_family
def test_an_empty_context_gets_a_sentence(windowings, family):
    with pytest.raises(BadData, match="context of question q1 is empty"):
        prepare_validation_features(windowings[family], [example(context=" \r\n ")])


@pytest.mark.parametrize(
    ("question", "context", "sentence"), [("", "c", "The question is"), ("q", " ", "The context is")]
)
def test_a_question_that_was_asked_alone_is_named_without_an_id(question: str, context: str, sentence: str) -> None:
    with pytest.raises(BadData, match=f"^{sentence} empty"):
        check_texts([Example("", question, context)])


@pytest.mark.parametrize("question, context", [("Who \ud83d?", CONTEXT), (QUESTION, "Ada \udc00 wrote")])
def test_half_a_character_gets_a_sentence(windowings, question, context):
    with pytest.raises(BadData, match="q1 holds half of a character"):
        prepare_validation_features(windowings["roberta"], [Example("q1", question, context)])


@every_family
def test_a_stride_without_room_gets_a_sentence(windowings, family):
    windowing = windowings[family]
    special = windowing.tokenizer.num_special_tokens_to_add(pair=True)
    with pytest.raises(BadReader, match=f"doc_stride under {64 - special}"):
        prepare_validation_features(replace(windowing, doc_stride=64 - special), [example()])


@every_family
@pytest.mark.parametrize("window", [1, 2, 3, 4, 5, 8, 13, 24, 40])
@pytest.mark.parametrize("stride", [0, 1, 4, 12, 30])
def test_no_length_of_question_makes_the_tokenizer_panic(windowings, family, window, stride):
    """Every question either fits, and then its windows move on over the whole context, or gets a sentence."""
    windowing = replace(windowings[family], max_seq_length=window, doc_stride=stride)
    context = long_context(12)
    for words in (1, 2, 3, 5, 9, 20, 60):
        asked = example(context=context, question=" ".join(["who"] * words))
        for prepare in (prepare_validation_features, lambda *given: list(prepare_train_features(*given))):
            try:
                features = prepare(windowing, [asked])
            except ReaderboardError as error:
                assert str(error).endswith(".") and "Error" not in str(error)
                continue
            assert features and all(len(feature.input_ids) <= window for feature in features)
            if isinstance(features[0], Feature):
                last = max(int(feature.offsets[:, 1].max()) for feature in features)
                assert last == len(context)


def test_the_question_that_is_too_long_is_named_with_its_length(windowings):
    question = " ".join(["who"] * 60)
    with pytest.raises(BadData, match=r"Question q1 is 60 tokens long; .* leave room for 44\. Shorten"):
        prepare_validation_features(windowings["bert"], [example(question=question)])
    fits = " ".join(["who"] * 44)
    assert prepare_validation_features(windowings["bert"], [example(question=fits)])
    with pytest.raises(BadData, match="is 45 tokens long"):
        prepare_validation_features(windowings["bert"], [example(question=fits + " who")])


# What a model has positions for


def test_robertas_positions_start_after_the_padding_index(tmp_path: Path):
    reader = load_checkpoint(str(tiny_models.make("roberta", tmp_path, max_position_embeddings=34)))
    assert longest_window(reader.model.config) == 32
    assert reader.windowing.max_seq_length == 32
    features = prepare_validation_features(reader.windowing, [example(context=long_context(30))])
    assert max(len(feature.input_ids) for feature in features) == 32
    import torch

    ids = torch.tensor([features[0].input_ids.tolist()])
    with torch.inference_mode():
        reader.model(input_ids=ids)  # one more token has no position
        with pytest.raises((IndexError, RuntimeError)):
            reader.model(input_ids=torch.cat([ids, ids[:, -1:]], dim=1))


@pytest.mark.parametrize(
    ("family", "longest", "segments"),
    [("bert", 512, True), ("roberta", 512, False), ("albert", 512, True), ("deberta-v2", 512, False)],
)
def test_windows_and_segments_follow_the_models_configuration(tmp_path, family, longest, segments):
    config = load_checkpoint(str(tiny_models.make(family, tmp_path))).model.config
    assert longest_window(config) == longest
    assert uses_segments(config) is segments


def test_xlnet_has_no_longest_window_and_wants_segments(tmp_path):
    config = load_checkpoint(str(tiny_models.make("xlnet", tmp_path))).model.config
    assert longest_window(config) is None
    assert uses_segments(config)
