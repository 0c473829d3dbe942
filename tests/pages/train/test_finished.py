"""What a finished training is good for: its reader as a zip, and on the Hub with the person's own token."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from starlette.requests import Request

import pages.train.finished
from pages.access import Access, NotAllowed, hub_token
from pages.train.finished import push, zip_of
from reader.errors import BadUsage, JobError
from reader.job_files import Job, State, write_job

HERE = Access("on")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("READER_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    return tmp_path / "home"


def request(client: str = "127.0.0.1", session: dict[str, Any] | None = None) -> gr.Request:
    headers = [(b"host", b"127.0.0.1:7860")]
    scope = {"type": "http", "headers": headers, "client": (client, 50000), "query_string": b""}
    return gr.Request(Request(scope | ({"session": session} if session is not None else {})))


def job(home: Path, state: State = "succeeded") -> Job:
    folder = home / "jobs" / "20260101-120001-00000a"
    (folder / "reader").mkdir(parents=True)
    (folder / "config.json").write_text('{"kind": "train", "base": "embedded", "data": ["starter"]}')
    for name in ("config.json", "model.safetensors", "README.md"):
        (folder / "reader" / name).write_text("{}")
    made = Job(folder.name, folder, "train", {}, state)
    write_job(made)
    return made


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What would be pushed; publishing itself is tested in test_publish."""
    calls: list[tuple[Any, ...]] = []

    def push_reader(folder: Path, name: str, token: str, *, private: bool) -> str:
        calls.append((folder, name, token, private))
        return f"https://huggingface.co/me/{name}"

    monkeypatch.setattr(pages.train.finished, "push_reader", push_reader)
    return calls


def test_a_reader_is_zipped_for_those_who_may(home: Path) -> None:
    done = job(home)
    with zipfile.ZipFile(zip_of(done.id, request(), HERE)) as packed:
        assert len(packed.namelist()) == 3
    for who, access in ((request("10.0.0.9"), HERE), (request(), Access("off"))):
        with pytest.raises(NotAllowed):
            zip_of(done.id, who, access)
        with pytest.raises(NotAllowed):
            push(done.id, "mine", "hf_x", True, who, access)


@pytest.mark.parametrize("state", ["running", "failed"])
def test_what_is_not_finished_is_not_given_away(state: State, home: Path) -> None:
    made = job(home, state)
    with pytest.raises(JobError, match="no finished reader"):
        zip_of(made.id, request(), HERE)


def test_a_reader_is_pushed_with_the_token_that_was_entered(home: Path, sent: list[tuple[Any, ...]]) -> None:
    done = job(home)
    said = push(done.id, " mine ", " hf_entered ", True, request(), HERE)
    assert sent == [(done.folder / "reader", "mine", "hf_entered", True)]
    assert 'href="https://huggingface.co/me/mine"' in said and "Only you can see it" in said
    assert "hf_entered" not in said
    assert "Only you" not in push(done.id, "mine", "hf_entered", False, request(), HERE)
    assert sent[-1][-1] is False


def test_without_a_token_nothing_is_pushed(home: Path, sent: list[tuple[Any, ...]]) -> None:
    with pytest.raises(BadUsage, match="There is no token"):
        push(job(home).id, "mine", "", True, request(), HERE)
    assert sent == []


def test_ones_own_sign_in_is_taken_and_nobody_else_s(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.get_token", lambda: "hf_of_the_machine")
    assert hub_token(request(), HERE) == "hf_of_the_machine"
    space = Access("owner", on_space=True, sign_in=True, owners=frozenset({"ada"}))
    info = {"userinfo": {"preferred_username": "ada"}, "access_token": "hf_ada"}
    assert hub_token(request("10.0.0.9", {"oauth_info": info}), space) == "hf_ada"
    info["userinfo"] = {"preferred_username": "eve"}
    assert hub_token(request("10.0.0.9", {"oauth_info": info}), space) == ""
    assert hub_token(request(), Access("owner", token="t", session="s")) == ""
    assert hub_token(request("10.0.0.9"), HERE) == ""
