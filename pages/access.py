"""Who may do what: train, evaluate readers of the Hub, import, delete, push.

Hiding a button protects nothing: every event of a Gradio app answers direct HTTP. So each handler that does one
of these things calls `require` first. There are three ways to be allowed:

- ``on``: the app listens on this machine alone, and whoever opens it there may. Since any page in the same browser
  can send requests to it too, they must come from this app's own page and under a loopback name.
- ``owner`` on a Space: the Hub's sign-in says who it is. Only there: elsewhere Gradio mocks the sign-in, and every
  visitor would be the machine's own Hub user.
- ``owner`` elsewhere: whoever has the token of this start. The link with it is printed in the terminal; a browser
  shows it once and gets a cookie for it.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
import time
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

import gradio as gr
from gradio.utils import get_space
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import Request, cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from reader.errors import ReaderboardError
from reader.settings import read_setting

TOKEN = "token"  # the query parameter of the link


class NotAllowed(ReaderboardError):
    """Somebody asked for what only others may do here."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who may do what in this launch of the app; settled once, before it listens.

    ``owners`` are Hub user names and count on a Space only. ``token`` and ``session`` are secrets, "" where nothing
    is to be had with them; the one stands in the printed link, the other in the cookie that it is exchanged for.
    """

    mode: Literal["on", "owner", "off"]
    on_space: bool = False
    sign_in: bool = False  # the Space has the Hub's sign-in, so a LoginButton may be shown
    owners: frozenset[str] = frozenset()
    space_hosts: frozenset[str] = frozenset()  # the names under which the Space is reached
    token: str = field(default="", repr=False)
    session: str = field(default="", repr=False)

    @classmethod
    def of(cls, host: str, share: bool) -> Access:
        """Settle who may do what when the app listens on ``host``; give ``launch`` the same host and share.

        Raises `BadUsage` where READER_TRAINING is none of on, owner and off.
        """
        asked = read_setting("READER_TRAINING")
        if asked == "off":
            return cls("off")
        # Gradio's own test, so that real sign-ins are expected exactly where Gradio does not mock them.
        if get_space() is not None:
            names = [os.environ.get("SPACE_AUTHOR_NAME", ""), *read_setting("READER_OWNERS").split(",")]
            return cls(
                "owner",
                on_space=True,
                sign_in=bool(os.environ.get("OAUTH_CLIENT_ID")),
                owners=frozenset(name.strip() for name in names if name.strip()),
                space_hosts=frozenset(os.environ.get("SPACE_HOST", "").replace(" ", "").split(",")) - {""},
            )
        if asked == "on" and is_loopback(host) and not share:
            return cls("on")
        return cls("owner", token=secrets.token_urlsafe(32), session=secrets.token_urlsafe(32))

    def link(self, url: str) -> str:
        """Return the address to print: with the token where one is needed."""
        return f"{url.rstrip('/')}/?{urlencode({TOKEN: self.token})}" if self.token else url

    def middleware(self) -> list[Middleware]:
        """Return what ``launch(app_kwargs={"middleware": …})`` needs: the exchange of the token for a cookie."""
        return [Middleware(TokenExchange, access=self)] if self.token else []


def require(request: gr.Request | None, access: Access) -> None:
    """Let those pass who may train, evaluate, import, delete and push; raise `NotAllowed` for all others."""
    if not may(request, access):
        raise NotAllowed(why_not(access))


def may(request: gr.Request | None, access: Access) -> bool:
    """Say whether this request may train, evaluate, import, delete and push."""
    # Gradio hands over the web server's own request; one that was pickled for another process tells too little.
    asked = None if request is None else request.request
    if asked is None or access.mode == "off" or not _from_own_page(asked.headers, access):
        return False
    if access.mode == "on":
        return _from_this_machine(asked)
    if access.on_space:
        return access.sign_in and _hub_name(asked) in access.owners
    return _same(_cookie(asked.headers), access.session)


def hub_token(request: gr.Request | None, access: Access) -> str:
    """The Hub token of the very person who asks, "" where they have none here.

    On this machine alone that is the machine's own login; on a Space, the visitor's sign-in, never the Space's own
    token; and elsewhere nobody's, since whoever has the link need not be whoever is logged in.
    """
    asked = None if request is None else request.request
    if asked is None or not may(request, access):
        return ""
    if access.on_space:
        return str((asked.scope.get("session", {}).get("oauth_info") or {}).get("access_token", ""))
    if access.mode == "on":
        from huggingface_hub import get_token

        return get_token() or ""
    return ""


def why_not(access: Access) -> str:
    """Say who may, and what somebody who may not can do about it."""
    if access.mode == "off":
        return "Training is switched off here (READER_TRAINING=off). Readerboard on your own machine trains."
    if access.mode == "on":
        return (
            "Only the machine that Readerboard runs on may do this: open it there, at http://127.0.0.1 or "
            "http://localhost. To do it from elsewhere, start it with READER_TRAINING=owner."
        )
    if not access.on_space:
        return "Only whoever started this Readerboard may do this: open the link with ?token=… that it printed then."
    who = ", ".join(sorted(access.owners)) or "nobody: READER_OWNERS names no one"
    how = "Sign in, or duplicate" if access.sign_in else "The sign-in is off (hf_oauth: true turns it on); duplicate"
    return f"Only this Space's owners may do this ({who}). {how} the Space to have one of your own."


def is_loopback(host: str) -> bool:
    """Say whether this host name or address means this machine alone; 0.0.0.0 means all its networks."""
    name = host.strip("[]")
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _from_own_page(headers: Headers, access: Access) -> bool:
    """Whether no other site's page sent this; browsers say so, and no page can make them lie.

    Gradio answers other sites' requests on purpose, and the Space's cookie travels with them.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = headers.get("origin")
    if origin is None:
        return True  # no browser: a script, which no other site can have sent
    return origin.partition("://")[2] in {headers.get("host", ""), *access.space_hosts} - {""}


def _from_this_machine(request: Request) -> bool:
    """Whether the other end is this machine, under a name that no other site can have.

    A site may let its own name point to 127.0.0.1 and then is, for the browser, the same site as this app; only the
    Host header gives it away. Forwarded addresses tell of a proxy that lets others in.
    """
    if "forwarded" in request.headers:
        return False
    hosts = [request.headers.get("host", ""), *_forwarded(request.headers, "x-forwarded-host")]
    clients = _forwarded(request.headers, "x-forwarded-for") + ([request.client.host] if request.client else [])
    return all(is_loopback(host) for host in [*map(_without_port, hosts), *clients])


def _forwarded(headers: Headers, name: str) -> list[str]:
    return [each.strip() for value in headers.getlist(name) for each in value.split(",")]


def _without_port(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _hub_name(request: Request) -> str:
    """The Hub's name of who signed in, "" for nobody; the web server has checked the session's signature."""
    sign_in = request.scope.get("session", {}).get("oauth_info") or {}
    expires = sign_in.get("expires_at")
    if expires is not None and expires < time.time():
        return ""
    return str(sign_in.get("userinfo", {}).get("preferred_username", ""))


def _cookie(headers: Headers) -> str:
    return cookie_parser(headers.get("cookie", "")).get(_cookie_name(headers), "")


def _cookie_name(headers: Headers) -> str:
    # Browsers share cookies between the ports of a host, so two apps on one machine need two names.
    _, _, port = headers.get("host", "").rpartition(":")
    return f"readerboard-{port if port.isascii() and port.isdigit() else 'session'}"


def _same(shown: str, secret: str) -> bool:
    return bool(secret) and secrets.compare_digest(shown.encode("utf-8", "replace"), secret.encode())


class TokenExchange:
    """Takes the token out of the address of a page and gives the browser a cookie instead.

    So the token stays out of the history, the copied links and the Referer header.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app = app
        self.access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a page's address that holds a token; pass all else on."""
        asked = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        shown = [value for name, value in asked if name == TOKEN]
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] != "/" or not shown:
            await self.app(scope, receive, send)
            return
        response: Response
        if _same(shown[0], self.access.token):
            rest = urlencode([(name, value) for name, value in asked if name != TOKEN])
            response = RedirectResponse(f"?{rest}" if rest else "./", status_code=303)
            response.set_cookie(
                _cookie_name(Headers(scope=scope)),
                self.access.session,
                httponly=True,
                samesite="strict",
                secure=scope.get("scheme") == "https",
            )
        else:
            response = PlainTextResponse(
                "This link is of another start of Readerboard. Open the one that it printed last.", status_code=403
            )
        response.headers["Cache-Control"] = "no-store"
        response.headers["Referrer-Policy"] = "no-referrer"
        await response(scope, receive, send)
