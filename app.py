"""Readerboard: ask a reader, train a reader, judge a reader. Builds the app from its pages and launches it."""

from __future__ import annotations

import argparse
import os
import socket
import sys
import threading
from collections.abc import Mapping, Sequence

import gradio as gr

from pages.access import Access
from pages.ask import tab as ask
from pages.judge import tab as judge
from pages.privacy import middleware
from pages.readers import Shelf
from pages.tabs import TABS, follow_address
from pages.theme import FAVICON, head, theme
from pages.train import tab as train
from reader.errors import BadUsage, ReaderboardError
from reader.jobs import start_waiting
from reader.settings import read_number

PORT = 7860
PORTS_TO_TRY = 20
MASTHEAD = '<header class="masthead"><h1>Readerboard</h1><p>Ask a reader, train a reader, judge a reader.</p></header>'


def build(access: Access) -> gr.Blocks:
    """The whole app, ready to launch; nothing is loaded, read or fetched here."""
    shelf = Shelf()
    # Downloads and uploads lie in Gradio's cache; every ten minutes those that are a day old go.
    with gr.Blocks(title="Readerboard", analytics_enabled=False, delete_cache=(600, 86_400)) as demo:
        gr.HTML(MASTHEAD)
        with gr.Tabs(elem_id=TABS):
            with gr.Tab("Ask", id="ask") as ask_tab:
                ask.build(demo, ask_tab, access, shelf)
            with gr.Tab("Train", id="train") as train_tab:
                train.build(demo, train_tab, access, shelf)
            with gr.Tab("Judge", id="judge") as judge_tab:
                judge.build(demo, access, judge_tab, shelf)
        follow_address(demo, (ask_tab, train_tab, judge_tab))
    return demo


def read_options(arguments: Sequence[str], environment: Mapping[str, str]) -> argparse.Namespace:
    """The command's options; ``port`` is None where nobody asked for a certain one."""
    parser = argparse.ArgumentParser(
        description="Open Readerboard in the browser: ask a reader, train a reader, judge a reader.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    on_space = bool(environment.get("SPACE_ID"))
    host = environment.get("GRADIO_SERVER_NAME") or ("0.0.0.0" if on_space else "127.0.0.1")
    parser.add_argument("--host", default=host, help="address to listen on; 0.0.0.0 lets other machines in")
    parser.add_argument(
        "--port",
        default=environment.get("GRADIO_SERVER_PORT") or environment.get("PORT"),
        help=f"port to listen on; by default {PORT}, or the next free one",
    )
    parser.add_argument("--share", action="store_true", help="also open a public link through Gradio's servers")
    options = parser.parse_args(arguments)
    if options.port is not None:
        if not options.port.isascii() or not options.port.isdigit() or not 0 < int(options.port[:6]) < 65536:
            parser.error(f"The port is {options.port}; expected a number from 1 to 65535.")
        options.port = int(options.port)
    return options


def choose_port(host: str, asked: int | None) -> int:
    """The port that was asked for, or the first free one from 7860 on. Raises `BadUsage` where none is free."""
    if asked is not None:
        if not _is_free(host, asked):
            raise BadUsage(f"Port {asked} of {host} is taken. Close what runs there, or choose another: --port.")
        return asked
    for port in range(PORT, PORT + PORTS_TO_TRY):
        if _is_free(host, port):
            if port != PORT:
                print(f"Port {PORT} is taken, so this is port {port}.")
            return port
    raise BadUsage(f"The ports {PORT} to {PORT + PORTS_TO_TRY - 1} of {host} are all taken. Choose one: --port.")


def _is_free(host: str, port: int) -> bool:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror:
        raise BadUsage(f"{host} is not an address of this machine. Leave --host out for this machine alone.") from None
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError:
            return False
    return True


def main(arguments: Sequence[str]) -> int:
    """Launch the app and keep it open until Ctrl-C. Returns the exit code."""
    options = read_options(arguments, os.environ)
    # Nothing about anybody's use goes anywhere; jobs started from here inherit it.
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    # Nor is it counted here: after every event Gradio would renew a table of all events, which nobody sees.
    os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = "1000000000"
    try:
        access = Access.of(options.host, options.share)
        largest = read_number("READER_MAX_DATA_MB")
        port = choose_port(options.host, options.port)
    except ReaderboardError as error:
        print(error, file=sys.stderr)
        return 2
    demo = build(access)
    demo.launch(
        server_name=options.host,
        server_port=port,
        share=options.share,
        theme=theme(),
        head=head(),
        favicon_path=FAVICON,
        # A Space's page talks to the Hub around it; any other talks to this server alone.
        app_kwargs={"middleware": access.middleware() + ([] if access.on_space else middleware())},
        max_file_size=f"{largest}mb",
        footer_links=["api"],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        pwa=False,
        prevent_thread_lock=True,
        quiet=True,
    )
    try:
        start_waiting()
    except ReaderboardError as error:
        print(f"Jobs that wait could not be started: {error}", file=sys.stderr)
    address = access.link(demo.share_url or demo.local_url)
    print(f"Readerboard is open at {address}  (Ctrl-C closes it; running jobs go on)", flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        demo.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
