"""Training jobs beside each other: which settings differ, what came of them, and what cannot be compared."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from pages.train.comparing import comparison, settings_of
from pages.watching import Course
from reader.job_files import Job
from reader.recipes import CORRECTED, TrainOptions


def job(number: int, **config: Any) -> Job:
    """A job with this config; a damaged one where there is none."""
    asked = {"kind": "train", "base": "embedded", "data": ["starter"], "max_steps": 20, **config} if config else {}
    when = 1e9 + number
    return Job(
        f"20260101-12000{number}-00000{number}",
        Path("/nowhere"),
        "train" if config else "",
        {name: value for name, value in asked.items() if value is not None},
        "succeeded" if config else "failed",
        created=when,
        started=when if config else None,
        ended=when + 72,
    )


def course(f1: float, held_out: int = 200, loss: float = 2.0) -> Course:
    figures = {"f1": f1, "exact": f1 - 10, "HasAns_f1": 70.0, "NoAns_f1": 40.0, "threshold": -1.2}
    told: list[dict[str, Any]] = [{"event": "start", "total_steps": 20, "held_out": held_out, "device": "cpu"}]
    told += [{"event": "step", "step": step, "loss": loss, "examples_per_second": 9.87} for step in range(1, 21)]
    told += [{"event": "evaluation", "step": step, **figures} for step in (10, 20)]
    return Course().after(told)


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub("<[^>]*>", " ", html)))


def rows_of(html: str) -> dict[str, list[str]]:
    """The table's cells by their row's title."""
    rows = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', html)
    return {
        unescape(title): [text_of(cell).strip() for cell in re.findall("<td[^>]*>(.*?)</td>", cells)]
        for title, cells in rows
    }


def test_only_settings_that_differ_are_rows() -> None:
    one, other = job(1, recipe="corrected", learning_rate=5e-5), job(2, seed=7, epochs=None, batch_size=24)
    html = comparison([(one, course(60.0)), (other, course(61.2))])
    rows = rows_of(html)
    assert rows["Learning rate"] == ["5e-5", "2e-5"], "the recipe's where a job says nothing"
    assert rows["Seed"] == ["42", "7"]
    assert not rows.keys() & {"Recipe", "Batch size", "Data", "How long"}
    same = len(settings_of(one.config)) - 2
    assert f"{same} settings are the same." in text_of(html)
    assert "cannot be compared" not in html


def test_every_setting_that_holds_is_known() -> None:
    settings = settings_of({"kind": "train", "base": "b", "data": ["d"], "warmup": None})
    names = TrainOptions.__dataclass_fields__.keys() - {"epochs", "max_steps", "probe", "probe_text"}
    assert settings.keys() == names | {"length", "eval_data"}
    assert (settings["warmup"], settings["batch_size"]) == (CORRECTED.warmup, CORRECTED.batch_size)
    assert settings["length"] == (3.0, "epoch")


def test_the_article_s_recipe_holds_nothing_out_and_warms_up_its_own_way() -> None:
    html = comparison([(job(1, recipe="article"), course(60.0)), (job(2, warmup=0.2), course(60.0))])
    rows = rows_of(html)
    assert rows["Warm-up"] == ["counted in examples", "20 % of the steps"]
    assert rows["Held-out share"] == ["0", "0.05"]


def test_what_came_of_each_stands_beside_the_other() -> None:
    rows = rows_of(comparison([(job(1, seed=1), course(60.0)), (job(2, seed=2), course(61.24))]))
    assert rows["State"] == ["✓ Finished", "✓ Finished"]
    assert rows["Best held-out F1"] == ["60.0 % after step 10", "61.2 % after step 10"]
    assert rows["Exact match"] == ["50.0 %", "51.2 %"]
    assert rows["F1, answerable"] == ["70.0 %", "70.0 %"] and rows["F1, not answerable"] == ["40.0 %", "40.0 %"]
    assert rows["Threshold"] == ["−1.20", "−1.20"]
    assert rows["Steps"] == ["20 of 20", "20 of 20"] and rows["Time"] == ["1 min 12 s", "1 min 12 s"]
    assert rows["Examples/s"] == ["9.9", "9.9"]


def test_both_charts_rank_the_jobs() -> None:
    text = text_of(comparison([(job(1, seed=1), course(60.0, loss=1.5)), (job(2, seed=2), course(61.24, loss=1.7))]))
    assert "embedded on the starter set, 20 steps" in text
    assert text.count("reaches the higher held") == 1 and "A ends with the lower loss: 1.50, B 1.70" in text


@pytest.mark.parametrize(
    ("config", "held_out", "said"),
    [
        ({"data": ["other.csv"]}, 200, "differ in data, so"),
        ({"held_out": 0.1, "held_out_by": "context"}, 200, "differ in the share held out and what is held out"),
        ({"cap": [500]}, 200, "differ in how many questions are taken, so"),
        ({"seed": 7}, 180, "differ in the number of held-out questions, so"),
    ],
)
def test_figures_on_different_questions_are_not_ranked(config: dict[str, Any], held_out: int, said: str) -> None:
    text = text_of(comparison([(job(1, seed=1), course(60.0)), (job(2, **config), course(61.2, held_out))]))
    assert said in text and "cannot be compared" in text
    assert "reaches the higher" not in text and "not measured alike" in text


def test_two_files_of_one_name_are_told_apart() -> None:
    files = ["/h/uploads/mine-0a0a0a0a.csv", "/h/uploads/mine-0b0b0b0b.csv"]
    jobs = [job(1, data=files[:1]), job(2, data=files[1:]), job(3, data=files[:1])]
    assert rows_of(comparison([(each, course(50.0)) for each in jobs]))["Data"] == [
        "mine.csv (A’s)",
        "mine.csv (B’s)",
        "mine.csv (A’s)",
    ]


def test_unknown_settings_and_names_are_shown_as_they_are_and_escaped() -> None:
    odd = job(2, data=["<img src=x>.csv"], made_up="<script>", list_of=[1, True])
    html = comparison([(job(1, seed=42), course(60.0)), (odd, course(61.2))])
    assert "<img" not in html and "<script" not in html
    rows = rows_of(html)
    assert rows["Made up"] == ["–", "<script>"] and rows["List of"] == ["–", "1, yes"]
    assert rows["Data"] == ["the starter set", "<img src=x>.csv"]


def test_a_damaged_job_is_compared_by_what_is_known() -> None:
    html = comparison([(job(1, seed=1), course(60.0)), (job(2), Course()), (job(3, seed=3), course(61.2))])
    rows = rows_of(html)
    assert "The settings of B cannot be read." in html and "Job 20260101-120002-000002" in html
    assert rows["Seed"] == ["1", "–", "3"]
    assert rows["State"][1] == "✕ Failed" and rows["Best held-out F1"][1] == rows["Time"][1] == "–"
    both = comparison([(job(1), Course()), (job(2), Course())])
    assert rows_of(both).keys() == {"State"} and "settings are the same" not in both


def test_jobs_alike_in_all_settings_say_so() -> None:
    assert re.search(r"All \d+ settings are the same\.", comparison([(job(i, seed=1), Course()) for i in (1, 2)]))


def test_too_few_and_too_many_jobs() -> None:
    jobs = [(job(i, seed=i), course(50.0 + i)) for i in range(1, 7)]
    assert "Tick two or more jobs" in comparison(jobs[:1]) and "Tick two or more jobs" in comparison([])
    html = comparison(jobs)
    assert "Only the first 4 of 6 jobs are compared." in html
    assert rows_of(html)["Seed"] == ["1", "2", "3", "4"] and "Only" not in comparison(jobs[:4])
