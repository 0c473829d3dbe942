"""Before a training run: what it will cost on this very machine, and what is wrong with its data.

Nothing here is guessed that can be measured: a few real steps at the shapes that the run will have, a checkpoint
that is really written, held-out questions that are really read. The rest is multiplication.
"""

from __future__ import annotations

import math
import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from transformers import TrainingArguments

from reader.checkpoints import quiet
from reader.errors import OutOfMemory, is_out_of_memory
from reader.examples import Example, ExampleSet
from reader.features import Windowing
from reader.finetune import Prepared, checkpoints_kept, make_trainer, prepare, step_arguments
from reader.learning import quickest_attention
from reader.predictor import ExtractiveReader
from reader.recipes import TrainOptions, parts_of, unlike_the_article
from reader.trainer import LENGTH_STEP, Report, Stopped
from reader.usage import forget_peak, memory_available, peak_memory

STEP_SECONDS = 30.0  # spent on measured steps; a shape that was not reached is told from the others
NAMED = 5  # of each kind of trouble, so many are named
_SHARES = (1.0, 0.5, 0.95, 0.5, 0.05, 0.95, 0.05, 1.0)  # which batches are measured: the largest, the middle one …
_READ = 48  # held-out questions that are read to see how long one takes
_SPARE = 0.95  # of the memory that is there; the last of it is never had


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long texts are, in tokens: counts of equally wide ranges up to ``longest``."""

    median: int
    longest: int
    width: int
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Misfit:
    """An answerable question whose answer no window holds whole, so that it is learned as unanswerable."""

    id: str
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Leak:
    """What of the evaluation set stands in the training data too; ``named``: ids of the first ones."""

    contexts: int
    questions: int
    named: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Preflight:
    """What a run will be. Times in seconds, memory and disk in bytes; None where nothing was measured.

    ``at_once``: windows that fit into the memory at a time, ``parts``: in how many parts each batch is read for that.
    ``memory`` is this process's peak on a CPU, the reserved memory on a GPU; where several processes share a CPU, it
    and ``memory_available`` are of each.
    """

    sets: tuple[dict[str, Any], ...]
    examples: int
    unanswerable: int
    negatives: int
    held_out: int
    features: int
    misfits: int
    misfits_named: tuple[Misfit, ...]
    questions: Lengths
    contexts: Lengths
    leak: Leak | None
    steps: int
    evaluations: int
    device: str
    precision: str
    seconds_per_step: float
    seconds_per_evaluation: float
    seconds: float
    memory: int
    memory_available: int
    fits: bool
    at_once: int
    parts: int
    disk: int
    disk_free: int
    unlike_the_article: tuple[tuple[str, str, str], ...]


def preflight(
    options: TrainOptions, eval_data: ExampleSet | None, place: Path, *, baseline: bool, report: Report
) -> Preflight:
    """Look at the data and measure a run that would write under ``place``; trains nothing that is kept.

    Raises what `finetune` raises for data, base and options, and `OutOfMemory` where not one window fits.
    """
    available = memory_available() // options.processes
    report("message", text="Reading the data and cutting it into windows …")
    ready = prepare(_of_one_process(options), report=report)
    started = time.time() - psutil.Process().create_time()
    if ready.device == "cuda":
        available = torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved()
    misfits = find_misfits(ready)
    report("message", text=f"Measuring some of the {ready.steps:,} steps …")
    measured = _measure(ready, available, place)
    devices = options.processes if ready.device == "cuda" else 1  # those on a CPU share its cores
    steps_seconds = measured.steps / devices
    evaluations = math.ceil(ready.steps / ready.every)
    final = 3 if options.average_last > 1 else 2  # as the base is, the best one again, and the average
    questions_at_end = len(eval_data.examples) if eval_data else len(ready.data.held_out)
    per_evaluation = measured.per_question * len(ready.data.held_out) / devices
    seconds = (
        started
        + steps_seconds
        + (evaluations + final) * per_evaluation
        + evaluations * measured.checkpoint_seconds
        + (2 if baseline else 1) * questions_at_end * measured.per_question
    )
    train = ready.data.train
    return Preflight(
        sets=tuple(_counted(each) for each in ready.data.sets),
        examples=len(train),
        unanswerable=sum(example.is_impossible for example in train),
        negatives=ready.data.negatives,
        held_out=len(ready.data.held_out),
        features=len(ready.features),
        misfits=len(misfits),
        misfits_named=tuple(misfits[:NAMED]),
        questions=lengths_of(ready.base.windowing, [example.question for example in train]),
        contexts=lengths_of(ready.base.windowing, list(dict.fromkeys(example.context for example in train))),
        leak=find_leak(train, eval_data.examples) if eval_data else None,
        steps=ready.steps,
        evaluations=evaluations if ready.data.held_out else 0,
        device=ready.device,
        precision=ready.precision,
        seconds_per_step=steps_seconds / ready.steps,
        seconds_per_evaluation=per_evaluation,
        seconds=seconds,
        memory=measured.memory,
        memory_available=available,
        fits=measured.at_once >= options.at_once,
        at_once=measured.at_once,
        parts=parts_of(options.settings.batch_size, options.processes, measured.at_once),
        # While one more is written the older ones are still there; and the finished reader, in fp16.
        disk=(checkpoints_kept(options) + 1) * measured.checkpoint_bytes + 2 * _parameters(ready),
        disk_free=shutil.disk_usage(_existing(place)).free,
        unlike_the_article=tuple(unlike_the_article(options)),
    )


# The data


def find_misfits(ready: Prepared) -> list[Misfit]:
    """The answerable questions that no window's labels answer."""
    cls = ready.base.tokenizer.cls_token_id
    by_cls = ready.options.recipe != "article" and cls is not None
    labelled = {
        feature.example
        for feature in ready.features
        if (feature.input_ids[feature.start_position] != cls if by_cls else feature.end_position)
    }
    return [
        Misfit(example.id, example.question, example.answers[0].text)
        for index, example in enumerate(ready.data.train)
        if example.answers and index not in labelled
    ]


def find_leak(train: Sequence[Example], evaluated: Sequence[Example]) -> Leak:
    """Contexts and questions that stand on both sides, whatever their white space and capitals."""
    contexts = {_plain(example.context) for example in train}
    questions = {_plain(example.question) for example in train}
    same_context = {plain for example in evaluated if (plain := _plain(example.context)) in contexts}
    same_question = [example.id for example in evaluated if _plain(example.question) in questions]
    in_context = [example.id for example in evaluated if _plain(example.context) in same_context]
    named = list(dict.fromkeys([*same_question, *in_context]))[:NAMED]
    return Leak(len(same_context), len(same_question), tuple(named))


def lengths_of(windowing: Windowing, texts: Sequence[str], ranges: int = 12) -> Lengths:
    """How many tokens the texts have, without those that the tokenizer adds."""
    found: list[int] = []
    for first in range(0, len(texts), 1000):
        ids = windowing.tokenizer(
            list(texts[first : first + 1000]), add_special_tokens=False, return_attention_mask=False, verbose=False
        )["input_ids"]
        found += [len(each) for each in ids]
    longest = max(found)
    width = max(1, -(-longest // ranges))
    counts = np.bincount((np.array(found) - 1).clip(0) // width, minlength=ranges)
    return Lengths(round(float(np.median(found))), longest, width, tuple(int(count) for count in counts))


def _counted(data: ExampleSet) -> dict[str, Any]:
    unanswerable = sum(example.is_impossible for example in data.examples)
    return {
        "source": data.source,
        "examples": len(data.examples),
        "unanswerable": unanswerable,
        "skipped": len(data.skipped),
    }


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


# The measuring


@dataclass(frozen=True, slots=True)
class _Measured:
    """``at_once``: windows that fit into the memory at a time; ``steps``: seconds of all steps together."""

    at_once: int
    steps: float
    per_question: float
    memory: int
    checkpoint_bytes: int
    checkpoint_seconds: float


class _Enough(Exception):
    """The time for measuring is over."""


def _measure(ready: Prepared, available: int, place: Path) -> _Measured:
    """Take a few real steps, with as many windows at a time as fit into the memory."""
    loaded = _held(ready.device)
    options = _that_fit(ready, available)
    while True:
        try:
            measured = _measure_steps(replace(ready, options=options), place)
            return replace(measured, memory=max(loaded, measured.memory))
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
        options = _with_at_once(options, options.at_once // 2)
        torch.cuda.empty_cache()


def _that_fit(ready: Prepared, available: int) -> TrainOptions:
    """The options with as many windows at a time as should fit, as one and three of the longest ones tell.

    A CPU's memory must not be tried out: the system would kill the process, or another one.
    """
    options = ready.options
    if options.at_once <= 3:
        return options
    longest = sorted(ready.features, key=lambda feature: -len(feature.input_ids))[:3]
    one, three = (_peak_of(ready, longest[:count]) for count in (1, 3))
    each = max(three - one, 0) / 2
    free = _SPARE * available - one - 8 * _parameters(ready)  # AdamW's two moments, in fp32
    if free < 0:
        raise OutOfMemory(
            f"Not even one window at a time fits: it takes {one / 1e9:.1f} GB, and {available / 1e9:.1f} GB are free. "
            "Use a smaller base or a shorter window (--max-seq-length)."
        )
    most = options.at_once if each == 0 else 1 + int(free / each)
    return options if most >= options.at_once else _with_at_once(options, most)


def _with_at_once(options: TrainOptions, at_once: int) -> TrainOptions:
    if options.at_once == 1:
        raise OutOfMemory("Not even one window at a time fits into the memory. Use a smaller base or a shorter window.")
    parts = parts_of(options.settings.batch_size, options.processes, at_once)
    return replace(options, gradient_accumulation=parts)


def _peak_of(ready: Prepared, features: Sequence[Any]) -> int:
    """The most memory that is held while these windows are learned from, in bytes."""
    _forget_held(ready.device)
    model = ready.base.model.to(ready.device).train()
    inputs = {name: tensor.to(ready.device) for name, tensor in ready.collate(features).items() if name != "taught"}
    bf16 = ready.precision == "bf16"
    with torch.autocast(ready.device, torch.bfloat16, enabled=bf16), quickest_attention(model, inputs["input_ids"]):
        loss = model(**inputs).loss
    loss.backward()
    model.zero_grad()
    return _held(ready.device)


def _held(device: str) -> int:
    """The most memory that was held since `_forget_held`, in bytes."""
    return torch.cuda.max_memory_reserved() if device == "cuda" else peak_memory() or 0


def _forget_held(device: str) -> None:
    """Let the peak begin anew: what was held before, to load or in a try that failed, would hide what is measured."""
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    else:
        forget_peak()


def _measure_steps(ready: Prepared, place: Path) -> _Measured:
    sizes = batch_tokens(ready)
    by_size = np.argsort(sizes, kind="stable")
    chosen = [int(by_size[round(share * (len(sizes) - 1))]) for share in _SHARES]
    order = ready.order.reshape(len(sizes), -1)[chosen].ravel()
    taken: list[float] = []
    begun = time.monotonic()

    def report(event: str, **facts: Any) -> None:
        if event == "step":
            taken.append(time.monotonic())
            if taken[-1] - begun > STEP_SECONDS:
                raise _Enough

    # The weights that these steps change are nobody's.
    with quiet(), tempfile.TemporaryDirectory(dir=_existing(place), prefix=".check-") as folder:
        arguments = TrainingArguments(
            **step_arguments(ready),
            output_dir=folder,
            max_steps=len(chosen),
            warmup_steps=0,
            save_strategy="no",
            eval_strategy="no",
            logging_steps=1,
        )
        trainer = make_trainer(ready, arguments, order, report, lambda step: {})
        _forget_held(ready.device)
        begun = time.monotonic()
        try:
            with suppress(_Enough):
                trainer.run(None)
        except Stopped:  # by Ctrl-C or SIGTERM, which a run would be saved for
            raise KeyboardInterrupt from None
        memory = _held(ready.device)
        saving = time.monotonic()
        written = trainer.save_as_checkpoint()
        saving = time.monotonic() - saving
    seconds = np.diff([begun, *taken])
    # The first time that a shape is seen takes longer, and happens once.
    quickest: dict[int, float] = {}
    for index, spent in zip(chosen, seconds, strict=False):
        size = int(sizes[index])
        quickest[size] = min(spent, quickest.get(size, float("inf")))
    return _Measured(
        at_once=ready.options.at_once,
        steps=float(estimate(sizes, quickest).sum()),
        per_question=_seconds_per_question(ready),
        memory=max(memory, _held(ready.device)),
        checkpoint_bytes=written,
        checkpoint_seconds=saving,
    )


def batch_tokens(ready: Prepared) -> NDArray[np.int64]:
    """The padded tokens of every step: (steps,)."""
    settings = ready.options.settings
    if ready.options.recipe == "article":
        return np.full(ready.steps, settings.batch_size * settings.max_seq_length)
    parts = ready.lengths[ready.order].reshape(ready.steps, -1, ready.options.at_once)
    longest = np.minimum(-(-parts.max(axis=2) // LENGTH_STEP) * LENGTH_STEP, ready.base.windowing.max_seq_length)
    return np.asarray(longest.sum(axis=1) * ready.options.at_once)


def estimate(sizes: NDArray[np.int64], measured: dict[int, float]) -> NDArray[np.float64]:
    """Seconds of each step, between the measured ones by their size; beyond these in proportion to it."""
    known = sorted(measured)
    times = [measured[size] for size in known]
    inside = np.interp(sizes, known, times)
    below = sizes < known[0]
    above = sizes > known[-1]
    inside[below] = times[0] * sizes[below] / known[0]
    inside[above] = times[-1] * sizes[above] / known[-1]
    return np.asarray(inside)


def _seconds_per_question(ready: Prepared) -> float:
    examples = ready.data.held_out or ready.data.train
    some = examples[:: max(1, len(examples) // _READ)][:_READ]
    reader = ExtractiveReader(ready.base, device=ready.device, precision=ready.held_out.precision)
    list(reader.predict(some[:8]))
    begun = time.monotonic()
    list(reader.predict(some))
    return (time.monotonic() - begun) / len(some)


def _of_one_process(options: TrainOptions) -> TrainOptions:
    """The same steps with the same windows at a time, done by one process: as long as all of them together."""
    return replace(options, processes=1, gradient_accumulation=options.gradient_accumulation * options.processes)


def _parameters(ready: Prepared) -> int:
    return sum(parameter.numel() for parameter in ready.base.model.parameters())


def _existing(place: Path) -> Path:
    """The folder itself, or the nearest one above it that is there."""
    return next(folder for folder in (place, *place.absolute().parents) if folder.is_dir())
