"""Hugging Face's Trainer, made to train readers: our order, exact stops and resumes, and an evaluation that reads.

A checkpoint counts once its saving has ended; what lies beside it unfinished is passed over. A stop is taken at the
end of a step, or in the middle of an evaluation, which a resumed run then makes up for, so that it ends with the
very weights of a run that was never stopped.
"""

from __future__ import annotations

import json
import math
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from reader import ranks
from reader.checkpoints import Checkpoint
from reader.errors import BadReader, DiskError
from reader.features import TrainFeature
from reader.learning import divergence, layer_groups, quickest_attention
from reader.usage import Meter

Report = Callable[..., None]  # report(event, **facts)

_COMPLETE = "complete"  # marks a checkpoint whose saving has ended; holds its files' sizes and the seconds spent
LENGTH_STEP = 32  # the CPU keeps a compiled kernel for every shape that it has seen


class Stopped(Exception):
    """The run was told to stop; it is saved and can be resumed."""


class Ordered(torch.utils.data.Dataset[TrainFeature]):
    """The features in the order in which they are to be seen, all epochs in one row.

    So the order needs no state that a resumed run would have to find again: it skips what it has seen.
    """

    def __init__(self, features: Sequence[TrainFeature], order: NDArray[np.int64]) -> None:
        self._features = features
        self._order = order

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, index: int) -> TrainFeature:
        return self._features[self._order[index]]


class Collator:
    """Pads a batch to its longest window, rounded up within what the base reads; or to ``pad_to`` tokens."""

    def __init__(self, base: Checkpoint, pad_to: int | None) -> None:
        self._pad_token_id = base.tokenizer.pad_token_id or 0
        self._pad_to = pad_to
        self._longest = base.windowing.max_seq_length

    def __call__(self, features: Sequence[TrainFeature]) -> dict[str, torch.Tensor]:
        longest = -(-max(len(feature.input_ids) for feature in features) // LENGTH_STEP) * LENGTH_STEP
        shape = (len(features), self._pad_to or min(longest, self._longest))
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
        if features[0].taught is not None:
            taught = np.zeros((shape[0], 2, shape[1]), dtype=np.float32)
            for row, feature in enumerate(features):
                taught[row, :, : len(feature.input_ids)] = feature.taught
            batch["taught"] = taught
        return {name: torch.from_numpy(array) for name, array in batch.items()}


class ReaderTrainer(Trainer):
    """Trainer with our order, layer-wise learning rates, soft labels, and an evaluation that reads whole examples.

    ``read_held_out`` gets the step and returns the figures of the weights as they are; None where nothing is held
    out. ``tokens``: (steps + 1,), the tokens that have been read after so many steps. ``patience``: evaluations in a
    row without a better F1 after which it ends, 0 for never.
    """

    optimizer: Any  # Trainer's own attributes, whose types mypy does not see
    control: TrainerControl

    def __init__(
        self,
        *,
        read_held_out: Callable[[int], dict[str, float]] | None,
        report: Report,
        features: int,
        batch_size: int,
        tokens: NDArray[np.int64],
        layer_decay: float = 1.0,
        patience: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.remove_callback(PrinterCallback)
        self.add_callback(_Reporter(self, report, features, batch_size, tokens))
        self.read_held_out = read_held_out
        self.stopping = threading.Event()
        self.evaluating = False
        self.seconds = 0.0  # that training took, those before a stop included
        self._began = time.monotonic()
        self._layer_decay = layer_decay
        self._patience = patience

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return Path(str(self.args.output_dir))

    def run(self, resume_from: Path | None) -> None:
        """Train to the end; raises `Stopped` where SIGTERM or Ctrl-C came before it, with all that was done saved."""
        before = float(_mark(resume_from).get("seconds", 0.0)) if resume_from else 0.0
        self._began = time.monotonic() - before
        with _stop_on_signals(self):
            try:
                if resume_from and self._ended_early(resume_from):
                    self._load_best_model()
                else:
                    self.train(resume_from_checkpoint=str(resume_from) if resume_from else None)
            except _EvaluationStopped:
                if self.state.global_step != (_step(resume_from) if resume_from else 0):
                    self._save_checkpoint(self.model, trial=None)
            finally:
                self.seconds = time.monotonic() - self._began
        if ranks.any_of_them(self.stopping.is_set()):
            raise Stopped

    def _ended_early(self, checkpoint: Path) -> bool:
        """Whether this is the last checkpoint of a run that ended early; its state is taken over then."""
        state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
        if not self._has_waited_enough(state):
            return False
        self.state = state
        self._find_best()
        return True

    def _has_waited_enough(self, state: TrainerState) -> bool:
        """Whether F1 has not risen for so many evaluations that the run shall end."""
        told = [log["eval_f1"] for log in state.log_history if "eval_f1" in log]
        best = told.index(max(told)) if told else 0
        return bool(self._patience) and len(told) - 1 - best >= self._patience

    def save_as_checkpoint(self) -> int:
        """Save the weights and all that goes with them; returns the bytes written."""
        self._save_checkpoint(self.model, trial=None)
        return sum(path.stat().st_size for path in self.checkpoints.rglob("*") if path.is_file())

    def is_scheduled(self, step: int) -> bool:
        """Whether a run that is never stopped evaluates and saves after this step."""
        return step > 0 and (step % int(self.args.save_steps) == 0 or step >= self.args.max_steps)

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

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        taught = inputs.pop("taught", None)
        with quickest_attention(self.model, inputs["input_ids"]):
            outputs = model(**inputs)
        loss = outputs.loss
        if taught is not None:
            loss = (loss + divergence(outputs, taught, inputs["attention_mask"])) / 2
        return (loss, outputs) if return_outputs else loss

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        if self.read_held_out is None:
            return {}
        try:
            # Several processes read together: none of them may leave the others waiting.
            self.evaluating = ranks.count() == 1
            if ranks.any_of_them(self.stopping.is_set()):
                raise _EvaluationStopped
            figures = self.read_held_out(self.state.global_step)
        finally:
            self.evaluating = False
        metrics = {f"{metric_key_prefix}_{key}": value for key, value in figures.items()}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        if self._has_waited_enough(self.state):
            self.control.should_training_stop = True
        return metrics

    def make_up_for_evaluation(self) -> None:
        """Evaluate a resumed run where the stop came before the evaluation that was due."""
        step = self.state.global_step
        done = any(log.get("step") == step and "eval_f1" in log for log in self.state.log_history)
        if self.read_held_out is not None and self.is_scheduled(step) and not done:
            self._determine_best_metric(metrics=self.evaluate(), trial=None)
        self._find_best()

    def _find_best(self) -> None:
        best = self.checkpoints / f"checkpoint-{self.state.best_global_step}"
        if best.is_dir():
            # By its step, not by the path that was noted: the whole folder may have been moved since.
            self.state.best_model_checkpoint = str(best)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        folder = self.checkpoints / f"checkpoint-{self.state.global_step}"
        if ranks.rank() == 0:
            (folder / _COMPLETE).unlink(missing_ok=True)
        try:
            super()._save_checkpoint(model, trial)
            ranks.wait_for_all()  # each has written its random numbers' state
            if ranks.rank() != 0:
                return
            sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
            facts = {"seconds": round(time.monotonic() - self._began, 3), "files": sizes}
            (folder / _COMPLETE).write_text(json.dumps(facts), "utf-8")
        except (OSError, SafetensorError, RuntimeError) as error:  # torch's and safetensors' own words for a full disk
            shutil.rmtree(folder, ignore_errors=True)
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise DiskError(
                f"The checkpoint of step {self.state.global_step} could not be written to {folder}: {reason:.200}. "
                "The one before it is kept. Make room on the disk, then resume."
            ) from error
        for older in whole_checkpoints(self.checkpoints):
            # What an earlier stop left between the steps of the schedule has served.
            if _step(older) < self.state.global_step and not self.is_scheduled(_step(older)):
                shutil.rmtree(older, ignore_errors=True)


def last_checkpoint(folder: Path) -> Path | None:
    """The last checkpoint whose saving has ended; half-written and truncated ones are passed over."""
    return max(whole_checkpoints(folder), key=_step, default=None)


def whole_checkpoints(folder: Path) -> list[Path]:
    """All checkpoints whose saving has ended and whose files still have the sizes that they had then."""
    return [mark.parent for mark in folder.glob(f"checkpoint-*/{_COMPLETE}") if _is_whole(mark.parent)]


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def _mark(checkpoint: Path) -> dict[str, Any]:
    """What was noted when a checkpoint's saving had ended."""
    text = (checkpoint / _COMPLETE).read_text("utf-8")
    return dict(json.loads(text)) if text else {}


def _is_whole(checkpoint: Path) -> bool:
    try:
        sizes = _mark(checkpoint).get("files", {})
        return all((checkpoint / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError):
        return False


class _EvaluationStopped(Exception):
    """A stop came while the held-out part was read."""


class _Reporter(TrainerCallback):
    """Tells of every step and evaluation, marks whole checkpoints, and ends the run when it is told to stop."""

    def __init__(
        self, trainer: ReaderTrainer, report: Report, features: int, batch_size: int, tokens: NDArray[np.int64]
    ) -> None:
        self._trainer = trainer
        self._report = report
        self._features = features
        self._batch_size = batch_size
        self._tokens = tokens
        self._meter = Meter(str(trainer.args.device))
        self._began: tuple[float, int] | None = None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._trainer.make_up_for_evaluation()

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if self._began is None:
            self._began = (time.monotonic(), state.global_step)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if ranks.any_of_them(self._trainer.stopping.is_set()):
            control.should_save = True
            control.should_evaluate = False
            control.should_training_stop = True
        if control.should_save:
            control.should_log = True  # so that weights that have become NaN are noticed, not saved

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
        _require_finite(logs, state.global_step, scaled=bool(args.fp16))
        seconds = time.monotonic() - self._began[0]
        begun = self._began[1]
        done = state.global_step - begun
        usage = self._meter.read()
        self._report(
            "step",
            step=state.global_step,
            total_steps=state.max_steps,
            epoch=state.global_step * self._batch_size / self._features,
            loss=logs["loss"],
            learning_rate=logs["learning_rate"],
            examples_per_second=done * self._batch_size / seconds,
            tokens_per_second=int(self._tokens[state.global_step] - self._tokens[begun]) / seconds,
            memory=usage.memory,
            memory_total=usage.memory_total,
            busy=usage.busy,
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
        figures = {name: value for name, value in (metrics or {}).items() if name.startswith("eval_")}
        self._report(
            "evaluation",
            step=state.global_step,
            **{name.removeprefix("eval_"): value for name, value in figures.items()},
        )


def _require_finite(logs: dict[str, float], step: int, *, scaled: bool) -> None:
    """Refuse to go on with weights that are, or are about to be, no numbers. Scaled (fp16) gradients may overflow."""
    for name, value in (("loss", logs["loss"]), ("gradient's norm", 0.0 if scaled else logs.get("grad_norm", 0.0))):
        if not math.isfinite(value):
            raise BadReader(
                f"The {name} is {value} at step {step}: training has diverged. The last good checkpoint is kept. "
                "Start anew with a lower learning rate, or resume from it with --precision fp32."
            )


@contextmanager
def _stop_on_signals(trainer: ReaderTrainer) -> Iterator[None]:
    """Let SIGTERM and the first Ctrl-C end the run after its step; a second Ctrl-C ends it at once."""

    def stop(number: int, frame: FrameType | None) -> None:
        # A launcher of several processes passes the terminal's Ctrl-C on, so that each of them gets it twice.
        if number == signal.SIGINT and trainer.stopping.is_set() and ranks.count() == 1:
            raise KeyboardInterrupt
        trainer.stopping.set()
        if trainer.evaluating:
            trainer.evaluating = False
            # Reading the held-out part may take minutes, and saves nothing: it is done again after a resume.
            raise _EvaluationStopped

    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread only: a notebook's worker thread cannot be stopped by them
        return
    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
