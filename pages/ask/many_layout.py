"""The section for many questions: its components, and how they stand under each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from pages.access import Access, why_not
from pages.data_sets import ENDINGS
from pages.phrases import notice
from pages.readers import EMBEDDED, label_of

EVERY = 2.0  # seconds between two looks at the files of a running job

SAYS = (
    "Drop a file with a question and a text in each row: CSV, JSONL or Parquet with the columns question and context "
    "(and id, if your rows have one), or SQuAD’s JSON. Its answers come back as a file, in the same order."
)
OPEN_TO_ALL = "Asking one question at a time is open to everybody."
AS_THEY_ARE = (
    '<p class="quiet">Texts are kept exactly as they are: in a spreadsheet, import the columns as text, or a cell that '
    "begins with = is taken for a formula.</p>"
)
# A button of the table chooses its job.
CHOOSE_JOB = """element.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-job]");
    if (button) trigger("select", {job: button.dataset.job});
});"""


@dataclass(frozen=True, slots=True)
class Parts:
    """The section's components."""

    refused: gr.HTML
    body: gr.Column
    file: gr.File
    check: gr.HTML
    go: gr.Row
    by: gr.HTML
    answer: gr.Button
    trouble: gr.HTML
    status: gr.HTML
    stop: gr.Button
    resume: gr.Button
    csv: gr.Button
    jsonl: gr.Button
    delete: gr.Button
    confirm: gr.Row
    delete_now: gr.Button
    keep: gr.Button
    taken: gr.DownloadButton
    answers: gr.HTML
    as_they_are: gr.HTML
    skipped: gr.HTML
    bad_rows: gr.Button
    jobs: gr.HTML
    dropped: gr.State
    job: gr.Textbox
    shown: gr.State
    timer: gr.Timer

    @property
    def watched(self) -> list[Any]:
        """What shows a job and its neighbours."""
        return [
            *(self.refused, self.body, self.trouble, self.status, self.stop, self.resume, self.csv, self.jsonl),
            *(self.delete, self.confirm, self.answers, self.as_they_are, self.skipped, self.bad_rows, self.jobs),
            *(self.job, self.shown, self.timer),
        ]

    @property
    def of_file(self) -> list[Any]:
        """What shows a file before it is answered."""
        return [self.file, self.check, self.go, self.dropped, self.trouble]


def layout(access: Access) -> Parts:
    """One under the other: the file, the job that is looked at, its answers, all jobs."""
    own: dict[str, Any] = {}
    with gr.Column(elem_id="many"):
        own["refused"] = gr.HTML(refusal(access), visible=access.mode == "off", elem_id="many-refused")
        # Shown at once where most may; for all others, when it is known who asks.
        with gr.Column(visible=access.mode == "on", elem_id="many-body") as own["body"]:
            gr.HTML(f'<p class="quiet">{SAYS}</p>')
            own["file"] = gr.File(
                label="A file of questions", show_label=False, file_types=ENDINGS, height=132, elem_id="many-file"
            )
            own["check"] = gr.HTML(elem_id="many-check")
            with gr.Row(visible=False, elem_id="many-go") as own["go"]:
                own["answer"] = gr.Button("Answer them", variant="primary", scale=0, min_width=160)
                own["by"] = gr.HTML(by(EMBEDDED), elem_id="many-by")
            own["trouble"] = gr.HTML(elem_id="many-trouble")
            own["status"] = gr.HTML(elem_id="many-status")
            with gr.Row(elem_id="many-actions"):
                own["stop"] = _action("Stop")
                own["resume"] = _action("Resume")
                own["csv"] = _action("Download CSV")
                own["jsonl"] = _action("Download JSONL")
                own["delete"] = _action("Delete…")
                # Shown, but out of sight: a hidden one is not on the page, and cannot be clicked by the others.
                own["taken"] = gr.DownloadButton("Answers", elem_id="many-taken", elem_classes="unseen", scale=0)
            with gr.Row(visible=False, elem_id="many-confirm") as own["confirm"]:
                gr.HTML("<p>Delete these answers, and the questions they are for? It cannot be undone.</p>")
                own["delete_now"] = gr.Button("Delete", variant="stop", size="sm", scale=0, min_width=100)
                own["keep"] = gr.Button("Keep", size="sm", scale=0, min_width=100)
            own["answers"] = gr.HTML(elem_id="many-answers")
            own["as_they_are"] = gr.HTML(AS_THEY_ARE, visible=False)
            own["skipped"] = gr.HTML(elem_id="many-skipped")
            own["bad_rows"] = _action("Download the list of these rows")
            own["jobs"] = gr.HTML(elem_id="many-jobs", js_on_load=CHOOSE_JOB)
    own["dropped"] = gr.State()
    own["job"] = gr.Textbox(visible=False)  # no gr.State: it must outlive a restart of the server
    own["shown"] = gr.State({})
    own["timer"] = gr.Timer(EVERY, active=False)
    return Parts(**own)


def _action(title: str) -> gr.Button:
    return gr.Button(title, size="sm", visible=False, scale=0, min_width=100)


def refusal(access: Access) -> str:
    """What those see who may not have files answered."""
    return notice(f"{why_not(access)} {OPEN_TO_ALL}")


def by(reader: object) -> str:
    """Which reader is going to answer."""
    # A name may come straight over HTTP, and so be anything.
    name = reader.strip()[:80] if isinstance(reader, str) and reader.strip() else EMBEDDED
    return notice(f"The reader is the one picked on this tab: {label_of(name)}.")
