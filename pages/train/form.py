"""The Train tab's form: what stands in it, and what happens while it is filled. It ends in a job's config."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from pages.access import Access, require
from pages.data_sets import ENDINGS, STARTER, UPLOAD, check_data, data_label, find_data, keep_upload, list_data
from pages.events import CLICK_DOWNLOAD, QUIET
from pages.phrases import notice
from pages.readers import EMBEDDED, Choice, Shelf, find_reader, list_readers
from pages.scratch import scratch
from pages.train.checking import check, findings
from pages.train.training import (
    ARTICLE,
    BASELINE,
    BEST,
    HELD_OUT,
    NO_BASELINE,
    PRECISIONS,
    PRESETS,
    QUICK,
    THE_BASE,
    Form,
    config_of,
    form_of,
    form_of_config,
    needs_of,
    require_good_data,
    require_sense,
)
from reader.errors import BadData, BadUsage, ReaderboardError
from reader.files import read_json
from reader.job_options import checked_config, command_line
from reader.recipes import ARTICLE_FAULTS, CORRECTED

Changes = dict[Any, Any]

COLUMNS = (
    "CSV, JSONL or Parquet with the columns question, context and answer, or SQuAD's JSON. An empty answer says that "
    "the text holds none."
)
RECIPE_SAYS = {
    "corrected": (
        "<p class='quiet'>Long texts are read in windows, labels end where the answer ends, and the learning rate "
        "warms up and decays.</p>"
    ),
    "article": "<p>As the source article trains, with its four faults:</p><ol>{}</ol>".format(
        "".join(f"<li>{fault}</li>" for fault in ARTICLE_FAULTS)
    ),
}
LARGEST_CONFIG = 200_000  # bytes


@dataclass(frozen=True, slots=True)
class FormParts:
    """The form's components; those named as in `Form` are its fields."""

    column: gr.Column
    preset: gr.Radio
    says: gr.HTML
    base: gr.Dropdown
    data: gr.Dropdown
    upload: gr.File
    data_check: gr.HTML
    skip_bad: gr.Checkbox
    amount: gr.Number
    unit: gr.Radio
    recipe: gr.Radio
    recipe_says: gr.HTML
    cap: gr.Textbox
    unanswerable: gr.Textbox
    negatives: gr.Textbox
    held_out: gr.Textbox
    eval_data: gr.Dropdown
    baseline: gr.Dropdown
    learning_rate: gr.Textbox
    batch_size: gr.Textbox
    gradient_accumulation: gr.Textbox
    warmup: gr.Textbox
    weight_decay: gr.Textbox
    max_seq_length: gr.Textbox
    doc_stride: gr.Textbox
    precision: gr.Dropdown
    evaluations: gr.Textbox
    patience: gr.Textbox
    processes: gr.Textbox
    seed: gr.Textbox
    probe: gr.Textbox
    probe_text: gr.Textbox
    check: gr.Button
    train: gr.Button
    found: gr.HTML
    command: gr.Textbox
    save: gr.Button
    saved: gr.DownloadButton
    load: gr.UploadButton

    @property
    def fields(self) -> dict[str, Any]:
        """The fields, by the names of `Form`."""
        return {name: getattr(self, name) for name in Form.__dataclass_fields__}

    def filled(self, form: Form) -> Changes:
        """The fields with a form's values."""
        return {field: _as_shown(getattr(form, name), field) for name, field in self.fields.items()}


# What stands where


def lay_out_form(visible: bool) -> FormParts:
    """The form, in a column of its own."""
    first = PRESETS[QUICK]
    own: dict[str, Any] = {}
    with gr.Column(visible=visible, elem_id="train-form") as own["column"]:
        titles = [(preset.title, name) for name, preset in PRESETS.items()]
        own["preset"] = gr.Radio(titles, value=QUICK, label="Begin with", elem_id="preset")
        own["says"] = gr.HTML(_quiet(first.says), elem_id="preset-says")
        own["base"] = gr.Dropdown(
            [("embedded", EMBEDDED)],
            value=EMBEDDED,
            label="Base: pick one, or type a folder or Hub id",
            allow_custom_value=True,
            elem_id="base",
        )
        own["data"] = gr.Dropdown(
            [("the starter set", STARTER)],
            value=[STARTER],
            multiselect=True,
            label="Data: pick some, or type Hub ids",
            allow_custom_value=True,
            elem_id="data",
        )
        own["upload"] = gr.File(
            label="A file of yours",
            show_label=False,
            file_types=ENDINGS,
            visible=False,
            height=132,
            elem_id="upload",
        )
        own["data_check"] = gr.HTML(elem_id="data-check")
        own["skip_bad"] = gr.Checkbox(label="Train without these rows", visible=False, elem_id="skip-bad")
        with gr.Row(elem_id="length"):
            own["amount"] = gr.Number(first.form.amount, label="How long", min_width=100)
            own["unit"] = gr.Radio(
                ["steps", "epochs"], value=first.form.unit, show_label=False, min_width=100, elem_id="unit"
            )
        own["recipe"] = gr.Radio(["corrected", "article"], value="corrected", label="Recipe", elem_id="recipe")
        own["recipe_says"] = gr.HTML(RECIPE_SAYS["corrected"], elem_id="recipe-says")
        _lay_out_more(own)
        with gr.Row(elem_id="train-go"):
            own["check"] = gr.Button("Check", elem_id="check-button", min_width=100)
            own["train"] = gr.Button("Train", variant="primary", elem_id="train-button", min_width=100)
        own["found"] = gr.HTML(elem_id="check-found")
        own["command"] = gr.Textbox(
            label="The same from a shell",
            lines=2,
            max_lines=6,
            interactive=False,
            buttons=["copy"],
            elem_id="command",
        )
        with gr.Row(elem_id="train-files"):
            own["save"] = gr.Button("Save settings", size="sm", min_width=100)
            own["load"] = gr.UploadButton("Load settings", file_types=[".json"], size="sm", min_width=100)
            # Shown, but out of sight: a hidden one is not on the page, and cannot be clicked by the other.
            own["saved"] = gr.DownloadButton("Settings", elem_id="saved-settings", elem_classes="unseen")
    return FormParts(**own)


def _lay_out_more(own: dict[str, Any]) -> None:
    """What most leave as it is, folded away: an empty field is as the recipe says."""
    with gr.Accordion("Questions to watch", open=False, elem_id="probes-fold"):
        own["probe"] = gr.Textbox(
            label="Questions, one a line", placeholder="Empty: three of the held-out questions", lines=3, max_lines=8
        )
        own["probe_text"] = gr.Textbox(label="The text that they are about", lines=3, max_lines=8, max_length=20_000)
    with gr.Accordion("Data and evaluation", open=False, elem_id="more-data"):
        own["cap"] = gr.Textbox(label="Questions of each set, at most", placeholder="all; or 2000; or 2000, all")
        with gr.Row(elem_classes="numbers"):
            own["unanswerable"] = _number("Unanswerable share", "as it is")
            own["negatives"] = _number("Negatives per answer", "0")
            own["held_out"] = _number("Held-out share", "0.05")
        own["eval_data"] = gr.Dropdown(
            [("the held-out questions", HELD_OUT)],
            value=HELD_OUT,
            label="Evaluate on",
            allow_custom_value=True,
        )
        own["baseline"] = gr.Dropdown(
            [("the base, as it is", THE_BASE), (BASELINE, BASELINE), ("nothing", NO_BASELINE)],
            value=THE_BASE,
            label="Compare with",
            allow_custom_value=True,
        )
    with gr.Accordion("More settings", open=False, elem_id="more-settings"), gr.Row(elem_classes="numbers"):
        own["learning_rate"] = _number("Learning rate", "2e-5")
        own["batch_size"] = _number("Batch size", str(CORRECTED.batch_size))
        own["gradient_accumulation"] = _number("Parts of a batch", "1")
        own["warmup"] = _number("Warm-up share", f"{CORRECTED.warmup:g}")
        own["weight_decay"] = _number("Weight decay", f"{CORRECTED.weight_decay:g}")
        own["seed"] = _number("Seed", "42")
        own["max_seq_length"] = _number("Window, tokens", str(CORRECTED.max_seq_length))
        own["doc_stride"] = _number("Overlap, tokens", str(CORRECTED.doc_stride))
        own["evaluations"] = _number("Evaluations", "one an epoch")
        own["patience"] = _number("End early after", "never")
        own["precision"] = gr.Dropdown(
            [("the quickest", ""), *((name, name) for name in PRECISIONS[1:])],
            value="",
            label="Precision",
            min_width=120,
        )
        own["processes"] = _number("Processes", "1")
    own["evaluations"].value = f"{PRESETS[QUICK].form.evaluations:g}"


def _number(label: str, placeholder: str) -> gr.Textbox:
    """A field for a number that may be left empty; Gradio's own for numbers fills itself with 0 when it unfolds."""
    return gr.Textbox(label=label, placeholder=placeholder, max_lines=1, min_width=120)


def _as_shown(value: Any, field: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    if isinstance(field, gr.Textbox) and isinstance(value, int | float):
        return f"{value:g}"
    return "" if value is None and isinstance(field, gr.Textbox) else value


# What happens


def wire_form(parts: FormParts, access: Access, shelf: Shelf) -> None:
    """Everything but Train itself."""
    _wire_choosing(parts)
    _wire_data(parts, access)
    _wire_checking(parts, access, shelf)
    _wire_files(parts, access, shelf)


def _wire_choosing(parts: FormParts) -> None:
    def take_preset(name: str) -> Changes:
        preset = PRESETS.get(name, PRESETS[QUICK])
        recipe = RECIPE_SAYS[preset.form.recipe]
        return {
            **parts.filled(preset.form),
            parts.says: _quiet(preset.says),
            parts.recipe_says: recipe,
            parts.found: "",
        }

    def tell_needs(name: str) -> Any:
        if name not in (ARTICLE, BEST):
            return gr.skip()
        preset = PRESETS[name]
        return _quiet(preset.says) + notice(needs_of(preset.form))

    preset = parts.preset.input(
        take_preset,
        inputs=parts.preset,
        outputs=[*parts.fields.values(), parts.says, parts.recipe_says, parts.found],
        queue=False,
        **QUIET,
    )
    preset.then(tell_needs, inputs=parts.preset, outputs=parts.says, **QUIET)
    parts.recipe.input(
        lambda recipe: RECIPE_SAYS.get(recipe, ""),
        inputs=parts.recipe,
        outputs=parts.recipe_says,
        queue=False,
        **QUIET,
    )


def _wire_data(parts: FormParts, access: Access) -> None:
    outputs = [parts.upload, parts.data_check, parts.skip_bad]

    def take_data(names: Sequence[str] | None, request: gr.Request) -> Changes:
        wants_file = UPLOAD in (names or ())
        says, bad, can_skip = [], [], False
        for name in names or ():
            if name == UPLOAD:
                continue
            try:
                found = check_data(source := find_data(name, request, access))
            except ReaderboardError as error:
                bad.append(notice(str(error), "alarm"))
                continue
            if found.good:
                says.append(f"{data_label(source)}: {found.says}" if len(names or ()) > 1 else found.says)
            else:
                rows = "".join(f"<li>{escape(row)}</li>" for row in found.rows)
                bad.append(notice(found.says, "alarm") + f'<ul class="rows">{rows}</ul>')
                can_skip = can_skip or found.can_skip
        if wants_file:
            says.append(COLUMNS)
        return {
            # A file with bad rows is to be mended and dropped again.
            parts.upload: gr.File(None, visible=wants_file or bool(bad)),
            parts.data_check: "".join([*bad, *map(_quiet, says)]),
            parts.skip_bad: gr.Checkbox(False, visible=can_skip),
        }

    def take_upload(path: str | None, names: Sequence[str] | None, request: gr.Request) -> Changes:
        if path is None:
            return gr.skip()
        try:
            require(request, access)
            kept = keep_upload(Path(path))
        except ReaderboardError as error:
            return {parts.data_check: notice(str(error), "alarm"), parts.skip_bad: gr.Checkbox(False, visible=False)}
        # What is in it is told when the picker changes to it.
        others = [
            name for name in names or () if name != UPLOAD and name != kept and not _is_bad(name, request, access)
        ]
        return {parts.data: gr.Dropdown(_pairs(list_data()), value=[*others, kept])}

    parts.data.change(take_data, inputs=parts.data, outputs=outputs, **QUIET)
    parts.upload.upload(take_upload, inputs=[parts.upload, parts.data], outputs=[parts.data, *outputs], **QUIET)


def _is_bad(name: str, request: gr.Request, access: Access) -> bool:
    """Whether a data set that was picked cannot be used, so that the file that comes next takes its place."""
    try:
        return not check_data(find_data(name, request, access)).good
    except BadData:
        return True


def _wire_checking(parts: FormParts, access: Access, shelf: Shelf) -> None:
    def tell_command(request: gr.Request, *values: Any) -> gr.Textbox:
        try:
            return gr.Textbox(command_line(config_from(parts, values, shelf, request, access)))
        except ReaderboardError as error:
            return gr.Textbox("", placeholder=str(error))

    def tell_check(request: gr.Request, *values: Any) -> Iterator[Changes]:
        button = gr.Button("Check", interactive=True)
        try:
            require(request, access)
            config = checked_config("train", config_from(parts, values, shelf, request, access))
            require_sense(config)
            require_good_data(config)
            yield {parts.found: _busy("Looking at the data …"), parts.check: gr.Button("Checking", interactive=False)}
            for told in check(config):
                if isinstance(told, dict):
                    yield {parts.found: findings(told), parts.check: button}
                else:
                    yield {parts.found: _busy(told)}
        except ReaderboardError as error:
            yield {parts.found: notice(str(error), "alarm"), parts.check: button}

    fields = list(parts.fields.values())
    gr.on(
        [field.change for field in fields],
        tell_command,
        inputs=fields,
        outputs=parts.command,
        queue=False,
        trigger_mode="always_last",
        **QUIET,
    )
    parts.check.click(
        tell_check,
        inputs=fields,
        outputs=[parts.found, parts.check],
        trigger_mode="once",
        concurrency_id="checking",
        concurrency_limit=1,
        **QUIET,
    )


def _wire_files(parts: FormParts, access: Access, shelf: Shelf) -> None:
    def save(request: gr.Request, *values: Any) -> Changes:
        try:
            require(request, access)
            config = checked_config("train", config_from(parts, values, shelf, request, access))
        except ReaderboardError as error:
            return {parts.found: notice(str(error), "alarm")}
        file = scratch() / "training.json"
        file.write_text(json.dumps(config, ensure_ascii=False, indent=2) + "\n", "utf-8")
        return {parts.saved: gr.DownloadButton(value=str(file)), parts.found: ""}

    def load(path: str, request: gr.Request) -> Changes:
        try:
            require(request, access)
            form = form_of_config(_config_in(Path(path)))
        except ReaderboardError as error:
            return {parts.found: notice(str(error), "alarm")}
        says = _quiet("As the file that you loaded says.")
        return {**parts.filled(form), parts.says: says, parts.recipe_says: RECIPE_SAYS[form.recipe], parts.found: ""}

    fields = list(parts.fields.values())
    saved = parts.save.click(save, inputs=fields, outputs=[parts.saved, parts.found], queue=False, **QUIET)
    saved.success(None, js=CLICK_DOWNLOAD.format("saved-settings"), api_visibility="private")
    parts.load.upload(
        load, inputs=parts.load, outputs=[*fields, parts.says, parts.recipe_says, parts.found], queue=False, **QUIET
    )


def _config_in(file: Path) -> Mapping[str, Any]:
    if file.stat().st_size > LARGEST_CONFIG:
        raise BadUsage("That is too large for the settings of a training. Choose a file that Save settings wrote.")
    try:
        config = read_json(file)
    except BadData:
        raise BadUsage("That file is no JSON. Choose one that Save settings wrote.") from None
    if not isinstance(config, dict):
        raise BadUsage("That file holds no settings. Choose one that Save settings wrote.")
    return config


def config_from(
    parts: FormParts, values: Sequence[Any], shelf: Shelf, request: gr.Request, access: Access
) -> Mapping[str, Any]:
    """The job's config for the form's values. Raises `ReaderboardError` with a sentence."""
    form = form_of(dict(zip(parts.fields, values, strict=True)))
    base = find_reader(form.base or EMBEDDED, shelf, request, access)
    data = [find_data(name, request, access) for name in form.data] or [find_data(None, request, access)]
    baseline = form.baseline or NO_BASELINE
    if baseline not in (NO_BASELINE, THE_BASE):
        baseline = find_reader(baseline, shelf, request, access)
    return config_of(
        form,
        base=base,
        data=data,
        eval_data=find_data(form.eval_data, request, access) if form.eval_data else None,
        baseline=base if baseline == THE_BASE else baseline,
    )


def listed(parts: FormParts) -> Changes:
    """The readers and data sets that there are now, to choose from; what is chosen stays."""
    data = _pairs(list_data())
    return {
        parts.base: gr.Dropdown(_pairs(list_readers())),
        parts.data: gr.Dropdown(data),
        parts.eval_data: gr.Dropdown([("the held-out questions", HELD_OUT), *data[:-1]]),
    }


def opened(parts: FormParts, wanted: str) -> Changes:
    """What the form gets when the page is opened; ``wanted`` is the data set that its address names, or ""."""
    quick = PRESETS[QUICK].form
    data = _pairs(list_data())
    chosen = {parts.data: gr.Dropdown(data, value=[wanted])} if wanted in [name for _, name in data[:-1]] else {}
    return {
        **listed(parts),
        **chosen,
        parts.data_check: _quiet(check_data(STARTER).says),
        parts.command: command_line(config_of(quick, EMBEDDED, [STARTER], baseline=EMBEDDED)),
    }


def _busy(text: str) -> str:
    return f'<p class="busy" role="status">{escape(text)}</p>'


def _quiet(text: str) -> str:
    return f'<p class="quiet">{escape(text)}</p>'


def _pairs(choices: Sequence[Choice]) -> list[tuple[str, str]]:
    return [(choice.label, choice.name) for choice in choices]
