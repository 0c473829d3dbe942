"""How the weights learn: each layer's rate, a teacher's pull, the mean of checkpoints, the attention's kernel."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

_LAYER = re.compile(r"\.(?:layer|layers|h|block|blocks)\.(\d+)\.")
_ATTENTION_BYTES = 1 << 30  # that the plain attention may keep for the backward pass


def layer_groups(
    model: torch.nn.Module, *, decayed: set[str], learning_rate: float, weight_decay: float, layer_decay: float
) -> list[dict[str, Any]]:
    """Parameter groups whose learning rate falls by ``layer_decay`` with every layer below the head.

    The embeddings, below all layers, have the lowest (Howard & Ruder, 2018; Clark et al., 2020, ELECTRA).
    """
    numbers = [int(found[1]) for name, _ in model.named_parameters() if (found := _LAYER.search(name))]
    layers = max(numbers, default=-1) + 1
    groups: dict[tuple[int, bool], dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        found = _LAYER.search(name)
        below = layers - int(found[1]) if found else 0 if name.startswith("qa_outputs") else layers + 1
        key = (below, name in decayed)
        group = groups.setdefault(
            key,
            {
                "params": [],
                "lr": learning_rate * layer_decay**below,
                "weight_decay": weight_decay if name in decayed else 0.0,
            },
        )
        group["params"].append(parameter)
    return list(groups.values())


def divergence(outputs: Any, taught: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """How far the student's start and end distributions are from the teachers', both softened by 2.

    ``taught``: (windows, 2, tokens), start and end logits; ``mask``: (windows, tokens), 0 at the padding.
    """
    total = torch.zeros((), device=mask.device)
    padding = (mask == 0) * -1e4
    for own, wanted in ((outputs.start_logits, taught[:, 0]), (outputs.end_logits, taught[:, 1])):
        student = torch.log_softmax((own.float() + padding) / 2, dim=-1)
        teacher = torch.log_softmax((wanted.float() + padding) / 2, dim=-1)
        total = total + 4 * torch.nn.functional.kl_div(student, teacher, log_target=True, reduction="batchmean")
    return total / 2


def average(paths: Sequence[Path], like: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The mean of several checkpoints' weights (Izmailov et al., 2018; Wortsman et al., 2022)."""
    from safetensors.torch import load_file

    total = {key: torch.zeros_like(value, dtype=torch.float32) for key, value in like.items()}
    for path in paths:
        weights = load_file(path / "model.safetensors")
        for key in total:
            total[key] += weights.get(key, like[key]).to(total[key])
    return {key: (value / len(paths)).to(like[key].dtype) for key, value in total.items()}


@contextmanager
def quickest_attention(model: Any, ids: torch.Tensor) -> Iterator[None]:
    """Let a model that uses torch's fused attention use the plain one for a small batch on the CPU.

    Backwards, the fused one is slow there: it takes a third of a step, the plain one a tenth. The plain one keeps
    every layer's weights (in float32, before and after the softmax), which a batch of long windows has too many of.
    """
    layers, heads = getattr(model.config, "num_hidden_layers", 0), getattr(model.config, "num_attention_heads", 0)
    kept = 8 * ids.numel() * ids.shape[1] * heads * layers
    if ids.device.type != "cpu" or model.config._attn_implementation != "sdpa" or kept > _ATTENTION_BYTES:
        yield
        return
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation("sdpa")
