"""The sections Windows and Inside: they work while they are open only, and take nothing for granted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from pages.access import Access
from pages.ask.asking import ask
from pages.ask.looking_inside import build_inside, build_windows, gold_of
from pages.ask.standing import Standing
from pages.ask.verdict import Asked
from pages.readers import Shelf
from reader.checkpoints import ReaderConfig, load_checkpoint
from reader.errors import BadData
from reader.examples import load_examples
from reader.predictor import ExtractiveReader
from tests import tiny_models

QUESTION = "When did the Normans give their name to Normandy?"
TEXT = " ".join(tiny_models.TEXTS * 3)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    with tiny_models.one_thread():
        yield


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    checkpoint = load_checkpoint(str(tiny_models.make("bert", tmp_path_factory.mktemp("bert"))))
    config = replace(ReaderConfig(), max_seq_length=64, doc_stride=16)
    reader = ExtractiveReader(replace(checkpoint, config=config), device="cpu", precision="fp32")
    return Shelf(load=lambda name: reader)


@pytest.fixture(scope="module")
def asked(shelf: Shelf) -> Asked:
    return ask(shelf, "embedded", QUESTION, TEXT, None)


Handler = Callable[..., Any]


def laid_out(build: Callable[..., Any], shelf: Shelf, tabs: tuple[str, ...] = ("Here",)) -> gr.Blocks:
    """The section in the last of these tabs."""

    async def lay_out() -> gr.Blocks:
        with gr.Blocks(analytics_enabled=False) as demo:
            standing = Standing(gr.Textbox(), gr.Textbox(), gr.State(""), gr.Dropdown(), gr.State(), gr.HTML())
            with gr.Tabs():
                for name in tabs:
                    with gr.Tab(name) as tab:
                        if name == tabs[-1]:
                            build(demo, tab, standing, Access("off"), shelf)
        return demo

    return asyncio.run(lay_out())


def handlers(build: Callable[..., Any], shelf: Shelf) -> dict[str, Handler]:
    """A section's handlers by name."""
    return {fn.fn.__name__: fn.fn for fn in laid_out(build, shelf).fns.values() if fn.fn}


def shown(changes: dict[Any, Any], elem_id: str) -> str:
    """What a handler puts into the component of that id."""
    return str(next(value for part, value in changes.items() if part.elem_id == elem_id))


SKIPPED = gr.skip()


def test_a_section_knows_when_it_is_open(shelf: Shelf) -> None:
    is_this = handlers(build_windows, shelf)["is_this"]
    assert is_this(SimpleNamespace(value="Here")) and not is_this(SimpleNamespace(value="Elsewhere"))


@pytest.mark.parametrize(("tabs", "open_at_first"), [(("Here",), True), (("Other", "Here"), False)])
@pytest.mark.parametrize(("build", "draws"), [(build_windows, "draw"), (build_inside, "look")])
def test_the_first_tab_is_open_from_the_start(
    shelf: Shelf, build: Callable[..., Any], draws: str, tabs: tuple[str, ...], open_at_first: bool
) -> None:
    events = [fn for fn in laid_out(build, shelf, tabs).fns.values() if fn.fn and fn.fn.__name__ == draws]
    told = {fn.targets[0][1]: fn.inputs[0].value for fn in events}
    assert told["select"] is True and told["change"] is open_at_first


def test_windows_are_drawn_while_open_and_once_for_a_reading(shelf: Shelf, asked: Asked) -> None:
    draw = handlers(build_windows, shelf)["draw"]
    assert draw(False, asked, ()) == SKIPPED
    html = shown(draw(True, asked, ()), "windows-drawn")
    assert html.count("data-window=") > len(asked.windows) > 3
    assert draw(True, asked.at_threshold(3.0), asked.windows) == SKIPPED, "the same reading, decided anew"
    assert "Press Ask" in shown(draw(True, None, asked.windows), "windows-drawn")


def test_a_click_chooses_a_window_that_is_there(shelf: Shelf, asked: Asked) -> None:
    choose = handlers(build_windows, shelf)["choose"]
    assert "<b>Window 3 of" in shown(choose(asked, SimpleNamespace(window=2)), "windows-drawn")
    for window in (-1, len(asked.windows), "2", None, float("nan"), True, [1]):
        assert choose(asked, SimpleNamespace(window=window)) == SKIPPED
    assert choose(None, SimpleNamespace(window=0)) == SKIPPED


def test_where_it_looks_is_of_the_text_that_was_asked_about(shelf: Shelf, asked: Asked) -> None:
    look = handlers(build_windows, shelf)["look_inside"]
    window = asked.windows[1]
    *_, html = look(asked, 1, "", TEXT, None)
    assert f'data-start="{window.start}"' in html and "Likeliest beginnings" in html
    *_, html = look(asked, 1, TEXT + " more", "", None)
    assert "Ask again" in html
    *_, html = look(None, 1, TEXT, "", None)
    assert "Press Ask" in html
    *_, html = look(replace(asked, name="someone/else"), 1, "", TEXT, None)
    assert 'class="verdict alarm"' in html and "not all may load others" in html


def test_inside_asks_for_tokens_while_open_and_once_for_the_same(shelf: Shelf, asked: Asked) -> None:
    inside = handlers(build_inside, shelf)
    look, cut = inside["look"], inside["cut"]
    assert look(False, QUESTION, "embedded", asked, "", None, "", TEXT) == SKIPPED
    assert "data-wanted" in shown(look(True, QUESTION, "embedded", asked, "", None, "", TEXT), "inside-drawn")
    drawn = cut(QUESTION, "embedded", asked, "", "", TEXT, None)
    assert "reader’s own best span" in shown(drawn, "inside-drawn")
    made_of = next(value for value in drawn.values() if isinstance(value, tuple))
    assert look(True, QUESTION, "embedded", asked, "", made_of, "", TEXT) == SKIPPED
    for question, name, text in ((QUESTION, "embedded", TEXT + "."), ("Who?", "embedded", TEXT), (QUESTION, "x", TEXT)):
        assert "data-wanted" in shown(look(True, question, name, None, "", made_of, "", text), "inside-drawn")
    typed = shown(cut(QUESTION, "embedded", asked, "Rollo swore", "", TEXT[:400], None), "inside-drawn")
    assert "you typed" in typed and '<q dir="auto">Rollo swore</q>' in typed


def test_inside_works_before_anybody_asked(shelf: Shelf) -> None:
    inside = handlers(build_inside, shelf)
    look, cut = inside["look"], inside["cut"]
    assert "Tokens, as the model gets them" in shown(cut(QUESTION, None, None, None, TEXT, "", None), "inside-drawn")
    assert "Type a question" in shown(look(True, "", None, None, None, None, TEXT, ""), "inside-drawn")
    refused = shown(cut("word " * 400, None, None, None, TEXT, "", None), "inside-drawn")
    assert 'class="verdict alarm"' in refused and "Shorten the question" in refused


def test_inside_loads_no_reader_that_is_not_allowed(shelf: Shelf) -> None:
    cut = handlers(build_inside, shelf)["cut"]
    assert "not all may load others" in shown(cut(QUESTION, "someone/else", None, "", "", TEXT, None), "inside-drawn")


def test_a_typed_answer_wins_over_the_known_one_and_that_over_the_readers(asked: Asked) -> None:
    example = next(each for each in load_examples("starter").examples if each.answers)
    gold = example.answers[0]
    once = example.context.split(".")[0]
    assert gold_of(example.question, example.context, asked, once)[0].text == once  # type: ignore[union-attr]
    assert gold_of(example.question, example.context, asked, " ")[0] == gold
    found, says = gold_of(QUESTION, TEXT, asked, "")
    best = asked.answer.best
    assert found is not None and best is not None and (found.text, found.start) == (best.text, best.start)
    assert "reader’s own" in says
    assert gold_of(QUESTION, TEXT, None, "")[0] is None


@pytest.mark.parametrize(("typed", "says"), [("Rollo", "at 3 places"), ("Napoleon", "does not stand in the text")])
def test_a_typed_answer_must_stand_there_once(typed: str, says: str) -> None:
    with pytest.raises(BadData, match=says):
        gold_of(QUESTION, TEXT, None, typed)
