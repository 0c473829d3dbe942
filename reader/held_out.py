"""The held-out part in training: what is read at every evaluation, and what is chosen by it at the end.

The part is read as the finished reader would read it, and so are the probes: a few questions whose answers one
watches while they become better.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reader import ranks
from reader.checkpoints import Checkpoint
from reader.examples import Example
from reader.learning import average
from reader.metrics import apply_threshold, choose_threshold, forced_metrics, judge
from reader.postprocess import Answer
from reader.predictor import ExtractiveReader, Precision
from reader.trainer import ReaderTrainer, Report, whole_checkpoints


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What is read at an evaluation, and how.

    ``assume_unanswerable`` weighs the two kinds of question as if that share were unanswerable, for a reader that
    will meet others than its training data hold.
    """

    examples: Sequence[Example]
    probes: Sequence[Example]
    device: str
    precision: Precision
    assume_unanswerable: float | None = None

    def read(self, checkpoint: Checkpoint, step: int, report: Report) -> dict[str, float]:
        """Read the part and the probes, and tell how the probes are answered; returns the part's figures, if any."""
        model = copy.deepcopy(checkpoint.model)  # the reader casts what it is given
        reader = ExtractiveReader(replace(checkpoint, model=model), device=self.device, precision=self.precision)
        figures = self._figures(reader) if self.examples else {}
        threshold = figures.get("threshold", checkpoint.config.null_score_diff_threshold)
        answers = reader.predict(self.probes, threshold=threshold, top_k=1)
        told = [_told(probe, answer) for probe, answer in zip(self.probes, answers, strict=True)]
        if told:
            report("probes", step=step, threshold=threshold, answers=told)
        return figures

    def _figures(self, reader: ExtractiveReader) -> dict[str, float]:
        """Percentages 0-100 at the ``threshold`` chosen on the part; ``forced_HasAns_f1`` without abstaining.

        Where the part holds no unanswerable question there is nothing to choose: the base's threshold stays.
        """
        answers = ranks.joined(list(reader.predict(ranks.share_of(self.examples), top_k=1)))
        judged = judge(
            [answer.best.text if answer.best else "" for answer in answers],
            [[gold.text for gold in example.answers] for example in self.examples],
        )
        odds = np.array([answer.null_score_diff for answer in answers])
        weights = _weights(judged.has_answer, self.assume_unanswerable)
        if judged.has_answer.all():
            threshold = reader.config.null_score_diff_threshold
        else:
            threshold = between(choose_threshold(judged, odds, weights=weights)[0], odds)
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


def choose_weights(
    trainer: ReaderTrainer, checkpoint: Checkpoint, held_out: HeldOut, *, average_last: int
) -> tuple[Checkpoint, dict[str, float]]:
    """The best of the checkpoints (and of the average of the last ones), with its threshold."""
    if trainer.read_held_out is None:
        chosen_on = "not chosen: no examples were held out"
        return replace(checkpoint, config=replace(checkpoint.config, threshold_chosen_on=chosen_on)), {}
    step = trainer.state.best_global_step or trainer.state.global_step
    figures = trainer.read_held_out(step)
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
        averaged = trainer.read_held_out(trainer.state.global_step)
        if averaged["f1"] > figures["f1"]:
            figures = averaged
        else:
            checkpoint.model.load_state_dict(kept)
    config = replace(
        checkpoint.config,
        null_score_diff_threshold=figures["threshold"],
        threshold_chosen_on=_chosen_on(held_out),
    )
    return replace(checkpoint, config=config), figures


def between(threshold: float, odds: NDArray[np.float64]) -> float:
    """The middle of all thresholds that decide these questions alike, to two decimals where that decides alike, too.

    At its lower end a question's own margin would be the threshold: the next text that is a little less sure would get
    no answer, and so would this one when the weights are rounded.
    """
    above = odds[odds > threshold]
    if not len(above):
        return round(threshold + 0.005, 2)
    if len(above) == len(odds):
        return round(threshold - 0.005, 2)
    upper = float(above.min())
    middle = (threshold + upper) / 2
    rounded = round(middle, 2)
    return rounded if threshold <= rounded < upper else middle


def _told(probe: Example, answer: Answer) -> dict[str, Any]:
    """A probe's answer as the progress keeps it; ``text`` is "" where the reader abstains."""
    return {
        "question": probe.question,
        "gold": [gold.text for gold in probe.answers][:1],
        "text": answer.text if answer.answered else "",
        "probability": answer.probability if answer.answered else answer.no_answer_probability,
    }


def _weights(has_answer: NDArray[np.bool_], assume_unanswerable: float | None) -> NDArray[np.float64]:
    """One weight per question, of mean 1: all alike, or so that the assumed share is unanswerable."""
    share = float((~has_answer).mean())
    if assume_unanswerable is None or share in (0.0, 1.0):
        return np.ones(len(has_answer))
    return np.where(has_answer, (1 - assume_unanswerable) / (1 - share), assume_unanswerable / share)


def _chosen_on(held_out: HeldOut) -> str:
    unanswerable = sum(example.is_impossible for example in held_out.examples)
    if not unanswerable:
        return "the base's: no unanswerable question was held out"
    counted = f"{len(held_out.examples)} held-out questions of the training data, {unanswerable} unanswerable"
    assumed = held_out.assume_unanswerable
    return counted if assumed is None else f"{counted} but counted as {assumed:.0%}"
