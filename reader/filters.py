"""The filter of a run's questions: one line of text, read by hand, that says which of them are meant.

    outcome = missed and f1 < 0.5 and question word = who
    (answer type = date or answer type = number) and not context contains "Middle Ages"
    duke normandy

**Conditions** are joined by ``and``, ``or``, ``not`` and parentheses; ``not`` binds closest, then ``and``, then ``or``.

**A condition** is a field, one of ``= != < <= > >= contains`` and a value: a number, words, or a text in double quotes
(``\\"`` is a quotation mark in it). Words that stand alone, or a quoted text, are looked for in the question, the gold
answers, the prediction and the id; of several words all must be there.

**Fields**

- ``f1, exact, rouge1`` in [0, 1] (not percent) and ``margin`` (null_score_diff): numbers, at the view's threshold.
- ``question, context, answer`` (any gold answer; "" where there is none), ``predicted`` ("" where nothing is said),
  ``article`` (its title, or the label of the slicing) and ``id``: texts. ``=`` takes the whole text.
- ``outcome`` and the slicings of `reader.slices`: ``=`` and ``!=`` with one of their labels, ``contains`` with a
  part of one. ``answer length, context length`` (in words) and ``windows`` can be compared with numbers too.

Upper and lower case are the same throughout, and in names and labels so are blanks, dashes and underscores. ``!=`` is
always the opposite of ``=``; a number that is not there (no margin, no answer) is neither below nor above anything.
"""

from __future__ import annotations

import difflib
import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import pandas as pd

from reader.errors import BadUsage
from reader.metrics import OUTCOMES, BoolArray, FloatArray, IntArray
from reader.slices import LABELS

Operator = Literal["=", "!=", "<", "<=", ">", ">=", "contains"]

# name -> column of a view
SHARES = {"f1": "f1", "exact": "exact", "rouge1": "rouge1_f"}
NUMBERS = {**SHARES, "margin": "null_score_diff"}
TEXTS = {
    "question": "question",
    "context": "context",
    "answer": "answers",
    "predicted": "prediction",
    "article": "title",
    "id": "id",
}
# slicing -> the column that its labels are ranges of
COUNTED = {"answer length": "answer_length", "context length": "context_length", "windows": "windows"}
CHOICES = {"outcome": OUTCOMES, **{name: labels for name, labels in LABELS.items() if labels}}
FIELDS = ("outcome", *NUMBERS, *TEXTS, *(name for name in LABELS if name not in TEXTS))
# What the page's tables call them.
ALSO_CALLED = {
    "gold": "answer",
    "said": "predicted",
    "prediction": "predicted",
    "title": "article",
    "em": "exact",
    "rouge 1": "rouge1",
    "seen in training": "seen",
}

LONGEST = 1000  # characters
DEEPEST = 20  # parentheses and nots in each other
MOST_CONDITIONS = 40

_COMPARE: dict[str, Callable[[FloatArray, float], BoolArray]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
OPERATORS = (*_COMPARE, "contains")
_RESERVED = ("and", "or", "not", "contains")
# What stands for a comparison elsewhere, and here is none.
_NO_OPERATORS = (
    *("is", "isn't", "isn’t", "equals", "equal", "matches", "like", "regex", "~", "has", "above", "below", "exceeds"),
    *("include", "includes", "contain", "containing", "starts", "startswith", "begins", "ends", "endswith"),
)


# What a filter is made of


@dataclass(frozen=True, slots=True)
class Search:
    """The question, a gold answer, the prediction or the id holds the text."""

    text: str

    def __str__(self) -> str:
        return _written(self.text)


@dataclass(frozen=True, slots=True)
class Condition:
    """A field compared with a value: one of `FIELDS`; a label is written as `CHOICES` has it."""

    field: str
    operator: Operator
    value: float | str

    def __str__(self) -> str:
        return f"{self.field} {self.operator} {_written(self.value)}"


@dataclass(frozen=True, slots=True)
class Not:
    """What does not fulfil a part."""

    part: Part

    def __str__(self) -> str:
        return f"not {_inside(self.part, (And, Or))}"


@dataclass(frozen=True, slots=True)
class And:
    """What fulfils all parts, none of which is an `And` itself."""

    parts: tuple[Part, ...]

    def __str__(self) -> str:
        return " and ".join(_inside(part, (Or,)) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Or:
    """What fulfils one of the parts, none of which is an `Or` itself."""

    parts: tuple[Part, ...]

    def __str__(self) -> str:
        return " or ".join(map(str, self.parts))


Part = Search | Condition | Not | And | Or


@dataclass(frozen=True, slots=True)
class Filter:
    """Which questions are meant; ``root`` is None where all are. ``str(filter)`` parses to an equal filter."""

    root: Part | None = None

    def __str__(self) -> str:
        return "" if self.root is None else str(self.root)

    def mask(self, view: pd.DataFrame, slices: Mapping[str, pd.Series]) -> BoolArray:
        """Return which rows of a view are meant, shape (questions,).

        ``view``: what `reader.views.view` returns; ``slices``: what `reader.slices.slicings` returned for its run.
        Raises `BadUsage` where the run does not know what the filter asks for, such as margins.
        """
        if self.root is None:
            return np.ones(len(view), dtype=np.bool_)
        return _Looked(view, slices).fulfils(self.root)


def _inside(part: Part, loose: tuple[type, ...]) -> str:
    return f"({part})" if isinstance(part, loose) else str(part)


def _written(value: float | str) -> str:
    """A value as `parse` reads it back: bare where it is one plain word."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if re.fullmatch(r"\w+(?:[-–'’.]\w+)*", value) and value.lower() not in _RESERVED:
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


# Reading a text


@dataclass(frozen=True, slots=True)
class _Token:
    """``kind``: "(", ")", "word", "quoted", "operator", "and", "or", "not" or "end"; ``at``: its place, from 0."""

    kind: str
    text: str
    at: int

    def __str__(self) -> str:
        return "nothing more" if self.kind == "end" else f"“{_short(self.text)}”"


_TOKEN = re.compile(
    r"""\s*(?:
        (?P<bracket>[()])
      | (?P<operator>!=|<=|>=|==|[=<>≠≤≥])
      | "(?P<quoted>(?:[^"\\]|\\.)*)"
      | “(?P<curly>(?:[^”\\]|\\.)*)”
      | (?P<word>(?:(?!!=)[^\s()=<>≠≤≥"“])+)
    )""",
    re.VERBOSE | re.DOTALL,
)
_SPELLINGS = {"==": "=", "≠": "!=", "≤": "<=", "≥": ">="}
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


def parse(text: str) -> Filter:
    """Read a filter; a blank text means all questions.

    Raises `BadUsage` with a sentence that names the place, what was expected there, what was found, and an example.
    """
    _refuse_too_long(text)
    if not text.strip():
        return Filter()
    reading = _Reading(list(_tokens(text)))
    root = reading.either(0)
    if reading.now.kind != "end":
        raise reading.refusal("“and”, “or” or the end", 'f1 < 0.5 and question contains "king"')
    return Filter(root)


def look_for(text: str) -> Filter:
    """Read words to look for, whatever signs they hold; all must be there, and none means all questions.

    Raises `BadUsage` where they are meant as a condition, but by an operator that is none: "question matches who".
    """
    _refuse_too_long(text)
    reading = _Reading([_Token("word", found.group(), found.start()) for found in re.finditer(r"\S+", text)])
    _refuse_unknown_operator(reading.tokens)
    for token in reading.tokens:
        reading.count(token)
    searches = tuple(Search(token.text) for token in reading.tokens)
    return Filter(And(searches) if len(searches) > 1 else next(iter(searches), None))


def _refuse_too_long(text: str) -> None:
    if len(text) > LONGEST:
        raise BadUsage(f"The filter has {len(text):,} characters; it can have {LONGEST:,}. Leave some conditions out.")


def _tokens(text: str) -> Iterator[_Token]:
    at, end = 0, len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None:
            place = at + len(text[at:]) - len(text[at:].lstrip())
            raise BadUsage(
                f"At character {place + 1}: the quotation mark is never closed; expected another one after "
                f'“{_short(text[place + 1 :])}”. For example: question contains "king".'
            )
        kind, value = str(found.lastgroup), found[str(found.lastgroup)]
        at = found.end()
        if kind in ("quoted", "curly"):
            yield _Token("quoted", re.sub(r'\\(["”\\])', r"\1", value), found.start(kind) - 1)
        elif kind == "bracket":
            yield _Token(value, value, found.start(kind))
        elif kind == "operator" or value.lower() == "contains":
            yield _Token("operator", _SPELLINGS.get(value, value.lower()), found.start(kind))
        else:
            yield _Token(value.lower() if value.lower() in _RESERVED else "word", value, found.start(kind))
    yield _Token("end", "", end)


class _Reading:
    """A walk over the tokens of one text: ``either``, ``both``, ``one`` read what binds closer and closer."""

    def __init__(self, tokens: Sequence[_Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.conditions = 0

    @property
    def now(self) -> _Token:
        return self.tokens[self.at]

    def take(self) -> _Token:
        token = self.now
        self.at += 1
        return token

    def either(self, depth: int) -> Part:
        parts = [self.both(depth)]
        while self.now.kind == "or":
            self.take()
            parts.append(self.both(depth))
        flat = [inner for part in parts for inner in (part.parts if isinstance(part, Or) else (part,))]
        return flat[0] if len(flat) == 1 else Or(tuple(flat))

    def both(self, depth: int) -> Part:
        parts = [self.one(depth)]
        while self.now.kind == "and":
            self.take()
            parts.append(self.one(depth))
        flat = [inner for part in parts for inner in (part.parts if isinstance(part, And) else (part,))]
        return flat[0] if len(flat) == 1 else And(tuple(flat))

    def one(self, depth: int) -> Part:
        if depth > DEEPEST:
            raise BadUsage(
                f"At character {self.now.at + 1}: more than {DEEPEST} parentheses and “not” stand in each other. Leave "
                "some out; “a and b and c” needs none."
            )
        if self.now.kind == "not":
            self.take()
            return Not(self.one(depth + 1))
        if self.now.kind == "(":
            opened = self.take()
            inner = self.either(depth + 1)
            if self.now.kind != ")":
                raise self.refusal(
                    f"“and”, “or” or the “)” that closes the “(” at character {opened.at + 1}",
                    "(f1 = 0 or f1 = 1) and answer type = date",
                )
            self.take()
            return inner
        if self.now.kind not in ("word", "quoted"):
            raise self.refusal("a field, a word to look for, “not” or “(”", "f1 < 0.5")
        return self.words()

    def words(self) -> Part:
        """Words up to whatever is none: the name of a field if a comparison follows, else words to look for."""
        found = self.run()
        if self.now.kind == "operator":
            return self.condition(found)
        _refuse_unknown_operator(found)
        self.refuse_value_without_operator(found)
        for token in found:
            self.count(token)
            if not token.text.strip():
                raise _refusal(token.at, "a text to look for", "empty quotation marks", '"king"')
        searches = tuple(Search(token.text) for token in found)
        return searches[0] if len(searches) == 1 else And(searches)

    def run(self) -> list[_Token]:
        found = []
        while self.now.kind in ("word", "quoted"):
            found.append(self.take())
        return found

    def condition(self, found: list[_Token]) -> Condition:
        field = self.field(found)
        self.count(found[0])
        comparison = cast(Operator, self.now.text)
        if comparison not in operators_of(field):
            kind = "a number" if field in NUMBERS else "a text"
            raise self.refusal(
                f"one of {' '.join(operators_of(field))} after {field}, which is {kind}", _example(field)
            )
        self.take()
        value = self.run()
        if not value:
            raise self.refusal(f"what to compare {field} with", _example(field))
        if self.now.kind == "operator":
            raise self.refusal("“and” or “or” before the next condition", _two_conditions(field))
        if len(value) > 1 and any(token.kind == "quoted" for token in value):
            raise _refusal(value[1].at, "“and”, “or” or the end", str(value[1]), _two_conditions(field))
        text = " ".join(token.text for token in value)
        return Condition(field, comparison, _value(field, comparison, text, value[0].at))

    def field(self, found: list[_Token]) -> str:
        name = _key(" ".join(token.text for token in found))
        field = _field(name)
        if field is not None:
            return field
        ends = [_field(_key(" ".join(token.text for token in found[at:]))) for at in range(1, len(found))]
        if any(ends):
            at = next(at for at, end in enumerate(ends, 1) if end)
            raise _refusal(
                found[at].at,
                f"“and” or “or” between {found[at - 1]} and the field {ends[at - 1]}",
                str(found[at]),
                f"{_written(found[at - 1].text)} and {_example(str(ends[at - 1]))}",
            )
        near = _nearest(name, [*FIELDS, *ALSO_CALLED])
        raise _refusal(
            found[0].at,
            f"a field before “{self.now.text}”, one of {', '.join(FIELDS)}",
            f"“{_short(' '.join(token.text for token in found))}”",
            _example(_field(near) or "f1"),
            f" Did you mean {_field(near)}?" if near else "",
        )

    def refuse_value_without_operator(self, found: list[_Token]) -> None:
        """Stop at "f1 0.5" or "outcome missed": looked for as words they would find nothing, and not say why."""
        for size in range(1, len(found)):
            field, value = _field(_key(" ".join(token.text for token in found[:size]))), found[size]
            if field and (
                value.kind == "quoted" or _NUMBER.fullmatch(value.text) or _key(value.text) in _labels(field)
            ):
                raise _refusal(
                    value.at,
                    f"a comparison after the field {field}, one of {' '.join(operators_of(field))}",
                    str(value),
                    _example(field),
                    _LOOK_FOR,
                )

    def count(self, token: _Token) -> None:
        self.conditions += 1
        if self.conditions > MOST_CONDITIONS:
            raise BadUsage(
                f"At character {token.at + 1}: the filter has more than {MOST_CONDITIONS} conditions or words to look "
                "for. Leave some out."
            )

    def refusal(self, expected: str, example: str) -> BadUsage:
        return _refusal(None if self.now.kind == "end" else self.now.at, expected, str(self.now), example)


_LOOK_FOR = " To look for the words instead, put them all in one pair of quotation marks."


def _refuse_unknown_operator(found: Sequence[_Token]) -> None:
    """Stop at "question matches who", but not at "question about kings" or at two words that nothing follows."""
    for size in range(1, len(found) - 1):
        field, meant = _field(_key(" ".join(token.text for token in found[:size]))), found[size]
        if field and meant.kind == "word" and meant.text.lower() in _NO_OPERATORS:
            expected = f"one of {' '.join(operators_of(field))} after {field}"
            raise _refusal(meant.at, expected, str(meant), _example(field), _LOOK_FOR)


def _refusal(at: int | None, expected: str, found: str, example: str, advice: str = "") -> BadUsage:
    place = "At the end" if at is None else f"At character {at + 1}"
    return BadUsage(f"{place}: expected {expected}; found {found}.{advice} For example: {example}")


def operators_of(field: str) -> tuple[str, ...]:
    """Return the operators that a field can stand before."""
    if field in NUMBERS:
        return tuple(_COMPARE)
    return OPERATORS if field in COUNTED else ("=", "!=", "contains")


def _field(name: str) -> str | None:
    field = ALSO_CALLED.get(name, name)
    return field if field in FIELDS else None


def _value(field: str, comparison: Operator, text: str, at: int) -> float | str:
    """The value as a condition keeps it: a number, a label as it is written, or a text."""
    found = f"“{_short(text)}”"
    if comparison == "contains":
        if not text.strip():
            raise _refusal(at, f"a text that {field} is to contain", "empty quotation marks", _example(field))
        return text
    if field in NUMBERS or field in COUNTED:
        number = _number(text)
        if number is not None and field in SHARES and not 0 <= number <= 1:
            raise _refusal(at, f"a number from 0 to 1 ({field} is not in percent here)", found, _example(field))
        if number is not None:
            return number
        if field in NUMBERS or comparison not in ("=", "!="):
            raise _refusal(at, f"a number to compare {field} with", found, _example(field))
    return _label(field, text, at) if field in CHOICES else text


def _number(text: str) -> float | None:
    # The page writes a true minus, and so do those who copy from it.
    plain = text.replace("−", "-")
    number = float(plain) if _NUMBER.fullmatch(plain) else math.nan
    return number if math.isfinite(number) else None


def _labels(field: str) -> dict[str, str]:
    return {_key(label): label for label in CHOICES.get(field, ())}


def _label(field: str, text: str, at: int) -> str:
    labels = _labels(field)
    if _key(text) in labels:
        return labels[_key(text)]
    near = _nearest(_key(text), list(labels))
    raise _refusal(
        at,
        f"one of {', '.join(CHOICES[field])} as the {field}",
        f"“{_short(text)}”",
        f"{field} = {_written(labels[near])}" if near else _example(field),
        f" Did you mean {labels[near]}?" if near else "",
    )


def _example(field: str) -> str:
    """A condition on a field that would work."""
    if field in NUMBERS:
        return f"{field} < 0.5"
    if field in COUNTED:
        return f"{field} > 1"
    if field in CHOICES:
        return f"{field} = {_written(CHOICES[field][0])}"
    return f'{field} contains "king"'


def _two_conditions(field: str) -> str:
    return f"{_example(field)} and {'outcome = missed' if field in NUMBERS else 'f1 < 0.5'}"


def _key(name: str) -> str:
    """A name or label as it is compared: without regard to case, blanks, dashes and underscores."""
    return " ".join(re.sub(r"[\s_‐‑–—-]+", " ", name.casefold()).split())


def _nearest(name: str, names: Sequence[str]) -> str:
    return next(iter(difflib.get_close_matches(name[:60], names, n=1, cutoff=0.5)), "")


def _short(text: str, longest: int = 40) -> str:
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


# Finding the questions


_SEARCHED = "question, prediction, id and gold answers"
_BETWEEN = "\x1e"  # the control character that separates records: no text found spans two gold answers


class _Looked:
    """A view being looked through: texts are taken from it, in lower case, once however many conditions ask."""

    def __init__(self, view: pd.DataFrame, slices: Mapping[str, pd.Series]) -> None:
        self.view = view
        self.slices = slices
        self.texts: dict[str, tuple[list[str], IntArray | None]] = {}

    def fulfils(self, part: Part) -> BoolArray:
        if isinstance(part, Search):
            return self.holds(_SEARCHED, part.text)
        if isinstance(part, Condition):
            return self.compared(part)
        if isinstance(part, Not):
            return ~self.fulfils(part.part)
        masks = [self.fulfils(inner) for inner in part.parts]
        return cast(BoolArray, np.all(masks, axis=0) if isinstance(part, And) else np.any(masks, axis=0))

    def compared(self, condition: Condition) -> BoolArray:
        field, comparison, value = condition.field, condition.operator, condition.value
        if isinstance(value, float):
            return _COMPARE[comparison](self.numbers(field), value)
        if field in TEXTS:
            found = self.holds(field, value) if comparison == "contains" else self.equals(field, value)
        else:
            found = _labelled(self.labels(field), value, comparison)
        return ~found if comparison == "!=" else found

    def numbers(self, field: str) -> FloatArray:
        if field in COUNTED:
            self.labels(field)  # refuses where the run has none
            counts = self.view[COUNTED[field]].to_numpy(dtype=np.float64)
            # No answer is not an answer of no words.
            return np.where(self.view["is_impossible"], np.nan, counts) if field == "answer length" else counts
        numbers = self.view[NUMBERS[field]].to_numpy(dtype=np.float64)
        if field == "margin" and len(numbers) and np.isnan(numbers).all():
            raise BadUsage("This run has no margins, so its questions cannot be filtered by them. Leave “margin” out.")
        return numbers

    def labels(self, field: str) -> pd.Series:
        if field == "outcome":
            return self.view["outcome"]
        if field not in self.slices:
            known = ", ".join(["outcome", *self.slices])
            raise BadUsage(f"{field} is not known of this run; its questions can be grouped by {known}.")
        labels = self.slices[field]
        return labels if labels.index.equals(self.view.index) else labels.loc[self.view.index]

    def holds(self, field: str, wanted: str) -> BoolArray:
        """Which rows have the wanted text somewhere in a field, or in all that a search looks through."""
        texts, rows = self.texts_of(field)
        wanted = _as_kept(field, wanted)
        return _spread([wanted in text for text in texts], rows)

    def equals(self, field: str, value: str) -> BoolArray:
        """Which rows have the value as the whole of a field; of the gold answers one will do."""
        texts, rows = self.texts_of(field)
        wanted = _as_kept(field, value.strip())
        if field == "answer":
            return _spread([wanted in map(str.strip, text.split(_BETWEEN)) for text in texts], rows)
        found = _spread([wanted == text.strip() for text in texts], rows)
        if field == "article" and field in self.slices:
            found |= _labelled(self.labels(field), value, "=")
        return found

    def texts_of(self, field: str) -> tuple[list[str], IntArray | None]:
        """The texts of a field in lower case; where many rows share theirs, each once, and the number of each row's."""
        if field not in self.texts:
            rows: IntArray | None = None
            if field == _SEARCHED:
                columns = [self.view[TEXTS[name]].tolist() for name in ("question", "predicted", "id", "answer")]
                values = [
                    _BETWEEN.join((question, predicted, name, *golds))
                    for question, predicted, name, golds in zip(*columns, strict=True)
                ]
            elif field == "answer":
                values = [_BETWEEN.join(golds) for golds in self.view[TEXTS[field]].tolist()]
            elif field == "article":
                rows, values = pd.factorize(self.view[TEXTS[field]])
            elif field == "context":
                _, first, rows = np.unique(self.view["paragraph"].to_numpy(), return_index=True, return_inverse=True)
                values = self.view[TEXTS[field]].iloc[first].tolist()
            else:
                values = self.view[TEXTS[field]].tolist()
            # Ten thousand texts and more: a call for each would cost more than all else here.
            kept = [_as_kept(field, text) for text in values] if field == "article" else list(map(str.casefold, values))
            self.texts[field] = kept, rows
        return self.texts[field]


def _as_kept(field: str, text: str) -> str:
    return _key(text) or text if field == "article" else text.casefold()


def _spread(found: list[bool], rows: IntArray | None) -> BoolArray:
    mask = np.array(found, dtype=np.bool_)
    return mask if rows is None else mask[rows]


def _labelled(labels: pd.Series, value: str, comparison: Operator) -> BoolArray:
    """Which rows have the label, or one that contains the value."""
    wanted = _key(value) or value
    names = [_key(name) for name in labels.cat.categories]
    chosen = [wanted in name if comparison == "contains" else wanted == name for name in names]
    # A row without label has the code −1, and so the last entry.
    return np.array([*chosen, False], dtype=np.bool_)[labels.cat.codes.to_numpy()]
