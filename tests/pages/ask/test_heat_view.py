"""Where a reader looks: the text survives character by character, and bars and tables tell the same figures."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from pages.ask.heat_view import heat
from reader.inspection import TokenProbabilities


def probabilities(
    text: str, shares: dict[str, tuple[float, float]], *, offset: int = 0, null: tuple[float, float] = (0.1, 0.2)
) -> TokenProbabilities:
    """Tokens at the words of a text; ``shares``: what some of them have, as start and end probability."""
    places = [(match.start() + offset, match.end() + offset) for match in re.finditer(r"\S+", text)]
    words = [text[start - offset : end - offset] for start, end in places]
    starts, ends = ([shares.get(word, (0.0, 0.0))[side] for word in words] for side in (0, 1))
    offsets = np.array(places, dtype=np.int32)
    return TokenProbabilities(0, offset, offset + len(text), offsets, np.array(starts), np.array(ends), *null)


class Heat(HTMLParser):
    """Reads the drawing back as a browser would: the text, its marked words, and the tables' rows."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.words: list[tuple[str, dict[str, str]]] = []
        self.tables: list[list[str]] = []
        self.tags: set[str] = set()
        self.inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.tags.add(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append("")
            self.inside = "row"
        if "heat-text" in found.get("class", ""):
            self.inside = "text"
        if tag == "b":
            self.words.append(("", found))
            self.inside = "word"

    def handle_endtag(self, tag: str) -> None:
        if tag == "b":
            self.inside = "text"
        if tag in ("tr", "div"):
            self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside in ("text", "word"):
            self.text += data
        if self.inside == "word":
            word, found = self.words.pop()
            self.words.append((word + data, found))
        if self.inside == "row":
            self.tables[-1][-1] += data


SENTENCE = "the people who in the 10th and 11th centuries gave"


def test_words_have_both_figures_and_the_likeliest_are_named() -> None:
    shares = {"10th": (0.6, 0.01), "in": (0.2, 0.0), "centuries": (0.03, 0.75), "gave": (0.0, 0.04)}
    drawn = Heat(heat(SENTENCE, probabilities(SENTENCE, shares), 0))
    assert drawn.text == SENTENCE
    styles = {word: found["style"] for word, found in drawn.words}
    assert styles["10th"] == "--begins:0.60;--ends:0.01"
    assert styles["centuries"] == "--begins:0.03;--ends:0.75"
    says = dict(drawn.words)["10th"]
    assert says["data-says"] == "begins 60\u00a0% · ends 1.0\u00a0%" and says["tabindex"] == "0"
    begins, ends = drawn.tables
    assert [row.split("\u00a0")[0] for row in begins] == [
        "who in the 10th and 11th centuries60",
        "people who in the 10th and20",
        "no answer10",
        "10th and 11th centuries gave3.0",
    ]
    assert ends[0].endswith("75\u00a0%") and ends[1] == "no answer20\u00a0%"


def test_what_is_unlikely_is_left_to_the_text() -> None:
    drawn = Heat(heat(SENTENCE, probabilities(SENTENCE, {"10th": (0.9, 0.8), "and": (0.004, 0.004)}), 0))
    assert len(drawn.words) <= 6


@pytest.mark.parametrize("offset", [0, 5_000])
def test_offsets_count_in_the_whole_text(offset: int) -> None:
    shares = {"11th": (0.7, 0.7)}
    drawn = Heat(heat(SENTENCE + " and more", probabilities(SENTENCE, shares, offset=offset), offset))
    assert drawn.text == SENTENCE, "only what the window sees"
    assert "11th" in [word for word, _ in drawn.words]


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert('x')</script> went & <b>on</b>",
        "👩‍👩‍👧 came to 🇫🇷 Paris 🥐.",
        "وُلد ابن سينا في أفشنة",
        "one\r\ntwo\tthree\r\n\r\nfour\rfive",
        "cafe\u0301 Ame\u0301lie",
        "{{value}} ${value} \"quoted\" 'so'",
    ],
)
def test_hostile_texts_stay_text(text: str) -> None:
    words = re.findall(r"\S+", text)
    drawn = Heat(heat(text, probabilities(text, dict.fromkeys(words, (0.2, 0.2))), 0))
    assert drawn.text == text
    assert [word for word, _ in drawn.words] == words
    assert "script" not in drawn.tags


def test_a_letter_keeps_its_accent_and_an_emoji_of_several_tokens_is_one() -> None:
    text = "cafe\u0301 🥐"
    offsets = np.array([[0, 4], [6, 7], [6, 7], [6, 7]], dtype=np.int32)
    tokens = TokenProbabilities(0, 0, 7, offsets, np.full(4, 0.2), np.full(4, 0.1), 0.2, 0.6)
    drawn = Heat(heat(text, tokens, 0))
    assert [word for word, _ in drawn.words] == ["cafe\u0301", "🥐"]
    assert drawn.words[1][1]["style"] == "--begins:0.60;--ends:0.30"


def test_a_window_without_tokens_says_no_answer() -> None:
    nothing = np.zeros(0)
    tokens = TokenProbabilities(0, 0, 0, np.zeros((0, 2), dtype=np.int32), nothing, nothing, 1.0, 1.0)
    assert [len(table) for table in Heat(heat("\u200b", tokens, 0)).tables] == [1, 1]
