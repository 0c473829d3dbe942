"""A server's process for the tests of jobs: what ``app.py`` does with jobs, without the page.

Started as ``python -m tests.stand_in_server HOME WORK COUNT``: starts what waits, makes so many jobs, says that it
has, and stays until it is killed. HOME is named so that the process is found by it; READER_HOME says it, too.
"""

from __future__ import annotations

import sys
import threading

from reader.jobs import create_job, start_waiting
from tests.test_jobs import CONFIG, program


def serve(work: str, count: int) -> None:
    start_waiting(program(work))
    for _ in range(count):
        print(create_job("train", CONFIG, program(work)).id, flush=True)
    print("open", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    serve(sys.argv[2], int(sys.argv[3]))
