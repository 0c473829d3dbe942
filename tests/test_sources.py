"""Files that cannot be data are refused with a sentence that says what was found and what to do."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from reader.errors import BadData
from reader.sources import Record, read_records

DATA = Path(__file__).parent / "data"


def read(path: Path) -> list[object]:
    return list(read_records(path, with_gold=True))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("binary.json", "is a binary file"),
        ("column-answer-missing.csv", "has no column answer. Expected question, context, answer[, answer_start]"),
        ("columns-unknown.csv", "has no column question and no column context."),
        ("columns-unknown.csv", "found: q, passage, answer."),
        ("ending-unknown.txt", "ends in '.txt'; expected .json, .jsonl, .ndjson, .csv, .parquet"),
        ("latin-1.csv", "is not UTF-8 text (perhaps Latin-1 or Windows-1252). Save it as UTF-8."),
        ("not-json.json", "is not JSON: Expecting value: line 1 column 1"),
        ("not-parquet.parquet", "is not a Parquet file that can be read"),
        (
            "not-squad.json",
            "should be an object with a list 'data', and is a list of objects with the keys question, text.",
        ),
        ("not-squad-paragraphs.json", "the article 'Normans' should be an object with a list 'paragraphs'"),
        ("one-object-per-line.json", "If it holds one object per line, name it .jsonl."),
        ("quotes-broken.csv", "is not well-formed CSV: ',' expected after '\"' (data row 1, line 2)"),
        ("semicolons.csv", "is separated by semicolons; save it with commas."),
        ("utf-16.json", "is UTF-16 text. Save it as UTF-8."),
    ],
)
def test_what_was_found_is_said(name, sentence):
    with pytest.raises(BadData, match=re.escape(sentence)) as caught:
        read(DATA / name)
    assert str(caught.value).startswith(str(DATA / name))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "is empty (0 bytes)"),
        ("7", "and is a number."),
        ('{"data": {"a": 1}}', "and is an object with the keys data."),
        ('{"data": [3]}', "an article should be an object with a list 'paragraphs', and is a number."),
        (
            '{"data": [{"paragraphs": [{"qas": {}}]}]}',
            "a paragraph of an article should be an object with a list 'qas'",
        ),
        ("[" * 100_000, "is nested too deeply"),
        ("1" * 5000, "is not JSON that can be read"),
    ],
)
def test_json_of_another_shape(content, sentence, tmp_path):
    path = tmp_path / "set.json"
    path.write_text(content)
    with pytest.raises(BadData, match=re.escape(sentence)):
        read(path)


def test_many_and_strange_keys_stay_one_printable_sentence(tmp_path):
    path = tmp_path / "set.json"
    path.write_text(json.dumps({"\ud800" + "long" * 100: 1} | {f"key{n}": n for n in range(1000)}))
    with pytest.raises(BadData) as caught:
        read(path)
    assert len(str(caught.value).encode("utf-8")) < 700


def test_a_file_over_the_limit_is_refused_at_once_and_the_setting_is_named(tmp_path, monkeypatch):
    path = tmp_path / "huge.json"
    with path.open("wb") as file:
        file.truncate(300_000_000)
    with pytest.raises(BadData, match=r"holds 300 MB; the limit is 200 MB\. .*READER_MAX_DATA_MB"):
        read(path)
    monkeypatch.setenv("READER_MAX_DATA_MB", "300")
    with pytest.raises(BadData, match="is a binary file"):
        read(path)


def test_a_parquet_file_that_unpacks_to_more_than_the_limit_is_refused(tmp_path, monkeypatch):
    import pyarrow
    import pyarrow.parquet

    rows = [{"question": "What?", "context": "same " * 300_000 + str(n), "answer": ""} for n in range(4)]
    path = tmp_path / "packed.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path, compression="zstd")
    assert path.stat().st_size < 100_000
    monkeypatch.setenv("READER_MAX_DATA_MB", "1")
    with pytest.raises(BadData, match=r"unpacked, holds 6 MB; the limit is 1 MB"):
        read(path)


def test_what_is_no_file_is_never_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(BadData, match="is not a file"):
        read(tmp_path / "pipe.json")


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    path = tmp_path / "closed.jsonl"
    path.write_text("{}")

    def refuse(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(BadData, match=r"closed\.jsonl cannot be read: Permission denied\."):
        read(path)


def test_bad_utf_8_far_into_a_file_is_found(tmp_path):
    path = tmp_path / "late.jsonl"
    path.write_bytes(b'{"question": "What?"}\n' * 20_000 + b'"\xff"\n')
    with pytest.raises(BadData, match="is not UTF-8 text"):
        read(path)


def test_a_csv_takes_long_fields_and_skips_empty_lines(tmp_path):
    path = tmp_path / "long.csv"
    context = "word " * 200_000
    path.write_text(f"question,context,answer,note\n\nWhat?,{context},,mine\n\n")
    assert read(path) == [Record(1, {"question": "What?", "context": context, "answer": "", "note": "mine"})]


def test_a_csv_with_a_column_twice_is_refused(tmp_path):
    path = tmp_path / "twice.csv"
    path.write_text("question,context,answer,context\na,b,c,d\n")
    with pytest.raises(BadData, match="has the column context more than once"):
        read(path)


def test_a_byte_order_mark_is_no_part_of_the_first_column():
    (record,) = read(DATA / "utf-8-with-bom.csv")
    assert record.values["id"] == "q1"
