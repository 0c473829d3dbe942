"""Files and folders that are complete or absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reader.errors import BadData, BadUsage
from reader.files import new_file, new_folder, read_json, write_json, write_text


def test_text_is_written_as_it_is(tmp_path: Path) -> None:
    text = "a\r\nb\n\u2028é 🙂\r"
    write_text(tmp_path / "new" / "t.txt", text)
    assert (tmp_path / "new" / "t.txt").read_bytes() == text.encode()


def test_json_comes_back(tmp_path: Path) -> None:
    value = {"é": [1, 0.1, None, True, "\u2028"]}
    write_json(tmp_path / "v.json", value)
    assert read_json(tmp_path / "v.json") == value
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "v.json", float("nan"))
    assert read_json(tmp_path / "v.json") == value


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), ZeroDivisionError()])
def test_a_failure_keeps_the_old_file_and_nothing_else(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "t.txt"
    write_text(path, "old")
    with pytest.raises(type(error)), new_file(path) as file:
        file.write("half")
        raise error
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["t.txt"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), ZeroDivisionError()])
def test_a_failure_leaves_no_folder(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error)), new_folder(tmp_path / "run") as folder:
        (folder / "half").write_text("half")
        raise error
    assert os.listdir(tmp_path) == []


def test_a_folder_appears_when_it_is_whole(tmp_path: Path) -> None:
    with new_folder(tmp_path / "in" / "run") as folder:
        (folder / "file").write_text("all")
        assert not (tmp_path / "in" / "run").exists()
    assert os.listdir(tmp_path / "in") == ["run"]
    assert (tmp_path / "in" / "run" / "file").read_text() == "all"


def test_a_folder_that_exists_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(BadUsage, match="exists already"), new_folder(tmp_path):
        raise AssertionError("no work was to be done")


def test_the_system_complains_about_the_file_that_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path, make in ((tmp_path / "file" / "x.csv", new_file), (tmp_path / "file" / "x", new_folder)):
        with pytest.raises(OSError) as caught, make(path):
            pass
        assert not Path(caught.value.filename).name.startswith(".")
    with pytest.raises(OSError) as caught, new_file(tmp_path / "x.csv"):
        raise OSError(28, "No space left on device")
    assert caught.value.filename == str(tmp_path / "x.csv")


def test_the_umask_holds_as_for_any_file(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "t.txt", "")
    finally:
        os.umask(before)
    assert (tmp_path / "t.txt").stat().st_mode & 0o777 == 0o640


def test_a_byte_order_mark_is_no_part_of_the_value(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json(tmp_path / "b.json") == {"a": 1}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "There is no file"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"{", "not JSON"),
        (b"[" * 200_000, "v.json is nested too deeply"),
    ],
)
def test_what_is_no_json_is_said_in_a_sentence(tmp_path: Path, content: bytes | None, sentence: str) -> None:
    path = tmp_path / "v.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadData, match=sentence):
        read_json(path)


def test_a_folder_is_no_json(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="is a folder"):
        read_json(tmp_path)
