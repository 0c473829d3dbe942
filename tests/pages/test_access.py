"""Who may do what: the three modes, the ways in, and the ways in that are none."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import gradio as gr
import pytest
from gradio.helpers import special_args
from gradio.routes import App
from starlette.requests import Request
from starlette.testclient import TestClient

from pages.access import Access, NotAllowed, is_loopback, may, require, why_not
from reader.errors import BadUsage

SPACE = {
    "SYSTEM": "spaces",
    "SPACE_ID": "ada/readerboard",
    "SPACE_AUTHOR_NAME": "ada",
    "SPACE_HOST": "ada-readerboard.hf.space",
    "OAUTH_CLIENT_ID": "an id",
    "READER_OWNERS": "grace, alan",
}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*SPACE, "READER_TRAINING"]:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def space(monkeypatch: pytest.MonkeyPatch) -> Access:
    for name, value in SPACE.items():
        monkeypatch.setenv(name, value)
    return Access.of("0.0.0.0", share=False)


def request(session: dict[str, Any] | None = None, client: str = "127.0.0.1", **headers: str) -> gr.Request:
    """What a handler gets: Gradio's request around the web server's; ``_`` in a header's name stands for ``-``."""
    sent = {"host": "127.0.0.1:7860", **{name.replace("_", "-"): value for name, value in headers.items()}}
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/gradio_api/queue/join",
        "query_string": b"",
        "client": (client, 50000),
        "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
        **({"session": session} if session is not None else {}),
    }
    return gr.Request(Request(scope))


def signed_in(name: str, expires_in: float = 3600) -> dict[str, Any]:
    user = {"preferred_username": name, "name": "A Name", "profile": "", "picture": ""}
    return {"oauth_info": {"userinfo": user, "expires_at": time.time() + expires_in}}


# Which mode


@pytest.mark.parametrize(
    ("setting", "host", "share", "mode"),
    [
        (None, "127.0.0.1", False, "on"),
        ("on", "localhost", False, "on"),
        ("on", "::1", False, "on"),
        ("on", "127.0.0.1", True, "owner"),
        ("on", "0.0.0.0", False, "owner"),
        ("on", "::", False, "owner"),
        ("on", "192.168.0.7", False, "owner"),
        ("on", "example.org", False, "owner"),
        ("owner", "127.0.0.1", False, "owner"),
        ("off", "127.0.0.1", False, "off"),
    ],
)
def test_training_is_on_only_for_this_machine(
    setting: str | None, host: str, share: bool, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if setting is not None:
        monkeypatch.setenv("READER_TRAINING", setting)
    access = Access.of(host, share)
    assert access.mode == mode
    assert bool(access.token) == bool(access.session) == (mode == "owner")


def test_a_wrong_setting_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("READER_TRAINING", "everybody")
    with pytest.raises(BadUsage, match="everybody"):
        Access.of("127.0.0.1", share=False)


def test_a_space_is_never_open_to_all(space: Access) -> None:
    assert (space.mode, space.on_space, space.sign_in, space.token) == ("owner", True, True, "")
    assert space.owners == {"ada", "grace", "alan"}
    assert Access.of("127.0.0.1", share=False).mode == "owner"


def test_where_gradio_would_mock_the_sign_in_it_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    # SPACE_ID alone makes no Space for Gradio, which would then sign everybody in as the machine's own user.
    for name in set(SPACE) - {"SYSTEM"}:
        monkeypatch.setenv(name, SPACE[name])
    access = Access.of("0.0.0.0", share=False)
    assert not access.on_space and not access.sign_in and access.token
    assert not may(request(signed_in("ada")), access)


def test_secrets_are_new_at_each_start_and_not_shown() -> None:
    one, other = Access.of("0.0.0.0", share=False), Access.of("0.0.0.0", share=False)
    assert len({one.token, one.session, other.token, other.session}) == 4
    assert len(one.token) >= 32
    assert one.token not in repr(one) and one.session not in repr(one)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "127.0.0.1.evil.org", "localhost.evil.org", "10.0.0.1", "evil"])
def test_what_is_not_loopback(host: str) -> None:
    assert not is_loopback(host)


# On


def test_on_lets_the_own_page_and_local_scripts_in() -> None:
    access = Access("on")
    assert may(request(sec_fetch_site="same-origin", origin="http://127.0.0.1:7860"), access)
    assert may(request(origin="http://127.0.0.1:7860"), access), "a browser without Sec-Fetch-Site"
    assert may(request(host="localhost:7860"), access), "a script"
    assert may(request(host="[::1]:7860", client="::1"), access)
    require(request(), access)


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        ({"sec_fetch_site": "cross-site", "origin": "https://evil.org"}, "another site"),
        ({"sec_fetch_site": "same-site", "origin": "http://127.0.0.1:9999"}, "another app of this machine"),
        ({"sec_fetch_site": "none"}, "an address typed in"),
        ({"origin": "https://evil.org"}, "another site, in a browser without Sec-Fetch-Site"),
        ({"origin": "http://127.0.0.1:9999"}, "another port"),
        ({"origin": "null"}, "a sandboxed frame"),
        ({"origin": "null", "host": ""}, "a sandboxed frame, without a host"),
        ({"host": "evil.org:7860", "sec_fetch_site": "same-origin", "origin": "http://evil.org:7860"}, "rebound name"),
        ({"host": "127.0.0.1.evil.org"}, "rebound name"),
        ({"host": "["}, "no host at all"),
        ({"client": "192.168.0.7"}, "another machine"),
        ({"x_forwarded_for": "203.0.113.9"}, "a proxy"),
        ({"x_forwarded_for": "127.0.0.1, 203.0.113.9"}, "a proxy"),
        ({"x_forwarded_host": "readers.example.org"}, "a proxy"),
        ({"forwarded": "for=203.0.113.9"}, "a proxy"),
    ],
)
def test_on_keeps_everybody_else_out(sent: dict[str, str], why: str) -> None:
    assert not may(request(**sent), Access("on")), why
    with pytest.raises(NotAllowed, match="http://localhost"):
        require(request(**sent), Access("on"))


def test_without_a_request_nobody_is_let_in() -> None:
    assert not may(None, Access("on"))
    assert not may(gr.Request(headers={"host": "127.0.0.1"}), Access("on")), "one that was pickled"


def test_off_is_off_for_all() -> None:
    assert not may(request(), Access("off"))
    assert "READER_TRAINING=off" in why_not(Access("off"))


# Owner, on a Space


@pytest.mark.parametrize(
    ("session", "allowed"),
    [
        (signed_in("ada"), True),
        (signed_in("grace"), True),
        (signed_in("mallory"), False),
        (signed_in(""), False),
        (signed_in("ada", expires_in=-1), False),
        ({}, False),
        ({"oauth_info": None}, False),
        (None, False),
    ],
)
def test_a_space_lets_its_owners_in(session: dict[str, Any] | None, allowed: bool, space: Access) -> None:
    asked = request(session, host="ada-readerboard.hf.space", sec_fetch_site="same-origin")
    assert may(asked, space) == allowed


def test_the_name_is_the_one_that_gradio_itself_reads() -> None:
    def handler(profile: gr.OAuthProfile | None) -> None: ...

    inputs, *_ = special_args(handler, [], request(signed_in("ada")))
    assert inputs[0].username == "ada", "else Gradio keeps sign-ins elsewhere now, and owners are shut out"


@pytest.mark.parametrize(
    ("sent", "allowed"),
    [
        ({"host": "10.0.0.1", "origin": "https://ada-readerboard.hf.space"}, True),
        ({"sec_fetch_site": "cross-site", "origin": "https://evil.org"}, False),
        ({"origin": "https://evil.org"}, False),
        ({"origin": "https://evil.org", "x_forwarded_host": "evil.org"}, False),
    ],
)
def test_another_site_cannot_use_an_owners_sign_in(sent: dict[str, str], allowed: bool, space: Access) -> None:
    assert may(request(signed_in("ada"), **sent), space) == allowed


def test_a_space_without_sign_in_says_so(monkeypatch: pytest.MonkeyPatch, space: Access) -> None:
    assert "Sign in" in why_not(space) and "ada" in why_not(space)
    monkeypatch.delenv("OAUTH_CLIENT_ID")
    access = Access.of("0.0.0.0", share=False)
    assert "hf_oauth: true" in why_not(access)
    assert not may(request(signed_in("ada")), access)


# Owner, elsewhere: a real Gradio app, over HTTP


@pytest.fixture
def access() -> Access:
    return Access.of("0.0.0.0", share=False)


@pytest.fixture
def browser(access: Access) -> TestClient:
    def train(request: gr.Request) -> str:
        require(request, access)
        return "trained"

    async def build() -> App:
        with gr.Blocks() as demo:
            gr.Button().click(train, outputs=gr.Textbox(), api_name="train", queue=False)
        return App.create_app(demo, app_kwargs={"middleware": access.middleware()})

    # Within a running loop, since Gradio opens loops that it never closes where there is none.
    return TestClient(asyncio.run(build()), base_url="http://192.168.0.7:7860", follow_redirects=False)


def trains(browser: TestClient, **headers: str) -> bool:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = browser.post("/gradio_api/run/train", json={"data": []}, headers=sent)
    return answer.status_code == 200 and answer.json()["data"] == ["trained"]


def test_the_link_lets_a_browser_in_and_the_token_leaves_the_address(browser: TestClient, access: Access) -> None:
    assert not trains(browser)
    link = access.link("http://192.168.0.7:7860/")
    answer = browser.get(f"{link}&tab=train")
    assert (answer.status_code, answer.headers["location"]) == (303, "?tab=train")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie
    assert access.token not in cookie
    assert trains(browser)
    assert trains(browser, sec_fetch_site="same-origin")
    assert not trains(browser, sec_fetch_site="cross-site", origin="https://evil.org")


@pytest.mark.parametrize("shown", ["wrong", "", "é", "%00"])
def test_a_wrong_token_opens_nothing(shown: str, browser: TestClient) -> None:
    answer = browser.get("/", params={"token": shown})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    assert not trains(browser)


@pytest.mark.parametrize("cookie", ["", "readerboard-7860=", "readerboard-7860=wrong", "readerboard-7860=é"])
def test_a_made_up_cookie_opens_nothing(cookie: str, browser: TestClient) -> None:
    answer = browser.post("/gradio_api/run/train", json={"data": []}, headers={"cookie": cookie.encode()})
    assert answer.status_code == 500


def test_the_token_itself_is_no_cookie_and_needs_its_exchange(browser: TestClient, access: Access) -> None:
    assert not trains(browser, cookie=f"readerboard-7860={access.token}")
    asked = browser.post(f"/gradio_api/run/train?token={access.token}", json={"data": []})
    assert asked.status_code == 500


def test_no_token_where_none_is_needed() -> None:
    access = Access.of("127.0.0.1", share=False)
    assert access.link("http://127.0.0.1:7860/") == "http://127.0.0.1:7860/"
    assert access.middleware() == []
