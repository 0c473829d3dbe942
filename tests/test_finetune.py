"""Training: it ends with the same weights however often it was stopped, and says what went wrong in a sentence."""

from __future__ import annotations

import json
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

import reader.finetune
import reader.trainer
from reader.checkpoints import load_checkpoint, save_checkpoint
from reader.errors import BadReader, BadUsage, DiskError, OutOfMemory
from reader.examples import load_examples
from reader.finetune import Stopped, prepare_features
from reader.held_out import HeldOut
from reader.learning import average, divergence, layer_groups
from reader.predictor import ExtractiveReader
from reader.recipes import TrainOptions
from reader.seen import context_hashes, write_seen
from reader.teachers import load_teacher, teach
from reader.trainer import Collator, ReaderTrainer, last_checkpoint
from tests import tiny_models
from tests.full_disk import largest_file
from tests.tiny_training import Events, options, train, weights, write_data

FAMILIES = tiny_models.FAMILIES


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT with dropout, so that a resumed run has to find the random numbers again too."""
    folder = tmp_path_factory.mktemp("base")
    return tiny_models.make("bert", folder, hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data") / "data.json")


def stop_at(step: int) -> Events:
    """Reports that send this process SIGTERM when a step has been told.

    So the next step is finished, unless an evaluation is due between the two.
    """

    def at(event: str, facts: dict[str, Any]) -> None:
        if event == "step" and facts["step"] == step:
            os.kill(os.getpid(), signal.SIGTERM)

    return Events(at)


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


# Stop and resume


@pytest.fixture(scope="module")
def uninterrupted(base: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """8 steps with all that keeps a state: accumulation, layer-wise rates, dropout, evaluations, an average."""
    chosen = options(base, data, evaluations=2, gradient_accumulation=2, layer_decay=0.8, average_last=2)
    report = Events()
    trained = train(chosen, tmp_path_factory.mktemp("whole"), report=report)
    steps = {facts["step"]: (facts["loss"], facts["learning_rate"]) for facts in report.of("step")}
    assert list(steps) == list(range(1, 9))
    return {"options": chosen, "weights": weights(trained), "steps": steps, "held_out": trained.held_out}


@pytest.mark.parametrize(
    "stops",
    [
        {1: 2},  # between evaluations
        {3: 4},  # before the evaluation that is due, which is left for later
        {4: 4},  # when it begins
        {7: 8},  # in the last step
        {8: 8},  # after it
        {1: 2, 3: 4, 5: 6},
    ],
    ids=str,
)
def test_a_stopped_and_resumed_run_ends_with_the_very_same_weights(
    uninterrupted: dict[str, Any], stops: dict[int, int], tmp_path: Path
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    steps: dict[int, tuple[float, float]] = {}
    resume = False
    for step, saved in stops.items():
        report = stop_at(step)
        with pytest.raises(Stopped):
            train(uninterrupted["options"], tmp_path, resume=resume, report=report)
        last = last_checkpoint(tmp_path / "checkpoints")
        assert last is not None and last.name == f"checkpoint-{saved}"
        steps |= {facts["step"]: (facts["loss"], facts["learning_rate"]) for facts in report.of("step")}
        resume = True
    report = Events()
    trained = train(uninterrupted["options"], tmp_path, resume=True, report=report)
    steps |= {facts["step"]: (facts["loss"], facts["learning_rate"]) for facts in report.of("step")}
    assert steps == uninterrupted["steps"]
    assert same(weights(trained), uninterrupted["weights"])
    assert trained.held_out == uninterrupted["held_out"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_stop_ends_an_evaluation_at_once_and_it_is_made_up_for(
    uninterrupted: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stop comes in the middle of the first evaluation in training, of step 4."""
    asked = []
    read = HeldOut.read

    def stopped_in_the_middle(self: HeldOut, *given: Any) -> dict[str, float]:
        asked.append(1)
        if len(asked) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
            for _ in range(1000):
                pass  # the signal is taken between two of Python's instructions
            raise AssertionError("the evaluation went on")
        return read(self, *given)

    monkeypatch.setattr(HeldOut, "read", stopped_in_the_middle)
    with pytest.raises(Stopped):
        train(uninterrupted["options"], tmp_path)
    last = last_checkpoint(tmp_path / "checkpoints")
    assert last is not None and last.name == "checkpoint-4"
    monkeypatch.undo()
    report = Events()
    trained = train(uninterrupted["options"], tmp_path, resume=True, report=report)
    assert [facts["step"] for facts in report.of("evaluation")] == [4, 8]
    assert same(weights(trained), uninterrupted["weights"])
    assert trained.held_out == uninterrupted["held_out"]


@pytest.mark.parametrize("damage", ["half-written", "truncated", "note-broken"])
def test_a_damaged_checkpoint_is_passed_over(uninterrupted: dict[str, Any], damage: str, tmp_path: Path) -> None:
    for step, resume in ((4, False), (5, True)):
        with pytest.raises(Stopped):
            train(uninterrupted["options"], tmp_path, resume=resume, report=stop_at(step))
    checkpoint = tmp_path / "checkpoints" / "checkpoint-6"
    if damage == "half-written":
        (checkpoint / "complete").unlink()
        (checkpoint / "optimizer.pt").unlink()
    elif damage == "truncated":
        os.truncate(checkpoint / "model.safetensors", 1000)
    else:
        (checkpoint / "complete").write_text('{"files": {"model')
    found = last_checkpoint(tmp_path / "checkpoints")
    assert found is not None and found.name == "checkpoint-4"
    report = Events()
    trained = train(uninterrupted["options"], tmp_path, resume=True, report=report)
    assert report.of("message")[0]["text"] == "Going on from checkpoint-4."
    assert report.of("step")[0]["step"] == 5
    assert same(weights(trained), uninterrupted["weights"])


def test_a_run_that_was_killed_after_its_last_step_only_finishes(uninterrupted: dict[str, Any], tmp_path: Path) -> None:
    train(uninterrupted["options"], tmp_path)
    report = Events()
    trained = train(uninterrupted["options"], tmp_path, resume=True, report=report)
    assert not report.of("step")
    assert same(weights(trained), uninterrupted["weights"])


def test_a_moved_folder_still_knows_its_best_checkpoint(uninterrupted: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        train(uninterrupted["options"], tmp_path / "here", report=stop_at(5))
    (tmp_path / "here").rename(tmp_path / "there")
    assert same(weights(train(uninterrupted["options"], tmp_path / "there", resume=True)), uninterrupted["weights"])


def test_nothing_to_resume_from_is_said_and_begun_anew(base: Path, data: Path, tmp_path: Path) -> None:
    report = Events()
    train(options(base, data, max_steps=1), tmp_path, resume=True, report=report)
    assert "starting anew" in report.of("message")[0]["text"]
    assert report.of("step")[0]["step"] == 1


def test_a_resume_with_other_settings_is_refused_by_name(base: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        train(options(base, data), tmp_path, report=stop_at(2))
    for chosen in ({"learning_rate": 1e-5}, {"max_steps": 9}, {"seed": 1}):
        with pytest.raises(BadUsage, match=f"--{next(iter(chosen)).replace('_', '-')}"):
            train(options(base, data, **chosen), tmp_path, resume=True)
    with pytest.raises(BadUsage, match="the data have changed"):
        train(options(base, write_data(tmp_path / "other.json", 9)), tmp_path, resume=True)
    # What changes no batch may change: half the memory, another precision.
    train(options(base, data, gradient_accumulation=2, precision="bf16"), tmp_path, resume=True)


def test_the_time_before_a_stop_counts(base: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        train(options(base, data), tmp_path, report=stop_at(6))
    note = tmp_path / "checkpoints" / "checkpoint-7" / "complete"
    note.write_text(note.read_text().replace('"seconds": ', '"seconds": 1000'))
    assert train(options(base, data), tmp_path, resume=True).seconds > 1000


# Steps and batches


def test_a_run_tells_of_its_start_its_steps_and_its_evaluations(base: Path, data: Path, tmp_path: Path) -> None:
    report = Events()
    trained = train(options(base, data, max_steps=5, evaluations=2), tmp_path, report=report)
    (start,) = report.of("start")
    assert (start["total_steps"], start["device"], start["precision"]) == (5, "cpu", "fp32")
    assert start["examples"] + start["held_out"] == 48
    steps = report.of("step")
    assert [step["step"] for step in steps] == [1, 2, 3, 4, 5]
    assert steps[-1]["epoch"] == pytest.approx(5 * 6 / trained.features)
    for step in steps:
        assert step["total_steps"] == 5
        assert step["loss"] > 0 and step["examples_per_second"] > 0 and step["eta_seconds"] >= 0
        # A window holds at least the question and a sentence, and at most what it is cut to.
        assert 15 < step["tokens_per_second"] / step["examples_per_second"] <= 64
    evaluations = report.of("evaluation")
    assert [evaluation["step"] for evaluation in evaluations] == [0, 3, 5]
    for evaluation in evaluations:
        assert evaluation.keys() == {
            *("step", "threshold", "exact", "f1", "HasAns_f1", "NoAns_f1", "forced_HasAns_f1"),
        }
    assert trained.steps == 5
    assert trained.held_out["f1"] == max(evaluation["f1"] for evaluation in evaluations[1:])


def test_a_run_ends_when_f1_has_not_risen_for_long_enough(
    base: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {0: 50.0, 2: 10.0, 4: 30.0, 6: 20.0, 8: 30.0, 10: 90.0}
    read = HeldOut.read

    def as_told(self: HeldOut, checkpoint: Any, step: int, report: Any) -> dict[str, float]:
        return {**read(self, checkpoint, step, report), "f1": told[step]}

    monkeypatch.setattr(HeldOut, "read", as_told)
    patient = options(base, data, max_steps=12, evaluations=6, patience=2)
    report = Events()
    trained = train(patient, tmp_path, report=report)
    assert [facts["step"] for facts in report.of("evaluation")] == [0, 2, 4, 6, 8]
    assert (trained.steps, trained.held_out["f1"]) == (8, 30.0)
    assert "training ends early" in report.of("message")[-1]["text"]
    # One that was killed after that only finishes.
    again = Events()
    finished = train(patient, tmp_path, resume=True, report=again)
    assert again.of("step") == [] and finished.steps == 8
    assert same(weights(finished), weights(trained))


def test_it_learns(base: Path, data: Path, tmp_path: Path) -> None:
    report = Events()
    train(options(base, data, max_steps=40), tmp_path, report=report)
    losses = [step["loss"] for step in report.of("step")]
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])


def test_a_batch_read_in_parts_is_the_same_batch(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The models' own loss lets padding compete, so that parts must be padded alike to be compared.
    monkeypatch.setattr(reader.trainer, "LENGTH_STEP", 64)
    base = tiny_models.make("bert", tmp_path / "base")  # without dropout
    losses = []
    for parts in (1, 3):
        report = Events()
        chosen = options(base, data, gradient_accumulation=parts, held_out=0.0, learning_rate=3e-4)
        train(chosen, tmp_path / str(parts), report=report)
        losses.append([step["loss"] for step in report.of("step")])
    assert len(losses[1]) == 8
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)


def full_from(windows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the memory be full as soon as so many windows are read at once, from the sixth batch on."""
    compute, batches = ReaderTrainer.compute_loss, iter(range(1, 1000))

    def compute_loss(self: ReaderTrainer, model: Any, inputs: dict[str, Any], *args: Any, **options: Any) -> Any:
        if next(batches) > 5 and len(inputs["input_ids"]) >= windows:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return compute(self, model, inputs, *args, **options)

    monkeypatch.setattr(ReaderTrainer, "compute_loss", compute_loss)


def test_full_memory_halves_what_is_read_at_once(
    base: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full_from(3, monkeypatch)
    report = Events()
    trained = train(options(base, data, evaluations=2), tmp_path, report=report)
    assert trained.steps == 8
    # 6 at once, then 3, then 1: a batch of 6 has no four equal parts.
    assert [event["at_once"] for event in report.of("memory")] == [3, 1]
    # It went on from the checkpoint of step 4, not from the beginning.
    assert [event["step"] for event in report.of("step")] == [1, 2, 3, 4, 5, 5, 6, 7, 8]


def test_full_memory_with_one_window_at_a_time_is_said(
    base: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full_from(1, monkeypatch)
    with pytest.raises(OutOfMemory, match="even with one window at a time"):
        train(options(base, data, evaluations=2), tmp_path)
    assert last_checkpoint(tmp_path / "checkpoints") is not None


def test_other_faults_of_torch_are_not_taken_for_full_memory(
    base: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compute_loss(*_: Any, **__: Any) -> Any:
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(ReaderTrainer, "compute_loss", compute_loss)
    with pytest.raises(RuntimeError, match="shapes"):
        train(options(base, data), tmp_path)


def test_a_reader_has_seen_what_it_and_its_base_were_trained_on_and_nothing_held_out(
    base: Path, data: Path, tmp_path: Path
) -> None:
    before = tmp_path / "before"
    shutil.copytree(base, before)
    write_seen(before, frozenset({"earlier"}))
    trained = train(options(before, data, max_steps=1), tmp_path / "work")
    seen = trained.checkpoint.trained_on
    assert seen == {"earlier"} | context_hashes(trained.data.train)
    assert trained.data.held_out and not seen & context_hashes(trained.data.held_out)
    (tmp_path / "after").mkdir()
    save_checkpoint(trained.checkpoint, tmp_path / "after")
    assert load_checkpoint(str(tmp_path / "after")).trained_on == seen
    assert load_checkpoint(str(base)).trained_on is None


def test_the_seed_decides(base: Path, data: Path, tmp_path: Path) -> None:
    one, again, other = (
        weights(train(options(base, data, max_steps=2, seed=seed), tmp_path / name))
        for name, seed in (("one", 1), ("again", 1), ("other", 2))
    )
    assert same(one, again)
    assert not same(one, other)


def test_an_encoder_without_a_head_can_be_a_base(data: Path, tmp_path: Path) -> None:
    folder = tiny_models.make("bert", tmp_path / "base")
    load_checkpoint(str(folder)).model.bert.save_pretrained(folder)
    trained = train(options(folder, data, max_steps=2), tmp_path / "work")
    assert torch.isfinite(trained.checkpoint.model.qa_outputs.weight).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_trains_and_then_answers_with_exact_offsets(family: str, data: Path, tmp_path: Path) -> None:
    base = tiny_models.make(family, tmp_path / "base")
    before = load_checkpoint(str(base)).model.state_dict()
    trained = train(options(base, data, max_steps=2, layer_decay=0.9, held_out=0.0), tmp_path / "work")
    after = weights(trained)
    assert any(not torch.equal(before[name], after[name]) for name in before)
    (tmp_path / "reader").mkdir()
    save_checkpoint(trained.checkpoint, tmp_path / "reader")
    qa = ExtractiveReader.from_pretrained(str(tmp_path / "reader"), precision="fp32")
    for example in load_examples(data).examples[:6]:
        answer = qa(question=example.question, context=example.context, threshold=1e9)
        assert answer.text == example.context[answer.start : answer.end] != ""


def test_memory_does_not_grow_with_the_steps(base: Path, data: Path, tmp_path: Path) -> None:
    held: list[int] = []

    def at(event: str, facts: dict[str, Any]) -> None:
        if event == "step" and facts["step"] in (20, 80):
            held.append(psutil.Process().memory_info().rss)

    train(options(base, data, max_steps=80), tmp_path, report=Events(at))
    assert held[1] - held[0] < 40e6


# What is held out


def test_the_threshold_is_chosen_where_something_is_unanswerable(base: Path, data: Path, tmp_path: Path) -> None:
    trained = train(options(base, data), tmp_path)
    config = trained.checkpoint.config
    unanswerable = sum(example.is_impossible for example in trained.data.held_out)
    assert config.null_score_diff_threshold == trained.held_out["threshold"]
    assert f"{len(trained.data.held_out)} held-out" in config.threshold_chosen_on
    assert f"{unanswerable} unanswerable" in config.threshold_chosen_on


def test_the_bases_threshold_stays_where_all_can_be_answered(base: Path, tmp_path: Path) -> None:
    from reader.checkpoints import write_reader_config

    folder = tiny_models.make("bert", tmp_path / "base")
    write_reader_config(folder, replace(load_checkpoint(str(base)).config, null_score_diff_threshold=-1.25))
    answerable = write_data(tmp_path / "data.json", answerable_only=True)
    trained = train(options(folder, answerable, max_steps=2), tmp_path / "work")
    assert trained.checkpoint.config.null_score_diff_threshold == -1.25
    assert "no unanswerable question" in trained.checkpoint.config.threshold_chosen_on
    assert "NoAns_f1" not in trained.held_out


def test_training_chooses_for_the_assumed_share(base: Path, data: Path, tmp_path: Path) -> None:
    trained = train(options(base, data, max_steps=2, assume_unanswerable=0.9), tmp_path)
    part = HeldOut(trained.data.held_out, [], device="cpu", precision="fp32", assume_unanswerable=0.9)
    again = part.read(trained.checkpoint, 0, Events())
    # The trainer reads in the precision that is quickest here; the share of each kind is what must agree.
    assert trained.held_out["f1"] == pytest.approx(again["f1"], abs=15)
    assert trained.held_out["f1"] == pytest.approx(
        0.9 * trained.held_out["NoAns_f1"] + 0.1 * trained.held_out["HasAns_f1"]
    )


# Learning rates, teachers, averages


@pytest.mark.parametrize("family", FAMILIES)
def test_every_parameter_learns_in_one_group(family: str, tmp_path: Path) -> None:
    model = load_checkpoint(str(tiny_models.make(family, tmp_path / "base"))).model
    names = {name for name, _ in model.named_parameters() if name.endswith("weight")}
    groups = layer_groups(model, decayed=names, learning_rate=1.0, weight_decay=0.1, layer_decay=0.5)
    in_groups = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(in_groups) == sorted({id(parameter) for parameter in model.parameters()})


def test_the_rate_falls_from_the_head_to_the_embeddings(base: Path) -> None:
    model = load_checkpoint(str(base)).model
    groups = layer_groups(model, decayed={"qa_outputs.weight"}, learning_rate=1.0, weight_decay=0.1, layer_decay=0.5)
    rates = {id(parameter): group["lr"] for group in groups for parameter in group["params"]}
    expected = {"qa_outputs.": 1.0, "encoder.layer.1.": 0.5, "encoder.layer.0.": 0.25, "embeddings.": 0.125}
    for name, parameter in model.named_parameters():
        (rate,) = {rate for part, rate in expected.items() if part in name}
        assert rates[id(parameter)] == rate, name
    decays = {id(parameter): group["weight_decay"] for group in groups for parameter in group["params"]}
    assert {name for name, parameter in model.named_parameters() if decays[id(parameter)]} == {"qa_outputs.weight"}


def test_layer_decay_is_what_the_optimizer_gets(base: Path, data: Path, tmp_path: Path) -> None:
    """With a rate that vanishes below the head, only the head has moved after a few steps."""
    before = load_checkpoint(str(base)).model.state_dict()
    chosen = options(base, data, held_out=0.0, layer_decay=1e-9, weight_decay=0.0)
    moved = {
        name: float((value - before[name]).abs().max()) for name, value in weights(train(chosen, tmp_path)).items()
    }
    assert moved["qa_outputs.weight"] > 1e-4
    assert max(value for name, value in moved.items() if not name.startswith("qa_outputs")) < 1e-6


def test_a_teacher_pulls_its_student(data: Path, tmp_path: Path) -> None:
    student = tiny_models.make("bert", tmp_path / "student", seed=0)
    teacher = tmp_path / "teacher"
    teacher.mkdir()
    checkpoint = load_checkpoint(str(student))
    with torch.no_grad():
        torch.manual_seed(9)
        for parameter in checkpoint.model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    save_checkpoint(checkpoint, teacher)

    features = prepare_features(load_checkpoint(str(student)), load_examples(data).examples[:8], "corrected")
    collate = Collator(checkpoint, pad_to=None)
    with torch.no_grad():
        batch = collate(features)
        read = load_checkpoint(str(teacher)).model.eval()(**batch)
        wanted = torch.stack([read.start_logits, read.end_logits], dim=1)

    def distance(model: Any) -> float:
        with torch.no_grad():
            return float(divergence(model.eval()(**batch), wanted, batch["attention_mask"]))

    chosen = options(student, data, max_steps=30, held_out=0.0)
    alone = train(chosen, tmp_path / "alone").checkpoint.model
    taught = train(replace(chosen, teacher=(str(teacher),)), tmp_path / "taught").checkpoint.model
    assert distance(taught) < 0.7 * distance(alone)


def test_several_teachers_teach_by_the_mean_of_their_logits(base: Path, data: Path, tmp_path: Path) -> None:
    names = [str(tiny_models.make("bert", tmp_path / str(seed), seed=seed)) for seed in (1, 2)]
    checkpoint = load_checkpoint(str(base))
    features = prepare_features(checkpoint, load_examples(data).examples[:20], "corrected")
    teachers = [load_teacher(name, checkpoint) for name in names]
    taught = teach(teachers, features, range(1, 20), Collator(checkpoint, pad_to=None), device="cpu", bf16=False)
    assert taught[0].taught is None  # not needed, so not read
    for feature in taught[1:]:
        ids = torch.tensor(feature.input_ids[None].astype(np.int64))
        types = torch.tensor(feature.token_type_ids[None].astype(np.int64))  # type: ignore[index]
        with torch.no_grad():
            read = [teacher(input_ids=ids, token_type_ids=types) for teacher in teachers]
        wanted = sum(torch.cat([one.start_logits, one.end_logits]) for one in read) / 2
        assert feature.taught == pytest.approx(wanted.numpy(), abs=2e-3)


def test_the_divergence_is_that_of_the_softened_distributions() -> None:
    torch.manual_seed(0)
    one, other = torch.randn(2, 3, 5), torch.randn(2, 3, 5)
    mask = torch.tensor([[1, 1, 1, 1, 0]] * 3)

    class Outputs:
        def __init__(self, logits: torch.Tensor) -> None:
            self.start_logits, self.end_logits = logits

    found = float(divergence(Outputs(one), other.transpose(0, 1), mask))
    total = 0.0
    for own, wanted in zip(one[:, :, :4].double(), other[:, :, :4].double(), strict=True):
        p, q = torch.softmax(wanted / 2, dim=-1), torch.softmax(own / 2, dim=-1)
        total += float((p * (p / q).log()).sum(dim=-1).mean())
    assert found == pytest.approx(4 * total / 2, rel=1e-4)
    assert float(divergence(Outputs(one), one.transpose(0, 1), mask)) == pytest.approx(0.0, abs=1e-6)


def test_a_teacher_of_another_vocabulary_is_refused(base: Path, tmp_path: Path) -> None:
    other = tiny_models.make("roberta", tmp_path / "other")
    with pytest.raises(BadReader, match="different vocabularies"):
        load_teacher(str(other), load_checkpoint(str(base)))


def test_a_teacher_with_too_few_positions_is_refused(base: Path, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(base)
    short = tiny_models.make("bert", tmp_path / "short", max_position_embeddings=128)
    tokenizer.save_pretrained(short)
    with pytest.raises(BadReader, match="128 tokens"):
        load_teacher(str(short), load_checkpoint(str(base)))


def test_no_window_is_padded_beyond_the_positions_of_the_base(tmp_path: Path) -> None:
    """150 is no multiple of the 32 that lengths are rounded up to."""
    short = tiny_models.make("bert", tmp_path / "short", max_position_embeddings=150)
    long = tmp_path / "long.jsonl"
    context = "Ada went to Rouen and wrote the program there. " * 30
    rows = [{"id": str(row), "question": "Who went?", "context": f"{context} {row}", "answer": ""} for row in range(6)]
    long.write_text("\n".join(json.dumps(row) for row in rows))
    trained = train(options(short, long, max_steps=2, held_out=0.0, max_seq_length=384), tmp_path / "work")
    assert trained.features > len(rows)  # so each context fills a window of all 150


def test_the_average_is_the_mean_of_the_files(base: Path, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(str(base))
    like = {name: value.clone() for name, value in checkpoint.model.state_dict().items()}
    paths = []
    for number in (1, 4):
        with torch.no_grad():
            checkpoint.model.qa_outputs.bias.fill_(number)
        checkpoint.model.save_pretrained(tmp_path / str(number))
        paths.append(tmp_path / str(number))
    mean = average(paths, like)
    assert mean["qa_outputs.bias"].tolist() == [2.5, 2.5]
    for name in like.keys() - {"qa_outputs.bias"}:
        torch.testing.assert_close(mean[name], like[name])


# The article's recipe


def test_the_articles_run_climbs_to_its_end_and_keeps_its_final_weights(base: Path, data: Path, tmp_path: Path) -> None:
    chosen = TrainOptions(str(base), (str(data),), recipe="article", epochs=2.0, batch_size=6, precision="fp32")
    report = Events()
    trained = train(chosen, tmp_path, report=report)
    # 48 examples, one window each: 16 steps of 6. Warm-up is a tenth of 48 examples times 2 epochs, in "steps".
    assert (trained.features, trained.steps, trained.held_out) == (48, 16, {})
    warmup = int(48 * 2 * 0.1)
    rates = [step["learning_rate"] for step in report.of("step")]
    assert rates[:warmup] == pytest.approx([2e-5 * step / warmup for step in range(warmup)])
    assert not report.of("evaluation")
    assert "not chosen" in trained.checkpoint.config.threshold_chosen_on
    last = last_checkpoint(tmp_path / "checkpoints")
    assert last is not None and last.name == "checkpoint-16"
    saved = AutoModelForQuestionAnswering.from_pretrained(last).state_dict()
    assert same(weights(trained), saved)


def test_the_articles_rate_ends_at_steps_less_one_over_its_warm_up(base: Path, data: Path, tmp_path: Path) -> None:
    """With batches of 24 and 3 epochs, as in the article, warm-up is 2.4 times as long as the whole run."""
    chosen = TrainOptions(str(base), (str(data),), recipe="article", precision="fp32")
    report = Events()
    train(chosen, tmp_path, report=report)
    rates = [step["learning_rate"] for step in report.of("step")]
    assert len(rates) == 6 and int(48 * 3 * 0.1) == 14
    assert rates[-1] == pytest.approx(2e-5 * (6 - 1) / 14)
    assert rates == sorted(rates)


def test_the_corrected_run_decays_to_nothing(base: Path, data: Path, tmp_path: Path) -> None:
    report = Events()
    train(options(base, data, max_steps=20), tmp_path, report=report)
    rates = [step["learning_rate"] for step in report.of("step")]
    # A tenth of 20 steps up, 18 down; the rate of a step is what the schedule says before it.
    assert rates == pytest.approx([0.0, 1.5e-3, *(3e-3 * (18 - step) / 18 for step in range(18))])


def test_the_article_pads_to_384_and_the_corrected_recipe_to_the_longest(base: Path, data: Path) -> None:
    checkpoint = load_checkpoint(str(base))
    features = prepare_features(checkpoint, load_examples(data).examples[:4], "corrected")
    assert Collator(checkpoint, pad_to=384)(features)["input_ids"].shape == (4, 384)
    longest = max(len(feature.input_ids) for feature in features)
    batch = Collator(checkpoint, pad_to=None)(features)
    assert batch["input_ids"].shape == (4, -(-longest // 32) * 32)
    assert batch["attention_mask"].sum(dim=1).tolist() == [len(feature.input_ids) for feature in features]


def test_the_articles_labels_are_a_token_too_long(base: Path, data: Path) -> None:
    checkpoint = load_checkpoint(str(base))
    examples = load_examples(data).examples[:3]
    ours, theirs = (prepare_features(checkpoint, examples, recipe) for recipe in ("corrected", "article"))
    for one, other, example in zip(ours, theirs, examples, strict=True):
        assert other.start_position == one.start_position
        assert other.end_position - one.end_position == (1 if example.answers else 0)


# What goes wrong


def test_weights_that_become_nan_are_never_saved(base: Path, data: Path, tmp_path: Path) -> None:
    def poison(event: str, facts: dict[str, Any]) -> None:
        if event == "step" and facts["step"] == 5:
            broken = torch.nn.Parameter(torch.full((1,), float("nan")))
            monkeypatch.setattr(reader.trainer, "_poison", broken, raising=False)

    monkeypatch = pytest.MonkeyPatch()
    compute = reader.trainer.ReaderTrainer.compute_loss

    def poisoned(self: Any, *given: Any, **named: Any) -> Any:
        loss = compute(self, *given, **named)
        return loss * float("nan") if hasattr(reader.trainer, "_poison") else loss

    monkeypatch.setattr(reader.trainer.ReaderTrainer, "compute_loss", poisoned)
    report = Events(poison)
    try:
        with pytest.raises(BadReader, match=r"loss is nan at step 6: training has diverged\. The last good checkpoint"):
            train(options(base, data, evaluations=4), tmp_path, report=report)
    finally:
        monkeypatch.undo()
    assert len(report.of("step")) == 5
    last = last_checkpoint(tmp_path / "checkpoints")
    assert last is not None and last.name == "checkpoint-4"
    saved = AutoModelForQuestionAnswering.from_pretrained(last).state_dict()
    assert all(torch.isfinite(value).all() for value in saved.values())
    # And from there it can go on.
    assert train(options(base, data, evaluations=4), tmp_path, resume=True).steps == 8


def test_an_absurd_learning_rate_ends_in_a_sentence(base: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(BadReader, match="diverged"):
        train(options(base, data, learning_rate=1e38), tmp_path)


def test_a_disk_that_is_full_at_a_checkpoint_keeps_the_one_before(base: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        train(options(base, data), tmp_path, report=stop_at(2))
    with largest_file(20_000), pytest.raises(DiskError, match=r"step 8 could not be written .* Make room"):
        train(options(base, data), tmp_path, resume=True)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["checkpoint-3"]
    assert train(options(base, data), tmp_path, resume=True).steps == 8
