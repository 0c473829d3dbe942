"""The section of the readers: who sees and may do what, and what is shown of a reader here and on the Hub."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from starlette.requests import Request

from pages.access import Access, NotAllowed
from pages.ask.reader_cards import card, fetching, listing, size
from pages.ask.reader_shelf import build, remove_cached, unload
from pages.readers import Shelf
from reader.errors import BadUsage
from reader.hub_readers import HubReader
from tests.hub_stand_in import COMMIT, put_in_cache
from tests.pages.test_readers import put_job
from tests.test_inventory import OTHER, make

HERE = Access("on")
JOB = "20260102-030405-abcdef"

FOUND = HubReader(
    id="org/<qa>",
    revision="",
    commit=COMMIT,
    task="question answering",
    architecture="BertForQuestionAnswering",
    files=("config.json", "model.safetensors"),
    weights=("model.safetensors",),
    bytes=496_000_000,
    parameters=124_000_000,
    downloads=612_345,
    licence="cc-by-4.0",
    languages=("en",),
    modified=1727337600.0,
    gated=False,
)


class Loaded:
    parameters = 1_000_000
    precision = "fp32"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("READER_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "home"


@pytest.fixture
def cached(tmp_path: Path) -> Path:
    put_in_cache(tmp_path / "cache", "org/qa", make(tmp_path / "qa"))
    return put_in_cache(tmp_path / "cache", "org/other", make(tmp_path / "other", seed=1), OTHER)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf(lambda name: Loaded())  # type: ignore[arg-type, return-value]


def asked_by(client: str = "127.0.0.1") -> gr.Request:
    headers = [(b"host", b"127.0.0.1:7860")]
    return gr.Request(Request({"type": "http", "headers": headers, "client": (client, 1), "query_string": b""}))


def buttons(html: str) -> list[tuple[str, str]]:
    return re.findall(r'data-act="(\w+)" data-name="([^"]+)"', html)


def test_visitors_see_what_they_may_ask(home: Path, cached: Path, shelf: Shelf) -> None:
    put_job(home, JOB, "succeeded")
    make(home / "readers" / "mine")
    seen = listing(shelf, False)
    # The trained one of this test holds no weights.
    assert buttons(seen) == [("ask", "embedded"), ("ask", "readers/mine")]
    assert f"?tab=train&amp;job={JOB}" in seen or f"?tab=train&job={JOB}" in seen
    assert "model.safetensors is missing." in seen
    assert str(home) not in seen and "org/qa" not in seen
    shelf.take("org/qa")
    assert ("ask", "org/qa") in buttons(listing(shelf, False)), "whoever may ask it may see it"


def test_whoever_may_train_sees_the_cache_and_may_clear_it(cached: Path, shelf: Shelf) -> None:
    shelf.take("org/qa")
    assert buttons(listing(shelf, True)) == [
        ("ask", "embedded"),
        ("ask", "org/other"),
        ("sure", "org/other"),
        ("remove", "org/other"),
        ("keep", "org/other"),
        ("ask", "org/qa"),
        ("unload", "org/qa"),
        ("sure", "org/qa"),
        ("remove", "org/qa"),
        ("keep", "org/qa"),
    ]


def test_the_list_tells_what_is_loaded_and_how_much_it_holds(home: Path, shelf: Shelf) -> None:
    mine = make(home / "readers" / "mine")
    assert listing(shelf, False).count("None is loaded yet") == 1
    shelf.take(str(mine))
    seen = listing(shelf, False)
    assert "1 loaded, holding 4.0\u00a0MB of memory. At most 2 stay loaded" in seen
    assert seen.count("loaded, 4.0\u00a0MB of memory") == 1
    assert buttons(seen) == [("ask", "embedded"), ("ask", "readers/mine")]


def test_a_folder_elsewhere_is_shown_to_who_may_load_it_only(tmp_path: Path, shelf: Shelf) -> None:
    folder = str(make(tmp_path / "elsewhere"))
    shelf.take(folder)
    assert ("unload", folder) in buttons(listing(shelf, True))
    assert folder not in listing(shelf, False)


def test_unloading(home: Path, shelf: Shelf) -> None:
    mine = make(home / "readers" / "mine")
    shelf.take(str(mine))
    with pytest.raises(NotAllowed):
        unload("readers/mine", shelf, asked_by("10.0.0.7"), HERE)
    assert shelf.holds(str(mine))
    assert unload("readers/mine", shelf, asked_by(), HERE) == "readers/mine is unloaded."
    assert not shelf.holds(str(mine))


def test_removing_drops_the_reader_too_and_the_other_stays(cached: Path, shelf: Shelf) -> None:
    shelf.take("org/other")
    shelf.take("org/qa")
    for request, access in ((asked_by("10.0.0.7"), HERE), (asked_by(), Access("off")), (None, HERE)):
        with pytest.raises(NotAllowed):
            remove_cached("org/other", shelf, request, access)
    assert cached.exists()
    says = remove_cached("org/other", shelf, asked_by(), HERE)
    assert re.fullmatch(r"org/other was removed: \d+\u00a0kB are free again\.", says)
    assert not cached.exists() and not shelf.holds("org/other") and shelf.holds("org/qa")
    assert "org/other" not in listing(shelf, True) and "org/qa" in listing(shelf, True)


def test_a_trained_reader_goes_with_its_job(home: Path, shelf: Shelf) -> None:
    put_job(home, JOB, "succeeded")
    with pytest.raises(BadUsage, match="goes with its job"):
        remove_cached(f"jobs/{JOB}/reader", shelf, asked_by(), HERE)
    assert (home / "jobs" / JOB / "reader").is_dir()


def test_what_was_looked_up_is_told_and_escaped() -> None:
    seen = card(FOUND)
    for fact in (
        "org/&lt;qa&gt;",
        "496\u00a0MB in 2 files",
        "124\u00a0M parameters",
        "cc-by-4.0",
        "612,345",
        "It fits",
    ):
        assert fact in seen
    refused = replace(FOUND, refusal="Too <large>.")
    assert "Too &lt;large&gt;." in card(refused) and "It fits" not in card(refused)


def test_how_far_a_fetch_is() -> None:
    seen = fetching(FOUND, 124_000_000)
    assert "124\u00a0MB of 496\u00a0MB" in seen and 'value="124000000" max="496000000"' in seen


@pytest.mark.parametrize(
    ("count", "says"), [(0, "0\u00a0kB"), (17_400, "17\u00a0kB"), (1_530_000, "1.5\u00a0MB"), (1.5e9, "1,500\u00a0MB")]
)
def test_sizes(count: int, says: str) -> None:
    assert size(count) == says


# The handlers, as direct HTTP calls them


@pytest.fixture(scope="module")
def section() -> tuple[dict[str, Callable[..., Any]], Shelf]:
    """The section's handlers by name, and the shelf that they share."""
    shelf = Shelf(lambda name: Loaded())  # type: ignore[arg-type, return-value]

    async def made() -> gr.Blocks:
        with gr.Blocks(analytics_enabled=False) as demo, gr.Tab("Readers") as tab:
            # All that the section needs of what stands on the tab.
            standing = SimpleNamespace(reader=gr.Dropdown(["embedded"], allow_custom_value=True))
            build(demo, tab, standing, HERE, shelf)  # type: ignore[arg-type]
        return demo

    return {fn.fn.__name__: fn.fn for fn in asyncio.run(made()).fns.values() if fn.fn is not None}, shelf


@pytest.fixture
def handlers(section: tuple[dict[str, Callable[..., Any]], Shelf]) -> dict[str, Callable[..., Any]]:
    return section[0]


def changed(changes: dict[Any, Any], elem_id: str) -> Any:
    return next((value for part, value in changes.items() if part.elem_id == elem_id), None)


def event(**data: Any) -> gr.EventData:
    return gr.EventData(None, data)


def test_asking_one_of_the_list_names_it_and_counts(handlers: dict[str, Callable[..., Any]]) -> None:
    changes = handlers["act"](("embedded", 4), event(act="ask", name="embedded"), asked_by())
    assert ("embedded", 5) in changes.values() and "embedded" in changes.values()


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"act": "ask", "name": "org/none"},
        {"act": "remove", "name": ["x"]},
        {"act": "remove", "name": "org/qa"},
        {"act": "unload", "name": "embedded"},
    ],
)
def test_others_get_a_sentence_whatever_they_send(
    handlers: dict[str, Callable[..., Any]], cached: Path, data: dict[str, Any]
) -> None:
    changes = handlers["act"](("", 0), event(**data), asked_by("10.0.0.7"))
    assert "alarm" in changed(changes, "shelf-says")
    assert "org/qa" not in changed(changes, "shelf-list")
    assert (cached.parent / "models--org--qa").exists()


def test_an_act_that_is_none_does_nothing(handlers: dict[str, Callable[..., Any]]) -> None:
    assert handlers["act"](("", 0), event(act="burn", name="embedded"), asked_by()) == gr.skip()


def test_others_cannot_fetch(handlers: dict[str, Callable[..., Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pages.ask.reader_shelf.look_up", lambda *name, **token: pytest.fail("asked the Hub"))
    (changes,) = handlers["fetch_and_ask"]("org/qa", ("", 0), asked_by("10.0.0.7"))
    assert "Only the machine that Readerboard runs on may do this" in changed(changes, "shelf-found")


def test_a_fetch_ends_with_the_reader_picked(
    section: tuple[dict[str, Callable[..., Any]], Shelf], monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers, shelf = section
    monkeypatch.setattr("pages.ask.reader_shelf.look_up", lambda name, token: FOUND)
    monkeypatch.setattr("pages.ask.reader_shelf.fetch", lambda found, token: iter([0, 496_000_000]))
    monkeypatch.setattr("pages.ask.reader_shelf.hub_token", lambda request, access: "")
    *going, done = handlers["fetch_and_ask"](FOUND.name, ("", 0), asked_by())
    assert [bool(re.search("Fetching|Loading", changed(each, "shelf-found"))) for each in going] == [True] * 3
    assert (FOUND.name, 1) in done.values() and shelf.holds(FOUND.name)


@pytest.mark.parametrize("wanted", [None, "", 3, "x" * 301, "a\nb"])
def test_what_is_no_name_is_not_looked_up(handlers: dict[str, Callable[..., Any]], wanted: object) -> None:
    assert "Type the Hub id of a reader" in changed(handlers["look"](wanted, asked_by()), "shelf-found")


@pytest.mark.parametrize(("client", "token"), [("127.0.0.1", "mine"), ("10.0.0.7", False)])
def test_the_login_of_this_machine_is_for_this_machine(
    handlers: dict[str, Callable[..., Any]], monkeypatch: pytest.MonkeyPatch, client: str, token: object
) -> None:
    tokens: list[object] = []
    monkeypatch.setattr("huggingface_hub.get_token", lambda: "mine")
    found = replace(FOUND, id="org/qa")
    monkeypatch.setattr("pages.ask.reader_shelf.look_up", lambda name, token: tokens.append(token) or found)
    changes = handlers["look"]("org/qa", asked_by(client))
    assert tokens == [token]
    assert changed(changes, "shelf-fetch").visible is (client == "127.0.0.1")


def test_offline_the_sentence_says_so(handlers: dict[str, Callable[..., Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    says = changed(handlers["look"]("org/qa", asked_by()), "shelf-found")
    assert "org/qa is on the Hugging Face Hub, and the environment says to stay offline" in says
