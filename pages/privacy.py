"""Nothing leaves: the browser is told, in every answer, to fetch from this server and from nowhere else.

Gradio has links, fonts and widgets that lead elsewhere, and so may any version of it to come.
"""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Gradio's own code is inline and compiles its HTML templates; charts draw through blobs and data URLs.
POLICY = "; ".join(
    (
        "default-src 'self' data: blob:",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "form-action 'self'",
        "object-src 'none'",
    )
)


class FromHereOnly:
    """Adds the policy to every answer of the app around which it is put."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and its answer back with the policy."""

        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Content-Security-Policy"] = POLICY
            await send(message)

        await self.app(scope, receive, send_with_policy if scope["type"] == "http" else send)


def middleware() -> list[Middleware]:
    """For FastAPI's ``middleware``."""
    return [Middleware(FromHereOnly)]
