"""Which readers are listed, with what their files tell, and what removing one leaves behind."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from reader.checkpoints import ReaderConfig, write_reader_config
from reader.errors import BadReader, BadUsage
from reader.inventory import ReaderEntry, inventory, remove
from reader.job_files import Job, write_job
from tests.hub_stand_in import COMMIT, put_in_cache

JOB = "20260102-030405-abcdef"
OTHER = "f" * 40


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("READER_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "home"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def make(folder: Path, architecture: str = "BertForQuestionAnswering", seed: int = 0) -> Path:
    """A folder that looks like a reader: 3 × 4 + 5 parameters."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"architectures": [architecture], "seed": seed}))
    weights = {"a": np.full((3, 4), seed, np.float16), "b": np.zeros(5, np.float32)}
    save_file(weights, folder / "model.safetensors")
    return folder


def entries() -> dict[str, ReaderEntry]:
    return {entry.name: entry for entry in inventory()}


def test_the_embedded_reader_is_always_there() -> None:
    (embedded,) = inventory()
    assert (embedded.name, embedded.origin, embedded.problem) == ("embedded", "ships", "")
    assert embedded.architecture == "BertForQuestionAnswering" and embedded.languages == ("en",)
    assert embedded.licence == "cc-by-sa-4.0" and embedded.config is not None
    assert embedded.parameters == 22_566_146 and 45e6 < embedded.bytes < 46e6
    assert not embedded.removable


def test_what_training_left_here(home: Path) -> None:
    folder = home / "jobs" / JOB
    write_reader_config(make(folder / "reader"), ReaderConfig(null_score_diff_threshold=-1.5, threshold_chosen_on="x"))
    config = {"kind": "train", "data": ["/data/my.csv", "org/set"], "base": "/models/base"}
    (folder / "config.json").write_text(json.dumps(config))
    write_job(Job(JOB, folder, "train", {}, "succeeded", created=1.0, ended=2.0))
    trained = entries()[f"jobs/{JOB}/reader"]
    assert (trained.label, trained.source) == ("trained on my.csv, set", "trained here from base")
    assert (trained.job, trained.made, trained.parameters) == (JOB, 2.0, 17)
    assert trained.config is not None and trained.config.null_score_diff_threshold == -1.5
    assert not trained.removable
    with pytest.raises(BadUsage, match="goes with its job, on the Train tab"):
        remove(trained.name)
    write_job(Job(JOB, folder, "train", {}, "failed", created=1.0))
    assert list(entries()) == ["embedded"]


def test_what_is_kept_under_the_home(home: Path, tmp_path: Path) -> None:
    make(home / "readers" / "mine")
    make(home / "also mine")
    make(home / "other task", "BertForMaskedLM")
    make(home / ".beside.1234")
    (home / "linked").symlink_to(make(tmp_path / "outside"))
    assert list(entries()) == ["embedded", "also mine", "readers/mine"]
    assert entries()["readers/mine"].origin == "kept"


def test_files_that_are_not_whole_are_told_without_their_folder(home: Path) -> None:
    cut = make(home / "cut") / "model.safetensors"
    cut.write_bytes(cut.read_bytes()[:-1])
    (make(home / "odd") / "reader_config.json").write_text("[")
    found = entries()
    assert found["cut"].problem.startswith("model.safetensors is not whole: ")
    assert found["odd"].problem.startswith("reader_config.json is not JSON")
    assert not any(str(home) in entry.problem for entry in found.values())


def test_the_cache_holds_a_reader_another_model_and_damaged_ones(cache: Path, tmp_path: Path) -> None:
    (card := make(tmp_path / "qa") / "README.md").write_text("---\nlicense: mit\nlanguage: de\n---\n")
    place = put_in_cache(cache, "org/qa", card.parent)
    put_in_cache(cache, "org/mask", make(tmp_path / "mask", "BertForMaskedLM"))
    pickled = make(tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    put_in_cache(cache, "org/pickled", pickled)
    begun = make(tmp_path / "begun")
    (begun / "model.safetensors").unlink()
    put_in_cache(cache, "org/begun", begun)
    broken = put_in_cache(cache, "org/broken", make(tmp_path / "broken", seed=1))
    next(iter(broken.glob("snapshots/*/model.safetensors"))).resolve().unlink()
    (cache / "models--org--hollow").mkdir()
    mask = put_in_cache(cache, "org/broken-mask", make(tmp_path / "mask2", "BertForMaskedLM"))
    (mask / "refs" / "v1").write_text(OTHER)
    (cache / "datasets--org--set" / "snapshots").mkdir(parents=True)

    found = entries()
    assert list(found) == ["embedded", "org/begun", "org/qa", "org/broken", "org/hollow"]
    qa = found["org/qa"]
    assert (qa.origin, qa.commit, qa.parameters) == ("hub", COMMIT, 17)
    assert (qa.licence, qa.languages, qa.problem) == ("mit", ("de",), "")
    assert qa.bytes == sum(blob.stat().st_size for blob in (place / "blobs").iterdir())
    assert {entry.name for entry in found.values() if entry.problem} == {"org/begun", "org/broken", "org/hollow"}
    assert all(entry.removable for name, entry in found.items() if name != "embedded")


@pytest.mark.parametrize("what", ["nothing", "a file"])
def test_a_cache_that_is_none_holds_no_readers(cache: Path, what: str) -> None:
    if what == "a file":
        cache.write_text("")
    assert list(entries()) == ["embedded"]


def test_removing_frees_what_only_this_reader_holds(cache: Path, tmp_path: Path) -> None:
    first, second = make(tmp_path / "first"), make(tmp_path / "second", seed=1)
    (first / "vocab.txt").write_text("shared")
    (second / "vocab.txt").write_text("shared")
    place = put_in_cache(cache, "org/qa", first)
    put_in_cache(cache, "org/qa", second, OTHER, ref="v2")
    # A duplicate on the Hub has the same commits.
    put_in_cache(cache, "org/copy", first)
    assert set(entries()) == {"embedded", "org/qa", "org/qa@v2", "org/copy"}

    own = sum((second / name).stat().st_size for name in ("config.json", "model.safetensors"))
    assert remove("org/qa@v2") == own
    assert set(entries()) == {"embedded", "org/qa", "org/copy"}
    assert (place / "snapshots" / COMMIT / "vocab.txt").read_text() == "shared"

    assert remove("org/qa") == sum(file.stat().st_size for file in first.iterdir())
    assert set(entries()) == {"embedded", "org/copy"} and not place.exists()
    with pytest.raises(BadReader, match="no copy of org/qa here any more"):
        remove("org/qa")


def test_a_damaged_one_can_be_removed(cache: Path, tmp_path: Path) -> None:
    place = put_in_cache(cache, "org/broken", make(tmp_path / "broken"))
    next(iter(place.glob("snapshots/*/config.json"))).resolve().unlink()
    left = sum(os.lstat(path).st_size for path in place.rglob("*") if path.is_symlink() or path.is_file())
    assert remove("org/broken") == left
    assert not place.exists()


def test_a_revision_without_a_name_goes_by_its_commit(cache: Path, tmp_path: Path) -> None:
    put_in_cache(cache, "org/qa", make(tmp_path / "qa"), ref="")
    assert list(entries()) == ["embedded", f"org/qa@{COMMIT}"]


def test_shards_are_counted_together_and_a_missing_one_is_told(home: Path) -> None:
    folder = make(home / "large")
    shards = [folder / f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    (folder / "model.safetensors").rename(shards[0])
    shutil.copy(shards[0], shards[1])
    index = {"weight_map": {"a": shards[0].name, "b": shards[1].name}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert entries()["large"].parameters == 34
    shards[1].unlink()
    assert entries()["large"].problem == f"{shards[1].name} is missing."


@pytest.mark.parametrize("name", ["embedded", "org/none", "", "../cache"])
def test_what_is_not_of_the_hub_stays(name: str) -> None:
    with pytest.raises((BadUsage, BadReader)):
        remove(name)
