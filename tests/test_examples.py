"""Every source gives the same examples with the same offsets, and no bad row passes or vanishes in silence."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import pytest

from reader.errors import BadData
from reader.examples import (
    STARTER,
    Example,
    Gold,
    load_examples,
    load_question_set,
    load_questions,
    paragraph_numbers,
)

DATA = Path(__file__).parent / "data"

# One example each: what editors, CSV readers and data frames like to change or to count differently.
HARD = [
    ("emoji", "🎉👩‍👩‍👧 A 🐈 sat on 🧶.", "🐈"),
    ("combining marks", "Cafe\u0301 and Café are two spellings.", "Café"),
    ("carriage returns", "first\r\nsecond\r\n\r\nthird", "second\r\n\r\nthird"),
    ("old Mac line ends", "one\rtwo\rthree", "two\rthree"),
    ("right to left", "ولد نيوتن في \u200fإنجلترا\u200f عام 1643", "إنجلترا"),
    ("tabs", "\tname\tvalue\t", "name\tvalue"),
    ("no-break space", "\u00a0 12\u00a0000\u00a0km \u00a0", "12\u00a0000\u00a0km"),
    ("line separators", "a\u2028b\u2029c\u0085d", "b\u2029c\u0085d"),
    ("quotation marks", 'He said "no, ""never"", Sir".', '"no, ""never"", Sir"'),
    ("byte order mark", "\ufeffword \ufeffother", "\ufeffother"),
    ("controls", "bell \x07 and \x1f unit", "\x07 and \x1f"),
    ("words of data frames", "NA null None nan 1.0 TRUE", "null"),
    ("a number", "1.0", "1.0"),
    ("backslashes", r"a\nb \u0041 C:\new", r"\u0041 C:\new"),
    ("beyond the first plane", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𒀀 end", "𒀀 end"),
]


def hard_examples() -> list[Example]:
    examples = [
        Example(f"id {name}", f"Which {name}? {text}", context, (Gold(text, context.index(text)),), f" {name}\t")
        for name, context, text in HARD
    ]
    examples.append(Example("NA", "null", "nan", (), "1.0"))
    alphabet = ["e\u0301", "🎉", "\r\n", "\n", "\t", "\u00a0", "ש", "a", "b", " ", ",", '"', "'", "\u200d", "ß", "7"]
    chance = random.Random(7)
    while len(examples) < 200:
        context = "".join(chance.choices(alphabet, k=chance.randrange(1, 60)))
        golds = []
        for _ in range(chance.randrange(4)):
            start = chance.randrange(len(context))
            end = chance.randrange(start, len(context)) + 1
            if not context[start:end].isspace():
                golds.append(Gold(context[start:end], start))
        if not context.isspace():
            examples.append(Example(f"r{len(examples)}", "a" + context[::-1], context, tuple(golds), "random"))
    return examples


def as_lists(example: Example) -> dict[str, list[object]]:
    return {"text": [g.text for g in example.answers], "answer_start": [g.start for g in example.answers]}


def row(example: Example, **answers: object) -> dict[str, object]:
    texts = {"id": example.id, "title": example.title, "question": example.question, "context": example.context}
    return texts | answers


def write_squad(path: Path, examples: list[Example]) -> None:
    articles = []
    for example in examples:
        answers = [{"text": gold.text, "answer_start": gold.start} for gold in example.answers]
        question = {"id": example.id, "question": example.question, "answers": answers}
        question["is_impossible"] = not answers
        paragraph = {"context": example.context, "qas": [question]}
        articles.append({"title": example.title, "paragraphs": [paragraph]})
    path.write_text(json.dumps({"version": "v2.0", "data": articles}, ensure_ascii=False), encoding="utf-8", newline="")


def write_jsonl(path: Path, rows: list[dict[str, object]]) -> None:
    lines = "".join(json.dumps(each, ensure_ascii=False) + "\r\n" for each in rows)
    path.write_text(lines, encoding="utf-8", newline="")


def write_csv(path: Path, rows: list[dict[str, object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_parquet(path: Path, rows: list[dict[str, object]]) -> None:
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)


def with_lists(examples: list[Example]) -> list[dict[str, object]]:
    return [row(example, answers=as_lists(example)) for example in examples]


def with_objects(examples: list[Example]) -> list[dict[str, object]]:
    golds = [[{"answer_start": gold.start, "text": gold.text} for gold in example.answers] for example in examples]
    return [row(example, answers=answers) for example, answers in zip(examples, golds, strict=True)]


def with_one(examples: list[Example]) -> list[dict[str, object]]:
    rows = []
    for example in examples:
        text, start = (example.answers[0].text, example.answers[0].start) if example.answers else ("", None)
        rows.append(row(example, answer=text, answer_start=start))
    return rows


MANY_ANSWERS = {
    "squad.json": write_squad,
    "lists.jsonl": lambda path, examples: write_jsonl(path, with_lists(examples)),
    "objects.ndjson": lambda path, examples: write_jsonl(path, with_objects(examples)),
    "lists.parquet": lambda path, examples: write_parquet(path, with_lists(examples)),
    "objects.parquet": lambda path, examples: write_parquet(path, with_objects(examples)),
}
ONE_ANSWER = {
    "one.jsonl": lambda path, examples: write_jsonl(path, with_one(examples)),
    "one.CSV": lambda path, examples: write_csv(path, with_one(examples)),
    "one.parquet": lambda path, examples: write_parquet(path, with_one(examples)),
}


@pytest.mark.parametrize("name", MANY_ANSWERS)
def test_hard_texts_survive_with_exact_offsets(name, tmp_path):
    examples = hard_examples()
    MANY_ANSWERS[name](tmp_path / name, examples)
    assert load_examples(tmp_path / name).examples == examples


@pytest.mark.parametrize("name", ONE_ANSWER)
def test_hard_texts_survive_in_tables_of_one_answer(name, tmp_path):
    examples = [Example(e.id, e.question, e.context, e.answers[:1], e.title) for e in hard_examples()]
    ONE_ANSWER[name](tmp_path / name, examples)
    assert load_examples(tmp_path / name).examples == examples


def test_the_fingerprint_is_the_content_whatever_the_format(tmp_path):
    examples = [Example(e.id, e.question, e.context, e.answers[:1], e.title) for e in hard_examples()]
    formats = MANY_ANSWERS | ONE_ANSWER
    for name, write in formats.items():
        write(tmp_path / name, examples)
    assert len({load_examples(tmp_path / name).fingerprint for name in formats}) == 1

    changed = {load_examples(tmp_path / "squad.json").fingerprint}
    first, second, *others = examples
    for name, variant in {
        "order": [second, first, *others],
        "id": [Example("new", first.question, first.context, first.answers), second, *others],
        "question": [Example(first.id, "new?", first.context, first.answers), second, *others],
        "context": [Example(first.id, first.question, first.context + " ", first.answers), second, *others],
        "answers": [Example(first.id, first.question, first.context), second, *others],
    }.items():
        write_squad(tmp_path / f"{name}.json", variant)
        changed.add(load_examples(tmp_path / f"{name}.json").fingerprint)
    assert len(changed) == 6


def test_folders_of_the_datasets_library_are_read_and_their_splits_chosen(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    examples = hard_examples()
    parts = {"train": datasets.Dataset.from_list(with_lists(examples[:20]))}
    parts["train"].save_to_disk(tmp_path / "single")
    assert load_examples(tmp_path / "single").examples == examples[:20]

    parts["validation"] = datasets.Dataset.from_list(with_lists(examples[20:]))
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "saved")
    (tmp_path / "parquet" / "data").mkdir(parents=True)
    for split, part in parts.items():
        part.to_parquet(tmp_path / "parquet" / "data" / f"{split}-00000-of-00001.parquet")

    for folder in (tmp_path / "saved", tmp_path / "parquet"):
        assert load_examples(folder).examples == examples[20:]
        assert load_examples(f"{folder}:train").examples == examples[:20]
        with pytest.raises(BadData, match="has no split 'test'; it has: train, validation"):
            load_examples(f"{folder}:test")


def test_an_answer_without_start_is_taken_at_its_only_place():
    data = load_examples(DATA / "answer-absent-or-ambiguous.jsonl", skip_bad=True)
    assert [(example.id, example.answers) for example in data.examples] == [("row-1", (Gold("Normandy", 22),))]
    assert [(bad.row, bad.reason.partition(";")[0]) for bad in data.skipped] == [
        (2, 'the answer "The Normans" is in the context more than once'),
        (3, 'the answer "the Normans" is not in the context'),
        (4, 'the answer "aa" is in the context more than once'),  # the two places overlap
    ]


@pytest.mark.parametrize(
    ("answer_start", "expected"),
    [("3", 3), ("3.0", 3), ("", 3), ("-1", None), ("-8", None), ("٣", None), ("1_0", None), ("x", None)],
)
def test_answer_start_in_a_csv_is_a_whole_number_or_nothing(answer_start, expected, tmp_path):
    path = tmp_path / "one.csv"
    path.write_text(f'question,context,answer,answer_start\nWhat?,"ab word too",word,{answer_start}\n')
    if expected is None:
        with pytest.raises(BadData, match="Row 1"):
            load_examples(path)
    else:
        assert load_examples(path).examples[0].answers == (Gold("word", expected),)


def test_squad_v1_has_no_is_impossible_and_plausible_answers_are_no_gold():
    assert not load_examples(DATA / "good-squad-v1.json").examples[0].is_impossible
    answerable, unanswerable = load_examples(DATA / "good-squad-v2.json").examples
    assert answerable.answers == (Gold("Normandy", 22),)
    assert unanswerable.is_impossible
    assert load_examples(DATA / "good.csv").fingerprint == load_examples(DATA / "good-squad-v2.json").fingerprint


@pytest.mark.parametrize(
    ("name", "rows", "reason"),
    [
        (
            "answer-offset-wrong.json",
            [1],
            'the answer "Normandy" is not at 21, where there is " Normand"; it stands at 22',
        ),
        ("answer-blank.json", [1], "an answer is blank"),
        ("answer-not-text.json", [1], "an answer is a number; expected text"),
        ("answers-not-a-list.json", [1], "the answers are text; expected a list"),
        ("context-blank.json", [1], "the context is blank (only white space)"),
        ("context-missing.json", [1], "there is no context (found: "),
        ("fields-missing.csv", [2, 3], "it has 4 instead of 3 fields"),
        ("ids-duplicate.json", [2], "row 1 has the same id"),
        ("is-impossible-contradicts.json", [1, 2], 'is_impossible is true, yet there is an answer, "Normandy"'),
        ("line-broken.jsonl", [3, 4], "the line is not JSON (column 21: "),
        ("question-empty.json", [1, 2], "the question is empty"),
        ("surrogate-unpaired.jsonl", [1], "the question holds half of a character"),
    ],
)
def test_bad_rows_refuse_the_set_and_are_named(name, rows, reason):
    with pytest.raises(BadData) as caught:
        load_examples(DATA / name)
    assert [bad.row for bad in caught.value.rows] == rows
    assert caught.value.rows[0].reason.startswith(reason)
    assert str(caught.value).startswith(f"{len(rows)} of ")
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"id": True, "answer": ""}, "the id is true or false; expected text"),
        ({"id": ["q"], "answer": ""}, "the id is a list; expected text"),
        ({"title": 5}, "the title is a number; expected text"),
        ({"question": None}, "the question is nothing; expected text"),
        ({"context": {"text": "ab"}}, "the context is an object; expected text"),
        ({"answer": 7}, "an answer is a number; expected text"),
        ({"answer": " "}, "an answer is blank"),
        ({"answer": "ab", "answer_start": True}, 'answer_start is "True"; expected a whole number'),
        ({"answer": "ab", "answer_start": 0.5}, 'answer_start is "0.5"; expected a whole number'),
        ({"answer": "ab", "answer_start": 99}, 'the answer "ab" is not at 99, where there is nothing; it stands at 0'),
        ({"answer": "xy", "answer_start": 0}, 'the answer "xy" is not at 0, where there is "ab"; the context does not'),
        ({"answer": "ab", "is_impossible": "maybe"}, 'is_impossible is "maybe"; expected true or false'),
        ({"answer": "ab", "is_impossible": "TRUE"}, "is_impossible is true, yet there is an answer"),
        ({"answer": "ab", "answers": []}, "there are both answer and answers"),
        ({}, "there is no answer (found: question, context); an unanswerable question has an empty one"),
        ({"answers": None}, "the answers are nothing; expected a list"),
        ({"answers": {"text": "ab"}}, "the answers' text is text; expected a list"),
        ({"answers": {"text": ["ab"], "answer_start": []}}, "the answers have 1 text and 0 answer_start"),
        ({"answers": {"text": ["ab"], "answer_start": 0}}, "the answers have 1 text and a number answer_start"),
        ({"answers": [{"answer_start": 0}]}, "an answer is nothing; expected text"),
    ],
)
def test_values_of_the_wrong_kind(values, reason, tmp_path):
    write_jsonl(tmp_path / "rows.jsonl", [{"question": "What?", "context": "ab cd"} | values])
    with pytest.raises(BadData) as caught:
        load_examples(tmp_path / "rows.jsonl")
    (bad,) = caught.value.rows
    assert bad.reason.startswith(reason)


def test_skipping_goes_on_with_the_rest_and_says_what_was_left_out():
    data = load_examples(DATA / "answer-offset-wrong.json", skip_bad=True)
    assert [example.id for example in data.examples] == ["q2"]
    assert [(bad.row, bad.id) for bad in data.skipped] == [(1, "q1")]
    with pytest.raises(BadData, match="None is left"):
        load_examples(DATA / "answer-blank.json", skip_bad=True)


def test_a_good_row_may_have_the_id_of_a_bad_one(tmp_path):
    rows = [
        {"id": "same", "question": "", "context": "a b", "answer": "a"},
        {"id": "same", "question": "What?", "context": "a b", "answer": "a"},
    ]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    data = load_examples(tmp_path / "rows.jsonl", skip_bad=True)
    assert len(data.examples) == len(data.skipped) == 1


def test_the_sentence_shows_five_rows_and_the_error_holds_all(tmp_path):
    rows = [{"id": f"q{n}", "question": "What?", "context": "", "answer": ""} for n in range(1, 10)]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    with pytest.raises(BadData) as caught:
        load_examples(tmp_path / "rows.jsonl")
    assert len(caught.value.rows) == 9
    assert "Row 5 (q5)" in str(caught.value) and "Row 6" not in str(caught.value)
    assert "And 4 more" in str(caught.value)


def test_ids_are_made_from_rows_where_there_are_none_and_numbers_become_text(tmp_path):
    rows = [{"id": value, "question": "What?", "context": "a b", "answer": ""} for value in (None, "", 7, "x")]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    assert [example.id for example in load_examples(tmp_path / "rows.jsonl").examples] == ["row-1", "row-2", "7", "x"]


def test_questions_need_no_gold_but_all_else():
    examples = load_questions(DATA / "column-answer-missing.csv")
    assert [(example.question, example.answers) for example in examples] == [("Who?", ())]
    assert load_questions(DATA / "answer-offset-wrong.json")[0].is_impossible
    with pytest.raises(BadData, match="the question is empty"):
        load_questions(DATA / "question-empty.json")
    data = load_question_set(DATA / "question-empty.json", skip_bad=True)
    assert (len(data.examples), len(data.skipped)) == (1, 2)


def test_paragraphs_are_numbered_by_context_in_order_of_appearance():
    contexts = ["b", "a", "b", "b ", "a"]
    examples = [Example(str(number), "?", context) for number, context in enumerate(contexts)]
    assert paragraph_numbers(examples) == [0, 1, 0, 2, 1]


def test_questions_of_one_paragraph_share_one_text(tmp_path):
    context = "A long paragraph, kept once. " * 20
    rows = [{"question": f"{n}?", "context": context, "answer": ""} for n in range(3)]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    assert len({id(example.context) for example in load_examples(tmp_path / "rows.jsonl").examples}) == 1


def test_an_existing_path_wins_over_a_hub_id_and_starter_is_the_projects_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rajpurkar").mkdir()
    (tmp_path / "rajpurkar" / "squad_v2").write_text("")
    with pytest.raises(BadData, match="rajpurkar/squad_v2 has no ending"):
        load_examples("rajpurkar/squad_v2")
    if not STARTER.exists():
        pytest.skip("the starter set is not written yet")
    assert load_examples("starter").examples == load_examples(STARTER).examples


@pytest.mark.parametrize(
    "source", ["nowhere.json", "./nowhere", "org/data.csv", "a b", "a/b/c", "x" * 5000, "nul\0byte"]
)
def test_a_missing_file_is_said_to_be_missing(source):
    with pytest.raises(BadData, match="There is no file"):
        load_examples(source)


def test_no_name_and_plain_folders_are_refused(tmp_path):
    with pytest.raises(BadData, match="No data set is named"):
        load_examples(" ")
    with pytest.raises(BadData, match="is a folder; expected a file"):
        load_examples(tmp_path)


def test_the_real_dev_set_is_whole(shared_data):
    data = load_examples(shared_data / "squad2" / "dev-v2.0.json")
    assert len(data.examples) == 11_873
    assert sum(example.is_impossible for example in data.examples) == 5_945
    assert max(paragraph_numbers(data.examples)) + 1 == len({example.context for example in data.examples})
    assert data.skipped == ()
