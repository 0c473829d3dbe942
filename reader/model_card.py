"""The card of a trained reader: where it is from, how it was made, how good it is and what it cannot do."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reader.hub import is_hub_id
from reader.recipes import ARTICLE_FAULTS, TrainOptions

if TYPE_CHECKING:
    from reader.finetune import Trained

_LIMITS = """It points at a span of the text it is given and knows nothing else: it cannot reason over several
passages, count, or say yes or no. Its margins are comparable with its own only, not with another reader's. Where the
text speaks of the right things without answering, it may still answer; the threshold trades that against
missed answers. It learned from English text."""
_NO_LICENCE = """None has been chosen yet. It has to agree with those of the base model and of the training data
above, whose terms may pass on to these weights."""


def model_card(
    name: str,
    options: TrainOptions,
    trained: Trained,
    command: str,
    evaluation: dict[str, Any] | None,
    *,
    licence: str = "",
    credit: str = "",
) -> str:
    """The card as Markdown with the Hub's front matter. ``evaluation``: what `summarize` returned, if there is any."""
    settings = options.settings
    lines = [
        "---",
        "library_name: transformers",
        "pipeline_tag: question-answering",
        *([f"license: {licence}"] if licence else []),
        *([f"base_model: {options.base}"] if is_hub_id(options.base) and not Path(options.base).exists() else []),
        "language: en",
        "tags: [question-answering, extractive-qa, readerboard]",
        "---",
        "",
        f"# {name}",
        "",
        f"An extractive question answering reader, fine-tuned from `{_named(options.base)}` with Readerboard.",
        *(["", credit] if credit else []),
        "",
        "```python",
        "from reader import ExtractiveReader",
        "",
        f'qa = ExtractiveReader.from_pretrained("{name}")',
        'qa(question="…", context="…")',
        "```",
        "",
        "## Training data",
        "",
        "| source | examples | unanswerable | fingerprint (sha256) |",
        "|---|--:|--:|---|",
        *(
            f"| {_named(each.source)} | {len(each.examples):,} "
            f"| {sum(example.is_impossible for example in each.examples):,} | `{each.fingerprint}` |"
            for each in trained.data.sets
        ),
        "",
        f"{len(trained.data.held_out):,} questions were held out by {options.held_out_by}; {trained.data.negatives:,} "
        f"unanswerable ones were made from answerable ones. {trained.features:,} windows in all.",
        "",
        "## Recipe",
        "",
        f"`{settings.name}`, {trained.steps:,} steps on {trained.device} in {trained.precision}, "
        f"{trained.seconds / 60:.0f} minutes.",
        "",
        "```sh",
        command,
        "```",
        "",
        "| setting | value |",
        "|---|---|",
        *(f"| {key} | {value} |" for key, value in _chosen(options).items()),
        "",
    ]
    if settings.name == "article":
        lines += ["This recipe repeats the source article's faults:", ""]
        lines += [f"{number}. {fault}" for number, fault in enumerate(ARTICLE_FAULTS, 1)]
        lines += [""]
    config = trained.checkpoint.config
    lines += [
        "## Measured",
        "",
        f"It abstains above a margin of {config.null_score_diff_threshold:.2f}; chosen on: "
        f"{config.threshold_chosen_on or 'nothing, the default'}.",
        "",
    ]
    if trained.held_out:
        figures = ", ".join(f"{key} {value:.2f}" for key, value in trained.held_out.items() if key != "threshold")
        lines += [f"Held-out part: {figures}.", ""]
    if evaluation:
        lines += _evaluation_table(evaluation)
    lines += ["## Licence", "", f"{licence}." if licence else _NO_LICENCE, ""]
    return "\n".join([*lines, "## Limits", "", _LIMITS, ""])


def _chosen(options: TrainOptions) -> dict[str, Any]:
    """Every setting of the run by its name, what was left open as the recipe has it."""
    given = {key: value for key, value in asdict(options).items() if value is not None}
    given["base"] = _named(options.base)
    given["teacher"] = ", ".join(_named(teacher) for teacher in options.teacher) or "none"
    left_out = {"data", "extra_data", "recipe", "name", *(["epochs"] if options.max_steps else [])}
    return {key: value for key, value in (given | asdict(options.settings)).items() if key not in left_out}


def _named(source: str) -> str:
    """A Hub id as it is; of a file or folder its name only, since its place means nothing elsewhere."""
    path = Path(source).expanduser()
    return path.name if path.is_absolute() or path.exists() or source.startswith(".") else source


def _evaluation_table(figures: dict[str, Any]) -> list[str]:
    metrics, forced, rouge = figures["metrics"], figures["forced"], figures["rouge"]["raw"]
    rows: list[tuple[str, float | None]] = [
        ("exact match, abstaining", metrics.get("exact")),
        ("F1, abstaining", metrics.get("f1")),
        ("HasAns F1, abstaining", metrics.get("HasAns_f1")),
        ("NoAns, abstaining", metrics.get("NoAns_f1")),
        ("HasAns F1, forced", forced.get("HasAns_f1") if forced else None),
        ("ROUGE-1 F, forced, all", rouge["all"]["rouge1"]["f"]),
        ("ROUGE-1 F, forced, answerable only", rouge["answerable"]["rouge1"]["f"]),
    ]
    data = figures["data"]
    return [
        f"On {_named(data['source'])} ({data['examples']:,} questions, fingerprint `{data['fingerprint']}`):",
        "",
        "| measure | value |",
        "|---|--:|",
        *(f"| {name} | {value:.3f} |" for name, value in rows if value is not None),
        "",
    ]
