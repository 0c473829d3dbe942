"""A job's process for the tests: the real `running_job` around work that does what the first argument says.

Started as ``python stand_in_job.py WORK train … --job FOLDER``, the way the real program is. Its clock goes wrong
by so many seconds as the environment's STAND_IN_CLOCK says.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from reader.errors import BadData
from reader.jobs import RunningJob, append_progress, running_job
from tests.full_disk import largest_file


def work_on(job: RunningJob, work: str) -> None:
    append_progress(job.folder, "start", total_steps=1)
    print("arguments:", sys.argv[2:], flush=True)
    print("device:", os.environ.get("CUDA_VISIBLE_DEVICES", "cpu"), flush=True)
    if work == "fail":
        raise BadData("Row 3 is bad.")
    if work == "bug":
        raise ZeroDivisionError("by zero")
    if work == "talk":
        for _ in range(2000):
            print("x" * 9_999)
    if work == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if work == "save":
        signal.signal(signal.SIGTERM, lambda number, frame: (job.folder / "go").touch())
    if work in ("wait", "family", "deaf", "save", "steps"):
        append_progress(job.folder, "message", text="waiting")
        if work == "family":
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
            (job.folder / "child").write_text(str(child.pid))
        while not (job.folder / "go").exists():
            time.sleep(0.01)
            if work == "steps":
                append_progress(job.folder, "step")
        job.stop_asked = work == "save"
    append_progress(job.folder, "end", reader=None)


if __name__ == "__main__":
    what, folder = sys.argv[1], Path(sys.argv[-1])
    if what == "early":
        sys.exit("unrecognized arguments: --nonsense")
    if what == "late":
        time.sleep(60)
    if "STAND_IN_CLOCK" in os.environ:
        true_time, wrong_by = time.time, float(os.environ["STAND_IN_CLOCK"])
        time.time = lambda: true_time() + wrong_by
    with ExitStack() as stack, running_job(folder, program=(sys.executable, __file__, what)) as running:
        work_on(running, "wait" if what == "full" else what)
        if what == "full":
            stack.enter_context(largest_file(10))  # from here on to the end of the process, its status included
