"""What the app's events have in common."""

from __future__ import annotations

from typing import Any

# Plumbing: no spinner over the page, and nothing for those who ask over HTTP.
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
# What only lays things out does not wait in the queue behind what reads, either.
PLAIN: dict[str, Any] = {"queue": False, **QUIET}
# The button has its file a moment after the handler that made it has answered.
CLICK_DOWNLOAD = "() => setTimeout(() => document.querySelector('#{}')?.click(), 300)"
