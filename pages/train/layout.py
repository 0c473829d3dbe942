"""The Train tab's components and where they stand: the form beside the jobs, under each other on a phone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from pages.access import Access, why_not
from pages.phrases import notice
from pages.train.form import FormParts, lay_out_form

EVERY = 2.0  # seconds between two looks at the files of a running job

# A link of the table chooses its job here (opened in a new tab it works, too), and a tick adds it to the comparison.
CHOOSE_JOB = """element.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-job]");
    if (!link || event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    trigger("select", {job: link.dataset.job});
});
element.addEventListener("change", (event) => {
    if (!event.target.matches("[data-tick]")) return;
    const ticked = [...element.querySelectorAll("[data-tick]:checked")].map((box) => box.dataset.tick);
    trigger("select", {compare: ticked.join(",")});
});"""


@dataclass(frozen=True, slots=True)
class Parts:
    """The tab's components."""

    refused: gr.HTML
    form: FormParts
    trouble: gr.HTML
    status: gr.HTML
    stop: gr.Button
    resume: gr.Button
    resume_at_half: gr.Button
    download: gr.Button
    zipped: gr.DownloadButton
    delete: gr.Button
    confirm: gr.Row
    delete_now: gr.Button
    keep: gr.Button
    push_fold: gr.Accordion
    push_name: gr.Textbox
    push_token: gr.Textbox
    push_private: gr.Checkbox
    push: gr.Button
    pushed: gr.HTML
    probes: gr.HTML
    curves: gr.HTML
    log_fold: gr.Accordion
    log: gr.HTML
    jobs: gr.HTML
    comparison: gr.HTML
    job: gr.Textbox
    compared: gr.Textbox
    log_open: gr.State
    shown: gr.State
    timer: gr.Timer

    @property
    def watched(self) -> list[Any]:
        """What shows a job and its neighbours."""
        return [
            self.job,
            self.compared,
            self.shown,
            self.timer,
            self.status,
            self.probes,
            self.curves,
            self.jobs,
            self.comparison,
            self.form.base,
            self.log,
            self.log_fold,
            self.stop,
            self.resume,
            self.resume_at_half,
            self.download,
            self.delete,
            self.push_fold,
            self.pushed,
            self.confirm,
            self.trouble,
        ]


def layout(access: Access) -> Parts:
    """The whole tab."""
    own: dict[str, Any] = {}
    with gr.Row(elem_id="train"):
        with gr.Column(elem_id="train-left", min_width=0):
            own["refused"] = gr.HTML(notice(why_not(access)), visible=access.mode == "off", elem_id="train-refused")
            if access.on_space:
                if access.sign_in:
                    gr.LoginButton(size="sm")
                gr.DuplicateButton(size="sm")
            # Shown at once where most may train; for all others, when it is known who asks.
            own["form"] = lay_out_form(visible=access.mode == "on")
        with gr.Column(elem_id="watch", min_width=0):
            own["trouble"] = gr.HTML(elem_id="train-trouble")
            own["status"] = gr.HTML(elem_id="job")
            _lay_out_actions(own)
            _lay_out_push(own)
            own["probes"] = gr.HTML(elem_id="job-probes")
            own["curves"] = gr.HTML(elem_id="job-curves")
            with gr.Accordion("Log", open=False, visible=False, elem_id="job-log") as own["log_fold"]:
                own["log"] = gr.HTML()
            own["jobs"] = gr.HTML(elem_id="jobs", js_on_load=CHOOSE_JOB)
            own["comparison"] = gr.HTML(elem_id="comparison", js_on_load=CHOOSE_JOB)
    own["job"] = gr.Textbox(visible=False)  # no gr.State: it must outlive a restart of the server
    own["compared"] = gr.Textbox(visible=False)
    own["log_open"] = gr.State(False)
    own["shown"] = gr.State({})
    own["timer"] = gr.Timer(EVERY, active=False)
    return Parts(**own)


def _lay_out_actions(own: dict[str, Any]) -> None:
    with gr.Row(elem_id="job-actions"):
        own["stop"] = _action("Stop")
        own["resume"] = _action("Resume")
        own["resume_at_half"] = _action("Resume at half the batch")
        own["download"] = _action("Download")
        own["delete"] = _action("Delete…")
        # Shown, but out of sight: a hidden one is not on the page, and cannot be clicked by the other.
        own["zipped"] = gr.DownloadButton("Reader", elem_id="zipped-reader", elem_classes="unseen", scale=0)
    with gr.Row(visible=False, elem_id="job-confirm") as own["confirm"]:
        gr.HTML("<p>Delete this job with its reader, checkpoints and evaluation? It cannot be undone.</p>")
        own["delete_now"] = gr.Button("Delete", variant="stop", size="sm", scale=0, min_width=100)
        own["keep"] = gr.Button("Keep", size="sm", scale=0, min_width=100)


def _lay_out_push(own: dict[str, Any]) -> None:
    with gr.Accordion("Push to the Hub", open=False, visible=False, elem_id="push") as own["push_fold"]:
        own["push_name"] = gr.Textbox(label="Name of the repository", placeholder="my-reader, or org/my-reader")
        own["push_token"] = gr.Textbox(
            label="Your token with write access",
            placeholder="Empty: your own sign-in, where there is one",
            info="It is used for this once and kept nowhere.",
            type="password",
        )
        own["push_private"] = gr.Checkbox(True, label="Private: only you can see it")
        own["push"] = gr.Button("Push", size="sm", scale=0, min_width=100, elem_id="push-button")
        own["pushed"] = gr.HTML(elem_id="pushed")


def _action(title: str) -> gr.Button:
    return gr.Button(title, size="sm", visible=False, scale=0, min_width=100)
