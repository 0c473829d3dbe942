"""Readers on disk and on the Hub: naming them, loading them safely, and the settings that lie beside their weights.

A reader's name is ``embedded``, a local folder, or a Hub id ``name[@revision]``. Weights come from safetensors only,
and code from a checkpoint is never run.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from reader.errors import BadData, BadReader, HubUnreachable
from reader.features import Windowing, longest_window, uses_segments
from reader.files import read_json, write_json
from reader.hub_readers import CONVERT, check_before_fetching, is_cached
from reader.seen import read_seen, write_seen

EMBEDDED = Path(__file__).parent / "embedded"
CONFIG_FILE = "reader_config.json"


@dataclass(frozen=True, slots=True)
class ReaderConfig:
    """How a reader reads: windows in tokens, the longest answer in tokens, and the margin above which it abstains."""

    max_seq_length: int = 384
    doc_stride: int = 128
    max_answer_length: int = 30
    n_best_size: int = 20
    null_score_diff_threshold: float = 0.0
    threshold_chosen_on: str = ""
    format_version: int = 1

    def __post_init__(self) -> None:
        for name in ("max_seq_length", "max_answer_length", "n_best_size"):
            if getattr(self, name) < 1:
                raise BadReader(f"{name} is {getattr(self, name)}; it must be at least 1.")
        if self.doc_stride < 0:
            raise BadReader(f"doc_stride is {self.doc_stride}; it must not be negative.")
        if not math.isfinite(self.null_score_diff_threshold):
            raise BadReader(f"null_score_diff_threshold is {self.null_score_diff_threshold}; expected a finite number.")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A loaded reader or base model: weights, tokenizer, settings.

    ``trained_on``: the hash of every context that it is known to have been trained on (`reader.seen`); None where
    none is known.
    """

    name: str
    model: Any
    tokenizer: Any
    config: ReaderConfig
    trained_on: frozenset[str] | None = None

    @property
    def windowing(self) -> Windowing:
        """How this reader cuts texts, within the positions that its model has."""
        longest = longest_window(self.model.config)
        length = min(self.config.max_seq_length, longest or self.config.max_seq_length)
        stride = min(self.config.doc_stride, length // 2)
        return Windowing(self.tokenizer, length, stride, uses_segments(self.model.config))


def read_reader_config(folder: Path) -> ReaderConfig:
    """The settings beside the weights; the defaults where there are none (a foreign reader)."""
    path = folder / CONFIG_FILE
    if not path.exists():
        return ReaderConfig()
    try:
        stored = read_json(path)
    except BadData as error:
        raise BadReader(str(error)) from None
    return _config_from(stored, str(path))


def _config_from(stored: Any, where: str) -> ReaderConfig:
    known = {name: type(value) for name, value in asdict(ReaderConfig()).items()}
    if not isinstance(stored, dict):
        raise BadReader(f"{where} does not hold a reader's settings: expected a JSON object.")
    version = stored.get("format_version", 1)
    if version != 1:
        raise BadReader(f"{where} is of format {version!r}, and only format 1 is known here. Update the project.")
    values: dict[str, Any] = {}
    for name, value in stored.items():
        if name not in known:
            continue
        kind = known[name]
        accepted = (int, float) if kind is float else kind
        if isinstance(value, bool) or not isinstance(value, accepted):
            raise BadReader(f"{where}: {name} is {value!r}; expected a value of type {kind.__name__}.")
        values[name] = float(value) if kind is float else value
    try:
        return ReaderConfig(**values)
    except BadReader as error:
        raise BadReader(f"{where}: {error}") from None


def write_reader_config(folder: Path, config: ReaderConfig) -> None:
    """Write the settings beside the weights."""
    write_json(folder / CONFIG_FILE, asdict(config))


def load_checkpoint(
    name: str, *, as_base: bool = False, dropout: float | None = None, attention: str | None = None
) -> Checkpoint:
    """Load a reader in float32 on the CPU; with ``as_base`` also an encoder that has no span head yet.

    ``dropout``: the share of hidden states and attention weights dropped in training, instead of the checkpoint's
    own.

    Raises `BadReader` for a checkpoint that is missing, pickled, not for question answering or (unless ``as_base``)
    without its head, and `HubUnreachable` for a Hub id when there is no Hub and no cached copy.
    """
    source = _Source.of(name, as_base=as_base)
    import torch
    from transformers import AutoConfig, AutoModelForQuestionAnswering, AutoTokenizer

    options = source.options()
    with _sentences(name), quiet():
        architecture = AutoConfig.from_pretrained(source.path, **options)
        if dropout is not None:
            architecture.update(dict.fromkeys(_dropout_names(architecture), dropout))
        model, report = AutoModelForQuestionAnswering.from_pretrained(
            source.path,
            config=architecture,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
            **options,
        )
        tokenizer = AutoTokenizer.from_pretrained(source.path, use_fast=True, **options)
    _check_weights(name, model, sorted(report["missing_keys"]), as_base=as_base)
    _check_tokenizer(name, model, tokenizer)
    config = source.reader_config()
    return Checkpoint(name, model, tokenizer, config, source.trained_on())


def _check_weights(name: str, model: Any, missing: Sequence[str], *, as_base: bool) -> None:
    """Refuse what transformers would fill up with random numbers, and only warn."""
    body = [key for key in missing if key.startswith(f"{model.base_model_prefix}.")]
    if body:
        raise BadReader(
            f"{name} lacks {len(body)} of its encoder's weights ({body[0]} …), which would be random. Its config.json "
            "and its weights do not belong together, or the file is not whole."
        )
    if missing and not as_base:
        raise BadReader(
            f"{name} has no trained question answering head (missing: {', '.join(missing[:3])}); it would answer at "
            f"random. Use it as a base: python -m reader train --base {name}"
        )


def _check_tokenizer(name: str, model: Any, tokenizer: Any) -> None:
    if not tokenizer.is_fast:
        raise BadReader(f"{name} has no fast tokenizer, and only those know the offsets of their tokens.")
    vocabulary = tokenizer.get_vocab()
    # transformers makes an empty tokenizer up where a folder holds none.
    if vocabulary.keys() <= set(tokenizer.all_special_tokens):
        raise BadReader(f"{name} has no tokenizer: tokenizer.json (or its vocabulary) is missing from its files.")
    known = model.get_input_embeddings().weight.shape[0]
    if max(vocabulary.values()) >= known:
        raise BadReader(
            f"{name}: the tokenizer has {len(vocabulary):,} tokens and the model knows {known:,}; they do not belong "
            "together."
        )


def _dropout_names(architecture: Any) -> list[str]:
    """What an architecture calls its dropout: ``hidden_dropout_prob`` in BERT, ``dropout`` in DistilBERT …"""
    known = {"hidden_dropout_prob", "attention_probs_dropout_prob", "dropout", "attention_dropout"}
    return sorted(known & set(architecture.to_dict()))


def save_checkpoint(checkpoint: Checkpoint, folder: Path, *, half: bool = True) -> None:
    """Write weights (fp16 safetensors unless not ``half``), tokenizer and settings into an existing folder.

    And beside them, where it is known, what the reader was trained on.
    """
    import torch

    weights = {
        key: value.to("cpu", torch.float16 if half and value.is_floating_point() else value.dtype).contiguous()
        for key, value in checkpoint.model.state_dict().items()
    }
    with quiet():
        checkpoint.model.save_pretrained(folder, state_dict=weights)
    for file in folder.glob("*.safetensors"):
        # safetensors writes files for their owner's eyes only; let the umask hold as for the others.
        file.chmod((folder / "config.json").stat().st_mode)
    if half:
        # save_pretrained notes the model's own dtype; a loader with dtype="auto" should get what the file holds.
        noted = json.loads((folder / "config.json").read_text("utf-8"))
        write_json(folder / "config.json", noted | {"dtype": "float16"})
    checkpoint.tokenizer.save_pretrained(folder)
    write_reader_config(folder, checkpoint.config)
    if checkpoint.trained_on is not None:
        write_seen(folder, checkpoint.trained_on)


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a named reader is loaded from: a local folder, or the Hub (or its cache when the Hub is away)."""

    path: str
    revision: str | None = None
    cached: bool = False

    @staticmethod
    def of(name: str, *, as_base: bool = False) -> _Source:
        if name == "embedded":
            if not (EMBEDDED / "model.safetensors").exists():
                raise BadReader(f"The embedded reader's weights are missing from {EMBEDDED}. Fetch the project anew.")
            return _Source(str(EMBEDDED))
        folder = Path(os.path.expanduser(name))
        if os.path.exists(folder):  # unlike Path.exists, it takes names of any length
            _check_folder(folder)
            return _Source(str(folder))
        from reader.hub import is_hub_id, require_hub

        hub_name, _, revision = name.partition("@")
        if not is_hub_id(hub_name):
            raise BadReader(
                f'There is no reader "{name:.200}": expected "embedded", a folder that exists, or a Hub id such as '
                "deepset/bert-base-uncased-squad2."
            )
        try:
            require_hub(name)
        except HubUnreachable:
            if not is_cached(hub_name, revision or None):
                raise
            return _Source(hub_name, revision or None, cached=True)
        check_before_fetching(hub_name, revision or None, as_base=as_base)
        return _Source(hub_name, revision or None)

    def options(self) -> dict[str, Any]:
        local = Path(self.path).exists()
        return {
            "trust_remote_code": False,
            "revision": self.revision or "main",
            "local_files_only": local or self.cached,
        }

    def reader_config(self) -> ReaderConfig:
        if Path(self.path).exists():
            return read_reader_config(Path(self.path))
        from transformers.utils import cached_file

        options = self.options()
        del options["trust_remote_code"]
        found = cached_file(self.path, CONFIG_FILE, _raise_exceptions_for_missing_entries=False, **options)
        return read_reader_config(Path(found).parent) if found else ReaderConfig()

    def trained_on(self) -> frozenset[str] | None:
        """What the reader was trained on, as it is kept on this machine only."""
        return read_seen(Path(self.path)) if Path(self.path).exists() else None


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise BadReader(f"{folder} is a file; a reader is a folder with config.json and model.safetensors.")
    if not (folder / "config.json").exists():
        raise BadReader(f"{folder} holds no config.json, so it is not a checkpoint of transformers.")
    if any(folder.glob("*.safetensors")):
        return
    if any(folder.glob("*.bin")) or any(folder.glob("*.pt")) or any(folder.glob("*.pkl")):
        raise BadReader(f"{folder} holds pickled weights only, which can run code when loaded. {CONVERT}")
    raise BadReader(f"{folder} holds no weights: model.safetensors was expected.")


@contextmanager
def _sentences(name: str) -> Iterator[None]:
    """Turn what transformers raises for a checkpoint that is not a reader into a sentence."""
    from huggingface_hub.errors import StrictDataclassError
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # its client: httpx or httpx2
    from safetensors import SafetensorError

    try:
        yield
    except httpx.TransportError as error:
        raise HubUnreachable(f"The Hub was lost while {name} was fetched: {str(error).rstrip('.')}.") from None
    except (
        OSError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        SafetensorError,
        StrictDataclassError,
        RuntimeError,
    ) as error:
        reason = _reason(error)
        if "ignore_mismatched_sizes" in reason:
            reason = "its weights have other shapes than its config.json says."
        if "Unrecognized configuration class" in reason:
            reason = "its architecture has no question answering head in transformers."
        raise BadReader(f"{name} could not be loaded as a question answering model: {reason.rstrip('.')}.") from None


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if isinstance(error, KeyError):
        return f"{lines[0]} is missing from its files"
    return " ".join(lines[:2] if lines and lines[0].endswith(":") else lines[:1]) or type(error).__name__


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers' reports and progress bars off the screen: what matters in them is raised."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def with_threshold(config: ReaderConfig, threshold: float, chosen_on: str) -> ReaderConfig:
    """The same settings with another null threshold, and on what it was chosen."""
    return replace(config, null_score_diff_threshold=threshold, threshold_chosen_on=chosen_on)
