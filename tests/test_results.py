"""Run folders: what they hold, that they are complete or absent, and what damaged ones say."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from reader import results
from reader.errors import BadData, BadRun, BadUsage
from reader.examples import Example, Gold
from reader.postprocess import Answer, Span
from reader.results import Run, import_predictions, list_runs, open_run, summarize, view, write_run
from tests.full_disk import largest_file
from tests.small_run import EXAMPLES, answer, data


def _write(out: Path, threshold: float = 0.0, answers: Iterator[Answer] | None = None) -> Run:
    stream = (answer(example, threshold) for example in EXAMPLES) if answers is None else answers
    return write_run(
        out,
        data(),
        stream,
        reader="embedded",
        threshold=threshold,
        threshold_chosen_on="held-out train data",
        facts={"device": "cpu"},
    )


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_a_run_holds_spans_margins_and_the_decision(tmp_path: Path) -> None:
    _write(tmp_path / "run", threshold=-1.0)
    assert sorted(file.name for file in (tmp_path / "run").iterdir()) == [
        "examples.parquet",
        "nbest_predictions.json",
        "null_odds.json",
        "predictions.json",
        "run.json",
        "spans.json",
    ]
    assert _json(tmp_path / "run" / "spans.json")["q5"] == "Paris"  # never "", whatever was decided
    assert _json(tmp_path / "run" / "null_odds.json")["q5"] == 2.0
    said = _json(tmp_path / "run" / "predictions.json")
    assert said == {"q1": "Rollo", "q2": "911", "q3": "Paris", "q4": "", "q5": "", "q6": "spring tide"}
    info = _json(tmp_path / "run" / "run.json")
    assert (info["reader"], info["threshold"], info["threshold_chosen_on"]) == (
        "embedded",
        -1.0,
        "held-out train data",
    )
    assert info["data"] == {
        "source": "small.json",
        "fingerprint": data().fingerprint,
        "examples": 6,
        "unanswerable": 2,
        "skipped": 0,
    }
    assert info["device"] == "cpu" and "transformers" in info["versions"] and info["seconds"] >= 0


def test_nbest_has_the_null_entry_in_its_place(tmp_path: Path) -> None:
    run = _write(tmp_path / "run")
    file = _json(run.folder / "nbest_predictions.json")
    assert list(file) == [example.id for example in EXAMPLES]
    # q5: null scores 7 against the span's 5. q1: 1 against 5.
    assert [entry["text"] for entry in file["q5"]] == ["", "Paris", "The"]
    assert [entry["text"] for entry in file["q1"]] == ["Rollo", "", "Rol"]
    assert file["q1"][0] == {"text": "Rollo", "start": 0, "end": 5, "score": 5.0, "probability": 0.6}
    assert run.nbest("q6") == file["q6"] and run.nbest("q5") == file["q5"] and run.nbest("nobody") == []


def test_an_opened_run_is_the_written_one(tmp_path: Path) -> None:
    written = _write(tmp_path / "run")
    opened = open_run(tmp_path / "run")
    assert opened.info == written.info and opened.threshold == 0.0
    pd.testing.assert_frame_equal(opened.examples, written.examples, check_dtype=False)
    assert opened.examples["answers"].tolist()[0] == ["Rollo the Viking", "Rollo"]
    assert opened.examples["answers"].tolist()[1] == []
    assert summarize(opened) == summarize(written)


def test_texts_survive_as_they_are(tmp_path: Path) -> None:
    context = 'tabs\tand\r\n"Ῥόδος" 🏳️\u200d🌈 e\u0301 \u05e9\u05dc\u05d5\u05dd \u2028 end'
    example = Example('id "1"\n', "Where?\r\n", context, (Gold(context[3:25], 3),))
    best = Span(3, 25, context[3:25], 1.0, 0.9)
    run = write_run(
        tmp_path / "run",
        data([example]),
        [Answer(example.id, best, 0.0, 0.1, 0.0, (best,), 1)],
        reader="r",
        threshold=0.0,
        threshold_chosen_on="",
        facts={},
    )
    row = open_run(run.folder).examples.iloc[0]
    assert (row["id"], row["question"], row["context"]) == (example.id, example.question, context)
    assert row["span"] == context[3:25] == context[row["span_start"] : row["span_end"]]
    assert _json(run.folder / "spans.json") == {example.id: context[3:25]}
    assert run.nbest(example.id)[0]["text"] == context[3:25]


def test_summary_of_a_run_in_json(tmp_path: Path) -> None:
    found = summarize(_write(tmp_path / "run"))
    json.dumps(found, allow_nan=False)
    assert found["metrics"]["exact"] == 50.0 and found["thresholds"]["own"]["threshold"] == 0.0
    assert found["reader"] == "embedded" and found["data"]["examples"] == 6 and found["notes"] == []
    assert summarize(open_run(tmp_path / "run"), threshold=-9.0)["outcomes"]["missed"] == 4


def test_an_existing_folder_is_not_touched_and_no_answer_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    asked = []
    with pytest.raises(BadUsage, match="exists already"):
        _write(tmp_path / "run", answers=(asked.append(e) or answer(e) for e in EXAMPLES))
    assert not asked and list((tmp_path / "run").iterdir()) == []


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, MemoryError])
def test_an_interrupted_run_leaves_nothing(tmp_path: Path, interruption: type[BaseException]) -> None:
    def answers() -> Iterator[Answer]:
        yield answer(EXAMPLES[0])
        raise interruption

    with pytest.raises(interruption):
        _write(tmp_path / "run", answers=answers())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [0, 300, 3000])
def test_a_disk_that_fills_up_leaves_nothing_and_says_so(tmp_path: Path, size: int) -> None:
    """Really failing writes: of the first file, of one in the middle and of the table."""
    with largest_file(size), pytest.raises(BadRun, match=r"could not be written to .*run: .*left behind"):
        _write(tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_at_the_last_file_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, table: pd.DataFrame) -> None:
        path.write_bytes(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(results, "write_table", full)
    with pytest.raises(BadRun, match="No space left on device"):
        _write(tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("change", ["too few", "too many", "wrong order"])
def test_answers_that_do_not_fit_the_questions_are_a_bug(tmp_path: Path, change: str) -> None:
    answers = [answer(example) for example in EXAMPLES]
    changed = {"too few": answers[:-1], "too many": [*answers, answers[0]], "wrong order": answers[::-1]}[change]
    with pytest.raises(ValueError):
        _write(tmp_path / "run", answers=iter(changed))
    assert list(tmp_path.iterdir()) == []


def test_no_questions_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="holds no questions"):
        write_run(tmp_path / "run", data([]), [], reader="r", threshold=0.0, threshold_chosen_on="", facts={})


def _damage(folder: Path, kind: str) -> None:
    info = _json(folder / "run.json")
    if kind == "no table":
        (folder / "examples.parquet").unlink()
    elif kind == "half a table":
        (folder / "examples.parquet").write_bytes((folder / "examples.parquet").read_bytes()[:2000])
    elif kind == "another table":
        pd.DataFrame({"id": ["q1"]}).to_parquet(folder / "examples.parquet")
    elif kind == "no run.json":
        (folder / "run.json").unlink()
    elif kind == "half a run.json":
        (folder / "run.json").write_text('{"format_version": 1, "re', encoding="utf-8")
    elif kind == "other json":
        (folder / "run.json").write_text("[1, 2]", encoding="utf-8")
    elif kind == "newer":
        (folder / "run.json").write_text(json.dumps({**info, "format_version": 2}), encoding="utf-8")
    elif kind == "no fingerprint":
        del info["data"]["fingerprint"]
        (folder / "run.json").write_text(json.dumps(info), encoding="utf-8")
    elif kind == "other count":
        info["data"]["examples"] = 7
        (folder / "run.json").write_text(json.dumps(info), encoding="utf-8")


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("no table", "is damaged: its examples.parquet cannot be read"),
        ("half a table", "is damaged: its examples.parquet cannot be read"),
        ("another table", "there is no column title"),
        ("no run.json", "is not an evaluation run: it holds no run.json"),
        ("half a run.json", "is damaged. .* is not JSON"),
        ("other json", "has no format_version"),
        ("newer", "has format 2; this Readerboard reads formats up to 1"),
        ("no fingerprint", "lacks data.fingerprint"),
        ("other count", "run.json speaks of 7 questions, examples.parquet holds 6"),
    ],
)
def test_a_damaged_run_says_what_is_wrong(tmp_path: Path, kind: str, sentence: str) -> None:
    folder = _write(tmp_path / "run").folder
    _damage(folder, kind)
    with pytest.raises(BadRun, match=sentence):
        open_run(folder)


def test_no_run_there(tmp_path: Path) -> None:
    with pytest.raises(BadRun, match="There is no run folder"):
        open_run(tmp_path / "nowhere")


def test_runs_are_listed_newest_first_and_a_damaged_one_with_its_problem(tmp_path: Path) -> None:
    for name, created in (("old", "2024-01-01T00:00:00+00:00"), ("new", "2025-01-01T00:00:00+00:00")):
        folder = _write(tmp_path / name).folder
        info = {**_json(folder / "run.json"), "created": created}
        (folder / "run.json").write_text(json.dumps(info), encoding="utf-8")
    _damage(_write(tmp_path / "broken").folder, "half a run.json")
    (tmp_path / "not a run").mkdir()
    runs = list_runs(tmp_path, tmp_path / "nowhere")
    assert [run.name for run in runs] == ["new", "old", "broken"]
    assert (runs[0].reader, runs[0].data, runs[0].examples, runs[0].headline["exact"]) == (
        "embedded",
        "small.json",
        6,
        50.0,
    )
    assert runs[0].problem == "" and "is damaged" in runs[2].problem


def test_imported_predictions_with_null_odds_are_read_at_any_threshold(tmp_path: Path) -> None:
    own = _write(tmp_path / "own")
    spans, odds = _json(own.folder / "spans.json"), _json(own.folder / "null_odds.json")
    run = import_predictions(tmp_path / "theirs", data(), spans, odds, reader="theirs", threshold=0.0)
    ours, theirs = summarize(own), summarize(open_run(run.folder))
    for key in ("metrics", "forced", "rouge", "outcomes"):
        assert ours[key] == theirs[key]
    # "Paris" stands twice in the text: where it was read is not known, so no place is claimed.
    assert run.examples["span_start"].tolist() == [0, 37, -1, -1, -1, 3]
    default = import_predictions(tmp_path / "default", data(), spans, odds, reader="theirs")
    assert (default.threshold, default.info["threshold_chosen_on"]) == (1.0, "the official script's default")


def test_imported_predictions_that_abstain_say_that_no_threshold_is_possible(tmp_path: Path) -> None:
    said = {example.id: "" if example.id in ("q2", "q5") else "Rollo" for example in EXAMPLES}
    odds = dict.fromkeys(said, 0.5)
    run = open_run(import_predictions(tmp_path / "run", data(), said, odds, reader="theirs").folder)
    assert run.threshold is None and "2 of the predictions are empty already" in run.info["note"]
    with pytest.raises(BadRun, match="cannot be read at a threshold of 0"):
        view(run.examples, 0.0)
    with pytest.raises(BadRun, match="cannot be read at a threshold of 1"):
        summarize(run, threshold=1.0)
    found = summarize(run)
    assert found["metrics"]["NoAns_exact"] == 100.0 and found["thresholds"] is None
    assert found["notes"] == [run.why_no_thresholds]
    assert _json(run.folder / "predictions.json") == said and _json(run.folder / "null_odds.json") == odds
    assert run.nbest("q1") == []
