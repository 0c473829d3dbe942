"""What comes in from other programs and goes out to them: complete or absent, exact to the character, never markup."""

from __future__ import annotations

import csv
import json
import re
import zipfile
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pages.theme import OUTCOME_COLORS, OUTCOME_WORDS
from reader.errors import BadData, BadRun, BadUsage, DiskError
from reader.examples import Example, ExampleSet, Gold, fingerprint, load_examples
from reader.exports import (
    CSV_COLUMNS,
    examples_csv,
    examples_parquet,
    import_notes,
    import_predictions,
    official_json,
    zip_run,
)
from reader.leaderboard import PUBLISHED, SQUAD2_DEV
from reader.predictions import read_null_odds, read_predictions, score_predictions
from reader.report import OUTCOMES, report
from reader.results import Run, open_run, summarize, view, write_run
from reader.slices import by_slice, slicings
from tests.full_disk import largest_file
from tests.small_run import EXAMPLES, SEINE, answer, data

SAID = {"q1": "Rollo", "q2": "911", "q3": "Paris", "q4": "Paris", "q5": "Paris", "q6": "spring tide"}
ODDS = {"q1": 0.0, "q2": 0.7, "q3": 0.1, "q4": 0.4, "q5": 1.9, "q6": 0.2}
NASTY = '<script>alert("x")</script></style>&amp;\r\n\u202eשלום 🏳️\u200d🌈 \'"=1'


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """At its threshold of 0: q1 right, q2 false answer, q3 partial, q4 right, q5 silent, q6 wrong."""
    return write_run(
        tmp_path_factory.mktemp("run") / "mine",
        data(),
        [answer(example) for example in EXAMPLES],
        reader="embedded",
        threshold=0.0,
        threshold_chosen_on="held-out train data",
        facts={"device": "cpu", "command": "python -m reader evaluate --data '/home/ada lovelace/small.json'"},
    )


@pytest.fixture
def nasty(tmp_path: Path) -> Run:
    """One question whose every text looks like markup; its answer stands twice, the second time is meant."""
    context = f"{NASTY} twice: {NASTY}"
    second = len(context) - len(NASTY)
    example = Example(NASTY, NASTY, context, (Gold(NASTY, second),), NASTY)
    set_ = ExampleSet(NASTY, [example], fingerprint([example]))
    files = _files(tmp_path, {NASTY: NASTY}, None)
    return import_predictions(set_, *files, tmp_path / "nasty", name=NASTY)


def _files(folder: Path, said: Any, odds: Any) -> tuple[Path, Path | None]:
    """Somebody's predictions.json and, unless None, null_odds.json."""
    for name, value in (("p.json", said), ("o.json", odds)):
        (folder / name).write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return folder / "p.json", None if odds is None else folder / "o.json"


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


# Coming in


def test_files_become_a_run_that_any_threshold_reads(tmp_path: Path) -> None:
    run = import_predictions(data(), *_files(tmp_path, SAID, ODDS), tmp_path / "run", name="  theirs ")
    assert run.info["reader"] == "theirs" and import_notes(run) == []
    assert summarize(open_run(run.folder), threshold=0.5)["metrics"] == {
        **score_predictions(data(), SAID, ODDS, 0.5)["metrics"]
    }


def test_what_did_not_fit_is_told_in_sentences(tmp_path: Path) -> None:
    said = {**{name: text for name, text in SAID.items() if name != "q2"}, "x": "y", "q5": ""}
    files = _files(tmp_path, said, None)
    with pytest.raises(BadData, match=r"1 of the 6 questions of small.json have no prediction, the first 'q2'"):
        import_predictions(data(), *files, tmp_path / "run", name="theirs")
    run = import_predictions(data(), *files, tmp_path / "run", name="theirs", allow_missing=True)
    missing, extra, silent = import_notes(run)
    assert missing.startswith("1 question had no prediction") and extra.startswith("1 prediction for questions")
    assert silent.startswith("1 of the predictions are empty already")


@pytest.mark.parametrize(
    ("said", "odds", "sentence"),
    [
        ("[1]", None, "holds a list; expected predictions"),
        ("{", None, "is not JSON"),
        ({"q1": 1}, None, "1 of its 1 values are not text"),
        ({"other": "x"}, None, "no id is the same"),
        ({**SAID, "q3": "half \ud83d"}, None, "half of a character .* in 1 of its 6 answers, the first that to 'q3'"),
        (SAID, {**ODDS, "q4": "0.4"}, "1 of its 6 values are not finite numbers, the first that of 'q4'"),
        (SAID, {"q1": 0.0}, "5 of the 6 questions have no null odds, the first 'q2'"),
        (SAID, '{"q1": 1' + 400 * "0" + "}", "o.json holds a number that is too large"),
        (SAID, '{"q1": ' + 5000 * "1" + "}", "o.json holds a number that is too large"),
    ],
)
def test_files_that_cannot_be_meant_leave_a_sentence_and_no_run(
    tmp_path: Path, said: Any, odds: Any, sentence: str
) -> None:
    with pytest.raises(BadData, match=sentence):
        import_predictions(data(), *_files(tmp_path, said, odds), tmp_path / "run", name="theirs")
    assert not (tmp_path / "run").exists()


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("READER_MAX_DATA_MB", "1")
    files = _files(tmp_path, '{"q1": "' + 1_100_000 * "x" + '"}', None)
    with pytest.raises(BadData, match=r"p.json holds 1 MB; the limit is 1 MB.*READER_MAX_DATA_MB"):
        import_predictions(data(), *files, tmp_path / "run", name="theirs")


def test_a_missing_file_an_impossible_name_and_nobody(tmp_path: Path) -> None:
    files = _files(tmp_path, SAID, None)
    with pytest.raises(BadData, match="There is no file"):
        import_predictions(data(), tmp_path / "nowhere", None, tmp_path / "run", name="theirs")
    with pytest.raises(BadData, match="cannot be read"):
        import_predictions(data(), tmp_path / (300 * "x"), None, tmp_path / "run", name="theirs")
    with pytest.raises(BadUsage, match="give them a name"):
        import_predictions(data(), *files, tmp_path / "run", name=" ")
    with pytest.raises(BadUsage, match="exists already"):
        import_predictions(data(), *files, tmp_path, name="theirs")


def test_real_predictions_give_the_official_figures_and_go_out_unchanged(shared_data: Path, tmp_path: Path) -> None:
    """Figures: shared/data/README.md, made by the official script."""
    dev = load_examples(shared_data / "squad2" / "dev-v2.0.json")
    theirs = shared_data / "predictions" / "bert-base-chenchenpan.json"
    run = import_predictions(dev, theirs, None, tmp_path / "run", name="chenchenpan")
    metrics = summarize(run)["metrics"]
    figures = [round(metrics[key], 4) for key in ("exact", "f1", "HasAns_exact", "HasAns_f1", "NoAns_exact")]
    assert figures == [73.4271, 76.7688, 72.0310, 78.7241, 74.8192]
    assert read_predictions(official_json(run, None, tmp_path / "out") / "predictions.json") == read_predictions(theirs)


# Going out


def test_the_official_files_hold_the_decision_at_the_threshold(run: Run, tmp_path: Path) -> None:
    folder = official_json(run, -1.0, tmp_path / "out")
    assert _json(folder / "predictions.json") == {**SAID, "q4": "", "q5": ""}
    assert score_predictions(data(), read_predictions(folder / "predictions.json"))["metrics"]["f1"] == pytest.approx(
        summarize(run, threshold=-1.0)["metrics"]["f1"]
    )
    assert _json(official_json(run, None, tmp_path / "own") / "predictions.json") == {**SAID, "q5": ""}


def test_the_official_script_finds_the_same_best_from_spans_and_null_odds(run: Run, tmp_path: Path) -> None:
    folder = official_json(run, -1.0, tmp_path / "out")
    spans, odds = read_predictions(folder / "spans.json"), read_null_odds(folder / "null_odds.json")
    assert score_predictions(data(), spans, odds, -1.0)["metrics"] == summarize(run, threshold=-1.0)["metrics"]


def test_a_run_without_margins_goes_out_without_null_odds(tmp_path: Path) -> None:
    run = import_predictions(data(), *_files(tmp_path, SAID, None), tmp_path / "run", name="theirs")
    folder = official_json(run, None, tmp_path / "out")
    assert sorted(file.name for file in folder.iterdir()) == ["predictions.json", "spans.json"]
    with pytest.raises(BadRun, match="cannot be read at a threshold of 1"):
        official_json(run, 1.0, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_csv_holds_every_text_to_the_character(nasty: Run, tmp_path: Path) -> None:
    file = examples_csv(nasty, None, tmp_path / "deep" / "examples.csv")
    with file.open(encoding="utf-8", newline="") as lines:
        (row,) = csv.DictReader(lines)
    assert tuple(row) == CSV_COLUMNS
    assert row["id"] == row["question"] == row["prediction"] == row["title"] == NASTY
    assert row["context"] == nasty.examples["context"][0] and json.loads(row["answers"]) == [NASTY]
    assert row["null_score_diff"] == "" and row["exact"] == "1.0"
    read = pd.read_csv(file)
    assert read["question"].tolist() == [NASTY]


def test_tables_hold_the_decisions_at_the_threshold(run: Run, tmp_path: Path) -> None:
    wanted = view(run.examples, -1.0)
    with examples_csv(run, -1.0, tmp_path / "a.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [row["outcome"] for row in rows] == wanted["outcome"].tolist()
    assert [row["prediction"] for row in rows] == ["Rollo", "911", "Paris", "", "", "spring tide"]
    assert [float(row["f1"]) for row in rows] == wanted["f1"].tolist()
    table = pd.read_parquet(examples_parquet(run, -1.0, tmp_path / "a.parquet"))
    assert table["outcome"].tolist() == wanted["outcome"].tolist() and list(table.columns) == list(wanted.columns)
    assert [list(golds) for golds in table["answers"]] == wanted["answers"].tolist()
    assert table["rouge1_f"].tolist() == wanted["rouge1_f"].tolist()


def test_a_packed_run_opens_again(run: Run, tmp_path: Path) -> None:
    with zipfile.ZipFile(zip_run(run, tmp_path / "run.zip")) as packed:
        assert packed.testzip() is None
        packed.extractall(tmp_path)
    assert summarize(open_run(tmp_path / "mine")) == summarize(run)
    assert {path.name for path in (tmp_path / "mine").iterdir()} == {path.name for path in run.folder.iterdir()}


def test_a_packed_run_holds_its_own_files_only(tmp_path: Path) -> None:
    run = import_predictions(data(), *_files(tmp_path, SAID, ODDS), tmp_path / "run", name="theirs")
    (tmp_path / "secret").write_text("token")
    (run.folder / "link").symlink_to(tmp_path / "secret")
    with zipfile.ZipFile(zip_run(run, tmp_path / "run.zip")) as packed:
        assert "run/run.json" in packed.namelist() and "run/link" not in packed.namelist()
    with pytest.raises(BadUsage, match="inside the run"):
        zip_run(run, run.folder / "run.zip")
    (run.folder / "examples.parquet").unlink()
    with pytest.raises(BadRun, match=r"its examples.parquet is gone"):
        zip_run(run, tmp_path / "other.zip")


EXPORTS: list[Callable[[Run, Path], Path]] = [
    lambda run, target: official_json(run, None, target),
    lambda run, target: examples_csv(run, None, target),
    lambda run, target: examples_parquet(run, None, target),
    zip_run,
]


@pytest.mark.parametrize("export", EXPORTS, ids=["official", "csv", "parquet", "zip"])
def test_a_disk_that_fills_up_leaves_nothing_and_says_so(
    run: Run, tmp_path: Path, export: Callable[[Run, Path], Path]
) -> None:
    with largest_file(100), pytest.raises(DiskError, match=r"out could not be written: .*left behind"):
        export(run, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("export", EXPORTS[1:], ids=["csv", "parquet", "zip"])
def test_the_old_file_stays_until_the_new_one_is_whole(
    run: Run, tmp_path: Path, export: Callable[[Run, Path], Path]
) -> None:
    (tmp_path / "out").write_text("old")
    with largest_file(100), pytest.raises(DiskError):
        export(run, tmp_path / "out")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]
    export(run, tmp_path / "out")
    assert [path.read_bytes()[:3] for path in tmp_path.iterdir()] != [b"old"]


# The report


class Page(HTMLParser):
    """A page taken apart: its tags, its attributes, its texts by the class of what they stand in."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.texts: dict[str, list[str]] = {}
        self.text = ""
        self._open: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        kind = dict(attrs).get("class") or tag
        if tag not in ("meta", "i"):
            self._open.append((tag, kind))
            self.texts.setdefault(kind, []).append("")

    def handle_endtag(self, tag: str) -> None:
        if tag != "i":
            assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1][0] == "style":
            return
        self.text += data
        for kind in {kind for _, kind in self._open}:
            self.texts[kind][-1] += data


def _read(html: str) -> Page:
    page = Page()
    page.feed(html)
    page.close()
    return page


def test_the_report_shows_both_protocols_as_the_summary_counts_them(run: Run) -> None:
    text = _read(report(run)).text
    figures = summarize(run)
    forced, abstaining = figures["rouge"]["raw"]["all"], figures["rouge"]["abstain"]["raw"]["all"]
    assert "Exact match50.00\u00a0%33.33\u00a0%" in text
    assert f"F1{figures['metrics']['f1']:.2f}\u00a0%{figures['forced']['f1']:.2f}\u00a0%" in text
    assert f"ROUGE-1 F, all questions{abstaining['rouge1']['f']:.3f}{forced['rouge1']['f']:.3f}" in text
    assert "correct 2 50.0\u00a0%partial 1 25.0\u00a0%wrong span 1 25.0\u00a0%missed 0" in text
    assert "rightly abstained 1 50.0\u00a0%false answer 1" in text
    assert "margin is above 0.00 (held-out train data)" in text


def test_the_report_groups_the_questions_as_the_page_does(run: Run) -> None:
    text = _read(report(run)).text
    decided = view(run.examples, 0.0)
    for labels in slicings(run.examples).values():
        for group in by_slice(decided, labels):
            assert f"{group.label}{group.questions:,}{group.exact:.2f}{group.f1:.2f}" in text
    # q3 is half right and q4 right: both can be answered. q5 is rightly left alone.
    assert (
        "By question word" in text
        and "which250.0075.00–75.00–" in text
        and "how many/much1100.00100.00––100.00" in text
    )


def test_thresholds_stand_side_by_side_and_a_chosen_one_is_named(run: Run) -> None:
    own = _read(report(run)).text
    assert "chosen for this report" not in own
    assert "Cross-fitted" in own and "chosen on these very questions: a bound, not a result−3.00" in own
    # The oracle lets q1 and q3 answer: HasAns F1 is 1 + 1/2 of four, and both others are rightly left alone.
    assert "−3.00; EM −4.0050.0058.3337.50100.00" in own
    text = _read(report(run, threshold=-1.0)).text
    assert "margin is above −1.00 (chosen for this report)" in text and "missed 1" in text
    assert "This report's chosen for this report−1.00" in text


def test_the_runs_own_threshold_is_told_as_it_was_chosen_though_it_is_named(run: Run) -> None:
    assert "margin is above 0.00 (held-out train data)" in _read(report(run, threshold=0.0)).text


def test_the_report_says_which_questions_rouge_2_leaves_out(run: Run) -> None:
    assert "ROUGE-2 is undefined where the chosen gold answer has fewer than two words" in _read(report(run)).text


def test_the_worst_answers_come_first_and_the_surest_of_them(run: Run) -> None:
    page = _read(report(run))
    # F1 0: q6, margin −2, and q2, margin −1; then q3 with one half.
    assert page.texts["h3"] == [EXAMPLES[row].question for row in (5, 1, 2)]
    assert "Margin−2.00, not above the threshold of 0.00" in page.texts["article"][0]
    # Read at −1: q4 is missed by half a point, q2 answered with nothing to spare.
    assert "missed" in _read(report(run, threshold=-1.0)).texts["article"][1]


def test_spans_are_marked_at_their_own_offsets(run: Run) -> None:
    html = report(run, threshold=-0.9)
    # q3: the "Paris" at 24 is said, of "Paris and Rouen"; q4 is missed, and the "Paris" at 52 is right.
    assert (
        'through <mark class="gold predicted">Paris</mark><mark class="gold"> and Rouen</mark> to the sea. Paris'
        in html
    )
    assert 'through Paris and Rouen to the sea. <mark class="gold">Paris</mark> is the larger.' in html
    assert _read(html).texts["context"].count(SEINE) == 2


def test_texts_that_look_like_markup_are_shown_as_texts(nasty: Run, tmp_path: Path) -> None:
    wrong = _files(tmp_path, {NASTY: "twice"}, None)
    example = Example(**{name: nasty.examples[name][0] for name in ("id", "question", "context", "title")}, answers=())
    other_data = ExampleSet(NASTY, [example], fingerprint([example]))
    run = import_predictions(other_data, *wrong, tmp_path / "wrong", name=NASTY)
    html = report(run, other=run)
    page = _read(html)
    assert "script" not in page.tags and "alert(" not in " ".join(value for _, value in page.attributes)
    assert page.texts["h3"] == [" ".join(NASTY.split())]
    (shown,) = page.texts["context"]
    assert shown == run.examples["context"][0]
    assert '<mark class="predicted">twice</mark>' in html
    assert "&#13;" in html and "\r" not in html  # a parser turns a bare CR into LF


def test_the_report_asks_for_nothing_from_anywhere(run: Run) -> None:
    html = report(run, other=run, charts=["<svg class=mine></svg>"])
    page = _read(html)
    assert '<section class="chart"><svg class=mine></svg></section>' in html
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert not re.search(r"https?:|@import|url\(", html)
    assert not {"src", "href", "srcset", "onload"} & {name for name, _ in page.attributes}
    policy = next(value for _, value in page.attributes if value.startswith("default-src"))
    assert "default-src 'none'" in policy and "script-src" not in policy
    # Only a chart that brings a script may run one, and that fetches nothing either.
    assert "script-src 'unsafe-inline'" in report(run, charts=["<SCRIPT>draw()</SCRIPT>"])


def test_the_report_follows_the_screen_and_prints_light(run: Run) -> None:
    html = report(run)
    assert "@media screen and (prefers-color-scheme: dark)" in html and "@media print" in html
    assert html.count("prefers-color-scheme") == 1


def test_published_figures_never_look_like_measured_ones(run: Run, tmp_path: Path) -> None:
    assert "published" not in _read(report(run)).text.lower()
    files = _files(tmp_path, SAID, ODDS)
    dev = import_predictions(data(), *files, tmp_path / "dev", name="theirs")
    dev.info["data"]["fingerprint"] = SQUAD2_DEV
    page = _read(report(dev))
    assert len(page.texts["published"]) == len(PUBLISHED)
    assert all("published: " in text for text in page.texts["published"])
    assert "theirs measured here" in page.text and "Published by others" in page.texts["divider"][0]
    assert ".published { font-style: italic" in report(dev)


def test_the_comparison_speaks_for_this_run_where_it_is_better(run: Run, tmp_path: Path) -> None:
    said = {"q1": "Rollo", "q2": "", "q3": "Paris and Rouen", "q4": "Paris", "q5": "", "q6": "up the Seine"}
    best = import_predictions(data(), *_files(tmp_path, said, None), tmp_path / "best", name="theirs")
    text = _read(report(best, other=run)).text
    assert "Its F1 is higher on 3 questions, lower on 0, the same on 3" in text
    assert "Exact match, %6100.0050.00+50.00" in text
    assert "The other: embedded (mine, read at 0.00)" in text
    assert "Most gained" in text and "Most lost" not in text and "There are none: every answer is right." in text
    few = import_predictions(data(EXAMPLES[:2]), *_files(tmp_path, SAID, ODDS), tmp_path / "few", name="few")
    with pytest.raises(BadRun, match="different data"):
        report(run, other=few)


def test_predictions_that_abstain_already_are_reported_as_they_are(tmp_path: Path) -> None:
    run = import_predictions(data(), *_files(tmp_path, {**SAID, "q5": ""}, ODDS), tmp_path / "run", name="theirs")
    text = _read(report(run)).text
    assert "forced to answer" not in text and "Thresholds" not in text and "as predicted" in text
    assert text.count("1 of the predictions are empty already") == 1
    assert "its place in the text is not known" in text  # "Paris" stands there twice
    with pytest.raises(BadRun, match="cannot be read at a threshold of 0"):
        report(run, threshold=0.0)


def test_a_long_text_is_cut_between_words_around_its_marks(tmp_path: Path) -> None:
    context = 2_000 * "before " + "Rollo ruled. " + 2_000 * "after "
    example = Example("q", "Who?", context, (Gold("Rollo ruled", 14_000),))
    set_ = ExampleSet("long", [example], fingerprint([example]))
    run = import_predictions(set_, *_files(tmp_path, {"q": "Rollo"}, None), tmp_path / "run", name="theirs")
    page = _read(report(run))
    (shown,) = page.texts["context"]
    assert len(shown) < 3_200 and shown in context and set(shown.split()) == {"before", "Rollo", "ruled.", "after"}
    cut = [text for text in page.texts["facts"] if "characters" in text]
    before, after = (int(re.sub(r"\D", "", text)) for text in cut)
    assert before + len(shown) + after == len(context)


def test_the_report_tells_how_the_run_was_made_but_not_where_on_this_machine(run: Run) -> None:
    text = _read(report(run)).text
    assert "devicecpu" in text and "python -m reader evaluate --data small.json" in text and "ada" not in text
    assert run.info["versions"]["numpy"] in text and run.info["data"]["fingerprint"] in text


def test_outcomes_have_the_words_and_colours_of_the_app() -> None:
    assert {name: word for name, (word, _) in OUTCOMES.items()} == OUTCOME_WORDS
    assert {name: colour for name, (_, colour) in OUTCOMES.items()} == OUTCOME_COLORS


def test_infinite_margins_are_neither_worst_nor_broken(tmp_path: Path) -> None:
    run = import_predictions(data(), *_files(tmp_path, SAID, ODDS), tmp_path / "run", name="theirs")
    run.examples["null_score_diff"] = np.where(run.examples["id"] == "q1", np.inf, run.examples["null_score_diff"])
    page = _read(report(run))
    assert "Margin+∞, above the threshold of +1.00" in page.text and not re.search(r"\bnan\b", page.text)
    assert page.texts["h3"][0] != EXAMPLES[0].question
