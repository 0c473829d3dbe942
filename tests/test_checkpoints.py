"""What is loaded as a reader, what is refused, and with which sentence."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from reader import hub
from reader.checkpoints import (
    ReaderConfig,
    load_checkpoint,
    read_reader_config,
    save_checkpoint,
    with_threshold,
    write_reader_config,
)
from reader.errors import HubUnreachable, ReaderboardError
from reader.predictor import ExtractiveReader
from tests import tiny_models
from tests.hub_stand_in import hub_of

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    with tiny_models.one_thread():
        yield


@pytest.fixture
def bert(tmp_path: Path) -> Path:
    return tiny_models.make("bert", tmp_path / "bert")


def refusal(name: str | Path, *, as_base: bool = False) -> str:
    with pytest.raises(ReaderboardError) as caught:
        load_checkpoint(str(name), as_base=as_base)
    sentence = str(caught.value)
    assert sentence.endswith((".", f"--base {name}")) and "\n" not in sentence and "Traceback" not in sentence
    return sentence


def change_json(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | values), encoding="utf-8")


# What is kept


@pytest.mark.parametrize("family", tiny_models.FAMILIES)
def test_a_saved_reader_is_half_as_large_and_the_same_when_loaded_again(family, tmp_path):
    checkpoint = load_checkpoint(str(tiny_models.make(family, tmp_path / "base")))
    config = ReaderConfig(48, 12, 9, 5, -1.25, "something held out")
    (tmp_path / "reader").mkdir()
    save_checkpoint(type(checkpoint)("x", checkpoint.model, checkpoint.tokenizer, config), tmp_path / "reader")
    stored = load_file(tmp_path / "reader" / "model.safetensors")
    assert {weights.dtype for weights in stored.values() if weights.is_floating_point()} == {torch.float16}
    again = load_checkpoint(str(tmp_path / "reader"))
    assert again.config == config
    assert {weights.dtype for weights in again.model.parameters()} == {torch.float32}
    before = checkpoint.model.state_dict()
    for name, weights in again.model.state_dict().items():
        assert torch.equal(weights, before[name].half().float() if weights.is_floating_point() else before[name])
    assert again.tokenizer.get_vocab() == checkpoint.tokenizer.get_vocab()
    assert again.tokenizer.padding_side == checkpoint.tokenizer.padding_side
    assert (again.windowing.max_seq_length, again.windowing.doc_stride) == (48, 12)
    answer = ExtractiveReader(again, device="cpu", precision="fp32")(question="Who?", context=tiny_models.TEXTS[0])
    assert answer.threshold == -1.25 and len(answer.alternatives) == 5


def test_weights_may_be_saved_whole(bert, tmp_path):
    (tmp_path / "whole").mkdir()
    save_checkpoint(load_checkpoint(str(bert)), tmp_path / "whole", half=False)
    one, other = (load_file(folder / "model.safetensors") for folder in (bert, tmp_path / "whole"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_foreign_reader_has_the_fields_defaults(bert):
    checkpoint = load_checkpoint(str(bert))
    assert checkpoint.config == ReaderConfig(384, 128, 30, 20, 0.0)
    assert (checkpoint.windowing.max_seq_length, checkpoint.windowing.doc_stride) == (384, 128)


def test_windows_are_no_longer_than_the_model_has_positions_for(tmp_path):
    folder = tiny_models.make("bert", tmp_path, max_position_embeddings=40)
    windowing = load_checkpoint(str(folder)).windowing
    assert (windowing.max_seq_length, windowing.doc_stride) == (40, 20)


def test_dropout_can_be_chosen_for_training(bert):
    model = load_checkpoint(str(bert), dropout=0.3).model
    rates = {layer.p for layer in model.modules() if isinstance(layer, torch.nn.Dropout)}
    assert rates == {0.3}


def test_an_encoder_without_a_head_is_a_base_and_not_a_reader(bert):
    from transformers import BertConfig, BertForMaskedLM

    BertForMaskedLM(BertConfig.from_pretrained(bert)).save_pretrained(bert)
    sentence = refusal(bert)
    assert "has no trained question answering head (missing: qa_outputs.bias, qa_outputs.weight)" in sentence
    assert f"python -m reader train --base {bert}" in sentence
    assert load_checkpoint(str(bert), as_base=True).model.qa_outputs.out_features == 2


def test_xlnets_beam_search_head_is_not_the_head_that_is_read(tmp_path):
    from transformers import XLNetConfig, XLNetForQuestionAnswering

    folder = tiny_models.make("xlnet", tmp_path)
    XLNetForQuestionAnswering(XLNetConfig.from_pretrained(folder)).save_pretrained(folder)
    assert "no trained question answering head" in refusal(folder)


def test_settings_are_written_and_read(tmp_path):
    config = with_threshold(ReaderConfig(max_seq_length=256), -2.5, "500 held-out questions")
    write_reader_config(tmp_path, config)
    assert read_reader_config(tmp_path) == config
    stored = json.loads((tmp_path / "reader_config.json").read_text("utf-8"))
    assert stored["format_version"] == 1 and stored["null_score_diff_threshold"] == -2.5


def test_settings_may_hold_more_than_is_known(tmp_path):
    (tmp_path / "reader_config.json").write_text('{"null_score_diff_threshold": 3, "colour": "blue"}')
    assert read_reader_config(tmp_path) == ReaderConfig(null_score_diff_threshold=3.0)


# What is refused


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "is not JSON"),
        ("[1]", "expected a JSON object"),
        ('{"format_version": 2}', "is of format 2, and only format 1 is known"),
        ('{"max_seq_length": "384"}', "max_seq_length is '384'; expected a value of type int"),
        ('{"doc_stride": true}', "doc_stride is True; expected"),
        ('{"n_best_size": 0}', "n_best_size is 0; it must be at least 1"),
        ('{"doc_stride": -1}', "doc_stride is -1; it must not be negative"),
        ('{"null_score_diff_threshold": NaN}', "null_score_diff_threshold is nan; expected a finite number"),
        ('{"threshold_chosen_on": 3}', "threshold_chosen_on is 3; expected a value of type str"),
    ],
)
def test_settings_that_cannot_be_meant(bert, text, reason):
    (bert / "reader_config.json").write_text(text)
    sentence = refusal(bert)
    assert reason in sentence and str(bert / "reader_config.json") in sentence


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with (folder / "pytorch_model.bin").open("wb") as file:
        pickle.dump(_Bomb(folder / "exploded"), file)


class _Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.mkdir, (str(self.path),)


def test_pickled_weights_are_never_opened(bert):
    pickled(bert)
    assert "pickled weights only" in refusal(bert) and "save_pretrained" in refusal(bert)
    assert "pickled weights only" in refusal(bert, as_base=True)
    assert not (bert / "exploded").exists()


def test_code_of_a_checkpoint_is_never_run(bert):
    (bert / "evil.py").write_text(f"import os\nos.mkdir({str(bert / 'exploded')!r})\n")
    own = {"AutoConfig": "evil.C", "AutoModelForQuestionAnswering": "evil.M", "AutoTokenizer": ["evil.T", None]}
    change_json(bert / "config.json", auto_map=own)
    load_checkpoint(str(bert))  # transformers knows the architecture itself
    change_json(bert / "config.json", model_type="mine")
    assert "custom code" in refusal(bert)
    assert not (bert / "exploded").exists()


def truncate(folder: Path) -> None:
    os.truncate(folder / "model.safetensors", 5000)


def overwrite(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"this is not a safetensors file")


def tokenizer_away(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def slow_tokenizer(folder: Path) -> None:
    tokenizer_away(folder)
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "ByT5Tokenizer"}')


def larger_tokenizer(folder: Path) -> None:
    other = tiny_models.make("roberta", folder.parent / "roberta")
    shutil.copy(other / "tokenizer.json", folder / "tokenizer.json")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda folder: (folder / "config.json").unlink(), "holds no config.json"),
        (lambda folder: (folder / "model.safetensors").unlink(), "holds no weights: model.safetensors was expected"),
        (truncate, "could not be loaded"),
        (overwrite, "could not be loaded"),
        (lambda folder: change_json(folder / "config.json", model_type="frobnicate"), "`frobnicate`"),
        (lambda folder: change_json(folder / "config.json", model_type="vit"), "no question answering head"),
        (lambda folder: change_json(folder / "config.json", model_type=None), "could not be loaded"),
        (lambda folder: change_json(folder / "config.json", hidden_size="many"), "expected int, got str"),
        (lambda folder: change_json(folder / "config.json", hidden_size=32), "other shapes than its config.json says"),
        (lambda folder: change_json(folder / "config.json", num_hidden_layers=3), "lacks 16 of its encoder's weights"),
        ((lambda folder: (folder / "config.json").write_text("{")), "could not be loaded"),
        ((lambda folder: (folder / "config.json").write_text("[]")), "could not be loaded"),
        ((lambda folder: (folder / "tokenizer.json").write_text("{}")), "is missing from its files"),
        (tokenizer_away, "has no tokenizer: tokenizer.json (or its vocabulary) is missing"),
        (slow_tokenizer, "has no fast tokenizer"),
        (larger_tokenizer, "they do not belong together"),
    ],
)
@pytest.mark.parametrize("as_base", [False, True])
def test_a_damaged_folder_gets_a_sentence(bert, damage, reason, as_base):
    damage(bert)
    assert reason in refusal(bert, as_base=as_base)


@pytest.mark.parametrize("name", ["no such reader", "../nowhere", "a/b/c", "/no/such/folder", "~nobody/x", "x" * 5000])
def test_a_name_that_is_nothing_gets_a_sentence(name, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    sentence = refusal(name)
    assert 'expected "embedded", a folder that exists, or a Hub id' in sentence and len(sentence) < 400


def test_a_file_is_not_a_reader(bert):
    assert "is a file; a reader is a folder" in refusal(bert / "config.json")


# The Hub


def test_a_hub_reader_while_offline_is_refused_at_once(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    began = time.monotonic()
    with pytest.raises(HubUnreachable, match=r"^nobody/no-such-reader@v1 is on the Hugging Face Hub"):
        load_checkpoint("nobody/no-such-reader@v1")
    assert time.monotonic() - began < 5


def test_a_hub_that_is_away_is_found_out_within_five_seconds(monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    hub._probe.cache_clear()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        with pytest.raises(HubUnreachable, match="nobody/no-such-reader is on the Hugging Face Hub"):
            load_checkpoint("nobody/no-such-reader")
        assert time.monotonic() - began < 5
    hub._probe.cache_clear()


_ASK = """
import os, sys, time, warnings
import torch, transformers
warnings.simplefilter("error")
from reader.checkpoints import load_checkpoint
from reader.errors import ReaderboardError
for name in sys.argv[1:]:
    name, _, limit = name.partition(" under ")
    os.environ["READER_MAX_READER_MB"] = limit or "2000"
    began = time.monotonic()
    try:
        checkpoint = load_checkpoint(name)
        said = f"loaded {checkpoint.config.null_score_diff_threshold} {len(checkpoint.tokenizer)}"
    except ReaderboardError as error:
        said = f"{type(error).__name__}: {error}"
    print(said, "in time" if time.monotonic() - began < 5 else "too late", sep=" | ")
"""


def ask_in_a_new_process(*names: str, **environment: str) -> list[str]:
    """Load readers where the Hub's libraries, which read the environment when imported, are not yet loaded."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "TRANSFORMERS_"))}
    done = subprocess.run(
        [sys.executable, "-c", _ASK, *names],
        env=kept | environment | {"HF_HUB_DISABLE_TELEMETRY": "1", "no_proxy": "127.0.0.1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.slow
def test_a_hub_reader_is_fetched_once_checked_and_works_without_the_hub(tmp_path):
    folder = tiny_models.make("bert", tmp_path / "reader", vocab_size=40_000)  # 2.6 MB
    write_reader_config(folder, ReaderConfig(null_score_diff_threshold=-7.5))
    size = len(load_checkpoint(str(folder)).tokenizer)
    home = {"HF_HOME": str(tmp_path / "home")}
    with hub_of("some-org/tiny", folder, "models") as endpoint:
        large, first, no_revision, nothing = ask_in_a_new_process(
            "some-org/tiny under 1",
            "some-org/tiny",
            "some-org/tiny@v9",
            "some-org/none",
            HF_ENDPOINT=endpoint,
            **home,
        )
    assert "readers over 1 MB are refused (READER_MAX_READER_MB)" in large and large.startswith("BadReader")
    assert first.startswith(f"loaded -7.5 {size}")
    assert no_revision.startswith("BadReader: The Hub's model some-org/tiny has no revision v9")
    assert nothing.startswith("BadReader: The Hub has no public model some-org/none")
    kept, main, other = ask_in_a_new_process(  # the server is gone
        "some-org/tiny", "some-org/tiny@main", "some-org/none", HF_ENDPOINT=endpoint, **home
    )
    assert kept.startswith(f"loaded -7.5 {size}") and main == f"loaded -7.5 {size} | in time"
    assert other.startswith("HubUnreachable: some-org/none is on") and other.endswith("in time")


def test_pickled_weights_on_the_hub_are_never_fetched(tmp_path, monkeypatch):
    folder = tiny_models.make("bert", tmp_path / "reader")
    pickled(folder)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    hub._probe.cache_clear()
    with hub_of("some-org/pickled", folder, "models") as endpoint:
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", endpoint)
        assert "some-org/pickled has no safetensors weights on the Hub" in refusal("some-org/pickled")
    hub._probe.cache_clear()
