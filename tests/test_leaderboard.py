"""The board: which run stands where, what stands beside it, and that a second look costs next to nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from reader.examples import load_examples
from reader.leaderboard import PUBLISHED, SQUAD2_DEV, Row, leaderboard, with_published
from reader.results import Run, import_predictions, list_runs, open_run, read_predictions, summarize, write_run
from tests.small_run import EXAMPLES, answer, data

ROOT = Path(__file__).resolve().parents[1]


def _write(out: Path, threshold: float = 0.0, count: int = 6, **facts: Any) -> Run:
    examples = EXAMPLES[:count]
    return write_run(
        out,
        data(examples),
        [answer(example, threshold) for example in examples],
        reader=out.name,
        threshold=threshold,
        threshold_chosen_on="held-out train data",
        facts=facts,
    )


def _as_dev(folder: Path) -> Run:
    """Let a small run say that its questions are those of SQuAD 2.0's dev set."""
    info = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    info["data"]["fingerprint"] = SQUAD2_DEV
    (folder / "run.json").write_text(json.dumps(info), encoding="utf-8")
    return open_run(folder)


def test_a_row_holds_what_the_summary_of_its_run_says(tmp_path: Path) -> None:
    run = _write(tmp_path / "run", seconds=3.0, parameters=22_000_000)
    (row,) = leaderboard([run])
    figures = summarize(run)
    assert (row.name, row.reader, row.data, row.questions) == ("run", "run", "small.json", 6)
    assert (row.exact, row.f1) == (50.0, figures["metrics"]["f1"])
    assert (row.has_answer_f1, row.no_answer) == (100 * 2.5 / 4, 50.0)
    # Forced: q1 1, q3 1/2, q4 1 of four answerable and of six in all; abstaining, q5's silence scores 1 too.
    assert row.rouge1_forced_answerable == pytest.approx(2.5 / 4) and row.rouge1_forced == pytest.approx(2.5 / 6)
    assert row.rouge1_abstaining == pytest.approx(3.5 / 6)
    assert row.rougeL_forced == figures["rouge"]["raw"]["all"]["rougeL"]["f"]
    assert (row.threshold, row.chosen_on) == (0.0, "held-out train data")
    assert (row.parameters, row.examples_per_second, row.folder) == (22_000_000, 2.0, run.folder)
    assert not row.published and row.source == row.problem == ""


def test_larger_data_sets_come_first_and_in_each_the_best_f1(tmp_path: Path) -> None:
    runs = [
        _write(tmp_path / "few", count=3),
        _write(tmp_path / "silent", threshold=-9.0),  # 2 of 6
        _write(tmp_path / "good", threshold=-3.0),  # 3.5 of 6
    ]
    assert [row.name for row in leaderboard(runs)] == ["good", "silent", "few"]


def test_published_figures_stand_beside_runs_on_the_dev_set_only(tmp_path: Path) -> None:
    small, dev = _write(tmp_path / "small"), _as_dev(_write(tmp_path / "dev").folder)
    assert not any(row.published for row in leaderboard([small]))
    assert leaderboard([]) == []
    starter = list_runs(ROOT / "reader" / "starter")
    assert [row.published for row in leaderboard(starter)] == [False]
    rows = leaderboard([small, dev])
    published = [row for row in rows if row.published]
    assert set(published) == set(PUBLISHED)
    # After the measured ones, the best first, those without F1 last.
    assert rows[rows.index(published[0]) - 1].name == "dev"
    assert [row.f1 for row in published] == [91.16, 82.95, 82.04, 81.78, 79.55, 78.62, None]


def test_a_published_row_says_who_published_it() -> None:
    for row in PUBLISHED:
        assert row.published and row.source and row.folder is None and row.fingerprint == SQUAD2_DEV
    article = {row.reader: row for row in PUBLISHED}["deepset/bert-base-uncased-squad2"]
    assert (article.exact, article.f1, article.rouge1_forced) == (75.65, 78.62, 0.450)
    assert "the article" in article.source and "verified" in article.source


@pytest.mark.parametrize("row", [row for row in PUBLISHED if row.no_answer], ids=lambda row: row.reader)
def test_published_groups_average_to_the_published_whole(row: Row) -> None:
    """5,928 questions have an answer and 5,945 have none; two sources of one reader may differ by a little."""
    assert row.has_answer_f1 is not None and row.no_answer is not None
    whole = (5_928 * row.has_answer_f1 + 5_945 * row.no_answer) / 11_873
    assert whole == pytest.approx(row.f1, abs=0.1)


def test_published_rouge_over_all_is_that_of_the_answerable_times_their_share() -> None:
    for row in PUBLISHED:
        if row.rouge1_forced is not None and row.rouge1_forced_answerable is not None:
            assert row.rouge1_forced_answerable * 5_928 / 11_873 == pytest.approx(row.rouge1_forced, abs=0.0006)


def test_the_real_dev_set_is_recognised_and_measured_as_published(shared_data: Path, tmp_path: Path) -> None:
    """Figures: shared/data/README.md, made by the official script."""
    dev = load_examples(shared_data / "squad2" / "dev-v2.0.json")
    assert dev.fingerprint == SQUAD2_DEV
    said = read_predictions(shared_data / "predictions" / "bert-single-google.json")
    rows = leaderboard([import_predictions(tmp_path / "google", dev, said, reader="google")])
    assert len(rows) == 1 + len(PUBLISHED)
    figures = (rows[0].exact, rows[0].f1, rows[0].has_answer_f1, rows[0].no_answer)
    assert figures == pytest.approx((78.7417, 81.7753, 80.1818, 83.3642), abs=5e-5)
    published = next(row for row in PUBLISHED if row.reader.startswith("BERT single"))
    assert figures == pytest.approx(
        (published.exact, published.f1, published.has_answer_f1, published.no_answer), abs=0.005
    )


def test_predictions_that_abstain_already_have_no_forced_figures(tmp_path: Path) -> None:
    said = {example.id: "" if example.id == "q5" else "Paris" for example in EXAMPLES}
    run = import_predictions(tmp_path / "theirs", data(), said, reader="theirs", facts={"seconds": 1.0})
    (row,) = leaderboard([run])
    assert row.rouge1_forced is row.rouge1_forced_answerable is row.rougeL_forced is None
    assert row.rouge1_abstaining is not None and row.threshold is None
    assert row.examples_per_second is None  # an import is no reading


def test_predictions_without_margins_have_no_abstaining_rouge(tmp_path: Path) -> None:
    said = {example.id: "Paris" for example in EXAMPLES}
    (row,) = leaderboard([import_predictions(tmp_path / "theirs", data(), said, reader="theirs")])
    assert row.rouge1_abstaining is None and row.rouge1_forced is not None


def test_a_second_look_opens_no_table_until_the_run_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = _write(tmp_path / "run").folder
    opened = []
    read = pyarrow.parquet.read_table

    def watched(*given: Any, **options: Any) -> Any:
        opened.append(options["columns"])
        return read(*given, **options)

    monkeypatch.setattr(pyarrow.parquet, "read_table", watched)
    first = leaderboard(list_runs(tmp_path))
    assert len(opened) == 1 and not {"context", "question", "answers"} & set(opened[0])
    assert leaderboard(list_runs(tmp_path)) == first and len(opened) == 1
    info = folder / "run.json"
    info.write_text(info.read_text(encoding="utf-8").replace('"threshold": 0.0', '"threshold": -9.0'), encoding="utf-8")
    os.utime(info, ns=(1, 1))
    assert leaderboard(list_runs(tmp_path))[0].has_answer_f1 == 0.0 and len(opened) == 2


def test_runs_that_cannot_be_read_stand_last_with_their_problem(tmp_path: Path) -> None:
    runs = [_write(tmp_path / name) for name in ("gone", "half", "good")]
    (tmp_path / "half" / "examples.parquet").write_bytes(b"PAR1")
    (tmp_path / "gone" / "run.json").unlink()
    rows = leaderboard(runs)
    assert [row.name for row in rows] == ["good", "gone", "half"]
    assert "was removed" in rows[1].problem and "examples.parquet cannot be read" in rows[2].problem
    (tmp_path / "half" / "run.json").write_text("{", encoding="utf-8")
    assert "is damaged" in leaderboard(list_runs(tmp_path))[-1].problem


def test_neither_board_nor_exports_nor_calibration_load_torch() -> None:
    script = (
        "import sys, reader.leaderboard, reader.exports, reader.calibration\n"
        "print(*[name for name in ('torch', 'transformers', 'datasets', 'scipy', 'rouge', 'gradio', 'plotly')"
        " if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout.strip()) == (0, ""), ran.stderr


def test_published_figures_are_in_the_picture_once_whatever_was_run() -> None:
    assert set(with_published([])) == set(PUBLISHED)
    assert with_published([*PUBLISHED]) == [*PUBLISHED]
