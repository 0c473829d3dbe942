"""A real chromium in front of the real app, which runs as a process of its own with an empty READER_HOME."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

ROOT = Path(__file__).parents[2]
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 60_000  # ms; a busy machine with two cores starts torch slowly


@dataclass(frozen=True, slots=True)
class App:
    """The running app: where it listens, and its READER_HOME."""

    url: str
    home: Path

    def link(self, **parameters: str) -> str:
        """An address of the page with its query parameters."""
        return f"{self.url}?{urlencode(parameters)}"


@pytest.fixture(scope="package")
def chromium() -> str:
    """The browser's program; tests that need it are skipped where there is none."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("needs chromium")
    return program


@pytest.fixture(scope="package")
def running_app(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app, started once for all browser tests."""
    home = tmp_path_factory.mktemp("home")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {"READER_HOME": str(home), "READER_TRAINING": "on", "PYTHONUNBUFFERED": "1"}
    log = home.parent / "app.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "app.py", "--port", str(port)],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until_open(process, log)
        yield App(f"http://127.0.0.1:{port}/", home)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_open(process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(PATIENCE // 200):
        said = log.read_text("utf-8", "replace")
        if "Readerboard is open at" in said:
            return
        if process.poll() is not None:
            break
        threading.Event().wait(0.2)
    pytest.fail(f"The app did not open:\n{log.read_text('utf-8', 'replace')}")


@pytest.fixture(scope="package")
def browser(chromium: str) -> Iterator[Browser]:
    """One browser for the tests of this folder only: Playwright's event loop would be in the way of others."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def open_page(running_app: App, browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open the app in a fresh window: ``open_page(width=390, tab="ask", …)``, the rest being query parameters.

    After the test: nothing was asked of any other host, and the browser's console holds no error.
    """
    elsewhere: list[str] = []
    errors: list[str] = []

    def note_request(request: Request) -> None:
        if not request.url.startswith((running_app.url, "data:", "blob:")):
            elsewhere.append(request.url)

    def open_one(width: int = 1280, height: int = 900, **parameters: str) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height})
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("request", note_request)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.goto(running_app.link(**parameters))
        return page

    expect.set_options(timeout=PATIENCE)
    yield open_one
    # What a page asks for while it is being closed fails, which is no fault of the page.
    before_closing = list(errors)
    for context in browser.contexts:
        context.close()
    assert elsewhere == []
    assert before_closing == []
