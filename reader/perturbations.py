"""Small changes to a question or its text that leave the answer as it was.

After the invariance tests of CheckList (Ribeiro, Wu, Guestrin & Singh, "Beyond Accuracy", 2020), for examples at hand
and without labels by hand: whatever a reader answered before, it should answer afterwards, and what it held for
unanswerable should stay so. Each change has a rule for the examples that it applies to, and leaves the others alone;
where a rule is in doubt it does not apply, so that a failure is the reader's and not the test's. The rules for words
are English; a question in another language is left alone by them.

A change is a pure function of the example, the seed and the data set that it borrows sentences and names from.
"""

from __future__ import annotations

import random
import re
import string
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from reader.errors import BadUsage
from reader.examples import Example

# Contexts that sentences and names are borrowed from: enough to choose from, and quick in the largest data set.
_BORROWED_CONTEXTS = 500
_LONGEST_CAPITALS = 200  # characters: a longer question may fill a window, as capitals make many more tokens
_TRIES = 50  # sentences looked at for one that has nothing to do with the question
_SHORTEST_TYPO = 5  # letters: the first and the last stay, and two neighbours are left to choose from


@dataclass(frozen=True, slots=True)
class Sentence:
    """A whole sentence and the article and context that it was taken from."""

    text: str
    title: str
    context: str


@dataclass(frozen=True, slots=True)
class Material:
    """What changes borrow from a data set: sentences, and names by their kind (``person``, ``place``)."""

    sentences: tuple[Sentence, ...]
    names: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Edit:
    """A changed example (same id), what was changed in short, and (old, new) where a name was replaced."""

    example: Example
    what: str
    renamed: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One kind of change. ``apply`` returns None for an example that its rule does not fit.

    ``says``: what is done and what is expected, in a sentence for people.
    """

    name: str
    title: str
    says: str
    apply: Callable[[Example, Material, random.Random], Edit | None]


@dataclass(frozen=True, slots=True)
class Changed:
    """A changed example and the index of the one that it was made of."""

    index: int
    example: Example
    what: str
    renamed: tuple[str, str] | None = None

    def expected(self, answer: str) -> str:
        """The answer to give now, where this one was given before the change."""
        return answer.replace(*self.renamed) if self.renamed else answer


def changed_examples(examples: Sequence[Example], change: Change, *, seed: int, limit: int) -> list[Changed]:
    """Change those of the ``limit`` drawn examples (`drawn`) that the change applies to, in data order.

    A pure function of its arguments. Raises `BadUsage` where the limit is less than 1.
    """
    rows = drawn(len(examples), seed=seed, limit=limit)
    return list(changed(examples, rows, change, material_of(examples, seed=seed), seed=seed))


def drawn(count: int, *, seed: int, limit: int) -> list[int]:
    """Draw ``limit`` indices below ``count``, or all there are, in rising order.

    Drawn, as the first ones of a data set are often of one article.
    """
    if limit < 1:
        raise BadUsage(f"The limit is {limit}; it must be at least 1.")
    return sorted(random.Random(f"{seed}-rows").sample(range(count), min(limit, count)))


def changed(
    examples: Sequence[Example], rows: Sequence[int], change: Change, material: Material, *, seed: int
) -> Iterator[Changed]:
    """Change the examples of these rows, as a stream; those that the change does not apply to are left out."""
    for row in rows:
        example = examples[row]
        # Seeded by the id, so that an example is changed alike whatever stands beside it.
        edit = change.apply(example, material, random.Random(f"{seed}-{change.name}-{example.id}"))
        if edit is not None:
            yield Changed(row, edit.example, edit.what, edit.renamed)


def material_of(examples: Sequence[Example], *, seed: int) -> Material:
    """Gather what changes borrow, from at most 500 contexts of the data set, drawn by the seed."""
    titles: dict[str, str] = {}
    for example in examples:
        titles.setdefault(example.context, example.title)
    contexts = list(titles)
    if len(contexts) > _BORROWED_CONTEXTS:
        contexts = random.Random(f"{seed}-material").sample(contexts, _BORROWED_CONTEXTS)
    kinds: dict[str, set[str]] = defaultdict(set)
    for context in contexts:
        for name, kind in _names(context):
            kinds[name].add(kind)
    return Material(
        sentences=tuple(
            Sentence(text, titles[context], context) for context in contexts for text in _whole_sentences(context)
        ),
        names={kind: tuple(sorted(name for name in kinds if kinds[name] == {kind})) for kind in ("person", "place")},
    )


_WORDS = re.compile(r"\w+")


def _listed(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Typing errors

_PIECES = re.compile(r"\S+")
_MARKS = string.punctuation + "¿¡«»“”‘’„…–—"


def _typos(example: Example, material: Material, rng: random.Random) -> Edit | None:
    """Swap two neighbouring letters inside one or two words in small letters, five letters long or longer.

    Left alone: words with a capital (names), words of a gold answer, words that the text knows with a capital only,
    and slips that make another word of the text.
    """
    question = example.question
    known = set(_WORDS.findall(example.context))
    answers = {word for gold in example.answers for word in _WORDS.findall(gold.text.lower())}
    places: list[tuple[int, str, list[str]]] = []
    for piece in _PIECES.finditer(question):
        word = piece.group().strip(_MARKS)
        # Letters alone: a swap beside a combining mark or a joiner would give the mark to another letter.
        if len(word) < _SHORTEST_TYPO or not word.isalpha() or not word.islower() or word in answers:
            continue
        if word.capitalize() in known and word not in known:
            continue
        slips = [slip for slip in _slips(word) if slip not in known]
        if slips:
            places.append((piece.start() + piece.group().index(word), word, slips))
    if not places:
        return None
    said = []
    for start, word, slips in sorted(rng.sample(places, min(len(places), rng.choice((1, 2))))):
        slip = rng.choice(slips)
        question = question[:start] + slip + question[start + len(word) :]
        said.append(f"{word} → {slip}")
    return Edit(replace(example, question=question), ", ".join(said))


def _slips(word: str) -> list[str]:
    """The word with two neighbours swapped, its first and last letter in their places."""
    return [
        word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        for at in range(1, len(word) - 2)
        if word[at] != word[at + 1]
    ]


# Other words for the same question

Rule = tuple[re.Pattern[str], str]

_AUXILIARY = "(?:is|was|are|were|do|does|did|has|have|had|can|cannot|could|will|would|shall|should|may|might|must)"
_DETERMINER = "(?:the|a|an|this|that|these|those|his|her|its|their|our|my|your)"
_SUBJECT = f"(?:{_DETERMINER}|he|she|it|they|we|you|there|people)"

# "What's" may be "what has", and "why didn't he" turns round when it is written out: both ways are taken only where
# what follows tells that this is not so.
_SHORT_FORMS: tuple[Rule, ...] = (
    (re.compile(r"\b(?P<old>([Ww]hat|[Ww]ho|[Ww]here|[Ww]hen|[Hh]ow) is)(?= \w)"), r"\2's"),
    (
        re.compile(r"\b(?P<old>(did|does|do|is|are|was|were|has|have|had|could|would|should) not)(?= \w)"),
        r"\2n't",
    ),
    (re.compile(r"\b(?P<old>cannot)(?= \w)"), "can't"),
    (re.compile(r"\b(?P<old>will not)(?= \w)"), "won't"),
    (re.compile(rf"\b(?P<old>([Ww]hat|[Ww]ho|[Ww]here|[Ww]hen|[Hh]ow)['’]s)(?= {_DETERMINER}\b)"), r"\2 is"),
    (
        re.compile(
            r"\b(?:[Ww]ho|[Ww]hat|that|which) "
            r"(?P<old>(did|does|do|is|are|was|were|has|have|had|could|would|should)n['’]t)"
            rf"(?= (?!{_SUBJECT}\b)[a-z])"
        ),
        r"\2 not",
    ),
    (re.compile(rf"\b(?:[Ww]ho|[Ww]hat|that|which) (?P<old>can['’]t)(?= (?!{_SUBJECT}\b)[a-z])"), "cannot"),
    (re.compile(rf"\b(?:[Ww]ho|[Ww]hat|that|which) (?P<old>won['’]t)(?= (?!{_SUBJECT}\b)[a-z])"), "will not"),
)

# Not "which person", as a people or a firm may be asked for; nor "in what year", as that asks for less than a date.
_QUESTION_WORDS: tuple[Rule, ...] = (
    (re.compile(r"\A\s*(?P<old>[Ww]ho)(?= (?:are|were|have)\b)"), "which people or groups"),
    (re.compile(r"\A\s*(?P<old>[Ww]ho)(?= (?!else\b)[a-z])"), "which person or group"),
    (re.compile(rf"\A\s*(?P<old>[Ww]hen)(?= {_AUXILIARY}\b)"), "at what point in time"),
    # "Where did it come from" has its preposition already.
    (
        re.compile(rf"\A\s*(?P<old>[Ww]here)(?= {_AUXILIARY}\b)(?!.*\b(?:from|to|at|in|on|of|for|by)\W*\Z)", re.DOTALL),
        "in which place",
    ),
    (
        re.compile(rf"\A\s*(?P<old>[Hh]ow many)(?= (?!(?:of|more|fewer|less|other|{_AUXILIARY})\b)[a-z])"),
        "what number of",
    ),
    (re.compile(rf"\A\s*(?P<old>[Ww]hy)(?= {_AUXILIARY}\b)"), "for what reason"),
)


def _short_forms(example: Example, material: Material, rng: random.Random) -> Edit | None:
    return _reworded(example, _SHORT_FORMS)


def _question_word(example: Example, material: Material, rng: random.Random) -> Edit | None:
    return _reworded(example, _QUESTION_WORDS)


def _reworded(example: Example, rules: Sequence[Rule]) -> Edit | None:
    """Replace what the first fitting rule finds first; a capital stays one."""
    question = example.question
    for pattern, template in rules:
        match = pattern.search(question)
        if match:
            old, new = match["old"], match.expand(template)
            if old[0].isupper():
                new = new[0].upper() + new[1:]
            start, end = match.span("old")
            return Edit(replace(example, question=question[:start] + new + question[end:]), f"{old} → {new}")
    return None


def _lower_case(example: Example, material: Material, rng: random.Random) -> Edit | None:
    return _recased(example, example.question.lower(), "in small letters")


def _upper_case(example: Example, material: Material, rng: random.Random) -> Edit | None:
    if len(example.question) > _LONGEST_CAPITALS:
        return None
    return _recased(example, example.question.upper(), "in capitals")


def _recased(example: Example, question: str, what: str) -> Edit | None:
    return None if question == example.question else Edit(replace(example, question=question), what)


# A sentence that has nothing to do with the question

_SENTENCE_END = re.compile(r"[.!?][\"'”’)\]]*\Z")
_BETWEEN_SENTENCES = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
_ABBREVIATION = re.compile(r"(?<!\w)(?:[A-Z]\w{0,2}|[a-z](?:\.[a-z])?|etc|vs|cf)\.\Z")
_SPEECH = re.compile('["“”„«»\\[\\]]')
_SENTENCE_CHARACTERS = range(40, 241)
_SENTENCE_WORDS = 6  # fewer are mostly what an abbreviation has cut off
# What opens a sentence that leans on the one before it: elsewhere it would speak of something else.
_LEANING = _listed(
    """
    He She It They We You I This That These Those There Here His Her Its Their Our Such Both Each Another Other Others
    One Some And But Or So Yet However Therefore Thus Then Instead Moreover Also Because Although While Later Today Now
    Afterwards Nevertheless Similarly Finally First Second Third
    """
)
_FUNCTION_WORDS = _listed(
    """
    the and for are was were what which who whom whose when where why how many much does did has have had not that this
    these those with from into onto upon than then them they their there his her hers its our your you she him but can
    could will would shall should may might must been being about after before between during over under through while
    also any all some one other such only more most very each both few first
    """
)


def _sentence_after(example: Example, material: Material, rng: random.Random) -> Edit | None:
    """Add a sentence at the end, where the context ends in a sentence."""
    context = example.context
    sentence = _unrelated(example, material, rng)
    if sentence is None or not _SENTENCE_END.search(context.rstrip()):
        return None
    gap = "" if context[-1].isspace() else " "
    return Edit(replace(example, context=f"{context}{gap}{sentence}"), f"added at the end: {sentence}")


def _sentence_before(example: Example, material: Material, rng: random.Random) -> Edit | None:
    """Add a sentence at the start; the gold answers move on by its length."""
    sentence = _unrelated(example, material, rng)
    if sentence is None:
        return None
    added = f"{sentence} "
    answers = tuple(replace(gold, start=gold.start + len(added)) for gold in example.answers)
    return Edit(
        replace(example, context=f"{added}{example.context}", answers=answers), f"added at the start: {sentence}"
    )


def _unrelated(example: Example, material: Material, rng: random.Random) -> str | None:
    """A sentence of another article that shares no content word with the question and its gold answers.

    Of another context, where the articles have no titles. A question without content words is related to everything.
    """
    asked = _content(example.question)
    if not asked:
        return None
    asked = asked.union(*(_content(gold.text) for gold in example.answers))
    for sentence in rng.sample(material.sentences, min(_TRIES, len(material.sentences))):
        elsewhere = sentence.title != example.title or not example.title
        if elsewhere and sentence.context != example.context and not asked & _content(sentence.text):
            return sentence.text
    return None


def _content(text: str) -> set[str]:
    """The words that carry content, cut to three letters, so that "tidal" meets "tides"; rather too much meets."""
    return {
        word.casefold()[:3]
        for word in _WORDS.findall(text)
        if word.casefold() not in _FUNCTION_WORDS and (len(word) > 2 or word.isdigit() or word.isupper())
    }


def _whole_sentences(context: str) -> Iterator[str]:
    """The sentences that stand on their own: no speech, no lists, nothing that an abbreviation has cut in two."""
    for line in context.splitlines():
        cut = False
        for sentence in _BETWEEN_SENTENCES.split(line.strip()):
            begun, cut = cut, bool(_ABBREVIATION.search(sentence))
            if begun or cut or len(sentence) not in _SENTENCE_CHARACTERS or _SPEECH.search(sentence):
                continue
            words = sentence.split()
            if (
                len(words) >= _SENTENCE_WORDS
                and sentence[0].isupper()
                and _SENTENCE_END.search(sentence)
                and sentence.count("(") == sentence.count(")")
                and words[0].strip(_MARKS) not in _LEANING
            ):
                yield sentence


# Another name

_NAME = r"([^\W\d_]{4,})"
_NAME_ENDS = r"(?=[,.;:)]|\Z| (?:and|or|in|on|to|for|by|from|at|as|is|was|were|where|until|with|after|before|he|she)\b)"
# Single names whose neighbours tell what they are. A name that is told to be both is neither.
_PLACE = re.compile(
    rf"\b(?:in|near|from|at) {_NAME}{_NAME_ENDS}|"
    rf"\b(?:[Cc]ity|[Tt]own|[Vv]illage|[Kk]ing|[Qq]ueen|[Kk]ingdom|[Dd]uke|[Pp]rovince|[Cc]apital|[Ii]sland) of {_NAME}"
    rf"{_NAME_ENDS}"
)
_PERSON = re.compile(
    rf"\b{_NAME} (?:wrote|said|died|himself|herself|was born|believed|thought|discovered|invented|published|married|"
    rf"studied|argued|told|met)\b|\b(?:Mr|Mrs|Ms|Dr|Sir|Lord|Lady|King|Queen|Prince|Princess|Pope|Captain)\.? {_NAME}\b"
)
_NOT_NAMES = _listed(
    """
    January February March April June July August September October November December Monday Tuesday Wednesday Thursday
    Friday Saturday Sunday Easter Christmas English French German Latin Greek Spanish Italian Arabic Chinese Russian
    Hebrew Polish Dutch Islam Article Figure Table Section Chapter Parliament Congress Commission Where When What Which
    This That These Those There Then They
    """
)


def _other_name(example: Example, material: Material, rng: random.Random) -> Edit | None:
    """Replace a person's or a place's name, in the question and wherever it stands in the context, by another one.

    The name is a single word inside the question, such as a surname; it stands in no gold answer, always as a whole
    word, and beside no word that may be of its family ("Normans" for "Normandy"). The other one is of the same kind,
    and new to the context, the question and the title.
    """
    names = sorted({word for word in _WORDS.findall(example.question) if _is_name(word)})
    kinds = _kinds(example, material)
    texts = (example.question, example.context)
    fitting = [
        name
        for name in names
        if name in kinds
        and not example.question.lstrip(_MARKS + " ").startswith(name)
        and name in example.context
        and all(_stands_alone(name, text) for text in texts)
        and not any(
            _overlap(name, example.context, gold.start, gold.start + len(gold.text)) for gold in example.answers
        )
    ]
    if not fitting:
        return None
    name = rng.choice(fitting)
    seen = {_beginning(word) for text in (*texts, example.title) for word in _WORDS.findall(text)}
    others = [other for other in material.names[kinds[name]] if _beginning(other) not in seen]
    if not others:
        return None
    other = rng.choice(others)
    longer = len(other) - len(name)
    answers = tuple(
        replace(gold, start=gold.start + longer * example.context.count(name, 0, gold.start))
        for gold in example.answers
    )
    made = replace(
        example,
        question=example.question.replace(name, other),
        context=example.context.replace(name, other),
        answers=answers,
    )
    return Edit(made, f"{name} → {other}", (name, other))


def _names(context: str) -> Iterator[tuple[str, str]]:
    """Each name that the context tells the kind of, and the kind. A word that it writes small too is no name."""
    words = set(_WORDS.findall(context))
    for kind, pattern in (("person", _PERSON), ("place", _PLACE)):
        for match in pattern.finditer(context):
            for name in match.groups():
                if name and _is_name(name) and name.lower() not in words:
                    yield name, kind


def _is_name(word: str) -> bool:
    return len(word) > 3 and word.isalpha() and word.istitle() and word not in _NOT_NAMES


def _kinds(example: Example, material: Material) -> dict[str, str]:
    """The kinds of names, as the data set or the example's own context tells them."""
    kinds = {name: kind for kind, names in material.names.items() for name in names}
    own: dict[str, set[str]] = defaultdict(set)
    for name, kind in _names(example.context):
        own[name].add(kind)
    return kinds | {name: min(told) for name, told in own.items() if len(told) == 1 and name not in kinds}


def _stands_alone(name: str, text: str) -> bool:
    """Whether the name is a whole word wherever it stands, and no other word opens as it does."""
    family = sum(_beginning(word) == _beginning(name) for word in _WORDS.findall(text))
    whole = [match for match in re.finditer(re.escape(name), text) if _is_whole(text, match.start(), match.end())]
    return len(whole) == text.casefold().count(name.casefold()) == family


def _beginning(word: str) -> str:
    return word[:3].casefold()


def _is_whole(text: str, start: int, end: int) -> bool:
    """Whether no letter, mark or joiner touches these characters."""
    before, after = text[start - 1 : start], text[end : end + 1]
    return not _touches(before) and before not in ("'", "’") and not _touches(after)


def _touches(character: str) -> bool:
    return bool(character) and (
        character.isalnum() or character in "_-‐‑" or unicodedata.category(character) in ("Mn", "Mc", "Me", "Cf")
    )


def _overlap(name: str, context: str, start: int, end: int) -> bool:
    return any(match.start() < end and start < match.end() for match in re.finditer(re.escape(name), context))


CHANGES: tuple[Change, ...] = (
    Change(
        "typos",
        "Typing errors",
        "Two neighbouring letters are swapped in one or two longer words of the question, never in a name or in a word "
        "of the answer. The answer should stay the same.",
        _typos,
    ),
    Change(
        "short_forms",
        "Short forms",
        "A short form in the question is written out, or the other way round (What is, What's). The answer should stay "
        "the same.",
        _short_forms,
    ),
    Change(
        "question_word",
        "Other question word",
        "The question begins in other words that ask for the same (Why, For what reason). The answer should stay the "
        "same.",
        _question_word,
    ),
    Change(
        "lower_case",
        "Small letters",
        "The question is written without capitals. The answer should stay the same.",
        _lower_case,
    ),
    Change(
        "upper_case", "Capitals", "The question is written in capitals. The answer should stay the same.", _upper_case
    ),
    Change(
        "sentence_before",
        "Sentence before the text",
        "A sentence of another article that has nothing to do with the question is put before the text. The answer "
        "should stay the same.",
        _sentence_before,
    ),
    Change(
        "sentence_after",
        "Sentence after the text",
        "A sentence of another article that has nothing to do with the question is put after the text. The answer "
        "should stay the same.",
        _sentence_after,
    ),
    Change(
        "other_name",
        "Other name",
        "The name of a person or a place is replaced by another one, in the question and in the text alike. The answer "
        "should stay the same, with the new name where it held the old one.",
        _other_name,
    ),
)
