"""The command that opens the app: its options, its port, and how little it loads."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import app
from reader.errors import BadUsage

ROOT = Path(__file__).parents[1]


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_it_listens_on_this_machine_alone_unless_told() -> None:
    options = app.read_options([], {})
    assert (options.host, options.port, options.share) == ("127.0.0.1", None, False)


@pytest.mark.parametrize(
    ("environment", "host", "port"),
    [
        ({"SPACE_ID": "me/space"}, "0.0.0.0", None),
        ({"SPACE_ID": "me/space", "GRADIO_SERVER_PORT": "7861"}, "0.0.0.0", 7861),
        ({"GRADIO_SERVER_NAME": "10.0.0.1", "PORT": "80"}, "10.0.0.1", 80),
    ],
)
def test_a_space_and_the_environment_say_where(environment: dict[str, str], host: str, port: int | None) -> None:
    options = app.read_options([], environment)
    assert (options.host, options.port) == (host, port)


def test_an_option_wins_over_the_environment() -> None:
    assert app.read_options(["--port", "8000", "--share"], {"PORT": "80"}).port == 8000


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1", "8.5", "9" * 5000])
def test_a_port_that_is_none_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        app.read_options([f"--port={port}"], {})
    assert stop.value.code == 2
    assert "expected a number from 1 to 65535" in capsys.readouterr().err


def test_a_port_that_is_asked_for_and_taken_is_refused(taken_port: int) -> None:
    with pytest.raises(BadUsage, match=f"Port {taken_port} of 127.0.0.1 is taken"):
        app.choose_port("127.0.0.1", taken_port)


def test_without_one_asked_for_the_next_free_port_is_taken(
    taken_port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(app, "PORT", taken_port)
    chosen = app.choose_port("127.0.0.1", None)
    assert taken_port < chosen < taken_port + app.PORTS_TO_TRY
    assert f"Port {taken_port} is taken, so this is port {chosen}." in capsys.readouterr().out


def test_a_host_that_is_none_is_refused_in_a_sentence() -> None:
    with pytest.raises(BadUsage, match="is not an address of this machine"):
        app.choose_port("no host at all", None)


def test_the_command_says_in_one_sentence_that_a_port_is_taken(
    taken_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.main(["--port", str(taken_port)]) == 2
    complaint = capsys.readouterr().err
    assert complaint.count("\n") == 1 and "choose another: --port" in complaint


def test_nothing_heavy_is_loaded_before_the_first_question() -> None:
    heavy = ("torch", "transformers", "datasets", "tokenizers", "scipy", "rouge", "plotly")
    program = (
        "import sys, app; from pages.access import Access; app.build(Access('off'));"
        f"print([module for module in {heavy} if module in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], cwd=ROOT, env=os.environ, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
