"""Small changes that leave the answer as it was: when each applies, what it does, and that gold stays in its place."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reader.errors import BadUsage
from reader.examples import STARTER, Example, Gold, load_examples
from reader.perturbations import CHANGES, Changed, changed_examples, drawn

STARTER_SET = load_examples(STARTER).examples
BY_NAME = {change.name: change for change in CHANGES}

NOTES = "Ada Lovelace wrote the first program in 1843. It stood in her notes on a paper."
OTHERS = (
    Example("o1", "Why?", "The kettle holds less than two litres of boiling water.", title="Kettles"),
    Example("o2", "Why?", "Chopin met Sand in Paris. Liszt died in Bayreuth.", title="Music"),
)


def example(question: str, context: str = NOTES, *golds: str, title: str = "Programs") -> Example:
    return Example("q", question, context, tuple(Gold(gold, context.index(gold)) for gold in golds), title)


def apply(name: str, asked: Example, *others: Example, seed: int = 1) -> Changed | None:
    """The example changed, or None where the change does not apply to it."""
    found = changed_examples([asked, *(others or OTHERS)], BY_NAME[name], seed=seed, limit=99)
    return next((made for made in found if made.index == 0), None)


def question_after(name: str, question: str) -> str | None:
    made = apply(name, example(question))
    return made.example.question if made else None


def assert_gold_in_place(made: Example) -> None:
    for gold in made.answers:
        assert made.context[gold.start : gold.start + len(gold.text)] == gold.text


# Typing errors


def test_a_typing_error_swaps_two_neighbours_inside_a_longer_word() -> None:
    asked = example("In which year was that program written?")
    for seed in range(20):
        made = apply("typos", asked, seed=seed)
        assert made is not None
        before, after = asked.question.split(), made.example.question.split()
        changed = [(one, other) for one, other in zip(before, after, strict=True) if one != other]
        assert 1 <= len(changed) <= 2
        for one, other in changed:
            assert one.strip("?") in ("which", "program", "written")
            assert sorted(one) == sorted(other)
            assert one[0] == other[0]
            assert one.strip("?")[-1] == other.strip("?")[-1]
            assert sum(a != b for a, b in zip(one, other, strict=True)) == 2
        assert made.what == ", ".join(f"{one.strip('?')} → {other.strip('?')}" for one, other in changed)
        assert made.example.context == asked.context


@pytest.mark.parametrize(
    "asked",
    [
        example("Who is Ada Lovelace?"),
        example("what did ada do?"),
        example("who was lovelace?"),  # the text knows it with a capital only
        example("Was it a program?", NOTES, "the first program"),
        example("Was it <b>program</b>?"),
        example("Who sent re\u0301sume\u0301s?"),
        example("מי כתבה את התוכנית הראשונה?"),
        example("谁写了第一个计算机程序?"),
    ],
    ids=lambda asked: asked.question,
)
def test_names_answers_short_words_and_joined_letters_get_no_typing_error(asked: Example) -> None:
    assert all(apply("typos", asked, seed=seed) is None for seed in range(5))


def test_a_typing_error_makes_no_other_word_of_the_text() -> None:
    asked = example("Was it a trial?", "The trail led to the trial.")
    questions = {made.example.question for seed in range(20) if (made := apply("typos", asked, seed=seed))}
    assert questions == {"Was it a tiral?"}


# Other words


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("What is a program?", "What's a program?"),
        ("In notes, what is the point?", "In notes, what's the point?"),
        ("What did not change?", "What didn't change?"),
        ("What cannot be said?", "What can't be said?"),
        ("Which of them will not run?", "Which of them won't run?"),
        ("What's the point?", "What is the point?"),
        ("Who’s the author?", "Who is the author?"),
        ("What didn't change?", "What did not change?"),
        ("Which of the parts that can’t move broke?", "Which of the parts that cannot move broke?"),
        # These would not be English, or not be the same.
        ("Who's written it?", None),
        ("Why didn't she publish it?", None),
        ("What didn't she publish?", None),
        ("Do you know what is?", None),
        ("What isle is it?", None),
        ("When was it?", None),
    ],
)
def test_short_forms_are_written_out_and_the_other_way_round(before: str, after: str | None) -> None:
    assert question_after("short_forms", before) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Who wrote it?", "Which person or group wrote it?"),
        ("who were they?", "which people or groups were they?"),
        ("  When was it?", "  At what point in time was it?"),
        ("Where was it printed?", "In which place was it printed?"),
        ("How many notes are there?", "What number of notes are there?"),
        ("Why did she do it?", "For what reason did she do it?"),
        # These would not be English, or not be the same.
        ("Who else wrote it?", None),
        ("Who's it?", None),
        ("Whose is it?", None),
        ("When she wrote it, where was she?", None),
        ("Where did it come from?", None),
        ("How many of them are there?", None),
        ("How many are there?", None),
        ("Why not?", None),
        ("The one who wrote it?", None),
        ("What was it?", None),
    ],
)
def test_the_question_word_is_said_in_other_words(before: str, after: str | None) -> None:
    assert question_after("question_word", before) == after


def test_the_case_of_the_question_changes_and_nothing_else() -> None:
    asked = example("Who is Ada?", NOTES, "Ada Lovelace")
    for name, question in (("lower_case", "who is ada?"), ("upper_case", "WHO IS ADA?")):
        made = apply(name, asked)
        assert made is not None
        assert made.example == replace(asked, question=question)


def test_what_has_no_case_or_is_in_it_already_is_left_alone() -> None:
    assert question_after("lower_case", "מי כתבה את זה?") is None
    assert question_after("upper_case", "מי כתבה את זה?") is None
    assert question_after("lower_case", "who?") is None
    assert question_after("upper_case", "WHO?") is None


def test_a_question_that_may_fill_a_window_in_capitals_is_left_alone() -> None:
    assert question_after("upper_case", "who " * 50 + "?") is None


# A sentence


@pytest.mark.parametrize(("name", "where"), [("sentence_before", "start"), ("sentence_after", "end")])
def test_a_sentence_of_another_article_is_added_and_gold_moves_with_its_text(name: str, where: str) -> None:
    asked = example("When did she write it?", NOTES, "1843", "Ada Lovelace", "paper")
    made = apply(name, asked)
    assert made is not None
    sentence = OTHERS[0].context
    assert made.example.context == (f"{sentence} {NOTES}" if where == "start" else f"{NOTES} {sentence}")
    assert made.what == f"added at the {where}: {sentence}"
    assert made.example.question == asked.question
    assert [gold.text for gold in made.example.answers] == [gold.text for gold in asked.answers]
    assert_gold_in_place(made.example)


@pytest.mark.parametrize("name", ["sentence_before", "sentence_after"])
@pytest.mark.parametrize(
    "asked",
    [
        example("How much water is in the kettle?"),
        example("How high do kettles boil?"),  # of a word's forms, one is enough
        example("What fills a jug?", "The jug is full of water.", "water"),
        example("What is it?"),  # asks for anything
        example("When was it written?", title="Kettles"),
    ],
    ids=lambda asked: asked.question,
)
def test_a_sentence_that_may_have_to_do_with_the_question_is_not_added(name: str, asked: Example) -> None:
    assert apply(name, asked, OTHERS[0]) is None


def test_a_sentence_is_added_only_behind_a_whole_one() -> None:
    assert apply("sentence_after", example("Who wrote it?", "Ada Lovelace, 1843")) is None
    made = apply("sentence_after", example("Who wrote it?", 'She said: "Ada." \n'))
    assert made is not None
    assert made.example.context == f'She said: "Ada." \n{OTHERS[0].context}'


@pytest.mark.parametrize(
    "lent",
    [
        "It holds less than two litres of boiling water.",
        "Less than a litre.",
        "They called it “the kettle of the two litres of water.",
        "The kettle was bought long ago in the shop of St. Pancras, where it stood on a shelf for years.",
        "The kettle (it holds two litres of boiling water. Hot as it is) stands on the shelf all day.",
    ],
)
def test_a_sentence_that_does_not_stand_on_its_own_is_not_lent(lent: str) -> None:
    other = Example("o", "Why?", lent, title="Kettles")
    assert apply("sentence_before", example("Who wrote it?"), other) is None


def test_without_titles_the_sentence_is_of_another_context() -> None:
    asked = example("Who wrote notes?", "The kettle holds less than two litres of boiling water.", title="")
    assert apply("sentence_before", asked, replace(asked, id="o")) is None
    assert apply("sentence_before", asked, Example("o", "Why?", "Grass grows green on the hills of the far north."))


# A name


def test_a_name_is_replaced_in_question_and_context_alike() -> None:
    context = "Babbage met Ada in 1833. Of Babbage's engines one was built; Babbage wrote of it in 1834."
    asked = example("When did Babbage meet Ada?", context, "1833", "1834")
    made = apply("other_name", asked)
    assert made is not None
    assert made.renamed is not None
    old, new = made.renamed
    assert old == "Babbage"
    assert new in ("Chopin", "Liszt")
    assert made.example.question == asked.question.replace("Babbage", new)
    assert made.example.context == context.replace("Babbage", new)
    assert [gold.text for gold in made.example.answers] == ["1833", "1834"]
    assert_gold_in_place(made.example)
    assert made.expected("Of Babbage's engines") == f"Of {new}'s engines"


def test_a_place_gives_way_to_a_place() -> None:
    asked = example("Who lived in London then?", "Ada lived in London, near the river.", "Ada")
    made = [apply("other_name", asked, seed=seed) for seed in range(10)]
    assert {each.renamed for each in made if each} == {("London", "Paris"), ("London", "Bayreuth")}


@pytest.mark.parametrize(
    "asked",
    [
        example("When did Babbage die?", "Babbage died in 1871. The Babbages lived in London."),
        example("When did Babbage die?", "Babbage died in 1871; BABBAGE is on his grave."),
        example("When did Babbage die?", "Babbage died in 1871, in a new-Babbage manner."),
        example("When did Babbage die?", "Babbage died in 1871. O’Babbage did not."),
        example("Who was with Babbage?", "Babbage died in 1871.", "Babbage"),
        example("Who was with Babbage?", "Babbage died in 1871.", "bbage died"),
        example("Which king of France was it?", "He died in France, as a Frank."),
        example("Which king of Spain was it?", "It is told in Portugal."),
        example("When did Ada die?", "Ada died in 1852."),  # too short to be told from other words
        example("When did Office open?", "Mr Office opened an office."),
        example("What did Latin say?", "It is so in Latin, and in English."),
        example("When did Jose\u0301 die?", "Jose\u0301 died in 1852."),
    ],
    ids=lambda asked: asked.context,
)
def test_a_name_that_could_be_told_from_elsewhere_is_not_replaced(asked: Example) -> None:
    assert all(apply("other_name", asked, seed=seed) is None for seed in range(5))


def test_a_word_that_is_written_small_too_is_not_lent_as_a_name() -> None:
    asked = example("When did Babbage die?", "Babbage died in 1871.")
    assert apply("other_name", asked, Example("o", "Why?", "Mr Office opened an office.")) is None
    assert apply("other_name", asked, Example("o", "Why?", "Mr Office opened a shop."))


def test_a_name_of_the_context_does_not_come_again() -> None:
    asked = example("When did Babbage die?", "Babbage died before Chopin. Liszts came later.")
    assert apply("other_name", asked) is None


# All of them

STRANGE = [
    Example("html", "What is <b>bold</b> here & there?", "<p>The <b>big</b> dog&nbsp;ran.</p> It ran far away."),
    Example("emoji", "Who is the 👩‍👩‍👧 family in Paris?", "👩‍👩‍👧 lived in Paris, 🇫🇷. They were happy there. 🎉"),
    Example("rtl", "What is the word שלום for?", "\u202bשלום\u202c is a greeting in Haifa, and nothing else."),
    Example(
        "marks", "Where did Andre\u0301 live, whose cafe\u0301s closed?", "Andre\u0301 lived in Milan. E\u0301t\u0301e."
    ),
    Example("only marks", "\u0301\u0301?", "\u0301 \u200d\ufeff. \u0301"),
    Example("one line", "WHO?", "."),
]
STRANGE_SET = [
    replace(asked, answers=tuple(Gold(text, asked.context.index(text)) for text in {asked.context, asked.context[-3:]}))
    for asked in STRANGE
]


def all_changes(examples: list[Example], seed: int = 5) -> Iterator[tuple[Example, str, Changed]]:
    for change in CHANGES:
        for made in changed_examples(examples, change, seed=seed, limit=len(examples)):
            yield examples[made.index], change.name, made


@pytest.mark.parametrize("examples", [STARTER_SET, [*STRANGE_SET, *OTHERS]], ids=["starter", "strange texts"])
def test_gold_stays_in_its_place_and_everything_else_as_it_was(examples: list[Example]) -> None:
    seen = set()
    for asked, name, made in all_changes(examples):
        seen.add(name)
        after = made.example
        assert_gold_in_place(after)
        assert [gold.text for gold in after.answers] == [gold.text for gold in asked.answers]
        assert (after.id, after.title, after.is_impossible) == (asked.id, asked.title, asked.is_impossible)
        assert (after.question, after.context) != (asked.question, asked.context)
        assert made.what
        if name.startswith("sentence"):
            assert after.question == asked.question
            assert asked.context in after.context
        elif name != "other_name":
            assert after.context == asked.context
    assert seen >= {"typos", "short_forms", "question_word", "lower_case", "upper_case", "sentence_before"}


def test_letters_keep_their_marks_and_families_stay_together() -> None:
    for asked, name, made in all_changes([*STRANGE_SET, *OTHERS]):
        if name not in ("lower_case", "upper_case"):
            for piece in ("👩‍👩‍👧", "cafe\u0301s", "Andre\u0301", "<b>", "שלום"):
                assert made.example.question.count(piece) == asked.question.count(piece)


def test_a_change_is_a_pure_function_of_data_and_seed() -> None:
    assert list(all_changes(STARTER_SET, 3)) == list(all_changes(STARTER_SET, 3))
    for name in ("typos", "sentence_before", "sentence_after", "other_name"):
        one, other = (changed_examples(STARTER_SET, BY_NAME[name], seed=seed, limit=999) for seed in (3, 4))
        assert one != other


def test_changes_do_not_hang_on_the_hashes_of_words() -> None:
    script = (
        "from reader.examples import STARTER, load_examples, fingerprint\n"
        "from reader.perturbations import CHANGES, changed_examples\n"
        "examples = load_examples(STARTER).examples\n"
        "print(*[fingerprint(made.example for made in changed_examples(examples, change, seed=1, limit=999))\n"
        "        for change in CHANGES])"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[1],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1


def test_the_examples_are_drawn_from_all_over_the_data_and_alike_for_every_change() -> None:
    rows = drawn(1000, seed=1, limit=50)
    assert rows == sorted(set(rows))
    assert len(rows) == 50
    assert rows[-1] > 500
    assert rows != drawn(1000, seed=2, limit=50)
    assert drawn(3, seed=1, limit=50) == [0, 1, 2]
    few = drawn(len(STARTER_SET), seed=1, limit=20)
    for change in CHANGES:
        assert {made.index for made in changed_examples(STARTER_SET, change, seed=1, limit=20)} <= set(few)


def test_a_limit_below_1_is_refused() -> None:
    with pytest.raises(BadUsage, match="at least 1"):
        changed_examples(STARTER_SET, CHANGES[0], seed=1, limit=0)


def test_changes_have_names_of_their_own_and_say_what_to_expect() -> None:
    assert len(BY_NAME) == len(CHANGES)
    assert all("should stay the same" in change.says for change in CHANGES)
