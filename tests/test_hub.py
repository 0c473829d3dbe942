"""Hub ids, a Hub that does not answer, and a data set fetched from a Hub on this machine."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from reader import hub
from reader.errors import BadData, BadUsage, HubUnreachable
from reader.examples import load_examples
from reader.hub import HubId, is_hub_id, parse_hub_id, require_hub
from tests.hub_stand_in import COMMIT, hub_of

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def online_and_without_memory(monkeypatch, tmp_path):
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "no-cache"))
    hub._probe.cache_clear()
    yield
    hub._probe.cache_clear()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("squad", HubId("squad")),
        ("rajpurkar/squad_v2", HubId("rajpurkar/squad_v2")),
        ("rajpurkar/squad_v2:validation", HubId("rajpurkar/squad_v2", "", "validation")),
        ("deepset/roberta-base-squad2@v1.0", HubId("deepset/roberta-base-squad2", "v1.0")),
        ("a/b@refs/pr/3:train", HubId("a/b", "refs/pr/3", "train")),
    ],
)
def test_an_id_has_a_name_and_maybe_a_revision_and_a_split(text, parts):
    assert is_hub_id(text)
    assert parse_hub_id(text) == parts


@pytest.mark.parametrize(
    "text",
    ["", "a b", "/a/b", "./a", "../a", "a/b/c", "a/", "a--b", "a..b", "-a", "a@", "a:", "a@b@c", "~/a", "é/b", "a\n"],
)
def test_what_is_no_id(text):
    assert not is_hub_id(text)
    with pytest.raises(BadUsage, match="is no Hub id; expected name"):
        parse_hub_id(text)


def seconds_until_unreachable(match: str) -> float:
    start = time.perf_counter()
    with pytest.raises(HubUnreachable, match=match):
        load_examples("rajpurkar/squad_v2:validation")
    return time.perf_counter() - start


@pytest.mark.parametrize("name", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline_by_the_environment_asks_nobody(name, monkeypatch):
    monkeypatch.setenv(name, "1")
    monkeypatch.setattr(socket, "getaddrinfo", None)  # any look-up would be a TypeError
    assert seconds_until_unreachable(r"^rajpurkar/squad_v2:validation is .* says to stay offline") < 1


def test_a_closed_port_is_found_at_once(monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://name:secret@127.0.0.1:{closed.getsockname()[1]}")
        assert seconds_until_unreachable(r"cannot be reached \(127\.0\.0\.1:\d+: .*refused") < 2


def test_a_server_that_never_answers_takes_less_than_five_seconds(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert 2.5 < seconds_until_unreachable("no answer within 3 s|timed out") < 5


def test_a_name_server_that_never_answers_takes_less_than_five_seconds(monkeypatch):
    over = threading.Event()

    def look_up(*arguments, **options):
        over.wait(20)
        raise socket.gaierror("nothing found")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    try:
        assert seconds_until_unreachable(r"\(huggingface\.co: no answer within 3 s\)") < 5
    finally:
        over.set()


def test_an_address_that_is_none(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "nonsense")
    assert seconds_until_unreachable("cannot be reached") < 2


def test_an_answer_is_believed_for_its_minute_and_a_failure_never(monkeypatch, tmp_path):
    now = [600.0]
    monkeypatch.setattr(hub, "time", SimpleNamespace(monotonic=lambda: now[0]))
    with hub_of("org/set", tmp_path) as endpoint:
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        require_hub()
    now[0] += 59
    require_hub()  # the server is gone by now
    now[0] += 1
    for _ in range(2):
        with pytest.raises(HubUnreachable):
            require_hub()
    with hub_of("org/set", tmp_path) as endpoint:
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        require_hub()


def load_in_a_new_process(sources: list[str], **environment: str) -> list[object]:
    """Load each source where the Hub's libraries, which read the environment when imported, are not yet loaded."""
    script = """
import json, sys
from reader.errors import ReaderboardError
from reader.examples import load_examples
for source in sys.argv[1:]:
    try:
        print(json.dumps([[example.id, example.context] for example in load_examples(source).examples]))
    except ReaderboardError as error:
        print(json.dumps(f"{type(error).__name__}: {error}"))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, *sources],
        env={**os.environ, **environment, "HF_HUB_DISABLE_TELEMETRY": "1", "no_proxy": "127.0.0.1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_data_set_is_fetched_checked_and_kept(tmp_path):
    import pyarrow
    import pyarrow.parquet

    def write(split: str, texts: list[str]) -> None:
        answers = {"text": ["NA"], "answer_start": [0]}
        rows = [
            {"id": f"{split}{n}", "title": "T", "question": "What?", "context": text, "answers": answers}
            for n, text in enumerate(texts)
        ]
        path = tmp_path / "set" / "data" / f"{split}-00000-of-00001.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)

    write("train", ["NA 🎉\r\n"])
    write("validation", ["NA\tone", "NA\u00a0two"])
    train = [["train0", "NA 🎉\r\n"]]
    validation = [["validation0", "NA\tone"], ["validation1", "NA\u00a0two"]]
    home = {"HF_HOME": str(tmp_path / "home"), "HF_DATASETS_CACHE": str(tmp_path / "home" / "datasets")}

    with hub_of("some-org/tinySet", tmp_path / "set") as endpoint:
        default, named, no_split, no_revision, no_set = load_in_a_new_process(
            [
                "some-org/tinySet",
                "some-org/tinySet@main:train",
                "some-org/tinySet:test",
                "some-org/tinySet@v9",
                "some-org/none",
            ],
            HF_ENDPOINT=endpoint,
            **home,
        )
    assert default == validation
    assert named == train
    assert no_split == "BadData: some-org/tinySet:test has no split 'test'; it has: train, validation."
    assert no_revision == "BadData: some-org/tinySet@v9: the Hub has this data set, but not this revision."
    assert no_set.startswith("BadData: There is no file or folder some-org/none here and no such data set on the Hub.")

    # The server is gone now, but the copy is not; what a branch means can no longer be asked.
    default, named, by_commit, by_branch = load_in_a_new_process(
        ["some-org/tinySet", "some-org/tinySet:train", f"some-org/tinySet@{COMMIT}", "some-org/tinySet@main"],
        HF_ENDPOINT=endpoint,
        **home,
    )
    assert (default, named, by_commit) == (validation, train, validation)
    assert by_branch.startswith("HubUnreachable: some-org/tinySet@main is on the Hugging Face Hub, which cannot be")
    (kept,) = load_in_a_new_process(["some-org/tinySet"], HF_HUB_OFFLINE="1", **home)
    assert kept == validation


def test_a_hub_data_set_over_the_limit_is_not_fetched(tmp_path):
    (tmp_path / "set").mkdir()
    with (tmp_path / "set" / "train.jsonl").open("wb") as file:
        file.truncate(3_000_000)
    with hub_of("org/big", tmp_path / "set") as endpoint:
        (refused,) = load_in_a_new_process(
            ["org/big"], HF_ENDPOINT=endpoint, HF_HOME=str(tmp_path / "home"), READER_MAX_DATA_MB="2"
        )
    assert refused.startswith("BadData: org/big holds 3 MB; the limit is 2 MB.")


def test_splits_are_listed_where_none_is_the_default():
    with pytest.raises(BadData, match=r"has no split 'validation'; it has: a, b\. Name one after a colon, as in x:a\."):
        hub._choose_split("x", ["a", "b"], "")
    assert hub._choose_split("x", ["only"], "") == "only"
