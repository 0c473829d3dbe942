"""Teachers: readers whose start and end distributions a student learns beside the gold answers.

Several teachers teach by the mean of their logits, and a student of readers like itself still ends better than each
of them (Hinton et al., 2015; Furlanello et al., 2018). A window is read once, before training begins: every epoch
shows the same windows, so that being taught costs a fraction of an epoch and a step costs what it did.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from reader.checkpoints import Checkpoint, load_checkpoint
from reader.errors import BadReader
from reader.features import TrainFeature, longest_window, uses_segments
from reader.trainer import Collator

_BATCH_TOKENS = {"cpu": 4096, "cuda": 131_072}


def load_teacher(name: str, student: Checkpoint) -> torch.nn.Module:
    """A reader that reads the student's windows. Raises `BadReader` where it cannot."""
    teacher = load_checkpoint(name)
    if teacher.tokenizer.get_vocab() != student.tokenizer.get_vocab():
        raise BadReader(f"{name} cannot teach {student.name}: they have different vocabularies, so different tokens.")
    longest, wanted = longest_window(teacher.model.config), student.windowing.max_seq_length
    if longest is not None and longest < wanted:
        raise BadReader(f"{name} cannot teach {student.name}: it reads {longest} tokens, the windows have {wanted}.")
    model: torch.nn.Module = teacher.model.eval().requires_grad_(False)
    return model


def teach(
    teachers: Sequence[torch.nn.Module],
    features: Sequence[TrainFeature],
    needed: Iterable[int],
    collate: Collator,
    *,
    device: str,
    bf16: bool,
) -> list[TrainFeature]:
    """The features, those whose indices are ``needed`` with the mean of the teachers' logits as ``taught``."""
    teachers = [teacher.to(device) for teacher in teachers]
    taught = list(features)
    batch: list[int] = []
    order = sorted(set(needed), key=lambda index: (-len(features[index].input_ids), index))
    budget = _BATCH_TOKENS.get(device, 16_384)
    for position, index in enumerate(order):
        batch.append(index)
        if (len(batch) + 1) * len(features[batch[0]].input_ids) > budget or position == len(order) - 1:
            inputs = collate([features[each] for each in batch])
            with torch.inference_mode(), torch.autocast(device, dtype=torch.bfloat16, enabled=bf16):
                logits = torch.stack([_read(teacher, inputs, device) for teacher in teachers]).mean(0).cpu().numpy()
            for row, each in enumerate(batch):
                window = logits[:, row, : len(features[each].input_ids)].astype(np.float16)
                taught[each] = replace(features[each], taught=window)
            batch = []
    for teacher in teachers:
        teacher.to("cpu")
    return taught


def _read(teacher: torch.nn.Module, inputs: dict[str, torch.Tensor], device: str) -> torch.Tensor:
    """Start and end logits of a batch: (2, windows, tokens)."""
    names = ["input_ids", "attention_mask"]
    config: Any = teacher.config
    if "token_type_ids" in inputs and uses_segments(config):
        names.append("token_type_ids")
    output = teacher(**{name: inputs[name].to(device) for name in names})
    return torch.stack([output.start_logits, output.end_logits]).float()
