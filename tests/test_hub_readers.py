"""What the Hub says of a model before any of it is fetched, and what is refused with which sentence."""

from __future__ import annotations

import shutil
import socket
import time
from collections import namedtuple
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from reader import hub, hub_readers
from reader.errors import BadReader, DiskError, HubUnreachable
from reader.hub_readers import HubReader, fetch, fetch_missing, is_cached, look_up, weights_among
from tests.hub_stand_in import COMMIT, hub_of

NAME = "some-org/tiny"
BERT = {"config": {"architectures": ["BertForQuestionAnswering"]}}

Serve = Callable[..., None]


@pytest.fixture(autouse=True)
def online(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE", "HF_ENDPOINT", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    hub._probe.cache_clear()
    yield
    hub._probe.cache_clear()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model's files: 25 parameters, and things that are not fetched."""
    folder = tmp_path / "model"
    (folder / "onnx").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "README.md").write_text("# It\n")
    (folder / "nbest_predictions.json").write_text("[]")
    (folder / "onnx" / "model.safetensors").write_bytes(b"other")
    save_file({"weight": np.zeros((5, 5), np.float32)}, folder / "model.safetensors")
    return folder


@pytest.fixture
def serve(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Put the folder on a Hub on this machine, with facts of one's own."""
    opened = []

    def serve(chunk_seconds: float = 0.0, **facts: Any) -> None:
        server = hub_of(NAME, folder, "models", facts=facts, chunk_seconds=chunk_seconds)
        endpoint = server.__enter__()
        opened.append(server)
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", endpoint)
        template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)

    yield serve
    for server in opened:
        server.__exit__(None, None, None)


def test_a_reader_is_described_and_nothing_is_fetched(serve: Serve, folder: Path, tmp_path: Path) -> None:
    serve(
        **BERT,
        pipeline_tag="question-answering",
        downloads=12,
        lastModified="2024-09-26T08:00:00.000Z",
        cardData={"license": "mit", "language": ["en", "de"]},
        safetensors={"parameters": {"F32": 25}, "total": 25},
    )
    found = look_up(f" {NAME}@main ", token=False)
    files = ("README.md", "config.json", "model.safetensors")
    assert found == HubReader(
        id=NAME,
        revision="main",
        commit=COMMIT,
        task="question answering",
        architecture="BertForQuestionAnswering",
        files=files,
        weights=("model.safetensors",),
        bytes=sum((folder / file).stat().st_size for file in files),
        parameters=25,
        downloads=12,
        licence="mit",
        languages=("en", "de"),
        modified=1727337600.0,
        gated=False,
    )
    assert found.name == f"{NAME}@main"
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    "facts",
    [
        {},  # the Hub tells nothing: loading will show
        BERT,
        {"pipeline_tag": "question-answering"},
        {**BERT, "pipeline_tag": "text-classification"},  # the label is wrong
        {"config": {"architectures": ["XLNetForQuestionAnsweringSimple"]}},
    ],
)
def test_what_may_be_a_reader(serve: Serve, facts: dict[str, Any]) -> None:
    serve(**facts)
    assert look_up(NAME).refusal == ""


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"pipeline_tag": "fill-mask"}, "its task is fill mask, and a reader's is question answering"),
        (
            {"pipeline_tag": "question-answering", "config": {"architectures": ["T5ForConditionalGeneration"]}},
            "(T5ForConditionalGeneration)",
        ),
        ({"config": {"architectures": ["BertForMaskedLM"]}}, "its task is another one (BertForMaskedLM)"),
        (
            {"pipeline_tag": "visual-question-answering", "config": {"architectures": ["ViltForQuestionAnswering"]}},
            "its task is visual question answering",
        ),
    ],
)
def test_another_task_is_refused_for_a_reader_and_not_for_a_base(
    serve: Serve, facts: dict[str, Any], says: str
) -> None:
    serve(**facts)
    assert f"{NAME} is no reader: " in look_up(NAME).refusal and says in look_up(NAME).refusal
    with pytest.raises(BadReader, match="is no reader"):
        hub_readers.check_before_fetching(NAME, None, as_base=False)
    hub_readers.check_before_fetching(NAME, None, as_base=True)


def test_pickled_weights_are_refused(serve: Serve, folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    serve(**BERT)
    assert look_up(NAME).refusal.startswith(f"{NAME} has no safetensors weights on the Hub; pickled ones are never")


def test_one_that_is_too_large_is_refused(serve: Serve, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (folder / "model.safetensors").open("r+b") as file:
        file.truncate(3_000_000)
    monkeypatch.setenv("READER_MAX_READER_MB", "2")
    serve(**BERT)
    assert look_up(NAME).refusal == f"{NAME} is 3 MB; readers over 2 MB are refused (READER_MAX_READER_MB)."


def test_one_that_does_not_fit_into_the_memory_is_refused(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_readers, "memory_available", lambda: 399_999_999)
    serve(**BERT, safetensors={"parameters": {"F16": 100_000_000}, "total": 100_000_000})
    assert "takes 400 MB of memory when loaded, and 400 MB are free" in look_up(NAME).refusal
    monkeypatch.setattr(hub_readers, "memory_available", lambda: 400_000_000)
    assert look_up(NAME).refusal == ""


def test_a_gated_one_says_so(serve: Serve) -> None:
    serve(**BERT, gated="manual")
    found = look_up(NAME, token=False)
    assert (
        found.gated and found.refusal == f"{NAME} is gated: accept its terms on its page on the Hub, then set HF_TOKEN."
    )
    with pytest.raises(BadReader, match="is gated"):
        list(fetch(found))
    with pytest.raises(BadReader, match="is gated"):  # the terms may be withdrawn between look-up and fetch
        list(fetch(replace(found, refusal="")))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("some-org/none", "The Hub has no public model some-org/none. Check the spelling"),
        (f"{NAME}@v9", f"The Hub's model {NAME} has no revision v9."),
        ("not a name", "“not a name” is no Hub id"),
        (f"{NAME}:train", "is no Hub id"),
        ("../../etc", "is no Hub id"),
        ("some-org/tiny.git", "is no Hub id"),  # which the Hub's own library refuses
    ],
)
def test_what_is_not_there_gets_a_sentence(serve: Serve, name: str, says: str) -> None:
    serve(**BERT)
    with pytest.raises(BadReader, match=r"\.$") as caught:
        look_up(name, token=False)
    assert says in str(caught.value)
    assert not is_cached(name.partition("@")[0], None)


def test_a_hub_that_is_away_is_found_out_within_five_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        with pytest.raises(HubUnreachable, match=f"^{NAME} is on the Hugging Face Hub, which cannot be reached"):
            look_up(NAME)
        assert time.monotonic() - began < 5


def test_fetching_tells_how_far_it_is_and_what_came_is_whole(
    serve: Serve, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "tokenizer.json").write_bytes(b" " * 400_000)
    monkeypatch.setattr(hub_readers, "_SECONDS_BETWEEN_LOOKS", 0.02)
    serve(chunk_seconds=0.05, **BERT)
    found = look_up(NAME)
    assert not is_cached(NAME, None)
    arrived = list(fetch(found))
    assert arrived == sorted(arrived) and arrived[-1] == found.bytes
    assert any(0 < count < found.bytes for count in arrived)
    assert is_cached(NAME, None)
    (snapshot,) = (tmp_path / "cache").glob("models--some-org--tiny/snapshots/*")
    assert {file.name for file in snapshot.iterdir()} == set(found.files)
    assert (snapshot / "tokenizer.json").stat().st_size == 400_000


def test_what_is_here_is_not_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(hub_readers, "require_hub", lambda name: pytest.fail(f"asked the Hub for {name}"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    for name in ("embedded", "here", str(tmp_path / "here"), "no reader at all"):
        fetch_missing(name)


def test_a_hub_that_is_lost_half_way_gets_a_sentence(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(**BERT)
    found = look_up(NAME)

    def lose(*arguments: Any, **options: Any) -> None:
        raise ConnectionError("reset by peer.\nmore")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", lose)
    with pytest.raises(HubUnreachable, match=r"lost while some-org/tiny was fetched: reset by peer\. Fetch it again"):
        list(fetch(found))


def test_a_full_disk_is_found_before_and_while_fetching(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(**BERT)
    found = look_up(NAME)

    def fill(*arguments: Any, **options: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", fill)
    with pytest.raises(DiskError, match="could not be kept on the disk: No space left on device"):
        list(fetch(found))
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(found.bytes - 1))
    with pytest.raises(DiskError, match="and the disk has room for"):
        list(fetch(found))


def test_the_weights_that_transformers_takes() -> None:
    shards = {"model-00001-of-00002.safetensors": 1, "model-00002-of-00002.safetensors": 1}
    index = {"model.safetensors.index.json": 1}
    assert weights_among({"model.safetensors": 1, **shards, **index}) == ("model.safetensors",)
    assert weights_among({**shards, **index}) == tuple(shards)
    assert weights_among(shards) == ()
    assert weights_among({"adapter_model.safetensors": 1, "onnx/model.safetensors": 1}) == ()
