"""Whether a visitor still waits for the answer: a browser may have been closed meanwhile."""

from __future__ import annotations

from collections.abc import Callable

from gradio.context import LocalContext


def still_there() -> Callable[[], bool]:
    """For the event that is being handled: a function that says whether somebody still listens to it.

    Gradio marks an event whose listener has gone, but lets its handler run on. Always true where there is no event, as
    in a test.
    """
    blocks, event_id = LocalContext.blocks.get(None), LocalContext.event_id.get(None)
    event = blocks._queue.event_ids_to_events.get(event_id) if blocks and event_id else None
    return lambda: event is None or event.alive
