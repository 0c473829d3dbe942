"""Marked texts: the text survives character by character, and every mark lies where its offsets say."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from pages.highlight import Mark, Segment, marked_text, reading_view, segments, surroundings, whole


class Marked(HTMLParser):
    """Reads marked HTML back as a browser would: the text, and per mark its offsets and classes."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.marks: list[tuple[int, int, tuple[str, ...]]] = []
        self.tags: set[str] = set()
        self.open: tuple[int, tuple[str, ...]] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "mark":
            assert self.open is None, "marks are disjoint, never nested"
            self.open = (len(self.text), tuple((dict(attrs)["class"] or "").split()))

    def handle_endtag(self, tag: str) -> None:
        if tag == "mark":
            assert self.open is not None
            self.marks.append((self.open[0], len(self.text), self.open[1]))
            self.open = None

    def handle_data(self, data: str) -> None:
        self.text += data


def read_back(html: str) -> Marked:
    parser = Marked()
    parser.feed(html)
    parser.close()
    return parser


def marks_of(text: str, *marks: Mark) -> list[tuple[str, tuple[str, ...]]]:
    back = read_back(marked_text(whole(text), marks))
    assert back.text == text
    return [(text[start:end], kinds) for start, end, kinds in back.marks]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("👩‍👩‍👧 came to 🇫🇷 Paris 🥐.", "Paris"),
        ("The cafe\u0301 Ame\u0301lie opened.", "Ame\u0301lie"),
        ("وُلد ابن سينا في أفشنة قرب بخارى.", "أفشنة"),
        ("Born in חיפה, in 1901.", "חיפה"),
        ("Line one\r\nLine\ttwo\r\n\r\nLine three\rend", "two"),
        ("a\u00a0b  c   d", "b  c"),
        ("<script>alert('x')</script> & <b>Paris</b>", "Paris"),
        ("{{value}} ${value} **Paris** &lt;", "Paris"),
        ("\"quoted\" & 'quoted'", "& 'quoted'"),
    ],
)
def test_texts_survive_and_the_mark_holds_the_words(text: str, words: str) -> None:
    start = text.index(words)
    assert marks_of(text, Mark(start, start + len(words), "predicted")) == [(words, ("predicted",))]


def test_carriage_returns_survive_an_html_parser() -> None:
    assert "\r" not in marked_text(whole("one\r\ntwo"), [])
    assert read_back(marked_text(whole("one\r\ntwo"), [])).text == "one\r\ntwo"


def test_markup_in_the_text_stays_text() -> None:
    html = reading_view(whole('<script>alert(1)</script><img src=x onerror="alert(2)">'), [Mark(2, 9, "gold")])
    assert read_back(html).tags == {"div", "mark"}


def test_the_third_of_equal_words_is_marked() -> None:
    text = "Paris, Texas is not Paris, France; this is about Paris."
    third = text.rindex("Paris")
    back = read_back(marked_text(whole(text), [Mark(third, third + 5, "predicted")]))
    assert back.marks == [(third, third + 5, ("predicted",))]


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        # the same span: both kinds on one piece
        ([Mark(2, 5, "gold"), Mark(2, 5, "predicted")], [("cde", ("gold", "predicted"))]),
        # nested
        (
            [Mark(1, 8, "predicted"), Mark(3, 5, "gold")],
            [("bc", ("predicted",)), ("de", ("gold", "predicted")), ("fgh", ("predicted",))],
        ),
        # overlapping
        (
            [Mark(1, 5, "gold"), Mark(3, 7, "compared")],
            [("bc", ("gold",)), ("de", ("gold", "compared")), ("fg", ("compared",))],
        ),
        # touching: two pieces, nothing between
        ([Mark(0, 2, "gold"), Mark(2, 4, "predicted")], [("ab", ("gold",)), ("cd", ("predicted",))]),
        # empty spans mark nothing and cut nothing
        ([Mark(3, 3, "gold"), Mark(2, 5, "predicted")], [("cde", ("predicted",))]),
        # two gold answers that overlap
        (
            [Mark(0, 4, "gold"), Mark(2, 6, "gold")],
            [("ab", ("gold",)), ("cd", ("gold",)), ("ef", ("gold",))],
        ),
        ([], []),
        ([Mark(0, 10, "gold")], [("abcdefghij", ("gold",))]),
    ],
)
def test_marks_become_disjoint(marks: list[Mark], expected: list[tuple[str, tuple[str, ...]]]) -> None:
    assert marks_of("abcdefghij", *marks) == expected


def test_segments_cover_everything_once() -> None:
    assert segments([Mark(2, 6, "gold"), Mark(4, 8, "compared")], 0, 10) == [
        Segment(0, 2, ()),
        Segment(2, 4, ("gold",)),
        Segment(4, 6, ("gold", "compared")),
        Segment(6, 8, ("compared",)),
        Segment(8, 10, ()),
    ]


@pytest.mark.parametrize("mark", [Mark(0, 11, "gold"), Mark(-1, 2, "gold"), Mark(5, 4, "gold")])
def test_offsets_of_another_text_are_refused(mark: Mark) -> None:
    with pytest.raises(ValueError, match="outside a text of 10 characters"):
        marked_text(whole("abcdefghij"), [mark])


def test_a_long_text_shows_the_surroundings_of_the_span() -> None:
    text = "word " * 100_000 + "ANSWER" + " word" * 100_000
    start = text.index("ANSWER")
    excerpt = surroundings(text, start, start + 6, reach=1000)
    assert text[excerpt.start : excerpt.end] == excerpt.text
    assert 2006 <= len(excerpt.text) < 2200
    assert excerpt.text.strip().startswith("word") and excerpt.text.strip().endswith("word"), "cut between words"
    html = reading_view(excerpt, [Mark(start, start + 6, "predicted")])
    assert f"… {excerpt.start:,} characters before" in html
    assert f"{len(text) - excerpt.end:,} characters after …" in html
    back = read_back(marked_text(excerpt, [Mark(start, start + 6, "predicted")]))
    assert [back.text[a:b] for a, b, _ in back.marks] == ["ANSWER"]


def test_an_excerpt_knows_its_text() -> None:
    assert whole("one two").is_of("one two")
    assert not whole("one two").is_of("one too")
    assert not surroundings("a" * 500, 200, 201, reach=100).is_of("a" * 501)


def test_a_text_without_spaces_is_cut_all_the_same() -> None:
    excerpt = surroundings("x" * 5000, 2500, 2501, reach=100)
    assert (excerpt.start, len(excerpt.text), excerpt.total) == (2400, 201, 5000)


@pytest.mark.parametrize(("start", "end"), [(0, 0), (0, 5), (95, 100)])
def test_a_short_text_is_shown_whole(start: int, end: int) -> None:
    assert surroundings("x" * 100, start, end, reach=100) == whole("x" * 100)


def test_marks_beyond_the_excerpt_are_cut_at_its_edges() -> None:
    text = "abc " * 1000
    excerpt = surroundings(text, 2000, 2003, reach=40)
    back = read_back(marked_text(excerpt, [Mark(0, len(text), "gold"), Mark(3990, 3995, "predicted")]))
    assert back.marks == [(0, len(excerpt.text), ("gold",))]
