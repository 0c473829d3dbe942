"""Teaching without a browser: what is marked is looked up in the text, and nothing is changed for those who may not."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from gradio.routes import App
from starlette.requests import Request
from starlette.testclient import TestClient

from pages.access import Access
from pages.ask.marking import Marking, followed, lay_out, marked, place_shown
from pages.ask.standing import Standing, digest_of
from pages.ask.taught import MINE, PAGE, Looking
from pages.ask.taught_view import about_to_go, question_list, sets_table
from pages.ask.teaching import build, what_happened
from pages.data_sets import UPLOADS, check_data, data_label, find_data, list_data
from pages.readers import Shelf
from reader.errors import BadUsage
from reader.examples import Example, Gold
from reader.teaching import SETS, TaughtSet, add_question, list_sets, read_set, set_path

TEXT = "Not Rouen in Texas,\r\nnot Rouen 🥐 elsewhere:\t<b>Rouen</b>."
PLACES = [found.start() for found in re.finditer("Rouen", TEXT)]


@pytest.fixture(autouse=True)
def reader_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("READER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def asked_by(client: str = "127.0.0.1", host: str = "127.0.0.1:7860") -> gr.Request:
    scope = {"type": "http", "headers": [(b"host", host.encode())], "client": (client, 50000), "query_string": b""}
    return gr.Request(Request(scope))


def picked(start: int, text: str) -> str:
    return json.dumps({"start": start, "text": text})


# What is marked


def test_a_selection_is_taken_where_the_text_holds_it() -> None:
    assert marked("Rouen", False, picked(PLACES[1], "Rouen"), TEXT) == Gold("Rouen", PLACES[1])
    assert marked("", False, picked(PLACES[2], "Rouen"), TEXT) == Gold("Rouen", PLACES[2])
    # A text box has other line breaks than the text.
    assert marked("Texas,\nnot", False, picked(13, "Texas,\r\nnot"), TEXT) == Gold("Texas,\r\nnot", 13)


def test_an_offset_of_another_text_is_not_believed() -> None:
    for start in (PLACES[1] + 1, -5, 10**12):
        with pytest.raises(BadUsage, match="has changed since"):
            marked("Rouen", False, picked(start, "Rouen"), TEXT)


def test_what_was_typed_since_wins_over_what_was_selected() -> None:
    assert marked("Texas", False, picked(PLACES[1], "Rouen"), TEXT) == Gold("Texas", TEXT.index("Texas"))
    assert marked("Texas", True, picked(PLACES[1], "Rouen"), TEXT) is None


@pytest.mark.parametrize(
    ("typed", "sentence"), [("", "Select the right answer"), ("Lyon", "does not hold"), ("Rouen", "more than once")]
)
def test_what_is_missing_is_said(typed: str, sentence: str) -> None:
    with pytest.raises(BadUsage, match=sentence):
        marked(typed, False, "", TEXT)


@pytest.mark.parametrize(
    "sent",
    [
        *("", "x", "[]", "null", '{"start": 4}', '{"start": "4", "text": "Rouen"}', '{"start": true, "text": "Rouen"}'),
        *('{"start": 4.0, "text": "Rouen"}', '{"start": 4, "text": 5}', '{"start": 4, "text": ""}', "[" * 100_000),
        *(None, 7),
    ],
)
def test_what_no_script_of_ours_wrote_is_nothing(sent: Any) -> None:
    with pytest.raises(BadUsage, match="Select the right answer"):
        marked(None, "yes", sent, TEXT)


def test_a_place_shows_its_surroundings_as_text() -> None:
    html = place_shown(TEXT, Gold("Rouen", PLACES[2]))
    assert f'data-start="{PLACES[2]}"' in html and ">Rouen</mark>" in html
    assert "&lt;b&gt;" in html and "<b>" not in html and "&#13;\n" in html


@pytest.fixture
def part() -> Marking:
    async def made() -> Marking:
        with gr.Blocks(analytics_enabled=False):
            return lay_out("teach", "#ask-reading")

    return asyncio.run(made())


def test_typed_words_are_found_or_asked_about(part: Marking) -> None:
    one = followed(part, "TEXAS", False, "", TEXT)
    assert f'data-start="{TEXT.index("Texas")}"' in one[part.picked] and not one[part.which].visible
    many = followed(part, "Rouen", False, "", TEXT)
    assert "3 times" in many[part.picked] and many[part.which].visible
    assert [start for _, start in many[part.which].choices] == PLACES
    labels = [label for label, _ in many[part.which].choices]
    assert labels[0] == "1st: Not [Rouen] in Texas, not Rouen 🥐" and labels[2].startswith("3rd: ")
    assert "does not hold" in followed(part, "Lyon", False, "", TEXT)[part.picked]
    assert "does not answer" in followed(part, "Rouen", True, "", TEXT)[part.picked]
    assert followed(part, " ", False, "", TEXT)[part.picked] == ""


def test_a_chosen_place_stays_while_the_words_are_its_own(part: Marking) -> None:
    assert followed(part, "Rouen", False, picked(PLACES[1], "Rouen"), TEXT) == {}
    assert followed(part, "Texas", False, picked(PLACES[1], "Rouen"), TEXT) != {}
    assert followed(part, "Rouen", False, picked(PLACES[1], "Rouen"), "Rouen or Rouen") != {}


# What is shown of the sets


def test_names_questions_and_answers_are_escaped() -> None:
    example = Example("a1", "<i>Who</i>?", "<b>x</b>", (Gold("<b>", 0),), '"><script>')
    one = TaughtSet("Q&A", 1, 0, 0.0)
    shown = question_list([example], 0) + sets_table([one], "") + about_to_go(one, [example], "a1")
    assert not re.search("<(i|b|script)>", shown)
    assert "&lt;i&gt;Who&lt;/i&gt;?" in shown and "Q&amp;A" in shown


def test_a_damaged_set_is_marked_and_no_sets_say_what_to_do() -> None:
    assert "damaged" in sets_table([TaughtSet("x", 0, 0, 0.0, "The set “x” is not JSON.")], "x")
    assert "Mark an answer" in sets_table([], "")


def test_what_is_deleted_is_named_first() -> None:
    examples = [Example("a", "Who?", "x"), Example("b", "Where?", "x")]
    assert "all 2 questions" in about_to_go(TaughtSet("s", 2, 2, 0.0), examples, "")
    assert "“Where?”" in about_to_go(TaughtSet("s", 2, 2, 0.0), examples, "b")
    assert "the set goes with it" in about_to_go(TaughtSet("s", 1, 1, 0.0), examples[:1], "a")


def test_what_happened_is_said() -> None:
    first = add_question(MINE, "Which?", TEXT, Gold("Rouen", PLACES[0]))
    assert what_happened(first) == "Added to “my questions”, its first question: “Rouen”."
    assert "nothing has changed" in what_happened(add_question(MINE, "Which?", TEXT, Gold("Rouen", PLACES[0])))
    other = what_happened(add_question(MINE, "Which?", TEXT, None))
    assert other == "“my questions” held this question with another answer: “Rouen” has become not answerable."


# The sets among all data


def test_a_set_is_picked_like_any_other_data(reader_home: Path) -> None:
    add_question(MINE, "Which?", TEXT, Gold("Rouen", PLACES[1]))
    add_question(MINE, "Who?", TEXT, None)
    (reader_home / UPLOADS).mkdir()
    (reader_home / UPLOADS / "mine-0123abcd.csv").write_text("question,context,answer\nWhere?,In Rouen.,Rouen\n")
    choices = {choice.label: choice.name for choice in list_data()}
    assert list(choices) == ["the starter set", MINE, "mine.csv", "a file of yours…"]
    nobody = asked_by("10.0.0.9", "elsewhere")
    found = find_data(choices[MINE], nobody, Access("off"))
    assert found == str(reader_home / SETS / "my questions.json")
    assert check_data(found).says == "2 questions · 50 % not answerable"
    assert data_label(found) == data_label(choices[MINE]) == MINE
    for name in (f"{SETS}/../jobs/x.json", f"{SETS}/none.json", f"{SETS}/.lock/x"):
        with pytest.raises(Exception, match="switched off"):
            find_data(name, nobody, Access("off"))


def test_the_lock_of_the_sets_is_no_data() -> None:
    add_question(MINE, "Who?", TEXT, None)
    assert len(list_data()) == 3


# The section


@dataclass(frozen=True, slots=True)
class Section:
    """The section in a page of its own, and its handlers by name."""

    client: TestClient
    handlers: dict[int, Callable[..., Any]]

    def named(self, name: str) -> list[Callable[..., Any]]:
        return [handler for handler in self.handlers.values() if handler.__qualname__.split(".")[-1] == name]

    def call(self, number: int, *data: Any) -> str:
        sent = {"fn_index": number, "data": list(data), "session_hash": "s", "event_data": {"set": MINE, "edit": "x"}}
        return self.client.post("/gradio_api/run/predict", json=sent).text


def section(access: Access) -> Iterator[Section]:
    async def made() -> tuple[Any, gr.Blocks]:
        with gr.Blocks(analytics_enabled=False) as demo:
            standing = Standing(gr.Textbox(), gr.Textbox(), gr.State(""), gr.Dropdown([]), gr.State(), gr.HTML())
            with gr.Tab("Teach", id="teach") as tab:
                build(demo, tab, standing, access, Shelf())
        return App.create_app(demo), demo

    app, demo = asyncio.run(made())
    handlers = {number: fn.fn for number, fn in demo.fns.items() if fn.fn}
    with TestClient(app, base_url="http://127.0.0.1:7860") as client:
        yield Section(client, handlers)


@pytest.fixture
def closed() -> Iterator[Section]:
    yield from section(Access("off"))


@pytest.fixture
def mine() -> Iterator[Section]:
    yield from section(Access("on"))


def test_who_may_not_change_anything_sees_and_changes_nothing(closed: Section, reader_home: Path) -> None:
    name = add_question(MINE, "The secret question?", TEXT, Gold("Rouen", PLACES[1])).example.id
    before = set_path(MINE).read_bytes()
    looking, nobody, event = Looking(MINE, edited=name, going=name), asked_by(), SimpleNamespace(_data={"edit": name})
    (add,), (open_section,), (follow,) = closed.named("add"), closed.named("open_section"), closed.named("follow")
    said = [add("Who?", TEXT, "", MINE, looking, "", True, "", nobody), open_section(looking, nobody)]
    (take_right,), (download,), (click,) = closed.named("take_right"), closed.named("download"), closed.named("click")
    said += [take_right(None, "Who?", TEXT, "", nobody), download(looking, nobody), click(looking, event, nobody)]
    acting = closed.named("handle")
    assert len(acting) == 10, "open, two pages, rename twice, delete, ask, keep, save, cancel"
    said += [handle(nobody, event, looking, "x", False, "", "x") for handle in acting]
    for handler in (closed.named("select")[1], closed.named("look")[1]):
        said.append(handler(nobody, looking, "Rouen", False, picked(PLACES[1], "Rouen")))
    said.append(closed.named("take_place")[1](nobody, PLACES[1], "Rouen", looking))
    for changes in said:
        assert any("switched off" in str(getattr(value, "value", value)) for value in changes.values())
        assert "secret" not in str(changes) and "Rouen" not in str(changes)
    said_nothing = follow(None, None, "", TEXT, nobody)
    assert said_nothing == gr.skip()
    for number in closed.handlers:
        assert "secret" not in closed.call(number, *[None] * 8)
    assert set_path(MINE).read_bytes() == before
    assert [each.name for each in list_sets()] == [MINE]


def value(changes: dict[Any, Any], name: str) -> str:
    (found,) = [each for part, each in changes.items() if getattr(part, "elem_id", None) == name]
    return str(getattr(found, "value", found))


def test_an_answer_is_added_and_refused_in_sentences(mine: Section) -> None:
    (add,) = mine.named("add")

    def says(*values: Any) -> str:
        return value(add(*values, asked_by()), "teach-says")

    assert "no text yet" in says("Which?", "", "", MINE, Looking(), "Rouen", False, "")
    assert "no question yet" in says(" ", "", TEXT, MINE, Looking(), "Rouen", False, "")
    assert "Give the set a name" in says("Which?", "", TEXT, None, Looking(), "Texas", False, "")
    assert "letters, digits" in says("Which?", "", TEXT, "../x", Looking(), "Texas", False, "")
    assert "more than once" in says("Which?", "", TEXT, MINE, Looking(), "Rouen", False, "")
    assert list_sets() == []
    assert "first question" in says("Which?", "", TEXT, MINE, Looking(), "Rouen", False, picked(PLACES[1], "Rouen"))
    assert "2 questions now" in says("Who?", TEXT, "", MINE, Looking(), "", True, "")
    assert [example.answers for example in read_set(MINE)] == [(Gold("Rouen", PLACES[1]),), ()]


def test_another_text_clears_what_was_marked_and_the_same_does_not(mine: Section) -> None:
    (follow,) = mine.named("follow")
    for about, typed, held in ((digest_of(TEXT), "", TEXT), (digest_of(TEXT), TEXT, ""), (None, "", TEXT)):
        same = follow(None, about, typed, held, asked_by())
        assert [part.elem_id for part in same] == ["teach-right", None]
    other = follow(None, digest_of(TEXT), "", "Another text.", asked_by())
    assert value(other, "teach-answer") == "" and value(other, "teach-unanswerable") == "False"


def test_a_set_is_paged_renamed_and_emptied(mine: Section) -> None:
    for number in range(PAGE + 1):
        add_question(MINE, f"Question {number}?", TEXT, None)
    (click,), event = mine.named("click"), SimpleNamespace(_data={})
    handles = mine.named("handle")
    last = add_question(MINE, f"Question {PAGE}?", TEXT, None).example.id
    shown = [handle(asked_by(), event, Looking(MINE, page=7)) for handle in handles[:1]]
    assert "Your sets" in value(shown[0], "teach-set-list")
    asked = click(Looking(MINE, page=1), SimpleNamespace(_data={"drop": last}), asked_by())
    assert f"Question {PAGE}?" in value(asked, "teach-going") and f"Question {PAGE}?" in value(asked, "teach-questions")
    gone = click(Looking(MINE), SimpleNamespace(_data={"edit": "no such id"}), asked_by())
    assert "not in the set any more" in value(gone, "teach-sets-say")
    edit = click(Looking(MINE), SimpleNamespace(_data={"edit": last}), asked_by())
    assert "&lt;b&gt;Rouen" in value(edit, "teach-reading") and value(edit, "edit-unanswerable") == "True"
