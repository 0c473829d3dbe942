"""Somebody else's predictions: read, matched with the data by id, and scored as the official script would."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reader.errors import BadData, BadUsage
from reader.examples import Example, ExampleSet, fingerprint
from reader.files import read_json
from reader.run_table import Found, run_table
from reader.sources import refuse_unreadable
from reader.views import summary

OFFICIAL_THRESHOLD = 1.0  # the official script's default, made for null odds that are probabilities


def read_predictions(path: Path) -> dict[str, str]:
    """Read a predictions.json: id -> answer text, "" for no answer. Anything else raises `BadData`."""
    found = _read_object(path, "predictions: an object of question ids and answer texts")
    wrong = [name for name, value in found.items() if not isinstance(value, str)]
    if wrong:
        raise BadData(
            f"{path} holds no predictions: {len(wrong):,} of its {len(found):,} values are not text, "
            f"the first that of {wrong[0]!r:.80}. Expected an object of question ids and answer texts."
        )
    return found


def read_null_odds(path: Path) -> dict[str, float]:
    """Read a null_odds.json: id -> number, the greater the less likely there is an answer. Else `BadData`."""
    found = _read_object(path, "null odds: an object of question ids and numbers")
    try:
        wrong = [name for name, value in found.items() if not _is_number(value)]
    except OverflowError:  # a whole number beyond the largest float
        raise BadData(f"{path} holds a number that is too large.") from None
    if wrong:
        raise BadData(
            f"{path} holds no null odds: {len(wrong):,} of its {len(found):,} values are not finite numbers, "
            f"the first that of {wrong[0]!r:.80}. Expected an object of question ids and numbers."
        )
    return {name: float(value) for name, value in found.items()}


def _read_object(path: Path, expected: str) -> dict[str, Any]:
    if path.exists() and not path.is_dir():
        refuse_unreadable(path)
    found = read_json(path)
    if not isinstance(found, dict):
        raise BadData(f"{path} holds a {type(found).__name__}; expected {expected}.")
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


@dataclass(frozen=True, slots=True)
class Matched:
    """Predictions beside their examples, in data order.

    ``null_odds``: one per example, or None. ``missing``: examples without prediction, left out of ``data``;
    ``extra``: predictions without example. ``order``: rows of ``data`` in the order of the null odds' file.
    """

    data: ExampleSet
    predictions: list[str]
    null_odds: list[float] | None
    order: list[int] | None
    missing: int
    extra: int

    @property
    def silent(self) -> int:
        """How many predictions abstain already."""
        return sum(said == "" for said in self.predictions)


def match(
    data: ExampleSet,
    predictions: Mapping[str, str],
    null_odds: Mapping[str, float] | None = None,
    *,
    allow_missing: bool = False,
) -> Matched:
    """Join predictions to examples by id. Missing ones raise `BadData` with their number, unless allowed."""
    here = [example for example in data.examples if example.id in predictions]
    missing = len(data.examples) - len(here)
    if not here:
        raise BadData(
            f"None of the {len(predictions):,} predictions is for a question of {data.source}: no id is the same. "
            "Are they for another data set?"
        )
    if missing and not allow_missing:
        first = next(example.id for example in data.examples if example.id not in predictions)
        raise BadData(
            f"{missing:,} of the {len(data.examples):,} questions of {data.source} have no prediction, the first "
            f"{first!r:.80}. Add them; python -m reader score --allow-missing scores the others alone."
        )
    if missing:
        data = ExampleSet(data.source, here, fingerprint(here), data.skipped)
    odds, order = _match_null_odds(here, null_odds) if null_odds is not None else (None, None)
    return Matched(
        data=data,
        predictions=[predictions[example.id] for example in here],
        null_odds=odds,
        order=order,
        missing=missing,
        extra=len(predictions) - len(here),
    )


def _match_null_odds(here: list[Example], null_odds: Mapping[str, float]) -> tuple[list[float], list[int]]:
    without = [example.id for example in here if example.id not in null_odds]
    if without:
        raise BadData(
            f"{len(without):,} of the {len(here):,} questions have no null odds, the first {without[0]!r:.80}. "
            "Every question with a prediction needs one."
        )
    rows = {example.id: row for row, example in enumerate(here)}
    return [null_odds[example.id] for example in here], [rows[name] for name in null_odds if name in rows]


def found_in(matched: Matched) -> list[Found]:
    """Return the rows of a run table. Margins are kept only where no prediction abstains already.

    A prediction's offsets are known only where its text stands in the context exactly once.
    """
    odds = matched.null_odds if matched.null_odds is not None and not matched.silent else None
    rows = []
    for row, (example, said) in enumerate(zip(matched.data.examples, matched.predictions, strict=True)):
        start = example.context.find(said) if said else -1
        if start >= 0 and example.context.find(said, start + 1) >= 0:
            start = -1
        rows.append(
            Found(
                span=said,
                start=start,
                end=start + len(said) if start >= 0 else -1,
                null_score_diff=odds[row] if odds is not None else math.nan,
            )
        )
    return rows


def score_predictions(
    data: ExampleSet,
    predictions: Mapping[str, str],
    null_odds: Mapping[str, float] | None = None,
    threshold: float | None = None,
    allow_missing: bool = False,
) -> dict[str, Any]:
    """Score predictions as the official script does; returns `reader.views.summary` with the counts of ids.

    ``threshold`` (default 1.0, the script's) takes effect with null odds only: without them the script takes all odds
    to be 0. Beside the summary: ``data``, ``missing``, ``extra`` (numbers of ids) and ``notes``, sentences on what
    the figures do not say.
    """
    if null_odds is None and threshold is not None and threshold < 0:
        raise BadUsage(
            f"A threshold of {threshold:g} needs the null odds it is compared with (--null-odds): without them it "
            "would empty every prediction."
        )
    matched = match(data, predictions, null_odds, allow_missing=allow_missing)
    table = run_table(matched.data.examples, found_in(matched))
    figures = summary(
        table,
        threshold=OFFICIAL_THRESHOLD if threshold is None else threshold,
        null_odds=None if matched.null_odds is None else np.array(matched.null_odds, dtype=np.float64),
        order=None if matched.order is None else np.array(matched.order, dtype=np.int64),
    )
    return {
        "data": {"source": data.source, "fingerprint": matched.data.fingerprint, "examples": len(table)},
        **figures,
        "missing": matched.missing,
        "extra": matched.extra,
        "notes": _notes(matched, threshold),
    }


def _notes(matched: Matched, threshold: float | None) -> list[str]:
    notes = []
    if threshold is not None and matched.null_odds is None:
        notes.append("The threshold had no effect: there are no null odds to compare it with.")
    if matched.missing:
        notes.append(f"{matched.missing:,} questions have no prediction and were left out.")
    if matched.extra:
        notes.append(f"{matched.extra:,} predictions belong to no question of the data and were ignored.")
    if matched.silent:
        notes.append(
            f"{matched.silent:,} of the predictions are empty: they abstain already, so the forced protocol "
            "cannot be computed"
            + (", and best_* are not the best these answers could reach." if matched.null_odds else ".")
        )
    return notes
