"""The Train tab's components and where they stand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from pages.access import Access, why_not
from pages.readers import EMBEDDED
from pages.training import ENDINGS, HELD_OUT, PRESETS, QUICK, STARTER, Form
from pages.verdict import notice
from reader.recipes import ARTICLE_FAULTS, CORRECTED

EVERY = 2.0  # seconds between two looks at the files of a running job

RECIPE_SAYS = {
    "corrected": (
        "<p class='quiet'>Long texts are read in windows, labels end where the answer ends, and the learning rate "
        "warms up and decays.</p>"
    ),
    "article": "<p>As the source article trains, with its four faults:</p><ol>{}</ol>".format(
        "".join(f"<li>{fault}</li>" for fault in ARTICLE_FAULTS)
    ),
}
# A link of the table chooses its job here; opened in a new tab it works, too.
CHOOSE_JOB = """element.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-job]");
    if (!link || event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    trigger("select", {job: link.dataset.job});
});"""


@dataclass(frozen=True, slots=True)
class Parts:
    """The tab's components."""

    form: gr.Column
    refused: gr.HTML
    preset: gr.Radio
    says: gr.HTML
    base: gr.Dropdown
    data: gr.Dropdown
    upload: gr.File
    check: gr.HTML
    skip_bad: gr.Checkbox
    amount: gr.Number
    unit: gr.Radio
    recipe: gr.Radio
    recipe_says: gr.HTML
    eval_data: gr.Dropdown
    learning_rate: gr.Number
    batch_size: gr.Number
    seed: gr.Number
    held_out: gr.Number
    negatives: gr.Number
    evaluations: gr.Number
    command: gr.Textbox
    train: gr.Button
    trouble: gr.HTML
    status: gr.HTML
    stop: gr.Button
    resume: gr.Button
    resume_at_half: gr.Button
    delete: gr.Button
    confirm: gr.Row
    delete_now: gr.Button
    keep: gr.Button
    curves: gr.HTML
    log_fold: gr.Accordion
    log: gr.HTML
    jobs: gr.HTML
    job: gr.Textbox
    log_open: gr.State
    shown: gr.State
    timer: gr.Timer

    @property
    def fields(self) -> dict[str, Any]:
        """The form's fields, by the names of `Form`."""
        return {name: getattr(self, name) for name in Form.__dataclass_fields__}

    @property
    def watched(self) -> list[Any]:
        """What shows a job and its neighbours."""
        return [
            self.job,
            self.shown,
            self.timer,
            self.status,
            self.curves,
            self.jobs,
            self.base,
            self.log,
            self.log_fold,
            self.stop,
            self.resume,
            self.resume_at_half,
            self.delete,
            self.confirm,
            self.trouble,
        ]


def layout(access: Access) -> Parts:
    """The form beside the jobs; under each other on a phone."""
    own: dict[str, Any] = {}
    with gr.Row(elem_id="train"):
        with gr.Column(elem_id="train-left", min_width=0):
            own["refused"] = gr.HTML(notice(why_not(access)), visible=access.mode == "off", elem_id="train-refused")
            if access.on_space:
                if access.sign_in:
                    gr.LoginButton(size="sm")
                gr.DuplicateButton(size="sm")
            # Shown at once where most may train; for all others, when it is known who asks.
            with gr.Column(visible=access.mode == "on", elem_id="train-form") as own["form"]:
                _lay_out_form(own)
        with gr.Column(elem_id="watch", min_width=0):
            own["trouble"] = gr.HTML(elem_id="train-trouble")
            own["status"] = gr.HTML(elem_id="job")
            with gr.Row(elem_id="job-actions"):
                own["stop"] = gr.Button("Stop", size="sm", visible=False, scale=0, min_width=100)
                own["resume"] = gr.Button("Resume", size="sm", visible=False, scale=0, min_width=100)
                own["resume_at_half"] = gr.Button(
                    "Resume at half the batch", size="sm", visible=False, scale=0, min_width=100
                )
                own["delete"] = gr.Button("Delete…", size="sm", visible=False, scale=0, min_width=100)
            with gr.Row(visible=False, elem_id="job-confirm") as own["confirm"]:
                gr.HTML("<p>Delete this job with its reader, checkpoints and evaluation? It cannot be undone.</p>")
                own["delete_now"] = gr.Button("Delete", variant="stop", size="sm", scale=0, min_width=100)
                own["keep"] = gr.Button("Keep", size="sm", scale=0, min_width=100)
            own["curves"] = gr.HTML(elem_id="job-curves")
            with gr.Accordion("Log", open=False, visible=False, elem_id="job-log") as own["log_fold"]:
                own["log"] = gr.HTML()
            own["jobs"] = gr.HTML(elem_id="jobs", js_on_load=CHOOSE_JOB)
    own["job"] = gr.Textbox(visible=False)  # no gr.State: it must outlive a restart of the server
    own["log_open"] = gr.State(False)
    own["shown"] = gr.State({})
    own["timer"] = gr.Timer(EVERY, active=False)
    return Parts(**own)


def _lay_out_form(own: dict[str, Any]) -> None:
    first = PRESETS[QUICK]
    titles = [(preset.title, name) for name, preset in PRESETS.items()]
    own["preset"] = gr.Radio(titles, value=QUICK, label="Begin with", elem_id="preset")
    own["says"] = gr.HTML(f"<p class='quiet'>{first.says}</p>", elem_id="preset-says")
    own["base"] = gr.Dropdown(
        [("embedded", EMBEDDED)],
        value=EMBEDDED,
        label="Base: pick one, or type a folder or Hub id",
        allow_custom_value=True,
        elem_id="base",
    )
    own["data"] = gr.Dropdown(
        [("the starter set", STARTER)],
        value=STARTER,
        label="Data: pick some, or type a Hub id",
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
    own["check"] = gr.HTML(elem_id="data-check")
    own["skip_bad"] = gr.Checkbox(label="Train without these rows", visible=False, elem_id="skip-bad")
    with gr.Row(elem_id="length"):
        own["amount"] = gr.Number(first.form.amount, label="How long", minimum=0, min_width=100)
        own["unit"] = gr.Radio(
            ["steps", "epochs"], value=first.form.unit, show_label=False, min_width=100, elem_id="unit"
        )
    own["recipe"] = gr.Radio(["corrected", "article"], value="corrected", label="Recipe", elem_id="recipe")
    own["recipe_says"] = gr.HTML(RECIPE_SAYS["corrected"], elem_id="recipe-says")
    with gr.Accordion("More settings", open=False, elem_id="more-settings"):
        own["eval_data"] = gr.Dropdown(
            [("the held-out questions", HELD_OUT)],
            value=HELD_OUT,
            label="Evaluate on",
            allow_custom_value=True,
        )
        with gr.Row(elem_id="numbers"):
            own["learning_rate"] = gr.Number(None, label="Learning rate", placeholder="2e-5", step=1e-5, min_width=120)
            own["batch_size"] = gr.Number(
                None, label="Batch size", placeholder=str(CORRECTED.batch_size), precision=0, min_width=120
            )
            own["held_out"] = gr.Number(None, label="Held-out share", placeholder="0.05", step=0.05, min_width=120)
            own["negatives"] = gr.Number(None, label="Negatives per answer", placeholder="0", step=0.1, min_width=120)
            own["evaluations"] = gr.Number(
                first.form.evaluations, label="Evaluations", placeholder="one an epoch", precision=0, min_width=120
            )
            own["seed"] = gr.Number(None, label="Seed", placeholder="42", precision=0, min_width=120)
    own["train"] = gr.Button("Train", variant="primary", elem_id="train-button")
    own["command"] = gr.Textbox(
        label="The same from a shell",
        lines=2,
        max_lines=6,
        interactive=False,
        buttons=["copy"],
        elem_id="command",
    )
