"""Sets of questions that people answered: nothing is lost, whoever writes at once and whatever breaks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import reader.teaching
from reader.errors import BadData, BadUsage, DiskError
from reader.examples import Example, Gold, load_examples
from reader.teaching import (
    LONGEST_NAME,
    MOST_PLACES,
    add_question,
    change_question,
    checked_name,
    delete_question,
    delete_set,
    list_sets,
    places,
    read_set,
    rename_set,
    set_path,
)
from reader.training_data import split_held_out

REPOSITORY = Path(__file__).resolve().parents[1]
TEXT = "Not Rouen in Texas,\r\nnot Rouen 🥐 elsewhere:\t<b>Rouen</b>."
LAST = TEXT.rindex("Rouen")
MINE = "my questions"


@pytest.fixture(autouse=True)
def sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("READER_HOME", str(tmp_path))
    return tmp_path / "sets"


def teach(question: str = "Which?", start: int | None = LAST, words: str = "Rouen", name: str = MINE) -> str:
    """Add a question and return its id."""
    answer = None if start is None else Gold(words, start)
    return add_question(name, question, TEXT, answer).example.id


# What a set holds


def test_what_is_taught_is_read_back_as_any_data_set(sets: Path) -> None:
    first = add_question(MINE, "  Which Rouen is bold? ", TEXT, Gold("Rouen", LAST))
    add_question(MINE, "Who lives there?", TEXT, None)
    add_question(MINE, "Wer?", "Ada.", Gold("Ada", 0))
    assert (first.set, first.happened, first.before) == (MINE, "added", None)
    assert set_path(MINE) == sets / "my questions.json"
    examples = load_examples(sets / "my questions.json").examples
    assert [(e.question, e.context, e.answers) for e in examples] == [
        ("Which Rouen is bold?", TEXT, (Gold("Rouen", LAST),)),
        ("Who lives there?", TEXT, ()),
        ("Wer?", "Ada.", (Gold("Ada", 0),)),
    ]
    assert read_set(MINE) == examples
    assert [(one.name, one.questions, one.unanswerable, one.trouble) for one in list_sets()] == [(MINE, 3, 1, "")]


def test_the_file_is_squad_v2(sets: Path) -> None:
    teach()
    teach("Who?", None)
    assert json.loads(set_path(MINE).read_text("utf-8")) == {
        "version": "v2.0",
        "data": [
            {
                "title": "Not Rouen in Texas, not Rouen 🥐 elsewhere: <b>Rouen</b>.",
                "paragraphs": [
                    {
                        "context": TEXT,
                        "qas": [
                            {
                                "id": read_set(MINE)[0].id,
                                "question": "Which?",
                                "is_impossible": False,
                                "answers": [{"text": "Rouen", "answer_start": LAST}],
                            },
                            {"id": read_set(MINE)[1].id, "question": "Who?", "is_impossible": True, "answers": []},
                        ],
                    }
                ],
            }
        ],
    }


@pytest.mark.parametrize(
    ("context", "words"),
    [
        ("🥐🥐 croissant 👩‍👩‍👧 family", "👩‍👩‍👧 family"),
        ("مدينة روان الجميلة", "روان"),
        ("one\r\ntwo\rthree\n", "two\rthree"),
        ("café, cafe\u0301", "cafe\u0301"),
        ("a\u2028b\u0085c", "b\u0085c"),
    ],
)
def test_offsets_are_code_points_of_the_unchanged_text(context: str, words: str) -> None:
    start = context.index(words)
    add_question(MINE, "What?", context, Gold(words, start))
    (example,) = read_set(MINE)
    assert example.context == context
    assert context[start : start + len(words)] == words == example.answers[0].text


def test_white_space_at_the_ends_of_an_answer_is_left_out() -> None:
    start = TEXT.index(" elsewhere:\t")
    taught = add_question(MINE, "Where?", TEXT, Gold(" elsewhere:\t", start))
    assert taught.example.answers == (Gold("elsewhere:", start + 1),)


def test_the_same_again_changes_nothing() -> None:
    name = teach()
    before = set_path(MINE).stat()
    again = add_question(MINE, "Which? ", TEXT, Gold("Rouen", LAST))
    assert (again.happened, again.example.id) == ("kept", name)
    after = set_path(MINE).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns), "not even written"


def test_another_answer_replaces_the_earlier_one_and_says_what_it_was() -> None:
    name = teach()
    teach("Who?", None)
    first = add_question(MINE, "Which?", TEXT, Gold("Texas", TEXT.index("Texas")))
    assert first.happened == "replaced" and first.before is not None
    assert first.before.answers == (Gold("Rouen", LAST),)
    second = add_question(MINE, "Which?", TEXT, None)
    assert second.before is not None and second.before.answers[0].text == "Texas"
    assert [(e.id == name, e.question, e.is_impossible) for e in read_set(MINE)] == [
        (True, "Which?", True),
        (False, "Who?", True),
    ]


@pytest.mark.parametrize(
    ("question", "context", "answer", "sentence"),
    [
        (" ", TEXT, None, "no question"),
        ("Who?", " \n", None, "no text"),
        ("x" * 10_001, TEXT, None, "10,001 characters"),
        ("Who?", "x" * 5_000_001, None, "5,000,001 characters"),
        ("Who\ud800?", TEXT, None, "half of a character"),
        ("Who?", "é\udfff", None, "half of a character"),
        ("Who?", TEXT, Gold("Rouen", LAST + 1), "does not stand at"),
        ("Who?", TEXT, Gold(">.", -2), "does not stand at"),
        ("Who?", TEXT, Gold("Rouen", 10**9), "does not stand at"),
        ("Who?", TEXT, Gold("\t", TEXT.index("\t")), "is empty"),
        ("Who?", TEXT, Gold("", 3), "is empty"),
    ],
)
def test_what_cannot_be_taught_is_said_and_makes_no_set(
    question: str, context: str, answer: Gold | None, sentence: str
) -> None:
    with pytest.raises(BadUsage, match=sentence):
        add_question(MINE, question, context, answer)
    assert list_sets() == []


# Changing


def test_a_question_is_reworded_and_gets_another_answer() -> None:
    teach("Before?", None)
    name = teach()
    changed = change_question(MINE, name, "Which town? ", Gold("Texas", TEXT.index("Texas")))
    assert changed.happened == "replaced" and changed.before is not None and changed.before.question == "Which?"
    assert [(e.question, len(e.answers)) for e in read_set(MINE)] == [("Before?", 0), ("Which town?", 1)]
    assert change_question(MINE, changed.example.id, "Which town?", changed.example.answers[0]).happened == "kept"
    # So the old wording can be asked again, under an id of its own.
    assert teach() == name
    assert len({e.id for e in read_set(MINE)}) == 3


def test_a_question_cannot_become_another_one() -> None:
    teach("Who?", None)
    name = teach()
    with pytest.raises(BadUsage, match="already"):
        change_question(MINE, name, "Who?", None)
    with pytest.raises(BadUsage, match="no question"):
        change_question(MINE, name, " ", None)
    with pytest.raises(BadData, match="not in the set any more"):
        change_question(MINE, "0" * 16, "Who?", None)
    assert [e.question for e in read_set(MINE)] == ["Who?", "Which?"]


def test_a_question_is_deleted_and_with_the_last_one_the_set() -> None:
    first, second = teach(), teach("Who?", None)
    assert delete_question(MINE, first).question == "Which?"
    assert [e.id for e in read_set(MINE)] == [second]
    with pytest.raises(BadData, match="any more"):
        delete_question(MINE, first)
    delete_question(MINE, second)
    assert list_sets() == []
    with pytest.raises(BadData, match="no set “my questions” here any more"):
        read_set(MINE)


def test_a_set_is_renamed_and_deleted() -> None:
    teach()
    teach(name="other")
    assert rename_set(MINE, "  Norman \t towns ") == "Norman towns"
    assert {one.name for one in list_sets()} == {"Norman towns", "other"}
    with pytest.raises(BadUsage, match="a set “other” already"):
        rename_set("Norman towns", "OTHER")
    assert rename_set("other", "Other") == "Other", "its own name in other case"
    delete_set("Norman towns")
    assert [one.name for one in list_sets()] == ["Other"]
    for act in (
        delete_set,
        read_set,
        set_path,
        lambda name: rename_set(name, "x"),
        lambda name: delete_question(name, ""),
    ):
        with pytest.raises(BadData, match="any more"):
            act("Norman towns")


# Names


@pytest.mark.parametrize("name", ["a", "my questions", "Fragen_2-b", "हिन्दी प्रश्न", "質問", "é", "2"])
def test_names_of_any_language_are_taken(name: str, sets: Path) -> None:
    teach(name=name)
    assert [one.name for one in list_sets()] == [checked_name(name)]
    assert os.listdir(sets) != [] and set_path(name).parent == sets


def test_the_longest_name_in_the_largest_letters_is_a_file() -> None:
    name = "𠀀" * LONGEST_NAME
    teach(name=name)
    assert read_set(name)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            "  ",
            ".",
            "..",
            "../x",
            "a/b",
            "/etc/passwd",
            "a\\b",
            "a\0b",
            ".hidden",
            "-rf",
            " -x",
            "a.json",
            "x" * 61,
        ),
        *("a:b", "a*", "a\u202eb", "a\u200bb", "\ud800", "🥐", "<b>", "CON|", "_x", "~root", "a%2fb"),
    ],
)
def test_a_name_that_could_leave_the_folder_is_refused(name: str, sets: Path, tmp_path: Path) -> None:
    with pytest.raises(BadUsage):
        teach(name=name)
    teach(name="kept")
    with pytest.raises(BadUsage):
        rename_set("kept", name)
    assert {path.name for path in sets.iterdir()} <= {"kept.json", ".lock"}
    assert [path.name for path in tmp_path.iterdir()] == ["sets"]


def test_names_that_differ_in_case_or_spelling_alone_are_one_set() -> None:
    teach(name="Café")
    taught = add_question("CAFE\u0301", "Who?", TEXT, None)
    assert taught.set == "Café"
    assert len(read_set("café")) == 2


# What breaks


def test_a_damaged_set_is_shown_and_never_overwritten(sets: Path) -> None:
    teach(name="good")
    for name, content in (("half", b'{"version": "v2.0", "data": ['), ("bytes", b"\xff\xfe\0"), ("none", b"")):
        (sets / f"{name}.json").write_bytes(content)
        for act in (
            lambda name=name: add_question(name, "Who?", TEXT, None),
            lambda name=name: change_question(name, "x", "Who?", None),
            lambda name=name: delete_question(name, "x"),
            lambda name=name: read_set(name),
        ):
            with pytest.raises(BadData, match=f"The set “{name}”") as error:
                act()
            assert str(sets) not in str(error.value)
        assert (sets / f"{name}.json").read_bytes() == content
    troubles = {one.name: one.trouble for one in list_sets()}
    assert [name for name, trouble in troubles.items() if not trouble] == ["good"] and len(troubles) == 4
    delete_set("half")
    assert "half" not in {one.name for one in list_sets()}


def test_a_file_that_holds_more_than_a_set_is_read_and_left_alone(sets: Path) -> None:
    teach()
    more = json.loads(set_path(MINE).read_text("utf-8"))
    more["data"][0]["paragraphs"][0]["qas"][0]["plausible_answers"] = []
    (sets / "theirs.json").write_text(json.dumps(more), "utf-8")
    assert len(read_set("theirs")) == 1
    with pytest.raises(BadData, match="not written here"):
        teach("Who?", None, name="theirs")
    assert json.loads((sets / "theirs.json").read_text("utf-8")) == more


def test_a_full_set_takes_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("READER_MAX_DATA_MB", "1")
    add_question(MINE, "Who?", "x" * 900_000, None)
    with pytest.raises(BadData, match="the limit is 1 MB"):
        add_question(MINE, "Who?", "y" * 900_000, None)
    assert len(read_set(MINE)) == 1


def test_a_full_disk_keeps_the_old_file(monkeypatch: pytest.MonkeyPatch, sets: Path) -> None:
    teach()
    before = set_path(MINE).read_bytes()

    def no_room(file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_room)
    with pytest.raises(DiskError, match="No space left"):
        teach("Who?", None)
    assert set_path(MINE).read_bytes() == before
    assert {path.name for path in sets.iterdir()} == {"my questions.json", ".lock"}


def test_a_lock_that_somebody_keeps_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader.teaching, "_LOCK_PATIENCE", 0.05)
    teach()
    with reader.teaching._locked(), pytest.raises(DiskError, match="locked by another process"):
        teach("Who?", None)
    assert teach("Who?", None)


def test_many_writers_lose_nothing() -> None:
    script = """
import sys
from reader.teaching import add_question
for number in range(15):
    add_question("shared", f"{sys.argv[1]} asks {number}?", "One text for all.", None)
"""
    writers = [
        subprocess.Popen([sys.executable, "-c", script, f"process {number}"], cwd=REPOSITORY) for number in range(4)
    ]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda number: teach(f"thread asks {number}?", None, name="shared"), range(30)))
    assert [writer.wait(timeout=60) for writer in writers] == [0] * 4
    examples = read_set("shared")
    assert len(examples) == len({e.id for e in examples}) == 4 * 15 + 30


def test_a_writer_that_is_killed_half_way_leaves_the_old_file_and_the_lock_free(sets: Path) -> None:
    name = teach()
    script = """
import os, signal
from reader.teaching import add_question
os.fsync = lambda file: os.kill(os.getpid(), signal.SIGKILL)
add_question("my questions", "Who?", "Another text.", None)
"""
    killed = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert [e.id for e in read_set(MINE)] == [name]
    assert [one.name for one in list_sets()] == [MINE], "what it left behind is no set"
    teach("Who?", None)
    assert len(read_set(MINE)) == 2


# Training on it


def test_whole_texts_are_held_out_and_a_single_one_is_trained_on() -> None:
    for number in range(4):
        for question in ("Who?", "Where?"):
            add_question(MINE, question, f"Text {number} tells of Rouen.", None)
    train, held = split_held_out(read_set(MINE), share=0.25)
    assert len(held) == 2 and len(train) == 6
    assert not {e.context for e in held} & {e.context for e in train}
    teach(name="one text")
    assert split_held_out(read_set("one text"), share=0.1) == (read_set("one text"), [])


# Typed answers


def test_typed_words_are_found_at_all_their_places() -> None:
    starts = [start for start in range(len(TEXT)) if TEXT.startswith("Rouen", start)]
    assert len(starts) == 3 and places(" Rouen\n", TEXT) == [Gold("Rouen", start) for start in starts]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("texas,\nnot", ["Texas,\r\nnot"]),  # a line break as a text box has it
        ("<b>Rouen</b>.", ["<b>Rouen</b>."]),
        ("🥐 elsewhere", ["🥐 elsewhere"]),
        ("Lyon", []),
        ("  ", []),
        (".*", []),
    ],
)
def test_typed_words_need_not_have_the_white_space_of_the_text(words: str, found: list[str]) -> None:
    golds = places(words, TEXT)
    assert [gold.text for gold in golds] == found
    assert all(TEXT[gold.start : gold.start + len(gold.text)] == gold.text for gold in golds)


def test_case_decides_where_it_can() -> None:
    assert [gold.text for gold in places("may", "May may do it, and MAY did.")] == ["may"]
    assert [gold.text for gold in places("mAy", "May may")] == ["May", "may"]


def test_a_word_that_stands_everywhere_is_counted_no_further() -> None:
    assert len(places("a", "a " * 1_000_000)) == MOST_PLACES


def test_an_example_knows_no_more_than_its_set() -> None:
    teach()
    assert read_set(MINE) == [
        Example(read_set(MINE)[0].id, "Which?", TEXT, (Gold("Rouen", LAST),), " ".join(TEXT.split()))
    ]
