"""The settings, all of them in one table, read from the environment each time they are needed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from reader.errors import BadUsage


@dataclass(frozen=True, slots=True)
class Setting:
    """An environment variable: its name, what holds when it is unset or empty, and what it is for.

    ``choices`` are the only values it takes; ``number`` says that it is a whole number from 1.
    """

    name: str
    default: str
    help: str
    choices: tuple[str, ...] = ()
    number: bool = False


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "READER_HOME",
        "./runs",
        "The folder of jobs, evaluation runs and uploads; on a Space, a folder of the mounted volume.",
    ),
    Setting(
        "READER_TRAINING",
        "on",
        "Who may train, evaluate Hub readers, import, delete and push. on: whoever opens the page, and only "
        "while it is bound to this machine (loopback, no --share); otherwise on counts as owner. owner: on a "
        "Space the signed-in owner or a name in READER_OWNERS, elsewhere whoever has the token printed at "
        "start. off: nobody.",
        choices=("on", "owner", "off"),
    ),
    Setting(
        "READER_OWNERS",
        "",
        "Hub user names, separated by commas, that count as owners of a Space beside its own.",
    ),
    Setting(
        "READER_MAX_DATA_MB",
        "200",
        "The largest data file (and Hub data set) that is loaded, in MB.",
        number=True,
    ),
    Setting(
        "READER_MAX_READER_MB",
        "2000",
        "The largest reader that is fetched from the Hub, in MB.",
        number=True,
    ),
    Setting(
        "READER_LOADED",
        "2",
        "How many readers the app keeps loaded; the one that was not asked for longest goes first.",
        number=True,
    ),
)


def read_setting(name: str) -> str:
    """Return a setting's value, or its default where the variable is unset or blank.

    A value that the setting cannot take raises `BadUsage`; a name that is not in `SETTINGS`, `KeyError`.
    """
    setting = {each.name: each for each in SETTINGS}[name]
    value = os.environ.get(name, "").strip() or setting.default
    if setting.choices and value not in setting.choices:
        raise BadUsage(f"{name} is '{value}'; expected one of: {', '.join(setting.choices)}.")
    if setting.number and not (value.isascii() and value.isdigit() and int(value[:10]) > 0 and len(value) <= 10):
        raise BadUsage(f"{name} is '{value}'; expected a whole number from 1, such as {setting.default}.")
    return value


def read_number(name: str) -> int:
    """Return the value of a setting that is a whole number."""
    return int(read_setting(name))


def home() -> Path:
    """Return the absolute folder READER_HOME; it need not exist yet."""
    folder = Path(read_setting("READER_HOME")).expanduser().resolve()
    if folder.exists() and not folder.is_dir():
        raise BadUsage(f"READER_HOME is {folder}, which is a file; expected a folder.")
    return folder
