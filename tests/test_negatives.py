"""Questions made unanswerable: moved to a like paragraph, or with a name, a number or a word swapped."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reader.examples import STARTER, Example, Gold, load_examples
from reader.metrics import normalize_answer
from reader.negatives import make_negatives

STARTER_SET = load_examples(STARTER).examples
BY_ID = {example.id: example for example in STARTER_SET}


def kinds(share: float = 1.0, seed: int = 1) -> tuple[list[Example], list[Example]]:
    made = make_negatives(STARTER_SET, share=share, seed=seed)
    moved = [example for example in made if example.id.endswith("-moved")]
    swapped = [example for example in made if example.id.endswith("-swapped")]
    assert moved + swapped == made
    return moved, swapped


def source(example: Example) -> Example:
    return BY_ID[example.id.rpartition("-")[0]]


def test_moved_questions_stay_in_their_article_and_leave_their_answer_behind() -> None:
    moved, _ = kinds()
    assert moved
    contexts = {(example.title, example.context) for example in STARTER_SET}
    for example in moved:
        asked = source(example)
        assert example.question == asked.question
        assert example.context != asked.context
        assert (asked.title, example.context) in contexts
        assert example.is_impossible
        said = normalize_answer(example.context).split()
        for gold in asked.answers:
            answer = normalize_answer(gold.text).split()
            assert not any(said[at : at + len(answer)] == answer for at in range(len(said)))


def test_swapped_questions_change_a_piece_of_the_question_and_nothing_else() -> None:
    _, swapped = kinds()
    assert swapped
    for example in swapped:
        asked = source(example)
        assert example.question != asked.question
        assert example.context == asked.context
        assert example.is_impossible


def test_a_name_gives_way_to_another_name_of_the_paragraph() -> None:
    example = Example(
        "q", "When did Ada meet Charles?", "Ada met Charles in 1833. Later Wanda came.", (Gold("1833", 19),)
    )
    made = make_negatives([example], share=1.0, seed=0)
    assert [each.question for each in made] == ["When did Wanda meet Charles?"] or [each.question for each in made] == [
        "When did Ada meet Wanda?"
    ]


def test_a_word_gives_way_to_its_opposite() -> None:
    example = Example("q", "which is the largest of them?", "the largest is blue.", (Gold("blue", 15),))
    made = make_negatives([example], share=1.0, seed=0)
    assert [each.question for each in made] == ["which is the smallest of them?"]


def test_what_neither_moves_nor_swaps_makes_none() -> None:
    assert make_negatives([Example("q", "why is it?", "it is so.", (Gold("so", 6),))], share=3.0, seed=0) == []
    assert make_negatives([Example("q", "Who was Ada?", "Nothing of Wanda.")], share=1.0, seed=0) == []


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_as_many_are_made_as_asked_where_there_are_enough(share: float) -> None:
    answerable = sum(bool(example.answers) for example in STARTER_SET)
    moved, swapped = kinds(share)
    assert len(moved) + len(swapped) <= round(answerable * share)
    if share <= 0.1:
        assert len(moved) + len(swapped) == round(answerable * share)
        assert abs(len(moved) - len(swapped)) <= 1
    ids = [example.id for example in moved + swapped]
    assert len(set(ids)) == len(ids)


def test_they_are_a_pure_function_of_data_share_and_seed() -> None:
    assert kinds(0.5, 3) == kinds(0.5, 3)
    assert kinds(0.5, 3) != kinds(0.5, 4)


def test_they_do_not_hang_on_the_hashes_of_words() -> None:
    script = (
        "from reader.examples import STARTER, load_examples, fingerprint\n"
        "from reader.negatives import make_negatives\n"
        "print(fingerprint(make_negatives(load_examples(STARTER).examples, share=1.0, seed=1)))"
    )
    root = Path(__file__).parents[1]
    seen = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1
