"""Measure /ask over HTTP against the bare forward pass, for one user and for many at once.

    python -m tests.benchmarks.asking [--users 20] [--questions 6] [--words 200000] [--long-texts 1]
        [--app FOLDER] [--port N] [--json]

The app of FOLDER (default: this one) runs as a process of its own with an empty READER_HOME; every user
speaks as a browser does: `queue/join`, then the answer from the stream `queue/data`.
A user asks the next question as soon as the last is answered, without a pause to think.

    bare     the model's pass over the question's one window, in this process; in turns with
    one      the same questions by one user, so that a busy machine slows both
    many     all users at once
    long     one user reads a text of so many words alone
    beside   all users at once, while another reads that text (or as many others as --long-texts says)
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import replace
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from reader.examples import Example, load_examples
from reader.predictor import ExtractiveReader

HERE = Path(__file__).parents[2]
PATIENCE = 1800  # seconds for an answer
WARM_UP = 5


class User:
    """One visitor of the app."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._session = uuid4().hex
        with self._answer("GET", "/config") as answer:
            functions = json.load(answer)["dependencies"]
        self._function = next(one["id"] for one in functions if one["api_name"] == "ask")

    def ask(self, example: Example) -> float:
        """Ask, wait for the answer, and return the seconds from the request to the answer."""
        body = {
            "data": [example.question, example.context, "embedded", None, None],
            "fn_index": self._function,
            "session_hash": self._session,
        }
        sent = json.dumps(body)
        began = time.perf_counter()
        with self._answer("POST", "/gradio_api/queue/join", sent) as answer:
            answer.read()
        seconds = 0.0
        with self._answer("GET", f"/gradio_api/queue/data?session_hash={self._session}") as stream:
            for line in stream:
                message = json.loads(line[6:]) if line.startswith(b"data: ") else {}
                if message.get("msg") == "process_completed":
                    seconds = time.perf_counter() - began
                    if not message["success"]:
                        raise SystemExit(f"/ask failed: {message['output']}")
        return seconds

    @contextmanager
    def _answer(self, method: str, path: str, body: str | None = None) -> Iterator[HTTPResponse]:
        with closing(HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)) as connection:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            yield connection.getresponse()


@contextmanager
def running_app(folder: Path, port: int) -> Iterator[None]:
    """The app of a folder as a process, with a home of its own, until the block ends."""
    home = tempfile.mkdtemp()
    process = subprocess.Popen(
        [sys.executable, "app.py", "--port", str(port)],
        cwd=folder,
        env={**os.environ, "READER_HOME": home, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        if not any("is open at" in line for line in process.stdout):
            raise SystemExit("The app has ended; its message is above.")
        yield
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(home)


def bare_pass(reader: ExtractiveReader, example: Example) -> float:
    """The seconds of the model's pass over the question's window, its inputs being ready."""
    (feature,) = reader.features(reader.windowing, [example])
    began = time.perf_counter()
    reader.logits([feature])
    return time.perf_counter() - began


def one_user(port: int, examples: Sequence[Example]) -> dict[str, Any]:
    """Each question once as a bare pass and once over HTTP, in turns."""
    reader, user = ExtractiveReader.from_pretrained(), User(port)
    bare, asked = [], []
    for number, example in enumerate([*examples[:WARM_UP], *examples]):
        pair = bare_pass(reader, example), user.ask(example)
        if number >= WARM_UP:
            bare.append(pair[0])
            asked.append(pair[1])
    above = [after - before for before, after in zip(bare, asked, strict=True)]
    return {"bare": summary(bare), "one": summary(asked), "one above bare": summary(above)}


def many_users(port: int, users: int, questions: int, examples: Sequence[Example]) -> dict[str, Any]:
    """Every user asks so many questions one after the other; each begins elsewhere in the examples."""
    together = threading.Barrier(users + 1)
    seconds: list[float] = []

    def use(number: int) -> None:
        user = User(port)
        together.wait()
        for turn in range(questions):
            seconds.append(user.ask(examples[(number * questions + turn) % len(examples)]))

    threads = [threading.Thread(target=use, args=(number,)) for number in range(users)]
    for thread in threads:
        thread.start()
    together.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    return {**summary(seconds), "questions_per_second": len(seconds) / (time.perf_counter() - began)}


def beside_a_long_text(
    port: int, users: int, questions: int, examples: Sequence[Example], long: Example, readers: int
) -> dict[str, Any]:
    """The same while others read the long text, and the seconds of the last of those."""
    took: list[float] = []
    reading = [threading.Thread(target=lambda: took.append(User(port).ask(long))) for _ in range(readers)]
    for thread in reading:
        thread.start()
    time.sleep(3)  # until it is being read
    found = many_users(port, users, questions, examples)
    still = any(thread.is_alive() for thread in reading)
    for thread in reading:
        thread.join()
    return {**found, "long_was_read_all_the_while": still, "long_seconds": max(took)}


def summary(seconds: Sequence[float]) -> dict[str, float]:
    """Percentiles in milliseconds."""
    return {name: 1000 * float(np.percentile(seconds, at)) for name, at in (("p50", 50), ("p95", 95), ("max", 100))}


def lengthened(examples: Sequence[Example], words: int) -> Example:
    """A question over as many words as asked for, taken from all contexts again and again."""
    once = " ".join(dict.fromkeys(example.context for example in examples)).split()
    return replace(examples[0], context=" ".join((once * (words // len(once) + 1))[:words]), answers=())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> None:
    """Run the app and all measurements, and print a line for each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--questions", type=int, default=6, help="of each user")
    parser.add_argument("--words", type=int, default=200_000, help="of the long text; 0 leaves it out")
    parser.add_argument("--long-texts", type=int, default=1, help="how many read the long text beside the others")
    parser.add_argument("--app", type=Path, default=HERE, help="the folder whose app.py is run, such as an older copy")
    parser.add_argument("--port", type=int, help="the port of an app that runs already")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    options = parser.parse_args()
    starter = load_examples("starter").examples
    examples = starter[:60]
    port = options.port or free_port()
    with nullcontext() if options.port else running_app(options.app.resolve(), port):
        found = one_user(port, examples)
        found["many"] = many_users(port, options.users, options.questions, examples)
        if options.words:
            long = lengthened(starter, options.words)
            found["long"] = {"long_seconds": User(port).ask(long)}
            found["beside"] = beside_a_long_text(
                port, options.users, options.questions, examples, long, options.long_texts
            )
    if options.json:
        print(json.dumps(found, indent=1))
        return
    for name, values in found.items():
        print(f"{name:15}", "  ".join(f"{key} {_shown(key, value)}" for key, value in values.items()))


def _shown(key: str, value: float | bool) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:7.1f} ms" if key in ("p50", "p95", "max") else f"{value:.1f}"


if __name__ == "__main__":
    main()
