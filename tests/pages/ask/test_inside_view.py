"""Tokens and labels as HTML: both labelings beside each other, one token apart, and every text stays text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from pages.ask.inside_view import labels
from reader.checkpoints import ReaderConfig, load_checkpoint
from reader.examples import Gold
from reader.inspection import inspect_features
from reader.predictor import ExtractiveReader
from tests import tiny_models

QUESTION = "When did the Normans give their name to Normandy?"
# The article's own example, and what it says that its reader answers: "10th and 11th centuries gave".
TEXT = "The Normans were the people who in the 10th and 11th centuries gave their name to Normandy, a region in France."
ANSWER = "10th and 11th centuries"


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    with tiny_models.one_thread():
        yield


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> ExtractiveReader:
    checkpoint = load_checkpoint(str(tiny_models.make("bert", tmp_path_factory.mktemp("bert"))))
    config = replace(ReaderConfig(), max_seq_length=64, doc_stride=16)
    return ExtractiveReader(replace(checkpoint, config=config), device="cpu", precision="fp32")


class Page(HTMLParser):
    """The quoted texts, and the rows of the token table as their cells."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.quotes: list[str] = []
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self.text = ""
        self.inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "q":
            self.quotes.append("")
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag in ("q", "td", "th"):
            self.inside = tag

    def handle_endtag(self, tag: str) -> None:
        if tag == self.inside:
            self.inside = ""

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.inside == "q":
            self.quotes[-1] += data
        elif self.inside:
            self.rows[-1][-1] += data


def page(reader: ExtractiveReader, text: str, answer: str = "", question: str = QUESTION) -> Page:
    gold = Gold(answer, text.index(answer)) if answer else None
    return Page(labels(inspect_features(reader, question, text, gold), text))


def test_the_two_labelings_differ_by_the_token_too_many(reader: ExtractiveReader) -> None:
    shown = page(reader, TEXT, ANSWER)
    assert shown.quotes == [ANSWER, f"{ANSWER} gave", "gave"]
    marked = [(row[1], row[2], row[3]) for row in shown.rows if len(row) == 7 and (row[2] or row[3])][1:]
    pieces, exact, article = zip(*marked, strict=True)
    assert "".join(pieces) == "10thand11thcenturiesgave"
    assert exact == ("start", *["│"] * (len(pieces) - 3), "end", "")
    assert article == ("start", *["│"] * (len(pieces) - 2), "end")


def test_question_and_separators_are_told_apart(reader: ExtractiveReader) -> None:
    parts = [row[5] for row in page(reader, TEXT, ANSWER).rows[1:] if len(row) == 7]
    asked = len(reader.windowing.tokenizer(QUESTION, add_special_tokens=False)["input_ids"])
    assert parts[: asked + 2] == ["“no answer”", *["question"] * asked, "separator"]
    assert parts[-1] == "separator" and set(parts[asked + 2 : -1]) == {"text"}


def test_an_answer_behind_the_cut_is_said_to_be_taught_as_none(reader: ExtractiveReader) -> None:
    text = f"{' '.join(tiny_models.TEXTS[3:])} {TEXT}"
    shown = page(reader, text, ANSWER)
    assert shown.quotes == [ANSWER]
    assert "the model is taught that there is none" in shown.text
    assert "In windows" in shown.rows[0]


def test_an_answer_within_a_word_is_labelled_by_the_whole_word(reader: ExtractiveReader) -> None:
    shown = page(reader, TEXT, "ormandy")
    assert shown.quotes[0] == "Normandy" and "whole tokens that touch the answer" in shown.text


def test_without_an_answer_there_are_tokens_alone(reader: ExtractiveReader) -> None:
    shown = page(reader, TEXT)
    assert shown.quotes == [] and "Exact" not in shown.text
    assert "Normans" in "".join(row[1] for row in shown.rows if len(row) == 5)


def test_a_long_text_sends_what_is_shown_only(reader: ExtractiveReader) -> None:
    text = " ".join([*tiny_models.TEXTS * 200, TEXT])
    gold = Gold(ANSWER, text.rindex(ANSWER))
    assert len(labels(inspect_features(reader, QUESTION, text, gold), text)) < 20_000


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<script>alert('x')</script> in the 10th", "script"),
        ("👩‍👩‍👧 came to 🇫🇷 Normandy", "Normandy"),
        ("وُلد ابن سينا في أفشنة", "سينا"),
        ("in the\r\n10th\tand\r\n11th", "10th\tand\r\n11th"),
    ],
)
def test_hostile_texts_stay_text(reader: ExtractiveReader, text: str, answer: str) -> None:
    shown = page(reader, text, answer, "Who <b>gave</b> it?")
    assert not shown.tags & {"script", "b"}
    assert shown.quotes[0].split() == answer.split()
    for row in shown.rows[1:]:
        if len(row) == 7 and row[5] == "text":
            start, end = (int(place) for place in row[6].split("–"))
            assert row[1] == text[start:end]
