"""Tiny checkpoints of every shape that readers come in, made offline: an untrained model and a tokenizer of its own.

The tokenizers are the families' own classes on vocabularies of a few hundred pieces, made here. What they do with
white space, accents and special tokens is what the real ones do, and so are their offsets.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AlbertConfig,
    AlbertForQuestionAnswering,
    AlbertTokenizer,
    BertConfig,
    BertForQuestionAnswering,
    BertTokenizer,
    DebertaConfig,
    DebertaForQuestionAnswering,
    DebertaTokenizer,
    DebertaV2Config,
    DebertaV2ForQuestionAnswering,
    DebertaV2Tokenizer,
    RobertaConfig,
    RobertaForQuestionAnswering,
    RobertaTokenizer,
    XLNetConfig,
    XLNetForQuestionAnsweringSimple,
    XLNetTokenizer,
)

FAMILIES = ("bert", "roberta", "albert", "deberta", "deberta-v2", "xlnet")

TEXTS = (
    "Ada Lovelace wrote the first program in 1843, in notes on a paper about the Analytical Engine.",
    "The Normans gave their name to Normandy, a region in France, in the 10th and 11th centuries.",
    "Who wrote the first program? When did the Normans give their name to Normandy? Where is it?",
    "Rollo swore fealty to King Charles III of West Francia; his people took up the local language.",
    "What was the name of the king? How many notes are in the paper? Which region is in France?",
    "The kettle holds 1.7 litres. Do not fill it above the mark, and never open the lid while it boils.",
    "In what country is the region called Normandy? Who must not open the lid, and when?",
)


def make(family: str, folder: Path, *, seed: int = 0, spread: float = 0.2, **config: Any) -> Path:
    """Write a tiny checkpoint of a family (float32 safetensors, tokenizer, config) into a new folder.

    ``spread``: standard deviation of the random weights; the larger, the further apart the logits. ``config``
    overrides the model's configuration.
    """
    torch.manual_seed(seed)
    tokenizer, model = _BUILDERS[family](dict(config))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0.0, spread)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute in one thread: what is tiny takes longer to share out than to compute, most of all on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _size(config: dict[str, Any], **own: Any) -> dict[str, Any]:
    common = {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 512,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }
    return common | own | config


def _words() -> tuple[list[str], list[tuple[str, str]], list[str]]:
    """Words that are a piece as a whole, words that are two, and the letters; in an order that never changes."""
    words = sorted({word for text in TEXTS for word in re.findall(r"\w+", text.lower())})
    whole = [word for index, word in enumerate(words) if len(word) < 4 or index % 2]
    halves = [(word[: len(word) // 2], word[len(word) // 2 :]) for word in words if word not in whole]
    return whole, halves, sorted({letter for text in TEXTS for letter in text + text.lower()} - {" "})


def _bert(config: dict[str, Any]) -> tuple[Any, Any]:
    whole, halves, letters = _words()
    pieces = [*whole, *(first for first, _ in halves), *(f"##{second}" for _, second in halves)]
    pieces += [*letters, *(f"##{letter}" for letter in letters)]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys([*special, *pieces]))}
    tokenizer = BertTokenizer(vocab=vocabulary)
    return tokenizer, BertForQuestionAnswering(BertConfig(**_size(config, vocab_size=len(vocabulary))))


def _byte_pairs(special: list[str]) -> tuple[dict[str, int], list[tuple[str, str]]]:
    pairs = Tokenizer(models.BPE())
    pairs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pairs.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    pairs.train_from_iterator(TEXTS, trainer)
    stored = json.loads(pairs.to_str())["model"]
    return stored["vocab"], [tuple(merge) for merge in stored["merges"]]


def _roberta(config: dict[str, Any]) -> tuple[Any, Any]:
    vocabulary, merges = _byte_pairs(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    tokenizer = RobertaTokenizer(vocab=vocabulary, merges=merges)
    own = {
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 514,
        "type_vocab_size": 1,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    return tokenizer, RobertaForQuestionAnswering(RobertaConfig(**_size(config, **own)))


def _deberta(config: dict[str, Any]) -> tuple[Any, Any]:
    vocabulary, merges = _byte_pairs(["[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"])
    tokenizer = DebertaTokenizer(vocab=vocabulary, merges=merges)
    own = {
        "vocab_size": len(tokenizer),
        "type_vocab_size": 0,
        "relative_attention": True,
        "pos_att_type": ["c2p", "p2c"],
        "pad_token_id": tokenizer.pad_token_id,
    }
    return tokenizer, DebertaForQuestionAnswering(DebertaConfig(**_size(config, **own)))


def _pieces(special: list[str]) -> list[tuple[str, float]]:
    """A Unigram vocabulary with made-up probabilities: long pieces are likelier than their letters together."""
    whole, halves, letters = _words()
    pieces = [*(f"▁{word}" for word in whole), *(f"▁{first}" for first, _ in halves), *(second for _, second in halves)]
    scores = dict.fromkeys(special, 0.0) | {"▁": -6.0} | dict.fromkeys(letters, -9.0) | dict.fromkeys(pieces, -7.0)
    return list(scores.items())


def _albert(config: dict[str, Any]) -> tuple[Any, Any]:
    vocabulary = _pieces(["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"])
    tokenizer = AlbertTokenizer(vocab=vocabulary)
    own = {"vocab_size": len(tokenizer), "embedding_size": 16, "pad_token_id": tokenizer.pad_token_id}
    return tokenizer, AlbertForQuestionAnswering(AlbertConfig(**_size(config, **own)))


def _deberta_v2(config: dict[str, Any]) -> tuple[Any, Any]:
    vocabulary = _pieces(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    tokenizer = DebertaV2Tokenizer(vocab=vocabulary)
    own = {
        "vocab_size": len(tokenizer),
        "type_vocab_size": 0,
        "relative_attention": True,
        "position_buckets": 32,
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
        "pos_att_type": ["p2c", "c2p"],
        "position_biased_input": False,
        "pad_token_id": tokenizer.pad_token_id,
    }
    return tokenizer, DebertaV2ForQuestionAnswering(DebertaV2Config(**_size(config, **own)))


def _xlnet(config: dict[str, Any]) -> tuple[Any, Any]:
    vocabulary = _pieces(["<unk>", "<s>", "</s>", "<cls>", "<sep>", "<pad>", "<mask>", "<eod>", "<eop>"])
    tokenizer = XLNetTokenizer(vocab=vocabulary)
    own = {"vocab_size": len(tokenizer), "d_model": 16, "n_layer": 2, "n_head": 2, "d_inner": 32, "dropout": 0.0}
    return tokenizer, XLNetForQuestionAnsweringSimple(XLNetConfig(**(own | config)))


_BUILDERS: dict[str, Callable[[dict[str, Any]], tuple[Any, Any]]] = {
    "bert": _bert,
    "roberta": _roberta,
    "albert": _albert,
    "deberta": _deberta,
    "deberta-v2": _deberta_v2,
    "xlnet": _xlnet,
}
