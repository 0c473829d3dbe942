"""Fine-tuning: examples in, a reader out, on Hugging Face's Trainer.

A run works in a folder of its own (checkpoints, progress) and leaves the finished reader in another one, which
appears only when it is complete. It can be stopped (it finishes its step and saves) and resumed, and then ends with
the very weights of an uninterrupted run.
"""

from __future__ import annotations

import copy
import math
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from reader.checkpoints import Checkpoint, load_checkpoint
from reader.errors import BadReader, BadUsage
from reader.examples import Example
from reader.features import TrainFeature, prepare_article_features, prepare_train_features
from reader.metrics import apply_threshold, choose_threshold, forced_metrics, judge
from reader.predictor import ExtractiveReader, Precision, default_device, default_precision
from reader.recipes import RECIPES, Recipe, RecipeName
from reader.training_data import SplitBy, TrainingData, load_training_data, training_order

Report = Callable[..., None]  # report(event, **facts)

_COMPLETE = "complete"  # a file that marks a checkpoint whose saving has ended
_LAYER = re.compile(r"\.(?:layer|layers|h|block|blocks)\.(\d+)\.")


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """What a person may choose; None means: as the recipe says."""

    base: str
    data: tuple[str, ...]
    extra_data: tuple[str, ...] = ()
    recipe: RecipeName = "corrected"
    epochs: float | None = None
    max_steps: int | None = None
    learning_rate: float | None = None
    batch_size: int | None = None
    gradient_accumulation: int = 1
    warmup: float | None = None
    weight_decay: float | None = None
    seed: int = 42
    max_seq_length: int | None = None
    doc_stride: int | None = None
    precision: Precision | None = None
    held_out: float = 0.05
    held_out_by: SplitBy = "article"
    evaluations: int | None = None
    negatives: float = 0.0
    layer_decay: float = 1.0
    dropout: float | None = None
    average_last: int = 0
    teacher: str | None = None
    assume_unanswerable: float | None = None
    skip_bad: bool = False

    def __post_init__(self) -> None:
        if self.recipe not in RECIPES:
            raise BadUsage(f'There is no recipe "{self.recipe}": expected one of {", ".join(RECIPES)}.')
        for name in ("epochs", "max_steps", "learning_rate", "batch_size", "gradient_accumulation", "max_seq_length"):
            value = getattr(self, name)
            if value is not None and not (value > 0 and math.isfinite(value)):
                raise BadUsage(f"{name} is {value}; expected a number over 0.")
        if not 0 < self.layer_decay <= 1:
            raise BadUsage(f"layer_decay is {self.layer_decay}; expected a number over 0, up to 1.")
        if self.assume_unanswerable is not None and not 0 < self.assume_unanswerable < 1:
            raise BadUsage(f"assume_unanswerable is {self.assume_unanswerable}; expected a share between 0 and 1.")
        if self.batch_size and self.batch_size % self.gradient_accumulation:
            raise BadUsage(
                f"A batch of {self.batch_size} windows cannot be read in {self.gradient_accumulation} equal parts."
            )

    @property
    def settings(self) -> Recipe:
        """The recipe with what the person chose put over it."""
        recipe = RECIPES[self.recipe]
        names = ("learning_rate", "batch_size", "epochs", "weight_decay", "warmup", "max_seq_length", "doc_stride")
        chosen = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return replace(recipe, **chosen)


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


class Stopped(Exception):
    """The run was told to stop; its last step is saved and it can be resumed."""


def finetune(options: TrainOptions, work: Path, *, resume: bool = False, report: Report) -> Trained:
    """Train a reader; checkpoints go to ``work/checkpoints``.

    ``report(event, **facts)`` is told of the start, the steps and the evaluations. Raises `BadData`, `BadReader`,
    `BadUsage` for what a person can mend, and `Stopped` after SIGTERM or SIGINT.
    """
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
    torch.manual_seed(options.seed)  # before loading: a base without a head gets a random one
    device = default_device()
    base = load_checkpoint(options.base, as_base=True, dropout=options.dropout)
    teacher = load_teacher(options.teacher, base) if options.teacher else None
    if settings.max_seq_length != base.config.max_seq_length or settings.doc_stride != base.config.doc_stride:
        config = replace(base.config, max_seq_length=settings.max_seq_length, doc_stride=settings.doc_stride)
        base = replace(base, config=config)
    features = prepare_features(base, data.train, options.recipe)
    precision = options.precision or default_precision(device)
    steps = options.max_steps or math.ceil(len(features) * settings.epochs / settings.batch_size)
    evaluations = options.evaluations or math.ceil(steps * settings.batch_size / len(features))
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
    order = training_order(
        np.array([len(feature.input_ids) for feature in features]),
        count=steps * settings.batch_size,
        batch_size=settings.batch_size,
        seed=options.seed,
        by_length=options.recipe == "corrected",
    )
    trainer = _ReaderTrainer(
        base,
        held_out=data.held_out,
        layer_decay=options.layer_decay,
        teacher=teacher,
        assume_unanswerable=options.assume_unanswerable,
        model=base.model,
        args=_arguments(options, settings, work, data, steps, evaluations, device, precision),
        train_dataset=_Ordered(features, order),
        eval_dataset=_Ordered(features, order[:1]),  # never read: the trainer evaluates on whole examples
        data_collator=_Collator(base, pad_to=settings.max_seq_length if options.recipe == "article" else None),
        callbacks=[_Reporter(report, len(features), settings.batch_size)],
    )
    started = time.monotonic()
    resume_from = last_checkpoint(work / "checkpoints") if resume else None
    with _stop_on_signals(trainer):
        trainer.train(resume_from_checkpoint=str(resume_from) if resume_from else None)
    if trainer.stopping.is_set() and trainer.state.global_step < steps:
        raise Stopped
    checkpoint, held_out = _choose_weights(trainer, options, work)
    return Trained(
        checkpoint=checkpoint,
        data=data,
        held_out=held_out,
        steps=steps,
        features=len(features),
        seconds=time.monotonic() - started,
        device=device,
        precision=precision,
    )


def prepare_features(base: Checkpoint, examples: Sequence[Example], recipe: RecipeName) -> list[TrainFeature]:
    """The labelled windows of a training set, as the recipe wants them."""
    prepare = prepare_article_features if recipe == "article" else prepare_train_features
    return list(prepare(base.windowing, examples))


def last_checkpoint(folder: Path) -> Path | None:
    """The last checkpoint whose saving has ended; half-written ones are passed over."""
    whole = [path.parent for path in folder.glob(f"checkpoint-*/{_COMPLETE}")]
    return max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def load_teacher(name: str, student: Checkpoint) -> torch.nn.Module:
    """A reader whose start and end distributions the student is to learn too (Hinton et al., 2015)."""
    teacher = load_checkpoint(name)
    if teacher.tokenizer.get_vocab() != student.tokenizer.get_vocab():
        raise BadReader(f"{name} cannot teach {student.name}: they have different vocabularies, so different tokens.")
    return teacher.model.eval().requires_grad_(False)


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
        threshold, _ = choose_threshold(judged, odds, weights=weights)
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


def _choose_weights(trainer: _ReaderTrainer, options: TrainOptions, work: Path) -> tuple[Checkpoint, dict[str, float]]:
    """The best of the checkpoints (and of the average of the last ones), with its threshold."""
    checkpoint = trainer.checkpoint
    if not trainer.held_out:
        chosen_on = "not chosen: no examples were held out"
        return replace(checkpoint, config=replace(checkpoint.config, threshold_chosen_on=chosen_on)), {}
    figures = trainer.evaluate_examples()
    if options.average_last > 1:
        kept = {key: value.detach().clone() for key, value in trainer.model.state_dict().items()}
        trainer.model.load_state_dict(_average(work / "checkpoints", options.average_last, kept))
        averaged = trainer.evaluate_examples()
        if averaged["f1"] > figures["f1"]:
            figures = averaged
        else:
            trainer.model.load_state_dict(kept)
    unanswerable = sum(example.is_impossible for example in trainer.held_out)
    chosen_on = (
        f"{len(trainer.held_out)} held-out questions of the training data ({unanswerable} unanswerable)"
        if unanswerable
        else "the base's: no unanswerable question was held out"
    )
    config = replace(checkpoint.config, null_score_diff_threshold=figures["threshold"], threshold_chosen_on=chosen_on)
    return replace(checkpoint, config=config), figures


def _average(folder: Path, count: int, like: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The mean of the last checkpoints' weights (Izmailov et al., 2018; Wortsman et al., 2022)."""
    from safetensors.torch import load_file

    paths = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))[-count:]
    total = {key: torch.zeros_like(value, dtype=torch.float32) for key, value in like.items()}
    for path in paths:
        weights = load_file(path / "model.safetensors")
        for key in total:
            total[key] += weights.get(key, like[key]).to(total[key])
    return {key: (value / len(paths)).to(like[key].dtype) for key, value in total.items()}


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
        save_total_limit=max(2, options.average_last),
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


class _Ordered(torch.utils.data.Dataset[TrainFeature]):
    """The features in the order in which they are to be seen, all epochs in one row.

    So the order needs no state that a resumed run would have to find again: it skips what it has seen.
    """

    def __init__(self, features: Sequence[TrainFeature], order: np.ndarray[Any, np.dtype[np.int64]]) -> None:
        self._features = features
        self._order = order

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, index: int) -> TrainFeature:
        return self._features[self._order[index]]


class _Collator:
    """Pads a batch to its longest window, rounded up; or to ``pad_to`` tokens."""

    def __init__(self, base: Checkpoint, pad_to: int | None) -> None:
        self._pad_token_id = base.tokenizer.pad_token_id or 0
        self._pad_to = pad_to

    def __call__(self, features: Sequence[TrainFeature]) -> dict[str, torch.Tensor]:
        # A step of 32: the CPU keeps a compiled kernel for every shape that it has seen.
        longest = -(-max(len(feature.input_ids) for feature in features) // 32) * 32
        shape = (len(features), self._pad_to or longest)
        ids = np.full(shape, self._pad_token_id, dtype=np.int64)
        types = np.zeros(shape, dtype=np.int64)
        mask = np.zeros(shape, dtype=np.int64)
        for row, feature in enumerate(features):
            ids[row, : len(feature.input_ids)] = feature.input_ids
            mask[row, : len(feature.input_ids)] = 1
            if feature.token_type_ids is not None:
                types[row, : len(feature.input_ids)] = feature.token_type_ids
        batch = {
            "input_ids": ids,
            "attention_mask": mask,
            "start_positions": np.array([feature.start_position for feature in features]),
            "end_positions": np.array([feature.end_position for feature in features]),
        }
        if features[0].token_type_ids is not None:
            batch["token_type_ids"] = types
        return {name: torch.from_numpy(array) for name, array in batch.items()}


class _ReaderTrainer(Trainer):
    """Trainer with our order, layer-wise learning rates, and an evaluation that reads whole examples."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        held_out: Sequence[Example],
        layer_decay: float,
        teacher: torch.nn.Module | None,
        assume_unanswerable: float | None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.remove_callback(PrinterCallback)
        self.checkpoint = checkpoint
        self._teacher = teacher.to(self.args.device) if teacher is not None else None
        self._assume_unanswerable = assume_unanswerable
        self.held_out = held_out
        self.stopping = threading.Event()
        self._layer_decay = layer_decay

    def _get_train_sampler(self, train_dataset: Any = None) -> torch.utils.data.Sampler[int]:
        return torch.utils.data.SequentialSampler(train_dataset or self.train_dataset)

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        if self.optimizer is None and self._layer_decay < 1:
            optimizer, options = self.get_optimizer_cls_and_kwargs(self.args, self.model)
            groups = layer_groups(
                self.model,
                decayed=set(self.get_decay_parameter_names(self.model)),
                learning_rate=self.args.learning_rate,
                weight_decay=self.args.weight_decay,
                layer_decay=self._layer_decay,
            )
            self.optimizer = optimizer(groups, **options)
        return super().create_optimizer(model)

    def evaluate_examples(self) -> dict[str, float]:
        """Figures of the weights as they are now on the held-out part."""
        device = default_device()
        return evaluate_held_out(self.checkpoint, self.held_out, device=device, precision=default_precision(device))

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        metrics = {f"{metric_key_prefix}_{key}": value for key, value in self.evaluate_examples().items()}
        self.log(metrics)
        control: TrainerControl = self.control
        self.control = self.callback_handler.on_evaluate(self.args, self.state, control, metrics)
        return metrics


def _quickest_attention(ids: torch.Tensor) -> AbstractContextManager[None]:
    """On the CPU torch's fused attention takes a third of a step in its backward pass, the plain one a tenth.

    The plain one holds all weights, which long windows have too many of.
    """
    if ids.device.type == "cpu" and ids.shape[1] <= 256:
        return sdpa_kernel(SDPBackend.MATH)
    return nullcontext()


def _divergence(outputs: Any, taught: Any, mask: torch.Tensor) -> torch.Tensor:
    """How far the student's start and end distributions are from the teacher's, both softened by 2."""
    total = torch.zeros((), device=mask.device)
    for own, wanted in ((outputs.start_logits, taught.start_logits), (outputs.end_logits, taught.end_logits)):
        padding = (mask == 0) * -1e4
        student = torch.log_softmax((own.float() + padding) / 2, dim=-1)
        teacher = torch.log_softmax((wanted.float() + padding) / 2, dim=-1)
        total = total + 4 * torch.nn.functional.kl_div(student, teacher, log_target=True, reduction="batchmean")
    return total / 2


def layer_groups(
    model: torch.nn.Module, *, decayed: set[str], learning_rate: float, weight_decay: float, layer_decay: float
) -> list[dict[str, Any]]:
    """Parameter groups whose learning rate falls by ``layer_decay`` with every layer below the head.

    The embeddings, below all layers, have the lowest (Howard & Ruder, 2018; Clark et al., 2020, ELECTRA).
    """
    numbers = [int(found[1]) for name, _ in model.named_parameters() if (found := _LAYER.search(name))]
    layers = max(numbers, default=-1) + 1
    groups: dict[tuple[int, bool], dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        found = _LAYER.search(name)
        below = layers - int(found[1]) if found else 0 if name.startswith("qa_outputs") else layers + 1
        key = (below, name in decayed)
        group = groups.setdefault(
            key,
            {
                "params": [],
                "lr": learning_rate * layer_decay**below,
                "weight_decay": weight_decay if name in decayed else 0.0,
            },
        )
        group["params"].append(parameter)
    return list(groups.values())


class _Reporter(TrainerCallback):
    """Tells of every step and evaluation, marks whole checkpoints, and ends the run when it is told to stop."""

    def __init__(self, report: Report, features: int, batch_size: int) -> None:
        self._report = report
        self._features = features
        self._batch_size = batch_size
        self._began: tuple[float, int] | None = None
        self.trainer: _ReaderTrainer | None = None

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if self._began is None:
            self._began = (time.monotonic(), state.global_step)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if self.trainer is not None and self.trainer.stopping.is_set():
            control.should_save = True
            control.should_evaluate = False
            control.should_training_stop = True

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        if not logs or "loss" not in logs or self._began is None:
            return
        if not math.isfinite(logs["loss"]):
            raise BadReader(
                f"The loss is {logs['loss']} at step {state.global_step}: training has diverged. The checkpoints "
                "before it are kept; resume with a lower learning rate or in fp32."
            )
        seconds = time.monotonic() - self._began[0]
        done = state.global_step - self._began[1]
        self._report(
            "step",
            step=state.global_step,
            total_steps=state.max_steps,
            epoch=state.global_step * self._batch_size / self._features,
            loss=logs["loss"],
            learning_rate=logs["learning_rate"],
            examples_per_second=done * self._batch_size / seconds,
            eta_seconds=(state.max_steps - state.global_step) * seconds / done,
        )

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        figures = {key.removeprefix("eval_"): value for key, value in (metrics or {}).items()}
        self._report("evaluation", step=state.global_step, **figures)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        (Path(str(args.output_dir)) / f"checkpoint-{state.global_step}" / _COMPLETE).touch()


@contextmanager
def _stop_on_signals(trainer: _ReaderTrainer) -> Iterator[None]:
    """Let SIGTERM and the first Ctrl-C end the run after its step; a second Ctrl-C ends it at once."""
    reporter = next(callback for callback in trainer.callback_handler.callbacks if isinstance(callback, _Reporter))
    reporter.trainer = trainer

    def stop(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and trainer.stopping.is_set():
            raise KeyboardInterrupt
        trainer.stopping.set()

    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread only: a notebook's worker thread cannot be stopped by them
        return
    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
