"""Fine-tuning: examples in, a reader out, on Hugging Face's Trainer.

A run works in a folder of its own (checkpoints, progress) and leaves the finished reader in another one, which
appears only when it is complete. It can be stopped (it finishes its step and saves) and resumed, and then ends with
the very weights of an uninterrupted run.
"""

from __future__ import annotations

import copy
import gc
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import TrainingArguments

from reader.checkpoints import Checkpoint, load_checkpoint, quiet
from reader.errors import BadUsage, OutOfMemory, is_out_of_memory
from reader.examples import Example
from reader.features import TrainFeature, prepare_article_features, prepare_train_features
from reader.files import read_json, write_json
from reader.learning import average
from reader.metrics import apply_threshold, choose_threshold, forced_metrics, judge
from reader.predictor import ExtractiveReader, Precision, default_device, default_precision
from reader.recipes import Recipe, RecipeName, TrainOptions, parts_at_half
from reader.teachers import load_teacher, teach
from reader.trainer import (
    Collator,
    Ordered,
    ReaderTrainer,
    Report,
    Stopped,
    last_checkpoint,
    whole_checkpoints,
)
from reader.training_data import TrainingData, load_training_data, training_order

__all__ = ["Stopped", "TrainOptions", "Trained", "evaluate_held_out", "finetune", "prepare_features"]

_RUN = "training.json"  # what a work folder's checkpoints are of
_MAY_CHANGE = ("precision", "gradient_accumulation")  # between a stop and its resume: the batches stay the same


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished run: the reader (threshold chosen), the data, what was seen on the held-out part, and the cost."""

    checkpoint: Checkpoint
    data: TrainingData
    held_out: dict[str, float]
    steps: int
    features: int
    seconds: float
    device: str
    precision: str


def finetune(options: TrainOptions, work: Path, *, resume: bool = False, report: Report) -> Trained:
    """Train a reader; checkpoints go to ``work/checkpoints``.

    ``report(event, **facts)`` is told of the start, the steps and the evaluations. Where memory runs out, training goes
    on from its last checkpoint with half as many windows at a time and the same batch. Raises `BadData`, `BadReader`,
    `BadUsage`, `DiskError`, `OutOfMemory` for what a person can mend, and `Stopped` after SIGTERM or SIGINT.
    """
    while True:
        try:
            return _finetune(options, work, resume=resume, report=report)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
        # Out here nothing holds the model any more, which the error's traceback did.
        options, resume = _in_smaller_parts(options), True
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        report("memory", at_once=options.settings.batch_size // options.gradient_accumulation)


def _in_smaller_parts(options: TrainOptions) -> TrainOptions:
    """The same batches, with at most half as many windows in the memory at a time."""
    parts = parts_at_half(options.settings.batch_size, options.gradient_accumulation)
    if parts is None:
        raise OutOfMemory(
            "The memory is full even with one window at a time. Use a smaller base or a shorter window "
            "(--max-seq-length); what was learned until now is kept."
        )
    return replace(options, gradient_accumulation=parts)


def _finetune(options: TrainOptions, work: Path, *, resume: bool, report: Report) -> Trained:
    settings = options.settings
    data = load_training_data(
        options.data,
        options.extra_data,
        held_out=0.0 if options.recipe == "article" else options.held_out,
        by=options.held_out_by,
        negatives=options.negatives,
        seed=options.seed,
        skip_bad=options.skip_bad,
    )
    resume_from = last_checkpoint(work / "checkpoints") if resume else None
    _require_same_run(work / _RUN, options, data, resuming=resume_from is not None)
    torch.manual_seed(options.seed)  # before loading: a base without a head gets a random one
    device = default_device()
    base = load_checkpoint(options.base, as_base=True, dropout=options.dropout)
    if settings.max_seq_length != base.config.max_seq_length or settings.doc_stride != base.config.doc_stride:
        config = replace(base.config, max_seq_length=settings.max_seq_length, doc_stride=settings.doc_stride)
        base = replace(base, config=config)
    teachers = [load_teacher(name, base) for name in options.teacher]
    features = prepare_features(base, data.train, options.recipe)
    precision = options.precision or default_precision(device)
    steps = options.max_steps or math.ceil(len(features) * settings.epochs / settings.batch_size)
    # One an epoch; but a small set has many short epochs, and an evaluation saves a checkpoint too.
    evaluations = options.evaluations or min(math.ceil(steps * settings.batch_size / len(features)), 10)
    report(
        "start",
        total_steps=steps,
        examples=len(data.train),
        features=len(features),
        held_out=len(data.held_out),
        negatives=data.negatives,
        device=device,
        precision=precision,
    )
    if resume:
        found = f"Going on from {resume_from.name}." if resume_from else "No checkpoint is whole: starting anew."
        report("message", text=found)
    order = training_order(
        np.array([len(feature.input_ids) for feature in features]),
        count=steps * settings.batch_size,
        batch_size=settings.batch_size,
        seed=options.seed,
        by_length=options.recipe == "corrected",
    )
    collate = Collator(base, pad_to=settings.max_seq_length if options.recipe == "article" else None)
    if teachers:
        report("message", text=f"Reading {len(features):,} windows with {len(teachers)} teachers.")
        features = teach(teachers, features, order, collate, device=device, bf16=precision == "bf16")
    read_held_out = partial(
        evaluate_held_out,
        base,
        data.held_out,
        device=device,
        precision=default_precision(device),
        assume_unanswerable=options.assume_unanswerable,
    )
    with quiet():
        trainer = ReaderTrainer(
            read_held_out=read_held_out if data.held_out else None,
            report=report,
            features=len(features),
            batch_size=settings.batch_size,
            layer_decay=options.layer_decay,
            model=base.model,
            args=_arguments(options, settings, work, data, steps, evaluations, device, precision),
            train_dataset=Ordered(features, order),
            eval_dataset=Ordered(features, order[:1]),  # never read: the trainer evaluates on whole examples
            data_collator=collate,
        )
        trainer.run(resume_from)
    checkpoint, held_out = _choose_weights(
        trainer,
        base,
        data.held_out,
        average_last=options.average_last,
        assume_unanswerable=options.assume_unanswerable,
    )
    return Trained(
        checkpoint=checkpoint,
        data=data,
        held_out=held_out,
        steps=steps,
        features=len(features),
        seconds=trainer.seconds,
        device=device,
        precision=precision,
    )


def _require_same_run(path: Path, options: TrainOptions, data: TrainingData, *, resuming: bool) -> None:
    """Refuse to go on with the checkpoints of another run; a run that starts notes what it is."""
    names = ("data", "extra_data", "skip_bad", *_MAY_CHANGE)
    asked = {
        name: list(value) if isinstance(value, tuple) else value  # as JSON gives it back
        for name, value in asdict(options).items()
        if name not in names
    }
    asked["data"] = [each.fingerprint for each in data.sets]
    if not resuming or not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, asked)
        return
    noted = read_json(path)
    for name, value in asked.items():
        if noted.get(name) != value:
            what = "the data have" if name == "data" else f"--{name.replace('_', '-')} has"
            told = "" if name == "data" else f" (it was {noted.get(name)}, it is {value})"
            raise BadUsage(
                f"The run in {path.parent} cannot be resumed: {what} changed since{told}. Resume it with what it was "
                "started with, or start another one."
            )


def prepare_features(base: Checkpoint, examples: Sequence[Example], recipe: RecipeName) -> list[TrainFeature]:
    """The labelled windows of a training set, as the recipe wants them."""
    prepare = prepare_article_features if recipe == "article" else prepare_train_features
    return list(prepare(base.windowing, examples))


def evaluate_held_out(
    checkpoint: Checkpoint,
    examples: Sequence[Example],
    *,
    device: str,
    precision: Precision,
    assume_unanswerable: float | None = None,
) -> dict[str, float]:
    """Read the held-out examples as the finished reader would, and choose the threshold on them.

    Percentages 0-100 at the chosen ``threshold``; ``forced_HasAns_f1`` without abstaining. ``assume_unanswerable``
    weighs the two kinds of question as if that share were unanswerable, for a reader that will meet others than
    its training data hold. Where the part holds no unanswerable question there is nothing to choose: the base's
    threshold stays.
    """
    model = copy.deepcopy(checkpoint.model)  # the reader casts what it is given
    reader = ExtractiveReader(replace(checkpoint, model=model), device=device, precision=precision)
    answers = list(reader.predict(examples))
    judged = judge(
        [answer.best.text if answer.best else "" for answer in answers],
        [[gold.text for gold in example.answers] for example in examples],
    )
    odds = np.array([answer.null_score_diff for answer in answers])
    weights = _weights(judged.has_answer, assume_unanswerable)
    if judged.has_answer.all():
        threshold = checkpoint.config.null_score_diff_threshold
    else:
        # To two decimals, as it is shown: the part it is chosen on does not tell more.
        threshold = round(choose_threshold(judged, odds, weights=weights)[0], 2)
    exact, f1 = apply_threshold(judged, odds, threshold)
    figures = {
        "threshold": threshold,
        "exact": 100 * float(np.average(exact, weights=weights)),
        "f1": 100 * float(np.average(f1, weights=weights)),
    }
    for group, rows in (("HasAns", judged.has_answer), ("NoAns", ~judged.has_answer)):
        if rows.any():
            figures[f"{group}_f1"] = 100 * float(f1[rows].mean())
    if judged.has_answer.any():
        figures["forced_HasAns_f1"] = float(forced_metrics(judged)["HasAns_f1"])
    return figures


def _weights(has_answer: NDArray[np.bool_], assume_unanswerable: float | None) -> NDArray[np.float64]:
    """One weight per question, of mean 1: all alike, or so that the assumed share is unanswerable."""
    share = float((~has_answer).mean())
    if assume_unanswerable is None or share in (0.0, 1.0):
        return np.ones(len(has_answer))
    return np.where(has_answer, (1 - assume_unanswerable) / (1 - share), assume_unanswerable / share)


def _choose_weights(
    trainer: ReaderTrainer,
    checkpoint: Checkpoint,
    held_out: Sequence[Example],
    *,
    average_last: int,
    assume_unanswerable: float | None,
) -> tuple[Checkpoint, dict[str, float]]:
    """The best of the checkpoints (and of the average of the last ones), with its threshold."""
    if trainer.read_held_out is None:
        chosen_on = "not chosen: no examples were held out"
        return replace(checkpoint, config=replace(checkpoint.config, threshold_chosen_on=chosen_on)), {}
    figures = trainer.read_held_out()
    if average_last > 1:
        kept = {key: value.detach().clone() for key, value in checkpoint.model.state_dict().items()}
        # Those of the schedule only, so that a run that was stopped in between averages the same ones.
        scheduled = {
            step: path
            for path in whole_checkpoints(trainer.checkpoints)
            if trainer.is_scheduled(step := int(path.name.rpartition("-")[2]))
        }
        last = [scheduled[step] for step in sorted(scheduled)[-average_last:]]
        checkpoint.model.load_state_dict(average(last, kept))
        averaged = trainer.read_held_out()
        if averaged["f1"] > figures["f1"]:
            figures = averaged
        else:
            checkpoint.model.load_state_dict(kept)
    config = replace(
        checkpoint.config,
        null_score_diff_threshold=figures["threshold"],
        threshold_chosen_on=_chosen_on(held_out, assume_unanswerable),
    )
    return replace(checkpoint, config=config), figures


def _chosen_on(held_out: Sequence[Example], assume_unanswerable: float | None) -> str:
    unanswerable = sum(example.is_impossible for example in held_out)
    if not unanswerable:
        return "the base's: no unanswerable question was held out"
    counted = f"{len(held_out)} held-out questions of the training data, {unanswerable} unanswerable"
    return counted if assume_unanswerable is None else f"{counted} but counted as {assume_unanswerable:.0%}"


def _arguments(
    options: TrainOptions,
    settings: Recipe,
    work: Path,
    data: TrainingData,
    steps: int,
    evaluations: int,
    device: str,
    precision: str,
) -> TrainingArguments:
    held_out = bool(data.held_out)
    every = max(1, math.ceil(steps / evaluations))
    return TrainingArguments(
        output_dir=str(work / "checkpoints"),
        learning_rate=settings.learning_rate,
        per_device_train_batch_size=settings.batch_size // options.gradient_accumulation,
        gradient_accumulation_steps=options.gradient_accumulation,
        max_steps=steps,
        weight_decay=settings.weight_decay,
        warmup_steps=settings.warmup_steps(examples=len(data.train), steps=steps),
        lr_scheduler_type="linear",
        seed=options.seed,
        use_cpu=device == "cpu",
        bf16=precision == "bf16",
        fp16=precision == "fp16",
        eval_strategy="steps" if held_out else "no",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every,
        # The best one and the last ones; to average, also one that a stop may leave between them.
        save_total_limit=options.average_last + 2 if options.average_last > 1 else 2,
        load_best_model_at_end=held_out,
        metric_for_best_model="f1",
        greater_is_better=True,
        logging_steps=1 if device == "cpu" else 10,
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        report_to="none",
        remove_unused_columns=False,
        dataloader_pin_memory=device == "cuda",
    )
