"""``python -m reader``: the command line."""

import io
import signal
import sys

if __name__ == "__main__":
    # Ending it politely is the same as Ctrl-C: nothing half-written stays behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal without the letters of an answer
    try:
        from reader.cli import main

        code = main()
    except KeyboardInterrupt:  # before main could take it
        code = 130
    sys.exit(code)
