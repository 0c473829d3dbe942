"""A visitor who goes is noticed while the handler still runs."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

from pages.ask.presence import still_there

# In a process of its own: Gradio's server leaves sockets and an event loop behind when it is closed.
APP = """
import threading, gradio as gr
from pages.ask.presence import still_there

def answer(question: str) -> str:
    there = still_there()
    print("asked", there(), flush=True)
    for _ in range(1000):
        if there():
            threading.Event().wait(0.02)
    print("still there" if there() else "gone", flush=True)
    return question

with gr.Blocks(analytics_enabled=False) as demo:
    gr.api(answer, api_name="ask")
_, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False, server_name="127.0.0.1")
print(url, flush=True)
threading.Event().wait(60)
"""


def test_without_an_event_somebody_is_there() -> None:
    assert still_there()()


def test_a_visitor_who_closes_the_browser_is_gone() -> None:
    app = subprocess.Popen(
        [sys.executable, "-c", APP], cwd=Path(__file__).parents[3], stdout=subprocess.PIPE, text=True
    )
    try:
        said = app.stdout
        assert said is not None
        place = said.readline().strip().removeprefix("http://").strip("/")
        body = json.dumps({"data": ["Who?"], "fn_index": 0, "session_hash": "visitor"})
        with closing(HTTPConnection(place, timeout=20)) as joining:
            joining.request("POST", "/gradio_api/queue/join", body, {"Content-Type": "application/json"})
            assert joining.getresponse().status == 200
        with closing(HTTPConnection(place, timeout=20)) as listening:
            listening.request("GET", "/gradio_api/queue/data?session_hash=visitor")
            with closing(listening.getresponse()):
                assert said.readline().split() == ["asked", "True"]
        assert said.readline().strip() == "gone"
    finally:
        app.kill()
        app.communicate()
