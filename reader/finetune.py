"""Fine-tuning: examples in, a reader out, on Hugging Face's Trainer.

A run works in a folder of its own (checkpoints, progress) and leaves the finished reader in another one, which
appears only when it is complete. It can be stopped (it finishes its step and saves) and resumed, and then ends with
the very weights of an uninterrupted run.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import TrainingArguments

from reader import ranks
from reader.checkpoints import Checkpoint, load_checkpoint, quiet
from reader.errors import BadUsage, OutOfMemory, is_out_of_memory
from reader.examples import Example
from reader.features import TrainFeature, check_texts, prepare_article_features, prepare_train_features
from reader.files import read_json, write_json
from reader.held_out import HeldOut, choose_weights
from reader.predictor import Precision, default_device, default_precision
from reader.recipes import RecipeName, TrainOptions, in_smaller_parts
from reader.seen import context_hashes
from reader.teachers import load_teacher, teach
from reader.trainer import Collator, Ordered, ReaderTrainer, Report, Stopped, last_checkpoint
from reader.training_data import TrainingData, load_training_data, pick_probes, training_order

__all__ = ["Prepared", "Stopped", "TrainOptions", "Trained", "finetune", "make_trainer", "prepare", "prepare_features"]

_RUN = "training.json"  # what a work folder's checkpoints are of
# Between a stop and its resume these may change: the batches stay the same.
_MAY_CHANGE = ("precision", "gradient_accumulation", "processes", "probe", "probe_text")


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


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that a run needs before its first step.

    ``order``: (steps * batch size,), indices into ``features``; ``evaluations``: how often the held-out part is read.
    """

    options: TrainOptions
    base: Checkpoint
    data: TrainingData
    features: list[TrainFeature]
    order: NDArray[np.int64]
    collate: Collator
    held_out: HeldOut
    steps: int
    evaluations: int
    device: str
    precision: Precision

    @property
    def every(self) -> int:
        """After how many steps it evaluates and saves, time and again."""
        return max(1, math.ceil(self.steps / self.evaluations))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The tokens of each feature: (features,)."""
        return np.array([len(feature.input_ids) for feature in self.features])


def finetune(options: TrainOptions, work: Path, *, resume: bool = False, report: Report) -> Trained:
    """Train a reader; checkpoints go to ``work/checkpoints``.

    ``report(event, **facts)`` is told of the start, the steps and the evaluations. Where memory runs out, training goes
    on from its last checkpoint with half as many windows at a time and the same batch; several processes raise
    `OutOfMemory` instead, and whoever started them starts them anew. Raises `BadData`, `BadReader`, `BadUsage`,
    `DiskError`, `OutOfMemory` for what a person can mend, and `Stopped` after SIGTERM or SIGINT.
    """
    while True:
        try:
            return _finetune(options, work, resume=resume, report=report)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            if ranks.count() > 1:
                raise OutOfMemory(f"The memory is full with {options.at_once} windows at a time.") from error
        # Out here nothing holds the model any more, which the error's traceback did.
        options, resume = in_smaller_parts(options), True
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        report("memory", at_once=options.at_once)


def _finetune(options: TrainOptions, work: Path, *, resume: bool, report: Report) -> Trained:
    ready = prepare(options, report=report)
    resume_from = last_checkpoint(work / "checkpoints") if resume else None
    if ranks.rank() == 0:
        _require_same_run(work / _RUN, options, ready.data, resuming=resume_from is not None)
    report(
        "start",
        total_steps=ready.steps,
        examples=len(ready.data.train),
        features=len(ready.features),
        held_out=len(ready.data.held_out),
        negatives=ready.data.negatives,
        device=ready.device,
        precision=ready.precision,
        processes=ranks.count(),
    )
    if resume:
        found = f"Going on from {resume_from.name}." if resume_from else "No checkpoint is whole: starting anew."
        report("message", text=found)

    def read_held_out(step: int) -> dict[str, float]:
        return ready.held_out.read(ready.base, step, report)

    with quiet():
        trainer = make_trainer(ready, _arguments(ready, work), ready.order, report, read_held_out)
        if resume_from is None:
            # As the base is, so that one sees what training makes of it.
            figures = read_held_out(0)
            if figures:
                report("evaluation", step=0, **figures)
        trainer.run(resume_from)
    if trainer.state.global_step < ready.steps:
        report("message", text=f"F1 has not risen {options.patience} evaluations in a row: training ends early.")
    checkpoint, held_out = choose_weights(trainer, ready.base, ready.held_out, average_last=options.average_last)
    # What its base was trained on before, the reader has seen too.
    seen = (ready.base.trained_on or frozenset()) | context_hashes(ready.data.train)
    return Trained(
        checkpoint=replace(checkpoint, trained_on=seen),
        data=ready.data,
        held_out=held_out,
        steps=trainer.state.global_step,
        features=len(ready.features),
        seconds=trainer.seconds,
        device=ready.device,
        precision=ready.precision,
    )


def prepare(options: TrainOptions, *, report: Report) -> Prepared:
    """Load base and data, cut and label the windows, have them read by teachers, and put them in order."""
    if options.processes > 1 and ranks.count() != options.processes:
        raise BadUsage(
            f"{options.processes} processes were asked for, and {ranks.count()} run: start them with accelerate launch "
            "--num_processes, or by the command line."
        )
    settings = options.settings
    data = load_training_data(
        options.data,
        options.extra_data,
        caps=options.cap,
        held_out=0.0 if options.recipe == "article" else options.held_out,
        by=options.held_out_by,
        negatives=options.negatives,
        unanswerable=options.unanswerable,
        seed=options.seed,
        skip_bad=options.skip_bad,
    )
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
    held_out = HeldOut(
        data.held_out,
        _probes(options, data),
        device=device,
        precision=default_precision(device),
        assume_unanswerable=options.assume_unanswerable,
    )
    return Prepared(
        options=options,
        base=base,
        data=data,
        features=features,
        order=order,
        collate=collate,
        held_out=held_out,
        steps=steps,
        # One an epoch; but a small set has many short epochs, and an evaluation saves a checkpoint too.
        evaluations=options.evaluations or min(math.ceil(steps * settings.batch_size / len(features)), 10),
        device=device,
        precision=precision,
    )


def _probes(options: TrainOptions, data: TrainingData) -> list[Example]:
    if options.probe_text is None:
        return pick_probes(data)
    probes = [Example(f"probe {number}", question, options.probe_text) for number, question in enumerate(options.probe)]
    check_texts(probes)
    return probes


def make_trainer(
    ready: Prepared,
    arguments: TrainingArguments,
    order: NDArray[np.int64],
    report: Report,
    read_held_out: Callable[[int], dict[str, float]],
) -> ReaderTrainer:
    """The trainer of a prepared run, which shows the features in this order."""
    batch_size = ready.options.settings.batch_size
    read = np.concatenate([[0], np.cumsum(ready.lengths[order].reshape(-1, batch_size).sum(axis=1))])
    return ReaderTrainer(
        read_held_out=read_held_out if ready.data.held_out else None,
        report=report,
        features=len(ready.features),
        batch_size=batch_size,
        tokens=read,
        layer_decay=ready.options.layer_decay,
        patience=ready.options.patience,
        model=ready.base.model,
        args=arguments,
        train_dataset=Ordered(ready.features, order),
        eval_dataset=Ordered(ready.features, order[:1]),  # never read: the trainer evaluates on whole examples
        data_collator=ready.collate,
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


def _arguments(ready: Prepared, work: Path) -> TrainingArguments:
    options = ready.options
    held_out = bool(ready.data.held_out)
    return TrainingArguments(
        **step_arguments(ready),
        output_dir=str(work / "checkpoints"),
        max_steps=ready.steps,
        warmup_steps=options.settings.warmup_steps(examples=len(ready.data.train), steps=ready.steps),
        eval_strategy="steps" if held_out else "no",
        eval_steps=ready.every,
        save_strategy="steps",
        save_steps=ready.every,
        save_total_limit=checkpoints_kept(options),
        load_best_model_at_end=held_out,
        metric_for_best_model="f1",
        greater_is_better=True,
        logging_steps=1 if ready.device == "cpu" else 10,
    )


def checkpoints_kept(options: TrainOptions) -> int:
    """The best one and the last one; to average, the last ones, and one that a stop may leave between them."""
    return options.average_last + 2 if options.average_last > 1 else 2


def step_arguments(ready: Prepared) -> dict[str, Any]:
    """How a single step is done, whatever comes between the steps."""
    settings = ready.options.settings
    return {
        "learning_rate": settings.learning_rate,
        "weight_decay": settings.weight_decay,
        "lr_scheduler_type": "linear",
        "per_device_train_batch_size": ready.options.at_once,
        "gradient_accumulation_steps": ready.options.gradient_accumulation,
        "seed": ready.options.seed,
        "use_cpu": ready.device == "cpu",
        "bf16": ready.precision == "bf16",
        "fp16": ready.precision == "fp16",
        "logging_nan_inf_filter": False,
        "disable_tqdm": True,
        "report_to": "none",
        "remove_unused_columns": False,
        "dataloader_pin_memory": ready.device == "cuda",
        # One process may be busy for long, saving or loading, before the others hear of it.
        "ddp_timeout": 6 * 3600,
    }
