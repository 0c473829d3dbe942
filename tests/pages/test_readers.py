"""The shelf loads each reader once and keeps a few; visitors name only what they may."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import gradio as gr
import pytest

from pages.access import Access, NotAllowed
from pages.readers import EMBEDDED, Shelf, find_reader, label_of, list_readers
from reader.errors import BadReader, OutOfMemory
from reader.job_files import Job, write_job

VISITORS = Access("off")


class Loads:
    """Counts what is loaded, and takes its time."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.names: list[str] = []
        self.seconds = seconds

    def __call__(self, name: str) -> str:
        self.names.append(name)
        time.sleep(self.seconds)
        return f"reader {name}"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("READER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("READER_LOADED", "2")
    return tmp_path / "home"


def put_reader(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    return folder


def test_a_reader_is_loaded_once() -> None:
    loads = Loads()
    shelf = Shelf(loads)  # type: ignore[arg-type]
    assert not shelf.holds("a")
    assert shelf.take("a") is shelf.take("a")
    assert shelf.holds("a") and loads.names == ["a"]


def test_two_visitors_at_once_load_it_once() -> None:
    loads = Loads(seconds=0.1)
    shelf = Shelf(loads)  # type: ignore[arg-type]
    taken: list[object] = []
    visitors = [threading.Thread(target=lambda: taken.append(shelf.take("a"))) for _ in range(4)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert loads.names == ["a"] and taken == ["reader a"] * 4


def test_the_least_recently_asked_goes_first() -> None:
    loads = Loads()
    shelf = Shelf(loads)  # type: ignore[arg-type]
    for name in ("a", "b", "a", "c"):
        shelf.take(name)
    assert [shelf.holds(name) for name in ("a", "b", "c")] == [True, False, True]


def test_a_reader_that_does_not_load_leaves_the_shelf_as_it_was() -> None:
    def refuse(name: str) -> str:
        raise BadReader(f"There is no {name}.")

    shelf = Shelf(refuse)  # type: ignore[arg-type]
    for _ in range(2):
        with pytest.raises(BadReader, match="There is no a"):
            shelf.take("a")
    assert not shelf.holds("a")


def test_everybody_may_name_the_embedded_reader_and_those_trained_here(home: Path) -> None:
    trained = put_reader(home / "jobs" / "1" / "reader")
    assert find_reader("", Shelf(), None, VISITORS) == EMBEDDED
    assert find_reader("embedded", Shelf(), None, VISITORS) == EMBEDDED
    assert find_reader("jobs/1/reader", Shelf(), None, VISITORS) == str(trained)
    assert find_reader(str(trained), Shelf(), None, VISITORS) == str(trained)
    assert label_of(str(trained)) == "job 1"


@pytest.mark.parametrize("name", ["jobs/../../outside", "{outside}", "../outside", "deepset/roberta", "jobs/2/reader"])
def test_visitors_may_name_nothing_else(name: str, home: Path) -> None:
    outside = put_reader(home.parent / "outside")
    with pytest.raises(NotAllowed, match="is not one of the readers here"):
        find_reader(name.format(outside=outside), Shelf(), None, VISITORS)


def test_a_link_under_the_home_leads_out_of_it_in_vain(home: Path) -> None:
    outside = put_reader(home.parent / "outside")
    (home / "jobs").mkdir(parents=True)
    (home / "jobs" / "link").symlink_to(outside)
    with pytest.raises(NotAllowed):
        find_reader("jobs/link", Shelf(), None, VISITORS)


def test_whoever_may_train_may_load_from_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pages.readers.may", lambda request, access: True)
    owner = Access("owner", session="secret")
    assert find_reader("deepset/roberta@main", Shelf(), None, owner) == "deepset/roberta@main"
    with pytest.raises(BadReader, match="or a Hub id"):
        find_reader("/etc", Shelf(), None, owner)
    assert find_reader("/etc", Shelf(), None, Access("on")) == "/etc"


def test_a_reader_that_is_loaded_may_be_asked_by_all() -> None:
    shelf = Shelf(Loads())  # type: ignore[arg-type]
    shelf.take("deepset/roberta")
    assert find_reader("deepset/roberta", shelf, None, VISITORS) == "deepset/roberta"


@pytest.mark.parametrize("name", ["a\0b", "x" * 301, 3, ["embedded"]])
def test_what_is_no_name_is_refused(name: object) -> None:
    with pytest.raises(BadReader, match="not the name of a reader"):
        find_reader(name, Shelf(), None, Access("on"))  # type: ignore[arg-type]


def put_job(home: Path, job_id: str, state: str, reader: bool = True) -> None:
    folder = home / "jobs" / job_id
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"kind": "train", "data": ["/data/my.csv", "org/set:train"]}')
    write_job(Job(job_id, folder, "train", {}, state, created=1.0))  # type: ignore[arg-type]
    if reader:
        put_reader(folder / "reader")


def test_the_list_holds_the_embedded_reader_and_what_training_left(home: Path) -> None:
    put_job(home, "20260101-000000-aaaaaa", "succeeded")
    put_job(home, "20260102-000000-bbbbbb", "succeeded")
    put_job(home, "20260103-000000-cccccc", "failed")
    put_job(home, "20260104-000000-dddddd", "succeeded", reader=False)
    assert [(choice.label, choice.name) for choice in list_readers()] == [
        ("embedded", "embedded"),
        ("trained on my.csv, set:train · 20260102-000000-bbbbbb", "jobs/20260102-000000-bbbbbb/reader"),
        ("trained on my.csv, set:train · 20260101-000000-aaaaaa", "jobs/20260101-000000-aaaaaa/reader"),
    ]


def test_every_name_in_the_list_may_be_asked_by_all(home: Path) -> None:
    put_job(home, "20260101-000000-aaaaaa", "succeeded")
    for choice in list_readers():
        assert find_reader(choice.name, Shelf(), None, VISITORS)


def test_requests_of_gradio_are_what_access_expects() -> None:
    assert hasattr(gr.Request(), "request")


# What goes and what is gone


class Reader:
    """As much of a reader as the shelf looks at."""

    parameters = 1_000
    precision = "bf16"


def test_what_is_loaded_is_told_with_its_memory_and_can_be_let_go() -> None:
    shelf = Shelf(lambda name: Reader())  # type: ignore[arg-type, return-value]
    shelf.take("a")
    shelf.take("b")
    shelf.take("a")
    assert [(each.name, each.bytes) for each in shelf.loaded()] == [("a", 2_000), ("b", 2_000)]
    assert shelf.drop("b") and not shelf.drop("b")
    assert not shelf.holds("b") and shelf.holds("a")


def test_a_reader_that_was_retrained_in_its_folder_is_loaded_anew(home: Path) -> None:
    folder = put_reader(home / "mine")
    loads = Loads()
    shelf = Shelf(loads)  # type: ignore[arg-type]
    shelf.take(str(folder))
    shelf.take(str(folder))
    (folder / "model.safetensors").write_bytes(b"weights")
    assert not shelf.holds(str(folder))
    shelf.take(str(folder))
    assert loads.names == [str(folder)] * 2


def test_a_reader_whose_folder_is_gone_is_not_loaded_any_more(home: Path) -> None:
    folder = put_reader(home / "mine")
    shelf = Shelf(Loads())  # type: ignore[arg-type]
    shelf.take(str(folder))
    (folder / "config.json").unlink()
    assert not shelf.holds(str(folder)) and shelf.loaded() == []
    with pytest.raises(NotAllowed):
        find_reader(str(folder), shelf, None, VISITORS)


def test_what_cannot_be_loaded_is_told_without_its_place(home: Path) -> None:
    kept, trained = put_reader(home / "readers" / "mine"), put_reader(home / "jobs" / "1" / "reader")
    with pytest.raises(BadReader, match=r"^readers/mine holds no weights"):
        Shelf().take(str(kept))
    (trained / "config.json").unlink()
    with pytest.raises(BadReader, match=r"^There is no reader job 1, or not any more\. Pick another one\.$"):
        Shelf().take(str(trained))


def test_a_full_memory_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(name: str) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr("reader.predictor.ExtractiveReader.from_pretrained", fill)
    with pytest.raises(OutOfMemory, match="not enough memory for embedded"):
        Shelf().take("embedded")


def test_who_wants_another_reader_does_not_wait_for_a_fetch() -> None:
    fetched, asked = threading.Event(), threading.Event()

    def fetch(name: str) -> None:
        if name == "of the Hub":
            asked.set()
            assert fetched.wait(10)

    shelf = Shelf(Loads(), fetch)  # type: ignore[arg-type]
    slow = threading.Thread(target=shelf.take, args=("of the Hub",))
    slow.start()
    assert asked.wait(10)
    shelf.take("here")
    assert not shelf.holds("of the Hub")
    fetched.set()
    slow.join(10)
    assert shelf.holds("of the Hub") and shelf.holds("here")


def test_two_visitors_with_two_readers_get_their_own() -> None:
    shelf = Shelf(Loads(seconds=0.05))  # type: ignore[arg-type]
    taken: dict[str, object] = {}
    visitors = [threading.Thread(target=lambda name=name: taken.update({name: shelf.take(name)})) for name in "abc"]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert taken == {name: f"reader {name}" for name in "abc"}
    assert sum(shelf.holds(name) for name in "abc") == 2
