"""What a reader was trained on: kept beside it as hashes, and told of each question of a run."""

from __future__ import annotations

from pathlib import Path

from reader.examples import Example
from reader.publish import zip_reader
from reader.results import open_run, write_run
from reader.seen import CONTEXTS, context_hash, context_hashes, read_seen, write_seen
from tests.small_run import EXAMPLES, ROLLO, SEINE, answer, data


def test_a_hash_knows_neither_case_nor_white_space() -> None:
    assert context_hash("Rollo  the\nViking ") == context_hash("ROLLO the viking") != context_hash("Rollo, the Viking")
    assert context_hash("\ud800")  # half a character, as broken data have it
    assert (
        len(context_hashes([Example("1", "a?", "Rouen"), Example("2", "b?", "rouen"), Example("3", "c?", "Caen")])) == 2
    )


def test_what_is_written_is_read_again_and_no_text_is_in_it(tmp_path: Path) -> None:
    assert read_seen(tmp_path) is None
    seen = context_hashes(EXAMPLES)
    write_seen(tmp_path, seen)
    assert read_seen(tmp_path) == seen and len(seen) == 3
    assert "Rollo" not in (tmp_path / CONTEXTS).read_text("utf-8")
    write_seen(tmp_path, frozenset())
    assert read_seen(tmp_path) == frozenset(), "trained on nothing is known, too"


def test_it_stays_here_when_the_reader_is_packed(tmp_path: Path) -> None:
    from zipfile import ZipFile

    folder = tmp_path / "reader"
    write_seen(folder, context_hashes(EXAMPLES))
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_bytes(b"{}")
    packed = zip_reader(folder, tmp_path / "r.zip")
    assert sorted(ZipFile(packed).namelist()) == ["r/config.json", "r/model.safetensors"]


def test_a_run_tells_of_each_question_whether_its_text_was_seen_and_needs_no_reader_for_it(tmp_path: Path) -> None:
    known = frozenset(map(context_hash, (ROLLO, SEINE)))
    for name, trained_on in (("told", known), ("untold", None)):
        write_run(
            tmp_path / name,
            data(),
            (answer(example) for example in EXAMPLES),
            reader="gone",
            threshold=0.0,
            threshold_chosen_on="",
            facts={},
            trained_on=trained_on,
        )
    assert open_run(tmp_path / "told").examples["seen"].tolist() == [True] * 5 + [False]
    assert "seen" not in open_run(tmp_path / "untold").examples
