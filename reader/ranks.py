"""Several processes that train one reader: who is who, and what they agree on.

Each holds the whole model and reads its share of every batch; accelerate and torch.distributed do the rest. Where
there is one process, everything here is a plain answer.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, TypeVar

Item = TypeVar("Item")


def rank() -> int:
    """This process's number, from 0; the one with 0 writes the files and tells what goes on."""
    return int(os.environ.get("RANK", 0))


def count() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", 1))


def any_of_them(flag: bool) -> bool:
    """Whether the flag is set in any of the processes; all get the same answer."""
    return any(_gathered(flag))


def first_says(value: Item) -> Item:
    """What the first process has; all get it."""
    return _gathered(value)[0]


def wait_for_all() -> None:
    """Return when every process has come here."""
    _gathered(None)


def leave() -> None:
    """End the connection to the others; nothing more can be agreed on."""
    if count() > 1:
        import torch.distributed

        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def share_of(items: Sequence[Item]) -> list[Item]:
    """Every so many-th item, from this process's number on."""
    return list(items[rank() :: count()])


def joined(mine: Sequence[Item]) -> list[Item]:
    """All shares put together again, in the order of the whole."""
    shares = _gathered(list(mine))
    whole: list[Any] = [None] * sum(len(share) for share in shares)
    for number, share in enumerate(shares):
        whole[number :: len(shares)] = share
    return whole


def _gathered(value: Item) -> list[Item]:
    if count() == 1:
        return [value]
    import torch.distributed

    gathered: list[Any] = [None] * count()
    torch.distributed.all_gather_object(gathered, value)
    return gathered
