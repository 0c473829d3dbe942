"""A reader whose answers are known because its weights were set by hand: it loves the word "Rouen".

A BERT without layers: a token's logits depend on its word, and a little on its position. "Rouen" scores about 10,
the later in the text the more (up to the 25th token); every other word less than −5; no answer ([CLS]) 0. So the
answer is the last "Rouen", with a margin of −10 or a little below; without one the text is not answerable.
"""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertForQuestionAnswering, PreTrainedTokenizerFast

from reader.checkpoints import ReaderConfig, write_reader_config

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "rouen")
LOVED, NEUTRAL, DISLIKED = 1.0, 0.0, -1.0
SCALE = 5.0


def make(folder: Path) -> Path:
    """Write the reader into a new folder, and return it."""
    folder.mkdir(parents=True)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=6,
        num_hidden_layers=0,
        num_attention_heads=1,
        intermediate_size=6,
        max_position_embeddings=512,
    )
    model = BertForQuestionAnswering(config)
    likings = [NEUTRAL if word == "[CLS]" else LOVED if word == "rouen" else DISLIKED for word in WORDS]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        embeddings = model.bert.embeddings
        embeddings.LayerNorm.weight.fill_(1.0)
        # Mean 0 and variance 1, which the layer norm leaves alone: (s, −s, e, −e, m, −m), s² + e² + m² = 3.
        for index, liking in enumerate(likings):
            rest = (3 - 2 * liking**2) ** 0.5
            vector = torch.tensor([liking, -liking, liking, -liking, rest, -rest])
            embeddings.word_embeddings.weight[index] = vector
        # Large enough for bf16 to tell neighbours apart, and level from the 25th token on.
        bump = torch.arange(512).clamp(max=25).float() * 0.02
        embeddings.position_embeddings.weight[:, 0] = bump
        embeddings.position_embeddings.weight[:, 1] = -bump
        model.qa_outputs.weight[0, 0] = SCALE
        model.qa_outputs.weight[1, 2] = SCALE
    model.save_pretrained(folder)
    _tokenizer().save_pretrained(folder)
    write_reader_config(folder, ReaderConfig())
    return folder


def _tokenizer() -> PreTrainedTokenizerFast:
    words = Tokenizer(models.WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.normalizer = normalizers.Lowercase()
    words.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    words.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )
