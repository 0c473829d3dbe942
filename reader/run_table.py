"""The table of an evaluation run: one row per question with its best span, its margin and all that is counted once.

Nothing in it depends on a threshold; `reader.views` decides that later, from the columns alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from reader import rouge_scores
from reader.examples import Example, paragraph_numbers
from reader.metrics import judge
from reader.postprocess import Answer
from reader.seen import context_hash
from reader.slices import question_word

_TEXTS = ("id", "title", "question", "context", "span", "question_word")
_COUNTS = ("paragraph", "span_start", "span_end", "windows", "answer_length", "context_length")
ROUGE_COLUMNS = tuple(
    name + suffix
    for suffix in ("", "_normalized")
    for name in (*rouge_scores.COLUMNS, *(f"abstain_{kind}" for kind in rouge_scores.KINDS))
)
_FLOATS = (
    "score",
    "null_score",
    "null_score_diff",
    "probability",
    "no_answer_probability",
    "exact",
    "f1",
    "abstain_exact",
    *ROUGE_COLUMNS,
)
COLUMNS = (*_TEXTS, *_COUNTS, *_FLOATS, "answers", "answer_starts", "is_impossible")
SEEN = "seen"  # a column where it is known what the reader was trained on


@dataclass(frozen=True, slots=True)
class Found:
    """What was said to one question: the best span whether or not the reader abstains, and its margin.

    ``span`` is "" only where there is nothing to say: a reader found no span, or somebody else's predictions
    abstain. Offsets are -1 and scores NaN where they are not known.
    """

    span: str
    start: int = -1
    end: int = -1
    score: float = math.nan
    null_score: float = math.nan
    null_score_diff: float = math.nan
    probability: float = math.nan
    no_answer_probability: float = math.nan
    windows: int = 0

    @classmethod
    def of(cls, answer: Answer) -> Found:
        """Keep of an answer what does not depend on its threshold."""
        best = answer.best
        return cls(
            span=best.text if best else "",
            start=best.start if best else -1,
            end=best.end if best else -1,
            score=best.score if best else math.nan,
            null_score=answer.null_score,
            null_score_diff=answer.null_score_diff,
            probability=answer.probability,
            no_answer_probability=answer.no_answer_probability,
            windows=answer.windows,
        )


def run_table(
    examples: Sequence[Example], found: Sequence[Found], trained_on: frozenset[str] | None = None
) -> pd.DataFrame:
    """Build the table, in data order, with the columns of `COLUMNS`.

    ``exact, f1`` and the ROUGE columns are the span's own, in [0, 1]; ``abstain_*`` is what saying nothing scores.
    ``answer_length`` (of the first gold, 0 where there is none) and ``context_length`` are in words. ``trained_on``:
    hashes of contexts (`reader.seen`); with them there is a column ``seen``, whether the context is one of those.
    """
    golds = [[gold.text for gold in example.answers] for example in examples]
    spans = [one.span for one in found]
    judged = judge(spans, golds)
    # Questions share their contexts: count each context's words once.
    contexts = {example.context for example in examples}
    lengths = {context: _words(context) for context in contexts}
    columns: dict[str, object] = {
        "id": [example.id for example in examples],
        "title": [example.title for example in examples],
        "question": [example.question for example in examples],
        "context": [example.context for example in examples],
        "span": spans,
        "question_word": [question_word(example.question) for example in examples],
        "paragraph": paragraph_numbers(examples),
        "span_start": [one.start for one in found],
        "span_end": [one.end for one in found],
        "windows": [one.windows for one in found],
        "answer_length": [_words(texts[0]) if texts else 0 for texts in golds],
        "context_length": [lengths[example.context] for example in examples],
        "exact": judged.exact,
        "f1": judged.f1,
        "abstain_exact": (~judged.has_answer).astype(np.float64),
        **rouge_scores.rouge_columns(spans, golds),
        "answers": golds,
        "answer_starts": [[gold.start for gold in example.answers] for example in examples],
        "is_impossible": ~judged.has_answer,
    }
    for name in ("score", "null_score", "null_score_diff", "probability", "no_answer_probability"):
        columns[name] = np.array([getattr(one, name) for one in found], dtype=np.float64)
    table = pd.DataFrame({name: columns[name] for name in COLUMNS})
    if trained_on is not None:
        seen = {context: context_hash(context) in trained_on for context in contexts}
        table[SEEN] = [seen[example.context] for example in examples]
    return table


def _words(text: str) -> int:
    """How many words: what stands between white space."""
    return len(text.split())


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write the table as Parquet. Raises `OSError` where it cannot be written."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {
        **dict.fromkeys(_TEXTS, pa.string()),
        **dict.fromkeys(_COUNTS, pa.int64()),
        **dict.fromkeys(_FLOATS, pa.float64()),
        "answers": pa.list_(pa.string()),
        "answer_starts": pa.list_(pa.int64()),
        "is_impossible": pa.bool_(),
        SEEN: pa.bool_(),
    }
    schema = pa.schema([(name, kinds[name]) for name in (*COLUMNS, SEEN) if name in table])
    arrays = [pa.array(table[name].tolist(), type=schema.field(name).type) for name in schema.names]
    pq.write_table(pa.Table.from_arrays(arrays, schema=schema), path)


def read_table(path: Path) -> pd.DataFrame:
    """Read the table, with ``seen`` where it has that; `OSError` or `ValueError` where it is damaged or not whole."""
    import pyarrow.parquet as pq

    with path.open("rb") as file:
        read = pq.read_table(file)
    missing = [name for name in COLUMNS if name not in read.column_names]
    if missing:
        raise ValueError(f"there is no column {', '.join(missing)}")
    table = read.select([name for name in (*COLUMNS, SEEN) if name in read.column_names]).to_pandas()
    for name in ("answers", "answer_starts"):
        table[name] = pd.Series([list(values) for values in table[name]], index=table.index, dtype=object)
    return table
